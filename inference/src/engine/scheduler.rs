//! Owns the generations that run at the same time, and what each pass of the model looks at.
//! Uses one pass for all: a token of each that writes, a piece of a prompt of those that read.
//! Never lets one generation hold up the others: not by a long prompt, a slow receiver, a fault or a cancel.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::generation::{Generation, Rules};
use super::outbox::Outbox;
use super::pass::{Forward, Outputs, Step, failed};
use super::prefix::{Prefixes, common};
use super::{EngineEvent, Job, StopReason};
use crate::draft::Costs;
use crate::kv::{Budget, PAGE, Sequence, Store};
use crate::model::CHUNK;
use crate::provider::ProviderError;

/// Tokens of prompts in a pass while others write: they get their next token after at most the time that these take.
/// Fewer would leave the unpacking of weights unpaid.
const SHARED_CHUNK: usize = 64;
/// Tokens that another generation must be about to compute before it is worth waiting for them.
const WORTH_WAITING: usize = 2 * PAGE;

/// Fewer tokens are computed sooner than they are found.
const WORTH_RESTORING: usize = PAGE / 2;
/// A prompt from this length on is worth keeping for later processes, beyond its stable head: to read it again would
/// take seconds.
const WORTH_SAVING: usize = 1024;

/// What a round of the scheduler came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    /// A pass was run, or a generation ended.
    Busy,
    /// Everyone waits for a receiver.
    Waiting,
}

/// The generations of a model.
pub(crate) struct Scheduler<M> {
    model: M,
    rules: Rules,
    budget: Arc<Budget>,
    /// Oldest first.
    active: Vec<Generation>,
    /// Jobs that ended with events still to be read.
    leaving: Vec<Outbox>,
    prefixes: Prefixes,
    store: Option<Store>,
    costs: Costs,
    logits: Vec<f32>,
    next_id: u64,
    /// The generation whose prompt was read last: the next one's turn comes first.
    last_reader: u64,
}

impl<M: Forward> Scheduler<M> {
    pub(crate) fn new(model: M, rules: Rules, budget: Budget, store: Option<Store>) -> Self {
        Self {
            model,
            rules,
            budget: Arc::new(budget),
            active: Vec::new(),
            leaving: Vec::new(),
            prefixes: Prefixes::default(),
            store,
            costs: Costs::default(),
            logits: Vec::new(),
            next_id: 0,
            last_reader: 0,
        }
    }

    /// Generations that run.
    pub(crate) fn running(&self) -> usize {
        self.active.len()
    }

    /// Whether nothing runs and nothing is left to be read.
    pub(crate) fn is_idle(&self) -> bool {
        self.active.is_empty() && self.leaving.is_empty()
    }

    /// Take a job in. What is wrong with it is told to its caller.
    pub(crate) fn admit(&mut self, job: Job, mut outbox: Outbox) {
        if outbox.is_cancelled() {
            return self.dismiss(outbox, ProviderError::Cancelled);
        }
        if let Err(error) = self.check(&job) {
            return self.dismiss(outbox, error);
        }
        let id = self.next_id;
        self.next_id += 1;
        let mut sequence = self.known_state(&job.prompt);
        if let Some(store) = &mut self.store
            && job.prompt.len() >= sequence.len() + WORTH_RESTORING
        {
            store.restore(&mut sequence, &job.prompt, job.prompt.len() - 1);
        }
        let leader = self.leader_of(&job.prompt, sequence.len());
        outbox.flush();
        let mut generation = Generation::new(id, job, outbox, sequence, &self.rules);
        generation.leader = leader;
        self.active.push(generation);
        let index = self.active.len() - 1;
        self.settle(index, Generation::begin);
    }

    /// One pass over what all generations need next.
    pub(crate) fn round(&mut self) -> Round {
        self.leaving.retain_mut(|outbox| !outbox.flush() && !outbox.is_abandoned());
        let mut ended = false;
        for index in (0..self.active.len()).rev() {
            if self.active[index].outbox.is_cancelled() {
                self.end(index, Err(ProviderError::Cancelled));
                ended = true;
            }
        }
        let chosen = self.choose();
        let chosen = self.make_room(chosen);
        if chosen.is_empty() {
            return if ended { Round::Busy } else { Round::Waiting };
        }
        self.pass(&chosen);
        Round::Busy
    }

    /// End everything: the model is in an unknown state.
    pub(crate) fn abandon(mut self, error: &ProviderError) -> Vec<Outbox> {
        for mut generation in self.active.drain(..) {
            generation.outbox.fail(error.clone());
            self.leaving.push(generation.outbox);
        }
        self.leaving
    }

    /// Whether the pages can hold the prompt at all.
    fn check(&self, job: &Job) -> Result<(), ProviderError> {
        self.rules.check(job)?;
        let page = self.model.geometry().page_bytes();
        let held = self.budget.limit().checked_div(page).map_or(usize::MAX, |pages| pages as usize * PAGE);
        let needed = job.prompt.len() + usize::from(job.max_tokens > 0);
        if needed > held {
            return Err(ProviderError::ContextOverflow { limit: held, needed });
        }
        Ok(())
    }

