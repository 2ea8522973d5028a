//! Owns the batch check: one described call a line in, one decision a line out.
//! Uses `case` to read a line, `tree` for the described disk, and the same [`decide`] as a live session.
//! Never allows what it cannot read: such a line asks.

mod case;
mod tree;

use serde_json::{Map, Value, json};

pub use tree::Tree;

use crate::{Decision, Verdict, decide, may_show};
use case::Case;

/// Answer one line of a batch: a JSON object with `id`, `rules`, `tool`, `input`, and optionally `mode`, `fs`, `context`.
/// What is not said is as in the reference environment: `/srv/repo` is the project, trusted, and `/home/dev` the home.
#[must_use]
pub fn answer(line: &str) -> String {
    let value: Value = match serde_json::from_str(line) {
        Ok(value) => value,
        Err(error) => return unreadable(Value::Null, &format!("the line is no JSON: {error}")),
    };
    let id = value.get("id").cloned().unwrap_or(Value::Null);
    match Case::read(&value) {
        Ok(case) => judged(id, &case),
        Err(why) => unreadable(id, &why),
    }
}

fn unreadable(id: Value, why: &str) -> String {
    json!({ "id": id, "decision": "ask", "rule": null, "why": why }).to_string()
}

fn judged(id: Value, case: &Case) -> String {
    let decided =
        |input: &Value| decide(&case.rules, case.mode, &case.context, &case.tool, input, &case.tree);
    let mut decision = decided(&case.input);
    exclusions(case, &mut decision);
    let mut answer = Map::new();
    answer.insert("id".into(), id);
    answer.insert("decision".into(), json!(decision.decision));
    answer.insert("rule".into(), json!(decision.rule));
    answer.insert("why".into(), json!(decision.why));
    if !case.redirects.is_empty() {
        // Every hop is a request of its own.
        let mut before = case.input.get("url").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut strictest = Verdict::Allow;
        for hop in &case.redirects {
            let address = joined(&before, hop);
            let mut input = case.input.clone();
            if let Some(fields) = input.as_object_mut() {
                fields.insert("url".into(), Value::String(address.clone()));
            }
            strictest = strictest.max(decided(&input).decision);
            before = address;
        }
        answer.insert("redirect_decision".into(), json!(strictest));
    }
    Value::Object(answer).to_string()
}

/// A tool that shows many files leaves out those that may not be read. What must be left out and would not be, asks.
fn exclusions(case: &Case, decision: &mut Decision) {
    let shown =
        case.must_exclude.iter().find(|path| may_show(&case.rules, &case.context, path.as_ref(), &case.tree));
    match shown {
        Some(path) if decision.decision == Verdict::Allow => {
            decision.decision = Verdict::Ask;
            decision.why = format!("no rule keeps {} out of the result", crate::hidden::escape(path));
        }
        None if !case.must_exclude.is_empty() => {
            let hidden = crate::hidden::escape(&case.must_exclude.join(", "));
            decision.why = format!("{}; the result leaves out {hidden}, which a rule denies", decision.why);
        }
        _ => {}
    }
}

/// Where a redirect leads: it may name only a path.
fn joined(before: &str, hop: &str) -> String {
    if !hop.starts_with('/') {
        return hop.to_owned();
    }
    let Some((scheme, rest)) = before.split_once("://") else { return hop.to_owned() };
    match hop.strip_prefix("//") {
        Some(_) => format!("{scheme}:{hop}"),
        None => format!("{scheme}://{}{hop}", rest.split(['/', '?', '#']).next().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests;
