//! Owns one job between its prompt and its end: what is computed, what is written, what comes next.
//! Uses the job's own sampler and constraint on the model's true scores, for guessed tokens too.
//! Never computes: it says what the next pass should look at and reads the scores.

use super::outbox::Outbox;
use super::pass::Outputs;
use super::prefix::common;
use super::{Constraint, EngineEvent, Job, StopReason};
use crate::draft::{Costs, LONGEST, Lookup, Trust};
use crate::kv::Sequence;
use crate::provider::{ProviderError, TokenUsage};
use crate::sample::Sampler;

/// As many tokens without a state run in one step together with the wish for scores; more is a prompt, which is read
/// in chunks. What a grammar forces is rarely longer.
const SHORT: usize = 8;

/// What every job of an engine shares.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// Tokens that fit at once.
    pub(crate) context: usize,
    /// Ids the tokenizer knows; rows of the logits behind them are padding.
    pub(crate) tokens: usize,
    /// Rows of the logits.
    pub(crate) vocab: usize,
    /// Tokens that end every answer.
    pub(crate) eos: Vec<u32>,
    /// Whether guesses are made.
    pub(crate) speculate: bool,
}

impl Rules {
    /// Whether a job can run at all.
    pub(crate) fn check(&self, job: &Job) -> Result<(), ProviderError> {
        if job.prompt.is_empty() {
            return Err(ProviderError::Rejected { message: "the prompt is empty".to_owned() });
        }
        if let Some(id) = job.prompt.iter().find(|&&id| id as usize >= self.tokens) {
            let message = format!("token {id} is not one of the {} of this model", self.tokens);
            return Err(ProviderError::Rejected { message });
        }
        let needed = job.prompt.len() + usize::from(job.max_tokens > 0);
        if needed > self.context {
            return Err(ProviderError::ContextOverflow { limit: self.context, needed });
        }
        Ok(())
    }
}

/// A job that runs.
pub(crate) struct Generation {
    /// Larger for a later one.
    pub(crate) id: u64,
    pub(crate) outbox: Outbox,
    /// The state, of the first [`Sequence::len`] tokens.
    pub(crate) sequence: Sequence,
    /// The prompt and what was written.
    tokens: Vec<u32>,
    prompt_length: usize,
    /// Tokens of the stable head.
    pub(crate) keep: usize,
    usage: TokenUsage,
    max_tokens: usize,
    stop: Vec<u32>,
    constraint: Option<Box<dyn Constraint>>,
    sampler: Sampler,
    lookup: Option<Lookup>,
    trust: Trust,
    /// What the next pass looks at: tokens without a state, then a guess.
    pub(crate) feed: Vec<u32>,
    pub(crate) outputs: Outputs,
    /// Of `feed`, how many are a guess, and how many tokens agreed before it.
    drafted: usize,
    agreed: usize,
    /// An earlier generation that is reading the same text, whose state this one waits for.
    pub(crate) leader: Option<u64>,
    /// Gave up its state for want of memory and waits for others to end.
    pub(crate) paused: bool,
    /// The whole prompt was read, and is on its way to the disk if it is worth it.
    pub(crate) saved: bool,
}

impl Generation {
    /// A job with the state that was found for it.
    pub(crate) fn new(id: u64, job: Job, outbox: Outbox, sequence: Sequence, rules: &Rules) -> Self {
        let Job { prompt, sampling, max_tokens, stop, constraint, keep, references } = job;
        let cached = sequence.len() as u64;
        let lookup = (rules.speculate && max_tokens > 1).then(|| Lookup::new(&references));
        Self {
            id,
            outbox,
            sequence,
            prompt_length: prompt.len(),
            keep: keep.min(prompt.len()),
            usage: TokenUsage { prompt: prompt.len() as u64, cached, ..TokenUsage::default() },
            tokens: prompt,
            max_tokens,
            stop,
            constraint,
            sampler: Sampler::new(sampling),
            lookup,
            trust: Trust::default(),
            feed: Vec::new(),
            outputs: Outputs::None,
            drafted: 0,
            agreed: 0,
            leader: None,
            paused: false,
            saved: false,
        }
    }

