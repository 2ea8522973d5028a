//! Owns the tests of what outputs report: one sample a runner, written by the runners themselves or after their manuals.
//! Uses `samples/`.
//! Never runs a runner.

use std::fmt::Write as _;

use super::*;

const SAMPLES: &[(&str, &str)] = &[
    ("bun", include_str!("samples/bun.txt")),
    ("cargo", include_str!("samples/cargo.txt")),
    ("catch2", include_str!("samples/catch2.txt")),
    ("clang", include_str!("samples/clang.txt")),
    ("ctest", include_str!("samples/ctest.txt")),
    ("dart", include_str!("samples/dart.txt")),
    ("deno", include_str!("samples/deno.txt")),
    ("dotnet", include_str!("samples/dotnet.txt")),
    ("exunit", include_str!("samples/exunit.txt")),
    ("gcc", include_str!("samples/gcc.txt")),
    ("go", include_str!("samples/go.txt")),
    ("go_build", include_str!("samples/go_build.txt")),
    ("go_verbose", include_str!("samples/go_verbose.txt")),
    ("gradle", include_str!("samples/gradle.txt")),
    ("gtest", include_str!("samples/gtest.txt")),
    ("javac", include_str!("samples/javac.txt")),
    ("jest", include_str!("samples/jest.txt")),
    ("maven", include_str!("samples/maven.txt")),
    ("maven_compile", include_str!("samples/maven_compile.txt")),
    ("maven_summary", include_str!("samples/maven_summary.txt")),
    ("minitest", include_str!("samples/minitest.txt")),
    ("mocha", include_str!("samples/mocha.txt")),
    ("mypy", include_str!("samples/mypy.txt")),
    ("nextest", include_str!("samples/nextest.txt")),
    ("node_spec", include_str!("samples/node_spec.txt")),
    ("node_tap", include_str!("samples/node_tap.txt")),
    ("phpunit", include_str!("samples/phpunit.txt")),
    ("plain", include_str!("samples/plain.txt")),
    ("playwright", include_str!("samples/playwright.txt")),
    ("prove", include_str!("samples/prove.txt")),
    ("pytest_line", include_str!("samples/pytest_line.txt")),
    ("pytest_q", include_str!("samples/pytest_q.txt")),
    ("pytest_tail", include_str!("samples/pytest_tail.txt")),
    ("pytest_v", include_str!("samples/pytest_v.txt")),
    ("python", include_str!("samples/python.txt")),
    ("rspec", include_str!("samples/rspec.txt")),
    ("rustc", include_str!("samples/rustc.txt")),
    ("swift", include_str!("samples/swift.txt")),
    ("tcl", include_str!("samples/tcl.txt")),
    ("unittest", include_str!("samples/unittest.txt")),
    ("vitest", include_str!("samples/vitest.txt")),
];

#[test]
fn every_runner_is_understood() {
    let mut shown = String::new();
    for (name, output) in SAMPLES {
        let report = report(output);
        let tally = report.tally.map_or("no tally".to_owned(), |tally| {
            format!("{} failed, {} passed, {} skipped", tally.failed, tally.passed, tally.skipped)
        });
        let _ = writeln!(shown, "# {name}: {tally}; listed as passed: {:?}", report.passed);
        for failure in &report.failures {
            let place = failure.place.as_deref().unwrap_or("no place");
            let kind = if failure.kind == FailureKind::Error { "error " } else { "" };
            let full = if failure.full_name == failure.name { "" } else { &failure.full_name };
            let _ = writeln!(shown, "- {kind}{} ({full}) at {place}: {}", failure.name, failure.message);
        }
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn blocks_stand_where_they_say() {
    for (name, output) in SAMPLES {
        let found = failures(output);
        for failure in &found {
            let block = &output[failure.range.clone()];
            let last = failure.name.rsplit([' ', ':', '.', '/', '>', '›']).next().unwrap_or_default();
            let words: Vec<&str> = failure.message.split_whitespace().take(2).collect();
            let names = block.contains(last.trim_matches(['(', ')']));
            assert!(names || words.iter().all(|word| block.contains(word)), "{name}: {failure:?}\n{block}");
        }
        for pair in found.windows(2) {
            assert!(
                pair[0].range.end <= pair[1].range.start + 1 || pair[0].range.start <= pair[1].range.start,
                "{name}"
            );
        }
    }
}

#[test]
fn colours_make_no_difference() {
    for (name, output) in SAMPLES {
        let plain: String = lines::of(output).iter().map(|line| format!("{}\n", line.text)).collect();
        let without_ranges = |output: &str| {
            failures(output)
                .into_iter()
                .map(|failure| (failure.name, failure.place, failure.message))
                .collect::<Vec<_>>()
        };
        assert_eq!(without_ranges(output), without_ranges(&plain), "{name}");
    }
}

#[test]
fn cut_and_mixed_outputs_are_survived() {
    for (_, output) in SAMPLES {
        for at in (0..output.len()).step_by(41).filter(|at| output.is_char_boundary(*at)) {
            for part in [&output[..at], &output[at..]] {
                assert!(
                    report(part).failures.iter().all(|failure| part.get(failure.range.clone()).is_some())
                );
            }
        }
    }
    let all: String = SAMPLES.iter().map(|(_, output)| *output).collect();
    assert!(failures(&all.repeat(3)).len() <= MOST);
}

#[test]
fn nothing_fails_where_nothing_failed() {
    let check = |output: &str| assert_eq!(failures(output), [], "{output}");
    check("");
    check(
        "running 2 tests\ntest a ... ok\ntest b ... ok\n\ntest result: ok. 2 passed; 0 failed; 0 ignored\n",
    );
    check("ok  \texample.com/x\t0.01s\n");
    check("1) read the file\n2) write the file\n3) done\n");
    check("--- a/src/x.rs\n+++ b/src/x.rs\n@@ -1 +1 @@\n-fn error() {}\n+fn failed() {}\n");
    check("src/lib.rs:3:fn assert_error() {\nsrc/lib.rs:9:    // expected: 3\n");
    check("warning: unused variable: `x`\n --> src/lib.rs:1:2\n");
    check("---- section ----\nplain words\n");
    check("   Compiling x v0.1.0\n    Finished `dev` profile in 0.1s\n");
    check("{\"name\": \"x\", \"version\": \"1.0.0\"}\n");
}

#[test]
fn hundreds_of_failures_are_bounded() {
    let mut output = String::new();
    for number in 0..5_000 {
        let _ = writeln!(output, "---- tests::t{number} stdout ----\nassertion failed: {number} > 5000\n");
    }
    let found = failures(&output);
    assert_eq!(found.len(), MOST);
    assert!(found[0].message.ends_with("0 > 5000"), "{:?}", found[0]);
}

#[test]
fn names_are_compared_without_their_modules() {
    let check = |one: &str, two: &str, expect: bool| {
        assert_eq!(same_test(&normal_name(one), &normal_name(two)), expect, "{one} {two}");
    };
    check("adds", "tests::adds", true);
    check("tests::adds", "adds", true);
    check("TestThing.test_a", "tests/test_x.py::TestThing::test_a", true);
    check("math › adds two", "src/a.test.ts > math > adds two", true);
    check("adds", "tests::subadds", false);
    check("a::adds", "b::adds", false);
    check("", "a", false);
}
