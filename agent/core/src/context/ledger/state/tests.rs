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
                forked_from: None,
                branch: None,
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
            "test a::one ... FAILED — panicked at src/lib.rs:31:5: assertion `left == right` failed left: 31 right: 1 [r6]",
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

fn session_read(session: &mut Session, path: &str, from: usize, to: usize) -> usize {
    let text: String = (from..=to).map(|line| format!("{line:>5}\tx\n")).collect();
    let input = json!({ "path": path, "start": from, "end": to });
    session.outcome("read", input, LoggedOutcome { ok: true, text, ..Default::default() })
}

#[test]
fn what_was_read_and_changed_since() {
    let mut session = Session::new();
    session_read(&mut session, "src/a.rs", 1, 20);
    session_read(&mut session, "./src/a.rs", 21, 40);
    session_read(&mut session, "/srv/repo/src/a.rs", 90, 99);
    session_read(&mut session, "src/b.rs", 5, 9);
    session.edit("src/b.rs");
    session.check(
        Section::Files,
        &[
            "read src/a.rs:1-40,90-99 [r6]",
            "read src/b.rs:5-9 (changed since) [r8]",
            "changed src/b.rs [r10]",
        ],
    );
    session_read(&mut session, "src/b.rs", 1, 3);
    assert!(session.lines(Section::Files).contains(&"read src/b.rs:1-3 [r12]".to_owned()));
}

#[test]
fn other_agents_tools_are_understood() {
    let mut session = Session::new();
    let diff = "diff --git a/x/new.py b/x/new.py\nnew file mode 100644\n--- /dev/null\n+++ b/x/new.py\n@@ -0,0 +1 @@\n+a\n";
    let ok = |text: &str| LoggedOutcome { ok: true, text: text.into(), ..Default::default() };
    session.outcome("edit", json!({ "files": ["x/new.py"] }), ok(diff));
    session.outcome(
        "apply_patch",
        json!({ "input": "…" }),
        ok("*** Update File: x/old.py\n*** Delete File: x/gone.py\n"),
    );
    session.outcome("str_replace", json!({ "file_path": "x/other.py", "old_str": "a" }), ok("done"));
    session.outcome("view", json!({ "file_path": "x/seen.py" }), ok("    1\ta\n    2\tb\n"));
    session.outcome(
        "shell",
        json!({ "cmd": "pytest  -q" }),
        ok("FAILED x/test_a.py::test_b - assert 1 == 2\n1 failed, 2 passed in 0.1s\n"),
    );
    session.outcome(
        "shell",
        json!({ "cmd": "git mv x/old.py x/moved.py && sed -i 's/a/b/' x/other.py" }),
        ok(""),
    );
    session.check(
        Section::Files,
        &[
            "created x/new.py [r2]",
            "removed x/gone.py [r4]",
            "read x/seen.py [r8]",
            "created x/moved.py [r12]",
            "removed x/old.py (2×) [r12]",
            "changed x/other.py (2×) [r12]",
        ],
    );
    session.check(Section::Failures, &["FAILED x/test_a.py::test_b - assert 1 == 2 [r10]"]);
    assert_eq!(session.lines(Section::Commands)[0], "`pytest -q` [r10]: 1 failed, 2 passed in 0.1s");
}

#[test]
fn what_was_denied_refused_or_failed_is_told() {
    let mut session = Session::new();
    let failed = |text: &str| LoggedOutcome {
        ok: false,
        text: text.into(),
        summary: text.trim_start_matches("failed: ").into(),
        ..Default::default()
    };
    session.outcome(
        "bash",
        json!({ "command": "rm -rf src/a.rs" }),
        failed("failed: denied by the user, who says: not that"),
    );
    session.outcome(
        "grep",
        json!({ "pattern": "x(" }),
        failed("failed: refused: this call was made again and again with the same result. Use that result."),
    );
    session.outcome(
        "edit",
        json!({ "path": "a.rs", "old": "x", "new": "y" }),
        failed("failed: `old` does not occur in a.rs"),
    );
    session.edit("a.rs");
    session.check(
        Section::Tried,
        &[
            "`rm -rf src/a.rs`: denied by the user, who says: not that [r2]",
            "grep x(: refused: this call was made again and again with the same result. Use that result. [r4]",
            "edit a.rs: `old` does not occur in a.rs [r6], then done otherwise [r8]",
        ],
    );
    session.check(Section::Files, &["changed a.rs [r8]"]);
    session.check(Section::Commands, &[]);
}

