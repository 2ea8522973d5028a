//! Owns how many tests passed and failed, as the runner itself counted them.
//! Uses the lines of an output.
//! Never counts tests where the runner gave a count.

use super::Tally;
use super::lines::Line;

/// Counts on lines so near to each other belong together: some runners write passed and failed on lines of their own.
const NEAR: usize = 6;
/// Longer lines are no summaries.
const LONGEST: usize = 200;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Passed,
    Failed,
    Skipped,
    Total,
}

fn class(word: &str) -> Option<Class> {
    Some(match word.to_ascii_lowercase().as_str() {
        "passed" | "passing" | "pass" | "passes" | "succeeded" => Class::Passed,
        "failed" | "failing" | "fail" | "fails" | "failures" | "failure" | "errors" | "error" | "errored" => {
            Class::Failed
        }
        "skipped" | "ignored" | "pending" | "todo" | "skips" | "skip" | "disabled" | "xfailed" => {
            Class::Skipped
        }
        "tests" | "test" | "total" | "runs" | "run" | "examples" | "example" | "specs" => Class::Total,
        _ => return None,
    })
}

/// Words that stand in summaries beside the counts.
const BESIDE: &[&str] = &[
    "result",
    "in",
    "out",
    "of",
    "finished",
    "measured",
    "filtered",
    "summary",
    "ok",
    "assertions",
    "assertion",
    "deselected",
    "warnings",
    "warning",
    "completed",
    "seconds",
    "s",
    "ms",
    "m",
    "ran",
    "listed",
    "below",
    "time",
    "elapsed",
    "duration",
    "cancelled",
    "suites",
    "info",
    "xpassed",
    "subtests",
    "at",
    "risky",
    "incomplete",
    "each",
    "from",
    "flaky",
    "slow",
    "leaky",
    "binaries",
    "across",
    "min",
    "rerun",
    "on",
    "expected",
    "unexpected",
];

/// One piece of a summary line.
#[derive(Debug, PartialEq)]
enum Piece<'a> {
    Number(usize),
    Word(&'a str),
    /// A colon or an equals sign: the number follows its word.
    Is(char),
    Other,
}

fn pieces(line: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let end = |wanted: fn(char) -> bool| rest.find(|character| !wanted(character)).unwrap_or(rest.len());
        if first.is_ascii_digit() {
            let length = end(|character| character.is_ascii_digit() || character == '.');
            let (number, after) = rest.split_at(length);
            // Percentages, times and versions count nothing.
            let glued = after
                .starts_with(|character: char| matches!(character, '%' | '/') || character.is_alphabetic());
            pieces.push(match number.trim_end_matches('.').parse() {
                Ok(number) if !glued => Piece::Number(number),
                _ => Piece::Other,
            });
            rest = if glued {
                after.trim_start_matches(|c: char| matches!(c, '%' | '/') || c.is_alphanumeric())
            } else {
                after
            };
        } else if first.is_alphabetic() {
            let length = end(|character| character.is_alphanumeric() || matches!(character, '_' | '-' | '.'));
            pieces.push(Piece::Word(rest[..length].trim_end_matches(['.', '-'])));
            rest = &rest[length..];
        } else {
            match first {
                ':' | '=' if !rest[1..].starts_with('=') => pieces.push(Piece::Is(first)),
                character if character.is_whitespace() => {}
                _ => pieces.push(Piece::Other),
            }
            rest = &rest[first.len_utf8()..];
        }
    }
    pieces
}

