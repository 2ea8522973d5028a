//! Owns the list above the composer: commands behind `/`, files and symbols behind `@`.
//! Uses the table of commands, and what the host found.
//! Never runs anything, and never keeps a key waiting for an answer.

use std::ops::Range;

use loci_protocol::PermissionMode;
use nucleo_matcher::pattern::{Atom, AtomKind, CaseMatching, Normalization};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use ratatui::buffer::Buffer as Cells;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};

use crate::commands::{self, Command, Verb, When};
use crate::component::Look;
use crate::host::Completion;
use crate::style::Style;
use crate::text::{clip, columns, one_line};

/// Rows that are shown at once.
const ROWS: usize = 8;
/// Columns of the names of commands, so that what they do stands in a column of its own.
const NAMES: usize = 30;

/// A row of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// What is put in the place of what was typed.
    pub(super) insert: String,
    /// What is shown.
    pub(super) label: String,
    /// What is shown beside it.
    pub(super) detail: String,
    /// Which characters of the label were typed.
    pub(super) matched: Vec<u32>,
    /// Why it cannot be chosen now.
    pub(super) off: Option<&'static str>,
    /// Whether choosing it with Enter sends it off.
    pub(super) runs: bool,
}

/// What a list is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Commands.
    Commands,
    /// What may stand behind a command.
    Arguments,
    /// Files and symbols.
    Mentions,
}

/// The list above the composer.
#[derive(Debug)]
pub(super) struct Popup {
    pub(super) kind: Kind,
    /// What was typed, in bytes of the text: it is replaced.
    pub(super) range: Range<usize>,
    pub(super) rows: Vec<Row>,
    at: usize,
}

impl Popup {
    pub(super) fn new(kind: Kind, range: Range<usize>, rows: Vec<Row>) -> Self {
        Self { kind, range, rows, at: 0 }
    }

    /// The row that is chosen.
    pub(super) fn chosen(&self) -> Option<&Row> {
        self.rows.get(self.at)
    }

    /// Go up or down, around the ends.
    pub(super) fn go(&mut self, by: isize) {
        let length = self.rows.len().cast_signed().max(1);
        self.at = (self.at.cast_signed() + by).rem_euclid(length).unsigned_abs();
    }

    /// Stay on the row that was chosen, where the new list has it too.
    pub(super) fn like(mut self, before: Option<&Self>) -> Self {
        let same = before.filter(|before| before.kind == self.kind && before.range.start == self.range.start);
        if let Some(chosen) = same.filter(|before| before.at > 0).and_then(Self::chosen) {
            self.at = self.rows.iter().position(|row| row.insert == chosen.insert).unwrap_or(0);
        }
        self
    }

    /// Draw it at the lower end of `above`.
    pub(super) fn draw(&self, above: Rect, cells: &mut Cells, look: &Look<'_>) {
        let most = usize::from(above.height).min(ROWS);
        let first = (self.at + 1).saturating_sub(most).min(self.rows.len().saturating_sub(most));
        let shown = &self.rows[first..(first + most).min(self.rows.len())];
        let rows = u16::try_from(shown.len()).unwrap_or(above.height);
        let area = Rect { y: above.bottom().saturating_sub(rows), height: rows, ..above };
        Clear.render(area, cells);
        let width = usize::from(area.width);
        let widest = shown.iter().map(|row| columns(&row.label)).max().unwrap_or(0);
        let labels = widest.min(if self.kind == Kind::Commands { NAMES.min(width / 2) } else { width });
        for (number, (row, place)) in shown.iter().zip(area.rows()).enumerate() {
            let chosen = first + number == self.at;
            let base = if row.off.is_some() { Style::Dim } else { Style::Plain };
            let plain = look.theme.look(base);
            let mut x = place.x;
            let mut put = |text: &str, style| {
                let room = usize::from(place.right().saturating_sub(x));
                x = cells.set_stringn(x, place.y, text, room, style).0;
            };
            put(if chosen { "› " } else { "  " }, look.theme.look(Style::Bold));
            let label = clip(&row.label, labels.max(8));
            let hit = look.theme.look(Style::Tip);
            for (at, character) in label.chars().enumerate() {
                let matched = u32::try_from(at).is_ok_and(|at| row.matched.contains(&at));
                put(
                    character.encode_utf8(&mut [0; 4]),
                    if matched && row.off.is_none() { hit } else { plain },
                );
            }
            let gap = labels.saturating_sub(columns(&label)) + 2;
            let detail = row.off.map_or_else(|| row.detail.clone(), |off| format!("{off}: {}", row.detail));
            let room = width.saturating_sub(2 + columns(&label) + gap);
            if room > 0 {
                put(&format!("{}{}", " ".repeat(gap), one_line(&detail, room)), look.theme.look(Style::Dim));
            }
            if chosen {
                cells.set_style(place, look.theme.chosen());
            }
        }
    }
}

