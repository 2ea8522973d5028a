//! Owns the rules for the arguments of a tool: from a flat JSON schema to Lark.
//! Uses nothing but text; the grammar engine compiles what is built here.
//! Never lets a value through that the schema forbids: what cannot be expressed is an error.

use std::collections::BTreeMap;
use std::fmt::Write;

use llguidance::derivre::{RegexAst, RegexBuilder};
use llguidance::regex_to_lark;
use serde_json::{Value, json};

use super::schema::Schema;
use crate::provider::{QUOTE_OF, SUBSTRING_OF, ToolSpec};
use crate::tool_syntax::SyntaxError;

/// Values of an `enum` that share their beginnings are nested this deep at most.
const MAX_NESTING: usize = 24;
/// A tool's schema is refused beyond this; 50,000 paths have about 2 MiB.
const MAX_SCHEMA_BYTES: usize = 8 << 20;

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As JSON; strings with their quotes.
    Json,
    /// Strings as they are. The end of the value must be told by something that no value contains: a control token.
    Raw,
    /// Strings as they are, everything else as JSON. Behind the value stands this, which no value contains; it is
    /// part of the expression.
    Until(&'static str),
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

    /// A rule for an answer that is one value of a JSON schema, written as `json.dumps` writes it. An error where no value
    /// is valid.
    pub fn answer(&mut self, schema: &Value) -> Result<String, SyntaxError> {
        let error =
            |message: String| SyntaxError::Request { message: format!("the answer's schema: {message}") };
        let size = size_of_json(schema);
        if size > MAX_SCHEMA_BYTES {
            return Err(error(format!("it has {size} bytes; the limit is {MAX_SCHEMA_BYTES}")));
        }
        if !schema.is_object() {
            return Err(error("it must be an object".to_owned()));
        }
        let schema = Schema::new(schema, schema).resolved();
        schema.choices().map_err(error)?;
        if !schema.satisfiable() {
            return Err(error("no value is valid".to_owned()));
        }
        Ok(self.schema(schema.for_grammar()))
    }

    /// A rule for the arguments of `tool` as a JSON object, written as `json.dumps` writes it, keys in
    /// the schema's order. An error where no object is valid.
    pub fn arguments(&mut self, tool: &ToolSpec) -> Result<String, SyntaxError> {
        let mut tail = "\"}\"".to_owned();
        let mut heads: Vec<String> = Vec::new();
        let properties = properties(tool)?;
        let any_required = properties.iter().any(|property| property.required);
        // From the last property to the first: `tail` is what may follow once something was written.
        for property in properties.iter().rev() {
            let Some(value) = self.value(tool, property.name, property.schema, Encoding::Json)? else {
                if property.required {
                    return Err(property.impossible(tool));
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
        Ok(self.rule(&format!("\"{{\" ({choice})")))
    }

    /// An expression for the arguments of `tool` one after the other, in the schema's order, each as `write` frames
    /// its name and its value. An error where no arguments are valid.
    pub fn listed(
        &mut self,
        tool: &ToolSpec,
        encoding: Encoding,
        mut write: impl FnMut(&str, &str) -> String,
    ) -> Result<String, SyntaxError> {
        let mut all = vec!["\"\"".to_owned()];
        for property in properties(tool)? {
            if property.name.is_empty() || property.name.contains(['<', '>', '\n', '\r']) {
                let message = format!("{}: the name of `{}` cannot be written", tool.name, property.name);
                return Err(SyntaxError::Request { message });
            }
            match self.value(tool, property.name, property.schema, encoding)? {
                Some(value) => {
                    let argument = self.rule(&write(property.name, &value));
                    all.push(if property.required { argument } else { format!("{argument}?") });
                }
                None if property.required => return Err(property.impossible(tool)),
                None => {}
            }
        }
        Ok(all.join(" "))
    }

    /// An expression for one value. `None` when no value is valid.
    pub fn value(
        &mut self,
        tool: &ToolSpec,
        name: &str,
        schema: &Value,
        encoding: Encoding,
    ) -> Result<Option<String>, SyntaxError> {
        let error =
            |message: &str| SyntaxError::Request { message: format!("{}.{name}: {message}", tool.name) };
        let schema = Schema::new(schema, &tool.parameters).resolved();
        for key in [SUBSTRING_OF, QUOTE_OF] {
            let Some(texts) = schema.json().get(key) else { continue };
            let texts = texts
                .as_array()
                .and_then(|texts| texts.iter().map(Value::as_str).collect::<Option<Vec<_>>>())
                .ok_or_else(|| error(&format!("{key} must be an array of strings")))?;
            return Ok(self.quotation(&texts, encoding, key == SUBSTRING_OF));
        }
        if let Some(choices) = schema.choices().map_err(|message| error(&message))? {
            return self.choice(&choices, encoding).ok_or_else(|| error("a value cannot be written"));
        }
        if !schema.satisfiable() {
            return Ok(None);
        }
        if encoding != Encoding::Json
            && let Some(text) = schema.text_schema()
        {
            return self.text(text, encoding).map_err(|message| error(&message));
        }
        let json = schema.for_grammar();
        let kind = json.get("type").and_then(Value::as_str);
        let plain = json.as_object().is_some_and(|entries| entries.len() == 1);
        let value = match kind {
            Some("string") if plain => self.terminal(JSON_STRING),
            // Python, which some templates are filled in with, writes its own words.
            Some("boolean") if matches!(encoding, Encoding::Until(_)) => {
                self.terminal("\"true\" | \"false\" | \"True\" | \"False\"")
            }
            Some("boolean") => self.terminal("\"true\" | \"false\""),
            Some("number") if schema.json().as_object().is_some_and(|entries| entries.len() == 1) => {
                // Bounded digits: what no JSON reader can hold must not be written.
                self.terminal("/-?(0|[1-9][0-9]{0,14})(\\.[0-9]{1,15})?/")
            }
            Some("integer") => self.schema(json),
            _ if encoding == Encoding::Raw => {
                return Err(error("this type cannot be written without quotes"));
            }
            _ => self.schema(json),
        };
        Ok(Some(match encoding {
            Encoding::Until(end) => self.rule(&format!("{value} {}", literal(end))),
            Encoding::Json | Encoding::Raw => value,
        }))
    }

    /// Whatever JSON schema can say, in the library's own words.
    fn schema(&mut self, mut schema: Value) -> String {
        if let Some(entries) = schema.as_object_mut() {
            let style = json!({"whitespace_flexible": false, "item_separator": ", ", "key_separator": ": "});
            entries.insert("x-guidance".to_owned(), style);
        }
        self.rule(&format!("%json {schema}"))
    }

    /// A string without quotes. `Ok(None)` where no string is valid.
    fn text(&mut self, schema: Schema<'_>, encoding: Encoding) -> Result<Option<String>, String> {
        if let Some(key) = schema.beyond_text() {
            return Err(format!("{key} cannot be enforced for text without quotes"));
        }
        let length = |key: &str| schema.json().get(key).and_then(Value::as_u64);
        // Without quotes and without an end that can be seen, nothing at all would be no value.
        let least = length("minLength").unwrap_or(0).max(u64::from(encoding == Encoding::Raw));
        let most = length("maxLength");
        let mut parts: Vec<String> = Vec::new();
        if let Some(found) = schema.json().get("pattern") {
            let found = found.as_str().ok_or("pattern must be a string")?;
            parts.push(searched(found)?);
        }
        if least > 0 || most.is_some() {
            let most = most.map(|most| most.to_string()).unwrap_or_default();
            parts.push(format!("(?s:.{{{least},{most}}})"));
        }
        if parts.is_empty() {
            parts.push("(?s:.*)".to_owned());
        }
        if parts.len() > 1 || schema.json().get("pattern").is_some() {
            let mut builder = RegexBuilder::new();
            let parts = parts.iter().map(|part| RegexAst::Regex(part.clone())).collect();
            let all = builder.mk(&RegexAst::And(parts)).map_err(|error| format!("pattern: {error}"))?;
            let mut regex =
                builder.to_regex_limited(all, MAX_PATTERN_FUEL).map_err(|_| "the pattern is too large")?;
            if regex.always_empty() {
                return Ok(None);
            }
        }
        let body = parts.iter().map(|part| format!("/{part}/")).collect::<Vec<_>>().join(" & ");
        Ok(Some(self.ended(&body, encoding)))
    }

    /// A string without quotes with what ends it.
    fn ended(&mut self, body: &str, encoding: Encoding) -> String {
        let Encoding::Until(end) = encoding else { return self.terminal(body) };
        let free = if body == "/(?s:.*)/" {
            // The shortest text that the end follows cannot contain it.
            body.to_owned()
        } else {
            // Nor may the text's own end and the beginning of the mark make a mark.
            let overlaps = (1..end.len())
                .filter(|&size| end.is_char_boundary(size) && end.ends_with(&end[..size]))
                .map(|size| format!(" & ~/(?s:.*){}/", pattern(&end[..end.len() - size])));
            let overlaps: String = overlaps.collect();
            self.terminal(&format!("{body} & ~/(?s:.*){}(?s:.*)/{overlaps}", pattern(end)))
        };
        let key = format!("until {end} {free}");
        if let Some(name) = self.known.get(&key) {
            return name.clone();
        }
        let name = format!("u{}", self.known.len());
        self.define(&format!("{name}[suffix={}]", literal(end)), &free);
        self.known.insert(key, name.clone());
        name
    }

    /// One of these values. The outer `None` is an error, the inner one says that there are none.
    #[expect(clippy::option_option, reason = "the two kinds of nothing are told apart by the caller")]
    fn choice(&mut self, values: &[&Value], encoding: Encoding) -> Option<Option<String>> {
        let mut written = Vec::with_capacity(values.len());
        for value in values {
            written.push(match (value, encoding) {
                (Value::String(text), Encoding::Raw) if text.is_empty() => continue,
                (Value::String(text), Encoding::Raw) => text.clone(),
                (Value::String(text), Encoding::Until(end))
                    if format!("{text}{end}").find(end) < Some(text.len()) =>
                {
                    continue;
                }
                (Value::String(text), Encoding::Until(end)) => format!("{text}{end}"),
                (Value::Number(_) | Value::Bool(_), Encoding::Raw) => value.to_string(),
                (_, Encoding::Raw) => return None,
                (value, Encoding::Json) => spaced_json(value),
                (value, Encoding::Until(end)) => format!("{}{end}", spaced_json(value)),
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

    /// A non-empty piece of one of `texts`, cut at word boundaries; when `trimmed`, without white space at its ends.
    fn quotation(&mut self, texts: &[&str], encoding: Encoding, trimmed: bool) -> Option<String> {
        let mut pieces = Vec::new();
        for text in texts {
            let chunks: Vec<String> = words(text)
                .into_iter()
                .map(|word| match encoding {
                    Encoding::Json => inner_json(word),
                    Encoding::Raw | Encoding::Until(_) => word.to_owned(),
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
            Encoding::Raw | Encoding::Until(_) => "\\s",
        };
        let body = if trimmed {
            format!("{any} & /(?s:.+)/ & ~/{space}(?s:.*)/ & ~/(?s:.*){space}/")
        } else {
            format!("{any} & /(?s:.+)/")
        };
        Some(match encoding {
            Encoding::Json => {
                let body = self.terminal(&body);
                self.terminal(&format!("\"\\\"\" {body} \"\\\"\""))
            }
            Encoding::Raw | Encoding::Until(_) => self.ended(&body, encoding),
        })
    }
}

/// What deciding whether a pattern allows anything may cost.
const MAX_PATTERN_FUEL: u64 = 10_000;

/// A pattern of JSON Schema, which may match anywhere, as one that matches all of the text.
fn searched(found: &str) -> Result<String, String> {
    let (from_start, rest) = found.strip_prefix('^').map_or((false, found), |rest| (true, rest));
    let (to_end, rest) = match rest.strip_suffix('$') {
        // Behind an odd number of backslashes the sign stands for itself.
        Some(shorter) if shorter.bytes().rev().take_while(|&byte| byte == b'\\').count() % 2 == 0 => {
            (true, shorter)
        }
        _ => (false, rest),
    };
    let (mut depth, mut in_class, mut quoted) = (0_usize, false, false);
    for character in rest.chars() {
        match character {
            _ if quoted => quoted = false,
            '\\' => quoted = true,
            '[' => in_class = true,
            ']' => in_class = false,
            _ if in_class => {}
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '^' | '$' => return Err("the pattern has an anchor inside".to_owned()),
            '|' if depth == 0 && (from_start || to_end) => {
                return Err("the pattern has a choice between anchors".to_owned());
            }
            _ => {}
        }
    }
    let before = if from_start { "" } else { "(?s:.*)" };
    let after = if to_end { "" } else { "(?s:.*)" };
    Ok(format!("{before}({}){after}", regex_to_lark(rest, "dw")))
}

/// A JSON string as `json.dumps` or any other writer may put it, without escapes that have two readings.
const JSON_STRING: &str = r#"/"([^"\\\x00-\x1F\x7F]|\\["\\\/bfnrt]|\\u00[01][0-9a-f]|\\u007f)*"/"#;

struct Property<'a> {
    name: &'a str,
    schema: &'a Value,
    required: bool,
}

impl Property<'_> {
    fn impossible(&self, tool: &ToolSpec) -> SyntaxError {
        SyntaxError::Request { message: format!("{}.{}: no value is valid", tool.name, self.name) }
    }
}

fn properties(tool: &ToolSpec) -> Result<Vec<Property<'_>>, SyntaxError> {
    let size = size_of_json(&tool.parameters);
    if size > MAX_SCHEMA_BYTES {
        let message = format!("{}: its schema has {size} bytes; the limit is {MAX_SCHEMA_BYTES}", tool.name);
        return Err(SyntaxError::Request { message });
    }
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

/// About how many bytes a value has as JSON.
fn size_of_json(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 3,
        Value::Array(items) => items.iter().map(size_of_json).sum::<usize>() + 2,
        Value::Object(entries) => {
            entries.iter().map(|(name, value)| name.len() + 4 + size_of_json(value)).sum::<usize>() + 2
        }
        _ => 6,
    }
}

/// JSON as the calls around it are written: a space after each comma and colon.
fn spaced_json(value: &Value) -> String {
    crate::tool_syntax::spaced_json(value)
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
