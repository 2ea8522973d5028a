//! Owns a single request, `loci -p`: the answer as text, as JSON, or as a stream of JSON lines.
//! Uses a conversation with one turn.
//! Never asks anything where nobody can answer: the core then denies, and the user is told how to allow.

use loci_protocol::{Approval, Event, Level, Location, ModelUsage, Op, TurnReport, TurnStatus, Usage};
use loci_tui::Transcript;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::arguments::{AskArguments, OutputFormat};
use crate::conversation::{Audience, Conversation};
use crate::errors::{self, Failed, Outcome};
use crate::input;
use crate::progress::Bars;
use crate::project::Project;

/// The last line of `json` and `stream-json`.
#[derive(Debug, Serialize)]
struct ResultLine<'a> {
    r#type: &'static str,
    status: TurnStatus,
    answer: &'a str,
    citations: &'a [Location],
    changed: &'a [String],
    tool_calls: u32,
    usage: Usage,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    models: &'a [ModelUsage],
    session_id: &'a str,
    duration_ms: u64,
    failure: Option<&'a loci_protocol::Failure>,
}

/// Answer one request, or open a conversation where there is none to answer.
///
/// # Errors
/// When the session cannot be opened; a turn that fails is an outcome.
pub(crate) fn run(project: &Project, arguments: &AskArguments) -> anyhow::Result<Outcome> {
    let Some(asked) = &arguments.print else {
        if input::is_terminal() {
            let settings = project.screen(arguments)?;
            if crate::screen::fits(project, &settings) {
                return crate::screen::run(project, arguments, &settings);
            }
            no_session_to_choose(arguments)?;
            if settings.plain {
                let plain = project.printing_to(project.printer.plain());
                return super::chat::run(&plain, arguments, Transcript::spoken());
            }
            return super::chat::run(project, arguments, Transcript::new(project.printer.width()));
        }
        no_session_to_choose(arguments)?;
        let piped = input::piped()?;
        return once(project, arguments, with_piped("", &piped)?);
    };
    no_session_to_choose(arguments)?;
    once(project, arguments, with_piped(asked, &input::piped()?)?)
}

/// `--resume` alone is a choice, which only the full screen offers.
fn no_session_to_choose(arguments: &AskArguments) -> anyhow::Result<()> {
    if arguments.resume.as_deref() == Some("") {
        return Err(errors::Usage::error(
            "no session is named, and there is no full screen on which one could be chosen",
            "`loci sessions` lists them; name one with --resume ID, or go on with the newest with --continue",
        ));
    }
    Ok(())
}

/// The request with what was piped in below it.
fn with_piped(asked: &str, piped: &str) -> anyhow::Result<String> {
    match (asked.trim(), piped.trim_end()) {
        ("", "") => Err(errors::Usage::error(
            "there is nothing to answer",
            "give a request: loci -p \"where is main?\"",
        )),
        ("", piped) => Ok(piped.to_owned()),
        (asked, "") => Ok(asked.to_owned()),
        (asked, piped) => Ok(format!("{asked}\n\n{piped}")),
    }
}

fn once(project: &Project, arguments: &AskArguments, prompt: String) -> anyhow::Result<Outcome> {
    let pictures = pictures(project, &arguments.image)?;
    let people = arguments.output_format == OutputFormat::Text && project.printer.error_is_terminal();
    let audience = if people && input::is_terminal() { Audience::Person } else { Audience::Program };
    let runtime = crate::conversation::runtime()?;
    let result = runtime.block_on(async {
        let conversation = Conversation::open(project, arguments, audience).await?;
        Once::new(project, arguments.output_format, audience).run(conversation, prompt, pictures).await
    });
    // A tool that hangs in a blocking call must not keep the answer from ending.
    runtime.shutdown_background();
    result
}

/// The paths of pictures, absolute; each is looked at before a session is opened for it.
fn pictures(project: &Project, named: &[std::path::PathBuf]) -> anyhow::Result<Vec<String>> {
    let mut paths = Vec::new();
    for path in named {
        let path = if path.exists() { std::path::absolute(path)? } else { project.directory.join(path) };
        loci_core::session::pictures::read(&path)
            .map_err(|error| errors::Usage::error(error.to_string(), error.hint()))?;
        paths.push(path.to_string_lossy().into_owned());
    }
    Ok(paths)
}

/// The state of one request.
struct Once<'a> {
    project: &'a Project,
    format: OutputFormat,
    audience: Audience,
    transcript: Transcript,
    bars: Bars,
    lines: Option<mpsc::UnboundedReceiver<String>>,
    session_id: String,
    hinted: bool,
}

impl<'a> Once<'a> {
    fn new(project: &'a Project, format: OutputFormat, audience: Audience) -> Self {
        Self {
            project,
            format,
            audience,
            transcript: Transcript::new(project.printer.width()),
            bars: Bars::new(&project.printer),
            lines: None,
            session_id: String::new(),
            hinted: false,
        }
    }

