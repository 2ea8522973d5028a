//! Owns the test of a session of four hundred turns: what its window must still tell at any time.
//! Uses directives and corrections, decisions, files, commands, failing tests and tasks among much else.
//! Never searches: ledger and epoch alone must tell it.

use serde_json::json;

use super::*;
use crate::tools::Todo;

/// What happens in a turn besides the usual.
enum Happens {
    Said(&'static str),
    Decided(&'static str),
    Created(&'static str),
    Changed(&'static str),
    Removed(&'static str),
    Ran(&'static str, i32),
    Failed(&'static str, &'static str),
    Passed,
    Tasks(&'static [(&'static str, bool)]),
}

/// What the window must tell from one turn on until another: these words, in one line or next to each other.
struct Known {
    from: usize,
    until: usize,
    words: &'static [&'static str],
}

const fn known(from: usize, until: usize, words: &'static [&'static str]) -> Known {
    Known { from, until, words }
}

const TURNS: usize = 400;

fn happenings() -> Vec<(usize, Happens)> {
    use Happens::{Changed, Created, Decided, Failed, Passed, Ran, Removed, Said, Tasks};
    vec![
        (0, Said("Bring the stock service to release 4. Every delivery must be counted once.")),
        (3, Said("Never edit src/generated.rs by hand.")),
        (10, Tasks(&[("count deliveries once", false), ("write the release notes", false)])),
        (20, Said("The staging queue listens on port 7001.")),
        (
            30,
            Decided(
                "I decided against a global lock: it cost 41 ms per delivery, so stock is split per shelf.",
            ),
        ),
        (40, Said("Keep every function below 45 lines.")),
        (60, Said("Use tabs in the Makefile, never spaces.")),
        (70, Created("docs/RELEASE-4.md")),
        (90, Said("Ask before you add a dependency.")),
        (100, Failed("shelves::counts_once", "assertion failed: counted 3, expected 1")),
        (
            110,
            Decided(
                "I settled on `Book::settle` as the only place where deliveries are counted, because two writers raced.",
            ),
        ),
        (120, Said("Deploys go through Mirela, nobody else.")),
        (
            140,
            Tasks(&[
                ("count deliveries once", true),
                ("write the release notes", false),
                ("measure the queue", false),
            ]),
        ),
        (150, Said("I moved it: the staging queue listens on port 7050 now.")),
        (180, Removed("src/old_stock.rs")),
        (200, Said("All dates in reports are written as ISO 8601.")),
        (220, Failed("shelves::counts_once", "assertion failed: counted 2, expected 1")),
        (
            230,
            Decided("I chose retries with a backoff of 250 ms, since the queue drops the first connection."),
        ),
        (250, Changed("src/book_of_stock.rs")),
        (260, Said("Mirela has left; deploys go through Oskar from now on.")),
        (300, Ran("cargo clippy --workspace", 1)),
        (310, Passed),
        (320, Said("Do not push to the branch named harbour-2.")),
        (330, Failed("queue::keeps_order", "assertion failed: found 11, expected 12")),
        (340, Decided("I decided that the migration runs offline, since it locks the table for 9 minutes.")),
        (
            350,
            Tasks(&[
                ("count deliveries once", true),
                ("write the release notes", true),
                ("measure the queue", false),
            ]),
        ),
    ]
}

const KNOWN: &[Known] = &[
    known(0, TURNS, &["Every delivery must be counted once"]),
    known(3, TURNS, &["Never edit src/generated.rs by hand"]),
    known(20, 150, &["port 7001"]),
    known(150, TURNS, &["port 7050"]),
    known(30, TURNS, &["against a global lock", "41 ms"]),
    known(40, TURNS, &["below 45 lines"]),
    known(60, TURNS, &["tabs in the Makefile"]),
    known(70, TURNS, &["docs/RELEASE-4.md"]),
    known(90, TURNS, &["before you add a dependency"]),
    known(100, 220, &["counts_once", "counted 3, expected 1"]),
    known(220, 310, &["counts_once", "counted 2, expected 1"]),
    known(110, TURNS, &["`Book::settle`"]),
    known(120, 260, &["through Mirela"]),
    known(260, TURNS, &["through Oskar"]),
    known(10, 140, &["count deliveries once", "write the release notes"]),
    known(140, TURNS, &["measure the queue"]),
    known(180, TURNS, &["src/old_stock.rs"]),
    known(200, TURNS, &["ISO 8601"]),
    known(230, TURNS, &["backoff of 250 ms"]),
    known(250, TURNS, &["src/book_of_stock.rs"]),
    known(300, TURNS, &["cargo clippy --workspace"]),
    known(320, TURNS, &["harbour-2"]),
    known(330, TURNS, &["keeps_order", "found 11, expected 12"]),
    known(340, TURNS, &["migration runs offline"]),
];

/// What no longer holds may stand in the window only with a mark that says so.
const OVERTAKEN: &[(usize, &str)] = &[
    (150, "port 7001"),
    (220, "counted 3, expected 1"),
    (260, "through Mirela"),
    (310, "counted 2, expected 1"),
];

fn happen(play: &mut Play, turn: usize, happens: &Happens) {
    let shell = |play: &mut Play, command: &str, code: i32, output: String| {
        let text = format!("{output}\nexit code {code} after 0.4 s");
        play.step("Running it.", &[("shell", json!({ "command": command }), code == 0, text)]);
    };
    match happens {
        Happens::Said(_) => {}
        Happens::Decided(text) => {
            play.step(text, &[("read", json!({"path": "src/lib.rs"}), true, code(turn, 5))]);
        }
        Happens::Created(path) => {
            let arguments = json!({"path": path, "text": "# Release 4"});
            play.diff = Some(format!("--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+# Release 4\n"));
            play.step("Writing it.", &[("write", arguments, true, format!("wrote {path}"))]);
        }
        Happens::Changed(path) => {
            let arguments = json!({"path": path, "old": "a", "new": "b"});
            play.diff = Some(format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-a\n+b\n"));
            play.step("Changing it.", &[("edit", arguments, true, format!("changed {path}"))]);
        }
        Happens::Removed(path) => shell(play, &format!("git rm {path}"), 0, format!("rm '{path}'")),
        Happens::Ran(command, code) => shell(play, command, *code, "error: unused variable: `held`".into()),
        Happens::Failed(name, message) => shell(play, "cargo test", 101, test_run(30, Some((name, message)))),
        Happens::Passed => {
            let output = format!("test shelves::counts_once ... ok\n{}", test_run(31, None));
            shell(play, "cargo test", 0, output);
        }
        Happens::Tasks(tasks) => {
            let items = tasks.iter().map(|(text, done)| Todo { text: (*text).into(), done: *done }).collect();
            play.take(Record::Todos { items });
        }
    }
}

/// The texts of a request, line breaks and all.
fn shown(request: &Request) -> String {
    let text = |message: &Message| match message {
        Message::System { text } | Message::User { text, .. } | Message::Tool { text, .. } => text.clone(),
        Message::Assistant { text, calls, .. } => {
            let calls: Vec<String> =
                calls.iter().map(|call| Value::Object(call.arguments.clone()).to_string()).collect();
            format!("{text}\n{}", calls.join("\n"))
        }
    };
    request.messages.iter().map(text).collect::<Vec<_>>().join("\n")
}

#[test]
fn four_hundred_turns_later_everything_in_force_is_known() {
    for window in [8_192, 16_384] {
        let happenings = happenings();
        let mut play = Play::of(Context::past(false), counting(), window);
        play.keep = false;
        let mut missing = Vec::new();
        let mut checked = 0;
        for turn in 0..TURNS {
            let here: Vec<&Happens> =
                happenings.iter().filter(|(at, _)| *at == turn).map(|(_, happens)| happens).collect();
            let said = here.iter().find_map(|happens| match happens {
                Happens::Said(text) => Some(*text),
                _ => None,
            });
            let question = format!("What does shelf_{turn} hold after delivery {}?", turn % 7);
            play.prompt(match said {
                Some(said) => format!("{question}\n\n{said}"),
                None => question,
            });
            for happens in here {
                happen(&mut play, turn, happens);
            }
            let path = format!("src/part_{}.rs", turn % 9);
            play.step("Looking.", &[("read", json!({ "path": path }), true, code(turn, 24))]);
            play.answer(&format!("Shelf {turn} holds {} pieces.", turn * 3));
            if turn % 40 == 37 || turn + 1 == TURNS {
                play.prompt("And now?");
                let text = shown(&play.ask().unwrap().request);
                play.answer("On with it.");
                for one in KNOWN.iter().filter(|one| (one.from..one.until).contains(&turn)) {
                    checked += 1;
                    for word in one.words.iter().filter(|word| !text.contains(**word)) {
                        missing.push(format!("{window}, turn {turn}: {word}"));
                    }
                }
                for (_, old) in OVERTAKEN.iter().filter(|(from, _)| turn > from + 30) {
                    checked += 1;
                    for line in
                        text.lines().filter(|line| line.contains(old) && !line.contains("[superseded"))
                    {
                        missing.push(format!("{window}, turn {turn}: no longer so: {line}"));
                    }
                }
            }
        }
        assert!(checked > 150, "{checked}");
        assert!(play.compactions() >= 10, "{window}: {} compactions", play.compactions());
        play.assert_compactions_in_place();
        let ledger = play.context.conversation().compaction().unwrap().ledger.clone();
        assert!(missing.is_empty(), "{missing:#?}\n{ledger}");
        // Any entry comes back by its handle as it was.
        for (at, entry) in play.context.conversation().entries().iter().enumerate() {
            let (Message::User { text, .. } | Message::Assistant { text, .. } | Message::Tool { text, .. }) =
                &entry.message
            else {
                panic!("no system message is an entry")
            };
            assert_eq!(play.recalled(at), *text);
        }
        assert!(play.context.conversation().entries().len() > 4 * TURNS);
    }
}
