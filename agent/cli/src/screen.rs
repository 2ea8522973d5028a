//! Owns the full screen: the loop between keys, the session, the host and frames.
//! Uses `tui` for what is shown and what keys mean, `terminal` for the terminal, `host` for everything else.
//! Never waits for one of them while another has something to say.

mod frames;
mod host;
mod terminal;

use std::sync::Arc;
use std::time::Instant;

use crossterm::event::EventStream;
use futures::{FutureExt as _, StreamExt as _};
use loci_protocol::Event;
use loci_tui::{App, Bursts, Effect, Input, Opening, Options, Reply};
use tokio::sync::mpsc;

use crate::arguments::AskArguments;
use crate::conversation::{Audience, Conversation, runtime};
use crate::errors::Outcome;
use crate::printer::Printer;
use crate::project::Project;
use frames::Frames;
use host::Host;
use terminal::Terminal;

/// Keys that are taken before the next frame, at most: a paste that comes as keys is larger.
const AT_ONCE: usize = 65_536;

/// Whether this terminal can be drawn on.
#[must_use]
pub(crate) fn fits(project: &Project) -> bool {
    project.printer.output_is_terminal() && project.environment.get("TERM") != Some("dumb")
}

/// Hold a conversation on the full screen until the user leaves.
///
/// # Errors
/// When the terminal cannot be used, or the first session cannot be opened.
pub(crate) fn run(project: &Project, arguments: &AskArguments) -> anyhow::Result<Outcome> {
    let (printer, notes) = Printer::captured(project.printer.width());
    let runtime = runtime()?;
    let options = Options { colourless: project.environment.get("NO_COLOR").is_some(), ..Options::default() };
    let terminal = Terminal::enter(&options)?;
    let captured = Arc::new(project.printing_to(printer));
    let (outcome, app) = runtime.block_on(async {
        let (told, happened) = mpsc::unbounded_channel();
        let mut screen = Screen {
            host: Host::new(Arc::clone(&captured), told.clone()),
            project: captured,
            arguments: arguments.clone(),
            app: App::new(options),
            terminal,
            frames: Frames::default(),
            bursts: Bursts::default(),
            conversation: None,
            told,
        };
        let outcome = screen.run(happened, notes).await;
        // The session is closed before the screen is: its log is whole when the shell is back.
        if let Some(conversation) = screen.conversation.take() {
            conversation.close().await;
        }
        (outcome, screen.app)
    });
    runtime.shutdown_background();
    for line in app.farewell(project.printer.width()) {
        project.printer.line(&line)?;
    }
    outcome
}

/// What is told by tasks that the loop started.
enum Happened {
    /// A session is open, or cannot be.
    Opened(anyhow::Result<Conversation>),
    /// The host answers.
    Replied(Reply),
}

struct Screen {
    project: Arc<Project>,
    arguments: AskArguments,
    app: App,
    terminal: Terminal,
    host: Host,
    frames: Frames,
    bursts: Bursts,
    conversation: Option<Conversation>,
    told: mpsc::UnboundedSender<Happened>,
}

/// What becomes of the loop.
enum Next {
    Go,
    Leave(Outcome),
}