/// The counts on a line that is a summary.
fn counts(line: &str) -> Option<Vec<(Class, usize)>> {
    let trimmed = line
        .trim_matches(|character: char| character == '=' || character == '-' || character.is_whitespace());
    let lower = trimmed.to_ascii_lowercase();
    let of_files =
        ["test files", "test suites", "snapshots", "suites", "# suites", "ℹ suites", "assertions:"];
    if trimmed.len() > LONGEST
        || !trimmed.bytes().any(|byte| byte.is_ascii_digit())
        || of_files.iter().any(|start| lower.starts_with(start))
    {
        return None;
    }
    let pieces = pieces(trimmed);
    let mut found: Vec<(Class, usize)> = Vec::new();
    let mut telling = false;
    let colons = pieces.iter().filter(|piece| matches!(piece, Piece::Is(_))).count();
    let announced =
        ["running", "starting", "collect", "executing"].iter().any(|start| lower.starts_with(start));
    if announced {
        return None;
    }
    let named = |line: &str| line.starts_with("Tests") || line.starts_with("[ERROR] Tests");
    for (at, piece) in pieces.iter().enumerate() {
        let Piece::Number(number) = piece else { continue };
        let word = |at: usize| match pieces.get(at) {
            Some(Piece::Word(word)) => Some(*word),
            _ => None,
        };
        let is = |at: usize| matches!(pieces.get(at), Some(Piece::Is(_)));
        // `assertion failed: 1 > 2` counts nothing: with a colon the word is the first one, or there are several.
        let apart = || at == 2 || pieces.get(at - 1) == Some(&Piece::Is('=')) || colons > 1 || named(trimmed);
        let before_is = at.checked_sub(2).filter(|_| is(at - 1) && apart()).and_then(word);
        let after = word(at + 1).filter(|_| !is(at + 2) || before_is.is_none());
        let counted = match after.and_then(class) {
            // `1 tests failed out of 3`
            Some(Class::Total) => {
                word(at + 2).and_then(class).filter(|class| *class != Class::Total).or(Some(Class::Total))
            }
            // `1 failed test`
            Some(class)
                if word(at.saturating_sub(1)) == Some("of")
                    && pieces
                        .get(at.wrapping_sub(2))
                        .is_some_and(|piece| matches!(piece, Piece::Number(_))) =>
            {
                // `2 of 3 failed`
                let Some(Piece::Number(number)) = pieces.get(at - 2) else { continue };
                found.push((class, *number));
                telling = true;
                Some(Class::Total)
            }
            Some(class) => Some(class),
            None if word(at.saturating_sub(1)) == Some("of") && word(at.saturating_sub(2)) == Some("out") => {
                Some(Class::Total)
            }
            None => before_is.and_then(class).or_else(|| {
                // `# pass 1`
                let sole = matches!(pieces.as_slice(), [.., Piece::Word(_), Piece::Number(_)])
                    && at + 1 == pieces.len();
                sole.then(|| word(at.checked_sub(1)?)).flatten().filter(|_| pieces.len() <= 3).and_then(class)
            }),
        };
        let Some(counted) = counted else { continue };
        let words = [after, before_is, word(at + 2), at.checked_sub(1).and_then(word)];
        // Compilers and linters count errors, too, and much is a total.
        telling |= words.iter().flatten().any(|word| {
            let word = word.to_ascii_lowercase();
            class(&word).is_some() && !word.starts_with("error") && word != "total"
        }) && !words
            .iter()
            .flatten()
            .any(|word| word.starts_with("warning") || word.starts_with("problem"));
        if !found.iter().any(|(class, _)| *class == counted) || counted == Class::Failed {
            found.push((counted, *number));
        }
    }
    let foreign = pieces
        .iter()
        .filter(|piece| match piece {
            Piece::Word(word) => {
                class(word).is_none() && !BESIDE.contains(&word.to_ascii_lowercase().as_str())
            }
            _ => false,
        })
        .count();
    (telling && !found.is_empty() && foreign <= 2).then_some(found)
}

/// Whether a line is a runner's count.
pub(super) fn is_summary(line: &str) -> bool {
    counts(line).is_some() || gtest(line).is_some()
}

#[derive(Debug, Default, Clone, Copy)]
struct Counted {
    passed: Option<usize>,
    failed: Option<usize>,
    skipped: Option<usize>,
    total: Option<usize>,
    first: usize,
    line: usize,
}

impl Counted {
    fn add(&mut self, found: &[(Class, usize)], line: usize) {
        for (class, number) in found {
            let field = match class {
                Class::Passed => &mut self.passed,
                Class::Failed => &mut self.failed,
                Class::Skipped => &mut self.skipped,
                Class::Total => &mut self.total,
            };
            *field = Some(field.unwrap_or(0).saturating_add(*number));
        }
        self.line = line;
    }

    fn says(&self, found: &[(Class, usize)]) -> bool {
        found.iter().all(|(class, number)| *class == Class::Failed && self.failed == Some(*number))
    }

    fn overlaps(&self, found: &[(Class, usize)]) -> bool {
        found.iter().any(|(class, _)| match class {
            Class::Passed => self.passed.is_some(),
            Class::Failed => self.failed.is_some(),
            // Some runners have skipped, to do and disabled ones apart.
            Class::Skipped => false,
            Class::Total => self.total.is_some(),
        })
    }

