//! Owns the full-text store: its fields, its documents, how they are written and asked for.
//! Uses tantivy, and is the only file that names it.
//! Never decides what ranks higher, and never reads the tree.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tantivy::collector::{DocSetCollector, TopDocs};
use tantivy::columnar::Column;
use tantivy::directory::MmapDirectory;
use tantivy::indexer::{IndexWriterOptions, NoMergePolicy};
use tantivy::postings::Postings;
use tantivy::query::{BooleanQuery, BoostQuery, Occur, Query, TermQuery};
use tantivy::schema::{
    BytesOptions, Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions, Value,
};
use tantivy::tokenizer::{TextAnalyzer, Token, TokenStream, Tokenizer, TokenizerManager};
use tantivy::{
    DocAddress, DocSet, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, Searcher, TERMINATED,
    TantivyDocument, TantivyError, Term,
};

use crate::tokenize::Terms;

/// The least tantivy allows for a thread. More would make fewer segments and use more memory; 1,000 files give four.
const WRITER_BYTES: usize = 15_000_000;
/// Text that waits for the writer. tantivy itself would queue ten thousand documents of any size.
const WAITING_BYTES: usize = 4_000_000;
/// From here on small segments are merged at the end of a refresh.
const MOST_SEGMENTS: usize = 12;
/// The name our tokenizer is registered under.
const TOKENIZER: &str = "loci";
/// The name of the one that reads the uses of a file.
const USES: &str = "uses";

/// What tantivy said.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failure(String);

impl From<TantivyError> for Failure {
    fn from(error: TantivyError) -> Self {
        Self(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// The fields that can be asked, and what a term in them is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Terms of a chunk's text.
    Body,
    /// Terms of a file's text.
    FileBody,
    /// Terms of the names a chunk defines.
    Symbols,
    /// Terms of the path, on chunks' files.
    Path,
    /// Terms of doc comments.
    Doc,
    /// A defined name as it is written.
    Definition,
    /// A defined name without case and separators.
    Normalised,
}

/// The documents of one file.
#[derive(Debug)]
pub(crate) struct FileText<'a> {
    pub(crate) key: u64,
    pub(crate) path: &'a str,
    pub(crate) text: &'a str,
    pub(crate) is_test: bool,
    /// Names defined, as written.
    pub(crate) names: Vec<&'a str>,
    /// Names used, each with its places in rising order.
    pub(crate) uses: Vec<(&'a str, Vec<Place>)>,
    /// The stored form of the file's tags.
    pub(crate) tags: Vec<u8>,
    pub(crate) chunks: Vec<ChunkText<'a>>,
}

/// Where and how a file uses a name. In the store it is the position of the name, as if the file were a text of uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// From 1.
    pub(crate) line: u32,
    /// As in `parse::USE_KINDS`.
    pub(crate) kind: u8,
    pub(crate) is_test: bool,
}

impl Place {
    /// One bit for tests and two for the kind leave room for 2^29 lines.
    fn position(self) -> u32 {
        self.line << 3 | u32::from(self.is_test) << 2 | u32::from(self.kind & 3)
    }

    fn of_position(position: u32) -> Self {
        Self { line: position >> 3, kind: (position & 3) as u8, is_test: position & 4 != 0 }
    }
}

/// The uses of a name in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UsesInFile {
    pub(crate) spot: Spot,
    pub(crate) key: u64,
    /// In rising order.
    pub(crate) places: Vec<Place>,
}

/// The document of one chunk.
#[derive(Debug)]
pub(crate) struct ChunkText<'a> {
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// The signature of what is around it.
    pub(crate) header: Option<&'a str>,
    pub(crate) text: &'a str,
    /// Names defined in it, as written.
    pub(crate) names: Vec<&'a str>,
    /// First sentences of their doc comments.
    pub(crate) docs: Vec<&'a str>,
    /// The symbol the span is named by, and its kind.
    pub(crate) symbol: Option<(&'a str, &'a str)>,
    pub(crate) is_test: bool,
}

/// A document of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Spot(DocAddress);

/// What is known of a document without reading what it stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) key: u64,
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) is_test: bool,
}

impl Facts {
    /// Whether it stands for a whole file.
    pub(crate) fn is_file(&self) -> bool {
        self.start == 0
    }
}

#[derive(Debug, Clone, Copy)]
struct Fields {
    key: Field,
    span: Field,
    body: Field,
    file_body: Field,
    symbols: Field,
    path: Field,
    doc: Field,
    definition: Field,
    normalised: Field,
    reference: Field,
    stored: Field,
}

