//! Owns the small diff that is told after a command.
//! Uses `similar`.
//! Never shows more than fits a screen or two, and nothing that is not text.

use std::path::Path;

use super::snapshot::Difference;
use super::state::FileState;

/// Files of which a diff is shown.
const FILES: usize = 20;
/// A larger file is not compared line by line.
const FILE_BYTES: u64 = 256 << 10;
/// A longer diff is not told at all: the paths say enough.
const DIFF_BYTES: usize = 64 << 10;

/// Which content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Before,
    After,
}

/// The unified diff of the text files among these, where it is small.
pub(super) fn of(
    root: &Path,
    differences: &[Difference],
    content: impl Fn(&Difference, Side) -> Option<Vec<u8>>,
) -> Option<String> {
    let is_file = |state: &FileState| matches!(state, FileState::File { bytes, .. } if *bytes <= FILE_BYTES);
    // A directory or a link has no lines.
    let is_none = |state: &FileState| state.hash().is_none();
    let fits = |state: &FileState| is_file(state) || (is_none(state) && state.not_kept().is_none());
    let files: Vec<&Difference> = differences
        .iter()
        .filter(|difference| is_file(&difference.before) || is_file(&difference.after))
        .collect();
    if files.is_empty() || files.len() > FILES {
        return None;
    }
    let mut diff = String::new();
    for difference in files.iter().filter(|one| fits(&one.before) && fits(&one.after)) {
        let side = |state: &FileState, side| {
            if is_none(state) {
                return Some(String::new());
            }
            content(difference, side).and_then(|bytes| String::from_utf8(bytes).ok())
        };
        let (Some(before), Some(after)) =
            (side(&difference.before, Side::Before), side(&difference.after, Side::After))
        else {
            continue;
        };
        if before == after || before.contains('\0') || after.contains('\0') {
            continue;
        }
        let shown = difference.path.strip_prefix(root).unwrap_or(&difference.path).to_string_lossy();
        let name = |side: &str, state: &FileState| {
            if is_none(state) { "/dev/null".to_owned() } else { format!("{side}/{shown}") }
        };
        let (old, new) = (name("a", &difference.before), name("b", &difference.after));
        let text = similar::TextDiff::from_lines(before.as_str(), after.as_str());
        diff.push_str(&text.unified_diff().context_radius(3).header(&old, &new).to_string());
        if diff.len() > DIFF_BYTES {
            return None;
        }
    }
    (!diff.is_empty()).then_some(diff)
}
