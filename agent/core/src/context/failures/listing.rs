//! Owns how test runners list tests: one line a test, with a mark of how it went.
//! Uses nothing.
//! Never takes a line for a test without such a mark.

/// How a listed test went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Passed,
    Failed,
    Skipped,
}

/// A test, or a file, package or class of tests, in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listed<'a> {
    pub(super) mark: Mark,
    pub(super) name: &'a str,
    /// What is said after the name.
    pub(super) note: &'a str,
}

/// What a line lists, if it lists anything. `line` has no blanks at its ends.
pub(super) fn listed(line: &str) -> Option<Listed<'_>> {
    let first = line.chars().next()?;
    match first {
        '✓' | '✔' | '√' | '✅' => return marked(line, first, Mark::Passed),
        '✗' | '✕' | '×' | '✖' | '✘' | '❌' => return marked(line, first, Mark::Failed),
        '[' => return bracketed(line),
        '(' => {
            let words = [(Mark::Passed, "(pass) "), (Mark::Failed, "(fail) "), (Mark::Skipped, "(skip) ")];
            return words.iter().find_map(|(mark, word)| {
                line.strip_prefix(word).map(|rest| named(*mark, without_duration(rest)))
            });
        }
        _ => {}
    }
    if let Some(rest) = line.strip_prefix("--- ") {
        let (mark, name) = rest.split_once(": ")?;
        let mark = match mark {
            "PASS" => Mark::Passed,
            "FAIL" => Mark::Failed,
            "SKIP" => Mark::Skipped,
            _ => return None,
        };
        return Some(named(mark, without_duration(name)));
    }
    if let Some(rest) = line.strip_prefix("ok ").or_else(|| line.strip_prefix("not ok ")) {
        return tap(rest, if first == 'n' { Mark::Failed } else { Mark::Passed });
    }
    dotted(line)
        .or_else(|| nextest(line))
        .or_else(|| word_first(line))
        .or_else(|| word_last(line))
        .or_else(|| ctest(line))
        .or_else(|| minitest(line))
}

fn named(mark: Mark, name: &str) -> Listed<'_> {
    Listed { mark, name, note: "" }
}

fn marked(line: &str, sign: char, mark: Mark) -> Option<Listed<'_>> {
    let name = without_duration(line[sign.len_utf8()..].trim_start_matches('\u{fe0f}').trim_start());
    // Linters sum up with the same mark.
    let counts = name.starts_with(|character: char| character.is_ascii_digit())
        && ["problem", "error", "warning", "failed", "passed", "test"].iter().any(|word| name.contains(word));
    let heading = name.ends_with(':');
    (!name.is_empty() && !counts && !heading).then(|| named(mark, name))
}

/// `[  FAILED  ] Suite.name (0 ms)`, `[gw0] [ 10%] PASSED a.py::b`.
fn bracketed(line: &str) -> Option<Listed<'_>> {
    let (inside, rest) = line[1..].split_once(']')?;
    let rest = rest.trim();
    let mark = match inside.trim() {
        "ERROR" => return surefire(rest),
        // `[ok]: name`, of test suites in Tcl.
        "ok" => return tcl(rest, Mark::Passed),
        "err" => return tcl(rest, Mark::Failed),
        "skip" | "ignore" => return tcl(rest, Mark::Skipped),
        "OK" => Mark::Passed,
        "FAILED" => Mark::Failed,
        "SKIPPED" | "DISABLED" => Mark::Skipped,
        worker if worker.starts_with("gw") => {
            let rest = rest.strip_prefix('[')?.split_once(']')?.1.trim();
            return word_first(rest);
        }
        clock if clock.starts_with("xUnit.net") => {
            return rest.strip_suffix("[FAIL]").map(|name| named(Mark::Failed, name.trim()));
        }
        _ => return None,
    };
    let name = without_duration(rest.split(", where ").next().unwrap_or(rest));
    let counted = name.starts_with(|character: char| character.is_ascii_digit());
    (!name.is_empty() && !counted).then(|| named(mark, name))
}

