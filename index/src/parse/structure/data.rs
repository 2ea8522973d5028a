//! Owns the structure of JSON, YAML and TOML: the keys of the upper levels.
//! Uses brackets, indentation and lines.
//! Never reads values, and never goes into lists: what repeats there is data.

use super::{Items, count, numbered};
use crate::parse::Tag;

/// Keys nest this deep at most: `scripts.build`, `jobs.test.steps`.
const DEEPEST: usize = 3;

/// What a value in brackets is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Object,
    List,
}

/// The keys of a JSON text; comments and names without quotes are tolerated.
pub(in crate::parse) fn json(text: &str) -> Vec<Tag> {
    let bytes = text.as_bytes();
    let mut items = Items::default();
    let mut around: Vec<Bracket> = Vec::new();
    let mut lists = 0usize;
    let mut line = 1u32;
    let mut line_start = 0usize;
    // The last string or word: a key when a colon follows.
    let mut last: Option<(&str, u32)> = None;
    // The line of the last thing that was no blank.
    let (mut seen, mut before) = (1u32, 1u32);
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        if !byte.is_ascii_whitespace() {
            before = std::mem::replace(&mut seen, line);
        }
        match byte {
            b'\n' => {
                line = line.saturating_add(1);
                line_start = at;
            }
            b'"' | b'\'' => {
                while let Some(&inner) = bytes.get(at) {
                    at += if inner == b'\\' { 2 } else { 1 };
                    if inner == byte || inner == b'\n' {
                        break;
                    }
                }
                let end = at.min(bytes.len());
                if bytes[end - 1] == b'\n' {
                    at = end - 1;
                }
                last = text.get(start + 1..end.saturating_sub(1)).map(|name| (name, line));
            }
            b'/' if bytes.get(at) == Some(&b'/') => {
                at = text[start..].find('\n').map_or(bytes.len(), |length| start + length);
            }
            b'/' if bytes.get(at) == Some(&b'*') => {
                let end = text[start..].find("*/").map_or(bytes.len(), |length| start + length + 2);
                line = line
                    .saturating_add(bytes[start..end].iter().filter(|&&byte| byte == b'\n').count() as u32);
                at = end;
            }
            b'{' | b'[' => {
                around.push(if byte == b'{' { Bracket::Object } else { Bracket::List });
                lists += usize::from(byte == b'[');
                last = None;
            }
            b'}' | b']' => {
                if around.pop() == Some(Bracket::List) {
                    lists -= 1;
                }
                items.close(around.len() + 1, before);
                items.close(around.len(), line);
                last = None;
            }
            b',' => {
                if lists == 0 {
                    items.close(around.len(), line);
                }
                last = None;
            }
            b':' => {
                let is_key = around.last() == Some(&Bracket::Object) && lists == 0 && around.len() <= DEEPEST;
                if let Some((name, number)) = last.take().filter(|_| is_key) {
                    let shown = text[line_start..].lines().next().unwrap_or_default();
                    items.push(
                        around.len(),
                        "key",
                        name,
                        number,
                        shown.trim().trim_end_matches([',', '{', '[', ' ']),
                    );
                }
                if items.is_full() {
                    break;
                }
            }
            _ if byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'$') => {
                let word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'-');
                at += bytes[at..].iter().take_while(|byte| word(byte)).count();
                last = Some((&text[start..at], line));
            }
            _ => {}
        }
    }
    items.finish(line)
}

