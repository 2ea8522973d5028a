//! Owns the documents of one commit that belong to one tree: what can be asked of them.
//! Uses postings directly: the documents of other trees and of the past are left out while they are counted.
//! Never decides what ranks higher.

pub(super) mod links;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use tantivy::postings::Postings;
use tantivy::schema::{Field, IndexRecordOption, Value};
use tantivy::{DocAddress, DocSet, Searcher, TERMINATED, TantivyDocument, Term};

use super::documents::{Documents, Found};
use super::table::{SCORED, Table};
use super::{Ask, Facts, Failure, Fields, Place, Spot, UsesInFile};

/// Keys are hashes already.
#[derive(Debug, Default)]
pub(crate) struct Unhashed(u64);

impl Hasher for Unhashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0 << 8 ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// A map by key.
pub(crate) type ByKey<T> = HashMap<u64, T, BuildHasherDefault<Unhashed>>;

/// How many live documents there are, and how many terms they have.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) files: f32,
    pub(super) chunks: f32,
    pub(super) tokens: [f32; SCORED],
}

/// The documents as of one commit.
#[derive(Clone)]
pub(crate) struct View {
    pub(super) searcher: Searcher,
    fields: Fields,
    pub(super) tables: Arc<[Arc<Table>]>,
    /// By segment, then by file: whether it belongs to the tree.
    live: Arc<[Vec<bool>]>,
    /// Where the documents of a key stand, those of other trees included: segment, then file.
    places: Arc<ByKey<(u32, u32)>>,
    pub(super) totals: Totals,
}

impl std::fmt::Debug for View {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("View").finish_non_exhaustive()
    }
}

impl View {
    /// See only the documents whose key `belongs`.
    pub(super) fn new(
        searcher: Searcher,
        fields: Fields,
        tables: Vec<Arc<Table>>,
        belongs: &dyn Fn(u64) -> bool,
    ) -> Self {
        let mut places = ByKey::default();
        let mut live = Vec::with_capacity(tables.len());
        let mut totals = Totals::default();
        for (segment, table) in (0u32..).zip(&tables) {
            let mut row = vec![false; table.files.len()];
            for (file, known) in (0u32..).zip(&table.files) {
                // Were a file there twice, each would count once.
                if known.key == 0 || places.contains_key(&known.key) {
                    continue;
                }
                places.insert(known.key, (segment, file));
                if belongs(known.key) {
                    row[file as usize] = true;
                    totals.files += 1.0;
                    totals.chunks += known.documents as f32 - 1.0;
                    for (sum, tokens) in totals.tokens.iter_mut().zip(known.tokens) {
                        *sum += tokens as f32;
                    }
                }
            }
            live.push(row);
        }
        Self { searcher, fields, tables: tables.into(), live: live.into(), places: places.into(), totals }
    }

    pub(super) fn is_live(&self, segment: usize, document: u32) -> bool {
        let file = self.tables[segment].file_of.get(document as usize).copied().unwrap_or(u32::MAX);
        self.live[segment].get(file as usize).copied().unwrap_or(false)
    }

    pub(super) fn field(&self, ask: Ask) -> Field {
        match ask {
            Ask::Body | Ask::FileBody => self.fields.body,
            Ask::Symbols => self.fields.symbols,
            Ask::Path => self.fields.path,
            Ask::Doc => self.fields.doc,
            Ask::Definition => self.fields.definition,
            Ask::Normalised => self.fields.normalised,
        }
    }

    /// Call `each` with every live document that holds a term, and how often it does.
    fn walk(
        &self,
        field: Field,
        term: &str,
        option: IndexRecordOption,
        mut each: impl FnMut(usize, u32, u32),
    ) -> Result<(), Failure> {
        let term = Term::from_field_text(field, term);
        for (segment, reader) in self.searcher.segment_readers().iter().enumerate() {
            let Some(mut postings) = reader.inverted_index(field)?.read_postings(&term, option)? else {
                continue;
            };
            let mut document = postings.doc();
            while document != TERMINATED {
                if self.is_live(segment, document) {
                    each(segment, document, postings.term_freq());
                }
                document = postings.advance();
            }
        }
        Ok(())
    }
}

