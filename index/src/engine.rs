//! Owns an open index: the folder, the store, the snapshot that answers come from, what to do about damage.
//! Uses `store`, `manifest` and the lock of `refresh`.
//! Never ranks and never parses.

use std::fs;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use crate::manifest::{Manifest, Record, Unusable};
use crate::refresh::{CacheLock, lock};
use crate::store::{Documents, Failure, STORES, Store, folder, replace};
use crate::vector::{Meaning, Near};
use crate::walk::{Deny, Stat};
use crate::watch::Watch;
use crate::{IndexError, Options};

/// How long setting a damaged index aside may wait for another process.
const REPAIR_PATIENCE: Duration = Duration::from_secs(5);

/// How the files that hold live sets begin; the root they belong to follows.
const LIVE: &str = "live-";

/// What answers come from: the files of a tree, and their documents.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) view: Arc<dyn Documents>,
    /// The file the manifest was read from, or written to.
    pub(crate) stamp: Option<Stat>,
    /// The commit the documents were read from.
    commit: Option<Stat>,
}

/// An open index.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) root: PathBuf,
    pub(crate) options: Options,
    pub(crate) deny: Deny,
    state: RwLock<(Arc<Store>, Arc<Snapshot>)>,
    writing: Mutex<()>,
    /// An index was set aside and nobody was told yet.
    set_aside: AtomicBool,
    watch: OnceLock<Watch>,
    /// Something in the store could not be read: the next refresh sets it aside.
    suspect: AtomicBool,
    /// Vectors, when an embedder was attached.
    pub(crate) meaning: RwLock<Option<Arc<Meaning>>>,
}

/// The right to write: against other threads and other processes.
pub(crate) struct WriteLock<'a> {
    _thread: MutexGuard<'a, ()>,
    _process: CacheLock,
}

impl Engine {
    /// Open or create; a damaged index is set aside.
    pub(crate) fn open(root: &Path, mut options: Options) -> Result<Self, IndexError> {
        if !root.is_dir() {
            return Err(IndexError::NotADirectory { path: root.into() });
        }
        let at = |path: &Path| {
            let path = path.to_path_buf();
            move |source| IndexError::Io { path, source }
        };
        let root = root.canonicalize().map_err(at(root))?;
        fs::create_dir_all(&options.cache_dir).map_err(at(&options.cache_dir))?;
        options.cache_dir = options.cache_dir.canonicalize().map_err(at(&options.cache_dir))?;
        let creating = lock_to_create(&options.cache_dir).map_err(at(&options.cache_dir))?;
        let opened = open_at(&options.cache_dir, &root);
        drop(creating);
        let (store, snapshot, was_damaged) = match opened {
            Ok((store, snapshot, damaged)) => (store, snapshot, damaged),
            Err(reason) => {
                let (store, snapshot) = start_over(&options.cache_dir, &root)?;
                (store, snapshot, reason == Unusable::Damaged)
            }
        };
        Ok(Self {
            deny: Deny::new(&root, &options.deny),
            root,
            options,
            state: RwLock::new((Arc::new(store), Arc::new(snapshot))),
            writing: Mutex::new(()),
            set_aside: AtomicBool::new(was_damaged),
            suspect: AtomicBool::new(false),
            meaning: RwLock::new(None),
            watch: OnceLock::new(),
        })
    }

    /// Keep `watch` from now on, unless there is one.
    pub(crate) fn set_watch(&self, watch: Watch) {
        // Two that were started at once see the same; either will do.
        drop(self.watch.set(watch));
    }

    /// Who is told of changes, once somebody asked for it.
    pub(crate) fn watch(&self) -> Option<&Watch> {
        self.watch.get()
    }

