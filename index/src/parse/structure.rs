//! Owns the structure of documents and data: headings, keys, selectors, tables, targets.
//! Uses lines and brackets only: such files are half-written, mixed with templates and of many dialects, and need no grammar.
//! Never finds uses.

mod build;
mod data;
mod markup;
mod protobuf;
mod sql;
mod style;

use super::{LineIndex, Tag, Tags};

pub(super) use build::{docker, just, make};
pub(super) use data::{json, toml, yaml};
pub(super) use markup::{html, markdown, scripts};
pub(super) use protobuf::protobuf;
pub(super) use sql::sql;
pub(super) use style::css;

/// More items than this say nothing about a file: it is data. A lock file of 1,000 packages has that many tables.
const MOST_ITEMS: usize = 2_000;
/// Names longer than this are texts.
const LONGEST_NAME: usize = 120;

/// The structure of a text, as its reader finds it.
pub(super) fn tags(
    text: &str,
    read: fn(&str) -> Vec<Tag>,
    comments: &super::languages::Comments,
    path_is_test: bool,
) -> Tags {
    let mut definitions = read(text);
    let lines = LineIndex::new(text);
    for tag in &mut definitions {
        tag.is_test = path_is_test;
        // What is still open at the end may count the line that a last line break would begin.
        tag.end_line = tag.end_line.min(lines.count().max(tag.line));
        if tag.kind != "heading" {
            let above = super::signature::above(text, &lines, tag.start_line, tag.line, comments);
            tag.doc = tag.doc.take().or(above.doc);
        }
    }
    Tags { definitions, uses: Vec::new() }
}

/// Items in the order of their lines, nested by rank or by brackets.
#[derive(Debug, Default)]
struct Items {
    tags: Vec<Tag>,
    /// Those that are not closed: their places, and their ranks.
    open: Vec<(usize, usize)>,
}

impl Items {
    /// Add an item, below those of a lower rank. Items of its rank or a higher one end on the line before.
    fn push(&mut self, rank: usize, kind: &'static str, name: &str, line: u32, signature: &str) {
        self.close(rank, line.saturating_sub(1));
        if self.is_full() || name.is_empty() || name.len() > LONGEST_NAME {
            return;
        }
        let parent = self.open.last().map(|&(at, _)| self.tags[at].name.clone());
        let depth = u32::try_from(self.open.len()).unwrap_or(0);
        self.open.push((self.tags.len(), rank));
        self.tags.push(Tag {
            name: name.to_owned(),
            kind,
            start_line: line,
            line,
            end_line: line,
            signature: signature.chars().take(200).collect(),
            parent,
            depth,
            doc: None,
            is_test: false,
        });
    }

    /// End the items of a rank and those below it.
    fn close(&mut self, rank: usize, last: u32) {
        while let Some(&(at, inner)) = self.open.last() {
            if inner < rank {
                break;
            }
            let tag = &mut self.tags[at];
            tag.end_line = last.max(tag.line);
            self.open.pop();
        }
    }

    fn is_full(&self) -> bool {
        self.tags.len() >= MOST_ITEMS
    }

    /// All items. A file that is full of them is data, and is described by its upper level.
    fn finish(mut self, last: u32) -> Vec<Tag> {
        self.close(0, last);
        if self.is_full() {
            self.tags.retain(|tag| tag.depth == 0);
        }
        self.tags
    }
}

/// Lines with their numbers, from 1.
fn numbered(text: &str) -> impl Iterator<Item = (u32, &str)> {
    text.lines().enumerate().map(|(at, line)| (u32::try_from(at + 1).unwrap_or(u32::MAX), line))
}

/// How many lines a text has.
fn count(text: &str) -> u32 {
    LineIndex::new(text).count()
}

/// The identifier a text starts with, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let end = text
        .find(|character: char| !(character.is_alphanumeric() || matches!(character, '_' | '-' | '$')))
        .unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests;
