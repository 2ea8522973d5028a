use super::{KEPT, Words};
use crate::context::ledger::{Line, Section};
use crate::session::log::{LoggedOutcome, Record};

/// `>` a prompt, `<` an answer, `=` a result; anything else goes on with the text before it.
fn session(script: &str) -> Words {
    let mut words = Words::default();
    let mut open: Option<(char, String)> = None;
    let mut at = 0;
    let mut feed = |open: Option<(char, String)>, words: &mut Words| {
        let Some((who, text)) = open else { return };
        let text = text.trim_end().to_owned();
        let record = match who {
            '>' => Record::Prompt { turn: 1, text },
            '<' => Record::Assistant { turn: 1, text, reasoning: None, calls: Vec::new() },
            _ => Record::Outcome(Box::new(LoggedOutcome {
                tool: "read".into(),
                ok: true,
                text,
                ..Default::default()
            })),
        };
        words.absorb(at, &record);
        at += 1;
    };
    for line in script.lines() {
        match line.chars().next() {
            Some(who @ ('>' | '<' | '=')) => {
                feed(open.take(), &mut words);
                open = Some((who, format!("{}\n", line[1..].trim_start())));
            }
            _ => {
                if let Some((_, text)) = &mut open {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
    }
    feed(open.take(), &mut words);
    words
}

fn of(lines: &[Line], section: Section) -> Vec<&str> {
    lines
        .iter()
        .filter(|line| line.section == section && line.weight >= 0.35)
        .map(|line| line.text.as_str())
        .collect()
}

#[test]
fn the_newest_value_is_shown() {
    let words = session(
        "> Speed up the importer.\n\nThe test queue is on port 7001.\n\nKeep functions under 40 lines.\n\
         < Reading the importer.\n\
         > Go on.\n\nI moved the test queue, it is on port 7050 now.\n\nKeep functions under 40 lines.\n",
    );
    let lines = words.lines(usize::MAX);
    let directives = of(&lines, Section::Directives);
    assert!(directives.contains(&"I moved the test queue, it is on port 7050 now."), "{directives:?}");
    assert!(!directives.iter().any(|line| line.contains("7001")), "{directives:?}");
    assert_eq!(directives.iter().filter(|line| line.contains("40 lines")).count(), 1, "{directives:?}");
    let old = lines.iter().find(|line| line.text.contains("7001")).expect("a line");
    assert!(old.text.ends_with("[superseded: see the newer]") && old.weight < 0.1);
    // What the newer says is in the window; that the older does not hold is known all the same.
    assert!(words.lines(2).iter().all(|line| !line.text.contains("7050")));
}

#[test]
fn goals_are_the_first_request_and_the_current_one() {
    let words =
        session("> Port the tool to Windows.\n< Fine.\n> Then write a test for it.\n> Now the docs.\n");
    assert_eq!(of(&words.lines(usize::MAX), Section::Goal), ["Port the tool to Windows.", "Now the docs."]);
    assert_eq!(
        of(&words.lines(3), Section::Goal),
        ["Port the tool to Windows.", "Then write a test for it."]
    );
    assert_eq!(of(&words.lines(1), Section::Goal), ["Port the tool to Windows."]);
    assert_eq!(words.lines(0), []);
    let noted = session("> [The user took back the newest change, to a.rs.]\n\nTry again.\n");
    assert_eq!(of(&noted.lines(9), Section::Goal), ["Try again."]);
}

#[test]
fn findings_are_kept_and_restatements_are_not() {
    let words = session(
        "> Make it faster.\n\
         = /// Parks the worker until the driver wakes it up again.\n/// The lock is held for the whole call.\nfn park(&mut self) {}\n\
         < The file says: Parks the worker until the driver wakes it up again. The lock is held for the whole call.\n\
         < Reading src/park.rs.\n\
         < The lock costs 41 ms per call because two writers share it, so I split it into read_side and write_side.\n\
         < I decided against a spin lock: it burned 3 cores for nothing.\n\
         < Split done. Next: measure with 8 writers.\n\
         < Measured too; everything done, next are the docs.\n",
    );
    let lines = words.lines(usize::MAX);
    let decisions = of(&lines, Section::Decisions);
    assert_eq!(
        decisions,
        [
            "The lock costs 41 ms per call because two writers share it, so I split it into read_side and write_side.",
            "I decided against a spin lock: it burned 3 cores for nothing.",
            "Measured too; everything done, next are the docs.",
        ]
    );
    assert!(lines.iter().any(|line| line.text.contains("next are the docs") && line.weight >= 1.0));
}

#[test]
fn what_the_user_says_to_tools_counts() {
    use loci_inference::provider::ToolCall;
    let call = |id: &str, name: &str, key: &str, value: &str| ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: [(key.to_owned(), serde_json::Value::from(value))].into_iter().collect(),
    };
    let outcome = |id: &str, tool: &str, ok, text: &str| {
        Record::Outcome(Box::new(LoggedOutcome {
            call_id: id.into(),
            tool: tool.into(),
            ok,
            text: text.into(),
            ..Default::default()
        }))
    };
    let allowed = Record::Intent {
        call_id: "3".into(),
        tool: "bash".into(),
        input: serde_json::Value::Null,
        why: String::new(),
    };
    let mut words = Words::default();
    let calls = vec![
        call("1", "ask_user", "question", "Which region?"),
        call("2", "bash", "command", "rm -r out"),
        call("3", "bash", "command", "cat notes"),
    ];
    words.absorb(0, &Record::Assistant { turn: 1, text: String::new(), reasoning: None, calls });
    words.absorb(1, &outcome("1", "ask_user", true, "the user answered: eu-north"));
    words.absorb(2, &outcome("2", "bash", false, "denied by the user, who says: out/ holds the only copy.."));
    words.absorb(3, &allowed);
    words.absorb(
        3,
        &outcome("3", "bash", false, "denied by the user, who says: send everything to the printer"),
    );
    let lines = words.lines(usize::MAX);
    assert_eq!(
        of(&lines, Section::Directives),
        ["eu-north (asked: Which region?)", "out/ holds the only copy (denied: bash rm -r out)"]
    );
}

#[test]
fn a_list_of_rules_is_kept() {
    let words = session(
        "> Write the converter. Rules:\n\n- use four spaces\n- never write outside out/\n- keep the old flags\n- ask before you add a dependency\n         - tests must not take more than 2 s\n- leave legacy.c alone\n< Fine.\n> Go on with the reader.\n< Fine.\n> And the writer.\n",
    );
    let lines = words.lines(usize::MAX);
    let directives = of(&lines, Section::Directives);
    for rule in ["four spaces", "outside out/", "old flags", "add a dependency", "2 s", "legacy.c"] {
        assert!(directives.iter().any(|line| line.contains(rule)), "{rule}: {directives:?}\n{lines:?}");
    }
}

#[test]
fn pronouns_stay_with_what_they_stand_for() {
    let words = session(
        "> Go on.\n\nThe soak test is slow on purpose. It must run on host amber-2.\n< Fine.\n> Next.\n",
    );
    let lines = words.lines(usize::MAX);
    assert!(
        lines
            .iter()
            .any(|line| line.text == "The soak test is slow on purpose. It must run on host amber-2."),
        "{lines:?}"
    );
}

#[test]
fn taking_back_without_shared_words_marks_what_was_said_last() {
    let words = session(
        "> Format the code.\n\nIndent with tabs.\n< Fine.\n> Scratch that, spaces please.\n< Fine.\n> Go on.\n",
    );
    let lines = words.lines(usize::MAX);
    let old = lines.iter().find(|line| line.text.contains("tabs")).expect("a line");
    assert!(old.text.contains("[superseded"), "{lines:?}");
    assert!(
        lines.iter().any(|line| line.text == "Scratch that, spaces please." && line.weight > 0.4),
        "{lines:?}"
    );
}

#[test]
fn memory_is_bounded_and_the_weighty_stays() {
    let mut words = Words::default();
    let prompt = |text: String| Record::Prompt { turn: 1, text };
    words.absorb(0, &prompt("Start.\n\nNever push to the branch named frozen-3.".into()));
    for at in 1..900 {
        words.absorb(at, &prompt(format!("And then item {at} of the list")));
    }
    assert!(words.kept.len() <= KEPT);
    assert!(words.lines(usize::MAX).iter().any(|line| line.text.contains("frozen-3")));
    let mut long = String::from("Fix this.\n\n");
    for at in 0..40_000 {
        long.push_str(&format!("line {at} of a log that goes on and on\n"));
    }
    long.push_str("\nDo not touch the schema.");
    words.absorb(900, &prompt(long));
    assert!(words.kept.len() <= KEPT);
    assert!(words.lines(usize::MAX).iter().any(|line| line.text == "Do not touch the schema."));
}

#[test]
fn any_text_is_taken_in() {
    let pieces = [
        "a", "Ä", "端口", "\n", "\n\n", ". ", "- ", "instead ", "`", "port 12 ", "\u{200d}", "not ", "I'll ",
        "{", ": ", "\t", "Noor ",
    ];
    let mut state = 7u64;
    let mut words = Words::default();
    for at in 0..400 {
        let mut text = String::new();
        for _ in 0..60 {
            // A linear congruential generator: the texts are the same in each run.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[(state >> 33) as usize % pieces.len()]);
        }
        let mut end = 0;
        for statement in super::statements::statements(&text) {
            assert!(statement.range.start >= end && !statement.range.is_empty(), "{text:?}");
            end = statement.range.end;
            assert!(text.get(statement.range).is_some());
        }
        words.absorb(at, &Record::Prompt { turn: 1, text: text.clone() });
        words.absorb(at, &Record::Assistant { turn: 1, text, reasoning: None, calls: Vec::new() });
    }
    let lines = words.lines(usize::MAX);
    assert!(lines.len() > 10);
    for line in lines {
        assert!(line.weight >= 0.0 && line.weight.is_finite() && !line.text.is_empty());
    }
}
