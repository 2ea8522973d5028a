//! Owns the figures of the window: compaction, layout, recall, a result that comes in, a session that is restored.
//! Uses a generated session of 130,000 tokens: code, searches, logs and talk, the same each time.
//! Never asks a model; tokens are counted as four bytes each.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use loci_core::context::{Budget, Context, Frame, Meter};
use loci_core::session::log::{CompactionCause, LoggedOutcome, Record};
use loci_inference::provider::{Sampling, ToolCall};
use serde_json::{Map, Value};

/// The tokens of the session.
const TOKENS: usize = 130_000;

fn code(number: usize) -> String {
    let line = |at: usize| match at % 5 {
        0 => format!("/// Counts what shelf {number} holds after delivery {at}.\n"),
        1 => {
            format!("pub fn shelf_{number}_{at}(stock: &Stock, order: Order) -> Result<usize, Shortage> {{\n")
        }
        2 => format!("    let held = stock.held({number}, {at});\n"),
        3 => "    held.checked_sub(order.open()).ok_or(Shortage)\n".into(),
        _ => "}\n".into(),
    };
    (1..=40).map(|at| format!("{at:>6}\t{}", line(at - 1))).collect()
}

fn log(number: usize) -> String {
    let line = |at: usize| {
        format!("12:{:02}:{:02} worker {} took order {}\n", at / 60, at % 60, at % 4, at * 7 + number)
    };
    let mut text: String = (0..30).map(line).collect();
    text.push_str(&format!(
        "test shelves::shelf_{number} ... FAILED\n\n---- shelves::shelf_{number} stdout ----\nassertion failed: held({number}) == 1\n\n\
         test result: FAILED. 41 passed; 1 failed; 0 ignored\n"
    ));
    text
}

fn matches(number: usize) -> String {
    (0..25).map(|at| format!("src/part_{}.rs:{}: stock.held({number}, {at})\n", at % 9, at * 3 + 1)).collect()
}

/// The records of the session.
fn session() -> Vec<Record> {
    let mut records = Vec::new();
    let mut bytes = 0;
    let mut number = 0;
    while bytes < TOKENS * 4 {
        number += 1;
        let turn = u32::try_from(number).unwrap_or(u32::MAX);
        let text = match number % 4 {
            0 => format!("Never touch src/part_{number}.rs. What does `shelf_{number}_1` hold?"),
            _ => format!("Why is the count of shelf_{number} off by {number}? Look at its deliveries first."),
        };
        bytes += text.len();
        records.push(Record::Prompt { turn, text });
        let path = format!("src/part_{}.rs", number % 40);
        let steps = [
            ("read", "path", path.clone(), true, code(number)),
            ("grep", "pattern", format!("held({number}"), true, matches(number)),
            ("shell", "command", "cargo test".to_owned(), false, log(number)),
        ];
        for (step, (tool, key, argument, ok, text)) in steps.into_iter().enumerate() {
            let call_id = format!("c{number}.{step}");
            let arguments: Map<String, Value> =
                [(key.to_owned(), Value::String(argument))].into_iter().collect();
            let call = ToolCall { id: call_id.clone(), name: tool.into(), arguments };
            let said = format!("Next I look at what {tool} tells of shelf {number}.");
            bytes += said.len() + text.len();
            records.push(Record::Assistant { turn, text: said, reasoning: None, calls: vec![call] });
            let tool = tool.into();
            records.push(Record::Outcome(Box::new(LoggedOutcome {
                call_id,
                tool,
                ok,
                text,
                ..LoggedOutcome::default()
            })));
        }
        let text =
            format!("I decided to count deliveries once, which takes {number} ms more for shelf_{number}.");
        bytes += text.len();
        records.push(Record::Assistant { turn, text, reasoning: None, calls: Vec::new() });
    }
    records
}

fn restored(records: &[Record]) -> Context {
    let mut context = Context::new(false, None, None);
    records.iter().for_each(|record| context.absorb(record));
    context
}

