//! Owns the transcript in words, for those who hear it: no signs, no indents, no colours that say something.
//! Uses the lines that others see.
//! Never says less than they do, and never the beginning of a line that goes on later.

use loci_protocol::{Event, ToolReport};

use super::{Channel, Piece, duration};
use crate::style::{Line, Style};
use crate::text::visible;

/// What has been said of a line that is not at its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Unsaid {
    text: String,
    channel: Option<Channel>,
}

impl Unsaid {
    /// Text goes on: its whole lines are said.
    pub(super) fn text(&mut self, out: &mut Vec<Piece>, channel: Channel, text: &str) {
        if self.channel != Some(channel) {
            self.end(out);
            self.channel = Some(channel);
        }
        for part in text.split_inclusive('\n') {
            self.text.push_str(part.trim_end_matches('\n'));
            if part.ends_with('\n') {
                self.say(out, channel);
            }
        }
    }

    /// Something else follows: what is left of a line is said.
    pub(super) fn end(&mut self, out: &mut Vec<Piece>) {
        if let Some(channel) = self.channel.take()
            && !self.text.is_empty()
        {
            self.say(out, channel);
        }
    }

    fn say(&mut self, out: &mut Vec<Piece>, channel: Channel) {
        let text = std::mem::take(&mut self.text);
        // An empty line says nothing.
        if !text.trim().is_empty() {
            let text = if channel == Channel::Aside { format!("thinking: {text}") } else { text };
            out.push(Piece::Line { channel, line: Line::new(text, Style::Plain) });
        }
    }
}

/// An event in words; `lines` are how others see it.
pub(super) fn spoken(event: &Event, lines: Vec<Line>) -> Vec<Line> {
    let said: Vec<String> = match event {
        Event::ToolStarted { summary, tool, .. } => {
            vec![format!("tool {}", visible(if summary.is_empty() { tool } else { summary }))]
        }
        Event::ToolFinished(report) => finished(report),
        Event::QuestionAsked(question) => {
            let options = (1..).zip(&question.options);
            std::iter::once(format!("question: {}", visible(&question.question)))
                .chain(options.map(|(number, option)| format!("option {number}: {}", visible(option))))
                .collect()
        }
        Event::ApprovalRequested { rules, .. } => {
            let mut rows: Vec<String> = lines.iter().map(|line| row(&line.plain())).collect();
            if let Some(first) = rows.first_mut() {
                *first = format!("approval wanted: {}", first.trim_start_matches("? "));
            }
            let lasting = if rules.is_empty() { "" } else { "r from now on, " };
            if let Some(keys) = rows.last_mut() {
                *keys = format!("type y once, s for this session, {lasting}n no, with a reason behind it");
            }
            rows
        }
        _ => lines.iter().map(|line| row(&line.plain())).collect(),
    };
    let rows = said.iter().flat_map(|text| text.lines()).filter(|row| !row.trim().is_empty());
    rows.map(|row| Line::new(row, Style::Plain)).collect()
}

fn finished(report: &ToolReport) -> Vec<String> {
    let summary = visible(&report.summary);
    let mut rows = vec![if report.ok {
        format!("done in {}: {summary}", duration(report.duration_ms))
    } else {
        format!("failed: {}: {summary}", visible(&report.tool))
    }];
    rows.extend(visible(report.diff.as_deref().unwrap_or_default()).lines().map(row));
    rows
}

/// A row without its signs.
fn row(text: &str) -> String {
    let text = text.trim();
    let said = |word: &str, rest: &str| format!("{word}: {}", rest.trim_end());
    match text.as_bytes() {
        [b'+', b'+', b'+', b' ', ..] => said("now", &text[4..]),
        [b'-', b'-', b'-', b' ', ..] => said("before", &text[4..]),
        [b'@', b'@', ..] => said("lines", text.trim_matches(['@', ' '])),
        [b'+', ..] => said("added", &text[1..]),
        [b'-', ..] => said("removed", &text[1..]),
        _ => text.trim_start_matches("• ").replace(" · ", ", ").replace(" → ", " to "),
    }
}

#[cfg(test)]
mod tests {
    use loci_protocol::{Level, Question};

    use super::super::Transcript;
    use super::*;

    fn heard(events: &[Event]) -> Vec<String> {
        let mut transcript = Transcript::spoken();
        let pieces = events.iter().flat_map(|event| transcript.render(event));
        pieces
            .map(|piece| match piece {
                Piece::Line { line, .. } => line.plain(),
                Piece::Text { text, .. } => panic!("a part of a line: {text}"),
            })
            .collect()
    }

    #[test]
    fn events_are_said_in_whole_lines() {
        let text = |text: &str| Event::TextDelta { text: text.into() };
        let finished = |ok: bool, diff: Option<&str>| {
            Event::ToolFinished(ToolReport {
                call_id: "1".into(),
                tool: "edit".into(),
                ok,
                summary: "1 line \x1b[2J".into(),
                output: String::new(),
                diff: diff.map(ToOwned::to_owned),
                locations: Vec::new(),
                changed: Vec::new(),
                duration_ms: 12,
            })
        };
        let check = |events: &[Event], expect: &[&str]| assert_eq!(heard(events), expect);
        check(
            &[
                text("Good "),
                text("day.\n\nHow "),
                text("are you?"),
                Event::ToolStarted {
                    call_id: "1".into(),
                    tool: "read".into(),
                    summary: "read src/lib.rs".into(),
                    input: serde_json::Value::Null,
                },
                finished(true, None),
            ],
            &["Good day.", "How are you?", "tool read src/lib.rs", "done in 12 ms: 1 line ␛[2J"],
        );
        let diff = "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n same\n-old\n+new\n";
        check(
            &[finished(false, None), finished(true, Some(diff))],
            &[
                "failed: edit: 1 line ␛[2J",
                "done in 12 ms: 1 line ␛[2J",
                "before: a/x",
                "now: b/x",
                "lines: -1,2 +1,2",
                "same",
                "removed: old",
                "added: new",
            ],
        );
        check(
            &[
                Event::ReasoningDelta { text: "hm".into() },
                Event::QuestionAsked(Question {
                    id: "q".into(),
                    question: "Which?".into(),
                    options: vec!["this".into(), "that".into()],
                }),
                Event::Notice { level: Level::Warning, message: "a · b".into(), hint: Some("do it".into()) },
            ],
            &[
                "thinking: hm",
                "question: Which?",
                "option 1: this",
                "option 2: that",
                "warning: a, b",
                "hint: do it",
            ],
        );
    }
}
