//! Owns the tool `jobs`: the commands that `bash` started in the background.
//! Uses the session's registry of them.
//! Never starts one.

use std::time::Duration;

use futures::future::BoxFuture;
use loci_exec::Ended;
use loci_exec::background::{Background, Listed, Part};
use serde_json::{Value, json};

use super::{Access, Outcome, Tool, ToolContext, arguments, command, fold};
use crate::session::log::Record;

/// Seconds that a look may wait for news: as long as a command may take when nothing is said.
const MOST_WAIT: u64 = 120;

pub(crate) struct Jobs;

impl Tool for Jobs {
    fn name(&self) -> &'static str {
        "jobs"
    }

    fn description(&self) -> &'static str {
        "The commands in the background: list them, read what one wrote since the last look, kill one. \
         `timeout` in seconds waits for its end before the look."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "action": { "type": "string", "enum": ["list", "output", "kill"] },
                "id": { "type": "string" },
                "timeout": { "type": "integer" }
            },
            "required": ["action"]
        })
    }

    fn changes(&self, _input: &Value) -> bool {
        false
    }

    fn summary(&self, input: &Value) -> String {
        let action = arguments::optional_word(input, "action").unwrap_or("?");
        match arguments::optional_word(input, "id") {
            Some(id) if action != "list" => format!("jobs {action} {}", fold::clip(id, 20)),
            _ => format!("jobs {action}"),
        }
    }

    /// What they do was decided when they were started.
    fn access(&self, _input: &Value, _context: &ToolContext) -> Result<Vec<Access>, String> {
        Ok(Vec::new())
    }

    fn run<'a>(&'a self, input: Value, context: &'a ToolContext) -> BoxFuture<'a, Outcome> {
        Box::pin(async move { act(&input, context).await.unwrap_or_else(Outcome::failed) })
    }
}

async fn act(input: &Value, context: &ToolContext) -> Result<Outcome, String> {
    let background = &context.background;
    match arguments::word(input, "action")? {
        "list" => Ok(list(&background.list())),
        "output" => {
            let id = arguments::word(input, "id")?;
            if let Some(seconds) = arguments::number(input, "timeout")? {
                let wait = Duration::from_secs(seconds.min(MOST_WAIT));
                tokio::select! {
                    known = background.wait(id) => known.map_err(|error| error.to_string())?,
                    () = tokio::time::sleep(wait) => {}
                    () = context.cancel.cancelled() => {}
                }
            }
            output(background, id)
        }
        "kill" => {
            let id = arguments::word(input, "id")?;
            background.kill(id).await.map_err(|error| error.to_string())?;
            // What it still wrote may say why it was ended.
            output(background, id)
        }
        other => Err(format!("`action` must be list, output or kill, not {other}")),
    }
}

fn list(jobs: &[Listed]) -> Outcome {
    let running = jobs.iter().filter(|job| job.ended.is_none()).count();
    let brief = match (jobs.len(), running) {
        (0, _) => "nothing runs in the background".to_owned(),
        (_, running) => format!("{running} of {} running", fold::count(jobs.len(), "command")),
    };
    let mut text = format!("{brief}\n");
    for job in jobs {
        text.push_str(&format!("{}, {} bytes of output: $ {}\n", state(job), job.bytes, title(job)));
    }
    Outcome {
        ok: true,
        text: text.trim_end().to_owned(),
        summary: brief.clone(),
        brief,
        ..Outcome::default()
    }
}

fn output(background: &Background, id: &str) -> Result<Outcome, String> {
    let piece = background.output(id, Part::Unread).map_err(|error| error.to_string())?;
    let job = &piece.job;
    let head = String::from_utf8_lossy(&piece.head);
    let tail = String::from_utf8_lossy(&piece.tail);
    let gap = match piece.omitted {
        0 => String::new(),
        omitted => format!("\n… {omitted} bytes left out …\n"),
    };
    let new = fold::plain(&format!("{head}{gap}{tail}"));
    let folded = command::folded(&new);
    let partly = piece.omitted > 0 || folded.len() < new.trim_end().len();
    let mut text = if folded.is_empty() { "(no new output)\n".to_owned() } else { format!("{folded}\n") };
    if let (true, Some(spool)) = (partly, &job.spool) {
        text.push_str(&format!("(whole output: {})\n", spool.display()));
    }
    let state = state(job);
    text.push_str(&state);
    let last = new.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let brief = if last.is_empty() { state.clone() } else { format!("{state}: {last}") };
    Ok(Outcome {
        ok: true,
        text,
        brief: fold::clip(&brief, fold::BRIEF),
        summary: format!("{state}: $ {}", title(job)),
        whole: job.spool.clone().filter(|_| partly),
        ..Outcome::default()
    })
}

fn title(job: &Listed) -> String {
    fold::clip(&fold::one_line(&job.title), 80)
}

/// What stands in the conversation once it is known there that a command has ended; [`left_over`] looks for it.
const HAS_ENDED: &str = " has ended: ";
/// What [`started`] says, up to the id.
const STARTED: &str = "started in the background as ";

/// `b1 runs since 3.1 s`, `b1 has ended: exit code 2 after 0.4 s`.
fn state(job: &Listed) -> String {
    let seconds = job.duration.as_secs_f64();
    match job.ended {
        None => format!("{} runs since {seconds:.1} s", job.id),
        Some(how) => format!("{}{HAS_ENDED}{} after {seconds:.1} s", job.id, end(how)),
    }
}

