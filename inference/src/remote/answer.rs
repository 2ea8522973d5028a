//! Owns an answer on its way: what was said, what is being called, how it ends.
//! Uses what the wire formats read out of their pieces.
//! Never reports a call before the answer is whole, and never trusts an index, an id or a length from the other side.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use serde_json::{Map, Value};

use super::fault::Fault;
use crate::provider::{FinishReason, Message, ProviderError, Request, StreamEvent, TokenUsage, ToolCall};

mod seam;

use seam::Seam;

/// More calls in one answer are refused.
const MAX_CALLS: usize = 128;
/// Counts of tokens beyond this are not believed: no window is a thousandth of it.
const MAX_TOKENS: u64 = 1 << 40;

/// How an answer ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// With its text or its calls.
    Stop,
    /// At the limit on new tokens.
    Length,
    /// The service or the model did not want to go on; its words.
    Refused(String),
    /// The service itself could not make sense of what the model wrote; its words.
    Broken(String),
}

/// A call that is still being written.
#[derive(Debug, Default)]
pub(super) struct PartialCall {
    pub(super) id: String,
    pub(super) name: String,
    /// JSON, as far as it has come.
    pub(super) arguments: String,
    /// What the service wants to see again beside this call.
    pub(super) signature: Option<Value>,
}

/// An answer on its way.
#[derive(Debug)]
pub(super) struct Answer {
    events: Vec<StreamEvent>,
    calls: Vec<PartialCall>,
    taken: HashSet<String>,
    end: Option<End>,
    text: String,
    seam: Option<Seam>,
    usage: TokenUsage,
    kept: Vec<Value>,
    /// The stream said that it is over.
    pub(super) done: bool,
    /// Tokens the model holds, where an error does not say.
    pub(super) limit: usize,
}

/// An answer that came to its end.
#[derive(Debug)]
pub(super) struct Whole {
    /// The calls, then the end.
    pub(super) events: Vec<StreamEvent>,
    /// What the service wants to see again, by the id of the call that it belongs to.
    pub(super) kept: Vec<(String, Value)>,
}

impl Answer {
    /// The answer to `request`, after an earlier try said `said` before it broke.
    pub(super) fn new(request: &Request, said: &str, limit: usize) -> Self {
        let calls = request.messages.iter().flat_map(|message| match message {
            Message::Assistant { calls, .. } => calls.as_slice(),
            _ => &[],
        });
        Self {
            events: Vec::new(),
            calls: Vec::new(),
            taken: calls.map(|call| call.id.clone()).collect(),
            end: None,
            text: String::new(),
            seam: (!said.is_empty()).then(|| Seam::new(said)),
            usage: TokenUsage::default(),
            kept: Vec::new(),
            done: false,
            limit,
        }
    }

    pub(super) fn text(&mut self, piece: &str) {
        let piece = match &mut self.seam {
            Some(seam) => seam.take(piece),
            None => piece.to_owned(),
        };
        self.say(piece);
    }

    fn say(&mut self, piece: String) {
        if !piece.is_empty() {
            self.text.push_str(&piece);
            self.events.push(StreamEvent::Text(piece));
        }
    }

    pub(super) fn reasoning(&mut self, piece: &str) {
        if !piece.is_empty() {
            self.events.push(StreamEvent::Reasoning(piece.to_owned()));
        }
    }

    /// The call at this place of the answer, begun where it is new.
    pub(super) fn call(&mut self, at: usize) -> Result<&mut PartialCall, ProviderError> {
        if at >= MAX_CALLS {
            return Err(malformed(format!("call {at} of one answer, and {MAX_CALLS} are allowed")));
        }
        if self.calls.len() <= at {
            self.calls.resize_with(at + 1, PartialCall::default);
        }
        self.calls.get_mut(at).ok_or_else(|| malformed("a call is nowhere".to_owned()))
    }

    pub(super) fn calls(&self) -> &[PartialCall] {
        &self.calls
    }

    /// Something opaque that must come back with the calls of this answer.
    pub(super) fn keep(&mut self, item: Value) {
        self.kept.push(item);
    }

    pub(super) fn end(&mut self, end: End) {
        self.end = Some(end);
    }

    pub(super) fn ended(&self) -> bool {
        self.end.is_some()
    }

    pub(super) fn usage(&mut self) -> &mut TokenUsage {
        &mut self.usage
    }

