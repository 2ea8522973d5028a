//! Owns the tokens of what was said, and the text they stand for.
//! Uses the text of a prompt to find the conversation that it continues, of several at once.
//! Never keeps more than a few conversations.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::tool_syntax::Prompt;

/// Conversations and branches of conversations that are remembered.
const MOST: usize = 16;

/// A prompt and the reply to it.
///
/// Models do not always write text with the tokens that an encoder would choose. Kept here, the
/// next prompt repeats the very tokens that the engine still holds.
#[derive(Debug, Default)]
pub(super) struct Utterance {
    pub(super) text: String,
    pub(super) tokens: Vec<u32>,
    /// Ranges of the text in which no name is markup.
    pub(super) untrusted: Vec<Range<usize>>,
}

/// What was said last, in every conversation.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    /// The newest first.
    utterances: VecDeque<Arc<Utterance>>,
}

impl Spoken {
    /// The longest utterance that a prompt goes on from. What was markup must still be markup, and what was text must
    /// still be text.
    pub(super) fn find(&self, prompt: &Prompt) -> Option<Arc<Utterance>> {
        let goes_on = |known: &&Arc<Utterance>| {
            let before = prompt.untrusted.iter().take_while(|range| range.start < known.text.len());
            !known.tokens.is_empty()
                && prompt.text.len() > known.text.len()
                && prompt.text.starts_with(&known.text)
                && before.eq(&known.untrusted)
        };
        self.utterances.iter().filter(goes_on).max_by_key(|known| known.text.len()).cloned()
    }

    /// Remember what was said. What it goes on from stays, for another branch may begin there.
    pub(super) fn add(&mut self, utterance: Utterance) {
        self.utterances.retain(|known| known.text != utterance.text);
        self.utterances.push_front(Arc::new(utterance));
        self.utterances.truncate(MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool_syntax::ReplyStart;

    fn utterance(text: &str, id: u32) -> Utterance {
        Utterance { text: text.to_owned(), tokens: vec![id], untrusted: std::iter::once(0..2).collect() }
    }

    #[test]
    fn the_longest_of_several_conversations_is_found() {
        let mut spoken = Spoken::default();
        for (id, text) in (0..).zip(["ab one", "ab two", "ab one more", "xy"]) {
            spoken.add(utterance(text, id));
        }
        let check = |text: &str, untrusted: &[(usize, usize)], expect: Option<u32>| {
            let untrusted = untrusted.iter().map(|&(start, end)| start..end).collect();
            let prompt = Prompt { text: text.to_owned(), untrusted, start: ReplyStart::Answer };
            assert_eq!(spoken.find(&prompt).map(|found| found.tokens[0]), expect, "{text}");
        };
        check("ab one more time", &[(0, 2)], Some(2));
        check("ab one less", &[(0, 2)], Some(0));
        check("ab two", &[(0, 2)], None);
        check("ab two!", &[(0, 2), (6, 7)], Some(1));
        check("ab two!", &[(0, 3)], None);
        check("ab two!", &[], None);
        check("zz", &[(0, 2)], None);
        for id in 0..MOST as u32 {
            spoken.add(utterance(&format!("{id}"), id));
        }
        assert_eq!(spoken.utterances.len(), MOST);
    }
}
