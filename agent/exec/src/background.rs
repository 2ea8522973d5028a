//! Owns the commands that run beside the conversation: started, listed, read piece by piece, ended.
//! Uses `launch` for each of them, and one task that waits for its end.
//! Never lets one outlive the registry, and never keeps more of an output than a command in the foreground does.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::capture::{self, Capture};
use crate::launch::Running;
use crate::{Command, Ended, ExecError};

/// How many may run at once: more servers and watchers than a project has, fewer than a loop that went wrong starts.
pub const MOST_RUNNING: usize = 16;
/// How many that have ended can still be read; the oldest goes first.
const MOST_ENDED: usize = 32;

/// The commands in the background of one session. Dropping it kills them all.
pub struct Background {
    jobs: Mutex<Jobs>,
    on_end: OnEnd,
}

/// What is done when a command ends that nobody killed.
pub type OnEnd = Arc<dyn Fn(&Listed) + Send + Sync>;

impl std::fmt::Debug for Background {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Background").field("jobs", &self.jobs).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Jobs {
    /// In the order in which they were started.
    jobs: Vec<Job>,
    /// The number of the next one.
    next: u32,
    closed: bool,
}

#[derive(Debug)]
struct Job {
    known: Known,
    /// Asks it to end.
    stop: CancellationToken,
    /// Cancelled once nothing of it runs.
    gone: CancellationToken,
    task: JoinHandle<()>,
    /// Bytes that were handed out as unread.
    read: u64,
    /// Whether its end was told.
    told: bool,
}

/// What the registry and the task that waits for the end both know.
#[derive(Debug, Clone)]
struct Known {
    id: String,
    title: String,
    spool: Option<PathBuf>,
    capture: Arc<Mutex<Capture>>,
    begun: Instant,
    end: Arc<Mutex<Option<End>>>,
}

#[derive(Debug, Clone, Copy)]
struct End {
    how: Ended,
    after: Duration,
}

/// What is known of one command in the background.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// `b1`, `b2`, … in the order in which they were started.
    pub id: String,
    /// What it was called when it was started, usually its command line.
    pub title: String,
    /// How it ended; `None` while it runs.
    pub ended: Option<Ended>,
    /// How long it has run, or ran.
    pub duration: Duration,
    /// Bytes that it has written.
    pub bytes: u64,
    /// Bytes of these that are in its spool file.
    pub spooled: u64,
    /// The file that holds its output from the beginning.
    pub spool: Option<PathBuf>,
}

/// Which part of an output is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What came since the last time this was asked.
    Unread,
    /// What came after so many bytes.
    Since(u64),
}

/// A part of an output. Between `head` and `tail` stood `omitted` bytes that are not kept in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The first bytes of the part.
    pub head: Vec<u8>,
    /// Bytes that are left out here.
    pub omitted: u64,
    /// The last bytes of the part.
    pub tail: Vec<u8>,
    /// Where the next part begins, for [`Part::Since`].
    pub next: u64,
    /// What is known of the command, from the same moment as the bytes or a later one.
    pub job: Listed,
}

