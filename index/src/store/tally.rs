//! Owns reading the postings of one term after another, for scores that need more than a sum.
//! Uses the segments of a view; its documents are numbered through all of them, and a file has the number of its own document.
//! Never weighs a term and never decides what ranks higher.

use tantivy::fieldnorm::FieldNormReader;
use tantivy::postings::{Postings, TermInfo};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocAddress, DocSet, SegmentReader, TERMINATED, Term};

use super::{Ask, Failure, Spot, View};

/// Where a term stands in the segments of a view.
pub(crate) struct Found {
    field: Field,
    segments: Vec<(usize, TermInfo)>,
    /// How many documents hold it, those of other trees and of the past included.
    pub(crate) documents: u32,
}

/// One document that holds a term.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holder {
    pub(crate) number: u32,
    /// Of its file.
    pub(crate) file: u32,
    pub(crate) times: u32,
    /// The document's length in this field, see [`length_of_code`].
    pub(crate) code: u8,
}

impl View {
    /// How many numbers documents have.
    pub(crate) fn numbers(&self) -> usize {
        self.searcher.segment_readers().iter().map(|segment| segment.max_doc() as usize).sum()
    }

    /// The document of a number.
    pub(crate) fn numbered(&self, number: u32) -> Result<Spot, Failure> {
        let mut first = 0u32;
        for (ordinal, segment) in (0u32..).zip(self.searcher.segment_readers()) {
            if number - first < segment.max_doc() {
                return Ok(Spot(DocAddress::new(ordinal, number - first)));
            }
            first += segment.max_doc();
        }
        Err(Failure(format!("no document {number}")))
    }

    /// How many live files there are, how many chunks, and how many terms a field has in them together.
    pub(crate) fn extent(&self, ask: Ask) -> (f32, f32, f32) {
        let tokens = Self::column(ask).map_or(0.0, |column| self.totals.tokens[column]);
        (self.totals.files, self.totals.chunks, tokens)
    }

    fn column(ask: Ask) -> Option<usize> {
        match ask {
            Ask::Body | Ask::FileBody => Some(0),
            Ask::Symbols => Some(1),
            Ask::Path => Some(2),
            Ask::Doc => Some(3),
            Ask::Definition | Ask::Normalised => None,
        }
    }

    /// The length of a field in all of a file, by any document of it.
    pub(crate) fn file_length(&self, ask: Ask, number: u32) -> Result<f32, Failure> {
        let DocAddress { segment_ord, doc_id } = self.numbered(number)?.0;
        let row = self.tables[segment_ord as usize].file(doc_id);
        Ok(row.zip(Self::column(ask)).map_or(0.0, |(row, column)| row.tokens[column] as f32))
    }

    /// Look a term up in a field.
    pub(crate) fn term(&self, ask: Ask, term: &str) -> Result<Found, Failure> {
        let field = self.field(ask);
        let term = Term::from_field_text(field, term);
        let mut found = Found { field, segments: Vec::new(), documents: 0 };
        for (at, segment) in self.searcher.segment_readers().iter().enumerate() {
            if let Some(info) = segment.inverted_index(field)?.get_term_info(&term)? {
                found.documents += info.doc_freq;
                found.segments.push((at, info));
            }
        }
        Ok(found)
    }

    /// Gather every live document that holds a term of a field of text, in rising order.
    pub(crate) fn holders(&self, found: &Found, into: &mut Vec<Holder>) -> Result<(), Failure> {
        into.clear();
        let (mut first, mut next) = (0u32, 0);
        for (at, info) in &found.segments {
            let readers = self.searcher.segment_readers();
            first += readers[next..*at].iter().map(SegmentReader::max_doc).sum::<u32>();
            next = *at;
            let (segment, table) = (&readers[*at], &self.tables[*at]);
            let mut postings = segment
                .inverted_index(found.field)?
                .read_postings_from_terminfo(info, IndexRecordOption::WithFreqs)?;
            let lengths = segment.get_fieldnorms_reader(found.field)?;
            let mut document = postings.doc();
            while document != TERMINATED {
                if self.is_live(*at, document) {
                    into.push(Holder {
                        number: first + document,
                        file: first + table.file(document).map_or(document, |file| file.first),
                        times: postings.term_freq(),
                        code: lengths.fieldnorm_id(document),
                    });
                }
                document = postings.advance();
            }
        }
        Ok(())
    }
}

/// The length in terms that a code stands for, rounded down as BM25 takes it.
pub(crate) fn length_of_code(code: u8) -> u32 {
    FieldNormReader::id_to_fieldnorm(code)
}
