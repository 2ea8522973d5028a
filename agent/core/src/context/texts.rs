//! Owns what each entry of a conversation is: its number, its turn, a title, how it is cut for search, its text.
//! Uses records alone, and the files that hold whole outputs.
//! Never knows one agent's tools: arguments are told by the names that tools everywhere give them.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use loci_index::passages::TextKind;
use loci_inference::provider::ToolCall;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::session::log::Record;
use crate::tools::one_line;

/// One entry of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryText<'a> {
    /// Its number, from 0: one for each prompt, each answer and each result.
    pub entry: usize,
    /// The turn it belongs to.
    pub turn: u32,
    /// Who said it.
    pub speaker: Speaker,
    /// What it is, in a line: `read src/a.rs:10-80`.
    pub title: String,
    /// How it is cut for search.
    pub kind: TextKind,
    /// The file it is about.
    pub path: Option<String>,
    /// The text; of a result, what the model read.
    pub text: Cow<'a, str>,
    /// The file that holds all of it, where the text does not.
    pub whole: Option<&'a Path>,
}

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// A prompt.
    User,
    /// What the model said in a step, whether or not it called something.
    Assistant,
    /// A result.
    Tool,
}

impl EntryText<'_> {
    /// Whether it should be found: not where nothing was said, and not where `recall` repeated what was said elsewhere.
    #[must_use]
    pub fn is_new(&self) -> bool {
        let repeats = self.speaker == Speaker::Tool && self.title.starts_with("recall ");
        !repeats && !self.text.trim().is_empty() && self.text != CUT_OFF && self.text != NOT_KNOWN
    }

    /// All of the text: the whole output where it was kept and is still there, else what the model read. Control
    /// sequences are gone, and of an output beyond [`WHOLE_BYTES`] its middle.
    #[must_use]
    pub fn full(&self) -> Cow<'_, str> {
        match self.whole.and_then(|path| read_whole(path, WHOLE_BYTES).ok()) {
            None => Cow::Borrowed(&self.text),
            Some(mut whole) => {
                // How a command ended is said below its output.
                let end = self.text.lines().next_back().unwrap_or_default();
                if !whole.is_empty() && !whole.ends_with('\n') {
                    whole.push('\n');
                }
                whole.push_str(end);
                whole.push('\n');
                Cow::Owned(whole)
            }
        }
    }
}

/// Of a whole output so much is read from its head, and so much from its tail: 8 MB are some 100,000 lines.
pub const WHOLE_BYTES: u64 = 4 << 20;

/// The text of a file that may be huge and need not be UTF-8: head and tail of `keep` bytes each.
pub(super) fn read_whole(path: &Path, keep: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut read = |from: u64, limit: u64| -> io::Result<String> {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        (&mut file).take(limit).read_to_end(&mut bytes)?;
        Ok(crate::tools::plain(&String::from_utf8_lossy(&bytes)))
    };
    if length <= keep * 2 {
        return read(0, keep * 2);
    }
    let head = read(0, keep)?;
    let tail = read(length - keep, keep)?;
    Ok(format!("{head}\n… {} bytes left out …\n{tail}", length - keep * 2))
}

/// Numbers entries as their records come: a fold over the records of one session. It numbers what a cut-off turn is
/// completed with in the same way as the conversation does when a session is resumed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Texts {
    next: usize,
    turn: u32,
    /// Calls of the newest step; those without a result, and all of them for titles.
    open: Vec<ToolCall>,
    calls: Vec<ToolCall>,
    /// What the newest step said.
    told: String,
    /// Whether the newest entry ends a turn.
    whole: bool,
}

/// The words with which a turn that was cut off is completed, and an open call of it.
pub(crate) const CUT_OFF: &str = "[The turn was cut off here.]";
const NOT_KNOWN: &str = "not known: the turn was cut off";

impl Texts {
    /// How many entries there are so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.next
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.next == 0
    }

    /// The turn that the newest record belongs to.
    #[must_use]
    pub fn turn(&self) -> u32 {
        self.turn
    }

    /// The entries that a record makes, in order: none, one, or the completion of a turn and one.
    pub fn absorb<'a>(&mut self, record: &'a Record) -> Vec<EntryText<'a>> {
        match record {
            Record::Prompt { turn, text } => {
                let mut entries = self.settle("");
                self.turn = *turn;
                self.whole = false;
                entries.push(self.entry(Speaker::User, "prompt".into(), Cow::Borrowed(text)));
                entries
            }
            Record::Assistant { turn, text, calls, .. } => {
                self.turn = *turn;
                self.open.clone_from(calls);
                self.calls.clone_from(calls);
                self.told.clone_from(text);
                self.whole = calls.is_empty();
                vec![self.entry(Speaker::Assistant, "answer".into(), Cow::Borrowed(text))]
            }
            Record::Outcome(outcome) => {
                self.open.retain(|call| call.id != outcome.call_id);
                self.whole = false;
                let nothing = Map::new();
                let call = self.calls.iter().find(|call| call.id == outcome.call_id);
                let arguments = call.map_or(&nothing, |call| &call.arguments);
                let path = path_in(arguments).map(str::to_owned);
                let mut entry =
                    Self::of(Speaker::Tool, title_of(&outcome.tool, arguments), Cow::Borrowed(&outcome.text));
                entry.kind = kind_of(arguments, &outcome.text);
                entry.path = path;
                entry.whole = outcome.whole.as_deref();
                vec![self.numbered(entry)]
            }
            Record::TurnEnded(report) => self.settle(&report.answer),
            _ => Vec::new(),
        }
    }

    /// What a cut-off turn is completed with: a result for each open call, and an end.
    fn settle<'a>(&mut self, said: &str) -> Vec<EntryText<'a>> {
        let mut entries = Vec::new();
        for call in std::mem::take(&mut self.open) {
            self.whole = false;
            let title = title_of(&call.name, &call.arguments);
            entries.push(self.entry(Speaker::Tool, title, Cow::Borrowed(NOT_KNOWN)));
        }
        if !self.whole && self.next > 0 {
            let text = if said.is_empty() || said == self.told {
                Cow::Borrowed(CUT_OFF)
            } else {
                Cow::Owned(format!("{said}\n{CUT_OFF}"))
            };
            self.whole = true;
            self.told = text.clone().into_owned();
            entries.push(self.entry(Speaker::Assistant, "answer".into(), text));
        }
        self.calls.clear();
        entries
    }

    fn entry<'a>(&mut self, speaker: Speaker, title: String, text: Cow<'a, str>) -> EntryText<'a> {
        self.numbered(Self::of(speaker, title, text))
    }

    fn of(speaker: Speaker, title: String, text: Cow<'_, str>) -> EntryText<'_> {
        EntryText { entry: 0, turn: 0, speaker, title, kind: TextKind::Talk, path: None, text, whole: None }
    }

    fn numbered<'a>(&mut self, entry: EntryText<'a>) -> EntryText<'a> {
        let numbered = EntryText { entry: self.next, turn: self.turn, ..entry };
        self.next += 1;
        numbered
    }
}

