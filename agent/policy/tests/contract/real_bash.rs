//! The engine against bash itself: what bash runs in a throw-away namespace must be what the engine said of it.

#![expect(
    clippy::disallowed_methods,
    reason = "the engine starts and writes nothing; this asks bash whether it is right"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use loci_policy::{Mode, Rules, Verdict, decide};
use serde_json::{Value, json};

use crate::described::{context, tree};
use crate::programs::{Numbers, program};
use crate::{bash, rules, say};

/// What a program did.
struct Ran {
    /// Directory, program as it was called (`?x` when there is none), arguments.
    executed: Vec<Vec<String>>,
    changed: bool,
}

/// The files that the described tree has as well. `.recorder` marks a program; those in the working directories are there to
/// be found by a search path that was led astray.
const TREE: &str = "src/\nsrc/main.rs\nsrc/lib.rs\ndocs/\ntests/\nbuild/\ntarget/\n.git/hooks/\n.git/config\n.loci/\nsecrets/key\nREADME.md\nCargo.toml\n.env\na b/\nvendor/lib/\nx\nls.recorder\nsrc/ls.recorder\n0/ls.recorder\nbin/cat.recorder\n";

/// Run programs in bash, in a namespace in which nothing can be harmed; `None` where there are no such namespaces.
fn run(programs: &[String], tools: &str, recorded: &str) -> Option<Vec<Ran>> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("programs")).unwrap();
    for (number, program) in programs.iter().enumerate() {
        fs::write(folder.path().join(format!("programs/{number:06}")), program).unwrap();
    }
    let driver = folder.path().join("driver.sh");
    fs::write(&driver, include_str!("real_bash.sh")).unwrap();
    for (name, text) in [("tools", tools), ("recorded", recorded), ("tree", TREE)] {
        let lines = if name == "tree" {
            text.to_owned()
        } else {
            text.split(' ').map(|line| line.to_owned() + "\n").collect()
        };
        fs::write(folder.path().join(name), lines).unwrap();
    }
    if let Err(why) = unshared(&[Path::new("true")]) {
        say(&format!("SKIPPED: bash cannot be asked in a namespace of its own here: {why}"));
        return None;
    }
    unshared(&[Path::new("bash"), &driver, folder.path()]).unwrap();
    let results = fs::read(folder.path().join("results")).unwrap();
    let results = String::from_utf8_lossy(&results);
    let mut ran = Vec::new();
    for entry in results.split('\u{1d}').filter(|entry| !entry.is_empty()) {
        let mut fields = entry.splitn(3, '\u{1c}');
        let number: usize = fields.next().unwrap().parse().unwrap();
        assert_eq!(number, ran.len());
        let changed = fields.next().unwrap() == "changed";
        let log = fields.next().unwrap();
        let executed = log.split('\u{1e}').filter(|record| !record.is_empty());
        let executed = executed.map(|record| {
            record.strip_suffix('\u{1f}').unwrap_or(record).split('\u{1f}').map(str::to_owned).collect()
        });
        ran.push(Ran { executed: executed.collect(), changed });
    }
    assert_eq!(ran.len(), programs.len(), "the driver ended early");
    Some(ran)
}

