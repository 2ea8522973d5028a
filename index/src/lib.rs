//! Owns the code index: a directory in, ranked spans out.
//! Uses tantivy (in `store` only), tree-sitter, `ignore`.
//! Never sees models, chat or prompts, and never prints.

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests prepare and damage files directly"))]

mod chunk;
mod codec;
mod collect;
mod engine;
mod graph;
mod hits;
mod manifest;
mod outline;
mod parse;
pub mod passages;
mod rank;
mod refresh;
mod repository;
mod status;
mod store;
mod sweep;
mod tokenize;
mod vector;
mod walk;
mod watch;

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

pub use repository::shared_folder;
use serde::{Deserialize, Serialize};

pub use graph::{
    AffectedFile, CallQuery, Callee, Callees, Caller, Callers, Change, Impact, MapEntry, MapFile, MapQuery,
    RepoMap, Site, TestFor, Tests, UseQuery, Uses, changes_of_diff,
};
pub use status::Status;
pub use vector::{Embed, EmbedError, EmbedReport, Nearest, Role};

/// Where the index lives and what it may read.
#[derive(Debug, Clone)]
pub struct Options {
    /// A folder of its own, outside the project; created when missing.
    pub cache_dir: PathBuf,
    /// Files larger than this, in bytes, are listed but not read.
    pub max_file_bytes: u64,
    /// Gitignore-style patterns that are never read, whatever the ignore files say.
    pub deny: Vec<String>,
}

/// An open index over one directory tree. Cheap to clone, safe to share between threads.
#[derive(Debug, Clone)]
pub struct Index {
    engine: Arc<engine::Engine>,
}

/// What to look for.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Words, an identifier, a path, or a mixture.
    pub text: String,
    /// At most this many hits; 0 means 10.
    pub limit: usize,
    /// Paths (relative) that are being worked on; they rank higher.
    pub working_set: Vec<String>,
}

/// One ranked span.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// Relative to the root, `/` between components.
    pub path: String,
    /// First line of the span, from 1.
    pub start_line: u32,
    /// Last line of the span, inclusive.
    pub end_line: u32,
    /// Larger is better; comparable within one answer only.
    pub score: f32,
    /// The symbol the span defines, if it does.
    pub symbol: Option<String>,
    /// `function`, `struct`, `text`, …
    pub kind: String,
    /// The most telling line of the span, and its number.
    pub line: u32,
    /// The text of that line, trimmed.
    pub preview: String,
    /// Why it ranks where it does: signal and weight.
    pub why: Vec<(String, f32)>,
    /// True in test code.
    #[serde(default)]
    pub is_test: bool,
}

/// The raw signals of one file and of its spans.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub struct FileSignals {
    /// Relative path.
    pub path: String,
    /// Name and value.
    pub signals: Vec<(&'static str, f32)>,
    /// Its spans.
    pub spans: Vec<SpanSignals>,
}

/// The raw signals of one span.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub struct SpanSignals {
    /// From 1.
    pub start_line: u32,
    /// Inclusive.
    pub end_line: u32,
    /// Name and value.
    pub signals: Vec<(&'static str, f32)>,
}

/// A definition of a symbol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The name, without its parent.
    pub name: String,
    /// `function`, `method`, `struct`, `class`, `constant`, …
    pub kind: String,
    /// Relative path.
    pub path: String,
    /// Line of the name, from 1.
    pub line: u32,
    /// Last line of the definition.
    pub end_line: u32,
    /// The signature: the definition's text up to its body, on one line.
    pub signature: String,
    /// The enclosing symbol, if any: `impl Foo`, `class Bar`.
    pub parent: Option<String>,
    /// The first sentence of its doc comment.
    pub doc: Option<String>,
    /// True in test code.
    pub is_test: bool,
}

/// A use of a symbol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// The name used.
    pub name: String,
    /// `call`, `value` (a function handed on), `type`, `import`, `mention`.
    pub kind: String,
    /// Relative path.
    pub path: String,
    /// From 1.
    pub line: u32,
    /// The line, trimmed.
    pub text: String,
    /// The symbol whose body holds the use, if any.
    pub enclosing: Option<String>,
    /// True in test code.
    pub is_test: bool,
    /// Why it may mean another symbol of the same name, if it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncertain: Option<String>,
}

