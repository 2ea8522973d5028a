//! Owns a session: its state, its log, and the one task that all of it belongs to.
//! Uses channels towards front ends, `turn` for what a prompt sets off.
//! Never shares its state: whoever wants something sends an [`Op`] and reads [`Event`]s.

pub mod journal;
mod lists;
pub mod log;
pub mod looking;
mod opening;
pub mod pictures;
pub mod resume;
mod rewind;
pub mod shelf;
mod storage;
pub mod story;
mod switch;
mod undoing;
mod window;

use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use loci_exec::background::{Background, OnEnd};
use loci_index::Embed;
use loci_inference::provider::{Provider, Sampling, ToolSpec};
use loci_protocol::{Event, Level, ModelBadge, Op};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::archive::Older;
use crate::config::{Environment, Places, SavedRules, Settings};
use crate::context::{Budget, Context as Window, Meter, head, maps};
use crate::control::Control;
use crate::instructions;
use crate::meaning::Filler;
use crate::permission::readable::{self, Readable};
use crate::permission::{Permissions, context};
use crate::route::{Chosen, Models};
use crate::sandboxing::Sandboxing;
use crate::secrets::Redactor;
use crate::secrets::guard::{self, Guarded};
use crate::tools::{OlderSessions, Outcome, ProjectTask, Todo, Tool};
use crate::turn::Stop;
use crate::turn::citations::Named;
use crate::workspace::Workspace;
use journal::Journal;
use log::{FORMAT, Log, LogError, Record, UsedModel};
pub use opening::index_options;

/// What a session needs to open.
#[derive(Clone)]
pub struct SessionOptions {
    /// The project root.
    pub cwd: PathBuf,
    /// The model.
    pub provider: Arc<dyn Provider>,
    /// The tools that it may call; usually [`crate::tools::all`].
    pub tools: Vec<Arc<dyn Tool>>,
    /// Mode, rules, limits, sampling, tasks: see [`crate::config`].
    pub settings: Settings,
    /// Where sessions, journal and index are kept.
    pub places: Places,
    /// The variables, some of whose values a model elsewhere must not read.
    pub environment: Environment,
    /// Whether the user trusts the folder: its instructions are read only then.
    pub trusted: bool,
    /// An earlier session to go on with.
    pub resume: Option<Resume>,
    /// Whether somebody is there to approve and to answer. Without, whatever would ask is denied.
    pub interactive: bool,
    /// The program that holds commands in: its `main` begins with [`crate::sandboxing::enter_if_asked`]. Without one,
    /// commands go by the rules alone.
    pub helper: Option<PathBuf>,
    /// The models that the session may go on with; without them it keeps the one that it has.
    pub models: Option<Arc<dyn Models>>,
    /// The name that the model was chosen by, and why.
    pub chosen: Chosen,
}

/// Which session to go on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resume {
    /// The newest of this project.
    Latest,
    /// The one of this id, or of the only id that begins so.
    Id(String),
}