/// `[ERROR]   FooTest.adds:4 expected: <3> but was: <1>`, of Maven's summary.
fn surefire(rest: &str) -> Option<Listed<'_>> {
    let (place, _) = rest.split_once(' ')?;
    let (name, number) = place.rsplit_once(':')?;
    let named = name.contains('.') && !name.contains(['/', '\\']) && name.chars().next()?.is_uppercase();
    let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (named && numbered).then_some(Listed { mark: Mark::Failed, name, note: rest })
}

fn tcl(rest: &str, mark: Mark) -> Option<Listed<'_>> {
    let name = rest.strip_prefix(": ")?;
    Some(named(mark, without_duration(name.rsplit_once(" in ").map_or(name, |(name, _)| name))))
}

/// `ok 1 - name # SKIP why`, after `ok`; without a number it is a Go package.
fn tap(rest: &str, mark: Mark) -> Option<Listed<'_>> {
    let (number, name) = rest.trim_start().split_once(' ')?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let name = name.trim_start().trim_start_matches("- ").trim_start();
    let (name, directive) = name.split_once(" # ").unwrap_or((name, ""));
    let skipped = ["skip", "todo"]
        .iter()
        .any(|word| directive.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)));
    let mark = if skipped { Mark::Skipped } else { mark };
    (!name.trim().is_empty()).then(|| named(mark, without_duration(name)))
}

/// `test a::b ... ok`, `test_a (module.Class) ... FAIL`, `name ... ok (3ms)`.
fn dotted(line: &str) -> Option<Listed<'_>> {
    let (name, result) = line.rsplit_once(" ... ")?;
    let result = without_duration(result);
    let mark = match result.split([' ', ',']).next()? {
        "ok" | "OK" => Mark::Passed,
        "FAILED" | "FAIL" | "ERROR" => Mark::Failed,
        "ignored" | "skipped" => Mark::Skipped,
        _ => return None,
    };
    let plain = name.strip_prefix("test ").map(|name| name.trim_end_matches(" - should panic"));
    // Without the word `test` only what looks like the name of one: a sentence may end in dots, too.
    let name = match plain {
        Some(name) => name,
        None if name.contains('(') || !name.contains(' ') || result != line => name,
        None => return None,
    };
    (!name.trim().is_empty() && !name.ends_with('.')).then(|| named(mark, name.trim()))
}

/// `PASS [   0.003s] (1/3) crate module::test`.
fn nextest(line: &str) -> Option<Listed<'_>> {
    let (word, rest) = line.split_once('[')?;
    let word = word.trim();
    let mark = match word.rsplit(' ').next()? {
        "PASS" | "LEAK" => Mark::Passed,
        "FAIL" | "TIMEOUT" | "ABORT" | "LEAK-FAIL" | "XFAIL" => Mark::Failed,
        "SKIP" => Mark::Skipped,
        signal if signal.starts_with("SIG") => Mark::Failed,
        _ => return None,
    };
    let (time, name) = rest.split_once(']')?;
    let timed = time.trim().trim_start_matches('>').ends_with('s')
        && time.trim().starts_with(|character: char| character.is_ascii_digit() || character == '>');
    let name = name.trim().rsplit(' ').next()?;
    (timed && !name.is_empty()).then(|| named(mark, name))
}

/// `FAILED a.py::b - message`, `Passed Namespace.Class.Method [12 ms]`, `PASS path/a.test.js`.
fn word_first(line: &str) -> Option<Listed<'_>> {
    let (word, rest) = line.split_once(' ')?;
    // `rspec ./spec/a_spec.rb:5 # name`: how to run it again.
    if word == "rspec" && rest.starts_with("./") {
        return rest.split_once(" # ").map(|(_, name)| named(Mark::Failed, name.trim()));
    }
    let (mark, dotnet) = match word {
        "PASSED" | "PASS" | "PASS:" => (Mark::Passed, false),
        "FAILED" | "ERROR" | "FAIL:" => (Mark::Failed, false),
        "SKIPPED" | "SKIP:" | "XFAIL" => (Mark::Skipped, false),
        "Passed" => (Mark::Passed, true),
        "Failed" => (Mark::Failed, true),
        "Skipped" => (Mark::Skipped, true),
        _ => return None,
    };
    let rest = rest.trim();
    if dotnet {
        let (name, time) = rest.rsplit_once(" [")?;
        return time.ends_with("s]").then(|| named(mark, name));
    }
    let (name, note) = match rest.split_once(" - ") {
        Some((name, note)) if name.contains("::") => (name, note),
        _ => (rest, ""),
    };
    let alone = (word.ends_with(':') || word == "PASS") && !name.contains([' ', '\t']);
    (name.contains("::") || alone).then_some(Listed { mark, name, note })
}

