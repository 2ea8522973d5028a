//! Owns the line-based conversation: prompts, approvals, commands that begin with `/`.
//! Uses a conversation and the lines that are typed.
//! Never loses what is typed while a turn runs: it becomes the next prompt.

use std::collections::VecDeque;

use clap::Parser as _;
use loci_protocol::{Approval, Event, Op, PermissionMode, Question};
use loci_tui::commands::{self, Verb, When};
use loci_tui::{Line, Style, Transcript, visible};

use super::sessions;
use crate::arguments::{AskArguments, Cli};
use crate::conversation::{Audience, Conversation, runtime};
use crate::errors::{self, Outcome};
use crate::input;
use crate::progress::Bars;
use crate::project::Project;

/// Hold a conversation until the user leaves, in the words or the signs of this transcript.
///
/// # Errors
/// When the session cannot be opened or the terminal cannot be written.
pub(crate) fn run(
    project: &Project,
    arguments: &AskArguments,
    transcript: Transcript,
) -> anyhow::Result<Outcome> {
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let conversation = Conversation::open(project, arguments, Audience::Person).await?;
        let chat = Chat {
            project,
            transcript,
            bars: Bars::new(&project.printer),
            session_id: String::new(),
            model: String::new(),
            mode: arguments.permission_mode.unwrap_or_default(),
            wait: Wait::Opening,
            queue: VecDeque::new(),
            continued: String::new(),
        };
        chat.run(conversation).await
    });
    runtime.shutdown_background();
    result
}

/// What the conversation waits for.
#[derive(Debug)]
enum Wait {
    /// The session's first event.
    Opening,
    /// The user's next prompt.
    Prompt,
    /// The end of the turn.
    Turn,
    /// The user's decision about a call.
    Approval(String),
    /// The user's answer to a question of the model's.
    Answer(Question),
}

/// What a typed line leads to.
enum Next {
    Go,
    Quit,
}

struct Chat<'a> {
    project: &'a Project,
    transcript: Transcript,
    bars: Bars,
    session_id: String,
    model: String,
    mode: PermissionMode,
    wait: Wait,
    queue: VecDeque<String>,
    continued: String,
}

