//! Owns the tests of dialects: what replies mean, however they are cut, and what prompts keep.
//! Uses small templates of ours in the shape of the families.
//! Never depends on a model.

mod replies;

use proptest::prelude::*;
use serde_json::json;

use super::testing::{request, spec, template, tokenizer, tools};
use super::*;
use crate::provider::{Message, ToolCall, ToolChoice};

fn merged(events: Vec<ReplyEvent>) -> Vec<ReplyEvent> {
    let mut merged: Vec<ReplyEvent> = Vec::new();
    for event in events {
        match (merged.last_mut(), event) {
            (Some(ReplyEvent::Text(text)), ReplyEvent::Text(more))
            | (Some(ReplyEvent::Reasoning(text)), ReplyEvent::Reasoning(more)) => text.push_str(&more),
            (_, event) => merged.push(event),
        }
    }
    merged
}

type Outcome = Result<Vec<ReplyEvent>, String>;

fn read(
    dialect: &dyn Dialect,
    request: &Request,
    start: ReplyStart,
    pieces: &[&str],
    complete: bool,
) -> Outcome {
    let mut parser = dialect.parser(request, start);
    let mut events = Vec::new();
    for piece in pieces {
        parser.push(piece, &mut events).map_err(|error| error.to_string())?;
    }
    parser.finish(complete, &mut events).map_err(|error| error.to_string())?;
    Ok(merged(events))
}

/// Calls that were reported, even where the reply ended in an error.
fn reported(dialect: &dyn Dialect, request: &Request, pieces: &[&str], complete: bool) -> Vec<ReplyEvent> {
    let mut parser = dialect.parser(request, ReplyStart::Answer);
    let mut events = Vec::new();
    let pushed = pieces.iter().try_for_each(|piece| parser.push(piece, &mut events));
    if pushed.is_ok() {
        let _ = parser.finish(complete, &mut events);
    }
    merged(events)
}

fn text(text: &str) -> ReplyEvent {
    ReplyEvent::Text(text.to_owned())
}

fn reasoning(text: &str) -> ReplyEvent {
    ReplyEvent::Reasoning(text.to_owned())
}

fn call(name: &str, arguments: Value) -> ReplyEvent {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    ReplyEvent::Call { name: name.to_owned(), arguments }
}

fn check_from(dialect: &dyn Dialect, start: ReplyStart, reply: &str, expect: &[ReplyEvent]) {
    let request = request(tools());
    let whole = read(dialect, &request, start, &[reply], true);
    assert_eq!(whole.as_deref(), Ok(expect), "{reply:?}");
    let cuts: Vec<usize> = reply.char_indices().map(|(at, _)| at).collect();
    for &cut in &cuts {
        let halves = [&reply[..cut], &reply[cut..]];
        assert_eq!(read(dialect, &request, start, &halves, true), whole, "cut at {cut}");
    }
    let letters: Vec<&str> = reply.split("").collect();
    assert_eq!(read(dialect, &request, start, &letters, true), whole, "letter by letter");
}

fn check(dialect: &dyn Dialect, reply: &str, expect: &[ReplyEvent]) {
    check_from(dialect, ReplyStart::Answer, reply, expect);
}

#[test]
fn hermes_replies() {
    let read_a = || call("read", json!({"path": "a"}));
    check(&Hermes, "", &[]);
    check(&Hermes, "  Hello,\n<b>world</b> \n", &[text("Hello,\n<b>world</b>")]);
    check(&Hermes, "a <tool", &[text("a <tool")]);
    check(
        &Hermes,
        "<tool_call>\n{\"name\": \"read\", \"arguments\": {\"path\": \"a\"}}\n</tool_call>",
        &[read_a()],
    );
    check(
        &Hermes,
        "I look.\n<tool_call>{\"name\":\"read\",\"arguments\":{\"path\":\"a\"}}</tool_call>\n<tool_call>{\"name\":\"undo\"}</tool_call>\n",
        &[text("I look."), read_a(), call("undo", json!({}))],
    );
    // A closing tag inside a string closes nothing.
    check(
        &Hermes,
        "<tool_call>{\"name\": \"read\", \"arguments\": {\"path\": \"</tool_call>}\\\"{\"}}</tool_call>",
        &[call("read", json!({"path": "</tool_call>}\"{"}))],
    );
    check(
        &Hermes,
        "<think>\nhm <tool_call> no\n</think>\n\nYes.",
        &[reasoning("\nhm <tool_call> no"), text("Yes.")],
    );
    check(&Hermes, "text <think> stays", &[text("text <think> stays")]);
    check_from(&Hermes, ReplyStart::Reasoning, "hm\n</think>\nYes.", &[reasoning("hm"), text("Yes.")]);
    check_from(&Hermes, ReplyStart::Reasoning, "only thoughts", &[reasoning("only thoughts")]);
    check(
        &Hermes,
        "<tool_call>{\"name\":\"read\",\"arguments\":\"{\\\"path\\\": \\\"a\\\"}\"}</tool_call> and more",
        &[read_a(), text("and more")],
    );
}

