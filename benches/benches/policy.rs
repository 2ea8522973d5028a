//! Owns the figures of decisions: a command of every day, and 64 KiB of shell in several shapes.
//! Uses a described tree, so that no disk is measured, with no rules and with a dozen on commands and files.
//! Never measures the same text twice in one decision: what repeats is read once.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use loci_policy::batch::Tree;
use loci_policy::{Context, Mode, Rule, Rules, decide};
use serde_json::json;

const LONG: usize = 64 * 1024;

/// Pieces, each with a number of its own where `NN` stands.
const SHAPES: &[(&str, &str)] = &[
    ("commands", "echo NN; "),
    ("paths", "cat src/NN; "),
    ("quotes", "echo 'a NN' \"b NN\"; "),
    ("pipes", "grep -n 'NN' src/main.rs | head -3 && "),
    ("redirects", "ls NN 2>/dev/null; "),
    ("substitutions", "echo \"$(git log -NN)\"; "),
    ("loops", "for i in NN; do echo $i; done; "),
];

fn long(piece: &str) -> String {
    let mut text = String::with_capacity(LONG + piece.len());
    let mut number = 0;
    while text.len() < LONG {
        number += 1;
        text.push_str(&piece.replace("NN", &number.to_string()));
    }
    text + "ls"
}

fn rules() -> Rules {
    let list = |rules: &[&str]| rules.iter().map(|rule| Rule::from(*rule)).collect();
    Rules {
        deny: list(&[
            "Bash(rm:*)",
            "Read(.env)",
            "Read(*.pem)",
            "Read(**/id_*)",
            "Read(secrets/**)",
            "Read(~/.ssh/**)",
            "Read(//etc/**)",
            "Edit(docs/**)",
            "Edit(Cargo.lock)",
        ]),
        ask: list(&["Bash(git push:*)"]),
        allow: list(&["Bash(npm run:*)", "Bash(cargo:*)"]),
    }
}

fn decisions(criterion: &mut Criterion) {
    let mut tree = Tree::default();
    tree.folder("/srv/repo/.git");
    tree.file("/srv/repo/src/main.rs");
    let context = Context {
        root: "/srv/repo".into(),
        cwd: "/srv/repo".into(),
        home: "/home/dev".into(),
        trusted: true,
        ..Context::default()
    };
    let mut group = criterion.benchmark_group("decision");
    let short = "cd src && git log --oneline -5 | grep -v merge > /dev/null".to_owned();
    let texts = SHAPES.iter().map(|(name, piece)| (*name, long(piece)));
    let arguments = ("arguments", format!("make {}", long("a/NN ")));
    for (name, text) in [("short", short), arguments].into_iter().chain(texts) {
        for (which, rules) in [("no rules", Rules::default()), ("rules", rules())] {
            let input = json!({ "command": text });
            group.bench_with_input(BenchmarkId::new(name, which), &input, |bencher, input| {
                bencher.iter(|| decide(&rules, Mode::Default, &context, "Bash", input, &tree));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
