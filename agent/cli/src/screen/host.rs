//! Owns what the screen asks of its host: a request comes in, a reply follows from another thread.
//! Uses the project, and the rooms below, one for each kind of request.
//! Never keeps the loop waiting.

use std::sync::Arc;

use loci_tui::{Reply, Request};
use tokio::sync::mpsc;

use super::Happened;
use crate::project::Project;

/// Answers requests.
pub(super) struct Host {
    project: Arc<Project>,
    told: mpsc::UnboundedSender<Happened>,
    complete: complete::Completer,
    kept: history::Keeper,
    /// The user's script for the status line.
    status_line: Option<String>,
}

impl Host {
    pub(super) fn new(
        project: Arc<Project>,
        told: mpsc::UnboundedSender<Happened>,
        status_line: Option<String>,
    ) -> Self {
        let complete = complete::Completer::start(&project, told.clone());
        let kept = history::Keeper::start(&project, told.clone());
        Self { project, told, complete, kept, status_line }
    }

    /// Do what is asked, beside the loop.
    pub(super) fn ask(&self, request: Request) {
        match request {
            Request::Run(command) => self.reply(move |project| run::printed(project, command)),
            Request::Models => self.replies(models::listed),
            Request::Sessions => self.reply(sessions::listed),
            Request::RenameSession { id, title } => {
                self.replies(move |project| sessions::renamed(project, &id, &title));
            }
            Request::ExportSession(id) => self.reply(move |project| sessions::exported(project, &id)),
            Request::RemoveSession(id) => self.replies(move |project| sessions::removed(project, &id)),
            Request::Past(id) => self.reply(move |project| past::told(project, &id)),
            Request::Complete { number, query } => self.complete.ask(number, query),
            Request::History => self.kept.ask(history::Wanted::History),
            Request::Remember(entry) => self.kept.ask(history::Wanted::Remember(entry)),
            Request::KeepDraft(text) => self.kept.ask(history::Wanted::KeepDraft(text)),
            Request::Picture => self.reply(|project| Reply::Picture(picture::of_clipboard(project))),
            Request::Draft => self.kept.ask(history::Wanted::Draft),
            Request::Keep { key, value } => self.reply(move |project| keep::kept(project, &key, &value)),
            Request::Welcome => self.replies(welcome::told),
            Request::StatusLine(facts) => {
                if let Some(command) = self.status_line.clone() {
                    self.reply(move |project| status_line::said(project, &command, facts));
                }
            }
            _ => {}
        }
    }

    /// Let the user's editor have this text. The terminal has been given back, and is taken again with the answer.
    pub(super) fn edit(&self, text: String) {
        self.reply(move |project| {
            let edited =
                loci_core::editor::edit(&text, &project.environment, &project.places, &project.directory);
            Reply::Edited(edited.map_err(|error| error.to_string()))
        });
    }

    /// Say which branch is checked out.
    pub(super) fn branch(&self) {
        self.reply(|project| Reply::Branch(loci_core::branch::of(&project.root)));
    }

    /// Answer from a thread of its own: it may read files.
    fn reply(&self, answer: impl FnOnce(&Project) -> Reply + Send + 'static) {
        self.replies(|project| vec![answer(project)]);
    }

    /// The same for several answers, in their order.
    fn replies(&self, answer: impl FnOnce(&Project) -> Vec<Reply> + Send + 'static) {
        let (project, told) = (Arc::clone(&self.project), self.told.clone());
        std::thread::spawn(move || {
            for reply in answer(&project) {
                let _ = told.send(Happened::Replied(reply));
            }
        });
    }
}

mod complete;
mod history;
mod keep;
mod models;
mod past;
mod picture;
mod run;
mod sessions;
mod status_line;
pub(super) mod trust;
mod welcome;
