//! Owns arguments that make a program run or write something (S7): a rule for the program does not cover them.
//! Uses the rows of `table`.
//! Never trusts an abbreviation: `--upload-pa` is `--upload-pack` to git.

mod own;
mod table;

use std::borrow::Cow;

use super::wrappers::basename;
use crate::shell::Word;
use table::{ROWS, Row};

/// These run what the project says anyway, and nobody can put a file name where their options would stand.
const RUNS_THE_PROJECT: &[&str] = &["git", "cargo", "npm", "pnpm", "yarn", "bun", "make", "gmake"];

/// Options before git's command whose value is the next word.
const GIT_VALUED: &[&str] = &["-c", "-C", "--git-dir", "--work-tree", "--namespace", "--config-env"];

/// They take options only before the script.
const INTERPRETERS: &[&str] = &["node", "nodejs", "perl", "ruby", "php", "lua", "luajit"];

fn is_plain_operand(word: &Word) -> bool {
    !word.dynamic && !word.glob && !word.splits && !word.text.starts_with('-')
}

/// The first argument that a rule for the program does not cover by itself, and does not spell out either.
pub(super) fn find(words: &[Word], spelled: &dyn Fn(&str) -> bool) -> Option<String> {
    let (first, arguments) = words.split_first()?;
    let mut program = basename(&first.text);
    let mut arguments = arguments;
    if program.starts_with("python")
        && let [dash_m, module, rest @ ..] = arguments
        && dash_m.text == "-m"
        && module.text == "pytest"
    {
        (program, arguments) = ("pytest", rest);
    }
    // What follows the script that an interpreter runs is the script's.
    if INTERPRETERS.contains(&program) && arguments.first().is_some_and(is_plain_operand) {
        return None;
    }
    for row in ROWS.iter().filter(|row| row.programs.split(' ').any(|name| name == program)) {
        for word in arguments {
            if word.text.starts_with('-')
                && (word.dynamic && word.text.trim_start_matches('-').starts_with(['$', '`']))
            {
                return Some(word.text.clone());
            }
            if is_risky(row, &word.text) && !spelled(option_name(&word.text)) {
                return Some(option_name(&word.text).to_owned());
            }
        }
        // An unquoted glob becomes file names, and a file may be named like an option.
        let turns = |word: &&Word| (word.glob && word.text.starts_with(['*', '?', '['])) || word.splits;
        if !RUNS_THE_PROJECT.contains(&program)
            && let Some(word) = arguments.iter().find(|word| turns(word) && !spelled(word.raw()))
        {
            return Some(word.raw().to_owned());
        }
    }
    let mut arguments = Cow::Borrowed(arguments);
    loop {
        let risk = own::find(program, &arguments)?;
        if !spelled(&risk) {
            return Some(risk);
        }
        // What is spelled out is covered; the next one need not be.
        let covered = |word: &Word| word.text == risk || option_name(&word.text) == risk;
        let mut found = false;
        let mut value = false;
        for word in arguments.to_mut() {
            if covered(word) || std::mem::take(&mut value) {
                // The value of an option before git's command is no command.
                value = program == "git" && GIT_VALUED.contains(&word.text.as_str());
                word.text = if word.text.starts_with('-') || program == "git" {
                    "--no-pager".into()
                } else {
                    String::new()
                };
                word.dynamic = false;
                found = true;
            }
        }
        if !found || risk.is_empty() {
            return None;
        }
    }
}

/// Whether a `>` in a program of `awk` may be more than a comparison: one that writes stands in a statement with `print`.
fn writes(program: &str) -> bool {
    let mut before = "";
    program.split('>').any(|piece| {
        let statement = before.rsplit(['{', '}', ';']).next().unwrap_or(before);
        let first = std::mem::replace(&mut before, piece).is_empty();
        // A string, an expression or a comment could hold what looks like the end of a statement.
        !first && (statement.contains("print") || statement.contains(['"', '/', '#', '\n', '\\']))
    })
}