/// How a command ended, in words.
pub(crate) fn end(how: Ended) -> String {
    match how {
        Ended::Code(code) => format!("exit code {code}"),
        Ended::Signal(signal) => format!("signal {signal}"),
        Ended::TimedOut => "timed out".to_owned(),
        Ended::Cancelled => "killed".to_owned(),
    }
}

/// One line on a command that has ended, for people and models.
pub(crate) fn told(job: &Listed) -> String {
    format!("{}: $ {}", state(job), title(job))
}

/// One line on a command that went with the process of a session, for people and models.
pub(crate) fn lost(id: &str, line: &str) -> String {
    format!("{id}{HAS_ENDED}the session was left: $ {line}")
}

/// The outcome of a command that was started.
pub(crate) fn started(id: &str, line: &str) -> Outcome {
    let brief = format!("{STARTED}{id}");
    Outcome {
        ok: true,
        text: format!(
            "{brief}; `jobs` reads its output and ends it. It ends with the session at the latest. Undo does not cover \
             what it changes."
        ),
        summary: format!("{brief}: $ {}", fold::clip(&fold::one_line(line), 80)),
        brief,
        ..Outcome::default()
    }
}

/// What a session that was written knows of its commands in the background.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LeftOver {
    /// The highest number that was given.
    pub(crate) highest: u32,
    /// Those whose end nobody was told: id and command. They went with the process.
    pub(crate) lost: Vec<(String, String)>,
}

/// Which commands were started in the background, and which of them nobody was told the end of.
pub(crate) fn left_over(records: &[Record]) -> LeftOver {
    let mut found = LeftOver::default();
    let mut lines: std::collections::HashMap<&str, &str> = std::collections::HashMap::new();
    for record in records {
        match record {
            Record::Intent { call_id, tool, input, .. } if tool == "bash" => {
                lines.insert(call_id, arguments::optional_word(input, "command").unwrap_or("?"));
            }
            Record::Outcome(outcome) if outcome.tool == "bash" && outcome.ok => {
                let background = outcome.brief.strip_prefix(STARTED);
                if let (Some(id), Some(line)) = (background, lines.get(outcome.call_id.as_str())) {
                    let number = id.strip_prefix('b').and_then(|number| number.parse().ok()).unwrap_or(0);
                    found.highest = found.highest.max(number);
                    // An earlier one of this id belonged to a conversation that was taken back.
                    found.lost.retain(|(lost, _)| lost != id);
                    found.lost.push((id.to_owned(), fold::clip(&fold::one_line(line), 80)));
                }
            }
            _ => {}
        }
        let text = match record {
            Record::Prompt { text, .. } => text,
            Record::Outcome(outcome) => &outcome.text,
            _ => continue,
        };
        found.lost.retain(|(id, _)| !text.contains(&format!("{id}{HAS_ENDED}")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::log::LoggedOutcome;

    #[test]
    fn a_written_session_knows_what_it_left_running() {
        let start = |number: u32, line: &str| {
            let call_id = format!("c{number}");
            let outcome = started(&format!("b{number}"), line);
            let input = json!({ "command": line, "run_in_background": true });
            let intent =
                Record::Intent { call_id: call_id.clone(), tool: "bash".into(), input, why: "".into() };
            let outcome = LoggedOutcome {
                call_id,
                tool: "bash".into(),
                ok: true,
                text: outcome.text,
                brief: outcome.brief,
                ..LoggedOutcome::default()
            };
            [intent, Record::Outcome(Box::new(outcome))]
        };
        let prompt = |text: &str| [Record::Prompt { turn: 1, text: text.into() }];
        let said = |tool: &str, text: &str| {
            let outcome = LoggedOutcome { tool: tool.into(), text: text.into(), ..LoggedOutcome::default() };
            [Record::Outcome(Box::new(outcome))]
        };
        let check = |records: &[&[Record]], highest: u32, lost: &[&str]| {
            let found = left_over(&records.concat());
            let ids: Vec<&str> = found.lost.iter().map(|(id, _)| id.as_str()).collect();
            assert_eq!((found.highest, ids.as_slice()), (highest, lost));
        };
        check(&[], 0, &[]);
        check(&[&prompt("started in the background as b9")], 0, &[]);
        check(&[&start(1, "npm run dev"), &start(2, "tail -f log")], 2, &["b1", "b2"]);
        let ended = "[b1 has ended: exit code 0 after 0.1 s: $ npm run dev]\n\nand now?";
        check(&[&start(1, "npm run dev"), &start(2, "tail -f log"), &prompt(ended)], 2, &["b2"]);
        check(&[&start(1, "x"), &said("jobs", "b1 has ended: killed after 2.0 s")], 1, &[]);
        check(&[&start(1, "x"), &said("jobs", "b1 runs since 2.0 s")], 1, &["b1"]);
        check(&[&start(1, "x"), &prompt(&format!("[{}.]", lost("b1", "x")))], 1, &[]);
        check(
            &[&start(1, "x"), &start(12, "y"), &said("bash", "b12 has ended: signal 9 after 1 s")],
            12,
            &["b1"],
        );
        let line = left_over(&start(1, "npm run dev\n  && x")).lost;
        assert_eq!(line, [("b1".to_owned(), "npm run dev && x".to_owned())]);
    }
}
