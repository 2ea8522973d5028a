//! Owns what a JSON schema means here: which values fit it, whether any does, and its form for the grammar engine.
//! Uses JSON Schema 2020-12, as far as tools are described with it.
//! Never loosens a schema: what is rewritten allows the same values or fewer.

use std::collections::HashSet;

use regex::Regex;
use serde_json::{Map, Value, json};

use crate::provider::{ONE_OF, SUBSTRING_OF};

/// Integers without bounds of their own stay where every JSON reader agrees on them.
const SAFE_INTEGER: i64 = 1 << 53;
/// Numbers without bounds of their own stay where their digits can be written out.
const LARGE_NUMBER: f64 = 1e15;
/// A value of which the schema says nothing is nested this deep at most.
const ANY_DEPTH: usize = 2;
/// Schemas are followed this deep; a reference to itself ends here.
const MAX_DEPTH: usize = 32;
/// Keys that list values.
const CHOICES: [&str; 2] = ["enum", ONE_OF];
/// Formats that the grammar engine can enforce. JSON Schema lets others be notes to the reader.
const FORMATS: [&str; 9] =
    ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];
/// Keys that are notes to the reader.
const NOTES: [&str; 11] = [
    "title",
    "description",
    "default",
    "examples",
    "$comment",
    "readOnly",
    "writeOnly",
    "deprecated",
    "$schema",
    // What references point at says nothing where it stands.
    "$defs",
    "definitions",
];

/// A schema within the document that its references point into.
#[derive(Debug, Clone, Copy)]
pub struct Schema<'a> {
    value: &'a Value,
    root: &'a Value,
}

impl<'a> Schema<'a> {
    /// A schema in its document.
    pub fn new(value: &'a Value, root: &'a Value) -> Self {
        Self { value, root }
    }

    fn at(self, value: &'a Value) -> Self {
        Self { value, root: self.root }
    }

    /// The schema that a chain of references without other keys ends in.
    pub fn resolved(self) -> Self {
        let mut here = self;
        for _ in 0..MAX_DEPTH {
            let Some(reference) = here.value.get("$ref").and_then(Value::as_str) else { break };
            let others = here.value.as_object().is_some_and(|entries| {
                entries.keys().any(|key| key != "$ref" && !NOTES.contains(&key.as_str()))
            });
            let target = reference.strip_prefix('#').and_then(|pointer| here.root.pointer(pointer));
            match target {
                Some(target) if !others => here = here.at(target),
                _ => break,
            }
        }
        here
    }

