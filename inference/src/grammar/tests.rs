//! Owns the tests of grammars: walks that choose at random among what the mask allows.
//! Uses the dialects' parsers to read what was written, and the check of schemas.
//! Never depends on a model: a grammar must hold whatever is sampled.

use std::sync::Arc;

use serde_json::{Map, Value, json};

mod schemas;

use super::*;
use crate::provider::{QUOTE_OF, Request, SUBSTRING_OF, ToolChoice, ToolSpec};
use crate::template::ChatTemplate;
use crate::tool_syntax::testing::{eos, request, spec, template, tokenizer, tools};
use crate::tool_syntax::{
    DeepSeek, Dialect, DialectContext, Gemma, Generic, Glm, Harmony, Hermes, Llama3, Mistral, QwenCoder,
    ReplyEvent, ReplyStart, SyntaxError,
};

/// Walks of the random test in all; `LOCI_WALKS=10000` for the whole of it.
fn walks() -> usize {
    std::env::var("LOCI_WALKS").ok().and_then(|walks| walks.parse().ok()).unwrap_or(1_500)
}

struct Random(u64);

impl Random {
    /// SplitMix64, after Steele, Lea and Flood.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn pick(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % count.max(1) as u64).expect("an index")
    }
}

struct Bench {
    tokenizer: Arc<Tokenizer>,
    compiler: GrammarCompiler,
    eos: Vec<u32>,
    closers: Vec<Vec<u32>>,
    template: ChatTemplate,
}

impl Bench {
    fn new(tagged: bool) -> Self {
        let tokenizer = tokenizer(tagged);
        let eos = eos(&tokenizer);
        let compiler = GrammarCompiler::new(Arc::clone(&tokenizer), &eos).expect("the vocabulary is usable");
        let template =
            template("{% for m in messages %}{{ m.content }}{% endfor %}<think>{{ '' }}", &tokenizer);
        let encode = |text: &&str| tokenizer.encode_prompt(text, &[]).expect("encodes");
        let closers = CLOSERS.iter().map(encode).collect();
        Self { tokenizer, compiler, eos, closers, template }
    }

    fn context(&self) -> DialectContext<'_> {
        DialectContext { template: Some(&self.template), tokenizer: &self.tokenizer, reasoning: false }
    }

    fn constraint(
        &self,
        dialect: &dyn Dialect,
        request: &Request,
        start: ReplyStart,
    ) -> Option<GrammarConstraint> {
        let grammar = dialect.grammar(request, start, self.context()).expect("a grammar")?;
        match self.compiler.compile(&grammar) {
            Ok(constraint) => Some(constraint),
            Err(error) => panic!("{error}\n{}", grammar.lark),
        }
    }

    fn allowed(&self, constraint: &mut GrammarConstraint) -> Vec<u32> {
        let mut logits = vec![0.0_f32; self.tokenizer.vocab_size() + 7];
        constraint.mask(&mut logits).expect("a mask");
        let allowed = |(at, logit): (usize, &f32)| (*logit == 0.0).then(|| u32::try_from(at).expect("an id"));
        logits.iter().enumerate().filter_map(allowed).collect()
    }

    /// Write at random until the grammar ends; `None` where it never did.
    fn walk(&self, constraint: &mut GrammarConstraint, random: &mut Random) -> Option<Vec<u32>> {
        let mut written = Vec::new();
        for _ in 0..600 {
            let forced = constraint.forced();
            if !forced.is_empty() {
                for id in forced {
                    written.push(id);
                    if constraint.accept(id).expect("forced tokens are accepted") {
                        return Some(written);
                    }
                }
                continue;
            }
            let allowed = self.allowed(constraint);
            assert!(!allowed.is_empty(), "nothing may follow {:?}", self.text(&written));
            let ends: Vec<u32> = allowed.iter().copied().filter(|id| self.eos.contains(id)).collect();
            // Markup and quotes are rare among all tokens; without a push few walks would ever call.
            let marked: Vec<u32> = allowed
                .iter()
                .copied()
                .filter(|&id| {
                    self.tokenizer.kind(id) != TokenKind::Normal
                        || self.tokenizer.token_bytes(id).contains(&b'"')
                })
                .filter(|id| !self.eos.contains(id))
                .collect();
            let id = match random.pick(11) {
                0..3 if !ends.is_empty() => return Some(written),
                3..7 if !marked.is_empty() => marked[random.pick(marked.len())],
                7..9 => {
                    let closer = &self.closers[random.pick(self.closers.len())];
                    if constraint.accepts(closer) == closer.len() {
                        for &id in closer {
                            written.push(id);
                            if constraint.accept(id).expect("what was judged to fit is accepted") {
                                return Some(written);
                            }
                        }
                    }
                    continue;
                }
                _ => allowed[random.pick(allowed.len())],
            };
            if self.eos.contains(&id) {
                return Some(written);
            }
            written.push(id);
            if constraint.accept(id).expect("an allowed token is accepted") {
                return Some(written);
            }
        }
        None
    }

    fn text(&self, ids: &[u32]) -> String {
        let mut decoder = self.tokenizer.stream().with_control();
        let mut text: String = ids.iter().map(|&id| decoder.push(id)).collect();
        text.push_str(&decoder.finish());
        text
    }
}

