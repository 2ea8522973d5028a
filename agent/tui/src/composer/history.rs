//! Owns earlier prompts: walking through them with the arrows, and searching in them with Ctrl-R.
//! Uses what the host remembers, newest last.
//! Never loses what was being written: it is the newest entry while others are looked at.

/// Earlier prompts.
#[derive(Debug, Default)]
pub(super) struct History {
    entries: Vec<String>,
    /// Which is shown, and what was being written before.
    walk: Option<(usize, String)>,
}

/// A search that goes on.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// What was typed.
    pub(super) query: String,
    /// Which entry is shown; nothing where none fits.
    pub(super) found: Option<usize>,
}

impl History {
    /// What the host remembers. What was sent in the meantime stays behind it.
    pub(super) fn load(&mut self, mut earlier: Vec<String>) {
        let own = std::mem::take(&mut self.entries);
        for entry in own {
            if earlier.last() != Some(&entry) {
                earlier.push(entry);
            }
        }
        self.entries = earlier;
        self.walk = None;
    }

    /// A prompt was sent.
    pub(super) fn add(&mut self, entry: &str) {
        if !entry.is_empty() && self.entries.last().is_none_or(|last| last != entry) {
            self.entries.push(entry.to_owned());
        }
        self.walk = None;
    }

    /// Whether an earlier prompt is shown.
    pub(super) fn is_walking(&self) -> bool {
        self.walk.is_some()
    }

    /// Whoever changes an earlier prompt writes a new one.
    pub(super) fn settle(&mut self) {
        self.walk = None;
    }

    /// The prompt before the one that is shown; `written` is what is being written.
    pub(super) fn older(&mut self, written: &str) -> Option<String> {
        let (at, draft) = match self.walk.take() {
            Some((0, draft)) => {
                self.walk = Some((0, draft));
                return None;
            }
            Some((at, draft)) => (at - 1, draft),
            None => (self.entries.len().checked_sub(1)?, written.to_owned()),
        };
        self.walk = Some((at, draft));
        self.entries.get(at).cloned()
    }

    /// The prompt after the one that is shown; behind the newest stands what was being written.
    pub(super) fn newer(&mut self) -> Option<String> {
        let (at, draft) = self.walk.take()?;
        match self.entries.get(at + 1) {
            Some(entry) => {
                self.walk = Some((at + 1, draft));
                Some(entry.clone())
            }
            None => Some(draft),
        }
    }

    /// The entry of a search.
    pub(super) fn entry(&self, search: &Search) -> Option<&str> {
        self.entries.get(search.found?).map(String::as_str)
    }

    /// Look for the newest entry at or before `from` that holds the query, in any case where the query has no capitals.
    pub(super) fn find(&self, search: &mut Search, from: Option<usize>) {
        let end = from.map_or(self.entries.len(), |from| (from + 1).min(self.entries.len()));
        let found = self.entries[..end].iter().rposition(|entry| holds(entry, &search.query));
        search.found = if search.query.is_empty() { None } else { found };
    }

    /// The next one that is older than what is shown; nothing changes where there is none.
    pub(super) fn find_older(&self, search: &mut Search) {
        let Some(at) = search.found else { return self.find(search, None) };
        let shown = &self.entries[at];
        // The same words sent twice are one answer.
        let found =
            self.entries[..at].iter().rposition(|entry| entry != shown && holds(entry, &search.query));
        search.found = found.or(search.found);
    }

    /// The next one that is newer than what is shown; nothing changes where there is none.
    pub(super) fn find_newer(&self, search: &mut Search) {
        let Some(at) = search.found else { return };
        let shown = &self.entries[at];
        let newer = &self.entries[at + 1..];
        let found = newer.iter().position(|entry| entry != shown && holds(entry, &search.query));
        search.found = found.map(|found| at + 1 + found).or(search.found);
    }
}

fn holds(entry: &str, query: &str) -> bool {
    if query.chars().any(char::is_uppercase) {
        entry.contains(query)
    } else {
        entry.to_lowercase().contains(query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> History {
        let mut history = History::default();
        history.add("three");
        history.load(vec!["One".into(), "two\nlines".into(), "one more".into()]);
        history
    }

    #[test]
    fn the_draft_stands_behind_the_newest() {
        let mut history = history();
        for expect in ["three", "one more", "two\nlines", "One"] {
            assert_eq!(history.older("draft").as_deref(), Some(expect));
        }
        assert_eq!(history.older("draft"), None);
        for expect in ["two\nlines", "one more", "three", "draft"] {
            assert_eq!(history.newer().as_deref(), Some(expect));
        }
        assert_eq!(history.newer(), None);
        assert!(!history.is_walking());
        assert_eq!(History::default().older("draft"), None);
    }

    #[test]
    fn a_search_goes_back_and_forth() {
        let history = history();
        let mut search = Search { query: "one".into(), found: None };
        history.find(&mut search, None);
        assert_eq!(history.entry(&search), Some("one more"));
        history.find_older(&mut search);
        assert_eq!(history.entry(&search), Some("One"));
        history.find_older(&mut search);
        assert_eq!(history.entry(&search), Some("One"));
        history.find_newer(&mut search);
        assert_eq!(history.entry(&search), Some("one more"));
        search.query = "One".into();
        history.find(&mut search, None);
        assert_eq!(history.entry(&search), Some("One"));
        search.query = "nothing like it".into();
        history.find(&mut search, None);
        assert_eq!(history.entry(&search), None);
    }

    #[test]
    fn the_same_prompt_twice_is_one_entry() {
        let mut history = history();
        history.add("three");
        assert_eq!(history.older("").as_deref(), Some("three"));
        assert_eq!(history.older("").as_deref(), Some("one more"));
    }
}
