//! Owns the place in front of the program: what is typed, and the screen when it has come to rest.
//! Uses a pseudo-terminal, and a terminal in memory that draws what is written to it.
//! Never waits longer than a minute.

use std::error::Error;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use super::Folder;

const PATIENCE: Duration = Duration::from_secs(60);
/// A screen on which nothing changes for so long has come to rest.
const REST: Duration = Duration::from_millis(700);

/// The program in a terminal.
pub(super) struct Seat {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    seen: Arc<Mutex<vt100::Parser>>,
    _master: Box<dyn MasterPty + Send>,
}

impl Seat {
    pub(super) fn take(
        binary: &Path,
        folder: &Folder,
        (columns, rows): (NonZeroU16, NonZeroU16),
        arguments: &[&str],
    ) -> Result<Self, Box<dyn Error>> {
        let pair = native_pty_system().openpty(PtySize {
            rows: rows.get(),
            cols: columns.get(),
            pixel_width: 0,
            pixel_height: 0,
        })?;
        let mut command = CommandBuilder::new(binary);
        command.env_clear();
        command.env("HOME", folder.path("home"));
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.env("LOCI_SYSTEM_CONFIG_DIR", folder.path("etc"));
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        command.cwd(folder.path("shop"));
        command.args(arguments);
        let child = pair.slave.spawn_command(command)?;
        drop(pair.slave);
        let keys = pair.master.take_writer()?;
        let mut written = pair.master.try_clone_reader()?;
        let seen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let draws = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut piece = [0; 8192];
            while let Ok(count @ 1..) = written.read(&mut piece) {
                draws.lock().unwrap_or_else(PoisonError::into_inner).process(&piece[..count]);
            }
        });
        Ok(Self { child, keys, seen, _master: pair.master })
    }

    fn parser(&self) -> MutexGuard<'_, vt100::Parser> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn screen(&self) -> vt100::Screen {
        self.parser().screen().clone()
    }

    pub(super) fn press(&mut self, keys: &str) -> std::io::Result<()> {
        self.keys.write_all(keys.as_bytes())?;
        self.keys.flush()
    }

    /// Wait for words, and then until nothing changes any more.
    pub(super) fn sees(&mut self, words: &str) -> Result<(), String> {
        self.waits(|text| text.contains(words)).map_err(|screen| format!("no `{words}` in\n{screen}"))
    }

    /// Press a key again and again until words are gone.
    pub(super) fn presses_until_gone(&mut self, key: &str, words: &str) -> Result<(), Box<dyn Error>> {
        let began = Instant::now();
        while self.screen().contents().contains(words) {
            if began.elapsed() > PATIENCE {
                return Err(format!("`{words}` stays").into());
            }
            self.press(key)?;
            std::thread::sleep(REST);
        }
        Ok(())
    }

    fn waits(&self, wanted: impl Fn(&str) -> bool) -> Result<(), String> {
        let began = Instant::now();
        let mut last = String::new();
        let mut since = Instant::now();
        loop {
            let text = self.screen().contents();
            if text != last {
                (last, since) = (text, Instant::now());
            }
            // A clock may run on for ever.
            let rests = since.elapsed() > REST || began.elapsed() > REST * 6;
            if wanted(&last) && rests {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                return Err(last);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// End the program.
    pub(super) fn leave(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
