//! Owns the cards of models: what was measured of them on this machine, one JSON file for each.
//! Uses the data folder, keyed by the sha256 of the weights or by service and model.
//! Never guesses a figure: what was not measured is not there.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use loci_inference::builtin;
use loci_inference::engine::ModelSource;
use loci_inference::hardware::Hardware;
use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::managed::hash_file;
use crate::session::log::create_folder;

/// The format of the files. Cards of another one are as good as none: a card is measured again at any time.
const FORMAT: u32 = 1;

/// Which model a card is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// Weights that run here, by the sha256 of their (first) file in hexadecimal digits.
    Weights {
        /// 64 digits.
        sha256: String,
    },
    /// A model behind a service.
    Service {
        /// The service's name in the configuration.
        service: String,
        /// The model's name there.
        model: String,
    },
}

/// A file as it was when its hash was taken: as long as all of this is the same, so are its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMark {
    /// Its real path.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970.
    pub modified: u64,
    /// Its number in the file system; 0 where there is none.
    pub inode: u64,
}

/// The machine of the measurement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Memory in all, in bytes.
    pub memory_bytes: u64,
    /// Threads that run at once.
    pub cores: usize,
    /// The accelerator in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<String>,
}

/// What a task looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Calls name a tool that exists, with arguments that its schema allows.
    Validity,
    /// The tool that fits is called.
    RightTool,
    /// With the arguments that fit.
    Arguments,
    /// An edit applies, and changes what it should and nothing else.
    Edits,
    /// A change in several files is made in all of them.
    SeveralFiles,
    /// The turn ends when the work is done, without a step more.
    Stops,
    /// What is dangerous or impossible is refused or asked about.
    Refuses,
    /// Nothing is invented: what is cited is there, and what is not there is said not to be.
    Honest,
    /// A line deep in the window is found among many like it.
    Needle,
    /// A long answer keeps to its instruction to the end.
    Instructions,
}

impl Kind {
    /// Every kind, in the order of tables.
    pub const ALL: [Self; 10] = [
        Self::Validity,
        Self::RightTool,
        Self::Arguments,
        Self::Edits,
        Self::SeveralFiles,
        Self::Stops,
        Self::Refuses,
        Self::Honest,
        Self::Needle,
        Self::Instructions,
    ];

    /// Its words in tables.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Validity => "valid calls",
            Self::RightTool => "the right tool",
            Self::Arguments => "right arguments",
            Self::Edits => "edits apply",
            Self::SeveralFiles => "several files",
            Self::Stops => "stops when done",
            Self::Refuses => "refuses or asks",
            Self::Honest => "does not invent",
            Self::Needle => "finds in the window",
            Self::Instructions => "keeps instructions",
        }
    }
}

/// How one task went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskResult {
    /// Its name, unique among the tasks.
    pub name: String,
    /// What it looks at.
    pub kind: Kind,
    /// Whether the model did it.
    pub passed: bool,
    /// What was seen instead, where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Calls that the model made.
    pub calls: u32,
    /// Of these, calls that no tool could take: an unknown name, or arguments against the schema.
    pub invalid_calls: u32,
    /// Tokens of the context that the task needed, where it is about those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<usize>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// How fast the model is behind a number of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// Tokens before it.
    pub depth: usize,
    /// Tokens of a prompt read in a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefill_per_second: Option<f64>,
    /// Tokens written in a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decode_per_second: Option<f64>,
}

/// What is known of a model on this machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// See [`Subject`].
    pub subject: Subject,
    /// Its name when it was measured.
    pub model: String,
    /// The file of the weights, to find the card without reading all of it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileMark>,
    /// When it was written last, in UTC, as `2026-11-23T03:00:00Z`.
    pub date: String,
    /// The version of Loci.
    pub loci: String,
    /// Where it was measured.
    pub machine: Machine,
    /// Whether only the short form of the tasks was run.
    #[serde(default)]
    pub quick: bool,
    /// Whether every task was run, and none was left out for want of time.
    #[serde(default)]
    pub complete: bool,
    /// How each task went; empty where only the speed was measured.
    #[serde(default)]
    pub tasks: Vec<TaskResult>,
    /// How fast it is, by depth.
    #[serde(default)]
    pub speeds: Vec<Speed>,
    /// From the request to the first token of the answer, in milliseconds: the median of the tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_ms: Option<u64>,
    /// The most memory that the process had, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_bytes: Option<u64>,
}

