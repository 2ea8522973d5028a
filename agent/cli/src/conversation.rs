//! Owns the opening of a session: configuration, trust, model, and the channels to the core.
//! Uses `core` for the session and `model` for the provider.
//! Never renders an event.

use loci_core::config::enables;
use loci_core::session::{Resume, Session, SessionHandle, SessionOptions};
use loci_core::trust::{Change, Standing, Trust, waiting};
use loci_protocol::{Event, Op};
use loci_tui::{Line, Style, visible};
use tokio::sync::mpsc;

use crate::arguments::AskArguments;
use crate::input;
use crate::model;
use crate::project::Project;

/// Who reads what is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Somebody who can answer.
    Person,
    /// Somebody who can answer, on the full screen: trust was asked about before.
    Screen,
    /// A pipe or a script: whatever would ask is denied.
    Program,
}

/// An open session.
#[derive(Debug)]
pub(crate) struct Conversation {
    handle: SessionHandle,
}

/// Ask once whether to trust the project, with everything that would take effect. A project that changed since is asked
/// about again; one that was declined is not.
fn offer_trust(project: &Project) -> anyhow::Result<bool> {
    let enabled = enables(&project.root);
    let mut trust = Trust::load(&project.places.data)?;
    let standing = trust.standing(&project.root, &enabled);
    if matches!(standing, Standing::Trusted | Standing::Declined) {
        return Ok(standing == Standing::Trusted);
    }
    let say = |line: Line| project.printer.to_error(&line);
    let root = visible(&project.root.to_string_lossy());
    say(Line::new(
        format!("{root} brings files along that take effect only when you trust it:"),
        Style::Plain,
    ));
    shown_trust(&standing, &enabled, &project.root).into_iter().for_each(say);
    say(Line::new("Trust it from now on? Type y or n:", Style::Bold));
    let yes =
        input::next_line().is_some_and(|line| matches!(line.trim().to_lowercase().as_str(), "y" | "yes"));
    if yes {
        trust.add(&project.root, enabled)?;
    } else {
        trust.decline(&project.root, enabled)?;
    }
    Ok(yes)
}

/// What would take effect with trust, or what is other than what was trusted, one line each.
pub(crate) fn shown_trust(standing: &Standing, enabled: &[String], root: &std::path::Path) -> Vec<Line> {
    let row = |mark: &str, text: &str, style| Line::new(format!("  {mark}{}", visible(text)), style);
    if let Standing::Changed(changes) = standing {
        return changes
            .iter()
            .map(|change| match change {
                Change::Added(text) => row("+ ", text, Style::Added),
                Change::Removed(text) => row("- ", text, Style::Removed),
            })
            .collect();
    }
    let instructions = loci_core::instructions::read(root).paths;
    let read = instructions.iter().map(|path| {
        let path = path.strip_prefix(root).unwrap_or(path);
        row("", &format!("{}: is read to the model", path.display()), Style::Plain)
    });
    enabled.iter().map(|line| row("", line, Style::Plain)).chain(read).collect()
}

/// The runtime that a session lives on.
///
/// # Errors
/// When the system gives no threads.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

impl Conversation {
    /// Open a session as the flags and the configuration say.
    ///
    /// # Errors
    /// When configuration, model or session cannot be used.
    pub(crate) async fn open(
        project: &Project,
        arguments: &AskArguments,
        audience: Audience,
    ) -> anyhow::Result<Self> {
        if arguments.trust {
            Trust::load(&project.places.data)?.add(&project.root, enables(&project.root))?;
        }
        let mut config = project.config(arguments.as_configuration())?;
        let mut trusted = project.trusted()?;
        if !trusted && let Some(line) = waiting(&project.root, &config.inert) {
            if audience == Audience::Person && input::is_terminal() && offer_trust(project)? {
                trusted = true;
                config = project.config(arguments.as_configuration())?;
            } else {
                project
                    .printer
                    .note(&format!("{line}; `loci trust --show` says more, `loci trust` changes that"));
            }
        }
        let settings = project.settings(&config);
        let resume = match (&arguments.resume, arguments.continue_last) {
            (Some(id), _) => Some(Resume::Id(id.clone())),
            (None, true) => Some(Resume::Latest),
            (None, false) => None,
        };
        let model::Started { provider, chosen, models } =
            model::start(project, &config, &settings, resume.as_ref())?;
        let handle = Session::open(SessionOptions {
            cwd: project.root.clone(),
            provider,
            chosen,
            models: Some(models),
            tools: loci_core::tools::all(),
            settings,
            places: project.places.clone(),
            environment: project.environment.clone(),
            trusted,
            resume,
            interactive: audience != Audience::Program,
            // The running program itself, even when its file was replaced since it started.
            helper: std::env::current_exe().ok(),
        })
        .await?;
        Ok(Self { handle })
    }

    /// Ask something of the session. One that has ended says so through its events.
    pub(crate) async fn send(&self, op: Op) {
        let _ = self.handle.ops.send(op).await;
    }

    /// Where it is asked.
    pub(crate) fn ops(&self) -> mpsc::Sender<Op> {
        self.handle.ops.clone()
    }

    /// What it has said already.
    pub(crate) fn said(&mut self) -> Option<Event> {
        self.handle.events.try_recv().ok()
    }

    /// The next thing that happens; nothing once the session has ended.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        self.handle.events.recv().await
    }

    /// End the session and wait until its log is closed.
    pub(crate) async fn close(self) {
        self.handle.close().await;
    }
}
