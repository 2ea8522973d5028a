//! Owns the structure of style sheets: selectors, custom properties, key frames, and what SCSS and Less add.
//! Uses braces, which all dialects share.
//! Never reads declarations that name nothing.

use super::{Items, word};
use crate::parse::Tag;

/// A rule with more selectors than this is listed by the first of them.
const MOST_SELECTORS: usize = 6;

/// What a block is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    /// An item of its own.
    Item,
    /// `@keyframes`: the steps in it are no selectors.
    Frames,
    /// `@media` and others that only wrap.
    Wrap,
}

/// What a style sheet names.
pub(in crate::parse) fn css(text: &str) -> Vec<Tag> {
    let mut items = Items::default();
    let mut around: Vec<Block> = Vec::new();
    let bytes = text.as_bytes();
    // The text since the last brace or semicolon: where it starts, and its line.
    let mut begun: Option<(usize, u32)> = None;
    let mut brackets = 0u32;
    let mut line = 1u32;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'\n' => line = line.saturating_add(1),
            b' ' | b'\t' | b'\r' => {}
            b'/' if bytes.get(at) == Some(&b'*') => {
                let end = text[start + 2..].find("*/").map_or(bytes.len(), |length| start + 2 + length + 2);
                line = line
                    .saturating_add(bytes[start..end].iter().filter(|&&byte| byte == b'\n').count() as u32);
                at = end;
            }
            // In `https://` and in `url(//…)` these start no comment.
            b'/' if bytes.get(at) == Some(&b'/')
                && brackets == 0
                && (start == 0 || bytes[start - 1] != b':') =>
            {
                at = text[start..].find('\n').map_or(bytes.len(), |length| start + length);
            }
            b'"' | b'\'' => {
                begun.get_or_insert((start, line));
                while let Some(&inner) = bytes.get(at) {
                    if inner == b'\n' {
                        break;
                    }
                    at += if inner == b'\\' { 2 } else { 1 };
                    if inner == byte {
                        break;
                    }
                }
                at = at.min(bytes.len());
            }
            b'(' => {
                brackets += 1;
                begun.get_or_insert((start, line));
            }
            b')' => brackets = brackets.saturating_sub(1),
            // `#{$name}` is part of a selector.
            b'#' if bytes.get(at) == Some(&b'{') => {
                begun.get_or_insert((start, line));
                at = text[start..].find(['}', '\n']).map_or(bytes.len(), |length| start + length);
                at += usize::from(bytes.get(at) == Some(&b'}'));
            }
            b'{' if brackets == 0 => {
                let prelude = begun.take().map(|(from, line)| (text[from..start].trim(), line));
                let block = open(&mut items, &around, prelude);
                around.push(block);
            }
            b'}' | b';' if brackets == 0 || byte == b'}' => {
                brackets = 0;
                if let Some((from, line)) = begun.take() {
                    declare(&mut items, around.len(), text[from..start].trim(), line);
                }
                if byte == b'}' {
                    around.pop();
                    items.close(around.len(), line);
                }
            }
            _ => {
                begun.get_or_insert((start, line));
            }
        }
        if items.is_full() {
            break;
        }
    }
    items.finish(line)
}

/// A block opens after this text.
fn open(items: &mut Items, around: &[Block], prelude: Option<(&str, u32)>) -> Block {
    let Some((text, line)) = prelude else { return Block::Wrap };
    let rank = around.len();
    if around.contains(&Block::Frames) {
        return Block::Wrap;
    }
    let Some(rule) = text.strip_prefix('@') else {
        // A nested map of SCSS, `$map: ( … )`, has no brace; `a:hover {` and `&:not(.b) {` are selectors.
        let selectors = text.split(',').map(|piece| piece.split_whitespace().collect::<Vec<_>>().join(" "));
        for selector in selectors.filter(|selector| !selector.is_empty()).take(MOST_SELECTORS) {
            items.push(rank, "selector", &selector, line, &selector);
        }
        return Block::Item;
    };
    let (name, rest) = word(rule);
    let rest = rest.trim();
    let (named, _) = word(rest.trim_start_matches(['"', '\'']));
    match name {
        _ if name.ends_with("keyframes") => {
            items.push(rank, "keyframes", named, line, text);
            Block::Frames
        }
        "mixin" => {
            items.push(rank, "macro", named, line, text);
            Block::Item
        }
        "function" => {
            items.push(rank, "function", named, line, text);
            Block::Item
        }
        "property" => {
            items.push(rank, "variable", named, line, text);
            Block::Item
        }
        _ => Block::Wrap,
    }
}

/// A declaration ends.
fn declare(items: &mut Items, rank: usize, text: &str, line: u32) {
    let Some((name, _)) = text.split_once(':') else { return };
    let name = name.trim_end();
    let is_variable = name.starts_with("--") || name.starts_with('$') || name.starts_with('@') && rank == 0;
    let is_plain = name.chars().skip(1).all(|one| one.is_alphanumeric() || matches!(one, '-' | '_'));
    if is_variable && is_plain {
        let signature: String = text.lines().next().unwrap_or_default().to_owned();
        items.push(rank, "variable", name, line, &signature);
        items.close(rank, line);
    }
}
