//! Owns what was done: files, commands, failing tests, tasks, what was tried in vain.
//! Uses outcomes, intents and what outputs report of tests; of long ones the file that holds them whole.
//! Never takes a claim for an effect: what changed comes from outcomes.

mod calls;
mod commands;
mod failing;
mod files;
mod shell;
#[cfg(test)]
mod tests;
mod tried;

use std::collections::VecDeque;

use serde_json::Value;

use self::calls::{Call, Sort, plain_path};
use self::commands::{Commands, Ended};
use self::failing::{Failures, Run};
use self::files::{Effect, Files};
use self::shell::Touch;
use self::tried::Tried;
use super::{Line, Section};
use crate::context::failures::{self, FailureKind};
use crate::context::texts::{WHOLE_BYTES, read_whole};
use crate::session::log::{LoggedOutcome, Record};
use crate::tools::Todo;

/// Calls whose outcomes are awaited; a turn has fewer.
const PENDING: usize = 256;
/// Tasks that are kept, and finished ones that are shown.
const TASKS: usize = 300;
const FINISHED: usize = 20;
/// Bytes of a diff or a patch that are looked at for what became of files.
const DIFF: usize = 4 << 20;
/// Files named beside a test that failed all the same.
const IN_VAIN: usize = 4;

/// The state of things.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pending: VecDeque<(String, Call)>,
    root: String,
    files: Files,
    commands: Commands,
    failures: Failures,
    tried: Tried,
    todos: (Vec<Todo>, usize),
}

impl State {
    pub(super) fn absorb(&mut self, at: usize, record: &Record) {
        match record {
            Record::Header { cwd, .. } => self.root = format!("{}/", cwd.trim_end_matches('/')),
            Record::Assistant { calls, .. } => {
                for call in calls {
                    self.await_outcome(
                        &call.id,
                        Call::of(&call.name, &Value::Object(call.arguments.clone())),
                    );
                }
            }
            // The checked arguments are the better ones.
            Record::Intent { call_id, tool, input, .. } => self.await_outcome(call_id, Call::of(tool, input)),
            Record::Outcome(outcome) => self.outcome(at, outcome),
            Record::Todos { items } => {
                self.todos = (items.iter().take(TASKS).cloned().collect(), at);
            }
            Record::Undone { paths } => {
                for path in paths {
                    self.take_back(path, at);
                }
            }
            _ => {}
        }
    }

    pub(super) fn lines(&self, _before: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        self.files.lines(&mut lines);
        self.commands.lines(&mut lines);
        self.failures.lines(&self.root, &mut lines);
        self.tried.lines(&mut lines);
        self.tasks(&mut lines);
        lines
    }

    fn tasks(&self, lines: &mut Vec<Line>) {
        let (todos, at) = &self.todos;
        for todo in todos.iter().filter(|todo| !todo.done) {
            let text = format!("open: {}", todo.text);
            lines.push(Line { section: Section::Tasks, text, weight: 1.0, at: *at });
        }
        let finished: Vec<&Todo> = todos.iter().filter(|todo| todo.done).collect();
        let from = finished.len().saturating_sub(FINISHED);
        for todo in &finished[from..] {
            lines.push(Line {
                section: Section::Tasks,
                text: format!("done: {}", todo.text),
                weight: 0.3,
                at: *at,
            });
        }
        if from > 0 {
            let text = format!("done: {from} more");
            lines.push(Line { section: Section::Tasks, text, weight: 0.2, at: *at });
        }
    }

    fn await_outcome(&mut self, call_id: &str, call: Call) {
        self.pending.retain(|(known, _)| known != call_id);
        self.pending.push_back((call_id.to_owned(), call));
        if self.pending.len() > PENDING {
            self.pending.pop_front();
        }
    }

    fn take_back(&mut self, path: &str, at: usize) {
        let path = self.relative(path);
        let changed = self.files.take_back(&path, at);
        self.tried.taken_back(&path, changed, at);
    }

