//! Owns what a log tells of decisions and effects, one flat record each, for whoever looks after the machine.
//! Uses the chain, and a redactor for every word of it.
//! Never hands out a text with a secret that it could tell.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Chain, Line, walk};
use crate::secrets::Redactor;

/// One decision or effect.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Entry {
    /// The number of its record in the log, from 1.
    pub seq: u64,
    /// When.
    pub ts: String,
    /// The session.
    pub session: String,
    /// `session`, `model`, `decision`, `effect`, `undone`, `rewound`.
    pub event: String,
    /// The tool.
    pub tool: Option<String>,
    /// The call.
    pub call: Option<String>,
    /// What it runs, with blanks in place of line ends and runs of blanks.
    pub command: Option<String>,
    /// The paths that it names or changed.
    pub paths: Vec<String>,
    /// `allow`, `ask`, `deny`.
    pub verdict: Option<String>,
    /// What the user said.
    pub answer: Option<String>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// Where it stands.
    pub origin: Option<String>,
    /// Why.
    pub why: Option<String>,
    /// The permission mode.
    pub mode: Option<String>,
    /// blake3 of the policy in force.
    pub policy: Option<String>,
    /// What held the command in.
    pub sandbox: Option<String>,
    /// Hosts that it could reach.
    pub network: Vec<String>,
    /// The model at work.
    pub model: Option<String>,
    /// blake3 of its file.
    pub model_hash: Option<String>,
    /// Whether it did what was asked.
    pub ok: Option<bool>,
    /// The exit code of a command.
    pub exit: Option<i64>,
    /// Bytes of its result.
    pub bytes: Option<u64>,
    /// Milliseconds.
    pub duration_ms: Option<u64>,
    /// Changed files: path, blake3 before and after.
    pub files: Vec<Value>,
    /// The hash of the record before it.
    pub prev_hash: String,
    /// The hash of its record.
    pub hash: String,
}

/// The columns of the other format, in order.
pub const COLUMNS: &[&str] = &[
    "seq",
    "ts",
    "session",
    "event",
    "tool",
    "call",
    "command",
    "paths",
    "verdict",
    "answer",
    "rule",
    "origin",
    "why",
    "mode",
    "policy",
    "sandbox",
    "network",
    "model",
    "model_hash",
    "ok",
    "exit",
    "bytes",
    "duration_ms",
    "files",
    "prev_hash",
    "hash",
];

/// What is known while a log is read.
#[derive(Default)]
struct Reading {
    session: String,
    model: Option<String>,
    model_hash: Option<String>,
    /// By call: its arguments.
    inputs: HashMap<String, Value>,
    number: u64,
}

/// Every decision and effect of a log up to where its chain breaks, without secrets.
pub fn entries(bytes: &[u8], redactor: &Redactor, mut each: impl FnMut(Entry)) -> Chain {
    let mut reading = Reading::default();
    walk(bytes, |line| {
        if let Some(entry) = reading.entry(&line) {
            each(clean(entry, redactor));
        }
    })
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(ToOwned::to_owned)
}

fn texts(value: &Value, name: &str) -> Vec<String> {
    let items = value.get(name).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| item.as_str().map(ToOwned::to_owned)).collect()
}

