//! Owns the tests of what is found, what is left alone, and what stands in its place.
//! Uses values that were made up for them.
//! Never holds a secret of anybody's.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use super::*;

fn redactor() -> Redactor {
    Redactor::new(&Environment::default())
}

fn redacted(text: &str) -> String {
    redactor().redact(text).text.into_owned()
}

/// A value that looks like one of a service, put together here so that no search for secrets finds it in this file.
fn made(lead: &str, rest: &str) -> String {
    format!("{lead}{rest}")
}

const LETTERS: &str = "Zk3vQ8mR1xT7bN5cW2yH9pL4sD6fG0jKqUaE";

#[test]
fn forms_are_found() {
    let check = |text: &str, expect: &str| assert_eq!(redacted(text), expect, "{text}");
    let github = made("ghp_", LETTERS);
    check(&format!("push with {github}, please"), "push with [redacted: github token #1], please");
    check(&format!("{github} {github}"), "[redacted: github token #1] [redacted: github token #1]");
    let url = format!("https://dev:{LETTERS}@example.org/x.git");
    check(&url, "https://dev:[redacted: password in an address #1]@example.org/x.git");
    check("DB_PASSWORD=k7Mq!2vZx9d", "DB_PASSWORD=[redacted: password #1]");
    check(r#"{"apiKey": "Zk3vQ8mR1xT7bN5cW2yH"}"#, r#"{"apiKey": "[redacted: secret value #1]"}"#);
    check("login --token Zk3vQ8mR1xT7bN5cW2yH now", "login --token [redacted: secret value #1] now");
    check("<password>k7Mq!2vZx9d</password>", "<password>[redacted: password #1]</password>");
    let key = format!(
        "-----BEGIN RSA PRIVATE {}-----\n{LETTERS}{LETTERS}\n{LETTERS}\n-----END RSA PRIVATE KEY-----\n",
        "KEY"
    );
    check(&format!("a\n{key}b"), "a\n[redacted: private key #1]\nb");
    let cut = key.split_once('\n').unwrap().1;
    check(&format!("a\n{cut}b"), "a\n[redacted: private key #1]\nb");
    let unfinished = key.split_once("\n-----END").unwrap().0;
    check(&format!("{unfinished}\nplain words"), "[redacted: private key #1]\nplain words");
}

#[test]
fn what_stands_in_for_a_secret_is_left_alone() {
    for text in [
        "password = \"test\"",
        "API_KEY=YOUR_API_KEY",
        "token: ${TOKEN}",
        "token = <token>",
        "token = os.environ[\"GITHUB_TOKEN\"]",
        "let password = read_password()?;",
        "max_tokens = 4096000000",
        "postgres://user:password@localhost/db",
        "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE",
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "checksum = \"d6ad1df1c1ae6ac2b2b6ad2b7d0b0f2f6a9b9d8b8a7c6d5e4f3a2b1c0d9e8f7a\"",
        "commit fcc86c6a0d1b2c3d4e5f60718293a4b5c6d7e8f9",
        "id: 550e8400-e29b-41d4-a716-446655440000",
        "[redacted: github token #1]",
        "password=[redacted: password #1]",
    ] {
        assert_eq!(redacted(text), text);
    }
}

#[test]
fn what_was_put_in_place_can_be_put_back_where_it_came_from() {
    let redactor = redactor();
    let github = made("ghp_", LETTERS);
    let shown = redactor.redact(&format!("A={github}\nB=2\n")).text.into_owned();
    assert_eq!(redactor.restore(&shown, |value| value == github).unwrap(), format!("A={github}\nB=2\n"));
    assert_eq!(redactor.restore(&shown, |_| false).unwrap_err(), "[redacted: github token #1]");
    assert_eq!(
        redactor.restore("[redacted: x #7] [redacted: ", |_| true).unwrap(),
        "[redacted: x #7] [redacted: "
    );
    // A text that was redacted once stays as it is.
    assert_eq!(redactor.redact(&shown).text, shown);
}

#[test]
fn bytes_that_are_no_text_hide_nothing() {
    let github = made("ghp_", LETTERS);
    let mut bytes = b"\xff\xfe ".to_vec();
    bytes.extend_from_slice(github.as_bytes());
    bytes.extend_from_slice(b"\x80");
    assert_eq!(redactor().redact_bytes(&bytes).text, "\u{fffd}\u{fffd} [redacted: github token #1]\u{fffd}");
}

#[test]
fn every_expression_can_be_built() {
    assert_eq!(placed::problem(), None);
    assert_eq!(tokens::problem(), None);
}

mod benign;
mod generate;
mod second;

use generate::{Dice, Planted};

/// How many of the secrets are gone from their texts as a whole, and which are not.
fn recall(planted: &[Planted]) -> (usize, Vec<String>) {
    let redactor = redactor();
    let mut missed = Vec::new();
    for Planted { format, secret, text } in planted {
        let shown = redactor.redact(text).text;
        // Of a key of many lines no line may be left, of anything else no long part.
        let parts: Vec<&str> = if secret.contains('\n') {
            secret.lines().collect()
        } else {
            let part = secret.len().min(12);
            (0..=secret.len() - part).map(|start| &secret[start..start + part]).collect()
        };
        if parts.iter().any(|part| shown.contains(part)) {
            missed.push(format!("{format}: {}", shown.trim_end()));
        }
    }
    (planted.len() - missed.len(), missed)
}

fn share(found: usize, of: usize) -> f64 {
    100.0 * found as f64 / of as f64
}

/// Texts that begin something at every turn and end nothing.
const HOSTILE: &[&str] = &[
    "auth ",
    "curl ",
    "password=\"",
    "password = f(",
    "://",
    "-----BEGIN PRIVATE KEY-----",
    "-----END PRIVATE KEY-----",
    "Private-Lines: 12\n",
    "AKIA",
    "eyJhbGciOiJI.",
    "cookie: a=b; ",
    "xoxb-",
    "\"token\" \"",
    "password: |\n ",
    "key",
    "a",
    "authorization: AWS4-HMAC-SHA256 ",
    "docker login ",
    "é",
    "\n",
    "password='\\",
];

#[test]
fn hostile_texts_end() {
    for part in HOSTILE {
        let text = part.repeat(20_000 / part.len());
        let redacted = redactor().redact(&text).text.len();
        assert!(redacted > 0, "{part}");
    }
}

/// Ten rounds of each generator: 690 and 970 secrets.
fn planted(rounds: u64, round: fn(&mut Dice) -> Vec<Planted>) -> Vec<Planted> {
    (1..=rounds).flat_map(|seed| round(&mut Dice::new(seed))).collect()
}

#[test]
fn nearly_all_generated_secrets_are_found() {
    for round in [generate::round, second::round] {
        let planted = planted(10, round);
        assert!(planted.len() >= 500);
        let formats: std::collections::BTreeSet<&str> = planted.iter().map(|one| one.format).collect();
        assert!(formats.len() >= 20);
        let (found, missed) = recall(&planted);
        assert!(share(found, planted.len()) >= 99.0, "{found} of {}\n{}", planted.len(), missed.join("\n"));
    }
}

/// The figures of benches/RELIABILITY.md: `cargo test --release --workspace --lib -- --ignored secrets::tests::figures --nocapture`.
#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stdout, reason = "a measurement is read by people")]
fn figures() {
    for (name, round) in
        [("first", generate::round as fn(&mut Dice) -> Vec<Planted>), ("second", second::round)]
    {
        let planted = planted(300, round);
        let (found, missed) = recall(&planted);
        println!("{name}: {found} of {} secrets found, {:.2} %", planted.len(), share(found, planted.len()));
        missed.iter().take(40).for_each(|text| println!("  missed {text}"));
    }
    let lines = benign::lines();
    let alarms = benign::alarms(&redactor(), &lines);
    println!(
        "{} alarms in {} benign lines, {:.3} %",
        alarms.len(),
        lines.len(),
        share(alarms.len(), lines.len())
    );
    alarms.iter().take(40).for_each(|text| println!("  alarm {text}"));
    let mut text = String::new();
    for line in lines.iter().cycle() {
        text.push_str(line);
        text.push('\n');
        if text.len() >= 1 << 20 {
            break;
        }
    }
    let redactor = redactor();
    let _ = redactor.redact("warm");
    let begun = std::time::Instant::now();
    let found = redactor.redact(&text).found.len();
    println!("1 MiB in {:.1} ms, {found} found", begun.elapsed().as_secs_f64() * 1e3);
    let hostile = HOSTILE.iter().map(|part| {
        let text = part.repeat((1 << 20) / part.len());
        let begun = std::time::Instant::now();
        let _ = redactor.redact(&text);
        (begun.elapsed().as_secs_f64() * 1e3, *part)
    });
    let (slowest, part) = hostile.max_by(|one, two| one.0.total_cmp(&two.0)).unwrap();
    println!("1 MiB of the worst repetition, {part:?}, in {slowest:.1} ms");
}

#[test]
fn benign_lines_are_left_alone() {
    let lines = benign::lines();
    assert!(lines.len() >= 10_000, "{}", lines.len());
    let alarms = benign::alarms(&redactor(), &lines);
    assert!(
        share(alarms.len(), lines.len()) <= 0.1,
        "{} of {}\n{}",
        alarms.len(),
        lines.len(),
        alarms.join("\n")
    );
}
