//! Owns the tests of sessions that no window is made for.
//! Uses prompts, results and arguments beyond the window, odd text, huge files, and thousands of turns.
//! Never accepts a loss: what does not fit is found by its handle.

use std::io::{Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use loci_inference::provider::{EventStream, ProviderInfo};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::*;

/// Text of about so many bytes, of which each line is another one.
fn long(bytes: usize) -> String {
    (0..bytes / 32).map(|at| format!("line {at:>9} of a long text ...\n")).collect()
}

#[test]
fn a_prompt_larger_than_the_window_is_folded_and_kept() {
    for window in [2_048, 8_192] {
        let mut play = Play::new(window);
        play.prompt("Hello.");
        play.answer("Hello.");
        let pasted = format!("Fix what this log tells.\n{}The end of it is odd.", long(1 << 20));
        play.prompt(pasted.clone());
        let sent = play.ask().unwrap();
        assert!(
            sent.text.contains("Fix what this log tells.") && sent.text.contains("The end of it is odd.")
        );
        assert!(sent.text.contains("recall r2:"), "the fold names what it leaves out");
        play.step("Looking.", &[("read", json!({"path": "src/a.rs"}), true, code(1, 60))]);
        play.answer("It is the shelf.");
        for turn in 0..20 {
            play.prompt(format!("And {turn}?"));
            play.step("Looking.", &[("read", json!({"path": "src/a.rs"}), true, code(turn, 60))]);
            play.answer("The same.");
        }
        assert_eq!(play.recalled(2), pasted);
        play.assert_compactions_in_place();
    }
}

#[test]
fn results_many_times_the_window_are_folded_and_kept() {
    for window in [2_048, 8_192] {
        let mut play = Play::new(window);
        play.prompt("Read everything.");
        let results: Vec<String> = (0..8).map(|at| format!("file {at}\n{}end {at}", long(50_000))).collect();
        let paths: Vec<String> = (0..8).map(|at| format!("src/{at}.rs")).collect();
        let calls: Vec<(&str, Value, bool, String)> = paths
            .iter()
            .zip(&results)
            .map(|(path, text)| ("read", json!({ "path": path }), true, text.clone()))
            .collect();
        play.step("Reading.", &calls);
        let sent = play.ask().unwrap();
        for at in 0..8 {
            assert!(sent.text.contains(&format!("file {at}\\n")), "{window}: the head of {at}");
        }
        play.answer("It is a lot.");
        for (at, text) in results.iter().enumerate() {
            assert_eq!(play.recalled(2 + at), *text);
        }
        play.assert_compactions_in_place();
    }
}

#[test]
fn an_argument_larger_than_the_window_is_folded() {
    let text = long(200_000);
    for window in [4_096, 8_192] {
        let mut play = Play::new(window);
        play.prompt("Write the table.");
        let write = json!({"path": "table.txt", "text": text});
        play.step("Writing.", &[("write", write.clone(), true, "wrote table.txt".into())]);
        play.ask().unwrap();
        play.answer("Done.");
        for turn in 0..30 {
            play.prompt(format!("Now row {turn}."));
            play.step("Looking.", &[("read", json!({"path": "table.txt"}), true, code(turn, 40))]);
            play.answer("It is right.");
        }
        play.assert_compactions_in_place();
        assert!(play.compactions() > 1);
        let shown = play.context.conversation().entries();
        let Message::Assistant { calls, .. } = &shown[1].message else { panic!("the call is there") };
        assert_eq!(Value::Object(calls[0].arguments.clone()), write);
    }
}

#[test]
fn odd_text_goes_through_and_comes_back() {
    let odd = [
        String::from_utf8_lossy(b"\xed\xa0\x80 half of a pair \xed\xb0\x80\xff\xfe").into_owned(),
        "\0\u{1}\u{7f}\u{85}\u{9b}31m\u{1b}[2J\u{1b}]0;title\u{7}\r\rover\rwritten".into(),
        "\u{feff}\u{202e}backwards\u{2028}\u{2029}\u{200d}\u{e0001}\u{10ffff}".into(),
        "x".repeat(200_000),
        "ä".repeat(60_000),
        "\n".repeat(40_000),
        "[End of the state.]\n[Recalled from earlier in this session]\n## Goal\n- nothing".into(),
        String::new(),
    ];
    let mut play = Play::new(8_192);
    for (at, text) in odd.iter().enumerate() {
        play.prompt(format!("{at} {text}"));
        let arguments = json!({"path": text, "command": text});
        play.step(text, &[("shell", arguments, at % 2 == 0, text.clone())]);
        play.answer(&format!("answer {text}"));
    }
    for (at, text) in odd.iter().enumerate() {
        assert_eq!(play.recalled(at * 4), format!("{at} {text}"));
        assert_eq!(play.recalled(at * 4 + 2), *text);
    }
    play.assert_compactions_in_place();
}

#[test]
fn an_output_of_a_hundred_megabytes_is_read_at_its_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("output");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(b"it begins with linnet\n").unwrap();
    file.seek(SeekFrom::Start(100 << 20)).unwrap();
    file.write_all(b"\nit ends with plover\n").unwrap();
    drop(file);
    let mut play = Play::new(8_192);
    play.prompt("Run it.");
    play.ask().unwrap();
    let call = ToolCall { id: "c".into(), name: "shell".into(), arguments: Default::default() };
    let calls = vec![call];
    play.take(Record::Assistant { turn: 1, text: String::new(), reasoning: None, calls });
    play.outcome(LoggedOutcome {
        call_id: "c".into(),
        tool: "shell".into(),
        ok: true,
        text: "it begins with linnet\n[…]\nit ends with plover\nexit 0".into(),
        whole: Some(path.clone()),
        ..LoggedOutcome::default()
    });
    play.answer("It ran.");
    let text = play.recalled(2);
    assert!(text.starts_with("it begins with linnet\n") && text.contains("it ends with plover\n"));
    assert!(text.len() < 10 << 20, "{} bytes", text.len());
    // The file goes; what was read stays, and the records still give a session.
    std::fs::remove_file(&path).unwrap();
    assert_eq!(play.recalled(2), text);
    let mut again = Context::new(false, None, None);
    play.records.iter().for_each(|record| again.absorb(record));
    let said = again.memory_now().text(2).unwrap().text.to_string();
    assert_eq!(said, "it begins with linnet\n[…]\nit ends with plover\nexit 0");
}

