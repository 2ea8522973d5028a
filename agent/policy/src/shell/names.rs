//! Owns what names mean: reserved words, variables that are harmless to set, programs that set variables.
//! Uses nothing.
//! Never trusts a variable that is not listed or plainly private.

use super::Word;

pub(super) fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

pub(super) fn is_integer(word: &Word) -> bool {
    !word.dynamic
        && !word.text.is_empty()
        && word.text.len() < 19
        && word.text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Names that no program and no shell looks at: in small letters, as scripts name their own.
pub(super) fn is_private_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && name.bytes().any(|byte| byte.is_ascii_lowercase())
        && !matches!(name, "histchars" | "auto_resume")
        && !name.ends_with("_proxy")
}

/// Settings that change how a program speaks, never what it does.
pub(super) fn is_harmless_setting(name: &str) -> bool {
    matches!(
        name,
        "LANG"
            | "LANGUAGE"
            | "LC_ALL"
            | "LC_CTYPE"
            | "LC_COLLATE"
            | "LC_MESSAGES"
            | "LC_NUMERIC"
            | "LC_TIME"
            | "TZ"
            | "NO_COLOR"
            | "FORCE_COLOR"
            | "CLICOLOR"
            | "CLICOLOR_FORCE"
            | "COLUMNS"
            | "LINES"
            | "CI"
            | "RUST_BACKTRACE"
            | "RUST_LOG"
            | "CARGO_TERM_COLOR"
            | "NODE_ENV"
            | "PYTHONUNBUFFERED"
            | "PYTHONDONTWRITEBYTECODE"
            | "DEBUG"
            | "VERBOSE"
    )
}

pub(super) fn is_plain_value(value: &Word) -> bool {
    !value.dynamic
        && value.text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.,:=@*".contains(&byte))
}

/// Words that are no programs: where one stands as a program, the reading has gone wrong.
pub(super) const RESERVED: &[&str] = &[
    "!", "{", "}", "[[", "]]", "if", "then", "elif", "else", "fi", "for", "in", "while", "until", "do",
    "done", "case", "esac", "select", "function", "coproc", "time",
];

pub(super) fn declares(first: &Word) -> bool {
    matches!(first.text.as_str(), "declare" | "typeset" | "export" | "readonly" | "local") && !first.dynamic
}

pub(super) fn sets_variables(program: &str) -> bool {
    matches!(
        program,
        "declare"
            | "typeset"
            | "export"
            | "readonly"
            | "local"
            | "let"
            | "read"
            | "unset"
            | "wait"
            | "mapfile"
            | "readarray"
            | "getopts"
            | "printf"
            | "set"
            | "eval"
            | "source"
            | "."
    )
}
