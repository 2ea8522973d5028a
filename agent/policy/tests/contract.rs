//! The permission contract against tables of cases, in a described tree at `/srv/repo`.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "contract/described.rs"]
mod described;
#[path = "contract/held_out.rs"]
mod held_out;
#[path = "contract/invariants.rs"]
mod invariants;
#[path = "contract/programs.rs"]
mod programs;
#[path = "contract/properties.rs"]
mod properties;
#[path = "contract/real_bash.rs"]
mod real_bash;
#[path = "contract/speed.rs"]
mod speed;

use described::{context, tree};
use loci_policy::{Decision, Mode, Rules, Verdict, decide, may_show};
use serde_json::{Value, json};

fn rules(deny: &[&str], ask: &[&str], allow: &[&str]) -> Rules {
    let owned = |rules: &[&str]| rules.iter().map(|rule| (*rule).into()).collect();
    Rules { deny: owned(deny), ask: owned(ask), allow: owned(allow) }
}

fn bash(rules: &Rules, mode: Mode, command: &str) -> Decision {
    decide(rules, mode, &context(), "Bash", &json!({ "command": command }), &tree())
}

/// For whoever looks on: figures, and what was skipped.
fn say(line: &str) {
    std::io::Write::write_all(&mut std::io::stderr(), format!("{line}\n").as_bytes()).unwrap_or_default();
}

fn mode(name: &str) -> Mode {
    serde_json::from_value(Value::String(name.to_owned())).unwrap()
}

/// Tables: `[deny: A, B; allow: C; mode: plan]` sets the rules for the lines below; `decision | command` is a case, with
/// `\n`, `\t`, `\r`, `\e` and `\u{…}` written out after a leading `%`. Rules are separated by ` , `.
fn check_table(table: &str) {
    let mut current = (Rules::default(), Mode::Default);
    let mut failures = Vec::new();
    let mut count = 0;
    for (number, line) in table.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(header) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            current = read_header(header);
            continue;
        }
        let (expect, command) =
            line.split_once(" | ").unwrap_or_else(|| panic!("line {}: {line}", number + 1));
        let command = match command.strip_prefix('%') {
            Some(escaped) => unescape(escaped),
            None => command.to_owned(),
        };
        let decision = bash(&current.0, current.1, &command);
        count += 1;
        let found = serde_json::to_value(decision.decision).unwrap();
        if found != expect.trim() {
            failures.push(format!(
                "line {}: {line}\n    {} {:?} {}",
                number + 1,
                found,
                decision.rule,
                decision.why
            ));
        }
    }
    assert!(failures.is_empty(), "{} of {count} cases:\n{}", failures.len(), failures.join("\n"));
}

fn read_header(header: &str) -> (Rules, Mode) {
    let mut read = (Rules::default(), Mode::Default);
    for entry in header.split("; ").filter(|entry| !entry.is_empty()) {
        let (key, value) = entry.split_once(": ").unwrap();
        let list = || value.split(" , ").map(Into::into).collect();
        match key {
            "deny" => read.0.deny = list(),
            "ask" => read.0.ask = list(),
            "allow" => read.0.allow = list(),
            "mode" => read.1 = mode(value),
            _ => panic!("{key}"),
        }
    }
    read
}

fn unescape(text: &str) -> String {
    let text = text.replace("\\n", "\n").replace("\\t", "\t").replace("\\r", "\r").replace("\\e", "\u{1b}");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("\\u{") {
        let (code, after) = after.split_once('}').unwrap();
        out.push_str(before);
        out.push(char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap());
        rest = after;
    }
    out + rest
}

#[test]
fn benign_commands_run_without_a_question() {
    check_table(include_str!("cases/benign.txt"));
}

#[test]
fn everyday_work_is_decided_as_expected() {
    check_table(include_str!("cases/everyday.txt"));
}

#[test]
fn hostile_commands_are_never_allowed() {
    check_table(include_str!("cases/hostile.txt"));
}

#[test]
fn rules_do_what_they_say() {
    check_table(include_str!("cases/rules.txt"));
}

#[test]
fn modes_do_what_they_say() {
    check_table(include_str!("cases/modes.txt"));
}