/// `a.py::b PASSED [ 14%]`, `ClassTest > method() FAILED`.
fn word_last(line: &str) -> Option<Listed<'_>> {
    let line = match line.rsplit_once(" [") {
        Some((before, percent)) if percent.ends_with("%]") => before.trim_end(),
        _ => line,
    };
    let (name, word) = line.rsplit_once(' ')?;
    let mark = match word {
        "PASSED" => Mark::Passed,
        "FAILED" | "ERROR" => Mark::Failed,
        "SKIPPED" | "XFAIL" => Mark::Skipped,
        _ => return None,
    };
    (name.contains("::") || name.contains(" > ")).then(|| named(mark, name.trim()))
}

/// `1/3 Test #1: name ....***Failed    0.00 sec`.
fn ctest(line: &str) -> Option<Listed<'_>> {
    let rest =
        line.split_once("Test ").map(|(_, rest)| rest.trim_start()).filter(|rest| rest.starts_with('#'))?;
    let (_, rest) = rest.split_once(':')?;
    let mark = if rest.contains("***Not Run") || rest.contains("***Skipped") || rest.contains("(Disabled)") {
        Mark::Skipped
    } else if rest.contains("***") {
        Mark::Failed
    } else if rest.contains(" Passed ") {
        Mark::Passed
    } else {
        return None;
    };
    let name = rest.split("***").next()?.split(" Passed ").next()?.trim().trim_end_matches('.').trim();
    let note = rest.split("***").nth(1).unwrap_or("").trim();
    (!name.is_empty()).then_some(Listed { mark, name, note })
}

/// `TestFoo#test_bar = 0.00 s = F`.
fn minitest(line: &str) -> Option<Listed<'_>> {
    let (name, rest) = line.split_once(" = ")?;
    let (time, mark) = rest.rsplit_once(" = ")?;
    let mark = match mark {
        "." => Mark::Passed,
        "F" | "E" => Mark::Failed,
        "S" => Mark::Skipped,
        _ => return None,
    };
    (name.contains('#') && time.ends_with('s')).then(|| named(mark, name))
}

