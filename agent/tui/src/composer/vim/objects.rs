//! Owns the text objects of vi: words, quotations, brackets, paragraphs, with or without what is around them.
//! Uses the buffer.
//! Never changes anything.

use std::ops::Range;

use crate::composer::buffer::Buffer;

/// The bytes of an object around the cursor; `around` takes what is around it, too.
pub(super) fn object(buffer: &Buffer, key: char, around: bool) -> Option<Range<usize>> {
    match key {
        'w' | 'W' => Some(word(buffer, key == 'W', around)),
        '"' | '\'' | '`' => quotation(buffer, key, around),
        '(' | ')' | 'b' => brackets(buffer, '(', ')', around),
        '[' | ']' => brackets(buffer, '[', ']', around),
        '{' | '}' | 'B' => brackets(buffer, '{', '}', around),
        '<' | '>' => brackets(buffer, '<', '>', around),
        'p' => Some(paragraph(buffer, around)),
        _ => None,
    }
}

fn word(buffer: &Buffer, big: bool, around: bool) -> Range<usize> {
    let text = buffer.text();
    let kind = |character: char| match character {
        '\n' => 0,
        _ if character.is_whitespace() => 1,
        _ if big || character.is_alphanumeric() || character == '_' => 2,
        _ => 3,
    };
    let at = buffer.cursor();
    let Some(here) = text[at..].chars().next().map(kind) else { return at..at };
    let start = text[..at].trim_end_matches(|character| kind(character) == here).len();
    let rest = |from: usize, wanted: u8| {
        from + text[from..].find(|character| kind(character) != wanted).unwrap_or(text.len() - from)
    };
    let end = rest(at, here);
    if !around {
        return start..end;
    }
    let behind = rest(end, 1);
    if behind > end {
        return start..behind;
    }
    text[..start].trim_end_matches(|character| kind(character) == 1).len()..end
}

/// The quotation of the line that the cursor is in, or the next one.
fn quotation(buffer: &Buffer, mark: char, around: bool) -> Option<Range<usize>> {
    let (start, end) = (buffer.line_start(buffer.cursor()), buffer.line_end(buffer.cursor()));
    let marks: Vec<usize> = buffer.text()[start..end].match_indices(mark).map(|(at, _)| start + at).collect();
    let pair = marks.chunks_exact(2).find(|pair| pair[1] >= buffer.cursor())?;
    Some(if around { pair[0]..pair[1] + 1 } else { pair[0] + 1..pair[1] })
}

fn brackets(buffer: &Buffer, open: char, close: char, around: bool) -> Option<Range<usize>> {
    let (text, at) = (buffer.text(), buffer.cursor());
    let mut depth = 0_usize;
    let here = text[at..].chars().next();
    let start = if here == Some(open) {
        at
    } else {
        text[..at].char_indices().rev().find_map(|(offset, character)| {
            if character == close {
                depth += 1;
            } else if character == open {
                if depth == 0 {
                    return Some(offset);
                }
                depth -= 1;
            }
            None
        })?
    };
    depth = 0;
    let end = text[start..].char_indices().find_map(|(offset, character)| {
        depth += usize::from(character == open);
        if character == close {
            depth -= 1;
        }
        (depth == 0).then_some(start + offset)
    })?;
    Some(if around { start..end + 1 } else { start + 1..end })
}

/// The lines between empty ones, with the break behind the last; with the empty ones behind it.
fn paragraph(buffer: &Buffer, around: bool) -> Range<usize> {
    let text = buffer.text();
    let empty = |at: usize| buffer.line_start(at) == buffer.line_end(at);
    let kind = empty(buffer.cursor());
    let mut start = buffer.line_start(buffer.cursor());
    while start > 0 && empty(start - 1) == kind {
        start = buffer.line_start(start - 1);
    }
    let mut end = buffer.line_end(buffer.cursor());
    let mut wanted = kind;
    while end < text.len() {
        if empty(end + 1) != wanted {
            if !around || wanted != kind {
                break;
            }
            wanted = !kind;
            continue;
        }
        end = buffer.line_end(end + 1);
    }
    start..(end + 1).min(text.len())
}