#[test]
fn llama_replies() {
    let read_a = || call("read", json!({"path": "a"}));
    check(&Llama3, "{\"name\": \"read\", \"parameters\": {\"path\": \"a\"}}", &[read_a()]);
    check(&Llama3, "<|python_tag|>{\"name\": \"read\", \"parameters\": {\"path\": \"a\"}}", &[read_a()]);
    check(
        &Llama3,
        "{\"name\": \"read\", \"parameters\": {\"path\": \"a\"}}; {\"name\": \"undo\", \"parameters\": {}}",
        &[read_a(), call("undo", json!({}))],
    );
    check(&Llama3, "A brace {} is text.", &[text("A brace {} is text.")]);
}

#[test]
fn mistral_replies() {
    let read_a = || call("read", json!({"path": "a"}));
    let undo = || call("undo", json!({}));
    let list = "[TOOL_CALLS][{\"name\": \"read\", \"arguments\": {\"path\": \"a\"}}, {\"name\": \"undo\", \"arguments\": {}}]";
    check(&Mistral::Array, list, &[read_a(), undo()]);
    check(&Mistral::Array, &format!("Sure.{list}"), &[text("Sure."), read_a(), undo()]);
    check(
        &Mistral::Named,
        "[TOOL_CALLS]read[ARGS]{\"path\": \"a\"}[TOOL_CALLS]undo[CALL_ID]abcdefghi[ARGS]{}",
        &[read_a(), undo()],
    );
    check(&Mistral::Array, "a [list] of text", &[text("a [list] of text")]);
}

