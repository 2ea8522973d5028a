//! Owns words: how they are cut, stemmed and told apart from numbers, names and identifiers.
//! Uses short lists of function words, which are the same in any project.
//! Never knows what a project is about.

/// What a word is by its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word of language.
    Word,
    /// Begins with a capital within a sentence.
    Name,
    /// A number, with or without a unit.
    Number,
    /// A path, a host, a ticket, a symbol, a branch.
    Identifier,
}

/// A word of a statement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    pub(super) kind: Kind,
    /// What stands before it ends a clause.
    pub(super) clause: bool,
}

fn is_edge(one: char) -> bool {
    one.is_whitespace()
        || matches!(
            one,
            ',' | ';'
                | ':'
                | '!'
                | '?'
                | '('
                | ')'
                | '['
                | ']'
                | '{'
                | '}'
                | '"'
                | '\''
                | '`'
                | '*'
                | '“'
                | '”'
                | '‘'
                | '’'
                | '«'
                | '»'
                | '。'
                | '，'
                | '、'
                | '；'
                | '：'
                | '！'
                | '？'
                | '（'
                | '）'
                | '「'
                | '」'
                | '.'
                | '…'
        )
}

/// Scripts that are written without spaces.
pub(super) fn is_unspaced(one: char) -> bool {
    matches!(u32::from(one), 0x2E80..=0x2FDF | 0x3040..=0x30FF | 0x3400..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

/// The words of a statement, in order.
pub(super) fn words(text: &str) -> Vec<Word<'_>> {
    let mut found = Vec::new();
    let mut clause = false;
    for token in text.split_whitespace() {
        let mut rest = token;
        while let Some(one) = rest.chars().next() {
            let unspaced = is_unspaced(one);
            let end = rest.find(|next| is_unspaced(next) != unspaced).unwrap_or(rest.len());
            let run = &rest[..end];
            rest = &rest[end..];
            if unspaced {
                for (at, one) in run.char_indices() {
                    let text = &run[at..at + one.len_utf8()];
                    found.push(Word { text, kind: Kind::Word, clause: false });
                }
                continue;
            }
            let bare = run.trim_matches(is_edge);
            // `worker's` is about the worker.
            let bare = bare.strip_suffix("'s").or_else(|| bare.strip_suffix("’s")).unwrap_or(bare);
            if bare.chars().any(char::is_alphanumeric) {
                let first = found.is_empty();
                let quoted = run.starts_with(['`', '\'']) && run.len() > 2;
                found.push(Word {
                    text: bare,
                    kind: kind(bare, first || clause_ends_sentence(text, bare), quoted),
                    clause,
                });
            }
            clause = run.ends_with([',', ';', ':', '.', '–', '—']) || run == "-";
        }
    }
    found
}

/// Whether the word follows the end of a sentence, where a capital says nothing.
fn clause_ends_sentence(text: &str, word: &str) -> bool {
    let start = (word.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
    text.get(..start).is_some_and(|before| {
        before
            .trim_end_matches(|one: char| one.is_whitespace() || matches!(one, '"' | '`' | '\'' | '(' | '*'))
            .ends_with(['.', '!', '?', ':'])
    })
}

fn kind(word: &str, first: bool, quoted: bool) -> Kind {
    let mut digits = 0usize;
    let mut letters = 0usize;
    let mut inner_capital = false;
    let mut joints = 0usize;
    let mut before: Option<char> = None;
    for one in word.chars() {
        if one.is_ascii_digit() {
            digits += 1;
        } else if one.is_alphabetic() {
            letters += 1;
            inner_capital |= one.is_uppercase() && before.is_some_and(char::is_lowercase);
        } else if matches!(one, '_' | '/' | '.' | ':' | '@' | '\\' | '#' | '=' | '<' | '-' | '+' | '~') {
            joints += 1;
        }
        before = Some(one);
    }
    let hyphens = word.matches('-').count();
    if digits > 0
        && (letters <= 2 || digits >= letters)
        && !word.contains(['_', '/', '@'])
        && (letters <= 2 || hyphens == 0)
    {
        return Kind::Number;
    }
    if quoted || inner_capital || digits > 0 && letters > 0 || (joints > hyphens && letters > 0) {
        return Kind::Identifier;
    }
    let capital = word.chars().next().is_some_and(char::is_uppercase);
    if letters > 1 && capital && (!first || word.chars().all(char::is_uppercase)) {
        return Kind::Name;
    }
    Kind::Word
}

/// A word without case and its commonest endings.
pub(super) fn stem(word: &str) -> String {
    let mut lower = word.to_lowercase();
    if !lower.bytes().all(|byte| byte.is_ascii_lowercase()) || lower.len() < 4 {
        return lower;
    }
    if lower.ends_with("ies") && lower.len() > 4 {
        lower.truncate(lower.len() - 3);
        lower.push('y');
        return lower;
    }
    if lower.ends_with('s') && !["ss", "us", "is"].iter().any(|end| lower.ends_with(end)) {
        lower.pop();
    }
    for (ending, least) in [("ing", 6), ("ed", 5), ("er", 7), ("ly", 6)] {
        if lower.len() >= least && lower.ends_with(ending) {
            lower.truncate(lower.len() - ending.len());
            let bytes = lower.as_bytes();
            if let [.., one, two] = bytes
                && one == two
                && !matches!(one, b'l' | b's' | b'z')
            {
                lower.pop();
            }
            break;
        }
    }
    if lower.len() >= 5 && lower.ends_with('e') {
        lower.pop();
    }
    lower
}

/// Words that say nothing about the subject of a statement.
pub(super) fn is_function_word(lower: &str) -> bool {
    FUNCTION_WORDS.binary_search(&lower).is_ok()
}

#[rustfmt::skip]
const FUNCTION_WORDS: &[&str] = &[
    "a", "about", "above", "after", "again", "all", "also", "always", "am", "an", "and", "any", "anymore",
    "anyone", "anything", "are", "as", "at", "au", "auf", "aus", "be", "because", "been", "before", "bei",
    "being", "below", "between", "bitte", "both", "btw", "but", "by", "can", "can't", "cannot", "come", "comes",
    "could", "d", "das", "de", "dem", "den", "der", "des", "die", "do", "does", "doesn't", "doing", "don't",
    "done", "dont", "du", "during", "each", "ein", "eine", "either", "en", "er", "es", "est", "et", "every",
    "everything", "few", "for", "from", "fyi", "get", "gets", "go", "goes", "going", "got", "had", "has",
    "have", "having", "he", "her", "here", "him", "his", "how", "i", "i'd", "i'm", "if", "ihr", "il", "im",
    "in", "into", "is", "isn't", "ist", "it", "it's", "its", "itself", "je", "just", "kein", "keine", "l", "la",
    "le", "les", "let", "let's", "like", "listen", "listens", "live", "lives", "make", "makes", "may", "me",
    "mit", "more", "most", "much", "must", "my", "named", "need", "needs", "never", "nicht", "no", "noch",
    "nor", "not", "now", "nur", "of", "off", "ok", "okay", "on", "once", "one", "only", "or", "other", "ought",
    "our", "out", "over", "own", "pas", "per", "please", "pls", "pour", "put", "same", "se", "set", "shall",
    "she", "should", "sich", "sie", "sind", "so", "some", "such", "sur", "than", "thanks", "that", "that's",
    "the", "their", "them", "then", "there", "these", "they", "this", "those", "through", "to", "too", "um",
    "un", "und", "under", "une", "until", "up", "us", "use", "used", "uses", "using", "very", "via", "vom",
    "von", "was", "we", "well", "were", "what", "when", "where", "whether", "which", "while", "who", "whom",
    "why", "will", "with", "within", "without", "won't", "would", "y", "you", "your", "yours", "zu", "zum",
    "zur",
];

#[cfg(test)]
mod tests {
    use super::{FUNCTION_WORDS, Kind, stem, words};

    #[test]
    fn the_list_is_sorted() {
        assert!(
            FUNCTION_WORDS.windows(2).all(|pair| pair[0] < pair[1]),
            "{:?}",
            FUNCTION_WORDS.windows(2).find(|pair| pair[0] >= pair[1])
        );
    }

    #[test]
    fn words_know_their_kind() {
        let check = |text: &str, expect: &[(&str, Kind)]| {
            let found: Vec<(&str, Kind)> = words(text).iter().map(|word| (word.text, word.kind)).collect();
            assert_eq!(found, expect, "{text}");
        };
        check(
            "Ask Noor for `run_all` on web-2:80, 15ms.",
            &[
                ("Ask", Kind::Word),
                ("Noor", Kind::Name),
                ("for", Kind::Word),
                ("run_all", Kind::Identifier),
                ("on", Kind::Word),
                ("web-2:80", Kind::Identifier),
                ("15ms", Kind::Number),
            ],
        );
        check("端口6033", &[("端", Kind::Word), ("口", Kind::Word), ("6033", Kind::Number)]);
        check(
            "in src/lib.rs, see OPS-12.",
            &[
                ("in", Kind::Word),
                ("src/lib.rs", Kind::Identifier),
                ("see", Kind::Word),
                ("OPS-12", Kind::Identifier),
            ],
        );
    }

    #[test]
    fn forms_of_a_word_meet() {
        for (one, two) in [
            ("reviews", "reviewer"),
            ("merged", "merge"),
            ("policies", "policy"),
            ("running", "runs"),
            ("Ports", "port"),
        ] {
            assert_eq!(stem(one), stem(two), "{one} {two}");
        }
    }
}
