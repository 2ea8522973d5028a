//! Owns cutting source code: numbers before the lines are taken off, syntax nodes become passages.
//! Uses `parse` and `chunk`; a language without a grammar is cut at blank lines by the latter.
//! Never gives a line another number than it has in the text.

use super::{LONGEST_LINE, Lines, Piece};
use crate::chunk::chunks;
use crate::parse::{LineIndex, languages, tags};
use crate::rank::is_test_path;

/// Cut code. `path` says the language.
pub(super) fn code(lines: &Lines<'_>, path: &str, pieces: &mut Vec<Piece>) {
    let count = lines.count();
    let numbered = is_numbered(lines);
    let mut source = String::new();
    for at in 0..count {
        let line = lines.line(at);
        let line = if numbered { without_number(line) } else { line };
        // A longer line would leave the whole text without symbols.
        source.push_str(&line[..line.floor_char_boundary(LONGEST_LINE)]);
        source.push('\n');
    }
    let index = LineIndex::new(&source);
    let tags = tags(&source, languages::of(path, &source), is_test_path(path)).definitions;
    for chunk in chunks(&source, &index, &tags) {
        let from = chunk.start.saturating_sub(1) as usize;
        let to = (chunk.end.saturating_sub(1) as usize).min(count.saturating_sub(1));
        if from > to {
            continue;
        }
        let mut piece = lines.piece(from, to);
        piece.body = Some(index.range(&source, chunk.start, chunk.end).to_owned());
        let here = |tag: &&crate::parse::Tag| (chunk.start..=chunk.end).contains(&tag.line);
        piece.names = tags
            .iter()
            .filter(here)
            .filter(|tag| tag.is_symbol() && tag.names_its_place())
            .map(|tag| tag.name.clone())
            .collect();
        // What the passage stands in: every definition that begins before it and goes on in it.
        for around in tags.iter().filter(|tag| tag.line < chunk.start && tag.end_line >= chunk.start) {
            if piece.header.len() < 400 {
                piece.header.push_str(&around.signature);
                piece.header.push('\n');
            }
        }
        piece.is_test = is_test_path(path)
            || chunk.symbol.and_then(|symbol| tags.get(symbol)).is_some_and(|tag| tag.is_test);
        pieces.push(piece);
    }
}

/// Whether most lines begin with a number and a tab.
fn is_numbered(lines: &Lines<'_>) -> bool {
    let seen = lines.count().min(400);
    let numbered = (0..seen).filter(|&at| number_before(lines.line(at)).is_some()).count();
    numbered > 0 && numbered * 10 >= seen * 8
}

fn number_before(line: &str) -> Option<&str> {
    let (number, rest) = line.split_once(['\t', '→', '|'])?;
    let number = number.trim();
    (!number.is_empty() && number.len() <= 9 && number.bytes().all(|byte| byte.is_ascii_digit()))
        .then_some(rest)
}

fn without_number(line: &str) -> &str {
    number_before(line).unwrap_or(line)
}
