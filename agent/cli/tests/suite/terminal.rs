//! Owns the smoke test of the conversation in a real terminal.
//! Uses a pseudo-terminal.
//! Never waits longer than a minute for anything.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use serde_json::json;

use super::world::{PRICE, World};

/// A program in a terminal of 80 × 24.
struct Terminal {
    child: Box<dyn portable_pty::Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    seen: Arc<Mutex<String>>,
    read_to: usize,
    _pair: portable_pty::PtyPair,
}

impl Terminal {
    fn start(world: &World, arguments: &[&str]) -> Self {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_loci"));
        command.args(arguments);
        command.cwd(world.repo());
        command.env_clear();
        command.env("HOME", world.home());
        // Line by line; the full screen has tests of its own.
        command.env("TERM", "dumb");
        command.env("PATH", "/usr/bin:/bin");
        let child = pair.slave.spawn_command(command).expect("starts");
        let mut output = pair.master.try_clone_reader().expect("readable");
        let keys = pair.master.take_writer().expect("writable");
        let seen = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                sink.lock().expect("no panic").push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        Self { child, keys, seen, read_to: 0, _pair: pair }
    }

    /// Wait until this appears after what was waited for before.
    fn expect(&mut self, text: &str) {
        let limit = Instant::now() + Duration::from_secs(60);
        loop {
            let seen = self.seen.lock().expect("no panic").clone();
            if let Some(at) = seen[self.read_to..].find(text) {
                self.read_to += at + text.len();
                return;
            }
            assert!(Instant::now() < limit, "never saw {text:?} in:\n{}", &seen[self.read_to..]);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("written");
        self.keys.flush().expect("written");
    }

    fn ended(mut self) -> u32 {
        let limit = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait().expect("known") {
                return status.exit_code();
            }
            assert!(Instant::now() < limit, "it never ended:\n{}", self.seen.lock().expect("no panic"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_conversation_with_an_edit_and_undo() {
    let world = World::with_crate();
    let model = world.script(&json!([
        { "events": [{ "call": { "name": "edit", "arguments": { "path": "src/price.rs", "old": "sum / 10", "new": "sum / 20" } } }] },
        { "events": [{ "text": "Halved it." }] },
        { "events": [{ "text": "I beg" }, "hang"] },
    ]));
    let mut terminal = Terminal::start(&world, &["-m", &model]);
    terminal.expect("/help lists the commands");
    terminal.expect("› ");
    terminal.press("halve the discount\r");
    terminal.expect("-        sum / 10");
    terminal.expect("[y]");
    terminal.press("what?\r");
    terminal.expect("answer y, s, r or n");
    terminal.press("y\r");
    terminal.expect("Halved it.");
    terminal.expect("› ");
    assert_eq!(world.read("src/price.rs"), PRICE.replace("sum / 10", "sum / 20"));
    terminal.press("/undo\r");
    terminal.expect("src/price.rs");
    terminal.expect("› ");
    assert_eq!(world.read("src/price.rs"), PRICE);
    terminal.press("/help\r");
    terminal.expect("/mode [NAME]");
    terminal.press("/mode plan\r");
    terminal.expect("plan");
    terminal.press("/nonsense\r");
    terminal.expect("no command /nonsense");
    // The first Ctrl-C cancels the turn; the conversation goes on.
    terminal.press("wait\r");
    terminal.expect("I beg");
    terminal.press("\x03");
    terminal.expect("interrupted");
    terminal.expect("› ");
    terminal.press("/quit\r");
    terminal.expect("loci --resume");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn a_conversation_in_lines_reads_the_same_table_of_commands() {
    let world = World::with_crate();
    let model = world.script(&json!([
        { "events": [{ "call": { "name": "edit", "arguments": { "path": "src/price.rs", "old": "sum / 10", "new": "sum / 20" } } }] },
        { "events": [{ "text": "Halved it." }] },
    ]));
    let mut terminal = Terminal::start(&world, &["-m", &model, "--permission-mode", "acceptEdits"]);
    terminal.expect("› ");
    terminal.press("/changes\r");
    terminal.expect("as it was when the session began");
    terminal.press("halve the discount\r");
    terminal.expect("Halved it.");
    terminal.expect("› ");
    terminal.press("/diff\r");
    terminal.expect("1 file · +1 -1");
    terminal.press("/rename The discount\r");
    terminal.expect("this session is called The discount");
    terminal.press("/rename\r");
    terminal.expect("/rename TITLE");
    terminal.press("/sessions\r");
    terminal.expect("The discount");
    terminal.press("/export\r");
    terminal.expect("written to ");
    terminal.press("/export\r");
    // The one that is there stays as it is.
    terminal.expect("-2.md");
    terminal.press("/mcp\r");
    terminal.expect("starts no server of tools");
    terminal.press("/permissions\r");
    terminal.expect("no rule is in force");
    terminal.press("/theme\r");
    terminal.expect("/theme is there on the full screen only");
    terminal.press("/q\r");
    assert_eq!(terminal.ended(), 0);
    let exports: Vec<String> = std::fs::read_dir(world.repo())
        .expect("a folder")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("session-"))
        .collect();
    assert_eq!(exports.len(), 2, "{exports:?}");
    assert!(world.read(&exports[0]).starts_with("# The discount (session "), "{}", world.read(&exports[0]));
}

#[test]
fn two_interrupts_or_the_end_of_the_input_leave() {
    let world = World::with_crate();
    let model = world.script(&json!([]));
    let mut terminal = Terminal::start(&world, &["-m", &model]);
    terminal.expect("› ");
    terminal.press("\x03");
    terminal.expect("Ctrl-C again");
    terminal.press("\x03");
    assert_eq!(terminal.ended(), 130);
    let mut terminal = Terminal::start(&world, &["-m", &model]);
    terminal.expect("› ");
    terminal.press("\x04");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn a_conversation_recalls_what_was_said_without_asking_the_model() {
    let world = World::with_crate();
    let model = world.script(&json!([{ "events": [{ "text": "The heron is noted." }] }]));
    world.loci(&["-p", "remember the grey heron", "-m", &model]).ended(0);
    let mut terminal = Terminal::start(&world, &["-m", &model]);
    terminal.expect("› ");
    terminal.press("/recall\r");
    terminal.expect("give words to look for");
    terminal.press("/recall r0\r");
    terminal.expect("nothing was said in it");
    terminal.press("and a white egret\r");
    terminal.expect("is noted.");
    terminal.expect("› ");
    // What this session said, an older one, and an entry by its handle.
    terminal.press("/recall egret\r");
    terminal.expect("and a white egret");
    terminal.expect("/r0");
    terminal.press("/recall grey\r");
    terminal.expect("remember the grey heron");
    terminal.press("/recall r1\r");
    terminal.expect("r1 · turn 1 · ");
    terminal.press("/recall zzyzx\r");
    terminal.expect("nothing found");
    terminal.press("/help\r");
    terminal.expect("/context");
    terminal.expect("/recall WORDS");
    terminal.press("/quit\r");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn a_conversation_shows_its_window_and_makes_room() {
    let world = World::new();
    let line =
        |number: usize| format!("    let value_{number} = compute(input, {number}); // step {number}\n");
    world.write("long.rs", format!("fn long() {{\n{}}}\n", (2..400).map(line).collect::<String>()));
    let read = |start: usize| json!({ "events": [{ "call": { "name": "read", "arguments": { "path": "long.rs", "start": start, "end": start + 90 } } }] });
    let model = world.script(&json!([
        read(1), read(100), read(200),
        { "events": [{ "text": "It computes in steps." }] },
        { "expect": { "last_contains": ["Above all keep: the heron"], "contains": ["step 42"] },
          "events": [{ "text": "The heron is half done; next comes value_9." }] },
        { "expect": { "contains": ["next comes value_9", "what long.rs does"], "lacks": ["step 42"] },
          "events": [{ "text": "As I said." }] },
    ]));
    let mut terminal = Terminal::start(&world, &["-m", &model, "--context", "16384"]);
    terminal.expect("› ");
    terminal.press("/compact\r");
    terminal.expect("nothing was said yet");
    terminal.press("tell me what long.rs does\r");
    terminal.expect("in steps.");
    terminal.expect("› ");
    terminal.press("/context\r");
    terminal.expect("of 16,384 tokens");
    terminal.expect("results of read × 3");
    terminal.expect("› ");
    terminal.press("/compact the heron\r");
    terminal.expect("• room: ");
    terminal.expect("as asked");
    terminal.expect("› ");
    terminal.press("/context\r");
    terminal.expect("ledger");
    terminal.expect("Left the window");
    terminal.expect("Compactions");
    terminal.press("go on\r");
    terminal.expect("As I said.");
    terminal.press("/quit\r");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn a_conversation_goes_back_to_a_prompt() {
    let world = World::with_crate();
    let model = world.script(&json!([
        { "events": [{ "text": "The heron is noted." }] },
        { "events": [{ "call": { "name": "edit", "arguments": { "path": "src/price.rs", "old": "sum / 10", "new": "sum / 20" } } }] },
        { "events": [{ "text": "Halved it." }] },
        { "expect": { "contains": ["a grey heron"], "lacks": ["halve the discount"] },
          "events": [{ "text": "A third it is." }] },
    ]));
    let mut terminal = Terminal::start(&world, &["-m", &model, "--permission-mode", "acceptEdits"]);
    terminal.expect("› ");
    terminal.press("/rewind\r");
    terminal.expect("nothing was said yet");
    terminal.expect("› ");
    terminal.press("a grey heron\r");
    terminal.expect("is noted.");
    terminal.expect("› ");
    terminal.press("halve the discount\r");
    terminal.expect("Halved it.");
    terminal.expect("› ");
    terminal.press("/rewind\r");
    terminal.expect("a grey heron");
    terminal.expect("halve the discount");
    terminal.expect("(1 file)");
    terminal.press("/rewind 2 trees\r");
    terminal.expect("/rewind TURN [files|conversation|both]");
    assert_ne!(world.read("src/price.rs"), PRICE);
    terminal.press("/rewind 2\r");
    terminal.expect("back to before prompt 2; taken back: src/price.rs");
    terminal.expect("halve the discount");
    terminal.expect("› ");
    assert_eq!(world.read("src/price.rs"), PRICE);
    terminal.press("take a third\r");
    terminal.expect("A third it is.");
    terminal.press("/quit\r");
    assert_eq!(terminal.ended(), 0);
}

#[test]
fn trust_is_offered_once_and_a_rule_is_saved_for_the_next_session() {
    let world = World::with_crate();
    world.write(".loci/config.toml", "allow = [\"Bash(make)\"]\n");
    let edit = json!({ "path": "src/price.rs", "old": "sum / 10", "new": "sum / 20" });
    let model = world.script(&json!([
        { "events": [{ "call": { "name": "edit", "arguments": edit } }] },
        { "events": [{ "text": "Halved it." }] },
    ]));
    let mut terminal = Terminal::start(&world, &["-m", &model]);
    terminal.expect("allow has \"Bash(make)\"");
    terminal.expect("Type y or n:");
    terminal.press("n\r");
    terminal.expect("› ");
    terminal.press("halve the discount\r");
    terminal.expect("r saves for this project:");
    terminal.expect("Edit(");
    terminal.press("r\r");
    terminal.expect("Halved it.");
    terminal.press("/quit\r");
    assert_eq!(terminal.ended(), 0);
    assert!(world.loci(&["policy", "list"]).ended(0).out.contains("rules.toml"));
    // Neither is asked again.
    world.write("src/price.rs", PRICE);
    let mut terminal = Terminal::start(&world, &["-m", &model]);
    terminal.expect("› ");
    terminal.press("halve the discount\r");
    terminal.expect("Halved it.");
    terminal.press("/quit\r");
    assert_eq!(terminal.ended(), 0);
    assert_ne!(world.read("src/price.rs"), PRICE);
}

#[test]
fn the_model_changes_in_a_conversation_and_why_is_told() {
    let world = World::with_crate();
    let first = world.script_named("first.json", &json!([{ "events": [{ "text": "The first answers." }] }]));
    let second = world.script_named(
        "second.json",
        &json!([{ "expect": { "contains": ["The first answers."] }, "events": [{ "text": "The second goes on." }] }]),
    );
    let mut terminal = Terminal::start(&world, &["-m", &first]);
    terminal.expect("› ");
    terminal.press("hello\r");
    terminal.expect("The first answers.");
    terminal.expect("› ");
    terminal.press(&format!("/model {second}\r"));
    terminal.expect("(on this machine) answers from here on");
    terminal.expect("› ");
    terminal.press("and now?\r");
    terminal.expect("The second goes on.");
    terminal.expect("› ");
    terminal.press("/why\r");
    terminal.expect("for main: as you wished");
    terminal.expect("not builtin");
    terminal.expect("› ");
    terminal.press("/model nobody-of-this-name\r");
    terminal.expect("unknown model");
    terminal.expect("› ");
    terminal.press("/model builtin\r");
    terminal.expect("does not read what was said before");
    terminal.expect("› ");
    terminal.press("/quit\r");
    terminal.expect("loci --resume");
    assert_eq!(terminal.ended(), 0);
}
