//! Owns the comparison with `transformers` on the templates that people use.
//! Uses the folder of templates in llama.cpp's sources and a Python, both named in the environment.
//! Never fails where they are not at hand: it says that it was skipped.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::super::*;

/// Templates that differ, each with the reason.
const KNOWN: &[(&str, &str)] = &[
    (
        "CohereForAI-c4ai-command-r-plus-tool_use.jinja",
        "loops over no tools: an error there, an empty loop here",
    ),
    ("NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use.jinja", "loops over no tools"),
    ("NousResearch-Hermes-3-Llama-3.1-8B-tool_use.jinja", "loops over no tools"),
    ("llama-cpp-deepseek-r1.jinja", "loops over no tools"),
    (
        "meetkai-functionary-medium-v3.1.jinja",
        "adds escaped text to text marked as safe, which escapes it there",
    ),
];

fn conversations() -> serde_json::Value {
    let tool = |name: &str| {
        json!({"type": "function", "function": {"name": name, "description": "Reads <a> \"file\" & more — ☃",
            "parameters": {"type": "object", "properties": {
                "path": {"type": "string", "description": "the path"}, "count": {"type": "integer", "enum": [1, 2]}},
                "required": ["path"]}}})
    };
    let user = |text: &str| json!({"role": "user", "content": text});
    let system = json!({"role": "system", "content": " Be brief. "});
    let call = |id: &str, arguments: serde_json::Value| json!({"id": id, "type": "function", "function": {"name": "read", "arguments": arguments}});
    let result = |id: &str| json!({"role": "tool", "tool_call_id": id, "name": "read", "content": "1: fn main() {}\n"});
    let calling = |text: &str, calls: Vec<serde_json::Value>| json!({"role": "assistant", "content": text, "tool_calls": calls});
    let simple = json!({"path": "src/main.rs"});
    let odd = json!({"path": "a\"b\\c\n<é>☃", "count": 2, "deep": {"x": [1.5, true, null]}});
    let none = serde_json::Map::new();
    json!([
        {"messages": [user("Hello <b>\"you\"</b> & 'me'\n")], "tools": [], "variables": none},
        {"messages": [system.clone(), user("Hello")], "tools": [], "variables": none},
        {"messages": [system.clone(), user("Hello")], "tools": [], "variables": {"enable_thinking": false}},
        {"messages": [system.clone(), user("Hello"), {"role": "assistant", "content": " Hi!\n"}, user("Again")], "tools": [], "variables": none},
        {"messages": [system.clone(), user("Hello"), {"role": "assistant", "content": "Hi!", "reasoning_content": "hm\n"}, user("Again")], "tools": [], "variables": none},
        {"messages": [system.clone(), user("Hello")], "tools": [tool("read"), tool("find")], "variables": none},
        {"messages": [user("Hello")], "tools": [tool("read")], "variables": {"enable_thinking": true}},
        {"messages": [system.clone(), user("Look"), calling("", vec![call("call00001", simple.clone())]), result("call00001")],
            "tools": [tool("read")], "variables": {"enable_thinking": false}},
        {"messages": [system, user("Look"), calling("I look.", vec![call("call00001", odd), call("call00002", simple)]),
            result("call00001"), result("call00002"), {"role": "assistant", "content": "Done."}, user("Thanks")],
            "tools": [tool("read"), tool("find")], "variables": none},
    ])
}

