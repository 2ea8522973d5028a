//! Owns what is known of the session at any time: what the status line, the views and the keys depend on.
//! Uses events only.
//! Never keeps what was said; that is the transcript's.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use loci_protocol::{
    Event, Job, ModelBadge, ModelUsage, PermissionMode, Question, SandboxBadge, StepReport, Task,
};

use crate::options::Options;

/// Work that takes long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// Which: `indexing`, `loading the model`, `reading the prompt`.
    pub task: String,
    /// Units finished.
    pub done: u64,
    /// Units in all, when known.
    pub total: Option<u64>,
    /// What a unit is.
    pub unit: String,
}

/// A turn that runs.
#[derive(Debug, Clone, Copy)]
pub struct Running {
    /// When its prompt was sent.
    pub since: Instant,
    /// Whether it was interrupted and has not ended yet.
    pub interrupted: bool,
    /// Calls that have begun and not ended.
    pub calls: usize,
}

/// An answer that is being written.
#[derive(Debug, Clone, Copy)]
pub struct Stream {
    /// When its first piece came.
    pub since: Instant,
    /// Characters so far, those of the reasoning included.
    pub characters: usize,
}

/// What is known of the session.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// What the user set.
    pub options: Options,
    /// Its id; empty until it is open.
    pub session_id: String,
    /// Its title, where it has one.
    pub title: Option<String>,
    /// The project's root.
    pub root: String,
    /// The model at work.
    pub model: Option<ModelBadge>,
    /// How calls are approved.
    pub mode: PermissionMode,
    /// What holds commands in.
    pub sandbox: SandboxBadge,
    /// Whether nothing goes over a network.
    pub offline: bool,
    /// The branch that is checked out.
    pub branch: Option<String>,
    /// The turn that runs.
    pub turn: Option<Running>,
    /// How long the turn that ended last took.
    pub last_turn: Option<Duration>,
    /// The newest request to the model.
    pub step: Option<StepReport>,
    /// What each model used in this session.
    pub spent: Vec<ModelUsage>,
    /// The task list.
    pub tasks: Vec<Task>,
    /// Commands in the background.
    pub jobs: Vec<Job>,
    /// What takes long just now.
    pub work: Vec<Work>,
    /// Prompts that wait for the end of the turn.
    pub queue: VecDeque<String>,
    /// The id of the approval that is waited for.
    pub approval: Option<String>,
    /// The question that is waited for.
    pub question: Option<Question>,
    /// The answer that was given last, for those who leave.
    pub last_answer: String,
    /// Whether the terminal's window is looked at; unknown where it does not say.
    pub focused: Option<bool>,
    /// What the user's script says for the status line.
    pub status_line: Vec<crate::style::Line>,
    /// The answer that is being written.
    pub stream: Option<Stream>,
    /// The mode that was asked for and not answered yet; before the session is open, the one that it is to begin with.
    pub wanted_mode: Option<PermissionMode>,
    /// Whether bypassPermissions was refused: whoever runs the machine leaves it out.
    pub without_bypass: bool,
    /// The session could not be opened.
    pub failed: bool,
    /// The session ended, and nobody asked it to.
    pub ended: bool,
}

