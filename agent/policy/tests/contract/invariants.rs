//! What holds between decisions: spelling, order, layers, parts, and rules that an approval saves.

use loci_policy::{Decision, Layer, Mode, Rule, Rules, Verdict, decide};
use serde_json::json;

use crate::described::{context, tree};
use crate::programs::Numbers;
use crate::real_bash::{material, mutated};
use crate::{bash, rules};

const MODES: [Mode; 5] =
    [Mode::Default, Mode::AcceptEdits, Mode::Plan, Mode::DontAsk, Mode::BypassPermissions];

/// A word in other quotes, which change nothing about it.
fn requoted(numbers: &mut Numbers, word: &str) -> String {
    let mut out = String::new();
    let mut rest = word;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(1 + numbers.below(rest.len()));
        rest = after;
        match numbers.below(6) {
            0 => out.push_str(&format!("'{piece}'")),
            1 => out.push_str(&format!("\"{piece}\"")),
            2 => out.extend(piece.chars().flat_map(|c| ['\\', c])),
            3 => out.push_str(&format!("$'{piece}'")),
            4 => out.extend(piece.bytes().map(|byte| format!("$'\\x{byte:02x}'"))),
            _ => out.push_str(piece),
        }
        if numbers.below(5) == 0 {
            out.push_str(numbers.one(&["''", "\"\""]));
        }
    }
    out
}

#[test]
fn quotes_that_change_no_word_change_no_decision() {
    let some = rules(
        &["Bash(rm:*)", "Bash(git push:*)", "Read(.env)", "Edit(docs/**)"],
        &["Bash(npm *)"],
        &["Bash(cargo test:*)", "Bash(make lint)", "Bash(find:*)", "Bash(sed:*)"],
    );
    let commands = "ls -la src;cat README.md;cat .env;head -n 5 /etc/passwd;rm -rf build;git push origin main;git status;\
        git -c core.pager=x log;cargo test --all;cargo build;npm install x;make lint;find . -name x -delete;find src -type f;\
        sed -n 1,5p README.md;sed -i s/a/b/ docs/x;timeout 5 rm x;sudo rm x;xargs rm;tee docs/a;cp a docs/b;grep -rn x src;\
        sort -o x y;env rm x;bash -c ls;cd src;mkdir build/x;git commit -m x;git diff --output=x";
    let mut numbers = Numbers::new(7);
    let (mut same, mut all) = (0, 0);
    for command in commands.split(';').map(str::trim) {
        for rules in [&Rules::default(), &some] {
            for mode in MODES {
                let plain = bash(rules, mode, command).decision;
                for _ in 0..8 {
                    let words: Vec<String> =
                        command.split(' ').map(|word| requoted(&mut numbers, word)).collect();
                    let other = words.join(numbers.one(&[" ", "  ", "\t", " \\\n "]));
                    let found = bash(rules, mode, &other);
                    // The second reader does not know all of these spellings, and then it is a question.
                    let doubted = found.decision > plain && found.why.contains("two readings");
                    assert!(found.decision == plain || doubted, "{mode:?} {command:?} {other:?}: {found:?}");
                    same += usize::from(!doubted);
                    all += 1;
                }
            }
        }
    }
    assert!(same * 10 > all * 8, "{same} of {all}");
}

const RULES: &[&str] = &[
    "Bash",
    "Bash(ls:*)",
    "Bash(rm:*)",
    "Bash(cat *)",
    "Bash(git * main)",
    "Bash(git push:*)",
    "Bash(* x)",
    "Bash(cargo test:*)",
    "Bash(run_in_background:true)",
    "Read",
    "Read(.env)",
    "Read(//etc/**)",
    "Read(~/**)",
    "Read(src/**)",
    "Edit",
    "Edit(docs/**)",
    "Edit(//**)",
    "*",
    "Bash(",
    "Read(!x)",
    "WebFetch(domain:x.org)",
];

fn some_rules(numbers: &mut Numbers) -> Rules {
    const LAYERS: [Layer; 5] =
        [Layer::User, Layer::Project, Layer::Local, Layer::CommandLine, Layer::Managed];
    let mut list = || -> Vec<Rule> {
        let count = numbers.below(4);
        (0..count)
            .map(|_| Rule { layer: LAYERS[numbers.below(5)], ..Rule::from(numbers.one(RULES)) })
            .collect()
    };
    Rules { deny: list(), ask: list(), allow: list() }
}

