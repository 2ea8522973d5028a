//! Owns which commands ran, how the newest run of each ended, and one line that tells it.
//! Uses the text of outcomes: tools word exit codes in their own ways.
//! Never keeps an output.

use std::collections::HashMap;

use super::super::{Line, Section};
use super::calls::clip;
use crate::context::failures::Report;

/// Distinct commands that are kept.
const MOST: usize = 200;
/// Bytes of a command and of its telling line as they are shown.
const SHOWN: usize = 200;
const TELLING: usize = 160;

#[derive(Debug, Clone)]
struct Ran {
    at: usize,
    times: usize,
    ended: Ended,
    telling: Option<String>,
    is_test: bool,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Code(i64),
    Signal(i64),
    TimedOut,
    Cancelled,
    /// Nothing was said of it.
    Unknown,
}

/// Commands of a session.
#[derive(Debug, Clone, Default)]
pub(super) struct Commands {
    ran: HashMap<String, Ran>,
    dropped: usize,
}

impl Commands {
    pub(super) fn add(
        &mut self,
        command: &str,
        ended: Ended,
        is_test: bool,
        report: &Report,
        output: &str,
        at: usize,
    ) {
        let telling = report.tally.map(|_| clip(&report.summary, TELLING)).or_else(|| telling(output, ended));
        let ran =
            self.ran.entry(command.to_owned()).or_insert(Ran { at, times: 0, ended, telling: None, is_test });
        ran.times += 1;
        (ran.at, ran.ended, ran.telling) = (at, ended, telling);
        ran.is_test |= is_test;
        if self.ran.len() > MOST + MOST / 4 {
            self.dropped += self.ran.len() - MOST;
            let mut ages: Vec<(bool, usize, String)> =
                self.ran.iter().map(|(command, ran)| (ran.is_test, ran.at, command.clone())).collect();
            ages.sort_by(|one, two| two.cmp(one));
            for (_, _, command) in ages.drain(MOST..) {
                self.ran.remove(&command);
            }
        }
    }

    pub(super) fn lines(&self, lines: &mut Vec<Line>) {
        let mut ran: Vec<(&String, &Ran)> = self.ran.iter().collect();
        ran.sort_by(|one, two| two.1.at.cmp(&one.1.at).then(one.0.cmp(two.0)));
        let mut tests = 0;
        for (rank, (command, ran)) in ran.iter().enumerate() {
            tests += usize::from(ran.is_test);
            let failed = !matches!(ran.ended, Ended::Code(0) | Ended::Unknown);
            let weight = match (ran.is_test, failed) {
                (true, _) if tests <= 3 => 1.0,
                (true, _) => 0.7,
                (false, true) => 0.55,
                (false, false) => 0.35,
            };
            let weight = if rank < 20 || ran.is_test { weight } else { weight * 0.5 };
            let times = if ran.times > 1 {
                format!("{}×, newest r{}", ran.times, ran.at)
            } else {
                format!("r{}", ran.at)
            };
            let ended = match ran.ended {
                Ended::Code(code) => format!(": exit code {code}"),
                Ended::Signal(signal) => format!(": ended by signal {signal}"),
                Ended::TimedOut => ": timed out".to_owned(),
                Ended::Cancelled => ": cancelled".to_owned(),
                Ended::Unknown => String::new(),
            };
            let telling = match &ran.telling {
                Some(telling) if ended.is_empty() => format!(": {telling}"),
                Some(telling) => format!(", {telling}"),
                None => String::new(),
            };
            let text = format!("`{}` [{times}]{ended}{telling}", clip(command, SHOWN));
            lines.push(Line { section: Section::Commands, text, weight, at: ran.at });
        }
        if self.dropped > 0 {
            let text = format!("{} older commands, not listed here", self.dropped);
            lines.push(Line { section: Section::Commands, text, weight: 0.2, at: 0 });
        }
    }
}