#[test]
fn errors_of_a_compiler_are_those_of_the_newest_run() {
    let mut session = Session::new();
    let error = |line: u32| format!("error[E0425]: cannot find value `y`\n --> src/lib.rs:{line}:2\n");
    session.run("cargo check", 101, &error(3));
    session.run("cargo check", 101, &error(5));
    session.check(Section::Failures, &["src/lib.rs:5: error[E0425]: cannot find value `y` [r4]"]);
    // A command that shows a log is no run.
    session.run("cd target && cat build.log", 0, &error(7));
    session.run("npm run build", 0, "done");
    session.check(Section::Failures, &["src/lib.rs:5: error[E0425]: cannot find value `y` [r4]"]);
    session.run("cargo build", 0, "");
    session.check(Section::Failures, &[]);
}

#[test]
fn failures_in_the_middle_of_a_long_output_are_known() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("whole.log");
    let noise = "test a::b ... ok\n".repeat(500);
    let output = cargo(&[("m::deep", 77)], &[]);
    std::fs::write(&path, format!("{noise}{output}{noise}")).expect("written");
    let mut session = Session::new();
    let told = |whole: Option<std::path::PathBuf>| LoggedOutcome {
        text: "test a::b ... ok\n… 900 lines left out …\nexit code 101 after 2.0 s".into(),
        whole,
        ..Default::default()
    };
    session.outcome("bash", json!({ "command": "cargo test" }), told(Some(path.clone())));
    assert!(
        session.lines(Section::Failures)[0].contains("left: 77"),
        "{:?}",
        session.lines(Section::Failures)
    );
    // Without the file, what the model read is all there is.
    let mut session = Session::new();
    session.outcome("bash", json!({ "command": "cargo test" }), told(Some(folder.path().join("gone.log"))));
    session.check(Section::Failures, &[]);
}

#[test]
fn tasks_are_the_newest_list() {
    let mut session = Session::new();
    let todo = |text: &str, done| Todo { text: text.into(), done };
    session.state.absorb(3, &Record::Todos { items: vec![todo("write it", false)] });
    session.state.absorb(9, &Record::Todos { items: vec![todo("write it", true), todo("test it", false)] });
    session.check(Section::Tasks, &["open: test it", "done: write it"]);
}

#[test]
fn thousands_of_changed_files_are_grouped_and_counted() {
    let mut session = Session::new();
    let changed: Vec<String> =
        (0..10_000).map(|number| format!("gen/d{}/f{number}.rs", number % 7)).collect();
    session.outcome(
        "bash",
        json!({ "command": "make gen" }),
        LoggedOutcome { ok: true, changed, text: "exit code 0 after 1 s".into(), ..Default::default() },
    );
    session.edit("src/after.rs");
    let lines: Vec<Line> = session.state.lines(usize::MAX);
    let files: Vec<&Line> = lines.iter().filter(|line| line.section == Section::Files).collect();
    assert!(files.len() < 200, "{}", files.len());
    assert!(files.iter().any(|line| line.text == "changed src/after.rs [r4]" && line.weight >= 1.0));
    assert!(files.iter().any(|line| line.text.ends_with(" more paths, not listed here")));
    assert!(files.iter().all(|line| line.text.len() < 400));
    assert!(files.iter().filter(|line| line.weight >= 1.0).count() <= 32);
}

#[test]
fn much_of_anything_is_bounded() {
    let mut session = Session::new();
    for number in 0..3_000_u32 {
        session.run(
            &format!("cargo test -p c{number}"),
            101,
            &cargo(&[(&format!("m{number}::t"), number)], &["ok"]),
        );
        session.edit(&format!("src/f{number}.rs"));
        session_read(&mut session, &format!("src/r{number}.rs"), 1, 3);
        session.outcome(
            "edit",
            json!({ "path": format!("no{number}.rs") }),
            LoggedOutcome { text: "failed: no".into(), ..Default::default() },
        );
    }
    let lines = session.state.lines(usize::MAX);
    let bytes: usize = lines.iter().map(|line| line.text.len()).sum();
    assert!(lines.len() < 2_000 && bytes < 400_000, "{} {bytes}", lines.len());
    for (section, newest) in [
        (Section::Files, "changed src/f2999.rs [r23996]"),
        (
            Section::Commands,
            "`cargo test -p c2999` [r23994]: exit code 101, test result: FAILED. 1 passed; 1 failed; 0 ignored",
        ),
        (
            Section::Failures,
            "test m2999::t ... FAILED — panicked at src/lib.rs:2999:5: assertion `left == right` failed left: 2999 right: 1 [r23994]",
        ),
        (Section::Tried, "edit no2999.rs: no [r24000]"),
    ] {
        assert!(session.lines(section).iter().any(|line| line == newest), "{newest}");
        assert!(session.lines(section).iter().any(|line| line.contains("not listed here")), "{section:?}");
    }
}

