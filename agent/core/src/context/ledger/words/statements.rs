//! Owns how a text is cut into statements: sentences of prose, items of lists, and blocks that nobody wrote by hand.
//! Uses lines and punctuation, and no language in particular.
//! Never changes a byte: a statement is a range of the text it was cut from.

use std::ops::Range;

/// What a statement is by its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A sentence, or what stands for one.
    Sentence,
    /// An item of a list.
    Item,
    /// A title of markup.
    Heading,
    /// Code, a log, a diff, a table, a quotation, definitions of links: a whole block of it.
    Matter,
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// Its bytes.
    pub(super) range: Range<usize>,
    /// Its form.
    pub(super) form: Form,
    /// The paragraph it belongs to, from 0; items of one list share one.
    pub(super) paragraph: usize,
    /// Lines of prose in its paragraph, or in its item.
    pub(super) lines: usize,
    /// Whether those lines were broken at a column rather than where a thought ends.
    pub(super) wrapped: bool,
    /// Bytes of its paragraph, or of its item.
    pub(super) length: usize,
}

/// Longer texts are read at both ends only: weighing 1 MiB of short lines takes nine tenths of a second, so this takes a
/// quarter of one, and what stands in the midst of more than that was not written by hand.
const READ: usize = 1 << 18;
/// A sentence that goes on longer is cut at a space, so that one line of a megabyte is not one statement.
const LONGEST: usize = 600;
/// Columns at which people and tools break lines.
const COLUMNS: Range<usize> = 48..100;

/// The statements of a text, in order.
pub(super) fn statements(text: &str) -> Vec<Statement> {
    let mut cutter = Cutter::default();
    if text.len() <= READ {
        cutter.read(text, 0);
    } else {
        let head = text.floor_char_boundary(READ / 2);
        let tail = text.ceil_char_boundary(text.len() - READ / 2);
        cutter.read(&text[..head], 0);
        cutter.read(&text[tail..], tail);
    }
    cutter.found
}

/// Whether a line reports one result of a run, as test runners list them: nobody says that.
fn is_result(line: &str) -> bool {
    let marked = line.starts_with(['✓', '✔', '✗', '✘', '×', '❯', '●', '○'])
        || ["PASS ", "FAIL ", "FAILED ", "ok ", "not ok ", "--- PASS", "--- FAIL", "=== RUN", "test result:"]
            .iter()
            .any(|mark| line.starts_with(mark));
    // `name of a test 12ms`, `name (0.02s)`.
    let bare = line.trim_end_matches([')', ']', '.']);
    let timed = bare.strip_suffix("ms").or_else(|| bare.strip_suffix('s')).is_some_and(|rest| {
        let number = rest.trim_end().rsplit([' ', '(', '[']).next().unwrap_or_default();
        rest.len() > number.len()
            && number.contains(|one: char| one.is_ascii_digit())
            && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
            // Somebody may well say `within 30 s`; lists of results are one word and a figure, or have no verb before it.
            && !rest.trim_end().ends_with(' ')
            && rest.trim_end().len() == rest.len()
    });
    marked || (timed && (line.contains(" > ") || line.contains("::") || line.ends_with(')')))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Blank,
    Prose,
    Item,
    Heading,
    Matter,
}

#[derive(Default)]
struct Cutter {
    found: Vec<Statement>,
    /// Lines of the open paragraph, item or block.
    open: Vec<Range<usize>>,
    kind: Option<Line>,
    paragraph: usize,
}

impl Cutter {
    fn read(&mut self, text: &str, offset: usize) {
        let mut at = 0;
        let lines: Vec<Range<usize>> = text
            .split_inclusive('\n')
            .map(|raw| {
                let range = at..at + raw.trim_end().len();
                at += raw.len();
                range
            })
            .collect();
        let fenced = fenced(text, &lines);
        for (range, fenced) in lines.into_iter().zip(fenced) {
            let line = &text[range.clone()];
            let kind = if fenced { Line::Matter } else { self.kind_of(line) };
            let goes_on = match (self.kind, kind) {
                // A line that announces what follows ends there.
                (Some(Line::Prose), Line::Prose) => {
                    !self.open.last().is_some_and(|last| text[last.clone()].ends_with([':', '：']))
                }
                (Some(Line::Matter), Line::Matter) => true,
                // An item goes on where a line is indented below it.
                (Some(Line::Item), Line::Prose) => line.starts_with([' ', '\t']),
                _ => false,
            };
            if !goes_on {
                self.close(text, offset);
                if kind == Line::Blank {
                    self.paragraph += 1;
                }
                self.kind = (kind != Line::Blank).then_some(kind);
            }
            if self.kind.is_some() {
                self.open.push(range);
            }
        }
        self.close(text, offset);
        self.paragraph += 1;
    }

