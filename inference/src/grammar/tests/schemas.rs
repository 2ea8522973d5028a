//! Owns the test that every call fits its schema, over schemas drawn at random and every dialect.
//! Uses walks at random through the grammars: what no model would write is written here.
//! Never depends on the order in which a model would choose.

use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::local::{LocalOptions, LocalProvider};
use crate::provider::{FinishReason, Message, Provider, Sampling, StreamEvent};
use crate::tool_syntax::constrain;

/// Schemas of the test in all; `LOCI_SCHEMAS=10000` for more.
fn schemas() -> usize {
    std::env::var("LOCI_SCHEMAS").ok().and_then(|count| count.parse().ok()).unwrap_or(1_000)
}

const NAMES: [&str; 10] =
    ["path", "old", "a-b", "naïve", "two words", "quo\"te", "back\\slash", "$ref", "type", "Ünï☃"];
const PATTERNS: [&str; 6] =
    ["^[a-z]+$", "ab", "^a|b", "[0-9]{2,3}$", "^(GET|POST) /[a-z/]*$", "^\\d+\\.\\w$"];
const WORDS: [&str; 7] =
    ["a", "ab", "say \"hi\"", "line\nbreak", "</tool_call>", "\n</parameter>\n", "naïve ☃"];

fn text(random: &mut Random) -> Value {
    let mut schema = json!({"type": "string"});
    match random.pick(8) {
        0 => schema["enum"] = json!([WORDS[random.pick(7)], WORDS[random.pick(7)], "x"]),
        1 => schema["const"] = json!(WORDS[random.pick(5)]),
        2 => {
            let least = random.pick(4);
            schema["minLength"] = json!(least);
            schema["maxLength"] = json!(least + random.pick(9));
        }
        3 => schema["pattern"] = json!(PATTERNS[random.pick(PATTERNS.len())]),
        4 => {
            schema["pattern"] = json!("^[a-zé]*$");
            schema["minLength"] = json!(random.pick(3));
            schema["maxLength"] = json!(3 + random.pick(9));
        }
        5 => schema["x-one-of"] = json!(["src/main.rs", "src/lib.rs", "a b", "naïve"]),
        6 => schema["x-quote-of"] = json!(["fn main() {\n\tlet s = \"x\\n\";\n}\n", "  two"]),
        _ => {}
    }
    schema
}

fn number(random: &mut Random) -> Value {
    let kind = ["integer", "number"][random.pick(2)];
    let mut schema = json!({"type": kind});
    let low = i64::try_from(random.pick(400)).expect("small") - 200;
    match random.pick(6) {
        0 => schema["minimum"] = json!(low),
        1 => schema["maximum"] = json!(low),
        2 => {
            schema["minimum"] = json!(low);
            schema["maximum"] = json!(low + i64::try_from(random.pick(1_000)).expect("small"));
        }
        3 => {
            schema["exclusiveMinimum"] = json!(low);
            schema["exclusiveMaximum"] = json!(low + 2);
        }
        4 => schema["enum"] = json!([low, low + 1]),
        _ => {}
    }
    schema
}

/// Any schema that can be met. Keys of ours stand at the top only.
fn value(random: &mut Random, depth: usize) -> Value {
    let nested = if depth == 0 { 6 } else { 12 };
    match random.pick(nested) {
        0..=2 => {
            let mut schema = text(random);
            if depth < 2
                && let Some(entries) = schema.as_object_mut()
            {
                entries.retain(|key, _| !key.starts_with("x-"));
            }
            schema
        }
        3 | 4 => number(random),
        5 => json!({"type": "boolean"}),
        6 => {
            let least = random.pick(3);
            json!({"type": "array", "items": value(random, depth - 1), "minItems": least, "maxItems": least + random.pick(3)})
        }
        7 => json!({"type": "array", "items": value(random, depth - 1), "maxItems": 4}),
        8 => object(random, depth - 1),
        9 => json!({"anyOf": [value(random, depth - 1), {"type": "null"}]}),
        10 => json!({"type": ["string", "null"]}),
        _ => [json!({"$ref": "#/$defs/node"}), json!({"type": "object"}), json!({})][random.pick(3)].clone(),
    }
}

