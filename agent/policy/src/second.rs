//! Owns the second reading of a shell command (S3, S4): nothing is allowed that two independent readers read differently.
//! Uses the grammar of tree-sitter for the tree, an allow-list of its nodes, and a splitter of its own for long texts.
//! Never repairs: an error, a node that is not known, or a difference is a disagreement.

mod frames;
mod pieces;
mod tree;
mod words;

use std::collections::HashMap;

use crate::shell::{Direction, Reading, Simple};
use tree::{Command, Found};
use words::Value;

/// Why nothing of it is allowed.
pub(crate) type Disagreement = &'static str;

/// Texts up to this size are parsed as one; longer ones in pieces, since the parser needs 0.2 ms for each 1,000 bytes.
const WHOLE: usize = 512;

/// Whether another reader finds the same commands, words, settings and redirects in the text.
///
/// # Errors
/// The first difference, for people.
pub(crate) fn agrees(text: &str, reading: &Reading) -> Result<(), Disagreement> {
    let whole = if text.len() <= WHOLE {
        tree::read(text).and_then(|found| compare(&[Piece::Read(&found)], reading))
    } else {
        Err("it is long")
    };
    // The grammar errs on some lists that it reads well part by part.
    whole.or_else(|_| {
        let texts = pieces::split(text).ok_or("it cannot be split")?;
        let mut known: HashMap<&str, Found> = HashMap::new();
        for piece in &texts {
            if !pieces::is_plain(piece) && !known.contains_key(piece) {
                known.insert(piece, plain(piece).map_or_else(|| tree::read(piece), Ok)?);
            }
        }
        let pieces: Vec<Piece> =
            texts.into_iter().map(|text| known.get(text).map_or(Piece::Plain(text), Piece::Read)).collect();
        compare(&pieces, reading)
    })
}

/// What is plain enough to be read without the parser.
fn plain(piece: &str) -> Option<Found> {
    pieces::simple(piece).or_else(|| frames::test(piece)).or_else(|| frames::compound(piece))
}

/// A part of a text, as the second reader has it.
enum Piece<'text> {
    /// One command of words that stand for themselves, between blanks.
    Plain(&'text str),
    Read(&'text Found),
}

fn compare(pieces: &[Piece], reading: &Reading) -> Result<(), Disagreement> {
    let mut ours =
        reading.commands().filter(|simple| !simple.words.is_empty() || !simple.assignments.is_empty());
    let mut theirs: Vec<(bool, &str)> = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Plain(text) => {
                let ours = ours.next().ok_or(COMMANDS)?;
                let same = ours.assignments.is_empty()
                    && ours.words.iter().map(|word| word.raw()).eq(text.split_ascii_whitespace());
                if !same {
                    return Err(WORDS);
                }
            }
            Piece::Read(found) => {
                for theirs in &found.commands {
                    same_command(ours.next().ok_or(COMMANDS)?, theirs)?;
                }
                theirs.extend(found.redirects.iter().map(|one| (one.reads, one.target.as_str())));
            }
        }
    }
    if ours.next().is_some() {
        return Err(COMMANDS);
    }
    let mut redirects: Vec<(bool, &str)> = reading
        .commands()
        .flat_map(|simple| &simple.redirects)
        .map(|redirect| (redirect.direction == Direction::Read, redirect.target.raw()))
        .collect();
    redirects.sort_unstable();
    theirs.sort_unstable();
    if redirects == theirs { Ok(()) } else { Err("two readers find different redirects") }
}

const COMMANDS: Disagreement = "a reader finds more commands than the other";
const WORDS: Disagreement = "two readers find different words";

fn same_command(ours: &Simple, theirs: &Command) -> Result<(), Disagreement> {
    if let Some(test) = &theirs.test {
        let is_test = ours.words.first().is_some_and(|first| first.text.starts_with('['));
        let same = is_test && ours.raw.starts_with(test.as_str());
        return if same { Ok(()) } else { Err("two readers find different tests") };
    }
    let names = |simple: &Simple| simple.assignments.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
    if names(ours) != theirs.settings {
        return Err("two readers find different settings");
    }
    // Words in braces become several: only what stands before and behind them can be compared.
    let braces = |word: &words::Read| matches!(word.value, Value::Braces);
    let (first, last) = (theirs.words.iter().position(braces), theirs.words.iter().rposition(braces));
    match (first, last) {
        (Some(0), _) => return Err("the program is written in braces"),
        (Some(first), Some(last)) => {
            let behind = theirs.words.len() - last - 1;
            if ours.words.len() < first + behind {
                return Err(WORDS);
            }
            let (before, after) = (&theirs.words[..first], &theirs.words[last + 1..]);
            let start = ours.words.len() - behind;
            same_words(&ours.words[..first], before)?;
            return same_words(&ours.words[start..], after);
        }
        _ => {}
    }
    if ours.words.len() != theirs.words.len() {
        return Err(WORDS);
    }
    same_words(&ours.words, &theirs.words)
}

fn same_words(ours: &[crate::shell::Word], theirs: &[words::Read]) -> Result<(), Disagreement> {
    let same = ours.iter().zip(theirs).all(|(ours, theirs)| {
        // A joined line belongs to a word for one reader, and stands between words for the other.
        let joined = ours.raw().contains("\\\n") && matches!(theirs.value, Value::Text(_));
        (joined || ours.raw() == theirs.raw)
            && match &theirs.value {
                Value::Text(text) => !ours.dynamic && ours.text == *text,
                Value::Unknown => ours.dynamic,
                Value::Undecoded => true,
                Value::Braces => false,
            }
    });
    if same { Ok(()) } else { Err(WORDS) }
}

#[cfg(test)]
mod tests;
