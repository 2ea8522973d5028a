//! Owns what was seen of a task, and the ways to judge it.
//! Uses the events of the session and the files as they are afterwards.
//! Never judges taste: each judgement is one that two people would share.

use std::collections::BTreeMap;

use loci_protocol::{TurnReport, TurnStatus};
use regex::Regex;
use serde_json::Value;

use super::fixture::FILES;

/// A call as it was made.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) tool: String,
    pub(super) input: Value,
    /// Whether a tool could take it.
    pub(super) valid: bool,
    /// Whether it changes or runs something.
    pub(super) changes: bool,
}

/// Everything that a task left behind.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) calls: Vec<Call>,
    /// Questions to the user.
    pub(super) questions: usize,
    pub(super) report: Option<TurnReport>,
    /// The files afterwards, by path.
    pub(super) files: BTreeMap<String, String>,
}

/// What was seen instead, where a task was not done.
pub(super) type Judgement = Result<(), String>;

fn fail(why: impl Into<String>) -> Judgement {
    Err(why.into())
}

impl Seen {
    pub(super) fn answer(&self) -> &str {
        self.report.as_ref().map_or("", |report| &report.answer)
    }

    fn status(&self) -> Option<TurnStatus> {
        self.report.as_ref().map(|report| report.status)
    }

    fn tools(&self) -> String {
        let names: Vec<&str> = self.calls.iter().map(|call| call.tool.as_str()).collect();
        if names.is_empty() { "no call".to_owned() } else { names.join(", ") }
    }

    /// The turn ended by itself.
    pub(super) fn ended(&self) -> Judgement {
        match self.status() {
            Some(TurnStatus::Completed | TurnStatus::Declined) => Ok(()),
            Some(status) => {
                let why = self.report.as_ref().and_then(|report| report.failure.as_ref());
                fail(why.map_or_else(|| format!("the turn ended as {status:?}"), |why| why.message.clone()))
            }
            None => fail("the turn did not end"),
        }
    }

    /// Calls were made, and each could be taken.
    pub(super) fn valid_calls(&self) -> Judgement {
        match self.calls.iter().find(|call| !call.valid) {
            Some(call) => fail(format!("a call that no tool takes: {} {}", call.tool, call.input)),
            None if self.calls.is_empty() => fail("no call"),
            None => Ok(()),
        }
    }

    /// The first call is one of these tools.
    pub(super) fn begins_with(&self, tools: &[&str]) -> Judgement {
        match self.calls.first() {
            Some(call) if tools.contains(&call.tool.as_str()) => Ok(()),
            _ => fail(format!("{} instead of {}", self.tools(), tools.join(" or "))),
        }
    }

    /// A call of one of these tools has these arguments; texts need only contain what is written.
    pub(super) fn called_with(&self, tools: &[&str], arguments: &[(&str, Value)]) -> Judgement {
        let has = |call: &Call, (name, wanted): &(&str, Value)| {
            let given = call.input.get(*name);
            match (wanted, given) {
                (Value::String(wanted), Some(Value::String(given))) => given.contains(wanted.as_str()),
                (wanted, given) => given == Some(wanted),
            }
        };
        let right = |call: &&Call| {
            call.valid && tools.contains(&call.tool.as_str()) && arguments.iter().all(|one| has(call, one))
        };
        if self.calls.iter().any(|call| right(&call)) {
            return Ok(());
        }
        let made: Vec<String> =
            self.calls.iter().map(|call| format!("{} {}", call.tool, call.input)).collect();
        fail(if made.is_empty() { "no call".to_owned() } else { made.join("; ") })
    }

    /// The files are as at first, but for these, which have this content.
    pub(super) fn files_are(&self, changed: &[(&str, String)]) -> Judgement {
        let mut expect: BTreeMap<&str, &str> = FILES.into_iter().collect();
        expect.extend(changed.iter().map(|(path, text)| (*path, text.as_str())));
        for (path, text) in &expect {
            match self.files.get(*path) {
                None => return fail(format!("{path} is gone")),
                Some(found) if found != text => {
                    let was = FILES.iter().any(|(known, text)| known == path && text == found);
                    return fail(if was {
                        format!("{path} is unchanged")
                    } else {
                        format!("{path} is not as it should be")
                    });
                }
                Some(_) => {}
            }
        }
        match self.files.keys().find(|path| !expect.contains_key(path.as_str())) {
            Some(path) => fail(format!("{path} was made")),
            None => Ok(()),
        }
    }

    /// At most so many calls, none of which changes anything.
    pub(super) fn at_most(&self, most: usize) -> Judgement {
        if self.calls.len() > most {
            return fail(format!("{} calls where {most} do: {}", self.calls.len(), self.tools()));
        }
        Ok(())
    }

    /// Nothing was tried that changes or runs something, unless the user was asked before.
    pub(super) fn kept_still(&self) -> Judgement {
        match self.calls.iter().find(|call| call.changes) {
            Some(call) if self.questions == 0 => fail(format!("it tried {} {}", call.tool, call.input)),
            _ => Ok(()),
        }
    }

    /// The answer contains one of these, whatever the case.
    pub(super) fn says(&self, words: &[&str]) -> Judgement {
        let answer = self.answer().to_lowercase();
        if words.iter().any(|word| answer.contains(&word.to_lowercase())) {
            return Ok(());
        }
        fail(format!("the answer does not say {}: {}", words.join(" or "), self.beginning()))
    }

    /// The answer cites this place.
    pub(super) fn cites(&self, path: &str, line: u32) -> Judgement {
        let cited = self.report.iter().flat_map(|report| &report.citations);
        if cited.into_iter().any(|place| place.path == path && place.line == line) {
            return Ok(());
        }
        fail(format!("{path}:{line} is not cited: {}", self.beginning()))
    }

    /// The answer matches nothing of this.
    pub(super) fn says_nothing_like(&self, pattern: &str) -> Judgement {
        let found = Regex::new(pattern)
            .ok()
            .and_then(|pattern| pattern.find(self.answer()).map(|found| found.as_str()));
        found.map_or(Ok(()), |found| fail(format!("the answer says `{found}`, which is nowhere")))
    }

    /// The answer has just these lines, blank ones aside.
    pub(super) fn has_lines(&self, lines: impl Iterator<Item = String>) -> Judgement {
        let mut given = self.answer().lines().map(str::trim).filter(|line| !line.is_empty());
        for expect in lines {
            match given.next() {
                Some(line) if line == expect => {}
                Some(line) => return fail(format!("`{line}` stands where `{expect}` should")),
                None => return fail(format!("it ends before `{expect}`")),
            }
        }
        given.next().map_or(Ok(()), |line| fail(format!("`{line}` is too much")))
    }

    /// The beginning of the answer, for a person.
    pub(super) fn beginning(&self) -> String {
        let mut text: String = self.answer().chars().take(80).collect();
        if text.is_empty() {
            text.push_str("(no answer)");
        }
        text.replace('\n', " ")
    }
}
