//! Owns the task list and what runs in the background: how far the work is, what each command wrote, and an end to it.
//! Uses the state for both; the session is asked for the outputs.
//! Never ends a command but the chosen one.

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyModifiers};
use loci_protocol::{Event, Job, Op, Task};
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};

use super::list::List;
use super::page::Page;
use super::pager::Pager;
use crate::component::{Component, Context, Look, Taken};
use crate::input::Input;
use crate::state::State;
use crate::status::clock;
use crate::style::{Line, Style};
use crate::text::{one_line, visible};
use crate::wrap::wrap;

/// Between two looks at what a command writes.
const PERIOD: Duration = Duration::from_secs(1);

/// The task list and the commands in the background.
pub(crate) struct Tasks {
    list: List,
    /// The command whose output is shown, and the output.
    output: Option<(String, Pager)>,
    /// When the session was asked last.
    asked: Instant,
    /// When it was told last how long each has run.
    told: Instant,
}

impl Tasks {
    pub(crate) fn new(context: &mut Context<'_>) -> Self {
        context.op(Op::Jobs);
        let mut tasks = Self { list: List::default(), output: None, asked: context.now, told: context.now };
        tasks.fill(context.state);
        tasks
    }

    fn fill(&mut self, state: &State) {
        self.list.set(state.jobs.iter().map(|job| format!("{} {}", job.id, job.command)));
        if let Some((id, pager)) = &mut self.output
            && let Some(job) = state.jobs.iter().find(|job| job.id == *id)
        {
            pager.set(output(job));
        }
    }

    fn chosen<'a>(&self, state: &'a State) -> Option<&'a Job> {
        state.jobs.get(self.list.chosen()?)
    }

    /// Letters go into a filter or a search.
    fn is_typing(&self) -> bool {
        match &self.output {
            Some((_, pager)) => pager.field().is_some(),
            None => self.list.is_filtering(),
        }
    }

    fn key(&mut self, code: KeyCode, context: &mut Context<'_>) -> Taken {
        let job = match &self.output {
            Some((id, _)) => context.state.jobs.iter().find(|job| job.id == *id).cloned(),
            None => self.chosen(context.state).cloned(),
        };
        match (code, job) {
            (KeyCode::Char('x'), Some(job)) if job.running => context.op(Op::StopJob { id: job.id }),
            (KeyCode::Enter, Some(job)) if self.output.is_none() => {
                let mut pager = Pager::new(output(&job));
                // The end is what one looks for.
                pager.take(&Input::Key(KeyCode::End.into()));
                self.output = Some((job.id, pager));
            }
            (KeyCode::Esc | KeyCode::Char('q'), _) if self.output.is_some() => self.output = None,
            _ => return Taken::No,
        }
        Taken::Yes
    }
}

impl Component for Tasks {
    fn take(&mut self, input: &Input, context: &mut Context<'_>) -> Taken {
        match input {
            Input::Event(event) if matches!(**event, Event::JobsChanged { .. }) => {
                self.told = context.now;
                self.fill(context.state);
            }
            Input::Event(event) if matches!(**event, Event::SessionStarted { .. }) => {
                self.output = None;
                self.fill(context.state);
            }
            Input::Tick
                if context.state.running_jobs() > 0
                    && context.now.saturating_duration_since(self.asked) >= PERIOD =>
            {
                self.asked = context.now;
                context.op(Op::Jobs);
            }
            Input::Key(key)
                if matches!(key.modifiers, KeyModifiers::NONE)
                    && !self.is_typing()
                    && self.key(key.code, context) == Taken::Yes =>
            {
                return Taken::Yes;
            }
            _ => {}
        }
        let taken = match &mut self.output {
            Some((_, pager)) => pager.take(input),
            None => self.list.take(input),
        };
        if taken == Taken::Yes { taken } else { super::rest(input) }
    }

