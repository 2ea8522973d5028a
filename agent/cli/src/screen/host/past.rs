//! Owns what a session was before it was opened again, told as the events that would tell it anew.
//! Uses the records of its log that count.
//! Never tells a call whose outcome is not known as done, and never sets anything off.

use std::sync::Arc;

use loci_core::session::log::{self, Record};
use loci_core::session::resume::typed;
use loci_core::tools::{self, Tool};
use loci_protocol::{Event, Task, ToolReport};
use loci_tui::Reply;

use crate::project::Project;

/// The events of the session with this id. Where its log cannot be read there are none: opening it said so.
pub(super) fn told(project: &Project, id: &str) -> Reply {
    let path = project.places.sessions(&project.root).join(format!("{id}.jsonl"));
    let records = log::read(&path).map(|loaded| loaded.records).unwrap_or_default();
    Reply::Past { session_id: id.to_owned(), events: events(&records) }
}

fn events(records: &[Record]) -> Vec<Event> {
    let tools = tools::all();
    let mut events = Vec::new();
    // A command that was typed behind `!` is told as it was then, not as a call of the model.
    let mut own = false;
    for record in log::effective(records) {
        match record {
            Record::Prompt { turn, text } => {
                own = typed(text).starts_with('!');
                events.push(Event::TurnStarted { turn: *turn, prompt: typed(text).to_owned() });
            }
            Record::Assistant { text, reasoning, .. } => {
                if let Some(text) = reasoning.clone().filter(|text| !text.is_empty()) {
                    events.push(Event::ReasoningDelta { text });
                }
                if !text.is_empty() {
                    events.push(Event::TextDelta { text: text.clone() });
                }
            }
            Record::Intent { call_id, tool, input, .. } => events.push(Event::ToolStarted {
                call_id: call_id.clone(),
                tool: tool.clone(),
                input: input.clone(),
                summary: match input.get("command").and_then(serde_json::Value::as_str) {
                    Some(command) if own => format!("! {command}"),
                    _ => summary(&tools, tool, input),
                },
            }),
            Record::Outcome(outcome) => events.push(Event::ToolFinished(ToolReport {
                call_id: outcome.call_id.clone(),
                tool: outcome.tool.clone(),
                ok: outcome.ok,
                summary: outcome.summary.clone(),
                output: outcome.text.clone(),
                diff: outcome.diff.clone(),
                locations: Vec::new(),
                changed: outcome.changed.clone(),
                duration_ms: outcome.duration_ms,
            })),
            Record::Todos { items } => {
                let task = |item: &tools::Todo| Task { text: item.text.clone(), done: item.done };
                events.push(Event::TasksChanged { tasks: items.iter().map(task).collect() });
            }
            Record::Compacted(compaction) => events.push(Event::Compacted {
                before: compaction.before,
                after: compaction.after,
                message: compaction.message(),
            }),
            Record::TurnEnded(report) => events.push(Event::TurnFinished(report.as_ref().clone())),
            _ => {}
        }
    }
    events
}

/// What a call is in one line, in the words that it had when it was made.
fn summary(tools: &[Arc<dyn Tool>], name: &str, input: &serde_json::Value) -> String {
    let tool = tools.iter().find(|tool| tool.name() == name);
    tool.map_or_else(|| name.to_owned(), |tool| tool.summary(input))
}

#[cfg(test)]
mod tests {
    use super::*;
    use loci_core::session::log::LoggedOutcome;
    use serde_json::json;

    fn prompt(turn: u32, text: &str) -> Record {
        Record::Prompt { turn, text: text.into() }
    }

    fn said(turn: u32, text: &str) -> Record {
        Record::Assistant { turn, text: text.into(), reasoning: Some("so".into()), calls: Vec::new() }
    }

    fn called(call_id: &str, tool: &str, input: serde_json::Value) -> Record {
        Record::Intent { call_id: call_id.into(), tool: tool.into(), input, why: "allowed".into() }
    }

    #[test]
    fn what_counts_is_told_in_its_order() {
        let outcome = LoggedOutcome {
            call_id: "c1".into(),
            tool: "read".into(),
            ok: true,
            text: "fn main() {}".into(),
            summary: "1 line".into(),
            diff: Some("+x".into()),
            duration_ms: 7,
            ..LoggedOutcome::default()
        };
        let records = [
            prompt(1, "[The user took back something.]\n\nlook"),
            said(1, "I look."),
            called("c1", "read", json!({ "path": "src/lib.rs" })),
            Record::Outcome(Box::new(outcome)),
            prompt(2, "and now?"),
            said(2, "gone back from"),
            Record::Rewound { turn: 2 },
            prompt(3, "again"),
            called("c2", "a tool of another version", json!({})),
            called("c3", "bash", json!({ "command": "ls" })),
            prompt(4, "!ls"),
            called("c4", "bash", json!({ "command": "ls" })),
        ];
        let told: Vec<String> = events(&records)
            .into_iter()
            .map(|event| match event {
                Event::TurnStarted { turn, prompt } => format!("{turn}: {prompt}"),
                Event::ReasoningDelta { text } => format!("thought {text}"),
                Event::TextDelta { text } => format!("said {text}"),
                Event::ToolStarted { call_id, summary, .. } => format!("{call_id} is {summary}"),
                Event::ToolFinished(report) => {
                    format!(
                        "{} {} {} {:?} {}",
                        report.call_id, report.ok, report.output, report.diff, report.duration_ms
                    )
                }
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(
            told,
            [
                "1: look",
                "thought so",
                "said I look.",
                "c1 is read src/lib.rs",
                "c1 true fn main() {} Some(\"+x\") 7",
                "3: again",
                "c2 is a tool of another version",
                "c3 is $ ls",
                "4: !ls",
                "c4 is ! ls",
            ]
        );
    }
}