/// An open store.
pub(crate) struct Store {
    index: tantivy::Index,
    reader: IndexReader,
    fields: Fields,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Open the store in a folder, or create it there.
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        std::fs::create_dir_all(folder)?;
        let (schema, fields) = schema();
        let directory = MmapDirectory::open(folder).map_err(TantivyError::from)?;
        let settings =
            IndexSettings { docstore_compress_dedicated_thread: false, ..IndexSettings::default() };
        let tokenizers = TokenizerManager::new();
        tokenizers.register(TOKENIZER, TextAnalyzer::builder(Splitter::default()).build());
        tokenizers
            .register("raw", TextAnalyzer::builder(tantivy::tokenizer::RawTokenizer::default()).build());
        tokenizers.register(USES, TextAnalyzer::builder(UsesReader::default()).build());
        // tantivy looks this one up for fields that are not text, too.
        tokenizers.register("default", TextAnalyzer::builder(Splitter::default()).build());
        let index = tantivy::Index::builder()
            .schema(schema)
            .settings(settings)
            .tokenizers(tokenizers)
            .open_or_create(directory)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self { index, reader, fields })
    }

    /// What the last commit was given; `None` before the first.
    pub(crate) fn payload(&self) -> Result<Option<String>, Failure> {
        Ok(self.index.load_metas()?.payload)
    }

    /// See what has been committed, by this process or another.
    pub(crate) fn reload(&self) -> Result<(), Failure> {
        Ok(self.reader.reload()?)
    }

    /// The documents as of the last reload.
    pub(crate) fn view(&self) -> View {
        View { searcher: self.reader.searcher(), fields: self.fields }
    }

    /// The one writer. The caller holds the lock of the cache folder.
    pub(crate) fn writer(&self, threads: usize) -> Result<Writer, Failure> {
        let options = IndexWriterOptions::builder()
            .num_worker_threads(threads)
            .memory_budget_per_thread(WRITER_BYTES)
            .num_merge_threads(1)
            .build();
        let writer: IndexWriter<Weighed> = self.index.writer_with_options(options)?;
        // Merging in the background would be cut off when the writer goes; it is done at the end instead.
        writer.set_merge_policy(Box::new(NoMergePolicy));
        Ok(Writer { writer, fields: self.fields, gate: Arc::new(Gate::default()) })
    }
}

fn schema() -> (Schema, Fields) {
    let words = |record| {
        TextOptions::default().set_indexing_options(
            TextFieldIndexing::default().set_tokenizer(TOKENIZER).set_index_option(record),
        )
    };
    let names = TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer("raw")
            .set_fieldnorms(false)
            .set_index_option(IndexRecordOption::Basic),
    );
    let mut builder = Schema::builder();
    let fields = Fields {
        key: builder.add_u64_field("key", NumericOptions::default().set_indexed().set_fast()),
        span: builder.add_u64_field("span", NumericOptions::default().set_fast()),
        body: builder.add_text_field("body", words(IndexRecordOption::WithFreqs)),
        file_body: builder.add_text_field("file_body", words(IndexRecordOption::WithFreqs)),
        symbols: builder.add_text_field("symbols", words(IndexRecordOption::WithFreqs)),
        path: builder.add_text_field("path", words(IndexRecordOption::WithFreqs)),
        doc: builder.add_text_field("doc", words(IndexRecordOption::WithFreqs)),
        definition: builder.add_text_field("definition", names.clone()),
        normalised: builder.add_text_field("normalised", names),
        reference: builder.add_text_field(
            "reference",
            TextOptions::default().set_indexing_options(
                TextFieldIndexing::default()
                    .set_tokenizer(USES)
                    .set_fieldnorms(false)
                    .set_index_option(IndexRecordOption::WithFreqsAndPositions),
            ),
        ),
        stored: builder.add_bytes_field("stored", BytesOptions::default().set_stored()),
    };
    (builder.build(), fields)
}

/// Start and end are lines below 2^31; the low bit says whether it is test code.
fn pack(start: u32, end: u32, is_test: bool) -> u64 {
    u64::from(start) << 33 | u64::from(end & 0x7fff_ffff) << 1 | u64::from(is_test)
}

fn unpack(key: u64, span: u64) -> Facts {
    Facts { key, start: (span >> 33) as u32, end: (span >> 1) as u32 & 0x7fff_ffff, is_test: span & 1 == 1 }
}

/// Takes documents in and commits them.
pub(crate) struct Writer {
    writer: IndexWriter<Weighed>,
    fields: Fields,
    gate: Arc<Gate>,
}

