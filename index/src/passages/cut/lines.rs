//! Owns cutting what is read line by line: talk, logs, matches, diffs.
//! Uses the shape of lines only: blank ones, indentation, length, the marks of a diff.
//! Never looks for the words of a language or the names of a tool.

use super::{LONGEST_LINE, Lines, Piece};

/// About so many lines make a passage.
const USUAL: usize = 12;
/// So many at most, where a block is kept together.
const MOST: usize = 24;
/// Fewer lines than this are not worth a passage of their own, unless nothing else is near.
const LEAST: usize = 4;
/// A passage of more bytes than this is cut before its twelfth line.
const USUAL_BYTES: usize = 1_600;
/// A line that is longer than this is cut at sentences.
const LONG_LINE: usize = 1_600;
/// Into pieces of about this many bytes.
const SENTENCES: usize = 1_000;
/// Into so many at most: what is longer is data, and the last piece is all the rest of it.
const MOST_OF_A_LINE: usize = 256;
/// Places to cut from here on keep blocks together.
const GOOD: u8 = 2;
/// A hunk of a diff up to here is one passage.
const MOST_OF_A_HUNK: usize = 40;

/// Cut at paragraphs; short ones are joined.
pub(super) fn talk(lines: &Lines<'_>, pieces: &mut Vec<Piece>) {
    greedy(lines, pieces, USUAL, |at| if is_blank(lines, at - 1) { 6 } else { GOOD });
}

/// Cut at blank lines, then between lines at the left edge; a line that stands further right belongs to the one above.
pub(super) fn log(lines: &Lines<'_>, pieces: &mut Vec<Piece>) {
    greedy(lines, pieces, USUAL, |at| {
        if is_blank(lines, at) {
            return 0;
        }
        let here = indent(lines, at);
        if is_blank(lines, at - 1) {
            return if here == 0 { 6 } else { 4 };
        }
        match (indent(lines, at - 1), here) {
            (0, 0) => GOOD + 1,
            // It may be the last line of a block or the first of the next.
            (_, 0) => GOOD,
            (before, here) if here > before => 0,
            _ => 1,
        }
    });
}

/// Cut every twelve lines, between two files where that is near.
pub(super) fn matches(lines: &Lines<'_>, pieces: &mut Vec<Piece>) {
    greedy(lines, pieces, USUAL, |at| {
        if place_of(lines.line(at - 1)) == place_of(lines.line(at)) { GOOD } else { 6 }
    });
}

/// Cut at files and hunks.
pub(super) fn diff(lines: &Lines<'_>, pieces: &mut Vec<Piece>) {
    let count = lines.count();
    let mut file = String::new();
    let mut from = 0;
    let starts_file = |at: usize| {
        let line = lines.line(at);
        line.starts_with("diff ")
            || line.starts_with("--- ")
                && at + 1 < count
                && lines.line(at + 1).starts_with("+++ ")
                && !(0..at).rev().take(6).any(|before| lines.line(before).starts_with("diff "))
    };
    for at in 1..=count {
        let ends = at == count
            || starts_file(at)
            // The head of a file stays with its first hunk.
            || lines.line(at).starts_with("@@") && (from..at).any(|line| lines.line(line).starts_with("@@"));
        if !ends {
            continue;
        }
        for line in from..at {
            if let Some(path) = path_of_diff(lines.line(line)) {
                path.clone_into(&mut file);
            }
        }
        let around = (from..at).find_map(|line| hunk_header(lines.line(line))).unwrap_or_default();
        let mut start = from;
        while start < at {
            // A hunk that is too long is cut where unchanged lines stand.
            let stop = if at - start <= MOST_OF_A_HUNK + LEAST {
                at
            } else {
                (start + MOST_OF_A_HUNK / 2..start + MOST_OF_A_HUNK)
                    .rev()
                    .find(|&line| lines.line(line).starts_with(' ') || lines.line(line).is_empty())
                    .unwrap_or(start + MOST_OF_A_HUNK)
            };
            let mut piece = clipped(lines, start, stop - 1);
            around.clone_into(&mut piece.header);
            if !file.is_empty() {
                piece.paths.push(file.clone());
            }
            pieces.push(piece);
            start = stop;
        }
        from = at;
    }
}

fn path_of_diff(line: &str) -> Option<&str> {
    let path = line.strip_prefix("+++ ").or_else(|| line.strip_prefix("--- "))?;
    let path = path.split('\t').next().unwrap_or(path);
    if path == "/dev/null" {
        return None;
    }
    Some(path.strip_prefix("a/").or_else(|| path.strip_prefix("b/")).unwrap_or(path))
}

/// What git writes behind the second `@@`: the line that the hunk stands below.
fn hunk_header(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("@@")?;
    Some(rest.split_once("@@")?.1.trim())
}

