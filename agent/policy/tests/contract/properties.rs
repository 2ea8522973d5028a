//! What must hold for every command and every set of rules.

use loci_policy::{Mode, Rules, Verdict, decide};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use crate::described::{context, tree};
use crate::{bash, rules};

const MODES: [Mode; 5] =
    [Mode::Default, Mode::AcceptEdits, Mode::Plan, Mode::DontAsk, Mode::BypassPermissions];

/// Pieces that hostile and benign commands are made of.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "-é",
        "--é=",
        "=é",
        "stdbuf",
        "timeout",
        "nice",
        "sed -n",
        "sed",
        "git log",
        "git",
        "printf",
        "cp",
        "mv",
        "dd of=",
        "head",
        "grep",
        "sort",
        "date",
        "test",
        "uniq",
        "env -S",
        "mkdir -p",
        "touch",
        "xargs",
        "~é",
        "@é",
        "'1p'",
        "{é,",
        "${é}",
        "$'\\u00e9'",
        ":é",
        "éé/",
        "ls",
        "cat",
        "rm",
        "echo",
        "git status",
        "git push",
        "x",
        "README.md",
        ".env",
        "/etc/passwd",
        "-rf",
        "--",
        "*",
        "~",
        "$X",
        "\"$X\"",
        "$(",
        ")",
        "`",
        "'",
        "\"",
        "\\",
        "{",
        "}",
        "{a,b}",
        "(",
        ";",
        "&&",
        "||",
        "|",
        "&",
        "\n",
        ">",
        "<",
        "<<",
        "<<<",
        "EOF",
        "#",
        "$((",
        "))",
        "${x:-",
        "}",
        "[[",
        "]]",
        "[",
        "]",
        "if",
        "then",
        "fi",
        "for",
        "in",
        "do",
        "done",
        "case",
        "esac",
        ";;",
        "while",
        "function",
        "f()",
        "sudo",
        "xargs",
        "bash -c",
        "eval",
        "find .",
        "-exec",
        "2>&1",
        ">/dev/null",
        "a=1",
        "PATH=x",
        "a[0]=",
        "$'\\x72'",
        "\r",
        "\u{202e}",
        "\u{0}",
        "é",
        "文",
        "!",
        "=",
        "~/x",
        "..",
        "../x",
        "cd",
        "src",
        "1",
        "-n",
        "time",
        "coproc",
        "<(",
        ">(",
        "@P}",
        "${!",
        "=~",
        "-v",
        "\t",
        "\\\n",
        "<<'E'\n",
        "\nE\n",
    ];
    prop_oneof![6 => prop::sample::select(pieces.to_vec()).prop_map(str::to_owned), 1 => ".{0,3}".prop_map(|text| text)]
}

fn command() -> impl Strategy<Value = String> {
    prop::collection::vec((piece(), prop::bool::weighted(0.7)), 0..14).prop_map(|pieces| {
        pieces.into_iter().map(|(piece, blank)| if blank { piece + " " } else { piece }).collect()
    })
}

fn rule() -> impl Strategy<Value = String> {
    let known = [
        "Bash",
        "Bash(ls:*)",
        "Bash(rm:*)",
        "Bash(cat *)",
        "Bash(git*)",
        "Bash(* x)",
        "Bash(echo)",
        "Read",
        "Read(.env)",
        "Read(//etc/**)",
        "Read(~/**)",
        "Edit",
        "Edit(src/**)",
        "Edit(/x)",
        "Write",
        "*",
        "mcp__*",
        "WebFetch(domain:x)",
    ];
    prop_oneof![8 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => "[A-Za-z*]{0,5}[(]?.{0,6}[)]?"]
}

fn rule_set() -> impl Strategy<Value = Rules> {
    let list = || prop::collection::vec(rule().prop_map(loci_policy::Rule::from), 0..4);
    (list(), list(), list()).prop_map(|(deny, ask, allow)| Rules { deny, ask, allow })
}

