//! Owns meaning for the index: which embedder the settings name, and the thread that embeds behind a session.
//! Uses `loci_inference::embed` for vectors and `loci_index` for what is embedded and kept.
//! Never makes an answer wait: what has a vector counts, the rest is found by its words.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use loci_index::{Embed, EmbedError, Index, IndexError, Role};
use loci_inference::embed::{Bert, Files, Kind, Table};

use crate::config::Embeddings;

/// The thread works so long, then rests so long: on two cores it leaves three quarters of one to everything else.
const SLICE: Duration = Duration::from_millis(200);
const REST: Duration = Duration::from_millis(200);

/// Why searches are by words alone although the settings name an embedder.
#[derive(Debug, thiserror::Error)]
pub enum MeaningError {
    /// The vectors cannot be read.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The model cannot be used.
    #[error(transparent)]
    Model(#[from] loci_inference::embed::EmbedError),
}

/// Let the embedder of the settings speak in searches. False when they name none. A model is read whole: seconds.
///
/// # Errors
/// See [`MeaningError`].
pub fn attach(index: &Index, embeddings: &Embeddings) -> Result<bool, MeaningError> {
    match embeddings {
        Embeddings::Off => return Ok(false),
        Embeddings::Static => index.attach(Arc::new(Static))?,
        Embeddings::Model(path) => index.attach(Arc::new(Model(Bert::load(&Files::open(path)?)?)))?,
    }
    Ok(true)
}

/// The embedder for what was said, which must not keep anybody waiting: the table that is part of the program, unless the
/// settings want none. A model of the user's would need minutes for the sessions of a year.
#[must_use]
pub fn light(embeddings: &Embeddings) -> Option<Arc<dyn Embed>> {
    match embeddings {
        Embeddings::Off => None,
        Embeddings::Static | Embeddings::Model(_) => Some(Arc::new(Static)),
    }
}

/// What a text is, as the embedders call it.
fn kind(role: Role) -> Kind {
    match role {
        Role::Question => Kind::Question,
        Role::Passage => Kind::Passage,
    }
}

/// A model of the user's.
struct Model(Bert);

impl Embed for Model {
    fn fingerprint(&self) -> [u8; 32] {
        self.0.fingerprint()
    }

    fn dimensions(&self) -> usize {
        self.0.dimensions()
    }

    fn embed(&self, texts: &[&str], role: Role) -> Result<Vec<Vec<f32>>, EmbedError> {
        let embed =
            |text: &&str| self.0.embed(text, kind(role)).map_err(|error| EmbedError(error.to_string()));
        texts.iter().map(embed).collect()
    }
}

/// The table that is part of the program; it is read when the first text comes.
struct Static;

impl Embed for Static {
    fn fingerprint(&self) -> [u8; 32] {
        Table::builtin_fingerprint()
    }

    fn dimensions(&self) -> usize {
        Table::builtin_dimensions()
    }

    fn embed(&self, texts: &[&str], role: Role) -> Result<Vec<Vec<f32>>, EmbedError> {
        let table = Table::builtin().map_err(|error| EmbedError(error.to_string()))?;
        Ok(texts.iter().map(|text| table.embed(text, kind(role))).collect())
    }
}

/// A thread that embeds what is pending each time it is woken. It ends, soon, when this goes.
#[derive(Debug)]
pub(crate) struct Filler {
    wake: SyncSender<()>,
    cancel: Arc<AtomicBool>,
}

impl Filler {
    /// Start the thread, which attaches the embedder and then sleeps until it is woken. What is wrong with the embedder goes
    /// to `warn`. `None` when nothing is to be embedded, or the system gives no thread: answers are then by words.
    pub(crate) fn start(
        index: Index,
        embeddings: Embeddings,
        warn: impl FnOnce(String) + Send + 'static,
    ) -> Option<Self> {
        if embeddings == Embeddings::Off {
            return None;
        }
        let (wake, woken) = sync_channel(1);
        let cancel = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&cancel);
        let thread = std::thread::Builder::new().name("meaning".into());
        let run = move || match attach(&index, &embeddings) {
            Ok(_) => fill(&index, &woken, &stop),
            Err(error) => warn(format!("searches are by words alone: {error}")),
        };
        thread.spawn(run).ok()?;
        Some(Self { wake, cancel })
    }