impl State {
    /// Nothing runs: whatever is only done between turns can be done now, were it to open another session.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.turn.is_none() && (self.is_open() || self.failed || self.ended)
    }

    /// There is a session, and it takes prompts.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.session_id.is_empty() && !self.failed && !self.ended
    }

    /// Another session is about to be opened: what was known of the one before holds no longer.
    pub fn close(&mut self) {
        *self = Self {
            options: std::mem::take(&mut self.options),
            root: std::mem::take(&mut self.root),
            branch: self.branch.take(),
            offline: self.offline,
            queue: std::mem::take(&mut self.queue),
            focused: self.focused,
            status_line: std::mem::take(&mut self.status_line),
            without_bypass: self.without_bypass,
            // Reading the tree goes on, whichever session asked for it.
            work: std::mem::take(&mut self.work),
            ..Self::default()
        };
    }

    /// The answer as fast as it is being written: tokens a second, by the rule of thumb of four characters each. Nothing
    /// in its first second, which says little.
    #[must_use]
    pub fn streaming_speed(&self, now: Instant) -> Option<f64> {
        let stream = self.stream?;
        let seconds = now.saturating_duration_since(stream.since).as_secs_f64();
        // No terminal holds so many characters that a float would round them.
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let tokens = stream.characters as f64 / 4.0;
        (seconds >= 1.0 && tokens >= 1.0).then(|| tokens / seconds)
    }

    /// Tokens a second of the newest answer that is complete.
    #[must_use]
    pub fn measured_speed(&self) -> Option<f64> {
        let step = self.step?;
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let (tokens, seconds) = (step.usage.completion_tokens as f64, step.decode_ms as f64 / 1000.0);
        // The first piece marks the beginning, so a single token has no speed.
        (tokens >= 2.0 && seconds > 0.0).then(|| (tokens - 1.0) / seconds)
    }

    /// Commands in the background that run.
    #[must_use]
    pub fn running_jobs(&self) -> usize {
        self.jobs.iter().filter(|job| job.running).count()
    }

    /// US dollars of the session, where any price is known.
    #[must_use]
    pub fn cost(&self) -> f64 {
        self.spent.iter().filter_map(|usage| usage.cost_usd).sum()
    }

    /// Take in what the session says.
    pub fn absorb(&mut self, event: &Event, now: Instant) {
        match event {
            Event::SessionStarted { session_id, cwd, model, mode, sandbox, offline, .. } => {
                let wanted = self.wanted_mode;
                self.close();
                self.wanted_mode = wanted;
                session_id.clone_into(&mut self.session_id);
                cwd.clone_into(&mut self.root);
                self.options.pictures = model.images;
                self.model = Some(model.clone());
                self.mode = *mode;
                self.sandbox = sandbox.clone();
                self.offline = *offline;
            }
            Event::SessionEnded { .. } => {
                self.ended = true;
                self.settle();
            }
            Event::Progress { task, done, total, unit } => {
                self.work.retain(|work| work.task != *task);
                if total.is_none_or(|total| *done < total) {
                    let (task, unit) = (task.clone(), unit.clone());
                    self.work.push(Work { task, done: *done, total: *total, unit });
                }
            }
            Event::ModelChanged { model, .. } => {
                self.options.pictures = model.images;
                self.model = Some(model.clone());
            }
            Event::ModeChanged { mode } => {
                // Whoever asks for a mode is told which one holds; another one than asked for means no.
                let wanted = self.wanted_mode.take();
                self.without_bypass |= wanted == Some(PermissionMode::BypassPermissions)
                    && *mode != PermissionMode::BypassPermissions;
                self.mode = *mode;
            }
            Event::TextDelta { text } | Event::ReasoningDelta { text } => {
                let stream = self.stream.get_or_insert(Stream { since: now, characters: 0 });
                stream.characters += text.chars().count();
            }
            Event::TurnStarted { .. } => {
                self.turn = Some(Running { since: now, interrupted: false, calls: 0 });
            }
            Event::ToolStarted { .. } => {
                self.stream = None;
                if let Some(turn) = &mut self.turn {
                    turn.calls += 1;
                }
            }
            Event::ToolFinished(_) => {
                if let Some(turn) = &mut self.turn {
                    turn.calls = turn.calls.saturating_sub(1);
                }
            }
            Event::StepFinished(step) => {
                self.step = Some(*step);
                self.stream = None;
            }
            Event::TasksChanged { tasks } => tasks.clone_into(&mut self.tasks),
            Event::JobsChanged { jobs } => {
                let before = std::mem::replace(&mut self.jobs, jobs.clone());
                // Outputs are told to who asks; what was told stays.
                for job in self.jobs.iter_mut().filter(|job| job.tail.is_empty()) {
                    if let Some(known) = before.iter().find(|known| known.id == job.id) {
                        job.tail.clone_from(&known.tail);
                    }
                }
            }
            Event::Renamed { title } => self.title = Some(title.clone()),
            Event::TurnFinished(report) => {
                self.settle();
                self.last_turn = Some(Duration::from_millis(report.duration_ms));
                // A command of the user's own has none.
                if !report.answer.is_empty() {
                    report.answer.clone_into(&mut self.last_answer);
                }
                for used in &report.models {
                    used.clone().add_to(&mut self.spent);
                }
            }
            _ => {}
        }
    }

    /// No turn runs any more.
    fn settle(&mut self) {
        self.turn = None;
        self.stream = None;
        self.work.retain(|work| work.task == "indexing");
    }
}

