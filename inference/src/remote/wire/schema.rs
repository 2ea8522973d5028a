//! Owns schemas as services take them.
//! Uses JSON Schema as our tools write it.
//! Never sends keys of ours, and never changes what a schema that all understand says.

use serde_json::{Map, Value, json};

use crate::provider::ToolSpec;

/// A tool's parameters without our own keys.
pub(super) fn plain(tool: &ToolSpec) -> Value {
    let shown = crate::tool_syntax::tool_schema(tool);
    match shown.get("function").and_then(|function| function.get("parameters")) {
        Some(parameters) if parameters.is_object() => parameters.clone(),
        _ => json!({"type": "object", "properties": {}}),
    }
}

/// A tool's parameters in the part of OpenAPI 3.0 that Gemini takes (ai.google.dev/api/caching, "Schema"): other keys are
/// refused with status 400.
pub(super) fn gemini(tool: &ToolSpec) -> Option<Value> {
    let schema = reduced(&plain(tool));
    // A function without parameters must not have an object without properties.
    let some = schema.get("properties").and_then(Value::as_object).is_some_and(|all| !all.is_empty());
    some.then_some(schema)
}

const GEMINI_KEYS: [&str; 13] = [
    "title",
    "description",
    "nullable",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "required",
];

/// A schema with the keys that Gemini takes.
pub(super) fn reduced(schema: &Value) -> Value {
    let Some(schema) = schema.as_object() else { return json!({"type": "string"}) };
    let mut out = Map::new();
    match schema.get("type") {
        Some(Value::String(kind)) => {
            out.insert("type".into(), json!(kind));
        }
        // `["string", "null"]`: one type, and nothing.
        Some(Value::Array(kinds)) => {
            let kind = kinds.iter().find(|kind| kind.as_str().is_some_and(|kind| kind != "null"));
            out.insert("type".into(), kind.cloned().unwrap_or_else(|| json!("string")));
            if kinds.iter().any(|kind| kind == "null") {
                out.insert("nullable".into(), json!(true));
            }
        }
        _ => {}
    }
    for key in GEMINI_KEYS {
        if let Some(value) = schema.get(key) {
            out.insert(key.into(), value.clone());
        }
    }
    let choices = schema.get("enum").cloned().or_else(|| schema.get("const").map(|value| json!([value])));
    if let Some(Value::Array(choices)) = choices
        && choices.iter().all(Value::is_string)
    {
        out.insert("type".into(), json!("string"));
        out.insert("enum".into(), Value::Array(choices));
    }
    if let Some(Value::String(format)) = schema.get("format")
        && matches!(format.as_str(), "enum" | "date-time" | "int32" | "int64" | "float" | "double")
    {
        out.insert("format".into(), json!(format));
    }
    if let Some(Value::Object(properties)) = schema.get("properties") {
        let properties: Map<String, Value> =
            properties.iter().map(|(name, value)| (name.clone(), reduced(value))).collect();
        out.insert("properties".into(), Value::Object(properties));
    }
    if let Some(items) = schema.get("items") {
        out.insert("items".into(), reduced(items));
    }
    if let Some(Value::Array(any)) = schema.get("anyOf").or_else(|| schema.get("oneOf")) {
        out.insert("anyOf".into(), any.iter().map(reduced).collect());
    }
    if !out.contains_key("type") && !out.contains_key("anyOf") {
        let kind = if out.contains_key("properties") { "object" } else { "string" };
        out.insert("type".into(), json!(kind));
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(parameters: Value) -> ToolSpec {
        ToolSpec { name: "t".into(), description: "d".into(), parameters }
    }

    #[test]
    fn keys_of_ours_and_keys_that_gemini_refuses_stay_here() {
        let own = json!({
            "type": "object",
            "properties": {"path": {"type": "string", "x-one-of": ["a"], "description": "where"}},
            "required": ["path"],
            "additionalProperties": false,
        });
        assert!(!plain(&tool(own.clone())).to_string().contains("x-one-of"));
        assert_eq!(
            gemini(&tool(own)),
            Some(json!({
                "type": "object",
                "required": ["path"],
                "properties": {"path": {"type": "string", "description": "where"}},
            }))
        );
        let check = |schema: Value, expect: Value| {
            let whole = json!({"type": "object", "properties": {"x": schema}});
            assert_eq!(gemini(&tool(whole)).map(|schema| schema["properties"]["x"].clone()), Some(expect));
        };
        check(json!({"type": ["string", "null"]}), json!({"type": "string", "nullable": true}));
        check(json!({"const": "a"}), json!({"type": "string", "enum": ["a"]}));
        check(json!({"enum": [1, 2], "type": "integer"}), json!({"type": "integer"}));
        check(json!({"type": "string", "format": "uri"}), json!({"type": "string"}));
        check(
            json!({"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer", "default": 3}}]}),
            json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}]}),
        );
        check(json!(true), json!({"type": "string"}));
        assert_eq!(gemini(&tool(json!({"type": "object", "properties": {}}))), None);
    }
}