/// How a command ended, by what its tool wrote at the end, or at the beginning, of the result.
pub(super) fn ended(text: &str) -> Ended {
    let head = &text[..text.floor_char_boundary(200)];
    let tail = &text[text.ceil_char_boundary(text.len().saturating_sub(300))..];
    for part in [tail, head] {
        for line in part.lines().rev() {
            let line = line.trim().trim_matches(['[', ']', '(', ')', '<', '>']).to_lowercase();
            for words in [
                "exit code",
                "exit_code",
                "exited with code",
                "exit status",
                "exited with",
                "exitcode",
                "returncode",
            ] {
                let Some((_, rest)) = line.split_once(words) else { continue };
                let rest = rest
                    .trim_start_matches(|character: char| !character.is_ascii_digit() && character != '-');
                let digits = rest
                    .find(|character: char| !character.is_ascii_digit() && character != '-')
                    .unwrap_or(rest.len());
                if let Ok(code) = rest[..digits].parse() {
                    return Ended::Code(code);
                }
            }
            if let Some(rest) = line.strip_prefix("ended by signal ") {
                let number = rest.split(' ').next().and_then(|number| number.parse().ok());
                return number.map_or(Ended::Unknown, Ended::Signal);
            }
            if line.starts_with("timed out after") {
                return Ended::TimedOut;
            }
            if line.starts_with("cancelled; ") {
                return Ended::Cancelled;
            }
        }
    }
    Ended::Unknown
}

/// One line of an output without a tally: the last that tells an error, or all of it when it is one line.
fn telling(output: &str, ended: Ended) -> Option<String> {
    let tail = &output[output.ceil_char_boundary(output.len().saturating_sub(8_000))..];
    let said =
        |line: &&str| !line.is_empty() && *line != "(no output)" && self::ended(line) == Ended::Unknown;
    let lines: Vec<&str> = tail.lines().map(str::trim).filter(said).collect();
    let failed = !matches!(ended, Ended::Code(0) | Ended::Unknown);
    let telling = if failed {
        let is_error = |line: &&&str| {
            let lower = line.to_lowercase();
            ["error", "fatal", "failed", "not found", "denied", "cannot", "no such", "panicked"]
                .iter()
                .any(|word| lower.contains(word))
        };
        lines.iter().rev().find(is_error).or(lines.last())
    } else {
        lines.first().filter(|line| lines.len() == 1 && line.len() <= 80)
    };
    telling.map(|line| clip(&line.split_whitespace().collect::<Vec<_>>().join(" "), TELLING))
}

/// Whether a command runs tests, by its words: its output may be cut off.
pub(super) fn runs_tests(command: &str) -> bool {
    command.split(|character: char| !character.is_alphanumeric()).any(|word| {
        matches!(
            word,
            "test"
                | "tests"
                | "nextest"
                | "pytest"
                | "unittest"
                | "jest"
                | "vitest"
                | "mocha"
                | "ctest"
                | "rspec"
                | "phpunit"
                | "tox"
                | "nox"
                | "ava"
                | "tap"
                | "prove"
                | "check"
                | "spec"
                | "minitest"
                | "gotestsum"
        )
    }) && !command.starts_with("git ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_found() {
        let check = |text: &str, expect: Ended| assert_eq!(ended(text), expect, "{text}");
        check("output\nexit code 101 after 2.3 s", Ended::Code(101));
        check("(no output)\nexit code 0 after 0.0 s", Ended::Code(0));
        check("Exit code: 1\nWall time: 2 s\nOutput:\nx", Ended::Code(1));
        check("x\n[exit status 2]", Ended::Code(2));
        check("{\"output\":\"x\",\"exit_code\":-1}", Ended::Code(-1));
        check("x\nended by signal 9 after 1.0 s", Ended::Signal(9));
        check("x\ntimed out after 120 s; it and everything it started were ended", Ended::TimedOut);
        check("cancelled; it and everything it started were ended", Ended::Cancelled);
        check("the exit code is unknown", Ended::Unknown);
        check("", Ended::Unknown);
    }

    #[test]
    fn one_line_tells() {
        let check = |output: &str, ended: Ended, expect: &str| {
            assert_eq!(telling(output, ended).unwrap_or_default(), expect, "{output}");
        };
        check("a\nerror:  no rule\nmake stopped\nexit code 2 after 1 s", Ended::Code(2), "error: no rule");
        check("a\nb\nexit code 2 after 1 s", Ended::Code(2), "b");
        check("abc123\nexit code 0 after 1 s", Ended::Code(0), "abc123");
        check("a\nb\nexit code 0 after 1 s", Ended::Code(0), "");
        check("(no output)\nexit code 0 after 1 s", Ended::Code(0), "");
    }

    #[test]
    fn commands_of_tests() {
        for command in [
            "cargo test",
            "pnpm vitest run",
            "python -m pytest -q",
            "make check",
            "go test ./...",
            "run test a",
        ] {
            assert!(runs_tests(command), "{command}");
        }
        for command in ["cargo build", "ls testdata_of", "git log test"] {
            assert!(!runs_tests(command), "{command}");
        }
    }
}