impl Documents for View {
    fn holds(&self, key: u64) -> bool {
        self.places.contains_key(&key)
    }

    fn keys(&self) -> Box<dyn Iterator<Item = (u64, u32)> + '_> {
        let files = self.tables.iter().flat_map(|table| &table.files);
        Box::new(files.filter(|file| file.key != 0).map(|file| (file.key, file.documents)))
    }

    fn all(&self, ask: Ask, term: &str) -> Result<Vec<Spot>, Failure> {
        let mut spots = Vec::new();
        self.walk(self.field(ask), term, IndexRecordOption::Basic, |segment, document, _| {
            let at = u32::try_from(segment).unwrap_or(u32::MAX);
            let document = if ask == Ask::FileBody {
                let table = &self.tables[segment];
                table.file(document).map_or(document, |file| file.first)
            } else {
                document
            };
            let spot = Spot(DocAddress::new(at, document));
            if spots.last() != Some(&spot) {
                spots.push(spot);
            }
        })?;
        Ok(spots)
    }

    fn uses(&self, name: &str) -> Result<Vec<UsesInFile>, Failure> {
        let field = self.fields.reference;
        let term = Term::from_field_text(field, name);
        let mut found = Vec::new();
        let mut positions = Vec::new();
        for (segment, reader) in self.searcher.segment_readers().iter().enumerate() {
            let inverted = reader.inverted_index(field)?;
            let Some(mut postings) =
                inverted.read_postings(&term, IndexRecordOption::WithFreqsAndPositions)?
            else {
                continue;
            };
            while postings.doc() != TERMINATED {
                let document = postings.doc();
                if self.is_live(segment, document) {
                    postings.positions(&mut positions);
                    found.push(UsesInFile {
                        spot: Spot(DocAddress::new(u32::try_from(segment).unwrap_or(u32::MAX), document)),
                        key: self.tables[segment].file(document).map_or(0, |file| file.key),
                        places: positions.iter().copied().map(Place::of_position).collect(),
                    });
                }
                postings.advance();
            }
        }
        Ok(found)
    }

    fn of_key(&self, key: u64) -> Result<Vec<Spot>, Failure> {
        let Some(&(segment, file)) = self.places.get(&key) else { return Ok(Vec::new()) };
        if !self.live[segment as usize][file as usize] {
            return Ok(Vec::new());
        }
        let row = self.tables[segment as usize].files[file as usize];
        Ok((row.first..row.first + row.documents).map(|at| Spot(DocAddress::new(segment, at))).collect())
    }

    fn facts(&self, spots: &[Spot]) -> Result<Vec<Facts>, Failure> {
        let known = |spot: &Spot| self.tables[spot.0.segment_ord as usize].facts(spot.0.doc_id);
        Ok(spots.iter().map(known).collect())
    }

    fn stored(&self, spot: Spot) -> Result<Vec<u8>, Failure> {
        let document: TantivyDocument = self.searcher.doc(spot.0)?;
        let value =
            document.get_first(self.fields.stored).and_then(|value| value.as_bytes().map(<[u8]>::to_vec));
        Ok(value.unwrap_or_default())
    }

    fn links(&self, most: usize) -> Result<links::Links, Failure> {
        Self::links(self, most)
    }

    fn spans(&self) -> u64 {
        self.totals.chunks as u64
    }

    fn each_defined(&self, each: &mut dyn FnMut(&str)) -> Result<(), Failure> {
        Self::each_defined(self, each)
    }

    fn numbers(&self) -> usize {
        self.searcher.segment_readers().iter().map(|segment| segment.max_doc() as usize).sum()
    }

    fn numbered(&self, number: u32) -> Result<Spot, Failure> {
        Self::numbered(self, number)
    }

    fn extent(&self, ask: Ask) -> (f32, f32, f32) {
        Self::extent(self, ask)
    }

    fn file_length(&self, ask: Ask, number: u32) -> Result<f32, Failure> {
        Self::file_length(self, ask, number)
    }

    fn term<'a>(&'a self, ask: Ask, term: &str) -> Result<Found<'a>, Failure> {
        Self::term(self, ask, term)
    }
}
