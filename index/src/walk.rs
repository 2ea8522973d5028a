//! Owns which files belong to the tree: ignore rules, hidden files, deny patterns, what a stat says.
//! Uses the `ignore` crate.
//! Never opens a file and never follows a link.

use std::collections::{BTreeSet, HashSet};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use ignore::{DirEntry, WalkBuilder, WalkState};

use crate::codec::{Decoder, Encoder};
use crate::manifest::is_racy;
use crate::sweep::{Folder, Guard, Layout, now};

/// Hidden entries that hold code or configuration people ask about. Everything else that starts with a dot stays out.
const USEFUL_HIDDEN: &[&str] = &[
    ".agents",
    ".buildkite",
    ".cargo",
    ".changeset",
    ".ci",
    ".circleci",
    ".config",
    ".devcontainer",
    ".github",
    ".gitlab",
    ".husky",
    ".storybook",
    ".clang-format",
    ".clang-tidy",
    ".dockerignore",
    ".editorconfig",
    ".gitattributes",
    ".gitignore",
    ".gitlab-ci.yml",
    ".gitmodules",
    ".golangci.yml",
    ".pre-commit-config.yaml",
    ".rustfmt.toml",
    ".travis.yml",
    ".babelrc",
    ".eslintrc",
    ".prettierrc",
    ".stylelintrc",
    ".swcrc",
    ".flake8",
    ".pylintrc",
];

/// Folders that are never source, even where no ignore file says so.
const NEVER_SOURCE: &[&str] = &[".git", ".hg", ".svn", ".jj", "node_modules", "__pycache__"];

/// A file marks its folder as generated: a cache (cargo's `target` has one) or a Python environment.
const GENERATED_MARKS: &[&str] = &["CACHEDIR.TAG", "pyvenv.cfg"];

/// What a stat says about a file; equal stats mean an unread file may be taken as unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stat {
    /// Size in bytes.
    pub(crate) bytes: u64,
    /// Modification time in nanoseconds since 1970.
    pub(crate) modified: i128,
    /// Inode change time and number where there are such, else 0: they notice a replaced file with an old date.
    pub(crate) changed: i128,
    /// The inode.
    pub(crate) inode: u64,
}

impl Stat {
    /// From what the system said.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let modified = match metadata.modified().map(|time| time.duration_since(UNIX_EPOCH)) {
            Ok(Ok(since)) => i128::try_from(since.as_nanos()).unwrap_or(0),
            Ok(Err(before)) => -i128::try_from(before.duration().as_nanos()).unwrap_or(0),
            Err(_) => 0,
        };
        #[cfg(unix)]
        let (changed, inode) = {
            use std::os::unix::fs::MetadataExt;
            (i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec()), metadata.ino())
        };
        #[cfg(not(unix))]
        let (changed, inode) = (0, 0);
        Self { bytes: metadata.len(), modified, changed, inode }
    }

    /// The stored form.
    pub(crate) fn encode(&self, out: &mut Encoder) {
        out.number(self.bytes);
        out.wide(self.modified);
        out.wide(self.changed);
        out.number(self.inode);
    }

    /// The stored form read back.
    pub(crate) fn decode(from: &mut Decoder<'_>) -> Option<Self> {
        Some(Self {
            bytes: from.number()?,
            modified: from.wide()?,
            changed: from.wide()?,
            inode: from.number()?,
        })
    }
}

/// A file of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Relative path with `/`; what is not UTF-8 shows as replacement characters.
    pub(crate) path: String,
    /// The relative path as the system has it.
    pub(crate) raw: PathBuf,
    /// What the stat said.
    pub(crate) stat: Stat,
    /// Why it cannot be read, when that is known already.
    pub(crate) skipped: Option<String>,
}

/// What a walk has seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Walked {
    /// By path.
    pub(crate) files: Vec<Found>,
    /// What must be unchanged for the next sweep to need no walk.
    pub(crate) layout: Layout,
}

impl Walked {
    /// Put everything in order, once.
    pub(crate) fn settle(&mut self) {
        self.files.sort_by(|one, other| one.path.cmp(&other.path).then_with(|| one.raw.cmp(&other.raw)));
        self.files.dedup_by(|one, other| one.raw == other.raw);
        self.layout.folders.sort_by(|one, other| one.raw.cmp(&other.raw));
        self.layout.folders.dedup_by(|one, other| one.raw == other.raw);
        self.layout.inner.sort_by(|one, other| one.path.cmp(&other.path));
        self.layout.inner.dedup_by(|one, other| one.path == other.path);
    }
}

