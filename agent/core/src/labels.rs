//! Owns what must not leave the machine: the paths that say so, what of a session came from them, and the view of a session
//! in which none of it stands.
//! Uses the rules that deny reading, and the records of the log.
//! Never changes a record: the log keeps everything, and a model elsewhere is shown a session made from the view.

pub mod prints;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use loci_policy::{Context, Mode, Rule, Rules, Verdict, decide};
use serde_json::{Map, Value, json};

use crate::config::{Places, Settings};
use crate::permission::DiskFiles;
use crate::permission::readable::{self, Readable};
use crate::session::log::{LoggedOutcome, Record, effective};
pub use prints::Prints;

/// What becomes of a session that holds such content when its model is to be one elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Labelled {
    /// It goes on, with a stub in the place of each such text.
    #[default]
    Stub,
    /// It stays: the model cannot be changed to one elsewhere.
    Stay,
}

impl Labelled {
    /// The choice of that name in the configuration.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "stub" => Some(Self::Stub),
            "stay" => Some(Self::Stay),
            _ => None,
        }
    }
}

/// A pattern of paths whose content never leaves the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeverLeaves {
    /// As in `Read(…)`.
    pub pattern: String,
    /// Where it is set.
    pub origin: String,
}

impl NeverLeaves {
    fn rule(&self) -> Rule {
        Rule {
            origin: format!("never_leaves in {}", self.origin),
            ..Rule::from(format!("Read({})", self.pattern))
        }
    }
}

/// The paths of a session whose content never leaves the machine.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    rules: Rules,
    readable: Readable,
    /// Those that forbid the session itself to go: of the machine's policy, or all of them by the user's choice.
    strict: Vec<Rule>,
    context: Context,
    home: PathBuf,
}

impl Labels {
    /// What configuration and policy of the machine say, in this place.
    #[must_use]
    pub fn of(settings: &Settings, places: &Places, context: &Context) -> Self {
        let managed = settings.managed.stays_here();
        let mut deny = managed.clone();
        deny.extend(settings.never_leaves.iter().map(NeverLeaves::rule));
        let strict = if settings.labelled == Labelled::Stay { deny.clone() } else { managed };
        let rules = Rules { deny, ..Rules::default() };
        Self {
            readable: Readable::new(&rules, context),
            rules,
            strict,
            context: context.clone(),
            home: places.home.clone(),
        }
    }

    /// Whether no path is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.deny.is_empty()
    }

    /// The rules that hold while a model elsewhere is at work: it causes none of these files to be read.
    #[must_use]
    pub fn denied(&self) -> &[Rule] {
        &self.rules.deny
    }

    /// Whether the content of this file never leaves. Links are followed.
    #[must_use]
    pub fn covers(&self, path: &Path) -> bool {
        !self.readable.may_show(&self.context.root.join(path))
    }

    /// The patterns as the index takes them, for whoever walks the files.
    pub(crate) fn patterns(&self) -> Vec<String> {
        readable::index_denies(&self.rules.deny, &self.context.root, &self.home)
    }

    /// The project root.
    pub(crate) fn root(&self) -> &Path {
        &self.context.root
    }

    /// The first thing in a session that forbids it to go elsewhere: a path, or a command that may have read one.
    #[must_use]
    pub fn bound(&self, records: &[Record]) -> Option<String> {
        if self.strict.is_empty() {
            return None;
        }
        let rules = Rules { deny: self.strict.clone(), ..Rules::default() };
        let strict = Self {
            readable: Readable::new(&rules, &self.context),
            rules,
            strict: Vec::new(),
            context: self.context.clone(),
            home: self.home.clone(),
        };
        effective(records).into_iter().find_map(|record| strict.of_record(record))
    }

    /// The first labelled thing that a session holds.
    #[must_use]
    pub fn first(&self, records: &[Record]) -> Option<String> {
        effective(records).into_iter().find_map(|record| self.of_record(record))
    }

    fn of_record(&self, record: &Record) -> Option<String> {
        match record {
            Record::Outcome(outcome) => self.of_outcome(outcome),
            Record::Intent { input, .. } => self.of_call(input),
            _ => None,
        }
    }

    /// What an outcome shows of such a path.
    fn of_outcome(&self, outcome: &LoggedOutcome) -> Option<String> {
        let located = outcome.locations.iter().map(|location| location.path.as_str());
        let evidence = outcome.evidence.iter().map(|evidence| evidence.location.path.as_str());
        let mut paths = located.chain(evidence).chain(outcome.changed.iter().map(String::as_str));
        paths.find(|path| self.covers(Path::new(path))).map(ToOwned::to_owned)
    }

    /// What a call reads of such a path: the path, or a command that names one.
    fn of_call(&self, input: &Value) -> Option<String> {
        let text = |key: &str| input.get(key).and_then(Value::as_str);
        let path = ["path", "file_path", "from", "to"]
            .into_iter()
            .filter_map(text)
            .find(|path| self.covers(Path::new(path)));
        let command = text("command").filter(|command| {
            let input = json!({ "command": command });
            let decision = decide(&self.rules, Mode::Default, &self.context, "Bash", &input, &DiskFiles);
            decision.decision == Verdict::Deny
        });
        path.or(command).map(ToOwned::to_owned)
    }

    /// The session as a model elsewhere may read it. One record stands for one, so that numbers of entries stay as they are.
    ///
    /// What came from a labelled path is a stub. So is what a model of this machine said, called and caused after it had read
    /// such a thing; a model elsewhere only ever had the view, so that what it says needs none. What `prints` know is
    /// taken out of everything else, the user's words included.
    #[must_use]
    pub fn view(&self, records: &[Record], prints: &Prints) -> Vec<Record> {
        let records = effective(records);
        if self.is_empty() {
            return records.into_iter().cloned().collect();
        }
        let mut reader = Reader::new(self, prints);
        records.into_iter().filter_map(|record| reader.view(record)).collect()
    }

    /// The texts that tools showed of labelled paths and wrote to them, for the prints: the disk has what they are now.
    pub fn printed<'a>(&self, records: &'a [Record]) -> Vec<&'a str> {
        let mut labelled: HashSet<&str> = HashSet::new();
        let mut texts = Vec::new();
        for record in records {
            match record {
                Record::Intent { call_id, input, .. } if self.of_call(input).is_some() => {
                    labelled.insert(call_id);
                    // What was written to such a file, and what it replaced.
                    let written = ["old", "new", "content", "text"].into_iter();
                    texts.extend(written.filter_map(|key| input.get(key).and_then(Value::as_str)));
                }
                Record::Outcome(outcome)
                    if labelled.contains(outcome.call_id.as_str()) || self.of_outcome(outcome).is_some() =>
                {
                    texts.push(outcome.text.as_str());
                }
                _ => {}
            }
        }
        texts
    }
}

