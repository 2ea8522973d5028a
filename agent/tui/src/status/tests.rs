//! Owns what is expected of the status line.
//! Uses states as they come about.
//! Never depends on a clock.

use loci_protocol::{Job, ModelBadge, ModelUsage, SandboxBadge, StepReport, Task, Usage};

use super::*;
use crate::state::{Running, Stream};

fn busy(now: Instant) -> State {
    let mut state = State {
        session_id: "s".into(),
        model: Some(ModelBadge {
            name: "qwen3:8b".into(),
            provider: "local".into(),
            local: true,
            endpoint: None,
            context_length: 32_768,
            images: false,
        }),
        sandbox: SandboxBadge { level: "full".into(), why: String::new() },
        branch: Some("feature/prices".into()),
        turn: Some(Running { since: now, interrupted: false, calls: 0 }),
        ..State::default()
    };
    let usage = Usage { prompt_tokens: 12_000, cached_tokens: 0, completion_tokens: 101 };
    state.step = Some(StepReport { usage, used: 12_345, window: 32_768, first_ms: 900, decode_ms: 2_000 });
    state.tasks = vec![Task { text: "a".into(), done: true }, Task { text: "b".into(), done: false }];
    state.jobs = vec![Job { id: "b1".into(), running: true, ..Job::default() }];
    state.queue.push_back("next".into());
    state.work =
        vec![Work { task: "indexing".into(), done: 3_200, total: Some(5_000), unit: "files".into() }];
    state
}

fn shown(state: &State, now: Instant, width: usize) -> String {
    let line = fitted(parts(state, now), width).plain();
    assert!(columns(&line) <= width || !line.contains(" · "), "{width}: {line}");
    line
}

#[test]
fn parts_go_by_importance() {
    let now = Instant::now();
    let state = busy(now);
    let later = now + Duration::from_secs(65);
    let rows: Vec<String> = [240, 120, 80, 60, 40, 20, 10].map(|width| shown(&state, later, width)).into();
    insta::assert_snapshot!(rows.join("\n"));
    for width in 0..240 {
        shown(&state, later, width);
    }
}

#[test]
fn what_warns_stays() {
    let now = Instant::now();
    let mut state = busy(now);
    state.sandbox.level = "none".into();
    state.mode = PermissionMode::BypassPermissions;
    state.offline = true;
    state.turn.as_mut().expect("runs").interrupted = true;
    let line = shown(&state, now, 80);
    for part in ["stopping …", "bypass", "sandbox none", "qwen3:8b local", "offline"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!line.contains("free"), "{line}");
}

#[test]
fn words_say_what_bars_say() {
    let now = Instant::now();
    let mut state = busy(now);
    let check = |state: &State, expect: &str| {
        assert!(shown(state, now, 300).contains(expect), "{}", shown(state, now, 300))
    };
    check(&state, "indexing ━━━━━─── 3,200/5,000 files");
    state.options.plain = true;
    check(&state, "indexing, 3,200/5,000 files");
    state.work[0] =
        Work { task: "reading the prompt".into(), done: 6, total: Some(10), unit: "tokens".into() };
    check(&state, "reading the prompt, 60 percent");
    state.options.plain = false;
    check(&state, "reading the prompt ━━━━╸─── 60 %");
    state.work[0] = Work { task: "loading".into(), done: 7, total: None, unit: "bytes".into() };
    check(&state, "loading, 7 bytes");
    state.work[0] = Work { task: "odd".into(), done: u64::MAX, total: Some(1), unit: "tokens".into() };
    check(&state, "100 %");
}

#[test]
fn speed_is_an_estimate_while_it_streams() {
    let now = Instant::now();
    let mut state = busy(now);
    assert!(shown(&state, now, 300).contains(" · 50 tok/s"), "{}", shown(&state, now, 300));
    state.stream = Some(Stream { since: now, characters: 160 });
    let later = now + Duration::from_secs(4);
    assert!(shown(&state, later, 300).contains("~10 tok/s"), "{}", shown(&state, later, 300));
}

#[test]
fn cost_is_said_where_there_is_one() {
    let usage = |local, cost_usd| ModelUsage { local, cost_usd, ..ModelUsage::default() };
    let check = |local: bool, spent: Vec<ModelUsage>, expect: Option<&str>| {
        let mut state = busy(Instant::now());
        state.model.as_mut().expect("known").local = local;
        state.spent = spent;
        assert_eq!(cost(&state).as_deref(), expect);
    };
    check(true, vec![], Some("free"));
    check(true, vec![usage(true, None)], Some("free"));
    check(false, vec![], None);
    check(false, vec![usage(false, None)], Some("price unknown"));
    check(false, vec![usage(false, Some(0.0012))], Some("$0.0012"));
    check(true, vec![usage(false, Some(1.256)), usage(true, None)], Some("$1.26"));
}

#[test]
fn a_hostile_name_is_shown_not_obeyed() {
    let now = Instant::now();
    let mut state = busy(now);
    state.branch = Some("\x1b]0;owned\x07\u{202e}niam".into());
    state.model.as_mut().expect("known").name = format!("m\x1b[2J{}", "x".repeat(10_000));
    state.sandbox.level = "fu\nll".into();
    let line = shown(&state, now, 300);
    assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{line}");
    assert!(columns(&line) <= 300);
}

#[test]
fn figures_are_short() {
    let check = |value, expect: &str| assert_eq!(short_number(value), expect);
    check(950, "950");
    check(1_000, "1k");
    check(12_345, "12.3k");
    check(32_768, "32.7k");
    assert_eq!([32_768, 1 << 20, 40_000].map(window_number), ["32k", "1M", "40k"]);
    check(131_072, "131k");
    check(1_048_576, "1.0M");
    let check = |seconds, expect: &str| assert_eq!(clock(Duration::from_secs(seconds)), expect);
    check(7, "7 s");
    check(125, "2 min 5 s");
    check(3_725, "1 h 2 min");
}
