//! Owns the full screen: the loop between keys, the session, the host and frames.
//! Uses `tui` for what is shown and what keys mean, `terminal` for the terminal, `host` for everything else.
//! Never waits for one of them while another has something to say.

mod frames;
mod host;
mod panics;
mod session;
mod signals;
mod terminal;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossterm::event::EventStream;
use futures::StreamExt as _;
use loci_core::config::Screen as Settings;
use loci_protocol::Event;
use loci_tui::{App, Bursts, Effect, Input, Line, Notify, Options, Reply, Request, Style};
use tokio::sync::mpsc;

use crate::arguments::AskArguments;
use crate::conversation::{Conversation, runtime};
use crate::errors::{self, Outcome};
use crate::printer::Printer;
use crate::project::Project;
use frames::Frames;
use host::Host;
use session::Held;
use signals::Signal;
use terminal::Terminal;
pub(crate) use terminal::tells_modifiers;

/// So long keys that are there already are read before they are looked at: a frame, in which a paste of tens of thousands of
/// keys comes together.
const READING: Duration = Duration::from_millis(16);

/// So long events of the session are taken one after the other before anything else is looked at: a quarter of a frame, so
/// that what is typed during a flood of words is seen with the next frame.
const ROUND: Duration = Duration::from_millis(4);

/// Whether this terminal is drawn on; line by line otherwise.
#[must_use]
pub(crate) fn fits(project: &Project, settings: &Settings) -> bool {
    settings.full
        && !settings.plain
        && project.printer.output_is_terminal()
        && project.environment.get("TERM") != Some("dumb")
}

/// Hold a conversation on the full screen until the user leaves.
///
/// # Errors
/// When the terminal cannot be used, or the user leaves because no session could be opened.
pub(crate) fn run(
    project: &Project,
    arguments: &AskArguments,
    settings: &Settings,
) -> anyhow::Result<Outcome> {
    let options = options(project, settings);
    let mut app = App::new(options.clone());
    let mut terminal = Terminal::enter(&options, &project.environment)?;
    // Before anything that takes time.
    terminal.draw(|frame| app.draw(frame, Instant::now()))?;
    let (printer, notes) = Printer::captured(project.printer.width());
    let _panics = panics::Hook::set(&printer);
    let captured = Arc::new(project.printing_to(printer));
    let runtime = runtime()?;
    let (outcome, app) = runtime.block_on(async {
        let (told, happened) = mpsc::unbounded_channel();
        let away = Arc::new(AtomicBool::new(false));
        signals::watch(&told, &away)?;
        let mut screen = Screen {
            host: Host::new(Arc::clone(&captured), told.clone(), settings.status_line.clone()),
            project: captured,
            arguments: arguments.clone(),
            app,
            terminal,
            frames: Frames::default(),
            bursts: Bursts::default(),
            keys: Some(EventStream::new()),
            held: Held::default(),
            failed: None,
            away,
            told,
        };
        screen.frames.drawn(Instant::now());
        let outcome = match screen.run(happened, notes).await {
            // Nobody is there to be told.
            Err(error) if terminal::is_gone(&error) => Ok(ended_by(Signal::HangUp)),
            outcome => outcome,
        };
        // The session is closed before the screen is: its log is whole when the shell is back.
        screen.held.close().await;
        anyhow::Ok((outcome, screen.app))
    })?;
    runtime.shutdown_background();
    if !matches!(outcome, Ok(Outcome::Code(_))) {
        for line in app.farewell(project.printer.width()) {
            project.printer.line(&line)?;
        }
    }
    outcome
}

/// What the user set, as the screen takes it, with what is known of the terminal.
fn options(project: &Project, settings: &Settings) -> Options {
    let environment = &project.environment;
    Options {
        theme: settings.theme.clone(),
        colourless: environment.get("NO_COLOR").is_some(),
        true_colour: environment.get("COLORTERM").is_some_and(|said| matches!(said, "truecolor" | "24bit")),
        vim: settings.vim,
        mouse: settings.mouse,
        plain: settings.plain,
        notify: match settings.notify.as_str() {
            "osc9" => Notify::Osc9,
            "osc777" => Notify::Osc777,
            "bell" => Notify::Bell,
            "off" => Notify::Off,
            _ => Notify::Auto,
        },
        status_line: settings.status_line.is_some(),
        enter_modifiers: tells_modifiers(environment),
        pictures: false,
    }
}

