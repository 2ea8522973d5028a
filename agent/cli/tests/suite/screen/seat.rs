//! Owns the place in front of the full screen: the built binary in a terminal, what is typed, what is seen, what is written.
//! Uses a pseudo-terminal, and a terminal in memory that draws what is written to it.
//! Never waits longer than half a minute for anything.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use super::stream;
use crate::suite::world::World;

const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than a key of somebody who did not see the question.
const AGAIN: Duration = Duration::from_millis(600);
const PAUSE: Duration = Duration::from_millis(10);

/// The program in a terminal.
pub(super) struct Seat {
    child: Box<dyn portable_pty::Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    seen: Arc<Mutex<Seen>>,
    blind: Arc<AtomicBool>,
    reader: JoinHandle<()>,
    pair: portable_pty::PtyPair,
    /// How the terminal was set before.
    before: String,
}

struct Seen {
    bytes: Vec<u8>,
    /// As many of them are drawn.
    drawn: usize,
    screen: vt100::Parser,
}

impl Seen {
    /// Draw what was written. The terminal in memory leaves U+FFFD out, where others draw a sign of one column.
    fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        while let Some(next) = self.bytes.get(self.drawn..).filter(|next| !next.is_empty()) {
            if next.starts_with(REPLACEMENT) {
                self.screen.process(b"?");
                self.drawn += REPLACEMENT.len();
            } else if REPLACEMENT.starts_with(next) {
                return;
            } else {
                let plain = next[1..].iter().position(|byte| *byte == REPLACEMENT[0]);
                let count = plain.map_or(next.len(), |at| at + 1);
                self.screen.process(&next[..count]);
                self.drawn += count;
            }
        }
    }
}

/// U+FFFD.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// What is left when it has ended.
pub(super) struct Left {
    pub(super) code: u32,
    /// What the normal screen shows.
    pub(super) screen: String,
    pub(super) bytes: Vec<u8>,
}

impl Seat {
    /// Start it in 80 × 24, and wait for its first frame.
    pub(super) fn take(world: &World, arguments: &[&str]) -> Self {
        let mut seat = Self::start(world, arguments, &[]);
        seat.sees("›");
        // The window is looked at: no bell rings.
        seat.press("\x1b[I");
        seat
    }

    /// Start it with these variables.
    pub(super) fn start(world: &World, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let known = world.home().join(".local/state/loci");
        std::fs::create_dir_all(&known).expect("created");
        std::fs::write(known.join("welcomed"), "").expect("written");
        Self::first(world, arguments, variables)
    }

