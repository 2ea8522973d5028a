//! Owns the tests of the engine's promises: re-use, cancellation, constraints, limits, survival.
//! Uses random models of the tests and the real thread.
//! Never waits without a limit.
#![expect(clippy::unwrap_used, reason = "a failure here is the test's result")]

use std::time::Duration;

use super::*;
use crate::gguf::testing::{Shape, model};

const LIMIT: Duration = Duration::from_secs(60);

fn engine_with(options: EngineOptions) -> Engine {
    let bytes = model(&Shape::default()).bytes();
    Engine::open(ModelSource::Static(Box::leak(bytes.into_boxed_slice())), options).unwrap()
}

fn engine() -> Engine {
    engine_with(EngineOptions::default())
}

fn greedy() -> Sampling {
    Sampling { temperature: 0.0, repeat_penalty: 1.0, ..Sampling::default() }
}

fn job(prompt: &[u32], max_tokens: usize) -> Job {
    Job { prompt: prompt.to_vec(), sampling: greedy(), max_tokens, ..Job::default() }
}

/// What a job reported.
#[derive(Debug, Default)]
struct Report {
    tokens: Vec<u32>,
    loadings: usize,
    prefill: Vec<(usize, usize)>,
    finished: Option<(StopReason, TokenUsage)>,
    error: Option<ProviderError>,
}

fn collect(mut receiver: mpsc::Receiver<Result<EngineEvent, ProviderError>>) -> Report {
    let mut report = Report::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        while let Some(item) = tokio::time::timeout(LIMIT, receiver.recv()).await.expect("the engine answers")
        {
            assert!(report.finished.is_none() && report.error.is_none(), "nothing follows the end");
            match item {
                Ok(EngineEvent::Loading { .. }) => report.loadings += 1,
                Ok(EngineEvent::Prefill { done, total }) => report.prefill.push((done, total)),
                Ok(EngineEvent::Token(token)) => report.tokens.push(token),
                Ok(EngineEvent::Finished { reason, usage }) => report.finished = Some((reason, usage)),
                Err(error) => report.error = Some(error),
            }
        }
    });
    report
}

fn run(engine: &Engine, job: Job) -> Report {
    collect(engine.generate(job, CancellationToken::new()))
}

#[test]
fn a_later_prompt_computes_only_what_is_new() {
    let engine = engine();
    let prompt: Vec<u32> = (0..600).map(|index| index * 7 % 250).collect();
    let first = run(&engine, job(&prompt, 5));
    let (reason, usage) = first.finished.unwrap();
    assert_eq!((reason, first.tokens.len()), (StopReason::Length, 5));
    assert_eq!(usage, TokenUsage { prompt: 600, cached: 0, completion: 5, ..usage });
    assert!(first.loadings >= 2);
    assert_eq!(first.prefill.first(), Some(&(0, 600)));
    assert_eq!(first.prefill.last(), Some(&(600, 600)));
    assert!(first.prefill.len() >= 3 && first.prefill.is_sorted(), "{:?}", first.prefill);

    // The next turn: the prompt, what was answered, and something new.
    let turn = [&prompt[..], &first.tokens, &[1, 2, 3]].concat();
    let second = run(&engine, job(&turn, 5));
    let (_, usage) = second.finished.unwrap();
    // Of the answer's last token nothing has been computed yet.
    assert_eq!(usage, TokenUsage { prompt: 608, cached: 604, completion: 5, ..usage });
    assert_eq!((second.loadings, second.prefill[0]), (0, (604, 608)));
    let fresh = run(&self::engine(), job(&turn, 5));
    assert_eq!(second.tokens, fresh.tokens);

    // Another branch of the conversation, then exactly the same prompt again.
    let branch = [&prompt[..100], &[9, 9, 9]].concat();
    assert_eq!(run(&engine, job(&branch, 1)).finished.unwrap().1.cached, 100);
    assert_eq!(run(&engine, job(&branch, 1)).finished.unwrap().1.cached, 102);
}