fn prompt(text: &str) -> Record {
    Record::Prompt { turn: 100_000, text: text.into() }
}

/// The context with what its first layout counts and commits done already, so that a fork of it measures one thing.
fn warmed(records: &[Record], budget: Budget, frame: &Frame<'_>) -> Context {
    let mut context = restored(records);
    let mut other = context.fork();
    other.absorb(&prompt("Why is the count of shelf_3 off?"));
    other.lay_out(frame, &Meter::bytes(), budget).expect("it fits");
    context.end();
    context
}

fn windows(criterion: &mut Criterion) {
    let records = session();
    let sampling = Sampling::default();
    let frame = Frame {
        system: Some("You are at work in a repository."),
        tools: &[],
        sampling: &sampling,
        max_tokens: None,
    };
    let meter = Meter::bytes();
    let mut group = criterion.benchmark_group("context");
    group.sample_size(20);
    for window in [8_192, 32_768] {
        let budget = Budget::new(window, None);
        let context = warmed(&records, budget, &frame);
        group.bench_function(format!("compaction of 130k tokens to {window}"), |bench| {
            bench.iter_batched(
                || context.fork(),
                |mut context| {
                    let plan = context.plan(&frame, &meter, budget);
                    context
                        .compact(CompactionCause::High, plan.low, TOKENS, &plan, &frame, &meter)
                        .expect("it fits")
                },
                BatchSize::PerIteration,
            );
        });
        group.bench_function(
            format!("request after 130k tokens in {window}, compaction and recall"),
            |bench| {
                bench.iter_batched(
                    || {
                        let mut context = context.fork();
                        context.absorb(&prompt(
                            "Why is `shelf_17_1` off by 17? The test shelves::shelf_17 fails.",
                        ));
                        context
                    },
                    |mut context| context.lay_out(&frame, &meter, budget).expect("it fits"),
                    BatchSize::PerIteration,
                );
            },
        );
        let mut fitted = context.fork();
        fitted.absorb(&prompt("Go on."));
        fitted.lay_out(&frame, &meter, budget).expect("it fits");
        fitted.absorb(&Record::Assistant {
            turn: 100_000,
            text: "Gone on.".into(),
            reasoning: None,
            calls: Vec::new(),
        });
        group.bench_function(format!("layout of a step in {window}, nothing leaves"), |bench| {
            bench.iter_batched(
                || fitted.fork(),
                |mut context| context.lay_out(&frame, &meter, budget).expect("it fits"),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn memory(criterion: &mut Criterion) {
    let records = session();
    let mut group = criterion.benchmark_group("memory");
    group.sample_size(10);
    let context = restored(&records);
    let memory = context.memory();
    let names = ["shelf_17_1".to_owned(), "src/part_17.rs".to_owned()];
    let find = |query: &str| memory.lock().expect("no one panicked").find(query, &names, 40);
    assert!(!find("why is shelf_17_1 off").is_empty(), "it is found");
    group.bench_function("search of 130k tokens", |bench| bench.iter(|| find("why is shelf_17_1 off")));
    let result = log(7).repeat(10_000 / log(7).len() + 1);
    let mut growing = restored(&records);
    let mut number = 0;
    group.bench_function("one result of 10 KB comes in", |bench| {
        bench.iter(|| {
            number += 1;
            let call_id = format!("n{number}");
            let call = ToolCall { id: call_id.clone(), name: "shell".into(), arguments: Map::new() };
            growing.absorb(&Record::Assistant {
                turn: 100_000,
                text: String::new(),
                reasoning: None,
                calls: vec![call],
            });
            growing.absorb(&Record::Outcome(Box::new(LoggedOutcome {
                call_id,
                tool: "shell".into(),
                ok: true,
                text: result.clone(),
                ..LoggedOutcome::default()
            })));
        });
    });
    group.bench_function("restore 130k tokens from their records", |bench| bench.iter(|| restored(&records)));
    group.finish();
}

criterion_group!(benches, windows, memory);
criterion_main!(benches);
