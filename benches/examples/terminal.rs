//! Owns the figures of the whole program in a terminal: how soon it is there, how soon a key is seen, what it costs to look at.
//! Uses the built binary beside it, a pseudo-terminal, a generated repository and scripted models.
//! Never part of the program; it prints, for it is a measurement.
//!
//! `cargo build --release && cargo run --release -p loci-benches --example terminal [-- --quick | --memory]`
//!
//! A key's time is from the moment it is written to the terminal until its echo is read from it: the program, the system's
//! terminal and this program's own wake-up are all in it.

#![expect(clippy::print_stdout, reason = "a measurement reports to the terminal")]
#![expect(clippy::disallowed_methods, reason = "it prepares files and starts the binary that it measures")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use loci_benches::{binary, source_tree};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The end of a frame. (Contour, "synchronized output")
const FRAME_END: &[u8] = b"\x1b[?2026l";
/// Letters that no model of these says and no line shows, so that where one is written it is an echo.
const LETTERS: &str = "абвгдежзиклмнопрстуфхцчшщэюя";
const ESCAPE: &[u8] = b"\x1b";

fn main() -> Outcome<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let memory_alone = std::env::args().any(|argument| argument == "--memory");
    let rounds = if quick { 5 } else { 20 };
    let keys = if quick { 60 } else { 400 };
    let tree = source_tree(5000)?;
    // Not in the project, where they would be indexed.
    let scripts = tempfile::tempdir()?;
    std::fs::create_dir_all(tree.path().join(".git"))?;
    let small = source_tree(50)?;
    if memory_alone {
        memory("50 files", small.path(), scripts.path())?;
        return memory("5,000 files", tree.path(), scripts.path());
    }
    first_frames(tree.path(), scripts.path(), rounds)?;
    while_words_come(tree.path(), scripts.path(), keys)?;
    while_the_model_computes(tree.path(), keys)?;
    memory("50 files", small.path(), scripts.path())?;
    memory("5,000 files", tree.path(), scripts.path())
}

/// The program in a terminal of 120 × 40.
struct Seat {
    child: Box<dyn portable_pty::Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    written: Receiver<(Instant, Vec<u8>)>,
    /// What was written and not looked at yet.
    rest: Vec<u8>,
    frames: usize,
    bytes: usize,
    started: Instant,
    _pair: portable_pty::PtyPair,
}

