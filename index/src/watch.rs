//! Owns knowing what changed without looking: the system says which paths did, and a refresh looks at those alone.
//! Uses `notify`, for the folders the last walk listed; everything else is `refresh`.
//! Never answers for what it may have missed: a full queue, a folder too many, a marker that does not come back mean a sweep.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::engine::Engine;
use crate::sweep::Guard;
use crate::{IndexError, Progress, RefreshReport, refresh};

/// With more changed paths than this a sweep is as fast.
const MANY: usize = 200;
/// More than this is not remembered one by one.
const MOST: usize = 20_000;
/// After so long without a change, what came is taken in by itself. An editor that saves writes for less than 20 ms, and a
/// question does not wait for this: it takes in what is known before it is answered.
const QUIET: Duration = Duration::from_millis(100);
/// A build that never pauses is looked at so often.
const LONGEST: Duration = Duration::from_secs(2);
/// How long a marker may take to come back. It takes a tenth of a millisecond where nothing else runs.
const MARKER: Duration = Duration::from_millis(50);
/// How the marker files in the cache folder begin.
const MARKERS: &str = "marker-";

/// What may differ from what the index knows.
#[derive(Debug, Default)]
struct Dirty {
    paths: BTreeSet<PathBuf>,
    /// A rule may have changed, or there were too many paths: only a sweep tells.
    everything: bool,
    /// Something may not have been told at all, a folder's new name even.
    lost: bool,
}

#[derive(Debug)]
struct State {
    dirty: Dirty,
    /// When the last change came, and the first of those that were not taken in.
    last: Option<Instant>,
    first: Option<Instant>,
    /// The newest marker that came back.
    marker: u64,
    stopped: bool,
}

/// What the handler of events and those who ask share.
#[derive(Debug)]
struct Shared {
    root: PathBuf,
    cache: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
    /// Every folder is watched and nothing was lost.
    healthy: AtomicBool,
}

