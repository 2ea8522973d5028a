//! Owns the skeleton of a file: its definitions in order, or the headings of a document.
//! Uses `parse`.
//! Never reads the store: an outline is of the text as it is now.

use crate::parse::{Tag, Tags, languages};
use crate::{Definition, OutlineItem};

/// The outline of a text.
pub(crate) fn outline(path: &str, text: &str) -> Vec<OutlineItem> {
    let language = languages::of(path, text);
    let Tags { definitions, .. } = crate::parse::tags(text, language, crate::rank::is_test_path(path));
    definitions
        .into_iter()
        .map(|tag| OutlineItem { depth: tag.depth, definition: definition(path, tag) })
        .collect()
}

/// A tag as answers show it.
pub(crate) fn definition(path: &str, tag: Tag) -> Definition {
    Definition {
        name: tag.name,
        kind: tag.kind.to_owned(),
        path: path.to_owned(),
        line: tag.line,
        end_line: tag.end_line,
        signature: tag.signature,
        parent: tag.parent,
        doc: tag.doc,
        is_test: tag.is_test,
    }
}

/// The headings of a Markdown text, each reaching to the next of its rank. Fenced code has none.
pub(crate) fn headings(text: &str) -> Vec<Tag> {
    let mut tags: Vec<Tag> = Vec::new();
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut fence: Option<&str> = None;
    let mut number = 0u32;
    let close = |tags: &mut Vec<Tag>, open: &mut Vec<(usize, usize)>, rank: usize, last: u32| {
        while let Some(&(index, inner)) = open.last() {
            if inner < rank {
                break;
            }
            tags[index].end_line = last;
            open.pop();
        }
    };
    for line in text.lines() {
        number = number.saturating_add(1);
        let trimmed = line.trim_start();
        if let Some(mark) = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark)) {
            match fence {
                None => fence = Some(mark),
                Some(opened) if opened == mark => fence = None,
                Some(_) => {}
            }
            continue;
        }
        let rank = trimmed.bytes().take_while(|&byte| byte == b'#').count();
        let name = trimmed.get(rank..).unwrap_or_default();
        if fence.is_some()
            || !(1..=6).contains(&rank)
            || !name.starts_with([' ', '\t'])
            || line.len() - trimmed.len() > 3
        {
            continue;
        }
        let name = name.trim().trim_end_matches('#').trim();
        close(&mut tags, &mut open, rank, number - 1);
        let parent = open.last().map(|&(index, _)| tags[index].name.clone());
        let depth = u32::try_from(open.len()).unwrap_or(0);
        open.push((tags.len(), rank));
        tags.push(Tag {
            name: name.to_owned(),
            kind: "heading",
            start_line: number,
            line: number,
            end_line: number,
            signature: trimmed.trim_end().to_owned(),
            parent,
            depth,
            doc: None,
            is_test: false,
        });
    }
    close(&mut tags, &mut open, 0, number);
    tags
}
