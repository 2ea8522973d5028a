//! Owns the tests of the dialects that write calls between marks: what replies mean, however they are cut.
//! Uses the checks of the room above: every cut, and letter by letter.
//! Never depends on a model.

use super::*;

fn read_a() -> ReplyEvent {
    call("read", json!({"path": "a"}))
}

fn undo() -> ReplyEvent {
    call("undo", json!({}))
}

#[test]
fn qwen_coder_replies() {
    let one = "<tool_call>\n<function=read>\n<parameter=path>\na\n</parameter>\n</function>\n</tool_call>";
    check(&QwenCoder, "Hello <b>", &[text("Hello <b>")]);
    check(&QwenCoder, one, &[read_a()]);
    check(
        &QwenCoder,
        &format!("I look.\n{one}\n<tool_call>\n<function=undo>\n</function>\n</tool_call>\n"),
        &[text("I look."), read_a(), undo()],
    );
    // What is a string stays one, whatever it looks like; what is not is read.
    check(
        &QwenCoder,
        "<tool_call>\n<function=read>\n<parameter=path>\n12\n</parameter>\n<parameter=start>\n12\n</parameter>\n</function>\n</tool_call>",
        &[call("read", json!({"path": "12", "start": 12}))],
    );
    check(
        &QwenCoder,
        "<tool_call>\n<function=grep>\n<parameter=pattern>\n\n  two\n\tlines </parameter> <parameter=x>\n\"\n\n</parameter>\n<parameter=ignore_case>\nTrue\n</parameter>\n</function>\n</tool_call>",
        &[call(
            "grep",
            json!({"pattern": "\n  two\n\tlines </parameter> <parameter=x>\n\"\n", "ignore_case": true}),
        )],
    );
    check(
        &QwenCoder,
        "<tool_call>\n<function=list>\n<parameter=names>\n[\"a\", \"é☃\"]\n</parameter>\n<parameter=action>\n1\n</parameter>\n</function>\n</tool_call>",
        &[call("list", json!({"names": ["a", "é☃"], "action": 1}))],
    );
    // Nothing at all is a string too.
    check(
        &QwenCoder,
        "<tool_call>\n<function=read>\n<parameter=path>\n\n</parameter>\n</function>\n</tool_call>",
        &[call("read", json!({"path": ""}))],
    );
    check_from(
        &QwenCoder,
        ReplyStart::Reasoning,
        &format!("hm <tool_call>\n</think>\n\n{one} after"),
        &[reasoning("hm <tool_call>"), read_a(), text("after")],
    );
}

#[test]
fn glm_replies() {
    let one = "<tool_call>read\n<arg_key>path</arg_key>\n<arg_value>a</arg_value>\n</tool_call>";
    let compact = "<tool_call>read<arg_key>path</arg_key><arg_value>a</arg_value></tool_call>";
    for dialect in [Glm::Lines, Glm::Compact] {
        check(&dialect, "a < b", &[text("a < b")]);
        check(&dialect, one, &[read_a()]);
        check(&dialect, compact, &[read_a()]);
        check(
            &dialect,
            &format!("<think>hm</think>\nI look.\n{one}\n<tool_call>undo\n</tool_call> done"),
            &[reasoning("hm"), text("I look."), read_a(), undo(), text("done")],
        );
        check(
            &dialect,
            "<tool_call>list<arg_key>names</arg_key><arg_value>[\"</arg_value>\", \"</tool_call>\"]</arg_value></tool_call>",
            &[call("list", json!({"names": ["</arg_value>", "</tool_call>"]}))],
        );
        check(
            &dialect,
            "<tool_call>grep<arg_key>pattern</arg_key><arg_value> \n</tool_call>\" é</arg_value><arg_key>limit</arg_key><arg_value>1.5</arg_value></tool_call>",
            &[call("grep", json!({"pattern": " \n</tool_call>\" é", "limit": 1.5}))],
        );
    }
    check(&Glm::Named, "\nHello\nread\n{}", &[text("Hello\nread\n{}")]);
    check(&Glm::Named, "read\n{\"path\": \"a\"}", &[read_a()]);
    check(&Glm::Named, "reading\nis fun", &[text("reading\nis fun")]);
    check(&Glm::Named, "undo", &[text("undo")]);
    check(&Glm::Named, "", &[]);
}

