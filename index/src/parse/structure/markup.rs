//! Owns the structure of Markdown and HTML: headings, ids, custom elements, anchors; and where the scripts of a page are.
//! Uses tags and lines.
//! Never reads attributes that name nothing.

use std::ops::Range;

use super::{Items, count, numbered};
use crate::parse::languages::{Language, named};
use crate::parse::{LineIndex, Tag};

/// The headings of a Markdown text, each reaching to the next of its rank. Fenced code and comments have none.
pub(in crate::parse) fn markdown(text: &str) -> Vec<Tag> {
    let mut items = Items::default();
    let mut fence: Option<(char, usize)> = None;
    let mut before: Option<(u32, &str)> = None;
    // Front matter between dashes is YAML.
    let mut in_matter = text.starts_with("---\n");
    for (number, line) in numbered(text) {
        let trimmed = line.trim_start();
        if in_matter {
            in_matter = number == 1 || trimmed != "---";
            continue;
        }
        if let Some((mark, length)) = fence_of(trimmed) {
            match fence {
                None => fence = Some((mark, length)),
                Some((opened, least)) if opened == mark && length >= least => fence = None,
                Some(_) => {}
            }
            before = None;
            continue;
        }
        if fence.is_some() || line.len() - trimmed.len() > 3 {
            before = None;
            continue;
        }
        let rank = trimmed.bytes().take_while(|&byte| byte == b'#').count();
        let name = trimmed.get(rank..).unwrap_or_default();
        if (1..=6).contains(&rank) && name.starts_with([' ', '\t']) {
            let name = plain(name.trim().trim_end_matches('#').trim());
            items.push(rank, "heading", &name, number, trimmed.trim_end());
            before = None;
            continue;
        }
        // A line of `=` or `-` below a text makes it a heading.
        let rule = trimmed.trim_end();
        let underlined = |mark: char| rule.len() > 2 && rule.chars().all(|character| character == mark);
        if let Some((line, title)) = before.filter(|_| underlined('=') || underlined('-')) {
            items.push(if underlined('=') { 1 } else { 2 }, "heading", &plain(title), line, title);
            before = None;
            continue;
        }
        let is_text = trimmed.starts_with(|character: char| character.is_alphanumeric() || character == '`');
        // Of a paragraph of several lines none is a title.
        let is_first = before.is_none() && is_text;
        before = (is_first && !trimmed.contains(" | ")).then_some((number, trimmed.trim_end()));
    }
    items.finish(count(text))
}

fn fence_of(trimmed: &str) -> Option<(char, usize)> {
    let mark = trimmed.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let length = trimmed.chars().take_while(|&character| character == mark).count();
    // A backtick later on the line makes it a span of code.
    (length >= 3 && (mark == '~' || !trimmed[length..].contains('`'))).then_some((mark, length))
}

/// A title without the anchor that generators put into it: `## Install {#install}`.
fn plain(title: &str) -> String {
    let title = match title.rfind("{#") {
        Some(at) if title.ends_with('}') => title[..at].trim_end(),
        _ => title,
    };
    let title = title.rfind("<a ").map_or(title, |at| if at > 0 { title[..at].trim_end() } else { title });
    title.to_owned()
}

/// One tag of a page.
struct Markup<'a> {
    name: &'a str,
    /// Between the name and the `>`.
    attributes: &'a str,
    start: usize,
    /// After the `>`.
    end: usize,
}

/// The opening tags of a page, one after another; comments and the insides of scripts and styles are skipped.
struct Pages<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Pages<'a> {
    type Item = Markup<'a>;

    fn next(&mut self) -> Option<Markup<'a>> {
        loop {
            let start = self.at + self.text[self.at..].find('<')?;
            let rest = &self.text[start + 1..];
            if rest.starts_with("!--") {
                self.at = rest.find("-->").map_or(self.text.len(), |end| start + 1 + end + 3);
                continue;
            }
            let name_length = rest
                .find(|character: char| {
                    !(character.is_ascii_alphanumeric() || matches!(character, '-' | ':' | '.' | '_'))
                })
                .unwrap_or(rest.len());
            if name_length == 0 || !rest.starts_with(|character: char| character.is_ascii_alphabetic()) {
                self.at = start + 1;
                continue;
            }
            let inside = &rest[name_length..];
            let close = tag_end(inside)?;
            let markup = Markup {
                name: &rest[..name_length],
                attributes: &inside[..close],
                start,
                end: start + 1 + name_length + close + 1,
            };
            self.at = markup.end;
            if matches!(markup.name, "script" | "style") {
                self.at = markup.body(self.text).end;
            }
            return Some(markup);
        }
    }
}