/// Why a session cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Name a directory.
    #[error("{} is not a directory", path.display())]
    NotADirectory {
        /// The path given.
        path: PathBuf,
    },
    /// Start a new one.
    #[error("there is no earlier session in this project")]
    NothingToResume,
    /// Correct the id.
    #[error("there is no session {id} in this project")]
    UnknownSession {
        /// The id given.
        id: String,
    },
    /// Give more of the id.
    #[error("{id} is the beginning of several sessions: {}", candidates.join(", "))]
    AmbiguousSession {
        /// The id given.
        id: String,
        /// The sessions.
        candidates: Vec<String>,
    },
    /// Name another turn.
    #[error("there is no turn {turn} in session {id}")]
    UnknownTurn {
        /// The session.
        id: String,
        /// The turn that was asked for.
        turn: u32,
        /// Those that there are.
        turns: Vec<u32>,
    },
    /// Go on with a local model, or begin a new session.
    #[error("this session holds what must not leave this machine ({what}), and the model is not on it")]
    Stays {
        /// A path, or a command.
        what: String,
    },
    /// Give it a word.
    #[error("a title has at least one word")]
    NoTitle,
    /// See [`LogError`].
    #[error(transparent)]
    Log(#[from] LogError),
    /// See [`loci_index::IndexError`].
    #[error(transparent)]
    Index(#[from] loci_index::IndexError),
    /// The journal cannot be used, so nothing could be undone.
    #[error("the journal cannot be used: {0}")]
    Journal(std::io::Error),
}

/// A front end's end of a session. Dropping it cancels everything that runs in the session.
#[derive(Debug)]
pub struct SessionHandle {
    /// Requests. When the sender is dropped the session ends after the running turn.
    pub ops: mpsc::Sender<Op>,
    /// What happens. Never blocks the session.
    pub events: mpsc::UnboundedReceiver<Event>,
    /// The session's id.
    pub session_id: String,
    /// Keeps the session alive.
    pub guard: SessionGuard,
}

/// Cancels the session when dropped.
#[derive(Debug)]
pub struct SessionGuard {
    _cancel: DropGuard,
    owner: JoinHandle<()>,
}

impl SessionHandle {
    /// End the session and wait until its log is closed. Events not yet read are lost.
    pub async fn close(self) {
        // A session that has already ended needs no telling.
        let _ = self.ops.send(Op::Shutdown).await;
        let _ = self.guard.owner.await;
    }
}

/// The state of a session. One task owns it.
pub struct Session {
    pub(crate) id: String,
    /// As it was when the session was opened.
    title: Option<String>,
    pub(crate) workspace: Workspace,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) tools: Vec<Arc<dyn Tool>>,
    pub(crate) specs: Vec<ToolSpec>,
    pub(crate) head: String,
    /// Tokens of the head with its tools.
    pub(crate) head_tokens: usize,
    pub(crate) sampling: Sampling,
    pub(crate) max_tokens: Option<usize>,
    pub(crate) confine_edits: bool,
    pub(crate) max_steps: u32,
    /// Tokens that the model holds, as far as we know.
    pub(crate) window: usize,
    pub(crate) context: Window,
    pub(crate) meter: Meter,
    /// Tokens of the newest request, summed up from its parts.
    pub(crate) summed: usize,
    pub(crate) turn_number: u32,
    /// What the model must be told with the next prompt.
    pub(crate) notes: Vec<String>,
    pub(crate) named: Named,
    pub(crate) call_ids: HashSet<String>,
    pub(crate) log: Log,
    pub(crate) journal: Arc<Journal>,
    pub(crate) index: loci_index::Index,
    /// How many came so far.
    prompts: u32,
    pub(crate) refreshing: Option<JoinHandle<Result<loci_index::RefreshReport, loci_index::IndexError>>>,
    filler: Option<Filler>,
    pub(crate) permissions: Permissions,
    pub(crate) sandboxing: Arc<Sandboxing>,
    /// What takes secrets out of requests, where the model runs elsewhere.
    pub(crate) redactor: Option<Arc<Redactor>>,
    /// Whether the user was told of secrets that were taken out.
    pub(crate) told_of_secrets: bool,
    /// Where hashes of model files are kept.
    pub(crate) hashes: PathBuf,
    /// The model's file, while it is hashed.
    pub(crate) hashing: Option<std::thread::JoinHandle<std::io::Result<String>>>,
    /// The model as the log has it.
    pub(crate) noted_model: Option<UsedModel>,
    /// Nothing runs whose record is not durable.
    pub(crate) audit_required: bool,
    pub(crate) control: Arc<Control>,
    pub(crate) spool_dir: PathBuf,
    pub(crate) pictures: pictures::Pictures,
    pub(crate) todos: Arc<Mutex<Vec<Todo>>>,
    pub(crate) background: Arc<Background>,
    told: lists::Told,
    pub(crate) tasks: Arc<Vec<ProjectTask>>,
    /// The project's other sessions, for `recall`.
    pub(crate) older: Option<Arc<dyn OlderSessions>>,
    /// Results of the newest turn that had any, for requests that lean on it.
    pub(crate) last_outcomes: Vec<Outcome>,
    badge: ModelBadge,
    /// What stands before a model that is reached through a socket.
    guarded: Option<Arc<Guarded>>,
    /// The rules that hold while the model is one elsewhere.
    denied: Vec<loci_policy::Rule>,
    /// The project's other sessions, for models that may read everything.
    all_older: Arc<Older>,
    /// Which model is at work, which others there are, and what they cost so far.
    pub(crate) choice: switch::Choice,
    pub(crate) lasting: Arc<opening::Lasting>,
    /// Meanings of texts, for a context that is built again.
    embed: Option<Arc<dyn Embed>>,
}

/// Something to say once the session is open: how loud, what, and what to do about it.
type Remark = (Level, String, Option<String>);

/// What logs are signed with.
const PROGRAM: &str = concat!("loci ", env!("CARGO_PKG_VERSION"));

/// Requests that may wait while a turn runs.
const OPS: usize = 64;