/// Names that tools give to a shell command.
const COMMANDS: [&str; 3] = ["command", "cmd", "script"];
/// To a file or folder.
const PATHS: [&str; 6] = ["path", "file_path", "file", "filename", "filepath", "target_file"];
/// To what is looked for.
const PATTERNS: [&str; 6] = ["pattern", "query", "regex", "symbol", "glob", "name"];
/// To the first line of a range, and to the last.
const FIRST: [&str; 4] = ["start", "start_line", "first", "offset"];
const LAST: [&str; 3] = ["end", "end_line", "last"];
/// Characters of one argument in a title.
const ARGUMENT: usize = 160;

fn word_in<'a>(arguments: &'a Map<String, Value>, names: &[&str]) -> Option<&'a str> {
    let words = names.iter().filter_map(|name| arguments.get(*name)?.as_str());
    words.map(str::trim).find(|word| !word.is_empty())
}

fn number_in(arguments: &Map<String, Value>, names: &[&str]) -> Option<u64> {
    names.iter().find_map(|name| match arguments.get(*name)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    })
}

/// The file or folder that a call names.
pub(crate) fn path_in(arguments: &Map<String, Value>) -> Option<&str> {
    word_in(arguments, &PATHS)
}

/// A call in one line: the tool, and the argument that says most.
pub(crate) fn title_of(tool: &str, arguments: &Map<String, Value>) -> String {
    let clipped = |text: &str| clip(&one_line(text), ARGUMENT);
    let path = path_in(arguments);
    if let Some(command) = word_in(arguments, &COMMANDS) {
        return format!("{tool} {}", clipped(command));
    }
    if let Some(pattern) = word_in(arguments, &PATTERNS) {
        let place = path.map(|path| format!(" in {}", clipped(path))).unwrap_or_default();
        return format!("{tool} {}{place}", clipped(pattern));
    }
    if let Some(path) = path {
        let first = number_in(arguments, &FIRST);
        let last = number_in(arguments, &LAST)
            .or_else(|| Some(first.unwrap_or(1) + number_in(arguments, &["limit"])?.saturating_sub(1)));
        let range = match (first, last) {
            (None, None) => String::new(),
            (first, None) => format!(":{}-", first.unwrap_or(1)),
            (first, Some(last)) => format!(":{}-{last}", first.unwrap_or(1)),
        };
        return format!("{tool} {}{range}", clipped(path));
    }
    let words = arguments.values().filter_map(Value::as_str).map(str::trim).filter(|word| !word.is_empty());
    let words: Vec<String> = words.take(3).map(clipped).collect();
    if words.is_empty() { tool.to_owned() } else { format!("{tool} {}", words.join(" ")) }
}

fn clip(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

/// Lines that are looked at to tell what a text is.
const LOOKED_AT: usize = 60;

/// How a result is cut, by the shape of its text first and by what was asked second.
pub(crate) fn kind_of(arguments: &Map<String, Value>, text: &str) -> TextKind {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).take(LOOKED_AT).collect();
    let share = |is: fn(&str) -> bool| lines.iter().filter(|line| is(line)).count() * 2 > lines.len();
    let is_diff = lines.iter().any(|line| line.starts_with("diff --git ") || line.starts_with("@@ -"))
        || lines.windows(2).any(|pair| pair[0].starts_with("--- ") && pair[1].starts_with("+++ "));
    if is_diff {
        TextKind::Diff
    } else if share(is_numbered) {
        TextKind::Code
    } else if share(names_a_place) {
        TextKind::Matches
    } else if word_in(arguments, &COMMANDS).is_some() || word_in(arguments, &PATTERNS).is_some() {
        TextKind::Log
    } else if path_in(arguments).is_some() && lines.len() > 3 {
        // A file without the numbers of its lines.
        TextKind::Code
    } else {
        TextKind::Log
    }
}

/// `  12⇥text`, as files are shown.
fn is_numbered(line: &str) -> bool {
    line.trim_start().split_once(['\t', '→', '|']).is_some_and(|(number, _)| {
        let number = number.trim_end();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// `path:12: text`, as searches answer.
fn names_a_place(line: &str) -> bool {
    let mut parts = line.splitn(3, ':');
    let (Some(path), Some(number)) = (parts.next(), parts.next()) else { return false };
    let number = number.split('-').next().unwrap_or(number);
    !path.trim().is_empty()
        && !path.trim().contains(char::is_whitespace)
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
