//! Owns where the motions of vi lead: words, ends of lines, letters, brackets, paragraphs.
//! Uses the buffer's graphemes.
//! Never changes anything.

use crate::composer::buffer::Buffer;

/// What a motion spans, for an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    /// Up to the place.
    Exclusive,
    /// With the character at the place.
    Inclusive,
    /// Whole lines.
    Lines,
}

/// What a character is to the motions by words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Blank,
    Word,
    Other,
}

fn class(buffer: &Buffer, at: usize, big: bool) -> Class {
    match buffer.text()[at..].chars().next() {
        None => Class::Blank,
        Some(character) if character.is_whitespace() => Class::Blank,
        Some(_) if big => Class::Word,
        Some(character) if character.is_alphanumeric() || character == '_' => Class::Word,
        Some(_) => Class::Other,
    }
}

/// `w` and `W`.
fn word_forward(buffer: &Buffer, mut at: usize, big: bool) -> usize {
    let end = buffer.text().len();
    let begins = class(buffer, at, big);
    while at < end && begins != Class::Blank && class(buffer, at, big) == begins {
        at = buffer.next(at);
    }
    while at < end && class(buffer, at, big) == Class::Blank {
        at = buffer.next(at);
    }
    at
}

/// `e` and `E`.
fn word_end(buffer: &Buffer, at: usize, big: bool) -> usize {
    let end = buffer.text().len();
    let mut at = buffer.next(at);
    while at < end && class(buffer, at, big) == Class::Blank {
        at = buffer.next(at);
    }
    let kind = class(buffer, at, big);
    loop {
        let next = buffer.next(at);
        if next >= end || class(buffer, next, big) != kind {
            return at;
        }
        at = next;
    }
}

/// `b` and `B`.
fn word_back(buffer: &Buffer, at: usize, big: bool) -> usize {
    let mut at = buffer.previous(at);
    while at > 0 && class(buffer, at, big) == Class::Blank {
        at = buffer.previous(at);
    }
    let kind = class(buffer, at, big);
    while at > 0 && class(buffer, buffer.previous(at), big) == kind {
        at = buffer.previous(at);
    }
    at
}

/// `^`: the first letter of a line.
pub(super) fn first_letter(buffer: &Buffer, at: usize) -> usize {
    let (start, end) = (buffer.line_start(at), buffer.line_end(at));
    let line = &buffer.text()[start..end];
    start + line.find(|character: char| !character.is_whitespace()).unwrap_or(line.len())
}

/// The beginning of a line by its number, from 1; of the last one where there are fewer.
fn line(buffer: &Buffer, number: usize) -> usize {
    let mut breaks = buffer.text().match_indices('\n').map(|(at, _)| at + 1);
    match number.checked_sub(2) {
        None => 0,
        Some(skip) => breaks.nth(skip).unwrap_or_else(|| buffer.line_start(buffer.text().len())),
    }
}

/// A place in the line above or below, as near to the column as there is one.
pub(super) fn other_line(buffer: &Buffer, at: usize, down: bool) -> Option<usize> {
    let start = buffer.line_start(at);
    let column = buffer.text()[start..at].chars().count();
    let other = if down {
        let end = buffer.line_end(at);
        (end < buffer.text().len()).then_some(end + 1)?
    } else {
        buffer.line_start(start.checked_sub(1)?)
    };
    let line = &buffer.text()[other..buffer.line_end(other)];
    Some(other + line.char_indices().nth(column).map_or(line.len(), |(at, _)| at))
}

/// `}` and `{`: the next empty line, or the end.
fn paragraph(buffer: &Buffer, at: usize, down: bool) -> usize {
    let mut at = buffer.line_start(at);
    let empty = |at: usize| buffer.line_start(at) == buffer.line_end(at);
    let mut left = !empty(at);
    loop {
        let Some(next) = other_line(buffer, at, down).map(|at| buffer.line_start(at)) else {
            return if down { buffer.text().len() } else { 0 };
        };
        at = next;
        if empty(at) && left {
            return at;
        }
        left |= !empty(at);
    }
}