fn unshared(words: &[&Path]) -> Result<(), String> {
    let output = Command::new("unshare").args(["-Urnmp", "--fork"]).args(words).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

const TOOLS: &str = "sh env xargs find nice nohup timeout setsid stdbuf flock cat echo printf true false ls sort sed awk head tr tee mkdir touch rm sleep grep test wc";

/// What really ran the denied program was not allowed; most generated programs really run it.
fn bash_agrees_on_generated_programs(seed: u64, count: usize) {
    let mut numbers = Numbers::new(seed);
    let programs: Vec<String> = (0..count).map(|_| program(&mut numbers, 3)).collect();
    let Some(ran) = run(&programs, TOOLS, "forbidden") else { return };
    let denying = rules(&["Bash(forbidden:*)"], &[], &["Bash"]);
    let mut share = 0;
    for (program, ran) in programs.iter().zip(&ran) {
        if ran.executed.iter().any(|execution| execution[1].ends_with("forbidden")) {
            share += 1;
            assert_ne!(
                bash(&denying, Mode::BypassPermissions, program).decision,
                Verdict::Allow,
                "{program:?}"
            );
            assert_ne!(
                bash(&Rules::default(), Mode::Default, program).decision,
                Verdict::Allow,
                "{program:?}"
            );
        }
    }
    say(&format!("{share} of {count} generated programs ran it in bash, and none of those was allowed"));
    assert!(share * 10 > count * 7, "{share} of {count}");
}

#[test]
fn bash_agrees_on_a_sample_of_generated_programs() {
    bash_agrees_on_generated_programs(3, 100);
}

/// `cargo test --release -p loci-policy -- --ignored --nocapture bash_agrees`
#[test]
#[ignore = "some minutes of bash"]
fn bash_agrees_on_five_thousand_generated_programs() {
    bash_agrees_on_generated_programs(4, 5_000);
}

/// Commands to begin with: benign ones that these rules allow as they stand, and hostile ones to take pieces from.
pub(crate) fn material(rules: &Rules) -> (Vec<String>, Vec<String>) {
    let (mut benign, mut hostile) = (Vec::new(), Vec::new());
    let held_out = include_str!("../cases/held_out.jsonl").lines().filter_map(|line| {
        let case: Value = serde_json::from_str(line).unwrap();
        Some(case["input"]["command"].as_str()?.to_owned())
    });
    let tables = [include_str!("../cases/benign.txt"), include_str!("../cases/hostile.txt")];
    let tables = tables.iter().flat_map(|table| table.lines()).filter_map(|line| {
        let command = line.split_once(" | ")?.1;
        Some(command.strip_prefix('%').map_or_else(|| command.to_owned(), crate::unescape))
    });
    for command in held_out.chain(tables).filter(|command| !command.contains('\0') && command.len() < 300) {
        match bash(rules, Mode::Default, &command).decision {
            Verdict::Allow => benign.push(command),
            _ => hostile.push(command),
        }
    }
    (benign, hostile)
}

/// Characters and words that change how what follows is read.
const SPARKS: &[&str] = &[
    ";",
    "&",
    "&&",
    "|",
    "||",
    "|&",
    "\n",
    "\\\n",
    "\\",
    "'",
    "\"",
    "`",
    "$",
    "$(",
    ")",
    "(",
    "((",
    "))",
    "$((",
    "{",
    "}",
    "${",
    "${x:-",
    "<",
    ">",
    "<<",
    "<<E\n",
    "<<'E'\n",
    "\nE\n",
    "<<-E\n",
    "<<<",
    "<(",
    ">(",
    "#",
    " #",
    "\n#",
    "!",
    "*",
    "?",
    "[",
    "]",
    "[[ ",
    " ]]",
    "~",
    "=",
    "x=",
    "x+=",
    "a[0]=",
    "a=(",
    "\t",
    " ",
    "  ",
    "$'",
    "$\"",
    "\\'",
    "\\\"",
    "''",
    "\"\"",
    ",",
    "{a,",
    "{rm,",
    "..",
    "../",
    "-",
    "--",
    " -- ",
    " - ",
    "%",
    "@",
    "^",
    ":",
    "é",
    "2>",
    ">&",
    "&>",
    "<&",
    "<>",
    ">|",
    ";;",
    ";&",
    "in ",
    "do ",
    "done",
    "fi",
    "then ",
    "else ",
    "esac",
    "case x in x) ",
    "if ",
    "for i in ",
    "while ",
    "until ",
    "time ",
    "function f ",
    "f() ",
    "coproc ",
    "rm x",
    "; rm x",
    "\nrm x",
    " rm ",
    "$(rm x)",
    "`rm x`",
    "cd src",
    "cd ..",
    "cd /; ",
    "PATH=.",
    "PATH=. ",
    "IFS=",
    "eval ",
    "exec ",
    "export ",
    "command ",
    "builtin ",
    "xargs ",
    "env ",
    "set ",
    "printf -v ",
    "printf %n ",
    "read ",
    "let ",
    "declare ",
    "unset ",
    "test -v ",
    "-exec rm {} ;",
    " -delete",
    " -o x",
    " -i",
    " -f",
    " -rf",
    "$x",
    "\"$x\"",
    "$PWD",
    "$OLDPWD",
    "~/",
    "$HOME",
    "$#",
    "$@",
    "$*",
    "$?",
    "$-",
    "$!",
    "$$",
    "${#x}",
    "${x@P}",
    "${!x}",
];

fn boundary(numbers: &mut Numbers, text: &str) -> usize {
    let mut at = numbers.below(text.len() + 1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn span(numbers: &mut Numbers, text: &str) -> (usize, usize) {
    let (one, other) = (boundary(numbers, text), boundary(numbers, text));
    let end = one.max(other);
    (one.min(other).max(end.saturating_sub(24)), end)
}

/// A command with something in it changed.
pub(crate) fn mutated(numbers: &mut Numbers, benign: &[String], hostile: &[String]) -> String {
    let mut text = benign[numbers.below(benign.len())].clone();
    for _ in 0..1 + numbers.below(3) {
        let at = boundary(numbers, &text);
        match numbers.below(9) {
            0..=2 => text.insert_str(at, numbers.one(SPARKS)),
            3 => {
                let from = &hostile[numbers.below(hostile.len())];
                let (begin, end) = span(numbers, from);
                if let Some(piece) = from.get(begin..end) {
                    text.insert_str(at, piece);
                }
            }
            4 => {
                let (begin, end) = span(numbers, &text);
                if text.is_char_boundary(begin) && end - begin < 8 {
                    text.replace_range(begin..end, "");
                }
            }
            5 => {
                let swapped = if text[at..].contains('\'') { ('\'', '"') } else { ('"', '\'') };
                if let Some(found) = text[at..].find(swapped.0) {
                    text.replace_range(at + found..=at + found, swapped.1.encode_utf8(&mut [0; 4]));
                }
            }
            6 => {
                let other = &benign[numbers.below(benign.len())];
                let cut = boundary(numbers, other);
                text.truncate(at);
                text.push_str(&other[cut..]);
            }
            7 => {
                let joint = numbers.one(&["; ", "\n", " && ", " | ", " & ", " || ", "", " "]);
                text = format!("{text}{joint}{}", hostile[numbers.below(hostile.len())]);
            }
            _ => {
                let (begin, end) = span(numbers, &text);
                if let Some(piece) = text.get(begin..end).map(str::to_owned) {
                    text.insert_str(at, &piece);
                }
            }
        }
        text.truncate((0..=400.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0));
    }
    text
}

/// What a program does that was allowed: an execution that would not have been allowed by itself, or a
/// changed file. Nothing when it kept its word.
fn broken_word(ran: &Ran, rules: &Rules) -> Option<String> {
    if ran.changed {
        return Some("it changed a file".into());
    }
    for execution in &ran.executed {
        let [cwd, program, arguments @ ..] = execution.as_slice() else { continue };
        let program = program.strip_prefix("/usr/bin/").or(program.strip_prefix('?')).unwrap_or(program);
        let quoted = |text: &String| format!("'{}'", text.replace('\'', r"'\''"));
        let words: Vec<String> = std::iter::once(&program.to_owned()).chain(arguments).map(quoted).collect();
        let mut context = context();
        context.cwd = cwd.into();
        let command = words.join(" ");
        let input = json!({ "command": command });
        let alone = decide(rules, Mode::Default, &context, "Bash", &input, &tree());
        if alone.decision != Verdict::Allow {
            return Some(format!("in {cwd} it ran {command}: {}", alone.why));
        }
    }
    None
}

/// Mutations of benign commands: what the engine allows of them is run, and each program that bash then executes is one
/// that the engine allows by itself; without rules that is one that only reads.
fn bash_agrees_on_what_is_allowed(seed: u64, count: usize, rules: &Rules) {
    let mut numbers = Numbers::new(seed);
    let (benign, hostile) = material(rules);
    let (mut allowed, mut tried) = (BTreeSet::new(), 0);
    while allowed.len() < count {
        tried += 1;
        let text = mutated(&mut numbers, &benign, &hostile);
        if !text.contains('\0') && bash(rules, Mode::Default, &text).decision == Verdict::Allow {
            allowed.insert(text);
        }
    }
    // Whatever stands in the material is a program, so that nothing hides behind "command not found".
    let names: BTreeSet<&str> = benign
        .iter()
        .chain(&hostile)
        .flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_'))
        .filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase()) && *name != "bash")
        .collect();
    let names = names.into_iter().collect::<Vec<_>>().join(" ");
    let programs: Vec<String> = allowed.into_iter().collect();
    let Some(ran) = run(&programs, "", &names) else { return };
    let executions: usize = ran.iter().map(|ran| ran.executed.len()).sum();
    let found: Vec<String> = programs
        .iter()
        .zip(&ran)
        .filter_map(|(program, ran)| Some(format!("{program:?}\n    {}", broken_word(ran, rules)?)))
        .collect();
    say(&format!(
        "{count} of {tried} mutations are allowed; bash made {executions} executions of them, {} broke their word",
        found.len()
    ));
    assert!(executions * 2 > count, "{executions} executions of {count} programs");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Rules as developers write them, and rules that deny something to a command that may do all else.
fn rule_sets() -> [Rules; 3] {
    let everyday = [
        "Bash(cargo test:*)",
        "Bash(npm run:*)",
        "Bash(git commit:*)",
        "Bash(git add:*)",
        "Bash(make:*)",
        "Bash(grep:*)",
        "Bash(xargs cat)",
        "Bash(sed:*)",
        "Bash(awk:*)",
        "Bash(jq:*)",
        "Bash(find:*)",
        "Bash(rm build/*)",
    ];
    let denied = ["Bash(rm:*)", "Bash(curl:*)", "Bash(git push:*)", "Read(.env)", "Edit(docs/**)"];
    [Rules::default(), rules(&[], &[], &everyday), rules(&denied, &[], &["Bash"])]
}

#[test]
fn bash_agrees_on_a_sample_of_what_is_allowed() {
    for (rules, count) in rule_sets().iter().zip([100, 50, 50]) {
        bash_agrees_on_what_is_allowed(5, count, rules);
    }
}

/// `cargo test --release -p loci-policy -- --ignored --nocapture bash_agrees`
#[test]
#[ignore = "some minutes of bash"]
fn bash_agrees_on_ten_thousand_mutations_that_are_allowed() {
    for (rules, count) in rule_sets().iter().zip([5_000, 2_500, 2_500]) {
        bash_agrees_on_what_is_allowed(6, count, rules);
    }
}

/// The harness sees what it is there to see.
#[test]
fn the_namespace_records_what_runs_and_what_changes() {
    let programs = ["ls; rm x", "echo a > new", "nosuch y", "cat <(curl z)", "echo fine"].map(str::to_owned);
    let Some(ran) = run(&programs, "", "ls rm curl cat") else { return };
    let broken: Vec<bool> = ran.iter().map(|ran| broken_word(ran, &Rules::default()).is_some()).collect();
    assert_eq!(broken, [true, true, true, true, false]);
    assert_eq!(ran[0].executed[1], ["/srv/repo", "/usr/bin/rm", "x"]);
    assert!(ran[1].changed && !ran[0].changed);
}