    /// A sequence with as much of the prompt as some earlier one has computed. The scores of the last token are
    /// always needed, so at least that one is run again.
    fn known_state(&mut self, prompt: &[u32]) -> Sequence {
        let most = prompt.len() - 1;
        let kept = self.prefixes.longest(prompt).min(most);
        let running = self.active.iter().map(|one| (common(one.sequence.tokens(), prompt).min(most), one));
        let running = running.max_by_key(|(length, _)| *length).filter(|(length, _)| *length > kept);
        if let Some((length, one)) = running {
            return one.sequence.fork(length);
        }
        let found = self.prefixes.take(prompt, most).filter(|found| found.check().is_ok());
        found.unwrap_or_else(|| Sequence::within(self.model.geometry(), &self.budget))
    }

    /// A running generation that will soon have computed much more of the prompt than `known` tokens.
    fn leader_of(&self, prompt: &[u32], known: usize) -> Option<u64> {
        let soon = |one: &&Generation| {
            let shared = common(one.prompt(), prompt).min(prompt.len() - 1);
            !one.has_read() && shared >= known + WORTH_WAITING
        };
        self.active.iter().find(soon).map(|one| one.id)
    }

    /// Take over what the leader has computed, once it has all that the two share or will not go on.
    fn follow(&mut self, index: usize) {
        let Some(leader) = self.active[index].leader else { return };
        let prompt = self.active[index].prompt();
        let most = prompt.len() - 1;
        let leader = self.active.iter().find(|one| one.id == leader && !one.paused);
        let found = match leader {
            Some(leader) => {
                let shared = common(leader.prompt(), prompt).min(most);
                if leader.sequence.len() < shared {
                    return;
                }
                Some(leader.sequence.fork(shared))
            }
            None => {
                let prompt = prompt.to_vec();
                self.prefixes.take(&prompt, most)
            }
        };
        let generation = &mut self.active[index];
        generation.leader = None;
        if let Some(found) = found.filter(|found| found.len() > generation.sequence.len()) {
            generation.adopt(found);
        }
    }

    /// Who takes part in the next pass, and with how many tokens at most.
    fn choose(&mut self) -> Vec<(usize, usize)> {
        if self.active.iter().all(|one| one.paused)
            && let Some(first) = self.active.first_mut()
        {
            first.paused = false;
        }
        for index in 0..self.active.len() {
            self.follow(index);
        }
        let mut ready = Vec::new();
        for (index, generation) in self.active.iter_mut().enumerate() {
            // A receiver that is slow holds up only itself.
            if generation.outbox.flush() && generation.leader.is_none() && !generation.paused {
                ready.push(index);
            }
        }
        let (writers, mut readers): (Vec<_>, Vec<_>) =
            ready.into_iter().partition(|&index| self.active[index].is_decoding());
        let mut left = if writers.is_empty() { CHUNK } else { SHARED_CHUNK };
        // Round robin: whoever follows the one that read last.
        let turn = readers.iter().position(|&index| self.active[index].id > self.last_reader).unwrap_or(0);
        readers.rotate_left(turn);
        let mut chosen: Vec<_> = writers.into_iter().map(|index| (index, usize::MAX)).collect();
        for index in readers {
            let share = left.min(self.active[index].pending());
            if share == 0 {
                break;
            }
            left -= share;
            self.last_reader = self.active[index].id;
            chosen.push((index, share));
        }
        chosen.sort_unstable();
        chosen
    }

    /// Plan the steps and reserve their memory: kept states go first, then the youngest generations wait.
    fn make_room(&mut self, chosen: Vec<(usize, usize)>) -> Vec<usize> {
        let mut roomy = Vec::new();
        let mut stuck = Vec::new();
        let others = chosen.len().saturating_sub(1);
        for (index, share) in chosen {
            if self.active[index].paused {
                continue;
            }
            self.active[index].plan(share, others, &self.rules, &self.costs);
            loop {
                let generation = &mut self.active[index];
                let length = generation.sequence.len() + generation.feed.len();
                if generation.sequence.reserve(length).is_ok() {
                    roomy.push(index);
                    break;
                }
                if self.prefixes.evict() {
                    continue;
                }
                // The youngest gives up its state; it will be computed again.
                let others = self.active.iter().filter(|one| !one.paused).count() > 1;
                let youngest = self.active.iter().rposition(|one| !one.paused);
                match youngest.filter(|_| others) {
                    Some(youngest) => {
                        self.active[youngest].pause();
                        roomy.retain(|&index| index != youngest);
                        if youngest == index {
                            break;
                        }
                    }
                    None => {
                        stuck.push((index, length));
                        break;
                    }
                }
            }
        }
        // From the back, so that the places of the others stay.
        for &(index, length) in stuck.iter().rev() {
            let message = format!("there is no memory for the state of {length} tokens");
            self.end(index, Err(ProviderError::Unavailable { message }));
            roomy.retain(|&one| one != index);
            for one in roomy.iter_mut().filter(|one| **one > index) {
                *one -= 1;
            }
        }
        roomy
    }

