//! Long commands: that every shape of 64 KiB is answered, and the figures of the contract.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use loci_policy::{Mode, Rules};

use crate::{bash, rules};

/// Time on the processor, so that a busy machine shows the same figure; wall-clock time where the system has no such count.
fn on_processor() -> Duration {
    let count = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = count.and_then(|text| text.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| START.elapsed(), Duration::from_nanos)
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The mean over many runs: the system counts in steps of milliseconds.
fn mean(rules: &Rules, command: &str) -> Duration {
    let begun = on_processor();
    for runs in 1.. {
        assert!(!bash(rules, Mode::Default, command).why.is_empty());
        let spent = on_processor().saturating_sub(begun);
        if spent > Duration::from_millis(100) {
            return spent / runs;
        }
    }
    Duration::ZERO
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
    for (name, each) in [
        ("commands", "echo NN; "),
        ("arguments", "a/NN "),
        ("paths", "cat src/NN; "),
        ("substitutions", "echo $(git log -NN); "),
        ("quoted substitutions", "echo \"$(git log -NN)\"; "),
        ("loops", "for i in NN; do echo $i; done; "),
        ("tests", "[ -f src/NN ] && echo NN; "),
        ("ifs", "if [ -f NN ]; then cat NN; fi; "),
    ] {
        let text: String =
            (0..64 * 1024 / (each.len() + 3)).map(|n| each.replace("NN", &n.to_string())).collect();
        let text = format!("make {text}");
        lines.push(format!(
            "{:>24} {:>10.2?} {:>10.2?}",
            format!("different {name}"),
            mean(&none, &text),
            mean(&many, &text)
        ));
    }
    for piece in SHAPES.iter().chain(&["x", "a ", "cat src/main.rs; "]) {
        let text = piece.repeat(64 * 1024 / piece.len()) + "ls";
        lines.push(format!("{piece:>24?} {:>10.2?} {:>10.2?}", mean(&none, &text), mean(&many, &text)));
    }
    std::io::Write::write_all(&mut std::io::stderr(), (lines.join("\n") + "\n").as_bytes())
        .unwrap_or_default();
}
