//! Owns what the content of labelled files is recognised by, wherever it turns up: hashes of its pieces.
//! Uses the files themselves as they are and were in this session, and what commands printed of them.
//! Never keeps the content, and never forgets a piece as long as the session lives.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use ignore::WalkBuilder;
use ignore::gitignore::GitignoreBuilder;
use serde_json::Value;

use super::Labels;

/// A run of so many bytes is recognised. Shorter ones are words that stand everywhere; tokens and keys are longer.
const WINDOW: usize = 12;
/// A line, or the value after a `=` or `:`, that is shorter is recognised as a whole down to this length.
const SHORTEST: usize = 6;
/// A window says something with so many different letters and digits; others are rulers and indentation.
const DISTINCT: usize = 5;
/// Larger files are known by their path alone: pieces take eight bytes for each byte of a file.
const LARGEST_FILE: u64 = 4 << 20;
/// And so are those beyond this sum.
const LARGEST_SUM: usize = 16 << 20;
/// So many files are looked at for their names.
const MOST_FILES: usize = 400_000;

/// Pieces of labelled content.
#[derive(Debug, Default)]
pub struct Prints {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    windows: HashSet<u64>,
    /// Short ones, by their length.
    short: HashMap<usize, HashSet<u64>>,
    /// blake3 of whole files, for pictures.
    whole: HashSet<[u8; 32]>,
    /// Files as they were when they were read.
    files: HashMap<PathBuf, (u64, Option<SystemTime>)>,
    bytes: usize,
    generation: u64,
    /// Files that are known by their path alone.
    left_out: usize,
}

impl Prints {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Take in every labelled file that is new or other than it was. Gives how many are known by their path alone.
    pub fn look(&self, labels: &Labels) -> usize {
        if labels.is_empty() {
            return 0;
        }
        let mut known = self.known();
        known.left_out = 0;
        for path in files(labels) {
            let Ok(metadata) = fs::metadata(&path) else { continue };
            let mark = (metadata.len(), metadata.modified().ok());
            if known.files.get(&path) == Some(&mark) {
                continue;
            }
            if metadata.len() > LARGEST_FILE || known.bytes > LARGEST_SUM {
                known.left_out += 1;
                continue;
            }
            let Ok(bytes) = fs::read(&path) else { continue };
            known.whole.insert(*blake3::hash(&bytes).as_bytes());
            known.take(&bytes);
            known.files.insert(path, mark);
        }
        known.left_out
    }

    /// Take in what a command printed of a labelled file, or what a tool showed of one that may be gone.
    pub fn take_shown(&self, labels: &Labels, text: &str) {
        let mut known = self.known();
        for line in text.lines().filter(|line| !is_ours(line)) {
            // `12<tab>text` and `path:12: text`: the numbers and places are ours.
            let line = match line.split_once('\t') {
                Some((number, rest)) if number.trim().parse::<u32>().is_ok() => rest,
                _ => line,
            };
            let line = match line.splitn(3, ':').collect::<Vec<_>>().as_slice() {
                [path, number, rest] if number.parse::<u32>().is_ok() && labels.covers(path.as_ref()) => rest,
                _ => line,
            };
            known.take(line.as_bytes());
        }
    }

    /// Changes whenever something was taken in.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.known().generation
    }

    /// Whether this is the content of a labelled file.
    #[must_use]
    pub fn knows(&self, content: &[u8]) -> bool {
        let known = self.known();
        !known.whole.is_empty() && known.whole.contains(blake3::hash(content).as_bytes())
    }

    /// The text with a stub in the place of each line that holds a piece, and how many stubs.
    #[must_use]
    pub fn clean<'a>(&self, text: &'a str) -> (Cow<'a, str>, usize) {
        let known = self.known();
        if known.bytes == 0 || !text.split('\n').any(|line| known.is_in(line.as_bytes())) {
            return (Cow::Borrowed(text), 0);
        }
        let mut clean = String::with_capacity(text.len());
        let (mut stubs, mut run) = (0, 0_usize);
        let end = |clean: &mut String, run: &mut usize| {
            if *run > 0 {
                let lines = if *run == 1 { "1 line".to_owned() } else { format!("{run} lines") };
                clean.push_str(&format!("[kept on this machine: {lines}]\n"));
                *run = 0;
            }
        };
        for line in text.split('\n') {
            if known.is_in(line.as_bytes()) {
                stubs += usize::from(run == 0);
                run += 1;
            } else {
                end(&mut clean, &mut run);
                clean.push_str(line);
                clean.push('\n');
            }
        }
        end(&mut clean, &mut run);
        clean.pop();
        (Cow::Owned(clean), stubs)
    }

    /// The same for every text of a value.
    #[must_use]
    pub fn clean_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.clean(text).0.into_owned()),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.clean_value(item)).collect()),
            Value::Object(map) => Value::Object(
                map.iter()
                    .map(|(key, value)| (self.clean(key).0.into_owned(), self.clean_value(value)))
                    .collect(),
            ),
            Value::Number(number) => {
                let text = number.to_string();
                match self.clean(&text) {
                    (_, 0) => value.clone(),
                    (clean, _) => Value::String(clean.into_owned()),
                }
            }
            other => other.clone(),
        }
    }
}