#[test]
fn calls_that_are_cut_off_are_never_reported() {
    let whole: [(&dyn Dialect, &str); 10] = [
        (
            &DeepSeek::Bare,
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>read<｜tool▁sep｜>{\"path\": \"a\"}<｜tool▁call▁end｜>",
        ),
        (
            &DeepSeek::Fenced,
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>read\n```json\n{\"path\": \"a\"}\n```",
        ),
        (&Glm::Named, "read\n{\"path\": \"a\"}"),
        (
            &Harmony,
            "<|channel|>commentary to=functions.read <|constrain|>json<|message|>{\"path\": \"a\"}<|call|>",
        ),
        (&Gemma, "```tool_code\n{\"name\": \"read\", \"parameters\": {\"path\": \"a\"}}\n```"),
        (&Generic, "<tool_call>\n{\"name\": \"read\", \"arguments\": {\"path\": \"a\"}}\n</tool_call>"),
        (&Hermes, "<tool_call>\n{\"name\": \"read\", \"arguments\": {\"path\": \"a\"}}\n</tool_call>"),
        (&Llama3, "{\"name\": \"read\", \"parameters\": {\"path\": \"a\"}}"),
        (&Mistral::Array, "[TOOL_CALLS][{\"name\": \"read\", \"arguments\": {\"path\": \"a\"}}]"),
        (&Mistral::Named, "[TOOL_CALLS]read[ARGS]{\"path\": \"a\"}"),
    ];
    let request = request(tools());
    for (dialect, reply) in whole {
        let end = reply.find("\"a\"}").expect("it has arguments") + 3;
        for cut in (0..end).filter(|&cut| reply.is_char_boundary(cut)) {
            for complete in [true, false] {
                let events = reported(dialect, &request, &[&reply[..cut]], complete);
                let called = events.iter().any(|event| matches!(event, ReplyEvent::Call { .. }));
                assert!(!called, "{} reports {events:?} for {:?}", dialect.name(), &reply[..cut]);
            }
        }
    }
}

#[test]
fn broken_replies_are_errors() {
    let request = request(tools());
    let broken: [(&dyn Dialect, &str); 8] = [
        (&Hermes, "<tool_call>{\"name\": \"rm\", \"arguments\": {}}</tool_call>"),
        (&Hermes, "<tool_call>{\"name\": 1}</tool_call>"),
        (&Hermes, "<tool_call>{\"name\" \"read\"}</tool_call>"),
        (&Hermes, "<tool_call>read</tool_call>"),
        (&Hermes, "<tool_call>{\"name\": \"undo\"} trailing"),
        (&Hermes, "<tool_call>{\"name\": \"undo\", \"arguments\": []}</tool_call>"),
        (&Mistral::Array, "[TOOL_CALLS][{\"name\": \"undo\"} {\"name\": \"undo\"}]"),
        (&Mistral::Named, "[TOOL_CALLS]rm[ARGS]{}"),
    ];
    for (dialect, reply) in broken {
        assert!(read(dialect, &request, ReplyStart::Answer, &[reply], true).is_err(), "{reply}");
    }
}

#[test]
fn without_tools_everything_is_text() {
    let reply = "<tool_call>{\"name\": \"read\"}</tool_call>";
    let mut forbidden = request(tools());
    forbidden.tool_choice = ToolChoice::None;
    for request in [request(vec![]), forbidden] {
        assert_eq!(read(&Hermes, &request, ReplyStart::Answer, &[reply], true), Ok(vec![text(reply)]));
    }
}

const DIALECTS: [&dyn Dialect; 13] = [
    &Hermes,
    &QwenCoder,
    &Llama3,
    &Mistral::Array,
    &Mistral::Named,
    &DeepSeek::Bare,
    &DeepSeek::Fenced,
    &Glm::Lines,
    &Glm::Compact,
    &Glm::Named,
    &Harmony,
    &Gemma,
    &Generic,
];

fn fragments() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "<tool_call>",
        "</tool_call>",
        "<think>",
        "</think>",
        "<",
        "tool",
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        " ",
        "\n",
        "{\"name\": \"read\", \"arguments\": {\"path\": \"a\"}}",
        "{\"name\": \"undo\", \"parameters\": {}}",
        "[TOOL_CALLS]",
        "[ARGS]",
        "[{",
        "undo",
        "read",
        "é",
        "☃",
        "text",
        ",",
        ";",
        "<|python_tag|>",
        "<function=read>",
        "\n<parameter=path>\n",
        "\n</parameter>\n",
        "</function>",
        "read\n",
        "<arg_key>path</arg_key>",
        "<arg_value>",
        "</arg_value>",
        "```",
        "```tool_code",
        "```json\n",
        "<｜tool▁calls▁begin｜>",
        "<｜tool▁call▁begin｜>",
        "<｜tool▁sep｜>",
        "<｜tool▁call▁end｜>",
        "<｜tool▁calls▁end｜>",
        "<|channel|>",
        "analysis",
        "commentary to=functions.read ",
        "final",
        "<|message|>",
        "<|end|>",
        "<|start|>assistant",
        "<|call|>",
    ];
    prop::collection::vec(prop::sample::select(PIECES), 0..28).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn cuts_change_nothing(reply in fragments(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12), complete: bool) {
        let request = request(tools());
        let letters: Vec<usize> = reply.char_indices().map(|(at, _)| at).chain([reply.len()]).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| *cut.get(&letters)).chain([0, reply.len()]).collect();
        cuts.sort_unstable();
        let pieces: Vec<&str> = cuts.windows(2).map(|pair| &reply[pair[0]..pair[1]]).collect();
        for dialect in DIALECTS {
            for start in [ReplyStart::Answer, ReplyStart::Reasoning] {
                let whole = read(dialect, &request, start, &[&reply], complete);
                let cut = read(dialect, &request, start, &pieces, complete);
                prop_assert_eq!(&whole, &cut, "{} {:?}", dialect.name(), start);
            }
            prop_assert_eq!(reported(dialect, &request, &[&reply], complete), reported(dialect, &request, &pieces, complete));
        }
    }
}