impl Seat {
    fn take(project: &Path, home: &Path, model: &str) -> Outcome<Self> {
        let size = PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size)?;
        let mut command = CommandBuilder::new(binary()?);
        command.args(["-m", model, "-C"]);
        command.arg(project);
        command.cwd(project);
        command.env_clear();
        command.env("HOME", home);
        command.env("PATH", "/usr/bin:/bin");
        command.env("TERM", "xterm-256color");
        let mut output = pair.master.try_clone_reader()?;
        let keys = pair.master.take_writer()?;
        let (sender, written) = channel();
        let started = Instant::now();
        let child = pair.slave.spawn_command(command)?;
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                if sender.send((Instant::now(), buffer[..count].to_vec())).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, keys, written, rest: Vec::new(), frames: 0, bytes: 0, started, _pair: pair })
    }

    /// Wait until this is written; when it was. What was written before it is gone.
    fn sees(&mut self, text: &[u8], limit: Duration) -> Outcome<Instant> {
        let end = Instant::now() + limit;
        loop {
            let (at, bytes) = self.written.recv_timeout(end.saturating_duration_since(Instant::now()))?;
            self.bytes += bytes.len();
            self.frames += bytes.windows(FRAME_END.len()).filter(|part| *part == FRAME_END).count();
            self.rest.extend_from_slice(&bytes);
            if let Some(found) = self.rest.windows(text.len()).position(|part| part == text) {
                self.rest.drain(..found + text.len());
                return Ok(at);
            }
            // The text may be written in two pieces.
            let keep = self.rest.len().saturating_sub(text.len());
            self.rest.drain(..keep);
        }
    }

    /// Take in what is written for so long.
    fn watch(&mut self, time: Duration) {
        let _ = self.sees(b"\x00", time);
    }

    fn press(&mut self, keys: &[u8]) -> Outcome<()> {
        self.keys.write_all(keys)?;
        Ok(self.keys.flush()?)
    }

    /// How long each of so many keys waits for its echo, one every 30 ms and a bit: not in step with frames.
    fn echoes(&mut self, keys: usize) -> Outcome<Vec<Duration>> {
        let mut times = Vec::new();
        for (number, letter) in LETTERS.chars().cycle().take(keys).enumerate() {
            let letter = letter.to_string();
            let pressed = Instant::now();
            self.press(letter.as_bytes())?;
            let seen = self.sees(letter.as_bytes(), Duration::from_secs(10))?;
            times.push(seen.saturating_duration_since(pressed));
            self.watch(Duration::from_millis(30 + number as u64 % 7));
            if number % 28 == 27 {
                // Away with the line; long enough for a frame without it.
                self.press(b"\x15")?;
                self.watch(Duration::from_millis(150));
            }
        }
        Ok(times)
    }

    /// A line of `/proc/PID/FILE` that begins so, as a number.
    fn figure(&self, file: &str, name: &str) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/{file}", self.child.process_id()?)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// How often each of its threads gave the processor back of itself: a wake-up is one of these.
    fn waits(&self) -> BTreeMap<String, u64> {
        let Some(id) = self.child.process_id() else { return BTreeMap::new() };
        let of = |entry: std::fs::DirEntry| {
            let text = std::fs::read_to_string(entry.path().join("status")).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
            Some((entry.file_name().to_string_lossy().into_owned(), line.trim().parse::<u64>().ok()?))
        };
        let tasks = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten();
        tasks.flatten().filter_map(of).collect()
    }

    fn leave(mut self) -> Outcome<()> {
        self.press(ESCAPE)?;
        self.watch(Duration::from_millis(300));
        self.press(b"\x04")?;
        let limit = Instant::now() + Duration::from_secs(15);
        while self.child.try_wait()?.is_none() {
            if Instant::now() > limit {
                self.child.kill()?;
            }
            self.watch(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// From the start of the process to its first whole frame.
fn first_frames(project: &Path, scripts: &Path, rounds: usize) -> Outcome<()> {
    let model = script(scripts, "idle.json", &json!([]))?;
    let mut cold = Vec::new();
    for _ in 0..rounds {
        let home = tempfile::tempdir()?;
        let mut seat = Seat::take(project, home.path(), &model)?;
        cold.push(seat.sees(FRAME_END, Duration::from_secs(10))?.saturating_duration_since(seat.started));
        seat.child.kill()?;
        seat.child.wait()?;
    }
    report("first frame, no index yet", cold);
    let home = tempfile::tempdir()?;
    index(project, home.path())?;
    let mut warm = Vec::new();
    for _ in 0..rounds {
        let mut seat = Seat::take(project, home.path(), &model)?;
        warm.push(seat.sees(FRAME_END, Duration::from_secs(10))?.saturating_duration_since(seat.started));
        seat.child.kill()?;
        seat.child.wait()?;
    }
    report("first frame, index on disk", warm);
    let mut seat = Seat::take(project, home.path(), &model)?;
    seat.watch(Duration::from_secs(5));
    let before = seat.waits();
    seat.watch(Duration::from_secs(10));
    let since = |(thread, after): (String, u64)| Some(after - before.get(&thread)?);
    let ups: u64 = seat.waits().into_iter().filter_map(since).sum();
    println!("{:<44} {ups}", "wake-ups in 10 s of nothing");
    seat.leave()
}

/// Keys while a scripted model says 500 words a second.
fn while_words_come(project: &Path, scripts: &Path, keys: usize) -> Outcome<()> {
    let home = tempfile::tempdir()?;
    let words = (0..200_000).flat_map(|number| {
        let end = if number % 12 == 11 { ".\n\n" } else { " " };
        [json!({ "text": format!("word {number}{end}") }), json!({ "delay_ms": 2 })]
    });
    let model = script(scripts, "words.json", &json!([{ "events": words.collect::<Vec<_>>() }]))?;
    let mut seat = Seat::take(project, home.path(), &model)?;
    seat.sees(FRAME_END, Duration::from_secs(10))?;
    seat.press(b"go\r")?;
    seat.sees(b"word", Duration::from_secs(30))?;
    seat.watch(Duration::from_secs(1));
    let (begun, before, bytes) = (Instant::now(), seat.frames, seat.bytes);
    seat.watch(Duration::from_secs(5));
    let seconds = begun.elapsed().as_secs_f64();
    println!("{:<44} {:.1}", "frames a second while words come", (seat.frames - before) as f64 / seconds);
    println!("{:<44} {:.0} kB", "written a second", (seat.bytes - bytes) as f64 / seconds / 1000.0);
    let times = seat.echoes(keys)?;
    report("a key while words come", times);
    seat.leave()
}

/// Keys while the built-in model computes on every core: prompts wait in line for it.
fn while_the_model_computes(project: &Path, keys: usize) -> Outcome<()> {
    let home = tempfile::tempdir()?;
    let mut seat = Seat::take(project, home.path(), "builtin")?;
    seat.sees(FRAME_END, Duration::from_secs(10))?;
    for number in 0..keys {
        seat.press(format!("how is the state {number} of the header computed?\r").as_bytes())?;
        seat.watch(Duration::from_millis(60));
    }
    let times = seat.echoes(keys)?;
    report("a key while the built-in model computes", times);
    seat.child.kill()?;
    seat.child.wait()?;
    Ok(())
}

/// Memory before and after 10,000 lines, in a project whose index is on disk.
fn memory(which: &str, project: &Path, scripts: &Path) -> Outcome<()> {
    let home = tempfile::tempdir()?;
    index(project, home.path())?;
    let mut events: Vec<Value> = (0..10_000)
        .map(|number| json!({ "text": format!("Line {number} with `code` and **words** as a model says them.\n\n") }))
        .collect();
    // Only cells that changed are written: the end is in letters that stood nowhere before.
    events.push(json!({ "text": LETTERS }));
    let model = script(scripts, "lines.json", &json!([{ "events": events }]))?;
    let mut seat = Seat::take(project, home.path(), &model)?;
    seat.watch(Duration::from_secs(8));
    let told = |seat: &Seat, when: &str| {
        for (what, file, name) in [
            ("resident", "status", "VmRSS:"),
            ("of it its own", "smaps_rollup", "Private_Dirty:"),
            ("proportional", "smaps_rollup", "Pss:"),
        ] {
            if let Some(kilobytes) = seat.figure(file, name) {
                println!("{:<44} {:.1} MB", format!("{when}, {which}, {what}"), kilobytes as f64 / 1024.0);
            }
        }
    };
    told(&seat, "start");
    seat.press(b"go\r")?;
    seat.sees(LETTERS.as_bytes(), Duration::from_secs(60))?;
    seat.watch(Duration::from_secs(3));
    told(&seat, "10,000 lines");
    seat.leave()
}

fn index(project: &Path, home: &Path) -> Outcome<()> {
    let mut command = std::process::Command::new(binary()?);
    command.args(["index", "-C"]).arg(project).env("HOME", home).output()?;
    Ok(())
}

fn script(folder: &Path, name: &str, steps: &Value) -> Outcome<String> {
    let path = folder.join(name);
    std::fs::write(&path, steps.to_string())?;
    Ok(format!("scripted:{}", path.display()))
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| {
        let number = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len());
        times[number - 1].as_secs_f64() * 1000.0
    };
    println!(
        "{what:<44} p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, most {:.1} ms, {} times",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0),
        times.len()
    );
}