/// `%`: the bracket that belongs to the next one of the line.
fn bracket(buffer: &Buffer, at: usize) -> Option<usize> {
    const PAIRS: [(char, char); 3] = [('(', ')'), ('[', ']'), ('{', '}')];
    let text = buffer.text();
    let is_bracket = |character: char| "()[]{}".contains(character);
    let from = at + text[at..buffer.line_end(at)].find(is_bracket)?;
    let found = text[from..].chars().next()?;
    let (open, close) = PAIRS.into_iter().find(|(open, close)| *open == found || *close == found)?;
    let mut depth = 0_usize;
    if found == open {
        for (offset, character) in text[from..].char_indices() {
            depth += usize::from(character == open);
            depth -= usize::from(character == close);
            if depth == 0 {
                return Some(from + offset);
            }
        }
    } else {
        for (offset, character) in text[..=from].char_indices().rev() {
            depth += usize::from(character == close);
            depth -= usize::from(character == open);
            if depth == 0 {
                return Some(offset);
            }
        }
    }
    None
}

/// `f`, `F`, `t`, `T` within the line.
pub(super) fn find(buffer: &Buffer, at: usize, kind: char, wanted: char, count: usize) -> Option<usize> {
    let text = buffer.text();
    let (start, end) = (buffer.line_start(at), buffer.line_end(at));
    let found = if kind == 'f' || kind == 't' {
        let from = buffer.next(at).min(end);
        text[from..end].match_indices(wanted).nth(count.checked_sub(1)?).map(|(offset, _)| from + offset)?
    } else {
        text[start..at].rmatch_indices(wanted).nth(count.checked_sub(1)?).map(|(offset, _)| start + offset)?
    };
    Some(match kind {
        't' => buffer.previous(found),
        'T' => buffer.next(found),
        _ => found,
    })
}

/// Where a motion of one key leads. `count` is what was typed before it.
pub(super) fn motion(buffer: &Buffer, key: char, count: Option<usize>) -> Option<(usize, Span)> {
    let at = buffer.cursor();
    let times = count.unwrap_or(1);
    let repeat = |step: &dyn Fn(usize) -> usize| {
        let mut to = at;
        for _ in 0..times {
            let next = step(to);
            if next == to {
                break;
            }
            to = next;
        }
        to
    };
    let (start, end) = (buffer.line_start(at), buffer.line_end(at));
    Some(match key {
        'h' => (repeat(&|at| buffer.previous(at).max(start)), Span::Exclusive),
        'l' | ' ' => (repeat(&|at| buffer.next(at).min(end)), Span::Exclusive),
        'j' => (repeat(&|at| other_line(buffer, at, true).unwrap_or(at)), Span::Lines),
        'k' => (repeat(&|at| other_line(buffer, at, false).unwrap_or(at)), Span::Lines),
        'w' | 'W' => (repeat(&|at| word_forward(buffer, at, key == 'W')), Span::Exclusive),
        'e' | 'E' => (repeat(&|at| word_end(buffer, at, key == 'E')), Span::Inclusive),
        'b' | 'B' => (repeat(&|at| word_back(buffer, at, key == 'B')), Span::Exclusive),
        '0' => (start, Span::Exclusive),
        '^' => (first_letter(buffer, at), Span::Exclusive),
        '$' => {
            let mut last = at;
            for _ in 1..times {
                last = other_line(buffer, last, true).unwrap_or(last);
            }
            (buffer.line_end(last), Span::Exclusive)
        }
        'g' => (line(buffer, times), Span::Lines),
        'G' => (line(buffer, count.unwrap_or(usize::MAX)), Span::Lines),
        '%' => (bracket(buffer, at)?, Span::Inclusive),
        '}' => (repeat(&|at| paragraph(buffer, at, true)), Span::Exclusive),
        '{' => (repeat(&|at| paragraph(buffer, at, false)), Span::Exclusive),
        _ => return None,
    })
}
