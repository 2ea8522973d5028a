//! Owns passages of texts that are not files in tantivy: their fields, writing, merging, the postings of a term.
//! Uses segments directly and no thread: a commit is one new segment and one new list of segments.
//! Never decides what ranks higher, and never cuts a text.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tantivy::directory::{OwnedBytes, RamDirectory};
use tantivy::fastfield::{AliveBitSet, write_alive_bitset};
use tantivy::fieldnorm::FieldNormReader;
use tantivy::index::SegmentId;
use tantivy::indexer::{AddOperation, SegmentWriter, merge_filtered_segments};
use tantivy::postings::Postings;
use tantivy::schema::{
    BytesOptions, Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::{
    BitSet, Directory, DocSet, IndexReader, IndexSettings, ReloadPolicy, Searcher, Segment, SegmentMeta,
    SegmentReader, TERMINATED, TantivyDocument, Term,
};

use super::tokens::{RAW, WORDS, tokenizers};
use super::{Failure, directory, seal};

/// What the table of terms of a new segment is made for. Less is refused; a passage takes some kilobytes of it.
const OPEN_BYTES: usize = 1_000_000;
/// A segment is closed at this size, so that a text of any length takes bounded memory.
const MOST_BYTES: usize = 48_000_000;
/// From here on the smaller segments become one. Each takes a look-up for each term and field of a query.
const MOST_SEGMENTS: usize = 12;
/// How many of the largest stay apart then, so that what is large is not written again and again.
const LARGEST_KEPT: usize = 4;
/// A segment of which more than this share was forgotten is written anew.
const FORGOTTEN_SHARE: f32 = 0.4;

/// So often a list of segments is read whose files are gone already.
const ATTEMPTS: usize = 3;

/// The fields that can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextField {
    /// Terms of the text.
    Body,
    /// Terms of the title.
    Title,
    /// Terms of the path.
    Path,
    /// Terms of the names that a passage defines, and of what is around it.
    Names,
    /// A defined name without case and separators.
    Defined,
    /// The end of a path, from whole components: `b/c.rs`.
    Place,
}

/// Those that are scored by words, in the order of [`TextView::mean_length`].
pub(crate) const SCORED: [TextField; 4] =
    [TextField::Body, TextField::Title, TextField::Path, TextField::Names];

/// A passage to be written.
#[derive(Debug, Default)]
pub(crate) struct PassageText<'a> {
    pub(crate) facts: PassageFacts,
    pub(crate) title: &'a str,
    pub(crate) path: &'a str,
    /// Names defined in it, as written.
    pub(crate) names: Vec<&'a str>,
    /// The signature of what is around it.
    pub(crate) header: &'a str,
    pub(crate) body: &'a str,
    pub(crate) places: Vec<String>,
    /// Kept as it is.
    pub(crate) vector: Option<Vec<u8>>,
}

/// What is known of a passage without its text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PassageFacts {
    /// The number of its group.
    pub(crate) group: u64,
    /// The number of its text.
    pub(crate) number: u64,
    pub(crate) first: u32,
    pub(crate) last: u32,
    /// From and to.
    pub(crate) bytes: (u32, u32),
    /// Equal texts have equal ones.
    pub(crate) hash: u64,
    /// Whatever its maker wants to know again.
    pub(crate) about: u64,
}

/// Which groups have to be kept.
pub(crate) struct Live<'a> {
    pub(crate) group: &'a dyn Fn(u64) -> bool,
    /// Some were live at the last commit and are not any more.
    pub(crate) forgot: bool,
}

/// A document that holds a term.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextHolder {
    /// Counts through all segments.
    pub(crate) document: u32,
    pub(crate) times: u32,
    /// In terms; rounded, as it is stored in a byte.
    pub(crate) length: u32,
}

#[derive(Debug, Clone, Copy)]
struct TextFields {
    group: Field,
    number: Field,
    span: Field,
    bytes: Field,
    hash: Field,
    about: Field,
    body: Field,
    title: Field,
    path: Field,
    names: Field,
    defined: Field,
    place: Field,
    vector: Field,
}

