//! Answers as snapshots, and the promise that nothing else is cited.

use serde_json::{Value, json};

use super::*;
use crate::tools::Evidence;

fn call(name: &str, arguments: Value) -> ToolCall {
    ToolCall {
        id: "1".into(),
        name: name.into(),
        arguments: arguments.as_object().cloned().unwrap_or_default(),
    }
}

fn evidence(path: &str, line: u32, text: &str, label: &str) -> Evidence {
    Evidence { location: Location { path: path.into(), line }, text: text.into(), label: label.into() }
}

fn outcome(summary: &str, evidence: Vec<Evidence>) -> Outcome {
    Outcome {
        ok: true,
        text: summary.into(),
        brief: summary.into(),
        summary: summary.into(),
        locations: evidence
            .iter()
            .filter(|evidence| evidence.location.line > 0)
            .map(|evidence| evidence.location.clone())
            .collect(),
        evidence,
        ..Outcome::default()
    }
}

/// The answer, once it is sure that it cites only what was returned, and that every place in it is cited.
fn answer_to(request: &str, outcomes: &[(ToolCall, Outcome)]) -> String {
    let composed = compose(Compose::Answer, request, outcomes, &Facts::default());
    let named: Vec<&Location> = outcomes.iter().flat_map(|(_, outcome)| outcome.locations.iter()).collect();
    for citation in &composed.citations {
        assert!(named.contains(&citation), "{citation} in {}", composed.text);
    }
    composed.text
}

