//! Owns the conversation and the window on it: what the next request shows.
//! Uses `budget` for counting.
//! Never parts a call from its result, and never shows half a turn without saying so.

use loci_inference::provider::{Message, Provider, Request, Sampling, ToolChoice, ToolSpec};

use super::budget::{self, Budget};

/// One message of the conversation and the turn it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The turn's number.
    pub turn: u32,
    /// The message.
    pub message: Message,
}

/// Everything said in a session, and from where on it is shown.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    entries: Vec<Entry>,
    /// Tool results before this entry are shown folded.
    folded_before: usize,
    /// Entries before this one are not shown, except the words that began the turn it is in.
    hidden_before: usize,
}

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

/// What of a folded result stays, in bytes of its head and of its tail.
const FOLDED_HEAD: usize = 320;
const FOLDED_TAIL: usize = 160;
/// The same for results of the newest step, which are folded last.
const NEWEST_HEAD: usize = 1_200;
const NEWEST_TAIL: usize = 600;

/// What stands before the first words shown, once earlier ones are not.
const LEFT: &str = "[Earlier messages of this session have left the window. Look again where you need them.]";

/// What goes with the conversation into every request.
#[derive(Debug, Clone)]
pub struct Frame<'a> {
    /// The head; `None` for models that take none.
    pub system: Option<&'a str>,
    /// The tools.
    pub tools: &'a [ToolSpec],
    /// How tokens are drawn.
    pub sampling: &'a Sampling,
    /// At most so many new tokens.
    pub max_tokens: Option<usize>,
    /// Whether the model is told what left the window. Very small models know no such notes.
    pub notes: bool,
}

impl Conversation {
    /// Add a message.
    pub fn push(&mut self, turn: u32, message: Message) {
        self.entries.push(Entry { turn, message });
    }

    /// Make the newest turn whole after it was cut off: every call gets a result and the turn an end, since templates
    /// and providers refuse a call without a result and two prompts in a row. `said` is what the model had said.
    pub fn settle(&mut self, turn: u32, said: &str, missing: impl Fn(&str) -> String) {
        let is_assistant = |entry: &Entry| matches!(entry.message, Message::Assistant { .. });
        let newest = self.entries.iter().rposition(is_assistant).unwrap_or(0);
        let mut told = String::new();
        if let Some(Entry { message: Message::Assistant { text, calls, .. }, .. }) = self.entries.get(newest)
        {
            told.clone_from(text);
            let open: Vec<(String, String)> = calls
                .iter()
                .filter(|call| {
                    !self.entries[newest..].iter().any(
                        |entry| matches!(&entry.message, Message::Tool { call_id, .. } if *call_id == call.id),
                    )
                })
                .map(|call| (call.id.clone(), call.name.clone()))
                .collect();
            for (call_id, name) in open {
                let text = missing(&call_id);
                self.push(turn, Message::Tool { call_id, name, text });
            }
        }
        let whole = match self.entries.last().map(|entry| &entry.message) {
            None | Some(Message::System { .. }) => true,
            Some(Message::Assistant { calls, .. }) => calls.is_empty(),
            Some(Message::User { .. } | Message::Tool { .. }) => false,
        };
        if !whole {
            let note = "[The turn was cut off here.]";
            let text = if said.is_empty() || said == told { note.into() } else { format!("{said}\n{note}") };
            self.push(turn, Message::Assistant { text, reasoning: None, calls: Vec::new() });
        }
    }

    /// All messages, hidden ones included.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The next request: as it was before with new messages at its end, or cut back when it no longer fits.
    /// The second value says in words what was folded or left out this time.
    ///
    /// # Errors
    /// [`Overflow`] when not even the newest step fits.
    pub fn lay_out(
        &mut self,
        frame: &Frame<'_>,
        provider: &dyn Provider,
        budget: Budget,
    ) -> Result<(Request, Option<String>), Overflow> {
        let request = self.request(frame, false);
        let exact = budget::count(provider, &request);
        if exact <= budget.prompt() {
            return Ok((request, None));
        }
        // Cuts are chosen by bytes at the ratio just measured and then counted exactly; tokenizing for each
        // candidate would cost more than the cut saves.
        let bytes = budget::bytes(&request).max(1);
        let newest = self.newest_step();
        let (folded, hidden) = (self.folded_before, self.hidden_before);
        for target in [budget.after_cut(), budget.prompt()] {
            let wanted = target.saturating_mul(bytes) / exact.max(1);
            self.cut_to(frame, wanted, newest);
            let request = self.request(frame, false);
            if budget::count(provider, &request) <= budget.prompt() {
                return Ok((request, Some(self.describe_cut(folded, hidden))));
            }
        }
        // The ratio was too kind: show only the newest step, at last with its results folded.
        self.folded_before = newest;
        self.hidden_before = newest;
        let mut needed = 0;
        for fold_newest in [false, true] {
            let request = self.request(frame, fold_newest);
            needed = budget::count(provider, &request);
            if needed <= budget.prompt() {
                return Ok((request, Some(self.describe_cut(folded, hidden))));
            }
        }
        Err(Overflow { needed, window: budget.window, reserve: budget.reserve })
    }