/// A command around another that still runs it.
fn wrap(kind: usize, inner: &str) -> String {
    match kind % 22 {
        0 => format!("( {inner} )"),
        1 => format!("{{ {inner}; }}"),
        2 => format!("ls && {inner}"),
        3 => format!("false || {inner}"),
        4 => format!("ls; {inner}"),
        5 => format!("ls\n{inner}"),
        6 => format!("ls | {inner}"),
        7 => format!("echo $( {inner})"),
        8 => format!("echo \"$( {inner})\""),
        9 => format!("if {inner}; then ls; fi"),
        10 => format!("if ls; then {inner}; fi"),
        11 => format!("for i in 1 2; do {inner}; done"),
        12 => format!("while {inner}; do ls; done"),
        13 => format!("case x in x) {inner};; esac"),
        14 => format!("cat <( {inner})"),
        15 => format!("x=$( {inner})"),
        16 => format!("! {{ {inner}; }}"),
        17 => format!("f() {{ {inner}; }}"),
        18 => format!("bash -c '{}'", inner.replace('\'', r"'\''")),
        // A delimiter of its own at each depth: the first line that reads like the outer one would end it.
        19 => format!("cat <<E{0}\n$( {inner})\nE{0}\n", inner.len()),
        20 => format!("echo ${{x:-$( {inner})}}"),
        _ => format!("eval '{}'", inner.replace('\'', r"'\''")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the text, there is an answer.
    #[test]
    fn any_command_has_an_answer(command in command(), rules in rule_set()) {
        for mode in MODES {
            let decision = bash(&rules, mode, &command);
            prop_assert!(!decision.why.is_empty());
        }
    }

    /// Adding a restriction never widens.
    #[test]
    fn a_further_restriction_never_widens(command in command(), rules in rule_set(), more in rule(), ask in any::<bool>()) {
        for mode in MODES {
            let before = bash(&rules, mode, &command).decision;
            let mut tighter = rules.clone();
            if ask { tighter.ask.insert(0, more.as_str().into()) } else { tighter.deny.push(more.as_str().into()) }
            let after = bash(&tighter, mode, &command).decision;
            prop_assert!(after >= before, "{mode:?} {before:?} {after:?} {tighter:?}");
        }
    }

    /// Order and repetition of rules do not matter.
    #[test]
    fn order_does_not_matter(command in command(), rules in rule_set()) {
        let mut turned = rules.clone();
        turned.deny.reverse();
        turned.ask.reverse();
        turned.allow.reverse();
        prop_assert_eq!(bash(&rules, Mode::Default, &command).decision, bash(&turned, Mode::Default, &command).decision);
    }

    /// What is denied stays denied, however deep it hides.
    #[test]
    fn a_denied_command_stays_denied(kinds in prop::collection::vec(0usize..22, 0..5)) {
        let command = kinds.iter().fold("rm -f x".to_owned(), |inner, kind| wrap(*kind, &inner));
        let decision = bash(&rules(&["Bash(rm:*)"], &[], &["Bash"]), Mode::BypassPermissions, &command);
        prop_assert_eq!(decision.decision, Verdict::Deny, "{}", command);
    }

    /// What needs a question needs it as a part, too.
    #[test]
    fn a_part_is_never_allowed_by_its_surroundings(part in command(), kind in 0usize..17) {
        // Only parts that stand by themselves can be put into another command as they are.
        let alone = bash(&Rules::default(), Mode::Default, &part);
        let starts_plain = !part.contains(['#', '\n']) && !alone.why.contains("certainty");
        if starts_plain && alone.decision == Verdict::Ask {
            let whole = bash(&Rules::default(), Mode::Default, &wrap(kind, &part));
            prop_assert_ne!(whole.decision, Verdict::Allow, "{:?} {:?}", part, wrap(kind, &part));
        }
    }

    /// Every other tool answers as well.
    #[test]
    fn any_call_has_an_answer(tool in "[A-Za-z_]{0,8}|Read|Edit|Write|Grep|Glob|WebFetch|mcp__a__b", text in ".{0,20}", rules in rule_set()) {
        for input in [json!({}), json!(null), json!([1]), json!({"file_path": text, "path": text, "pattern": text, "url": text, "command": text})] {
            for mode in MODES {
                let decision = decide(&rules, mode, &context(), &tool, &input, &tree());
                prop_assert!(!decision.why.is_empty());
            }
        }
    }
}

/// The long loop: `cargo test --release -p loci-policy -- --ignored a_hundred_thousand`. About a minute.
#[test]
#[ignore = "the long loop; run it in a release build"]
fn a_hundred_thousand_commands_have_an_answer() {
    let config = Config { cases: 100_000, failure_persistence: None, ..Config::default() };
    let answered = TestRunner::new(config).run(&(command(), rule_set(), rule()), |(command, rules, more)| {
        for mode in MODES {
            let before = bash(&rules, mode, &command).decision;
            let mut tighter = rules.clone();
            tighter.deny.push(more.as_str().into());
            prop_assert!(bash(&tighter, mode, &command).decision >= before);
        }
        Ok(())
    });
    assert_eq!(answered, Ok(()));
}
