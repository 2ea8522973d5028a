//! Owns the figures of the screen: how long a frame takes with a transcript of 100,000 lines.
//! Uses the public screen and a terminal in memory of 120 columns and 40 rows.
//! Never draws to a terminal.

use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use loci_protocol::{Event, ModelBadge, PermissionMode, SandboxBadge, ToolReport};
use loci_tui::{App, Input, Options};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Lines of the transcript.
const LINES: usize = 100_000;
const SIZE: (u16, u16) = (120, 40);

fn take(app: &mut App, event: Event) {
    let _ = app.take(&Input::Event(Box::new(event)), Instant::now());
}

fn press(app: &mut App, code: KeyCode, modifiers: KeyModifiers) {
    let _ = app.take(&Input::Key(KeyEvent::new(code, modifiers)), Instant::now());
}

/// Forty lines as a model writes them.
fn answer(number: usize) -> String {
    let mut text =
        format!("## Step {number}\n\nThe **price** of shelf {number} is counted in `total`:\n\n```rust\n");
    for line in 0..16 {
        text.push_str(&format!("    let held_{line} = stock.held({number}, {line}).unwrap_or_default();\n"));
    }
    text.push_str("```\n\n| shelf | held |\n|---|---|\n");
    for line in 0..6 {
        text.push_str(&format!("| {line} | {} |\n", number * line));
    }
    text.push('\n');
    for line in 0..8 {
        text.push_str(&format!(
            "- point {line} of {number}: what is counted twice is counted once from here on\n"
        ));
    }
    text
}

/// A session in which so many lines were said.
fn session(lines: usize) -> App {
    let mut app = App::new(Options::default());
    let model = ModelBadge {
        name: "model".into(),
        provider: "local".into(),
        local: true,
        endpoint: None,
        context_length: 32_768,
        images: false,
    };
    take(
        &mut app,
        Event::SessionStarted {
            session_id: "01980000-0000-7000-8000-000000000001".into(),
            cwd: "/home/ada/price".into(),
            model,
            mode: PermissionMode::Default,
            resumed: false,
            sandbox: SandboxBadge { level: "full".into(), why: String::new() },
            offline: false,
        },
    );
    for number in 0..lines / 40 {
        take(&mut app, Event::TurnStarted { turn: 1, prompt: format!("Count shelf {number}.") });
        let call_id = format!("c{number}");
        take(
            &mut app,
            Event::ToolStarted {
                call_id: call_id.clone(),
                tool: "bash".into(),
                input: serde_json::json!({}),
                summary: format!("bash cargo test shelf_{number}"),
            },
        );
        take(
            &mut app,
            Event::ToolFinished(ToolReport {
                call_id,
                tool: "bash".into(),
                ok: true,
                summary: "exit 0".into(),
                output: "test shelf ... ok\n".repeat(10),
                diff: None,
                locations: Vec::new(),
                changed: Vec::new(),
                duration_ms: 12,
            }),
        );
        take(&mut app, Event::TextDelta { text: answer(number) });
    }
    app
}

fn terminal(columns: u16, rows: u16) -> Terminal<TestBackend> {
    Terminal::new(TestBackend::new(columns, rows)).expect("in memory")
}

fn frame(app: &mut App, terminal: &mut Terminal<TestBackend>) {
    terminal.draw(|frame| app.draw(frame, Instant::now())).expect("in memory");
}

fn frames(criterion: &mut Criterion) {
    let mut app = session(LINES);
    let mut screen = terminal(SIZE.0, SIZE.1);
    frame(&mut app, &mut screen);
    criterion.bench_function("frame_at_the_end", |bencher| bencher.iter(|| frame(&mut app, &mut screen)));
    criterion.bench_function("frame_while_words_arrive", |bencher| {
        let words = answer(1);
        let mut at = 0;
        bencher.iter(|| {
            let piece = words.get(at..at + 5).unwrap_or("end\n\n");
            at = if at + 10 < words.len() { at + 5 } else { 0 };
            take(&mut app, Event::TextDelta { text: piece.to_owned() });
            frame(&mut app, &mut screen);
        });
    });
    criterion.bench_function("frame_while_scrolling_up", |bencher| {
        bencher.iter(|| {
            press(&mut app, KeyCode::PageUp, KeyModifiers::NONE);
            frame(&mut app, &mut screen);
        });
        press(&mut app, KeyCode::End, KeyModifiers::CONTROL);
    });
    press(&mut app, KeyCode::Home, KeyModifiers::CONTROL);
    for _ in 0..1_000 {
        press(&mut app, KeyCode::PageDown, KeyModifiers::NONE);
    }
    frame(&mut app, &mut screen);
    criterion.bench_function("frame_in_the_middle", |bencher| bencher.iter(|| frame(&mut app, &mut screen)));
    criterion.bench_function("frame_after_a_resize", |bencher| {
        let mut narrow = terminal(97, SIZE.1);
        let mut odd = false;
        bencher.iter(|| {
            odd = !odd;
            frame(&mut app, if odd { &mut narrow } else { &mut screen });
        });
    });
    // Every line is looked at, the first letter found 400,000 times.
    criterion.bench_function("key_of_a_search", |bencher| {
        press(&mut app, KeyCode::PageUp, KeyModifiers::NONE);
        press(&mut app, KeyCode::Char('/'), KeyModifiers::NONE);
        bencher.iter(|| {
            press(&mut app, KeyCode::Char('h'), KeyModifiers::NONE);
            frame(&mut app, &mut screen);
            press(&mut app, KeyCode::Backspace, KeyModifiers::NONE);
        });
    });
}

criterion_group!(benches, frames);
criterion_main!(benches);
