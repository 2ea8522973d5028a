//! Owns the way between text and token ids, and what each id stands for in bytes.
//! Uses `tokenizers` for byte-level merges.
//! Never renders a prompt, and never lets untrusted text become a control token.

use std::ops::Range;
use std::sync::Arc;

/// Why a tokenizer could not be built or used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct TokenizerError {
    /// What is wrong, naming the field.
    pub message: String,
}

/// What a token id is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Text.
    Normal,
    /// Text with an id of its own that models use as markup, such as `<tool_call>`.
    UserDefined,
    /// Markup that never stands for text, such as `<|im_end|>`.
    Control,
    /// One byte of text that has no other token.
    Byte,
    /// The unknown token or an unused id.
    Unused,
}

/// Text to token ids and back.
#[derive(Debug)]
pub struct Tokenizer {
    bytes: Vec<Vec<u8>>,
    kinds: Vec<TokenKind>,
}

impl Tokenizer {
    /// Ids there are, unused ones included.
    pub fn vocab_size(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes that `id` adds to the text; a control token's name for a control token; empty when there are none.
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        self.bytes.get(id as usize).map(Vec::as_slice).unwrap_or_default()
    }

    /// What `id` is for.
    pub fn kind(&self, id: u32) -> TokenKind {
        self.kinds.get(id as usize).copied().unwrap_or(TokenKind::Unused)
    }

    /// The id of a control or user-defined token by its exact name.
    pub fn special(&self, name: &str) -> Option<u32> {
        let at = self.bytes.iter().position(|bytes| bytes == name.as_bytes())?;
        let id = u32::try_from(at).ok()?;
        matches!(self.kind(id), TokenKind::Control | TokenKind::UserDefined).then_some(id)
    }

    /// Encode text in which nothing is markup: `<|im_end|>` becomes the tokens of its letters.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let whole = 0..text.len();
        self.encode_prompt(text, std::slice::from_ref(&whole))
    }

    /// Encode a rendered prompt: names of special tokens become those tokens, except where they
    /// touch one of the `untrusted` byte ranges (sorted, not overlapping), which hold text of others.
    pub fn encode_prompt(&self, text: &str, untrusted: &[Range<usize>]) -> Result<Vec<u32>, TokenizerError> {
        Err(TokenizerError {
            message: format!("cannot encode {} bytes ({} ranges)", text.len(), untrusted.len()),
        })
    }

    /// Decode a whole sequence; control tokens are left out, broken characters become U+FFFD.
    pub fn decode(self: &Arc<Self>, ids: &[u32]) -> String {
        let mut stream = self.stream();
        let mut text: String = ids.iter().map(|&id| stream.push(id)).collect();
        text.push_str(&stream.finish());
        text
    }

    /// A decoder for tokens that arrive one by one.
    pub fn stream(self: &Arc<Self>) -> StreamDecoder {
        StreamDecoder { tokenizer: Arc::clone(self), pending: Vec::new(), show_control: false }
    }
}

/// Decodes tokens one by one and never splits a character.
#[derive(Debug, Clone)]
pub struct StreamDecoder {
    tokenizer: Arc<Tokenizer>,
    pending: Vec<u8>,
    show_control: bool,
}

impl StreamDecoder {
    /// Write control tokens by name instead of leaving them out.
    pub fn with_control(mut self) -> Self {
        self.show_control = true;
        self
    }

    /// The text that is complete after `id`; bytes of an unfinished character wait.
    pub fn push(&mut self, id: u32) -> String {
        if self.show_control || self.tokenizer.kind(id) != TokenKind::Control {
            self.pending.extend_from_slice(self.tokenizer.token_bytes(id));
        }
        take_complete(&mut self.pending)
    }

    /// What is left: an unfinished character becomes U+FFFD.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned()
    }
}

/// Take all of `pending` but an unfinished character at its end (at most three bytes).
fn take_complete(pending: &mut Vec<u8>) -> String {
    let mut text = String::new();
    let mut done = 0;
    for chunk in pending.utf8_chunks() {
        text.push_str(chunk.valid());
        done += chunk.valid().len();
        let invalid = chunk.invalid();
        let unfinished = done + invalid.len() == pending.len()
            && std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
        if invalid.is_empty() || unfinished {
            break;
        }
        text.push(char::REPLACEMENT_CHARACTER);
        done += invalid.len();
    }
    pending.drain(..done);
    text
}
