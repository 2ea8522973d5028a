//! Owns a file as it is on disk, beside what the index knows of it.
//! Uses the stat of the manifest: what is unchanged is not parsed again.
//! Never follows a link and never reads beyond the limit of the index.

use std::fs;

use crate::engine::{Engine, Snapshot};
use crate::manifest::Record;
use crate::parse::{LineIndex, Tag, Tags, languages};
use crate::refresh::{is_current, is_known, text_of};
use crate::store::{Failure, Spot};

/// The text of a file and the definitions in it, both of now.
pub(crate) struct Source {
    pub(crate) text: String,
    pub(crate) lines: LineIndex,
    pub(crate) definitions: Vec<Tag>,
}

impl Source {
    /// A text that was just read. `spot` is the document of its file, `None` for a file that has none.
    pub(crate) fn of_text(
        engine: &Engine,
        snapshot: &Snapshot,
        spot: Option<Spot>,
        record: &Record,
        text: String,
    ) -> Result<Self, Failure> {
        let known = spot
            .filter(|_| is_current(&engine.root, record) == Some(true) || is_known(record, text.as_bytes()));
        let definitions = match known {
            Some(spot) => Tags::decode_definitions(&snapshot.view.stored(spot)?).unwrap_or_default(),
            None => parse(&record.path, &text).definitions,
        };
        Ok(Self { lines: LineIndex::new(&text), text, definitions })
    }

    /// Only the definitions, for which an unchanged file is not opened. `None` when it is gone.
    pub(crate) fn definitions(
        engine: &Engine,
        snapshot: &Snapshot,
        spot: Spot,
        record: &Record,
    ) -> Result<Option<Vec<Tag>>, Failure> {
        Ok(match is_current(&engine.root, record) {
            Some(true) => Some(Tags::decode_definitions(&snapshot.view.stored(spot)?).unwrap_or_default()),
            Some(false) => fresh(engine, record).map(|tags| tags.definitions),
            None => None,
        })
    }

    /// The innermost definition with a body around a line.
    pub(crate) fn enclosing(&self, line: u32) -> Option<&Tag> {
        self.definitions
            .iter()
            .take_while(|tag| tag.start_line <= line)
            .filter(|tag| tag.end_line >= line && (tag.is_symbol() || tag.kind == "test"))
            .filter(|tag| !matches!(tag.kind, "field" | "variant"))
            .last()
    }
}

/// The record of a path as answers show it.
pub(crate) fn record_at<'a>(snapshot: &'a Snapshot, path: &str) -> Option<&'a Record> {
    let records = &snapshot.manifest.records;
    records
        .get(records.partition_point(|record| record.path.as_str() < path))
        .filter(|record| record.path == path)
}

/// What a file says as it is on disk.
pub(crate) fn fresh(engine: &Engine, record: &Record) -> Option<Tags> {
    Some(parse(&record.path, &read(engine, record)?))
}

/// The symbols of a text.
pub(crate) fn parse(path: &str, text: &str) -> Tags {
    crate::parse::tags(text, languages::of(path, text), crate::rank::is_test_path(path))
}

/// The text of a file on disk, within the limits of the index.
pub(crate) fn read(engine: &Engine, record: &Record) -> Option<String> {
    let path = engine.root.join(&record.raw);
    let metadata = fs::symlink_metadata(&path).ok()?;
    if !metadata.is_file() || metadata.len() > engine.options.max_file_bytes {
        return None;
    }
    text_of(fs::read(path).ok()?).ok()
}

/// A line as answers show it: trimmed, and not longer than anyone would read.
pub(crate) fn shown(line: &str) -> String {
    let line = line.trim();
    match line.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