    /// What answers come from now.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner).1)
    }

    /// The store.
    pub(crate) fn store(&self) -> Arc<Store> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner).0)
    }

    /// The snapshot after taking in what other processes committed; a damaged store is set aside first.
    pub(crate) fn latest(&self) -> Result<Arc<Snapshot>, IndexError> {
        if self.suspect.swap(false, Ordering::AcqRel) {
            self.replace_store()?;
        } else if stamp(&self.live_path()) != self.snapshot().stamp {
            self.reload()?;
        }
        Ok(self.snapshot())
    }

    /// As [`Engine::latest`], and with the documents of the last commit, whichever tree it was for. The caller holds the
    /// lock: what the view holds now, it holds until the lock is given back.
    pub(crate) fn latest_locked(&self) -> Result<Arc<Snapshot>, IndexError> {
        let snapshot = self.latest()?;
        if commit_stamp(&self.options.cache_dir) == snapshot.commit {
            return Ok(snapshot);
        }
        self.reload()?;
        Ok(self.snapshot())
    }

    /// Read what was written last.
    pub(crate) fn reload(&self) -> Result<(), IndexError> {
        let loaded = match load(&self.store(), &self.options.cache_dir, &self.root) {
            Ok((snapshot, damaged)) => {
                self.state.write().unwrap_or_else(PoisonError::into_inner).1 = Arc::new(snapshot);
                Ok(damaged)
            }
            // The folder was replaced or damaged under us.
            Err(_) => open_at(&self.options.cache_dir, &self.root).map(|(store, snapshot, damaged)| {
                *self.state.write().unwrap_or_else(PoisonError::into_inner) =
                    (Arc::new(store), Arc::new(snapshot));
                damaged
            }),
        };
        match loaded {
            Ok(damaged) => {
                self.set_aside.fetch_or(damaged, Ordering::AcqRel);
                Ok(())
            }
            Err(_) => self.replace_store(),
        }
    }

    /// Answer from a manifest that was just written, and from the documents committed before it.
    pub(crate) fn install(&self, manifest: Manifest, written: Option<Stat>) -> Result<(), IndexError> {
        let store = self.store();
        let commit = commit_stamp(&self.options.cache_dir);
        let view = store.reload().and_then(|()| store.view(&|key| manifest.holds(key)));
        let view = view.map_err(|error| self.failed(&error))?;
        let snapshot = Snapshot { manifest: Arc::new(manifest), view, stamp: written, commit };
        self.state.write().unwrap_or_else(PoisonError::into_inner).1 = Arc::new(snapshot);
        Ok(())
    }

    fn replace_store(&self) -> Result<(), IndexError> {
        let (store, snapshot) = start_over(&self.options.cache_dir, &self.root)?;
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = (Arc::new(store), Arc::new(snapshot));
        self.set_aside.store(true, Ordering::Release);
        Ok(())
    }

    /// Answer from a manifest with the same documents as the one before, unless a newer one is in use.
    pub(crate) fn publish(&self, base: &Arc<Snapshot>, manifest: Manifest, stamp: Option<Stat>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&state.1, base) {
            state.1 = Arc::new(Snapshot { manifest: Arc::new(manifest), stamp, ..(**base).clone() });
        }
    }

    /// Whether a file of the manifest may be shown under the rules of now, which may be stricter than when it was read.
    pub(crate) fn may_show(&self, manifest: &Manifest, record: &Record) -> bool {
        manifest.rules == self.deny.fingerprint() || !self.deny.covers(&record.raw, false)
    }

    /// The right to write; `None` when another process keeps it for longer than `patience`.
    pub(crate) fn lock(&self, patience: Duration) -> Result<Option<WriteLock<'_>>, IndexError> {
        let thread = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let path = &self.options.cache_dir;
        let process = lock(path, patience).map_err(|source| IndexError::Io { path: path.clone(), source })?;
        Ok(process.map(|process| WriteLock { _thread: thread, _process: process }))
    }

    /// Write the live set of this tree, whose documents are committed. Returns the stat of what was written.
    pub(crate) fn write_manifest(&self, manifest: &Manifest) -> Result<Option<Stat>, IndexError> {
        let path = self.live_path();
        replace(&path, &manifest.encode()).map_err(|source| IndexError::Io { path: path.clone(), source })?;
        Ok(stamp(&path))
    }

    fn live_path(&self) -> PathBuf {
        live_path(&self.options.cache_dir, &self.root)
    }

    /// Whether an index was set aside since this was last asked.
    pub(crate) fn tell_damage(&self) -> bool {
        self.set_aside.swap(false, Ordering::AcqRel)
    }

    /// How near everything is in meaning to a question; `None` without vectors.
    pub(crate) fn near(&self, snapshot: &Snapshot, question: &str) -> Option<Near> {
        let meaning = self.meaning.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        meaning.near(&snapshot.manifest, question)
    }

    /// Run a query. A store that fails, or panics inside, is damaged: it is set aside on the next refresh.
    pub(crate) fn ask<T>(
        &self,
        query: impl FnOnce(&Snapshot) -> Result<T, Failure>,
    ) -> Result<T, IndexError> {
        let snapshot = self.snapshot();
        match std::panic::catch_unwind(AssertUnwindSafe(|| query(&snapshot))) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                self.suspect.store(true, Ordering::Release);
                Err(self.failed(&error))
            }
            Err(_) => {
                self.suspect.store(true, Ordering::Release);
                Err(IndexError::Store {
                    path: self.options.cache_dir.clone(),
                    message: "it is damaged".into(),
                })
            }
        }
    }

    /// A failure of the store as callers see it.
    pub(crate) fn failed(&self, error: &Failure) -> IndexError {
        IndexError::Store { path: self.options.cache_dir.clone(), message: error.to_string() }
    }
}

/// Two processes must not create the store at once: the later one would empty it. Once it is there, no lock is needed.
fn lock_to_create(cache: &Path) -> std::io::Result<Option<CacheLock>> {
    let created = folder(cache).join("meta.json");
    let begun = std::time::Instant::now();
    while !created.exists() && begun.elapsed() < REPAIR_PATIENCE {
        if let Some(lock) = lock(cache, Duration::from_millis(50))? {
            remove_other_versions(cache)?;
            return Ok(Some(lock));
        }
    }
    Ok(None)
}

