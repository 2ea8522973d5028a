//! Owns the names and the marks of models that are split over several files: `x-00001-of-00003.gguf`.
//! Uses the keys `split.no`, `split.count` and `split.tensors.count` that llama.cpp's gguf-split writes.
//! Never takes a part of another model for one of this.

use std::path::{Path, PathBuf};

use super::{GgufError, Header};

/// Parts that a model may have; the largest known have fewer than 100.
const MOST_PARTS: u64 = 4096;

/// What the name of a part says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named<'a> {
    stem: &'a str,
    /// From 1 on.
    number: u64,
    count: u64,
    ending: &'a str,
}

/// Read a name such as `x-00002-of-00003.gguf`.
fn read(name: &str) -> Option<Named<'_>> {
    let digits = |text: &str| (text.len() == 5).then(|| text.parse::<u64>().ok()).flatten();
    let dot = name.len().checked_sub(".gguf".len())?;
    let ending = name.get(dot..).filter(|ending| ending.eq_ignore_ascii_case(".gguf"))?;
    let rest = name.get(..dot)?;
    let (rest, count) = rest.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    let (number, count) = (digits(number)?, digits(count)?);
    (number >= 1 && number <= count && count <= MOST_PARTS).then_some(Named { stem, number, count, ending })
}

/// The names of all parts of a model, the first one given; just that name for a model in one file.
#[must_use]
pub fn part_names(first: &str) -> Vec<String> {
    let (folder, name) = first.rsplit_once('/').map_or(("", first), |(folder, name)| (folder, name));
    let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    match read(name) {
        Some(Named { stem, count, ending, .. }) => {
            (1..=count).map(|number| format!("{folder}{stem}-{number:05}-of-{count:05}{ending}")).collect()
        }
        None => vec![first.to_owned()],
    }
}

/// The files of a model, the first one given; just that file for a model in one.
///
/// # Errors
/// When another part than the first is given, or one is not there.
pub fn parts(first: &Path) -> Result<Vec<PathBuf>, GgufError> {
    let name = first.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some(Named { number, count, .. }) = read(name) else { return Ok(vec![first.to_owned()]) };
    let names = part_names(name);
    if number != 1 {
        let reason = format!("is part {number} of {count}; name the first one, {}", names[0]);
        return Err(GgufError::invalid(name, reason));
    }
    let paths: Vec<PathBuf> = names.iter().map(|name| first.with_file_name(name)).collect();
    match paths.iter().zip(&names).find(|(path, _)| !path.exists()) {
        Some((_, missing)) => Err(GgufError::Missing { field: format!("{missing}, a part of {name},") }),
        None => Ok(paths),
    }
}

/// Fails unless a header is that of part `index` (from 0 on) of `count`, of the model whose first part says `tensors`.
pub(super) fn check(
    part: &Header,
    index: usize,
    count: usize,
    tensors: Option<u64>,
) -> Result<(), GgufError> {
    let wanted = [
        ("split.no", Some(index as u64)),
        ("split.count", Some(count as u64)),
        ("split.tensors.count", tensors),
    ];
    for (key, wanted) in wanted {
        let found = part.integer(key)?;
        if found != wanted {
            let say =
                |value: Option<u64>| value.map_or_else(|| "missing".to_owned(), |value| value.to_string());
            let reason =
                format!("is {} and must be {}: this is a part of another model", say(found), say(wanted));
            return Err(GgufError::invalid(key, reason));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_parts_are_told_from_others() {
        let check = |name: &str, expect: &[&str]| assert_eq!(part_names(name), expect, "{name}");
        check("x.gguf", &["x.gguf"]);
        check("x-00001-of-00002.gguf", &["x-00001-of-00002.gguf", "x-00002-of-00002.gguf"]);
        check("q4/x-00001-of-00002.gguf", &["q4/x-00001-of-00002.gguf", "q4/x-00002-of-00002.gguf"]);
        check("x-1-of-2.gguf", &["x-1-of-2.gguf"]);
        check("x-00003-of-00002.gguf", &["x-00003-of-00002.gguf"]);
        check("x-00001-of-99999.gguf", &["x-00001-of-99999.gguf"]);
        check("", &[""]);
        let error = parts(Path::new("/m/x-00002-of-00003.gguf")).expect_err("not the first");
        assert!(error.to_string().contains("name the first one, x-00001-of-00003.gguf"), "{error}");
    }
}
