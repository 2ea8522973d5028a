//! Owns the reading of a program's arguments against a list of the options that are known to be harmless.
//! Uses nothing.
//! Never accepts an option that is not listed, nor an abbreviated one: a later version may give it a meaning.

use crate::shell::Word;

/// What the operands of a program are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operands {
    /// Text that names nothing.
    Text,
    /// Paths that it reads.
    Paths,
    /// A pattern, then paths; all paths when the pattern came as an option.
    PatternThenPaths,
    /// Revisions of a repository, or paths in it.
    Revisions,
    /// A pattern, then revisions.
    PatternThenRevisions,
    /// None may stand.
    None,
}

/// A program, and the options with which it only reads.
pub(super) struct Row {
    /// Its names, separated by blanks.
    pub(super) names: &'static str,
    /// Letters of options without a value.
    pub(super) short: &'static str,
    /// Letters of options with a value that names nothing.
    pub(super) valued: &'static str,
    /// Letters of options with a path.
    pub(super) pathed: &'static str,
    /// Long options, separated by blanks: `name`, `name=` with a value, `name==` with a path, `name?` with a value or without.
    pub(super) long: &'static str,
    pub(super) operands: Operands,
    /// It also has options that write or run something: then a word that could turn into one is not accepted.
    pub(super) sharp: bool,
}

/// Arguments, sorted out.
#[derive(Debug, Default)]
pub(super) struct Arguments<'words> {
    pub(super) operands: Vec<&'words Word>,
    /// Values of options that name a path, with the text that is the path.
    pub(super) paths: Vec<(&'words Word, &'words str)>,
    /// Options that were given, as listed.
    pub(super) given: Vec<&'words str>,
    /// An option's value is unquoted and unknown, so it could become further words.
    pub(super) loose: bool,
}

/// Why the arguments are not known to be harmless.
pub(super) type Refusal = String;

impl Row {
    /// Sort the arguments out.
    pub(super) fn sort<'words>(&self, words: &'words [Word]) -> Result<Arguments<'words>, Refusal> {
        let mut sorted = Arguments::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let text = word.text.as_str();
            if self.sharp && (word.splits || word.glob || (word.dynamic && !text.starts_with('-'))) {
                return Err(format!("`{}` could become an option", word.raw()));
            }
            // `--include=*.rs` can only become the same option with another value.
            let value = text.starts_with("--")
                && text.find('=').is_some_and(|at| !text[..at].contains(['*', '?', '[']));
            if word.glob && text.starts_with('-') && !value {
                return Err(format!("`{}` is not known to be harmless", word.raw()));
            }
            if text == "--" {
                sorted.operands.extend(words);
                break;
            }
            if let Some(long) = text.strip_prefix("--") {
                self.long(long, word, &mut words, &mut sorted)?;
            } else if text.len() > 1 && text.starts_with('-') {
                self.cluster(&text[1..], word, &mut words, &mut sorted)?;
            } else {
                sorted.operands.push(word);
            }
        }
        Ok(sorted)
    }

    fn long<'words>(
        &self,
        long: &'words str,
        word: &'words Word,
        words: &mut std::slice::Iter<'words, Word>,
        sorted: &mut Arguments<'words>,
    ) -> Result<(), Refusal> {
        let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
        let refused = || format!("`--{name}` is not known to be harmless");
        let listed = self
            .long
            .split(' ')
            .find(|listed| listed.trim_end_matches(['=', '?']) == name && !name.is_empty());
        let kind = &listed.ok_or_else(refused)?[name.len()..];
        sorted.given.push(name);
        match (kind, value) {
            ("", None) | ("?", _) => sorted.loose |= word.splits,
            ("=", Some(_)) => sorted.loose |= word.splits,
            ("=", None) => sorted.loose |= words.next().ok_or_else(refused)?.splits,
            ("==", Some(value)) => sorted.paths.push((word, value)),
            ("==", None) => {
                let next = words.next().ok_or_else(refused)?;
                sorted.paths.push((next, &next.text));
            }
            _ => return Err(refused()),
        }
        Ok(())
    }

    fn cluster<'words>(
        &self,
        letters: &'words str,
        word: &'words Word,
        words: &mut std::slice::Iter<'words, Word>,
        sorted: &mut Arguments<'words>,
    ) -> Result<(), Refusal> {
        // `head -5`, `git log -3`
        if self.short.contains('#') && letters.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(());
        }
        for (position, letter) in letters.char_indices() {
            let rest = &letters[position + letter.len_utf8()..];
            sorted.given.push(&letters[position..position + letter.len_utf8()]);
            if self.short.contains(letter) && letter != '#' {
                continue;
            }
            let refused = || format!("`-{letter}` is not known to be harmless");
            let pathed = self.pathed.contains(letter);
            if !pathed && !self.valued.contains(letter) {
                return Err(refused());
            }
            let (owner, value) = if rest.is_empty() {
                let next = words.next().ok_or_else(refused)?;
                (next, next.text.as_str())
            } else {
                (word, rest)
            };
            if pathed {
                sorted.paths.push((owner, value));
            } else {
                sorted.loose |= owner.splits;
            }
            return Ok(());
        }
        Ok(())
    }
}
