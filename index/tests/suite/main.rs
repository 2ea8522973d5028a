//! The index as its callers see it: trees in temporary folders, questions, answers.
#![expect(
    clippy::disallowed_methods,
    reason = "tests prepare and damage files directly, and kill a process of their own"
)]
#![expect(clippy::print_stderr, reason = "what is skipped says so")]

mod answers;
mod damage;
mod random;
mod trees;
mod watch;

use std::fs;
use std::path::PathBuf;

use loci_index::{Index, Options, Query, RefreshReport};

/// A project with an index beside it.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    fn new(files: &[(&str, &str)]) -> Self {
        let stage = Self { folder: tempfile::tempdir().expect("a folder") };
        fs::create_dir_all(stage.root()).expect("a root");
        for (path, text) in files {
            stage.write(path, text);
        }
        stage
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, text).expect("a file");
    }

    fn options(&self) -> Options {
        Options { cache_dir: self.cache(), max_file_bytes: 1_000_000, deny: Vec::new() }
    }

    fn open(&self) -> Index {
        Index::open(&self.root(), self.options()).expect("an index")
    }

    fn built(&self) -> (Index, RefreshReport) {
        let index = self.open();
        let report = refresh(&index);
        (index, report)
    }
}

fn refresh(index: &Index) -> RefreshReport {
    index.refresh(&mut |_| {}).expect("a refresh")
}

fn search(index: &Index, text: &str) -> Vec<String> {
    let query = Query { text: text.into(), ..Query::default() };
    index.search(&query).expect("hits").into_iter().map(|hit| format!("{}:{}", hit.path, hit.line)).collect()
}

fn places(index: &Index, symbol: &str) -> Vec<String> {
    let found = index.definitions(symbol).expect("definitions");
    found.into_iter().map(|one| format!("{}:{} {}", one.path, one.line, one.kind)).collect()
}

fn uses(index: &Index, symbol: &str) -> Vec<String> {
    let found = index.references(symbol).expect("references");
    found.into_iter().map(|one| format!("{}:{} {}", one.path, one.line, one.kind)).collect()
}

const CONFIG: &str = "\
//! Configuration.

/// Read the configuration from a file. More words.
pub fn load_config(path: &str) -> Config {
    Config::parse(path)
}

/// What can be set.
pub struct Config {
    pub verbose: bool,
}

impl Config {
    /// From text.
    pub fn parse(text: &str) -> Self {
        Self { verbose: text.contains('v') }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn loads() {
        assert!(super::load_config(\"v\").verbose);
    }
}
";

const MAIN: &str = "\
use config::load_config;

fn main() {
    // load_config is called once
    let config = load_config(\"x\");
    println!(\"{}\", config.verbose);
}
";

fn project() -> Stage {
    Stage::new(&[
        ("src/config.rs", CONFIG),
        ("src/main.rs", MAIN),
        ("tests/all.rs", "#[test]\nfn parse() {}\n"),
        ("README.md", "# Demo\n\nCalls load_config.\n"),
    ])
}