/// Why a request concerning the background failed.
#[derive(Debug, thiserror::Error)]
pub enum BackgroundError {
    /// End one first.
    #[error("{MOST_RUNNING} commands already run in the background; end one of them first")]
    TooMany,
    /// Name one that exists.
    #[error("there is no background command {id}; there {}", known_words(known))]
    Unknown {
        /// The id given.
        id: String,
        /// Those that exist.
        known: Vec<String>,
    },
    /// The session is over.
    #[error("the session ends; nothing is started any more")]
    Closed,
    /// It could not be started.
    #[error(transparent)]
    Exec(#[from] ExecError),
}

fn known_words(known: &[String]) -> String {
    match known {
        [] => "are none".to_owned(),
        [one] => format!("is {one}"),
        _ => format!("are {}", known.join(", ")),
    }
}

impl Default for Background {
    fn default() -> Self {
        Self::after(0, Arc::new(|_| {}))
    }
}

impl Background {
    /// A registry in which the first command gets the number after `number`: a session that is resumed does not use an
    /// id again that the conversation knows for another command. `on_end` is called once for each that ends by itself.
    #[must_use]
    pub fn after(number: u32, on_end: OnEnd) -> Self {
        let jobs = Jobs { jobs: Vec::new(), next: number.saturating_add(1), closed: false };
        Self { jobs: Mutex::new(jobs), on_end }
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Start a command on the current tokio runtime; its id. It ends by itself, by [`Background::kill`], when its time is
    /// over, or with the registry. `keep` is dropped when nothing of the command runs any more: what it needs while it
    /// runs, such as a proxy.
    ///
    /// # Errors
    /// When too many run, when the session is over, or when it cannot be started.
    pub fn start(
        &self,
        command: &Command,
        title: impl Into<String>,
        keep: Box<dyn Send>,
    ) -> Result<String, BackgroundError> {
        let mut jobs = self.jobs();
        if jobs.closed {
            return Err(BackgroundError::Closed);
        }
        if jobs.jobs.iter().filter(|job| job.end().is_none()).count() >= MOST_RUNNING {
            return Err(BackgroundError::TooMany);
        }
        let mut running = Running::start(command)?;
        let id = format!("b{}", jobs.next);
        jobs.next = jobs.next.saturating_add(1);
        let (stop, gone) = (CancellationToken::new(), CancellationToken::new());
        let known = Known {
            id: id.clone(),
            title: title.into(),
            spool: command.spool.clone(),
            capture: running.capture(),
            begun: Instant::now(),
            end: Arc::default(),
        };
        let task = tokio::spawn({
            let (stop, gone, known) = (stop.clone(), gone.clone(), known.clone());
            let on_end = Arc::clone(&self.on_end);
            async move {
                // Also when the task is dropped: whoever waits for the end then does not wait for ever.
                let _gone = gone.drop_guard();
                let how = running.wait(&stop).await;
                drop((running, keep));
                known.set_end(how);
                if how != Ended::Cancelled {
                    on_end(&known.listed());
                }
            }
        });
        jobs.jobs.push(Job { known, stop, gone, task, read: 0, told: false });
        jobs.forget_oldest();
        Ok(id)
    }

    /// All that are known, in the order in which they were started.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        self.jobs().jobs.iter().map(Job::listed).collect()
    }

    /// How many run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.jobs().jobs.iter().filter(|job| job.end().is_none()).count()
    }

    /// A part of the output of a command. Its end, if it shows, counts as told.
    ///
    /// # Errors
    /// When there is no such command.
    pub fn output(&self, id: &str, part: Part) -> Result<Piece, BackgroundError> {
        let mut jobs = self.jobs();
        let job = jobs.find(id)?;
        // The end first: after it nothing is added, so that whoever sees the end has seen all.
        let mut listed = job.listed();
        let from = match part {
            Part::Unread => job.read,
            Part::Since(bytes) => bytes,
        };
        let capture = capture::lock(&job.known.capture);
        let (head, omitted, tail) = capture.since(from);
        let next = capture.total;
        drop(capture);
        listed.bytes = next;
        if part == Part::Unread {
            job.read = next;
        }
        job.told |= listed.ended.is_some();
        Ok(Piece { head, omitted, tail, next, job: listed })
    }

    /// All that are known, each with the last bytes of its output, at most so many. Nothing counts as read or as told.
    #[must_use]
    pub fn tails(&self, most: usize) -> Vec<(Listed, Vec<u8>)> {
        let jobs = self.jobs();
        let tail = |job: &Job| {
            let listed = job.listed();
            let capture = capture::lock(&job.known.capture);
            let (mut head, omitted, tail) = capture.since(capture.total.saturating_sub(most as u64));
            if omitted > 0 {
                head.clear();
            }
            head.extend(tail);
            (listed, head)
        };
        jobs.jobs.iter().map(tail).collect()
    }