    fn kind_of(&mut self, line: &str) -> Line {
        let bare = line.trim_start();
        if bare.is_empty() {
            return Line::Blank;
        }
        if is_heading(bare) {
            return Line::Heading;
        }
        if is_result(bare) || is_matter(line, bare, self.kind) {
            return Line::Matter;
        }
        if bullet(bare).is_some() { Line::Item } else { Line::Prose }
    }

    fn close(&mut self, text: &str, offset: usize) {
        let lines = std::mem::take(&mut self.open);
        let Some(kind) = self.kind.take() else { return };
        if kind == Line::Prose {
            for part in flows(text, &lines) {
                self.push(text, offset, part, Form::Sentence);
            }
            return;
        }
        let form = match kind {
            Line::Item => Form::Item,
            Line::Heading => Form::Heading,
            _ => Form::Matter,
        };
        self.push(text, offset, &lines, form);
    }

    fn push(&mut self, text: &str, offset: usize, lines: &[Range<usize>], form: Form) {
        let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return };
        let whole = first.start..last.end;
        let wrapped = lines.len() > 1
            && lines[..lines.len() - 1].iter().all(|line| COLUMNS.contains(&columns(&text[line.clone()])));
        let pieces = match form {
            Form::Matter | Form::Heading => vec![whole.clone()],
            Form::Item => sentences(text, whole.start + bullet_length(&text[whole.clone()])..whole.end),
            Form::Sentence => sentences(text, whole.clone()),
        };
        for range in pieces {
            let range = trim(text, range);
            if !range.is_empty() {
                self.found.push(Statement {
                    range: range.start + offset..range.end + offset,
                    form,
                    paragraph: self.paragraph,
                    lines: lines.len(),
                    wrapped,
                    length: whole.len(),
                });
            }
        }
    }
}

fn columns(line: &str) -> usize {
    line.chars().take(COLUMNS.end + 1).count()
}

/// Columns that a writer who breaks lines at a width may leave empty.
const RAGGED: usize = 10;

/// The parts of a block of lines that were each written in one go: a line that ends although the next word would have
/// fitted ends on purpose.
fn flows<'a>(text: &str, lines: &'a [Range<usize>]) -> Vec<&'a [Range<usize>]> {
    let width = lines.iter().map(|line| columns(&text[line.clone()])).max().unwrap_or_default();
    let mut parts = Vec::new();
    let mut start = 0;
    for at in 1..lines.len() {
        let word = text[lines[at].clone()].split_whitespace().next().unwrap_or_default();
        let before = columns(&text[lines[at - 1].clone()]);
        let fits = before + 1 + columns(word) + RAGGED < width;
        if fits || !COLUMNS.contains(&width) {
            parts.push(&lines[start..at]);
            start = at;
        }
    }
    parts.push(&lines[start..]);
    parts
}