    fn draw(&mut self, area: Rect, buffer: &mut Buffer, look: &Look<'_>) {
        let state = look.state;
        let since = look.now.saturating_duration_since(self.told);
        if let Some((id, pager)) = &mut self.output {
            let job = state.jobs.iter().find(|job| job.id == *id);
            let facts =
                job.map(|job| format!("{}  $ {}", stand(job, since), job.command)).unwrap_or_default();
            let keys = [("x", "stops it"), ("/", "searches"), ("Esc", "goes back")];
            let keys = if job.is_some_and(|job| job.running) { &keys[..] } else { &keys[1..] };
            let page = Page { title: id, facts, keys, field: pager.field() };
            let inner = page.draw(area, buffer, look);
            pager.draw(inner, buffer, look);
            return;
        }
        let open = state.tasks.iter().filter(|task| !task.done).count();
        let facts = format!(
            "{open} of {} tasks open, {} of {} commands running",
            state.tasks.len(),
            state.running_jobs(),
            state.jobs.len()
        );
        let keys = [("Enter", "shows what it wrote"), ("x", "stops it"), ("/", "filters")];
        let keys = if state.jobs.is_empty() { &keys[..0] } else { &keys[..] };
        let page = Page { title: "Tasks", facts, keys, field: self.list.field() };
        let inner = page.draw(area, buffer, look);
        let tasks = rows(&state.tasks, inner.width.into());
        // Open tasks come first where there is not room for all of them.
        let most = usize::from(inner.height).saturating_sub(state.jobs.len().min(8) + 2).max(1);
        let left_out = tasks.len().saturating_sub(most);
        let mut shown: Vec<Line> =
            tasks.into_iter().take(most - usize::from(left_out > 0 && most > 1)).collect();
        if left_out > 0 {
            shown.push(Line::new(format!("  … {} more rows", left_out + 1), Style::Dim));
        }
        shown.push(Line::default());
        let title =
            if state.jobs.is_empty() { "Nothing runs in the background" } else { "In the background" };
        shown.push(Line::new(title, Style::Bold));
        let height = u16::try_from(shown.len()).unwrap_or(u16::MAX);
        let [above, below] = Layout::vertical([Constraint::Length(height), Constraint::Fill(1)]).areas(inner);
        super::lines(&shown, above, buffer, look);
        self.list.draw(below, buffer, look, |place, width| match state.jobs.get(place) {
            Some(job) => entry(job, since, width),
            None => Line::default(),
        });
    }

    fn moves(&self, state: &State) -> bool {
        state.running_jobs() > 0
    }
}

/// `[ ] what to do`, what is open before what is done.
fn rows(tasks: &[Task], width: usize) -> Vec<Line> {
    if tasks.is_empty() {
        return vec![Line::new("No task list: the model makes one when there is much to do.", Style::Dim)];
    }
    let mut rows = Vec::new();
    for done in [false, true] {
        for task in tasks.iter().filter(|task| task.done == done) {
            let (mark, style) = if done { ("[x] ", Style::Dim) } else { ("[ ] ", Style::Plain) };
            let text = visible(&task.text).replace(['\n', '\t'], " ");
            let mark_style = if done { Style::Added } else { Style::Plain };
            rows.extend(wrap(&Line::new(mark, mark_style).with(text, style), width, 4));
        }
    }
    rows
}

/// `runs 3 min 2 s`, `exit code 1 after 12 s`.
fn stand(job: &Job, since: Duration) -> String {
    let time = Duration::from_millis(job.duration_ms);
    if job.running {
        format!("runs {}", clock(time + since))
    } else {
        format!("{} after {}", visible(&job.end), clock(time))
    }
}

fn entry(job: &Job, since: Duration, width: usize) -> Line {
    let style = match (job.running, job.end.as_str()) {
        (true, _) => Style::Tip,
        (false, "exit code 0") => Style::Added,
        (false, "killed") => Style::Dim,
        (false, _) => Style::Removed,
    };
    let stand = one_line(&stand(job, since), 26);
    let id = one_line(&job.id, 8);
    let used = id.len() + 2 + crate::text::columns(&stand) + 4;
    Line::new(format!("{id}  "), Style::Dim)
        .with(stand, style)
        .with("  $ ", Style::Dim)
        .with(one_line(&job.command, width.saturating_sub(used)), Style::Plain)
}

