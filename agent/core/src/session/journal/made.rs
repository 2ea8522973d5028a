//! Owns what a session made of files: from what each was before it to what it is now.
//! Uses the record of changes and the store of contents.
//! Never reads a huge file, and never compares what is no text.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use loci_protocol::ChangedFile;

use super::Journal;
use super::record::Entry;
use super::state::FileState;

/// A larger file is named and not compared: nobody reads a diff of more than 20,000 lines.
const FILE_BYTES: u64 = 1 << 20;
/// Bytes of diffs in all; further files are named only, so that the answer stays small enough for a front end.
const DIFF_BYTES: usize = 8 << 20;
/// For one file; what is found until then is a diff too, only a longer one.
const FILE_TIME: Duration = Duration::from_millis(300);

impl Journal {
    /// Each file that is other than it was when the session began, in the order in which they were first changed.
    #[must_use]
    pub fn made(&self) -> Vec<ChangedFile> {
        let mut inner = self.lock();
        // What cannot be read again is answered from memory.
        let _ = inner.ledger.catch_up();
        // First and last state of each path, among what was not taken back.
        let mut paths: Vec<(Entry, Option<FileState>)> = Vec::new();
        let own = inner.ledger.changes().iter().filter(|change| change.is_own());
        for entry in own.flat_map(|change| &change.entries).filter(|entry| !entry.undone && entry.changed()) {
            match paths.iter_mut().find(|(known, _)| known.path == entry.path) {
                Some((_, last)) => last.clone_from(&entry.after),
                None => paths.push((entry.clone(), entry.after.clone())),
            }
        }
        drop(inner);
        let mut files = Vec::new();
        let mut bytes = 0;
        for (first, left) in paths {
            let Ok(now) = FileState::of(&first.path) else { continue };
            if now.same(&first.before) || is_no_file(&first.before) && is_no_file(&now) {
                continue;
            }
            let mut file = ChangedFile {
                path: shown(&self.root, &first.path),
                changed_since: !left.is_some_and(|left| now.same_content(&left)),
                ..ChangedFile::default()
            };
            if bytes < DIFF_BYTES
                && let Some((before, after)) = self.texts(&first.before, &now, &first.path)
            {
                compare(
                    &mut file,
                    &before,
                    &after,
                    [&first.before, &now].map(|state| *state == FileState::Missing),
                );
            }
            bytes += file.diff.len();
            files.push(file);
        }
        files
    }

    /// Both sides, where both are text.
    fn texts(&self, before: &FileState, now: &FileState, path: &Path) -> Option<(String, String)> {
        let then = match before {
            FileState::Missing => String::new(),
            FileState::File { hash, bytes, .. } if *bytes <= FILE_BYTES => text(self.store.read(hash).ok()?)?,
            FileState::Link { target } => link(target),
            _ => return None,
        };
        let now = match now {
            FileState::Missing => String::new(),
            FileState::File { bytes, .. } if *bytes <= FILE_BYTES => {
                // It may grow while it is read.
                let mut content = Vec::new();
                File::open(path).ok()?.take(FILE_BYTES).read_to_end(&mut content).ok()?;
                text(content)?
            }
            FileState::Link { target } => link(target),
            _ => return None,
        };
        Some((then, now))
    }
}

/// Directories come and go with the files in them.
fn is_no_file(state: &FileState) -> bool {
    state.is_directory() || matches!(state, FileState::Missing | FileState::Fifo { .. } | FileState::Other)
}

fn link(target: &Path) -> String {
    format!("a link to {}\n", target.display())
}

fn text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

/// Relative to the root, with `/` between components.
pub(super) fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/")
}

fn compare(file: &mut ChangedFile, before: &str, after: &str, [new, gone]: [bool; 2]) {
    let diff = similar::TextDiff::configure().deadline(Instant::now() + FILE_TIME).diff_lines(before, after);
    for change in diff.iter_all_changes() {
        match change.tag() {
            similar::ChangeTag::Insert => file.added += 1,
            similar::ChangeTag::Delete => file.removed += 1,
            similar::ChangeTag::Equal => {}
        }
    }
    let name = |side: &str, none: bool| {
        if none { "/dev/null".to_owned() } else { format!("{side}/{}", file.path) }
    };
    let (old, new) = (name("a", new), name("b", gone));
    file.diff = diff.unified_diff().context_radius(3).header(&old, &new).to_string();
}
