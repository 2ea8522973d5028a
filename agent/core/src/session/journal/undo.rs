//! Owns taking changes back and bringing them back: what would happen, whether it may, and doing all of it or nothing.
//! Uses the record and the store; every step is planned and recorded before the first file changes.
//! Never changes anything that is no longer what the agent left.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::apply::{self, Applied, Failed, Parents, Step};
use super::record::{Change, Ledger};
use super::state::FileState;
use super::store::Store;
use super::{Journal, UndoError, Undone, Which, io_error};

/// What would be done.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// Every path that belongs to it, those included at which nothing is left to do.
    pub(super) paths: Vec<PathBuf>,
    /// What cannot be brought back, and why; it was said when it was changed.
    pub(super) left: Vec<(PathBuf, String)>,
}

/// What to do so that the changes, newest first, are taken back.
pub(super) fn plan(store: &Store, chosen: &[Change]) -> Result<Plan, UndoError> {
    let mut parents = Parents::default();
    let mut actual: BTreeMap<PathBuf, FileState> = BTreeMap::new();
    let mut expected: HashMap<PathBuf, FileState> = HashMap::new();
    let mut left: BTreeMap<PathBuf, String> = BTreeMap::new();
    for change in chosen {
        for entry in change.entries.iter().rev() {
            if left.contains_key(&entry.path) || !entry.changed() {
                continue;
            }
            let now = match expected.get(&entry.path) {
                Some(state) => state.clone(),
                None => {
                    let now = parents.look(&entry.path).map_err(|source| io_error(&entry.path, source))?;
                    actual.insert(entry.path.clone(), now.clone());
                    now
                }
            };
            let target = if now.same(&entry.before) {
                now
            } else {
                let after = entry.after.as_ref().filter(|after| {
                    // A mode that the change did not touch may be another one since.
                    let mode_kept = entry.before.mode().is_some() && entry.before.same_mode(after);
                    now.same_content(after) && (now.same_mode(after) || mode_kept)
                });
                let Some(after) = after else {
                    return Err(UndoError::Changed {
                        path: entry.path.clone(),
                        kept: store.describe(&entry.before),
                    });
                };
                if let Some(why) = not_kept(store, &entry.before) {
                    left.insert(entry.path.clone(), why);
                    continue;
                }
                let mode = if entry.before.same_mode(after) { now.mode() } else { entry.before.mode() };
                entry.before.clone().with_mode(mode.or(entry.before.mode()))
            };
            expected.insert(entry.path.clone(), target);
        }
    }
    let mut plan = Plan { left: left.into_iter().collect(), ..Plan::default() };
    for (path, from) in actual {
        let Some(to) = expected.get(&path) else { continue };
        plan.paths.push(path.clone());
        if *to == from {
            continue;
        }
        if *to != FileState::Missing {
            may_come(&path, &expected)?;
        }
        plan.steps.push(Step { path, from, to: to.clone(), source: None });
    }
    if plan.steps.is_empty()
        && let Some((path, why)) = plan.left.first()
    {
        return Err(UndoError::NotKept { path: path.clone(), why: why.clone() });
    }
    Ok(plan)
}

fn not_kept(store: &Store, state: &FileState) -> Option<String> {
    if let Some(why) = state.not_kept() {
        return Some(why.into());
    }
    let gone = state.hash().is_some_and(|hash| !store.has(hash));
    gone.then(|| "it was dropped when the journal reached its limit of size or age".into())
}

/// Nothing is written through a link or into a file that somebody put where a directory was.
fn may_come(path: &Path, expected: &HashMap<PathBuf, FileState>) -> Result<(), UndoError> {
    for above in path.ancestors().skip(1) {
        let fits = match expected.get(above) {
            Some(state) => state.is_directory() || *state == FileState::Missing,
            None => match std::fs::symlink_metadata(above) {
                Ok(metadata) => metadata.is_dir(),
                Err(_) => true,
            },
        };
        if !fits {
            return Err(UndoError::Changed {
                path: above.into(),
                kept: "not needed: it was a directory".into(),
            });
        }
    }
    Ok(())
}

