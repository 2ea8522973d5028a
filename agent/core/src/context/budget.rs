//! Owns how many tokens a prompt may have and how they are counted.
//! Uses the provider's tokenizer where it is at hand, a ratio of bytes where it is not.
//! Never decides what gives way; that is `layout`.

use loci_inference::provider::{Message, Provider, Request};
use serde_json::Value;

/// Bytes of English text and code for a token, where nothing better is known.
const BYTES_PER_TOKEN: usize = 4;
/// What a template adds around a message, in bytes.
const MESSAGE_BYTES: usize = 16;

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

    /// Where a prompt is cut back to once it does not fit, so that the next steps append again instead of cutting each time.
    #[must_use]
    pub fn after_cut(&self) -> usize {
        self.prompt() * 7 / 10
    }
}

/// Tokens of a request: exact where the provider can count, else from its bytes.
#[must_use]
pub fn count(provider: &dyn Provider, request: &Request) -> usize {
    provider.count_tokens(request).unwrap_or_else(|| bytes(request).div_ceil(BYTES_PER_TOKEN))
}

/// Bytes of everything in a request.
#[must_use]
pub fn bytes(request: &Request) -> usize {
    let tools: usize = request
        .tools
        .iter()
        .map(|tool| tool.name.len() + tool.description.len() + json_bytes(&tool.parameters) + MESSAGE_BYTES)
        .sum();
    tools + request.messages.iter().map(message_bytes).sum::<usize>()
}

/// Bytes of one message.
#[must_use]
pub fn message_bytes(message: &Message) -> usize {
    let content = match message {
        Message::System { text } | Message::User { text } => text.len(),
        Message::Assistant { text, reasoning, calls } => {
            text.len()
                + reasoning.as_ref().map_or(0, String::len)
                + calls
                    .iter()
                    .map(|call| {
                        call.name.len()
                            + call
                                .arguments
                                .iter()
                                .map(|(key, value)| key.len() + json_bytes(value) + 4)
                                .sum::<usize>()
                            + MESSAGE_BYTES
                    })
                    .sum::<usize>()
        }
        Message::Tool { name, text, .. } => name.len() + text.len(),
    };
    content + MESSAGE_BYTES
}

fn json_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        other => other.to_string().len(),
    }
}