/// Which lines stand in fences of code. An excerpt may begin or end within a fence, so that marks stand in pairs the
/// wrong way round: what is fenced and reads like prose is taken for prose.
fn fenced(text: &str, lines: &[Range<usize>]) -> Vec<bool> {
    let mut fenced = vec![false; lines.len()];
    let mark = |at: &usize| {
        let bare = text[lines[*at].clone()].trim_start();
        bare.starts_with("```") || bare.starts_with("~~~")
    };
    let marks: Vec<usize> = (0..lines.len()).filter(mark).collect();
    let bare = |at: usize| text[lines[at].clone()].trim().len() == 3;
    let mut next = 0;
    while let Some(&open) = marks.get(next) {
        fenced[open] = true;
        next += 1;
        let Some(&end) = marks.get(next) else { break };
        let prose = |range: &Range<usize>| {
            let line = text[range.clone()].trim();
            let words = line
                .split(' ')
                .filter(|word| {
                    word.len() > 1
                        && word.chars().all(|one| one.is_alphabetic() || matches!(one, '.' | ',' | '\''))
                })
                .count();
            words >= 4 && 4 * words >= 3 * line.split(' ').count() && !is_code(line, false)
        };
        let within = &lines[open + 1..end];
        let filled = within.iter().filter(|range| !range.is_empty()).count();
        let prosaic = within.iter().filter(|range| prose(range)).count();
        // One line in a fence may well be a message of a program; a whole sentence is none.
        let sentence = within.iter().any(|range| {
            let line = text[(*range).clone()].trim();
            prose(range) && line.ends_with(['.', ':']) && line.split(' ').count() >= 8
        });
        let prosaic = if prosaic >= 2 || sentence { prosaic } else { 0 };
        // A closing mark names no language.
        if bare(end) && (!bare(open) || 2 * prosaic <= filled) {
            fenced[open..=end].fill(true);
            next += 1;
        }
    }
    fenced
}

fn trim(text: &str, range: Range<usize>) -> Range<usize> {
    let piece = &text[range.clone()];
    let start = range.start + (piece.len() - piece.trim_start().len());
    let end = range.end - (piece.len() - piece.trim_end().len());
    start..end.max(start)
}

fn is_heading(bare: &str) -> bool {
    let marks = bare.bytes().take_while(|byte| *byte == b'#').count();
    if (1..=6).contains(&marks) && bare[marks..].starts_with(' ') {
        return true;
    }
    // The line below a title.
    bare.len() >= 3 && (bare.bytes().all(|byte| byte == b'=') || bare.bytes().all(|byte| byte == b'-'))
}

fn bullet_length(item: &str) -> usize {
    let indent = item.len() - item.trim_start().len();
    indent + bullet(item.trim_start()).unwrap_or(0)
}

/// Bytes of the mark of a list item.
fn bullet(bare: &str) -> Option<usize> {
    for mark in ["- ", "* ", "+ ", "• ", "– ", "o "] {
        if bare.starts_with(mark) {
            return Some(mark.len());
        }
    }
    let digits = bare.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &bare[digits..];
    if (1..=3).contains(&digits) && (rest.starts_with(". ") || rest.starts_with(") ")) {
        return Some(digits + 2);
    }
    None
}

/// Lines that a program wrote, or that quote.
fn is_matter(line: &str, bare: &str, before: Option<Line>) -> bool {
    let indent = line.len() - bare.len();
    let in_matter = before == Some(Line::Matter);
    if bare.starts_with('>') || bare.starts_with('|') || bare.starts_with("<!--") {
        return true;
    }
    if ["diff --git", "@@ ", "+++ ", "--- ", "index ", "Signed-off-by", "Co-authored-by", "Traceback "]
        .iter()
        .any(|start| bare.starts_with(start))
    {
        return true;
    }
    // Trailers and definitions of links.
    if let Some((key, value)) = bare.split_once(": ")
        && key.ends_with("-by")
        && !key.contains(' ')
        && !value.is_empty()
    {
        return true;
    }
    if bare.starts_with('[') && bare.contains("]: ") {
        return true;
    }
    if bare.starts_with("$ ") || bare.starts_with("at ") && bare.contains(':') && bare.contains(['(', '/']) {
        return true;
    }
    if indent >= 4 && bullet(bare).is_none() && (before.is_none() || in_matter) {
        return true;
    }
    // Columns of a table.
    let columns = bare.split("  ").filter(|column| !column.trim().is_empty()).count();
    if bare.len() > 30 && columns > 3 && columns * 40 > bare.len() {
        return true;
    }
    let first = bare.split(' ').next().unwrap_or_default();
    let digits = first.bytes().filter(u8::is_ascii_digit).count();
    let clock = first.contains(':') || first.matches('-').count() == 2;
    if digits >= 6 && clock && digits * 2 >= first.len() {
        return true;
    }
    is_code(bare, in_matter)
}

