//! Owns what a model may write: grammars, and the mask that enforces them token by token.
//! Uses llguidance over a trie of the tokenizer's bytes.
//! Never parses what was written, and never knows what a tool does.

/// A grammar in llguidance's variant of Lark. Control tokens are written as `<[ID]>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grammar {
    /// The rules; the first one entered is `start`.
    pub lark: String,
}