/// How much of the tree is walked.
#[derive(Debug, Clone)]
pub(crate) enum Scope {
    All,
    /// These relative paths and what is below them.
    Paths(BTreeSet<PathBuf>),
    /// What stands in the changed folders, and everything below folders that are not known.
    Folders {
        changed: HashSet<PathBuf>,
        known: HashSet<PathBuf>,
    },
}

/// The patterns that are never read, whatever the ignore files say.
#[derive(Debug, Clone)]
pub(crate) struct Deny {
    patterns: Gitignore,
    fingerprint: [u8; 32],
}

impl Deny {
    /// Patterns that do not parse are read as literal names, so that a typing error never opens a file.
    pub(crate) fn new(root: &Path, source: &[String]) -> Self {
        let mut builder = GitignoreBuilder::new(root);
        for pattern in source {
            if builder.add_line(None, pattern).is_err() {
                let literal: String = pattern
                    .chars()
                    .flat_map(|character| match character {
                        '*' | '?' | '[' | ']' | '{' | '}' | '\\' | '!' | '#' => vec!['\\', character],
                        _ => vec![character],
                    })
                    .collect();
                // A literal cannot fail to parse; if it does, the pattern has no effect on any real name.
                drop(builder.add_line(None, &literal));
            }
        }
        let patterns = builder.build().unwrap_or_else(|_| Gitignore::empty());
        let fingerprint = *blake3::hash(source.join("\n").as_bytes()).as_bytes();
        Self { patterns, fingerprint }
    }

    /// Names the set of patterns.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// Whether a relative path, or a folder above it, is denied.
    pub(crate) fn covers(&self, relative: &Path, is_directory: bool) -> bool {
        !self.patterns.is_empty()
            && self.patterns.matched_path_or_any_parents(relative, is_directory).is_ignore()
    }
}

/// Every file below `root` that counts, under the same rules whatever the scope.
pub(crate) fn walk(root: &Path, deny: &Deny, cache: &Path, scope: &Scope) -> Walked {
    let walked = Mutex::new(Walked::default());
    let in_git = root.ancestors().any(|folder| folder.join(".git").exists());
    let mut builder = WalkBuilder::new(root);
    builder
        .hidden(false)
        .follow_links(false)
        .require_git(false)
        // Outside a repository the ignore files of the folders above (a home folder's, say) are none of ours.
        .parents(in_git)
        .threads(threads().min(8));
    let note = Arc::new(Mutex::new(Layout::default()));
    if let Ok(metadata) = std::fs::metadata(root)
        && !matches!(scope, Scope::Folders { changed, .. } if !changed.contains(Path::new("")))
    {
        note_folder(&note, PathBuf::new(), &metadata);
    }
    let (root_owned, deny_owned, cache_owned, scope_owned, note_inside) =
        (root.to_path_buf(), deny.clone(), cache.to_path_buf(), scope.clone(), Arc::clone(&note));
    builder.filter_entry(move |entry| {
        let Ok(relative) = entry.path().strip_prefix(&root_owned) else { return false };
        if !wanted(entry, relative, &scope_owned) {
            return false;
        }
        note_guards(entry, &note_inside);
        if !counts(entry, relative, &deny_owned, &cache_owned, &note_inside) {
            return false;
        }
        // Before it is listed: what is added meanwhile shows in a later stat.
        if entry.file_type().is_some_and(|kind| kind.is_dir())
            && entry.depth() > 0
            && is_listed(relative, &scope_owned)
            && let Ok(metadata) = entry.metadata()
        {
            note_folder(&note_inside, relative.to_path_buf(), &metadata);
        }
        true
    });
    let take = |entry: Result<DirEntry, ignore::Error>| {
        let found = match entry {
            Ok(entry) => describe(&entry, root),
            Err(error) => unreadable(&error, root, deny),
        };
        if let (Some(found), Ok(mut walked)) = (found, walked.lock()) {
            walked.files.push(found);
        }
    };
    if matches!(scope, Scope::All) {
        builder.build_parallel().run(|| {
            Box::new(|entry| {
                take(entry);
                WalkState::Continue
            })
        });
    } else {
        // Some paths are found sooner than threads are started, and the parallel walk sleeps when it has nothing to do.
        builder.build().for_each(take);
    }
    let mut walked = walked.into_inner().unwrap_or_default();
    walked.layout = std::mem::take(&mut *note.lock().unwrap_or_else(PoisonError::into_inner));
    walked.layout.outer = outer_guards(root);
    walked.settle();
    walked
}

fn note_folder(layout: &Mutex<Layout>, raw: PathBuf, metadata: &Metadata) {
    let stat = Stat::of(metadata);
    let folder = Folder { raw, stat, racy: is_racy(&stat, now()) };
    layout.lock().unwrap_or_else(PoisonError::into_inner).folders.push(folder);
}

