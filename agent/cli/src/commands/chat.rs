//! Owns the line-based conversation: prompts, approvals, commands that begin with `/`.
//! Uses a conversation and the lines that are typed.
//! Never loses what is typed while a turn runs: it becomes the next prompt.

use std::collections::VecDeque;

use loci_protocol::{Approval, Event, Op, PermissionMode, Question, Undo};
use loci_tui::{Line, Style, Transcript, visible};

use crate::arguments::AskArguments;
use crate::conversation::{Audience, Conversation, runtime};
use crate::errors::{self, Outcome};
use crate::input;
use crate::progress::Bars;
use crate::project::Project;

/// The commands of a conversation, and their help.
const COMMANDS: [(&str, &str); 11] = [
    ("/help", "this list"),
    ("/context", "what is in the model's window, and what left it"),
    ("/compact [FOCUS]", "make room now, with a summary that keeps FOCUS above all"),
    ("/recall WORDS", "find what was said, in this session and older ones; r41 shows an entry"),
    ("/undo [FILE|turn N|call ID]", "take back the newest file change, or those of a file, a turn or a call"),
    ("/redo", "bring back what was taken back last"),
    (
        "/rewind [TURN]",
        "go back to before a prompt: `files`, `conversation` or both; without a number, list them",
    ),
    ("/mode [NAME]", "show or change how calls are approved"),
    ("/model [NAME]", "show the model, or go on with another one; @fast, @plan and @review name roles"),
    ("/why [REQUEST]", "which model would answer, and why no other one"),
    ("/quit", "end the conversation (Ctrl-D does the same)"),
];

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
            Event::TurnFinished(_) => self.ready()?,
            // The session's answer to a command between turns.
            Event::Notice { .. }
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
        if text.is_empty() {
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
        conversation.send(Op::Prompt { text }).await;
    }

    async fn command(&mut self, text: &str, conversation: &Conversation) -> anyhow::Result<Next> {
        let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim();
        let idle = matches!(self.wait, Wait::Prompt);
        match (name, rest) {
            ("/quit" | "/exit" | "/q", _) => return Ok(Next::Quit),
            ("/undo", wish) if idle => {
                // The session answers with an event.
                conversation.send(Op::Undo { which: undo(wish) }).await;
                return Ok(Next::Go);
            }
            ("/redo", _) if idle => {
                conversation.send(Op::Redo).await;
                return Ok(Next::Go);
            }
            ("/model", name) if idle && !name.is_empty() => {
                conversation.send(Op::SetModel { name: name.to_owned() }).await;
                return Ok(Next::Go);
            }
            ("/why", task) => {
                conversation.send(Op::Why { task: task.to_owned() }).await;
                return Ok(Next::Go);
            }
            ("/context", _) => {
                // The session answers with an event, after the turn that may run.
                conversation.send(Op::Context).await;
                return Ok(Next::Go);
            }
            ("/compact", focus) if idle => {
                conversation.send(Op::Compact { focus: focus.to_owned() }).await;
                return Ok(Next::Go);
            }
            ("/rewind", wish) if idle && !wish.is_empty() => match rewind(wish) {
                Some(op) => {
                    conversation.send(op).await;
                    return Ok(Next::Go);
                }
                None => self.say("say it as /rewind TURN [files|conversation|both]", Style::Warning)?,
            },
            ("/rewind", _) if idle => {
                if let Err(error) = super::sessions::prompts(self.project, &self.session_id) {
                    errors::show(&self.project.printer, &error);
                }
            }
            ("/recall", "") => {
                self.say("give words to look for, such as /recall flaky test", Style::Warning)?
            }
            ("/recall", words) => {
                if let Err(error) = super::recall::within(self.project, &self.session_id, words) {
                    errors::show(&self.project.printer, &error);
                }
            }
            ("/undo" | "/redo" | "/rewind" | "/model" | "/compact", _) if !idle => {
                self.say("wait for the end of the turn, or press Ctrl-C", Style::Warning)?
            }
            ("/model", _) => {
                let text =
                    format!("{}; /model NAME goes on with another one, `loci models` lists them", self.model);
                self.say(&text, Style::Plain)?;
            }
            ("/help" | "/?", _) => {
                for (command, help) in COMMANDS {
                    let line = Line::new(format!("{command:18}"), Style::Tip).with(help, Style::Plain);
                    self.project.printer.line(&line)?;
                }
            }
            ("/mode", "") => {
                let names: Vec<&str> = PermissionMode::ALL.into_iter().map(PermissionMode::name).collect();
                self.say(&format!("{}; the modes are {}", self.mode.name(), names.join(", ")), Style::Plain)?;
            }
            ("/mode", name) => match PermissionMode::from_name(name) {
                Some(mode) => {
                    self.mode = mode;
                    conversation.send(Op::SetMode { mode }).await;
                    return Ok(Next::Go);
                }
                None => self
                    .say(&format!("there is no mode {}; /mode lists them", visible(name)), Style::Warning)?,
            },
            (other, _) => self
                .say(&format!("there is no command {}; /help lists them", visible(other)), Style::Warning)?,
        }
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

/// `TURN [files|conversation|both]`; both where nothing is said.
fn rewind(wish: &str) -> Option<Op> {
    let (turn, what) = wish.split_once(char::is_whitespace).unwrap_or((wish, "both"));
    let (files, conversation) = match what.trim() {
        "both" | "all" => (true, true),
        "files" => (true, false),
        "conversation" => (false, true),
        _ => return None,
    };
    Some(Op::Rewind { turn: turn.parse().ok().filter(|turn| *turn > 0)?, files, conversation })
}

/// What `/undo WISH` takes back.
fn undo(wish: &str) -> Undo {
    match wish.split_once(' ') {
        None if wish.is_empty() => Undo::Newest,
        Some(("turn", turn)) if turn.trim().parse::<u32>().is_ok() => {
            Undo::Turn(turn.trim().parse().unwrap_or_default())
        }
        Some(("call", id)) => Undo::Call(id.trim().to_owned()),
        _ => Undo::File(wish.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_said_in_one_line() {
        let check = |wish: &str, expect: Option<(u32, bool, bool)>| {
            let op = expect.map(|(turn, files, conversation)| Op::Rewind { turn, files, conversation });
            assert_eq!(rewind(wish), op, "{wish}");
        };
        check("3", Some((3, true, true)));
        check("3 both", Some((3, true, true)));
        check("12  files", Some((12, true, false)));
        check("1 conversation ", Some((1, false, true)));
        for wrong in ["0", "-1", "x", "3 trees", "99999999999", "files 3", "3 files conversation"] {
            check(wrong, None);
        }
    }
}