    /// What was said in this try.
    pub(super) fn said(&self) -> &str {
        &self.text
    }

    /// What can be reported by now.
    pub(super) fn drain(&mut self) -> Vec<StreamEvent> {
        std::mem::take(&mut self.events)
    }

    /// What was held back to see whether it repeats what an earlier try said.
    pub(super) fn flush(&mut self) {
        if let Some(rest) = self.seam.as_mut().map(Seam::finish) {
            self.say(rest);
        }
    }

    /// The calls and the end, when the answer is whole.
    ///
    /// # Errors
    /// A fault that is worth another try when the connection ended before the answer did.
    pub(super) fn finish(&mut self, before: TokenUsage) -> Result<Whole, Fault> {
        let end = match self.end.take() {
            Some(end) => end,
            // A server may end with a mark alone; without even that the connection broke.
            None if self.done && self.calls.is_empty() => End::Stop,
            None => return Err(Fault::cut("the connection ended in mid-answer".to_owned())),
        };
        self.flush();
        let usage = sum(before, self.usage);
        let reason = match end {
            End::Stop => FinishReason::Stop,
            End::Length => FinishReason::Length,
            End::Refused(words) => return Err(Fault::last(ProviderError::Rejected { message: words })),
            End::Broken(words) => return Err(Fault::last(malformed(words))),
        };
        let mut whole = Whole { events: self.drain(), kept: Vec::new() };
        if reason == FinishReason::Length {
            // Whatever was called may be cut off: none of it is reported.
            whole.events.push(StreamEvent::Finished { reason, usage });
            return Ok(whole);
        }
        let mut first = None;
        for call in std::mem::take(&mut self.calls) {
            let (call, signature) = self.whole(call).map_err(Fault::last)?;
            whole.kept.extend(signature.map(|signature| (call.id.clone(), signature)));
            first.get_or_insert_with(|| call.id.clone());
            whole.events.push(StreamEvent::ToolCall(call));
        }
        let reason = if first.is_some() { FinishReason::ToolCalls } else { FinishReason::Stop };
        if let Some(id) = first.filter(|_| !self.kept.is_empty()) {
            whole.kept.push((id, Value::Array(std::mem::take(&mut self.kept))));
        }
        whole.events.push(StreamEvent::Finished { reason, usage });
        Ok(whole)
    }

    fn whole(&mut self, call: PartialCall) -> Result<(ToolCall, Option<Value>), ProviderError> {
        if call.name.is_empty() {
            return Err(malformed("a call has no name".to_owned()));
        }
        let text = call.arguments.trim();
        let arguments: Map<String, Value> = if text.is_empty() || text == "null" {
            Map::new()
        } else {
            serde_json::from_str(text)
                .map_err(|error| malformed(format!("the arguments of `{}` are broken: {error}", call.name)))?
        };
        let mut id = call.id;
        // Ids must tell calls apart, and some servers send the same one twice, or none.
        while id.is_empty() || !self.taken.insert(id.clone()) {
            id = format!("call_{:016x}", RandomState::new().hash_one(self.taken.len()));
        }
        Ok((ToolCall { id, name: call.name, arguments }, call.signature))
    }
}

fn sum(one: TokenUsage, two: TokenUsage) -> TokenUsage {
    TokenUsage {
        prompt: one.prompt + two.prompt,
        cached: one.cached + two.cached,
        cache_written: one.cache_written + two.cache_written,
        completion: one.completion + two.completion,
        reasoning: one.reasoning + two.reasoning,
        ..two
    }
}

/// A count of tokens; what no count can be is none.
pub(super) fn count(value: &Value) -> u64 {
    value.as_u64().filter(|&count| count <= MAX_TOKENS).unwrap_or(0)
}

pub(super) fn malformed(message: String) -> ProviderError {
    ProviderError::Malformed { message }
}

/// A text where one may stand.
pub(super) fn text<'a>(value: &'a Value, what: &str) -> Result<Option<&'a str>, ProviderError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        _ => Err(malformed(format!("`{what}` is no text"))),
    }
}

/// A list where one may stand.
pub(super) fn list<'a>(value: &'a Value, what: &str) -> Result<&'a [Value], ProviderError> {
    match value {
        Value::Null => Ok(&[]),
        Value::Array(items) => Ok(items),
        _ => Err(malformed(format!("`{what}` is no list"))),
    }
}
