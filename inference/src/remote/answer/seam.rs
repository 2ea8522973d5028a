//! Owns the place where a broken answer goes on: what a model repeats there is dropped.
//! Uses the text that was reported before the break.
//! Never holds back more than it needs to decide.

/// A repetition shorter than this is taken for chance: "the ", "    " or "}\n" end and begin many pieces.
const SHORTEST: usize = 8;
/// Models that repeat themselves at a break repeat the sentence, seldom the paragraph.
const LONGEST: usize = 400;

/// The first words of a continuation, held back until it is clear whether they repeat the end of what was said, or
/// all of it.
#[derive(Debug)]
pub(super) struct Seam {
    said: String,
    held: String,
    decided: bool,
}

impl Seam {
    pub(super) fn new(said: &str) -> Self {
        Self { said: said.to_owned(), held: String::new(), decided: false }
    }

    /// What of `piece`, and of what was held back before it, can be said.
    pub(super) fn take(&mut self, piece: &str) -> String {
        if self.decided {
            return piece.to_owned();
        }
        self.held.push_str(piece);
        let undecided = self.held.len() < LONGEST && self.may_overlap()
            || self.said.starts_with(self.held.as_str()) && self.held.len() < self.said.len();
        if undecided { String::new() } else { self.finish() }
    }

    /// What was held back, without what repeats.
    pub(super) fn finish(&mut self) -> String {
        self.decided = true;
        let held = std::mem::take(&mut self.held);
        // From the beginning again, as models do that do not see that they were at it.
        if self.said.len() >= SHORTEST && held.starts_with(self.said.as_str()) {
            return held.get(self.said.len()..).unwrap_or_default().to_owned();
        }
        let most = held.len().min(self.said.len()).min(LONGEST);
        let repeated = (SHORTEST..=most).rev().find(|&size| {
            held.is_char_boundary(size) && self.said.as_bytes().ends_with(&held.as_bytes()[..size])
        });
        held.get(repeated.unwrap_or(0)..).unwrap_or_default().to_owned()
    }

    /// Whether what is held back stands somewhere in the last words that were said, so that more of it may follow.
    fn may_overlap(&self) -> bool {
        let tail = &self.said.as_bytes()[self.said.len().saturating_sub(LONGEST)..];
        let held = self.held.as_bytes();
        held.is_empty() || tail.windows(held.len()).any(|window| window == held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_twice() {
        let check = |said: &str, pieces: &[&str], expect: &str| {
            for split in [true, false] {
                let mut seam = Seam::new(said);
                let mut out = String::new();
                for piece in pieces {
                    if split {
                        piece
                            .chars()
                            .for_each(|letter| out.push_str(&seam.take(letter.encode_utf8(&mut [0; 4]))));
                    } else {
                        out.push_str(&seam.take(piece));
                    }
                }
                out.push_str(&seam.finish());
                assert_eq!(out, expect, "{said:?} {pieces:?}");
            }
        };
        check("The answer is", &[" 42."], " 42.");
        check("The answer is", &["The answer is 42."], " 42.");
        check("Well. The answer is", &["The answer", " is 42."], " 42.");
        check("Well. The answer is", &["The answer was 42."], "The answer was 42.");
        check("a, b, ", &["b, c"], "b, c");
        check("größer als größ", &["größer als größer"], "er");
        check("Überall grüne Bäume", &["grüne Bäume und Wiesen"], " und Wiesen");
        check("The answer is", &[], "");
        check("The answer is", &["The answer"], "The answer");
    }
}