    /// A path as it is named in the project.
    fn relative(&self, path: &str) -> String {
        let inside = if self.root.len() > 1 { path.strip_prefix(&self.root).unwrap_or(path) } else { path };
        plain_path(inside)
    }

    fn outcome(&mut self, at: usize, outcome: &LoggedOutcome) {
        let found = self.pending.iter().position(|(id, _)| *id == outcome.call_id);
        let call = match found.and_then(|found| self.pending.remove(found)) {
            Some((_, call)) => call,
            None => Call::of(&outcome.tool, &Value::Null),
        };
        let sort = call.sort();
        if sort == Sort::Undo {
            for path in &outcome.changed {
                self.take_back(path, at);
            }
            return;
        }
        let taken_in = self.changes(at, outcome, &call, sort);
        match sort {
            Sort::Command => self.command(at, outcome, &call),
            Sort::Read if outcome.ok => {
                for path in &call.paths {
                    let path = self.relative(path);
                    let range =
                        numbered(&outcome.text).or(call.range.map(|(from, to)| (from, to.unwrap_or(from))));
                    // The whole file, unless lines were asked for.
                    let range =
                        if call.range.is_none() && starts_whole(&outcome.text) { None } else { range };
                    self.files.read(&path, range, at);
                }
            }
            _ => {}
        }
        if sort == Sort::Command {
            let refused = !outcome.ok
                && ["denied", "refused"].iter().any(|word| {
                    outcome.summary.starts_with(word)
                        || outcome.text.starts_with(&format!("failed: {word}"))
                        || outcome.text.starts_with(word)
                });
            if refused {
                self.tried.failed(&call.shown(), &outcome.text, at);
            }
        } else if outcome.ok || taken_in {
            self.tried.done(&call.shown(), at);
        } else {
            self.tried.failed(&call.shown(), &outcome.text, at);
        }
    }

    /// What the outcome changed. Says whether it changed anything.
    fn changes(&mut self, at: usize, outcome: &LoggedOutcome, call: &Call, sort: Sort) -> bool {
        let diff = outcome.diff.as_deref().unwrap_or(if sort == Sort::Change { &outcome.text } else { "" });
        let effects = effects(&diff[..diff.floor_char_boundary(DIFF)]);
        let mut paths: Vec<String> = outcome.changed.iter().map(|path| self.relative(path)).collect();
        if paths.is_empty() && sort == Sort::Change && outcome.ok {
            paths.extend(call.paths.iter().map(|path| self.relative(path)));
            if paths.is_empty() {
                paths.extend(effects.iter().map(|(path, _)| self.relative(path)));
            }
        }
        let removes = ["delete", "remove"].iter().any(|word| call.tool.contains(word));
        for path in &paths {
            let found = effects.binary_search_by(|(known, _)| known.as_str().cmp(path)).ok();
            let effect = match found {
                Some(found) => effects[found].1,
                None if removes => Effect::Removed,
                None if call.tool.contains("create") => Effect::Created,
                None => Effect::Changed,
            };
            self.files.change(path, effect, at);
        }
        !paths.is_empty()
    }