#[test]
fn jobs_that_run_together_write_what_each_writes_alone() {
    let engine = engine();
    let jobs = |index: u32| Job {
        sampling: Sampling { temperature: 0.7 * (index % 2) as f32, seed: u64::from(index), ..greedy() },
        ..job(&(0..20 + 150 * index).map(|at| (at * 7 + index) % 250).collect::<Vec<_>>(), 40)
    };
    let receivers: Vec<_> =
        (0..5).map(|index| engine.generate(jobs(index), CancellationToken::new())).collect();
    let together: Vec<_> = std::thread::scope(|scope| {
        let readers: Vec<_> =
            receivers.into_iter().map(|receiver| scope.spawn(move || collect(receiver))).collect();
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    for (index, report) in (0..).zip(&together) {
        assert_eq!(report.tokens, run(&self::engine(), jobs(index)).tokens, "job {index}");
    }
}

#[test]
fn guesses_save_passes_and_change_nothing() {
    // A text that was written once is written again.
    let prompt: Vec<u32> = (0..40).map(|index| index * 11 % 250).collect();
    let off = engine_with(EngineOptions { speculation: Speculation::Off, ..EngineOptions::default() });
    let expect = run(&off, job(&prompt, 200));
    assert_eq!(expect.finished.unwrap().1.drafted, 0);
    let again = Job { references: vec![expect.tokens.clone()], ..job(&prompt, 200) };
    let found = run(&engine(), again);
    assert_eq!(found.tokens, expect.tokens);
    let (reason, usage) = found.finished.unwrap();
    assert_eq!(reason, expect.finished.unwrap().0);
    assert!(usage.drafted == 0 || usage.accepted > 0, "{usage:?}");
}

#[test]
fn the_next_process_finds_the_state_of_a_head() {
    let folder = tempfile::tempdir().unwrap();
    let options = || {
        let snapshots = SnapshotOptions { folder: folder.path().join("kv"), limit: 1 << 30 };
        EngineOptions { snapshots: Some(snapshots), ..EngineOptions::default() }
    };
    let prompt: Vec<u32> = (0..600).map(|index| index * 7 % 250).collect();
    let first = engine_with(options());
    let report = run(&first, Job { keep: 300, ..job(&prompt, 5) });
    first.settle(LIMIT);
    assert_eq!(first.snapshots(), SnapshotStats { written: 5, ..SnapshotStats::default() });
    drop(first);

    let other = [&prompt[..300], &[5, 4, 3, 2]].concat();
    for (prompt, cached) in [(&prompt, 300), (&other, 300), (&vec![1; 300], 0)] {
        let next = engine_with(options());
        let found = run(&next, job(prompt, 5));
        assert_eq!(found.finished.unwrap().1.cached, cached);
        assert_eq!(found.tokens, run(&engine(), job(prompt, 5)).tokens);
    }
    assert_eq!(report.tokens, run(&engine(), job(&prompt, 5)).tokens);

    // Of a long prompt everything is kept, without being asked.
    let long: Vec<u32> = (0..1023).map(|index| index * 3 % 250).collect();
    let small = |options| engine_with(EngineOptions { context: Some(1024), ..options });
    let first = small(options());
    run(&first, job(&long, 1));
    first.settle(LIMIT);
    assert_eq!(first.snapshots().written, 0, "1,023 tokens are soon read again");

    // Other weights do not find it.
    let mut shape = model(&Shape::default());
    shape.set_text("general.name", "another");
    let other = Engine::open(ModelSource::Static(Box::leak(shape.bytes().into_boxed_slice())), options());
    assert_eq!(run(&other.unwrap(), job(&prompt, 5)).finished.unwrap().1.cached, 0);
}

#[test]
fn a_job_without_new_tokens_reads_the_prompt() {
    let engine = engine();
    let report = run(&engine, job(&[1, 2, 3, 4], 0));
    assert_eq!((report.tokens.len(), report.finished.unwrap().0), (0, StopReason::Length));
    assert_eq!(run(&engine, job(&[1, 2, 3, 4, 5], 1)).finished.unwrap().1.cached, 4);
}

#[test]
fn end_tokens_end_and_are_not_reported() {
    let engine = engine();
    let free = run(&engine, job(&[5, 6, 7], 6));
    let at = 3;
    let stop = free.tokens[at];
    let first = free.tokens.iter().position(|&token| token == stop).unwrap();
    let report = run(&engine, Job { stop: vec![stop], ..job(&[5, 6, 7], 6) });
    assert_eq!(report.tokens, free.tokens[..first]);
    assert_eq!(report.finished.unwrap().0, StopReason::EndToken(stop));
}

#[test]
fn prompts_that_cannot_run_are_refused_before_anything_is_loaded() {
    let engine = engine_with(EngineOptions { context: Some(16), ..EngineOptions::default() });
    assert_eq!(engine.model().context_length, 16);
    let report = run(&engine, job(&[1; 16], 1));
    assert!(
        matches!(report.error, Some(ProviderError::ContextOverflow { limit: 16, needed: 17 })),
        "{report:?}"
    );
    assert_eq!(report.loadings, 0);
    for prompt in [&[][..], &[300], &[u32::MAX]] {
        let report = run(&engine, job(prompt, 1));
        assert!(matches!(report.error, Some(ProviderError::Rejected { .. })), "{report:?}");
    }
    // The context ends an answer that fitted at the start.
    let report = run(&engine, job(&[1; 10], 100));
    assert_eq!((report.tokens.len(), report.finished.unwrap().0), (6, StopReason::Length));
}

#[test]
fn memory_limits_lower_the_context_or_refuse() {
    let full = engine().model().memory_bytes;
    let bytes: &'static [u8] = Box::leak(
        {
            let mut raw = model(&Shape::default());
            raw.set_u32("qwen3.context_length", 1 << 20);
            raw.bytes()
        }
        .into_boxed_slice(),
    );
    let open = |memory| {
        let options = EngineOptions { memory_limit: Some(memory), ..EngineOptions::default() };
        Engine::open(ModelSource::Static(bytes), options)
    };
    let lowered = open(20 << 20).unwrap();
    let model = lowered.model();
    assert!((2048..1 << 20).contains(&model.context_length), "{}", model.context_length);
    assert!(
        model.memory_bytes <= 20 << 20 && model.context_note.as_ref().unwrap().contains("instead of 1048576")
    );
    let error = open(full / 4).unwrap_err().to_string();
    assert!(error.contains("memory") && error.contains("MiB"), "{error}");
}

/// Allows only the tokens of a script, forces some of them, and ends behind the last.
struct Script {
    tokens: Vec<u32>,
    at: usize,
    forced: std::ops::Range<usize>,
}

impl Constraint for Script {
    fn mask(&mut self, logits: &mut [f32]) -> Result<(), String> {
        assert!(!self.forced.contains(&self.at), "forced tokens are not sampled");
        for (token, logit) in logits.iter_mut().enumerate() {
            if token as u32 != self.tokens[self.at] {
                *logit = f32::NEG_INFINITY;
            }
        }
        Ok(())
    }

    fn accept(&mut self, token: u32) -> Result<bool, String> {
        assert_eq!(token, self.tokens[self.at]);
        self.at += 1;
        Ok(self.at == self.tokens.len())
    }

    fn forced(&mut self) -> Vec<u32> {
        if self.at == self.forced.start { self.tokens[self.forced.clone()].to_vec() } else { Vec::new() }
    }
}

#[test]
fn constraints_choose_force_and_complete() {
    let engine = engine();
    let tokens: Vec<u32> = (10..30).collect();
    for forced in [0..0, 0..3, 15..20, 0..20, 4..9] {
        let script = Script { tokens: tokens.clone(), at: 0, forced: forced.clone() };
        let sampling = Sampling { temperature: 1.0, ..greedy() };
        let constrained = Job { constraint: Some(Box::new(script)), sampling, ..job(&[1, 2, 3], 50) };
        let report = run(&engine, constrained);
        assert_eq!(report.tokens, tokens, "{forced:?}");
        let (reason, usage) = report.finished.unwrap();
        assert_eq!((reason, usage.completion), (StopReason::Complete, 20), "{forced:?}");
    }
    // The state behind forced tokens is the state of the same tokens read as a prompt.
    let prompt = [&[1, 2, 3], &tokens[..]].concat();
    let after = run(&engine, job(&prompt, 4));
    assert_eq!(after.finished.unwrap().1.cached, 22);
    assert_eq!(after.tokens, run(&self::engine(), job(&prompt, 4)).tokens);
}

/// Fails in one way or another.
struct Failing(&'static str);

impl Constraint for Failing {
    fn mask(&mut self, logits: &mut [f32]) -> Result<(), String> {
        match self.0 {
            "mask" => return Err("no mask".to_owned()),
            "none" => logits.fill(f32::NEG_INFINITY),
            "panic" => panic!("out of order"),
            _ => {}
        }
        Ok(())
    }

    fn accept(&mut self, _: u32) -> Result<bool, String> {
        if self.0 == "accept" { Err("no token".to_owned()) } else { Ok(false) }
    }

    fn forced(&mut self) -> Vec<u32> {
        if self.0 == "force" { vec![12_345] } else { Vec::new() }
    }
}

#[test]
fn failing_constraints_end_their_job_only() {
    let engine = engine();
    let run_failing = |kind| {
        let failing = Job { constraint: Some(Box::new(Failing(kind))), ..job(&[1, 2, 3], 5) };
        run(&engine, failing).error.unwrap().to_string()
    };
    for (kind, expect) in
        [("mask", "no mask"), ("accept", "no token"), ("none", "allows no token"), ("force", "12345")]
    {
        let error = run_failing(kind);
        assert!(error.contains(expect), "{kind}: {error}");
        assert_eq!(run(&engine, job(&[1, 2, 3], 5)).tokens.len(), 5, "the engine lives on after {kind}");
    }
    assert!(run_failing("panic").contains("out of order"));
    assert_eq!(run(&engine, job(&[1, 2, 3], 5)).tokens.len(), 5, "the panic was the job's own");
}

#[test]
fn cancelling_and_dropping_end_a_job_and_the_next_one_runs() {
    let engine = engine();
    let cancel = CancellationToken::new();
    let mut receiver = engine.generate(job(&[1, 2, 3], 1000), cancel.clone());
    while !matches!(receiver.blocking_recv().unwrap().unwrap(), EngineEvent::Token(_)) {}
    cancel.cancel();
    let report = collect(receiver);
    assert!(matches!(report.error, Some(ProviderError::Cancelled)), "{report:?}");
    // What had been sent before is all that comes.
    assert!(report.tokens.len() <= EVENTS);

    let mut dropped = engine.generate(job(&[4, 5, 6], 1000), CancellationToken::new());
    while !matches!(dropped.blocking_recv().unwrap().unwrap(), EngineEvent::Token(_)) {}
    drop(dropped);
    let next = run(&engine, job(&[7, 8], 3));
    assert_eq!(next.tokens, run(&self::engine(), job(&[7, 8], 3)).tokens);

    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let report = collect(engine.generate(job(&[1], 3), cancelled));
    assert!(matches!(report.error, Some(ProviderError::Cancelled)));
}

#[test]
fn the_queue_is_bounded() {
    let engine = engine_with(EngineOptions { parallel: Some(2), queue: Some(2), ..EngineOptions::default() });
    // Jobs whose receivers do not read stop when their events fill the channel, and keep their places.
    let receivers: Vec<_> =
        (0..6).map(|_| engine.generate(job(&[1, 2], 900), CancellationToken::new())).collect();
    let mut refused = 0;
    for mut receiver in receivers {
        if let Ok(Err(ProviderError::Unavailable { message })) = receiver.try_recv() {
            assert!(message.contains("waiting already"), "{message}");
            refused += 1;
        }
    }
    assert!(refused >= 2, "two run, two wait, the others are refused");
    // The thread takes a moment to see that nobody waits for the jobs in the queue.
    let started = std::time::Instant::now();
    while run(&engine, job(&[1, 2], 2)).tokens.len() != 2 {
        assert!(started.elapsed() < LIMIT, "the queue never empties");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn seeds_decide_what_is_drawn() {
    let engine = engine();
    let draw = |seed| {
        let sampling = Sampling { temperature: 2.0, top_k: 0, top_p: 1.0, seed, ..Sampling::default() };
        run(&engine, Job { sampling, ..job(&[3, 1, 4], 20) }).tokens
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn the_description_says_what_the_file_says() {
    let bytes = {
        let mut raw = model(&Shape::default());
        raw.set_text("tokenizer.chat_template", "{{ messages }}");
        raw.set_text("loci.skill", "navigate");
        raw.set_bool("loci.composes", false);
        raw.set_u32("loci.rank", 3);
        raw.set_texts("loci.tools", &["read".to_owned(), "grep".to_owned()]);
        raw.bytes()
    };
    let engine =
        Engine::open(ModelSource::Static(Box::leak(bytes.into_boxed_slice())), EngineOptions::default())
            .unwrap();
    let model = engine.model();
    assert_eq!((model.name.as_str(), model.architecture.as_str()), ("random", "qwen3"));
    assert_eq!((model.vocab_size, model.context_length), (300, 1024));
    assert_eq!((model.bos, model.eos.as_slice(), model.add_bos), (Some(264), &[265][..], false));
    assert_eq!(model.chat_template.as_deref(), Some("{{ messages }}"));
    assert_eq!((model.text("loci.skill"), model.integer("loci.rank")), (Some("navigate"), Some(3)));
    assert_eq!((model.flag("loci.composes"), model.flag("loci.absent")), (Some(false), None));
    assert_eq!(
        model.metadata.get("loci.tools"),
        Some(&crate::model::Metadata::Texts(vec!["read".into(), "grep".into()]))
    );
    assert!(model.parameters > 10_000 && model.file_bytes > 10_000 && model.memory_bytes > model.file_bytes);
}

#[test]
fn files_that_are_no_models_are_refused_with_their_name() {
    let error =
        Engine::open(ModelSource::Path("/nowhere/model.gguf".into()), EngineOptions::default()).unwrap_err();
    assert!(error.to_string().contains("/nowhere/model.gguf"), "{error}");
    let error = Engine::open(ModelSource::Static(b"GGUF"), EngineOptions::default()).unwrap_err();
    assert!(error.to_string().contains("version"), "{error}");
}