/// Whether arguments are what the schema says, and nothing beside it.
fn check_arguments(tool: &ToolSpec, arguments: &Map<String, Value>) {
    let whole = Value::Object(arguments.clone());
    let fits = Schema::new(&tool.parameters, &tool.parameters).fits(&whole);
    assert!(fits, "{}: {whole} does not fit {}", tool.name, tool.parameters);
    for (name, value) in arguments {
        let schema = tool.parameters["properties"].get(name);
        let schema = schema.unwrap_or_else(|| panic!("{} has no {name}", tool.name));
        if let Some(texts) = schema.get(SUBSTRING_OF).and_then(Value::as_array) {
            let piece = value.as_str().expect("a string");
            let texts: Vec<&str> = texts.iter().filter_map(Value::as_str).collect();
            assert!(!piece.is_empty() && piece.trim() == piece, "{}.{name} is {piece:?}", tool.name);
            assert!(texts.iter().any(|text| text.contains(piece)), "{}.{name} is {piece:?}", tool.name);
        }
        if let Some(texts) = schema.get(QUOTE_OF).and_then(Value::as_array) {
            let piece = value.as_str().expect("a string");
            let known = texts.iter().filter_map(Value::as_str).any(|text| text.contains(piece));
            assert!(known && !piece.is_empty(), "{}.{name} is {piece:?}", tool.name);
        }
    }
}