/// Why a card cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct CardError {
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// A card as it stands in its file.
#[derive(Serialize, Deserialize)]
struct Written {
    format: u32,
    #[serde(flatten)]
    card: Card,
}

/// The folder of the cards.
#[derive(Debug, Clone)]
pub struct Cards {
    folder: PathBuf,
}

impl Subject {
    /// The weights of a source. Reads the whole file: seconds for each gigabyte.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of_source(source: &ModelSource) -> Result<Self, CardError> {
        let sha256 = match source {
            ModelSource::Static(_) => builtin::SHA256.to_owned(),
            ModelSource::Path(path) => {
                hash_file(path).map_err(|source| CardError { path: path.clone(), source })?.sha256
            }
        };
        Ok(Self::Weights { sha256 })
    }
}

impl FileMark {
    /// The mark of a file as it is now; `None` where it cannot be looked at.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let path = path.canonicalize().ok()?;
        let metadata = fs::metadata(&path).ok()?;
        let modified = metadata.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let inode = 0;
        let modified = u64::try_from(modified.as_nanos()).unwrap_or(u64::MAX);
        Some(Self { path, size: metadata.len(), modified, inode })
    }
}

impl Machine {
    /// The figures of a machine that a card keeps.
    #[must_use]
    pub fn of(hardware: &Hardware) -> Self {
        Self {
            memory_bytes: hardware.total_bytes,
            cores: hardware.cores,
            accelerator: hardware.accelerator.clone(),
        }
    }
}

impl Card {
    /// A card with nothing measured yet, of this machine, program and moment.
    #[must_use]
    pub fn new(subject: Subject, model: String, file: Option<FileMark>) -> Self {
        Self {
            subject,
            model,
            file,
            date: now(),
            loci: env!("CARGO_PKG_VERSION").to_owned(),
            machine: Machine::of(&Hardware::detect()),
            quick: false,
            complete: false,
            tasks: Vec::new(),
            speeds: Vec::new(),
            first_token_ms: None,
            peak_bytes: None,
        }
    }

    /// The share of the tasks of a kind that the model did, from 0 to 1; `None` where none was run.
    #[must_use]
    pub fn share(&self, kind: Kind) -> Option<f64> {
        let (passed, run) = self.count(kind);
        (run > 0).then(|| passed as f64 / run as f64)
    }

    /// How many tasks of a kind were passed, and how many were run.
    #[must_use]
    pub fn count(&self, kind: Kind) -> (usize, usize) {
        let of_kind = self.tasks.iter().filter(|task| task.kind == kind);
        of_kind.fold((0, 0), |(passed, run), task| (passed + usize::from(task.passed), run + 1))
    }

    /// The share of all calls of all tasks that a tool could take, from 0 to 1; `None` without a call.
    #[must_use]
    pub fn tool_validity(&self) -> Option<f64> {
        let (calls, invalid) = self.tasks.iter().fold((0_u32, 0_u32), |(calls, invalid), task| {
            (calls.saturating_add(task.calls), invalid.saturating_add(task.invalid_calls))
        });
        (calls > 0).then(|| f64::from(calls.saturating_sub(invalid)) / f64::from(calls))
    }

    /// The share of edits, in one file and in several, that were made and made right.
    #[must_use]
    pub fn edits(&self) -> Option<f64> {
        let (one, several) = (self.count(Kind::Edits), self.count(Kind::SeveralFiles));
        let run = one.1 + several.1;
        (run > 0).then(|| (one.0 + several.0) as f64 / run as f64)
    }

    /// See [`Kind::Stops`].
    #[must_use]
    pub fn stops(&self) -> Option<f64> {
        self.share(Kind::Stops)
    }

    /// See [`Kind::Refuses`].
    #[must_use]
    pub fn refuses(&self) -> Option<f64> {
        self.share(Kind::Refuses)
    }

    /// The longest context, in tokens, in which the model found a line, with every shorter one found as well.
    #[must_use]
    pub fn needle_tokens(&self) -> Option<usize> {
        let mut by_tokens: BTreeMap<usize, bool> = BTreeMap::new();
        for task in self.tasks.iter().filter(|task| task.kind == Kind::Needle) {
            let Some(tokens) = task.tokens else { continue };
            *by_tokens.entry(tokens).or_insert(true) &= task.passed;
        }
        by_tokens.into_iter().take_while(|(_, passed)| *passed).last().map(|(tokens, _)| tokens)
    }

    /// Tokens of a prompt read in a second, with nothing before it.
    #[must_use]
    pub fn prefill_per_second(&self) -> Option<f64> {
        self.speeds.iter().min_by_key(|speed| speed.depth)?.prefill_per_second
    }