impl TextFields {
    fn of(&self, field: TextField) -> Field {
        match field {
            TextField::Body => self.body,
            TextField::Title => self.title,
            TextField::Path => self.path,
            TextField::Names => self.names,
            TextField::Defined => self.defined,
            TextField::Place => self.place,
        }
    }
}

/// An open store of passages.
pub(crate) struct Texts {
    index: tantivy::Index,
    fields: TextFields,
    directory: Box<dyn Directory>,
    /// `None` in memory.
    folder: Option<PathBuf>,
    reader: IndexReader,
    open: Option<(Segment, SegmentWriter)>,
    /// Complete, not committed.
    added: Vec<SegmentMeta>,
    view: Mutex<Option<Arc<TextView>>>,
    /// Of the segments of the last view: a segment does not change.
    vectors: Mutex<HashMap<SegmentId, Arc<Vectors>>>,
}

impl std::fmt::Debug for Texts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Texts").finish_non_exhaustive()
    }
}

impl Texts {
    /// An empty store in memory.
    pub(crate) fn in_memory() -> Result<Self, Failure> {
        Self::new(Box::new(RamDirectory::create()), None)
    }

    /// The store in a folder that exists. Files that are not whole are an error.
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        Self::new(Box::new(directory::Unsynced::open(folder)?), Some(folder.to_owned()))
    }

    fn new(directory: Box<dyn Directory>, folder: Option<PathBuf>) -> Result<Self, Failure> {
        let (schema, fields) = schema();
        let index = tantivy::Index::builder()
            .schema(schema)
            .settings(IndexSettings { docstore_compress_dedicated_thread: false, ..IndexSettings::default() })
            .tokenizers(tokenizers())
            .open_or_create(directory.box_clone())?;
        // Before anything is read: of a file that is not whole the library may panic.
        if let Some(folder) = &folder {
            seal::check(&index, folder)?;
        }
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self {
            index,
            fields,
            directory,
            folder,
            reader,
            open: None,
            added: Vec::new(),
            view: Mutex::default(),
            vectors: Mutex::default(),
        })
    }

    /// Add a passage. The next commit shows it.
    pub(crate) fn add(&mut self, passage: &PassageText<'_>) -> Result<(), Failure> {
        let fields = self.fields;
        let mut document = TantivyDocument::new();
        document.add_u64(fields.group, passage.facts.group);
        document.add_u64(fields.number, passage.facts.number);
        document.add_u64(fields.span, pack(passage.facts.first, passage.facts.last));
        document.add_u64(fields.bytes, pack(passage.facts.bytes.0, passage.facts.bytes.1));
        document.add_u64(fields.hash, passage.facts.hash);
        document.add_u64(fields.about, passage.facts.about);
        document.add_text(fields.body, passage.body);
        document.add_text(fields.title, passage.title);
        document.add_text(fields.path, passage.path);
        document.add_text(fields.names, passage.header);
        for name in &passage.names {
            document.add_text(fields.names, name);
            document.add_text(fields.defined, crate::tokenize::normalise(name));
        }
        for place in &passage.places {
            document.add_text(fields.place, place);
        }
        if let Some(vector) = &passage.vector {
            document.add_bytes(fields.vector, vector);
        }
        let (_, segment) = match &mut self.open {
            Some(open) => open,
            empty => {
                let segment = self.index.new_segment();
                let writer = SegmentWriter::for_segment(OPEN_BYTES, segment.clone())?;
                empty.insert((segment, writer))
            }
        };
        segment.add_document(AddOperation { opstamp: 0, document })?;
        if segment.mem_usage() >= MOST_BYTES {
            self.close()?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Failure> {
        let Some((segment, writer)) = self.open.take() else { return Ok(()) };
        let documents = writer.max_doc();
        writer.finalize()?;
        self.added.push(self.index.new_segment_meta(segment.id(), documents));
        Ok(())
    }

    /// What the last commit, of this process or another, kept beside the passages, and the description it was made from.
    pub(crate) fn payload(&self) -> Result<(Option<String>, String), Failure> {
        let meta = self.index.load_metas()?;
        Ok((meta.payload, describe(&meta.segments)))
    }

    /// Show what was added. `payload` says what to keep beside the passages, from a description of the segments; of groups
    /// that are not `live` nothing has to be kept.
    pub(crate) fn commit(
        &mut self,
        live: &Live<'_>,
        payload: impl FnOnce(&str) -> String,
    ) -> Result<(), Failure> {
        self.close()?;
        let mut meta = self.index.load_metas()?;
        meta.segments.append(&mut self.added);
        let merged = self.merge(&mut meta.segments, live)?;
        meta.opstamp += 1;
        meta.payload = Some(payload(&describe(&meta.segments)));
        let bytes = serde_json::to_vec(&meta).map_err(|error| Failure(error.to_string()))?;
        self.index.directory().atomic_write(Path::new("meta.json"), &bytes)?;
        if merged {
            let living = seal::files(&self.index)?;
            let mut kept: HashSet<PathBuf> = living.clone();
            kept.insert("meta.json".into());
            self.index.directory_mut().garbage_collect(move || kept)?;
            if let Some(folder) = &self.folder {
                directory::remove_orphans(folder, &living)?;
            }
        }
        *self.view.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    /// Make one of the smaller segments where there are many and, when something was forgotten, write anew those of which
    /// much was. True when there are fewer segments now.
    fn merge(&self, segments: &mut Vec<SegmentMeta>, live: &Live<'_>) -> Result<bool, Failure> {
        let before = segments.len();
        segments.sort_by_key(|segment| (segment.max_doc(), segment.id().uuid_string()));
        let most = if before > MOST_SEGMENTS { before - LARGEST_KEPT } else { 0 };
        let (mut chosen, mut alive, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        for (place, meta) in segments.drain(..).enumerate() {
            if place >= most && !live.forgot {
                kept.push(meta);
                continue;
            }
            let segment = self.index.segment(meta.clone());
            let bits = alive_in(&segment, live)?;
            let dead = meta.max_doc() as usize - bits.len();
            if place >= most && dead as f32 <= meta.max_doc() as f32 * FORGOTTEN_SHARE {
                kept.push(meta);
            } else if bits.len() > 0 {
                chosen.push(segment);
                let mut bytes = Vec::new();
                write_alive_bitset(&bits, &mut bytes)?;
                alive.push((dead > 0).then(|| AliveBitSet::open(OwnedBytes::new(bytes))));
            }
        }
        *segments = kept;
        if !chosen.is_empty() {
            let aside = directory::Aside::new(self.directory.box_clone());
            let merged = merge_filtered_segments(&chosen, self.index.settings().clone(), alive, aside)?;
            for meta in merged.load_metas()?.segments {
                segments.push(self.index.new_segment_meta(meta.id(), meta.max_doc()));
            }
        }
        Ok(most > 0 || segments.len() < before || !chosen.is_empty())
    }

    /// The passages as of the last commit of this process or, after [`Texts::look`], of any.
    pub(crate) fn view(&self) -> Result<Arc<TextView>, Failure> {
        let mut known = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(view) = &*known {
            return Ok(Arc::clone(view));
        }
        // Another process may merge between the list of segments and their files.
        let mut attempts = 0;
        while let Err(error) = self.reader.reload() {
            attempts += 1;
            if attempts == ATTEMPTS {
                return Err(error.into());
            }
        }
        let searcher = self.reader.searcher();
        let mut vectors = self.vectors.lock().unwrap_or_else(PoisonError::into_inner);
        let mut read = HashMap::new();
        for segment in searcher.segment_readers() {
            let known = vectors.remove(&segment.segment_id());
            let known = known.map_or_else(|| Vectors::read(segment).map(Arc::new), Ok)?;
            read.insert(segment.segment_id(), known);
        }
        let view = Arc::new(TextView::new(searcher, self.fields, &read)?);
        *vectors = read;
        *known = Some(Arc::clone(&view));
        Ok(view)
    }

    /// See what other processes committed.
    pub(crate) fn look(&self) {
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The documents of a segment whose groups are live.
fn alive_in(segment: &Segment, live: &Live<'_>) -> Result<BitSet, Failure> {
    let reader = SegmentReader::open(segment)?;
    let groups = reader.fast_fields().u64("group")?;
    let mut bits = BitSet::with_max_value(reader.max_doc());
    for document in 0..reader.max_doc() {
        if (live.group)(groups.first(document).unwrap_or_default()) {
            bits.insert(document);
        }
    }
    Ok(bits)
}

/// The segments in a fixed order: what a seal can be made of.
fn describe(segments: &[SegmentMeta]) -> String {
    let mut lines: Vec<String> = segments
        .iter()
        .map(|segment| format!("{} {}\n", segment.id().uuid_string(), segment.max_doc()))
        .collect();
    lines.sort_unstable();
    lines.concat()
}

fn pack(one: u32, other: u32) -> u64 {
    u64::from(one) << 32 | u64::from(other)
}

fn unpack(both: u64) -> (u32, u32) {
    ((both >> 32) as u32, both as u32)
}

fn schema() -> (Schema, TextFields) {
    let words = TextOptions::default().set_indexing_options(
        TextFieldIndexing::default().set_tokenizer(WORDS).set_index_option(IndexRecordOption::WithFreqs),
    );
    let whole = TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer(RAW)
            .set_fieldnorms(false)
            .set_index_option(IndexRecordOption::Basic),
    );
    let column = || NumericOptions::default().set_fast();
    let mut builder = Schema::builder();
    let fields = TextFields {
        group: builder.add_u64_field("group", column()),
        number: builder.add_u64_field("number", column()),
        span: builder.add_u64_field("span", column()),
        bytes: builder.add_u64_field("bytes", column()),
        hash: builder.add_u64_field("hash", column()),
        about: builder.add_u64_field("about", column()),
        body: builder.add_text_field("body", words.clone()),
        title: builder.add_text_field("title", words.clone()),
        path: builder.add_text_field("path", words.clone()),
        names: builder.add_text_field("names", words),
        defined: builder.add_text_field("defined", whole.clone()),
        place: builder.add_text_field("place", whole),
        vector: builder.add_bytes_field("vector", BytesOptions::default().set_fast()),
    };
    (builder.build(), fields)
}

/// The passages as of one commit. A document has a number that counts through all segments.
pub(crate) struct TextView {
    searcher: Searcher,
    fields: TextFields,
    /// By document.
    facts: Vec<PassageFacts>,
    /// The mean length of the fields of [`SCORED`], in terms.
    means: [f32; SCORED.len()],
    /// By segment.
    vectors: Vec<Arc<Vectors>>,
}

/// The vectors of a segment.
#[derive(Debug, Default)]
struct Vectors {
    /// Document and vector, in rising order.
    rows: Vec<(u32, Box<[u8]>)>,
}

impl Vectors {
    fn read(segment: &SegmentReader) -> Result<Self, Failure> {
        let Some(column) = segment.fast_fields().bytes("vector")? else { return Ok(Self::default()) };
        // Equal ones have one number; numbers rise in the order of the dictionary.
        let mut values: Vec<Box<[u8]>> = Vec::with_capacity(column.num_terms());
        let mut stream = column.dictionary().stream()?;
        while stream.advance() {
            values.push(stream.key().into());
        }
        let of = |document: u32| {
            Some((document, values.get(usize::try_from(column.ords().first(document)?).ok()?)?.clone()))
        };
        Ok(Self { rows: (0..segment.max_doc()).filter_map(of).collect() })
    }
}

impl std::fmt::Debug for TextView {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TextView").finish_non_exhaustive()
    }
}

impl TextView {
    fn new(
        searcher: Searcher,
        fields: TextFields,
        vectors: &HashMap<SegmentId, Arc<Vectors>>,
    ) -> Result<Self, Failure> {
        let of = |segment: &SegmentReader| vectors.get(&segment.segment_id()).cloned().unwrap_or_default();
        let vectors = searcher.segment_readers().iter().map(of).collect();
        let mut facts = Vec::new();
        let mut terms = [0u64; SCORED.len()];
        for segment in searcher.segment_readers() {
            let columns = segment.fast_fields();
            let (groups, numbers) = (columns.u64("group")?, columns.u64("number")?);
            let (spans, bytes) = (columns.u64("span")?, columns.u64("bytes")?);
            let (hashes, abouts) = (columns.u64("hash")?, columns.u64("about")?);
            for document in 0..segment.max_doc() {
                let (first, last) = unpack(spans.first(document).unwrap_or_default());
                facts.push(PassageFacts {
                    group: groups.first(document).unwrap_or_default(),
                    number: numbers.first(document).unwrap_or_default(),
                    first,
                    last,
                    bytes: unpack(bytes.first(document).unwrap_or_default()),
                    hash: hashes.first(document).unwrap_or_default(),
                    about: abouts.first(document).unwrap_or_default(),
                });
            }
            for (sum, field) in terms.iter_mut().zip(SCORED) {
                *sum += segment.inverted_index(fields.of(field))?.total_num_tokens();
            }
        }
        let documents = facts.len().max(1) as f32;
        let means = terms.map(|sum| (sum as f32 / documents).max(1.0));
        Ok(Self { searcher, fields, facts, means, vectors })
    }

    /// What is known of each document.
    pub(crate) fn facts(&self) -> &[PassageFacts] {
        &self.facts
    }

    /// Whether any passage has a vector.
    pub(crate) fn has_vectors(&self) -> bool {
        self.vectors.iter().any(|vectors| !vectors.rows.is_empty())
    }

    /// Call `each` with every document that has a vector, in rising order.
    pub(crate) fn each_vector(&self, mut each: impl FnMut(u32, &[u8])) {
        let mut before = 0;
        for (vectors, segment) in self.vectors.iter().zip(self.searcher.segment_readers()) {
            for (document, vector) in &vectors.rows {
                each(before + document, vector);
            }
            before += segment.max_doc();
        }
    }

    /// The mean length of a scored field, by its place in [`SCORED`].
    pub(crate) fn mean_length(&self, scored: usize) -> f32 {
        self.means[scored]
    }

    /// How many documents hold a term in a field.
    pub(crate) fn holding(&self, field: TextField, term: &str) -> Result<u64, Failure> {
        Ok(self.searcher.doc_freq(&Term::from_field_text(self.fields.of(field), term))?)
    }

    /// Every document that holds a term in a field, in rising order, in place of what was in `into`.
    pub(crate) fn holders(
        &self,
        field: TextField,
        term: &str,
        into: &mut Vec<TextHolder>,
    ) -> Result<(), Failure> {
        into.clear();
        let is_scored = SCORED.contains(&field);
        let field = self.fields.of(field);
        let term = Term::from_field_text(field, term);
        let mut before = 0;
        for segment in self.searcher.segment_readers() {
            let option = if is_scored { IndexRecordOption::WithFreqs } else { IndexRecordOption::Basic };
            if let Some(mut postings) = segment.inverted_index(field)?.read_postings(&term, option)? {
                let lengths = if is_scored { Some(segment.get_fieldnorms_reader(field)?) } else { None };
                let length = |document| {
                    lengths
                        .as_ref()
                        .map_or(1, |reader| FieldNormReader::id_to_fieldnorm(reader.fieldnorm_id(document)))
                };
                let mut document = postings.doc();
                while document != TERMINATED {
                    into.push(TextHolder {
                        document: before + document,
                        times: if is_scored { postings.term_freq() } else { 1 },
                        length: length(document),
                    });
                    document = postings.advance();
                }
            }
            before += segment.max_doc();
        }
        Ok(())
    }
}