impl Session {
    /// Open a session, new or earlier, and start the task that owns it on the current tokio runtime.
    ///
    /// # Errors
    /// See [`SessionError`]. A session that is in use by another process is refused.
    pub async fn open(options: SessionOptions) -> Result<SessionHandle, SessionError> {
        let (events_in, events) = mpsc::unbounded_channel();
        let control = Control::new(events_in.clone(), options.interactive, options.settings.permission_mode);
        let control = Arc::new(control.without_bypass(options.settings.managed.disable_bypass));
        let opened = tokio::task::spawn_blocking(move || Self::build(options, control)).await;
        let (mut session, resumed, notices) = match opened {
            Ok(built) => built?,
            Err(error) => return Err(SessionError::Journal(std::io::Error::other(error))),
        };
        let (ops, ops_out) = mpsc::channel(OPS);
        let cancel = CancellationToken::new();
        let session_id = session.id.clone();
        session.control.emit(Event::SessionStarted {
            session_id: session_id.clone(),
            cwd: session.workspace.root().display().to_string(),
            model: session.badge.clone(),
            mode: session.control.mode(),
            resumed,
            sandbox: session.sandboxing.badge(),
            offline: session.sandboxing.is_offline(),
        });
        session.tell_title();
        for (level, message, hint) in notices {
            session.control.notice(level, message, hint);
        }
        session.tell_tasks();
        let owner = tokio::spawn(session.own(ops_out, events_in, cancel.clone()));
        Ok(SessionHandle {
            ops,
            events,
            session_id,
            guard: SessionGuard { _cancel: cancel.drop_guard(), owner },
        })
    }

    /// Something happened: it goes to the context and to the log.
    pub(crate) fn note(&mut self, record: &Record) -> Result<(), LogError> {
        self.context.absorb(record);
        self.log.append(record)
    }

