//! Owns the map of the repository in the head: made once, and kept until too little of it is true.
//! Uses the index as it was left, so that no session waits for it.
//! Never changes with every edit: a head that changes has to be read anew.

use std::fs;
use std::path::Path;

use loci_index::{Index, MapQuery};

use super::budget::Meter;
use crate::atomic;

/// A kept map is shown as long as all of its files and so large a part of its lines still stand in a map twice as large.
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
        // A file that is gone, or that may no longer be read, takes its lines with it.
        let files = kept.lines().filter(|line| !line.starts_with(' ')).all(|path| true_lines.contains(path));
        if lines > 0 && files && still as f64 >= lines as f64 * STILL_TRUE {
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_kept_while_its_files_may_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let (root, kept) = (folder.path().join("project"), folder.path().join("maps/map.txt"));
        fs::create_dir_all(&root).unwrap();
        let source =
            |name: &str| format!("pub fn open_{name}() {{}}\npub fn close_{name}() {{ open_{name}() }}\n");
        for name in ["door", "gate", "vault"] {
            fs::write(root.join(format!("{name}.rs")), source(name)).unwrap();
        }
        let map = |deny: &[&str]| {
            let options = loci_index::Options {
                cache_dir: folder.path().join(format!("index-{}", deny.len())),
                max_file_bytes: 1 << 20,
                deny: deny.iter().map(ToString::to_string).collect(),
            };
            let index = Index::open(&root, options).unwrap();
            index.refresh(&mut |_| {}).unwrap();
            stable(&index, &kept, 400, &Meter::bytes())
        };
        let first = map(&[]).unwrap();
        assert!(first.contains("vault.rs") && first.contains("open_gate"), "{first}");
        // Lines that only moved change nothing.
        fs::write(root.join("gate.rs"), format!("// above\n\n{}", source("gate"))).unwrap();
        assert_eq!(map(&[]).unwrap(), first);
        // One of three files is more than what may be untrue, and even one line of it must not be shown.
        let denied = map(&["vault.rs"]).unwrap();
        assert!(!denied.contains("vault") && denied.contains("door.rs"), "{denied}");
    }
}