/// Take lines until a passage is full, then go back to the best place to cut. `worth` says how good it is to cut before a
/// line: 0 where it should not be, less than [`GOOD`] where a block would be cut in two.
fn greedy(lines: &Lines<'_>, pieces: &mut Vec<Piece>, usual: usize, worth: impl Fn(usize) -> u8) {
    let count = lines.count();
    let mut from = 0;
    while from < count {
        if lines.bytes(from, from).len() > LONG_LINE {
            sentences(lines, from, pieces);
            from += 1;
            continue;
        }
        // As far as a passage may reach.
        let (mut full, mut bytes) = (from, 0);
        while full < count && full - from < usual {
            let length = lines.bytes(full, full).len();
            if full > from && (bytes + length > USUAL_BYTES || length > LONG_LINE) {
                break;
            }
            bytes += length;
            full += 1;
        }
        let stop = if full == count || lines.bytes(full, full).len() > LONG_LINE {
            full
        } else {
            cut_near(from, full, count, &worth)
        };
        let piece = with_places(lines, clipped(lines, from, stop - 1), from, stop);
        pieces.push(piece);
        from = stop;
    }
}

/// The best place in the second half of a passage; where there is no good one, the best a little after it, so that a block
/// is kept together.
fn cut_near(from: usize, full: usize, count: usize, worth: &impl Fn(usize) -> u8) -> usize {
    let half = from + (full - from).div_ceil(2).max(1);
    let within = (half..=full).max_by_key(|&at| (worth(at), at)).unwrap_or(full);
    if worth(within) >= GOOD {
        return within;
    }
    let after = (full..(from + MOST).min(count)).rev().max_by_key(|&at| worth(at));
    match after {
        Some(after) if worth(after) >= GOOD => after,
        _ if worth(within) > 0 => within,
        _ => full,
    }
}

/// A line that is longer than a passage.
fn sentences(lines: &Lines<'_>, at: usize, pieces: &mut Vec<Piece>) {
    let whole = lines.bytes(at, at);
    let text = lines.text;
    let (mut start, mut made) = (whole.start, 0);
    while start < whole.end {
        made += 1;
        let rest = whole.end - start;
        let stop = if rest <= SENTENCES + SENTENCES / 2 || made == MOST_OF_A_LINE {
            whole.end
        } else {
            let most = text.floor_char_boundary(start + SENTENCES);
            let least = text.floor_char_boundary(start + SENTENCES / 2);
            let window = &text[least..most];
            let after = |end: &str| window.rfind(end).map(|found| least + found + end.len());
            [". ", "! ", "? ", "。", "; ", ", ", " "].iter().find_map(|end| after(end)).unwrap_or(most)
        };
        pieces.push(Piece {
            first: lines.number(at),
            last: lines.number(at),
            bytes: start..stop,
            body: (stop - start > LONGEST_LINE)
                .then(|| text[start..text.floor_char_boundary(start + LONGEST_LINE)].to_owned()),
            ..Piece::default()
        });
        start = stop;
    }
}

/// A piece whose long lines are searched up to a length.
pub(super) fn clipped(lines: &Lines<'_>, from: usize, to: usize) -> Piece {
    let mut piece = lines.piece(from, to);
    if (from..=to).any(|at| lines.bytes(at, at).len() > LONGEST_LINE) {
        let mut body = String::new();
        for at in from..=to {
            let line = lines.line(at);
            body.push_str(&line[..line.floor_char_boundary(LONGEST_LINE)]);
            body.push('\n');
        }
        piece.body = Some(body);
    }
    piece
}

/// The files that lines begin with, each once.
fn with_places(lines: &Lines<'_>, mut piece: Piece, from: usize, stop: usize) -> Piece {
    for at in from..stop {
        if let Some(path) = place_of(lines.line(at))
            && piece.paths.last().is_none_or(|last| last != path)
            && !piece.paths.iter().any(|known| known == path)
        {
            piece.paths.push(path.to_owned());
        }
    }
    piece
}

/// The path of `path:12: text`, wherever in the first words of a line it stands.
fn place_of(line: &str) -> Option<&str> {
    let line = &line[..line.floor_char_boundary(400)];
    line.split([' ', '\t', '(', '"', '\'', '`']).take(8).find_map(|word| {
        let path = word.split(':').next().unwrap_or(word);
        let (_, name) = path.rsplit_once(['/', '\\']).unwrap_or(("", path));
        let (stem, ending) = name.rsplit_once('.')?;
        let is_ending = (1..=5).contains(&ending.len())
            && ending.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && !ending.bytes().all(|byte| byte.is_ascii_digit());
        let named = path.len() < name.len() + 200 && !stem.is_empty() && is_ending;
        (named && (path.len() > name.len() || word.len() > path.len())).then_some(path)
    })
}

fn is_blank(lines: &Lines<'_>, at: usize) -> bool {
    lines.line(at).bytes().all(|byte| byte.is_ascii_whitespace())
}

fn indent(lines: &Lines<'_>, at: usize) -> usize {
    let line = lines.line(at);
    line.len() - line.trim_start().len()
}
