//! Owns which places an answer may cite: those that a tool's result of this session named.
//! Uses the locations, evidence and text of results.
//! Never reads a file to make a citation true.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use loci_protocol::Location;
use regex::Regex;

/// Every place that results of the session named.
#[derive(Debug, Default)]
pub(crate) struct Named {
    lines: HashMap<String, HashSet<u32>>,
}

/// `path:line` with a path that has a dot or a slash in it. A literal pattern; it compiles, as a test shows.
static PLACE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"([A-Za-z0-9_@+~./\\-]*[./\\][A-Za-z0-9_@+~./\\-]*[A-Za-z0-9_]):(\d{1,7})").ok()
});

/// A line that begins with its number, as `read` shows them.
static NUMBERED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?m)^ *(\d{1,7})(?:\t|[:|] ?|  ?)").ok());

/// All `path:line` places in a text, in order, once each.
pub(crate) fn places_in(text: &str) -> Vec<Location> {
    let mut places = Vec::new();
    let found = PLACE.iter().flat_map(|pattern| pattern.captures_iter(text));
    for capture in found {
        let path = capture[1].trim_start_matches("./").replace('\\', "/");
        if let Ok(line) = capture[2].parse()
            && line > 0
        {
            let place = Location { path, line };
            if !places.contains(&place) {
                places.push(place);
            }
        }
    }
    places
}

impl Named {
    /// Take in what a result named outright.
    pub(crate) fn add<'a>(&mut self, places: impl IntoIterator<Item = &'a Location>) {
        for place in places {
            self.lines.entry(place.path.clone()).or_default().insert(place.line);
        }
    }

    /// Take in the text of a result: the places in it, and for a result about one file its numbered lines.
    pub(crate) fn add_text(&mut self, text: &str, file: Option<&str>) {
        self.add(&places_in(text));
        let Some(file) = file else { return };
        let numbers = NUMBERED
            .iter()
            .flat_map(|pattern| pattern.captures_iter(text))
            .filter_map(|capture| capture[1].parse::<u32>().ok());
        self.lines.entry(file.trim_start_matches("./").to_owned()).or_default().extend(numbers);
    }

    /// Whether a result named this place.
    pub(crate) fn holds(&self, place: &Location) -> bool {
        self.lines.get(&place.path).is_some_and(|lines| lines.contains(&place.line))
    }

    /// The places of an answer that may stand, and those that no result named.
    pub(crate) fn judge(&self, answer: &str, root: &str) -> (Vec<Location>, Vec<Location>) {
        let inside = format!("{}/", root.trim_end_matches('/'));
        places_in(answer)
            .into_iter()
            .map(|place| Location {
                path: place.path.strip_prefix(&inside).unwrap_or(&place.path).to_owned(),
                line: place.line,
            })
            // `host:8080` and `1.2.3.4:80` look like places; a path that no result mentions at all and that has
            // no folder and no known extension is not worth a warning.
            .filter(|place| self.lines.contains_key(&place.path) || looks_like_a_file(&place.path))
            .partition(|place| self.holds(place))
    }
}

fn looks_like_a_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = name.rsplit_once('.').map(|(_, extension)| extension).unwrap_or_default();
    let letters =
        !extension.is_empty() && extension.len() <= 5 && extension.chars().any(|c| c.is_ascii_alphabetic());
    letters && !matches!(extension, "com" | "org" | "net" | "io" | "dev" | "local")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_in_prose() {
        let check = |text: &str, expect: &[&str]| {
            let found: Vec<String> = places_in(text).iter().map(ToString::to_string).collect();
            assert_eq!(found, expect, "{text}");
        };
        check("It is in `src/lib.rs:12`, and (./a/b.py:3-9).", &["src/lib.rs:12", "a/b.py:3"]);
        check("[main.rs:1](src/main.rs:1) main.rs:1", &["main.rs:1", "src/main.rs:1"]);
        check("no place here: 12, foo:bar, std::fmt:5x", &[]);
    }

    #[test]
    fn only_named_places_may_be_cited() {
        let mut named = Named::default();
        named.add(&[Location { path: "src/lib.rs".into(), line: 4 }]);
        named.add_text("  10  fn main() {\n  11  }\n", Some("src/main.rs"));
        named.add_text("tests/a.rs:7: assert!(true)", None);
        let (good, bad) = named.judge(
            "src/lib.rs:4, /srv/repo/src/main.rs:11, tests/a.rs:7, but src/lib.rs:5 and other.rs:1; not localhost:80 or example.com:80",
            "/srv/repo",
        );
        let show =
            |places: Vec<Location>| places.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(show(good), "src/lib.rs:4 src/main.rs:11 tests/a.rs:7");
        assert_eq!(show(bad), "src/lib.rs:5 other.rs:1");
    }
}
