//! Owns the reading of plain compound commands of a long text: `if`, `while`, `until` and `for … in`, and tests in brackets.
//! Uses the small lexer of `pieces` for the commands in them.
//! Never reads what has escapes, comments, here-documents or other parentheses than `$(plain words)`.

use super::pieces::{simple, word};
use super::tree::{Command, Found};

/// What a word of the grammar has opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    IfCondition,
    IfBody,
    Else,
    LoopCondition,
    /// `for x in a b`, which only `do` may follow.
    ForHead,
    LoopBody,
}

/// How a statement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// `;`
    Semicolon,
    Line,
    /// `|`, `&&`, `||`: a command goes on.
    Joined,
    Text,
}

/// The commands of a piece that is one compound command; `None` for anything that is not plain.
pub(super) fn compound(piece: &str) -> Option<Found> {
    if piece.contains(['\\', '`', '#', '<']) {
        return None;
    }
    let mut found = Found::default();
    // What is open, and whether a command stands in that part of it.
    let mut open: Vec<(Frame, bool)> = Vec::new();
    let mut rest = piece;
    let (mut before, mut closed) = (End::Line, false);
    while !rest.is_empty() {
        let (statement, end, after) = statement(rest)?;
        rest = after;
        let mut text = statement.trim_matches([' ', '\t']);
        if closed && !(before == End::Line && text.is_empty()) && open.is_empty() {
            return None;
        }
        if text.is_empty() {
            if !matches!(end, End::Line | End::Text) {
                return None;
            }
            before = if before == End::Joined { before } else { end };
            continue;
        }
        loop {
            let (first, behind) = text.split_once([' ', '\t']).unwrap_or((text, ""));
            let behind = behind.trim_start_matches([' ', '\t']);
            let next = match (first, open.last().copied()) {
                ("if", _) => Some((Frame::IfCondition, false)),
                ("while" | "until", _) => Some((Frame::LoopCondition, false)),
                ("for", _) => {
                    for_head(behind, &mut found)?;
                    open.push((Frame::ForHead, true));
                    if !matches!(end, End::Semicolon | End::Line) {
                        return None;
                    }
                    break;
                }
                (_, _) if before == End::Joined => None,
                ("then", Some((Frame::IfCondition, true))) => replaced(&mut open, Frame::IfBody),
                ("elif", Some((Frame::IfBody, true))) => replaced(&mut open, Frame::IfCondition),
                ("else", Some((Frame::IfBody, true))) => replaced(&mut open, Frame::Else),
                ("do", Some((Frame::LoopCondition | Frame::ForHead, true))) => {
                    replaced(&mut open, Frame::LoopBody)
                }
                ("fi", Some((Frame::IfBody | Frame::Else, true)))
                | ("done", Some((Frame::LoopBody, true))) => {
                    if !behind.is_empty() {
                        return None;
                    }
                    open.pop();
                    if let Some((_, seen)) = open.last_mut() {
                        *seen = true;
                    }
                    closed = true;
                    break;
                }
                _ => None,
            };
            if let Some(frame) = next {
                open.push(frame);
                if behind.is_empty() {
                    // Only a new line may follow a word of the grammar.
                    if end != End::Line {
                        return None;
                    }
                    break;
                }
                text = behind;
                continue;
            }
            let (frame, seen) = open.last_mut()?;
            if *frame == Frame::ForHead {
                return None;
            }
            *seen = true;
            let read = test(text).or_else(|| simple(text))?;
            found.commands.extend(read.commands);
            found.redirects.extend(read.redirects);
            break;
        }
        before = end;
    }
    (open.is_empty() && closed && before != End::Joined).then_some(found)
}

/// The part at hand is over, and another one begins.
fn replaced(open: &mut Vec<(Frame, bool)>, frame: Frame) -> Option<(Frame, bool)> {
    open.pop();
    Some((frame, false))
}

/// The text up to the next separator outside quotes and parentheses, how it ended, and what follows.
fn statement(text: &str) -> Option<(&str, End, &str)> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        let (end, length) = match byte {
            b'\'' | b'"' => {
                at += 2 + text[at + 1..].find(char::from(byte))?;
                continue;
            }
            b'(' => {
                depth += 1;
                (None, 1)
            }
            b')' => {
                depth = depth.checked_sub(1)?;
                (None, 1)
            }
            _ if depth > 0 => (None, 1),
            b';' => (Some(End::Semicolon), 1),
            b'\n' => (Some(End::Line), 1),
            b'|' if next == Some(b'|') => (Some(End::Joined), 2),
            b'|' if next != Some(b'&') => (Some(End::Joined), 1),
            b'&' if next == Some(b'&') => (Some(End::Joined), 2),
            b'&' if at > 0 && bytes[at - 1] == b'>' => (None, 1),
            b'|' | b'&' => return None,
            _ => (None, 1),
        };
        if let Some(end) = end {
            return Some((&text[..at], end, &text[at + length..]));
        }
        at += length;
    }
    (depth == 0).then_some((text, End::Text, ""))
}

/// `x in a b`: what the words run is found, and the words are no command.
fn for_head(text: &str, found: &mut Found) -> Option<()> {
    let (name, words) = text.split_once([' ', '\t'])?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let mut rest = words.trim_start_matches([' ', '\t']).strip_prefix("in")?;
    if !is_name || !rest.starts_with([' ', '\t']) {
        return None;
    }
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        if rest.is_empty() {
            return Some(());
        }
        rest = word(rest, found)?.1;
    }
}

/// `[ a = b ]` and `[[ -n a ]]` of plain words.
pub(super) fn test(text: &str) -> Option<Found> {
    let inner = match text.strip_prefix("[[ ") {
        Some(inner) => inner.strip_suffix(" ]]")?,
        None => text.strip_prefix("[ ")?.strip_suffix(" ]")?,
    };
    let mut found = Found::default();
    let mut words: Vec<&str> = Vec::new();
    let mut rest = inner.trim_start_matches([' ', '\t']);
    while !rest.is_empty() {
        let length = rest.find([' ', '\t']).unwrap_or(rest.len());
        let after = if matches!(&rest[..length], "=" | "==" | "!=") {
            &rest[length..]
        } else {
            word(rest, &mut found)?.1
        };
        words.push(&rest[..rest.len() - after.len()]);
        rest = after.trim_start_matches([' ', '\t']);
    }
    let operator = |word: &str| {
        matches!(
            word,
            "=" | "==" | "!=" | "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" | "-nt" | "-ot" | "-ef"
        )
    };
    // One word alone could be anything, and more than these three have an order of their own.
    let known = match words.as_slice() {
        [flag, operand] => {
            flag.len() == 2
                && flag.starts_with('-')
                && flag.as_bytes()[1].is_ascii_alphabetic()
                && !operand.starts_with('-')
        }
        [left, middle, right] => operator(middle) && !left.starts_with('-') && !right.starts_with('-'),
        _ => false,
    };
    let test = Command { test: Some(text.to_owned()), ..Command::default() };
    found.commands.push(test);
    known.then_some(found)
}