/// What other versions left is of no use to this one. A process that still reads it keeps its open files.
fn remove_other_versions(cache: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(cache)?.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(STORES) && entry.path() != folder(cache) {
            fs::remove_dir_all(entry.path())?;
        } else if name.starts_with("manifest-") || name.starts_with(LIVE) || name.ends_with(".part") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Where the live set of a tree is kept: trees that share a store have one each.
fn live_path(cache: &Path, root: &Path) -> PathBuf {
    let name = blake3::hash(root.as_os_str().as_encoded_bytes());
    cache.join(format!("{LIVE}{}", &name.to_hex()[..16]))
}

fn stamp(path: &Path) -> Option<Stat> {
    fs::metadata(path).ok().map(|metadata| Stat::of(&metadata))
}

fn commit_stamp(cache: &Path) -> Option<Stat> {
    stamp(&folder(cache).join("meta.json"))
}

/// The live sets of all trees that share a store. That of a tree which is gone is removed.
pub(crate) fn live_sets(cache: &Path) -> Vec<Manifest> {
    let mut sets = Vec::new();
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with(LIVE) || name.ends_with(".part") {
            continue;
        }
        let read = fs::read(entry.path()).ok();
        let Some(Ok(manifest)) = read.map(|bytes| Manifest::decode(&bytes)) else { continue };
        if manifest.root.is_dir() {
            sets.push(manifest);
        } else {
            drop(fs::remove_file(entry.path()));
        }
    }
    sets
}

/// The store and the snapshot of a tree, and whether its live set was damaged.
fn open_at(cache: &Path, root: &Path) -> Result<(Store, Snapshot, bool), Unusable> {
    // tantivy may panic on bytes that it did not write.
    std::panic::catch_unwind(|| {
        let store = Store::open(&folder(cache)).map_err(|_| Unusable::Damaged)?;
        let (snapshot, damaged) = load(&store, cache, root)?;
        Ok((store, snapshot, damaged))
    })
    .unwrap_or(Err(Unusable::Damaged))
}

/// The live set and then its documents, which were committed before it was written. Another process may write a newer
/// one, and drop what only the older one names, between the two: then again.
fn load(store: &Store, cache: &Path, root: &Path) -> Result<(Snapshot, bool), Unusable> {
    let path = live_path(cache, root);
    let mut rounds = 0;
    loop {
        rounds += 1;
        let stamp_before = stamp(&path);
        let (mut manifest, damaged) = match read_live(&path, root) {
            Ok(manifest) => (manifest, false),
            Err(reason) => (Manifest::new(root), reason == Unusable::Damaged),
        };
        let commit = commit_stamp(cache);
        store.reload().map_err(|_| Unusable::Damaged)?;
        let view = store.view(&|key| manifest.holds(key)).map_err(|_| Unusable::Damaged)?;
        if stamp(&path) != stamp_before && rounds < 20 {
            continue;
        }
        manifest.forget_missing(&|key| view.holds(key));
        if damaged {
            // Kept for whoever wants to know what happened; the documents are as good as before.
            drop(fs::rename(&path, cache.join("damaged-live")));
        }
        let manifest = Arc::new(manifest);
        return Ok((Snapshot { manifest, view, stamp: stamp_before.filter(|_| !damaged), commit }, damaged));
    }
}

fn read_live(path: &Path, root: &Path) -> Result<Manifest, Unusable> {
    let Ok(bytes) = fs::read(path) else { return Ok(Manifest::new(root)) };
    let manifest = Manifest::decode(&bytes)?;
    if manifest.root == root { Ok(manifest) } else { Err(Unusable::OtherFormat) }
}

/// Set what is there aside, once, and begin an empty store.
fn start_over(cache: &Path, root: &Path) -> Result<(Store, Snapshot), IndexError> {
    let failed = |message: String| IndexError::Store { path: cache.into(), message };
    let at = |path: &Path| {
        let path = path.to_path_buf();
        move |source| IndexError::Io { path, source }
    };
    let Some(_lock) = lock(cache, REPAIR_PATIENCE).map_err(at(cache))? else {
        return Err(failed("another process is repairing it".into()));
    };
    // It may have been repaired while we waited.
    if let Ok((store, snapshot, _)) = open_at(cache, root) {
        return Ok((store, snapshot));
    }
    let (live, aside) = (folder(cache), cache.join("damaged"));
    if aside.exists() {
        fs::remove_dir_all(&aside).map_err(at(&aside))?;
    }
    if live.exists() {
        fs::rename(&live, &aside).map_err(at(&live))?;
    }
    for entry in fs::read_dir(cache).map_err(at(cache))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(LIVE) {
            drop(fs::remove_file(entry.path()));
        }
    }
    let (store, snapshot, _) = open_at(cache, root)
        .map_err(|reason| failed(format!("an empty store does not open ({reason:?})")))?;
    Ok((store, snapshot))
}