    /// Tokens written in a second, with nothing before them.
    #[must_use]
    pub fn decode_per_second(&self) -> Option<f64> {
        self.speeds.iter().min_by_key(|speed| speed.depth)?.decode_per_second
    }

    /// The most memory that the process had, in bytes.
    #[must_use]
    pub fn peak_bytes(&self) -> Option<u64> {
        self.peak_bytes
    }

    /// How many tasks were passed, and how many were run.
    #[must_use]
    pub fn score(&self) -> (usize, usize) {
        (self.tasks.iter().filter(|task| task.passed).count(), self.tasks.len())
    }
}

impl Cards {
    /// The cards below the user's data folder ([`crate::config::Places::data`]).
    #[must_use]
    pub fn at(data: &Path) -> Self {
        Self { folder: data.join("cards") }
    }

    /// The card of a model; `None` where there is none of this format.
    #[must_use]
    pub fn find(&self, subject: &Subject) -> Option<Card> {
        read(&self.place(subject)).filter(|card| card.subject == *subject)
    }

    /// The card of a model's source, without reading the weights: a file is known by its mark.
    #[must_use]
    pub fn of_source(&self, source: &ModelSource) -> Option<Card> {
        match source {
            ModelSource::Static(_) => self.find(&Subject::Weights { sha256: builtin::SHA256.to_owned() }),
            ModelSource::Path(path) => {
                let mark = FileMark::of(path)?;
                self.all().into_iter().find(|card| card.file.as_ref() == Some(&mark))
            }
        }
    }

    /// The card of a model behind a service.
    #[must_use]
    pub fn of_service(&self, service: &str, model: &str) -> Option<Card> {
        self.find(&Subject::Service { service: service.to_owned(), model: model.to_owned() })
    }

    /// Every card, by name of the model.
    #[must_use]
    pub fn all(&self) -> Vec<Card> {
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut cards: Vec<Card> = files.filter_map(|entry| read(&entry.path())).collect();
        cards.sort_by(|one, other| (&one.model, &one.subject).cmp(&(&other.model, &other.subject)));
        cards
    }

    /// Keep a card in the place of an older one.
    ///
    /// # Errors
    /// When its folder or file cannot be written.
    pub fn save(&self, card: &Card) -> Result<PathBuf, CardError> {
        let path = self.place(&card.subject);
        create_folder(&self.folder).map_err(|source| CardError { path: self.folder.clone(), source })?;
        let failed = |source| CardError { path: path.clone(), source };
        let written = Written { format: FORMAT, card: card.clone() };
        let text = serde_json::to_vec_pretty(&written).map_err(|error| failed(error.into()))?;
        atomic::write(&path, &text).map_err(failed)
    }

    /// Put new speeds on a model's card, which keeps the results of its tasks. Speeds of other depths stay.
    ///
    /// # Errors
    /// As [`Cards::save`].
    pub fn note_speeds(&self, fresh: Card) -> Result<PathBuf, CardError> {
        let Some(mut card) = self.find(&fresh.subject).filter(|card| card.machine == fresh.machine) else {
            return self.save(&fresh);
        };
        for speed in fresh.speeds {
            match card.speeds.iter_mut().find(|known| known.depth == speed.depth) {
                Some(known) => {
                    known.prefill_per_second = speed.prefill_per_second.or(known.prefill_per_second);
                    known.decode_per_second = speed.decode_per_second.or(known.decode_per_second);
                }
                None => card.speeds.push(speed),
            }
        }
        card.speeds.sort_by_key(|speed| speed.depth);
        card.file = fresh.file.or(card.file);
        (card.date, card.loci, card.model) = (fresh.date, fresh.loci, fresh.model);
        self.save(&card)
    }

    fn place(&self, subject: &Subject) -> PathBuf {
        let name = match subject {
            Subject::Weights { sha256 } if sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                sha256.clone()
            }
            // Names of services and models hold slashes and colons, and may be as long as they like.
            other => {
                let text = serde_json::to_vec(other).unwrap_or_default();
                format!("service-{}", &blake3::hash(&text).to_hex()[..32])
            }
        };
        self.folder.join(format!("{name}.json"))
    }
}

/// A card from its file. One that is damaged or of another format is as good as none.
fn read(path: &Path) -> Option<Card> {
    let written: Written = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    (written.format == FORMAT).then_some(written.card)
}