#[test]
fn tools_with_paths() {
    let check = |rules: &Rules, mode: Mode, tool: &str, input: Value, expect: Verdict| {
        let decision = decide(rules, mode, &context(), tool, &input, &tree());
        assert_eq!(
            decision.decision, expect,
            "{tool} {input} {mode:?}: {} {:?}",
            decision.why, decision.rule
        );
    };
    use Verdict::{Allow, Ask, Deny};
    let none = Rules::default();
    let file = |path: &str| json!({ "file_path": path });
    for (path, expect) in [
        ("README.md", Allow),
        ("/srv/repo/src/main.rs", Allow),
        ("/srv/extra/lib/x", Allow),
        ("link-in/main.rs", Allow),
        ("/etc/passwd", Ask),
        ("../other/x", Ask),
        ("/srv/repo-evil/x", Ask),
        ("link-file", Ask),
        ("link-out/passwd", Ask),
        ("up/other/x", Ask),
        ("link-in/../../etc/passwd", Ask),
        ("~/.ssh/id_rsa", Ask),
        ("/proc/self/root/etc/passwd", Ask),
        ("a\u{202e}b", Ask),
        ("a\0b", Ask),
        ("", Ask),
    ] {
        check(&none, Mode::Default, "Read", file(path), expect);
        check(&none, Mode::Default, "Edit", file(path), Ask);
        check(&none, Mode::Plan, "Edit", file(path), Deny);
        check(&none, Mode::AcceptEdits, "Write", file(path), expect);
    }
    for path in [
        ".git/config",
        ".git/hooks/new",
        "link-git/config",
        "sub/.git/x",
        ".GIT/x",
        ".loci/config.toml",
        "/home/dev/.config/loci/config.toml",
        "~/.bashrc",
        ".bashrc",
        "src/../.git/x",
        ".mcp.json",
        "/etc/profile.d/x.sh",
    ] {
        check(&rules(&[], &[], &["Edit"]), Mode::AcceptEdits, "Edit", file(path), Ask);
        check(&rules(&[], &[], &["Edit(**)"]), Mode::BypassPermissions, "Write", file(path), Ask);
        check(&none, Mode::DontAsk, "Write", file(path), Deny);
        check(&none, Mode::AcceptEdits, "NotebookEdit", json!({ "notebook_path": path }), Ask);
    }
    let some = rules(
        &["Read(.env)", "Edit(docs/**)", "Read(//etc/shadow)"],
        &["Edit(src/lib.rs)"],
        &["Edit(src/**)", "Read(~/notes/**)"],
    );
    check(&some, Mode::Default, "Edit", file("src/main.rs"), Allow);
    check(&some, Mode::Default, "Write", file("src/new/x.rs"), Allow);
    check(&some, Mode::BypassPermissions, "Edit", file("src/lib.rs"), Ask);
    check(&some, Mode::BypassPermissions, "Edit", file("docs/a"), Deny);
    check(&some, Mode::AcceptEdits, "Write", file("docs/a/b"), Deny);
    check(&some, Mode::Default, "Read", file("docs/a"), Allow);
    check(&some, Mode::Default, "Read", file("src/.env"), Deny);
    check(&some, Mode::Default, "Read", file("link-env"), Deny);
    check(&some, Mode::Default, "Edit", file(".env"), Deny);
    check(&some, Mode::Default, "Read", file("/home/dev/notes/a"), Allow);
    check(&some, Mode::Default, "Read", file("/home/dev/notes/../x"), Ask);
    check(&some, Mode::Default, "Read", file("link-out/shadow"), Deny);
    check(&some, Mode::Default, "Edit", file("src/../x"), Ask);
    check(&rules(&["Edit"], &[], &[]), Mode::BypassPermissions, "Write", file("x"), Deny);
    check(&rules(&["Write"], &[], &["Edit"]), Mode::Default, "Edit", file("x"), Allow);
    check(&rules(&["Read"], &[], &[]), Mode::Default, "Grep", json!({ "pattern": "x" }), Deny);
    check(&none, Mode::Default, "Grep", json!({ "pattern": "../x" }), Allow);
    check(&none, Mode::Default, "Grep", json!({ "pattern": "x", "path": "/etc" }), Ask);
    check(&none, Mode::Default, "Grep", json!({ "pattern": "x", "path": "src" }), Allow);
    check(&none, Mode::Default, "Glob", json!({ "pattern": "**/*.rs" }), Allow);
    check(&none, Mode::Default, "Glob", json!({ "pattern": "/etc/*" }), Ask);
    check(&none, Mode::Default, "Glob", json!({ "pattern": "../*" }), Ask);
    check(&none, Mode::Default, "Glob", json!({ "pattern": "src/*/../../../x" }), Ask);
    check(&none, Mode::Default, "Glob", json!({ "pattern": "{a,..}/x" }), Ask);
    check(&none, Mode::Default, "Glob", json!({ "pattern": "*", "path": "link-out" }), Ask);
    check(&none, Mode::Default, "Read", json!({}), Ask);
    check(&none, Mode::BypassPermissions, "Bash", json!({ "command": 7 }), Ask);
    check(&none, Mode::Default, "Bash", json!({ "command": "" }), Allow);
    assert!(!may_show(&some, &context(), ".env".as_ref(), &tree()));
    assert!(!may_show(&some, &context(), "link-env".as_ref(), &tree()));
    assert!(may_show(&some, &context(), "README.md".as_ref(), &tree()));
}

