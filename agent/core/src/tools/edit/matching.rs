//! Owns where an edit applies: exactly, else by whole lines with differences in white space forgiven.
//! Uses `files` for lines and their endings, `regex` for the exact search.
//! Never guesses between two places.

use std::collections::HashMap;

use crate::files;

/// An edit that found its place.
#[derive(Debug)]
pub(crate) struct Matched {
    /// The new content.
    pub(crate) after: Vec<u8>,
    /// What the model should know about how it matched.
    pub(crate) notes: Vec<String>,
}

/// An edit that did not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoMatch {
    /// Not found; the line most like the first line that was looked for.
    Nowhere { closest: Option<(usize, String)> },
    /// Found more than once, at these lines.
    Several { lines: Vec<usize> },
}

/// Replace `old` by `new` in `bytes`.
pub(crate) fn replace(bytes: &[u8], old: &str, new: &str, all: bool) -> Result<Matched, NoMatch> {
    let exact = occurrences(bytes, old.as_bytes(), all);
    if exact.len() > 1 && !all {
        return Err(NoMatch::Several { lines: exact.iter().map(|at| line_of(bytes, *at)).collect() });
    }
    if !exact.is_empty() {
        return Ok(replace_exact(bytes, old, new, &exact));
    }
    replace_lines(bytes, old, new, all)
}

/// Where `needle` starts. Overlaps count when one place is wanted, as they make it ambiguous; not when all are replaced.
fn occurrences(bytes: &[u8], needle: &[u8], all: bool) -> Vec<usize> {
    let (Some(first), true) = (needle.first(), needle.len() <= bytes.len()) else { return Vec::new() };
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(offset) = bytes[at..].iter().position(|byte| byte == first) {
        let start = at + offset;
        if bytes[start..].starts_with(needle) {
            found.push(start);
            at = start + if all { needle.len() } else { 1 };
        } else {
            at = start + 1;
        }
    }
    found
}

fn replace_exact(bytes: &[u8], old: &str, new: &str, places: &[usize]) -> Matched {
    let mut after = Vec::with_capacity(bytes.len());
    let mut copied = 0;
    for &at in places {
        after.extend_from_slice(&bytes[copied..at]);
        // New lines take the ending of the line they stand in; what the match itself wrote with LF stays LF.
        let ending =
            if old.contains('\n') && !old.contains("\r\n") { "\n" } else { files::ending_at(bytes, at) };
        after.extend_from_slice(files::with_endings(new, ending).as_bytes());
        copied = at + old.len();
    }
    after.extend_from_slice(&bytes[copied..]);
    let notes = if places.len() > 1 { vec![format!("{} places", places.len())] } else { Vec::new() };
    Matched { after, notes }
}

/// How much a comparison of lines forgives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Forgive {
    /// Trailing blanks and line endings.
    Trailing,
    /// Indentation too.
    Indentation,
}

fn replace_lines(bytes: &[u8], old: &str, new: &str, all: bool) -> Result<Matched, NoMatch> {
    let body = bytes.strip_prefix(files::BOM).unwrap_or(bytes);
    let bom = bytes.len() - body.len();
    let lines: Vec<&[u8]> = files::split_lines(body).collect();
    let wanted = trim_blank_lines(old);
    if wanted.is_empty() {
        return Err(NoMatch::Nowhere { closest: None });
    }
    for forgive in [Forgive::Trailing, Forgive::Indentation] {
        let places = line_matches(&lines, &wanted, forgive, all);
        if places.len() > 1 && !all {
            return Err(NoMatch::Several { lines: places.iter().map(|at| at + 1).collect() });
        }
        let Some(&first) = places.first() else { continue };
        let mut after = bytes[..bom].to_vec();
        let mut next = 0;
        for &at in &places {
            after.extend(lines[next..at].iter().copied().flatten());
            next = at + wanted.len();
            after.extend_from_slice(&rewrite(&lines[at..next], &wanted, new, forgive));
        }
        after.extend(lines[next..].iter().copied().flatten());
        return Ok(Matched { after, notes: vec![note(forgive, first, wanted.len(), places.len())] });
    }
    Err(NoMatch::Nowhere { closest: closest(&lines, wanted[0]) })
}