    fn pass(&mut self, chosen: &[usize]) {
        let Self { model, active, logits, .. } = self;
        let mut batch = Vec::new();
        let mut outboxes = Vec::new();
        let mut shapes = Vec::new();
        for (index, generation) in active.iter_mut().enumerate() {
            if !chosen.contains(&index) {
                continue;
            }
            let Generation { sequence, feed, outputs, outbox, .. } = generation;
            shapes.push((index, feed.len(), *outputs));
            outboxes.push((&*outbox, feed.len()));
            batch.push(Step { sequence, tokens: feed, outputs: *outputs });
        }
        let all: usize = shapes.iter().map(|(_, count, _)| count).sum();
        // A pass goes on while most of its work is wanted: what was cancelled is dropped afterwards.
        let cancelled = || {
            let unwanted: usize =
                outboxes.iter().filter(|(outbox, _)| outbox.is_cancelled()).map(|(_, count)| count).sum();
            unwanted * 2 > all
        };
        let started = Instant::now();
        let outcome = model.forward(&mut batch, logits, &cancelled);
        drop(batch);
        if let Err(error) = outcome {
            // The next round ends those that were cancelled and tries again with the others.
            let error = failed(error);
            if !matches!(error, ProviderError::Cancelled) {
                for index in (0..self.active.len()).rev().filter(|index| chosen.contains(index)) {
                    self.end(index, Err(error.clone()));
                }
            }
            return;
        }
        if shapes.iter().all(|(_, count, outputs)| *outputs == Outputs::All || *count == 1) {
            self.costs.note(shapes.len(), all, started.elapsed());
        }
        let mut logits = std::mem::take(&mut self.logits);
        let mut end = logits.len();
        // From the back, so that a generation that ends does not move the others.
        for &(index, count, outputs) in shapes.iter().rev() {
            let start = end - outputs.rows(count) * self.rules.vocab;
            let rows = &mut logits[start..end];
            end = start;
            let generation = &mut self.active[index];
            if generation.sequence.check().is_err() {
                // A file below the state was cut short: what the scores say is worth nothing. It is all read again.
                generation.sequence = Sequence::within(self.model.geometry(), &self.budget);
                continue;
            }
            if generation.has_read() && !generation.saved {
                generation.saved = true;
                self.save(index);
            }
            self.settle(index, |generation, rules| generation.absorb(rows, rules));
        }
        self.logits = logits;
    }

    /// Keep the state of a prompt that was read for later processes: all of a long one, the stable head of others.
    fn save(&mut self, index: usize) {
        let Some(store) = &mut self.store else { return };
        let generation = &self.active[index];
        let length = generation.prompt().len();
        // The head by itself as well: another prompt with the same head goes on behind its last token.
        if generation.keep >= PAGE {
            store.save(&generation.sequence, generation.keep);
        }
        if length >= WORTH_SAVING {
            store.save(&generation.sequence, length);
        }
    }

    /// Let a generation go on, and end it when it is through. A panic of its constraint is its own.
    fn settle(
        &mut self,
        index: usize,
        step: impl FnOnce(&mut Generation, &Rules) -> Result<Option<StopReason>, ProviderError>,
    ) {
        let Self { active, rules, .. } = self;
        let generation = &mut active[index];
        let outcome = catch_unwind(AssertUnwindSafe(|| step(generation, rules)));
        let outcome = outcome.unwrap_or_else(|panic| {
            let message = super::panic_message(&*panic);
            Err(ProviderError::Model { message: format!("the job failed: {message}") })
        });
        match outcome {
            Ok(None) => {}
            Ok(Some(reason)) => self.end(index, Ok(reason)),
            Err(error) => self.end(index, Err(error)),
        }
    }

    /// Tell the caller, and keep the state.
    fn end(&mut self, index: usize, outcome: Result<StopReason, ProviderError>) {
        let mut generation = self.active.remove(index);
        let usage = generation.usage();
        match outcome {
            Ok(reason) => generation.outbox.send(EngineEvent::Finished { reason, usage }),
            Err(error) => generation.outbox.fail(error),
        }
        // A step that panicked may have left guesses behind the text.
        let written = common(generation.sequence.tokens(), generation.tokens());
        generation.sequence.truncate(written);
        if generation.sequence.check().is_ok() {
            self.prefixes.keep(generation.sequence);
        }
        if !generation.outbox.flush() {
            self.leaving.push(generation.outbox);
        }
        if let Some(paused) = self.active.iter_mut().find(|one| one.paused) {
            paused.paused = false;
        }
    }

    fn dismiss(&mut self, mut outbox: Outbox, error: ProviderError) {
        outbox.fail(error);
        if !outbox.flush() {
            self.leaving.push(outbox);
        }
    }
}

#[cfg(test)]
mod tests;