/// One entry of a file's outline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutlineItem {
    /// The definition.
    pub definition: Definition,
    /// Nesting, from 0.
    pub depth: u32,
}

/// A file the index knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Relative path.
    pub path: String,
    /// `rust`, `python`, …, `text`.
    pub language: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Why its text is not searchable (binary, too large, unreadable), if it is not.
    pub skipped: Option<String>,
}

/// How far a refresh has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Files read.
    pub done: u64,
    /// Files to read; 0 while the walk is still counting.
    pub total: u64,
}

/// What a refresh did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshReport {
    /// Files in the tree.
    pub files: u64,
    /// Files read and taken in.
    pub indexed: u64,
    /// Files with new content that was known already, from another branch or worktree.
    pub reused: u64,
    /// Files dropped.
    pub removed: u64,
    /// Files listed but not read: binary, too large, unreadable.
    pub skipped: u64,
    /// True when a damaged index was set aside and built again.
    pub rebuilt: bool,
}

/// Why the index could not answer.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Name a directory.
    #[error("{} is not a directory", path.display())]
    NotADirectory {
        /// The path given.
        path: PathBuf,
    },
    /// Name a file the index knows.
    #[error("no such file in the index: {path}")]
    UnknownFile {
        /// The path given.
        path: String,
    },
    /// Check permissions and space.
    #[error("{}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Discard it and build it again.
    #[error("the index at {} is damaged: {message}", path.display())]
    Damaged {
        /// Its folder.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// Try again when the other process is done.
    #[error("the index at {} is being written by another process", path.display())]
    InUse {
        /// Its folder.
        path: PathBuf,
    },
    /// The store failed; it is a cache and can be deleted.
    #[error("the index store at {} failed: {message}", path.display())]
    Store {
        /// The store's folder.
        path: PathBuf,
        /// What it said.
        message: String,
    },
}

/// What a query is read as: `words`, `symbol`, `path` or `trace`.
#[must_use]
pub fn query_kind(text: &str) -> &'static str {
    rank::read(text).kind.name()
}

impl Index {
    /// Open the index of `root`, or create it. A damaged one is set aside and built again on the next refresh.
    ///
    /// # Errors
    /// `NotADirectory` for a root that is none; `Io` or `Store` when the cache folder cannot be used.
    pub fn open(root: &Path, options: Options) -> Result<Self, IndexError> {
        Ok(Self { engine: Arc::new(engine::Engine::open(root, options)?) })
    }

    /// Compare the tree with the index by stat and content hash, and read what changed.
    ///
    /// # Errors
    /// `Store` when the changes cannot be committed; the index then still answers from before.
    pub fn refresh(&self, progress: &mut dyn FnMut(Progress)) -> Result<RefreshReport, IndexError> {
        match self.engine.watch() {
            Some(watch) => watch.refresh(&self.engine, progress),
            None => refresh::refresh(&self.engine, None, progress),
        }
    }

    /// Have the system say what changes from now on, so that a refresh looks at that alone and changes are taken in by
    /// themselves shortly after they were made. Ends when the last clone of the index is dropped.
    ///
    /// # Errors
    /// Why that is not possible, for people to read; refreshes then look at every file, as before.
    pub fn watch(&self) -> Result<(), String> {
        if self.engine.watch().is_none() {
            self.engine.set_watch(watch::Watch::start(&self.engine)?);
        }
        Ok(())
    }

    /// Why watching stopped being enough since this was last asked: refreshes look at every file again.
    #[must_use]
    pub fn watch_problem(&self) -> Option<String> {
        self.engine.watch().and_then(watch::Watch::problem)
    }

    /// Take in just these files (relative paths), created, changed or removed, before the next query.
    ///
    /// # Errors
    /// As [`Index::refresh`].
    pub fn update(&self, paths: &[String]) -> Result<(), IndexError> {
        let only: BTreeSet<PathBuf> = paths.iter().filter_map(|path| self.relative(path)).collect();
        if !only.is_empty() {
            refresh::refresh(&self.engine, Some(&only), &mut |_| {})?;
        }
        Ok(())
    }

