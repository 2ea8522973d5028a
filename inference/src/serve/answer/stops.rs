//! Owns texts that end an answer, found across the cuts between pieces.
//! Uses nothing.
//! Never lets a part of such a text through, nor anything behind it.

/// Looks for texts in what is written.
#[derive(Debug)]
pub(super) struct Stops {
    texts: Vec<String>,
    held: String,
}

impl Stops {
    pub(super) fn new(texts: Vec<String>) -> Self {
        Self { texts, held: String::new() }
    }

    /// What surely belongs to the answer, and whether it ends here.
    pub(super) fn push(&mut self, piece: &str) -> (String, bool) {
        self.held.push_str(piece);
        let found = self.texts.iter().filter_map(|text| self.held.find(text.as_str())).min();
        if let Some(at) = found {
            self.held.truncate(at);
            return (std::mem::take(&mut self.held), true);
        }
        let begins = |at: &usize| self.texts.iter().any(|text| text.starts_with(&self.held[*at..]));
        let ends = self.held.char_indices().map(|(at, _)| at);
        let sure = ends.into_iter().find(begins).unwrap_or(self.held.len());
        let rest = self.held.split_off(sure);
        (std::mem::replace(&mut self.held, rest), false)
    }

    /// What was held back, where nothing follows any more.
    pub(super) fn rest(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.held);
        (!rest.is_empty()).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_change_nothing() {
        let check = |stops: &[&str], text: &str, expect: &str| {
            let letters: Vec<String> = text.chars().map(String::from).collect();
            for size in 1..=letters.len() {
                let mut stops = Stops::new(stops.iter().map(ToString::to_string).collect());
                let mut out = String::new();
                let mut stopped = false;
                for piece in letters.chunks(size) {
                    let (sure, end) = stops.push(&piece.concat());
                    out += &sure;
                    if end {
                        stopped = true;
                        break;
                    }
                }
                if !stopped {
                    out += &stops.rest().unwrap_or_default();
                }
                assert_eq!(out, expect, "{text:?} in pieces of {size}");
            }
        };
        check(&[], "all of it", "all of it");
        check(&["END"], "here END there", "here ");
        check(&["END"], "here EN there E", "here EN there E");
        check(&["aab"], "aaab", "a");
        check(&["☃", "x"], "naïve ☃ x", "naïve ");
        check(&["\n\n", "\nUser:"], "one\ntwo\nUser: three", "one\ntwo");
        check(&["END"], "END", "");
    }
}