impl Reading {
    fn entry(&mut self, line: &Line) -> Option<Entry> {
        self.number += 1;
        let body = &line.body;
        let event = match body.get("type").and_then(Value::as_str)? {
            "header" => {
                self.session = text(body, "session_id").unwrap_or_default();
                self.model = text(body, "model");
                "session"
            }
            "model" => {
                self.model = text(body, "name");
                self.model_hash = text(body, "hash");
                "model"
            }
            "assistant" => {
                for call in body.get("calls").and_then(Value::as_array).into_iter().flatten() {
                    if let (Some(id), Some(arguments)) = (text(call, "id"), call.get("arguments")) {
                        self.inputs.insert(id, arguments.clone());
                    }
                }
                return None;
            }
            "intent" => {
                if let (Some(id), Some(input)) = (text(body, "call_id"), body.get("input")) {
                    self.inputs.insert(id, input.clone());
                }
                return None;
            }
            "decision" => "decision",
            "outcome" => "effect",
            "undone" => "undone",
            "rewound" => "rewound",
            _ => return None,
        };
        let call = text(body, "call_id");
        let input = call.as_ref().and_then(|call| self.inputs.get(call)).cloned().unwrap_or_default();
        let mut paths: Vec<String> =
            ["path", "file_path", "to"].iter().filter_map(|name| text(&input, name)).collect();
        for path in texts(body, "changed").into_iter().chain(texts(body, "paths")) {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        let command = text(&input, "command").or_else(|| text(&input, "task"));
        let effect = event == "effect";
        // The log says which model it was; what it was sent stands in a ledger of its own.
        let elsewhere = (event == "model" && body.get("local") == Some(&Value::Bool(false)))
            .then(|| format!("it runs elsewhere: loci egress show --session {}", self.session));
        Some(Entry {
            seq: self.number,
            ts: text(body, "at").unwrap_or_default(),
            session: self.session.clone(),
            event: event.into(),
            tool: text(body, "tool"),
            call,
            command: command.map(|command| command.split_whitespace().collect::<Vec<_>>().join(" ")),
            paths,
            verdict: text(body, "verdict"),
            answer: text(body, "answer"),
            rule: text(body, "rule"),
            origin: text(body, "origin"),
            why: text(body, "why").or_else(|| text(body, "summary")).or(elsewhere),
            mode: text(body, "mode"),
            policy: text(body, "policy"),
            sandbox: text(body, "sandbox"),
            network: texts(body, "network"),
            model: self.model.clone(),
            model_hash: self.model_hash.clone(),
            ok: body.get("ok").and_then(Value::as_bool),
            exit: effect.then(|| exit_code(&text(body, "summary")?)).flatten(),
            bytes: text(body, "text").filter(|_| effect).map(|text| text.len() as u64),
            duration_ms: body.get("duration_ms").and_then(Value::as_u64),
            files: body.get("files").and_then(Value::as_array).cloned().unwrap_or_default(),
            prev_hash: text(body, "prev").unwrap_or_default(),
            hash: line.hash.clone(),
        })
    }
}

/// The code in the summary of a command: `… exit 1`.
fn exit_code(summary: &str) -> Option<i64> {
    let after = summary.rsplit_once("exit ")?.1;
    let after = after.strip_prefix("code ").unwrap_or(after);
    let digits: String =
        after.chars().take_while(|letter| letter.is_ascii_digit() || *letter == '-').collect();
    digits.parse().ok()
}

/// Without secrets. Hashes, ids and times are no words of anybody's.
fn clean(mut entry: Entry, redactor: &Redactor) -> Entry {
    let clean = |text: &mut String| {
        let redacted = redactor.redact(text);
        if !redacted.found.is_empty() {
            *text = redacted.text.into_owned();
        }
    };
    let words = [&mut entry.tool, &mut entry.command, &mut entry.rule, &mut entry.origin, &mut entry.why];
    words.into_iter().flatten().for_each(clean);
    entry.paths.iter_mut().chain(&mut entry.network).for_each(clean);
    for file in &mut entry.files {
        if let Some(Value::String(path)) = file.get_mut("path") {
            clean(path);
        }
    }
    entry
}

impl Entry {
    /// As one line of values parted by commas (RFC 4180); lists are parted by blanks, files as JSON.
    #[must_use]
    pub fn csv(&self) -> String {
        let value = json!(self);
        let fields = COLUMNS.iter().map(|column| {
            let field = match &value[*column] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                Value::Array(items) if items.is_empty() => String::new(),
                Value::Array(items) if items.iter().all(Value::is_string) => {
                    items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
                }
                other => other.to_string(),
            };
            quoted(&field)
        });
        fields.collect::<Vec<_>>().join(",")
    }
}

/// A field that a spreadsheet reads as text: what begins like a formula gets an apostrophe, as RFC 4180 knows no other way.
fn quoted(field: &str) -> String {
    let field = if field.starts_with(['=', '+', '@', '-']) { format!("'{field}") } else { field.to_owned() };
    if field.contains([',', '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

/// From when on something counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since(Timestamp);

impl Since {
    /// A day (`2026-01-31`), an instant (`2026-01-31T12:00:00Z`), or how long ago (`90m`, `36h`, `7d`).
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        Self::before(text, Timestamp::now())
    }

    fn before(text: &str, now: Timestamp) -> Option<Self> {
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Some(Self(instant));
        }
        if let Ok(day) = text.parse::<civil::Date>() {
            return day.to_zoned(TimeZone::system()).ok().map(|day| Self(day.timestamp()));
        }
        let unit: i64 = match text.chars().last()? {
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return None,
        };
        let ago = text[..text.len() - 1].parse::<i64>().ok()?.checked_mul(unit)?;
        now.checked_sub(SignedDuration::from_secs(ago)).ok().map(Self)
    }

    /// Whether it is after this instant. What is no instant counts.
    #[must_use]
    pub fn is_after(&self, ts: &str) -> bool {
        ts.parse::<Timestamp>().is_ok_and(|ts| ts < self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let now: Timestamp = "2026-02-01T12:00:00Z".parse().unwrap_or_default();
        let read = |text: &str| Since::before(text, now).map(|since| since.0.to_string());
        let check = |text: &str, expect: Option<&str>| assert_eq!(read(text).as_deref(), expect, "{text}");
        check("2026-01-31T10:00:00Z", Some("2026-01-31T10:00:00Z"));
        check("36h", Some("2026-01-31T00:00:00Z"));
        check("7d", Some("2026-01-25T12:00:00Z"));
        for text in ["", "d", "x7d", "yesterday", "7é", "99999999999999999999d", "9223372036854775807d"] {
            check(text, None);
        }
        assert!(Since(now).is_after("2026-02-01T11:59:59Z"));
        assert!(!Since(now).is_after("2026-02-01T12:00:00Z"));
    }
}
