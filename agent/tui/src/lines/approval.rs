//! Owns how a question for an approval looks: everything that would run, and what each answer would do.
//! Uses `text` for what is safe, and the transcript's diffs.
//! Never shortens anything: what is not shown cannot be approved.

use unicode_width::UnicodeWidthChar;

use super::Transcript;
use crate::style::{Line, Style};
use crate::text::visible;

/// So many blanks in a row and more are counted: padding could push the end of a command out of sight.
const BLANKS: usize = 8;
/// The same for empty lines.
const EMPTY_LINES: usize = 3;

/// What is asked.
pub(crate) struct Details<'a> {
    pub(crate) summary: &'a str,
    pub(crate) details: &'a [String],
    pub(crate) diff: Option<&'a str>,
    pub(crate) rule: Option<&'a str>,
    pub(crate) origin: Option<&'a str>,
    pub(crate) rules: &'a [String],
    pub(crate) network: &'a [String],
    pub(crate) why: &'a str,
}

impl Transcript {
    pub(super) fn approval(&self, asked: &Details<'_>) -> Vec<Line> {
        let mut lines = what(asked, self.width);
        if let Some(diff) = asked.diff {
            lines.extend(self.diff(diff, usize::MAX));
        }
        lines.extend(why(asked, self.width));
        let mut keys = Line::new("  [y]", Style::Tip)
            .with(" once   ", Style::Plain)
            .with("[s]", Style::Tip)
            .with(" for this session   ", Style::Plain);
        if !asked.rules.is_empty() {
            keys = keys.with("[r]", Style::Tip).with(" from now on   ", Style::Plain);
        }
        lines.push(keys.with("[n]", Style::Tip).with(" no; words after it are the reason", Style::Plain));
        lines
    }
}

/// What would be done: the whole command and its parts, or the call and the paths that it names.
pub(crate) fn what(asked: &Details<'_>, width: usize) -> Vec<Line> {
    let summary = plain(asked.summary);
    let mut rows = summary.lines();
    let mut lines = Vec::new();
    for (number, row) in wrapped(rows.next().unwrap_or_default(), room(width, 2)).into_iter().enumerate() {
        let mark = if number == 0 { "? " } else { "  " };
        lines.push(Line::new(mark, Style::Warning).with(row, Style::Bold));
    }
    for row in rows {
        lines.extend(
            wrapped(row, room(width, 2)).into_iter().map(|row| Line::new(format!("  {row}"), Style::Bold)),
        );
    }
    // One part that is all of it has been shown.
    let all = |detail: &String| {
        let detail = plain(detail);
        summary == detail || summary.strip_prefix("$ ").is_some_and(|command| command.trim() == detail.trim())
    };
    for detail in asked.details.iter().filter(|detail| !all(detail)) {
        block(&mut lines, "    ", &plain(detail), Style::Plain, width);
    }
    lines
}

/// Why it is asked, what it may reach, and which rules a lasting yes would save.
pub(crate) fn why(asked: &Details<'_>, width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    let reason = match (asked.rule, asked.origin) {
        (Some(rule), Some(origin)) => format!("{} (rule {rule}, {origin})", asked.why),
        (Some(rule), None) => format!("{} (rule {rule})", asked.why),
        (None, _) => asked.why.to_owned(),
    };
    block(&mut lines, "  ", &plain(&reason), Style::Dim, width);
    if !asked.network.is_empty() {
        let hosts = format!("it may reach {}", plain(&asked.network.join(", ")));
        block(&mut lines, "  ", &hosts, Style::Dim, width);
    }
    if !asked.rules.is_empty() {
        block(&mut lines, "  ", "r saves for this project:", Style::Dim, width);
        for rule in asked.rules {
            block(&mut lines, "    ", &plain(rule), Style::Plain, width);
        }
    }
    lines
}

/// The rows of a text, each behind the same blanks, wrapped to the width.
fn block(lines: &mut Vec<Line>, indent: &str, text: &str, style: Style, width: usize) {
    for row in text.lines() {
        let rows = wrapped(row, room(width, indent.len()));
        lines.extend(rows.into_iter().map(|row| Line::new(format!("{indent}{row}"), style)));
    }
}

/// What is left beside the indent.
fn room(width: usize, indent: usize) -> usize {
    width.saturating_sub(indent).max(8)
}

/// A row cut into pieces of so many columns, none of it left out.
fn wrapped(row: &str, room: usize) -> Vec<String> {
    let (mut pieces, mut piece, mut used) = (Vec::new(), String::new(), 0);
    for character in row.chars() {
        let columns = character.width().unwrap_or(0);
        if used + columns > room && !piece.is_empty() {
            pieces.push(std::mem::take(&mut piece));
            used = 0;
        }
        piece.push(character);
        used += columns;
    }
    pieces.push(piece);
    pieces
}

/// The text with what looks like nothing spelled out.
pub(crate) fn revealed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if looks_like_nothing(character) {
            out.push_str(&format!("\\u{{{:x}}}", character as u32));
        } else {
            out.push(character);
        }
    }
    out
}