    fn tally(self) -> Option<Tally> {
        let failed = self.failed.unwrap_or(0);
        let skipped = self.skipped.unwrap_or(0);
        let passed = match (self.passed, self.total) {
            (Some(passed), _) => passed,
            (None, Some(total)) => total.saturating_sub(failed).saturating_sub(skipped),
            (None, None) if self.failed.is_some() => 0,
            (None, None) => return None,
        };
        Some(Tally { passed, failed, skipped })
    }
}

/// The tally of an output, where its runner gives one, and the words in which it does.
pub(super) fn tally(lines: &[Line]) -> Option<(Tally, String)> {
    // Cargo counts each binary by itself; every other runner ends with one count of all.
    let mut summed: Option<Counted> = None;
    // Those that have tests; where it is a single one, its line says it all.
    let mut binaries: Vec<usize> = Vec::new();
    let mut last: Option<Counted> = None;
    let mut go = Go::default();
    let mut tap = Tap::default();
    for (at, line) in lines.iter().enumerate() {
        let text = line.text.as_ref();
        if let Some(rest) = line.trimmed().strip_prefix("test result: ") {
            // Nextest shows what the harness of a failing test says, indented.
            if let (0, Some(found)) = (line.indent(), counts(rest)) {
                summed.get_or_insert_default().add(&found, at);
                if found.iter().any(|(class, number)| *class != Class::Skipped && *number > 0) {
                    binaries.push(at);
                }
            }
            continue;
        }
        if go.takes(text) || tap.takes(text) {
            continue;
        }
        if let Some(counted) = gtest(line.trimmed()) {
            add(&mut last, &[counted], at);
        } else if let Some(found) = counts(text) {
            add(&mut last, &found, at);
        }
    }
    if let Some((counted, tally)) = last.and_then(|counted| Some((counted, counted.tally()?))) {
        return Some((tally, summary(lines, counted)));
    }
    if let Some((counted, tally)) = summed.and_then(|counted| Some((counted, counted.tally()?))) {
        let said = match binaries.as_slice() {
            [] => words_of(&lines[counted.line]),
            [one] => words_of(&lines[*one]),
            _ => worded(tally),
        };
        return Some((tally, said));
    }
    if let Some(tally) = go.tally() {
        let package = |line: &&Line| line.text.starts_with("FAIL\t") || line.text.starts_with("ok  \t");
        let broken = lines.iter().rev().find(|line| line.text.starts_with("FAIL\t"));
        let said = broken.or_else(|| lines.iter().rev().find(package)).map(words_of);
        let said = said.map_or_else(|| worded(tally), |said| format!("{}; {said}", worded(tally)));
        return Some((tally, said));
    }
    tap.tally().map(|tally| (tally, worded(tally)))
}

/// A tally in the words that most runners use.
fn worded(tally: Tally) -> String {
    let mut words = format!("{} failed, {} passed", tally.failed, tally.passed);
    if tally.skipped > 0 {
        words.push_str(&format!(", {} skipped", tally.skipped));
    }
    words
}