#[test]
fn one_definition() {
    let found = outcome(
        "1 definition",
        vec![
            evidence("src/config.rs", 12, "pub fn load(path: &Path) -> Config", "function"),
            evidence("src/config.rs", 12, "Reads the layers in order", "doc"),
            evidence("src/config.rs", 13, "    let text = read(path);", "body"),
            evidence("src/config.rs", 14, "    parse(&text)", "body"),
        ],
    );
    insta::assert_snapshot!(answer_to("where is load?", &[(call("where", json!({"symbol": "load"})), found.clone())]), @r"
    `load` is a function defined at src/config.rs:12:

        pub fn load(path: &Path) -> Config

    Reads the layers in order.
    ");
    insta::assert_snapshot!(answer_to("explain load", &[(call("where", json!({"symbol": "load"})), found)]), @r"
    `load` is a function defined at src/config.rs:12:

        pub fn load(path: &Path) -> Config

    Reads the layers in order.

    It begins:

        13  let text = read(path);
        14  parse(&text)
    ");
}

#[test]
fn nothing_found() {
    let found =
        outcome("no definition of laod", vec![evidence("src/config.rs", 12, "pub fn load()", "similar")]);
    insta::assert_snapshot!(answer_to("where is laod?", &[(call("where", json!({"symbol": "laod"})), found)]), @r"
    No definition of `laod` was found.
    Similar names:
    - src/config.rs:12  `pub fn load()`
    ");
    let found = outcome("no uses of load", vec![evidence("src/config.rs", 12, "pub fn load()", "defined")]);
    insta::assert_snapshot!(answer_to("who calls load?", &[(call("callers", json!({"symbol": "load"})), found)]), @r"
    No uses of `load` were found.
    It is defined at src/config.rs:12.
    ");
    insta::assert_snapshot!(answer_to("x", &[(call("search", json!({"query": "time travel"})), outcome("no hits", vec![]))]), @r#"Nothing was found for "time travel". Other words may help, or grep for a text that must be there."#);
}

#[test]
fn uses_by_file() {
    let found = outcome(
        "3 uses in 2 files",
        vec![
            evidence("src/a.rs", 3, "use crate::load;", "import"),
            evidence("src/a.rs", 9, "load(path)?", "call in main"),
            evidence("src/b.rs", 4, "load(\"x\")", "call in setup"),
        ],
    );
    insta::assert_snapshot!(answer_to("who calls load?", &[(call("callers", json!({"symbol": "load"})), found)]), @r#"
    `load` is used in 3 places:

    src/a.rs:
    - src/a.rs:3  `use crate::load;`  (import)
    - src/a.rs:9  `load(path)?`  (in main)

    src/b.rs:
    - src/b.rs:4  `load("x")`  (in setup)
    "#);
}

#[test]
fn how_something_works() {
    let found = outcome(
        "2 hits",
        vec![
            evidence("src/retry.rs", 20, "fn backoff(attempt: u32) -> Duration {", "fn backoff"),
            evidence("src/retry.rs", 20, "Doubles the wait with each attempt", "doc"),
            evidence("src/retry.rs", 21, "    let wait = base * 2u32.pow(attempt);", "telling"),
            evidence("src/retry.rs", 22, "    wait.min(MAX_WAIT)", "telling"),
            evidence("src/http.rs", 7, "let wait = backoff(attempt);", "fn send"),
        ],
    );
    insta::assert_snapshot!(answer_to("how is retry backoff computed?", &[(call("search", json!({"query": "retry backoff computed"})), found)]), @r#"
    The best match for "retry backoff computed" is src/retry.rs:20:

        fn backoff(attempt: u32) -> Duration {

    Doubles the wait with each attempt.

    Its telling lines:

        21  let wait = base * 2u32.pow(attempt);
        22  wait.min(MAX_WAIT)

    Other places:
    - src/http.rs:7  `let wait = backoff(attempt);`
    "#);
}

#[test]
fn changes_and_runs() {
    let mut renamed = outcome(
        "renamed foo to bar in 1 file (2 places in a.rs)",
        vec![evidence("a.rs", 1, "fn bar() {}", "changed")],
    );
    renamed.diff = Some("--- a/a.rs\n+++ b/a.rs\n@@ -1 +1 @@\n-fn foo() {}\n+fn bar() {}\n".into());
    renamed.changed = vec!["a.rs".into()];
    let mut tests = outcome(
        "cargo test: exit code 101 after 1.2 s",
        vec![
            evidence("src/a.rs", 9, "thread 'x' panicked at src/a.rs:9:5:", "result"),
            evidence("", 0, "test result: FAILED. 1 passed; 1 failed", "result"),
        ],
    );
    (tests.ok, tests.brief) = (false, "exit 101: error".into());
    insta::assert_snapshot!(answer_to("rename foo to bar and run the tests", &[
        (call("rename", json!({"symbol": "foo", "to": "bar"})), renamed),
        (call("run", json!({"task": "test"})), tests),
    ]), @r"
    Renamed foo to bar in 1 file (2 places in a.rs).
    - a.rs:1  `fn bar() {}`

    ```diff
    --- a/a.rs
    +++ b/a.rs
    @@ -1 +1 @@
    -fn foo() {}
    +fn bar() {}
    ```

    The tests do not pass: `cargo test`, exit code 101 after 1.2 s.

    - thread 'x' panicked at src/a.rs:9:5:
    - test result: FAILED. 1 passed; 1 failed
    ");
    insta::assert_snapshot!(answer_to("x", &[(call("edit", json!({"path": "a.rs"})), Outcome::failed("no such file: a.rs"))]), @"edit failed: no such file: a.rs");
}

#[test]
fn what_adds_nothing_is_not_told() {
    let refused = Outcome::failed("refused: this call was made again and again");
    let undo = (call("undo", json!({})), Outcome::failed("nothing to undo"));
    let search = (call("search", json!({"query": "undo"})), outcome("no hits", vec![]));
    let told = answer_to("undo", &[undo.clone(), (call("undo", json!({})), refused), search]);
    assert_eq!(told, "undo failed: nothing to undo");
    // The tests ran twice; the last result counts.
    let run = |summary: &str| {
        (call("run", json!({"task": "test"})), Outcome { brief: "exit 0".into(), ..outcome(summary, vec![]) })
    };
    let told =
        answer_to("x", &[run("cargo test: exit code 1 after 1 s"), run("cargo test: exit code 0 after 2 s")]);
    assert_eq!(told, "The tests pass: `cargo test`, exit code 0 after 2 s.");
    // Two searches that found nothing are both told.
    let nothing = |tool: &str, name: &str| {
        (call(tool, json!({"symbol": name, "pattern": name})), outcome("nothing", vec![]))
    };
    let told = answer_to("x", &[nothing("where", "a"), nothing("grep", "a")]);
    assert_eq!(told, "No definition of `a` was found.\n\n`a` does not occur.");
}

#[test]
fn a_file_opened_for_a_line_is_shown_there() {
    let lines = [
        "use x;",
        "",
        "/// Loads.",
        "#[must_use]",
        "fn load(",
        "    path: &str,",
        ") -> Config {",
        "    let text = read(path);",
        "",
        "    parse(text)",
        "}",
        "",
        "fn other() {}",
    ];
    let read: Vec<Evidence> =
        (1..).zip(lines).map(|(line, text)| evidence("a.rs", line, text, "line")).collect();
    let check = |line: u32, expect: &str| {
        let found = outcome(
            "1 definition",
            vec![evidence("a.rs", line, "load", "function"), evidence("a.rs", line + 1, "body", "body")],
        );
        let told = answer_to(
            "show me the code of load",
            &[
                (call("where", json!({"symbol": "load"})), found),
                (call("read", json!({"path": "a.rs"})), outcome("lines 1-13 of 13 in a.rs", read.clone())),
            ],
        );
        assert!(told.contains(expect), "{told}");
        assert!(!told.contains("It begins"), "{told}");
    };
    check(5, "a.rs, lines 3-11:\n\n     3  /// Loads.\n");
    check(13, "a.rs, lines 13-13:\n\n    13  fn other() {}");
    check(8, "a.rs, lines 8-9:");
    // A range that was asked for is shown as it is.
    let told = answer_to(
        "lines 1 to 13 of a.rs",
        &[(call("read", json!({"path": "a.rs", "start": 1})), outcome("lines 1-13 of 13 in a.rs", read))],
    );
    assert!(told.starts_with("lines 1-13 of 13 in a.rs:\n\n     1  use x;"), "{told}");
}

#[test]
fn what_it_cannot_do() {
    let facts = Facts { model: "loci-builtin".into(), tasks: vec!["test".into(), "build".into()] };
    insta::assert_snapshot!(compose(Compose::Decline, "write a compiler", &[], &facts).text, @r"
    This needs a larger model.

    The built-in model can:
    - find definitions, uses, tests and code by words
    - show and outline files, list and grep them
    - make exact edits: rename, replace, insert, create, delete, undo
    - run the project's own commands (test, build)
    - read git status, diff, log and blame, and commit

    `loci models` lists larger models and what fits this machine; `loci -m PATH.gguf` uses one.
    ");
    let check = |request: &str, start: &str| {
        let text = compose(Compose::Smalltalk, request, &[], &facts).text;
        assert!(text.starts_with(start), "{request}: {text}");
    };
    check("hello there", "Hello. I am Loci.");
    check("good evening", "Hello.");
    check("thanks a bunch", "You're welcome.");
    check("great work, thank you", "You're welcome.");
    check("what kind of assistant are you?", "I am Loci, a coding agent");
    check("which things can you do for me", "I am Loci, a coding agent");
    check("Which model am I using?", "You are using loci-builtin");
    check("ok nice", "Good.");
    check("bye", "Goodbye.");
    check("", "I am Loci.");
}