impl Writer {
    /// Add a file's documents. Waits while much text is on its way already; may be called from several threads.
    pub(crate) fn add(&self, file: &FileText<'_>) -> Result<(), Failure> {
        let Fields {
            key,
            span,
            body,
            file_body,
            symbols,
            path,
            doc,
            definition,
            normalised,
            reference,
            stored,
        } = self.fields;
        let mut document = TantivyDocument::new();
        document.add_u64(key, file.key);
        document.add_u64(span, pack(0, 0, file.is_test));
        document.add_text(path, file.path);
        document.add_text(file_body, file.text);
        let mut names: Vec<&str> = file.names.clone();
        names.sort_unstable();
        names.dedup();
        let mut plain: Vec<String> = names.iter().map(|name| crate::tokenize::normalise(name)).collect();
        plain.sort_unstable();
        plain.dedup();
        for name in names {
            document.add_text(definition, name);
        }
        for name in plain {
            document.add_text(normalised, name);
        }
        let uses = write_uses(&file.uses);
        document.add_text(reference, &uses);
        document.add_bytes(stored, &file.tags);
        self.send(document, file.text.len() + uses.len() + file.tags.len())?;
        for chunk in &file.chunks {
            let mut document = TantivyDocument::new();
            document.add_u64(key, file.key);
            document.add_u64(span, pack(chunk.start, chunk.end, chunk.is_test));
            if let Some(header) = chunk.header {
                document.add_text(body, header);
            }
            document.add_text(body, chunk.text);
            for name in &chunk.names {
                document.add_text(symbols, name);
                document.add_text(definition, name);
                document.add_text(normalised, crate::tokenize::normalise(name));
            }
            for sentence in &chunk.docs {
                document.add_text(doc, sentence);
            }
            if let Some((symbol, kind)) = chunk.symbol {
                let mut label = crate::codec::Encoder::default();
                label.text(symbol);
                label.text(kind);
                document.add_bytes(stored, &label.finish());
            }
            self.send(document, chunk.text.len())?;
        }
        Ok(())
    }

    fn send(&self, document: TantivyDocument, bytes: usize) -> Result<(), Failure> {
        let permit = Gate::enter(&self.gate, bytes);
        self.writer.add_document(Weighed { document, _permit: permit })?;
        Ok(())
    }

    /// Drop every document of a key.
    pub(crate) fn remove(&self, key: u64) {
        self.writer.delete_term(Term::from_field_u64(self.fields.key, key));
    }

    /// Make everything so far durable, together with the payload.
    pub(crate) fn commit(&mut self, payload: &str) -> Result<(), Failure> {
        let mut prepared = self.writer.prepare_commit()?;
        prepared.set_payload(payload);
        prepared.commit()?;
        Ok(())
    }

    /// Merge the smaller half of the segments when there are many, and let go.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        let mut segments = self.writer.index().searchable_segment_metas()?;
        if segments.len() > MOST_SEGMENTS {
            segments.sort_by_key(tantivy::SegmentMeta::num_docs);
            let small: Vec<_> = segments
                .iter()
                .take(segments.len() - MOST_SEGMENTS / 3)
                .map(|segment| segment.id())
                .collect();
            self.writer.merge(&small).wait()?;
        }
        self.writer.wait_merging_threads()?;
        Ok(())
    }
}

/// A document that holds its place in the queue until the writer takes it.
struct Weighed {
    document: TantivyDocument,
    _permit: Permit,
}

impl tantivy::Document for Weighed {
    type Value<'a> = <TantivyDocument as tantivy::Document>::Value<'a>;
    type FieldsValuesIter<'a> = <TantivyDocument as tantivy::Document>::FieldsValuesIter<'a>;

    fn iter_fields_and_values(&self) -> Self::FieldsValuesIter<'_> {
        self.document.iter_fields_and_values()
    }

    fn into_tantivy_document(self) -> TantivyDocument {
        self.document
    }
}

/// Counts the bytes on their way and lets nobody in while there are too many.
#[derive(Debug, Default)]
struct Gate {
    waiting: Mutex<usize>,
    changed: Condvar,
}

#[derive(Debug)]
struct Permit {
    gate: Arc<Gate>,
    bytes: usize,
}

