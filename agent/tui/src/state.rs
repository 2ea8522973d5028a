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
}

impl State {
    /// Nothing runs and nothing is waited for: a prompt would be answered now.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.turn.is_none() && !self.session_id.is_empty()
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
                session_id.clone_into(&mut self.session_id);
                cwd.clone_into(&mut self.root);
                self.model = Some(model.clone());
                self.mode = *mode;
                self.sandbox = sandbox.clone();
                self.offline = *offline;
                self.turn = None;
            }
            Event::Progress { task, done, total, unit } => {
                self.work.retain(|work| work.task != *task);
                if total.is_none_or(|total| *done < total) {
                    let (task, unit) = (task.clone(), unit.clone());
                    self.work.push(Work { task, done: *done, total: *total, unit });
                }
            }
            Event::ModelChanged { model, .. } => self.model = Some(model.clone()),
            Event::ModeChanged { mode } => self.mode = *mode,
            Event::TurnStarted { .. } => {
                self.turn = Some(Running { since: now, interrupted: false, calls: 0 });
            }
            Event::ToolStarted { .. } => {
                if let Some(turn) = &mut self.turn {
                    turn.calls += 1;
                }
            }
            Event::ToolFinished(_) => {
                self.approval = None;
                if let Some(turn) = &mut self.turn {
                    turn.calls = turn.calls.saturating_sub(1);
                }
            }
            Event::ApprovalRequested { id, .. } => self.approval = Some(id.clone()),
            Event::QuestionAsked(question) => self.question = Some(question.clone()),
            Event::StepFinished(step) => self.step = Some(*step),
            Event::TasksChanged { tasks } => tasks.clone_into(&mut self.tasks),
            Event::JobsChanged { jobs } => jobs.clone_into(&mut self.jobs),
            Event::Renamed { title } => self.title = Some(title.clone()),
            Event::TurnFinished(report) => {
                self.turn = None;
                self.approval = None;
                self.question = None;
                self.work.retain(|work| work.task == "indexing");
                self.last_turn = Some(Duration::from_millis(report.duration_ms));
                report.answer.clone_into(&mut self.last_answer);
                for used in &report.models {
                    used.clone().add_to(&mut self.spent);
                }
            }
            _ => {}
        }
    }
}