    /// A sender that wakes the thread.
    pub(crate) fn waker(&self) -> Waker {
        Waker(self.wake.clone())
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        self.cancel.store(true, Ordering::Relaxed);
        let _ = self.wake.try_send(());
    }
}

/// Wakes the thread of a [`Filler`].
#[derive(Debug, Clone)]
pub(crate) struct Waker(SyncSender<()>);

impl Waker {
    /// There may be something to embed.
    pub(crate) fn wake(&self) {
        match self.0.try_send(()) {
            // One that waits is as good as two; one whose thread ended wakes nobody.
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }
}

fn fill(index: &Index, woken: &Receiver<()>, stop: &AtomicBool) {
    while woken.recv().is_ok() && !stop.load(Ordering::Relaxed) {
        let mut before = u64::MAX;
        // A failure, or files that keep changing, is tried again when it is woken next.
        while let Ok(report) = index.embed_pending(SLICE, stop) {
            if report.pending == 0 || report.pending >= before || stop.load(Ordering::Relaxed) {
                break;
            }
            before = report.pending;
            std::thread::sleep(REST);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn index(folder: &std::path::Path) -> Index {
        let tree = folder.join("tree");
        std::fs::create_dir_all(&tree).expect("folder");
        std::fs::write(tree.join("a.py"), "def drop_old_entries(cache):\n    cache.clear()\n").expect("file");
        std::fs::write(tree.join("b.py"), "def read_config(path):\n    return open(path)\n").expect("file");
        let options = loci_index::Options {
            cache_dir: folder.join("cache"),
            max_file_bytes: 1 << 20,
            deny: Vec::new(),
        };
        let index = Index::open(&tree, options).expect("opened");
        index.refresh(&mut |_| {}).expect("refreshed");
        index
    }

    #[test]
    fn the_thread_embeds_when_it_is_woken_and_ends_with_its_owner() {
        let folder = tempfile::tempdir().expect("folder");
        let index = index(folder.path());
        assert!(index.nearest("remove stale items", 1).is_empty());
        let filler = Filler::start(index.clone(), Embeddings::Static, |_| {}).expect("thread");
        let waker = filler.waker();
        waker.wake();
        let begun = Instant::now();
        while index.nearest("remove stale items", 1).is_empty() && begun.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let nearest = index.nearest("remove stale items", 2);
        let paths: Vec<&str> = nearest.iter().map(|near| near.path.as_str()).collect();
        assert_eq!(paths, ["a.py", "b.py"]);
        drop(filler);
        // The channel closes when the thread is gone.
        while waker.0.send(()).is_ok() && begun.elapsed() < Duration::from_secs(60) {}
        assert!(waker.0.send(()).is_err(), "the thread ended");
    }

    #[test]
    fn a_model_that_is_not_there_is_said() {
        let folder = tempfile::tempdir().expect("folder");
        let index = index(folder.path());
        let (sender, receiver) = std::sync::mpsc::channel();
        let nowhere = Embeddings::Model(folder.path().join("nowhere.whl"));
        let _filler =
            Filler::start(index, nowhere, move |warning| drop(sender.send(warning))).expect("thread");
        let warning = receiver.recv_timeout(Duration::from_secs(60)).expect("a warning");
        assert!(warning.contains("words alone") && warning.contains("nowhere.whl"), "{warning}");
    }

    #[test]
    fn nothing_is_embedded_when_it_is_off() {
        let folder = tempfile::tempdir().expect("folder");
        let index = index(folder.path());
        assert!(!attach(&index, &Embeddings::Off).expect("nothing"));
        assert!(Filler::start(index.clone(), Embeddings::Off, |_| {}).is_none());
        let report = index.embed_pending(Duration::from_secs(60), &AtomicBool::new(false)).expect("nothing");
        assert_eq!((report.embedded, report.pending), (0, 0));
    }
}
