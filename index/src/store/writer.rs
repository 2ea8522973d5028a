//! Owns taking documents in: one segment for each thread that parses, and the commit that shows them.
//! Uses tantivy's segment writers without its queue: a text is cut into terms where it was parsed.
//! Never decides what is kept.

use std::ops::Bound;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use tantivy::indexer::{AddOperation, IndexWriterOptions, NoMergePolicy, SegmentWriter};
use tantivy::query::RangeQuery;
use tantivy::{Directory, IndexWriter, Segment, SegmentMeta, TantivyDocument, Term};

use super::{Failure, Fields, FileText, pack};
use crate::codec::Encoder;

/// The least tantivy allows for its own thread, which is not used.
const LEAST_BYTES: usize = 15_000_000;
/// What all threads together keep of segments before they go to the disk; at most 16 share it. Less makes more segments to
/// be merged; a million lines take about twice this.
const OPEN_BYTES: usize = 96_000_000;
/// A segment takes about so many bytes for each byte of text. What it starts with is made for this, so that one changed
/// file does not clear a table of megabytes.
const BYTES_A_BYTE: usize = 4;
const OPEN_LEAST: usize = 1_000_000;
/// From here on small segments are merged at the end of a refresh.
const MOST_SEGMENTS: usize = 12;
/// A segment of which more than this share was deleted is written anew.
const DELETED_SHARE: f32 = 0.4;

/// The one writer of a store. The caller holds the lock of the cache folder.
pub(crate) struct Writer {
    index: tantivy::Index,
    fields: Fields,
    /// Segments that are complete and not committed.
    added: Mutex<Vec<SegmentMeta>>,
}

impl Writer {
    pub(super) fn new(index: &tantivy::Index, fields: Fields) -> Self {
        Self { index: index.clone(), fields, added: Mutex::default() }
    }

    /// A place for the documents of one of `threads` threads, which share `bytes` of text.
    pub(crate) fn sink(&self, threads: usize, bytes: u64) -> Sink<'_> {
        let threads = threads.max(1);
        let expected = usize::try_from(bytes).unwrap_or(usize::MAX).saturating_mul(BYTES_A_BYTE) / threads;
        let most = OPEN_BYTES / threads;
        Sink { writer: self, open: None, table: expected.clamp(OPEN_LEAST, most), most }
    }

    /// Show everything so far to whoever opens or reloads.
    ///
    /// tantivy's own writer would start three threads for this and wait for them, which takes longer than one file.
    pub(crate) fn commit(&self) -> Result<(), Failure> {
        let mut added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
        if added.is_empty() {
            return Ok(());
        }
        let mut meta = self.index.load_metas()?;
        meta.segments.append(&mut added);
        meta.opstamp += 1;
        let bytes = serde_json::to_vec_pretty(&meta).map_err(|error| Failure(error.to_string()))?;
        self.index.directory().atomic_write(Path::new("meta.json"), &bytes)?;
        Ok(())
    }
}

/// Drop every document of some keys, merge small segments where there are many, and write anew what was mostly deleted.
pub(super) fn tidy(index: &tantivy::Index, folder: &Path, doomed: &[u64]) -> Result<(), Failure> {
    let chosen = to_merge(index)?;
    if doomed.is_empty() && chosen.is_empty() {
        return Ok(());
    }
    let options = IndexWriterOptions::builder()
        .num_worker_threads(1)
        .memory_budget_per_thread(LEAST_BYTES)
        .num_merge_threads(1)
        .build();
    let mut writer: IndexWriter<TantivyDocument> = index.writer_with_options(options)?;
    // Merging in the background would be cut off when the writer goes; it is done here instead.
    writer.set_merge_policy(Box::new(NoMergePolicy));
    let key_field = index.schema().get_field("key")?;
    if !doomed.is_empty() {
        for &key in doomed {
            let bound = || Bound::Included(Term::from_field_u64(key_field, key));
            writer.delete_query(Box::new(RangeQuery::new(bound(), bound())))?;
        }
        writer.commit()?;
    }
    let chosen = to_merge(index)?;
    if !chosen.is_empty() {
        writer.merge(&chosen).wait()?;
    }
    // What was merged is still on the disk until somebody looks.
    writer.garbage_collect_files().wait()?;
    writer.wait_merging_threads()?;
    super::directory::remove_orphans(folder, &super::seal::files(index)?)?;
    Ok(())
}