impl Chat<'_> {
    async fn run(mut self, mut conversation: Conversation) -> anyhow::Result<Outcome> {
        let mut lines = input::lines();
        let mut typing = true;
        let mut interrupts = 0;
        loop {
            let next = tokio::select! {
                event = conversation.next() => match event {
                    Some(event) => {
                        self.event(&event)?;
                        Next::Go
                    }
                    None => Next::Quit,
                },
                line = lines.recv(), if typing => match line {
                    Some(line) => {
                        interrupts = 0;
                        self.line(&line, &conversation).await?
                    }
                    // The end of the input: what is queued is still answered.
                    None => {
                        typing = false;
                        self.deny_waiting(&conversation).await;
                        Next::Go
                    }
                },
                _ = tokio::signal::ctrl_c() => {
                    interrupts += 1;
                    if interrupts > 1 {
                        self.leave(conversation).await?;
                        return Ok(Outcome::Interrupted);
                    }
                    self.interrupt(&conversation).await?;
                    Next::Go
                }
            };
            match next {
                Next::Quit => {
                    self.leave(conversation).await?;
                    return Ok(Outcome::Done);
                }
                Next::Go => {}
            }
            if matches!(self.wait, Wait::Prompt) {
                if let Some(queued) = self.queue.pop_front() {
                    self.prompt(queued, &conversation).await;
                } else if !typing {
                    self.leave(conversation).await?;
                    return Ok(Outcome::Done);
                }
            }
        }
    }

    fn event(&mut self, event: &Event) -> anyhow::Result<()> {
        if let Event::Progress { task, done, total, unit } = event {
            self.bars.update(task, *done, *total, unit);
            return Ok(());
        }
        self.bars.clear();
        let pieces = self.transcript.render(event);
        self.project.printer.whole(&pieces)?;
        match event {
            Event::SessionStarted { session_id, model, mode, .. } => {
                session_id.clone_into(&mut self.session_id);
                model.name.clone_into(&mut self.model);
                self.mode = *mode;
                if matches!(self.wait, Wait::Opening) {
                    self.say("/help lists the commands", Style::Tip)?;
                }
                self.ready()?;
            }
            Event::ApprovalRequested { id, .. } => {
                self.wait = Wait::Approval(id.clone());
                self.project.printer.text(self.transcript.answer())?;
            }
            Event::QuestionAsked(question) => {
                self.wait = Wait::Answer(question.clone());
                self.project.printer.text(self.transcript.answer())?;
            }
            Event::ModelChanged { model, .. } => {
                model.name.clone_into(&mut self.model);
                if matches!(self.wait, Wait::Prompt) {
                    self.project.printer.text(self.transcript.prompt())?;
                }
            }
            Event::ModeChanged { mode } => {
                self.mode = *mode;
                if matches!(self.wait, Wait::Prompt) {
                    self.project.printer.text(self.transcript.prompt())?;
                }
            }
            Event::TurnFinished(_) => self.ready()?,
            // The session's answer to a command between turns.
            Event::Notice { .. }
            | Event::ChangesShown { .. }
            | Event::TimelineShown { .. }
            | Event::Renamed { .. }
            | Event::ContextShown(_)
            | Event::Compacted { .. }
            | Event::RouteShown(_)
            | Event::Rewound { .. }
                if matches!(self.wait, Wait::Prompt) =>
            {
                self.project.printer.text(self.transcript.prompt())?;
            }
            _ => {}
        }
        Ok(())
    }

    fn ready(&mut self) -> anyhow::Result<()> {
        self.wait = Wait::Prompt;
        if self.queue.is_empty() {
            self.project.printer.text(self.transcript.prompt())?;
        }
        Ok(())
    }

    async fn line(&mut self, line: &str, conversation: &Conversation) -> anyhow::Result<Next> {
        match &self.wait {
            Wait::Approval(id) => {
                let Some(approval) = input::approval(line) else {
                    self.project.printer.text("answer y, s, r or n: ")?;
                    return Ok(Next::Go);
                };
                conversation.send(Op::Approve { id: id.clone(), approval }).await;
                self.wait = Wait::Turn;
                return Ok(Next::Go);
            }
            Wait::Answer(question) => {
                let text = input::answer(question, line);
                conversation.send(Op::Answer { id: question.id.clone(), text }).await;
                self.wait = Wait::Turn;
                return Ok(Next::Go);
            }
            Wait::Opening | Wait::Prompt | Wait::Turn => {}
        }
        // A backslash at the end of a line: the prompt goes on in the next one.
        if let Some(part) = line.strip_suffix('\\') {
            self.continued.push_str(part);
            self.continued.push('\n');
            return Ok(Next::Go);
        }
        let text = std::mem::take(&mut self.continued) + line;
        let text = text.trim();
        if text.starts_with('/') && !text.contains('\n') {
            return self.command(text, conversation).await;
        }
        // Behind `!` stands a command of the user's own; nothing behind it is nothing.
        if text.trim_start_matches('!').trim().is_empty() {
            if matches!(self.wait, Wait::Prompt) {
                self.project.printer.text(self.transcript.prompt())?;
            }
        } else {
            self.queue.push_back(text.to_owned());
        }
        Ok(Next::Go)
    }

    async fn prompt(&mut self, text: String, conversation: &Conversation) {
        self.wait = Wait::Turn;
        let op = match text.strip_prefix('!') {
            Some(command) => Op::Shell { command: command.trim().to_owned() },
            None => Op::Prompt { text },
        };
        conversation.send(op).await;
    }

    async fn command(&mut self, text: &str, conversation: &Conversation) -> anyhow::Result<Next> {
        let idle = matches!(self.wait, Wait::Prompt);
        let (command, rest) = match commands::parse(text) {
            Ok(found) => found,
            Err(name) => {
                let text = format!("there is no command {}; /help lists them", visible(name));
                self.say(&text, Style::Warning)?;
                return self.answered(idle);
            }
        };
        if command.when == When::Idle && !idle {
            self.say("wait for the end of the turn, or press Ctrl-C", Style::Warning)?;
            return Ok(Next::Go);
        }
        let op = match command.verb {
            Verb::Quit => return Ok(Next::Quit),
            Verb::Undo => Op::Undo { which: commands::undo(rest) },
            Verb::Redo => Op::Redo,
            Verb::Diff => Op::Changes,
            Verb::Context => Op::Context,
            Verb::Compact => Op::Compact { focus: rest.to_owned() },
            Verb::Why => Op::Why { task: rest.to_owned() },
            Verb::Model if !rest.is_empty() => Op::SetModel { name: rest.to_owned() },
            Verb::Rename if !rest.is_empty() => Op::Rename { title: rest.to_owned() },
            Verb::Rewind if rest.is_empty() => Op::Timeline,
            Verb::Rewind => match commands::rewind(rest) {
                Some(op) => op,
                None => return self.said(commands::REWIND_IS, Style::Warning, idle),
            },
            Verb::Mode if !rest.is_empty() => match PermissionMode::from_name(rest) {
                Some(mode) => Op::SetMode { mode },
                None => {
                    let text = format!("there is no mode {}; /mode lists them", visible(rest));
                    return self.said(&text, Style::Warning, idle);
                }
            },
            _ => {
                self.answer(command, rest)?;
                return self.answered(idle);
            }
        };
        // The session answers with an event, some after the turn that may run.
        conversation.send(op).await;
        Ok(Next::Go)
    }

    /// What is answered without the session.
    fn answer(&mut self, command: &commands::Command, rest: &str) -> anyhow::Result<()> {
        let printer = &self.project.printer;
        match command.verb {
            Verb::Help => {
                loci_tui::help_lines(printer.width()).iter().try_for_each(|line| printer.line(line))?
            }
            Verb::Mode => {
                let names: Vec<&str> = PermissionMode::ALL.into_iter().map(PermissionMode::name).collect();
                self.say(&format!("{}; the modes are {}", self.mode.name(), names.join(", ")), Style::Plain)?;
            }
            Verb::Model => {
                let text =
                    format!("{}; /model NAME goes on with another one, `loci models` lists them", self.model);
                self.say(&text, Style::Plain)?;
            }
            Verb::Recall if rest.is_empty() => {
                self.say("give words to look for, such as /recall flaky test", Style::Warning)?;
            }
            Verb::Recall => self.shown(super::recall::within(self.project, &self.session_id, rest)),
            Verb::Rename => self.say("say it as /rename TITLE", Style::Warning)?,
            Verb::Export => match sessions::to_file(self.project, &self.session_id) {
                Ok(lines) => lines.iter().try_for_each(|line| printer.line(line))?,
                Err(error) => self.shown(Err(error)),
            },
            Verb::Sessions | Verb::Resume => {
                self.run_command(&["sessions"]);
                self.say("go on with one of them: loci --resume ID", Style::Tip)?;
            }
            Verb::Fork => {
                let turn = if rest.is_empty() { vec![] } else { vec!["--turn", rest] };
                self.run_command(&[&["sessions", "fork", &self.session_id], turn.as_slice()].concat());
            }
            Verb::Permissions => self.run_command(&["policy", "list"]),
            Verb::Mcp => self.run_command(&["mcp"]),
            Verb::Doctor => self.run_command(&["doctor"]),
            Verb::Egress => self.run_command(&["egress", "show"]),
            _ => {
                let text = format!("{} is there on the full screen only", command.name);
                self.say(&text, Style::Warning)?;
            }
        }
        Ok(())
    }

    /// Run a command of the binary here.
    fn run_command(&self, words: &[&str]) {
        let words = std::iter::once("loci").chain(words.iter().copied());
        let result = match Cli::try_parse_from(words) {
            Ok(cli) => match &cli.command {
                Some(inner) => super::run(self.project, &cli, inner).map(drop),
                None => Ok(()),
            },
            Err(error) => Err(error.into()),
        };
        self.shown(result);
    }

    fn shown(&self, result: anyhow::Result<()>) {
        if let Err(error) = result {
            errors::show(&self.project.printer, &error);
        }
    }

    fn said(&mut self, text: &str, style: Style, idle: bool) -> anyhow::Result<Next> {
        self.say(text, style)?;
        self.answered(idle)
    }

    /// Whatever was asked is answered: the prompt stands there again.
    fn answered(&self, idle: bool) -> anyhow::Result<Next> {
        if idle {
            self.project.printer.text(self.transcript.prompt())?;
        }
        Ok(Next::Go)
    }

    async fn interrupt(&mut self, conversation: &Conversation) -> anyhow::Result<()> {
        self.queue.clear();
        self.continued.clear();
        match self.wait {
            Wait::Prompt | Wait::Opening => {
                self.say("\n(Ctrl-C again or Ctrl-D leaves)", Style::Dim)?;
                self.project.printer.text(self.transcript.prompt())?;
            }
            Wait::Turn | Wait::Approval(_) | Wait::Answer(_) => {
                self.wait = Wait::Turn;
                conversation.send(Op::Interrupt).await;
            }
        }
        Ok(())
    }

    /// Nobody will answer any more.
    async fn deny_waiting(&mut self, conversation: &Conversation) {
        match &self.wait {
            Wait::Approval(id) => {
                let approval = Approval::Deny { reason: "the user left".into() };
                conversation.send(Op::Approve { id: id.clone(), approval }).await;
                self.wait = Wait::Turn;
            }
            Wait::Answer(question) => {
                conversation.send(Op::Answer { id: question.id.clone(), text: String::new() }).await;
                self.wait = Wait::Turn;
            }
            Wait::Opening | Wait::Prompt | Wait::Turn => {}
        }
    }

    async fn leave(&mut self, conversation: Conversation) -> anyhow::Result<()> {
        self.bars.clear();
        conversation.close().await;
        let text = format!("\nGo on later with: loci --resume {}", self.session_id);
        if !self.session_id.is_empty() {
            self.say(&text, Style::Dim)?;
        }
        Ok(())
    }

    fn say(&self, text: &str, style: Style) -> anyhow::Result<()> {
        for row in text.split('\n') {
            self.project.printer.line(&Line::new(row, style))?;
        }
        Ok(())
    }
}