    fn command(&mut self, at: usize, outcome: &LoggedOutcome, call: &Call) {
        let Some(command) = &call.command else { return };
        let ended = commands::ended(&outcome.text);
        // A refused call did not run, and a look into the history is no run.
        if !outcome.ok
            && ended == Ended::Unknown
            && (outcome.text.starts_with("failed: ") || outcome.text.starts_with("denied"))
        {
            return;
        }
        if outcome.ok && matches!(ended, Ended::Code(0) | Ended::Unknown) && outcome.changed.is_empty() {
            for touch in shell::touched(command) {
                match touch {
                    Touch::Change(path, effect) => self.files.change(&self.relative(&path), effect, at),
                    // Only what this session changed is news.
                    Touch::Restore(path) if self.files.has_changed(&self.relative(&path)) => {
                        let path = self.relative(&path);
                        self.files.restore(&path, at);
                        self.tried.taken_back(&path, None, at);
                    }
                    Touch::Restore(_) => {}
                }
            }
        }
        let looks = ["git ", "grep ", "rg ", "cat ", "head ", "tail ", "sed ", "ls ", "find ", "less "]
            .iter()
            .any(|start| failing::without_folder(command).starts_with(start));
        // Of a long output the model reads both ends; what failed may stand between them.
        let whole =
            outcome.whole.as_deref().filter(|_| !looks).and_then(|path| read_whole(path, WHOLE_BYTES).ok());
        let report = match &whole {
            _ if looks => failures::Report::default(),
            Some(whole) => failures::report(whole),
            None => failures::report(&outcome.text),
        };
        let is_test = report.tally.is_some()
            || report.failures.iter().any(|failure| failure.kind == FailureKind::Test)
            || !looks && commands::runs_tests(command);
        self.commands.add(command, ended, is_test, &report, &outcome.text, at);
        if looks {
            return;
        }
        let honest = !command.contains(['|', ';']) && !command.contains("||");
        let clean = is_test && ended == Ended::Code(0) && honest && report.failures.is_empty();
        let files = &self.files;
        let succeeded = honest && ended == Ended::Code(0);
        self.failures.add(Run { command, report: &report, clean, succeeded, at }, &|after| {
            files.changed_since(after, IN_VAIN)
        });
    }
}

/// What makes two calls ask the same, so that the later result supersedes the older one; nothing for calls that change
/// things. Paths without `./`, commands with single blanks.
#[must_use]
pub fn key(tool: &str, input: &Value) -> Option<String> {
    Call::of(tool, input).key()
}

/// What became of each path, by a unified diff, a git diff or a patch of `*** Update File:` lines; sorted by path.
fn effects(diff: &str) -> Vec<(String, Effect)> {
    let mut found: Vec<(String, Effect)> = Vec::new();
    let mut old: Option<&str> = None;
    let path = |name: &str| {
        let name = name.split('\t').next().unwrap_or(name).trim_end().trim_matches('"');
        let name = name.strip_prefix("a/").or_else(|| name.strip_prefix("b/")).unwrap_or(name);
        plain_path(name)
    };
    for line in diff.lines() {
        if let Some(name) = line.strip_prefix("--- ") {
            old = Some(name);
        } else if let (Some(name), Some(before)) = (line.strip_prefix("+++ "), old.take()) {
            match (before.trim_end() == "/dev/null", name.trim_end() == "/dev/null") {
                (true, false) => found.push((path(name), Effect::Created)),
                (false, true) => found.push((path(before), Effect::Removed)),
                (false, false) => found.push((path(name), Effect::Changed)),
                (true, true) => {}
            }
        } else if let Some(rest) = line.strip_prefix("*** ") {
            let marks = [
                ("Add File: ", Effect::Created),
                ("Update File: ", Effect::Changed),
                ("Delete File: ", Effect::Removed),
            ];
            if let Some((name, effect)) =
                marks.iter().find_map(|(mark, effect)| Some((rest.strip_prefix(mark)?, *effect)))
            {
                found.push((path(name), effect));
            }
        }
    }
    found.sort();
    found.dedup_by(|one, two| one.0 == two.0);
    found
}

/// The first and the last line number of numbered lines.
fn numbered(text: &str) -> Option<(usize, usize)> {
    let number = |line: &str| {
        let line = line.trim_start();
        let digits = line.find(|character: char| !character.is_ascii_digit())?;
        let parted = line[digits..].starts_with(['\t', ':', '|', '→']) || line[digits..].starts_with(" |");
        if parted { line[..digits].parse::<usize>().ok() } else { None }
    };
    let first = text.lines().take(3).find_map(number)?;
    let last = text.lines().rev().take(5).find_map(number)?;
    (first <= last).then_some((first, last))
}

/// Whether a result shows a file from its first line to its last, as far as can be seen.
fn starts_whole(text: &str) -> bool {
    let cut = text.lines().rev().take(3).any(|line| line.contains("lines shown; continue"));
    !cut && numbered(text).is_none_or(|(first, _)| first <= 1)
}
