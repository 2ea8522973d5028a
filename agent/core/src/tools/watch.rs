//! Owns the watch over what a command changes, as the tools that run commands use it.
//! Uses the journal, an overlay where the sandbox has one, and the project's ignore rules.
//! Never hides what cannot be taken back.

use std::path::PathBuf;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use loci_exec::sandbox::Overlay;

use super::{Outcome, ToolContext, fold, place};
use crate::session::journal::{CommandCapture, CommandChanges, OverlaySupport};

/// Paths of one command that its result names; the journal knows them all.
const NAMED: usize = 100;
/// Paths that the model reads.
const TOLD: usize = 12;
/// Paths that cannot be taken back and are named one by one.
const OMITTED: usize = 5;

/// A command is about to run.
pub(crate) struct Watch {
    capture: Option<CommandCapture>,
}

impl Watch {
    /// Before it starts: what it may change is kept, or it gets an overlay.
    ///
    /// # Errors
    /// A sentence for the model: it must not run, since what it changes could not be taken back.
    pub(crate) async fn begin(context: &ToolContext) -> Result<Self, String> {
        let journal = context.journal.clone();
        let root = context.workspace.root().to_path_buf();
        let support = if context.sandboxing.keeps_changes_apart() {
            OverlaySupport::Available
        } else {
            OverlaySupport::Unavailable
        };
        let begun = tokio::task::spawn_blocking(move || journal.command(&root, support)).await;
        match begun {
            Ok(Ok(capture)) => Ok(Self { capture }),
            Ok(Err(error)) => Err(format!("not run: what it changes could not be kept for undo ({error})")),
            Err(error) => Err(format!("not run: internal error ({error})")),
        }
    }

    /// Where its writes must go, if not into the tree.
    pub(crate) fn overlay(&self) -> Option<Overlay> {
        self.capture.as_ref().and_then(CommandCapture::overlay)
    }

    /// It and everything that it started has ended: what it changed goes to the journal, to the tree and to its outcome.
    pub(crate) async fn end(self, context: &ToolContext, outcome: &mut Outcome) {
        let Some(capture) = self.capture else { return };
        let changes = match tokio::task::spawn_blocking(move || capture.finish()).await {
            Ok(Ok(changes)) => changes,
            Ok(Err(error)) => {
                return say(outcome, &format!("what it changed could not be recorded: {error}"));
            }
            Err(error) => return say(outcome, &format!("what it changed could not be recorded: {error}")),
        };
        let CommandChanges { changed, omitted, diff } = changes;
        let ignored = ignore_rules(context);
        let is_output = |path: &PathBuf| ignored.matched_path_or_any_parents(path, false).is_ignore();
        let root = context.workspace.root();
        // What is built on each run says nothing about what was done.
        let changed: Vec<PathBuf> =
            changed.into_iter().filter(|path| path.starts_with(root) && !is_output(path)).collect();
        outcome.changed.extend(changed.iter().take(NAMED).map(|path| place::shown(context, path)));
        if !changed.is_empty() {
            let names: Vec<String> = outcome.changed.iter().take(TOLD).cloned().collect();
            let more = changed.len().saturating_sub(names.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            say(outcome, &format!("changed: {}{more}", names.join(", ")));
        }
        if outcome.diff.is_none() {
            outcome.diff = diff;
        }
        for (path, why) in omitted.iter().take(OMITTED) {
            say(outcome, &format!("not covered by undo: {} ({why})", place::shown(context, path)));
        }
        if omitted.len() > OMITTED {
            say(outcome, &format!("not covered by undo: {} more", omitted.len() - OMITTED));
        }
    }
}

fn say(outcome: &mut Outcome, line: &str) {
    if !outcome.text.ends_with('\n') && !outcome.text.is_empty() {
        outcome.text.push('\n');
    }
    outcome.text.push_str(&fold::clip(line, 1_000));
}

/// What the project's own ignore file leaves out: build output, caches.
fn ignore_rules(context: &ToolContext) -> Gitignore {
    let root = context.workspace.root();
    let mut rules = GitignoreBuilder::new(root);
    // A file that is missing or has odd lines rules out nothing more.
    let _ = rules.add(root.join(".gitignore"));
    let _ = rules.add(root.join(".git/info/exclude"));
    rules.build().unwrap_or_else(|_| Gitignore::empty())
}