/// Small templates in the shape of the families: what matters here is where markup stands.
pub(crate) const HERMES: &str = "{% if tools %}<|im_start|>system\n{% if messages[0].role == 'system' %}{{ messages[0].content + '\n' }}{% endif %}{% for t in tools %}{{ t | tojson + '\n' }}{% endfor %}<tool_call>{\"name\": \"arguments\"}<|im_end|>\n{% endif %}{% for m in messages %}{% if m.role == 'tool' %}<|im_start|>user\n<tool_response>\n{{ m.content }}\n</tool_response><|im_end|>\n{% elif m.role != 'system' or not tools %}<|im_start|>{{ m.role + '\n' + m.content }}{% for c in m.tool_calls or [] %}{% if m.content or not loop.first %}{{ '\n' }}{% endif %}<tool_call>\n{\"name\": \"{{ c.function.name }}\", \"arguments\": {{ c.function.arguments | tojson }}}\n</tool_call>{% endfor %}<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
pub(crate) const LLAMA: &str = "{{ bos_token }}{% if tools %}{% for t in tools %}{{ t | tojson }}{% endfor %}<|start_header_id|>\"parameters\"{% endif %}{% for m in messages %}[{{ m.role }}]{% if m.tool_calls %}{% if m.tool_calls | length > 1 %}{{ raise_exception('This model only supports single tool-calls at once!') }}{% endif %}{\"name\": \"{{ m.tool_calls[0].function.name }}\", \"parameters\": {{ m.tool_calls[0].function.arguments | tojson }}}{% else %}{{ m.content }}{% endif %}<|eot_id|>{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";
pub(crate) const MISTRAL: &str = "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{% if tools and loop.first %}{{ tools | tojson }}{% endif %}[INST]{{ m.content }}[/INST]{% elif m.tool_calls %}[TOOL_CALLS][{% for c in m.tool_calls %}{% if c.id | length != 9 %}{{ raise_exception('nine') }}{% endif %}{{ c.function | tojson }}{% if not loop.last %}, {% endif %}{% endfor %}]{{ eos_token }}{% elif m.role == 'tool' %}[RESULT]{{ m.content }}{% elif m.role == 'system' %}{{ raise_exception('roles') }}{% else %}{{ m.content }}{{ eos_token }}{% endif %}{% endfor %}";
pub(crate) const PLAIN: &str = "{% for m in messages %}{% if m.role not in ['user', 'assistant'] %}{{ raise_exception('role') }}{% endif %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

#[test]
fn dialects_are_detected() {
    let tokenizer = tokenizer(true);
    let cases = [(HERMES, "hermes"), (LLAMA, "llama3"), (MISTRAL, "mistral"), (PLAIN, "generic")];
    for (source, expect) in cases {
        assert_eq!(detect(Some(&template(source, &tokenizer))).name(), expect);
        assert_eq!(by_name(expect).map(|dialect| dialect.name()), Some(expect));
    }
    assert_eq!(detect(None).name(), "generic");
    assert!(by_name("klingon").is_none());
}

#[test]
fn each_step_goes_on_from_the_one_before() {
    let tokenizer = tokenizer(true);
    let calls = |ids: &[&str]| {
        ids.iter()
            .map(|id| ToolCall {
                id: (*id).to_owned(),
                name: "read".to_owned(),
                arguments: json!({"path": "a\"b"}).as_object().cloned().expect("an object"),
            })
            .collect::<Vec<_>>()
    };
    let assistant = |text: &str, ids: &[&str]| Message::Assistant {
        text: text.to_owned(),
        reasoning: None,
        calls: calls(ids),
    };
    let result =
        |id: &str| Message::Tool { call_id: id.to_owned(), name: "read".to_owned(), text: "1: x".to_owned() };
    let messages = vec![
        Message::System { text: "be brief".to_owned() },
        Message::user("read <|im_end|> it".to_owned()),
        assistant("", &["call00001"]),
        result("call00001"),
        assistant("again", &["x-1", "x-2"]),
        result("x-1"),
        result("x-2"),
        assistant("done", &[]),
        Message::user("thanks".to_owned()),
    ];
    for source in [HERMES, LLAMA, MISTRAL, PLAIN] {
        let template = template(source, &tokenizer);
        let dialect = detect(Some(&template));
        let context = DialectContext { template: Some(&template), tokenizer: &tokenizer, reasoning: false };
        let mut before: Vec<u32> = Vec::new();
        // After the user's words and after each whole set of results the model is asked again.
        for step in [2, 4, 7, 9] {
            let mut request = request(vec![spec("read", json!({"path": {"type": "string"}}), &["path"])]);
            request.messages = messages[..step].to_vec();
            let prompt = dialect.prompt(&request, context).expect("renders");
            assert!(prompt.text.contains("be brief") && prompt.text.contains("does read"), "{}", prompt.text);
            let tokens = tokenizer.encode_prompt(&prompt.text, &prompt.untrusted).expect("encodes");
            assert!(tokens.starts_with(&before), "{}: step {step}: {}", dialect.name(), prompt.text);
            let ends = tokens.iter().filter(|&&id| Some(id) == tokenizer.special("<|im_end|>")).count();
            let written = prompt.text.matches("<|im_end|>").count();
            assert_eq!(ends, written - 1, "the user's own <|im_end|> is text in {}", dialect.name());
            before = tokens;
        }
    }
}
