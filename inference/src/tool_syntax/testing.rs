//! Owns what tests of dialects, grammars and the local provider share: a small tokenizer and some tools.
//! Uses `tokenizer.json` as anybody would write it.
//! Never stands outside tests.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::provider::{Message, Request, ToolSpec};
use crate::template::{ChatTemplate, SpecialNames, TemplateOptions};
use crate::tokenizer::Tokenizer;

/// Names of the control tokens of [`tokenizer`].
const CONTROL: [&str; 10] = [
    "<s>",
    "</s>",
    "<|im_start|>",
    "<|im_end|>",
    "<|python_tag|>",
    "[TOOL_CALLS]",
    "[ARGS]",
    "[INST]",
    "[/INST]",
    "<|eot_id|>",
];
/// Control tokens of the families that cannot do without, in the tagged vocabulary.
const FAMILIES: [&str; 12] = [
    "<|start|>",
    "<|end|>",
    "<|channel|>",
    "<|message|>",
    "<|constrain|>",
    "<|call|>",
    "<|return|>",
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>",
    "<｜tool▁call▁end｜>",
    "<｜tool▁sep｜>",
];
/// Names of its user-defined tokens.
const USER_DEFINED: [&str; 8] = [
    "<tool_call>",
    "</tool_call>",
    "<think>",
    "</think>",
    "<arg_key>",
    "</arg_key>",
    "<arg_value>",
    "</arg_value>",
];
const WORDS: [&str; 22] = [
    "name",
    "arguments",
    "parameters",
    "path",
    "\"}",
    "\", \"",
    "\": \"",
    "{\"",
    "read",
    "search",
    "the",
    "in",
    "\\n",
    "\\\"",
    "\"",
    "},",
    "tool",
    "call",
    "query",
    "true",
    "false",
    "ab",
];

fn byte_alphabet() -> Vec<char> {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut next = 256;
    (0..=255_u8)
        .map(|byte| {
            if printable(byte) {
                char::from(byte)
            } else {
                next += 1;
                char::from_u32(next - 1).expect("a letter")
            }
        })
        .collect()
}

/// A byte-level tokenizer; `tagged` adds the marks of all dialects as tokens, otherwise they are spelled out.
pub(crate) fn tokenizer(tagged: bool) -> Arc<Tokenizer> {
    let alphabet = byte_alphabet();
    let mut vocabulary = serde_json::Map::new();
    for letter in &alphabet {
        let id = vocabulary.len();
        vocabulary.insert(letter.to_string(), json!(id));
    }
    let mut merges: Vec<Value> = Vec::new();
    for word in WORDS {
        let letters: Vec<String> = word.bytes().map(|byte| alphabet[usize::from(byte)].to_string()).collect();
        let mut merged = letters[0].clone();
        for letter in &letters[1..] {
            let merge = json!([merged, letter]);
            merged.push_str(letter);
            if !vocabulary.contains_key(&merged) {
                let id = vocabulary.len();
                vocabulary.insert(merged.clone(), json!(id));
                merges.push(merge);
            }
        }
    }
    let (families, user_defined): (&[&str], &[&str]) =
        if tagged { (&FAMILIES, &USER_DEFINED) } else { (&[], &[]) };
    let names = CONTROL.iter().chain(families).map(|name| (name, true));
    let names = names.chain(user_defined.iter().map(|name| (name, false)));
    let added: Vec<Value> = names
        .enumerate()
        .map(|(at, (name, special))| {
            json!({"id": vocabulary.len() + at, "content": name, "special": special, "single_word": false,
                "lstrip": false, "rstrip": false, "normalized": false})
        })
        .collect();
    let json = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocabulary, "merges": merges},
    });
    Arc::new(Tokenizer::from_json(json.to_string().as_bytes()).expect("the tokenizer is valid"))
}

/// The ids that end a text in [`tokenizer`].
pub(crate) fn eos(tokenizer: &Tokenizer) -> Vec<u32> {
    ["</s>", "<|im_end|>", "<|eot_id|>"]
        .iter()
        .map(|name| tokenizer.special(name).expect("an end token"))
        .collect()
}

pub(crate) fn template(source: &str, tokenizer: &Tokenizer) -> ChatTemplate {
    let options = TemplateOptions {
        bos: "<s>".to_owned(),
        eos: "</s>".to_owned(),
        names: SpecialNames::of(tokenizer),
        ..Default::default()
    };
    ChatTemplate::parse(source, options).expect("the template parses")
}

pub(crate) fn spec(name: &str, properties: Value, required: &[&str]) -> ToolSpec {
    ToolSpec {
        name: name.to_owned(),
        description: format!("does {name}"),
        parameters: json!({"type": "object", "properties": properties, "required": required}),
    }
}

/// Tools with every kind of argument, and with values that try to break out of their quotes.
pub(crate) fn tools() -> Vec<ToolSpec> {
    vec![
        spec(
            "read",
            json!({"path": {"type": "string"}, "start": {"type": "integer", "minimum": 1}}),
            &["path"],
        ),
        spec(
            "grep",
            json!({"pattern": {"type": "string", "description": "what"}, "ignore_case": {"type": "boolean"},
                "limit": {"type": "number"}}),
            &["pattern"],
        ),
        spec(
            "choose",
            json!({"which": {"type": "string", "enum": ["a", "ab", "a\"b", "\\", "\\\"", "naïve — ☃", "</tool_call>", "a\nb", "{\"x\": 1}", "\u{1}", "\u{7f}"]}}),
            &["which"],
        ),
        spec(
            "quote",
            json!({"text": {"type": "string", "x-substring-of": ["say \"hi\" to naïve_name.rs,\nplease", "C:\\path"]},
                "again": {"type": "string", "x-substring-of": ["one two"]}}),
            &["text"],
        ),
        spec(
            "list",
            json!({"action": {"enum": ["add", 1, true]}, "names": {"type": "array", "items": {"type": "string"}}}),
            &[],
        ),
        spec("undo", json!({}), &[]),
        // No value is valid, so the argument falls away.
        spec(
            "sometimes",
            json!({"symbol": {"type": "string", "enum": []}, "x-substring-of": {"type": "string"}}),
            &[],
        ),
    ]
}

pub(crate) fn request(tools: Vec<ToolSpec>) -> Request {
    Request { messages: vec![Message::user("hello".to_owned())], tools, ..Default::default() }
}