impl Journal {
    /// Take changes back, or bring them back.
    ///
    /// # Errors
    /// See [`UndoError`]; a file that is not what the agent left stops everything before anything is touched.
    pub fn undo(&self, which: Which) -> Result<Undone, UndoError> {
        let stored = |source| io_error(&self.root, source);
        let _alone = self.alone().map_err(stored)?;
        let mut inner = self.lock();
        let (chosen, plan) = self.choose(&mut inner.ledger, &which)?;
        // What is there now is kept too: a taking back can be taken back.
        for step in &plan.steps {
            self.keep_now(step)?;
        }
        self.store.commit().map_err(stored)?;
        let ids: Vec<u64> = chosen.iter().map(|change| change.id).collect();
        let (turn, call) = chosen.first().map_or((0, ""), |change| (change.turn, change.call_id.as_str()));
        let ledger = &mut inner.ledger;
        let id = ledger.begin(turn, call, &ids, which == Which::Redo).map_err(stored)?;
        let by_path: HashMap<&Path, &Step> =
            plan.steps.iter().map(|step| (step.path.as_path(), step)).collect();
        let mut parents = Parents::default();
        let mut entries = Vec::new();
        for path in &plan.paths {
            match by_path.get(path.as_path()) {
                Some(step) => entries.push((path, step.from.clone(), step.to.clone())),
                None => {
                    let now = parents.look(path).map_err(|source| io_error(path, source))?;
                    entries.push((path, now.clone(), now));
                }
            }
        }
        self.mark(ledger.session_id()).map_err(stored)?;
        let planned = entries.iter().map(|(path, from, to)| (path.as_path(), from, to));
        if let Err(source) = ledger.plan(id, planned, None) {
            // Nothing was touched. A record that cannot even be closed is one that names nothing.
            let _ = ledger.drop_change(id);
            self.unmark(ledger.session_id());
            return Err(stored(source));
        }
        let applied = match apply::transform(&self.store, &plan.steps) {
            Ok(applied) => applied,
            Err(failed) => return Err(self.back_out(ledger, id, &plan.steps, failed)),
        };
        let left = entries.iter().map(|(path, _, to)| {
            let stayed = applied.stayed.contains(path);
            let from = by_path.get(path.as_path()).map_or(to, |step| &step.from);
            (path.as_path(), if stayed { from } else { to })
        });
        ledger.left(id, left).and_then(|()| ledger.close(id)).map_err(stored)?;
        self.unmark(ledger.session_id());
        Ok(undone(ledger, plan, &applied))
    }

    /// What [`Journal::undo`] would do, without doing it.
    ///
    /// # Errors
    /// The same.
    pub fn preview(&self, which: Which) -> Result<Undone, UndoError> {
        let mut inner = self.lock();
        let (_, plan) = self.choose(&mut inner.ledger, &which)?;
        Ok(undone(&inner.ledger, plan, &Applied::default()))
    }

    fn choose(&self, ledger: &mut Ledger, which: &Which) -> Result<(Vec<Change>, Plan), UndoError> {
        let chosen = ledger.choose(which);
        if chosen.is_empty() {
            return Err(UndoError::Nothing);
        }
        let plan = plan(&self.store, &chosen)?;
        Ok((chosen, plan))
    }

    fn keep_now(&self, step: &Step) -> Result<(), UndoError> {
        if !matches!(step.from, FileState::File { .. }) {
            return Ok(());
        }
        let kept = self.store.keep(&step.path, u64::MAX).map_err(|source| io_error(&step.path, source))?;
        // It was looked at a moment ago: whatever changed it since is not ours.
        if kept.same_content(&step.from) {
            return Ok(());
        }
        Err(UndoError::Changed { path: step.path.clone(), kept: self.store.describe(&step.to) })
    }