fn is_code(bare: &str, in_matter: bool) -> bool {
    if bare.len() > 4_000 {
        return true;
    }
    let opens = ["{", "}", ");", "};", "*/", "/*", "//", "#include", "</"];
    if opens.iter().any(|start| bare.starts_with(start)) {
        return true;
    }
    let ends = [";", "{", "}", "=>", "->", "(", "[", "],", "),", "&&", "||", "\\"];
    let ended = ends.iter().any(|end| bare.ends_with(end));
    let mut signs = 0usize;
    let mut letters = 0usize;
    let mut quoted = false;
    for one in bare.chars() {
        match one {
            '`' => quoted = !quoted,
            _ if quoted => letters += 1,
            '{' | '}' | '(' | ')' | '[' | ']' | '=' | '<' | '>' | ';' | '|' | '&' | '$' | '\\' | '"' => {
                signs += 1
            }
            _ if one.is_alphabetic() => letters += 1,
            _ => {}
        }
    }
    let dense = signs * 5 > letters;
    (ended && signs > 0 && (dense || bare.ends_with(['{', '}', ';']) && !bare.contains(". ")))
        || (in_matter && dense)
        || (signs >= 4 && signs * 4 > letters)
}

/// Where sentences end within a stretch of prose.
fn sentences(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let piece = &text[range.clone()];
    let mut cuts = Vec::new();
    let mut start = 0;
    let mut quoted = false;
    for (at, one) in piece.char_indices() {
        if one == '`' {
            // A span of code; a stray mark must not swallow the rest.
            quoted = !quoted && piece[at + 1..].bytes().take(120).any(|byte| byte == b'`');
        }
        let end = at + one.len_utf8();
        // What closed the sentence before belongs to it.
        if end <= start {
            continue;
        }
        let long = end - start > LONGEST && one.is_whitespace();
        let wide = matches!(one, '。' | '！' | '？' | '｡');
        let stop = matches!(one, '.' | '!' | '?' | '…') && !quoted;
        if !(long || wide || stop) {
            continue;
        }
        if stop {
            let next = piece[end..].chars().next();
            // What closes after the stop belongs to the sentence.
            let closing = piece[end..]
                .chars()
                .take_while(|next| matches!(next, '"' | '\'' | ')' | '”' | '»' | '`' | '*' | '_'));
            let close: usize = closing.map(char::len_utf8).sum();
            let after = piece[end + close..].chars().next();
            if !after.is_none_or(char::is_whitespace) {
                continue;
            }
            if one == '.'
                && next.is_some()
                && !ends_here(&piece[start..at], piece[end + close..].trim_start())
            {
                continue;
            }
            if after.is_none() && piece[end + close..].is_empty() {
                break;
            }
            cuts.push(range.start + start..range.start + end + close);
            start = end + close;
            continue;
        }
        cuts.push(range.start + start..range.start + end);
        start = end;
    }
    if start < piece.len() {
        cuts.push(range.start + start..range.end);
    }
    cuts
}

/// Words before a stop that does not end a sentence.
const SHORT_FORMS: [&str; 34] = [
    "e.g", "i.e", "cf", "vs", "etc", "approx", "ca", "no", "nr", "fig", "eq", "sec", "vol", "ver", "mr",
    "mrs", "ms", "dr", "prof", "st", "inc", "ltd", "al", "resp", "incl", "excl", "z.b", "d.h", "bzw", "u.a",
    "usw", "p.ex", "env", "max",
];

