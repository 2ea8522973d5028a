//! Owns what a model sees: the head, the ledger, the conversation, and what gives way when they do not fit.
//! Uses the session's records: each of them is absorbed once, live, at resume and in replay alike.
//! Never changes what was said: what leaves the window stays in the session, and can be recalled.

pub mod budget;
mod compact;
pub mod diff;
pub mod failures;
pub mod fold;
mod fresh;
pub mod handle;
pub mod head;
pub mod layout;
pub mod ledger;
pub(crate) mod maps;
pub mod memory;
pub mod recall;
pub mod replay;
pub mod report;
pub mod texts;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loci_index::Embed;
use loci_inference::provider::{Message, Request, ToolCall};
use serde_json::Value;

use crate::session::log::{Compaction, CompactionCause, Fold, Recalled, Record};
pub use budget::{Budget, Meter, Plan};
pub use layout::{Conversation, Entry, Frame, Shown};
use ledger::Ledger;
use memory::Memory;
use texts::Texts;

/// Not even the newest step fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the prompt needs {needed} tokens and the model holds {window}, {reserve} of them for its answer")]
pub struct Overflow {
    /// Tokens of the smallest prompt possible.
    pub needed: usize,
    /// Tokens that the model holds.
    pub window: usize,
    /// Tokens kept free for the answer.
    pub reserve: usize,
}

/// The context of a session: a fold over its records.
pub struct Context {
    conversation: Conversation,
    ledger: Ledger,
    texts: Texts,
    memory: Arc<Mutex<Memory>>,
    /// Whether the model reads the short form of results, and neither notes nor a ledger.
    brief: bool,
    /// The memory belongs to another context too, and takes in nothing more.
    frozen: bool,
    root: Option<PathBuf>,
    turn: u32,
    /// Calls of the newest step without a result, and what each was about to do if it had begun.
    open: Vec<(ToolCall, Option<String>)>,
    calls: Vec<ToolCall>,
    /// Calls that a crash cut off.
    unknown: Vec<String>,
    /// What the newest results say of what went wrong.
    error: String,
    /// What the model said last.
    said: String,
    /// Every compaction and recall, with its turn.
    compactions: Vec<(u32, Compaction)>,
    recalls: Vec<(u32, Recalled)>,
    /// The newest head.
    head: Option<Head>,
    /// The window is smaller than it was at the last compaction.
    shrank: bool,
    /// Tokens of the head as last counted, and what was counted.
    head_tokens: ([u8; 32], usize),
    /// Tokens of the newest ledger.
    ledger_tokens: usize,
    /// What was decided for a request that then did not fit; the log has it with the next one's.
    unlogged: Vec<Record>,
    /// A compaction that would not have helped is not looked for again before the conversation has this many entries.
    futile_until: usize,
}

/// What requests begin with, as it was logged.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// The system message.
    pub text: Option<String>,
    /// The tools.
    pub tools: Vec<loci_inference::provider::ToolSpec>,
    /// The model.
    pub model: String,
    /// Tokens that it holds.
    pub window: usize,
}

/// A request, and what was decided for it.
#[derive(Debug, Clone)]
pub struct LaidOut {
    /// The request.
    pub request: Request,
    /// What was decided, for the log; it is absorbed already.
    pub decisions: Vec<Record>,
    /// Tokens of the request.
    pub tokens: usize,
    /// Of these, as summed up; see [`Meter::observe`].
    pub summed: usize,
}

/// What the model reads in the place of a result that a crash swallowed.
const UNKNOWN: &str = "unknown: Loci was cut off while this call ran. It was not run again. Look at what it left before going on.";
/// And of a call that had not begun.
const NOT_BEGUN: &str = "not run: Loci was cut off before this call.";

/// Of the prompt's tokens: a compaction that frees less is no progress.
const PROGRESS: f64 = 0.1;
/// A recall below this many tokens is not worth its line.
const LEAST_RECALL: usize = 120;
/// Tokens that stay free for what is counted inexactly.
const MARGIN: usize = 32;
/// Bytes of what went wrong that a recall asks with.
const ERROR_BYTES: usize = 2_000;

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("entries", &self.conversation.entries().len()).finish_non_exhaustive()
    }
}

