//! Owns the rules for the arguments of a tool: from a flat JSON schema to Lark.
//! Uses nothing but text; the grammar engine compiles what is built here.
//! Never lets a value through that the schema forbids: what cannot be expressed is an error.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::provider::{SUBSTRING_OF, ToolSpec};
use crate::tool_syntax::SyntaxError;

/// Values of an `enum` that share their beginnings are nested this deep at most.
const MAX_NESTING: usize = 24;
/// Integers without bounds of their own stay where every JSON reader agrees on them.
const SAFE_INTEGER: i64 = 1 << 53;

/// How a string value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As a JSON string, quotes included.
    Json,
    /// As it is. The end of the value must be told by something that no value contains: a control token.
    Raw,
}

/// Collects rules and terminals under names of their own.
#[derive(Debug, Clone, Default)]
pub struct LarkBuilder {
    rules: String,
    known: BTreeMap<String, String>,
}

impl LarkBuilder {
    /// An empty grammar.
    pub fn new() -> Self {
        Self::default()
    }

    /// Add `name: body`. Lower case for rules, upper case for terminals.
    pub fn define(&mut self, name: &str, body: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.rules, "{name}: {body}");
    }

    /// Add a terminal under a name of its own; the same body gets the same name.
    pub fn terminal(&mut self, body: &str) -> String {
        if let Some(name) = self.known.get(body) {
            return name.clone();
        }
        let name = format!("T{}", self.known.len());
        self.define(&name, body);
        self.known.insert(body.to_owned(), name.clone());
        name
    }

    /// Add a rule under a name of its own.
    pub fn rule(&mut self, body: &str) -> String {
        let key = format!("rule {body}");
        if let Some(name) = self.known.get(&key) {
            return name.clone();
        }
        let name = format!("r{}", self.known.len());
        self.define(&name, body);
        self.known.insert(key, name.clone());
        name
    }

    /// The finished text.
    pub fn finish(self) -> super::Grammar {
        super::Grammar { lark: self.rules }
    }

    /// A rule for the arguments of `tool` as a JSON object, written as `json.dumps` writes it, keys in
    /// the schema's order. `None` when no object is valid (an `enum` without values).
    pub fn arguments(&mut self, tool: &ToolSpec) -> Result<Option<String>, SyntaxError> {
        let mut tail = "\"}\"".to_owned();
        let mut heads: Vec<String> = Vec::new();
        let properties = properties(tool)?;
        let any_required = properties.iter().any(|property| property.required);
        // From the last property to the first: `tail` is what may follow once something was written.
        for property in properties.iter().rev() {
            let Some(value) = self.value(&tool.name, property.name, property.schema, Encoding::Json)? else {
                if property.required {
                    return Ok(None);
                }
                continue;
            };
            let key = literal(&format!("{}: ", json_string(property.name)));
            let head = self.rule(&format!("{key} {value} {tail}"));
            let follow = literal(&format!(", {}: ", json_string(property.name)));
            let body = if property.required {
                format!("{follow} {value} {tail}")
            } else {
                format!("{follow} {value} {tail} | {tail}")
            };
            tail = self.rule(&body);
            if property.required {
                heads.clear();
            }
            heads.push(head);
        }
        if !any_required {
            heads.push("\"}\"".to_owned());
        }
        let choice = heads.join(" | ");
        Ok(Some(self.rule(&format!("\"{{\" ({choice})"))))
    }

    /// An expression for one value. `None` when no value is valid.
    pub fn value(
        &mut self,
        tool: &str,
        name: &str,
        schema: &Value,
        encoding: Encoding,
    ) -> Result<Option<String>, SyntaxError> {
        let error = |message: &str| SyntaxError::Request { message: format!("{tool}.{name}: {message}") };
        let kind = schema.get("type").and_then(Value::as_str);
        if let Some(texts) = schema.get(SUBSTRING_OF) {
            let texts = texts
                .as_array()
                .and_then(|texts| texts.iter().map(Value::as_str).collect::<Option<Vec<_>>>())
                .ok_or_else(|| error("x-substring-of must be an array of strings"))?;
            return Ok(self.quotation(&texts, encoding));
        }
        let choices = match (schema.get("enum"), schema.get("const")) {
            (Some(Value::Array(values)), _) => Some(values.clone()),
            (Some(_), _) => return Err(error("enum must be an array")),
            (None, Some(value)) => Some(vec![value.clone()]),
            (None, None) => None,
        };
        if let Some(choices) = choices {
            return self
                .choice(&choices, encoding)
                .ok_or_else(|| error("enum values must be strings or numbers"));
        }
        let constrained = schema.as_object().is_some_and(|entries| {
            entries.keys().any(|key| !matches!(key.as_str(), "type" | "description" | "title" | "default"))
        });
        match (kind, encoding) {
            (Some("string"), Encoding::Json) if !constrained => Ok(Some(self.terminal(JSON_STRING))),
            (Some("string"), Encoding::Raw) if !constrained => Ok(Some(self.terminal("/(?s:.+)/"))),
            (Some("boolean"), _) => Ok(Some(self.terminal("\"true\" | \"false\""))),
            (Some("integer"), _) => {
                let mut schema = schema.clone();
                if let Some(entries) = schema.as_object_mut() {
                    entries.entry("minimum").or_insert_with(|| json!(-SAFE_INTEGER));
                    entries.entry("maximum").or_insert_with(|| json!(SAFE_INTEGER));
                }
                Ok(Some(self.schema(&schema)))
            }
            // Bounded digits: what no JSON reader can hold must not be written.
            (Some("number"), _) if !constrained => {
                Ok(Some(self.terminal("/-?(0|[1-9][0-9]{0,14})(\\.[0-9]{1,15})?/")))
            }
            (_, Encoding::Raw) => Err(error("this type cannot be written without quotes")),
            (_, Encoding::Json) => Ok(Some(self.schema(schema))),
        }
    }

    /// Whatever else JSON schema can say, in the library's own words.
    fn schema(&mut self, schema: &Value) -> String {
        let mut schema = schema.clone();
        if let Some(entries) = schema.as_object_mut() {
            let style = json!({"whitespace_flexible": false, "item_separator": ", ", "key_separator": ": "});
            entries.insert("x-guidance".to_owned(), style);
        }
        self.rule(&format!("%json {schema}"))
    }

    /// One of these values. The outer `None` is an error, the inner one says that there are none.
    #[expect(clippy::option_option, reason = "the two kinds of nothing are told apart by the caller")]
    fn choice(&mut self, values: &[Value], encoding: Encoding) -> Option<Option<String>> {
        let mut written = Vec::with_capacity(values.len());
        for value in values {
            written.push(match (value, encoding) {
                (Value::String(text), Encoding::Json) => json_string(text),
                (Value::String(text), Encoding::Raw) if text.is_empty() => continue,
                (Value::String(text), Encoding::Raw) => text.clone(),
                (Value::Number(_) | Value::Bool(_), _) => value.to_string(),
                (Value::Null, Encoding::Json) => "null".to_owned(),
                _ => return None,
            });
        }
        written.sort_unstable();
        written.dedup();
        if written.is_empty() {
            return Some(None);
        }
        let chars: Vec<Vec<char>> = written.iter().map(|text| text.chars().collect()).collect();
        let body = shared_beginnings(&chars, 0, 0);
        Some(Some(self.terminal(&body)))
    }

    /// A non-empty piece of one of `texts`, cut at word boundaries, without white space at its ends.
    fn quotation(&mut self, texts: &[&str], encoding: Encoding) -> Option<String> {
        let mut pieces = Vec::new();
        for text in texts {
            let chunks: Vec<String> = words(text)
                .into_iter()
                .map(|word| match encoding {
                    Encoding::Json => inner_json(word),
                    Encoding::Raw => word.to_owned(),
                })
                .collect();
            if text.trim().is_empty() {
                continue;
            }
            pieces.push(format!("%regex {}", json!({"substring_chunks": chunks})));
        }
        if pieces.is_empty() {
            return None;
        }
        let any: Vec<String> = pieces.iter().map(|piece| self.terminal(piece)).collect();
        let any = self.terminal(&any.join(" | "));
        let space = match encoding {
            Encoding::Json => "(\\s|\\\\[nrtbf])",
            Encoding::Raw => "\\s",
        };
        let trimmed = self.terminal(&format!("{any} & /(?s:.+)/ & ~/{space}(?s:.*)/ & ~/(?s:.*){space}/"));
        Some(match encoding {
            Encoding::Json => self.terminal(&format!("\"\\\"\" {trimmed} \"\\\"\"")),
            Encoding::Raw => trimmed,
        })
    }
}