impl Gate {
    fn enter(gate: &Arc<Self>, bytes: usize) -> Permit {
        let mut waiting = gate.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // A file larger than the whole limit passes when nothing else waits. The time bounds the wait for a writer that died.
        while *waiting > 0 && *waiting + bytes > WAITING_BYTES {
            let (guard, timeout) = gate
                .changed
                .wait_timeout(waiting, Duration::from_secs(20))
                .unwrap_or_else(PoisonError::into_inner);
            waiting = guard;
            if timeout.timed_out() {
                break;
            }
        }
        *waiting += bytes;
        Permit { gate: Arc::clone(gate), bytes }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut waiting = self.gate.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting = waiting.saturating_sub(self.bytes);
        self.gate.changed.notify_all();
    }
}

/// The documents as of one commit.
#[derive(Clone)]
pub(crate) struct View {
    searcher: Searcher,
    fields: Fields,
}

impl std::fmt::Debug for View {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("View").finish_non_exhaustive()
    }
}

impl View {
    fn field(&self, ask: Ask) -> Field {
        match ask {
            Ask::Body => self.fields.body,
            Ask::FileBody => self.fields.file_body,
            Ask::Symbols => self.fields.symbols,
            Ask::Path => self.fields.path,
            Ask::Doc => self.fields.doc,
            Ask::Definition => self.fields.definition,
            Ask::Normalised => self.fields.normalised,
        }
    }

    /// The best documents for some weighted terms in one field, by BM25.
    pub(crate) fn top(
        &self,
        ask: Ask,
        terms: &[(String, f32)],
        limit: usize,
    ) -> Result<Vec<(Spot, f32)>, Failure> {
        if terms.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        let field = self.field(ask);
        let clauses = terms
            .iter()
            .map(|(term, weight)| {
                let query = TermQuery::new(Term::from_field_text(field, term), IndexRecordOption::WithFreqs);
                (Occur::Should, Box::new(BoostQuery::new(Box::new(query), *weight)) as Box<dyn Query>)
            })
            .collect();
        let found = self
            .searcher
            .search(&BooleanQuery::new(clauses), &TopDocs::with_limit(limit).order_by_score())?;
        Ok(found.into_iter().map(|(score, address)| (Spot(address), score)).collect())
    }

    /// Every document that holds a term.
    pub(crate) fn all(&self, ask: Ask, term: &str) -> Result<Vec<Spot>, Failure> {
        self.collect(Term::from_field_text(self.field(ask), term))
    }

    fn collect(&self, term: Term) -> Result<Vec<Spot>, Failure> {
        let found =
            self.searcher.search(&TermQuery::new(term, IndexRecordOption::Basic), &DocSetCollector)?;
        let mut spots: Vec<_> = found.into_iter().map(Spot).collect();
        spots.sort_unstable();
        Ok(spots)
    }

    /// Every use of a name, by file.
    pub(crate) fn uses(&self, name: &str) -> Result<Vec<UsesInFile>, Failure> {
        let term = Term::from_field_text(self.fields.reference, name);
        let mut found = Vec::new();
        let mut positions = Vec::new();
        for (segment, reader) in (0u32..).zip(self.searcher.segment_readers()) {
            let inverted = reader.inverted_index(self.fields.reference)?;
            let Some(mut postings) =
                inverted.read_postings(&term, IndexRecordOption::WithFreqsAndPositions)?
            else {
                continue;
            };
            let keys = reader.fast_fields().u64("key")?;
            while postings.doc() != TERMINATED {
                let document = postings.doc();
                if !reader.is_deleted(document) {
                    postings.positions(&mut positions);
                    found.push(UsesInFile {
                        spot: Spot(DocAddress::new(segment, document)),
                        key: keys.first(document).unwrap_or_default(),
                        places: positions.iter().copied().map(Place::of_position).collect(),
                    });
                }
                postings.advance();
            }
        }
        Ok(found)
    }

    /// Every document of a file, its file document included.
    pub(crate) fn of_key(&self, key: u64) -> Result<Vec<Spot>, Failure> {
        self.collect(Term::from_field_u64(self.fields.key, key))
    }

    /// What is known of some documents.
    pub(crate) fn facts(&self, spots: &[Spot]) -> Result<Vec<Facts>, Failure> {
        let mut columns: Vec<Option<(Column<u64>, Column<u64>)>> =
            vec![None; self.searcher.segment_readers().len()];
        let mut facts = Vec::with_capacity(spots.len());
        for Spot(address) in spots {
            let at = address.segment_ord as usize;
            let known = match &mut columns[at] {
                Some(known) => known,
                empty => {
                    let fast = self.searcher.segment_reader(address.segment_ord).fast_fields();
                    empty.insert((fast.u64("key")?, fast.u64("span")?))
                }
            };
            let key = known.0.first(address.doc_id).unwrap_or_default();
            facts.push(unpack(key, known.1.first(address.doc_id).unwrap_or_default()));
        }
        Ok(facts)
    }

