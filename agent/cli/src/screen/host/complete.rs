//! Owns what `@` may mean: files, folders and symbols of the project, by the letters that were typed.
//! Uses the index as it is on disk, on a thread of its own that keeps the lists.
//! Never answers an older question when a newer one is there, and never keeps the loop waiting.

use std::collections::BTreeSet;
use std::sync::{Arc, mpsc as channel};
use std::time::{Duration, Instant};

use loci_index::Index;
use loci_tui::{Completion, Reply};
use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use tokio::sync::mpsc;

use crate::printer::Printer;
use crate::project::Project;
use crate::screen::Happened;

/// The lists are read again when they are older than this: files come and go while a session works.
const STALE: Duration = Duration::from_secs(10);
/// The same while nothing is indexed yet.
const STALE_WHEN_EMPTY: Duration = Duration::from_millis(500);
/// Answers to one question.
const ANSWERS: usize = 30;
/// Symbols among them, so that files are not crowded out.
const SYMBOLS: usize = 10;
/// One letter is in every name.
const SHORTEST_SYMBOL: usize = 2;

/// Answers questions for what `@` may mean.
pub(super) struct Completer {
    questions: channel::Sender<(u64, String)>,
}

impl Completer {
    /// Start its thread, which ends with this value.
    pub(super) fn start(project: &Arc<Project>, told: mpsc::UnboundedSender<Happened>) -> Self {
        let (questions, asked) = channel::channel::<(u64, String)>();
        let project = Arc::clone(project);
        std::thread::spawn(move || {
            let mut lists = Lists::default();
            while let Ok(mut newest) = asked.recv() {
                lists.read(&project);
                while let Ok(newer) = asked.try_recv() {
                    newest = newer;
                }
                let (number, query) = newest;
                let found = lists.find(&query);
                if told.send(Happened::Replied(Reply::Completions { number, found })).is_err() {
                    return;
                }
            }
        });
        Self { questions }
    }

    pub(super) fn ask(&self, number: u64, query: String) {
        // A thread that ended answers nothing; the prompt is written without it.
        let _ = self.questions.send((number, query));
    }
}

/// What there is.
#[derive(Default)]
struct Lists {
    index: Option<Index>,
    read: Option<Instant>,
    /// Files, and folders with `/` at their end.
    paths: Vec<String>,
    symbols: Vec<String>,
    matcher: Option<Matcher>,
}

impl Lists {
    fn read(&mut self, project: &Project) {
        let stale = if self.paths.is_empty() { STALE_WHEN_EMPTY } else { STALE };
        if self.read.is_some_and(|read| read.elapsed() < stale) {
            return;
        }
        self.read = Some(Instant::now());
        // What is odd about the configuration was said when the session was opened.
        let quiet = project.printing_to(Printer::captured(project.printer.width()).0);
        let Ok(index) = quiet.index() else { return };
        let Ok(files) = index.files() else { return };
        let files: Vec<String> = files.into_iter().map(|file| file.path).collect();
        self.paths = with_folders(files);
        self.symbols = index.defined_names().unwrap_or_default();
        self.index = Some(index);
    }

    /// What a question may mean, best first.
    fn find(&mut self, query: &str) -> Vec<Completion> {
        if query.is_empty() {
            let top = |path: &&String| path.trim_end_matches('/').split('/').nth(1).is_none();
            return self
                .paths
                .iter()
                .filter(top)
                .take(ANSWERS)
                .map(|path| of_path(path, Vec::new()))
                .collect();
        }
        let mut matcher = self.matcher.take().unwrap_or_else(|| Matcher::new(Config::DEFAULT.match_paths()));
        let pattern = Pattern::new(query, CaseMatching::Smart, Normalization::Smart, AtomKind::Fuzzy);
        let files = best(&mut matcher, &pattern, &self.paths, ANSWERS);
        let symbols = if query.chars().count() < SHORTEST_SYMBOL || query.contains('/') {
            Vec::new()
        } else {
            best(&mut matcher, &pattern, &self.symbols, SYMBOLS)
        };
        let mut found: Vec<(u32, Completion)> = Vec::new();
        for (score, path) in files {
            let matched = letters(&mut matcher, &pattern, path);
            found.push((score, of_path(path, matched)));
        }
        for (score, name) in symbols {
            let matched = letters(&mut matcher, &pattern, name);
            found.extend(self.of_symbol(name, &matched).into_iter().map(|one| (score, one)));
        }
        self.matcher = Some(matcher);
        found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
        found.truncate(ANSWERS);
        found.into_iter().map(|(_, one)| one).collect()
    }

