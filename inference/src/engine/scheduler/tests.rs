//! Owns the tests of the scheduler: what is written does not depend on what runs beside it, what was kept, what was
//! guessed, or how little memory there is.
//! Uses a toy model whose scores are a function of every token that it reads back from the pages.
//! Never runs a thread: rounds are taken one by one.
#![expect(clippy::unwrap_used, reason = "a failure here is the test's result")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::engine::Constraint;
use crate::engine::pass::Error;
use crate::kv::{Geometry, LayerShape};
use crate::provider::{Sampling, TokenUsage};

const VOCAB: usize = 24;

/// Writes each token into its page as a number, and scores the next one by a hash of all that it reads there.
struct Toy {
    geometry: Arc<Geometry>,
    /// Tokens of each step of each pass.
    passes: Vec<Vec<usize>>,
    /// Fails in this way from the given pass on.
    fault: Option<(usize, &'static str)>,
    /// Called in each pass, as if it took a while.
    during: Box<dyn FnMut(usize)>,
    /// The scores follow the last two tokens only, so that texts repeat themselves.
    simple: bool,
}

impl Toy {
    fn new() -> Self {
        let shape = LayerShape { kv_heads: 1, key_dim: 1, value_dim: 1 };
        let geometry = Arc::new(Geometry::new(vec![shape]));
        Self { geometry, passes: Vec::new(), fault: None, during: Box::new(|_| {}), simple: false }
    }

    fn scores(&self, text: &[u32], logits: &mut Vec<f32>) {
        let seen = if self.simple { &text[text.len().saturating_sub(2)..] } else { text };
        let hash = seen.iter().fold(7u64, |hash, &token| {
            (hash ^ u64::from(token)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
        });
        for token in 0..VOCAB as u64 {
            let mixed =
                (hash ^ token.wrapping_mul(0xbf58_476d_1ce4_e5b9)).wrapping_mul(0x94d0_49bb_1331_11eb);
            logits.push((mixed >> 44) as f32 / 200_000.0);
        }
    }
}

impl Forward for Toy {
    fn geometry(&self) -> &Arc<Geometry> {
        &self.geometry
    }