    /// The same for somebody who has never started it.
    pub(super) fn first(world: &World, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let before = modes(&pair);
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_loci"));
        command.args(arguments);
        command.cwd(world.repo());
        command.env_clear();
        let own = world.command();
        for (name, value) in own.get_envs().filter_map(|(name, value)| Some((name, value?))) {
            command.env(name, value);
        }
        command.env("TERM", "xterm-256color");
        for (name, value) in variables {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).expect("starts");
        let mut output = pair.master.try_clone_reader().expect("readable");
        let keys = pair.master.take_writer().expect("writable");
        let seen = Arc::new(Mutex::new(Seen {
            bytes: Vec::new(),
            drawn: 0,
            screen: vt100::Parser::new(at_least_one(24), at_least_one(80), 0),
        }));
        let blind = Arc::new(AtomicBool::new(false));
        let (sink, stop) = (Arc::clone(&seen), Arc::clone(&blind));
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while let Ok(count @ 1..) = output.read(&mut buffer)
                && !stop.load(Ordering::Relaxed)
            {
                sink.lock().expect("no panic").take(&buffer[..count]);
            }
        });
        Self { child, keys, seen, blind, reader, pair, before }
    }

    /// What the screen shows.
    pub(super) fn screen(&self) -> String {
        self.seen.lock().expect("no panic").screen.screen().contents()
    }

    /// Everything that was written so far.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.seen.lock().expect("no panic").bytes.clone()
    }

    /// Wait until the screen shows this.
    #[track_caller]
    pub(super) fn sees(&self, text: &str) {
        self.waits(text, |screen| screen.contains(text));
    }

    /// Wait until the screen does not show this any more.
    #[track_caller]
    pub(super) fn loses(&self, text: &str) {
        self.waits(text, |screen| !screen.contains(text));
    }

    /// Wait until this holds of the screen.
    #[track_caller]
    pub(super) fn waits(&self, what: &str, holds: impl Fn(&str) -> bool) {
        let limit = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if holds(&screen) {
                return;
            }
            assert!(Instant::now() < limit, "waited in vain, {what:?}:\n{screen}");
            std::thread::sleep(PAUSE);
        }
    }

    /// Type.
    pub(super) fn press(&mut self, keys: &str) {
        // The program may have gone.
        let _ = self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush());
    }

    /// Type this again and again until that holds.
    #[track_caller]
    pub(super) fn presses_until(&mut self, keys: &str, holds: impl Fn(&str) -> bool) {
        let limit = Instant::now() + PATIENCE;
        while !holds(&self.screen()) {
            assert!(Instant::now() < limit, "{keys:?} did nothing:\n{}", self.screen());
            std::thread::sleep(AGAIN);
            self.press(keys);
            std::thread::sleep(PAUSE * 5);
        }
    }

    /// Draw everything anew: the same must stand there, or a width was taken in another way than the terminal does. What
    /// counts up is left out.
    #[track_caller]
    pub(super) fn redraws(&mut self) {
        let rows = |screen: String| -> Vec<String> {
            let rows = screen.lines().filter(|row| !row.contains(" · ")).map(|row| row.trim_end().to_owned());
            rows.collect()
        };
        let still = |seat: &Self| {
            let limit = Instant::now() + PATIENCE;
            loop {
                let before = rows(seat.screen());
                std::thread::sleep(PAUSE * 30);
                if rows(seat.screen()) == before || Instant::now() > limit {
                    return before;
                }
            }
        };
        let before = still(self);
        let written = self.bytes().len();
        self.press("\x0c");
        self.waits("everything to be drawn", |_| {
            self.bytes()[written..].windows(4).any(|bytes| bytes == b"\x1b[2J")
        });
        assert_eq!(still(self), before, "drawn anew it is not the same");
    }

    /// Make the window another size.
    pub(super) fn resize(&self, columns: u16, rows: u16) {
        self.seen
            .lock()
            .expect("no panic")
            .screen
            .screen_mut()
            .set_size(at_least_one(rows), at_least_one(columns));
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.pair.master.resize(size).expect("resized");
    }

    /// Send it a signal by name.
    pub(super) fn signal(&self, name: &str) {
        let id = self.child.process_id().expect("runs").to_string();
        let status = std::process::Command::new("kill").args(["-s", name, &id]).status().expect("kill runs");
        assert!(status.success());
    }

    /// Wait for its end; the terminal must be as it was, and nothing foreign may have been written.
    #[track_caller]
    pub(super) fn ended(mut self) -> Left {
        let code = self.code();
        assert_eq!(modes(&self.pair), self.before, "the terminal is set in another way than before");
        // What was written last is read a moment later.
        let limit = Instant::now() + PATIENCE;
        let faults = loop {
            let faults = stream::faults(&self.bytes());
            if faults.is_empty() || Instant::now() > limit {
                break faults;
            }
            std::thread::sleep(PAUSE * 5);
            if stream::faults(&self.bytes()) == faults && self.child.try_wait().is_ok() {
                break faults;
            }
        };
        assert!(faults.is_empty(), "{faults:#?}\n{}", self.screen());
        std::thread::sleep(PAUSE * 5);
        Left { code, screen: self.screen(), bytes: self.bytes() }
    }

    #[track_caller]
    fn code(&mut self) -> u32 {
        let limit = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("known") {
                return status.exit_code();
            }
            assert!(Instant::now() < limit, "it never ended:\n{}", self.screen());
            std::thread::sleep(PAUSE);
        }
    }

    /// Close the terminal while the program runs, and wait for its end.
    pub(super) fn closed(self) -> u32 {
        let Self { mut child, keys, seen: _, blind, reader, pair, .. } = self;
        blind.store(true, Ordering::Relaxed);
        // The next thing that is written ends the reader, which holds the terminal open.
        pair.master.resize(PtySize { rows: 25, cols: 81, pixel_width: 0, pixel_height: 0 }).expect("resized");
        reader.join().expect("no panic");
        drop((keys, pair));
        let limit = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().expect("known") {
                return status.exit_code();
            }
            assert!(Instant::now() < limit, "it never ended");
            std::thread::sleep(PAUSE);
        }
    }
}

fn modes(pair: &portable_pty::PtyPair) -> String {
    format!("{:?}", pair.master.get_termios().expect("a terminal"))
}

fn at_least_one(number: u16) -> std::num::NonZeroU16 {
    std::num::NonZeroU16::new(number).expect("not zero")
}