/// Remember what decides over the entries beside it.
fn note_guards(entry: &DirEntry, layout: &Mutex<Layout>) {
    let path = match entry.file_name().to_str() {
        Some(".gitignore" | ".ignore") => entry.path().to_path_buf(),
        Some(".git") => exclude_file(entry.path()),
        _ => return,
    };
    layout.lock().unwrap_or_else(PoisonError::into_inner).inner.push(Guard::of(path));
}

/// What decides over the tree from outside: ignore files above it in the same repository, and the user's own.
pub(crate) fn outer_guards(root: &Path) -> Vec<Guard> {
    let mut paths = Vec::new();
    for folder in root.ancestors().skip(1) {
        paths.extend([folder.join(".git"), exclude_file(&folder.join(".git"))]);
        paths.extend([folder.join(".gitignore"), folder.join(".ignore")]);
    }
    paths.push(exclude_file(&root.join(".git")));
    paths.extend(ignore::gitignore::gitconfig_excludes_path());
    paths
        .into_iter()
        .map(|path| {
            let guard = Guard::of(path);
            // Of a repository itself, only whether it is there.
            if guard.path.ends_with(".git") {
                Guard { stat: guard.stat.map(|_| Stat::default()), racy: false, ..guard }
            } else {
                guard
            }
        })
        .collect()
}

fn exclude_file(git: &Path) -> PathBuf {
    crate::repository::common_folder(git).unwrap_or_else(|| git.to_path_buf()).join("info").join("exclude")
}

/// Cores to read and parse with.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn counts(entry: &DirEntry, relative: &Path, deny: &Deny, cache: &Path, layout: &Mutex<Layout>) -> bool {
    if entry.depth() == 0 {
        return true;
    }
    let is_directory = entry.file_type().is_some_and(|kind| kind.is_dir());
    let name = entry.file_name().to_string_lossy();
    if name.starts_with('.') && !USEFUL_HIDDEN.iter().any(|useful| is_or_extends(&name, useful)) {
        return false;
    }
    if is_directory {
        if NEVER_SOURCE.contains(&&*name) || entry.path() == cache {
            return false;
        }
        let marks = GENERATED_MARKS.iter().map(|mark| entry.path().join(mark));
        if let Some(mark) = marks.into_iter().find(|mark| mark.exists()) {
            // Builds touch the folder all the time; only without its mark would it count.
            let mut layout = layout.lock().unwrap_or_else(PoisonError::into_inner);
            layout.inner.push(Guard { racy: false, ..Guard::of(mark) });
            return false;
        }
    }
    !deny.covers(relative, is_directory)
}