/// Whether a script of `sed` or `awk` may run commands.
pub(super) fn runs_commands(words: &[Word]) -> bool {
    let Some((first, arguments)) = words.split_first() else { return false };
    let mut texts = arguments.iter().map(|word| word.text.as_str());
    match basename(&first.text) {
        "sed" | "gsed" => {
            texts.any(|text| text.contains('e') && !is_plain_sed(text) && !text.starts_with("--"))
        }
        "awk" | "gawk" | "mawk" | "nawk" => {
            texts.any(|text| text.contains("system") || text.contains("getline") || text.contains(['|', '@']))
        }
        _ => false,
    }
}

/// Whether the program has options that run or write.
pub(super) fn has_such_options(words: &[Word]) -> bool {
    let program = words.first().map_or("", |first| basename(&first.text));
    // What these run is up to the project, whatever their options.
    let runs_the_project = program != "git" && RUNS_THE_PROJECT.contains(&program);
    !runs_the_project && ROWS.iter().any(|row| row.programs.split(' ').any(|name| name == program))
}

fn option_name(text: &str) -> &str {
    if text.starts_with('-') { text.split('=').next().unwrap_or(text) } else { text }
}

fn is_risky(row: &Row, text: &str) -> bool {
    let name = option_name(text);
    let bare = name.trim_start_matches('-');
    let is_long = text.starts_with("--");
    let whole = |word: &str| {
        let long = word.strip_prefix("--");
        // Some programs take either number of dashes, and most take the beginning of a long option for the whole.
        let abbreviated = match long {
            Some(long) => (is_long || bare.len() > 2) && long.starts_with(bare),
            None => is_long && word.strip_prefix('-').is_some_and(|word| word.starts_with(bare)),
        };
        let attached = long.is_none() && word.len() == 2 && word.starts_with('-') && text.starts_with(word);
        word == name || attached || (abbreviated && name.starts_with('-') && !bare.is_empty())
    };
    if row.words.split(' ').any(|word| !word.is_empty() && whole(word)) {
        return true;
    }
    !is_long && text.starts_with('-') && text[1..].contains(|c| row.short.contains(c))
}

fn ends_with_script_option(text: &str) -> bool {
    text == "--expression" || (text.starts_with('-') && !text.starts_with("--") && text.ends_with('e'))
}

/// Whether a sed script has only printing, deleting, quitting and substitutions without the flags that run or write.
pub(super) fn is_plain_sed(script: &str) -> bool {
    let mut characters = script.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            // Addresses, blanks, separators, blocks, and commands without an argument.
            '0'..='9' | '$' | ',' | '+' | '~' | '!' | ' ' | '\t' | '\n' | ';' | '{' | '}' => {}
            'p' | 'P' | 'd' | 'D' | 'q' | '=' | 'n' | 'N' | 'h' | 'H' | 'g' | 'G' | 'x' | 'I' => {}
            '/' => {
                if !skip_delimited(&mut characters, '/') {
                    return false;
                }
            }
            's' | 'y' => {
                let Some(delimiter) = characters.next() else { return false };
                let twice =
                    skip_delimited(&mut characters, delimiter) && skip_delimited(&mut characters, delimiter);
                if !twice {
                    return false;
                }
                while let Some(flag) = characters.peek() {
                    match flag {
                        'g' | 'p' | 'i' | 'I' | 'm' | 'M' | '0'..='9' => characters.next(),
                        ';' | '\n' | ' ' | '}' => break,
                        _ => return false,
                    };
                }
            }
            _ => return false,
        }
    }
    true
}

fn skip_delimited(characters: &mut std::iter::Peekable<std::str::Chars>, delimiter: char) -> bool {
    while let Some(character) = characters.next() {
        if character == '\\' {
            characters.next();
        } else if character == delimiter {
            return true;
        } else if character == '[' && delimiter != '[' {
            // A bracket may hold the delimiter in some versions and not in others.
            let rest: String = characters.clone().take_while(|c| *c != ']').collect();
            if rest.contains(delimiter) {
                return false;
            }
        }
    }
    false
}