fn object(random: &mut Random, depth: usize) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for _ in 0..random.pick(4) {
        let name = NAMES[random.pick(NAMES.len())];
        properties.insert(name.to_owned(), value(random, depth));
        if random.pick(2) == 0 && !required.contains(&name) {
            required.push(name);
        }
    }
    json!({"type": "object", "properties": properties, "required": required})
}

fn tool(random: &mut Random, name: &str) -> ToolSpec {
    let mut parameters = object(random, 2);
    parameters["$defs"] = json!({"node": {"type": "object", "required": ["value"], "properties": {
        "value": {"type": "integer", "minimum": 0, "maximum": 9}, "next": {"$ref": "#/$defs/node"}}}});
    ToolSpec { name: name.to_owned(), description: String::new(), parameters }
}

#[test]
fn every_call_fits_its_schema() {
    let benches = [Bench::new(true), Bench::new(false)];
    let mut random = Random(3);
    let (mut whole, mut refused) = (0, 0);
    for round in 0..schemas() {
        let dialect = DIALECTS[round % DIALECTS.len()];
        let bench = &benches[random.pick(2)];
        let mut request =
            request((0..=random.pick(3)).map(|at| tool(&mut random, &format!("tool_{at}"))).collect());
        request.tool_choice = ToolChoice::Required;
        let grammar = match dialect.grammar(&request, ReplyStart::Answer, bench.context()) {
            Ok(grammar) => grammar.expect("a call is required"),
            // What this dialect has no form for is said, with the tool and the argument.
            Err(SyntaxError::Request { message }) => {
                assert!(message.starts_with("tool_"), "{message}");
                refused += 1;
                continue;
            }
            Err(other) => panic!("{other}"),
        };
        let mut constraint = match bench.compiler.compile(&grammar) {
            Ok(constraint) => constraint,
            Err(error) => panic!("{}: {error}\n{}", dialect.name(), grammar.lark),
        };
        let Some(written) = bench.walk(&mut constraint, &mut random) else { continue };
        let text = bench.text(&written);
        let events = read(dialect, &request, ReplyStart::Answer, &text, true)
            .unwrap_or_else(|error| panic!("{}: {error}: {text:?}", dialect.name()));
        let mut calls = 0;
        for event in &events {
            if let ReplyEvent::Call { name, arguments } = event {
                calls += 1;
                let tool = request.tools.iter().find(|tool| tool.name == *name).expect("a known tool");
                check_arguments(tool, arguments);
            }
        }
        assert!(calls > 0, "{}: {text:?}", dialect.name());
        whole += 1;
    }
    assert!(whole * 10 > schemas() * 7, "{whole} walks of {} ended, {refused} were refused", schemas());
    assert!(refused * 20 < schemas(), "{refused} of {} were refused", schemas());
}