impl Known {
    fn take(&mut self, content: &[u8]) {
        self.bytes += content.len();
        self.generation += 1;
        for line in content.split(|byte| *byte == b'\n') {
            let line = line.trim_ascii();
            let mut said = false;
            for window in line.windows(WINDOW).filter(|window| distinct(window) >= DISTINCT) {
                said = true;
                self.windows.insert(hash(window));
            }
            // `1111-1111-1111` is a line of its own, and so is a short one.
            if !said && line.len() >= WINDOW {
                let windows = line.windows(WINDOW).filter(|window| distinct(window) >= 2);
                self.windows.extend(windows.map(hash));
            }
            self.take_short(line);
            if let Some(at) = line.iter().position(|byte| matches!(byte, b'=' | b':')) {
                let value = line[at + 1..].trim_ascii();
                let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
                let bare =
                    bare.or_else(|| value.strip_prefix(b"'").and_then(|value| value.strip_suffix(b"'")));
                self.take_short(value);
                self.take_short(bare.unwrap_or(value));
            }
        }
    }

    fn take_short(&mut self, piece: &[u8]) {
        let tells = piece.iter().any(u8::is_ascii_digit) || piece.iter().any(|byte| !byte.is_ascii());
        let word = piece.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b' ');
        if (SHORTEST..WINDOW).contains(&piece.len()) && distinct(piece) >= 2 && (tells || !word) {
            self.short.entry(piece.len()).or_default().insert(hash(piece));
        }
    }

    fn is_in(&self, line: &[u8]) -> bool {
        line.windows(WINDOW).any(|window| self.windows.contains(&hash(window)))
            || self
                .short
                .iter()
                .any(|(length, pieces)| line.windows(*length).any(|window| pieces.contains(&hash(window))))
    }
}

/// Words of ours around what a command printed.
fn is_ours(line: &str) -> bool {
    line.starts_with('[')
        || line.starts_with("(whole output")
        || line.starts_with("(no output")
        || line.starts_with("exit code ")
        || line.starts_with("… ")
}

/// Different letters and digits.
fn distinct(window: &[u8]) -> usize {
    let mut seen = [false; 256];
    let mut count = 0;
    for byte in window.iter().filter(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii()) {
        count += usize::from(!std::mem::replace(&mut seen[usize::from(*byte)], true));
    }
    count
}

/// FNV-1a with a last mixing step (splitmix64): quick, and good enough where a collision only costs a stub.
fn hash(bytes: &[u8]) -> u64 {
    let mut hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash ^ (hash >> 27)
}

/// Where patterns that count from the root begin, so that a large project is not walked for one folder of it; nothing where
/// one of them may be met anywhere.
fn bases(patterns: &[String], root: &Path) -> Option<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = Vec::new();
    for pattern in patterns {
        let anchored = pattern.trim_end_matches('/');
        let inside = anchored.strip_prefix('/').unwrap_or(anchored);
        // Without a slash before its end a pattern is a name, wherever it stands.
        if !anchored.contains('/') || inside.starts_with("**") || inside.starts_with('!') {
            return None;
        }
        let plain = inside.split('/').take_while(|part| !part.contains(['*', '?', '[', '{', '\\']));
        found.push(plain.fold(root.to_path_buf(), |path, part| path.join(part)));
    }
    found.retain(|path| path.exists());
    // What lies in another one is found there.
    let all = found.clone();
    found.retain(|path| !all.iter().any(|other| other != path && path.starts_with(other)));
    found.sort();
    found.dedup();
    Some(found)
}

