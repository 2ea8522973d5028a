//! Owns the thread of an engine: it waits for jobs, loads the weights for the first one, and keeps the rounds going.
//! Uses the scheduler for everything that happens while jobs run.
//! Never ends while the engine lives: a panic breaks the model, and later jobs are told so.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime};

use super::generation::Rules;
use super::outbox::Outbox;
use super::pass::failed;
use super::scheduler::{Round, Scheduler};
use super::{EngineEvent, Job, panic_message};
use crate::gguf::{Header, Source};
use crate::kv::{Budget, Report, SnapshotOptions, Store};
use crate::model::config::Config;
use crate::model::runtime::{self, Place, Runtime};
use crate::provider::ProviderError;

/// How long to wait before looking again whether a slow receiver has read.
const PATIENCE: Duration = Duration::from_millis(1);

/// A job on its way to the thread.
pub(super) struct Queued {
    pub(super) job: Job,
    pub(super) outbox: Outbox,
}

/// What lives on the thread.
pub(super) struct Worker {
    pub(super) load: Load,
    /// Generations that run at once.
    pub(super) parallel: usize,
}

/// What is needed to load the model.
pub(super) struct Load {
    pub(super) source: Source,
    pub(super) header: Header,
    pub(super) config: Config,
    pub(super) place: Place,
    pub(super) threads: usize,
    pub(super) rules: Rules,
    /// Bytes of all pages.
    pub(super) pages: u64,
    pub(super) snapshots: Option<Snapshots>,
}

/// Where states are kept for later processes.
pub(super) struct Snapshots {
    pub(super) options: SnapshotOptions,
    /// When the model's file was changed last.
    pub(super) changed: Option<SystemTime>,
    pub(super) report: Report,
}

/// Places in a model's file that are looked at to tell it from others.
const SAMPLES: u64 = 64;
/// Bytes that are looked at in each place.
const SAMPLE: usize = 4096;

/// What tells these weights from all others: the length of the file, when it was changed, and samples of what is in
/// it, its start with the header among them. To read all of it would take as long as a start may take in all. A file
/// that is written again is new by its time; one of another model that was given the same time and has the same
/// length differs wherever it is looked at, because training moves every weight.
fn identity(source: &Source, changed: Option<SystemTime>) -> Result<Vec<u8>, ProviderError> {
    let mut hash = blake3::Hasher::new();
    hash.update(&source.length().to_le_bytes());
    let changed = changed.and_then(|changed| changed.duration_since(SystemTime::UNIX_EPOCH).ok());
    hash.update(&changed.map_or(0, |changed| changed.as_nanos()).to_le_bytes());
    let mut buffer = vec![0; SAMPLE];
    let last = source.length().saturating_sub(SAMPLE as u64);
    for sample in 0..=SAMPLES {
        let start = (u128::from(last) * u128::from(sample) / u128::from(SAMPLES)) as u64;
        let length = usize::try_from(source.length() - start).map_or(SAMPLE, |left| left.min(SAMPLE));
        let read = source.read_at(start, &mut buffer[..length], "weights");
        read.map_err(|error| ProviderError::Model { message: error.to_string() })?;
        hash.update(&buffer[..length]);
    }
    Ok(hash.finalize().as_bytes().to_vec())
}

enum State {
    Unloaded,
    Ready(Box<Scheduler<Runtime>>),
    /// A panic left the model in an unknown state.
    Broken(String),
}

