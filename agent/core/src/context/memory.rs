//! Owns the texts of a session and the index over them: what `recall` finds.
//! Uses `texts` for what an entry is, and `passages` of the index.
//! Never loses a text: what the index cannot take in is still found by its handle.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use loci_index::passages::{Passage, PassageQuery, Passages, TextKind, TextSource};
use loci_index::{Embed, IndexError};

use super::failures::{FailureKind, failures};
use super::handle::Handle;
use super::ledger::state::key;
use super::recall::names_in;
use super::texts::{EntryText, Speaker};
use crate::tools::{Found, Recall, Remembered};

/// One text of the session.
#[derive(Debug, Clone)]
pub struct Text {
    /// The turn it belongs to.
    pub turn: u32,
    /// Who said it.
    pub speaker: Speaker,
    /// What it is, in a line.
    pub title: String,
    /// How it was cut.
    pub kind: TextKind,
    /// The file it is about.
    pub path: Option<String>,
    /// The text; of an output that was kept whole, all of it.
    pub text: Arc<str>,
    /// The file that holds the whole of an output.
    pub whole: Option<PathBuf>,
    /// The newest text that says the same thing anew: a later run of the same command, the same search again.
    pub superseded_by: Option<usize>,
    /// First and last line of the file, where lines are numbered.
    pub range: Option<(usize, usize)>,
    /// Tests that failed in it, each with the lines about it, from 1 and inclusive.
    pub failures: Vec<(String, std::ops::RangeInclusive<usize>)>,
}

/// All texts of a session. Entry numbers are their places.
pub struct Memory {
    texts: Vec<Text>,
    passages: Option<Passages>,
    /// Added and not yet committed.
    pending: bool,
    /// The newest text of each key.
    newest: HashMap<String, usize>,
    /// Texts that show lines of a file, by its path.
    shown: HashMap<String, Vec<usize>>,
    /// The newest text in which a test failed, by its name.
    failing: HashMap<String, usize>,
    /// Why texts are not found by words any more.
    problem: Option<IndexError>,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").field("texts", &self.texts.len()).finish_non_exhaustive()
    }
}

/// The one group of the passages of a session.
const GROUP: &str = "session";

impl Memory {
    /// An empty one. Where the index cannot be made, handles still work.
    #[must_use]
    pub fn new(embed: Option<Arc<dyn Embed>>) -> Self {
        let (passages, problem) = match Passages::in_memory(embed) {
            Ok(passages) => (Some(passages), None),
            Err(error) => (None, Some(error)),
        };
        Self { passages, problem, ..Self::unsearchable() }
    }

    /// An empty one that is not searched: texts are found by their handles alone.
    #[must_use]
    pub fn unsearchable() -> Self {
        Self {
            texts: Vec::new(),
            passages: None,
            pending: false,
            newest: HashMap::new(),
            shown: HashMap::new(),
            failing: HashMap::new(),
            problem: None,
        }
    }

    /// Add a text. `tool` and `input` are those of the call whose result it is.
    pub fn add(&mut self, entry: &EntryText<'_>, call: Option<(&str, &serde_json::Value)>) {
        let at = self.texts.len();
        debug_assert_eq!(at, entry.entry, "entries come in order");
        let text: Arc<str> = entry.full().into();
        let range = if entry.kind == TextKind::Code { range_of(&text) } else { None };
        match (&entry.path, call.and_then(|(tool, input)| key(tool, input))) {
            // Two looks at a file supersede each other only where they overlap.
            (Some(path), _) if entry.kind == TextKind::Code => {
                self.shown.entry(path.clone()).or_default().push(at);
            }
            (_, Some(key)) => {
                if let Some(older) = self.newest.insert(key, at) {
                    self.texts[older].superseded_by = Some(at);
                }
            }
            _ => {}
        }
        let failures = if entry.kind == TextKind::Log { failures_in(&text) } else { Vec::new() };
        for (name, _) in &failures {
            self.failing.insert(name.clone(), at);
        }
        self.texts.push(Text {
            turn: entry.turn,
            speaker: entry.speaker,
            title: entry.title.clone(),
            kind: entry.kind,
            path: entry.path.clone(),
            text: text.clone(),
            whole: entry.whole.map(Into::into),
            superseded_by: None,
            range,
            failures,
        });
        let source = TextSource {
            group: GROUP,
            number: at as u64,
            kind: entry.kind,
            title: &entry.title,
            path: entry.path.as_deref(),
            text: &text,
        };
        // What was recalled is there already.
        let repeated = call.is_some_and(|(tool, _)| tool == "recall");
        if let Some(passages) = self.passages.as_mut().filter(|_| !repeated) {
            match passages.add(&source) {
                Ok(()) => self.pending = true,
                Err(error) => self.problem = Some(error),
            }
        }
    }