/// `.eslintrc` also means `.eslintrc.json`.
fn is_or_extends(name: &str, useful: &str) -> bool {
    name.strip_prefix(useful).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn wanted(entry: &DirEntry, relative: &Path, scope: &Scope) -> bool {
    let parent = relative.parent().unwrap_or(Path::new(""));
    match scope {
        Scope::All => true,
        Scope::Paths(only) => {
            // A folder is wanted when a wanted path starts with it: the next one in order does, then.
            only.contains(relative)
                || only.range(relative.to_path_buf()..).next().is_some_and(|path| path.starts_with(relative))
                || relative
                    .ancestors()
                    .skip(1)
                    .any(|folder| !folder.as_os_str().is_empty() && only.contains(folder))
        }
        Scope::Folders { changed, known } => {
            let is_directory = entry.file_type().is_some_and(|kind| kind.is_dir());
            let beside = changed.contains(parent) || !known.contains(parent);
            if is_directory && known.contains(relative) {
                changed.iter().any(|folder| folder.starts_with(relative))
            } else {
                beside
            }
        }
    }
}

/// Whether a folder that is walked is listed for its own sake, and not only on the way to another.
fn is_listed(relative: &Path, scope: &Scope) -> bool {
    match scope {
        Scope::All => true,
        Scope::Paths(_) => false,
        Scope::Folders { changed, known } => changed.contains(relative) || !known.contains(relative),
    }
}

fn describe(entry: &DirEntry, root: &Path) -> Option<Found> {
    if !entry.file_type()?.is_file() {
        return None;
    }
    let raw = entry.path().strip_prefix(root).ok()?.to_path_buf();
    let path = display_path(&raw);
    Some(match entry.metadata() {
        Ok(metadata) => Found { path, raw, stat: Stat::of(&metadata), skipped: None },
        Err(_) => Found { path, raw, stat: Stat::default(), skipped: Some("unreadable".into()) },
    })
}

/// A folder that cannot be listed is named, so that nobody takes its files for absent.
fn unreadable(error: &ignore::Error, root: &Path, deny: &Deny) -> Option<Found> {
    fn path_of(error: &ignore::Error) -> Option<&Path> {
        match error {
            ignore::Error::WithPath { path, .. } => Some(path),
            ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
            ignore::Error::Partial(errors) => errors.iter().find_map(path_of),
            _ => None,
        }
    }
    error.io_error()?;
    let raw = path_of(error)?.strip_prefix(root).ok()?.to_path_buf();
    if raw.as_os_str().is_empty() || deny.covers(&raw, true) || !root.join(&raw).is_dir() {
        return None;
    }
    Some(Found {
        path: display_path(&raw),
        raw,
        stat: Stat::default(),
        skipped: Some("unreadable folder".into()),
    })
}

/// A relative path as answers show it.
pub(crate) fn display_path(raw: &Path) -> String {
    let text = raw.to_string_lossy();
    if std::path::MAIN_SEPARATOR == '/' {
        text.into_owned()
    } else {
        text.replace(std::path::MAIN_SEPARATOR, "/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, text).expect("a file");
        }
        folder
    }

    fn check(files: &[(&str, &str)], deny: &[&str], expect: &[&str]) {
        let folder = tree(files);
        let deny = Deny::new(folder.path(), &deny.iter().map(|&pattern| pattern.into()).collect::<Vec<_>>());
        let found: Vec<_> = walk(folder.path(), &deny, Path::new("/nowhere"), &Scope::All)
            .files
            .into_iter()
            .map(|file| file.path)
            .collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn ignore_files_count_without_git() {
        check(
            &[
                (".gitignore", "*.log\n/out/\n"),
                ("a.rs", ""),
                ("b.log", ""),
                ("out/c.rs", ""),
                ("in/out/d.rs", ""),
            ],
            &[],
            &[".gitignore", "a.rs", "in/out/d.rs"],
        );
        check(
            &[
                (".gitignore", "*.log"),
                ("in/.gitignore", "x.rs\n!y.log"),
                ("in/x.rs", ""),
                ("in/y.log", ""),
                ("z.log", ""),
            ],
            &[],
            &[".gitignore", "in/.gitignore", "in/y.log"],
        );
    }

    #[test]
    fn hidden_files_stay_out_unless_useful() {
        check(
            &[
                (".env", "SECRET"),
                (".github/workflows/ci.yml", ""),
                (".cache/x", ""),
                (".git/HEAD", ""),
                (".eslintrc.json", ""),
                ("a", ""),
            ],
            &[],
            &[".eslintrc.json", ".github/workflows/ci.yml", "a"],
        );
    }

    #[test]
    fn generated_folders_stay_out() {
        check(
            &[
                ("target/CACHEDIR.TAG", ""),
                ("target/x.rs", ""),
                ("node_modules/y.js", ""),
                ("env/pyvenv.cfg", ""),
                ("env/z.py", ""),
                ("a.rs", ""),
            ],
            &[],
            &["a.rs"],
        );
    }

    #[test]
    fn denied_files_stay_out() {
        check(
            &[("keys/id.pem", ""), ("a.pem", ""), ("secrets/deep/x.rs", ""), ("ok.rs", "")],
            &["*.pem", "secrets/"],
            &["ok.rs"],
        );
        check(&[("[odd", ""), ("ok", "")], &["[odd"], &["ok"]);
    }

    #[test]
    fn only_some_paths_follow_the_same_rules() {
        let folder = tree(&[
            (".gitignore", "b.rs"),
            ("a.rs", ""),
            ("b.rs", ""),
            ("in/c.rs", ""),
            ("in/d.rs", ""),
            ("in-x/e.rs", ""),
        ]);
        let deny = Deny::new(folder.path(), &[]);
        let only = ["a.rs", "b.rs", "in/c.rs", "gone.rs"].iter().map(PathBuf::from).collect();
        let found: Vec<_> = walk(folder.path(), &deny, Path::new("/nowhere"), &Scope::Paths(only))
            .files
            .into_iter()
            .map(|file| file.path)
            .collect();
        assert_eq!(found, ["a.rs", "in/c.rs"]);
        let only = Scope::Paths([PathBuf::from("in")].into());
        assert_eq!(walk(folder.path(), &deny, Path::new("/nowhere"), &only).files.len(), 2);
    }

    #[cfg(unix)]
    #[test]
    fn links_and_pipes_are_not_followed() {
        let folder = tree(&[("a.rs", "")]);
        std::os::unix::fs::symlink(folder.path().join("a.rs"), folder.path().join("link.rs"))
            .expect("a link");
        std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).expect("a link");
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).expect("a socket");
        let deny = Deny::new(folder.path(), &[]);
        assert_eq!(walk(folder.path(), &deny, Path::new("/nowhere"), &Scope::All).files.len(), 1);
    }
}