/// A JSON string as `json.dumps` or any other writer may put it, without escapes that have two readings.
const JSON_STRING: &str = r#"/"([^"\\\x00-\x1F\x7F]|\\["\\\/bfnrt]|\\u00[01][0-9a-f]|\\u007f)*"/"#;

struct Property<'a> {
    name: &'a str,
    schema: &'a Value,
    required: bool,
}

fn properties(tool: &ToolSpec) -> Result<Vec<Property<'_>>, SyntaxError> {
    let error = |message: &str| SyntaxError::Request { message: format!("{}: {message}", tool.name) };
    let required: Vec<&str> = match tool.parameters.get("required") {
        None => Vec::new(),
        Some(list) => list
            .as_array()
            .and_then(|list| list.iter().map(Value::as_str).collect())
            .ok_or_else(|| error("required must be an array of strings"))?,
    };
    let entries = match tool.parameters.get("properties") {
        None => {
            return if required.is_empty() {
                Ok(Vec::new())
            } else {
                Err(error("required without properties"))
            };
        }
        Some(entries) => entries.as_object().ok_or_else(|| error("properties must be an object"))?,
    };
    if let Some(unknown) = required.iter().find(|name| !entries.contains_key(**name)) {
        return Err(error(&format!("required names `{unknown}`, which is no property")));
    }
    Ok(entries
        .iter()
        .map(|(name, schema)| Property { name, schema, required: required.contains(&name.as_str()) })
        .collect())
}