/// Watches the folders of a tree until it is dropped.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    watcher: Mutex<RecommendedWatcher>,
    watched: Mutex<HashSet<PathBuf>>,
    markers: AtomicU64,
    /// One refresh at a time: what one is about to take in is not there for the other yet.
    busy: Mutex<()>,
    /// Why sweeps are needed all the same, to be told once.
    problem: Mutex<Option<String>>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Watch").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl Watch {
    /// Begin. The first refresh after this sweeps, and watches what it sees.
    pub(crate) fn start(engine: &Arc<Engine>) -> Result<Self, String> {
        // Only inotify hands out what happened in one order, which markers need.
        if !cfg!(target_os = "linux") {
            return Err(
                "file notifications are not used on this system; each refresh looks at every file".into()
            );
        }
        let shared = Arc::new(Shared {
            root: engine.root.clone(),
            cache: engine.options.cache_dir.clone(),
            state: Mutex::new(State {
                dirty: Dirty { lost: true, ..Dirty::default() },
                last: None,
                first: None,
                marker: 0,
                stopped: false,
            }),
            changed: Condvar::new(),
            healthy: AtomicBool::new(false),
        });
        let handler = Arc::clone(&shared);
        let mut watcher = notify::recommended_watcher(move |event| handler.take(event)).map_err(explain)?;
        watcher.watch(&shared.cache, RecursiveMode::NonRecursive).map_err(explain)?;
        let (weak, waiting) = (Arc::downgrade(engine), Arc::clone(&shared));
        std::thread::Builder::new()
            .name("loci-watch".into())
            .spawn(move || waiting.take_in(&weak))
            .map_err(|error| error.to_string())?;
        Ok(Self {
            shared,
            watcher: Mutex::new(watcher),
            watched: Mutex::default(),
            markers: AtomicU64::new(0),
            busy: Mutex::new(()),
            problem: Mutex::new(None),
        })
    }

    /// Why sweeps are needed all the same; told once.
    pub(crate) fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The next refresh has to look at everything.
    pub(crate) fn doubt(&self) {
        self.shared.lock().dirty.everything = true;
    }

    /// Bring the index up to date by looking at what changed.
    pub(crate) fn refresh(
        &self,
        engine: &Engine,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<RefreshReport, IndexError> {
        let _busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let mut dirty = Dirty { lost: true, ..Dirty::default() };
        if self.shared.healthy.load(Ordering::Acquire) && self.is_drained() {
            dirty = self.shared.lock().take_dirty();
        }
        let moved = self.forget_moved(&dirty);
        let manifest = Arc::clone(&engine.latest()?.manifest);
        let known = manifest.rules == engine.deny.fingerprint() && manifest.generation > 0;
        let guards = || manifest.layout.inner.iter().chain(&manifest.layout.outer).all(Guard::holds);
        let few = !dirty.lost && !dirty.everything && !moved;
        let done = if few && known && guards() && !self.has_new_folder(&dirty.paths) {
            if dirty.paths.is_empty() {
                progress(Progress { done: 0, total: 0 });
                return Ok(refresh::nothing_new(engine, &manifest));
            }
            refresh::refresh(engine, Some(&dirty.paths), progress)
        } else {
            let done = refresh::refresh(engine, None, progress);
            self.follow(&engine.snapshot().manifest.layout.folders);
            done
        };
        if done.is_err() {
            self.shared.lock().put_back(dirty);
        }
        done
    }

    /// The system watches a folder, not its name: under a new name, or gone, it has to be watched anew. Whether any was.
    fn forget_moved(&self, dirty: &Dirty) -> bool {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        // The folders above a watched one are watched, too.
        let moved: Vec<&PathBuf> = dirty.paths.iter().filter(|path| watched.contains(*path)).collect();
        let stale: Vec<PathBuf> = watched
            .iter()
            .filter(|folder| dirty.lost || moved.iter().any(|path| folder.starts_with(path)))
            .cloned()
            .collect();
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        for folder in &stale {
            // One that is gone is not watched any more.
            drop(watcher.unwatch(&self.shared.root.join(folder)));
            watched.remove(folder);
        }
        !stale.is_empty()
    }

    fn has_new_folder(&self, paths: &BTreeSet<PathBuf>) -> bool {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        paths.iter().any(|path| !watched.contains(path) && self.shared.root.join(path).is_dir())
    }

    /// Watch the folders that are not watched yet. What happened in them since they were listed is looked at next time.
    fn follow(&self, folders: &[crate::sweep::Folder]) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        let now: HashSet<&Path> = folders.iter().map(|folder| folder.raw.as_path()).collect();
        let gone: Vec<PathBuf> =
            watched.iter().filter(|folder| !now.contains(folder.as_path())).cloned().collect();
        for folder in gone {
            drop(watcher.unwatch(&self.shared.root.join(&folder)));
            watched.remove(&folder);
        }
        let mut new = BTreeSet::new();
        let mut healthy = true;
        for folder in folders.iter().filter(|folder| !watched.contains(&folder.raw)) {
            match watcher.watch(&self.shared.root.join(&folder.raw), RecursiveMode::NonRecursive) {
                Ok(()) => {
                    new.insert(folder.raw.clone());
                }
                // Removed meanwhile: its parent says so.
                Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) => {}
                Err(error) => {
                    let mut problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
                    *problem = Some(explain(error));
                    healthy = false;
                    break;
                }
            }
        }
        watched.extend(new.iter().cloned());
        drop(watched);
        let mut state = self.shared.lock();
        let everything = new.len() > MANY || new.contains(Path::new(""));
        let paths = if everything { BTreeSet::new() } else { new };
        state.put_back(Dirty { paths, everything, lost: false });
        self.shared.healthy.store(healthy, Ordering::Release);
    }

    /// Whether everything that happened before now has been told: a file made now is told after it.
    fn is_drained(&self) -> bool {
        let number = self.markers.fetch_add(1, Ordering::Relaxed) + 1;
        let path = self.shared.cache.join(format!("{MARKERS}{}-{number}", std::process::id()));
        if std::fs::File::create(&path).is_err() {
            return false;
        }
        let deadline = Instant::now() + MARKER;
        let mut state = self.shared.lock();
        while state.marker < number {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited =
                self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
        }
        let drained = state.marker >= number;
        drop(state);
        drop(std::fs::remove_file(path));
        drained
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One event, in the thread of the watcher.
    fn take(&self, event: notify::Result<Event>) {
        let mut state = self.lock();
        match event {
            Ok(event) if event.need_rescan() => state.dirty.lost = true,
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => return,
            Ok(event) => {
                let mut any = false;
                for path in &event.paths {
                    any |= self.note(&mut state, path);
                }
                if !any {
                    return;
                }
            }
            Err(_) => {
                state.dirty.lost = true;
                self.healthy.store(false, Ordering::Release);
            }
        }
        let now = Instant::now();
        state.last = Some(now);
        state.first.get_or_insert(now);
        self.changed.notify_all();
    }

    /// Whether somebody waits for this.
    fn note(&self, state: &mut State, path: &Path) -> bool {
        if let Ok(inside) = path.strip_prefix(&self.cache) {
            let name = inside.to_string_lossy();
            let number = name
                .strip_prefix(MARKERS)
                .and_then(|rest| rest.strip_prefix(&format!("{}-", std::process::id()))?.parse().ok());
            if let Some(number) = number {
                state.marker = state.marker.max(number);
                self.changed.notify_all();
            }
            return false;
        }
        let Ok(relative) = path.strip_prefix(&self.root) else { return false };
        let name = relative.file_name().map(|name| name.to_string_lossy());
        if matches!(name.as_deref(), None | Some(".gitignore" | ".ignore" | ".git")) {
            state.dirty.everything = true;
        } else {
            state.dirty.paths.insert(relative.to_path_buf());
            state.dirty.everything |= state.dirty.paths.len() > MANY;
            if state.dirty.paths.len() > MOST {
                state.dirty = Dirty { lost: true, ..Dirty::default() };
            }
        }
        true
    }

    /// Take in what came once it is quiet, so that a question finds little left to do.
    fn take_in(&self, engine: &Weak<Engine>) {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return;
            }
            let (Some(last), Some(first)) = (state.last, state.first) else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let due = (last + QUIET).min(first + LONGEST);
            let left = due.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            (state.last, state.first) = (None, None);
            drop(state);
            let Some(engine) = engine.upgrade() else { return };
            if let Some(watch) = engine.watch() {
                // What fails now is tried again, and told, when somebody asks.
                drop(watch.refresh(&engine, &mut |_| {}));
            }
            drop(engine);
            state = self.lock();
        }
    }
}

impl State {
    fn take_dirty(&mut self) -> Dirty {
        (self.last, self.first) = (None, None);
        std::mem::take(&mut self.dirty)
    }

    fn put_back(&mut self, dirty: Dirty) {
        self.dirty.paths.extend(dirty.paths);
        self.dirty.everything |= dirty.everything;
        self.dirty.lost |= dirty.lost;
    }
}

fn explain(error: notify::Error) -> String {
    match error.kind {
        notify::ErrorKind::MaxFilesWatch => {
            "too many folders to be watched (fs.inotify.max_user_watches); each refresh looks at every file"
                .into()
        }
        _ => format!("changes are not watched ({error}); each refresh looks at every file"),
    }
}
