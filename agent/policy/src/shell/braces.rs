//! Owns brace expansion: `{a,b}` becomes two words before anything else happens.
//! Uses nothing.
//! Never makes more than [`MOST`] words or [`BYTES`] of text: beyond that the command is not understood.

use super::word::{Lexed, Piece};

const MOST: usize = 512;
const BYTES: usize = 256 * 1024;
const DEPTH: usize = 16;

/// A character of a word with what must be known of it.
#[derive(Debug, Clone)]
enum Unit {
    /// Unquoted.
    Plain(char),
    /// Anything that braces do not look into.
    Fixed(Piece),
}

/// The words that a word becomes; `None` when it has no braces that expand.
pub(super) fn expand(word: &Lexed) -> Result<Option<Vec<Lexed>>, ()> {
    let braced =
        word.pieces.iter().any(|piece| matches!(piece, Piece::Text(text, false) if text.contains('{')));
    if !braced {
        return Ok(None);
    }
    let mut units = Vec::new();
    for piece in &word.pieces {
        match piece {
            Piece::Text(text, false) => units.extend(text.chars().map(Unit::Plain)),
            fixed => units.push(Unit::Fixed(fixed.clone())),
        }
    }
    if !is_balanced(&units) && units.iter().any(|unit| plain(unit) == Some(',')) {
        // What bash makes of these is a matter of its version.
        return Err(());
    }
    let expanded = expand_units(&units, 0)?;
    if let [only] = expanded.as_slice()
        && only.len() == units.len()
    {
        return Ok(None);
    }
    Ok(Some(expanded.into_iter().map(assemble).collect()))
}

fn is_balanced(units: &[Unit]) -> bool {
    let mut open = 0usize;
    for unit in units {
        match plain(unit) {
            Some('{') => open += 1,
            Some('}') if open == 0 => return false,
            Some('}') => open -= 1,
            _ => {}
        }
    }
    open == 0
}

fn assemble(units: Vec<Unit>) -> Lexed {
    let mut word = Lexed::default();
    for unit in units {
        match unit {
            Unit::Plain(character) => match word.pieces.last_mut() {
                Some(Piece::Text(text, false)) => text.push(character),
                _ => word.pieces.push(Piece::Text(character.to_string(), false)),
            },
            Unit::Fixed(piece) => word.pieces.push(piece),
        }
    }
    word.raw = word.clone().word().text;
    word
}

fn expand_units(units: &[Unit], depth: usize) -> Result<Vec<Vec<Unit>>, ()> {
    if depth > DEPTH {
        return Err(());
    }
    let Some(group) = first_group(units) else { return Ok(vec![units.to_vec()]) };
    let (before, rest) = units.split_at(group.open);
    let after = &rest[group.close + 1 - group.open..];
    let mut middles: Vec<Vec<Unit>> = Vec::new();
    if group.commas.is_empty() {
        // A sequence such as `{1..3}`: its words are not listed, so what they are is not known.
        let raw: String = units[group.open..=group.close].iter().filter_map(plain).collect();
        middles.push(vec![Unit::Fixed(Piece::Expansion(raw, false))]);
    } else {
        let mut from = group.open + 1;
        for &comma in group.commas.iter().chain([&group.close]) {
            middles.extend(expand_units(&units[from..comma], depth + 1)?);
            from = comma + 1;
        }
    }
    let tails = expand_units(after, depth + 1)?;
    let count = middles.len() * tails.len();
    let length = before.len()
        + tails.iter().map(Vec::len).max().unwrap_or(0)
        + middles.iter().map(Vec::len).max().unwrap_or(0);
    if count > MOST || count * length > BYTES {
        return Err(());
    }
    let mut all = Vec::with_capacity(count);
    for middle in &middles {
        for tail in &tails {
            all.push([before, middle, tail].concat());
        }
    }
    Ok(all)
}

fn plain(unit: &Unit) -> Option<char> {
    match unit {
        Unit::Plain(character) => Some(*character),
        Unit::Fixed(_) => None,
    }
}

/// A brace group that expands.
struct Group {
    open: usize,
    close: usize,
    /// Empty for a sequence.
    commas: Vec<usize>,
}

/// The first `{…}` with a comma or `..` in it. One pass with a stack: an opening brace that never closes is text.
fn first_group(units: &[Unit]) -> Option<Group> {
    let mut open: Vec<(usize, Vec<usize>, bool)> = Vec::new();
    let mut found: Option<Group> = None;
    for (position, unit) in units.iter().enumerate() {
        match plain(unit) {
            Some('{') => open.push((position, Vec::new(), false)),
            Some(',') => {
                if let Some((_, commas, _)) = open.last_mut() {
                    commas.push(position);
                }
            }
            Some('.') if position > 0 && plain(&units[position - 1]) == Some('.') => {
                if let Some((_, _, dots)) = open.last_mut() {
                    *dots = true;
                }
            }
            Some('}') => {
                let Some((start, commas, dots)) = open.pop() else { continue };
                let expands = !commas.is_empty() || dots;
                if expands && found.as_ref().is_none_or(|group| start < group.open) {
                    found = Some(Group { open: start, close: position, commas });
                }
                // Everything that could begin earlier has closed.
                if open.is_empty() && found.is_some() {
                    break;
                }
            }
            _ => {}
        }
    }
    found
}