/// A line with single blanks, without the rulers about it.
fn words_of(line: &Line) -> String {
    let text = line.text.trim_matches(|character: char| matches!(character, '=' | '-' | ' '));
    let text = &text[..text.floor_char_boundary(LONGEST)];
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a runner says at the end, on one line or on a few.
fn summary(lines: &[Line], counted: Counted) -> String {
    let own = |line: &&Line| {
        let text = line.trimmed();
        is_summary(text) || matches!(text, "OK" | "FAILED")
    };
    // `OK` stands by itself, below.
    let to = lines.len().min(counted.line + 3);
    let said: Vec<String> = lines[counted.first..to].iter().filter(own).take(3).map(words_of).collect();
    said.join(" ")
}

/// Go counts nothing: its tests and, without `-v`, its packages are listed.
#[derive(Default)]
struct Go {
    packages: usize,
    broken: usize,
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Go {
    fn takes(&mut self, line: &str) -> bool {
        match line.split_once('\t').map(|(word, rest)| (word.trim_end(), rest)) {
            Some(("ok", _)) => self.packages += 1,
            Some(("FAIL", rest)) if rest.ends_with(" failed]") => self.broken += 1,
            Some(("FAIL", _)) => {}
            _ if line.starts_with("--- PASS: ") => self.passed += 1,
            _ if line.starts_with("--- FAIL: ") => self.failed += 1,
            _ if line.starts_with("--- SKIP: ") => self.skipped += 1,
            _ => return false,
        }
        true
    }

    fn tally(&self) -> Option<Tally> {
        let failed = self.failed + self.broken;
        let passed = if self.passed == 0 && failed == 0 { self.packages } else { self.passed };
        (passed + failed > 0).then_some(Tally { passed, failed, skipped: self.skipped })
    }
}

/// TAP numbers its tests, and tells how many there were to be.
#[derive(Default)]
struct Tap {
    planned: bool,
    passed: usize,
    failed: usize,
}

impl Tap {
    fn takes(&mut self, line: &str) -> bool {
        let numbered = |rest: &str| rest.starts_with(|character: char| character.is_ascii_digit());
        if line.strip_prefix("ok ").is_some_and(numbered) {
            self.passed += 1;
        } else if line.strip_prefix("not ok ").is_some_and(numbered) {
            self.failed += 1;
        } else if line.strip_prefix("1..").is_some_and(numbered) {
            self.planned = true;
        } else {
            return false;
        }
        true
    }

    fn tally(&self) -> Option<Tally> {
        let told = self.planned && self.passed + self.failed > 0;
        told.then_some(Tally { passed: self.passed, failed: self.failed, skipped: 0 })
    }
}

fn add(last: &mut Option<Counted>, found: &[(Class, usize)], at: usize) {
    match last {
        // Some say it twice: `[  FAILED  ] 2 tests, listed below:`, ` 2 FAILED TESTS`.
        Some(known) if at - known.line <= 4 * NEAR && known.says(found) => {}
        Some(known) if at - known.line <= NEAR && !known.overlaps(found) => known.add(found, at),
        _ => {
            let mut counted = Counted { first: at, ..Counted::default() };
            counted.add(found, at);
            *last = Some(counted);
        }
    }
}

/// `[  PASSED  ] 3 tests.`, `[  FAILED  ] 1 test, listed below:`
fn gtest(line: &str) -> Option<(Class, usize)> {
    let (inside, rest) = line.strip_prefix('[')?.split_once(']')?;
    let class = match inside.trim() {
        "PASSED" => Class::Passed,
        "FAILED" => Class::Failed,
        _ => return None,
    };
    let (number, rest) = rest.trim_start().split_once(' ')?;
    rest.starts_with("test").then(|| number.parse().ok().map(|number| (class, number)))?
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;

    fn check(output: &str, expect: Option<(usize, usize, usize)>) {
        let found = tally(&lines::of(output)).map(|(tally, _)| (tally.passed, tally.failed, tally.skipped));
        assert_eq!(found, expect, "{output}");
    }

    #[test]
    fn runners_count() {
        check("1 failed, 45 passed", Some((45, 1, 0)));
        check(
            "test result: FAILED. 1 passed; 6 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.09s\n\n\
             running 3 tests\ntest result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
            Some((4, 6, 2)),
        );
        check(
            "    test result: FAILED. 0 passed; 1 failed; 0 ignored\n\
             Summary [   0.259s] 7 tests run: 1 passed, 6 failed, 3 skipped\n",
            Some((1, 6, 3)),
        );
        check("Summary [   0.259s] 7 tests run: 7 passed, 0 skipped\n", Some((7, 0, 0)));
        check("===== 5 failed, 1 passed, 2 skipped, 1 error in 0.04s =====", Some((1, 6, 2)));
        check("6 passed in 12.34s", Some((6, 0, 0)));
        check("1 passed, 2 warnings in 0.1s", Some((1, 0, 0)));
        check("Ran 4 tests in 0.001s\n\nFAILED (failures=3, errors=1)", Some((0, 4, 0)));
        check("Ran 4 tests in 0.001s\n\nOK (skipped=1)", Some((3, 0, 1)));
        check("Ran 4 tests in 0.001s\n\nOK", Some((4, 0, 0)));
        check(
            "Test Suites: 1 failed, 1 total\nTests:       3 failed, 1 passed, 4 total\nSnapshots:   0 total",
            Some((1, 3, 0)),
        );
        check(" Test Files  1 failed (1)\n      Tests  3 failed | 1 passed (4)\n", Some((1, 3, 0)));
        check("  1 passing (4ms)\n  1 pending\n  2 failing\n", Some((1, 2, 1)));
        check(
            "# tests 3\n# suites 1\n# pass 1\n# fail 2\n# cancelled 0\n# skipped 0\n# todo 0",
            Some((1, 2, 0)),
        );
        check(
            "ℹ tests 3\nℹ suites 1\nℹ pass 1\nℹ fail 2\nℹ cancelled 0\nℹ skipped 0\nℹ todo 0",
            Some((1, 2, 0)),
        );
        check("67% tests passed, 1 tests failed out of 3", Some((2, 1, 0)));
        check("[  PASSED  ] 3 tests.\n[  FAILED  ] 1 test, listed below:", Some((3, 1, 0)));
        check(
            "[  PASSED  ] 3 tests.\n[  FAILED  ] 1 test, listed below:\n[  FAILED  ] a.b\n\n 1 FAILED TEST",
            Some((3, 1, 0)),
        );
        check("3 examples, 1 failure, 1 pending", Some((1, 1, 1)));
        check("5 runs, 5 assertions, 2 failures, 1 errors, 0 skips", Some((2, 3, 0)));
        check("Tests: 3, Assertions: 4, Failures: 1.", Some((2, 1, 0)));
        check("OK (3 tests, 5 assertions)", Some((3, 0, 0)));
        check(
            "Failed!  - Failed:     1, Passed:     2, Skipped:     1, Total:     4, Duration: 5 ms",
            Some((2, 1, 1)),
        );
        check("[ERROR] Tests run: 5, Failures: 1, Errors: 1, Skipped: 0", Some((3, 2, 0)));
        check("5 tests completed, 2 failed", Some((3, 2, 0)));
        check(
            "--- FAIL: TestA (0.00s)\n--- PASS: TestB (0.00s)\nFAIL\nFAIL\texample.com/x\t0.01s",
            Some((1, 1, 0)),
        );
        check("ok  \texample.com/x\t0.01s\nok  \texample.com/y\t(cached)", Some((2, 0, 0)));
        check("2 failed\n10 passed", Some((10, 2, 0)));
        check("2 of 3 failed", Some((1, 2, 0)));
        check("1/3 Test #1: calc ...***Failed 0.01 sec", None);
        check("FAIL\texample.com/x [build failed]\nok  \texample.com/y\t0.1s", Some((0, 1, 0)));
        check("ok 1 - a\nnot ok 2 - b\n1..2\n", Some((1, 1, 0)));
        check("test cases: 2 | 1 passed | 1 failed\nassertions: 9 | 8 passed | 1 failed", Some((1, 1, 0)));
    }

    #[test]
    fn counts_are_told_in_the_words_of_the_runner() {
        let check = |output: &str, expect: &str| {
            assert_eq!(
                tally(&lines::of(output)).map(|(_, said)| said).unwrap_or_default(),
                expect,
                "{output}"
            );
        };
        check("===== 5 failed, 1 passed in 0.04s =====", "5 failed, 1 passed in 0.04s");
        check("1 failed, 45 passed\nexit code 1 after 0.1 s", "1 failed, 45 passed");
        check("Ran 4 tests in 0.001s\n\nFAILED (failures=3)", "Ran 4 tests in 0.001s FAILED (failures=3)");
        check("Ran 4 tests in 0.001s\n\nOK", "Ran 4 tests in 0.001s OK");
        check("      Tests  3 failed | 1 passed (4)\n", "Tests 3 failed | 1 passed (4)");
        check("  1 passing (4ms)\n  2 failing\n", "1 passing (4ms) 2 failing");
        let cargo = "test result: ok. 3 passed; 0 failed\n";
        check(
            &format!("{cargo}\ntest result: ok. 0 passed; 0 failed\n"),
            "test result: ok. 3 passed; 0 failed",
        );
        check(&cargo.repeat(2), "0 failed, 6 passed");
        check(
            "--- FAIL: TestA (0.0s)\nFAIL\nFAIL\tx.org/y\t0.1s\nFAIL",
            "1 failed, 0 passed; FAIL x.org/y 0.1s",
        );
    }

    #[test]
    fn other_counts_are_no_tally() {
        check("", None);
        check("2 errors generated.", None);
        check("error: could not compile `sample` (lib) due to 2 previous errors", None);
        check("✖ 3 problems (3 errors, 0 warnings)", None);
        check("Found 2 errors in the same file, starting at: t.ts:1", None);
        check("the parser passed 3 values to the callback which then failed 2 times", None);
        check("   Compiling sample v0.1.0", None);
        check("let total = 3", None);
    }
}