/// How well a text fits what was typed, and which of its characters it is.
fn fuzzy(matcher: &mut Matcher, atom: &Atom, text: &str) -> Option<(u16, Vec<u32>)> {
    let (mut buffer, mut matched) = (Vec::new(), Vec::new());
    let score = atom.indices(Utf32Str::new(text, &mut buffer), matcher, &mut matched)?;
    Some((score, matched))
}

fn atom(typed: &str, kind: AtomKind) -> Atom {
    Atom::new(typed, CaseMatching::Ignore, Normalization::Smart, kind, false)
}

/// The commands that fit what was typed behind `/`, best first; in the order of the table where nothing was typed. `busy`
/// says until when those wait that are given between turns.
pub(super) fn commands(typed: &str, busy: Option<&'static str>) -> Vec<Row> {
    let mut matcher = Matcher::new(Config::DEFAULT);
    let (name_atom, help_atom) = (atom(typed, AtomKind::Fuzzy), atom(typed, AtomKind::Substring));
    let mut found: Vec<(u32, Row)> = Vec::new();
    for command in commands::TABLE {
        let names = std::iter::once(&command.name).chain(command.aliases);
        let by_name = names.filter_map(|name| {
            let bare = name.trim_start_matches('/');
            let (score, matched) = fuzzy(&mut matcher, &name_atom, bare)?;
            let rank = if bare == typed {
                3_000
            } else if bare.starts_with(typed) {
                2_000
            } else {
                1_000
            };
            Some((u32::from(score) + rank, *name, matched))
        });
        // Of two that fit as well, the first.
        let best = by_name.rev().max_by_key(|(score, ..)| *score);
        let (score, name, matched) = match best {
            Some(best) => best,
            None => match fuzzy(&mut matcher, &help_atom, command.help) {
                Some((score, _)) => (u32::from(score), command.name, Vec::new()),
                None => continue,
            },
        };
        let matched = matched.into_iter().map(|at| at + 1).collect();
        found.push((score, row(command, name, matched, busy)));
    }
    if !typed.is_empty() {
        // What scores the same stays in the order of the table.
        found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    }
    found.into_iter().map(|(_, row)| row).collect()
}

fn row(command: &Command, name: &str, matched: Vec<u32>, busy: Option<&'static str>) -> Row {
    let needs = !command.arguments.is_empty() && !command.arguments.starts_with('[');
    let takes = if command.arguments.is_empty() { String::new() } else { format!(" {}", command.arguments) };
    Row {
        insert: if takes.is_empty() { name.to_owned() } else { format!("{name} ") },
        label: format!("{name}{takes}"),
        detail: command.help.to_owned(),
        matched,
        off: busy.filter(|_| command.when == When::Idle),
        runs: !needs,
    }
}

/// What may stand behind a command, where that is a short list; it begins with what was typed.
pub(super) fn arguments(verb: Verb, typed: &str) -> Vec<Row> {
    let known: Vec<(&str, &str)> = match verb {
        Verb::Mode => PermissionMode::ALL.iter().map(|mode| (mode.name(), "")).collect(),
        Verb::Theme => crate::theme::THEMES.to_vec(),
        Verb::Model => vec![
            ("@fast", "the model for small things"),
            ("@plan", "the model for plans"),
            ("@review", "the model for reviews"),
        ],
        _ => Vec::new(),
    };
    let fits = |(name, _): &(&str, &str)| name.to_lowercase().starts_with(&typed.to_lowercase());
    let row = |(name, detail): (&str, &str)| Row {
        insert: name.to_owned(),
        label: name.to_owned(),
        detail: detail.to_owned(),
        matched: (0..).take(typed.chars().count()).collect(),
        off: None,
        runs: true,
    };
    known.into_iter().filter(fits).map(row).collect()
}