    /// Where a symbol is defined: the first two places.
    fn of_symbol(&self, name: &str, matched: &[u32]) -> Vec<Completion> {
        let definitions = self.index.as_ref().and_then(|index| index.definitions(name).ok());
        let place = |definition: loci_index::Definition| Completion {
            insert: format!("{}:{}", definition.path, definition.line),
            label: definition.name,
            detail: format!("{} {}:{}", definition.kind, definition.path, definition.line),
            matched: matched.to_vec(),
        };
        definitions.unwrap_or_default().into_iter().take(2).map(place).collect()
    }
}

fn of_path(path: &str, matched: Vec<u32>) -> Completion {
    Completion { insert: path.to_owned(), label: path.to_owned(), detail: String::new(), matched }
}

/// Files with the folders that they are in. Names that would break a line are not offered.
fn with_folders(files: Vec<String>) -> Vec<String> {
    let mut all = BTreeSet::new();
    for path in files {
        if path.chars().any(char::is_control) {
            continue;
        }
        for (at, _) in path.match_indices('/') {
            if !all.contains(&path[..=at]) {
                all.insert(path[..=at].to_owned());
            }
        }
        all.insert(path);
    }
    all.into_iter().collect()
}

/// The names that fit best; of those that fit as well, the shorter ones.
fn best<'a>(
    matcher: &mut Matcher,
    pattern: &Pattern,
    names: &'a [String],
    most: usize,
) -> Vec<(u32, &'a str)> {
    let mut buffer = Vec::new();
    let mut found: Vec<(u32, &str)> = names
        .iter()
        .filter_map(|name| {
            let score = pattern.score(Utf32Str::new(name, &mut buffer), matcher)?;
            Some((score, name.as_str()))
        })
        .collect();
    found.sort_by_key(|(score, name)| (std::cmp::Reverse(*score), name.len()));
    found.truncate(most);
    found
}

/// Which letters of a name were typed.
fn letters(matcher: &mut Matcher, pattern: &Pattern, name: &str) -> Vec<u32> {
    let (mut buffer, mut matched) = (Vec::new(), Vec::new());
    pattern.indices(Utf32Str::new(name, &mut buffer), matcher, &mut matched);
    matched.sort_unstable();
    matched.dedup();
    matched
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(paths: &[&str], symbols: &[&str]) -> Lists {
        let paths = with_folders(paths.iter().map(ToString::to_string).collect());
        Lists { paths, symbols: symbols.iter().map(ToString::to_string).collect(), ..Lists::default() }
    }

    #[test]
    fn files_and_folders_are_found_by_their_letters() {
        let mut lists = lists(
            &["src/price.rs", "src/lib.rs", "src/report/price_list.rs", "README.md", "a\nb", "docs/$x'y.md"],
            &[],
        );
        let mut check = |query: &str, expect: &[&str]| {
            let found: Vec<String> = lists.find(query).into_iter().map(|one| one.insert).collect();
            assert_eq!(found, expect, "{query}");
        };
        check("price", &["src/price.rs", "src/report/price_list.rs"]);
        check("srli", &["src/lib.rs", "src/report/price_list.rs"]);
        check("read", &["README.md"]);
        check("README", &["README.md"]);
        check("report/", &["src/report/", "src/report/price_list.rs"]);
        check("$x'", &["docs/$x'y.md"]);
        check("zzz", &[]);
        check("", &["README.md", "docs/", "src/"]);
    }

    #[test]
    fn the_letters_that_were_typed_are_told() {
        let mut lists = lists(&["src/price.rs"], &[]);
        assert_eq!(lists.find("price")[0].matched, [4, 5, 6, 7, 8]);
    }

    #[test]
    fn many_files_give_few_answers() {
        let paths: Vec<String> = (0..5_000).map(|number| format!("src/module_{number}/file.rs")).collect();
        let mut lists = Lists { paths: with_folders(paths), ..Lists::default() };
        assert_eq!(lists.paths.len(), 10_001);
        let found = lists.find("m49file");
        assert_eq!(found.len(), ANSWERS);
        assert!(found.iter().all(|one| one.insert.contains("49")), "{found:?}");
    }

    #[test]
    fn symbols_of_the_index_are_found_with_their_places() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("resolves").join("repo");
        std::fs::create_dir_all(root.join(".git")).expect("created");
        loci_core::atomic::write(&root.join("basket.rs"), b"\n\npub fn price_of() {}\n").expect("written");
        let options = loci_index::Options {
            cache_dir: folder.path().join("cache"),
            max_file_bytes: 1_000_000,
            deny: Vec::new(),
        };
        let index = Index::open(&root, options).expect("opens");
        index.refresh(&mut |_| {}).expect("indexed");
        let symbols = index.defined_names().expect("read");
        let mut lists = Lists { index: Some(index), symbols, ..Lists::default() };
        let found = lists.find("priof");
        let expect = Completion {
            insert: "basket.rs:3".into(),
            label: "price_of".into(),
            detail: "function basket.rs:3".into(),
            matched: vec![0, 1, 2, 6, 7],
        };
        assert_eq!(found, [expect]);
    }
}