impl Worker {
    pub(super) fn run(mut self, jobs: &Receiver<Queued>) {
        let mut state = State::Unloaded;
        // Jobs that failed without a model, whose receivers have something to read.
        let mut leaving: Vec<Outbox> = Vec::new();
        loop {
            leaving.retain_mut(|outbox| !outbox.flush() && !outbox.is_abandoned());
            let (running, idle) = match &state {
                State::Ready(scheduler) => (scheduler.running(), scheduler.is_idle()),
                State::Unloaded | State::Broken(_) => (0, true),
            };
            let next = match (running, idle && leaving.is_empty()) {
                (0, true) => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                (0, false) => jobs.recv_timeout(PATIENCE),
                (running, _) if running < self.parallel => jobs.recv_timeout(Duration::ZERO),
                _ => Err(RecvTimeoutError::Timeout),
            };
            match next {
                Ok(queued) => {
                    if let Some(outbox) = self.admit(&mut state, queued) {
                        leaving.push(outbox);
                    }
                    // All that wait are taken in before the next pass.
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) if running == 0 => return,
                Err(_) => {}
            }
            let State::Ready(scheduler) = &mut state else { continue };
            match catch_unwind(AssertUnwindSafe(|| scheduler.round())) {
                Ok(Round::Busy) => {}
                Ok(Round::Waiting) => std::thread::sleep(PATIENCE),
                Err(panic) => {
                    let message = panic_message(&*panic);
                    let broken = std::mem::replace(&mut state, State::Broken(message.clone()));
                    if let State::Ready(scheduler) = broken {
                        let message = format!("the engine failed: {message}");
                        leaving.extend(scheduler.abandon(&ProviderError::Model { message }));
                    }
                }
            }
        }
    }

    /// Hand a job to the model, which is loaded for the first one. What is left to be read of a job that failed here
    /// comes back.
    fn admit(&mut self, state: &mut State, queued: Queued) -> Option<Outbox> {
        let Queued { job, mut outbox } = queued;
        let error = match state {
            State::Ready(scheduler) => {
                scheduler.admit(job, outbox);
                return None;
            }
            State::Broken(message) => {
                ProviderError::Model { message: format!("the engine failed earlier: {message}") }
            }
            State::Unloaded => {
                let load = &mut self.load;
                // What cannot run need not wait for the weights to be told so.
                let attempt = || load.rules.check(&job).and_then(|()| load.run(&mut outbox));
                match catch_unwind(AssertUnwindSafe(attempt)) {
                    Ok(Ok(mut scheduler)) => {
                        scheduler.admit(job, outbox);
                        *state = State::Ready(Box::new(scheduler));
                        return None;
                    }
                    Ok(Err(error)) => error,
                    Err(panic) => {
                        let message = panic_message(&*panic);
                        *state = State::Broken(message.clone());
                        ProviderError::Model { message: format!("the engine failed: {message}") }
                    }
                }
            }
        };
        outbox.fail(error);
        (!outbox.flush()).then_some(outbox)
    }
}

impl Load {
    fn run(&mut self, outbox: &mut Outbox) -> Result<Scheduler<Runtime>, ProviderError> {
        if outbox.is_cancelled() {
            return Err(ProviderError::Cancelled);
        }
        let total: u64 = self.header.tensors().values().map(|info| info.bytes).sum();
        let (mut done, mut reported) = (0, 0);
        outbox.send(EngineEvent::Loading { done, total });
        let mut progress = |bytes: u64| {
            done += bytes;
            // At most a hundred reports, however many tensors there are.
            if done - reported >= total / 100 || done >= total {
                reported = done;
                outbox.send(EngineEvent::Loading { done, total });
            }
            !outbox.is_cancelled()
        };
        let load = runtime::Load {
            source: &self.source,
            header: &self.header,
            config: self.config.clone(),
            place: &self.place,
            context: self.rules.context,
            threads: self.threads,
        };
        let model = Runtime::load(load, &mut progress).map_err(failed)?;
        // However little was allowed, one whole context fits, and a page that is copied when a fork goes on.
        let whole = self.rules.context.div_ceil(crate::kv::PAGE) as u64 + 2;
        let pages = self.pages.max(whole.saturating_mul(model.geometry().page_bytes()));
        let store = match &self.snapshots {
            Some(Snapshots { options, changed, report }) if model.geometry().page_len() > 0 => {
                let identity = identity(&self.source, *changed)?;
                // Without a thread to write them there are no snapshots, and everything else works.
                Store::open(options, &identity, model.geometry(), report).ok()
            }
            _ => None,
        };
        Ok(Scheduler::new(model, self.rules.clone(), Budget::new(pages), store))
    }
}