#[test]
fn other_tools() {
    let check = |rules: &Rules, tool: &str, input: Value, expect: Verdict| {
        let decision = decide(rules, Mode::Default, &context(), tool, &input, &tree());
        assert_eq!(decision.decision, expect, "{tool} {input}: {} {:?}", decision.why, decision.rule);
    };
    use Verdict::{Allow, Ask, Deny};
    let some = rules(
        &["WebFetch(domain:evil.com)", "mcp__*__delete*", "Agent(model:opus*)"],
        &["mcp__git__push"],
        &[
            "WebFetch(domain:*.docs.rs)",
            "WebFetch(domain:evil.com)",
            "mcp__files__read",
            "mcp__git__*",
            "Agent(model:x)",
            "mcp__*",
        ],
    );
    let url = |address: &str| json!({ "url": address });
    check(&some, "WebFetch", url("https://a.docs.rs/x"), Allow);
    check(&some, "WebFetch", url("https://docs.rs/x"), Ask);
    check(&some, "WebFetch", url("https://evil.com./x"), Deny);
    check(&some, "WebFetch", url("https://EVIL.com:443/x"), Deny);
    check(&some, "WebFetch", url("https://a.docs.rs@evil.com/"), Deny);
    check(&some, "WebFetch", json!({}), Ask);
    check(&rules(&[], &[], &["WebFetch"]), "WebFetch", url("https://x.org"), Allow);
    check(&rules(&[], &[], &["WebFetch"]), "WebFetch", url("file:///etc/passwd"), Ask);
    check(&some, "mcp__files__read", json!({}), Allow);
    check(&some, "mcp__files__readx", json!({}), Ask);
    check(&some, "mcp__git__log", json!({}), Allow);
    check(&some, "mcp__git__push", json!({}), Ask);
    check(&some, "mcp__files__delete_all", json!({}), Deny);
    check(&rules(&["mcp__files"], &[], &["mcp__files__*"]), "mcp__files__read", json!({}), Deny);
    check(&some, "Agent", json!({ "model": "opus-9" }), Deny);
    check(&some, "Agent", json!({ "model": "x" }), Ask);
    check(&some, "Agent", json!({}), Ask);
    check(&some, "Unknown", json!({}), Ask);
    check(&some, "", json!({}), Ask);
    check(
        &rules(&["Bash(run_in_background:true)"], &[], &[]),
        "Bash",
        json!({ "command": "ls", "run_in_background": true }),
        Deny,
    );
    check(&rules(&["Bash(run_in_background:true)"], &[], &[]), "Bash", json!({ "command": "ls" }), Allow);
}

#[test]
fn problems_of_rules_are_reported() {
    let check = |list: &str, rule: &str, reported: bool| {
        let mut rules = Rules::default();
        match list {
            "deny" => rules.deny.push(rule.into()),
            "ask" => rules.ask.push(rule.into()),
            _ => rules.allow.push(rule.into()),
        }
        let problems = rules.check();
        assert_eq!(!problems.is_empty(), reported, "{list} {rule}: {problems:?}");
    };
    for rule in [
        "Bash",
        "Bash(ls:*)",
        "Bash(ls *)",
        "Read(.env)",
        "Edit(//x/**)",
        "WebFetch(domain:x.org)",
        "mcp__a__b",
    ] {
        for list in ["deny", "ask", "allow"] {
            check(list, rule, false);
        }
    }
    for rule in [
        "",
        "(x)",
        "Bash(",
        "Bash()",
        "Bash(ls",
        "Bash(ls) x",
        "Read(!x)",
        "WebFetch(x)",
        "Bash(:*)",
        "B ash",
        "Bash(command:x)",
    ] {
        for list in ["deny", "ask", "allow"] {
            check(list, rule, true);
        }
    }
    check("deny", "*", false);
    check("allow", "*", true);
    check("allow", "mcp__*", true);
    check("allow", "mcp__a__*", false);
    check("deny", "Agent(model:x)", false);
    check("allow", "Agent(model:x)", true);
}

