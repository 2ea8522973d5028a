//! Owns how a tool changes files: pre-image kept, written atomically, told as a unified diff.
//! Uses `atomic` and the journal.
//! Never decides what the new content is.

use std::path::Path;

use super::{Outcome, ToolContext, fold, place};
use crate::atomic;

/// A new state of one file.
pub(crate) struct Change {
    /// Where, absolute; a symbolic link is followed.
    pub(crate) path: std::path::PathBuf,
    /// As results show it.
    pub(crate) shown: String,
    /// What was there; `None` when there was no file.
    pub(crate) before: Option<Vec<u8>>,
    /// What shall be there; `None` removes it.
    pub(crate) after: Option<Vec<u8>>,
}

impl Change {
    /// The unified diff, with `a/` and `b/` before the paths.
    pub(crate) fn diff(&self) -> String {
        let before = String::from_utf8_lossy(self.before.as_deref().unwrap_or_default());
        let after = String::from_utf8_lossy(self.after.as_deref().unwrap_or_default());
        let name = |side: &str, exists: bool| {
            if exists { format!("{side}/{}", self.shown) } else { "/dev/null".to_owned() }
        };
        let (old, new) = (name("a", self.before.is_some()), name("b", self.after.is_some()));
        similar::TextDiff::from_lines(before.as_ref(), after.as_ref())
            .unified_diff()
            .context_radius(3)
            .header(&old, &new)
            .to_string()
    }

    /// The first line that differs, in the new content where there is one.
    fn first_line(&self) -> u32 {
        let before = self.before.as_deref().unwrap_or_default();
        let after = self.after.as_deref().unwrap_or_default();
        let same = before.iter().zip(after).take_while(|(a, b)| a == b).count();
        let line = after[..same.min(after.len())].iter().filter(|byte| **byte == b'\n').count() + 1;
        u32::try_from(line).unwrap_or(u32::MAX)
    }

    /// Keep the pre-image and write.
    ///
    /// # Errors
    /// A sentence for the model; the file is then as it was.
    pub(crate) fn apply(&self, context: &ToolContext) -> Result<(), String> {
        let target = atomic::follow(&self.path).map_err(|error| format!("{}: {error}", self.shown))?;
        // Somebody else may have written between our reading and now: their change must not be lost.
        let now = match std::fs::read(&target) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(format!("{}: {error}", self.shown)),
        };
        if now != self.before {
            return Err(format!(
                "{} was changed by somebody else in the meantime; read it again",
                self.shown
            ));
        }
        context.journal.keep(&target).map_err(|error| {
            format!("{} was not changed, because its old content could not be kept: {error}", self.shown)
        })?;
        let result = match &self.after {
            Some(bytes) => atomic::write(&target, bytes).map(drop),
            None => atomic::remove(&target),
        };
        result.map_err(|error| format!("{} could not be written: {error}", self.shown))
    }
}

/// Create the folders above `path`, and say which was the first that was missing.
///
/// # Errors
/// What the system says.
pub(crate) fn create_parents(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(parent) => std::fs::create_dir_all(parent),
        None => Ok(()),
    }
}

/// The outcome of applied changes. `verb` is `edited`, `wrote`, …; `note` is told to the model after it.
pub(crate) fn outcome(changes: &[Change], brief: &str, note: &str) -> Outcome {
    let diff: String = changes.iter().map(Change::diff).collect();
    let mut outcome = Outcome {
        ok: true,
        brief: fold::clip(brief, fold::BRIEF),
        summary: if note.is_empty() { brief.to_owned() } else { format!("{brief} ({note})") },
        changed: changes.iter().map(|change| change.shown.clone()).collect(),
        ..Outcome::default()
    };
    outcome.text = if note.is_empty() { format!("{brief}\n") } else { format!("{brief}\n{note}\n") };
    outcome.text.push_str(&fold::head_and_tail(&diff, 60, 10));
    for change in changes.iter().filter(|change| change.after.is_some()) {
        let location = loci_protocol::Location { path: change.shown.clone(), line: change.first_line() };
        let text = change
            .after
            .as_deref()
            .and_then(|bytes| bytes.split(|byte| *byte == b'\n').nth(location.line as usize - 1))
            .map(|line| String::from_utf8_lossy(line).trim().to_owned())
            .unwrap_or_default();
        outcome.locations.push(location.clone());
        outcome.evidence.push(super::Evidence { location, text, label: "changed".into() });
    }
    outcome.diff = Some(diff);
    outcome
}

/// The whole of a tool that changes one file: apply, then tell.
pub(crate) fn apply_one(context: &ToolContext, change: Change, brief: &str, note: &str) -> Outcome {
    match change.apply(context) {
        Ok(()) => outcome(&[change], brief, note),
        Err(message) => Outcome::failed(message),
    }
}

/// `, through the link LINK` when the path is a link.
pub(crate) fn link_note(context: &ToolContext, content: &crate::files::Content) -> Option<String> {
    content.link_target.as_ref().map(|target| {
        format!("it is a symbolic link; its target {} was changed", place::shown(context, target))
    })
}
