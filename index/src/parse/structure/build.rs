//! Owns the targets of build files: Makefiles, justfiles, Dockerfiles.
//! Uses lines.
//! Never expands variables.

use super::{Items, count, numbered, word};
use crate::parse::Tag;

/// Targets, variables that are set at the left edge, and `define`s of a Makefile.
pub(in crate::parse) fn make(text: &str) -> Vec<Tag> {
    let mut items = Items::default();
    let mut last = 0;
    let mut continued = false;
    for (number, line) in numbered(text) {
        let was_continued = std::mem::replace(&mut continued, line.ends_with('\\'));
        if line.starts_with('\t') || was_continued {
            last = number;
            continue;
        }
        let code = line.trim();
        if code.is_empty() || code.starts_with('#') {
            continue;
        }
        items.close(0, last);
        last = number;
        let bare = ["export ", "override ", "define "]
            .iter()
            .find_map(|word| code.strip_prefix(word))
            .unwrap_or(code);
        let (name, rest) = variable(bare);
        let rest = rest.trim_start();
        let sets = ["=", ":=", "::=", "?=", "+=", "!="].iter().any(|sign| rest.starts_with(sign));
        if !name.is_empty() && (sets || code.starts_with("define ")) {
            // What is added to was set before.
            if !rest.starts_with("+=") {
                items.push(0, "variable", name, number, code);
            }
        } else if let Some((names, _)) =
            code.split_once(':').filter(|_| !code.starts_with(['.', '-', '$', '@']))
        {
            let names = names.split_whitespace().filter(|name| !name.contains(['$', '(', '=']));
            for (at, name) in names.take(8).enumerate() {
                items.push(at, "target", name, number, code);
            }
        }
    }
    items.finish(last.max(1))
}

fn variable(text: &str) -> (&str, &str) {
    let end =
        text.find(|character: char| !(character.is_alphanumeric() || matches!(character, '_' | '-' | '.')));
    text.split_at(end.unwrap_or(text.len()))
}

/// Recipes and variables of a justfile.
pub(in crate::parse) fn just(text: &str) -> Vec<Tag> {
    let mut items = Items::default();
    let mut last = 0;
    for (number, line) in numbered(text) {
        if line.starts_with([' ', '\t']) {
            last = number;
            continue;
        }
        let code = line.trim();
        if code.is_empty() || code.starts_with(['#', '[']) {
            continue;
        }
        items.close(0, last);
        last = number;
        let code = code.trim_start_matches('@');
        let (name, rest) =
            word(code.strip_prefix("export ").or_else(|| code.strip_prefix("alias ")).unwrap_or(code));
        if rest.trim_start().starts_with(":=") {
            items.push(0, if code.starts_with("alias ") { "target" } else { "variable" }, name, number, code);
        } else if !matches!(name, "set" | "import" | "mod") && rest.contains(':') {
            items.push(0, "target", name, number, code);
        }
    }
    items.finish(last.max(1))
}

/// Stages of a Dockerfile by their names, and its arguments.
pub(in crate::parse) fn docker(text: &str) -> Vec<Tag> {
    let mut items = Items::default();
    for (number, line) in numbered(text) {
        let mut words = line.split_whitespace();
        match words.next().map(str::to_ascii_uppercase).as_deref() {
            Some("FROM") => {
                let rest: Vec<&str> = words.filter(|word| !word.starts_with("--")).collect();
                let name = match rest.as_slice() {
                    [_, middle, name, ..] if middle.eq_ignore_ascii_case("as") => name,
                    [image, ..] => image,
                    [] => continue,
                };
                items.push(0, "target", name, number, line.trim());
            }
            Some("ARG" | "ENV") => {
                let name = words.next().unwrap_or_default();
                items.push(1, "variable", name.split('=').next().unwrap_or(name), number, line.trim());
            }
            _ => {}
        }
    }
    items.finish(count(text))
}
