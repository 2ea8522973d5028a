//! Owns the way between text and token ids, and what each id stands for in bytes.
//! Uses `tokenizers` for byte-level merges and its own merger for SentencePiece vocabularies.
//! Never renders a prompt, and never lets untrusted text become a control token.

mod from_gguf;
mod from_json;
mod pre;
mod sentencepiece;
mod special;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use sentencepiece::SentencePiece;
use special::{Specials, Step};

use crate::gguf::{GgufError, Header};

/// Why a tokenizer could not be built or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenizerError {
    /// The model's file describes no usable tokenizer; names the field.
    #[error(transparent)]
    Field(#[from] GgufError),
    /// `tokenizer.json` cannot be used.
    #[error("tokenizer.json: {message}")]
    Json {
        /// What is wrong.
        message: String,
    },
    /// A text could not be encoded.
    #[error("the text cannot be encoded: {message}")]
    Text {
        /// What is wrong.
        message: String,
    },
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
pub struct Tokenizer {
    vocabulary: Vocabulary,
    specials: Specials,
    model: Model,
}

/// How text without markup becomes ids.
enum Model {
    /// Anything that the `tokenizers` crate runs, without its added tokens; and the bytes that no
    /// token stands for. Characters that contain one become question marks, for the library would
    /// drop them in silence.
    Merges(Box<tokenizers::Tokenizer>, Vec<u8>),
    SentencePiece(SentencePiece),
}

/// What each id stands for.
#[derive(Default)]
struct Vocabulary {
    /// All tokens' bytes, one after the other.
    bytes: Vec<u8>,
    ends: Vec<u32>,
    kinds: Vec<TokenKind>,
}

impl Vocabulary {
    fn push(&mut self, bytes: &[u8], kind: TokenKind) {
        self.bytes.extend_from_slice(bytes);
        // Vocabularies are bounded far below four gigabytes by the readers of their files.
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
        self.kinds.push(kind);
    }

    fn get(&self, id: u32) -> &[u8] {
        let at = id as usize;
        let Some(&end) = self.ends.get(at) else { return &[] };
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.bytes.get(start as usize..end as usize).unwrap_or_default()
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tokenizer").field("vocab_size", &self.vocab_size()).finish_non_exhaustive()
    }
}

impl Tokenizer {
    /// From the metadata of a GGUF file.
    pub fn from_gguf(header: &Header) -> Result<Self, TokenizerError> {
        from_gguf::build(header)
    }

    /// From a `tokenizer.json` as Hugging Face writes it.
    pub fn from_json(bytes: &[u8]) -> Result<Self, TokenizerError> {
        from_json::build(bytes)
    }

    /// Ids there are, unused ones included.
    pub fn vocab_size(&self) -> usize {
        self.vocabulary.ends.len()
    }

    /// The bytes that `id` adds to the text; a control token's name for a control token; empty when there are none.
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        self.vocabulary.get(id)
    }

    /// What `id` is for.
    pub fn kind(&self, id: u32) -> TokenKind {
        self.vocabulary.kinds.get(id as usize).copied().unwrap_or(TokenKind::Unused)
    }

    /// The id of a control or user-defined token by its exact name.
    pub fn special(&self, name: &str) -> Option<u32> {
        self.specials.id(name)
    }

    /// Encode text in which nothing is markup: `<|im_end|>` becomes the tokens of its letters.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let whole = 0..text.len();
        self.encode_prompt(text, std::slice::from_ref(&whole))
    }

    /// Encode a rendered prompt: names of special tokens become those tokens, except where they
    /// touch one of the `untrusted` byte ranges (sorted, not overlapping), which hold text of others.
    pub fn encode_prompt(&self, text: &str, untrusted: &[Range<usize>]) -> Result<Vec<u32>, TokenizerError> {
        let mut ids = Vec::with_capacity(text.len() / 3 + 1);
        // SentencePiece puts a space in front of text at the start and behind special tokens.
        let mut after_special = true;
        for step in self.specials.split(text, untrusted) {
            match step {
                Step::Token(id) => {
                    ids.push(id);
                    after_special = true;
                }
                Step::Text(part) => {
                    self.encode_text(part, after_special, &mut ids)?;
                    after_special = false;
                }
            }
        }
        Ok(ids)
    }

    fn encode_text(&self, text: &str, first: bool, ids: &mut Vec<u32>) -> Result<(), TokenizerError> {
        match &self.model {
            Model::Merges(tokenizer, absent) => {
                let text = without(text, absent);
                let encoding = tokenizer
                    .encode_fast(text.as_ref(), false)
                    .map_err(|error| TokenizerError::Text { message: error.to_string() })?;
                ids.extend_from_slice(encoding.get_ids());
            }
            Model::SentencePiece(model) => model.encode(text, first, ids),
        }
        Ok(())
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

/// `text` with a question mark for each character that contains one of the `absent` bytes.
fn without<'a>(text: &'a str, absent: &[u8]) -> Cow<'a, str> {
    if !text.bytes().any(|byte| absent.contains(&byte)) {
        return Cow::Borrowed(text);
    }
    let mut bytes = [0; 4];
    let mut known = |character: char| {
        let found = character.encode_utf8(&mut bytes).bytes().any(|byte| absent.contains(&byte));
        if found { '?' } else { character }
    };
    Cow::Owned(text.chars().map(&mut known).collect())
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

/// The character that stands for each byte in byte-level vocabularies.
#[cfg(test)]
pub(crate) fn byte_characters() -> Vec<char> {
    let alphabet = from_gguf::byte_alphabet();
    let mut characters: Vec<char> = alphabet.keys().copied().collect();
    characters.sort_by_key(|character| alphabet[character]);
    characters
}

#[cfg(test)]
#[path = "tokenizer/tests.rs"]
mod tests;