/// The words that stand for a text that stays.
#[must_use]
pub fn stub(what: &str, text: &str) -> String {
    let lines = text.lines().count();
    let lines = if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") };
    format!("[kept on this machine: {what}, {lines}]")
}

/// What stands for words of a model that had read such a text.
const DERIVED: &str = "[kept on this machine: written after labelled files had been read]";

/// Tools whose results say what stands in files that are named by their places; what others answer to a model that had read
/// a labelled text may repeat what it gave them.
const LOOKING: [&str; 7] = ["read", "grep", "search", "glob", "outline", "where", "callers"];

/// Walks over the records of a session.
struct Reader<'a> {
    labels: &'a Labels,
    prints: &'a Prints,
    /// Whether the model at work runs on this machine; whoever began an old log may have.
    local: bool,
    /// What the model at work has read of labelled paths, first.
    held: Option<String>,
    /// Calls of labelled paths, by id.
    calls: HashMap<String, String>,
    /// Calls that a model made which had read labelled texts, each with the words of its own that it gave.
    derived: HashMap<String, Vec<String>>,
}

impl<'a> Reader<'a> {
    fn new(labels: &'a Labels, prints: &'a Prints) -> Self {
        Self { labels, prints, local: true, held: None, calls: HashMap::new(), derived: HashMap::new() }
    }

    /// Whether what the model at work says may come from what it read.
    fn tainted(&self) -> bool {
        self.local && self.held.is_some()
    }

    fn view(&mut self, record: &Record) -> Option<Record> {
        let clean = |text: &str| self.prints.clean(text).0.into_owned();
        Some(match record {
            Record::Model(used) => {
                self.local = used.local;
                record.clone()
            }
            Record::Prompt { turn, text } => Record::Prompt { turn: *turn, text: clean(text) },
            Record::Assistant { turn, text, reasoning, calls } => {
                let mut calls = calls.clone();
                if self.tainted() {
                    for call in &mut calls {
                        self.derived.insert(call.id.clone(), words(&call.arguments));
                        call.arguments = hidden(&call.arguments);
                    }
                    let text = if text.is_empty() { String::new() } else { DERIVED.into() };
                    return Some(Record::Assistant { turn: *turn, text, reasoning: None, calls });
                }
                for call in &mut calls {
                    if let Value::Object(map) =
                        self.prints.clean_value(&Value::Object(call.arguments.clone()))
                    {
                        call.arguments = map;
                    }
                }
                Record::Assistant {
                    turn: *turn,
                    text: clean(text),
                    reasoning: reasoning.as_deref().map(clean),
                    calls,
                }
            }
            Record::Intent { call_id, tool, input, why } => {
                if let Some(what) = self.labels.of_call(input) {
                    self.calls.insert(call_id.clone(), what);
                }
                let input = match input {
                    Value::Object(map) if self.derived.contains_key(call_id) => Value::Object(hidden(map)),
                    input => self.prints.clean_value(input),
                };
                Record::Intent { call_id: call_id.clone(), tool: tool.clone(), input, why: why.clone() }
            }
            Record::Outcome(outcome) => self.outcome(outcome),
            Record::Todos { items } => {
                let mut items = items.clone();
                for item in &mut items {
                    item.text = if self.tainted() { DERIVED.into() } else { clean(&item.text) };
                }
                Record::Todos { items }
            }
            Record::TurnEnded(report) => {
                let mut report = report.clone();
                report.answer = match self.tainted() {
                    true if !report.answer.is_empty() => DERIVED.into(),
                    _ => clean(&report.answer),
                };
                Record::TurnEnded(report)
            }
            // What a model of this machine was shown anew came from the whole session; it is laid out again from the view.
            Record::Compacted(_) | Record::Recalled(_) if self.local => return None,
            Record::Compacted(compaction) => {
                let mut compaction = compaction.clone();
                compaction.ledger = clean(&compaction.ledger);
                Record::Compacted(compaction)
            }
            Record::Recalled(recalled) => {
                let mut recalled = recalled.clone();
                recalled.text = clean(&recalled.text);
                Record::Recalled(recalled)
            }
            Record::Decision(decision) => {
                let mut decision = decision.clone();
                if self.derived.contains_key(&decision.call_id) {
                    (decision.rule, decision.why) = (None, DERIVED.into());
                }
                decision.rule = decision.rule.as_deref().map(clean);
                decision.why = clean(&decision.why);
                Record::Decision(decision)
            }
            Record::Header { .. }
            | Record::Head { .. }
            | Record::Renamed { .. }
            | Record::Rewound { .. }
            | Record::Undone { .. } => record.clone(),
        })
    }