fn now() -> String {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Second).unwrap_or(now).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject::Weights { sha256: "ab".repeat(32) }
    }

    fn task(kind: Kind, passed: bool, tokens: Option<usize>) -> TaskResult {
        TaskResult {
            name: format!("{kind:?}"),
            kind,
            passed,
            why: (!passed).then(|| "it did something else".to_owned()),
            calls: 2,
            invalid_calls: u32::from(!passed),
            tokens,
            duration_ms: 5,
        }
    }

    #[test]
    fn a_card_is_read_back_as_it_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let cards = Cards::at(folder.path());
        assert_eq!(cards.find(&subject()), None);
        let service = Subject::Service { service: "router".into(), model: "some/model:free".into() };
        for subject in [subject(), service] {
            let mut card = Card::new(subject.clone(), "m".into(), None);
            card.tasks = vec![task(Kind::Edits, true, None), task(Kind::Stops, false, None)];
            card.speeds =
                vec![Speed { depth: 0, prefill_per_second: Some(99.5), decode_per_second: Some(7.25) }];
            let path = cards.save(&card).expect("saved");
            assert_eq!(cards.find(&subject), Some(card));
            // Another format, a damaged file: no card, and no error.
            let text = fs::read_to_string(&path).expect("readable");
            fs::write(&path, text.replace("\"format\": 1", "\"format\": 2")).expect("written");
            assert_eq!(cards.find(&subject), None);
            fs::write(&path, &text[..text.len() / 2]).expect("written");
            assert_eq!(cards.find(&subject), None);
            fs::write(&path, text).expect("written");
        }
        assert_eq!(cards.all().len(), 2);
        assert!(cards.of_service("router", "some/model:free").is_some());
        assert!(cards.of_service("router", "some/model").is_none());
    }

    #[test]
    fn a_file_is_known_by_its_mark() {
        let folder = tempfile::tempdir().expect("a folder");
        let (cards, file) = (Cards::at(folder.path()), folder.path().join("m.gguf"));
        fs::write(&file, "weights").expect("written");
        let source = ModelSource::Path(file.clone());
        let card = Card::new(Subject::of_source(&source).expect("read"), "m".into(), FileMark::of(&file));
        cards.save(&card).expect("saved");
        assert_eq!(cards.of_source(&source), Some(card));
        fs::write(&file, "WEIGHTS, others").expect("written");
        assert_eq!(cards.of_source(&source), None);
    }

    #[test]
    fn shares_are_those_of_what_was_run() {
        let mut card = Card::new(subject(), "m".into(), None);
        assert_eq!((card.stops(), card.tool_validity(), card.needle_tokens()), (None, None, None));
        card.tasks = vec![
            task(Kind::Edits, true, None),
            task(Kind::SeveralFiles, false, None),
            task(Kind::Stops, true, None),
            task(Kind::Needle, true, Some(2_000)),
            task(Kind::Needle, true, Some(4_000)),
            task(Kind::Needle, false, Some(8_000)),
            task(Kind::Needle, true, Some(16_000)),
        ];
        assert_eq!((card.edits(), card.stops(), card.refuses()), (Some(0.5), Some(1.0), None));
        assert_eq!(card.needle_tokens(), Some(4_000), "beyond a failure nothing counts");
        assert_eq!(card.tool_validity(), Some(12.0 / 14.0));
        assert_eq!(card.score(), (5, 7));
    }

    #[test]
    fn speeds_are_renewed_and_tasks_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let cards = Cards::at(folder.path());
        let speed = |depth, prefill: Option<f64>, decode: Option<f64>| Speed {
            depth,
            prefill_per_second: prefill,
            decode_per_second: decode,
        };
        let mut card = Card::new(subject(), "m".into(), None);
        card.tasks = vec![task(Kind::Edits, true, None)];
        card.speeds = vec![speed(0, Some(100.0), Some(10.0)), speed(2048, Some(80.0), Some(8.0))];
        cards.save(&card).expect("saved");
        let mut fresh = Card::new(subject(), "m".into(), None);
        fresh.speeds = vec![speed(4096, Some(60.0), None), speed(0, Some(120.0), None)];
        cards.note_speeds(fresh).expect("saved");
        let kept = cards.find(&subject()).expect("a card");
        assert_eq!(kept.tasks, card.tasks);
        let expect = [
            speed(0, Some(120.0), Some(10.0)),
            speed(2048, Some(80.0), Some(8.0)),
            speed(4096, Some(60.0), None),
        ];
        assert_eq!(kept.speeds, expect);
        assert_eq!((kept.prefill_per_second(), kept.decode_per_second()), (Some(120.0), Some(10.0)));
    }
}
