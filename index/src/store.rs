//! Owns the full-text store: its fields, its documents, how they are written and asked for.
//! Uses tantivy; only this file and the folder below it name it.
//! Never decides what ranks higher, and never reads the tree.

mod directory;
mod documents;
mod seal;
mod table;
pub(crate) mod tally;
pub(crate) mod texts;
mod tokens;
mod view;
mod writer;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tantivy::index::SegmentId;
use tantivy::schema::{
    BytesOptions, Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::{DocAddress, IndexReader, IndexSettings, Opstamp, ReloadPolicy, TantivyError};

pub(crate) use directory::replace;
pub(crate) use documents::{Documents, Found};
pub(crate) use view::ByKey;
use view::View;
pub(crate) use view::links::Links;
pub(crate) use writer::{Sink, Writer};

use table::Table;
use tokens::{RAW, USES, WORDS};

/// What tantivy said.
#[derive(Debug, Clone, thiserror::Error)]
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
    symbols: Field,
    path: Field,
    doc: Field,
    definition: Field,
    normalised: Field,
    reference: Field,
    stored: Field,
}

/// A segment, and up to where documents were deleted from it.
type SegmentState = (SegmentId, Option<Opstamp>);

/// An open store.
pub(crate) struct Store {
    index: tantivy::Index,
    reader: IndexReader,
    fields: Fields,
    folder: PathBuf,
    /// Read once for each segment, and once more when documents of it were deleted.
    tables: Mutex<HashMap<SegmentState, Arc<Table>>>,
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
        let settings =
            IndexSettings { docstore_compress_dedicated_thread: false, ..IndexSettings::default() };
        let index = tantivy::Index::builder()
            .schema(schema)
            .settings(settings)
            .tokenizers(tokens::tokenizers())
            .open_or_create(directory::Unsynced::open(folder)?)?;
        seal::check(&index, folder)?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self { index, reader, fields, folder: folder.to_owned(), tables: Mutex::default() })
    }

    /// See what has been committed, by this process or another.
    pub(crate) fn reload(&self) -> Result<(), Failure> {
        Ok(self.reader.reload()?)
    }

    /// The documents as of the last reload whose key `belongs`.
    pub(crate) fn view(&self, belongs: &dyn Fn(u64) -> bool) -> Result<Arc<dyn Documents>, Failure> {
        let searcher = self.reader.searcher();
        let mut known = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tables = Vec::with_capacity(searcher.segment_readers().len());
        let mut kept = HashMap::with_capacity(searcher.segment_readers().len());
        for reader in searcher.segment_readers() {
            let name = (reader.segment_id(), reader.delete_opstamp());
            let table = match known.get(&name) {
                Some(table) => Arc::clone(table),
                None => Arc::new(Table::read(reader, &self.fields)?),
            };
            kept.insert(name, Arc::clone(&table));
            tables.push(table);
        }
        *known = kept;
        drop(known);
        Ok(Arc::new(View::new(searcher, self.fields, tables, belongs)))
    }

    /// The one writer. The caller holds the lock of the cache folder.
    pub(crate) fn writer(&self) -> Writer {
        Writer::new(&self.index, self.fields)
    }

    /// Drop the documents of some keys, and keep the number of segments low. The caller holds the lock.
    pub(crate) fn tidy(&self, doomed: &[u64]) -> Result<(), Failure> {
        writer::tidy(&self.index, &self.folder, doomed)
    }
}

fn schema() -> (Schema, Fields) {
    let words = |record| {
        TextOptions::default()
            .set_indexing_options(TextFieldIndexing::default().set_tokenizer(WORDS).set_index_option(record))
    };
    let names = TextOptions::default().set_indexing_options(
        TextFieldIndexing::default()
            .set_tokenizer(RAW)
            .set_fieldnorms(false)
            .set_index_option(IndexRecordOption::Basic),
    );
    let mut builder = Schema::builder();
    let fields = Fields {
        key: builder.add_u64_field("key", NumericOptions::default().set_fast()),
        span: builder.add_u64_field("span", NumericOptions::default().set_fast()),
        body: builder.add_text_field("body", words(IndexRecordOption::WithFreqs)),
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

/// Where the store lives below the cache folder. Another version has another place, so that it is never taken for damaged.
pub(crate) fn folder(cache: &Path) -> PathBuf {
    cache.join(format!("{STORES}{}", crate::manifest::FORMAT))
}

/// How the folders of all versions begin.
pub(crate) const STORES: &str = "store-";