fn read(
    dialect: &dyn Dialect,
    request: &Request,
    start: ReplyStart,
    text: &str,
    complete: bool,
) -> Result<Vec<ReplyEvent>, SyntaxError> {
    let mut parser = dialect.parser(request, start);
    let mut events = Vec::new();
    parser.push(text, &mut events)?;
    parser.finish(complete, &mut events)?;
    Ok(events)
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
/// What ends a value in some dialect: few walks would find it letter by letter.
const CLOSERS: [&str; 5] = ["\"", "\n</parameter>\n", "</arg_value>\n", "</arg_value>", "```tool_code"];

#[test]
fn random_walks_end_in_schema_true_calls() {
    let benches = [Bench::new(true), Bench::new(false)];
    let mut random = Random(20_261_122);
    let (mut ended, mut calls, mut texts) = (0, 0, 0);
    let rounds = walks().div_ceil(DIALECTS.len() * 2 * 3);
    for round in 0..rounds {
        for (at, bench) in benches.iter().enumerate() {
            for dialect in DIALECTS {
                for choice in [ToolChoice::Auto, ToolChoice::Required, ToolChoice::None] {
                    let mut request = request(tools());
                    request.tool_choice = choice;
                    let start =
                        if (round + at) % 4 == 0 { ReplyStart::Reasoning } else { ReplyStart::Answer };
                    let mut constraint =
                        bench.constraint(dialect, &request, start).expect("tools need a grammar");
                    let walked = bench.walk(&mut constraint, &mut random);
                    let Some(written) = walked else { continue };
                    ended += 1;
                    let text = bench.text(&written);
                    let events = read(dialect, &request, start, &text, true)
                        .unwrap_or_else(|error| panic!("{} {choice:?}: {error}: {text:?}", dialect.name()));
                    let mut called = 0;
                    for event in &events {
                        match event {
                            ReplyEvent::Call { name, arguments } => {
                                called += 1;
                                let tool = request
                                    .tools
                                    .iter()
                                    .find(|tool| tool.name == *name)
                                    .expect("a known tool");
                                check_arguments(tool, arguments);
                            }
                            ReplyEvent::Text(_) => texts += 1,
                            ReplyEvent::Reasoning(_) | ReplyEvent::Compose(_) => {}
                        }
                    }
                    calls += called;
                    match choice {
                        ToolChoice::None => assert_eq!(called, 0, "{text:?}"),
                        ToolChoice::Required => assert!(called > 0, "{}: {text:?}", dialect.name()),
                        ToolChoice::Auto => assert!(!events.is_empty(), "{}: {text:?}", dialect.name()),
                    }
                }
            }
        }
    }
    assert!(ended * 10 > walks() * 8, "{ended} of {} walks ended", walks());
    assert!(
        calls * 4 > walks() && texts * 10 > walks(),
        "{calls} calls and {texts} texts in {} walks",
        walks()
    );
}

#[test]
fn every_tool_can_be_called() {
    let bench = Bench::new(true);
    for dialect in DIALECTS {
        for tool in tools() {
            let mut request = request(vec![tool.clone()]);
            request.tool_choice = ToolChoice::Required;
            let mut random = Random(7);
            let mut constraint = bench.constraint(dialect, &request, ReplyStart::Answer).expect("a grammar");
            let written = bench.walk(&mut constraint, &mut random);
            // A walk may get lost in a string; that it began with the right call is enough then.
            let text = written.map(|written| bench.text(&written));
            if let Some(text) = text {
                let events = read(dialect, &request, ReplyStart::Answer, &text, true).expect("a reply");
                assert!(
                    events
                        .iter()
                        .any(|event| matches!(event, ReplyEvent::Call { name, .. } if *name == tool.name))
                );
            }
        }
    }
}

#[test]
fn what_cannot_be_called_is_said() {
    let bench = Bench::new(true);
    for dialect in DIALECTS {
        let grammar = |request: &Request| dialect.grammar(request, ReplyStart::Answer, bench.context());
        assert_eq!(grammar(&request(vec![])).expect("no grammar is needed"), None);
        let mut required = request(vec![]);
        required.tool_choice = ToolChoice::Required;
        assert!(matches!(grammar(&required), Err(SyntaxError::Request { .. })));
        let hostile = [
            spec("t", json!({"a": {"type": "string", "enum": []}}), &["a"]),
            spec("t", json!({"a": {"type": "integer", "minimum": 2, "maximum": 1}}), &["a"]),
            spec("t", json!({"a": {"type": "integer", "enum": ["x"]}}), &["a"]),
            spec("t", json!({"a": {"type": "string", "minLength": 2, "maxLength": 1}}), &["a"]),
            spec("t", json!({"a": {"x-one-of": "text"}}), &[]),
            spec("t", json!({"a": {"type": "string", "x-substring-of": "text"}}), &[]),
            spec("t", json!({"a": {"type": "string", "enum": "text"}}), &[]),
            spec("t", json!({"a": {"type": "string"}}), &["b"]),
            ToolSpec { parameters: json!({"properties": []}), ..spec("t", json!({}), &[]) },
            ToolSpec { parameters: json!({"required": "a"}), ..spec("t", json!({}), &[]) },
        ];
        for tool in hostile {
            let result = grammar(&request(vec![tool.clone()]));
            let named = matches!(&result, Err(SyntaxError::Request { message }) if message.starts_with('t'));
            assert!(named, "{tool:?}: {result:?}");
        }
    }
}

#[test]
fn control_tokens_are_never_text() {
    let bench = Bench::new(true);
    for dialect in DIALECTS {
        let request = request(tools());
        let mut constraint = bench.constraint(dialect, &request, ReplyStart::Answer).expect("a grammar");
        let lead = match dialect.name() {
            "harmony" => "<|channel|>final<|message|>",
            "glm-named" => "\n",
            _ => "",
        };
        for id in bench.tokenizer.encode_prompt(&format!("{lead}I look"), &[]).expect("encodes") {
            constraint.accept(id).expect("text is allowed");
        }
        let allowed = bench.allowed(&mut constraint);
        for name in ["<|im_start|>", "<s>", "[INST]"] {
            let id = bench.tokenizer.special(name).expect("a token");
            assert!(!allowed.contains(&id), "{name} in {}", dialect.name());
        }
        assert!(bench.eos.iter().all(|id| allowed.contains(id)), "the text may end in {}", dialect.name());
    }
}

#[test]
fn what_is_certain_is_forced() {
    let bench = Bench::new(true);
    let mut request =
        request(vec![spec("read", json!({"path": {"type": "string", "enum": ["src/main.rs"]}}), &["path"])]);
    request.tool_choice = ToolChoice::Required;
    let mut constraint = bench.constraint(&Hermes, &request, ReplyStart::Answer).expect("a grammar");
    constraint.accept(bench.tokenizer.special("<tool_call>").expect("a token")).expect("a call may begin");
    let forced = constraint.forced();
    let text = bench.text(&forced);
    assert!(text.starts_with("\n{\"name\": \"read\", \"arguments\": {\"path\": \"src/main.rs"), "{text:?}");
    for id in forced {
        constraint.accept(id).expect("forced tokens are accepted");
    }
}

#[test]
fn ten_thousand_names_compile() {
    let bench = Bench::new(true);
    let names: Vec<String> =
        (0..10_000).map(|at| format!("name_{}_of_{}", at * 7919 % 10_007, at % 13)).collect();
    let request = request(vec![
        spec("where", json!({"symbol": {"type": "string", "enum": names}}), &["symbol"]),
        spec("callers", json!({"symbol": {"type": "string", "enum": names}}), &["symbol"]),
    ]);
    let mut constraint = bench.constraint(&Hermes, &request, ReplyStart::Answer).expect("a grammar");
    let text =
        "<tool_call>\n{\"name\": \"callers\", \"arguments\": {\"symbol\": \"name_7919_of_1\"}}\n</tool_call>";
    let ids = bench.tokenizer.encode_prompt(text, &[]).expect("encodes");
    for id in ids {
        let allowed = bench.allowed(&mut constraint);
        assert!(allowed.contains(&id), "{:?}", bench.text(&[id]));
        constraint.accept(id).expect("the name is known");
    }
}

#[test]
fn a_draft_is_judged_without_being_taken() {
    let bench = Bench::new(true);
    let mut request =
        request(vec![spec("read", json!({"path": {"type": "string", "enum": ["src/main.rs"]}}), &["path"])]);
    request.tool_choice = ToolChoice::Required;
    let whole = "<tool_call>\n{\"name\": \"read\", \"arguments\": {\"path\": \"src/main.rs\"}}\n</tool_call>";
    let encode = |text: &str| bench.tokenizer.encode_prompt(text, &[]).expect("encodes");
    let mut constraint = bench.constraint(&Hermes, &request, ReplyStart::Answer).expect("a grammar");
    let tokens = encode(whole);
    for _ in 0..2 {
        assert_eq!(constraint.accepts(&tokens), tokens.len());
        let ended: Vec<u32> = tokens.iter().copied().chain([bench.eos[0], tokens[0]]).collect();
        assert_eq!(constraint.accepts(&ended), tokens.len() + 1);
        let early = [&tokens[..3], &[bench.eos[0]]].concat();
        assert_eq!(constraint.accepts(&early), 3);
        let wrong = encode(&whole.replace("main", "lib"));
        let common = wrong.iter().zip(&tokens).take_while(|(a, b)| a == b).count();
        assert!((common..wrong.len()).contains(&constraint.accepts(&wrong)));
        assert_eq!(constraint.accepts(&[u32::MAX]), 0);
        assert_eq!(constraint.accepts(&[]), 0);
    }
    for &token in &tokens {
        constraint.accept(token).expect("the state is as it was");
    }
    assert!(constraint.is_accepting().expect("a state"));
}