fn to_merge(index: &tantivy::Index) -> Result<Vec<tantivy::index::SegmentId>, Failure> {
    let mut segments = index.searchable_segment_metas()?;
    let hollow =
        |segment: &SegmentMeta| segment.num_deleted_docs() as f32 > segment.max_doc() as f32 * DELETED_SHARE;
    let mut chosen: Vec<_> = segments.iter().filter(|segment| hollow(segment)).map(SegmentMeta::id).collect();
    if segments.len() > MOST_SEGMENTS {
        segments.sort_by_key(SegmentMeta::num_docs);
        chosen.extend(segments.iter().take(segments.len() - MOST_SEGMENTS / 3).map(SegmentMeta::id));
        chosen.sort_unstable();
        chosen.dedup();
    }
    Ok(chosen)
}

/// Takes the documents of one thread.
pub(crate) struct Sink<'a> {
    writer: &'a Writer,
    open: Option<(Segment, SegmentWriter)>,
    /// What the table of terms is made for, in bytes of memory.
    table: usize,
    /// With more than this, a segment is closed. An empty one takes some megabytes.
    most: usize,
}

impl Sink<'_> {
    /// Add a file's documents: first the file's own, then its chunks in order, all in one segment.
    pub(crate) fn add(&mut self, file: &FileText<'_>) -> Result<(), Failure> {
        let (_, segment) = match &mut self.open {
            Some(open) => open,
            empty => {
                let segment = self.writer.index.new_segment();
                let writer = SegmentWriter::for_segment(self.table, segment.clone())?;
                empty.insert((segment, writer))
            }
        };
        let fields = self.writer.fields;
        let mut add = |document| segment.add_document(AddOperation { opstamp: 0, document });
        add(file_document(&fields, file))?;
        for chunk in &file.chunks {
            let mut document = TantivyDocument::new();
            document.add_u64(fields.key, file.key);
            document.add_u64(fields.span, pack(chunk.start, chunk.end, chunk.is_test));
            if let Some(header) = chunk.header {
                document.add_text(fields.body, header);
            }
            document.add_text(fields.body, chunk.text);
            for name in &chunk.names {
                document.add_text(fields.symbols, name);
                document.add_text(fields.definition, name);
                document.add_text(fields.normalised, crate::tokenize::normalise(name));
            }
            for sentence in &chunk.docs {
                document.add_text(fields.doc, sentence);
            }
            if let Some((symbol, kind)) = chunk.symbol {
                let mut label = Encoder::default();
                label.text(symbol);
                label.text(kind);
                document.add_bytes(fields.stored, &label.finish());
            }
            add(document)?;
        }
        if segment.mem_usage() >= self.most {
            self.close()?;
        }
        Ok(())
    }

    /// Put what was taken into a file; the next commit shows it.
    pub(crate) fn close(&mut self) -> Result<(), Failure> {
        let Some((segment, writer)) = self.open.take() else { return Ok(()) };
        let documents = writer.max_doc();
        writer.finalize()?;
        let meta = self.writer.index.new_segment_meta(segment.id(), documents);
        self.writer.added.lock().unwrap_or_else(PoisonError::into_inner).push(meta);
        Ok(())
    }
}

fn file_document(fields: &Fields, file: &FileText<'_>) -> TantivyDocument {
    let mut document = TantivyDocument::new();
    document.add_u64(fields.key, file.key);
    document.add_u64(fields.span, pack(0, 0, file.is_test));
    document.add_text(fields.path, file.path);
    let mut names: Vec<&str> = file.names.clone();
    names.sort_unstable();
    names.dedup();
    let mut plain: Vec<String> = names.iter().map(|name| crate::tokenize::normalise(name)).collect();
    plain.sort_unstable();
    plain.dedup();
    for name in names {
        document.add_text(fields.definition, name);
    }
    for name in plain {
        document.add_text(fields.normalised, name);
    }
    document.add_text(fields.reference, super::tokens::write_uses(&file.uses));
    document.add_bytes(fields.stored, &file.tags);
    document
}
