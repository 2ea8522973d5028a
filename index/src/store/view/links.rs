//! Owns which files use names that other files define, for the whole tree at once.
//! Uses the term dictionaries and postings of definitions and uses; no stored document is read.
//! Never says which of several definitions is meant: a name that too many files define is left out.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tantivy::postings::Postings;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet, SegmentReader, TERMINATED};

use super::View;
use crate::store::Failure;
use crate::walk;

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

/// A name and a file that defines it.
type Defined<'a> = (&'a [u8], FileNumber);

/// Names with their files, one after the other in one allocation: there are a hundred thousand of them.
#[derive(Debug, Default)]
struct Names {
    bytes: Vec<u8>,
    /// Where each name ends, and its file.
    ends: Vec<(usize, FileNumber)>,
}

impl Names {
    fn push(&mut self, name: &[u8], number: FileNumber) {
        self.bytes.extend_from_slice(name);
        self.ends.push((self.bytes.len(), number));
    }

    fn iter(&self) -> impl Iterator<Item = Defined<'_>> {
        let mut start = 0;
        self.ends.iter().map(move |&(end, number)| {
            let name = &self.bytes[start..end];
            start = end;
            (name, number)
        })
    }
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
        let parts = self.each_segment(|segment, reader| self.defined_in(segment, reader, &numbers))?;
        let mut defined: Vec<Defined<'_>> = parts.iter().flat_map(Names::iter).collect();
        // Each segment's names are in order; the stable sort merges such runs.
        defined.sort();
        let groups: Vec<&[Defined<'_>]> = defined
            .chunk_by(|one, other| one.0 == other.0)
            .filter(|group| group.len() <= most && std::str::from_utf8(group[0].0).is_ok())
            .collect();
        let mut used =
            self.each_segment(|segment, reader| self.users_in(segment, reader, &numbers, &groups))?.concat();
        used.sort_by_key(|(at, ..)| *at);
        let link = |users: &[(usize, FileNumber, u32)]| {
            let group = groups[users[0].0];
            Link {
                name: String::from_utf8_lossy(group[0].0).into_owned(),
                definers: group.iter().map(|(_, number)| *number).collect(),
                users: users.iter().map(|(_, number, times)| (*number, *times)).collect(),
            }
        };
        let links = used.chunk_by(|one, other| one.0 == other.0).map(link).collect();
        Ok(Links { keys, links })
    }

    /// Do something in each segment, on all cores.
    fn each_segment<T: Send>(
        &self,
        work: impl Fn(usize, &SegmentReader) -> Result<T, Failure> + Sync,
    ) -> Result<Vec<T>, Failure> {
        let segments = self.searcher.segment_readers();
        let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(segments.len())));
        std::thread::scope(|scope| {
            for _ in 0..walk::threads().min(segments.len()) {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(segment) = segments.get(at) else { break };
                        let result = work(at, segment);
                        done.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        // In the order of segments, so that the same tree gives the same answer.
        done.sort_by_key(|(at, _)| *at);
        done.into_iter().map(|(_, result)| result).collect()
    }

    /// The names that a segment's files define.
    fn defined_in(
        &self,
        segment: usize,
        reader: &SegmentReader,
        numbers: &[Vec<FileNumber>],
    ) -> Result<Names, Failure> {
        let mut defined = Names::default();
        let inverted = reader.inverted_index(self.fields.definition)?;
        let mut stream = inverted.terms().stream()?;
        while let Some((name, info)) = stream.next() {
            if name.len() < 3 {
                continue;
            }
            let mut postings = inverted.read_postings_from_terminfo(info, IndexRecordOption::Basic)?;
            let mut last = FileNumber::MAX;
            while postings.doc() != TERMINATED {
                let number = self.number(numbers, segment, postings.doc());
                if number != FileNumber::MAX && number != last {
                    defined.push(name, number);
                    last = number;
                }
                postings.advance();
            }
        }
        Ok(defined)
    }

    /// Which names a segment's files use without defining them: the group's place, the file, how often.
    fn users_in(
        &self,
        segment: usize,
        reader: &SegmentReader,
        numbers: &[Vec<FileNumber>],
        groups: &[&[Defined<'_>]],
    ) -> Result<Vec<(usize, FileNumber, u32)>, Failure> {
        let mut users = Vec::new();
        let inverted = reader.inverted_index(self.fields.reference)?;
        let mut stream = inverted.terms().stream()?;
        let mut at = 0;
        while let Some((name, info)) = stream.next() {
            while groups.get(at).is_some_and(|group| group[0].0 < name) {
                at += 1;
            }
            let Some(group) = groups.get(at) else { break };
            if group[0].0 != name {
                continue;
            }
            let mut postings = inverted.read_postings_from_terminfo(info, IndexRecordOption::WithFreqs)?;
            while postings.doc() != TERMINATED {
                let number = self.number(numbers, segment, postings.doc());
                if number != FileNumber::MAX && group.iter().all(|(_, definer)| *definer != number) {
                    users.push((at, number, postings.term_freq()));
                }
                postings.advance();
            }
        }
        Ok(users)
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