#[test]
fn every_part_is_shown_with_hidden_text_written_out() {
    let decision =
        bash(&Rules::default(), Mode::Default, "ls; echo $(rm x) > out; echo 'a\u{200b}\u{1b}[2Kb'");
    assert_eq!(
        decision.parts,
        ["ls", "rm x", "echo $(rm x) > out", "> /srv/repo/out", "echo 'a\\u{200b}\\x1b[2Kb'"]
    );
    let decision = decide(
        &Rules::default(),
        Mode::Default,
        &context(),
        "Read",
        &json!({ "file_path": "link-file" }),
        &tree(),
    );
    assert_eq!(decision.parts, ["/srv/repo/link-file -> /etc/passwd"]);
}

/// What bash itself ran (see `cases/bash_ran.py`): none of it may slip through.
#[test]
fn whatever_bash_ran_is_found() {
    let (mut denied, mut asked) = (0, 0);
    for line in include_str!("cases/bash_ran.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let command = case["cmd"].as_str().unwrap();
        assert_ne!(bash(&Rules::default(), Mode::Default, command).decision, Verdict::Allow, "{command:?}");
        for program in case["ran"].as_array().unwrap() {
            let deny = format!("Bash({}:*)", program.as_str().unwrap());
            for mode in [Mode::Default, Mode::BypassPermissions] {
                match bash(&rules(&[&deny], &[], &["Bash"]), mode, command).decision {
                    Verdict::Deny => denied += 1,
                    Verdict::Ask => asked += 1,
                    Verdict::Allow => panic!("{command:?} runs {program}"),
                }
            }
        }
    }
    // Some commands name their program only when they run (`$X`): those ask.
    assert!(denied > asked * 3, "{denied} denied, {asked} asked");
}

#[test]
fn rules_carry_tests_of_their_own() {
    let read = |rule: Value| -> loci_policy::Rule { serde_json::from_value(rule).unwrap() };
    let check = |list: &str, rule: Value, holds: bool| {
        let mut rules = Rules::default();
        match list {
            "deny" => rules.deny.push(read(rule.clone())),
            "ask" => rules.ask.push(read(rule.clone())),
            _ => rules.allow.push(read(rule.clone())),
        }
        assert_eq!(rules.check().is_empty(), holds, "{list} {rule}: {:?}", rules.check());
        rules
    };
    let tested =
        |rule: &str, yes: &[&str], no: &[&str]| json!({ "rule": rule, "match": yes, "not_match": no });
    for list in ["deny", "ask", "allow"] {
        check(
            list,
            tested("Bash(git log:*)", &["git log", "git log -3", "git  'log'"], &["git logs", "git push"]),
            true,
        );
        check(list, tested("Bash(git log:*)", &["git push"], &[]), false);
        check(list, tested("Bash(git:*)", &["git status"], &["git push"]), false);
        check(list, tested("Read(.env)", &[".env", "sub/.env", "/etc/.env"], &["env"]), list != "allow");
        check(list, tested("Edit(src/**)", &["src/a/b.rs"], &["src", "lib/x", "src/../x"]), true);
        check(list, tested("Read(~/notes/**)", &["~/notes/a"], &["notes/a"]), true);
        check(
            list,
            tested("WebFetch(domain:*.x.org)", &["https://a.x.org/y"], &["https://x.org", "x.org"]),
            true,
        );
        check(list, tested("mcp__git__*", &["mcp__git__log"], &["mcp__gitx__log"]), true);
    }
    check("deny", tested("Bash(rm:*)", &["ls; rm x", "sudo rm x"], &["ls", "echo rm"]), true);
    check(
        "allow",
        tested(
            "Bash(npm test)",
            &["npm test && npm test", "timeout 5 npm test"],
            &["npm test; rm x", "npm test > x; $X"],
        ),
        true,
    );
    check("allow", tested("Bash(find:*)", &["find / -name x"], &["find . -delete"]), true);
    // One whose tests fail permits nothing, and what it restricts asks beyond what it denies.
    let failing = check("allow", tested("Bash(npm:*)", &["yarn"], &[]), false);
    assert_eq!(bash(&failing, Mode::Default, "npm test").decision, Verdict::Ask);
    let failing = check("deny", tested("Bash(npm:*)", &["yarn"], &[]), false);
    assert_eq!(bash(&failing, Mode::Default, "npm test").decision, Verdict::Deny);
    for mode in [Mode::Default, Mode::BypassPermissions] {
        let decision = bash(&failing, mode, "ls");
        assert_eq!((decision.decision, decision.rule.as_deref()), (Verdict::Ask, Some("Bash(npm:*)")));
    }
    let failing = check("ask", tested("Read(.env)", &["x"], &[]), false);
    let read = decide(
        &failing,
        Mode::BypassPermissions,
        &context(),
        "Read",
        &json!({ "file_path": "README.md" }),
        &tree(),
    );
    assert_eq!(read.decision, Verdict::Ask);
}

