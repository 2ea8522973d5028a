//! Owns which tests fail as far as is known, with the newest message of each.
//! Uses what the outputs of commands report.
//! Never shows an older message of a test beside a newer one, and never calls a test passed that was not seen to pass.

use std::collections::{HashMap, HashSet};

use super::super::{Line, Section};
use super::calls::clip;
use crate::context::failures::{FailureKind, Report, Tally, TestFailure, normal_name, same_test};

/// Tests that are kept.
const MOST: usize = 300;
/// Failing tests that must not be lost.
const CERTAIN: usize = 40;
/// Tests that passed again whose failure is still worth its tokens.
const FIXED: usize = 12;
/// Bytes of a name as it is shown.
const NAME: usize = 200;

/// What is known of a test since it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Since {
    /// It was seen to pass.
    Passed(usize),
    /// Its command ran again and did not name it.
    Unnamed(usize),
    /// Nothing ran that could have told.
    Failing,
}

#[derive(Debug, Clone)]
struct Failing {
    name: String,
    /// The full name, normalized.
    normal: String,
    message: String,
    line: String,
    place: Option<String>,
    kind: FailureKind,
    command: String,
    at: usize,
    since: Since,
    /// Files that were changed since the failure before, in vain.
    in_vain: Vec<String>,
}

/// Tests that failed.
#[derive(Debug, Clone, Default)]
pub(super) struct Failures {
    /// Oldest first.
    known: Vec<Failing>,
    dropped: usize,
}

/// A run of tests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) command: &'a str,
    pub(super) report: &'a Report,
    /// Whether the runner ended well and its command says so: nothing failed.
    pub(super) clean: bool,
    /// Whether the command ended well.
    pub(super) succeeded: bool,
    pub(super) at: usize,
}

impl Failures {
    /// Take in a run. `changed_since` names files changed after an entry.
    pub(super) fn add(&mut self, run: Run, changed_since: &dyn Fn(usize) -> Vec<String>) {
        let family = family(run.command);
        let tally = run.report.tally;
        let healthy = tally.is_some_and(|tally| tally.failed == 0 && tally.passed > 0) || run.clean;
        // Errors of a compiler are all told in every run, and none is left where its program did its work.
        let built = run.succeeded || tally.is_some_and(|tally| tally.passed > 0);
        self.known.retain(|known| {
            let gone =
                related(&known.command, &family) || built && program(&known.command) == program(&family);
            !(known.kind == FailureKind::Error && gone)
        });
        let failing: HashSet<String> =
            run.report.failures.iter().map(|failure| normal_name(&failure.full_name)).collect();
        let passed: HashSet<&str> = run.report.passed.iter().map(String::as_str).collect();
        let by_last_word = |names: &mut dyn Iterator<Item = &str>| {
            let mut map: HashMap<String, Vec<String>> = HashMap::new();
            for name in names {
                map.entry(last_word(name).to_owned()).or_default().push(name.to_owned());
            }
            map
        };
        let failing = by_last_word(&mut failing.iter().map(String::as_str));
        let listed = by_last_word(&mut passed.iter().copied());
        let among = |map: &HashMap<String, Vec<String>>, name: &str| {
            map.get(last_word(name)).is_some_and(|names| names.iter().any(|other| same_test(other, name)))
        };
        for known in self.known.iter_mut().filter(|known| known.kind == FailureKind::Test) {
            if among(&failing, &known.normal) {
                continue;
            }
            if among(&listed, &known.normal) || known.file_in(&passed) || healthy && covers(&family, known) {
                known.since = Since::Passed(run.at);
            } else if known.command == family
                && !matches!(known.since, Since::Passed(_))
                && ran_tests(run.report)
            {
                known.since = Since::Unnamed(run.at);
            }
        }
        for failure in &run.report.failures {
            self.add_failure(failure, &family, run.at, changed_since);
        }
        if self.known.len() > MOST + MOST / 4 {
            // Passed ones go first, then the oldest.
            let mut order: Vec<usize> = (0..self.known.len()).collect();
            order.sort_by_key(|index| {
                let known = &self.known[*index];
                (!matches!(known.since, Since::Passed(_)), known.at)
            });
            let mut drop: Vec<bool> = vec![false; self.known.len()];
            for index in &order[..self.known.len() - MOST] {
                drop[*index] = true;
            }
            self.dropped += drop.iter().filter(|drop| **drop).count();
            let mut index = 0;
            self.known.retain(|_| {
                index += 1;
                !drop[index - 1]
            });
        }
    }

