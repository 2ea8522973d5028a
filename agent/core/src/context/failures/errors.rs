//! Owns errors of compilers and interpreters, which are no tests but stop them.
//! Uses the lines of an output.
//! Never takes a warning for an error.

use super::lines::Line;
use super::message::{self, place_in};

/// An error: where its block ends (exclusive, in lines), its place and its message.
pub(super) struct Found {
    pub(super) end: usize,
    pub(super) place: Option<String>,
    pub(super) message: String,
}

/// Lines of a block that are looked for its end.
const LONGEST: usize = 60;

/// Whether a line begins a panic, whose block is costly to look at.
pub(super) fn is_panic(text: &str) -> bool {
    text.starts_with("panic: ")
        || text.starts_with("fatal error: ")
        || text.trim_start().starts_with("thread '")
}

/// The error whose block begins at line `at`, if one does.
pub(super) fn error_at(lines: &[Line], at: usize) -> Option<Found> {
    let text = lines[at].text.as_ref();
    rustc(lines, at, text)
        .or_else(|| traceback(lines, at, text))
        .or_else(|| panic(lines, at, text))
        .or_else(|| thrown(lines, at, text))
        .or_else(|| one_line(lines, at, text))
}

/// `error[E0308]: mismatched types`, with the place on a line of its own.
fn rustc(lines: &[Line], at: usize, text: &str) -> Option<Found> {
    let rest = text.strip_prefix("error")?;
    if !rest.starts_with('[') && !rest.starts_with(": ") {
        return None;
    }
    let end = block_end(lines, at);
    let place = lines[at + 1..end]
        .iter()
        .take(3)
        .find_map(|line| line.trimmed().strip_prefix("--> ").and_then(place_in))?;
    // `expected due to this` and the like stand under the source.
    let labels = lines[at + 1..end].iter().filter_map(|line| {
        let label =
            line.trimmed().trim_start_matches(|c: char| c.is_ascii_digit()).trim_start().strip_prefix('|')?;
        let label = label.trim_start_matches(|c: char| "|/\\_ -".contains(c)).strip_prefix('^')?;
        let label = label.trim_start_matches(|c: char| "^-~ ".contains(c));
        (!label.is_empty()).then_some(label)
    });
    let message = message::joined(std::iter::once(text).chain(labels.take(2)));
    Some(Found { end, place: Some(place), message })
}

/// A Python traceback; the exception is the first line that is not indented.
fn traceback(lines: &[Line], at: usize, text: &str) -> Option<Found> {
    if !text.trim_start().starts_with("Traceback (most recent call last)") {
        return None;
    }
    let indent = lines[at].indent();
    let mut place = None;
    for (offset, line) in lines[at + 1..].iter().take(400).enumerate() {
        if line.is_blank() || line.indent() > indent {
            place = place_in(line.trimmed()).filter(|_| line.trimmed().starts_with("File \"")).or(place);
            continue;
        }
        return Some(Found {
            end: at + offset + 2,
            place,
            message: message::joined(std::iter::once(line.trimmed())),
        });
    }
    None
}

/// A panic of Rust or Go outside of a test.
fn panic(lines: &[Line], at: usize, text: &str) -> Option<Found> {
    let rust = text.trim_start().starts_with("thread '") && text.contains("panicked at ");
    let go = text.starts_with("panic: ") || text.starts_with("fatal error: ") && !text.contains(": error");
    if !rust && !go {
        return None;
    }
    let end = block_end(lines, at).max((at + 2).min(lines.len()));
    let told = message::tell(&lines[at..end]);
    let place = told.place.or_else(|| {
        lines[at..]
            .iter()
            .take(LONGEST)
            .map(|line| line.trimmed())
            .filter(|line| !line.contains("/usr/"))
            .find_map(place_in)
    });
    (rust || place.is_some()).then_some(Found { end, place, message: told.message })
}

/// `TypeError: x is not a function`, followed by frames.
fn thrown(lines: &[Line], at: usize, text: &str) -> Option<Found> {
    let name = text.strip_prefix("Uncaught ").unwrap_or(text).split([':', ' ']).next()?;
    let typed = name.ends_with("Error") || name.ends_with("Exception");
    let word = name.chars().all(|character| character.is_alphanumeric() || matches!(character, '.' | '_'));
    if !typed || !word || !text.contains(": ") {
        return None;
    }
    let frames = lines.get(at + 1..)?;
    let first = frames.iter().take(6).position(|line| line.trimmed().starts_with("at "))?;
    let count = frames[first..].iter().take(400).take_while(|line| line.trimmed().starts_with("at ")).count();
    let end = at + 1 + first + count;
    let told = message::tell(&lines[at..end]);
    Some(Found { end, place: told.place, message: message::joined(std::iter::once(text)) })
}

/// `a.c:12:5: error: no`, `a.ts(12,5): error TS1: no`, `a.ts:12:5 - error TS1: no`, `./a.go:12:5: no`,
/// `[ERROR] /srv/A.java:[12,5] no`, `e: file:///srv/A.kt:12:5 no`, `a.c:12: f: Assertion `x' failed.`
fn one_line(lines: &[Line], at: usize, text: &str) -> Option<Found> {
    let line = text.trim_start();
    if line.len() < 1_000 && line.contains(": undefined reference to ") && place_in(line).is_none() {
        return Some(Found { end: at + 1, place: None, message: message::joined(std::iter::once(line)) });
    }
    if line.len() > 1_000 || !line.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let marked = [
        ": error",
        ": fatal error",
        " - error",
        "): error",
        ": Assertion `",
        ": undefined reference",
        ": FAILED:",
    ]
    .iter()
    .filter_map(|mark| line.find(mark))
    .min();
    let maven = line.strip_prefix("[ERROR] ").is_some_and(|rest| rest.contains(":[") && rest.contains(','));
    let kotlin = line.starts_with("e: ");
    // Go writes no word: a path at the beginning with line and column.
    let go = line.split_once(".go:").is_some_and(|(path, rest)| {
        !path.contains([' ', '('])
            && rest
                .split(':')
                .take(2)
                .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
            && rest.split(':').count() > 2
    });
    let known = marked.is_some() || maven || kotlin || (go && text == line);
    if !known {
        return None;
    }
    let place = place_in(line)?;
    let name = place.rsplit_once(':')?.0;
    // The place has to come before the word.
    let before = marked.is_none_or(|mark| line.find(name).is_some_and(|found| found < mark));
    if !before {
        return None;
    }
    let echoes = lines[at + 1..]
        .iter()
        .take(8)
        .take_while(|line| {
            let text = line.trimmed();
            line.indent() > 0 && (text.contains('|') || text.starts_with(['^', '~']))
                || text.starts_with("symbol:")
        })
        .count();
    Some(Found { end: at + 1 + echoes, place: Some(place), message: message::joined(std::iter::once(line)) })
}

/// The end of the block: its first blank line.
fn block_end(lines: &[Line], at: usize) -> usize {
    let length = lines[at..].iter().take(LONGEST).skip(1).position(Line::is_blank);
    length.map_or((at + LONGEST).min(lines.len()), |length| at + 1 + length)
}