    /// What a document stores: a file's tags or a chunk's label.
    pub(crate) fn stored(&self, spot: Spot) -> Result<Vec<u8>, Failure> {
        let document: TantivyDocument = self.searcher.doc(spot.0)?;
        let value =
            document.get_first(self.fields.stored).and_then(|value| value.as_bytes().map(<[u8]>::to_vec));
        Ok(value.unwrap_or_default())
    }

    /// The symbol and kind a chunk is named by.
    pub(crate) fn label(&self, spot: Spot) -> Result<Option<(String, String)>, Failure> {
        let bytes = self.stored(spot)?;
        let mut from = crate::codec::Decoder::new(&bytes);
        Ok(from.text().zip(from.text()).map(|(symbol, kind)| (symbol.to_owned(), kind.to_owned())))
    }
}

/// Our tokenizer, as tantivy wants it.
#[derive(Debug, Clone, Default)]
struct Splitter {
    token: Token,
}

/// The terms of one text.
struct SplitterStream<'a> {
    terms: Terms<'a>,
    token: &'a mut Token,
}

impl Tokenizer for Splitter {
    type TokenStream<'a> = SplitterStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> SplitterStream<'a> {
        self.token.reset();
        SplitterStream { terms: Terms::new(text), token: &mut self.token }
    }
}

impl TokenStream for SplitterStream<'_> {
    fn advance(&mut self) -> bool {
        // Positions are not kept; they only have to grow.
        self.token.position = self.token.position.wrapping_add(1);
        self.terms.next_into(&mut self.token.text)
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

/// The uses of a file as the text that [`UsesReader`] reads: a line for each name, then its positions.
fn write_uses(uses: &[(&str, Vec<Place>)]) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for (name, places) in uses {
        // No language has such names, but a grammar that recovers from an error may.
        if name.contains(['\t', '\n']) {
            continue;
        }
        text.push_str(name);
        for place in places {
            // Writing to a string cannot fail.
            let _ = write!(text, "\t{}", place.position());
        }
        text.push('\n');
    }
    text
}

/// Turns what [`write_uses`] wrote into tokens: the name, at each of its positions.
#[derive(Debug, Clone, Default)]
struct UsesReader {
    token: Token,
}

struct UsesStream<'a> {
    lines: std::str::Lines<'a>,
    positions: std::str::Split<'a, char>,
    token: &'a mut Token,
}

impl Tokenizer for UsesReader {
    type TokenStream<'a> = UsesStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> UsesStream<'a> {
        self.token.reset();
        let mut nothing = "".split('\t');
        nothing.next();
        UsesStream { lines: text.lines(), positions: nothing, token: &mut self.token }
    }
}

impl TokenStream for UsesStream<'_> {
    fn advance(&mut self) -> bool {
        loop {
            if let Some(position) = self.positions.next() {
                self.token.position = position.parse().unwrap_or_default();
                return true;
            }
            let Some(line) = self.lines.next() else { return false };
            self.positions = line.split('\t');
            self.token.text.clear();
            self.token.text.push_str(self.positions.next().unwrap_or_default());
        }
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

/// Where the store lives below the cache folder. Another version has another place, so that it is never taken for damaged.
pub(crate) fn folder(cache: &Path) -> PathBuf {
    cache.join(format!("{STORES}{}", crate::manifest::FORMAT))
}

/// How the folders of all versions begin.
pub(crate) const STORES: &str = "store-";

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn uses_are_read_as_they_were_written(
            uses in proptest::collection::btree_map("[a-z_ü]{1,6}", proptest::collection::btree_set((1u32..1 << 29, 0u8..4, proptest::bool::ANY), 1..9), 0..9),
        ) {
            let uses: Vec<(String, Vec<Place>)> = uses
                .into_iter()
                .map(|(name, places)| {
                    (name, places.into_iter().map(|(line, kind, is_test)| Place { line, kind, is_test }).collect())
                })
                .collect();
            let borrowed: Vec<_> = uses.iter().map(|(name, places)| (name.as_str(), places.clone())).collect();
            let text = write_uses(&borrowed);
            let mut reader = UsesReader::default();
            let mut read = Vec::new();
            reader.token_stream(&text).process(&mut |token| {
                read.push((token.text.clone(), Place::of_position(u32::try_from(token.position).expect("small"))));
            });
            let flat: Vec<_> =
                uses.iter().flat_map(|(name, places)| places.iter().map(|place| (name.clone(), *place))).collect();
            proptest::prop_assert_eq!(read, flat);
        }
    }
}
