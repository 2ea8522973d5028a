//! Owns what somebody who looks elsewhere is told: a turn is over, a decision waits, how far the work is.
//! Uses the state: whether the window is looked at, and when the turn began.
//! Never writes to the terminal, and never tells of what somebody is looking at.

use std::time::Duration;

use loci_protocol::{Event, TurnStatus};

use crate::component::Context;
use crate::host::{Effect, Notification};
use crate::options::Notify;
use crate::status::share;
use crate::text::one_line;

/// A turn that took less is waited for.
const LONG: Duration = Duration::from_secs(10);
/// Columns of a notification; more is cut by most desktops.
const WIDTH: usize = 100;

/// What was told last.
#[derive(Debug, Default)]
pub(super) struct Told {
    progress: Option<Notification>,
}

impl Told {
    /// Something happened; `news` says that something new is asked.
    pub(super) fn event(&mut self, event: &Event, news: bool, context: &mut Context<'_>) {
        if context.state.options.notify == Notify::Off {
            return;
        }
        match event {
            Event::ApprovalRequested { tool, summary, .. } if news => {
                self.tell(
                    Notification::Waiting(one_line(&format!("{tool} wants an approval: {summary}"), WIDTH)),
                    context,
                );
            }
            Event::QuestionAsked(question) if news => {
                self.tell(Notification::Waiting(one_line(&question.question, WIDTH)), context);
            }
            Event::TurnFinished(report) if Duration::from_millis(report.duration_ms) >= LONG => {
                let word = match report.status {
                    // Whoever interrupted it knows.
                    TurnStatus::Interrupted => None,
                    TurnStatus::Completed => Some("done"),
                    TurnStatus::Declined => Some("not done"),
                    TurnStatus::Failed => Some("failed"),
                    TurnStatus::MaxTurns | TurnStatus::Looping => Some("stopped"),
                };
                if let Some(word) = word {
                    let first =
                        report.answer.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
                    let text = if first.is_empty() { word.to_owned() } else { format!("{word}: {first}") };
                    self.tell(Notification::Finished(one_line(&text, WIDTH)), context);
                }
            }
            _ => {}
        }
        let progress = if context.state.turn.is_some() {
            // What is read before the first word is the only part whose end is known.
            let work = context.state.work.iter().find(|work| work.task != "indexing");
            Notification::Progress(work.and_then(share))
        } else {
            Notification::Idle
        };
        let before = self.progress.as_ref().unwrap_or(&Notification::Idle);
        if *before != progress {
            context.effects.push(Effect::Notify(progress.clone()));
            self.progress = Some(progress);
        }
    }

    fn tell(&self, notification: Notification, context: &mut Context<'_>) {
        if context.state.focused != Some(true) {
            context.effects.push(Effect::Notify(notification));
        }
    }
}