/// What it wrote last.
fn output(job: &Job) -> Vec<Line> {
    if job.tail.is_empty() {
        return vec![Line::new("It wrote nothing yet.", Style::Dim)];
    }
    visible(&job.tail).lines().map(|row| Line::new(row, Style::Plain)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Effect;
    use crate::testing::Stage;

    fn jobs() -> Vec<Job> {
        let job = |id: &str, command: &str, running, end: &str, duration_ms, tail: &str| Job {
            id: id.into(),
            command: command.into(),
            running,
            end: end.into(),
            duration_ms,
            tail: tail.into(),
        };
        vec![
            job("b1", "npm run dev -- --port 5173", true, "", 182_000, "ready\nlistening on 5173\n"),
            job(
                "b2",
                "cargo test \x1b[2J\u{202e}txt",
                false,
                "exit code 101",
                12_400,
                "one\x1b[31m\u{7}two\n",
            ),
            job("b3", "true", false, "exit code 0", 40, ""),
        ]
    }

    fn tasks() -> Vec<Task> {
        let task = |text: &str, done| Task { text: text.into(), done };
        vec![
            task("read the parser", true),
            task(
                "make the prices net of tax everywhere, in the report, the export and the two letters that go out",
                false,
            ),
            task("hostile \x1b]0;x\x07\nname", false),
        ]
    }

    fn open() -> Stage {
        let mut stage = Stage::open();
        stage.event(Event::TasksChanged { tasks: tasks() }).event(Event::JobsChanged { jobs: jobs() });
        stage.keys("/tasks\n").event(Event::JobsChanged { jobs: jobs() });
        stage
    }

    #[test]
    fn tasks_and_commands_are_shown() {
        let mut stage = open();
        assert!(stage.effects().contains(&Effect::Op(Op::Jobs)));
        let screens = stage.screens();
        assert!(!screens.contains('\x1b') && !screens.contains('\u{202e}'));
        insta::assert_snapshot!(screens);
        let mut stage = Stage::open();
        stage.keys("/tasks\n");
        assert!(stage.screen(40, 10).contains("Nothing runs in the background"));
        for (columns, rows) in [(1, 1), (3, 2), (10, 4)] {
            assert!(open().screen(columns, rows).lines().count() <= usize::from(rows));
        }
    }

    #[test]
    fn one_is_looked_at_and_stopped() {
        let mut stage = open();
        stage.screen(80, 24);
        stage.key(KeyCode::Enter, KeyModifiers::NONE);
        let screen = stage.screen(80, 24);
        assert!(screen.contains("listening on 5173") && screen.contains("runs 3 min 2 s"), "{screen}");
        stage.effects();
        stage.pass(Duration::from_secs(3));
        assert_eq!(stage.effects(), [Effect::Op(Op::Jobs)]);
        assert!(stage.screen(80, 24).contains("runs 3 min 5 s"));
        stage.keys("x");
        assert_eq!(stage.effects(), [Effect::Op(Op::StopJob { id: "b1".into() })]);
        let ended: Vec<Job> = jobs()
            .into_iter()
            .map(|job| Job { running: false, end: "killed".into(), tail: String::new(), ..job })
            .collect();
        stage.event(Event::JobsChanged { jobs: ended });
        // What was told without its output has the one that was told before.
        let screen = stage.screen(80, 24);
        assert!(screen.contains("killed after") && screen.contains("listening on 5173"), "{screen}");
        // What has ended cannot be stopped.
        stage.effects();
        stage.keys("x");
        assert_eq!(stage.effects(), []);
        stage.key(KeyCode::Esc, KeyModifiers::NONE);
        assert!(stage.screen(80, 24).starts_with("Tasks"));
        stage.key(KeyCode::Esc, KeyModifiers::NONE);
        assert!(!stage.screen(80, 24).starts_with("Tasks"));
    }

    #[test]
    fn an_output_is_shown_not_obeyed() {
        let mut stage = open();
        stage.screen(80, 24);
        stage.keys("j\n");
        let screen = stage.screen(80, 24);
        assert!(screen.contains("one␛[31m␇two"), "{screen}");
    }

    #[test]
    fn a_thousand_tasks_leave_room_for_the_commands() {
        let mut stage = open();
        let tasks = (0..1_000).map(|number| Task { text: format!("task {number}"), done: false }).collect();
        stage.event(Event::TasksChanged { tasks });
        let screen = stage.screen(80, 24);
        assert!(screen.contains("more rows") && screen.contains("npm run dev"), "{screen}");
    }
}