/// Text as a Lark string.
pub fn literal(text: &str) -> String {
    // Lark reads JSON's escapes; a DEL must be one of them.
    json_string(text).replace('\u{7f}', "\\u007f")
}

fn json_string(text: &str) -> String {
    Value::from(text).to_string()
}

fn inner_json(text: &str) -> String {
    let quoted = json_string(text);
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}

/// Text as a regular expression that matches just it.
pub fn pattern(text: &str) -> String {
    regex::escape(text).replace('/', "\\/").replace('\n', "\\n")
}

/// Runs of letters, digits and `_`; every other character by itself.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut in_word = false;
    for (at, character) in text.char_indices() {
        let of_word = character.is_alphanumeric() || character == '_';
        if at > start && !(of_word && in_word) {
            words.push(&text[start..at]);
            start = at;
        }
        in_word = of_word;
    }
    if start < text.len() {
        words.push(&text[start..]);
    }
    words
}

/// Sorted, distinct texts as nested choices, so that ten thousand names cost what their letters cost.
fn shared_beginnings(texts: &[Vec<char>], skip: usize, depth: usize) -> String {
    if let [only] = texts {
        return literal(&only[skip..].iter().collect::<String>());
    }
    if depth >= MAX_NESTING {
        let flat: Vec<String> =
            texts.iter().map(|text| literal(&text[skip..].iter().collect::<String>())).collect();
        return format!("({})", flat.join(" | "));
    }
    let mut groups: Vec<String> = Vec::new();
    let mut rest = texts;
    if rest.first().is_some_and(|text| text.len() == skip) {
        groups.push("\"\"".to_owned());
        rest = &rest[1..];
    }
    while let Some(first) = rest.first() {
        let size = rest.iter().take_while(|text| text[skip] == first[skip]).count();
        let (group, others) = rest.split_at(size);
        let last = &group[size - 1];
        // Sorted, so that what the first and the last share is shared by all between.
        let shared = first[skip..].iter().zip(&last[skip..]).take_while(|(a, b)| a == b).count();
        let shared = if size == 1 { first.len() - skip } else { shared };
        let beginning = literal(&first[skip..skip + shared].iter().collect::<String>());
        if size == 1 {
            groups.push(beginning);
        } else {
            groups.push(format!("{beginning} {}", shared_beginnings(group, skip + shared, depth + 1)));
        }
        rest = others;
    }
    format!("({})", groups.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_are_shared() {
        let check = |texts: &[&str], expect: &str| {
            let mut texts: Vec<Vec<char>> = texts.iter().map(|text| text.chars().collect()).collect();
            texts.sort_unstable();
            assert_eq!(shared_beginnings(&texts, 0, 0), expect);
        };
        check(&["a"], r#""a""#);
        check(&["a", "b"], r#"("a" | "b")"#);
        check(&["abc", "abd", "x"], r#"("ab" ("c" | "d") | "x")"#);
        check(&["ab", "abc"], r#"("ab" ("" | "c"))"#);
        check(&["\"q\"", "\"r\""], r#"("\"" ("q\"" | "r\""))"#);
    }

    #[test]
    fn text_is_cut_at_words() {
        let check = |text: &str, expect: &[&str]| assert_eq!(words(text), expect);
        check("rename foo_bar to x.", &["rename", " ", "foo_bar", " ", "to", " ", "x", "."]);
        check("", &[]);
        check("  a", &[" ", " ", "a"]);
        check("naïve—x", &["naïve", "—", "x"]);
    }
}
