//! Owns how many tokens a prompt may have, how they are shared out, and how they are counted.
//! Uses the provider's tokenizer where it is at hand, a ratio of bytes where it is not.
//! Never decides what gives way; that is `compact`.

use std::sync::Arc;

use loci_inference::provider::{Message, Provider, Request, ToolSpec};
use serde_json::Value;

/// Bytes of English text and code for a token, where nothing better is known.
const BYTES_PER_TOKEN: f64 = 4.0;
/// What a template adds around a message or a call, in tokens.
const FRAME: usize = 5;

/// Tokens for prompt and answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Tokens that the model holds.
    pub window: usize,
    /// Of these, tokens that are kept free for the answer.
    pub reserve: usize,
}

impl Budget {
    /// The budget of a window, with room for `max_tokens` of answer, or a sixth where that is not given.
    #[must_use]
    pub fn new(window: usize, max_tokens: Option<usize>) -> Self {
        let usual = (window / 6).clamp(32, 8_192);
        let reserve = max_tokens.unwrap_or(usual).min(window / 2);
        Self { window, reserve }
    }

    /// Tokens that a prompt may have.
    #[must_use]
    pub fn prompt(&self) -> usize {
        self.window.saturating_sub(self.reserve)
    }
}

/// How the tokens of a prompt are shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// See [`Budget`].
    pub budget: Budget,
    /// Tokens of the head: system message, instructions, map, tools.
    pub head: usize,
    /// The ledger has at most so many.
    pub ledger: usize,
    /// A compaction begins when the prompt has more than this.
    pub high: usize,
    /// And cuts it back to this in the midst of a turn.
    pub low: usize,
    /// And to this at a new request.
    pub low_at_prompt: usize,
    /// What is recalled for a request has at most so many.
    pub recall: usize,
    /// And for a step in the midst of a turn.
    pub recall_in_turn: usize,
    /// One result, or one prompt, is folded beyond this.
    pub share: usize,
}

/// Of the prompt's tokens, the most for the ledger; a small window gives a larger part up to [`LEDGER_LEAST`] tokens,
/// since what the user directed does not shrink with it.
const LEDGER: f64 = 0.26;
const LEDGER_SMALL: f64 = 0.42;
const LEDGER_LEAST: usize = 1_700;
const LEDGER_MOST: usize = 6_000;
/// Of what head and ledger leave, where a compaction begins: in a small window as late as can be, in a large one
/// earlier, where a long prompt costs more at each step than a compaction. Tokens left, and the part.
const HIGH: [(usize, f64); 2] = [(8_000, 0.92), (100_000, 0.65)];
/// And what it cuts back to in the midst of a turn. A wide band makes compactions rare: each costs the prefill of what
/// it leaves. At a new request the turns before it give way to what the request needs, down to the second figure.
/// A large window is cut back further: at 32k, where .40 repeated .94 of the prompts of a session with many failures and
/// .81 of one that reads much, .25 repeats .953 and .84.
const LOW: [(usize, f64); 2] = [(8_000, 0.40), (20_000, 0.25)];
const LOW_AT_PROMPT: f64 = 0.18;
/// Of what head and ledger leave, the most for one recall, at a request and in the midst of a turn; and never more than
/// this many tokens.
const RECALL: f64 = 0.72;
const RECALL_IN_TURN: f64 = 0.15;
const RECALL_MOST: usize = 6_000;
/// What a request and what is recalled for it leave to its first steps.
const STEPS: f64 = 0.10;
/// Of what head and ledger leave, the most for one result.
const SHARE: f64 = 0.25;

impl Plan {
    /// Share out the tokens that a head of `head` tokens leaves.
    #[must_use]
    pub fn new(budget: Budget, head: usize) -> Self {
        let prompt = budget.prompt();
        let part = |of: usize, share: f64| (of as f64 * share) as usize;
        let small = part(prompt, LEDGER_SMALL).min(LEDGER_LEAST);
        let ledger = part(prompt, LEDGER).clamp(small, LEDGER_MOST);
        let free = prompt.saturating_sub(head + ledger);
        let low = between(LOW, free);
        let recall = part(free, RECALL).min(RECALL_MOST);
        let spare = free.saturating_sub(recall + part(free, STEPS));
        let at_prompt = spare.clamp(part(free, LOW_AT_PROMPT), part(free, low));
        Self {
            budget,
            head,
            ledger,
            high: head + ledger + part(free, between(HIGH, free)),
            low: head + ledger + part(free, low),
            low_at_prompt: head + ledger + at_prompt,
            recall,
            recall_in_turn: part(free, RECALL_IN_TURN).min(RECALL_MOST),
            share: part(free, SHARE).max(128),
        }
    }
}

/// The part of these tokens: between the two points it changes with the logarithm.
fn between([(small, first), (large, last)]: [(usize, f64); 2], free: usize) -> f64 {
    let log = |tokens: usize| (tokens.clamp(small, large) as f64).ln();
    first + (last - first) * (log(free) - log(small)) / (log(large) - log(small))
}

