//! Owns how tools read their arguments: forgiving about types, strict about what is missing.
//! Uses serde_json only.
//! Never looks at the project.

use serde_json::Value;

/// A required string.
pub(crate) fn text<'a>(input: &'a Value, name: &str) -> Result<&'a str, String> {
    optional_text(input, name).ok_or_else(|| match input.get(name) {
        None | Some(Value::Null) => format!("`{name}` is missing"),
        Some(_) => format!("`{name}` must be a string"),
    })
}

/// A required string with at least one visible character.
pub(crate) fn word<'a>(input: &'a Value, name: &str) -> Result<&'a str, String> {
    let text = text(input, name)?.trim();
    if text.is_empty() { Err(format!("`{name}` is empty")) } else { Ok(text) }
}

/// A string, if there is one.
pub(crate) fn optional_text<'a>(input: &'a Value, name: &str) -> Option<&'a str> {
    input.get(name).and_then(Value::as_str)
}

/// A string that is not blank, if there is one.
pub(crate) fn optional_word<'a>(input: &'a Value, name: &str) -> Option<&'a str> {
    optional_text(input, name).map(str::trim).filter(|text| !text.is_empty())
}

/// A whole number; models also write it as a string or with a decimal point.
pub(crate) fn number(input: &Value, name: &str) -> Result<Option<u64>, String> {
    let value = match input.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    let number = match value {
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) => text.trim().parse().ok(),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole, positive and below 2^53"
        )]
        Value::Number(number) => number.as_u64().or_else(|| {
            number
                .as_f64()
                .filter(|float| float.fract() == 0.0 && (0.0..9e15).contains(float))
                .map(|float| float as u64)
        }),
        _ => None,
    };
    number.map(Some).ok_or_else(|| format!("`{name}` must be a whole number, not {value}"))
}

/// A flag; missing is false.
pub(crate) fn flag(input: &Value, name: &str) -> bool {
    match input.get(name) {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text.trim().eq_ignore_ascii_case("true"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_forgiven_their_type() {
        let check = |value: Value, expect: Result<Option<u64>, ()>| {
            assert_eq!(number(&json!({ "n": value }), "n").map_err(drop), expect, "{value}");
        };
        check(json!(null), Ok(None));
        check(json!(7), Ok(Some(7)));
        check(json!(7.0), Ok(Some(7)));
        check(json!("7"), Ok(Some(7)));
        check(json!(" 7 "), Ok(Some(7)));
        check(json!(""), Ok(None));
        check(json!(-7), Err(()));
        check(json!(7.5), Err(()));
        check(json!("seven"), Err(()));
        check(json!([7]), Err(()));
        check(json!(1e300), Err(()));
    }

    #[test]
    fn missing_and_wrong_are_told_apart() {
        assert_eq!(text(&json!({}), "path"), Err("`path` is missing".into()));
        assert_eq!(text(&json!({ "path": 3 }), "path"), Err("`path` must be a string".into()));
        assert_eq!(word(&json!({ "path": "  " }), "path"), Err("`path` is empty".into()));
        assert_eq!(word(&json!({ "path": " a " }), "path"), Ok("a"));
        assert_eq!(text(&json!([]), "path"), Err("`path` is missing".into()));
        assert!(flag(&json!({ "all": "True" }), "all"));
        assert!(!flag(&json!({ "all": 1 }), "all"));
    }
}