    /// The JSON of the schema.
    pub fn json(self) -> &'a Value {
        self.value
    }

    fn get(self, key: &str) -> Option<&'a Value> {
        self.value.get(key)
    }

    fn list(self, key: &str) -> impl Iterator<Item = Self> {
        self.get(key).and_then(Value::as_array).into_iter().flatten().map(move |value| self.at(value))
    }

    fn size(self, key: &str) -> Option<u64> {
        self.get(key).and_then(Value::as_f64).filter(|size| *size >= 0.0).map(|size| size as u64)
    }

    fn required(self) -> impl Iterator<Item = &'a str> {
        self.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// Names in `type`; empty when it is left open.
    fn types(self) -> Vec<&'a str> {
        match self.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// The valid ones of the values that `enum`, `const` or our own list name, when one of them is there.
    pub fn choices(self) -> Result<Option<Vec<&'a Value>>, String> {
        let mut lists = Vec::new();
        for key in CHOICES {
            match self.get(key) {
                Some(Value::Array(values)) => lists.push(values.iter().collect()),
                Some(_) => return Err(format!("{key} must be an array")),
                None => {}
            }
        }
        lists.extend(self.get("const").map(|value| vec![value]));
        let mut lists = lists.into_iter();
        let Some(mut chosen): Option<Vec<&Value>> = lists.next() else { return Ok(None) };
        for other in lists {
            let known: HashSet<String> = other.iter().map(ToString::to_string).collect();
            chosen.retain(|value| known.contains(&value.to_string()));
        }
        // The lists themselves are not looked at again: ten thousand names in them are no rarity.
        chosen.retain(|value| self.fits_beside_choices(value, 0));
        Ok(Some(chosen))
    }

    /// Whether `value` is valid.
    pub fn fits(self, value: &Value) -> bool {
        self.fits_at(value, 0)
    }

    fn fits_at(self, value: &Value, depth: usize) -> bool {
        if depth > MAX_DEPTH {
            return false;
        }
        for key in CHOICES {
            if let Some(Value::Array(values)) = self.get(key)
                && !values.iter().any(|choice| equal(choice, value))
            {
                return false;
            }
        }
        self.get("const").is_none_or(|only| equal(only, value)) && self.fits_beside_choices(value, depth)
    }

    /// Whether `value` is valid but for the lists of [`Schema::choices`].
    fn fits_beside_choices(self, value: &Value, depth: usize) -> bool {
        match self.value {
            Value::Bool(any) => return *any,
            Value::Object(_) => {}
            _ => return true,
        }
        if let Some(reference) = self.get("$ref").and_then(Value::as_str) {
            let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            if !target.is_some_and(|target| self.at(target).fits_at(value, depth + 1)) {
                return false;
            }
        }
        let types = self.types();
        if !types.is_empty() && !types.iter().any(|name| is_type(value, name)) {
            return false;
        }
        let here = match value {
            Value::String(text) => self.fits_text(text),
            Value::Number(number) => number.as_f64().is_some_and(|number| self.fits_number(number)),
            Value::Array(items) => self.fits_items(items, depth),
            Value::Object(entries) => self.fits_entries(entries, depth),
            _ => true,
        };
        here && self.list("allOf").all(|part| part.fits_at(value, depth + 1))
            && (self.get("anyOf").is_none() || self.list("anyOf").any(|part| part.fits_at(value, depth + 1)))
            && (self.get("oneOf").is_none()
                || self.list("oneOf").filter(|part| part.fits_at(value, depth + 1)).count() == 1)
    }

    fn fits_text(self, text: &str) -> bool {
        let length = text.chars().count() as u64;
        let matches = |pattern: &str| Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text));
        let quoted = |texts: &Value| {
            texts
                .as_array()
                .is_some_and(|texts| texts.iter().filter_map(Value::as_str).any(|whole| whole.contains(text)))
        };
        self.size("minLength").is_none_or(|least| length >= least)
            && self.size("maxLength").is_none_or(|most| length <= most)
            && self.get("pattern").and_then(Value::as_str).is_none_or(matches)
            && self.get(SUBSTRING_OF).is_none_or(quoted)
    }

    fn fits_number(self, number: f64) -> bool {
        let bound = |key: &str| self.get(key).and_then(Value::as_f64);
        let divides = |step: f64| {
            let times = number / step;
            (times - times.round()).abs() < 1e-9 * times.abs().max(1.0)
        };
        bound("minimum").is_none_or(|least| number >= least)
            && bound("maximum").is_none_or(|most| number <= most)
            && bound("exclusiveMinimum").is_none_or(|least| number > least)
            && bound("exclusiveMaximum").is_none_or(|most| number < most)
            && bound("multipleOf").is_none_or(divides)
    }

    fn fits_items(self, items: &[Value], depth: usize) -> bool {
        let first: Vec<Self> = self.list("prefixItems").collect();
        let rest = self.get("items").map(|schema| self.at(schema));
        let distinct = || items.iter().enumerate().all(|(at, item)| !items[..at].contains(item));
        self.size("minItems").is_none_or(|least| items.len() as u64 >= least)
            && self.size("maxItems").is_none_or(|most| items.len() as u64 <= most)
            && (self.get("uniqueItems") != Some(&Value::Bool(true)) || distinct())
            && items.iter().enumerate().all(|(at, item)| match (first.get(at).copied(), rest) {
                (Some(schema), _) | (None, Some(schema)) => schema.fits_at(item, depth + 1),
                (None, None) => true,
            })
    }

    fn fits_entries(self, entries: &Map<String, Value>, depth: usize) -> bool {
        let known = self.get("properties").and_then(Value::as_object);
        let patterns = self.get("patternProperties").and_then(Value::as_object);
        let by_pattern = |name: &str| {
            let matches = |pattern: &str| Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(name));
            patterns.and_then(|patterns| patterns.iter().find(|(pattern, _)| matches(pattern)))
        };
        let others = self.get("additionalProperties").map(|schema| self.at(schema));
        self.required().all(|name| entries.contains_key(name))
            && self.size("minProperties").is_none_or(|least| entries.len() as u64 >= least)
            && self.size("maxProperties").is_none_or(|most| entries.len() as u64 <= most)
            && entries.iter().all(|(name, value)| {
                let own = known.and_then(|known| known.get(name));
                let own = own.or_else(|| by_pattern(name).map(|(_, schema)| schema));
                own.map(|schema| self.at(schema))
                    .or(others)
                    .is_none_or(|schema| schema.fits_at(value, depth + 1))
            })
    }

    /// False when plainly nothing fits. What only the grammar engine can tell, it tells.
    pub fn satisfiable(self) -> bool {
        self.satisfiable_at(0)
    }

    fn satisfiable_at(self, depth: usize) -> bool {
        if depth > MAX_DEPTH {
            // A schema that always contains itself has no finite value.
            return false;
        }
        if let Value::Bool(any) = self.value {
            return *any;
        }
        let here = self.resolved();
        let turns_in_circles = here.value.as_object().is_some_and(|entries| entries.len() == 1)
            && here.get("$ref").and_then(Value::as_str).is_some_and(|reference| {
                reference.strip_prefix('#').is_some_and(|pointer| self.root.pointer(pointer).is_some())
            });
        if turns_in_circles || here.get("type").is_some() && here.types().is_empty() {
            return false;
        }
        if let Ok(Some(choices)) = here.choices() {
            return !choices.is_empty();
        }
        let any =
            |key: &str| here.get(key).is_none() || here.list(key).any(|part| part.satisfiable_at(depth + 1));
        let types = here.types();
        let possible = |name: &&str| match *name {
            "string" => here.size("minLength") <= here.size("maxLength").or(Some(u64::MAX)),
            "integer" | "number" => here.has_room(*name == "integer"),
            "array" => here.has_items(depth),
            "object" => here.required().all(|name| {
                let known = here.get("properties").and_then(|known| known.get(name));
                known.is_none_or(|schema| here.at(schema).satisfiable_at(depth + 1))
            }),
            _ => true,
        };
        (types.is_empty() || types.iter().any(possible))
            && any("anyOf")
            && any("oneOf")
            && here.list("allOf").all(|part| part.satisfiable_at(depth + 1))
    }

    fn has_room(self, whole: bool) -> bool {
        let bound = |key: &str| self.get(key).and_then(Value::as_f64);
        let (mut least, mut most) = (bound("minimum"), bound("maximum"));
        let (above, below) = (bound("exclusiveMinimum"), bound("exclusiveMaximum"));
        if whole {
            let above = above.map(|above| above.floor() + 1.0);
            let below = below.map(|below| below.ceil() - 1.0);
            least = least.map(f64::ceil).into_iter().chain(above).reduce(f64::max);
            most = most.map(f64::floor).into_iter().chain(below).reduce(f64::min);
        } else {
            let closed = [(above, most), (least, below), (above, below)];
            if closed.iter().any(|pair| matches!(pair, (Some(above), Some(below)) if above >= below)) {
                return false;
            }
        }
        !matches!((least, most), (Some(least), Some(most)) if least > most)
    }

    fn has_items(self, depth: usize) -> bool {
        let least = self.size("minItems").unwrap_or(0);
        if self.size("maxItems").is_some_and(|most| most < least) {
            return false;
        }
        let first: Vec<Self> = self.list("prefixItems").collect();
        let needed = first.iter().take(usize::try_from(least).unwrap_or(usize::MAX));
        let rest = self.get("items").filter(|_| least > first.len() as u64);
        needed.copied().all(|item| item.satisfiable_at(depth + 1))
            && rest.is_none_or(|rest| self.at(rest).satisfiable_at(depth + 1))
    }

    /// Whether a string may be valid; then a value written without quotes is one.
    pub fn admits_text(self) -> bool {
        self.text_schema().is_some()
    }

    /// The part of the schema that speaks of strings.
    pub fn text_schema(self) -> Option<Self> {
        let here = self.resolved();
        let types = here.types();
        if types.contains(&"string") {
            return Some(here);
        }
        if !types.is_empty() || here.get("const").is_some_and(|only| !only.is_string()) {
            return None;
        }
        if let Some(part) = here.list("anyOf").chain(here.list("oneOf")).find_map(Self::text_schema) {
            return Some(part);
        }
        let open = ["anyOf", "oneOf", "allOf", "properties", "items", "$ref", "minimum", "maximum"];
        (here.value.is_object() && open.iter().all(|key| here.get(key).is_none())).then_some(here)
    }

    /// The first key that says something about a string which cannot be enforced where it stands without quotes.
    pub fn beyond_text(self) -> Option<&'a str> {
        const TEXT: [&str; 5] = ["type", "minLength", "maxLength", "pattern", "format"];
        let mut keys = self.value.as_object().into_iter().flat_map(Map::keys).map(String::as_str);
        keys.find(|key| !TEXT.contains(key) && !NOTES.contains(key) && !key.starts_with("x-"))
    }

    /// The schema as the grammar engine should read it: closed objects, bounded numbers, notes left out.
    pub fn for_grammar(self) -> Value {
        let mut schema = rewrite(self.value, Openness::Closed);
        if let Some(entries) = schema.as_object_mut() {
            for key in ["$defs", "definitions"] {
                if let Some(Value::Object(parts)) = self.root.get(key) {
                    let parts: Map<String, Value> = parts
                        .iter()
                        .map(|(name, part)| (name.clone(), rewrite(part, Openness::Closed)))
                        .collect();
                    entries.insert(key.to_owned(), Value::Object(parts));
                }
            }
        }
        schema
    }
}