impl Context {
    /// The context of a session that begins. `brief` is for models that read results in short form; `root` is the
    /// project, for files as they are now.
    #[must_use]
    pub fn new(brief: bool, root: Option<PathBuf>, embed: Option<Arc<dyn Embed>>) -> Self {
        // A model that reads no notes is shown nothing that was recalled.
        let memory = if brief { Memory::unsearchable() } else { Memory::new(embed) };
        Self {
            conversation: Conversation::default(),
            ledger: Ledger::default(),
            texts: Texts::default(),
            memory: Arc::new(Mutex::new(memory)),
            brief,
            frozen: false,
            root,
            turn: 0,
            open: Vec::new(),
            calls: Vec::new(),
            unknown: Vec::new(),
            error: String::new(),
            said: String::new(),
            compactions: Vec::new(),
            recalls: Vec::new(),
            head: None,
            shrank: false,
            head_tokens: ([0; 32], 0),
            ledger_tokens: 0,
            unlogged: Vec::new(),
            futile_until: 0,
        }
    }

    /// The context of a session that is only looked at: nothing in it is searched.
    #[must_use]
    pub fn past(brief: bool) -> Self {
        let memory = Arc::new(Mutex::new(Memory::unsearchable()));
        Self { memory, ..Self::new(brief, None, None) }
    }

    /// Whether the model reads the short form of results, and neither notes nor a ledger.
    #[must_use]
    pub fn is_brief(&self) -> bool {
        self.brief
    }