#[cfg(test)]
mod tests {
    use loci_protocol::{SandboxBadge, Usage};

    use super::*;

    fn opened(id: &str) -> Event {
        Event::SessionStarted {
            session_id: id.into(),
            cwd: "/srv/app".into(),
            model: ModelBadge {
                name: "m".into(),
                provider: "local".into(),
                local: true,
                endpoint: None,
                context_length: 4_096,
                images: false,
            },
            mode: PermissionMode::Default,
            resumed: false,
            sandbox: SandboxBadge::default(),
            offline: false,
        }
    }

    #[test]
    fn a_new_session_knows_nothing_of_the_one_before() {
        let (mut state, now) = (State::default(), Instant::now());
        assert!(!state.is_idle() && !state.is_open());
        state.queue.push_back("typed ahead".into());
        state.absorb(&opened("one"), now);
        state.absorb(&Event::TasksChanged { tasks: vec![Task { text: "t".into(), done: false }] }, now);
        state.absorb(&Event::Renamed { title: "first".into() }, now);
        assert!(state.is_idle() && state.title.is_some() && !state.tasks.is_empty());
        state.absorb(&Event::SessionEnded { session_id: "one".into(), models: Vec::new() }, now);
        assert!(state.ended && !state.is_open() && state.is_idle());
        state.absorb(&opened("two"), now);
        assert_eq!((state.session_id.as_str(), state.title.as_deref(), state.tasks.len()), ("two", None, 0));
        assert!(state.is_open());
        assert_eq!(state.queue, ["typed ahead"]);
    }

    #[test]
    fn speed_is_measured_where_it_can_be() {
        let (mut state, now) = (State::default(), Instant::now());
        state.absorb(&Event::TextDelta { text: "x".repeat(40) }, now);
        assert_eq!(state.streaming_speed(now), None);
        assert_eq!(state.streaming_speed(now + Duration::from_secs(2)), Some(5.0));
        let usage = Usage { completion_tokens: 21, ..Usage::default() };
        state.absorb(
            &Event::StepFinished(StepReport { usage, decode_ms: 2_000, ..StepReport::default() }),
            now,
        );
        assert_eq!(state.streaming_speed(now + Duration::from_secs(2)), None);
        assert_eq!(state.measured_speed(), Some(10.0));
        let check = |completion_tokens, decode_ms, expect| {
            let usage = Usage { completion_tokens, ..Usage::default() };
            let step = StepReport { usage, decode_ms, ..StepReport::default() };
            assert_eq!(State { step: Some(step), ..State::default() }.measured_speed(), expect);
        };
        check(1, 50, None);
        check(2, 0, None);
        check(2, 500, Some(2.0));
    }

    #[test]
    fn a_mode_that_is_refused_is_known_as_such() {
        let (mut state, now) = (State::default(), Instant::now());
        state.wanted_mode = Some(PermissionMode::Plan);
        state.absorb(&Event::ModeChanged { mode: PermissionMode::Plan }, now);
        assert!(!state.without_bypass);
        state.wanted_mode = Some(PermissionMode::BypassPermissions);
        state.absorb(&Event::ModeChanged { mode: PermissionMode::Plan }, now);
        assert!(state.without_bypass && state.wanted_mode.is_none());
    }
}