    /// The text of an entry.
    #[must_use]
    pub fn text(&self, entry: usize) -> Option<&Text> {
        self.texts.get(entry)
    }

    /// Whether a newer text shows these lines of the same file.
    #[must_use]
    pub fn shown_later(&self, entry: usize, first: usize, last: usize) -> bool {
        let path = self.texts.get(entry).and_then(|text| text.path.as_ref());
        let texts = path.and_then(|path| self.shown.get(path)).map_or(&[][..], Vec::as_slice);
        texts
            .iter()
            .rev()
            .take_while(|later| **later > entry)
            .any(|later| self.texts[*later].range.is_some_and(|(from, to)| from <= first && last <= to))
    }

    /// Whether a line of a text tells of a test that failed again later, so that what it says of it is overtaken.
    #[must_use]
    pub fn overtaken(&self, entry: usize, line: usize) -> bool {
        let failures = self.texts.get(entry).map_or(&[][..], |text| text.failures.as_slice());
        failures.iter().any(|(name, lines)| {
            lines.contains(&line) && self.failing.get(name).is_some_and(|newest| *newest > entry)
        })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Why texts are not found by words any more, once.
    pub fn take_problem(&mut self) -> Option<IndexError> {
        self.problem.take()
    }

    /// The best passages for a question, best first.
    pub fn find(&mut self, text: &str, names: &[String], limit: usize) -> Vec<Passage> {
        let Some(passages) = &mut self.passages else { return Vec::new() };
        if std::mem::take(&mut self.pending)
            && let Err(error) = passages.commit()
        {
            self.problem = Some(error);
        }
        match passages.search(&PassageQuery {
            text,
            names,
            group: Some(GROUP),
            limit,
            ..PassageQuery::default()
        }) {
            Ok(found) => found,
            Err(error) => {
                self.problem = Some(error);
                Vec::new()
            }
        }
    }

    /// The lines of a handle, without their line breaks, and the number of the first; `None` for an unknown entry.
    #[must_use]
    pub fn lines(&self, handle: Handle) -> Option<(usize, Vec<&str>)> {
        let text = self.texts.get(handle.entry)?;
        let (first, last) = handle.lines.unwrap_or((1, usize::MAX));
        let lines = text.text.lines().skip(first - 1).take(last.saturating_sub(first - 1)).collect();
        Some((first, lines))
    }
}

/// The memory as the tool `recall` sees it.
pub(crate) struct Shared(pub(crate) Arc<Mutex<Memory>>);

impl Recall for Shared {
    fn entry(&self, entry: usize) -> Result<Remembered, String> {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = memory.text(entry).ok_or_else(|| match memory.len() {
            0 => "nothing was said yet".to_owned(),
            entries => format!("there is no r{entry}; this session has r0 to r{}", entries - 1),
        })?;
        Ok(Remembered { turn: text.turn, title: text.title.clone(), text: text.text.to_string() })
    }

    fn find(&self, query: &str, limit: usize) -> Result<Vec<Found>, String> {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = memory.find(query, &names_in(query), limit);
        if let Some(problem) = memory.take_problem() {
            return Err(format!("this session cannot be searched ({problem}); handles still work"));
        }
        let told = found.iter().filter_map(|passage| {
            let entry = usize::try_from(passage.number).ok()?;
            let handle = Handle { entry, lines: Some((passage.first as usize, passage.last as usize)) };
            let text = memory.text(entry)?;
            Some(Found {
                handle: handle.to_string(),
                turn: text.turn,
                title: text.title.clone(),
                text: memory.lines(handle)?.1.join("\n"),
                session: None,
            })
        });
        Ok(told.collect())
    }
}

/// The tests that failed in an output, each with its lines.
fn failures_in(output: &str) -> Vec<(String, std::ops::RangeInclusive<usize>)> {
    let found = failures(output);
    if found.is_empty() {
        return Vec::new();
    }
    let starts: Vec<usize> =
        std::iter::once(0).chain(output.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let line = |byte: usize| starts.partition_point(|start| *start <= byte);
    let lines = |range: std::ops::Range<usize>| line(range.start)..=line(range.end.max(range.start + 1) - 1);
    found
        .into_iter()
        .filter(|one| one.kind == FailureKind::Test)
        .map(|one| (one.name, lines(one.range)))
        .collect()
}

/// The numbers of the first and the last numbered line.
fn range_of(text: &str) -> Option<(usize, usize)> {
    let number = |line: &str| line.split_once('\t')?.0.trim().parse::<usize>().ok();
    let first = text.lines().find_map(number)?;
    // A note of what is left out may follow.
    let last = text.lines().rev().take(8).find_map(number)?;
    (first <= last).then_some((first, last))
}
