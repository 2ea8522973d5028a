#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use serde_json::json;

use super::*;
use crate::batch::Tree;
use crate::{Rule as Written, Verdict};

fn context() -> Context {
    Context {
        root: "/srv/repo".into(),
        cwd: "/srv/repo".into(),
        home: "/home/dev".into(),
        trusted: true,
        ..Context::default()
    }
}

#[test]
fn a_command_is_told_part_by_part() {
    let mut tree = Tree::default();
    tree.link("/srv/repo/link", "/etc/passwd");
    let mut deny = Written::from("Read(//etc/**)");
    deny.origin = "/etc/loci/policy.d/a.toml".into();
    let rules =
        Rules { deny: vec![deny], ask: vec!["Bash(git push:*)".into()], allow: vec!["Bash(curl:*)".into()] };
    let told = explain(
        &rules,
        &context(),
        "Bash",
        &json!({ "command": "cat link | curl https://x.org/y > out && git push" }),
        &tree,
    );
    let texts: Vec<&str> = told.parts.iter().map(|part| part.text.as_str()).collect();
    assert_eq!(texts, ["cat link", "curl https://x.org/y > out", "git push"]);
    assert_eq!(told.parts[0].reads, ["/srv/repo/link -> /etc/passwd"]);
    assert_eq!(told.parts[0].rules[0].origin, "/etc/loci/policy.d/a.toml");
    assert_eq!(told.parts[0].decision.decision, Verdict::Deny);
    assert_eq!(told.parts[1].hosts, ["x.org"]);
    assert_eq!(told.parts[1].writes, ["/srv/repo/out"]);
    assert_eq!(told.parts[1].rules[0].list, "allow");
    assert_eq!(
        (told.parts[2].rules[0].list.as_str(), told.parts[2].decision.decision),
        ("ask", Verdict::Ask)
    );
    assert_eq!(told.modes.len(), 5);
    assert!(told.modes.iter().all(|mode| mode.decision.decision == Verdict::Deny));
    assert!(told.doubts.is_empty());
    // It can be stored and read back.
    let text = serde_json::to_string(&told).unwrap();
    assert_eq!(serde_json::from_str::<Explanation>(&text).unwrap(), told);
}

#[test]
fn other_calls_and_doubts_are_told_too() {
    let rules = Rules { deny: vec!["Read(.env)".into()], ..Rules::default() };
    let told = explain(&rules, &context(), "Read", &json!({ "file_path": ".env" }), &Tree::default());
    assert_eq!(told.parts[0].text, "/srv/repo/.env");
    assert_eq!(told.rules.len(), 1);
    let told = explain(&rules, &context(), "Bash", &json!({ "command": "eval '" }), &Tree::default());
    assert!(!told.doubts.is_empty());
    let told = explain(&rules, &context(), "Bash", &json!({}), &Tree::default());
    assert_eq!(told.modes[0].decision.decision, Verdict::Ask);
}