    /// A step failed: what was done before it is taken back.
    fn back_out(&self, ledger: &mut Ledger, id: u64, steps: &[Step], failed: Failed) -> UndoError {
        let error = io_error(&failed.path, failed.source);
        let mut parents = Parents::default();
        let mut back = Vec::new();
        for step in steps {
            match parents.look(&step.path) {
                Ok(now) if now.same(&step.from) => {}
                Ok(now) => back.push(Step { from: now, ..step.reversed() }),
                Err(_) => back.push(step.reversed()),
            }
        }
        match apply::transform(&self.store, &back) {
            Ok(_) => {
                // Everything is as it was; a record that cannot be closed is looked at when the journal opens again.
                if ledger.drop_change(id).is_ok() {
                    self.unmark(ledger.session_id());
                }
                error
            }
            Err(second) => {
                UndoError::Half { path: second.path, source: second.source, first: error.to_string() }
            }
        }
    }

    /// Finish what a process that was killed had begun: files were changing as planned, and some are not there yet.
    pub(super) fn recover(&self, ledger: &mut Ledger) -> io::Result<Vec<String>> {
        let mut notices = Vec::new();
        ledger.catch_up()?;
        Self::sweep(ledger);
        let cut: Vec<Change> = ledger
            .changes()
            .iter()
            .filter(|change| change.applying.is_some() && !change.ended)
            .cloned()
            .collect();
        for change in cut {
            let upper = change.applying.clone().flatten();
            // Without what the command wrote, nothing of what it did may happen.
            let lost = upper.as_ref().is_some_and(|upper| !upper.is_dir());
            let mut parents = Parents::default();
            let (mut steps, mut strange, mut fine) = (Vec::new(), Vec::new(), Vec::new());
            for entry in &change.entries {
                let Some(planned) = &entry.planned else { continue };
                let now = parents.look(&entry.path)?;
                let source =
                    upper.as_deref().map(|upper| super::overlay::in_upper(upper, &self.root, &entry.path));
                let ready = match &source {
                    Some(source) if planned.hash().is_some() => FileState::of(source)?.same_content(planned),
                    _ => not_kept(&self.store, planned).is_none(),
                };
                if now.same(planned) {
                    fine.push((entry.path.clone(), planned.clone()));
                } else if lost && now.same(&entry.before) {
                    fine.push((entry.path.clone(), now));
                } else if (now.same(&entry.before) || now == FileState::Missing) && ready && !lost {
                    fine.push((entry.path.clone(), planned.clone()));
                    let source = source.filter(|_| planned.hash().is_some());
                    source.iter().for_each(|source| super::overlay::clean(source));
                    steps.push(Step { path: entry.path.clone(), from: now, to: planned.clone(), source });
                } else {
                    strange.push(entry.path.clone());
                }
            }
            let told: Vec<String> = steps.iter().map(|step| step.path.display().to_string()).collect();
            apply::transform(&self.store, &steps).map_err(|failed| failed.source)?;
            let what = if change.is_own() { "a command" } else { "an undo" };
            if !told.is_empty() {
                notices.push(format!(
                    "what {what} did in turn {} was cut off; it is complete now: {}",
                    change.turn,
                    told.join(", ")
                ));
            }
            for path in &strange {
                notices.push(format!(
                    "what {what} did in turn {} was cut off, and {} is neither what it was nor what it should be; it was left alone",
                    change.turn,
                    path.display()
                ));
            }
            ledger.left(change.id, fine.iter().map(|(path, state)| (path.as_path(), state)))?;
            ledger.close(change.id)?;
            if let Some(upper) = upper.filter(|_| !lost) {
                self.finish_raw(&upper)?;
                super::overlay::discard(&upper);
            }
        }
        Ok(notices)
    }
}

fn undone(ledger: &Ledger, plan: Plan, applied: &Applied) -> Undone {
    let stayed: HashSet<&PathBuf> = applied.stayed.iter().collect();
    let mut left = plan.left;
    left.extend(
        applied
            .stayed
            .iter()
            .map(|path| (path.clone(), "something that is not the agent's is in it".to_owned())),
    );
    Undone {
        session_id: ledger.session_id().into(),
        paths: plan
            .steps
            .iter()
            .filter(|step| !stayed.contains(&step.path))
            .map(|step| step.path.clone())
            .collect(),
        left,
    }
}