fn note(forgive: Forgive, first: usize, length: usize, places: usize) -> String {
    let lines = if length == 1 {
        format!("line {}", first + 1)
    } else {
        format!("lines {}-{}", first + 1, first + length)
    };
    let more = if places > 1 { format!(" and {} more places", places - 1) } else { String::new() };
    match forgive {
        Forgive::Trailing => {
            format!("{lines}{more} matched apart from trailing blanks or line endings, which were kept")
        }
        Forgive::Indentation => {
            format!("{lines}{more} matched apart from indentation; the new text was indented like the file")
        }
    }
}

/// The lines of `text` without blank ones at its ends.
fn trim_blank_lines(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.iter().position(|line| !line.trim().is_empty());
    let last = lines.iter().rposition(|line| !line.trim().is_empty());
    match (first, last) {
        (Some(first), Some(last)) => lines[first..=last].to_vec(),
        _ => Vec::new(),
    }
}

fn line_matches(lines: &[&[u8]], wanted: &[&str], forgive: Forgive, all: bool) -> Vec<usize> {
    let same = |line: &[u8], wanted: &str| match forgive {
        Forgive::Trailing => line.trim_ascii_end() == wanted.as_bytes().trim_ascii_end(),
        Forgive::Indentation => line.trim_ascii() == wanted.as_bytes().trim_ascii(),
    };
    let mut found = Vec::new();
    let mut at = 0;
    while at + wanted.len() <= lines.len() {
        if lines[at..].iter().zip(wanted).all(|(line, wanted)| same(line, wanted)) {
            found.push(at);
            at += if all { wanted.len() } else { 1 };
        } else {
            at += 1;
        }
    }
    found
}

/// The matched lines rewritten as `new`: indentation and endings are the file's.
fn rewrite(matched: &[&[u8]], wanted: &[&str], new: &str, forgive: Forgive) -> Vec<u8> {
    let indents = Indents::learn(matched, wanted);
    let last = matched.last().copied().unwrap_or_default();
    let ending: &[u8] =
        matched.iter().map(|line| &line[files::trim_ending(line).len()..]).next().unwrap_or(b"\n");
    let ending = if ending.is_empty() { b"\n" } else { ending };
    let final_ending = &last[files::trim_ending(last).len()..];
    let new_lines: Vec<&str> = if new.trim().is_empty() { Vec::new() } else { new.lines().collect() };
    let mut result = Vec::new();
    for (number, line) in new_lines.iter().enumerate() {
        if number > 0 {
            result.extend_from_slice(ending);
        }
        let unchanged = matched.iter().zip(wanted).find(|(_, wanted)| *wanted == line);
        match (unchanged, forgive) {
            // A line the edit repeats keeps its bytes, trailing blanks included.
            (Some((kept, _)), _) => result.extend_from_slice(files::trim_ending(kept)),
            (None, Forgive::Trailing) => result.extend_from_slice(line.as_bytes()),
            (None, Forgive::Indentation) => {
                let text = line.trim_start_matches([' ', '\t']);
                if !text.is_empty() {
                    result.extend_from_slice(indents.translate(&line[..line.len() - text.len()]).as_bytes());
                    result.extend_from_slice(text.as_bytes());
                }
            }
        }
    }
    if !new_lines.is_empty() {
        result.extend_from_slice(final_ending);
    }
    result
}

/// How the file indents what the model indented otherwise.
struct Indents {
    /// Written indentation → the file's.
    known: HashMap<String, String>,
    /// One step, written and in the file, where two levels were seen.
    step: Option<(String, String)>,
}