/// Where a tag ends; a `>` in quotes does not end it.
fn tag_end(inside: &str) -> Option<usize> {
    let mut quote = None;
    inside.bytes().position(|byte| {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            (None, b'>') => return true,
            _ => {}
        }
        false
    })
}

impl<'a> Markup<'a> {
    /// The value of an attribute.
    fn attribute(&self, name: &str) -> Option<&'a str> {
        let mut from = 0;
        while let Some(at) = self.attributes[from..].find(name).map(|at| from + at) {
            from = at + name.len();
            let alone = self.attributes[..at].ends_with(|character: char| character.is_ascii_whitespace());
            let Some(value) = self.attributes[from..].trim_start().strip_prefix('=').filter(|_| alone) else {
                continue;
            };
            let value = value.trim_start();
            let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''));
            return match quote {
                Some(quote) => value[1..].split(quote).next(),
                None => value.split([' ', '\t', '\n', '/']).next(),
            };
        }
        None
    }

    /// What stands between this tag and the one that closes it, for an element that holds text only.
    fn body(&self, text: &str) -> Range<usize> {
        let close = format!("</{}", self.name);
        let length = text[self.end..].find(&close).unwrap_or(text.len() - self.end);
        self.end..self.end + length
    }
}

/// Headings, ids, named anchors and custom elements of a page, in the order of their lines.
pub(in crate::parse) fn html(text: &str) -> Vec<Tag> {
    let lines = LineIndex::new(text);
    let mut items = Items::default();
    let mut custom: Vec<&str> = Vec::new();
    for markup in (Pages { text, at: 0 }) {
        let line = lines.line(markup.start);
        let signature = || text[markup.start..markup.end].split_whitespace().collect::<Vec<_>>().join(" ");
        let rank = match markup.name.as_bytes() {
            [b'h', digit @ b'1'..=b'6'] => usize::from(digit - b'0'),
            _ => 0,
        };
        if matches!(markup.name, "script" | "style") {
            items.close(0, line.saturating_sub(1));
        } else if rank > 0 {
            let title = title_after(text, &markup);
            items.push(rank, "heading", &title, line, &title);
        } else if let Some(id) = markup.attribute("id").filter(|id| is_name(id)) {
            items.push(7, "element", id, line, &signature());
            items.close(7, line);
        } else if let Some(name) = markup.attribute("name").filter(|name| markup.name == "a" && is_name(name))
        {
            items.push(7, "element", name, line, &signature());
            items.close(7, line);
        } else if markup.name.contains('-') && !custom.contains(&markup.name) {
            // The first use of a custom element says that the page has it.
            custom.push(markup.name);
            items.push(7, "element", markup.name, line, &signature());
            items.close(7, line);
        }
    }
    items.finish(lines.count())
}

/// Templates put expressions where names are.
fn is_name(value: &str) -> bool {
    !value.is_empty() && !value.contains(['{', '<', '$', '%', ' '])
}

/// The words of a heading, without the tags in it. A longer one is a text, or was never closed.
fn title_after(text: &str, markup: &Markup<'_>) -> String {
    let mut plain = String::new();
    let mut depth = 0u32;
    let rest = &text[markup.end..];
    for (at, character) in rest.char_indices().take(400) {
        match character {
            '<' if rest[at..].starts_with("</h") => break,
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ if depth == 0 => plain.push(character),
            _ => {}
        }
    }
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The scripts of a page, and what they are written in.
pub(in crate::parse) fn scripts(text: &str) -> Vec<(Range<usize>, &'static Language)> {
    (Pages { text, at: 0 })
        .filter(|markup| markup.name == "script")
        .filter_map(|markup| {
            let kind = markup.attribute("lang").or_else(|| markup.attribute("type")).unwrap_or_default();
            let language = match kind {
                "ts" | "typescript" | "text/typescript" => "typescript",
                "tsx" => "tsx",
                ""
                | "js"
                | "jsx"
                | "module"
                | "text/javascript"
                | "application/javascript"
                | "text/babel" => "javascript",
                // Templates and data.
                _ => return None,
            };
            Some((markup.body(text), named(language)))
        })
        .collect()
}