    /// Report the start, and write what the constraint forces at once.
    pub(crate) fn begin(&mut self, rules: &Rules) -> Result<Option<StopReason>, ProviderError> {
        self.report_prefill();
        let ended = self.force(rules)?;
        let full = self.usage.completion > 0 && self.is_full(rules);
        Ok(ended.or(full.then_some(StopReason::Length)))
    }

    /// The prompt and what was written.
    pub(crate) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// The prompt.
    pub(crate) fn prompt(&self) -> &[u32] {
        &self.tokens[..self.prompt_length]
    }

    pub(crate) fn usage(&self) -> TokenUsage {
        self.usage
    }

    /// Tokens that have no state yet.
    pub(crate) fn pending(&self) -> usize {
        self.tokens.len() - self.sequence.len()
    }

    /// Whether the next pass yields scores, rather than a part of a prompt.
    pub(crate) fn is_decoding(&self) -> bool {
        self.pending() <= SHORT
    }

    /// Whether the state of the whole prompt is there.
    pub(crate) fn has_read(&self) -> bool {
        self.sequence.len() >= self.prompt_length
    }

    /// Give up the state, and wait until others have ended.
    pub(crate) fn pause(&mut self) {
        self.sequence = self.sequence.fork(0);
        // A state that was taken over meanwhile would hold memory that nobody uses.
        self.leader = None;
        self.paused = true;
    }

    /// Go on from a state that another generation has computed.
    pub(crate) fn adopt(&mut self, sequence: Sequence) {
        let reused = sequence.len().saturating_sub(self.sequence.len()) as u64;
        self.usage.cached = (self.usage.cached + reused).min(self.usage.prompt);
        self.sequence = sequence;
        self.report_prefill();
    }

    fn report_prefill(&mut self) {
        let done = self.sequence.len().min(self.prompt_length);
        self.outbox.send(EngineEvent::Prefill { done, total: self.prompt_length });
    }

    /// Choose at most `most` tokens for the next pass, and perhaps a guess behind them; `others` take part as well.
    pub(crate) fn plan(&mut self, most: usize, others: usize, rules: &Rules, costs: &Costs) {
        let start = self.sequence.len();
        let end = self.tokens.len().min(start.saturating_add(most));
        self.feed.clear();
        self.feed.extend_from_slice(&self.tokens[start..end]);
        (self.drafted, self.agreed) = (0, 0);
        self.outputs = match end == self.tokens.len() && self.max_tokens > 0 {
            true => Outputs::Last,
            false => Outputs::None,
        };
        if self.outputs == Outputs::Last && self.feed.len() <= SHORT {
            self.guess(others, rules, costs);
        }
    }

    fn guess(&mut self, others: usize, rules: &Rules, costs: &Costs) {
        let Some(lookup) = &mut self.lookup else { return };
        lookup.extend(&self.tokens[lookup.len()..]);
        // The last token that may be written needs no guess: it comes from the scores before it.
        let left = self.max_tokens.saturating_sub(self.usage.completion as usize + 1);
        let room = rules.context.saturating_sub(self.tokens.len() + 1);
        let mut draft = lookup.draft(LONGEST.min(left).min(room));
        let length = match draft.tokens.is_empty() {
            true => 0,
            false => self.trust.length(draft.agreed, draft.tokens.len(), others, costs),
        };
        draft.tokens.truncate(length);
        let ends = |&token: &u32| {
            token as usize >= rules.tokens || rules.eos.contains(&token) || self.stop.contains(&token)
        };
        let end = draft.tokens.iter().position(ends).unwrap_or(draft.tokens.len());
        draft.tokens.truncate(end);
        if let Some(constraint) = &mut self.constraint
            && !draft.tokens.is_empty()
        {
            let accepted = constraint.accepts(&draft.tokens);
            draft.tokens.truncate(accepted);
        }
        if !draft.tokens.is_empty() {
            (self.drafted, self.agreed) = (draft.tokens.len(), draft.agreed);
            self.feed.extend(draft.tokens);
            self.outputs = Outputs::All;
        }
    }