/// 400 turns in which twenty tests of four suites break and heal; after each hundred turns every question about the state
/// has its answer, and no answer is an old one.
#[test]
fn four_hundred_turns_later_every_question_has_its_answer() {
    let mut session = Session::new();
    // What is true, kept by the script: message of each failing test, files, last tally of each command, open tasks.
    let mut failing: Vec<Option<u32>> = vec![None; 20];
    let mut old: Vec<u32> = Vec::new();
    let mut files: Vec<String> = Vec::new();
    let mut tallies: Vec<String> = vec![String::new(); 4];
    let mut open: Vec<String> = Vec::new();
    for turn in 0..400_u32 {
        session.state.absorb(session.at, &Record::Prompt { turn, text: format!("turn {turn}") });
        if turn % 3 == 0 {
            let path = format!("crates/c{}/src/m{}.rs", turn % 4, turn % 40);
            session.edit(&path);
            if !files.contains(&path) {
                files.push(path);
            }
        }
        // Each run changes what one test says, and every fifth run heals one.
        let suite = (turn % 4) as usize;
        let test = suite * 5 + (turn / 4 % 5) as usize;
        if let Some(left) = failing[test].take() {
            old.push(left);
        }
        if turn % 5 != 0 {
            failing[test] = Some(100_000 + turn);
        }
        let mine: Vec<(String, u32)> = (suite * 5..suite * 5 + 5)
            .filter_map(|test| Some((format!("s{suite}::t{test}"), failing[test]?)))
            .collect();
        let passing: Vec<String> = (suite * 5..suite * 5 + 5)
            .filter(|test| failing[*test].is_none())
            .map(|test| format!("s{suite}::t{test}"))
            .collect();
        let output = cargo(
            &mine.iter().map(|(name, left)| (name.as_str(), *left)).collect::<Vec<_>>(),
            &passing.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        session.run(&format!("cargo test -p s{suite}"), 101, &output);
        tallies[suite] = format!("{} passed; {} failed; 0 ignored", passing.len(), mine.len());
        if turn % 10 == 0 {
            open.push(format!("task {turn}"));
            if open.len() > 5 {
                open.remove(0);
            }
            let items = open.iter().map(|text| Todo { text: text.clone(), done: false }).collect();
            session.state.absorb(session.at, &Record::Todos { items });
        }
        if turn % 100 != 99 {
            continue;
        }
        let all = session.state.lines(usize::MAX);
        let must: String =
            all.iter().filter(|line| line.weight >= 1.0).map(|line| format!("{}\n", line.text)).collect();
        for path in &files {
            assert!(must.contains(path.as_str()), "turn {turn}: {path}");
        }
        for (suite, tally) in tallies.iter().enumerate().take(3) {
            let known = all.iter().find(|line| line.text.starts_with(&format!("`cargo test -p s{suite}`")));
            assert!(
                known.is_some_and(|line| line.text.ends_with(tally.as_str())),
                "turn {turn}: {known:?} {tally}"
            );
        }
        for (test, left) in failing.iter().enumerate() {
            let name = format!("s{}::t{test} ", test / 5);
            let known: Vec<&Line> = all
                .iter()
                .filter(|line| {
                    line.section == Section::Failures
                        && line.text.trim_start_matches("test ").starts_with(&name)
                })
                .collect();
            assert!(known.len() <= 1, "turn {turn}: {known:?}");
            match left {
                Some(left) => {
                    assert!(
                        must.contains(&format!("left: {left} right: 1")),
                        "turn {turn}: {name} {left}\n{must}"
                    );
                    assert!(must.contains(&format!("src/lib.rs:{left}:5: assertion")), "turn {turn}: {name}");
                }
                None => assert!(
                    known.iter().all(|line| line.text.contains("; passed in r")),
                    "turn {turn}: {known:?}"
                ),
            }
        }
        for left in old.iter().filter(|left| !failing.contains(&Some(**left))) {
            assert!(!must.contains(&format!("left: {left} ")), "turn {turn}: {left} is old");
        }
        for task in &open {
            assert!(must.contains(&format!("open: {task}\n")), "turn {turn}: {task}");
        }
    }
}

#[test]
fn lines_do_not_depend_on_chance() {
    let build = || {
        let mut session = Session::new();
        let changed = (0..300).map(|number| format!("f{number}.rs")).collect();
        session.outcome(
            "bash",
            json!({ "command": "x" }),
            LoggedOutcome { ok: true, changed, ..Default::default() },
        );
        for number in 0..50 {
            session.run(
                &format!("cargo test c{number}"),
                101,
                &cargo(&[(&format!("a{number}"), number)], &["b"]),
            );
        }
        session.state.lines(usize::MAX)
    };
    assert_eq!(build(), build());
}