    fn describe_cut(&self, folded: usize, hidden: usize) -> String {
        let results = self.entries[folded.min(self.folded_before)..self.folded_before]
            .iter()
            .filter(|entry| matches!(entry.message, Message::Tool { .. }))
            .count();
        let messages = self.hidden_before.saturating_sub(hidden);
        match (results, messages) {
            (_, 0) => format!("the window is full: {results} earlier tool results are shown shortened"),
            (0, _) => {
                format!("the window is full: {messages} earlier messages are no longer shown to the model")
            }
            _ => format!(
                "the window is full: {messages} earlier messages are no longer shown to the model, and {results} tool results are shortened"
            ),
        }
    }

    /// The index of the newest step: the last assistant message that has results after it, or the newest prompt.
    fn newest_step(&self) -> usize {
        let begins =
            |entry: &Entry| matches!(entry.message, Message::Assistant { .. } | Message::User { .. });
        self.entries.iter().rposition(begins).unwrap_or(0)
    }

    /// Move the marks until the request has at most `wanted` bytes: fold old results first, then hide old turns,
    /// then old steps of the newest turn.
    fn cut_to(&mut self, frame: &Frame<'_>, wanted: usize, newest: usize) {
        while budget::bytes(&self.request(frame, false)) > wanted && self.folded_before < newest {
            // A few at a time, so that a long conversation is not laid out once for each message.
            let remaining = newest - self.folded_before;
            self.folded_before += remaining.div_ceil(8);
        }
        while budget::bytes(&self.request(frame, false)) > wanted {
            let Some(next) = self.next_beginning(self.hidden_before, newest) else { break };
            self.hidden_before = next;
        }
    }

    /// Where the next turn begins after `from`; within the newest turn, where the next step begins.
    fn next_beginning(&self, from: usize, newest: usize) -> Option<usize> {
        let is_prompt = |entry: &Entry| matches!(entry.message, Message::User { .. });
        let last_prompt = self.entries.iter().rposition(is_prompt).unwrap_or(0);
        let begins = |at: usize| {
            if at <= last_prompt {
                is_prompt(&self.entries[at])
            } else {
                matches!(self.entries[at].message, Message::Assistant { .. })
            }
        };
        (from + 1..=newest).find(|at| begins(*at))
    }

    fn request(&self, frame: &Frame<'_>, fold_newest: bool) -> Request {
        let mut messages = Vec::with_capacity(self.entries.len() + 1);
        if let Some(system) = frame.system {
            messages.push(Message::System { text: system.into() });
        }
        let is_prompt = |entry: &Entry| matches!(entry.message, Message::User { .. });
        let mut first = self.hidden_before;
        if first > 0 {
            // The words that the newest turn began with are always shown.
            let prompt = self.entries.iter().rposition(is_prompt).unwrap_or(0);
            let noted = |text: &str| {
                if frame.notes {
                    format!(
                        "{LEFT}

{text}"
                    )
                } else {
                    text.to_owned()
                }
            };
            if first <= prompt {
                first = (first..=prompt).find(|at| is_prompt(&self.entries[*at])).unwrap_or(prompt);
            } else if let Message::User { text } = &self.entries[prompt].message {
                messages.push(Message::User { text: noted(text) });
            }
            if let Some(Entry { message: Message::User { text }, .. }) = self.entries.get(first) {
                messages.push(Message::User { text: noted(text) });
                first += 1;
            }
        }
        for (at, entry) in self.entries.iter().enumerate().skip(first) {
            let message = match &entry.message {
                Message::Tool { call_id, name, text } if at < self.folded_before => Message::Tool {
                    call_id: call_id.clone(),
                    name: name.clone(),
                    text: fold(text, call_id, FOLDED_HEAD, FOLDED_TAIL),
                },
                Message::Tool { call_id, name, text } if fold_newest => Message::Tool {
                    call_id: call_id.clone(),
                    name: name.clone(),
                    text: fold(text, call_id, NEWEST_HEAD, NEWEST_TAIL),
                },
                Message::Assistant { text, calls, .. } => {
                    // Reasoning is for the moment; models are told to expect none of it back.
                    Message::Assistant { text: text.clone(), reasoning: None, calls: calls.clone() }
                }
                other => other.clone(),
            };
            messages.push(message);
        }
        Request {
            messages,
            tools: frame.tools.to_vec(),
            tool_choice: ToolChoice::Auto,
            sampling: frame.sampling.clone(),
            max_tokens: frame.max_tokens,
            references: self.references(),
        }
    }