/// Whether an object that does not say so may have other keys than its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Openness {
    Closed,
    /// A part of a conjunction: the other parts may name more.
    Open,
}

fn rewrite(schema: &Value, openness: Openness) -> Value {
    let Value::Object(entries) = schema else {
        return if schema == &Value::Bool(true) { any(ANY_DEPTH) } else { schema.clone() };
    };
    let mut out = Map::new();
    for (key, value) in entries {
        if key.starts_with("x-") || NOTES.contains(&key.as_str()) {
            continue;
        }
        let inner = if key == "allOf" { Openness::Open } else { openness };
        let value = match (key.as_str(), value) {
            ("items" | "additionalProperties", value) => rewrite(value, Openness::Closed),
            ("properties" | "patternProperties" | "$defs" | "definitions", Value::Object(parts)) => {
                parts.iter().map(|(name, part)| (name.clone(), rewrite(part, Openness::Closed))).collect()
            }
            ("prefixItems", Value::Array(parts)) => {
                parts.iter().map(|part| rewrite(part, Openness::Closed)).collect()
            }
            ("anyOf" | "oneOf" | "allOf", Value::Array(parts)) => {
                parts.iter().map(|part| rewrite(part, inner)).collect()
            }
            ("format", Value::String(name)) if !FORMATS.contains(&name.as_str()) => continue,
            (_, value) => value.clone(),
        };
        out.insert(key.clone(), value);
    }
    let says_nothing = !["type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "properties", "items"]
        .iter()
        .any(|key| out.contains_key(*key));
    if says_nothing && openness == Openness::Closed && out.is_empty() {
        return any(ANY_DEPTH);
    }
    let is = |name: &str| match out.get("type") {
        Some(Value::String(only)) => only == name,
        Some(Value::Array(names)) => names.iter().any(|known| known == name),
        _ => false,
    };
    let chosen = out.contains_key("enum") || out.contains_key("const");
    let (whole, number, array) = (is("integer"), is("number"), is("array"));
    let object = is("object") || (out.contains_key("properties") && !out.contains_key("type"));
    let combined = ["anyOf", "oneOf", "allOf", "$ref"].iter().any(|key| out.contains_key(*key));
    if (whole || number) && !chosen {
        let limit = if number { json!(LARGE_NUMBER) } else { json!(SAFE_INTEGER) };
        let low = if number { json!(-LARGE_NUMBER) } else { json!(-SAFE_INTEGER) };
        if !out.contains_key("exclusiveMinimum") {
            out.entry("minimum").or_insert(low);
        }
        if !out.contains_key("exclusiveMaximum") {
            out.entry("maximum").or_insert(limit);
        }
    }
    if array && !chosen && !out.contains_key("items") && !combined {
        out.insert("items".to_owned(), any(ANY_DEPTH - 1));
    }
    if object
        && !chosen
        && openness == Openness::Closed
        && !combined
        && !out.contains_key("patternProperties")
    {
        let others = if out.contains_key("properties") { json!(false) } else { any(ANY_DEPTH - 1) };
        out.entry("additionalProperties").or_insert(others);
    }
    Value::Object(out)
}

/// Any value, nested at most `depth` deep.
fn any(depth: usize) -> Value {
    let mut options = vec![
        json!({"type": "null"}),
        json!({"type": "boolean"}),
        json!({"type": "number", "minimum": -LARGE_NUMBER, "maximum": LARGE_NUMBER}),
        json!({"type": "string"}),
    ];
    if depth > 0 {
        let inner = any(depth - 1);
        options.push(json!({"type": "array", "items": inner}));
        options.push(json!({"type": "object", "additionalProperties": inner}));
    }
    json!({"anyOf": options})
}

fn is_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => true,
    }
}

