//! Owns what a service gave along with calls and wants to see again beside them: signatures, encrypted reasoning.
//! Uses the ids of calls as names, which outlive the layout of the window.
//! Never interprets it, never writes it to a disk, and never sends it to another service.

use std::collections::VecDeque;

use serde_json::Value;

/// The services want it back within one turn; a turn has at most some hundred calls.
const MAX_ENTRIES: usize = 512;

/// What was given with calls, oldest first.
#[derive(Debug, Default)]
pub(super) struct Kept {
    entries: VecDeque<(String, Value)>,
}

impl Kept {
    pub(super) fn put(&mut self, id: String, value: Value) {
        if self.entries.len() == MAX_ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back((id, value));
    }

    pub(super) fn get(&self, id: &str) -> Option<&Value> {
        self.entries.iter().rev().find(|(name, _)| name == id).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way() {
        let mut kept = Kept::default();
        for number in 0..=MAX_ENTRIES {
            kept.put(format!("c{number}"), number.into());
        }
        assert_eq!(kept.get("c0"), None);
        assert_eq!(kept.get("c1"), Some(&Value::from(1)));
        assert_eq!(kept.entries.len(), MAX_ENTRIES);
    }
}