    /// Ranked spans, best first.
    ///
    /// # Errors
    /// `Store` when the store cannot be read.
    pub fn search(&self, query: &Query) -> Result<Vec<Hit>, IndexError> {
        self.engine.ask(|snapshot| hits::search(&self.engine, snapshot, query, hits::Spans::All))
    }

    /// Files, best first, each by its best span.
    ///
    /// # Errors
    /// As [`Index::search`].
    pub fn search_files(&self, query: &Query) -> Result<Vec<Hit>, IndexError> {
        self.engine.ask(|snapshot| hits::search(&self.engine, snapshot, query, hits::Spans::OneOfEachFile))
    }

    /// What speaks for each candidate of a query before any weight: for those who fit the weights.
    ///
    /// # Errors
    /// As [`Index::search`].
    #[doc(hidden)]
    pub fn signals(&self, query: &Query) -> Result<Vec<FileSignals>, IndexError> {
        self.engine.ask(|snapshot| rank::raw(&self.engine, snapshot, query))
    }

    /// Definitions of exactly this name (`Type::method` and `Type.method` narrow by parent); when there are none,
    /// of the same name in another case. Non-test code first.
    ///
    /// # Errors
    /// `Store` when the store cannot be read.
    pub fn definitions(&self, symbol: &str) -> Result<Vec<Definition>, IndexError> {
        self.engine.ask(|snapshot| graph::definitions(&self.engine, snapshot, symbol))
    }

    /// Uses of this name, its definitions excluded, by path and line.
    ///
    /// # Errors
    /// `Store` when the store cannot be read.
    pub fn references(&self, symbol: &str) -> Result<Vec<Reference>, IndexError> {
        self.engine.ask(|snapshot| graph::references(&self.engine, snapshot, symbol))
    }

    /// Uses of a symbol with their true number, the most telling ones first. What may mean another symbol is marked.
    ///
    /// # Errors
    /// `Store` when the store cannot be read.
    pub fn uses(&self, query: &UseQuery) -> Result<Uses, IndexError> {
        self.engine.ask(|snapshot| graph::uses(&self.engine, snapshot, query))
    }

    /// Who calls a symbol, grouped by the symbol around the calls, and who calls those, down to a depth.
    ///
    /// # Errors
    /// `Store` when the store cannot be read.
    pub fn callers(&self, query: &CallQuery) -> Result<Callers, IndexError> {
        self.engine.ask(|snapshot| graph::callers(&self.engine, snapshot, query))
    }

    /// What the body of a symbol calls and which types it names, with the definitions that are likeliest meant.
    ///
    /// # Errors
    /// `Store` when the store cannot be read.
    pub fn callees(&self, query: &CallQuery) -> Result<Callees, IndexError> {
        self.engine.ask(|snapshot| graph::callees(&self.engine, snapshot, query))
    }

    /// The most used definitions of the tree, as many signatures as fit a number of tokens. `count` says how many tokens a
    /// text has; where there is no tokenizer, a quarter of its bytes is near enough.
    ///
    /// # Errors
    /// `Store` when the store cannot be read.
    pub fn map(&self, query: &MapQuery, count: &dyn Fn(&str) -> usize) -> Result<RepoMap, IndexError> {
        self.engine.ask(|snapshot| graph::map(&self.engine, snapshot, query, count))
    }

    /// Tests that reach a symbol, directly or through others, then tests that are named after it.
    ///
    /// # Errors
    /// `Store` when the store cannot be read.
    pub fn tests_for(&self, symbol: &str) -> Result<Vec<TestFor>, IndexError> {
        self.engine.ask(|snapshot| graph::tests_for(&self.engine, snapshot, symbol))
    }

    /// What changes touch: users of what changes, users of those down to `depth` (0 means 3), and their tests.
    ///
    /// # Errors
    /// `Store` when the store cannot be read.
    pub fn impact(&self, changes: &[Change], depth: u32) -> Result<Impact, IndexError> {
        self.engine.ask(|snapshot| graph::impact(&self.engine, snapshot, changes, depth))
    }

    /// Defined names like one that is not defined, the likest first.
    ///
    /// # Errors
    /// `Store` when the store cannot be read.
    pub fn similar(&self, symbol: &str, limit: usize) -> Result<Vec<String>, IndexError> {
        self.engine.ask(|snapshot| graph::similar(&self.engine, snapshot, symbol, limit))
    }

