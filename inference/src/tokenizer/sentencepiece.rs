//! Owns the merging of SentencePiece vocabularies: the pair whose union scores best goes first.
//! Uses the scores of the vocabulary; there is no list of merges.
//! Never produces a control token.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

/// The mark that stands for a space inside tokens.
pub(super) const SPACE: &str = "\u{2581}";

pub(super) struct SentencePiece {
    /// Tokens of text, by their spelling in the vocabulary.
    pub(super) ids: HashMap<Box<str>, (u32, f32)>,
    /// The token of each byte, for characters without a token.
    pub(super) bytes: Box<[Option<u32>; 256]>,
    /// What stands for text that nothing else stands for.
    pub(super) unknown: Option<u32>,
    /// Whether text begins with a space that is not there.
    pub(super) space_first: bool,
}

/// A run of characters that is a token or will become part of one.
struct Symbol {
    start: usize,
    end: usize,
    previous: usize,
    next: usize,
}

const NONE: usize = usize::MAX;

/// Two neighbours that form a token together.
struct Pair {
    score: f32,
    left: usize,
    right: usize,
    /// Bytes of the union: if it changed, one of the two was merged in the meantime.
    length: usize,
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Pair {}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pair {
    /// The larger score first, then the one further left.
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.left.cmp(&self.left))
    }
}

impl SentencePiece {
    /// Append the ids of `text`; `first` says that nothing but special tokens stands before it.
    pub(super) fn encode(&self, text: &str, first: bool, ids: &mut Vec<u32>) {
        let mut escaped = String::with_capacity(text.len() + 3);
        if first && self.space_first {
            escaped.push_str(SPACE);
        }
        escaped.push_str(&text.replace(' ', SPACE));

        let mut symbols: Vec<Symbol> = escaped
            .char_indices()
            .enumerate()
            .map(|(index, (start, character))| Symbol {
                start,
                end: start + character.len_utf8(),
                previous: index.wrapping_sub(1),
                next: index + 1,
            })
            .collect();
        if let Some(last) = symbols.last_mut() {
            last.next = NONE;
        }
        let mut pairs = BinaryHeap::new();
        for right in 1..symbols.len() {
            self.push_pair(&escaped, &symbols, right - 1, right, &mut pairs);
        }
        while let Some(pair) = pairs.pop() {
            let (left, right) = (&symbols[pair.left], &symbols[pair.right]);
            // A symbol that was merged away is empty.
            if left.start == left.end || right.start == right.end || right.end - left.start != pair.length {
                continue;
            }
            let (end, next, previous) = (right.end, right.next, left.previous);
            symbols[pair.left].end = end;
            symbols[pair.left].next = next;
            let gone = &mut symbols[pair.right];
            gone.end = gone.start;
            if next != NONE {
                symbols[next].previous = pair.left;
                self.push_pair(&escaped, &symbols, pair.left, next, &mut pairs);
            }
            if previous != NONE {
                self.push_pair(&escaped, &symbols, previous, pair.left, &mut pairs);
            }
        }
        let mut at = if symbols.is_empty() { NONE } else { 0 };
        while let Some(symbol) = symbols.get(at) {
            self.push_ids(&escaped[symbol.start..symbol.end], ids);
            at = symbol.next;
        }
    }

    fn push_pair(
        &self,
        text: &str,
        symbols: &[Symbol],
        left: usize,
        right: usize,
        pairs: &mut BinaryHeap<Pair>,
    ) {
        let (start, end) = (symbols[left].start, symbols[right].end);
        if let Some(&(_, score)) = self.ids.get(&text[start..end]) {
            pairs.push(Pair { score, left, right, length: end - start });
        }
    }

    fn push_ids(&self, piece: &str, ids: &mut Vec<u32>) {
        if let Some(&(id, _)) = self.ids.get(piece) {
            ids.push(id);
            return;
        }
        let bytes: Option<Vec<u32>> = piece.bytes().map(|byte| self.bytes[byte as usize]).collect();
        match bytes {
            Some(bytes) => ids.extend(bytes),
            None => ids.extend(self.unknown),
        }
    }
}

/// The byte that a token such as `<0x0A>` stands for.
pub(super) fn byte_of(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok())?
}
