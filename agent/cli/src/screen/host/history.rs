//! Owns what is kept of the composer between starts: earlier prompts of the project, and what was not sent.
//! Uses two files in the project's folder below the user's data, which only the user can read.
//! Never keeps a prompt that holds a secret, and never more than its bounds say.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc as channel};

use loci_core::atomic;
use loci_core::secrets::Redactor;
use loci_tui::{Line, Reply, Style};
use tokio::sync::mpsc;

use crate::project::Project;
use crate::screen::Happened;

/// Earlier prompts that are kept.
const ENTRIES: usize = 1_000;
/// Bytes of one that is kept: what is longer is a file, not a prompt.
const ENTRY_BYTES: usize = 32 << 10;
/// Bytes of the file. It is written anew with each prompt, in some milliseconds at this size.
const FILE_BYTES: usize = 1 << 20;

/// What is wanted.
pub(super) enum Wanted {
    History,
    Remember(String),
    Draft,
    KeepDraft(String),
}

/// Keeps prompts, one request after the other.
pub(super) struct Keeper {
    wanted: channel::Sender<Wanted>,
}

impl Keeper {
    /// Start its thread, which ends with this value.
    pub(super) fn start(project: &Arc<Project>, told: mpsc::UnboundedSender<Happened>) -> Self {
        let (wanted, asked) = channel::channel();
        let folder = project.places.project(&project.root);
        let redactor = Redactor::new(&project.environment);
        std::thread::spawn(move || {
            let files = Files { folder, redactor };
            let mut failed = false;
            while let Ok(wanted) = asked.recv() {
                let reply = match wanted {
                    Wanted::History => Ok(Some(Reply::History(files.history()))),
                    Wanted::Draft => Ok(Some(Reply::Draft(files.draft()))),
                    Wanted::Remember(entry) => files.remember(&entry).map(|()| None),
                    Wanted::KeepDraft(text) => files.keep_draft(&text).map(|()| None),
                };
                let reply = match reply {
                    Ok(Some(reply)) => reply,
                    Ok(None) => continue,
                    // Once is enough: a full disk stays full.
                    Err(_) if failed => continue,
                    Err(error) => {
                        failed = true;
                        let text = format!("warning: prompts cannot be kept for the next start: {error}");
                        Reply::Said(vec![Line::new(text, Style::Warning)])
                    }
                };
                if told.send(Happened::Replied(reply)).is_err() {
                    return;
                }
            }
        });
        Self { wanted }
    }

    pub(super) fn ask(&self, wanted: Wanted) {
        // A thread that ended keeps nothing; that was said.
        let _ = self.wanted.send(wanted);
    }
}

struct Files {
    folder: PathBuf,
    redactor: Redactor,
}

impl Files {
    fn entries(&self) -> PathBuf {
        self.folder.join("prompts.jsonl")
    }

    /// Earlier prompts, newest last: one JSON string to a line. A line that is damaged is left out.
    fn history(&self) -> Vec<String> {
        let bytes = std::fs::read(self.entries()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn remember(&self, entry: &str) -> io::Result<()> {
        if entry.len() > ENTRY_BYTES || !self.redactor.redact(entry).found.is_empty() {
            return Ok(());
        }
        std::fs::create_dir_all(&self.folder)?;
        // Another window may be writing: what it kept is read only when it is done.
        let lock = File::create(self.folder.join("prompts.lock"))?;
        lock.lock()?;
        let mut entries = self.history();
        entries.retain(|earlier| earlier != entry);
        entries.push(entry.to_owned());
        let mut lines: Vec<String> = Vec::new();
        let mut bytes = 0;
        for entry in entries.iter().rev().take(ENTRIES) {
            let line = serde_json::to_string(entry)? + "\n";
            bytes += line.len();
            if bytes > FILE_BYTES {
                break;
            }
            lines.push(line);
        }
        lines.reverse();
        atomic::write_private(&self.entries(), lines.concat().as_bytes())
    }

    fn draft(&self) -> String {
        std::fs::read_to_string(self.folder.join("draft")).unwrap_or_default()
    }

    /// Keep what is written. A secret in it is kept neither here nor anywhere else.
    fn keep_draft(&self, text: &str) -> io::Result<()> {
        let path = self.folder.join("draft");
        if text.is_empty() || !self.redactor.redact(text).found.is_empty() {
            return remove(&path);
        }
        std::fs::create_dir_all(&self.folder)?;
        atomic::write_private(&path, text.as_bytes())
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match atomic::remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use loci_core::config::Environment;

    fn files(folder: &Path) -> Files {
        let environment = Environment::of([("DEPLOY_TOKEN", "correct-horse-battery")]);
        Files { folder: folder.join("projects/x"), redactor: Redactor::new(&environment) }
    }

    #[test]
    fn prompts_come_back_in_order_and_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = files(folder.path());
        assert!(files.history().is_empty());
        for entry in ["one", "two\nlines \"quoted\"", "three", "one"] {
            files.remember(entry).expect("kept");
        }
        assert_eq!(files.history(), ["two\nlines \"quoted\"", "three", "one"]);
    }

    #[test]
    fn secrets_and_files_are_not_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = files(folder.path());
        for entry in ["use correct-horse-battery", &"x".repeat(40_000)] {
            files.remember(entry).expect("tried");
        }
        files.remember("use the token").expect("kept");
        assert_eq!(files.history(), ["use the token"]);
        files.keep_draft("half").expect("kept");
        assert_eq!(files.draft(), "half");
        files.keep_draft("use correct-horse-battery").expect("tried");
        assert_eq!(files.draft(), "");
    }

    #[test]
    fn the_file_is_bounded_and_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = files(folder.path());
        for number in 0..60 {
            files.remember(&format!("{number} {}", "word ".repeat(6_000))).expect("kept");
        }
        let kept = files.history();
        assert!(kept.len() > 20 && kept.len() < 60, "{}", kept.len());
        assert!(kept.last().is_some_and(|entry| entry.starts_with("59 ")));
        assert!(std::fs::metadata(files.entries()).expect("there").len() <= FILE_BYTES as u64);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            files.keep_draft("half").expect("kept");
            for name in ["prompts.jsonl", "draft"] {
                let mode = std::fs::metadata(files.folder.join(name)).expect("there").permissions().mode();
                assert_eq!(mode & 0o777, 0o600, "{name}");
            }
        }
    }

    #[test]
    fn a_damaged_file_loses_only_its_damaged_lines() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = files(folder.path());
        files.remember("one").expect("kept");
        let mut bytes = std::fs::read(files.entries()).expect("there");
        bytes.extend(b"{not a prompt}\n\xff\xfe\n\"two\"\n");
        atomic::write(&files.entries(), &bytes).expect("written");
        assert_eq!(files.history(), ["one", "two"]);
    }

    #[test]
    fn two_windows_lose_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        std::thread::scope(|scope| {
            for window in 0..2 {
                let files = files(folder.path());
                scope.spawn(move || {
                    for number in 0..20 {
                        files.remember(&format!("{window}-{number}")).expect("kept");
                    }
                });
            }
        });
        assert_eq!(files(folder.path()).history().len(), 40);
    }

    #[test]
    fn a_draft_that_was_sent_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = files(folder.path());
        files.keep_draft("").expect("nothing to forget");
        files.keep_draft("half a thought").expect("kept");
        assert_eq!(files.draft(), "half a thought");
        files.keep_draft("").expect("forgotten");
        assert_eq!(files.draft(), "");
    }
}