/// In every mode, from every layer, trusted or not: one more restriction, or one allow rule less, never gives more.
#[test]
fn a_restriction_never_widens_whatever_its_layer() {
    let mut numbers = Numbers::new(8);
    let (benign, hostile) = material(&Rules::default());
    for round in 0..800 {
        let command = if round % 2 == 0 { &benign } else { &hostile };
        let command = &command[numbers.below(command.len())];
        let (have, more) = (some_rules(&mut numbers), some_rules(&mut numbers));
        let mut context = context();
        context.trusted = numbers.below(2) == 0;
        let mut tighter = have.clone();
        tighter.deny.extend(more.deny);
        tighter.ask.splice(0..0, more.ask);
        tighter.allow.pop();
        let mut turned = have.clone();
        turned.deny.reverse();
        turned.ask.reverse();
        turned.allow.reverse();
        for mode in MODES {
            let decided = |rules: &Rules| {
                decide(rules, mode, &context, "Bash", &json!({ "command": command }), &tree()).decision
            };
            let before = decided(&have);
            assert!(decided(&tighter) >= before, "{mode:?} {command:?} {have:?} {tighter:?}");
            assert_eq!(decided(&turned), before, "{mode:?} {command:?} {have:?}");
        }
    }
}

/// What is allowed as a whole is allowed in its parts.
#[test]
fn a_whole_is_allowed_only_if_its_parts_are() {
    let mut numbers = Numbers::new(9);
    let (benign, hostile) = material(&Rules::default());
    let none = Rules::default();
    // A directory that one part changes is another place for the next, and a comment or a here-document takes in what follows.
    let joins = ["#", "<<", "cd ", "\n"];
    let apart = |text: &&String| !text.ends_with('\\') && !joins.iter().any(|join| text.contains(join));
    let all: Vec<&String> = benign.iter().chain(&hostile).filter(apart).collect();
    let mut allowed = 0;
    for _ in 0..4_000 {
        let (one, other) = (all[numbers.below(all.len())], all[numbers.below(all.len())]);
        let whole = match numbers.below(7) {
            0 => format!("{one}; {other}"),
            1 => format!("{one} && {other}"),
            2 => format!("{one} || {other}"),
            3 => format!("{one} | {other}"),
            4 => format!("{one}\n{other}"),
            5 => format!("( {one} ); {{ {other}; }}"),
            _ => format!("echo \"$( {one} )\" $( {other} )"),
        };
        if bash(&none, Mode::Default, &whole).decision == Verdict::Allow {
            allowed += 1;
            for part in [one, other] {
                let alone = bash(&none, Mode::Default, part);
                assert!(
                    alone.decision == Verdict::Allow || alone.why.contains("certainty"),
                    "{whole:?} {part:?}"
                );
            }
        }
    }
    assert!(allowed > 100, "{allowed}");
}

/// A saved rule allows what it was saved for, and of other commands only those that consist of the same parts.
#[test]
fn saved_rules_allow_what_was_shown_and_nothing_else() {
    let mut numbers = Numbers::new(10);
    let (benign, hostile) = material(&Rules::default());
    let ask = |rules: &Rules, command: &str| -> Decision { bash(rules, Mode::Default, command) };
    let none = Rules::default();
    let (mut held, mut tried) = (0, 0);
    for command in &hostile {
        let asked = ask(&none, command);
        if asked.rules.is_empty() {
            continue;
        }
        let saved = Rules {
            allow: asked.rules.iter().map(|rule| rule.as_str().into()).collect(),
            ..Rules::default()
        };
        assert_eq!(ask(&saved, command).decision, Verdict::Allow, "{command:?} {:?}", asked.rules);
        held += 1;
        for _ in 0..4 {
            let other = mutated(&mut numbers, std::slice::from_ref(command), &benign);
            let without = ask(&none, &other);
            if without.decision != Verdict::Allow && ask(&saved, &other).decision == Verdict::Allow {
                tried += 1;
                // Through these a rule reaches by itself.
                let wrappers =
                    ["timeout", "time", "nice", "nohup", "stdbuf", "command", "builtin", "noglob", "xargs"];
                // What a command is fed is no part of its text.
                let fed = other.contains(['<', '|']);
                if fed || other.split_whitespace().any(|word| wrappers.contains(&word)) {
                    continue;
                }
                let covered = without.rules.iter().all(|rule| asked.rules.contains(rule));
                assert!(
                    covered && !without.rules.is_empty(),
                    "{command:?} {:?} allows {other:?}",
                    asked.rules
                );
            }
        }
    }
    assert!(held > 100 && tried > 20, "{held} {tried}");
}
