//! The tools in a temporary project, as the loop calls them.

mod fidelity;
mod files;
mod questions;
mod running;

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::json;

use super::*;
use crate::config::{Places, Settings};

/// A project in a temporary folder, with a journal that remembers what it kept.
pub(super) struct Project {
    _folder: tempfile::TempDir,
    pub(super) context: ToolContext,
    pub(super) journal: Arc<Remembering>,
}

/// Pre-images in memory.
#[derive(Default)]
pub(super) struct Remembering {
    kept: Mutex<Vec<(PathBuf, Option<Vec<u8>>)>>,
    /// When set, nothing can be kept.
    pub(super) full: std::sync::atomic::AtomicBool,
}

impl Preimages for Remembering {
    fn keep(&self, path: &Path) -> std::io::Result<()> {
        if self.full.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(std::io::Error::other("no space left"));
        }
        self.kept.lock().expect("is not poisoned").push((path.to_path_buf(), std::fs::read(path).ok()));
        Ok(())
    }

    fn undo_last(&self) -> Result<Vec<PathBuf>, String> {
        let (path, before) =
            self.kept.lock().expect("is not poisoned").pop().ok_or("there is nothing to undo")?;
        match before {
            Some(bytes) => crate::atomic::write(&path, &bytes).map(drop),
            None => std::fs::remove_file(&path),
        }
        .map_err(|error| error.to_string())?;
        Ok(vec![path])
    }
}

impl Project {
    pub(super) fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path().join("project");
        std::fs::create_dir(&root).expect("creates the root");
        for (name, content) in files {
            put(&root.join(name), content);
        }
        let options = loci_index::Options {
            cache_dir: folder.path().join("cache"),
            max_file_bytes: 1024 * 1024,
            deny: Vec::new(),
        };
        let index = loci_index::Index::open(&root, options).expect("the index opens");
        index.refresh(&mut |_| {}).expect("the index refreshes");
        let journal = Arc::new(Remembering::default());
        let places = Places::below(folder.path());
        let here = loci_policy::Context { root: root.clone(), ..loci_policy::Context::default() };
        let context = ToolContext {
            workspace: Workspace::new(root.canonicalize().expect("the root is there")),
            index,
            journal: journal.clone(),
            ask: None,
            recall: None,
            older: None,
            spool_dir: folder.path().join("spool"),
            todos: Arc::default(),
            sandboxing: Arc::new(Sandboxing::open(None, &Settings::default(), &places, &here)),
            grants: Grants::default(),
            background: Arc::default(),
            tasks: Arc::default(),
            cancel: CancellationToken::new(),
        };
        Self { _folder: folder, context, journal }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.context.workspace.root().join(name)
    }

    pub(super) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).expect("the file is there")
    }

    /// The outcome of one call, after the checks that the loop makes.
    pub(super) fn call(&self, name: &str, input: Value) -> Outcome {
        let tool = all().into_iter().find(|tool| tool.name() == name).expect("the tool exists");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let outcome = match tool.access(&input, &self.context) {
            Ok(_) => runtime.block_on(tool.run(input.clone(), &self.context)),
            Err(message) => Outcome::failed(message),
        };
        assert!(outcome.brief.chars().count() <= 200, "{name} {input}: {}", outcome.brief);
        assert!(!outcome.text.is_empty() && !outcome.summary.is_empty(), "{name} {input}: {outcome:?}");
        assert_eq!(
            outcome.brief.starts_with("failed: "),
            !outcome.ok && !outcome.brief.starts_with("exit ") && outcome.brief != "timed out",
            "{name} {input}: {outcome:?}"
        );
        for evidence in outcome.evidence.iter().filter(|evidence| evidence.location.line > 0) {
            assert!(outcome.locations.contains(&evidence.location), "{name} {input}: {evidence:?}");
        }
        outcome
    }

    #[track_caller]
    pub(super) fn brief(&self, name: &str, input: Value, expect: &str) {
        let outcome = self.call(name, input.clone());
        assert_eq!(outcome.brief, expect, "{name} {input}: {}", outcome.text);
    }
}

pub(super) fn put(path: &Path, content: &[u8]) {
    std::fs::create_dir_all(path.parent().expect("has a parent")).expect("creates folders");
    crate::atomic::write(path, content).expect("writes");
}

#[test]
fn schemas_are_flat_and_names_unique() {
    let mut names = std::collections::BTreeSet::new();
    for tool in all() {
        let spec = spec(tool.as_ref());
        assert!(names.insert(spec.name.clone()), "{} twice", spec.name);
        assert!(
            spec.name.chars().all(|character| character.is_ascii_lowercase() || character == '_'),
            "{}",
            spec.name
        );
        assert_eq!(spec.parameters["type"], "object");
        let properties = spec.parameters["properties"].as_object().expect("has properties");
        for (name, schema) in properties {
            let kind = schema["type"].as_str().expect("has a type");
            assert!(["string", "integer", "boolean"].contains(&kind), "{}.{name}: {kind}", spec.name);
        }
        let required = spec.parameters["required"].as_array().cloned().unwrap_or_default();
        assert!(
            required.iter().all(|name| properties.contains_key(name.as_str().expect("is a name"))),
            "{}",
            spec.name
        );
        // Whatever a model sends, a tool describes it, and answers.
        for input in [json!({}), json!(null), json!([1]), json!({"path": 1, "symbol": [], "action": {}})] {
            assert!(!tool.summary(&input).is_empty());
            let project = Project::new(&[]);
            if tool.name() != "undo" && tool.name() != "todo" {
                assert!(!project.call(tool.name(), input).ok, "{}", tool.name());
            }
        }
    }
    assert_eq!(names.len(), 20);
}

#[test]
fn words_of_identifiers() {
    let check = |text: &str, expect: &[&str]| assert_eq!(words_of(text), expect, "{text}");
    check("loadConfig_v2", &["load", "config", "v2"]);
    check("HTTPServer", &["http", "server"]);
    check("is_stale()", &["is", "stale"]);
    check("", &[]);
    check("größeÄndern", &["größe", "ändern"]);
}