    fn add_failure(
        &mut self,
        failure: &TestFailure,
        family: &str,
        at: usize,
        changed_since: &dyn Fn(usize) -> Vec<String>,
    ) {
        let normal = normal_name(&failure.full_name);
        let mut in_vain = Vec::new();
        if failure.kind == FailureKind::Test {
            // The same name in full, else the only one that ends so.
            let is_same =
                |known: &Failing| known.kind == FailureKind::Test && same_test(&known.normal, &normal);
            let exact =
                self.known.iter().position(|known| known.kind == FailureKind::Test && known.normal == normal);
            let mut similar =
                self.known.iter().enumerate().filter(|(_, known)| is_same(known) && known.at < at);
            let found = exact.or_else(|| {
                let first = similar.next().map(|(index, _)| index);
                first.filter(|_| similar.next().is_none())
            });
            if let Some(found) = found {
                let old = self.known.remove(found);
                if !matches!(old.since, Since::Passed(_)) && old.at < at {
                    in_vain = changed_since(old.at);
                    if in_vain.is_empty() {
                        in_vain = old.in_vain.clone();
                    }
                }
                if failure.message.is_empty() && old.at == at {
                    self.known.push(old);
                    return;
                }
            }
        }
        self.known.push(Failing {
            name: clip(&failure.name, NAME),
            normal,
            message: failure.message.clone(),
            line: failure.line.clone(),
            place: failure.place.clone(),
            kind: failure.kind,
            command: family.to_owned(),
            at,
            since: Since::Failing,
            in_vain,
        });
    }

    pub(super) fn lines(&self, root: &str, lines: &mut Vec<Line>) {
        let mut failing = 0;
        let mut errors = 0;
        let mut passed = 0;
        for known in self.known.iter().rev() {
            let is_error = known.kind == FailureKind::Error;
            let weight = match known.since {
                Since::Failing if is_error => {
                    errors += 1;
                    if errors <= 8 { 1.0 } else { 0.6 }
                }
                Since::Failing => {
                    failing += 1;
                    if failing <= CERTAIN { 1.1 } else { 0.8 }
                }
                // What is not known to fail now gives way to what the user directed; recall finds it by the test's name.
                Since::Unnamed(_) => 0.45,
                Since::Passed(_) => {
                    passed += 1;
                    if passed <= FIXED { 0.3 } else { 0.15 }
                }
            };
            let mark = match known.since {
                Since::Failing => format!("[r{}]", known.at),
                Since::Unnamed(newer) => format!("[as of r{}; not in the newest run, r{newer}]", known.at),
                Since::Passed(newer) => format!("[as of r{}; passed in r{newer}]", known.at),
            };
            let text = format!("{} {mark}", known.told(root));
            lines.push(Line { section: Section::Failures, text, weight, at: known.at });
            if !known.in_vain.is_empty() && !matches!(known.since, Since::Passed(_)) {
                let text = format!(
                    "changed {}; {} still failed [r{}]",
                    known.in_vain.join(", "),
                    known.name,
                    known.at
                );
                lines.push(Line { section: Section::Tried, text, weight: 0.5, at: known.at });
            }
        }
        if self.dropped > 0 {
            let text = format!("{} older ones, not listed here", self.dropped);
            lines.push(Line { section: Section::Failures, text, weight: 0.2, at: 0 });
        }
    }
}