/// What is told by tasks and threads that the loop started.
enum Happened {
    /// A session is open, or cannot be.
    Opened(anyhow::Result<Conversation>),
    /// The host answers.
    Replied(Reply),
    /// The system told something.
    Signalled(Signal),
}

struct Screen {
    project: Arc<Project>,
    arguments: AskArguments,
    app: App,
    terminal: Terminal,
    host: Host,
    frames: Frames,
    bursts: Bursts,
    /// Nothing while somebody else has the terminal.
    keys: Option<EventStream>,
    held: Held,
    /// Why no session is open.
    failed: Option<anyhow::Error>,
    /// Whether an editor has the terminal.
    away: Arc<AtomicBool>,
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
        mut notes: mpsc::UnboundedReceiver<Line>,
    ) -> anyhow::Result<Outcome> {
        if self.arguments.resume.as_deref() == Some("") {
            self.arguments.resume = None;
            let effects = self.app.pick_session(Instant::now());
            self.act(effects)?;
        } else {
            self.held.open(&self.project, &self.arguments, None, &self.told);
        }
        self.host.branch();
        loop {
            let moves = self.app.moves() && !self.is_away();
            let wait = self.frames.wait(moves, Instant::now());
            let (events, ops) = self.held.ends();
            let next = tokio::select! {
                biased;
                key = key(&mut self.keys) => self.pressed(key)?,
                Some(told) = happened.recv() => self.happened(told)?,
                Some(line) = notes.recv() => self.take(Input::Reply(Box::new(Reply::Said(vec![line]))))?,
                event = session::next(events) => self.said(event)?,
                () = session::room(ops) => {
                    self.held.flush();
                    Next::Go
                }
                () = tokio::time::sleep(wait) => Next::Go,
            };
            if let Next::Leave(outcome) = next {
                return match self.failed.take() {
                    // What was in the way stays on the normal screen.
                    Some(error) if outcome == Outcome::Done => Err(error),
                    _ => Ok(outcome),
                };
            }
            if moves && self.frames.tick(Instant::now()) {
                self.take(Input::Tick)?;
            }
            if self.frames.due(Instant::now()) && !self.is_away() {
                self.draw()?;
            }
        }
    }

    fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    /// The terminal said something: with what lies behind it already it may be a paste.
    fn pressed(&mut self, first: Option<io::Result<crossterm::event::Event>>) -> anyhow::Result<Next> {
        let begun = Instant::now();
        let mut read = Vec::new();
        let mut event = first;
        loop {
            match event {
                Some(Ok(event)) => {
                    if matches!(event, crossterm::event::Event::Resize(..)) {
                        loci_core::job_control::rouse();
                    }
                    read.extend(terminal::input(event));
                }
                Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                // The terminal has gone.
                Some(Err(_)) | None => return Ok(Next::Leave(ended_by(Signal::HangUp))),
            }
            // Not by the stream: it keeps the waker of whoever polled it first, and would wake nobody later.
            if begun.elapsed() > READING || !crossterm::event::poll(Duration::ZERO)? {
                break;
            }
            event = Some(crossterm::event::read());
        }
        self.frames.pressed();
        for input in self.bursts.gather(read, Instant::now()) {
            if let Next::Leave(outcome) = self.take(input)? {
                return Ok(Next::Leave(outcome));
            }
        }
        Ok(Next::Go)
    }

    /// The session said something; what it has said beside that is taken before the next frame.
    fn said(&mut self, first: Option<Event>) -> anyhow::Result<Next> {
        let begun = Instant::now();
        let mut event = first;
        loop {
            let Some(said) = event else {
                self.held.forget();
                return self.failed(errors::Failed::error(
                    "the session has ended by itself",
                    "/new begins another one; /sessions lists this one: what was said until then is kept",
                ));
            };
            let turn_is_over = matches!(said, Event::TurnFinished(_));
            if let Next::Leave(outcome) = self.take(Input::Event(Box::new(said)))? {
                return Ok(Next::Leave(outcome));
            }
            if turn_is_over {
                // A command may have changed it.
                self.host.branch();
            }
            if begun.elapsed() > ROUND {
                return Ok(Next::Go);
            }
            match self.held.said() {
                Some(next) => event = Some(next),
                None => return Ok(Next::Go),
            }
        }
    }

    fn happened(&mut self, happened: Happened) -> anyhow::Result<Next> {
        match happened {
            Happened::Opened(Ok(conversation)) => {
                self.failed = None;
                self.held.opened(conversation);
                Ok(Next::Go)
            }
            Happened::Opened(Err(error)) => {
                self.held.forget();
                self.failed(error)
            }
            Happened::Replied(reply) => {
                if matches!(reply, Reply::Edited(_)) {
                    self.back()?;
                }
                self.take(Input::Reply(Box::new(reply)))
            }
            Happened::Signalled(Signal::Continue) => {
                if !self.is_away() {
                    self.terminal.leave();
                    self.back()?;
                }
                Ok(Next::Go)
            }
            Happened::Signalled(signal) => Ok(Next::Leave(ended_by(signal))),
        }
    }

    /// No session is open, and this is why: the program stays, and the user may go on with another one.
    fn failed(&mut self, error: anyhow::Error) -> anyhow::Result<Next> {
        let (message, hint) = errors::worded(&error);
        self.failed = Some(error);
        self.take(Input::Reply(Box::new(Reply::Failed { message, hint })))
    }

    fn take(&mut self, input: Input) -> anyhow::Result<Next> {
        self.frames.changed();
        let effects = self.app.take(&input, Instant::now());
        self.act(effects)
    }

    /// Do what is to be done, in this order.
    fn act(&mut self, effects: Vec<Effect>) -> anyhow::Result<Next> {
        for effect in effects {
            match effect {
                Effect::Op(op) => self.held.send(op),
                Effect::Ask(Request::Trust(yes)) => {
                    self.held.trust(&self.project, &self.arguments, yes, &self.told);
                }
                Effect::Ask(request) => self.host.ask(request),
                Effect::Copy(text) => self.copy(&text)?,
                Effect::Open(opening) => {
                    self.held.open(&self.project, &self.arguments, Some(opening), &self.told);
                }
                Effect::Leave => return Ok(Next::Leave(Outcome::Done)),
                Effect::Redraw => self.terminal.redraw()?,
                Effect::Suspend => {
                    self.leave();
                    loci_core::job_control::suspend();
                    self.back()?;
                }
                Effect::Notify(notification) => self.terminal.notify(&notification)?,
                Effect::Edit(text) => {
                    self.leave();
                    self.host.edit(text);
                }
            }
        }
        Ok(Next::Go)
    }

    /// Put a text on the clipboard of the terminal.
    fn copy(&mut self, text: &str) -> anyhow::Result<()> {
        let multiplexed = self.project.environment.get("TMUX").is_some();
        let said = match terminal::clipboard(text, multiplexed) {
            Ok(sequence) => return Ok(self.terminal.send(&sequence)?),
            Err(why) => vec![Line::new("warning:", Style::Warning).with(format!(" {why}"), Style::Plain)],
        };
        self.take(Input::Reply(Box::new(Reply::Said(said)))).map(drop)
    }

    /// Give the terminal to somebody else.
    fn leave(&mut self) {
        self.away.store(true, Ordering::Relaxed);
        // The stream reads ahead: what is typed from now on is not ours.
        self.keys = None;
        self.terminal.leave();
    }

    /// Take it again.
    fn back(&mut self) -> anyhow::Result<()> {
        self.terminal.again()?;
        self.keys = Some(EventStream::new());
        self.away.store(false, Ordering::Relaxed);
        self.frames.changed();
        Ok(())
    }

    fn draw(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        self.terminal.draw(|frame| self.app.draw(frame, now))?;
        self.frames.drawn(now);
        Ok(())
    }
}

fn ended_by(signal: Signal) -> Outcome {
    signal.code().map_or(Outcome::Done, Outcome::Code)
}

async fn key(keys: &mut Option<EventStream>) -> Option<io::Result<crossterm::event::Event>> {
    match keys {
        Some(keys) => keys.next().await,
        None => std::future::pending().await,
    }
}