    /// The definitions in one file, in order, read from disk as it is now.
    ///
    /// # Errors
    /// `UnknownFile` when there is no such file below the root, `Io` when it cannot be read.
    pub fn outline(&self, path: &str) -> Result<Vec<OutlineItem>, IndexError> {
        let unknown = || IndexError::UnknownFile { path: path.into() };
        let relative = self.relative(path).ok_or_else(unknown)?;
        if self.engine.deny.covers(&relative, false) {
            return Err(unknown());
        }
        let full = self.engine.root.join(&relative);
        // A link may lead out of the tree, or to a denied file inside of it: what counts is where it ends.
        let real = full.canonicalize().map_err(|_| unknown())?;
        let inside = real.strip_prefix(&self.engine.root).map_err(|_| unknown())?;
        if !real.is_file() || self.engine.deny.covers(inside, false) {
            return Err(unknown());
        }
        let failed = |source| IndexError::Io { path: full.clone(), source };
        let bytes = std::fs::metadata(&real).map_err(failed)?.len();
        if bytes > self.engine.options.max_file_bytes {
            return Err(failed(std::io::Error::new(
                std::io::ErrorKind::FileTooLarge,
                "too large for an outline",
            )));
        }
        let text = refresh::text_of(std::fs::read(&real).map_err(failed)?)
            .map_err(|reason| failed(std::io::Error::new(std::io::ErrorKind::InvalidData, reason)))?;
        Ok(outline::outline(&walk::display_path(&relative), &text))
    }

    /// How much it holds, how large and how old it is.
    #[must_use]
    pub fn status(&self) -> Status {
        status::status(&self.engine)
    }

    /// Every file, by path.
    ///
    /// # Errors
    /// `Store` when the store cannot be read.
    pub fn files(&self) -> Result<Vec<FileEntry>, IndexError> {
        let snapshot = self.engine.snapshot();
        let shown = snapshot
            .manifest
            .records
            .iter()
            .filter(|record| self.engine.may_show(&snapshot.manifest, record));
        Ok(shown
            .map(|record| FileEntry {
                path: record.path.clone(),
                language: record.language.to_owned(),
                bytes: record.stat.bytes,
                skipped: record.skipped.clone(),
            })
            .collect())
    }

    /// Whether a symbol of exactly this name is defined.
    #[must_use]
    pub fn defines(&self, symbol: &str) -> bool {
        self.engine.ask(|snapshot| graph::defines(&self.engine, snapshot, symbol)).unwrap_or(false)
    }

    /// Defined names that equal `words` when case and separators are ignored (`load config` → `load_config`, `LoadConfig`).
    #[must_use]
    pub fn symbols_like(&self, words: &str) -> Vec<String> {
        self.engine.ask(|snapshot| graph::symbols_like(&self.engine, snapshot, words)).unwrap_or_default()
    }

    /// Every defined name, each once, in the order of the alphabet. A name may be defined only where nobody may look, or in
    /// another tree of the repository: [`Index::definitions`] says where.
    ///
    /// # Errors
    /// `Store` when the store cannot be read.
    pub fn defined_names(&self) -> Result<Vec<String>, IndexError> {
        self.engine.ask(|snapshot| {
            let mut names = Vec::new();
            snapshot.view.each_defined(&mut |name| names.push(name.to_owned()))?;
            names.sort_unstable();
            names.dedup();
            Ok(names)
        })
    }

    /// A path below the root, without `.` and `..`; `None` when it leads out.
    fn relative(&self, path: &str) -> Option<PathBuf> {
        let path = Path::new(path);
        let path = if path.is_absolute() { path.strip_prefix(&self.engine.root).ok()? } else { path };
        let mut clean = PathBuf::new();
        for component in path.components() {
            match component {
                Component::Normal(part) => clean.push(part),
                Component::CurDir => {}
                Component::ParentDir => {
                    if !clean.pop() {
                        return None;
                    }
                }
                Component::RootDir | Component::Prefix(_) => return None,
            }
        }
        (!clean.as_os_str().is_empty()).then_some(clean)
    }
}