#[test]
fn a_decision_says_where_its_rule_stands_and_what_it_opens() {
    let read = |rule: Value| -> loci_policy::Rule { serde_json::from_value(rule).unwrap() };
    let rules = Rules {
        deny: vec![read(
            json!({ "rule": "Bash(rm:*)", "origin": "/etc/loci/policy.d/a.toml", "layer": "managed" }),
        )],
        ask: vec!["Bash(git push:*)".into()],
        allow: vec![
            read(json!({ "rule": "Bash(cargo:*)", "network": ["crates.io", "*.crates.io"] })),
            read(json!({ "rule": "Bash(npm ci)", "network": ["registry.npmjs.org"], "layer": "project" })),
            "Bash(make:*)".into(),
            "Bash(git:*)".into(),
            "Edit(build/**)".into(),
        ],
    };
    let check = |command: &str,
                 verdict: Verdict,
                 origin: Option<&str>,
                 network: &[&str],
                 repository: bool| {
        let decision = bash(&rules, Mode::Default, command);
        let found =
            (decision.decision, decision.origin.as_deref(), decision.network.as_slice(), decision.repository);
        let network: Vec<String> = network.iter().map(|host| (*host).to_owned()).collect();
        assert_eq!(found, (verdict, origin, network.as_slice(), repository), "{command}: {}", decision.why);
    };
    use Verdict::{Allow, Ask, Deny};
    let managed = Some("/etc/loci/policy.d/a.toml");
    check("rm x", Deny, managed, &[], false);
    check("git push", Ask, Some("user"), &[], true);
    check("cargo fetch", Allow, Some("user"), &["*.crates.io", "crates.io"], false);
    check("npm ci", Allow, Some("project"), &["registry.npmjs.org"], false);
    check(
        "npm ci && cargo fetch",
        Allow,
        Some("project"),
        &["*.crates.io", "crates.io", "registry.npmjs.org"],
        false,
    );
    check("ls && cargo fetch 2>&1 | tail -5", Allow, Some("user"), &["*.crates.io", "crates.io"], false);
    check("timeout 60 cargo fetch > build/log", Allow, Some("user"), &["*.crates.io", "crates.io"], false);
    // A part that may not reach anything keeps the whole from it.
    check("make x && cargo fetch", Allow, Some("user"), &[], false);
    check("cargo fetch; python3 x.py", Ask, None, &[], false);
    check("ls", Allow, None, &[], false);
    for (command, writes) in [
        ("git commit -m x", true),
        ("git add src && git status", true),
        ("git status", false),
        ("git log -3", false),
        ("git branch", false),
        ("git branch new", true),
        ("git stash list", false),
        ("git stash", true),
        ("git tag --list", false),
        ("git tag v1", true),
        ("git restore --staged x", true),
        ("git --no-pager commit", true),
        ("git -C x commit", true),
        ("timeout 5 git fetch", true),
        ("sudo git gc", true),
        ("git diff", false),
        ("echo git commit", false),
    ] {
        assert_eq!(bash(&rules, Mode::Default, command).repository, writes, "{command}");
    }
    let bypassed = bash(&Rules::default(), Mode::BypassPermissions, "cargo fetch");
    assert_eq!((bypassed.decision, bypassed.network.len()), (Allow, 0));
}