    /// The same context once more, to see what would happen. It shares the memory and adds nothing to it.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            conversation: self.conversation.detached(),
            ledger: self.ledger.clone(),
            texts: self.texts.clone(),
            memory: self.memory.clone(),
            brief: self.brief,
            frozen: true,
            root: self.root.clone(),
            turn: self.turn,
            open: self.open.clone(),
            calls: self.calls.clone(),
            unknown: self.unknown.clone(),
            error: self.error.clone(),
            said: self.said.clone(),
            compactions: self.compactions.clone(),
            recalls: self.recalls.clone(),
            head: self.head.clone(),
            shrank: self.shrank,
            head_tokens: self.head_tokens,
            ledger_tokens: self.ledger_tokens,
            unlogged: self.unlogged.clone(),
            futile_until: self.futile_until,
        }
    }

    /// Take in a record.
    pub fn absorb(&mut self, record: &Record) {
        match record {
            Record::Prompt { turn, text } => {
                self.close("");
                self.turn = *turn;
                self.error.clear();
                self.said.clear();
                self.remember(record);
                self.conversation.push(*turn, Message::user(text.clone()), None);
            }
            Record::Assistant { turn, text, calls, .. } => {
                self.turn = *turn;
                self.open = calls.iter().map(|call| (call.clone(), None)).collect();
                self.calls.clone_from(calls);
                self.error.clear();
                self.said.clone_from(text);
                self.remember(record);
                let message =
                    Message::Assistant { text: text.clone(), reasoning: None, calls: calls.clone() };
                self.conversation.push(*turn, message, None);
            }
            Record::Intent { call_id, tool, input, .. } => {
                if let Some(found) = self.open.iter_mut().find(|(call, _)| call.id == *call_id) {
                    found.1 = Some(format!("{tool} {input}"));
                }
                self.remember(record);
            }
            Record::Outcome(outcome) => {
                self.open.retain(|(call, _)| call.id != outcome.call_id);
                if !outcome.ok {
                    let tail = outcome.text.len().saturating_sub(ERROR_BYTES);
                    self.error.push_str(&outcome.text[outcome.text.ceil_char_boundary(tail)..]);
                    self.error.push('\n');
                }
                self.remember(record);
                let text = if self.brief { outcome.brief.clone() } else { outcome.text.clone() };
                let message =
                    Message::Tool { call_id: outcome.call_id.clone(), name: outcome.tool.clone(), text };
                self.conversation.push(self.turn, message, outcome.fold);
            }
            Record::TurnEnded(report) => {
                self.close(&report.answer);
                self.remember(record);
            }
            Record::Head { text, tools, model, window } => {
                self.shrank |= self.head.as_ref().is_some_and(|head| *window < head.window);
                self.head = Some(Head {
                    text: text.clone(),
                    tools: tools.clone(),
                    model: model.clone(),
                    window: *window,
                });
            }
            Record::Compacted(compaction) => {
                self.conversation.compacted(compaction.as_ref().clone());
                self.shrank = false;
                self.compactions.push((self.turn, compaction.as_ref().clone()));
                self.ledger_tokens = 0;
            }
            Record::Recalled(recalled) => {
                self.conversation.recalled(recalled.entry, &recalled.text);
                self.recalls.push((self.turn, recalled.as_ref().clone()));
            }
            Record::Header { .. }
            | Record::Todos { .. }
            | Record::Undone { .. }
            | Record::Model(_)
            | Record::Decision(_)
            | Record::Renamed { .. }
            | Record::Rewound { .. } => self.remember(record),
        }
    }

    /// Ledger and memory take in what was said and done.
    fn remember(&mut self, record: &Record) {
        let call = match record {
            Record::Outcome(outcome) => self
                .calls
                .iter()
                .find(|call| call.id == outcome.call_id)
                .map(|call| (outcome.tool.as_str(), Value::Object(call.arguments.clone()))),
            _ => None,
        };
        // A prompt after a turn that was cut off makes the end of that turn first.
        let entries = self.texts.absorb(record);
        let own = !matches!(record, Record::TurnEnded(_));
        let at = entries.last().filter(|_| own).map_or(self.texts.len(), |entry| entry.entry);
        self.ledger.absorb(at, record);
        if self.frozen {
            return;
        }
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in &entries {
            memory.add(entry, call.as_ref().map(|(tool, input)| (*tool, input)));
        }
    }

    /// End a turn: calls that a crash left open get a result that says so.
    fn close(&mut self, said: &str) {
        let open = std::mem::take(&mut self.open);
        self.conversation.settle(self.turn, said, |call_id| {
            let begun = open.iter().any(|(call, begun)| call.id == call_id && begun.is_some());
            if begun { UNKNOWN.into() } else { NOT_BEGUN.into() }
        });
        self.unknown.extend(open.into_iter().filter_map(|(_, begun)| begun));
    }

    /// No record follows for now: a turn that was cut off is made whole.
    pub fn end(&mut self) {
        self.close("");
    }

    /// Calls that were begun and whose outcome is not known, since they were last asked for.
    pub fn take_unknown(&mut self) -> Vec<String> {
        std::mem::take(&mut self.unknown)
    }

    /// The conversation.
    #[must_use]
    pub fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// The newest head that was logged.
    #[must_use]
    pub fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// The texts of the session, for `recall`.
    #[must_use]
    pub fn memory(&self) -> Arc<Mutex<Memory>> {
        self.memory.clone()
    }

    /// The same as the tool `recall` sees it.
    pub(crate) fn remembering(&self) -> memory::Shared {
        memory::Shared(self.memory.clone())
    }

    fn memory_now(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every compaction with its turn, oldest first.
    #[must_use]
    pub fn compacted(&self) -> &[(u32, Compaction)] {
        &self.compactions
    }

    /// Every recall with its turn, oldest first.
    #[must_use]
    pub fn recalled(&self) -> &[(u32, Recalled)] {
        &self.recalls
    }

    /// How a result of this length is folded from the beginning; `None` where it is shown whole.
    #[must_use]
    pub fn fold_for(&self, text: &str, plan: &Plan, meter: &Meter) -> Option<Fold> {
        if self.brief || text.len() <= plan.share {
            return None;
        }
        let tokens = meter.text(text);
        if tokens <= plan.share {
            return None;
        }
        let bytes = (text.len() as f64 * plan.share as f64 / tokens as f64) as usize;
        Some(Fold { head: bytes * 2 / 3, tail: bytes / 3 })
    }

    /// An entry that shows this very text of this call in the window as it is now, as a new result would be shown; and
    /// the lines that it leaves out.
    #[must_use]
    pub fn seen_already(&self, call: &ToolCall, text: &str) -> Option<(usize, Option<Range<usize>>)> {
        let entries = self.conversation.entries();
        let same_call = |id: &str| {
            entries[self.conversation.epoch()..].iter().any(|entry| {
                matches!(&entry.message, Message::Assistant { calls, .. } if calls.iter().any(|known| {
                    known.id == id && known.name == call.name && known.arguments == call.arguments
                }))
            })
        };
        let at = (self.conversation.epoch()..entries.len()).rev().find(|at| {
            matches!(&entries[*at].message, Message::Tool { call_id, text: known, .. } if known == text && same_call(call_id))
                && self.conversation.shown_as_new(*at)
        })?;
        Some((at, self.conversation.lines_left_out(at)))
    }

    /// Share out a window for these fixed parts.
    pub fn plan(&mut self, frame: &Frame<'_>, meter: &Meter, budget: Budget) -> Plan {
        let mut hasher = blake3::Hasher::new();
        hasher.update(frame.system.unwrap_or_default().as_bytes());
        for tool in frame.tools {
            hasher.update(tool.name.as_bytes());
            hasher.update(tool.description.as_bytes());
            hasher.update(&tool.parameters.to_string().len().to_le_bytes());
        }
        let hash = *hasher.finalize().as_bytes();
        if self.head_tokens.0 != hash || self.head_tokens.1 == 0 {
            let system = frame.system.map_or(0, |text| meter.message(&Message::System { text: text.into() }));
            self.head_tokens = (hash, system + meter.tools(frame.tools));
        }
        Plan::new(budget, self.head_tokens.1)
    }

    /// Tokens of the window as it is, summed up from its parts.
    fn total(&mut self, plan: &Plan, meter: &Meter) -> usize {
        let first = self.conversation.epoch();
        let mut tokens = plan.head;
        if first > 0 {
            if self.ledger_tokens == 0 {
                // The first message is the ledger and maybe a prompt from before; whatever it holds, it is counted.
                let shown = self.conversation.messages(!self.brief);
                self.ledger_tokens = match shown.first() {
                    Some((None, message)) => meter.message(message),
                    _ => {
                        self.conversation.compaction().map_or(0, |compaction| meter.text(&compaction.ledger))
                    }
                };
            }
            tokens += self.ledger_tokens;
        }
        let notes = !self.brief;
        tokens
            + (first..self.conversation.entries().len())
                .map(|at| self.conversation.tokens(at, notes, meter))
                .sum::<usize>()
    }

    /// The next request: as it was before with new messages at its end, or compacted when it passed the high mark.
    ///
    /// # Errors
    /// [`Overflow`] when not even the newest step fits.
    pub fn lay_out(&mut self, frame: &Frame<'_>, meter: &Meter, budget: Budget) -> Result<LaidOut, Overflow> {
        // What is absorbed must reach the log, also when there is no request after all.
        let mut decisions = std::mem::take(&mut self.unlogged);
        match self.decide(frame, meter, budget, &mut decisions) {
            Ok((request, tokens, summed)) => Ok(LaidOut { request, decisions, tokens, summed }),
            Err(overflow) => {
                self.unlogged = decisions;
                Err(overflow)
            }
        }
    }

    /// The request with its tokens, counted and summed up; decisions are absorbed and added to `decisions`.
    fn decide(
        &mut self,
        frame: &Frame<'_>,
        meter: &Meter,
        budget: Budget,
        decisions: &mut Vec<Record>,
    ) -> Result<(Request, usize, usize), Overflow> {
        let plan = self.plan(frame, meter, budget);
        let mut total = self.total(&plan, meter);
        let prompt = budget.prompt();
        let at_prompt = self.at_prompt();
        let entries = self.conversation.entries().len();
        // A new request is the time to make room for what it needs.
        let wanting = at_prompt && self.recalls_now() && total + plan.recall / 2 > plan.high;
        // The same step is laid out again when an answer broke off: nothing was said since, and nothing gives way.
        let said = self.conversation.compaction().is_none_or(|compaction| compaction.entries < entries);
        let due = said || (total > prompt && self.window_shrank(budget));
        if (total > plan.high || wanting) && due && (total > prompt || entries >= self.futile_until) {
            let cause =
                if self.window_shrank(budget) { CompactionCause::Refit } else { CompactionCause::High };
            let target = if at_prompt { plan.low_at_prompt } else { plan.low };
            if let Some(record) = self.compact(cause, target, total, &plan, frame, meter)? {
                decisions.push(record);
                total = self.total(&plan, meter);
            }
        }
        if let Some(record) = self.recall(total, &plan, meter) {
            decisions.push(record);
        }
        let mut request = self.conversation.request(frame, !self.brief);
        let summed = self.total(&plan, meter);
        // Sums of parts are near; only where it is close are all of them counted together.
        let mut tokens = summed;
        if summed + summed / 8 > prompt {
            tokens = meter.request(&request);
            if tokens > prompt {
                let target = plan.low.min(prompt * 9 / 10);
                if let Some(record) =
                    self.compact(CompactionCause::High, target, tokens, &plan, frame, meter)?
                {
                    decisions.push(record);
                    total = self.total(&plan, meter);
                    // What was counted together was more than its parts.
                    decisions.extend(self.recall(total + total / 8, &plan, meter));
                }
                request = self.conversation.request(frame, !self.brief);
                tokens = meter.request(&request);
            }
            if tokens > prompt {
                return Err(Overflow { needed: tokens, window: budget.window, reserve: budget.reserve });
            }
        }
        Ok((request, tokens, summed))
    }

    fn newest(&self) -> usize {
        self.conversation.entries().len().saturating_sub(1)
    }

    /// Whether the newest entry is a request.
    fn at_prompt(&self) -> bool {
        matches!(self.conversation.entries().last().map(|entry| &entry.message), Some(Message::User { .. }))
    }

    fn window_shrank(&self, budget: Budget) -> bool {
        self.shrank || self.head.as_ref().is_some_and(|head| budget.window < head.window)
    }

    /// Compact now: at the user's wish, or because of what `cause` says. `None` when it would not help.
    ///
    /// # Errors
    /// [`Overflow`] when the window is over its limit and not even the newest step fits.
    pub fn compact(
        &mut self,
        cause: CompactionCause,
        target: usize,
        before: usize,
        plan: &Plan,
        frame: &Frame<'_>,
        meter: &Meter,
    ) -> Result<Option<Record>, Overflow> {
        let prompt = plan.budget.prompt();
        let entries = self.conversation.entries().len();
        let notes = !self.brief;
        let share = (plan.share as f64 * 4.0) as usize;
        let prompt_fold = Fold { head: share * 2 / 3, tail: share / 3 };
        let mut room = target.saturating_sub(plan.head + if notes { plan.ledger } else { 0 });
        let mut needed = before;
        // What is counted together may be more than its parts: less is tried until it fits.
        for _ in 0..6 {
            let cut = compact::choose(&self.conversation, room, notes, meter);
            let epoch_entry = cut.epoch;
            let ledger = if notes && epoch_entry > 0 {
                self.ledger_text(epoch_entry, plan, meter)
            } else {
                String::new()
            };
            let mut compaction = Compaction {
                cause,
                entries,
                epoch: cut.epoch,
                folded_before: cut.folded_before,
                fold: compact::FOLD,
                prompt: prompt_fold,
                newest: cut.newest,
                ledger,
                before,
                after: 0,
            };
            let mut tried = self.conversation.clone();
            tried.compacted(compaction.clone());
            let request = tried.request(frame, notes);
            needed = meter.request(&request);
            if needed <= prompt {
                compaction.after = needed;
                let freed = before.saturating_sub(needed);
                if before <= prompt
                    && (freed as f64) < prompt as f64 * PROGRESS
                    && cause != CompactionCause::Asked
                {
                    // Not again before something new was said.
                    self.futile_until = entries + 2;
                    return Ok(None);
                }
                let record = Record::Compacted(Box::new(compaction));
                self.absorb(&record);
                return Ok(Some(record));
            }
            room = room * 7 / 10;
        }
        Err(Overflow { needed, window: plan.budget.window, reserve: plan.budget.reserve })
    }

    /// The ledger with the words around it, for a window that begins at this entry.
    fn ledger_text(&self, epoch: usize, plan: &Plan, meter: &Meter) -> String {
        let rendered = self.ledger.render(epoch, plan.ledger, &|text| meter.text(text));
        format!(
            "[State of this session, kept by Loci. The {epoch} entries before this one (r0 to r{}) have left the window; \
             `recall` finds them by words or by handle.]\n{}[End of the state.]",
            epoch - 1,
            rendered.text
        )
    }

    /// Whether this step is one at which passages are recalled: a new request, results that failed, or the first after
    /// a compaction.
    fn recalls_now(&self) -> bool {
        let evicted = self.conversation.compactions() > 0;
        let newest = self.newest();
        let due = match self.conversation.entries().last().map(|entry| &entry.message) {
            Some(Message::User { .. }) => true,
            Some(Message::Tool { .. }) => {
                !self.error.is_empty()
                    || self
                        .conversation
                        .compaction()
                        .is_some_and(|compaction| compaction.entries == newest + 1)
            }
            _ => false,
        };
        evicted && due && !self.brief && !self.conversation.has_recalled(newest)
    }

    fn recall(&mut self, total: usize, plan: &Plan, meter: &Meter) -> Option<Record> {
        if !self.recalls_now() {
            return None;
        }
        let most = if self.at_prompt() {
            plan.recall
        } else {
            // It must not be what fills the window: the next step would drop it again.
            plan.recall_in_turn.min(plan.high.saturating_sub(total))
        };
        let cap = most.min(plan.budget.prompt().saturating_sub(total + MARGIN));
        if cap < LEAST_RECALL {
            return None;
        }
        let newest = self.newest();
        let request = self.conversation.entries().iter().rev().find_map(|entry| match &entry.message {
            Message::User { text, .. } => Some(text.clone()),
            _ => None,
        });
        let need = recall::Need {
            turn: self.turn,
            request: request?,
            said: self.said.clone(),
            error: self.error.clone(),
        };
        let standing = self.standing();
        let visible = |entry: usize, line: usize| {
            let recalled =
                |(at, first, last): &(usize, usize, usize)| *at == entry && (*first..=*last).contains(&line);
            self.visible(entry, line) || standing.iter().any(recalled)
        };
        let count = |text: &str| meter.text(text);
        let superseded = self.ledger.superseded();
        let scope = recall::Scope {
            superseded: &superseded,
            visible: &visible,
            ledger: self.conversation.compaction().map_or("", |compaction| compaction.ledger.as_str()),
            root: self.root.as_deref(),
            count: &count,
            cap,
        };
        let (text, passages) = recall::recall(&mut self.memory_now(), &need, &scope)?;
        let tokens = meter.text(&text);
        let record = Record::Recalled(Box::new(Recalled { entry: newest, text, tokens, passages }));
        self.absorb(&record);
        Some(record)
    }

    /// The lines that were recalled since the last compaction, and stand in the window: entry, first and last.
    fn standing(&self) -> Vec<(usize, usize, usize)> {
        let recalls = self.recalls.iter().rev().map(|(_, recalled)| recalled);
        recalls
            .take_while(|recalled| self.conversation.has_recalled(recalled.entry))
            .flat_map(|recalled| &recalled.passages)
            .filter_map(|passage| {
                let handle: handle::Handle = passage.handle.parse().ok()?;
                handle.lines.map(|(first, last)| (handle.entry, first, last))
            })
            .collect()
    }

    /// Whether a line of an entry is in the window.
    fn visible(&self, entry: usize, line: usize) -> bool {
        match self.conversation.shown(entry) {
            Shown::Left => false,
            Shown::Whole => true,
            Shown::Folded => self.conversation.shows_line(entry, line),
        }
    }
}

#[cfg(test)]
mod tests;
