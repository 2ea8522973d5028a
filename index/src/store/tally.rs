//! Owns reading the postings of one term after another, for scores that need more than a sum.
//! Uses the segments of a view; its documents are numbered through all of them, and a file has the number of its own document.
//! Never weighs a term and never decides what ranks higher.

use tantivy::fieldnorm::FieldNormReader;
use tantivy::postings::{Postings, TermInfo};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocAddress, DocSet, SegmentReader, TERMINATED, Term};

use super::documents::Found;
use super::{Ask, Failure, Spot, View};

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
    /// See [`super::Documents::numbered`].
    pub(super) fn numbered(&self, number: u32) -> Result<Spot, Failure> {
        let mut first = 0u32;
        for (ordinal, segment) in (0u32..).zip(self.searcher.segment_readers()) {
            if number - first < segment.max_doc() {
                return Ok(Spot(DocAddress::new(ordinal, number - first)));
            }
            first += segment.max_doc();
        }
        Err(Failure(format!("no document {number}")))
    }

    /// See [`super::Documents::extent`].
    pub(super) fn extent(&self, ask: Ask) -> (f32, f32, f32) {
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

    /// See [`super::Documents::file_length`].
    pub(super) fn file_length(&self, ask: Ask, number: u32) -> Result<f32, Failure> {
        let DocAddress { segment_ord, doc_id } = self.numbered(number)?.0;
        let row = self.tables[segment_ord as usize].file(doc_id);
        Ok(row.zip(Self::column(ask)).map_or(0.0, |(row, column)| row.tokens[column] as f32))
    }

    /// See [`super::Documents::term`].
    pub(super) fn term<'a>(&'a self, ask: Ask, term: &str) -> Result<Found<'a>, Failure> {
        let field = self.field(ask);
        let term = Term::from_field_text(field, term);
        let (mut segments, mut documents) = (Vec::new(), 0);
        for (at, segment) in self.searcher.segment_readers().iter().enumerate() {
            if let Some(info) = segment.inverted_index(field)?.get_term_info(&term)? {
                documents += info.doc_freq;
                segments.push((at, info));
            }
        }
        Ok(Found { documents, gather: Box::new(move |into| self.gather(field, &segments, into)) })
    }

    /// Every live document in the postings of one term, given by segment.
    fn gather(
        &self,
        field: Field,
        segments: &[(usize, TermInfo)],
        into: &mut Vec<Holder>,
    ) -> Result<(), Failure> {
        let (mut first, mut next) = (0u32, 0);
        for (at, info) in segments {
            let readers = self.searcher.segment_readers();
            first += readers[next..*at].iter().map(SegmentReader::max_doc).sum::<u32>();
            next = *at;
            let (segment, table) = (&readers[*at], &self.tables[*at]);
            let mut postings = segment
                .inverted_index(field)?
                .read_postings_from_terminfo(info, IndexRecordOption::WithFreqs)?;
            let lengths = segment.get_fieldnorms_reader(field)?;
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
