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
