//! Random changes of a tree: an index that was kept up answers as one that is new.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use loci_index::{Index, Options};

use crate::{Stage, refresh, search};

/// What may be spent on it.
const BUDGET: Duration = Duration::from_secs(6);

struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

fn listing(index: &Index) -> Vec<(String, u64, Option<String>)> {
    index.files().expect("files").into_iter().map(|file| (file.path, file.bytes, file.skipped)).collect()
}

/// A word of letters only: digits are words of their own.
fn word(number: usize) -> String {
    number.to_string().bytes().map(|digit| char::from(b'g' + (digit - b'0'))).chain("zqzq".chars()).collect()
}

struct Tree<'a> {
    stage: &'a Stage,
    numbers: Numbers,
    words: usize,
    changed: Vec<String>,
}

impl Tree<'_> {
    fn path(&mut self) -> String {
        let folders = ["", "a/", "a/b/", "c/", "a/b/d/", "e.rs/"];
        let folder = folders[self.numbers.below(folders.len())];
        let endings = ["rs", "py", "txt", "md"];
        let (number, ending) = (self.numbers.below(6), endings[self.numbers.below(4)]);
        format!("{folder}file{number}.{ending}")
    }

    fn text(&mut self) -> String {
        self.words += 1;
        // Now and then what another file had, too.
        let number = if self.numbers.below(4) == 0 { self.numbers.below(self.words) } else { self.words };
        format!("fn {}() {{}}\n", word(number))
    }

    fn step(&mut self) {
        let root = self.stage.root();
        let path = self.path();
        let full = root.join(&path);
        match self.numbers.below(12) {
            0..=4 => {
                let text = self.text();
                if fs::create_dir_all(full.parent().expect("a parent")).is_ok() {
                    // A folder may stand where the file should.
                    drop(fs::write(&full, text));
                }
                self.changed.push(path);
            }
            5 => {
                drop(fs::remove_file(&full));
                self.changed.push(path);
            }
            6 => {
                let to = self.path();
                drop(fs::rename(&full, root.join(&to)));
                self.changed.extend([path, to]);
            }
            7 => {
                let folders = ["a", "a/b", "c", "e.rs"];
                let (from, to) = (self.numbers.below(4), self.numbers.below(4));
                drop(fs::rename(root.join(folders[from]), root.join(folders[to])));
                self.changed.extend([folders[from].to_owned(), folders[to].to_owned()]);
            }
            8 => {
                let folder = ["", "a/", "c/"][self.numbers.below(3)];
                let rule =
                    ["*.py\n", "b/\n", "file3.*\n", "", "!file3.rs\nfile1.rs\n"][self.numbers.below(5)];
                let ignore = root.join(format!("{folder}.gitignore"));
                drop(if rule.is_empty() { fs::remove_file(ignore) } else { fs::write(ignore, rule) });
                // Only a sweep can tell what else this means.
                self.changed.clear();
            }
            9 => {
                // As a checkout does: the content of two files is swapped, without a change of size.
                let other = root.join(self.path());
                if let (Ok(one), Ok(two)) = (fs::read(&full), fs::read(&other)) {
                    drop(fs::write(&full, two));
                    drop(fs::write(&other, one));
                }
                self.changed.clear();
            }
            10 => {
                drop(fs::remove_dir_all(root.join(["a/b/d", "c", "e.rs"][self.numbers.below(3)])));
                self.changed.clear();
            }
            _ => drop(fs::write(&full, b"\0binary")),
        }
    }
}

fn fresh(stage: &Stage, number: usize) -> (Index, PathBuf) {
    let cache = stage.folder.path().join(format!("fresh{number}"));
    let options = Options { cache_dir: cache.clone(), ..stage.options() };
    let index = Index::open(&stage.root(), options).expect("an index");
    refresh(&index);
    (index, cache)
}

fn compare(kept: &Index, stage: &Stage, words: usize, round: usize, who: &str) {
    let (new, cache) = fresh(stage, round);
    assert_eq!(listing(kept), listing(&new), "{who}, round {round}");
    for number in (1..=words).rev().take(25) {
        let word = word(number);
        let sorted = |index: &Index| {
            let mut hits = search(index, &word);
            hits.sort();
            hits
        };
        assert_eq!(sorted(kept), sorted(&new), "{who}, round {round}, {word}");
        assert_eq!(kept.defines(&word), new.defines(&word), "{who}, round {round}, {word}");
    }
    remove(&cache);
}

fn remove(folder: &Path) {
    fs::remove_dir_all(folder).expect("a removal");
}

#[test]
fn whatever_happens_to_a_tree_the_index_is_as_a_new_one() {
    let stage = Stage::new(&[("file0.rs", "fn begun() {}\n")]);
    let (swept, _) = stage.built();
    let watched = stage.open();
    if let Err(reason) = watched.watch() {
        eprintln!("swept only: {reason}");
    }
    let mut tree =
        Tree { stage: &stage, numbers: Numbers(0x9e37_79b9_7f4a_7c15), words: 0, changed: Vec::new() };
    let begun = Instant::now();
    let mut round = 0;
    while begun.elapsed() < BUDGET {
        round += 1;
        for _ in 0..=tree.numbers.below(4) {
            tree.step();
        }
        match round % 3 {
            0 => {
                refresh(&watched);
                compare(&watched, &stage, tree.words, round, "watched");
            }
            1 => {
                refresh(&swept);
                compare(&swept, &stage, tree.words, round, "swept");
            }
            _ => {
                let changed = std::mem::take(&mut tree.changed);
                swept.update(&changed).expect("an update");
                let (new, cache) = fresh(&stage, round);
                // What an update was told of is right at once.
                for (path, ..) in listing(&new).iter().filter(|(path, ..)| changed.contains(path)) {
                    assert!(listing(&swept).iter().any(|(one, ..)| one == path), "{path}, round {round}");
                }
                remove(&cache);
            }
        }
        tree.changed.clear();
    }
    assert!(round > 10, "only {round} rounds");
}
