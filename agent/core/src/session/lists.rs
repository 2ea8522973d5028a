//! Owns what front ends are told of the task list and of the commands in the background.
//! Uses the registry of those commands.
//! Never tells the same twice unasked, and never keeps the session waiting for the end of a command.

use std::sync::{Arc, PoisonError};

use loci_exec::background::{Background, Listed};
use loci_protocol::{Event, Job, Level, Task};

use super::Session;
use crate::control::Control;
use crate::tools::{Todo, jobs};

/// Bytes of the end of an output that are told: two screens.
const TAIL: usize = 8 * 1024;

/// What was told last.
#[derive(Debug, Default)]
pub(crate) struct Told {
    tasks: Vec<Todo>,
    /// Ids, and whether each had ended.
    jobs: Vec<(String, bool)>,
}

/// Tell of the commands in the background as they are now.
pub(super) fn tell_jobs(background: &Background, control: &Control) {
    let jobs = background.list().iter().map(|job| told(job, String::new())).collect();
    control.emit(Event::JobsChanged { jobs });
}

/// The same, with the ends of their outputs: somebody asked.
pub(super) fn show_jobs(background: &Background, control: &Control) {
    let jobs = background.tails(TAIL).into_iter();
    let jobs = jobs.map(|(job, tail)| told(&job, String::from_utf8_lossy(&tail).into_owned())).collect();
    control.emit(Event::JobsChanged { jobs });
}

/// End a command, beside whatever the session does just now. The model is told with the next results, like of any end.
pub(super) fn stop_job(background: &Arc<Background>, control: &Arc<Control>, id: String) {
    let (background, control) = (background.clone(), control.clone());
    tokio::spawn(async move {
        match background.stop(&id).await {
            Ok(_) => show_jobs(&background, &control),
            Err(error) => control.notice(Level::Warning, error.to_string(), None),
        }
    });
}

fn told(job: &Listed, tail: String) -> Job {
    Job {
        id: job.id.clone(),
        command: job.title.clone(),
        running: job.ended.is_none(),
        end: job.ended.map(jobs::end).unwrap_or_default(),
        duration_ms: u64::try_from(job.duration.as_millis()).unwrap_or(u64::MAX),
        tail,
    }
}

impl Session {
    /// Tell of the task list where it is other than it was told last.
    pub(crate) fn tell_tasks(&mut self) {
        let items = self.todos.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if items != self.told.tasks {
            let task = |item: &Todo| Task { text: item.text.clone(), done: item.done };
            self.control.emit(Event::TasksChanged { tasks: items.iter().map(task).collect() });
            self.told.tasks = items;
        }
    }

    /// Tell of the commands in the background where one began or ended since.
    pub(crate) fn tell_jobs(&mut self) {
        let jobs: Vec<(String, bool)> =
            self.background.list().into_iter().map(|job| (job.id, job.ended.is_some())).collect();
        if jobs != self.told.jobs {
            tell_jobs(&self.background, &self.control);
            self.told.jobs = jobs;
        }
    }
}
