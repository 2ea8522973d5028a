//! Owns the opening of a session: configuration, trust, model, and the channels to the core.
//! Uses `core` for the session and `model` for the provider.
//! Never renders an event.

use loci_core::session::{Resume, Session, SessionHandle, SessionOptions};
use loci_core::trust::{Trust, waiting};
use loci_protocol::{Event, Op};

use crate::arguments::AskArguments;
use crate::model;
use crate::project::Project;

/// Who reads what is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Somebody who can answer.
    Person,
    /// A pipe or a script: whatever would ask is denied.
    Program,
}

/// An open session.
#[derive(Debug)]
pub(crate) struct Conversation {
    handle: SessionHandle,
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
            Trust::load(&project.places.data)?.add(&project.root)?;
        }
        let trusted = project.trusted()?;
        let config = project.config(arguments.as_configuration())?;
        if !trusted && let Some(line) = waiting(&project.root, &config.inert) {
            project.printer.note(&format!("{line}; `loci trust` changes that"));
        }
        let settings = project.settings(&config);
        let provider = model::open(project, &settings)?;
        let resume = match (&arguments.resume, arguments.continue_last) {
            (Some(id), _) => Some(Resume::Id(id.clone())),
            (None, true) => Some(Resume::Latest),
            (None, false) => None,
        };
        let handle = Session::open(SessionOptions {
            cwd: project.root.clone(),
            provider,
            tools: loci_core::tools::all(),
            settings,
            places: project.places.clone(),
            environment: project.environment.clone(),
            trusted,
            resume,
            interactive: audience == Audience::Person,
            // The running program itself, even when its file was replaced since it started.
            helper: std::env::current_exe().ok(),
        })
        .await?;
        Ok(Self { handle })
    }

    /// Whether the model that the flags name can be opened.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check_model(project: &Project, arguments: &AskArguments) -> anyhow::Result<()> {
        let config = project.config(arguments.as_configuration())?;
        model::open(project, &project.settings(&config)).map(drop)
    }

    /// Ask something of the session. One that has ended says so through its events.
    pub(crate) async fn send(&self, op: Op) {
        let _ = self.handle.ops.send(op).await;
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
