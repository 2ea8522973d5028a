//! Owns how a request is taken apart: masked, then sentences, then clauses.
//! Uses `words` to know quotations, paths and names.
//! Never judges what a clause wants.

use crate::ground::words::{Words, among, is_code_shaped, quotations};

/// Stands for a quotation.
pub(super) const QUOTE: &str = "<q>";
/// Stands for a quotation that is a command.
pub(super) const COMMAND: &str = "<cmd>";
/// Stands for a path.
pub(super) const PATH: &str = "<p>";
/// Stands for a name in code.
pub(super) const NAME: &str = "<n>";

/// The request in lower case with quotations, paths and names replaced.
pub(super) fn mask(request: &str) -> String {
    let mut masked = String::new();
    let mut at = 0;
    for (start, end) in quotations(request) {
        let quoted = &request[start..end];
        masked.push_str(request[at..start].trim_end_matches(['"', '`', '“', '‘', '«', '\'']));
        let paths = Words::new(quoted).paths;
        let kind = if paths == [quoted] {
            PATH
        } else if is_command(quoted) {
            COMMAND
        } else {
            QUOTE
        };
        masked.push_str(&format!(" {kind} "));
        at = end + request[end..].chars().next().map_or(0, char::len_utf8);
    }
    masked.push_str(request.get(at..).unwrap_or_default());
    let words = Words::new(request);
    let mut result = String::new();
    for piece in masked.split_inclusive(char::is_whitespace) {
        let trimmed = piece.trim_end();
        let blank = &piece[trimmed.len()..];
        let bare = trimmed.trim_start_matches('(').trim_end_matches(['.', ',', ';', ':', '?', '!', ')']);
        let rest = trimmed.strip_prefix('(').unwrap_or(trimmed);
        let punctuation = &rest[bare.len().min(rest.len())..];
        if words.paths.iter().any(|path| bare == *path || bare.starts_with(&format!("{path}:"))) {
            result.push_str(PATH);
            result.push_str(punctuation);
        } else if bare.ends_with("()")
            || is_code_shaped(bare)
                && !bare.contains('<')
                && !bare.chars().next().is_some_and(|first| first.is_ascii_digit())
                && !bare.contains("..")
        {
            result.push_str(NAME);
            result.push_str(punctuation.trim_start_matches(['(', ')']));
        } else {
            result.push_str(&trimmed.to_lowercase());
        }
        result.push_str(blank);
    }
    result.replace(['\'', '’'], "")
}

/// Programs whose name at the start makes a text a command.
pub(super) const PROGRAMS: &str = "bash bun bundle cargo cat cd chmod cmake composer cp ctest curl date deno df docker \
    dotnet du echo env eslint find git go gradle grep head helm hg java jest jq just kubectl \
    ls make mkdir mvn mypy ninja node npm npx php pip pip3 pnpm podman poetry pre-commit \
    prettier ps pwd pytest python python3 rake rg rm ruby ruff rustc rustfmt rustup sed sh \
    sort ssh tail tar terraform touch tox tree tsc uname uv wc wget which whoami yarn zig";

/// Whether a text starts as a command does.
pub(in crate::ground) fn is_command(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default();
    among(first, PROGRAMS) || first.starts_with("./") && first.len() > 2 || first.ends_with(".sh")
}

/// Where a bare command starts among the words, if one does: `please run make deploy` at `make`.
pub(in crate::ground) fn command_start(text: &str) -> Option<usize> {
    // Names of programs that are English too need a reason: they count only behind a verb of running.
    let behind = |before: &str| {
        let word = before.trim_end_matches([' ', ':']).rsplit(char::is_whitespace).next().unwrap_or_default();
        among(word.to_lowercase().as_str(), "run execute try start exec do rerun call")
    };
    let mut at = 0;
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim();
        let known = among(word, PROGRAMS) || word.starts_with("./") && word.len() > 2;
        if known && (at == 0 || behind(&text[..at])) {
            return Some(at);
        }
        at += piece.len();
    }
    None
}

#[derive(Debug)]
pub(super) struct Sentence {
    pub(super) clauses: Vec<Clause>,
    pub(super) asked: bool,
}

#[derive(Debug)]
pub(super) struct Clause {
    pub(super) words: Vec<String>,
    /// What stands before it: `,`, `and`, `then`, `:` or nothing.
    pub(super) joint: String,
}

pub(super) fn sentences(masked: &str) -> Vec<Sentence> {
    let mut found = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut finish = |words: &mut Vec<String>, asked: bool| {
        if !words.is_empty() {
            found.push(Sentence { clauses: clauses(std::mem::take(words)), asked });
        }
    };
    for line in masked.lines() {
        for piece in line.split_whitespace() {
            let body = piece.trim_start_matches(['(', '[']);
            let stop = body.trim_end_matches([')', ']']);
            let ends = stop.ends_with(['.', '?', '!', ';']) && !among(stop, "e.g. i.e. etc.");
            let word = stop.trim_end_matches(['.', '?', '!', ';', ')']);
            push_word(&mut words, word);
            if ends {
                finish(&mut words, stop.contains('?'));
            }
        }
        finish(&mut words, false);
    }
    found
}

/// A word, its trailing comma or colon as a word of its own.
fn push_word(words: &mut Vec<String>, word: &str) {
    let bare = word.trim_end_matches([',', ':']);
    if !bare.is_empty() {
        words.push(bare.to_owned());
    }
    if word.len() > bare.len() {
        words.push(word[bare.len()..bare.len() + 1].to_owned());
    }
}

fn clauses(words: Vec<String>) -> Vec<Clause> {
    let mut found = vec![Clause { words: Vec::new(), joint: String::new() }];
    for word in words {
        let splits = among(word.as_str(), ", : and then but so - – — ... afterwards &");
        let Some(last) = found.last_mut() else { break };
        if !splits {
            last.words.push(word);
        } else if last.words.is_empty() {
            // `, and then` is one joint; the strongest word of it is kept.
            last.joint = format!("{} {word}", last.joint).trim().to_owned();
        } else {
            found.push(Clause { words: Vec::new(), joint: word });
        }
    }
    found.retain(|clause| !clause.words.is_empty());
    found
}
