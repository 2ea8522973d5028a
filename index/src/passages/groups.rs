//! Owns which groups there are: their numbers in the store, and up to where the caller's logs were read.
//! Uses JSON; it lies beside the list of segments and is written with it.
//! Never trusts what it reads: a hash over it and over the segments must fit.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// One group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Group {
    /// In the store. A group that was forgotten and comes again has another one.
    number: u64,
    mark: Option<u64>,
}

/// All groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Groups {
    names: BTreeMap<String, Group>,
    next: u64,
    #[serde(skip)]
    live: BTreeSet<u64>,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    groups: Groups,
    hash: String,
}

impl Groups {
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.names.get(name).map(|group| group.number)
    }

    pub(super) fn is_live(&self, number: u64) -> bool {
        self.live.contains(&number)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    /// The name of each number.
    pub(super) fn by_number(&self) -> BTreeMap<u64, &str> {
        self.names.iter().map(|(name, group)| (group.number, name.as_str())).collect()
    }

    pub(super) fn mark(&self, name: &str) -> Option<u64> {
        self.names.get(name)?.mark
    }

    /// The group of a name, which is made when missing.
    pub(super) fn enter(&mut self, name: &str) -> u64 {
        if let Some(group) = self.names.get(name) {
            return group.number;
        }
        let number = self.next;
        self.next += 1;
        self.names.insert(name.to_owned(), Group { number, mark: None });
        self.live.insert(number);
        number
    }

    pub(super) fn set_mark(&mut self, name: &str, mark: u64) {
        self.enter(name);
        if let Some(group) = self.names.get_mut(name) {
            group.mark = Some(mark);
        }
    }

    /// False when there was none.
    pub(super) fn forget(&mut self, name: &str) -> bool {
        let group = self.names.remove(name);
        group.is_some_and(|group| self.live.remove(&group.number))
    }

    /// To be kept beside the segments that are described.
    pub(super) fn seal(&self, segments: &str) -> String {
        let sealed = Sealed { groups: self.clone(), hash: self.hash(segments) };
        serde_json::to_string(&sealed).unwrap_or_default()
    }

    /// What [`Groups::seal`] made; `None` when something differs.
    pub(super) fn unseal(text: &str, segments: &str) -> Option<Self> {
        let Sealed { mut groups, hash } = serde_json::from_str(text).ok()?;
        groups.live = groups.names.values().map(|group| group.number).collect();
        (groups.hash(segments) == hash).then_some(groups)
    }

    fn hash(&self, segments: &str) -> String {
        let names = serde_json::to_string(&(&self.names, self.next)).unwrap_or_default();
        blake3::hash(format!("{segments}\n{names}").as_bytes()).to_hex().to_string()
    }
}