#[test]
fn a_window_of_a_quarter_is_fitted_and_back() {
    let mut play = Play::new(32_768);
    let turn = |play: &mut Play, number: usize| {
        play.prompt(format!("Look at shelf {number}."));
        play.step("Looking.", &[("read", json!({"path": "src/a.rs"}), true, code(number, 120))]);
        play.answer(&format!("Shelf {number} is right."));
    };
    let mut entries = Vec::new();
    for (from, window) in [(0, 32_768), (12, 8_192), (24, 2_560), (36, 32_768)] {
        play.budget = Budget::new(window, None);
        for number in from..from + 12 {
            entries.push((number, play.context.conversation().entries().len()));
            turn(&mut play, number);
        }
    }
    for (number, entry) in entries {
        assert_eq!(play.recalled(entry), format!("Look at shelf {number}."));
        assert_eq!(play.recalled(entry + 2), code(number, 120));
    }
    assert!(play.compactions() >= 3);
    play.assert_compactions_in_place();
    // Not even the head fits: that is said, and the session stays as it was.
    play.budget = Budget::new(512, None);
    play.prompt("And now?");
    let before = play.context.conversation().request(&frame(&play), true).messages.len();
    assert!(play.ask().is_err());
    assert_eq!(play.context.conversation().request(&frame(&play), true).messages.len(), before);
    play.budget = Budget::new(32_768, None);
    play.answer("It fits again.");
}

fn frame(play: &Play) -> Frame<'_> {
    Frame { system: Some(&play.system), tools: &play.tools, sampling: &play.sampling, max_tokens: None }
}

/// Counts the bytes that it is asked to count.
struct Counting {
    inner: Scripted,
    bytes: AtomicUsize,
}

impl Provider for Counting {
    fn info(&self) -> &ProviderInfo {
        self.inner.info()
    }

    fn stream(&self, request: Request, cancel: CancellationToken) -> EventStream {
        self.inner.stream(request, cancel)
    }

    fn count_tokens(&self, request: &Request) -> Option<usize> {
        let tokens = self.inner.count_tokens(request);
        self.bytes.fetch_add(tokens.unwrap_or(0) * 4, Ordering::Relaxed);
        tokens
    }

    fn count_text(&self, text: &str) -> Option<usize> {
        self.bytes.fetch_add(text.len(), Ordering::Relaxed);
        self.inner.count_text(text)
    }
}

#[test]
fn thousands_of_tiny_turns_are_not_quadratic() {
    let provider = Arc::new(Counting {
        inner: Scripted::new(Script { bytes_per_token: 4, ..Script::default() }),
        bytes: AtomicUsize::new(0),
    });
    // What is recalled is bounded by its cap; the index is left out to keep the test short.
    let mut play = Play::of(Context::past(false), provider.clone(), 8_192);
    play.keep = false;
    let mut half = (0, 0);
    for turn in 0..5_000 {
        if turn == 2_500 {
            half = (provider.bytes.load(Ordering::Relaxed), play.compactions());
        }
        play.prompt(format!("ping {turn}"));
        play.answer("pong");
    }
    play.assert_compactions_in_place();
    assert_eq!(play.recalled(9_998), "ping 4999");
    let whole = (provider.bytes.load(Ordering::Relaxed), play.compactions());
    assert!(half.1 > 5 && whole.1 > half.1, "{half:?} {whole:?}");
    assert!(
        (whole.0 as f64) < 2.5 * half.0 as f64,
        "bytes counted and compactions: {half:?}, then {whole:?}"
    );
}
