//! Owns the map of the repository in the head: made once, and kept until too little of it is true.
//! Uses the index as it was left, so that no session waits for it.
//! Never changes with every edit: a head that changes has to be read anew.

use std::fs;
use std::path::Path;

use loci_index::{Index, MapQuery};

use super::budget::Meter;
use crate::atomic;

/// A kept map is shown as long as so large a part of its lines still stands in a map twice as large.
const STILL_TRUE: f64 = 0.9;

/// The map that is kept in this file, or a new one where there is none or too little of it is true. `None` while
/// nothing is indexed.
pub(crate) fn stable(index: &Index, file: &Path, tokens: usize, meter: &Meter) -> Option<String> {
    let now = |tokens: usize| {
        let query = MapQuery { tokens, ..MapQuery::default() };
        index.map(&query, &|text| meter.text(text)).ok().map(|map| without_numbers(&map.text))
    };
    if let Ok(kept) = fs::read_to_string(file) {
        let larger = now(tokens * 2)?;
        let true_lines: std::collections::HashSet<&str> = larger.lines().collect();
        let lines = kept.lines().count();
        let still = kept.lines().filter(|line| true_lines.contains(line)).count();
        if lines > 0 && still as f64 >= lines as f64 * STILL_TRUE {
            return Some(kept);
        }
    }
    let map = now(tokens).filter(|map| !map.is_empty())?;
    // What cannot be kept is made again next time.
    let kept = file.parent().map(fs::create_dir_all).and_then(Result::ok);
    if kept.is_some() {
        let _ = atomic::write(file, map.as_bytes());
    }
    Some(map)
}

/// A map without the numbers of its lines, which every edit above them would change.
fn without_numbers(map: &str) -> String {
    let mut text = String::with_capacity(map.len());
    for line in map.lines() {
        let bare = match line.split_at_checked(5) {
            Some((number, rest)) if number.trim().parse::<u32>().is_ok() => format!(" {}", rest.trim_end()),
            _ => line.to_owned(),
        };
        text.push_str(&bare);
        text.push('\n');
    }
    text
}
