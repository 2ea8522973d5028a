//! Owns what SQL creates: tables with their columns, views, functions, indexes, types, triggers.
//! Uses words and brackets, which all dialects share.
//! Never reads queries.

use super::Items;
use crate::parse::Tag;

/// Words between `CREATE` and what is created.
const BETWEEN: &[&str] = &[
    "or",
    "replace",
    "temp",
    "temporary",
    "global",
    "local",
    "unlogged",
    "unique",
    "materialized",
    "recursive",
    "external",
    "virtual",
    "foreign",
    "clustered",
    "nonclustered",
    "fulltext",
    "spatial",
    "constraint",
    "force",
    "editionable",
    "alter",
    "definer",
    "invoker",
    "aggregate",
    "event",
];
/// Words between that and its name.
const BEFORE_NAME: &[&str] = &["if", "not", "exists", "concurrently", "only"];
/// What stands among columns and is none.
const NO_COLUMN: &[&str] = &[
    "constraint",
    "primary",
    "unique",
    "foreign",
    "check",
    "index",
    "key",
    "like",
    "exclude",
    "period",
    "fulltext",
    "spatial",
    "partition",
    "references",
];

/// One word or sign of a statement.
#[derive(Debug, Clone, Copy)]
struct Token<'a> {
    text: &'a str,
    line: u32,
    start: usize,
}

/// Words, quoted names and signs; comments and texts are skipped.
struct Tokens<'a> {
    text: &'a str,
    at: usize,
    line: u32,
}

impl<'a> Tokens<'a> {
    /// Go on to a place, counting lines.
    fn skip(&mut self, to: usize) {
        let to = to.min(self.text.len());
        self.line = self.line.saturating_add(
            self.text.as_bytes()[self.at..to].iter().filter(|&&byte| byte == b'\n').count() as u32,
        );
        self.at = to;
    }

    /// The place after the next `mark`, or the end.
    fn after(&self, from: usize, mark: &str) -> usize {
        self.text
            .get(from..)
            .and_then(|rest| rest.find(mark))
            .map_or(self.text.len(), |at| from + at + mark.len())
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let rest = &self.text[self.at..];
            let first = rest.chars().next()?;
            let start = self.at;
            if first.is_whitespace() {
                self.skip(start + first.len_utf8());
            } else if rest.starts_with("--") {
                self.skip(self.after(start, "\n"));
            } else if rest.starts_with("/*") {
                self.skip(self.after(start + 2, "*/"));
            } else if first == '\'' {
                self.skip(self.after(start + 1, "'"));
            } else if first == '$' {
                // `$$ … $$` and `$name$ … $name$` hold a body.
                let tag = rest[1..].find('$').map(|end| &rest[..end + 2]);
                let tag = tag.filter(|tag| {
                    tag[1..tag.len() - 1].chars().all(|one| one.is_alphanumeric() || one == '_')
                });
                let end = tag.map_or(start + 1, |tag| self.after(start + tag.len(), tag));
                self.skip(end);
            } else {
                let line = self.line;
                let token = match first {
                    '"' | '`' | '[' => {
                        let close = if first == '[' { ']' } else { first };
                        let end = rest[1..].find([close, '\n']).map_or(rest.len(), |end| end + 2);
                        let inner = rest.get(1..end.saturating_sub(1)).unwrap_or_default();
                        self.skip(start + end);
                        inner
                    }
                    _ if first.is_alphanumeric() || first == '_' => {
                        let end = rest.find(|one: char| !(one.is_alphanumeric() || matches!(one, '_' | '$')));
                        let word = &rest[..end.unwrap_or(rest.len())];
                        self.skip(start + word.len());
                        word
                    }
                    _ => {
                        self.skip(start + first.len_utf8());
                        &rest[..first.len_utf8()]
                    }
                };
                return Some(Token { text: token, line, start });
            }
        }
    }
}

/// What a script creates.
pub(in crate::parse) fn sql(text: &str) -> Vec<Tag> {
    let mut items = Items::default();
    let mut tokens = Tokens { text, at: 0, line: 1 }.peekable();
    let mut last = 1;
    let mut open: Option<&str> = None;
    let mut depth = 0u32;
    // The next word is a column.
    let mut column = false;
    while let Some(token) = tokens.next() {
        if items.is_full() {
            break;
        }
        if token.text.eq_ignore_ascii_case("create") {
            let mut next = tokens.next();
            while next.is_some_and(|token| is_one_of(token.text, BETWEEN)) {
                next = tokens.next();
            }
            let Some(kind) = next.and_then(|token| created(token.text)) else { continue };
            let mut name = tokens.next();
            while name.is_some_and(|token| is_one_of(token.text, BEFORE_NAME)) {
                name = tokens.next();
            }
            // The last piece of `schema.name` names it.
            while name.is_some() && tokens.peek().is_some_and(|token| token.text == ".") {
                tokens.next();
                name = tokens.next();
            }
            let Some(name) = name
                .filter(|name| name.text.starts_with(|first: char| first.is_alphanumeric() || first == '_'))
            else {
                continue;
            };
            items.close(0, last);
            items.push(0, kind, name.text, token.line, line_from(text, token.start));
            if let Some(tag) = items.tags.last_mut().filter(|tag| tag.name == name.text) {
                tag.line = name.line;
                tag.end_line = name.line;
            }
            (open, depth, column) = (Some(kind), 0, false);
            last = name.line;
            continue;
        }
        match token.text {
            "(" => {
                depth += 1;
                column = depth == 1 && open == Some("table");
            }
            ")" => {
                depth = depth.saturating_sub(1);
                column = false;
            }
            "," => column = depth == 1 && open == Some("table"),
            ";" => {
                last = token.line;
                // A body in the dialects without dollars holds statements of its own.
                if depth == 0 && !matches!(open, Some("function" | "trigger")) {
                    items.close(0, token.line);
                    open = None;
                }
                continue;
            }
            name if column => {
                column = false;
                if !is_one_of(name, NO_COLUMN) {
                    items.push(
                        1,
                        "column",
                        name,
                        token.line,
                        line_from(text, token.start).trim_end_matches(','),
                    );
                }
            }
            _ => {}
        }
        last = token.line;
    }
    items.finish(last)
}

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|one| one.eq_ignore_ascii_case(word))
}

fn created(word: &str) -> Option<&'static str> {
    let kinds = [
        ("table", "table"),
        ("view", "view"),
        ("function", "function"),
        ("procedure", "function"),
        ("proc", "function"),
        ("index", "index"),
        ("trigger", "trigger"),
        ("type", "type"),
        ("domain", "type"),
        ("schema", "module"),
        ("database", "module"),
        ("package", "module"),
        ("sequence", "variable"),
    ];
    kinds.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, kind)| kind)
}

/// The rest of the line from a place on.
fn line_from(text: &str, start: usize) -> &str {
    text[start..].lines().next().unwrap_or_default().trim_end_matches(['(', ' ', ';'])
}