#[test]
fn deepseek_replies() {
    let bare = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>read<｜tool▁sep｜>{\"path\": \"a\"}<｜tool▁call▁end｜><｜tool▁call▁begin｜>undo<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>";
    let fenced = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>read\n```json\n{\"path\": \"a\"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>undo\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>";
    for dialect in [DeepSeek::Bare, DeepSeek::Fenced] {
        check(&dialect, "a <｜tool is text", &[text("a <｜tool is text")]);
        for calls in [bare, fenced] {
            check(&dialect, calls, &[read_a(), undo()]);
            check(
                &dialect,
                &format!("I look. {calls} after"),
                &[text("I look."), read_a(), undo(), text("after")],
            );
            check_from(
                &dialect,
                ReplyStart::Reasoning,
                &format!("hm</think>\n{calls}"),
                &[reasoning("hm"), read_a(), undo()],
            );
        }
        check(
            &dialect,
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>read<｜tool▁sep｜>{\"path\": \"<｜tool▁call▁end｜>```\\\"}\"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
            &[call("read", json!({"path": "<｜tool▁call▁end｜>```\"}"}))],
        );
    }
}

#[test]
fn harmony_replies() {
    check(&Harmony, "<|channel|>final<|message|>Hello, é.<|return|>", &[text("Hello, é.")]);
    check(&Harmony, "<|channel|>final<|message|>Hello.", &[text("Hello.")]);
    check(
        &Harmony,
        "<|channel|>analysis<|message|>hm <tool_call> <|end|><|start|>assistant<|channel|>commentary to=functions.read <|constrain|>json<|message|>{\"path\": \"a\"}<|call|>",
        &[reasoning("hm <tool_call>"), read_a()],
    );
    // The recipient may stand before the channel, and the form need not be named.
    check(
        &Harmony,
        "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant to=functions.undo<|channel|>commentary json<|message|>{}",
        &[text("I look."), undo()],
    );
    check(
        &Harmony,
        "<|channel|>commentary to=functions.read <|constrain|>json<|message|>{\"path\": \"<|call|>\\\"}\"}<|call|>",
        &[call("read", json!({"path": "<|call|>\"}"}))],
    );
    check(&Harmony, "no header at all", &[text("no header at all")]);
    check(&Harmony, "", &[]);
}

#[test]
fn gemma_replies() {
    let one = "```tool_code\n{\"name\": \"read\", \"parameters\": {\"path\": \"a\"}}\n```";
    check(
        &Gemma,
        "Some `code` and\n```rust\nfn main() {}\n```",
        &[text("Some `code` and\n```rust\nfn main() {}\n```")],
    );
    check(&Gemma, one, &[read_a()]);
    check(
        &Gemma,
        &format!("I look.\n{one}\n```tool_code\n{{\"name\": \"undo\", \"parameters\": {{}}}}\n``` after"),
        &[text("I look."), read_a(), undo(), text("after")],
    );
}

#[test]
fn what_is_no_call_of_this_request_is_an_error() {
    let request = request(tools());
    let broken: [(&dyn Dialect, &str); 14] = [
        (&QwenCoder, "<tool_call>\n<function=rm>\n</function>\n</tool_call>"),
        (
            &QwenCoder,
            "<tool_call>\n<function=read>\n<parameter=path>\na\n</parameter>\n<parameter=path>\nb\n</parameter>\n</function>\n</tool_call>",
        ),
        (
            &QwenCoder,
            "<tool_call>\n<function=read>\n<parameter=start>\nx\n</parameter>\n</function>\n</tool_call>",
        ),
        (
            &QwenCoder,
            "<tool_call>\n<function=read>\n<parameter=other>\nx\n</parameter>\n</function>\n</tool_call>",
        ),
        (&QwenCoder, "<tool_call>\n<function=read>\n<parameter=path>\na"),
        (&QwenCoder, "<tool_call>\nread\n</tool_call>"),
        (&Glm::Lines, "<tool_call>rm\n</tool_call>"),
        (&Glm::Lines, "<tool_call>read\n<arg_key>start</arg_key>\n<arg_value>0</arg_value>\n</tool_call>"),
        (&Glm::Lines, "<tool_call>read\n<arg_key>path</arg_key>\n<arg_value>a"),
        (&DeepSeek::Bare, "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>rm<｜tool▁sep｜>{}<｜tool▁call▁end｜>"),
        (&DeepSeek::Fenced, "<｜tool▁calls▁begin｜>read"),
        (&Harmony, "<|channel|>commentary to=functions.rm <|message|>{}<|call|>"),
        (&Harmony, "<|channel|>secret<|message|>x"),
        (&Gemma, "```tool_code\nread(path='a')\n```"),
    ];
    for (dialect, reply) in broken {
        let found = super::read(dialect, &request, ReplyStart::Answer, &[reply], true);
        assert!(found.is_err(), "{}: {reply}: {found:?}", dialect.name());
    }
}
