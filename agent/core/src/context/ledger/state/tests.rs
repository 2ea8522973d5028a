//! Owns the tests of the state: records in, lines out.
//! Uses scripted sessions.
//! Never looks at files.

use serde_json::{Value, json};

use super::*;

/// A session that is built call by call.
struct Session {
    state: State,
    at: usize,
}

impl Session {
    fn new() -> Self {
        let mut state = State::default();
        state.absorb(
            0,
            &Record::Header {
                format: 2,
                program: "loci test".into(),
                session_id: "s".into(),
                cwd: "/srv/repo".into(),
                model: "scripted".into(),
            },
        );
        Self { state, at: 0 }
    }

    fn outcome(&mut self, tool: &str, input: Value, outcome: LoggedOutcome) -> usize {
        self.at += 2;
        let call_id = format!("c{}", self.at);
        self.state.absorb(
            self.at,
            &Record::Intent { call_id: call_id.clone(), tool: tool.into(), input, why: String::new() },
        );
        let outcome = LoggedOutcome { call_id, tool: tool.into(), ..outcome };
        self.state.absorb(self.at, &Record::Outcome(Box::new(outcome)));
        self.at
    }

    fn run(&mut self, command: &str, code: i32, output: &str) -> usize {
        let text = format!("{output}\nexit code {code} after 0.1 s");
        let outcome = LoggedOutcome { ok: code == 0, text, ..Default::default() };
        self.outcome("bash", json!({ "command": command }), outcome)
    }

    fn edit(&mut self, path: &str) -> usize {
        let diff = format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-a\n+b\n");
        let outcome =
            LoggedOutcome { ok: true, diff: Some(diff), changed: vec![path.into()], ..Default::default() };
        self.outcome("edit", json!({ "path": path, "old": "a", "new": "b" }), outcome)
    }

    fn lines(&self, section: Section) -> Vec<String> {
        let mut lines: Vec<Line> =
            self.state.lines(usize::MAX).into_iter().filter(|line| line.section == section).collect();
        lines.sort_by_key(|line| line.at);
        lines.into_iter().map(|line| line.text).collect()
    }

    fn check(&self, section: Section, expect: &[&str]) {
        assert_eq!(self.lines(section), expect, "{section:?}");
    }
}

fn cargo(failing: &[(&str, u32)], passing: &[&str]) -> String {
    let mut output = String::new();
    for (name, _) in failing {
        output.push_str(&format!("test {name} ... FAILED\n"));
    }
    for name in passing {
        output.push_str(&format!("test {name} ... ok\n"));
    }
    output.push_str("\nfailures:\n\n");
    for (name, left) in failing {
        output.push_str(&format!(
            "---- {name} stdout ----\n\nthread '{name}' (7) panicked at src/lib.rs:{left}:5:\nassertion `left == right` failed\n  left: {left}\n right: 1\n\n"
        ));
    }
    output.push_str(&format!(
        "\ntest result: FAILED. {} passed; {} failed; 0 ignored\n",
        passing.len(),
        failing.len()
    ));
    output
}

#[test]
fn files_once_each_with_what_became_of_them() {
    let mut session = Session::new();
    session.edit("src/a.rs");
    let created = "--- /dev/null\n+++ b/src/new.rs\n@@ -0,0 +1 @@\n+x\n";
    session.outcome(
        "write",
        json!({ "path": "./src/new.rs", "content": "x" }),
        LoggedOutcome {
            ok: true,
            diff: Some(created.into()),
            changed: vec!["src/new.rs".into()],
            ..Default::default()
        },
    );
    session.edit("src/new.rs");
    session.outcome(
        "delete",
        json!({ "path": "old.rs" }),
        LoggedOutcome {
            ok: true,
            diff: Some("--- a/old.rs\n+++ /dev/null\n".into()),
            changed: vec!["old.rs".into()],
            ..Default::default()
        },
    );
    session.edit("src/a.rs");
    session.edit("src/b.rs");
    session.state.absorb(14, &Record::Undone { paths: vec!["src/b.rs".into()] });
    session.check(
        Section::Files,
        &[
            "created src/new.rs (2×) [r6]",
            "removed old.rs [r8]",
            "changed src/a.rs (2×) [r10]",
            "as before, changes taken back: src/b.rs",
        ],
    );
    session.check(Section::Tried, &["the change of r12 to src/b.rs was taken back [r14]"]);
}

#[test]
fn the_newest_message_of_a_test_is_the_only_one() {
    let mut session = Session::new();
    session.run("cargo test", 101, &cargo(&[("a::one", 11), ("b::two", 12)], &["c::three"]));
    session.edit("src/a.rs");
    session.run("cargo  test 2>&1 | tail -40", 101, &cargo(&[("a::one", 31)], &["c::three"]));
    session.check(
        Section::Failures,
        &[
            "b::two — panicked at src/lib.rs:12:5: assertion `left == right` failed left: 12 right: 1 [as of r2; not in the newest run, r6]",
            "a::one — panicked at src/lib.rs:31:5: assertion `left == right` failed left: 31 right: 1 [r6]",
        ],
    );
    session.check(Section::Tried, &["changed src/a.rs; a::one still failed [r6]"]);
    session.run(
        "cargo test two",
        0,
        "test b::two ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored\n",
    );
    session.run("cargo test", 0, "test result: ok. 3 passed; 0 failed; 0 ignored\n");
    let lines = session.lines(Section::Failures);
    assert!(
        lines[0].ends_with("[as of r2; passed in r10]") || lines[0].ends_with("[as of r2; passed in r8]"),
        "{lines:?}"
    );
    assert!(lines[1].ends_with("[as of r6; passed in r10]"), "{lines:?}");
    session.check(Section::Tried, &[]);
}