/// The text with whatever takes no place, or looks like a blank and is none, made visible, and long padding counted.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut blanks, mut breaks) = (0, 0);
    for character in visible(text).chars() {
        match character {
            ' ' | '\t' => {
                flush(&mut out, 0, &mut breaks);
                blanks += 1;
            }
            '\n' => {
                flush(&mut out, std::mem::take(&mut blanks), &mut 0);
                breaks += 1;
            }
            _ => {
                flush(&mut out, std::mem::take(&mut blanks), &mut breaks);
                if looks_like_nothing(character) {
                    out.push_str(&format!("\\u{{{:x}}}", character as u32));
                } else {
                    out.push(character);
                }
            }
        }
    }
    flush(&mut out, blanks, &mut 0);
    out
}

/// Blanks or line breaks that were held back.
fn flush(out: &mut String, blanks: usize, breaks: &mut usize) {
    match std::mem::take(breaks) {
        0 => {}
        few @ 1..=EMPTY_LINES => out.extend(std::iter::repeat_n('\n', few)),
        many => out.push_str(&format!("\n⟨{} empty lines⟩\n", many - 1)),
    }
    if blanks >= BLANKS {
        out.push_str(&format!(" ⟨{blanks} blanks⟩ "));
    } else {
        out.extend(std::iter::repeat_n(' ', blanks));
    }
}

fn looks_like_nothing(character: char) -> bool {
    matches!(
        character,
        '\u{a0}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{1680}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{2000}'..='\u{200a}'
            | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{2800}' | '\u{3000}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(asked: &Details<'_>, width: usize) -> Vec<String> {
        Transcript::new(width).approval(asked).iter().map(Line::plain).collect()
    }

    fn command<'a>(summary: &'a str, details: &'a [String], rules: &'a [String]) -> Details<'a> {
        let (diff, rule, origin) = (None, None, None);
        Details { summary, details, diff, rule, origin, rules, network: &[], why: "it changes something" }
    }

    #[test]
    fn padding_is_counted_and_nothing_is_cut() {
        let padded = format!("$ ls{}; rm -rf src", " ".repeat(400));
        let rows = shown(&command(&padded, &["ls".into(), "rm -rf src".into()], &[]), 40);
        assert_eq!(rows[0], "? $ ls ⟨400 blanks⟩ ; rm -rf src");
        assert_eq!(rows[1..3], ["    ls", "    rm -rf src"]);
        let long = format!("$ echo {}END", "x".repeat(500));
        let rows = shown(&command(&long, &[], &[]), 40);
        assert!(rows[..rows.len() - 1].iter().all(|row| row.chars().count() <= 40), "{rows:?}");
        let joined: String = rows.iter().map(|row| row.trim_start_matches(['?', ' '])).collect();
        assert!(joined.contains(&format!("{}END", "x".repeat(500))), "{joined}");
    }

    #[test]
    fn what_cannot_be_seen_is_spelled_out() {
        let check = |input: &str, expect: &str| assert_eq!(plain(input), expect);
        check("a  b", "a  b");
        check("a\u{a0}b\u{3164}", "a\\u{a0}b\\u{3164}");
        check("\u{e0041}", "\\u{e0041}");
        check("a\u{200b}\x1b[2Jb", "a\\u{200b}␛[2Jb");
        check("a\n\nb", "a\n\nb");
        check(&format!("a{}b", "\n".repeat(60)), "a\n⟨59 empty lines⟩\nb");
        check(&format!("a{}", " ".repeat(9)), "a ⟨9 blanks⟩ ");
    }

    #[test]
    fn what_r_would_save_is_shown_and_is_no_key_without() {
        let rules = ["Bash(git add -A)".to_owned(), "Bash(git commit -m x)".to_owned()];
        let rows = shown(&command("$ git add -A && git commit -m x", &[], &rules), 80);
        assert!(rows.contains(&"    Bash(git commit -m x)".to_owned()), "{rows:?}");
        assert!(rows.last().is_some_and(|row| row.contains("[r] from now on")), "{rows:?}");
        let rows = shown(&command("$ git add -A", &[], &[]), 80);
        assert!(rows.last().is_some_and(|row| !row.contains("[r]") && row.contains("[n] no")), "{rows:?}");
    }

    #[test]
    fn the_rule_its_place_and_the_network_are_named() {
        let asked = Details {
            rule: Some("Bash(cargo add:*)"),
            origin: Some("/srv/repo/.loci/config.toml:3"),
            network: &["crates.io".to_owned()],
            ..command("$ cargo add x", &[], &[])
        };
        let rows = shown(&asked, 100);
        assert!(rows.contains(
            &"  it changes something (rule Bash(cargo add:*), /srv/repo/.loci/config.toml:3)".into()
        ));
        assert!(rows.contains(&"  it may reach crates.io".into()), "{rows:?}");
    }
}
