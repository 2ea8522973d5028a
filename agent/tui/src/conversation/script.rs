//! Owns when the user's script for the status line runs, and what it is told.
//! Uses the state.
//! Never asks for it twice at a time, or more often than people read.

use std::time::{Duration, Instant};

use loci_protocol::Event;
use serde_json::{Value, json};

use crate::component::Context;
use crate::host::{Reply, Request};
use crate::input::Input;
use crate::state::State;

/// At most this often, however much changes.
const SHORTEST: Duration = Duration::from_secs(1);
/// And this often while a turn runs, though nothing but the time changes.
const LONGEST: Duration = Duration::from_secs(5);

/// When it ran, and with what.
#[derive(Debug, Default)]
pub(super) struct Script {
    told: Option<(Instant, Value)>,
    /// It has not answered yet.
    runs: bool,
    /// Something changed since it was told.
    late: bool,
}

impl Script {
    /// Something happened: the script may have to be told.
    pub(super) fn take(&mut self, input: &Input, context: &mut Context<'_>) {
        if !context.state.options.status_line {
            return;
        }
        match input {
            Input::Reply(reply) if matches!(**reply, Reply::StatusLine(_)) => self.runs = false,
            // Words come by the hundred, and change nothing that it is told.
            Input::Event(event)
                if matches!(**event, Event::TextDelta { .. } | Event::ReasoningDelta { .. }) =>
            {
                return;
            }
            Input::Event(_) | Input::Reply(_) | Input::Tick => {}
            _ => return,
        }
        let facts = facts(context.state);
        let since = self.told.as_ref().map(|(told, _)| context.now.saturating_duration_since(*told));
        let old = since.is_none_or(|since| since >= LONGEST)
            && (context.state.turn.is_some() || self.told.is_none());
        let changed = self.told.as_ref().is_none_or(|(_, told)| *told != facts);
        self.late = changed || old;
        if self.late && !self.runs && since.is_none_or(|since| since >= SHORTEST) {
            context.ask(Request::StatusLine(facts.clone()));
            self.told = Some((context.now, facts));
            (self.runs, self.late) = (true, false);
        }
    }

    /// Whether it waits for time to pass.
    pub(super) fn moves(&self) -> bool {
        self.late
    }
}

/// What the script reads. Fields are added, never taken away or given another meaning; `version` is the host's.
fn facts(state: &State) -> Value {
    let model = state.model.as_ref();
    json!({
        "session_id": state.session_id,
        "title": state.title,
        "cwd": state.root,
        "branch": state.branch,
        "model": model.map(|model| &model.name),
        "provider": model.map(|model| &model.provider),
        "local": model.map(|model| model.local),
        "mode": state.mode.name(),
        "sandbox": state.sandbox.level,
        "offline": state.offline,
        "tokens": state.step.map(|step| step.used),
        "window": state.step.map(|step| step.window).or(model.map(|model| model.context_length)),
        "tokens_per_second": state.measured_speed(),
        "cost_usd": state.cost(),
        "turn_running": state.turn.is_some(),
        "waiting_for_user": state.approval.is_some() || state.question.is_some(),
        "tasks_open": state.tasks.iter().filter(|task| !task.done).count(),
        "jobs_running": state.running_jobs(),
        "prompts_waiting": state.queue.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Effect;
    use crate::options::Options;
    use crate::style::{Line, Style};
    use crate::testing::{Stage, finished};

    fn asked(stage: &mut Stage) -> Vec<Value> {
        let asked =
            |effect| if let Effect::Ask(Request::StatusLine(facts)) = effect { Some(facts) } else { None };
        stage.effects().into_iter().filter_map(asked).collect()
    }

    #[test]
    fn it_runs_on_change_and_not_too_often() {
        let mut stage = Stage::new(Options { status_line: true, ..Options::default() });
        stage.pass(Duration::ZERO);
        let first = asked(&mut stage);
        assert_eq!(first.len(), 1);
        assert_eq!((&first[0]["turn_running"], &first[0]["mode"]), (&json!(false), &json!("default")));
        // It has not answered: nothing is asked, whatever happens.
        stage.event(finished(1, "")).reply(Reply::Branch(Some("main".into())));
        stage.pass(Duration::from_secs(60));
        assert_eq!(asked(&mut stage).len(), 0);
        stage.reply(Reply::StatusLine(vec![Line::new("said", Style::Added)]));
        let next = asked(&mut stage);
        assert_eq!(next.len(), 1);
        assert_eq!(next[0]["branch"], "main");
        assert!(stage.screen(80, 24).ends_with("said"), "{}", stage.screen(80, 24));
        // Nothing changed.
        stage.reply(Reply::StatusLine(Vec::new())).pass(Duration::from_secs(60));
        assert_eq!(asked(&mut stage).len(), 0);
        // Two changes within a second are told once, after it.
        stage.reply(Reply::Branch(Some("a".into())));
        stage.reply(Reply::StatusLine(Vec::new())).reply(Reply::Branch(Some("b".into())));
        assert_eq!(asked(&mut stage).len(), 1);
        assert!(stage.app.moves());
        stage.pass(SHORTEST);
        assert_eq!(asked(&mut stage)[0]["branch"], "b");
        assert!(!stage.app.moves());
    }

    #[test]
    fn without_a_script_nothing_runs() {
        let mut stage = Stage::open();
        stage.event(finished(1, "")).pass(Duration::from_secs(60));
        assert_eq!(asked(&mut stage).len(), 0);
    }
}