impl Indents {
    fn learn(matched: &[&[u8]], wanted: &[&str]) -> Self {
        let mut known: HashMap<String, String> = HashMap::new();
        for (line, wanted) in matched.iter().zip(wanted) {
            if !wanted.trim().is_empty() {
                let line = String::from_utf8_lossy(files::trim_ending(line)).into_owned();
                known.entry(indentation(wanted).to_owned()).or_insert_with(|| indentation(&line).to_owned());
            }
        }
        let mut step: Option<(String, String)> = None;
        for (written, actual) in &known {
            for (outer, outer_actual) in &known {
                let inner = written.strip_prefix(outer.as_str()).filter(|inner| !inner.is_empty());
                let inner_actual =
                    actual.strip_prefix(outer_actual.as_str()).filter(|inner| !inner.is_empty());
                if let (Some(inner), Some(inner_actual)) = (inner, inner_actual)
                    && step.as_ref().is_none_or(|(shortest, _)| inner.len() < shortest.len())
                {
                    step = Some((inner.to_owned(), inner_actual.to_owned()));
                }
            }
        }
        Self { known, step }
    }

    fn translate(&self, written: &str) -> String {
        if let Some(actual) = self.known.get(written) {
            return actual.clone();
        }
        let base = self.known.iter().filter(|(known, _)| written.starts_with(known.as_str()));
        if let Some((known, actual)) = base.max_by_key(|(known, _)| known.len()) {
            return format!("{actual}{}", self.steps(&written[known.len()..]));
        }
        // Shallower than anything matched: take off as much as the model took off.
        let nearest = self.known.iter().filter(|(known, _)| known.starts_with(written));
        match nearest.min_by_key(|(known, _)| known.len()) {
            Some((known, actual)) => {
                let less = self.steps(&known[written.len()..]);
                actual.strip_suffix(less.as_str()).unwrap_or(written).to_owned()
            }
            None => written.to_owned(),
        }
    }

    /// `deeper` in the file's own steps.
    fn steps(&self, deeper: &str) -> String {
        let by_tabs = self.known.values().any(|actual| actual.starts_with('\t'));
        match &self.step {
            Some((written, actual))
                if deeper.len().is_multiple_of(written.len()) && deeper.replace(written, "").is_empty() =>
            {
                actual.repeat(deeper.len() / written.len())
            }
            // No second level was seen; four blanks (or two) are a tab in a file that uses tabs.
            None if by_tabs && deeper.chars().all(|character| character == ' ') && deeper.len() > 1 => {
                "\t".repeat(deeper.len().div_ceil(4))
            }
            _ => deeper.to_owned(),
        }
    }
}

