//! Owns what a word of the tree is after quote removal, as far as it is known.
//! Uses the kinds of the grammar.
//! Never shares code with the first reading: two readers that err together are one.

use tree_sitter::Node;

/// A word with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Read {
    /// As it was written.
    pub(super) raw: String,
    pub(super) value: Value,
}

/// What a word is after quote removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    /// It has an expansion.
    Unknown,
    /// It has escapes that are not decoded here.
    Undecoded,
    /// It has braces that may make several words of it.
    Braces,
}

/// The word of a node, and `None` for a node that is no word.
pub(super) fn read(node: Node, text: &str) -> Option<Read> {
    let raw = text.get(node.byte_range())?;
    let value = match value(node, text)? {
        Value::Text(_) | Value::Undecoded | Value::Unknown if has_braces(node, text) => Value::Braces,
        value => value,
    };
    Some(Read { raw: raw.to_owned(), value })
}

fn value(node: Node, text: &str) -> Option<Value> {
    let raw = text.get(node.byte_range())?;
    Some(match node.kind() {
        "word" | "number" | "extglob_pattern" | "variable_name" | "special_variable_name" | "regex" => {
            if node.child_count() > 0 && node.kind() != "word" {
                return Some(Value::Unknown);
            }
            Value::Text(unescaped(raw, |_| true))
        }
        "raw_string" => Value::Text(raw.strip_prefix('\'')?.strip_suffix('\'')?.to_owned()),
        "ansi_c_string" => {
            let inner = raw.strip_prefix("$'")?.strip_suffix('\'')?;
            if inner.contains('\\') { Value::Undecoded } else { Value::Text(inner.to_owned()) }
        }
        "translated_string" => value(node.child(1)?, text)?,
        "string" => {
            let mut cursor = node.walk();
            let plain =
                node.children(&mut cursor).all(|child| matches!(child.kind(), "\"" | "string_content" | "$"));
            if !plain {
                return Some(Value::Unknown);
            }
            let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
            Value::Text(unescaped(inner, |next| matches!(next, '"' | '\\' | '$' | '`')))
        }
        "concatenation" => {
            let mut whole = Value::Text(String::new());
            let mut cursor = node.walk();
            for child in node.children(&mut cursor) {
                whole = match (whole, value(child, text)?) {
                    (Value::Text(before), Value::Text(after)) => Value::Text(before + &after),
                    (Value::Unknown, _) | (_, Value::Unknown) => Value::Unknown,
                    _ => Value::Undecoded,
                };
            }
            whole
        }
        "simple_expansion"
        | "expansion"
        | "command_substitution"
        | "process_substitution"
        | "arithmetic_expansion" => Value::Unknown,
        "brace_expression" => Value::Braces,
        "$" | "==" | "=~" | "=" | "`" | "{" | "}" | "," | "[" | "]" => Value::Text(raw.to_owned()),
        _ => return None,
    })
}

/// Text without the backslashes that quote; a joined line disappears.
fn unescaped(text: &str, quotes: impl Fn(char) -> bool) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('\n') => {}
            Some(next) if quotes(next) => plain.push(next),
            Some(next) => plain.extend(['\\', next]),
            None => plain.push('\\'),
        }
    }
    plain
}

/// Whether an unquoted `{` stands before a comma or two dots.
fn has_braces(node: Node, text: &str) -> bool {
    let bare = |node: Node| {
        let raw = &text[node.byte_range()];
        matches!(node.kind(), "word" | "{" | "," | "}" | "brace_expression" | "number")
            .then(|| raw.to_owned())
    };
    let mut unquoted = String::new();
    if node.kind() == "concatenation" {
        let mut cursor = node.walk();
        for child in node.children(&mut cursor) {
            unquoted.push_str(&bare(child).unwrap_or_else(|| "'".into()));
        }
    } else {
        unquoted.push_str(&bare(node).unwrap_or_default());
    }
    unquoted.split_once('{').is_some_and(|(_, rest)| rest.contains(',') || rest.contains(".."))
}
