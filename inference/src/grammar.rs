//! Owns what a model may write: grammars, and the mask that enforces them token by token.
//! Uses llguidance over a trie of the tokenizer's bytes.
//! Never parses what was written, and never knows what a tool does.

mod lark;
mod schema;

use std::sync::{Arc, Mutex, PoisonError};

use llguidance::api::TopLevelGrammar;
use llguidance::{Matcher, ParserFactory};
use toktrie::{InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv};

pub use self::lark::{Encoding, LarkBuilder, literal as lark_literal, pattern as lark_pattern};
pub use self::schema::Schema;
use crate::engine::Constraint;
use crate::tokenizer::{TokenKind, Tokenizer};

/// Parts of the vocabulary whose masks are made ahead: text inside a string, short and any. Each costs about three passes over
/// the vocabulary before the first token, which is why there are two and not the library's four.
const SLICES: [&str; 2] = [r#"[^"\\\x00-\x1F\x7F]{1,10}"#, r#"[^"\\\x00-\x1F\x7F]+"#];
/// Longer tokens are left out of grammars: the trie holds 1,024 levels.
const MAX_TOKEN_BYTES: usize = 1_000;
/// The trie numbers its nodes with 22 bits.
const MAX_VOCABULARY_BYTES: usize = 4_000_000;
/// What building a grammar may cost; the library does about 50,000 units in a millisecond.
const COMPILE_FUEL: u64 = 20_000_000;
/// What one mask may cost; the library does about 14,000 units in a millisecond.
const MASK_FUEL: u64 = 2_000_000;

/// A grammar in llguidance's variant of Lark. Control tokens are written as `<[ID]>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grammar {
    /// The rules; the first one entered is `start`.
    pub lark: String,
}

/// Why a grammar cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GrammarError {
    /// Constrain nothing with this tokenizer.
    #[error("the vocabulary cannot be constrained: {message}")]
    Vocabulary {
        /// What is wrong.
        message: String,
    },
    /// Change the schemas of the tools.
    #[error("the grammar cannot be built: {message}")]
    Grammar {
        /// What is wrong.
        message: String,
    },
}

/// Builds constraints for one tokenizer. The trie is built once; keep this beside the model.
pub struct GrammarCompiler {
    factory: ParserFactory,
    vocabulary: u32,
    /// The newest grammar and its fresh matcher: steps of a turn often repeat it.
    newest: Mutex<Option<(Grammar, Matcher)>>,
}

impl std::fmt::Debug for GrammarCompiler {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("GrammarCompiler").finish_non_exhaustive()
    }
}

impl GrammarCompiler {
    /// Build the trie of a vocabulary. `eos` are the tokens that may end a complete text.
    pub fn new(tokenizer: Arc<Tokenizer>, eos: &[u32]) -> Result<Self, GrammarError> {
        let vocabulary = |message: String| GrammarError::Vocabulary { message };
        let size = u32::try_from(tokenizer.vocab_size())
            .ok()
            .filter(|&size| size > 0 && size < 1 << 24)
            .ok_or_else(|| vocabulary(format!("it has {} tokens", tokenizer.vocab_size())))?;
        let eos: Vec<u32> = eos.iter().copied().filter(|&id| id < size).collect();
        let Some(&first_eos) = eos.first() else {
            return Err(vocabulary("it has no token that ends a text".to_owned()));
        };
        let words: Vec<Vec<u8>> = (0..size).map(|id| trie_word(&tokenizer, id)).collect();
        let total: usize = words.iter().map(Vec::len).sum();
        if total > MAX_VOCABULARY_BYTES {
            return Err(vocabulary(format!(
                "its tokens have {total} bytes; the limit is {MAX_VOCABULARY_BYTES}"
            )));
        }
        let trie = TokTrie::from(&TokRxInfo::new(size, first_eos), &words).with_eos_tokens(&eos);
        let env: TokEnv = Arc::new(TrieTokenizer { markup: Markup::of(&tokenizer), tokenizer, trie });
        let capabilities = InferenceCapabilities { ff_tokens: true, ..Default::default() };
        let slices = SLICES.map(str::to_owned);
        let mut factory =
            ParserFactory::new(&env, capabilities, &slices).map_err(|error| vocabulary(error.to_string()))?;
        factory.quiet();
        let limits = factory.limits_mut();
        limits.initial_lexer_fuel = COMPILE_FUEL;
        limits.step_lexer_fuel = MASK_FUEL;
        limits.verbose_errors = false;
        Ok(Self { factory, vocabulary: size, newest: Mutex::new(None) })
    }

    /// A fresh constraint for a grammar.
    pub fn compile(&self, grammar: &Grammar) -> Result<GrammarConstraint, GrammarError> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, matcher)) = newest.as_ref()
            && known == grammar
        {
            return Ok(GrammarConstraint { matcher: matcher.deep_clone(), vocabulary: self.vocabulary });
        }
        let parsed = TopLevelGrammar::from_lark(grammar.lark.clone());
        let matcher = Matcher::new(self.factory.create_parser(parsed));
        if let Some(message) = matcher.get_error() {
            return Err(GrammarError::Grammar { message });
        }
        *newest = Some((grammar.clone(), matcher.deep_clone()));
        Ok(GrammarConstraint { matcher, vocabulary: self.vocabulary })
    }
}

