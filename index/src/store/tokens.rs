//! Owns the terms of each field, as tantivy wants them.
//! Uses `tokenize`.
//! Never decides what a word is.

use tantivy::tokenizer::{RawTokenizer, TextAnalyzer, Token, TokenStream, Tokenizer, TokenizerManager};

use super::Place;
use crate::tokenize::Terms;

/// The name our tokenizer is registered under.
pub(super) const WORDS: &str = "loci";
/// The name of the one that keeps a text as it is.
pub(super) const RAW: &str = "raw";
/// The name of the one that reads the uses of a file.
pub(super) const USES: &str = "uses";

/// All of them.
pub(super) fn tokenizers() -> TokenizerManager {
    let tokenizers = TokenizerManager::new();
    tokenizers.register(WORDS, TextAnalyzer::builder(Splitter::default()).build());
    tokenizers.register(RAW, TextAnalyzer::builder(RawTokenizer::default()).build());
    tokenizers.register(USES, TextAnalyzer::builder(UsesReader::default()).build());
    // tantivy looks this one up for fields that are not text, too.
    tokenizers.register("default", TextAnalyzer::builder(Splitter::default()).build());
    tokenizers
}

/// Our tokenizer, as tantivy wants it.
#[derive(Debug, Clone, Default)]
struct Splitter {
    token: Token,
}

/// The terms of one text.
struct SplitterStream<'a> {
    terms: Terms<'a>,
    token: &'a mut Token,
}

impl Tokenizer for Splitter {
    type TokenStream<'a> = SplitterStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> SplitterStream<'a> {
        self.token.reset();
        SplitterStream { terms: Terms::new(text), token: &mut self.token }
    }
}

impl TokenStream for SplitterStream<'_> {
    fn advance(&mut self) -> bool {
        // Positions are not kept; they only have to grow.
        self.token.position = self.token.position.wrapping_add(1);
        self.terms.next_into(&mut self.token.text)
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

/// The uses of a file as the text that [`UsesReader`] reads: a line for each name, then its positions.
pub(super) fn write_uses(uses: &[(&str, Vec<Place>)]) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for (name, places) in uses {
        // No language has such names, but a grammar that recovers from an error may.
        if name.contains(['\t', '\n']) {
            continue;
        }
        text.push_str(name);
        for place in places {
            // Writing to a string cannot fail.
            let _ = write!(text, "\t{}", place.position());
        }
        text.push('\n');
    }
    text
}

/// Turns what [`write_uses`] wrote into tokens: the name, at each of its positions.
#[derive(Debug, Clone, Default)]
struct UsesReader {
    token: Token,
}

struct UsesStream<'a> {
    lines: std::str::Lines<'a>,
    positions: std::str::Split<'a, char>,
    token: &'a mut Token,
}

impl Tokenizer for UsesReader {
    type TokenStream<'a> = UsesStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> UsesStream<'a> {
        self.token.reset();
        let mut nothing = "".split('\t');
        nothing.next();
        UsesStream { lines: text.lines(), positions: nothing, token: &mut self.token }
    }
}

impl TokenStream for UsesStream<'_> {
    fn advance(&mut self) -> bool {
        loop {
            if let Some(position) = self.positions.next() {
                self.token.position = position.parse().unwrap_or_default();
                return true;
            }
            let Some(line) = self.lines.next() else { return false };
            self.positions = line.split('\t');
            self.token.text.clear();
            self.token.text.push_str(self.positions.next().unwrap_or_default());
        }
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn uses_are_read_as_they_were_written(
            uses in proptest::collection::btree_map("[a-z_ü]{1,6}", proptest::collection::btree_set((1u32..1 << 29, 0u8..4, proptest::bool::ANY), 1..9), 0..9),
        ) {
            let uses: Vec<(String, Vec<Place>)> = uses
                .into_iter()
                .map(|(name, places)| {
                    (name, places.into_iter().map(|(line, kind, is_test)| Place { line, kind, is_test }).collect())
                })
                .collect();
            let borrowed: Vec<_> = uses.iter().map(|(name, places)| (name.as_str(), places.clone())).collect();
            let text = write_uses(&borrowed);
            let mut reader = UsesReader::default();
            let mut read = Vec::new();
            reader.token_stream(&text).process(&mut |token| {
                read.push((token.text.clone(), Place::of_position(u32::try_from(token.position).expect("small"))));
            });
            let flat: Vec<_> =
                uses.iter().flat_map(|(name, places)| places.iter().map(|place| (name.clone(), *place))).collect();
            proptest::prop_assert_eq!(read, flat);
        }
    }
}