/// JSON Schema takes 1 and 1.0 for the same number.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fit_or_do_not() {
        let check = |schema: Value, value: Value, expect: bool| {
            assert_eq!(Schema::new(&schema, &schema).fits(&value), expect, "{value} in {schema}");
        };
        check(json!({"type": "integer", "minimum": 1}), json!(1), true);
        check(json!({"type": "integer", "minimum": 1}), json!(0), false);
        check(json!({"type": "integer"}), json!(1.5), false);
        check(json!({"type": "integer"}), json!(2.0), true);
        check(json!({"type": "number", "exclusiveMaximum": 1}), json!(1), false);
        check(json!({"type": ["string", "null"]}), json!(null), true);
        check(json!({"type": "string", "minLength": 2}), json!("é☃"), true);
        check(json!({"type": "string", "maxLength": 1}), json!("é☃"), false);
        check(json!({"type": "string", "pattern": "^a+$"}), json!("aaa"), true);
        check(json!({"type": "string", "pattern": "^a+$"}), json!("aab"), false);
        check(json!({"type": "array", "items": {"type": "string"}, "minItems": 1}), json!([]), false);
        check(json!({"type": "array", "items": {"type": "string"}}), json!(["a", 1]), false);
        check(json!({"type": "array", "uniqueItems": true}), json!([1, 1]), false);
        check(json!({"type": "object", "required": ["a"]}), json!({}), false);
        check(json!({"properties": {"a": {}}, "additionalProperties": false}), json!({"b": 1}), false);
        check(json!({"additionalProperties": {"type": "string"}}), json!({"b": 1}), false);
        check(json!({"anyOf": [{"type": "string"}, {"type": "null"}]}), json!(1), false);
        check(json!({"oneOf": [{"type": "number"}, {"type": "integer"}]}), json!(1), false);
        check(json!({"allOf": [{"minimum": 1}, {"maximum": 2}]}), json!(3), false);
        check(json!({"enum": [1, "a"]}), json!(1.0), true);
        check(json!({"const": "a"}), json!("b"), false);
        check(json!({"x-one-of": ["a"]}), json!("b"), false);
        check(json!({"x-substring-of": ["a b"]}), json!("b"), true);
        let tree = json!({"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}, "additionalProperties": false}}});
        check(tree.clone(), json!({"n": {"n": {}}}), true);
        check(tree, json!({"n": {"m": {}}}), false);
        check(json!(false), json!(1), false);
    }

    #[test]
    fn what_nothing_fits_is_seen() {
        let check = |schema: Value, expect: bool| {
            assert_eq!(Schema::new(&schema, &schema).satisfiable(), expect, "{schema}");
        };
        check(json!({}), true);
        check(json!(false), false);
        check(json!({"type": []}), false);
        check(json!({"enum": []}), false);
        check(json!({"x-one-of": []}), false);
        check(json!({"type": "integer", "enum": ["a", 1]}), true);
        check(json!({"type": "integer", "enum": ["a"]}), false);
        check(json!({"type": "integer", "minimum": 2, "maximum": 1}), false);
        check(json!({"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2}), false);
        check(json!({"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 2}), true);
        check(json!({"type": "number", "exclusiveMinimum": 1, "maximum": 1}), false);
        check(json!({"type": "string", "minLength": 3, "maxLength": 2}), false);
        check(json!({"type": ["string", "null"], "minLength": 3, "maxLength": 2}), true);
        check(json!({"type": "array", "minItems": 1, "items": {"enum": []}}), false);
        check(json!({"type": "array", "items": {"enum": []}}), true);
        check(json!({"type": "array", "minItems": 2, "maxItems": 1}), false);
        check(json!({"type": "object", "required": ["a"], "properties": {"a": {"enum": []}}}), false);
        check(json!({"type": "object", "properties": {"a": {"enum": []}}}), true);
        check(json!({"anyOf": [{"enum": []}, false]}), false);
        check(json!({"allOf": [{"type": "string"}, {"enum": []}]}), false);
        let endless = json!({"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "required": ["n"], "properties": {"n": {"$ref": "#/$defs/n"}}}}});
        check(endless, false);
        let turning = json!({"$ref": "#/$defs/n", "$defs": {"n": {"$ref": "#/$defs/n"}}});
        check(turning, false);
    }

    #[test]
    fn objects_are_closed_and_numbers_bounded() {
        let check = |schema: Value, expect: Value| {
            assert_eq!(Schema::new(&schema, &schema).for_grammar(), expect);
        };
        check(
            json!({"type": "object", "description": "d", "x-y": 1, "properties": {"a": {"type": "integer", "title": "t"}}}),
            json!({"type": "object", "properties": {"a": {"type": "integer", "minimum": -SAFE_INTEGER, "maximum": SAFE_INTEGER}}, "additionalProperties": false}),
        );
        check(json!({"type": "string", "format": "uri-reference"}), json!({"type": "string"}));
        check(json!({"type": "string", "format": "date"}), json!({"type": "string", "format": "date"}));
        check(json!({}), any(ANY_DEPTH));
        // A property that is called like a key of schemas is still a property.
        check(
            json!({"type": "object", "properties": {"description": {"type": "string"}, "x-a": {"type": "null"}}}),
            json!({"type": "object", "properties": {"description": {"type": "string"}, "x-a": {"type": "null"}}, "additionalProperties": false}),
        );
    }
}