    /// What holds commands in, as the log says it.
    pub(crate) fn sandbox_level(&self) -> &'static str {
        self.sandboxing.level().name()
    }

    /// What requests begin with is logged when it is not what was logged last, so that any window can be told again.
    pub(crate) fn note_head(&mut self) -> Result<(), LogError> {
        let grounded = self.provider.info().capabilities.grounded;
        let head = crate::context::Head {
            text: (!grounded).then(|| self.head.clone()),
            // What has its tools narrowed at each step is shown none of these as they are.
            tools: if grounded { Vec::new() } else { self.specs.clone() },
            model: self.provider.info().model.clone(),
            window: self.window,
        };
        if self.context.head() == Some(&head) {
            return Ok(());
        }
        let crate::context::Head { text, tools, model, window } = head;
        self.note(&Record::Head { text, tools, model, window })
    }

    /// Tokens for prompt and answer, as far as we know.
    pub(crate) fn budget(&self) -> Budget {
        Budget::new(self.window, self.max_tokens)
    }

    /// The owner's life: one op after the other, and during a turn both.
    async fn own(
        mut self,
        mut ops: mpsc::Receiver<Op>,
        events: mpsc::UnboundedSender<Event>,
        cancel: CancellationToken,
    ) {
        let control = self.control.clone();
        let mut waiting: VecDeque<Op> = VecDeque::new();
        // While the user writes the first prompt, so that it need not wait for a tree that was never read.
        if control.interactive {
            self.start_refresh();
        }
        loop {
            let op = match waiting.pop_front() {
                Some(op) => op,
                None => tokio::select! {
                    () = cancel.cancelled() => break,
                    () = events.closed() => break,
                    () = tokio::time::sleep(storage::RETRY), if self.log.is_strained() => {
                        self.try_again();
                        continue;
                    }
                    op = ops.recv() => match op {
                        Some(op) => op,
                        None => break,
                    },
                },
            };
            match control.handle(op) {
                None => {}
                Some(Op::Shutdown) => break,
                Some(Op::Undo { which }) => self.undo(which).await,
                Some(Op::Redo) => self.redo().await,
                Some(Op::Attach { path }) => self.attach(&path),
                Some(Op::Rewind { turn, files, conversation }) => {
                    self.rewind(turn, files, conversation).await;
                }
                Some(Op::Context) => self.show_context(),
                Some(Op::Changes) => looking::show_changes(&self.journal, &control),
                Some(Op::Timeline) => self.show_timeline(),
                Some(Op::Rename { title }) => self.rename(&title),
                Some(Op::Jobs) => lists::show_jobs(&self.background, &control),
                Some(Op::StopJob { id }) => lists::stop_job(&self.background, &control, id),
                Some(Op::SetModel { name }) => self.set_model(&name).await,
                Some(Op::Why { task }) => self.explain_choice(&task),
                Some(op @ (Op::Prompt { .. } | Op::Compact { .. } | Op::Shell { .. })) => {
                    let turn_cancel = cancel.child_token();
                    control.begin_turn(turn_cancel.clone());
                    let (journal, background) = (self.journal.clone(), self.background.clone());
                    {
                        let turn = self.work(op, turn_cancel.clone());
                        tokio::pin!(turn);
                        let mut open = true;
                        loop {
                            tokio::select! {
                                () = &mut turn => break,
                                () = events.closed(), if !turn_cancel.is_cancelled() => turn_cancel.cancel(),
                                op = ops.recv(), if open => match op {
                                    // What only looks need not wait for the end of the turn.
                                    Some(Op::Changes) => looking::show_changes(&journal, &control),
                                    Some(Op::Context) => control.want_context(),
                                    Some(Op::Jobs) => lists::show_jobs(&background, &control),
                                    Some(Op::StopJob { id }) => lists::stop_job(&background, &control, id),
                                    Some(op) => waiting.extend(control.handle(op)),
                                    None => {
                                        open = false;
                                        // Whoever could have answered is gone.
                                        if control.interactive {
                                            turn_cancel.cancel();
                                        }
                                    }
                                },
                            }
                        }
                    }
                    if control.context_is_wanted() {
                        self.show_context();
                    }
                    if waiting.contains(&Op::Shutdown) {
                        break;
                    }
                }
                Some(_) => {}
            }
        }
        let ended: Vec<String> = self.background.close().await.into_iter().map(|job| job.id).collect();
        if !ended.is_empty() {
            control.notice(Level::Info, format!("ended in the background: {}", ended.join(", ")), None);
        }
        if let Err(error) = self.log.commit() {
            control.notice(Level::Error, format!("the session could not be written: {error}"), None);
        }
        let models = self.choice.spent();
        control.emit(Event::SessionEnded { session_id: self.id.clone(), models });
    }

    /// What takes its time and can be interrupted: a turn, or a summary.
    async fn work(&mut self, op: Op, cancel: CancellationToken) {
        match op {
            Op::Prompt { text } => {
                self.prompts += 1;
                // A session that goes on is told of changes; one prompt is not worth the watches.
                if self.control.interactive && self.prompts == 2 {
                    self.watch();
                }
                self.answer_prompt(text, cancel).await;
            }
            Op::Shell { command } => {
                self.look_at_labelled().await;
                self.run_typed(command.trim(), cancel).await;
            }
            Op::Compact { focus } => self.make_room(focus.trim(), cancel).await,
            _ => {}
        }
        self.tell_of_storage();
    }

    /// Have the index told of changes from now on.
    fn watch(&self) {
        if let Err(reason) = self.index.watch() {
            self.control.notice(Level::Info, reason, None);
        }
    }

    /// Start comparing the tree with the index; [`Session::await_refresh`] waits for it.
    pub(crate) fn start_refresh(&mut self) {
        let index = self.index.clone();
        let control = self.control.clone();
        let waker = self.filler.as_ref().map(Filler::waker);
        let before = self.refreshing.take();
        // What is refreshed after the first prompt is little, and a turn waits for it.
        let opening = control.interactive && self.prompts <= 1;
        let runtime = tokio::runtime::Handle::current();
        self.refreshing = Some(tokio::task::spawn_blocking(move || {
            // One at a time: side by side they would do the same work twice.
            if let Some(before) = before {
                let _ = runtime.block_on(before);
            }
            let mut shown = Instant::now();
            let mut announced = false;
            let report = index.refresh(&mut |progress| {
                let finished = progress.total > 0 && progress.done >= progress.total;
                let due = shown.elapsed() >= PROGRESS_PERIOD;
                if progress.total > 0 && (due || (finished && announced)) {
                    shown = Instant::now();
                    announced = true;
                    control.emit(Event::Progress {
                        task: "indexing".into(),
                        done: progress.done,
                        total: Some(progress.total),
                        unit: "files".into(),
                    });
                }
            });
            if let Some(waker) = waker {
                waker.wake();
            }
            // A session that somebody sits at lasts, and so would what the threads of the index freed.
            if opening {
                loci_exec::memory::give_back();
            }
            report
        }));
    }

    /// Wait until the index is fresh.
    pub(crate) async fn await_refresh(&mut self, cancel: &CancellationToken) -> Result<(), Stop> {
        let Some(mut refreshing) = self.refreshing.take() else { return Ok(()) };
        if let Some(problem) = self.index.watch_problem() {
            self.control.notice(Level::Info, problem, None);
        }
        let refreshed = tokio::select! {
            () = cancel.cancelled() => {
                self.refreshing = Some(refreshing);
                return Err(Stop::interrupted());
            }
            refreshed = &mut refreshing => refreshed,
        };
        let problem = match refreshed {
            Ok(Ok(report)) if report.rebuilt => "the index was damaged and has been built again".to_owned(),
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => format!("the index could not be refreshed: {error}"),
            Err(error) => format!("the index could not be refreshed: {error}"),
        };
        self.control.notice(Level::Warning, problem, None);
        Ok(())
    }
}

/// Progress is shown at most this often, and not at all for work that is shorter.
const PROGRESS_PERIOD: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