#[test]
fn templates_people_use_render_as_in_transformers() {
    let (Some(folder), Some(python)) =
        (std::env::var_os("LOCI_LLAMA_CPP_DIR"), std::env::var_os("LOCI_PYTHON"))
    else {
        // Seen with `--nocapture`; the contributors' guide names both variables.
        std::io::stderr()
            .write_all(b"skipped: LOCI_LLAMA_CPP_DIR and LOCI_PYTHON name no templates and no Python\n")
            .expect("stderr is open");
        return;
    };
    let folder = PathBuf::from(folder).join("models/templates");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/template/tests/reference.py");
    let conversations = conversations();
    let mut command = Command::new(python);
    let mut child = command
        .arg(script)
        .arg(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(conversations.to_string().as_bytes()).expect("Python reads");
    drop(stdin);
    let output = child.wait_with_output().expect("Python ends");
    assert!(output.status.success(), "the reference failed");
    let expected: BTreeMap<String, Vec<Option<String>>> =
        serde_json::from_slice(&output.stdout).expect("the reference prints JSON");
    assert!(expected.len() > 20, "{} templates in {}", expected.len(), folder.display());

    let (mut equal, mut rendered) = (0, 0);
    let mut different = Vec::new();
    for (name, outputs) in &expected {
        let source = std::fs::read_to_string(folder.join(name)).expect("the template is text");
        let options = TemplateOptions { bos: "<s>".to_owned(), eos: "</s>".to_owned(), ..Default::default() };
        let template = ChatTemplate::parse(&source, options);
        for (conversation, expect) in conversations.as_array().expect("an array").iter().zip(outputs) {
            let get =
                |key: &str| serde_json::from_value(conversation[key].clone()).expect("the field is there");
            let input = TemplateInput {
                messages: get("messages"),
                tools: get("tools"),
                add_generation_prompt: true,
                variables: serde_json::from_value(conversation["variables"].clone()).expect("an object"),
            };
            let ours = template.as_ref().map_err(Clone::clone).and_then(|template| template.render(&input));
            rendered += usize::from(expect.is_some());
            match (expect, ours) {
                (Some(expect), Ok(ours)) if *expect == ours.text => equal += 1,
                (None, Err(_)) => {}
                (None, Ok(_)) => different.push(format!("{name}: only the reference refuses")),
                (Some(_), Err(error)) => different.push(format!("{name}: {error}")),
                (Some(expect), Ok(ours)) => {
                    let at = expect.bytes().zip(ours.text.bytes()).take_while(|(a, b)| a == b).count();
                    let near = |text: &str| {
                        let bytes = &text.as_bytes()[at.saturating_sub(40)..(at + 60).min(text.len())];
                        String::from_utf8_lossy(bytes).into_owned()
                    };
                    different.push(format!(
                        "{name} at {at}:\n  {:?}\n  {:?}",
                        near(expect),
                        near(&ours.text)
                    ));
                }
            }
        }
    }
    for (name, reason) in KNOWN {
        assert!(
            !reason.is_empty() && different.iter().any(|line| line.starts_with(name)),
            "{name} is equal now"
        );
    }
    different.retain(|line| !KNOWN.iter().any(|(name, _)| line.starts_with(name)));
    assert!(equal * 100 > rendered * 98, "{equal} of {rendered} equal");
    assert!(different.is_empty(), "{equal} of {rendered} equal; different:\n{}", different.join("\n"));
}

#[test]
fn dialects_of_templates_people_use_are_found() {
    let Some(folder) = std::env::var_os("LOCI_LLAMA_CPP_DIR") else {
        std::io::stderr()
            .write_all(b"skipped: LOCI_LLAMA_CPP_DIR names no templates\n")
            .expect("stderr is open");
        return;
    };
    let cases = [
        ("Qwen-Qwen2.5-7B-Instruct", "hermes"),
        ("Qwen-Qwen3-0.6B", "hermes"),
        ("Qwen-QwQ-32B", "hermes"),
        ("NousResearch-Hermes-3-Llama-3.1-8B-tool_use", "hermes"),
        ("meta-llama-Llama-3.1-8B-Instruct", "llama3"),
        ("meta-llama-Llama-3.2-3B-Instruct", "llama3"),
        ("meta-llama-Llama-3.3-70B-Instruct", "llama3"),
        ("mistralai-Mistral-Nemo-Instruct-2407", "mistral"),
        ("Mistral-Small-3.2-24B-Instruct-2506", "mistral-named"),
        ("unsloth-mistral-Devstral-Small-2507", "mistral-named"),
        ("Qwen3-Coder", "qwen-coder"),
        ("Qwen3.5-4B", "qwen-coder"),
        ("NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "qwen-coder"),
        ("GLM-4.6", "glm"),
        ("GLM-4.7-Flash", "glm-compact"),
        ("deepseek-ai-DeepSeek-V3.1", "deepseek"),
        ("llama-cpp-deepseek-r1", "deepseek-r1"),
        // This one forgets how the second round of calls begins.
        ("deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", "generic"),
        ("openai-gpt-oss-120b", "harmony"),
        ("google-gemma-2-2b-it", "gemma"),
        ("microsoft-Phi-3.5-mini-instruct", "generic"),
    ];
    let mut wrong = Vec::new();
    for (name, expect) in cases {
        let path = PathBuf::from(&folder).join("models/templates").join(name).with_added_extension("jinja");
        let source = std::fs::read_to_string(path).expect("the template is there");
        let template = ChatTemplate::parse(&source, TemplateOptions::default()).expect("it parses");
        let found = crate::tool_syntax::detect(Some(&template)).name();
        if found != expect {
            wrong.push(format!("{name}: {found}, not {expect}; {:?}", template.abilities()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a template writes for a call is what the dialect reads and its grammar allows, and each step of a turn goes on
/// from the one before.
#[test]
fn steps_go_on_from_each_other_in_templates_people_use() {
    use crate::engine::Constraint;
    use crate::grammar::GrammarCompiler;
    use crate::provider::{Message, Request, ToolCall};
    use crate::tool_syntax::testing::{eos, spec, tokenizer};
    use crate::tool_syntax::{DialectContext, ReplyEvent, constrain, detect};

    let Some(folder) = std::env::var_os("LOCI_LLAMA_CPP_DIR") else {
        std::io::stderr()
            .write_all(b"skipped: LOCI_LLAMA_CPP_DIR names no templates\n")
            .expect("stderr is open");
        return;
    };
    let tokenizer = tokenizer(true);
    let compiler = GrammarCompiler::new(std::sync::Arc::clone(&tokenizer), &eos(&tokenizer)).expect("a trie");
    let call = ToolCall {
        id: "call00001".to_owned(),
        name: "read".to_owned(),
        arguments: json!({"path": "a\"b/ü.rs"}).as_object().cloned().expect("an object"),
    };
    let mut request = Request {
        messages: vec![Message::user("Look".to_owned())],
        tools: vec![spec("read", json!({"path": {"type": "string"}}), &["path"])],
        ..Default::default()
    };
    let first = request.clone();
    request.messages.push(Message::Assistant {
        text: String::new(),
        reasoning: None,
        calls: vec![call.clone()],
    });
    request.messages.push(Message::Tool {
        call_id: call.id.clone(),
        name: call.name.clone(),
        text: "1: x".to_owned(),
    });
    let names = [
        "Qwen-Qwen2.5-7B-Instruct",
        "Qwen-Qwen3-0.6B",
        "Qwen3.5-4B",
        "Qwen3-Coder",
        "GLM-4.6",
        "GLM-4.7-Flash",
        "deepseek-ai-DeepSeek-V3.1",
        "mistralai-Mistral-Nemo-Instruct-2407",
        "google-gemma-2-2b-it",
    ];
    for name in names {
        let path = PathBuf::from(&folder).join("models/templates").join(name).with_added_extension("jinja");
        let source = std::fs::read_to_string(path).expect("the template is there");
        let options = TemplateOptions { bos: "<s>".to_owned(), eos: "</s>".to_owned(), ..Default::default() };
        let template = ChatTemplate::parse(&source, options).expect("it parses");
        let dialect = detect(Some(&template));
        let context = DialectContext { template: Some(&template), tokenizer: &tokenizer, reasoning: false };
        let asked = dialect.prompt(&first, context).expect("renders");
        let next = dialect.prompt(&request, context).expect("renders");
        let said = next
            .text
            .strip_prefix(&asked.text)
            .unwrap_or_else(|| panic!("{name}: {:?} does not go on from {:?}", next.text, asked.text));
        let mut parser = dialect.parser(&first, asked.start);
        let mut events = Vec::new();
        // Behind the call the result follows, which no model writes.
        let _ = parser.push(said, &mut events);
        let expect = ReplyEvent::Call { name: call.name.clone(), arguments: call.arguments.clone() };
        assert_eq!(events.first(), Some(&expect), "{name}: {said:?}");
        let constraint = constrain(dialect.as_ref(), &compiler, &first, asked.start, context);
        let mut constraint = constraint.expect("a grammar").expect("tools are there");
        let tokens = tokenizer.encode_prompt(said, &[]).expect("encodes");
        let taken = constraint.accepts(&tokens);
        let written: Vec<u8> =
            tokens[..taken].iter().flat_map(|&id| tokenizer.token_bytes(id)).copied().collect();
        let written = String::from_utf8_lossy(&written);
        // The grammar allows the whole call as the template writes it.
        let mut parser = dialect.parser(&first, asked.start);
        let mut events = Vec::new();
        // Behind it another call might begin, with the same letter as the result.
        let whole = parser.push(&written, &mut events);
        assert!(whole.is_ok() && events.first() == Some(&expect), "{name}: {written:?} of {said:?}");
    }
}