    async fn run(
        mut self,
        mut conversation: Conversation,
        prompt: String,
        pictures: Vec<String>,
    ) -> anyhow::Result<Outcome> {
        for path in pictures {
            conversation.send(Op::Attach { path }).await;
        }
        conversation.send(Op::Prompt { text: prompt }).await;
        let mut interrupted = false;
        loop {
            let event = tokio::select! {
                event = conversation.next() => event,
                _ = tokio::signal::ctrl_c() => {
                    if interrupted {
                        return Ok(Outcome::Interrupted);
                    }
                    interrupted = true;
                    conversation.send(Op::Interrupt).await;
                    continue;
                }
            };
            let Some(event) = event else {
                return Err(Failed::error(
                    "the session ended without an answer",
                    "`loci sessions` shows what was kept",
                ));
            };
            self.show(&event)?;
            match &event {
                Event::SessionStarted { session_id, .. } => session_id.clone_into(&mut self.session_id),
                Event::ApprovalRequested { id, .. } => {
                    let approval = self.approve().await;
                    conversation.send(Op::Approve { id: id.clone(), approval }).await;
                }
                Event::QuestionAsked(question) => {
                    let text = match self.typed().await {
                        Some(line) => input::answer(question, &line),
                        None => String::new(),
                    };
                    conversation.send(Op::Answer { id: question.id.clone(), text }).await;
                }
                Event::TurnFinished(report) => {
                    self.result(report)?;
                    conversation.close().await;
                    return Ok(match report.status {
                        TurnStatus::Completed => Outcome::Done,
                        TurnStatus::Interrupted => Outcome::Interrupted,
                        TurnStatus::Declined
                        | TurnStatus::Failed
                        | TurnStatus::MaxTurns
                        | TurnStatus::Looping => Outcome::Failed,
                    });
                }
                _ => {}
            }
        }
    }

    fn show(&mut self, event: &Event) -> anyhow::Result<()> {
        let printer = &self.project.printer;
        if let Event::Progress { task, done, total, unit } = event {
            self.bars.update(task, *done, *total, unit);
        } else {
            self.bars.clear();
        }
        if self.format == OutputFormat::StreamJson {
            printer.json_line(event)?;
        }
        // In a pipe the answer is printed once, whole: what the model says between calls is not the answer.
        let streams = self.format == OutputFormat::Text && printer.output_is_terminal();
        if matches!(event, Event::TextDelta { .. }) && !streams {
            return Ok(());
        }
        let pieces = self.transcript.render(event);
        let loud = match event {
            Event::Notice { level, .. } => *level != Level::Info,
            Event::TurnFinished(report) => report.status != TurnStatus::Completed,
            Event::ApprovalRequested { .. } | Event::QuestionAsked(_) => self.audience == Audience::Person,
            _ => false,
        };
        if loud {
            printer.split_loud(&pieces)?
        } else {
            printer.split(&pieces)?
        }
        Ok(())
    }

    fn result(&self, report: &TurnReport) -> anyhow::Result<()> {
        let printer = &self.project.printer;
        match self.format {
            OutputFormat::Text => {
                if !printer.output_is_terminal() && !report.answer.is_empty() {
                    printer.text(&format!("{}\n", report.answer.trim_end_matches('\n')))?;
                }
            }
            OutputFormat::Json | OutputFormat::StreamJson => {
                let line = ResultLine {
                    r#type: "result",
                    status: report.status,
                    answer: &report.answer,
                    citations: &report.citations,
                    changed: &report.changed,
                    tool_calls: report.tool_calls,
                    usage: report.usage,
                    models: &report.models,
                    session_id: &self.session_id,
                    duration_ms: report.duration_ms,
                    failure: report.failure.as_ref(),
                };
                if self.format == OutputFormat::Json {
                    printer.json(&line)?
                } else {
                    printer.json_line(&line)?
                }
            }
        }
        Ok(())
    }

    async fn approve(&mut self) -> Approval {
        loop {
            match self.typed().await {
                Some(line) => {
                    if let Some(approval) = input::approval(&line) {
                        return approval;
                    }
                    self.project.printer.note("answer y, s, r or n");
                }
                None => {
                    if !std::mem::replace(&mut self.hinted, true) {
                        self.project.printer.note(
                            "denied, because nobody can be asked here; allow it with --permission-mode acceptEdits or --allow RULE",
                        );
                    }
                    return Approval::Deny { reason: "nobody is there to approve it".into() };
                }
            }
        }
    }

    /// The next line that a person types; nothing where there is no person, or on Ctrl-C.
    async fn typed(&mut self) -> Option<String> {
        if self.audience != Audience::Person {
            return None;
        }
        let lines = self.lines.get_or_insert_with(input::lines);
        tokio::select! {
            line = lines.recv() => line,
            _ = tokio::signal::ctrl_c() => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn piped_input_is_appended() {
        let check = |asked: &str, piped: &str, expect: Option<&str>| {
            assert_eq!(with_piped(asked, piped).ok().as_deref(), expect);
        };
        check("review this", "diff\n", Some("review this\n\ndiff"));
        check("", "where is main?\n", Some("where is main?"));
        check("where is main?", "", Some("where is main?"));
        check(" ", "\n", None);
    }
}