/// The labelled files of the project, ignored and hidden ones included. Links are not followed: what they lead to is found
/// where it is. `.git` is left out, which keeps its objects compressed.
fn files(labels: &Labels) -> Vec<PathBuf> {
    let root = labels.root();
    let patterns = labels.patterns();
    let mut builder = GitignoreBuilder::new(root);
    let mut odd = false;
    for pattern in &patterns {
        odd |= builder.add_line(None, pattern).is_err();
    }
    let Ok(matcher) = builder.build() else { return Vec::new() };
    // A pattern that is no glob here, or of somewhere else, is left to the rules themselves.
    odd |= patterns.len() < labels.denied().len();
    let Some((first, more)) = (if odd { None } else { bases(&patterns, root) })
        .unwrap_or_else(|| vec![root.to_path_buf()])
        .split_first()
        .map(|(first, more)| (first.clone(), more.to_vec()))
    else {
        return Vec::new();
    };
    let mut walk = WalkBuilder::new(first);
    for base in more {
        walk.add(base);
    }
    walk.standard_filters(false)
        .hidden(false)
        .follow_links(false)
        .filter_entry(|entry| entry.file_name() != ".git");
    walk.build()
        .flatten()
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .take(MOST_FILES)
        .map(ignore::DirEntry::into_path)
        .filter(|path| {
            matcher.matched_path_or_any_parents(path, false).is_ignore() || (odd && labels.covers(path))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prints(content: &str) -> Prints {
        let prints = Prints::default();
        prints.known().take(content.as_bytes());
        prints
    }

    #[test]
    fn pieces_are_found_wherever_they_stand() {
        let known = prints(
            "# deploy\nAPI_KEY=q8Rk2mVx0aLw7Zt5\npin = 47-11-08\nport: 8\n----------------\n1122-1122-1122\n",
        );
        let check = |text: &str, expect: &str| assert_eq!(known.clean(text).0, expect, "{text}");
        let stub = "[kept on this machine: 1 line]";
        check("API_KEY=q8Rk2mVx0aLw7Zt5", stub);
        check("the key is q8Rk2mVx0aLw7Zt5, as said", stub);
        check("a\n     3\tAPI_KEY=q8Rk2mVx0aLw7Zt5\nb\n", &format!("a\n{stub}\nb\n"));
        check("+q8Rk2mVx0aLw7\n-R8k\n", &format!("{stub}\n-R8k\n"));
        check("its pin is 47-11-08", stub);
        check("1122-1122-1122", stub);
        check("q8Rk2mVx0aLw7Zt5\nAPI_KEY=q8Rk2mVx0aLw7Zt5\nx", "[kept on this machine: 2 lines]\nx");
        for free in ["", "\n", "port: 9", "----------------", "deploy", "fn main() {}\n\n", "q8Rk2mVx"] {
            check(free, free);
        }
        assert_eq!(known.clean("q8Rk2mVx0aLw7Zt5\nfree\nq8Rk2mVx0aLw7Zt5").1, 2);
        let value = known.clean_value(&serde_json::json!({ "a": ["q8Rk2mVx0aLw7Zt5", 7], "b": "free" }));
        assert_eq!(value, serde_json::json!({ "a": [stub, 7], "b": "free" }));
    }

    #[test]
    fn only_where_patterns_begin_is_looked() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        for path in ["secrets/deep", "a/b"] {
            std::fs::create_dir_all(root.join(path)).expect("created");
        }
        let check = |patterns: &[&str], expect: Option<&[&str]>| {
            let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
            let expect = expect.map(|paths| paths.iter().map(|path| root.join(path)).collect::<Vec<_>>());
            assert_eq!(bases(&patterns, root), expect, "{patterns:?}");
        };
        check(&["secrets/**"], Some(&["secrets"]));
        check(&["/a/b/*.pem", "secrets/**", "secrets/deep/**"], Some(&["a/b", "secrets"]));
        check(&["/gone/**"], Some(&[]));
        check(&["a/*/c"], Some(&["a"]));
        check(&["secrets/**", "*.pem"], None);
        check(&["secrets/**", "secrets"], None);
        check(&["**/key"], None);
        check(&["/**"], None);
    }

    #[test]
    fn without_labels_nothing_is_taken_out() {
        let none = Prints::default();
        assert_eq!(none.clean("q8Rk2mVx0aLw7Zt5").1, 0);
        assert!(!none.knows(b""));
    }
}
