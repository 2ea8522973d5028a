//! Owns what becomes of a request to take file changes back, or to bring them back.
//! Uses the journal, and tells the index, the log, the model and the front end.
//! Never changes a file itself.

use std::path::PathBuf;

use loci_protocol::{Event, Level, Undo};

use super::Session;
use super::journal::{UndoError, Undone, Which};
use super::log::Record;

impl Session {
    /// Take back file changes of this session.
    pub(super) async fn undo(&mut self, which: Undo) {
        let which = match which {
            Undo::Newest => Which::Newest,
            Undo::Call(id) => Which::Call(id),
            Undo::Turn(turn) => Which::Turn(turn),
            Undo::File(path) => Which::File(self.workspace.root().join(path)),
        };
        self.move_files(which).await;
    }

    /// Bring back what was taken back last.
    pub(super) async fn redo(&mut self) {
        self.move_files(Which::Redo).await;
    }

    async fn move_files(&mut self, which: Which) {
        let redo = which == Which::Redo;
        let journal = self.journal.clone();
        let undone = tokio::task::spawn_blocking(move || journal.undo(which)).await;
        for notice in self.journal.take_notices() {
            self.control.notice(Level::Warning, notice, None);
        }
        let undone = match undone {
            Ok(Ok(undone)) => undone,
            Ok(Err(UndoError::Nothing)) if redo => {
                let message = "there is nothing to bring back: the newest change was not a taking back";
                return self.control.notice(Level::Warning, message, None);
            }
            Ok(Err(error)) => {
                let hint = matches!(error, UndoError::Changed { .. })
                    .then(|| "take the others back one by one: /undo FILE".to_owned());
                return self.control.notice(Level::Warning, error.to_string(), hint);
            }
            Err(error) => return self.control.notice(Level::Error, error.to_string(), None),
        };
        let Undone { paths, left, .. } = undone;
        let relative = |path: &PathBuf| self.workspace.relative(path);
        let paths: Vec<String> = paths.iter().map(relative).collect();
        let mut message = format!(
            "{}: {}",
            if redo { "brought back" } else { "taken back" },
            if paths.is_empty() { "nothing was left to do".to_owned() } else { paths.join(", ") }
        );
        for (path, why) in &left {
            message.push_str(&format!("; {} stays: {why}", relative(path)));
        }
        let (index, changed) = (self.index.clone(), paths.clone());
        // An index that did not take it in is refreshed before the next turn anyway.
        let _ = tokio::task::spawn_blocking(move || index.update(&changed)).await;
        if !paths.is_empty() {
            let what =
                if redo { "brought changes back that had been taken back" } else { "took changes back" };
            self.notes.push(format!("The user {what}, to {}.", paths.join(", ")));
        }
        if !redo {
            let logged = self.note(&Record::Undone { paths: paths.clone() }).and_then(|()| self.log.commit());
            if let Err(error) = logged {
                self.control.notice(Level::Error, format!("the session cannot be written: {error}"), None);
            }
        }
        self.control.emit(Event::Rewound { paths, turn: None, prompt: None, message });
    }
}