/// Counts tokens as the model does, or nearly so.
#[derive(Clone)]
pub struct Meter {
    provider: Option<Arc<dyn Provider>>,
    /// What was counted exactly, for what was summed up from parts.
    factor: f64,
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").field("factor", &self.factor).finish_non_exhaustive()
    }
}

impl Meter {
    /// A meter for this provider.
    #[must_use]
    pub fn new(provider: Arc<dyn Provider>) -> Self {
        Self { provider: Some(provider), factor: 1.0 }
    }

    /// A meter that takes four bytes for a token.
    #[must_use]
    pub fn bytes() -> Self {
        Self { provider: None, factor: 1.0 }
    }

    /// Whether the provider's own tokenizer counts.
    #[must_use]
    pub fn exact(&self) -> bool {
        self.provider.as_ref().is_some_and(|provider| provider.count_text("").is_some())
    }

    /// Tokens of a text on its own.
    #[must_use]
    pub fn text(&self, text: &str) -> usize {
        let counted = self.provider.as_ref().and_then(|provider| provider.count_text(text));
        counted.unwrap_or_else(|| (text.len() as f64 / BYTES_PER_TOKEN * self.factor).ceil() as usize)
    }

    /// Tokens of a message, its frame included.
    #[must_use]
    pub fn message(&self, message: &Message) -> usize {
        FRAME
            + match message {
                Message::System { text } | Message::User { text, .. } => self.text(text),
                Message::Assistant { text, reasoning, calls } => {
                    let calls: usize = calls
                        .iter()
                        .map(|call| {
                            let arguments = Value::Object(call.arguments.clone()).to_string();
                            2 * FRAME + self.text(&call.name) + self.text(&arguments)
                        })
                        .sum();
                    self.text(text) + reasoning.as_deref().map_or(0, |text| self.text(text)) + calls
                }
                Message::Tool { name, text, .. } => FRAME + self.text(name) + self.text(text),
            }
    }

    /// Tokens of the tools as a template shows them.
    #[must_use]
    pub fn tools(&self, tools: &[ToolSpec]) -> usize {
        let one = |tool: &ToolSpec| {
            let shown = serde_json::json!({ "name": tool.name, "description": tool.description, "parameters": tool.parameters });
            3 * FRAME + self.text(&shown.to_string())
        };
        tools.iter().map(one).sum()
    }

    /// Tokens of a whole request: exact where the provider can count, else summed up.
    #[must_use]
    pub fn request(&self, request: &Request) -> usize {
        let counted = self.provider.as_ref().and_then(|provider| provider.count_tokens(request));
        counted.unwrap_or_else(|| self.sum(request))
    }

    /// Tokens of a request, summed up from its parts.
    #[must_use]
    pub fn sum(&self, request: &Request) -> usize {
        let messages: usize = request.messages.iter().map(|message| self.message(message)).sum();
        self.tools(&request.tools) + messages
    }

    /// The provider counted `actual` tokens for a request that [`Meter::sum`] put at `summed`. Only where it cannot
    /// count beforehand: then bytes are weighed by what was observed.
    pub fn observe(&mut self, summed: usize, actual: usize) {
        if self.exact() || summed == 0 || actual == 0 {
            return;
        }
        let seen = (self.factor * actual as f64 / summed as f64).clamp(0.5, 3.0);
        // Half of the way each time: one odd request must not decide.
        self.factor = (self.factor + seen) / 2.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use loci_inference::scripted::{Script, Scripted};

    #[test]
    fn every_plan_leaves_room_for_a_step() {
        for window in [512, 2_048, 4_096, 8_192, 16_384, 32_768, 131_072, 1_000_000] {
            let budget = Budget::new(window, None);
            let plan = Plan::new(budget, budget.prompt() / 5);
            assert!(plan.head + plan.ledger < plan.low, "{plan:?}");
            assert!(plan.low < plan.high && plan.high < budget.prompt(), "{plan:?}");
            // What a compaction leaves and a recall fit together, below the mark at which the next one would begin.
            assert!(plan.low_at_prompt + plan.recall <= plan.high, "{plan:?}");
            assert!(
                plan.low_at_prompt <= plan.low && plan.low + plan.recall_in_turn <= plan.high,
                "{plan:?}"
            );
        }
    }

    #[test]
    fn estimates_follow_what_a_provider_reports() {
        let mut meter = Meter::new(Arc::new(Scripted::new(Script::default())));
        let text = "x".repeat(4_000);
        assert_eq!((meter.exact(), meter.text(&text)), (false, 1_000));
        for _ in 0..12 {
            let counted = meter.text(&text);
            meter.observe(counted, 1_500);
        }
        assert!((1_450..=1_500).contains(&meter.text(&text)), "{}", meter.text(&text));
        let mut exact =
            Meter::new(Arc::new(Scripted::new(Script { bytes_per_token: 4, ..Script::default() })));
        exact.observe(1_000, 4_000);
        assert_eq!((exact.exact(), exact.text(&text)), (true, 1_000));
    }
}