/// What the host found behind `@`.
pub(super) fn mentions(found: &[Completion]) -> Vec<Row> {
    let row = |one: &Completion| Row {
        insert: mention(&one.insert),
        label: one_line(&one.label, 200),
        detail: one.detail.clone(),
        matched: one.matched.clone(),
        off: None,
        runs: false,
    };
    found.iter().map(row).collect()
}

/// A path as it is written in a prompt. One with blanks stands in quotation marks; a folder waits for what comes behind it.
fn mention(path: &str) -> String {
    if path.contains(char::is_whitespace) {
        format!("@\"{path}\" ")
    } else if path.ends_with('/') {
        format!("@{path}")
    } else {
        format!("@{path} ")
    }
}

/// The mention that the cursor stands at the end of: where it begins, and what was typed behind `@`.
pub(super) fn mention_at(text: &str, cursor: usize) -> Option<(usize, &str)> {
    let before = &text[..cursor];
    let at = before.rfind('@')?;
    if before[..at]
        .chars()
        .next_back()
        .is_some_and(|character| !character.is_whitespace() && character != '(')
    {
        return None;
    }
    let typed = &before[at + 1..];
    let query = match typed.strip_prefix('"') {
        Some(quoted) if !quoted.contains(['"', '\n']) => quoted,
        None if !typed.contains(char::is_whitespace) => typed,
        _ => return None,
    };
    // Nobody means a file by more than this; a paste may.
    (query.len() <= 200).then_some((at, query))
}

/// The mentions of a prompt, without `@` and quotation marks.
pub(crate) fn mentioned(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut before = None;
    while let Some(at) = rest.find('@') {
        before = rest[..at].chars().next_back().or(before);
        let behind = &rest[at + 1..];
        let name = match behind.strip_prefix('"') {
            Some(quoted) => quoted.split(['"', '\n']).next(),
            None => behind.split(char::is_whitespace).next(),
        };
        if before.is_none_or(char::is_whitespace) {
            found.extend(name.filter(|name| !name.is_empty()));
        }
        before = Some('@');
        rest = behind;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_by_name_alias_and_help() {
        let check = |typed: &str, expect: &str| {
            let rows = commands(typed, None);
            assert_eq!(rows.first().map(|row| row.insert.trim()), Some(expect), "{typed}");
        };
        check("", "/help");
        check("mo", "/mode");
        check("model", "/model");
        check("mdl", "/model");
        check("clear", "/clear");
        check("clipboard", "/copy");
        check("q", "/q");
        assert!(commands("zzzz", None).is_empty());
        assert_eq!(commands("", None).len(), commands::TABLE.len());
    }

    #[test]
    fn what_cannot_be_given_now_says_why() {
        let undo = |busy| commands("undo", busy).remove(0).off;
        assert_eq!((undo(None), undo(Some("later"))), (None, Some("later")));
        assert_eq!(commands("help", Some("later"))[0].off, None);
    }

    #[test]
    fn a_mention_is_seen_at_the_cursor() {
        let check = |before: &str, expect: Option<(usize, &str)>| {
            assert_eq!(mention_at(before, before.len()), expect, "{before}");
        };
        check("@", Some((0, "")));
        check("look at @src/li", Some((8, "src/li")));
        check("a\n@x", Some((2, "x")));
        check("mail ada@example", None);
        check("@done now", None);
        check("@\"two words", Some((0, "two words")));
        check("@\"two words\" ", None);
        check("none", None);
    }

    #[test]
    fn mentions_are_found_in_a_prompt() {
        let check = |text: &str, expect: &[&str]| assert_eq!(mentioned(text), expect, "{text}");
        check("see @a.png and @\"b c.png\" now", &["a.png", "b c.png"]);
        check("ada@example.org", &[]);
        check("@ @", &[]);
        check("@a@b", &["a@b"]);
        assert_eq!(mention("a b/c.rs"), "@\"a b/c.rs\" ");
        assert_eq!(mention("src/"), "@src/");
    }

    #[test]
    fn choosing_goes_around() {
        let mut popup = Popup::new(Kind::Commands, 0..1, commands("", None));
        popup.go(-1);
        assert_eq!(popup.chosen().map(|row| row.insert.as_str()), Some("/quit"));
        popup.go(1);
        assert_eq!(popup.chosen().map(|row| row.insert.as_str()), Some("/help"));
        let mut empty = Popup::new(Kind::Mentions, 0..1, Vec::new());
        empty.go(1);
        assert_eq!(empty.chosen(), None);
    }
}
