//! Owns the project's own instructions: AGENTS.md, or CLAUDE.md where there is none.
//! Uses the folders from the repository's root down to the project folder.
//! Never reads them unasked: the caller knows whether the folder is trusted.

use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of instructions in all; the nearest files win.
const BUDGET: usize = 32 * 1024;
/// The names that are read, the first of them that a folder has.
const NAMES: [&str; 3] = ["AGENTS.override.md", "AGENTS.md", "CLAUDE.md"];

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The instructions, nearest last.
    pub text: Option<String>,
    /// The files they came from.
    pub paths: Vec<PathBuf>,
    /// What was left out, in words.
    pub note: Option<String>,
}

/// Read the instructions for a project folder.
#[must_use]
pub fn read(folder: &Path) -> Found {
    let mut found = Found::default();
    let mut pieces: Vec<String> = Vec::new();
    let mut left = BUDGET;
    // Nearest first, so that the budget goes to what is most specific; shown in the opposite order.
    for folder in folders(folder) {
        let Some((path, text)) = NAMES.iter().find_map(|name| read_one(&folder.join(name))) else { continue };
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        if text.len() > left {
            let cut = text.floor_char_boundary(left);
            found.note = Some(format!(
                "instructions are read up to {} KiB; the rest of {} and whatever lies further up are left out",
                BUDGET / 1024,
                path.display()
            ));
            if cut > 0 {
                pieces.push(text[..cut].to_owned());
                found.paths.push(path);
            }
            break;
        }
        left -= text.len();
        pieces.push(text.to_owned());
        found.paths.push(path);
    }
    pieces.reverse();
    found.paths.reverse();
    if !pieces.is_empty() {
        found.text = Some(pieces.join("\n\n"));
    }
    found
}

/// A file that cannot be read or is no text is no instruction.
fn read_one(path: &Path) -> Option<(PathBuf, String)> {
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    // Far more than is shown, and little enough to read at once.
    if metadata.len() > 16 << 20 {
        return None;
    }
    let text = String::from_utf8(fs::read(path).ok()?).ok()?;
    Some((path.into(), text))
}

/// The folder and those above it, up to the repository's root; without a repository just the folder.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for above in folder.ancestors() {
        folders.push(above.to_path_buf());
        if above.join(".git").exists() {
            return folders;
        }
    }
    vec![folder.to_path_buf()]
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn nearest_comes_last_and_agents_win_over_claude() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let deep = root.join("repo/a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::create_dir(root.join("repo/.git")).unwrap();
        let write = |path: &str, text: &str| fs::write(root.join(path), text).unwrap();
        write("AGENTS.md", "outside");
        write("repo/AGENTS.md", "top");
        write("repo/CLAUDE.md", "not read");
        write("repo/a/CLAUDE.md", "middle");
        write("repo/a/b/AGENTS.md", "  \n");
        let found = read(&deep);
        assert_eq!(found.text.as_deref(), Some("top\n\nmiddle"));
        assert_eq!(found.note, None);
        write("repo/a/b/AGENTS.override.md", &"ä".repeat(BUDGET / 2 - 1));
        let found = read(&deep);
        let text = found.text.unwrap();
        assert!(
            text.starts_with("mi\n\nä") && found.note.unwrap().contains("a/CLAUDE.md"),
            "{}",
            &text[..20]
        );
    }

    #[test]
    fn without_a_repository_only_the_folder_counts() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("AGENTS.md"), "above").unwrap();
        assert_eq!(read(&folder.path().join("a")), Found::default());
        assert_eq!(read(&folder.path().join("missing")), Found::default());
    }
}
