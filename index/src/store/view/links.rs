//! Owns which files use names that other files define, for the whole tree at once.
//! Uses the term dictionaries and postings of definitions and uses; no stored document is read.
//! Never says which of several definitions is meant: a name that too many files define is left out.

use tantivy::postings::Postings;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet, TERMINATED};

use super::View;
use crate::store::Failure;

/// A file by its place among the live ones.
pub(crate) type FileNumber = u32;

/// A name that some files define and other files use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) definers: Vec<FileNumber>,
    /// Files that use it without defining it, and how often.
    pub(crate) users: Vec<(FileNumber, u32)>,
}

/// All links of a tree.
#[derive(Debug, Clone, Default)]
pub(crate) struct Links {
    /// By file number.
    pub(crate) keys: Vec<u64>,
    /// By name.
    pub(crate) links: Vec<Link>,
}

impl View {
    /// See [`super::Documents::links`].
    pub(super) fn links(&self, most: usize) -> Result<Links, Failure> {
        let mut numbers: Vec<Vec<FileNumber>> = Vec::with_capacity(self.tables.len());
        let mut keys = Vec::new();
        for (table, live) in self.tables.iter().zip(self.live.iter()) {
            let mut row = vec![FileNumber::MAX; table.files.len()];
            for (at, _) in live.iter().enumerate().filter(|(_, live)| **live) {
                row[at] = FileNumber::try_from(keys.len()).unwrap_or(FileNumber::MAX);
                keys.push(table.files[at].key);
            }
            numbers.push(row);
        }
        let mut links: Vec<Link> = Vec::new();
        let mut defined: Vec<(Box<[u8]>, FileNumber)> = Vec::new();
        for (segment, reader) in self.searcher.segment_readers().iter().enumerate() {
            let inverted = reader.inverted_index(self.fields.definition)?;
            let mut stream = inverted.terms().stream()?;
            while let Some((name, info)) = stream.next() {
                if name.len() < 3 {
                    continue;
                }
                let mut postings = inverted.read_postings_from_terminfo(info, IndexRecordOption::Basic)?;
                let mut last = FileNumber::MAX;
                while postings.doc() != TERMINATED {
                    let number = self.number(&numbers, segment, postings.doc());
                    if number != FileNumber::MAX && number != last {
                        defined.push((name.into(), number));
                        last = number;
                    }
                    postings.advance();
                }
            }
        }
        defined.sort_unstable();
        for group in defined.chunk_by(|one, other| one.0 == other.0).filter(|group| group.len() <= most) {
            let Ok(name) = std::str::from_utf8(&group[0].0) else { continue };
            let definers = group.iter().map(|(_, number)| *number).collect();
            links.push(Link { name: name.to_owned(), definers, users: Vec::new() });
        }
        for (segment, reader) in self.searcher.segment_readers().iter().enumerate() {
            let inverted = reader.inverted_index(self.fields.reference)?;
            let mut stream = inverted.terms().stream()?;
            let mut at = 0;
            while let Some((name, info)) = stream.next() {
                while links.get(at).is_some_and(|link| link.name.as_bytes() < name) {
                    at += 1;
                }
                let Some(link) = links.get_mut(at) else { break };
                if link.name.as_bytes() != name {
                    continue;
                }
                let mut postings =
                    inverted.read_postings_from_terminfo(info, IndexRecordOption::WithFreqs)?;
                while postings.doc() != TERMINATED {
                    let number = self.number(&numbers, segment, postings.doc());
                    if number != FileNumber::MAX && !link.definers.contains(&number) {
                        link.users.push((number, postings.term_freq()));
                    }
                    postings.advance();
                }
            }
        }
        links.retain(|link| !link.users.is_empty());
        Ok(Links { keys, links })
    }

    /// See [`super::Documents::each_defined`].
    pub(super) fn each_defined(&self, each: &mut dyn FnMut(&str)) -> Result<(), Failure> {
        for reader in self.searcher.segment_readers() {
            let inverted = reader.inverted_index(self.fields.definition)?;
            let mut stream = inverted.terms().stream()?;
            while stream.advance() {
                if let Ok(name) = std::str::from_utf8(stream.key()) {
                    each(name);
                }
            }
        }
        Ok(())
    }

    fn number(&self, numbers: &[Vec<FileNumber>], segment: usize, document: u32) -> FileNumber {
        let file = self.tables[segment].file_of.get(document as usize).copied().unwrap_or(u32::MAX);
        numbers[segment].get(file as usize).copied().unwrap_or(FileNumber::MAX)
    }
}