    fn forward(
        &mut self,
        batch: &mut [Step<'_>],
        logits: &mut Vec<f32>,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<(), Error> {
        let pass = self.passes.len();
        self.passes.push(batch.iter().map(|step| step.tokens.len()).collect());
        (self.during)(pass);
        match self.fault.filter(|(from, _)| *from <= pass) {
            Some((_, "panic")) => panic!("out of order"),
            Some((_, other)) => return Err(Error::Memory(other.to_owned())),
            None => {}
        }
        if cancelled() {
            return Err(Error::Cancelled);
        }
        logits.clear();
        for step in batch.iter_mut() {
            let start = step.sequence.len();
            let numbers: Vec<f32> = step.tokens.iter().map(|&token| token as f32 + 1.0).collect();
            let negative: Vec<f32> = numbers.iter().map(|number| -number).collect();
            step.sequence.write(0, start, &numbers, &negative);
            step.sequence.commit(step.tokens);
            let length = step.sequence.len();
            let read: Vec<u32> = step
                .sequence
                .keys(0, length)
                .zip(step.sequence.values(0, length))
                .flat_map(|(keys, values)| keys.iter().zip(values))
                .take(length)
                .map(|(key, value)| {
                    assert_eq!(key.to_f32(), -value.to_f32(), "keys and values belong together");
                    key.to_f32() as u32 - 1
                })
                .collect();
            assert_eq!(read, step.sequence.tokens(), "the pages hold what the sequence says");
            let wanted = step.outputs.rows(step.tokens.len());
            for end in length - wanted + 1..=length {
                self.scores(&read[..end], logits);
            }
        }
        Ok(())
    }
}

fn rules() -> Rules {
    Rules { context: 4096, tokens: VOCAB, vocab: VOCAB, eos: Vec::new(), speculate: true }
}

fn scheduler() -> Scheduler<Toy> {
    Scheduler::new(Toy::new(), rules(), Budget::new(u64::MAX), None)
}

fn sampling(temperature: f32, seed: u64) -> Sampling {
    Sampling { temperature, seed, top_k: 0, top_p: 1.0, repeat_penalty: 1.0, ..Sampling::default() }
}

fn job(prompt: &[u32], max_tokens: usize) -> Job {
    Job { prompt: prompt.to_vec(), sampling: sampling(0.0, 0), max_tokens, ..Job::default() }
}

fn text(length: usize, salt: u32) -> Vec<u32> {
    (0..length as u32).map(|index| 1 + (index * index + salt * 7 + index / 5) % (VOCAB as u32 - 1)).collect()
}

/// A job's way back, as its caller holds it.
struct Caller {
    receiver: mpsc::Receiver<Result<EngineEvent, ProviderError>>,
    cancel: CancellationToken,
    tokens: Vec<u32>,
    prefill: Vec<usize>,
    end: Option<Result<(StopReason, TokenUsage), ProviderError>>,
}

impl Caller {
    fn of(scheduler: &mut Scheduler<Toy>, job: Job) -> Self {
        let (sender, receiver) = mpsc::channel(8);
        let cancel = CancellationToken::new();
        scheduler.admit(job, Outbox::new(sender, cancel.clone(), CancellationToken::new()));
        Self { receiver, cancel, tokens: Vec::new(), prefill: Vec::new(), end: None }
    }

    fn read(&mut self) {
        while let Ok(item) = self.receiver.try_recv() {
            assert!(self.end.is_none(), "nothing follows the end");
            match item {
                Ok(EngineEvent::Token(token)) => self.tokens.push(token),
                Ok(EngineEvent::Prefill { done, .. }) => self.prefill.push(done),
                Ok(EngineEvent::Finished { reason, usage }) => self.end = Some(Ok((reason, usage))),
                Ok(EngineEvent::Loading { .. }) => {}
                Err(error) => self.end = Some(Err(error)),
            }
        }
    }

    fn usage(&self) -> TokenUsage {
        self.end.as_ref().unwrap().as_ref().unwrap().1
    }

    fn error(&self) -> String {
        self.end.as_ref().unwrap().as_ref().unwrap_err().to_string()
    }
}

fn finish(scheduler: &mut Scheduler<Toy>, callers: &mut [Caller]) {
    for _ in 0..20_000 {
        callers.iter_mut().for_each(Caller::read);
        if scheduler.is_idle() {
            return;
        }
        scheduler.round();
    }
    panic!("the jobs never end");
}

fn run(scheduler: &mut Scheduler<Toy>, job: Job) -> Caller {
    let mut caller = [Caller::of(scheduler, job)];
    finish(scheduler, &mut caller);
    let [caller] = caller;
    caller
}

/// What a job writes when it is alone, without guesses and without anything kept.
fn alone(mut job: Job) -> Vec<u32> {
    job.references.clear();
    let mut scheduler = scheduler();
    scheduler.rules.speculate = false;
    run(&mut scheduler, job).tokens
}

#[test]
fn what_is_written_does_not_depend_on_what_runs_beside_it() {
    let mut scheduler = scheduler();
    let jobs = |index: u32| Job {
        sampling: sampling((index % 3) as f32, u64::from(index)),
        ..job(&text(1 + 170 * index as usize, index), 30)
    };
    let mut callers: Vec<_> = (0..6).map(|index| Caller::of(&mut scheduler, jobs(index))).collect();
    finish(&mut scheduler, &mut callers);
    for (index, caller) in (0..).zip(&callers) {
        assert_eq!(caller.tokens, alone(jobs(index)), "{index}");
    }
    let together = scheduler.model.passes.iter().filter(|steps| steps.len() >= 3).count();
    assert!(together >= 10, "they share passes: {:?}", scheduler.model.passes);
}

#[test]
fn a_long_prompt_lets_the_others_write_on() {
    let mut scheduler = scheduler();
    let mut callers = vec![Caller::of(&mut scheduler, job(&text(3, 1), 200))];
    scheduler.round();
    callers.push(Caller::of(&mut scheduler, job(&text(2_000, 2), 5)));
    callers.push(Caller::of(&mut scheduler, job(&text(1_000, 3), 5)));
    let mut written = Vec::new();
    for _ in 0..20 {
        scheduler.round();
        callers.iter_mut().for_each(Caller::read);
        written.push(callers[0].tokens.len());
    }
    assert!(written.windows(2).all(|pair| pair[0] < pair[1]), "each round yields a token: {written:?}");
    assert!(callers[1].prefill.len() >= 8 && callers[2].prefill.len() >= 8, "both prompts are read in turn");
    finish(&mut scheduler, &mut callers);
    assert!(scheduler.model.passes.iter().any(|steps| steps.iter().sum::<usize>() > SHARED_CHUNK));
}

#[test]
fn prompts_with_a_common_head_are_read_once() {
    let mut scheduler = scheduler();
    let head = text(900, 4);
    let jobs: Vec<Vec<u32>> = (0..3).map(|index| [&head[..], &[5 + index, 6, 7]].concat()).collect();
    let mut callers: Vec<_> = jobs.iter().map(|prompt| Caller::of(&mut scheduler, job(prompt, 4))).collect();
    finish(&mut scheduler, &mut callers);
    let computed: usize = scheduler.model.passes.iter().flatten().sum();
    assert!(computed < 900 + 3 * 10, "{computed} tokens were computed");
    for (caller, prompt) in callers.iter().zip(&jobs) {
        assert_eq!(caller.tokens, alone(job(prompt, 4)));
    }
    assert_eq!(callers[1].usage().cached, 900);

    // The leader is cancelled while the others wait for it.
    let mut scheduler = self::scheduler();
    let mut callers: Vec<_> = jobs.iter().map(|prompt| Caller::of(&mut scheduler, job(prompt, 4))).collect();
    scheduler.round();
    callers[0].cancel.cancel();
    finish(&mut scheduler, &mut callers);
    assert_eq!(callers[0].error(), "cancelled");
    assert_eq!(callers[1].tokens, alone(job(&jobs[1], 4)));
    assert_eq!(callers[2].tokens, alone(job(&jobs[2], 4)));
}

#[test]
fn cancelling_one_does_not_hurt_the_others() {
    for at in [0, 1, 3] {
        let mut scheduler = scheduler();
        let mut callers = vec![
            Caller::of(&mut scheduler, job(&text(1_500, 1), 5)),
            Caller::of(&mut scheduler, job(&text(4, 2), 40)),
        ];
        // Inside the pass, as a caller does it.
        let cancel = callers[0].cancel.clone();
        scheduler.model.during = Box::new(move |pass| {
            if pass == at {
                cancel.cancel();
            }
        });
        finish(&mut scheduler, &mut callers);
        assert_eq!(callers[0].error(), "cancelled");
        assert_eq!(callers[1].tokens, alone(job(&text(4, 2), 40)));
        let cut_short =
            scheduler.model.passes.iter().filter(|steps| steps.iter().sum::<usize>() > 20).count();
        assert!(cut_short <= at + 1, "the prompt is not read on");
        // What was read before is not lost.
        let again = run(&mut scheduler, job(&text(1_500, 1), 5));
        assert_eq!(again.usage().cached > 0, at > 0);
        assert_eq!(again.tokens, alone(job(&text(1_500, 1), 5)));
    }
}

#[test]
fn a_slow_receiver_holds_up_only_itself() {
    let mut scheduler = scheduler();
    let mut slow = Caller::of(&mut scheduler, job(&text(5, 1), 100));
    let mut quick = Caller::of(&mut scheduler, job(&text(5, 2), 100));
    for _ in 0..400 {
        scheduler.round();
        quick.read();
    }
    assert_eq!(quick.tokens, alone(job(&text(5, 2), 100)));
    assert_eq!(scheduler.round(), Round::Waiting);
    let passes = scheduler.model.passes.len();
    assert!(passes < 130, "{passes} passes");
    finish(&mut scheduler, std::slice::from_mut(&mut slow));
    assert_eq!(slow.tokens, alone(job(&text(5, 1), 100)));
}

#[test]
fn branches_of_a_conversation_are_all_kept() {
    let mut scheduler = scheduler();
    let (one, other) = (text(700, 1), [&text(300, 1)[..], &text(400, 9)].concat());
    for (prompt, cached) in [(&one, 0), (&other, 300), (&one, 699), (&other, 699), (&one, 699)] {
        let caller = run(&mut scheduler, job(prompt, 6));
        assert_eq!(caller.usage().cached, cached);
        assert_eq!(caller.tokens, alone(job(prompt, 6)));
    }
    // The next turn goes on behind what was written; only its last token was not computed.
    let turn = [&one[..], &alone(job(&one, 6)), &[3, 4]].concat();
    assert_eq!(run(&mut scheduler, job(&turn, 1)).usage().cached, 705);
}

#[test]
fn little_memory_makes_jobs_wait_and_not_fail() {
    let page = Toy::new().geometry.page_bytes();
    for pages in [9, 12, 20] {
        let mut scheduler = Scheduler::new(Toy::new(), rules(), Budget::new(pages * page), None);
        let jobs: Vec<Job> = (0..4).map(|index| job(&text(400 + 20 * index, index as u32), 60)).collect();
        let mut callers: Vec<_> = (0..4)
            .map(|index| Caller::of(&mut scheduler, job(&text(400 + 20 * index, index as u32), 60)))
            .collect();
        finish(&mut scheduler, &mut callers);
        for (caller, job) in callers.iter().zip(jobs) {
            assert_eq!(caller.tokens, alone(job), "{pages} pages");
        }
        assert!(scheduler.budget.used() <= pages * page);
    }
    let mut scheduler = Scheduler::new(Toy::new(), rules(), Budget::new(3 * page), None);
    let refused = run(&mut scheduler, job(&text(400, 1), 5));
    assert!(matches!(
        refused.end,
        Some(Err(ProviderError::ContextOverflow { limit, needed: 401 })) if limit == 3 * PAGE
    ));
    let outgrown = run(&mut scheduler, job(&text(3 * PAGE - 10, 1), 50));
    assert!(outgrown.error().contains("no memory"), "{}", outgrown.error());
    assert_eq!(run(&mut scheduler, job(&text(20, 1), 5)).tokens, alone(job(&text(20, 1), 5)));
}

#[test]
fn a_fault_of_the_model_ends_the_jobs_that_met_it() {
    let mut scheduler = scheduler();
    scheduler.model.fault = Some((2, "the state"));
    let mut callers =
        vec![Caller::of(&mut scheduler, job(&[1, 2], 9)), Caller::of(&mut scheduler, job(&[3], 9))];
    finish(&mut scheduler, &mut callers);
    for caller in &callers {
        assert!(caller.error().contains("no memory for the state"), "{}", caller.error());
    }
    scheduler.model.fault = None;
    assert_eq!(run(&mut scheduler, job(&[1, 2], 9)).tokens, alone(job(&[1, 2], 9)));

    scheduler.model.fault = Some((0, "panic"));
    let mut caller = Caller::of(&mut scheduler, job(&[1, 2], 9));
    let panic = catch_unwind(AssertUnwindSafe(|| scheduler.round())).unwrap_err();
    assert_eq!(crate::engine::panic_message(&*panic), "out of order");
    let left = scheduler.abandon(&ProviderError::Model { message: "broken".to_owned() });
    assert_eq!(left.len(), 1);
    caller.read();
    assert!(caller.error().contains("broken"));
}

/// Allows and forces tokens by a table of texts, one of which is written.
struct Choice {
    texts: Vec<Vec<u32>>,
    at: usize,
}

impl Constraint for Choice {
    fn mask(&mut self, logits: &mut [f32]) -> Result<(), String> {
        for (token, logit) in logits.iter_mut().enumerate() {
            if !self.texts.iter().any(|text| text.get(self.at) == Some(&(token as u32))) {
                *logit = f32::NEG_INFINITY;
            }
        }
        Ok(())
    }

    fn accept(&mut self, token: u32) -> Result<bool, String> {
        self.texts.retain(|text| text.get(self.at) == Some(&token));
        self.at += 1;
        if self.texts.is_empty() {
            Err("no such text".to_owned())
        } else {
            Ok(self.texts[0].len() == self.at)
        }
    }

    fn forced(&mut self) -> Vec<u32> {
        match self.texts.as_slice() {
            // Not all of it at once, so that guesses meet forced tokens.
            [only] => only[self.at..].iter().copied().take(3).collect(),
            _ => Vec::new(),
        }
    }

    fn accepts(&mut self, tokens: &[u32]) -> usize {
        let fits = |text: &Vec<u32>| common(text.get(self.at..).unwrap_or_default(), tokens);
        self.texts.iter().map(fits).max().unwrap_or(0)
    }
}

#[test]
fn guesses_change_nothing_but_the_number_of_passes() {
    let mut saved = 0;
    for (seed, temperature) in (0..30).flat_map(|seed| [0.0, 0.3, 1.0].map(|heat| (seed, heat))) {
        let prompt = text(40, seed as u32);
        let wanted = || Job { sampling: sampling(temperature, seed), ..job(&prompt, 120) };
        let mut plain = scheduler();
        plain.rules.speculate = false;
        plain.model.simple = true;
        let expect = run(&mut plain, wanted());
        for references in [vec![], vec![expect.tokens.clone()], vec![text(50, 3), text(50, 4)]] {
            let mut scheduler = scheduler();
            scheduler.model.simple = true;
            let found = run(&mut scheduler, Job { references, ..wanted() });
            assert_eq!(found.tokens, expect.tokens, "seed {seed}, temperature {temperature}");
            let usage = found.usage();
            assert!(usage.accepted <= usage.drafted);
            assert_eq!(usage.completion, expect.usage().completion);
            saved += plain.model.passes.len() - scheduler.model.passes.len();
            // What is kept is right as well: the next turn goes on from it.
            let turn = [&prompt[..], &found.tokens, &[1, 2]].concat();
            let next = run(&mut scheduler, job(&turn, 3)).tokens;
            let mut fresh = self::scheduler();
            fresh.model.simple = true;
            assert_eq!(next, run(&mut fresh, job(&turn, 3)).tokens);
        }
    }
    assert!(saved > 3_000, "guesses save {saved} passes");
}

#[test]
fn guesses_respect_constraints_stops_and_limits() {
    let texts: Vec<Vec<u32>> = vec![text(40, 1), [&text(20, 1)[..], &text(20, 2)].concat(), text(30, 3)];
    for seed in 0..40 {
        let wanted = |limit: usize, stop: Vec<u32>| Job {
            constraint: Some(Box::new(Choice { texts: texts.clone(), at: 0 })),
            sampling: sampling(1.0, seed),
            stop,
            ..job(&[2, 3, 4, 5], limit)
        };
        for (limit, stop) in [(100, vec![]), (7, vec![]), (100, vec![texts[0][11]]), (25, vec![texts[2][9]])]
        {
            let mut plain = scheduler();
            plain.rules.speculate = false;
            let expect = run(&mut plain, wanted(limit, stop.clone()));
            let mut scheduler = scheduler();
            let found = run(&mut scheduler, Job { references: texts.clone(), ..wanted(limit, stop) });
            assert_eq!(found.tokens, expect.tokens);
            assert_eq!(found.end.as_ref().unwrap().as_ref().unwrap().0, expect.end.unwrap().unwrap().0);
            assert!(found.tokens.len() <= limit);
        }
    }
}

/// The frequencies of the second and third token after a prompt that invites guesses, with and without them.
#[test]
fn guesses_do_not_shift_what_is_drawn() {
    let draws = 4_000;
    let mut counts = [[0.0f64; VOCAB]; 2];
    for (side, counts) in counts.iter_mut().enumerate() {
        let mut scheduler = scheduler();
        scheduler.rules.speculate = side == 1;
        let prompt = [7, 8, 9, 10, 11, 12, 7, 8, 9];
        let mut guessed = 0;
        for seed in 0..draws {
            // Other seeds on both sides, so that equal counts are no matter of course.
            let sampling = sampling(2.0, seed * 2 + side as u64 + 1_000_000);
            let found = run(&mut scheduler, Job { sampling, ..job(&prompt, 3) });
            guessed += found.usage().drafted;
            if let Some(&second) = found.tokens.get(1) {
                counts[second as usize] += 1.0;
            }
        }
        assert_eq!(guessed > 0, side == 1);
    }
    let pairs: Vec<(f64, f64)> =
        counts[0].iter().copied().zip(counts[1]).filter(|(a, b)| a + b > 10.0).collect();
    let statistic: f64 = pairs.iter().map(|(a, b)| (a - b).powi(2) / (a + b)).sum();
    // Chi-square with at most 23 degrees of freedom stays below 49.7 in 999 of 1,000 cases.
    assert!(pairs.len() > 5 && statistic < 49.7, "{statistic} over {} tokens", pairs.len());
}

#[derive(Debug, Clone)]
struct Planned {
    /// Which head, how much of it, and what follows.
    head: usize,
    length: usize,
    tail: Vec<u32>,
    max_tokens: usize,
    temperature: f32,
    seed: u64,
    /// Rounds before the next job comes, and whether this one is then cancelled.
    rounds: usize,
    cancel: bool,
}

fn planned() -> impl Strategy<Value = Planned> {
    let what = (0usize..3, 0usize..400, prop::collection::vec(1u32..VOCAB as u32, 1..40), 0usize..30);
    let how = (prop_oneof![Just(0.0f32), Just(1.0)], 0u64..5, 0usize..12, prop::bool::weighted(0.15));
    (what, how).prop_map(|((head, length, tail, max_tokens), (temperature, seed, rounds, cancel))| Planned {
        head,
        length,
        tail,
        max_tokens,
        temperature,
        seed,
        rounds,
        cancel,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_series_of_jobs_writes_what_each_would_write_alone(
        plans in prop::collection::vec(planned(), 1..14),
        pages in prop_oneof![Just(u64::MAX), 8u64..40],
        simple in any::<bool>(),
    ) {
        let page = Toy::new().geometry.page_bytes();
        let mut scheduler = Scheduler::new(Toy::new(), rules(), Budget::new(pages.saturating_mul(page)), None);
        scheduler.model.simple = simple;
        let of = |plan: &Planned| Job {
            sampling: sampling(plan.temperature, plan.seed),
            ..job(&[&text(plan.length, plan.head as u32)[..], &plan.tail].concat(), plan.max_tokens)
        };
        let mut callers = Vec::new();
        for plan in &plans {
            callers.push(Caller::of(&mut scheduler, of(plan)));
            for _ in 0..plan.rounds {
                callers.iter_mut().for_each(Caller::read);
                scheduler.round();
            }
            if let Some(caller) = callers.last().filter(|_| plan.cancel) {
                caller.cancel.cancel();
            }
        }
        finish(&mut scheduler, &mut callers);
        for (plan, caller) in plans.iter().zip(&callers) {
            let mut fresh = self::scheduler();
            fresh.rules.speculate = false;
            fresh.model.simple = simple;
            let expect = run(&mut fresh, of(plan));
            match caller.end.as_ref().unwrap() {
                Ok((reason, usage)) => {
                    prop_assert_eq!(&caller.tokens, &expect.tokens);
                    let (expected, expected_usage) = *expect.end.as_ref().unwrap().as_ref().unwrap();
                    prop_assert_eq!(*reason, expected);
                    prop_assert_eq!(usage.completion, expected_usage.completion);
                }
                Err(ProviderError::Cancelled) => {
                    prop_assert!(plan.cancel);
                    prop_assert_eq!(&caller.tokens[..], &expect.tokens[..caller.tokens.len()]);
                }
                Err(other) => {
                    // Only where the pages cannot hold the longest of them.
                    prop_assert!(pages < 40, "{}", other);
                    let most = plan.length + plan.tail.len() + plan.max_tokens;
                    prop_assert!(most as u64 + 1 > pages.saturating_sub(1) * PAGE as u64, "{}", other);
                }
            }
        }
    }
}

#[test]
fn rounds_rotate_between_readers() {
    let order = Arc::new(AtomicUsize::new(0));
    let mut scheduler = scheduler();
    let seen = Arc::clone(&order);
    scheduler.model.during = Box::new(move |pass| seen.store(pass, Ordering::Relaxed));
    let mut callers: Vec<_> =
        (0..3).map(|index| Caller::of(&mut scheduler, job(&text(2_000, index), 1))).collect();
    let mut progress = VecDeque::new();
    for _ in 0..6 {
        scheduler.round();
        callers.iter_mut().for_each(Caller::read);
        progress.push_back(
            callers.iter().map(|one| one.prefill.last().copied().unwrap_or(0)).collect::<Vec<_>>(),
        );
    }
    let last = progress.pop_back().unwrap();
    assert!(last.iter().all(|&done| done == last[0]), "all came equally far: {last:?}");
    finish(&mut scheduler, &mut callers);
    assert!(order.load(Ordering::Relaxed) > 6);
}