    /// The files that were read last, as they are without the numbers of their lines: an edit repeats much of them.
    fn references(&self) -> Vec<String> {
        let read = self.entries.iter().rev().filter_map(|entry| match &entry.message {
            Message::Tool { name, text, .. } if name == "read" => Some(without_numbers(text)),
            _ => None,
        });
        read.filter(|text| !text.is_empty()).take(REFERENCES).collect()
    }
}

/// Results of `read` that may be repeated in an edit.
const REFERENCES: usize = 3;

/// The numbered lines of a result, without their numbers.
fn without_numbers(text: &str) -> String {
    let line = |line: &str| {
        let (number, rest) = line.split_once('\t')?;
        let numbered = !number.is_empty() && number.trim_start().bytes().all(|byte| byte.is_ascii_digit());
        numbered.then(|| format!("{rest}\n"))
    };
    text.lines().filter_map(line).collect()
}

/// Head and tail of a long text, cut at lines where they are near, with a note between.
fn fold(text: &str, call_id: &str, head: usize, tail: usize) -> String {
    if text.len() <= head + tail + 120 {
        return text.into();
    }
    let mut start = text.floor_char_boundary(head);
    if let Some(line) = text[..start].rfind('\n').filter(|line| *line > head / 2) {
        start = line + 1;
    }
    let mut end = text.ceil_char_boundary(text.len() - tail);
    if let Some(line) = text[end..].find('\n').filter(|line| *line < tail / 2) {
        end += line + 1;
    }
    let omitted = end - start;
    format!(
        "{}\n[{omitted} bytes of result {call_id} are left out here; make the call again to see them]\n{}",
        text[..start].trim_end_matches('\n'),
        &text[end..]
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;
    use loci_inference::provider::ToolCall;
    use loci_inference::scripted::{Script, Scripted};

    fn provider() -> Scripted {
        Scripted::new(Script { bytes_per_token: 4, ..Script::default() })
    }

    #[test]
    fn files_that_were_read_are_references_without_their_line_numbers() {
        let check = |text: &str, expect: &str| assert_eq!(without_numbers(text), expect, "{text:?}");
        check("  9\tfn main() {\n 10\t\tlet x = 1;\n", "fn main() {\n\tlet x = 1;\n");
        check("lines 1-2 of 9 in a.rs\n1\ta\n2\t\n[7 more lines]\n", "a\n\n");
        check("a\tb\n\tc\n-1\td\n", "");
        check("", "");
        let mut conversation = Conversation::default();
        conversation.push(1, Message::User { text: "look".into() });
        for (name, text) in
            [("read", "1\told"), ("grep", "1\tfound"), ("read", "1\tnew"), ("read", "no such file")]
        {
            let (call_id, name, text) = (name.to_owned(), name.to_owned(), text.to_owned());
            conversation.push(1, Message::Tool { call_id, name, text });
        }
        assert_eq!(conversation.references(), ["new\n", "old\n"]);
    }

    fn conversation(turns: u32, steps: u32, result_bytes: usize) -> Conversation {
        let mut conversation = Conversation::default();
        for turn in 1..=turns {
            conversation.push(turn, Message::User { text: format!("question {turn}") });
            for step in 1..=steps {
                let id = format!("c{turn}.{step}");
                conversation.push(
                    turn,
                    Message::Assistant {
                        text: String::new(),
                        reasoning: None,
                        calls: vec![ToolCall {
                            id: id.clone(),
                            name: "read".into(),
                            arguments: Default::default(),
                        }],
                    },
                );
                let line = format!("line of {id}\n");
                conversation.push(
                    turn,
                    Message::Tool {
                        call_id: id,
                        name: "read".into(),
                        text: line.repeat(result_bytes / line.len()),
                    },
                );
            }
        }
        conversation
    }

    /// Every result follows its call, every call has its result.
    fn assert_paired(request: &Request) {
        let mut open: Vec<&str> = Vec::new();
        for message in &request.messages {
            match message {
                Message::Assistant { calls, .. } => {
                    assert!(open.is_empty(), "a call lost its result");
                    open = calls.iter().map(|call| call.id.as_str()).collect();
                }
                Message::Tool { call_id, .. } => {
                    let at = open.iter().position(|id| id == call_id).expect("a result lost its call");
                    open.remove(at);
                }
                _ => assert!(open.is_empty()),
            }
        }
    }

    fn frame<'a>(system: &'a str, sampling: &'a Sampling) -> Frame<'a> {
        Frame { system: Some(system), tools: &[], sampling, max_tokens: None, notes: true }
    }

    #[test]
    fn everything_is_shown_while_it_fits() {
        let sampling = Sampling::default();
        let mut conversation = conversation(3, 2, 400);
        let budget = Budget::new(10_000, None);
        let (request, cut) = conversation.lay_out(&frame("head", &sampling), &provider(), budget).unwrap();
        assert!(cut.is_none());
        assert_eq!(request.messages.len(), 1 + 3 * 5);
    }

    #[test]
    fn old_results_fold_before_turns_leave() {
        let sampling = Sampling::default();
        let mut conversation = conversation(4, 2, 4_000);
        let budget = Budget { window: 5_000, reserve: 500 };
        let (request, cut) = conversation.lay_out(&frame("head", &sampling), &provider(), budget).unwrap();
        assert_paired(&request);
        assert!(cut.unwrap().contains("shortened"));
        assert!(matches!(&request.messages[1], Message::User { text } if text == "question 1"));
        assert!(
            matches!(request.messages.last(), Some(Message::Tool { text, .. }) if !text.contains("left out"))
        );
    }

    #[test]
    fn every_window_gives_a_paired_prompt_or_an_overflow() {
        let sampling = Sampling::default();
        let provider = provider();
        let (mut fitted, mut overflowed) = (0, 0);
        for window in (40..6_000).step_by(37) {
            for (turns, steps) in [(1, 1), (1, 6), (5, 0), (5, 3)] {
                let mut conversation = conversation(turns, steps, 1_500);
                let budget = Budget::new(window, None);
                let mut previous: Option<Request> = None;
                for round in 0..3 {
                    match conversation.lay_out(&frame("head", &sampling), &provider, budget) {
                        Ok((request, _)) => {
                            fitted += 1;
                            assert_paired(&request);
                            assert!(budget::count(&provider, &request) <= budget.prompt());
                            let asked = format!("question {turns}");
                            assert!(
                                request.messages.iter().any(
                                    |message| matches!(message, Message::User { text } if text.ends_with(&asked))
                                ),
                                "{window} {turns} {steps}"
                            );
                            if let Some(previous) = previous {
                                assert_eq!(
                                    previous.messages, request.messages,
                                    "laid out again: {window} {round}"
                                );
                            }
                            previous = Some(request);
                        }
                        Err(overflow) => {
                            overflowed += 1;
                            assert!(overflow.needed > budget.prompt());
                        }
                    }
                }
            }
        }
        assert!(fitted > 100 && overflowed > 10, "{fitted} {overflowed}");
    }

    #[test]
    fn after_a_cut_the_prompt_only_grows() {
        let sampling = Sampling::default();
        let provider = provider();
        let budget = Budget { window: 4_000, reserve: 400 };
        let mut conversation = conversation(6, 2, 3_000);
        let (first, cut) = conversation.lay_out(&frame("head", &sampling), &provider, budget).unwrap();
        assert!(cut.is_some());
        conversation.push(6, Message::Assistant { text: "done".into(), reasoning: None, calls: vec![] });
        conversation.push(7, Message::User { text: "and now?".into() });
        let (second, cut) = conversation.lay_out(&frame("head", &sampling), &provider, budget).unwrap();
        assert!(cut.is_none());
        assert_eq!(second.messages[..first.messages.len()], first.messages);
    }

    #[test]
    fn folding_keeps_head_and_tail_at_lines() {
        let text: String = (0..200).map(|number| format!("line {number} ä\n")).collect();
        let folded = fold(&text, "c1", 100, 60);
        assert!(folded.starts_with("line 0 ä\nline 1") && folded.ends_with("line 199 ä\n"), "{folded}");
        assert!(folded.contains("bytes of result c1 are left out"));
        assert_eq!(fold("short", "c1", 100, 60), "short");
    }
}