/// The bytes of a token as the trie wants them: control tokens behind a mark, unusable ones empty.
fn trie_word(tokenizer: &Tokenizer, id: u32) -> Vec<u8> {
    let bytes = tokenizer.token_bytes(id);
    // A token that begins with FF is no text in UTF-8, and FF is the trie's mark.
    let unusable = bytes.len() > MAX_TOKEN_BYTES || bytes.first() == Some(&TokTrie::SPECIAL_TOKEN_MARKER);
    match tokenizer.kind(id) {
        TokenKind::Unused => Vec::new(),
        _ if unusable => Vec::new(),
        TokenKind::Control if !bytes.is_empty() => [&[TokTrie::SPECIAL_TOKEN_MARKER], bytes].concat(),
        _ => bytes.to_vec(),
    }
}

/// Enforces a grammar.
pub struct GrammarConstraint {
    matcher: Matcher,
    /// Ids the matcher knows are smaller.
    vocabulary: u32,
}

impl std::fmt::Debug for GrammarConstraint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("GrammarConstraint").field("stop", &self.matcher.stop_reason()).finish()
    }
}

impl GrammarConstraint {
    /// Whether the text may end here.
    pub fn is_accepting(&mut self) -> Result<bool, String> {
        self.matcher.is_accepting().map_err(|error| error.to_string())
    }
}

impl Constraint for GrammarConstraint {
    fn mask(&mut self, logits: &mut [f32]) -> Result<(), String> {
        let allowed = self.matcher.compute_mask_or_eos().map_err(|error| error.to_string())?;
        let words = allowed.as_slice();
        for (word_at, chunk) in logits.chunks_mut(32).enumerate() {
            let word = words.get(word_at).copied().unwrap_or(0);
            if word == u32::MAX {
                continue;
            }
            for (bit, logit) in chunk.iter_mut().enumerate() {
                if word & (1 << bit) == 0 {
                    *logit = f32::NEG_INFINITY;
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self, token: u32) -> Result<bool, String> {
        self.matcher.consume_token(token).map_err(|error| error.to_string())?;
        Ok(self.matcher.is_stopped())
    }

    fn forced(&mut self) -> Vec<u32> {
        if self.matcher.is_stopped() { Vec::new() } else { self.matcher.compute_ff_tokens() }
    }

    fn accepts(&mut self, tokens: &[u32]) -> usize {
        // An id behind the vocabulary would put the library into an error for good.
        let known = tokens.iter().take_while(|&&id| id < self.vocabulary).count();
        self.matcher.validate_tokens(&tokens[..known]).unwrap_or(0)
    }
}

/// Names of user-defined tokens, which forced text uses as the model does.
struct Markup {
    names: Vec<(String, u32)>,
}

impl Markup {
    fn of(tokenizer: &Tokenizer) -> Self {
        let ids = 0..u32::try_from(tokenizer.vocab_size()).unwrap_or(u32::MAX);
        let mut names: Vec<(String, u32)> = ids
            .filter(|&id| tokenizer.kind(id) == TokenKind::UserDefined)
            .filter_map(|id| Some((String::from_utf8(tokenizer.token_bytes(id).to_vec()).ok()?, id)))
            .filter(|(name, _)| name.starts_with(['<', '[']) && name.ends_with(['>', ']']))
            .collect();
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        Self { names }
    }

    /// The first name in `text`, the longest where several begin.
    fn find(&self, text: &str) -> Option<(usize, &str, u32)> {
        text.match_indices(['<', '[']).find_map(|(at, _)| {
            let rest = &text[at..];
            let (name, id) = self.names.iter().find(|(name, _)| rest.starts_with(name.as_str()))?;
            Some((at, name.as_str(), *id))
        })
    }
}

/// The tokenizer as llguidance wants it.
struct TrieTokenizer {
    tokenizer: Arc<Tokenizer>,
    trie: TokTrie,
    markup: Markup,
}

impl TrieTokenizer {
    fn encode(&self, text: &str) -> Option<Vec<TokenId>> {
        let mut ids = Vec::new();
        let mut rest = text;
        while let Some((at, name, id)) = self.markup.find(rest) {
            ids.extend(self.tokenizer.encode(&rest[..at]).ok()?);
            ids.push(id);
            rest = &rest[at + name.len()..];
        }
        ids.extend(self.tokenizer.encode(rest).ok()?);
        // Some tokenizers add a space of their own in front; those tokens would not be the text.
        let bytes: Vec<u8> = ids.iter().flat_map(|&id| self.tokenizer.token_bytes(id)).copied().collect();
        (bytes == text.as_bytes()).then_some(ids)
    }
}

impl TokenizerEnv for TrieTokenizer {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| self.encode(text))
            .unwrap_or_else(|| self.trie.greedy_tokenize(bytes))
    }
}

#[cfg(test)]
mod tests;