impl Failing {
    /// `name — path:line: message`, the place only where the message does not have it.
    fn told(&self, root: &str) -> String {
        let place = self.place.as_deref().map(|place| place.strip_prefix(root).unwrap_or(place));
        let place = place.map(|place| place.trim_start_matches('/')).filter(|place| {
            let path = place.rsplit_once(':').map_or(*place, |(path, _)| path);
            !self.message.contains(path)
        });
        let message = match (place, self.message.as_str()) {
            (Some(place), "") => place.to_owned(),
            (Some(place), message) => format!("{place}: {message}"),
            (None, "") => "failed".to_owned(),
            (None, message) => message.to_owned(),
        };
        // As long as it fails, in the words in which the runner says so.
        let named = self.since == Since::Failing
            && self.line.len() <= NAME
            && normal_name(&self.line).contains(last_word(&normal_name(&self.name)));
        match (self.kind, named) {
            (FailureKind::Error, _) => message,
            (FailureKind::Test, true) if self.line.contains(&message) => self.line.clone(),
            (FailureKind::Test, true) => format!("{} — {message}", self.line),
            (FailureKind::Test, false) => format!("{} — {message}", self.name),
        }
    }

    /// Whether the file, class or package of the test is listed as passed as a whole.
    fn file_in(&self, passed: &HashSet<&str>) -> bool {
        let Some(place) = &self.place else { return false };
        let file = normal_name(place.rsplit_once(':').map_or(place.as_str(), |(file, _)| file));
        passed.contains(file.as_str())
    }
}

fn ran_tests(report: &Report) -> bool {
    report.tally.is_some_and(|Tally { passed, failed, .. }| passed + failed > 0)
        || !report.passed.is_empty()
        || report.failures.iter().any(|failure| failure.kind == FailureKind::Test)
}

/// A command without what only shortens its output.
pub(super) fn family(command: &str) -> String {
    let mut words: Vec<&str> = command.split_whitespace().collect();
    if let Some(pipe) = words.iter().position(|word| *word == "|") {
        let shortens = words.get(pipe + 1).is_some_and(|word| {
            matches!(*word, "tail" | "head" | "grep" | "cat" | "less" | "tee" | "sed" | "awk" | "rg")
        });
        if shortens {
            words.truncate(pipe);
        }
    }
    words.retain(|word| !matches!(*word, "2>&1" | "2>/dev/null"));
    words.join(" ")
}

fn last_word(name: &str) -> &str {
    name.rsplit(' ').next().unwrap_or(name)
}

/// The program of a command, without a change of folder before it.
pub(super) fn program(command: &str) -> &str {
    without_folder(command).split(' ').next().unwrap_or(command)
}

/// A command without `cd somewhere &&` before it.
pub(super) fn without_folder(command: &str) -> &str {
    let mut command = command;
    while let Some((_, rest)) = command.strip_prefix("cd ").and_then(|rest| rest.split_once("&& ")) {
        command = rest.trim_start();
    }
    command
}

fn related(one: &str, two: &str) -> bool {
    one == two || one.starts_with(&format!("{two} ")) || two.starts_with(&format!("{one} "))
}

/// Whether a run of `family` in which nothing failed ran this test: the same command, one that runs more, or one that was
/// narrowed to it.
fn covers(family: &str, known: &Failing) -> bool {
    if known.command == family || known.command.starts_with(&format!("{family} ")) {
        return true;
    }
    let Some(narrowed) = family.strip_prefix(&format!("{} ", known.command)) else { return false };
    narrowed.split(' ').filter(|word| word.len() > 3 && !word.starts_with('-')).any(|word| {
        let word = normal_name(word.trim_matches(['\'', '"']));
        !word.is_empty() && format!(" {} ", known.normal).contains(&format!(" {word} "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families() {
        let check = |command: &str, expect: &str| assert_eq!(family(command), expect);
        check("cargo test", "cargo test");
        check("cargo test 2>&1 | tail -20", "cargo test");
        check("cargo test | sort", "cargo test | sort");
        check("", "");
        assert_eq!(program("cd a/b && cargo test"), "cargo");
        assert_eq!(without_folder("cd a && cd b && cat x.log"), "cat x.log");
        assert_eq!(without_folder("cd a"), "cd a");
    }
}