impl Screen {
    async fn run(
        &mut self,
        mut happened: mpsc::UnboundedReceiver<Happened>,
        mut notes: mpsc::UnboundedReceiver<loci_tui::Line>,
    ) -> anyhow::Result<Outcome> {
        self.draw()?;
        self.open(self.arguments.clone());
        let mut keys = EventStream::new();
        loop {
            let wait = self.frames.wait(self.app.moves(), Instant::now());
            let next = tokio::select! {
                biased;
                key = keys.next() => match key {
                    Some(Ok(event)) => {
                        self.frames.pressed();
                        self.read(event, &mut keys).await?
                    }
                    // The terminal has gone.
                    Some(Err(_)) | None => Next::Leave(Outcome::Interrupted),
                },
                told = happened.recv() => match told {
                    Some(Happened::Opened(Ok(conversation))) => {
                        self.conversation = Some(conversation);
                        Next::Go
                    }
                    Some(Happened::Opened(Err(error))) => return Err(error),
                    Some(Happened::Replied(reply)) => self.take(Input::Reply(Box::new(reply))).await?,
                    None => Next::Go,
                },
                line = notes.recv() => match line {
                    Some(line) => self.take(Input::Reply(Box::new(Reply::Said(vec![line])))).await?,
                    None => Next::Go,
                },
                event = next(&mut self.conversation) => match event {
                    Some(event) => self.event(event).await?,
                    None => {
                        self.conversation = None;
                        Next::Go
                    }
                },
                () = tokio::time::sleep(wait) => {
                    if self.app.moves() {
                        self.take(Input::Tick).await?;
                    }
                    Next::Go
                }
            };
            if let Next::Leave(outcome) = next {
                return Ok(outcome);
            }
            if self.frames.due(Instant::now()) {
                self.draw()?;
            }
        }
    }

    /// The terminal said something: with what else is there already it may be a paste.
    async fn read(&mut self, event: crossterm::event::Event, keys: &mut EventStream) -> anyhow::Result<Next> {
        let mut read: Vec<Input> = terminal::input(event).into_iter().collect();
        while read.len() < AT_ONCE
            && let Some(Some(Ok(event))) = keys.next().now_or_never()
        {
            read.extend(terminal::input(event));
        }
        for input in self.bursts.gather(read, Instant::now()) {
            if let Next::Leave(outcome) = self.take(input).await? {
                return Ok(Next::Leave(outcome));
            }
        }
        Ok(Next::Go)
    }

    /// The session said something; whatever it has said beside that is taken before the next frame.
    async fn event(&mut self, event: Event) -> anyhow::Result<Next> {
        self.take(Input::Event(Box::new(event))).await
    }

    async fn take(&mut self, input: Input) -> anyhow::Result<Next> {
        self.frames.changed();
        for effect in self.app.take(&input, Instant::now()) {
            match effect {
                Effect::Op(op) => {
                    if let Some(conversation) = &self.conversation {
                        conversation.send(op).await;
                    }
                }
                Effect::Ask(request) => self.host.ask(request),
                Effect::Copy(text) => self.terminal.copy(&text)?,
                Effect::Open(opening) => self.reopen(opening).await,
                Effect::Leave => return Ok(Next::Leave(Outcome::Done)),
                Effect::Redraw => self.terminal.redraw()?,
                Effect::Edit(_) | Effect::Notify(_) | Effect::Suspend => {}
            }
        }
        Ok(Next::Go)
    }

    fn draw(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        self.terminal.draw(|frame| self.app.draw(frame, now))?;
        self.frames.drawn(now);
        Ok(())
    }

    /// Open a session in the background.
    fn open(&self, arguments: AskArguments) {
        let (project, told) = (Arc::clone(&self.project), self.told.clone());
        let runtime = tokio::runtime::Handle::current();
        // Loading a model blocks.
        tokio::task::spawn_blocking(move || {
            let opened = runtime.block_on(Conversation::open(&project, &arguments, Audience::Screen));
            let _ = told.send(Happened::Opened(opened));
        });
    }

    /// Leave the session at hand and open another one.
    async fn reopen(&mut self, opening: Opening) {
        if let Some(conversation) = self.conversation.take() {
            conversation.close().await;
        }
        let mut arguments = AskArguments { continue_last: false, resume: None, ..self.arguments.clone() };
        match opening {
            Opening::New => {}
            Opening::Resume(id) | Opening::Fork(id, _) => arguments.resume = Some(id),
        }
        self.open(arguments);
    }
}

async fn next(conversation: &mut Option<Conversation>) -> Option<Event> {
    match conversation {
        Some(conversation) => conversation.next().await,
        None => std::future::pending().await,
    }
}