    /// Wait until nothing of a command runs any more.
    ///
    /// # Errors
    /// When there is no such command.
    pub async fn wait(&self, id: &str) -> Result<(), BackgroundError> {
        let gone = self.jobs().find(id)?.gone.clone();
        gone.cancelled().await;
        Ok(())
    }

    /// End a command with everything that it started, and wait until it is gone. Does nothing to one that has ended.
    ///
    /// # Errors
    /// When there is no such command.
    pub async fn kill(&self, id: &str) -> Result<Listed, BackgroundError> {
        self.stop(id).await?;
        let mut jobs = self.jobs();
        let job = jobs.find(id)?;
        job.told = true;
        Ok(job.listed())
    }

    /// The same, for somebody whose word the conversation has not heard: the end counts as not told yet.
    ///
    /// # Errors
    /// When there is no such command.
    pub async fn stop(&self, id: &str) -> Result<(), BackgroundError> {
        let gone = {
            let mut jobs = self.jobs();
            let job = jobs.find(id)?;
            job.stop.cancel();
            job.gone.clone()
        };
        gone.cancelled().await;
        Ok(())
    }

    /// Those that have ended and whose end was not told yet. Each comes once.
    #[must_use]
    pub fn take_finished(&self) -> Vec<Listed> {
        let mut jobs = self.jobs();
        let news = jobs.jobs.iter_mut().filter(|job| !job.told && job.end().is_some());
        news.map(|job| {
            job.told = true;
            job.listed()
        })
        .collect()
    }

    /// End all of them, side by side, and wait until they are gone. Nothing is started afterwards. Those that still ran.
    pub async fn close(&self) -> Vec<Listed> {
        let ended: Vec<(Listed, CancellationToken)> = {
            let mut jobs = self.jobs();
            jobs.closed = true;
            let running = jobs.jobs.iter().filter(|job| job.end().is_none());
            running
                .map(|job| {
                    job.stop.cancel();
                    (job.listed(), job.gone.clone())
                })
                .collect()
        };
        let mut listed = Vec::with_capacity(ended.len());
        for (job, gone) in ended {
            gone.cancelled().await;
            listed.push(job);
        }
        listed
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Nobody can wait here. The runtime drops the task, and with it the tree, at the next opportunity.
        for job in &self.jobs().jobs {
            job.task.abort();
        }
    }
}

impl Jobs {
    fn find(&mut self, id: &str) -> Result<&mut Job, BackgroundError> {
        match self.jobs.iter().position(|job| job.known.id == id.trim()) {
            Some(at) => Ok(&mut self.jobs[at]),
            None => Err(BackgroundError::Unknown {
                id: id.trim().to_owned(),
                known: self.jobs.iter().map(|job| job.known.id.clone()).collect(),
            }),
        }
    }

    fn forget_oldest(&mut self) {
        let ended = self.jobs.iter().filter(|job| job.end().is_some()).count();
        let mut surplus = ended.saturating_sub(MOST_ENDED);
        self.jobs.retain(|job| {
            let goes = surplus > 0 && job.end().is_some();
            surplus -= usize::from(goes);
            !goes
        });
    }
}

impl Job {
    fn end(&self) -> Option<End> {
        self.known.end()
    }

    fn listed(&self) -> Listed {
        self.known.listed()
    }
}

impl Known {
    fn set_end(&self, how: Ended) {
        let end = End { how, after: self.begun.elapsed() };
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    fn end(&self) -> Option<End> {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listed(&self) -> Listed {
        let end = self.end();
        let capture = capture::lock(&self.capture);
        Listed {
            id: self.id.clone(),
            title: self.title.clone(),
            ended: end.map(|end| end.how),
            duration: end.map_or_else(|| self.begun.elapsed(), |end| end.after),
            bytes: capture.total,
            spooled: capture.spooled,
            spool: self.spool.clone(),
        }
    }
}