fn indentation(line: &str) -> &str {
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

fn line_of(bytes: &[u8], at: usize) -> usize {
    bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The line most like `wanted`, if one is at least half like it.
fn closest(lines: &[&[u8]], wanted: &str) -> Option<(usize, String)> {
    // Comparing is quadratic in the length of a line: enough lines for a hint, and no minified ones.
    lines
        .iter()
        .take(5_000)
        .enumerate()
        .filter(|(_, line)| line.len() <= 300)
        .map(|(number, line)| {
            let text = String::from_utf8_lossy(files::trim_ending(line)).into_owned();
            (super::super::place::similarity(text.trim(), wanted.trim()), number + 1, text)
        })
        .filter(|(score, _, _)| *score >= 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))
        .map(|(_, number, text)| (number, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &[u8], old: &str, new: &str, expect: &[u8]) {
        let matched = replace(before, old, new, false).expect("matches");
        assert_eq!(
            String::from_utf8_lossy(&matched.after),
            String::from_utf8_lossy(expect),
            "{old:?} -> {new:?}, {:?}",
            matched.notes
        );
        assert_eq!(matched.after, expect);
    }

    #[test]
    fn exact_matches_touch_nothing_else() {
        check(b"a b c", "b", "x", b"a x c");
        check(b"a\r\nb\nc\r\n", "b", "x", b"a\r\nx\nc\r\n");
        check(b"a\r\nb\r\n", "b", "x\ny", b"a\r\nx\r\ny\r\n");
        check(b"a\r\nb\nc", "b", "x\ny", b"a\r\nx\ny\nc");
        check(b"\xef\xbb\xbfa\n", "a", "b", b"\xef\xbb\xbfb\n");
        check(b"caf\xe9 = 1\n", "= 1", "= 2", b"caf\xe9 = 2\n");
        check(b"no newline", "newline", "end", b"no end");
        check(b"a\n\n\n", "a\n", "", b"\n\n");
        check("grüße".as_bytes(), "ü", "u", "gruße".as_bytes());
        check(b"a\r\nb\r\n", "a\r\nb", "c\r\nd", b"c\r\nd\r\n");
        check(b"x \t\ny\t \n", "y", "z", b"x \t\nz\t \n");
    }

    #[test]
    fn white_space_is_forgiven_by_whole_lines() {
        // Line endings.
        check(b"a\r\nb\r\nc\r\n", "a\nb", "x\ny\nz", b"x\r\ny\r\nz\r\nc\r\n");
        check(b"a\r\nb", "a\nb\n", "x\ny\n", b"x\r\ny");
        // Trailing blanks; lines that are repeated keep them.
        check(b"a  \nb\nc\n", "a\nb\n", "a\nB\n", b"a  \nB\nc\n");
        // Indentation.
        check(
            b"    if a:\n        b\n",
            "if a:\n    b",
            "if a:\n    c\n    d",
            b"    if a:\n        c\n        d\n",
        );
        check(
            b"\tif a {\n\t\tb\n\t}\n",
            "if a {\n    b\n}",
            "if a {\n    if c {\n        b\n    }\n}",
            b"\tif a {\n\t\tif c {\n\t\t\tb\n\t\t}\n\t}\n",
        );
        check(b"  a\n", "      a\n", "      b\n", b"  b\n");
        check(b"\ta\n", "  a\n", "  a\n    b\n", b"\ta\n\t\tb\n");
        // Blank lines around and inside.
        check(b"a\n   \nb\n", "\n\na\n\nb\n\n", "c", b"c\n");
        check(b"\xef\xbb\xbf  a\r\n", "a\n\n", "b", b"\xef\xbb\xbf  b\r\n");
        // Everything matched is removed, with its endings.
        check(b"x\n  a  \ny\n", "a \n", "", b"x\ny\n");
    }

    #[test]
    fn what_cannot_be_placed_is_refused() {
        let check = |before: &[u8], old: &str, expect: NoMatch| {
            assert_eq!(replace(before, old, "new", false).err(), Some(expect), "{old:?}");
        };
        check(b"a\nb\na\n", "a", NoMatch::Several { lines: vec![1, 3] });
        check(b"aaa", "aa", NoMatch::Several { lines: vec![1, 1] });
        check(b" a\n  a\n", "\ta\n", NoMatch::Several { lines: vec![1, 2] });
        check(b"", "a", NoMatch::Nowhere { closest: None });
        check(b"a", "\n \n", NoMatch::Nowhere { closest: None });
        check(
            b"let value = 1;\n",
            "let values = 2;",
            NoMatch::Nowhere { closest: Some((1, "let value = 1;".into())) },
        );
        check(b"x", "xxxxxxxx", NoMatch::Nowhere { closest: None });
    }

    #[test]
    fn all_places() {
        let check = |before: &[u8], old: &str, new: &str, expect: &[u8]| {
            assert_eq!(replace(before, old, new, true).expect("matches").after, expect);
        };
        check(b"a b a", "a", "xx", b"xx b xx");
        check(b"aaaa", "aa", "b", b"bb");
        check(b"aaa", "a", "aa", b"aaaaaa");
        check(b" a\n  a\n", "a\t\n", "b", b" b\n  b\n");
    }
}
