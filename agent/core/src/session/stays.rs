//! Owns what must not leave the machine with a session: the paths of the machine's policy, and sessions that hold them.
//! Uses the rules that deny reading, and the log.
//! Never sends a session away of which it is not known that nothing in it came from such a path.

use std::path::Path;

use loci_policy::{Context, Mode, Rule, Rules, Verdict, decide};
use serde_json::json;

use super::log::Record;
use crate::permission::DiskFiles;
use crate::permission::readable::Readable;

/// The first thing in a session that came from what these rules deny: a path, or a command that may have read one.
pub(super) fn first_shown(records: &[Record], deny: &[Rule], context: &Context) -> Option<String> {
    if deny.is_empty() {
        return None;
    }
    let rules = Rules { deny: deny.to_vec(), ..Rules::default() };
    let readable = Readable::new(&rules, context);
    let hidden = |path: &&str| !readable.may_show(&context.root.join(Path::new(path)));
    records.iter().find_map(|record| match record {
        Record::Outcome(outcome) => {
            let located = outcome.locations.iter().map(|location| location.path.as_str());
            let evidence = outcome.evidence.iter().map(|evidence| evidence.location.path.as_str());
            let mut paths = located.chain(evidence).chain(outcome.changed.iter().map(String::as_str));
            paths.find(hidden).map(ToOwned::to_owned)
        }
        Record::Intent { input, .. } => {
            let text = |key: &str| input.get(key).and_then(serde_json::Value::as_str);
            let path = ["path", "file_path", "to"].into_iter().filter_map(text).find(hidden);
            let command = text("command").filter(|command| {
                let input = json!({ "command": command });
                let decision = decide(&rules, Mode::Default, context, "Bash", &input, &DiskFiles);
                decision.decision == Verdict::Deny
            });
            path.or(command).map(ToOwned::to_owned)
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::log::LoggedOutcome;

    #[test]
    fn what_came_from_such_a_path_is_found() {
        let context = Context {
            root: "/srv/repo".into(),
            cwd: "/srv/repo".into(),
            home: "/home/dev".into(),
            ..Context::default()
        };
        let deny: Vec<Rule> = vec!["Read(secrets/**)".into()];
        let check = |record: Record, expect: Option<&str>| {
            assert_eq!(first_shown(&[record], &deny, &context).as_deref(), expect);
        };
        let intent = |tool: &str, input: serde_json::Value| Record::Intent {
            call_id: "1".into(),
            tool: tool.into(),
            input,
            why: String::new(),
        };
        check(intent("read", json!({ "path": "secrets/key" })), Some("secrets/key"));
        check(intent("read", json!({ "path": "src/lib.rs" })), None);
        check(intent("bash", json!({ "command": "head -c 9 secrets/key" })), Some("head -c 9 secrets/key"));
        check(intent("bash", json!({ "command": "ls src" })), None);
        let outcome = |path: &str| {
            Record::Outcome(Box::new(LoggedOutcome {
                changed: vec![path.into()],
                ..LoggedOutcome::default()
            }))
        };
        check(outcome("secrets/a"), Some("secrets/a"));
        check(outcome("src/a"), None);
        assert_eq!(first_shown(&[outcome("secrets/a")], &[], &context), None);
    }
}