    /// Read the scores of a pass, `[rows, vocab]`, and write what follows from them.
    pub(crate) fn absorb(
        &mut self,
        logits: &mut [f32],
        rules: &Rules,
    ) -> Result<Option<StopReason>, ProviderError> {
        let rows = logits.len() / rules.vocab;
        let length = self.sequence.len();
        let first = length - rows;
        if length - self.feed.len() < self.prompt_length {
            self.report_prefill();
        }
        if self.max_tokens == 0 {
            return Ok((self.pending() == 0).then_some(StopReason::Length));
        }
        let before = self.tokens.len();
        let mut outcome = Ok(None);
        // Whether the state and the text agree up to the text's end.
        while rows > 0
            && self.tokens.len() <= length
            && self.sequence.tokens()[before.min(length)..self.tokens.len()] == self.tokens[before..]
        {
            let row = (self.tokens.len() - 1 - first) * rules.vocab;
            outcome = self.write(&mut logits[row..row + rules.tokens], rules);
            if !matches!(outcome, Ok(None)) {
                break;
            }
        }
        if self.drafted > 0 {
            let guessed = &self.sequence.tokens()[length - self.drafted..];
            let accepted = common(guessed, &self.tokens[before..]);
            self.usage.drafted += self.drafted as u64;
            self.usage.accepted += accepted as u64;
            // When the answer ended, what was guessed behind its end was neither right nor wrong.
            let judged = if matches!(outcome, Ok(None)) { self.drafted } else { accepted };
            self.trust.note(self.agreed, judged, accepted);
            self.sequence.truncate(length - self.drafted + accepted);
        }
        outcome
    }

    /// Draw a token from its scores, and write it with all that it forces.
    fn write(&mut self, logits: &mut [f32], rules: &Rules) -> Result<Option<StopReason>, ProviderError> {
        if let Some(constraint) = &mut self.constraint {
            constraint.mask(logits).map_err(|message| ProviderError::Model { message })?;
        }
        let token = self.sampler.sample(logits, &self.tokens).ok_or_else(|| ProviderError::Model {
            message: match self.constraint {
                Some(_) => "the grammar allows no token that the model can score".to_owned(),
                None => "the model's scores are not numbers".to_owned(),
            },
        })?;
        if let Some(reason) = self.emit(token, rules)? {
            return Ok(Some(reason));
        }
        if let Some(reason) = self.force(rules)? {
            return Ok(Some(reason));
        }
        Ok(self.is_full(rules).then_some(StopReason::Length))
    }

    fn is_full(&self, rules: &Rules) -> bool {
        self.usage.completion as usize >= self.max_tokens || self.tokens.len() >= rules.context
    }

    /// Append the tokens that the constraint leaves no choice about.
    fn force(&mut self, rules: &Rules) -> Result<Option<StopReason>, ProviderError> {
        let forced = self.constraint.as_mut().map(|constraint| constraint.forced()).unwrap_or_default();
        for token in forced {
            if self.is_full(rules) {
                return Ok(Some(StopReason::Length));
            }
            if token as usize >= rules.tokens {
                let message = format!("the grammar forces token {token}, which does not exist");
                return Err(ProviderError::Model { message });
            }
            if let Some(reason) = self.emit(token, rules)? {
                return Ok(Some(reason));
            }
        }
        Ok(None)
    }

    /// Report a token and append it, unless it ends the answer.
    fn emit(&mut self, token: u32, rules: &Rules) -> Result<Option<StopReason>, ProviderError> {
        if rules.eos.contains(&token) || self.stop.contains(&token) {
            return Ok(Some(StopReason::EndToken(token)));
        }
        let complete = match &mut self.constraint {
            Some(constraint) => {
                constraint.accept(token).map_err(|message| ProviderError::Model { message })?
            }
            None => false,
        };
        self.tokens.push(token);
        self.usage.completion += 1;
        self.outbox.send(EngineEvent::Token(token));
        Ok(complete.then_some(StopReason::Complete))
    }
}
