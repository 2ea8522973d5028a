//! Owns the report on a window: what is in it by source, what recall put in, what left and when.
//! Uses the context, live or as the log of a session tells it at one of its steps.
//! Never decides anything, and never counts otherwise than the layout does.

use loci_inference::provider::Message;
use loci_protocol::{ContextCompaction, ContextLeft, ContextPart, ContextRecalled, ContextReport};

use super::layout::Shown;
use super::{Budget, Context, Head, Meter, Plan, handle::Handle, head};
use crate::session::log::{CompactionCause, Record};

/// There is no such step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoStep {
    /// Name another one.
    #[error("there is no request {step}; the session has {steps}")]
    Unknown {
        /// The step that was asked for.
        step: usize,
        /// How many there are.
        steps: usize,
    },
    /// Nothing was asked yet.
    #[error("no request was made in this session yet")]
    Nothing,
}

/// The window at one request of a session, as its log tells it.
#[derive(Debug)]
pub struct Past {
    /// The context as it was.
    pub context: Context,
    /// Which request, from 1.
    pub step: usize,
    /// How many the session has.
    pub steps: usize,
    /// Records that were taken in: everything before the answer to that request.
    pub records: usize,
}

/// How many requests of a session were answered.
#[must_use]
pub fn steps(records: &[Record]) -> usize {
    records.iter().filter(|record| matches!(record, Record::Assistant { .. })).count()
}

/// The window at a request: at the one of this number, from 1, or at the newest.
///
/// # Errors
/// See [`NoStep`].
pub fn at(records: &[Record], step: Option<usize>) -> Result<Past, NoStep> {
    let steps = steps(records);
    let step = step.unwrap_or(steps);
    if steps == 0 {
        return Err(NoStep::Nothing);
    }
    if step == 0 || step > steps {
        return Err(NoStep::Unknown { step, steps });
    }
    let answers = records.iter().enumerate().filter(|(_, record)| matches!(record, Record::Assistant { .. }));
    let until = answers.map(|(at, _)| at).nth(step - 1).unwrap_or(records.len());
    let taken = &records[..until];
    // A model that takes no system message reads results in short form, and no notes.
    let brief = taken.iter().rev().find_map(|record| match record {
        Record::Head { text, .. } => Some(text.is_none()),
        _ => None,
    });
    let mut context = Context::past(brief.unwrap_or(false));
    for record in taken {
        context.absorb(record);
    }
    Ok(Past { context, step, steps, records: until })
}

impl Past {
    /// The messages of the request, the system message first.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        let system = self.context.head().and_then(|head| head.text.clone());
        let system = system.map(|text| Message::System { text });
        let shown = self.context.conversation().messages(!self.context.is_brief());
        system.into_iter().chain(shown.into_iter().map(|(_, message)| message)).collect()
    }

    /// What the window held. Tokens are estimates: the model's tokenizer is not asked.
    #[must_use]
    pub fn report(&self) -> ContextReport {
        let window = self.context.head().map_or(0, |head| head.window);
        self.context.report(&Meter::bytes(), Budget::new(window, None))
    }
}

/// What a compaction was set off by, in words.
#[must_use]
pub fn cause(cause: CompactionCause) -> &'static str {
    match cause {
        CompactionCause::High => "the prompt passed the high mark",
        CompactionCause::Refit => "the window became smaller",
        CompactionCause::Asked => "the user asked for room",
    }
}