/// A name without how long it took: `name (3 ms)`, `name 12ms`, `name [0.10s]`.
pub(super) fn without_duration(name: &str) -> &str {
    let name = name.trim();
    let is_time = |text: &str| {
        let text = text.trim_start_matches('<').trim();
        let unit = text.trim_start_matches(|character: char| {
            character.is_ascii_digit() || matches!(character, '.' | ',')
        });
        unit.len() < text.len()
            && matches!(unit.trim(), "ms" | "s" | "µs" | "us" | "ns" | "sec" | "min" | "m")
    };
    for (open, close) in [(" (", ')'), (" [", ']')] {
        if let Some(before) = name.strip_suffix(close)
            && let Some((before, inside)) = before.rsplit_once(open)
            && is_time(inside)
        {
            return before.trim_end();
        }
    }
    match name.rsplit_once(' ') {
        Some((before, last)) if is_time(last) => before.trim_end(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_listed() {
        let check = |line: &str, mark: Mark, name: &str| {
            let found =
                listed(line.trim()).unwrap_or(Listed { mark: Mark::Skipped, name: "nothing", note: "" });
            assert_eq!((found.mark, found.name), (mark, name), "{line}");
        };
        check("test tests::adds ... FAILED", Mark::Failed, "tests::adds");
        check("test tests::must - should panic ... ok", Mark::Passed, "tests::must");
        check("test a::b ... ignored, needs a network", Mark::Skipped, "a::b");
        check("test src/lib.rs - add (line 3) ... ok", Mark::Passed, "src/lib.rs - add (line 3)");
        check("        PASS [   0.004s] (5/7) sample tests::ok", Mark::Passed, "tests::ok");
        check("  TRY 2 FAIL [   0.004s] sample tests::ok", Mark::Failed, "tests::ok");
        check("     SIGABRT [   0.004s] sample tests::ok", Mark::Failed, "tests::ok");
        check("test_a.py::test_b[x y] PASSED      [ 28%]", Mark::Passed, "test_a.py::test_b[x y]");
        check("[gw3] [ 28%] FAILED test_a.py::test_b", Mark::Failed, "test_a.py::test_b");
        check("FAILED test_a.py::C::test_b - assert 1 == 2", Mark::Failed, "test_a.py::C::test_b");
        check("test_ok (mod.T.test_ok) ... ok", Mark::Passed, "test_ok (mod.T.test_ok)");
        check("    ✓ adds two (3 ms)", Mark::Passed, "adds two");
        check(" ✓ a.spec.ts > math > adds 1.5 to 2 12ms", Mark::Passed, "a.spec.ts > math > adds 1.5 to 2");
        check(" × a.spec.ts > math", Mark::Failed, "a.spec.ts > math");
        check("  ✖ adds two (1.534613ms)", Mark::Failed, "adds two");
        check("    not ok 1 - adds two", Mark::Failed, "adds two");
        check("ok 2 - later # SKIP no network", Mark::Skipped, "later");
        check("--- PASS: TestX/sub_1 (0.00s)", Mark::Passed, "TestX/sub_1");
        check("[       OK ] Suite.Name (0 ms)", Mark::Passed, "Suite.Name");
        check("[  FAILED  ] Suite/P.Name/0, where GetParam() = 3 (0 ms)", Mark::Failed, "Suite/P.Name/0");
        check("2/3 Test #2: parse_it ......***Failed    0.01 sec", Mark::Failed, "parse_it");
        check("1/3 Test #1: run_it ......   Passed    0.01 sec", Mark::Passed, "run_it");
        check("FooTest > bar(int)[1] FAILED", Mark::Failed, "FooTest > bar(int)[1]");
        check("  Failed Ns.Class.Method(a: 1) [< 1 ms]", Mark::Failed, "Ns.Class.Method(a: 1)");
        check("[xUnit.net 00:00:01.22]     Ns.Class.Method [FAIL]", Mark::Failed, "Ns.Class.Method");
        check("TestFoo#test_bar = 0.00 s = F", Mark::Failed, "TestFoo#test_bar");
        check("(pass) math > adds [0.12ms]", Mark::Passed, "math > adds");
        check("PASS src/a.test.js", Mark::Passed, "src/a.test.js");
        check("rspec ./spec/a_spec.rb:5 # Thing adds", Mark::Failed, "Thing adds");
        check("[ok]: SET and GET an item (1 ms)", Mark::Passed, "SET and GET an item");
        check("[err]: Time is kept in tests/unit/expire.tcl", Mark::Failed, "Time is kept");
        check("[ERROR]   FooTest.adds:4 expected: <3> but was: <1>", Mark::Failed, "FooTest.adds");
        check("FAIL: check_parser", Mark::Failed, "check_parser");
    }

    #[test]
    fn other_lines_list_nothing() {
        for line in [
            "",
            "running 3 tests",
            "test result: FAILED. 1 passed; 6 failed; 0 ignored",
            "✖ 3 problems (3 errors, 0 warnings)",
            "✖ failing tests:",
            "[  FAILED  ] 1 test, listed below:",
            "[ERROR] Failures:",
            "FAILED (failures=3, errors=1)",
            "Failed to open the file",
            "ERROR in the parser",
            "ok  \texample.com/x\t0.01s",
            "FAIL\texample.com/x\t0.01s",
            "Downloading things ... please wait",
            "let x = 3 = y",
        ] {
            assert_eq!(listed(line), None, "{line}");
        }
    }
}
