//! Owns the commands that are edits of the workspace and nothing else: accepted in the mode that accepts edits (S13).
//! Uses the sorter of `options`.
//! Never accepts a removal of content, a link, or a path that is protected or outside.

use super::harmless::Here;
use super::options::{Operands, Row};
use crate::Kind;
use crate::place::Place;
use crate::shell::Word;

const ROWS: &[Row] = &[
    row("mkdir", "pv", "m", "", "parents verbose mode="),
    row("rmdir", "pv", "", "", "parents verbose ignore-fail-on-non-empty"),
    row("touch", "acmf", "dt", "r", "no-create date= time= reference=="),
    row("cp", "aRrfvnpui", "", "", "archive recursive force verbose no-clobber update interactive"),
    row("mv", "fvnui", "", "", "force verbose no-clobber update interactive"),
];

const fn row(
    names: &'static str,
    short: &'static str,
    valued: &'static str,
    pathed: &'static str,
    long: &'static str,
) -> Row {
    Row { names, short, valued, pathed, long, operands: Operands::Paths, sharp: true }
}

/// Whether the command only makes, copies or moves files inside the working directories.
pub(super) fn accepts(here: &Here, words: &[Word]) -> bool {
    let Some((first, arguments)) = words.split_first() else { return false };
    let Some(name) = first.known().and_then(super::harmless::bare_name) else { return false };
    let Some(row) = ROWS.iter().find(|row| row.names == name) else { return false };
    let Ok(sorted) = row.sort(arguments) else { return false };
    let free = |place: &Place| here.world.is_inside(place) && !here.world.is_protected(place);
    let writable = |text: &str, tilde: bool| {
        let places = here.places(text, tilde);
        !places.is_empty() && places.iter().all(free)
    };
    let known = |word: &Word| {
        word.known().is_some() && !(word.tilde && word.text.len() > 1 && !word.text.starts_with("~/"))
    };
    if sorted.operands.is_empty()
        || !sorted.operands.iter().all(|word| known(word) && writable(&word.text, word.tilde))
    {
        return false;
    }
    if !sorted.paths.iter().all(|(word, path)| known(word) && writable(path, false)) {
        return false;
    }
    if !matches!(name, "cp" | "mv") {
        return true;
    }
    let Some((target, sources)) = sorted.operands.split_last() else { return false };
    !sources.is_empty()
        && sources.iter().all(|source| {
            let last = source.text.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            // What lies in a copied folder is not looked at, but for the part that would matter.
            let plain = !matches!(last, "" | "." | "..");
            let whole = here.places(&source.text, source.tilde).iter().all(|place| {
                !here.world.holds_protected(place)
                    && place.names.iter().all(|name| here.world.files.kind(name) != Kind::Symlink)
            });
            plain && whole && writable(&format!("{}/{last}", target.text.trim_end_matches('/')), target.tilde)
        })
}