impl Context {
    /// What is in the window now, and what is not.
    #[must_use]
    pub fn report(&self, meter: &Meter, budget: Budget) -> ContextReport {
        let mut parts = Parts::default();
        let mut fixed = 0;
        if let Some(Head { text, tools, .. }) = self.head() {
            if let Some(text) = text {
                let (own, instructions) = head::parts(text);
                // The frame of the message goes with its first part.
                let all = meter.message(&Message::System { text: text.clone() });
                let given = instructions.map_or(0, |text| meter.text(text)).min(all);
                let map = head::map_of(text).map_or(0, |text| meter.text(text)).min(all - given);
                parts.add("system", all - given - map, 1);
                if map > 0 {
                    parts.add("map", map, 1);
                }
                if instructions.is_some() {
                    parts.add("instructions", given, 1);
                }
                debug_assert!(!own.is_empty());
                fixed += all;
            }
            let tokens = meter.tools(tools);
            parts.add("tools", tokens, tools.len());
            fixed += tokens;
        }
        self.add_messages(&mut parts, meter);
        let plan = Plan::new(budget, fixed);
        ContextReport {
            model: self.head().map(|head| head.model.clone()).unwrap_or_default(),
            window: budget.window,
            reserve: budget.reserve,
            used: parts.0.iter().map(|part| part.tokens).sum(),
            exact: meter.exact(),
            marks: (plan.high, plan.low),
            parts: parts.0,
            recalled: self.recalled_now(),
            left: self.left(meter),
            compactions: self
                .compacted()
                .iter()
                .map(|(turn, compaction)| ContextCompaction {
                    turn: *turn,
                    cause: cause(compaction.cause).into(),
                    before: compaction.before,
                    after: compaction.after,
                })
                .collect(),
        }
    }

    fn add_messages(&self, parts: &mut Parts, meter: &Meter) {
        let conversation = self.conversation();
        let recalls = |entry: usize| {
            let here = self.recalled().iter().rev().find(|(_, recalled)| recalled.entry == entry);
            here.filter(|_| conversation.has_recalled(entry)).map(|(_, recalled)| recalled)
        };
        let ledger = conversation.compaction().filter(|_| !self.is_brief() && conversation.epoch() > 0);
        let mut late: Vec<(String, usize, usize)> = Vec::new();
        for (at, (entry, message)) in conversation.messages(!self.is_brief()).into_iter().enumerate() {
            let mut tokens = meter.message(&message);
            if let Some(compaction) = ledger.filter(|_| at == 0) {
                let share = meter.text(&compaction.ledger).min(tokens);
                parts.add("ledger", share, 1);
                tokens -= share;
            }
            if let Some(recalled) = entry.and_then(recalls) {
                let share = meter.text(&recalled.text).min(tokens);
                late.push(("recalled".into(), share, recalled.passages.len()));
                tokens -= share;
            }
            match message {
                Message::System { .. } => parts.add("system", tokens, 1),
                Message::User { .. } => parts.add("prompts", tokens, 1),
                Message::Assistant { .. } => parts.add("answers", tokens, 1),
                Message::Tool { name, .. } => late.push((format!("results of {name}"), tokens, 1)),
            }
        }
        late.sort_by_key(|part| part.0 == "recalled");
        for (source, tokens, items) in late {
            parts.add(&source, tokens, items);
        }
    }

    /// The passages that stand in the window now.
    fn recalled_now(&self) -> Vec<ContextRecalled> {
        let standing =
            self.recalled().iter().filter(|(_, recalled)| self.conversation().has_recalled(recalled.entry));
        standing
            .flat_map(|(turn, recalled)| {
                recalled.passages.iter().map(|passage| ContextRecalled {
                    handle: passage.handle.clone(),
                    title: passage.title.clone(),
                    why: passage.why.clone(),
                    tokens: passage.tokens,
                    turn: *turn,
                })
            })
            .collect()
    }

    /// Entries that are not in the window, or only in part.
    fn left(&self, meter: &Meter) -> Vec<ContextLeft> {
        let conversation = self.conversation();
        let memory = self.memory_now();
        let entries = conversation.entries().iter().enumerate();
        entries
            .filter_map(|(at, entry)| {
                let shown = conversation.shown(at);
                let text = memory.text(at);
                if shown == Shown::Whole {
                    return None;
                }
                Some(ContextLeft {
                    handle: Handle { entry: at, lines: None }.to_string(),
                    title: text.map(|text| text.title.clone()).unwrap_or_default(),
                    tokens: meter.message(&entry.message),
                    turn: entry.turn,
                    folded: shown == Shown::Folded,
                })
            })
            .collect()
    }
}

/// Sources in the order in which they first came.
#[derive(Default)]
struct Parts(Vec<ContextPart>);

impl Parts {
    fn add(&mut self, source: &str, tokens: usize, items: usize) {
        match self.0.iter_mut().find(|part| part.source == source) {
            Some(part) => {
                part.tokens += tokens;
                part.items += items;
            }
            None => self.0.push(ContextPart { source: source.into(), tokens, items }),
        }
    }
}
