//! Owns what a user asks of the window between turns: a look at it, and room in it.
//! Uses the context for what leaves, and the model for a summary.
//! Never makes a compaction wait for the model: without a summary the ledger stands alone.

use futures::StreamExt;
use loci_inference::provider::{Message, Request, StreamEvent, ToolChoice};
use loci_protocol::{Event, Level};
use tokio_util::sync::CancellationToken;

use super::Session;
use super::log::{CompactionCause, LogError, Record};
use crate::context::Frame;

/// Tokens of a summary, at most; and of the window, at most a tenth.
const SUMMARY: usize = 800;

/// Of what was said, one part in so many stays when a user asks for room, however far from full the window is.
const KEPT: usize = 10;

/// What the model is asked for.
const REQUEST: &str = "[Most of this session is about to leave your window. Directives, files, commands and tests are kept without you, \
and everything can be recalled. Write what they do not tell: where the work stands, why it was done so, and what \
comes next. Plain sentences, no headings, at most 300 words. Call no tool.]";

impl Session {
    /// Tell what is in the window.
    pub(crate) fn show_context(&self) {
        let report = self.context.report(&self.meter, self.budget());
        self.control.emit(Event::ContextShown(Box::new(report)));
    }

    /// Make room now. What the model says of the work stands below the ledger until the next compaction.
    pub(super) async fn make_room(&mut self, focus: &str, cancel: CancellationToken) {
        if self.context.conversation().entries().is_empty() {
            return self.control.notice(Level::Info, "nothing was said yet", None);
        }
        let grounded = self.provider.info().capabilities.grounded;
        let (system, specs, sampling) = (self.head.clone(), self.specs.clone(), self.sampling.clone());
        let frame = Frame {
            system: (!grounded).then_some(system.as_str()),
            tools: &specs,
            sampling: &sampling,
            max_tokens: self.max_tokens,
        };
        let budget = self.budget();
        let before = self.context.conversation().request(&frame, !grounded);
        let tokens = self.meter.request(&before);
        let summary = if grounded { None } else { self.summary(before, focus, &cancel).await };
        if cancel.is_cancelled() {
            return self.control.notice(Level::Info, "nothing was changed", None);
        }
        let plan = self.context.plan(&frame, &self.meter, budget);
        // It is tried on a copy: what the log says is what happens.
        let mut copy = self.context.fork();
        let said = tokens.saturating_sub(plan.head);
        let target = plan.low.min(plan.head + plan.ledger + said / KEPT);
        let record = match copy.compact(CompactionCause::Asked, target, tokens, &plan, &frame, &self.meter) {
            Ok(Some(record)) => record,
            Ok(None) => return self.control.notice(Level::Info, "there is nothing to make room for", None),
            Err(error) => return self.control.notice(Level::Error, error.to_string(), None),
        };
        let Record::Compacted(mut compaction) = record else { return };
        if compaction.epoch == 0 && compaction.folded_before == 0 {
            return self.control.notice(Level::Info, "everything that was said is still short", None);
        }
        if let Some(summary) = summary.filter(|_| compaction.epoch > 0) {
            let text =
                format!("\n[The work so far, in the model's own words.]\n{summary}\n[End of its words.]");
            let cost = self.meter.text(&text);
            if compaction.after + cost <= budget.prompt() {
                compaction.ledger.push_str(&text);
                compaction.after += cost;
            }
        }
        let told = Event::Compacted {
            before: compaction.before,
            after: compaction.after,
            message: compaction.message(),
        };
        if let Err(error) = self.keep(&Record::Compacted(compaction)) {
            self.control.notice(Level::Error, format!("the session cannot be written: {error}"), None);
        }
        self.control.emit(told);
    }

    fn keep(&mut self, record: &Record) -> Result<(), LogError> {
        self.note_head()?;
        self.note(record)?;
        self.log.commit()
    }

    /// What the model says of the work; nothing where it cannot be asked, which is said.
    async fn summary(&mut self, before: Request, focus: &str, cancel: &CancellationToken) -> Option<String> {
        let most = SUMMARY.min(self.window / 10);
        let mut text = REQUEST.to_owned();
        if !focus.is_empty() {
            text.push_str(&format!("\n\nAbove all keep: {focus}"));
        }
        let mut request = Request {
            tool_choice: ToolChoice::None,
            max_tokens: Some(most),
            references: Vec::new(),
            ..before
        };
        request.messages.push(Message::user(text));
        let mut stream = self.provider.stream(request, cancel.child_token());
        let mut said = String::new();
        loop {
            let event = tokio::select! {
                biased;
                () = cancel.cancelled() => return None,
                event = stream.next() => event,
            };
            match event {
                Some(Ok(StreamEvent::Text(text))) => said.push_str(&text),
                Some(Ok(StreamEvent::Finished { usage, .. })) => {
                    self.choice.count(self.provider.info(), &usage);
                    break;
                }
                None => break,
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    let message = format!("room is made without a summary: {error}");
                    self.control.notice(Level::Warning, message, None);
                    return None;
                }
            }
        }
        let said = said.trim();
        (!said.is_empty()).then(|| said.to_owned())
    }
}