/// The keys of a YAML text by their indentation.
pub(in crate::parse) fn yaml(text: &str) -> Vec<Tag> {
    let mut items = Items::default();
    // Indentations of the keys that are open; a list among them hides what stands in it.
    let mut open: Vec<(usize, bool)> = Vec::new();
    let mut scalar: Option<usize> = None;
    let mut last = 1;
    for (number, line) in numbered(text) {
        let trimmed = line.trim_start_matches(' ');
        let indentation = line.len() - trimmed.len();
        let trimmed = trimmed.trim_end();
        if trimmed.is_empty() {
            continue;
        }
        // Texts after `|` and `>` go on as long as they are indented.
        if scalar.is_some_and(|outer| indentation > outer) {
            last = number;
            continue;
        }
        scalar = None;
        if trimmed.starts_with('#') {
            continue;
        }
        // A list may stand as far out as the key it belongs to.
        let is_item = trimmed == "-" || trimmed.starts_with("- ");
        let is_over = |&(outer, is_list): &(usize, bool)| {
            outer > indentation || outer == indentation && (is_list || !is_item)
        };
        while open.last().is_some_and(is_over) {
            open.pop();
        }
        items.close(open.len(), last);
        last = number;
        if trimmed == "---" || trimmed == "..." {
            continue;
        }
        if trimmed.ends_with(['|', '>'])
            || [" |-", " >-", " |+", " >+"].iter().any(|end| trimmed.ends_with(end))
        {
            scalar = Some(indentation);
        }
        if is_item {
            open.push((indentation, true));
            continue;
        }
        let hidden = open.len() >= DEEPEST || open.iter().any(|&(_, is_list)| is_list);
        let Some(name) = yaml_key(trimmed).filter(|_| !hidden) else { continue };
        items.push(open.len(), "key", name, number, trimmed);
        open.push((indentation, false));
        if items.is_full() {
            break;
        }
    }
    items.finish(last)
}

fn yaml_key(line: &str) -> Option<&str> {
    let (name, quoted) = match line.chars().next()? {
        quote @ ('"' | '\'') => (line[1..].split(quote).next()?, 2),
        '{' | '[' | '&' | '*' | '!' | '%' | '@' | '`' | '?' => return None,
        _ => {
            let end = line.find(": ").or_else(|| line.strip_suffix(':').map(str::len))?;
            (&line[..end], 0)
        }
    };
    let after = line.get(name.len() + quoted..)?.trim_start();
    let is_key = after == ":" || after.starts_with(": ");
    (is_key && !name.is_empty() && name.len() <= 60 && !name.contains(['{', '"', '#'])).then_some(name)
}

/// The tables and keys of a TOML text; INI files read the same.
pub(in crate::parse) fn toml(text: &str) -> Vec<Tag> {
    let mut items = Items::default();
    let mut last = 1;
    // Inside a text of several lines: how it ends. Inside a list: how many brackets are open.
    let mut quote: Option<&str> = None;
    let mut brackets = 0i32;
    for (number, line) in numbered(text) {
        let code = line.trim();
        if let Some(end) = quote {
            if code.contains(end) {
                quote = None;
            }
            last = number;
            continue;
        }
        if brackets > 0 {
            brackets += depth_change(code);
            last = number;
            continue;
        }
        if code.is_empty() || code.starts_with(['#', ';']) {
            continue;
        }
        let header = code.strip_prefix('[').map(|rest| rest.trim_start_matches('['));
        if let Some(name) = header.and_then(|rest| rest.split(']').next()) {
            items.close(0, last);
            items.push(0, "key", name.trim().trim_matches('"'), number, code);
        } else if let Some((name, value)) = code.split_once('=') {
            let name = name.trim().trim_matches(['"', '\'']);
            items.close(1, last);
            items.push(1, "key", name, number, code);
            let value = value.trim_start();
            quote = ["\"\"\"", "'''"]
                .into_iter()
                .find(|quote| value.strip_prefix(quote).is_some_and(|rest| !rest.contains(quote)));
            brackets = if quote.is_none() { depth_change(value).max(0) } else { 0 };
        }
        last = number;
        if items.is_full() {
            break;
        }
    }
    items.finish(last.max(1).min(count(text)))
}

/// Opened brackets less closed ones, outside of strings and comments.
fn depth_change(code: &str) -> i32 {
    let mut quote = None;
    let mut change = 0;
    for byte in code.bytes() {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            (None, b'#') => break,
            (None, b'[' | b'{') => change += 1,
            (None, b']' | b'}') => change -= 1,
            _ => {}
        }
    }
    change
}