    /// Whether a result may repeat what a model gave that had read labelled texts. What looks at files answers from them; of
    /// what it was given it repeats words when it fails, or where they stand in the files.
    fn repeats(&self, outcome: &LoggedOutcome) -> bool {
        let Some(given) = self.derived.get(&outcome.call_id) else { return false };
        let looks = LOOKING.contains(&outcome.tool.as_str());
        !looks
            || !outcome.ok
            || given.iter().any(|word| {
                [&outcome.text, &outcome.brief, &outcome.summary].into_iter().any(|text| text.contains(word))
            })
    }

    fn outcome(&mut self, outcome: &LoggedOutcome) -> Record {
        let of_path = self.calls.get(&outcome.call_id).cloned().or_else(|| self.labels.of_outcome(outcome));
        let mut shown = outcome.clone();
        if let Some(what) = of_path {
            if self.local {
                self.held.get_or_insert_with(|| what.clone());
            }
            blank(&mut shown, stub(&self.prints.clean(&what).0, &outcome.text));
        } else if self.repeats(outcome) {
            blank(&mut shown, DERIVED.into());
        } else {
            let (text, stubs) = self.prints.clean(&outcome.text);
            if stubs > 0 && self.local {
                self.held.get_or_insert_with(|| outcome.summary.clone());
            }
            shown.text = text.into_owned();
            shown.brief = self.prints.clean(&outcome.brief).0.into_owned();
            shown.summary = self.prints.clean(&outcome.summary).0.into_owned();
            for evidence in &mut shown.evidence {
                evidence.text = self.prints.clean(&evidence.text).0.into_owned();
            }
            shown.diff = outcome.diff.as_deref().map(|diff| self.prints.clean(diff).0.into_owned());
            if stubs > 0 {
                shown.whole = None;
            }
        }
        Record::Outcome(Box::new(shown))
    }
}

/// Nothing of an outcome but the words that stand for it.
fn blank(outcome: &mut LoggedOutcome, stub: String) {
    outcome.brief.clone_from(&stub);
    outcome.summary.clone_from(&stub);
    outcome.text = stub;
    outcome.locations.clear();
    outcome.evidence.clear();
    outcome.diff = None;
    outcome.whole = None;
    outcome.fold = None;
}

/// The words that a call gave, without the paths: a path that is there is no word of the model's own, and one that is not
/// makes the call fail.
fn words(arguments: &Map<String, Value>) -> Vec<String> {
    fn gather(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) if text.trim().len() > 3 => found.push(text.trim().to_owned()),
            Value::Array(items) => items.iter().for_each(|item| gather(item, found)),
            Value::Object(map) => map.values().for_each(|value| gather(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for (_, value) in arguments.iter().filter(|(key, _)| !matches!(key.as_str(), "path" | "paths")) {
        gather(value, &mut found);
    }
    found
}

/// Arguments of which only the shape is left.
fn hidden(arguments: &Map<String, Value>) -> Map<String, Value> {
    fn hide(value: &Value) -> Value {
        match value {
            Value::String(_) => Value::String(DERIVED.into()),
            Value::Array(items) => Value::Array(items.iter().map(hide).collect()),
            Value::Object(map) => {
                Value::Object(map.iter().map(|(key, value)| (key.clone(), hide(value))).collect())
            }
            other => other.clone(),
        }
    }
    arguments.iter().map(|(key, value)| (key.clone(), hide(value))).collect()
}

#[cfg(test)]
mod tests;
