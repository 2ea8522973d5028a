//! Owns the check of a call's arguments against the tool's flat schema, before anything looks at them.
//! Uses the schema as JSON.
//! Never guesses: only a number or a boolean that came as text is converted.

use serde_json::{Map, Value};

/// The arguments, converted where that is safe, or a sentence for the model.
pub(crate) fn check(schema: &Value, mut arguments: Map<String, Value>) -> Result<Value, String> {
    let empty = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    // Models write `null` for what they leave out.
    arguments.retain(|_, value| !value.is_null());
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !arguments.contains_key(name) {
            return Err(format!("the argument `{name}` is missing; {}", expected(schema)));
        }
    }
    for (name, value) in &mut arguments {
        let Some(property) = properties.get(name) else {
            return Err(format!("there is no argument `{name}`; {}", expected(schema)));
        };
        convert(property, value);
        verify(name, property, value)?;
    }
    Ok(Value::Object(arguments))
}

fn expected(schema: &Value) -> String {
    let names: Vec<String> = schema
        .get("properties")
        .and_then(Value::as_object)
        .map(|properties| properties.keys().map(|name| format!("`{name}`")).collect())
        .unwrap_or_default();
    if names.is_empty() { "it takes none".into() } else { format!("it takes {}", names.join(", ")) }
}

fn convert(property: &Value, value: &mut Value) {
    let kind = property.get("type").and_then(Value::as_str);
    let converted = match (kind, &*value) {
        (Some("integer"), Value::String(text)) => text.trim().parse::<i64>().ok().map(Value::from),
        (Some("integer"), Value::Number(number)) => number
            .as_f64()
            .filter(|number| {
                number.fract() == 0.0 && number.abs() < 9e15 && !value.is_i64() && !value.is_u64()
            })
            .map(|number| Value::from(number as i64)),
        (Some("boolean"), Value::String(text)) => match text.as_str() {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        },
        _ => None,
    };
    if let Some(converted) = converted {
        *value = converted;
    }
}

fn verify(name: &str, property: &Value, value: &Value) -> Result<(), String> {
    let kind = property.get("type").and_then(Value::as_str).unwrap_or_default();
    let fits = match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        _ => true,
    };
    if !fits {
        let article = if kind == "integer" { "an" } else { "a" };
        return Err(format!("the argument `{name}` must be {article} {kind}"));
    }
    if let Some(options) = property.get("enum").and_then(Value::as_array)
        && !options.contains(value)
    {
        let options: Vec<String> = options.iter().take(20).map(ToString::to_string).collect();
        return Err(format!("the argument `{name}` must be one of {}", options.join(", ")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn arguments_fit_or_are_explained() {
        let schema = json!({
            "type": "object",
            "properties": {
                "path": {"type": "string"},
                "line": {"type": "integer"},
                "all": {"type": "boolean"},
                "action": {"type": "string", "enum": ["add", "list"]}
            },
            "required": ["path"]
        });
        let run = |arguments: Value| match arguments {
            Value::Object(map) => check(&schema, map),
            other => panic!("{other}"),
        };
        let good = |arguments: Value, expect: Value| assert_eq!(run(arguments), Ok(expect));
        good(json!({"path": "a", "line": "7", "all": "true"}), json!({"path": "a", "line": 7, "all": true}));
        good(json!({"path": "a", "line": 7.0, "all": null}), json!({"path": "a", "line": 7}));
        let bad = |arguments: Value, expect: &str| {
            let message = run(arguments).expect_err("must be refused");
            assert!(message.contains(expect), "{message}");
        };
        bad(json!({}), "`path` is missing");
        bad(json!({"path": 5}), "`path` must be a string");
        bad(json!({"path": "a", "line": "x"}), "`line` must be an integer");
        bad(json!({"path": "a", "pth": "b"}), "no argument `pth`; it takes `path`, `line`");
        bad(json!({"path": "a", "action": "drop"}), "one of \"add\", \"list\"");
    }
}
