//! Owns the way back to a prompt: of the files, of the conversation, or of both.
//! Uses the journal for files, and a record for the conversation: what counts is told by `log::effective`.
//! Never takes anything out of the log, and never goes back in the conversation when the files refuse to.

use std::collections::BTreeSet;

use loci_protocol::{Event, Level};

use super::journal::{UndoError, Which};
use super::log::{LogError, Record, effective};
use super::{Session, resume};
use crate::context::Context as Window;

impl Session {
    /// Go back to before a prompt.
    pub(super) async fn rewind(&mut self, turn: u32, files: bool, conversation: bool) {
        let records = match self.log.records() {
            Ok(records) => records,
            Err(error) => return self.not_written(&error),
        };
        let counting = effective(&records);
        let prompt = counting
            .iter()
            .position(|record| matches!(record, Record::Prompt { turn: one, .. } if *one == turn));
        let Some(at) = prompt else {
            let hint = "/rewind lists the prompts".to_owned();
            let message = format!("there is no prompt {turn} to go back to");
            return self.control.notice(Level::Warning, message, Some(hint));
        };
        let prompt = match counting[at] {
            Record::Prompt { text, .. } => resume::typed(text).to_owned(),
            _ => String::new(),
        };
        let changed: BTreeSet<String> = counting[at..]
            .iter()
            .filter_map(|record| match record {
                Record::Outcome(outcome) => Some(outcome.changed.iter().cloned()),
                _ => None,
            })
            .flatten()
            .collect();
        let mut paths = Vec::new();
        if files {
            paths = match self.take_back_since(turn).await {
                Ok(paths) => paths,
                Err(error) => {
                    let hint = format!("`/rewind {turn} conversation` goes back without the files");
                    let hint = conversation.then_some(hint);
                    return self.control.notice(Level::Warning, error.to_string(), hint);
                }
            };
        }
        let mut written = Ok(());
        if !paths.is_empty() {
            written = self.note(&Record::Undone { paths: paths.clone() });
        }
        if conversation {
            written = written.and(self.log.append(&Record::Rewound { turn }));
        }
        // What could not be written is kept in memory, and counts.
        if let Err(error) = written.and_then(|()| self.log.commit()) {
            self.not_written(&error);
        }
        if conversation && let Err(error) = self.build_again() {
            return self.not_written(&error);
        }
        let stand: Vec<&str> =
            changed.iter().filter(|path| !paths.contains(path)).map(String::as_str).collect();
        if conversation && !files && !stand.is_empty() {
            self.notes.push(format!(
                "The user went back to before what followed here. What was changed in files since then still stands: {}.",
                stand.join(", ")
            ));
        } else if !conversation && !paths.is_empty() {
            self.notes.push(format!(
                "The user took back the file changes since prompt {turn}, to {}.",
                paths.join(", ")
            ));
        }
        self.control.emit(Event::Rewound {
            message: told(turn, files, conversation, &paths),
            paths,
            turn: conversation.then_some(turn),
            prompt: conversation.then_some(prompt),
        });
    }

    /// The files as they were before this turn, newest change first. What the user changed since stops it.
    async fn take_back_since(&mut self, turn: u32) -> Result<Vec<String>, UndoError> {
        let journal = self.journal.clone();
        let undone = match tokio::task::spawn_blocking(move || journal.undo(Which::Since(turn))).await {
            Ok(Err(UndoError::Nothing)) => return Ok(Vec::new()),
            Ok(undone) => undone?,
            Err(error) => {
                return Err(UndoError::Io {
                    path: self.workspace.root().into(),
                    source: std::io::Error::other(error),
                });
            }
        };
        for notice in self.journal.take_notices() {
            self.control.notice(Level::Warning, notice, None);
        }
        for (path, why) in &undone.left {
            let message = format!("{} stays as it is: {why}", self.workspace.relative(path));
            self.control.notice(Level::Warning, message, None);
        }
        let paths = undone.paths;
        let paths: BTreeSet<String> = paths.iter().map(|path| self.workspace.relative(path)).collect();
        let paths: Vec<String> = paths.into_iter().collect();
        let (index, changed) = (self.index.clone(), paths.clone());
        // An index that did not take it in is refreshed before the next turn anyway.
        let _ = tokio::task::spawn_blocking(move || index.update(&changed)).await;
        Ok(paths)
    }

    /// Everything that is derived from the records, from those that count.
    fn build_again(&mut self) -> Result<(), LogError> {
        let records = self.log.records()?;
        let root = self.workspace.root().to_path_buf();
        let empty = Window::new(self.context.is_brief(), Some(root), self.embed.clone());
        // Where the model is one elsewhere, it goes back in what it was shown.
        let mut restored = if self.provider.info().local {
            resume::restore(&records, empty)
        } else {
            let view = self.lasting.labels.view(&records, &self.lasting.prints);
            resume::restore_shown(&records, &view.iter().collect::<Vec<_>>(), empty)
        };
        // Said when the session was opened.
        restored.context.take_unknown();
        self.context = restored.context;
        self.summed = 0;
        self.named = restored.named;
        self.last_outcomes = restored.last_outcomes;
        // What they tell of is gone too.
        self.notes.clear();
        *self.todos.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = restored.todos;
        self.tell_tasks();
        Ok(())
    }

    fn not_written(&self, error: &LogError) {
        self.control.notice(
            Level::Error,
            format!("the session cannot be written: {error}"),
            Some("free some space or check the permissions; it is kept in memory and written again".into()),
        );
    }
}

/// What happened, in one sentence.
fn told(turn: u32, files: bool, conversation: bool, paths: &[String]) -> String {
    let mut told = match (conversation, files) {
        (true, _) => format!("back to before prompt {turn}"),
        (false, _) => format!("the files are as they were before prompt {turn}"),
    };
    match (files, paths) {
        (true, []) => told.push_str("; no file had been changed since"),
        (true, paths) => told.push_str(&format!("; taken back: {}", paths.join(", "))),
        (false, _) => told.push_str("; the files stay as they are"),
    }
    told
}