/// The same through the engine, until a twentieth as many replies have ended: whole prompts, sampling, drafts, forced tokens.
/// The built-in weights know nothing of these tools nor of this dialect; many replies fill a free text until it is cut off.
#[tokio::test]
async fn every_call_of_a_model_fits_its_schema() {
    let options = LocalOptions {
        dialect: Some("generic".to_owned()),
        chat_template: Some("{% for m in messages %}{{ m.content }}\n{% endfor %}".to_owned()),
        ..Default::default()
    };
    let provider = LocalProvider::open(crate::builtin::source(), options).expect("the model opens");
    let mut random = Random(5);
    let (mut whole, mut refused, mut asked) = (0, 0, 0);
    while whole < schemas() / 20 {
        asked += 1;
        assert!(asked <= schemas(), "{whole} of {asked} ended, {refused} were refused");
        let tools = (0..=random.pick(2)).map(|at| tool(&mut random, &format!("tool_{at}"))).collect();
        let words: Vec<&str> = (0..random.pick(9)).map(|_| WORDS[random.pick(WORDS.len())]).collect();
        let request = Request {
            messages: vec![Message::user(words.join(" "))],
            tool_choice: ToolChoice::Required,
            sampling: Sampling { temperature: 1.0, seed: random.next(), ..Default::default() },
            max_tokens: Some(300),
            ..request(tools)
        };
        let tools = request.tools.clone();
        let events: Vec<_> = provider.stream(request, CancellationToken::new()).collect().await;
        let mut calls = 0;
        for event in events {
            match event {
                Ok(StreamEvent::ToolCall(call)) => {
                    calls += 1;
                    let tool = tools.iter().find(|tool| tool.name == call.name).expect("a known tool");
                    check_arguments(tool, &call.arguments);
                }
                Ok(StreamEvent::Finished { reason, .. }) if reason != FinishReason::Length => {
                    assert!(calls > 0, "an end without a call");
                    whole += 1;
                }
                Ok(_) => {}
                // Schemas that do not fit into the window of this small model, or that the dialect has no form for.
                Err(error) => {
                    let said = error.to_string();
                    assert!(said.contains("tool_") || said.contains("tokens"), "{said}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused * 10 < asked, "{refused} of {asked} were refused");
}

#[test]
fn what_cannot_be_met_is_said_with_the_tool() {
    let bench = Bench::new(true);
    let cases = [
        json!({"type": "object", "properties": {"b": {"enum": []}}, "required": ["b"]}),
        json!({"allOf": [{"type": "string", "maxLength": 1}, {"type": "string", "minLength": 2}]}),
        json!({"allOf": [{"type": "integer", "minimum": 5}, {"type": "integer", "maximum": 4}]}),
        json!({"type": "string", "pattern": "^a{3}$", "maxLength": 2}),
        json!({"type": "string", "pattern": "("}),
        json!({"type": "array", "items": {"enum": []}, "minItems": 1}),
        json!({"$ref": "#/$defs/missing"}),
        json!({"$ref": "#"}),
        json!({"type": "nonsense"}),
        json!({"type": "array", "items": {"type": "string"}, "minItems": 2, "uniqueItems": true, "maxItems": 1}),
        json!({"not": {"type": "string"}}),
        json!({"type": "string", "maxLength": 1_000_000_000_000_u64, "minLength": 999_999_999_999_u64}),
    ];
    for schema in cases {
        for dialect in DIALECTS {
            let good = spec("good", json!({"a": {"type": "string"}}), &["a"]);
            let bad = spec("bad", json!({"x": schema}), &["x"]);
            let request = request(vec![good, bad]);
            let said =
                match constrain(dialect, &bench.compiler, &request, ReplyStart::Answer, bench.context()) {
                    Ok(_) => panic!("{}: {schema} was taken", dialect.name()),
                    Err(error) => error.to_string(),
                };
            assert!(said.contains("bad"), "{}: {schema}: {said}", dialect.name());
            assert!(!said.contains("good"), "{}: {schema}: {said}", dialect.name());
        }
    }
}

#[test]
fn a_schema_that_is_too_large_is_said_with_the_tool() {
    let bench = Bench::new(true);
    let words: Vec<String> = (0..300_000).map(|at| format!("{at:032}")).collect();
    let large = spec("large", json!({"x": {"enum": words}}), &["x"]);
    for dialect in DIALECTS {
        let result = dialect.grammar(&request(vec![large.clone()]), ReplyStart::Answer, bench.context());
        assert!(result.is_err_and(|error| error.to_string().contains("large")), "{}", dialect.name());
    }
    let deep = (0..400).fold(json!({"type": "string"}), |inner, _| json!({"type": "array", "items": inner}));
    let deep = spec("deep", json!({"x": deep}), &["x"]);
    for dialect in DIALECTS {
        let request = request(vec![deep.clone()]);
        let result = constrain(dialect, &bench.compiler, &request, ReplyStart::Answer, bench.context());
        assert!(result.is_err_and(|error| error.to_string().contains("deep")), "{}", dialect.name());
    }
}