fn ends_here(before: &str, after: &str) -> bool {
    let word = before.rsplit(|one: char| one.is_whitespace() || one == '(').next().unwrap_or_default();
    let lower = word.to_lowercase();
    let next = after.chars().next();
    let lower_next = next.is_some_and(char::is_lowercase);
    if SHORT_FORMS.contains(&lower.as_str()) {
        // `etc.` and `no.` may end one.
        return matches!(lower.as_str(), "etc" | "no" | "usw" | "max" | "st" | "env" | "ms")
            && !lower_next
            && !next.is_some_and(|next| next.is_ascii_digit());
    }
    // An initial: `J. Smith`.
    if word.chars().count() == 1 && word.chars().all(char::is_uppercase) && word != "I" {
        return false;
    }
    // Telegraphic writers begin small; but a number before a small word is an ordinal in some languages.
    !(lower_next && !word.is_empty() && word.chars().all(|one| one.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::{Form, statements};

    fn check(text: &str, expect: &[&str]) {
        let found: Vec<&str> = statements(text)
            .iter()
            .filter(|statement| statement.form != Form::Matter)
            .map(|statement| &text[statement.range.clone()])
            .collect();
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn sentences_end_where_thoughts_end() {
        check("Use tabs. Keep it short!", &["Use tabs.", "Keep it short!"]);
        check(
            "Stay on 1.74.2 (e.g. for the LTS). Thanks.",
            &["Stay on 1.74.2 (e.g. for the LTS).", "Thanks."],
        );
        check("Read src/io.rs first. then go on", &["Read src/io.rs first.", "then go on"]);
        check("Call `a. b` twice. Done?", &["Call `a. b` twice.", "Done?"]);
        check("The limit is 3.5 ms, i.e. nothing.", &["The limit is 3.5 ms, i.e. nothing."]);
        check("Ask J. Smith about it. He knows.", &["Ask J. Smith about it.", "He knows."]);
        check("Bis zum 3. juni, bitte. Danke!", &["Bis zum 3. juni, bitte.", "Danke!"]);
        check("端口是6033。不要动它！好", &["端口是6033。", "不要动它！", "好"]);
        check("Say \"no.\" Then stop.", &["Say \"no.\"", "Then stop."]);
        check("", &[]);
        check(" \n\n \t", &[]);
    }

    #[test]
    fn items_and_wrapped_lines_are_whole() {
        check(
            "- one thing\n- another\n  that goes on\n\nend",
            &["one thing", "another\n  that goes on", "end"],
        );
        check("1. first\n2) second", &["first", "second"]);
        check(
            "a line that is long enough to be broken by hand or by\na program that goes on here\n\nnext",
            &["a line that is long enough to be broken by hand or by\na program that goes on here", "next"],
        );
        check("# Title\ntext", &["# Title", "text"]);
        check("use tabs\nno new files\nport is 5000", &["use tabs", "no new files", "port is 5000"]);
        let wrapped = "The reader used to keep the whole of its input in memory, which was a\nburden on small machines and of no use to anybody.";
        check(&format!("Mind the port, it is 91.\n{wrapped}"), &["Mind the port, it is 91.", wrapped]);
    }

    #[test]
    fn what_programs_write_is_matter() {
        for matter in [
            "```\nlet a = 1;\n\nfn b() {}\n```",
            "> you said so\n> before",
            "| a | b |\n|---|---|",
            "diff --git a/x b/x\n@@ -1 +1 @@",
            "2024-11-03T10:22:01.332Z ERROR lost it",
            "[#12]: https://example.org/12",
            "let value = compute(other, 3);",
            "Signed-off-by: A B <a@b.c>",
            "    indented four\n    and again",
            "```\nuse of moved value here\n```",
            "NAME        PROJECT        FAMILY       STATUS",
        ] {
            let text = format!("Before it.\n\n{matter}\n\nAfter it.");
            check(&text, &["Before it.", "After it."]);
        }
    }

    #[test]
    fn an_excerpt_may_begin_or_end_within_a_fence() {
        check(
            "let a = 1;\n```\n\nThis part of the text explains the code above it.\n\n```\nlet b = 2;\n```\n\nKeep it.",
            &["This part of the text explains the code above it.", "Keep it."],
        );
        check(
            "Keep it.\n\n```rust\nlet b = 2;\n\nAnd keep this as well.",
            &["Keep it.", "And keep this as well."],
        );
    }

    #[test]
    fn long_texts_are_read_at_both_ends() {
        let text = format!("Begin here.\n\n{}\n\nEnd here.", "word ".repeat(600_000));
        let found = statements(&text);
        assert_eq!(&text[found[0].range.clone()], "Begin here.");
        assert_eq!(&text[found[found.len() - 1].range.clone()], "End here.");
        assert!(found.iter().all(|one| one.form == Form::Matter || one.range.len() < 2_000));
    }
}
