//! Owns what is known of each document of a segment without asking the segment: its file, its span, the file's length.
//! Uses the columns and lengths of a segment, read once.
//! Never changes: a segment does not either.

use tantivy::SegmentReader;
use tantivy::schema::Field;

use super::{Facts, Failure, Fields, unpack};

/// The fields that are scored by words, in the order of [`FileRow::tokens`].
pub(super) const SCORED: usize = 4;

/// One file of a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileRow {
    /// 0 when it was deleted.
    pub(super) key: u64,
    /// Its own document; its chunks follow.
    pub(super) first: u32,
    /// How many documents it has.
    pub(super) documents: u32,
    /// The terms of each scored field, all documents together.
    pub(super) tokens: [u32; SCORED],
}

/// A segment's files and spans.
#[derive(Debug)]
pub(super) struct Table {
    /// By document: its place in `files`.
    pub(super) file_of: Vec<u32>,
    /// By document, packed.
    spans: Vec<u64>,
    pub(super) files: Vec<FileRow>,
}

impl Table {
    /// Read a segment's columns. The documents of a file stand together, the file's own first.
    pub(super) fn read(reader: &SegmentReader, fields: &Fields) -> Result<Self, Failure> {
        let columns = reader.fast_fields();
        let (keys, packed) = (columns.u64("key")?, columns.u64("span")?);
        let scored: [Field; SCORED] = [fields.body, fields.symbols, fields.path, fields.doc];
        let mut lengths = Vec::with_capacity(SCORED);
        for field in scored {
            lengths.push(reader.get_fieldnorms_reader(field)?);
        }
        let documents = reader.max_doc();
        let mut table = Self {
            file_of: Vec::with_capacity(documents as usize),
            spans: Vec::with_capacity(documents as usize),
            files: Vec::new(),
        };
        for document in 0..documents {
            let span = packed.first(document).unwrap_or_default();
            if unpack(0, span).is_file() || table.files.is_empty() {
                let key =
                    if reader.is_deleted(document) { 0 } else { keys.first(document).unwrap_or_default() };
                table.files.push(FileRow { key, first: document, documents: 0, tokens: [0; SCORED] });
            }
            let place = table.files.len() - 1;
            let row = &mut table.files[place];
            row.documents += 1;
            for (sum, length) in row.tokens.iter_mut().zip(&lengths) {
                *sum = sum.saturating_add(length.fieldnorm(document));
            }
            table.file_of.push(u32::try_from(place).unwrap_or(u32::MAX));
            table.spans.push(span);
        }
        Ok(table)
    }

    /// The file a document belongs to.
    pub(super) fn file(&self, document: u32) -> Option<&FileRow> {
        self.files.get(*self.file_of.get(document as usize)? as usize)
    }

    /// What is known of a document.
    pub(super) fn facts(&self, document: u32) -> Facts {
        let key = self.file(document).map_or(0, |file| file.key);
        unpack(key, self.spans.get(document as usize).copied().unwrap_or_default())
    }
}
