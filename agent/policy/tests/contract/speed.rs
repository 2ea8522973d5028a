//! Long commands: that every shape of 64 KiB is answered, and the figures of the contract.

use std::time::{Duration, Instant};

use loci_policy::{Mode, Rules};

use crate::{bash, rules};

fn shortest(rules: &Rules, command: &str) -> Duration {
    let once = || {
        let begun = Instant::now();
        assert!(!bash(rules, Mode::Default, command).why.is_empty());
        begun.elapsed()
    };
    (0..3).map(|_| once()).min().unwrap_or_default()
}

/// What a long command repeats: plain parts, and everything that opens and never closes.
const SHAPES: &[&str] = &[
    "ls; ",
    "echo a b c && ",
    "echo $(pwd); ",
    "cat README.md | ",
    "(",
    "((",
    "$(",
    "`",
    "\"$(",
    "{ ",
    "a=(",
    "${a",
    "${a:-",
    "{a,b}",
    "{a,",
    "[[ a ",
    "<<A ",
    "cat <<E\nx\nE\n",
    "$((1+",
    "sudo ",
    "sudo -u ",
    "env a=1 ",
    "find -exec ",
    "xargs sh -c 'ls' ",
    "'x' ",
    "if ",
    "for i in ",
    "case x in ",
    "cd src && ",
    "cd a; ",
    "x() { ",
    "../",
    "*/",
    "a\\",
    "$x",
    "eval 'ls' ",
    "\\\n",
    "# x\n",
    ">a ",
];

/// Quadratic work on any of these takes minutes, not moments.
#[test]
fn every_shape_of_a_long_command_is_answered() {
    let restricting =
        rules(&["Bash(rm * x)", "Read(.env)", "Edit(docs/**)"], &["Bash(git push:*)"], &["Bash(npm *)"]);
    for shape in SHAPES {
        let command = shape.repeat(64 * 1024 / shape.len()) + "ls";
        for rules in [&Rules::default(), &restricting] {
            let decision = bash(rules, Mode::Default, &command);
            assert!(!decision.why.is_empty(), "{shape:?}");
        }
    }
}

/// The figure of the contract, in a release build: `cargo test --release -p loci-policy -- --ignored --nocapture figures`.
#[test]
#[ignore = "prints figures; run it in a release build"]
fn figures() {
    let none = Rules::default();
    let many = rules(&["Bash(rm:*)", "Read(.env)", "Edit(docs/**)"], &["Bash(git push:*)"], &["Bash(npm *)"]);
    let mut lines = Vec::new();
    for piece in SHAPES.iter().chain(&["x", "a ", "cat src/main.rs; "]) {
        let text = piece.repeat(64 * 1024 / piece.len()) + "ls";
        lines.push(format!(
            "{piece:>24?} {:>10.2?} {:>10.2?}",
            shortest(&none, &text),
            shortest(&many, &text)
        ));
    }
    std::io::Write::write_all(&mut std::io::stderr(), (lines.join("\n") + "\n").as_bytes())
        .unwrap_or_default();
}
