//! Owns a session: its state, its log, and the one task that all of it belongs to.
//! Uses channels towards front ends, `turn` for what a prompt sets off.
//! Never shares its state: whoever wants something sends an [`Op`] and reads [`Event`]s.

pub mod journal;
pub mod log;
pub mod resume;
mod rewind;
pub mod shelf;
mod stays;
mod storage;
pub mod story;
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
use crate::sandboxing::Sandboxing;
use crate::secrets::Redactor;
use crate::secrets::guard::{self, Guarded};
use crate::tools::{OlderSessions, Outcome, ProjectTask, Todo, Tool};
use crate::turn::Stop;
use crate::turn::citations::Named;
use crate::workspace::Workspace;
use journal::Journal;
use log::{FORMAT, Log, LogError, Record, UsedModel};

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
    pub(crate) todos: Arc<Mutex<Vec<Todo>>>,
    pub(crate) background: Arc<Background>,
    pub(crate) tasks: Arc<Vec<ProjectTask>>,
    /// The project's other sessions, for `recall`.
    pub(crate) older: Option<Arc<dyn OlderSessions>>,
    /// Results of the newest turn that had any, for requests that lean on it.
    pub(crate) last_outcomes: Vec<Outcome>,
    badge: ModelBadge,
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
        let (session, resumed, notices) = match opened {
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
        for (level, message, hint) in notices {
            session.control.notice(level, message, hint);
        }
        let owner = tokio::spawn(session.own(ops_out, events_in, cancel.clone()));
        Ok(SessionHandle {
            ops,
            events,
            session_id,
            guard: SessionGuard { _cancel: cancel.drop_guard(), owner },
        })
    }

    fn build(
        options: SessionOptions,
        control: Arc<Control>,
    ) -> Result<(Self, bool, Vec<Remark>), SessionError> {
        let SessionOptions {
            cwd,
            provider,
            tools,
            mut settings,
            places,
            trusted,
            resume,
            helper,
            environment,
            ..
        } = options;
        let root = cwd.canonicalize().ok().filter(|root| root.is_dir());
        let root = root.ok_or(SessionError::NotADirectory { path: cwd })?;
        let mut notices = Vec::new();
        let folder = places.sessions(&root);
        let info = provider.info().clone();
        let redactor = (!info.local && (settings.redact || settings.managed.redact))
            .then(|| Arc::new(Redactor::new(&environment)));
        let provider: Arc<dyn Provider> = match &redactor {
            Some(redactor) => Arc::new(Guarded::new(provider, redactor.clone())),
            None => provider,
        };
        // Only what answers on this machine may see everything.
        let stays = if info.local { Vec::new() } else { settings.managed.stays_here() };
        settings.rules.deny.splice(0..0, stays.iter().cloned());
        let place = context(&root, &places, &settings, trusted);
        let readable = Readable::new(&settings.rules, &place);

        let embed = crate::meaning::light(&settings.embeddings);
        let empty = || Window::new(info.capabilities.grounded, Some(root.clone()), embed.clone());
        let meter = Meter::new(provider.clone());
        let resumed = resume.is_some();
        let (id, mut log, restored) = match resume {
            None => {
                let id = uuid::Uuid::now_v7().to_string();
                let header = Record::Header {
                    format: FORMAT,
                    program: PROGRAM.into(),
                    session_id: id.clone(),
                    cwd: root.display().to_string(),
                    model: info.model.clone(),
                    forked_from: None,
                };
                let log = Log::create(&folder.join(format!("{id}.jsonl")), &header)?;
                let mut context = empty();
                context.absorb(&header);
                (id, log, resume::Restored::of(context))
            }
            Some(resume) => {
                let id = resume::find(&folder, &resume)?;
                let (log, loaded) = Log::open(&folder.join(format!("{id}.jsonl")))?;
                if let Some(redactor) = &redactor {
                    guard::look_back(redactor, &loaded.records);
                }
                if let Some(damage) = &loaded.damage {
                    let kept = damage.kept_at.as_deref().unwrap_or(Path::new("?"));
                    notices.push((
                        Level::Warning,
                        format!(
                            "the end of the session's log was damaged ({}); {} bytes were set aside in {}",
                            damage.why,
                            damage.bytes,
                            kept.display()
                        ),
                        None,
                    ));
                }
                if let Some(what) = stays::first_shown(&loaded.records, &stays, &place) {
                    return Err(SessionError::Stays { what });
                }
                let unknown = resume::cut_off(&loaded.records);
                let unknown: Vec<String> =
                    unknown.into_iter().map(|(tool, input)| format!("{tool} {input}")).collect();
                if !unknown.is_empty() {
                    notices.push((
                        Level::Warning,
                        format!("cut off earlier, result unknown, not run again: {}", unknown.join(", ")),
                        Some("look at what they left before going on".into()),
                    ));
                }
                let mut restored = resume::restore(&loaded.records, empty());
                restored.context.take_unknown();
                (id, log, restored)
            }
        };

        let saved = SavedRules::of(&places, &root);
        log.keep_reserve(&places.data.join("reserve"));
        let project = Places::project_key(&root);
        let journal = Journal::open(&places.journal(), &root, &project, &id, settings.undo_limits())
            .map_err(SessionError::Journal)?;
        let index = loci_index::Index::open(&root, index_options(&root, &places, &settings))?;
        let warner = control.clone();
        let filler = Filler::start(index.clone(), settings.embeddings.clone(), move |warning| {
            warner.notice(Level::Warning, warning, None);
        });
        let instructions = if trusted {
            let mut found = instructions::read(&root);
            if found.paths.iter().any(|path| !readable.may_show(path)) {
                let note = "the project's instructions are left out: a rule denies reading them";
                found = instructions::Found { note: Some(note.into()), ..instructions::Found::default() };
            }
            if let Some(note) = found.note {
                notices.push((Level::Warning, note, None));
            }
            found.text
        } else {
            None
        };
        let sandboxing = Arc::new(Sandboxing::open(helper.as_deref(), &settings, &places, &place));
        let specs: Vec<ToolSpec> = tools.iter().map(|tool| crate::tools::spec(tool.as_ref())).collect();
        let window = match settings.context_length {
            Some(length) if length < info.context_length => length,
            _ => info.context_length,
        };
        // What is configured counts more than what was detected.
        let mut tasks = settings.tasks;
        for detected in crate::tasks::detect(&root) {
            if !tasks.iter().any(|task| task.name == detected.name) {
                tasks.push(detected);
            }
        }
        let mut sampling = settings.sampling;
        if info.capabilities.grounded && !settings.temperature_chosen {
            sampling.temperature = 0.0;
        }
        // What reads no system message has its tools narrowed at each step.
        let mut head = if info.capabilities.grounded {
            let text = head::text(&root, None, None);
            head::Head { text, tools: specs, tokens: 0, cut: false }
        } else {
            let map = |tokens: usize| maps::stable(&index, &places.map(&root, tokens), tokens, &meter);
            let parts =
                head::Parts { root: &root, instructions: instructions.as_deref(), tools: specs, map: &map };
            head::fit(&parts, Budget::new(window, settings.max_tokens), &meter)
        };
        // A map that was made since the session began waits for the next one: what was read once is not read anew.
        if let Some(logged) = restored.context.head()
            && (&logged.model, logged.window, &logged.tools) == (&info.model, window, &head.tools)
            && let Some(text) = &logged.text
            && head::differs_in_map_only(text, &head.text, &root)
        {
            head.text.clone_from(text);
        }
        if head.cut {
            notices.push((
                Level::Warning,
                format!("the project's instructions are cut to fit a window of {window} tokens"),
                Some("shorten AGENTS.md, or open a larger window (context_length, --context)".into()),
            ));
        }
        let lost = restored.background.lost.iter().map(|(id, line)| crate::tools::jobs::lost(id, line));
        let notes: Vec<String> = lost.collect();
        notices.extend(notes.iter().map(|note| (Level::Info, note.clone(), None)));
        let announcer = control.clone();
        let announce: OnEnd =
            Arc::new(move |job| announcer.notice(Level::Info, crate::tools::jobs::told(job), None));
        let older = Arc::new(Older::new(&places, &root, &id, &settings.embeddings));
        let session = Self {
            head: head.text,
            head_tokens: head.tokens,
            badge: ModelBadge {
                name: info.model,
                provider: info.provider,
                local: info.local,
                context_length: window,
            },
            spool_dir: places.state.join("spool").join(&id),
            id,
            workspace: Workspace::new(root).showing(readable),
            provider,
            tools,
            specs: head.tools,
            sampling,
            max_tokens: settings.max_tokens,
            confine_edits: settings.confine_edits,
            max_steps: settings.max_turns,
            window,
            context: restored.context,
            meter,
            summed: 0,
            turn_number: restored.turns,
            notes,
            named: restored.named,
            call_ids: restored.call_ids,
            log,
            journal: Arc::new(journal),
            index,
            refreshing: None,
            filler,
            prompts: 0,
            redactor,
            told_of_secrets: false,
            hashes: places.cache.join("hashes"),
            hashing: None,
            noted_model: None,
            audit_required: settings.managed.audit_required,
            permissions: Permissions::new(settings.rules, place)
                .under(settings.managed)
                .saving_to(saved)
                .held_by(sandboxing.clone()),
            sandboxing,
            control,
            todos: Arc::new(Mutex::new(restored.todos)),
            background: Arc::new(Background::after(restored.background.highest, announce)),
            // What an older session read may have come from anywhere.
            older: stays.is_empty().then_some(older),
            tasks: Arc::new(tasks),
            last_outcomes: restored.last_outcomes,
            embed,
        };
        Ok((session, resumed, notices))
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
                Some(Op::Rewind { turn, files, conversation }) => {
                    self.rewind(turn, files, conversation).await;
                }
                Some(Op::Context) => self.show_context(),
                Some(op @ (Op::Prompt { .. } | Op::Compact { .. })) => {
                    let turn_cancel = cancel.child_token();
                    control.begin_turn(turn_cancel.clone());
                    let turn = self.work(op, turn_cancel.clone());
                    tokio::pin!(turn);
                    let mut open = true;
                    loop {
                        tokio::select! {
                            () = &mut turn => break,
                            () = events.closed(), if !turn_cancel.is_cancelled() => turn_cancel.cancel(),
                            op = ops.recv(), if open => match op {
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
        control.emit(Event::SessionEnded { session_id: self.id.clone() });
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
                self.run_turn(text, cancel).await;
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

/// How the index of a project is opened, by sessions and by whoever searches without one.
#[must_use]
pub fn index_options(root: &Path, places: &Places, settings: &Settings) -> loci_index::Options {
    loci_index::Options {
        // The worktrees of a repository share one store: most of their files are the same.
        cache_dir: places.index(&loci_index::shared_folder(root)),
        max_file_bytes: settings.max_file_bytes,
        deny: readable::index_denies(&settings.rules.deny, root, &places.home),
    }
}

#[cfg(test)]
mod tests;
