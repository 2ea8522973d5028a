//! Owns what of a failure's block is worth telling: its place and its few telling lines.
//! Uses the lines of the block.
//! Never words anything anew: white space may be joined, the rest stays as it was.

use std::sync::LazyLock;

use regex::Regex;

use super::lines::Line;

/// A message is this long at most, in bytes: about 80 tokens, so that a dozen failures fit 1,000 tokens.
const MESSAGE: usize = 320;
/// Lines of a message, and bytes of one of them.
const LINES: usize = 8;
const LINE: usize = 160;
/// Lines of a block that are looked at.
const BODY: usize = 400;

/// `src/lib.rs:12`, `File "a.py", line 3`, `a.cs:line 3`, `Foo.java:[3,5]`, `a.ts(3,5)`.
static PLACE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?x)
        File\ "([^"]+)",\ line\ (\d+)
        | ((?:[A-Za-z]:[\\/])?[\w@./\\+\-\[\]]*\w\.\w{1,8})
          (?: :line\ (\d+) | :\[?(\d+) | \ line\ (\d+) | \ (\d+):\d+\b | \((\d+)(?:,\d+)*\): )
        "#,
    )
    .ok()
});

/// What a block says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) place: Option<String>,
    pub(super) message: String,
    /// Whether it says what went wrong, and not only that something did.
    pub(super) telling: bool,
}

/// The first place a line names, as `path:line`.
pub(super) fn place_in(line: &str) -> Option<String> {
    spot_in(line).map(|(place, _)| place)
}

/// The first place a line names, as `path:line` and as the line words it, with its column where it has one.
fn spot_in(line: &str) -> Option<(String, &str)> {
    if !line.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let line = line.split_once("file://").map_or(line, |(_, rest)| rest);
    PLACE.as_ref()?.captures_iter(line).find_map(|captures| {
        let (path, number) = match (captures.get(1), captures.get(3)) {
            (Some(path), _) => (path, captures.get(2)?.as_str()),
            (None, path) => (path?, (4..=8).find_map(|group| captures.get(group))?.as_str()),
        };
        let (whole, mut from) = (captures.get(0)?, path.start());
        // `[test/x.rb:9]` is a place in brackets, `app/[id]/page.tsx` has them in its name.
        let path = match path.as_str().rfind('[') {
            Some(at) if !path.as_str()[at..].contains(']') => {
                from += at + 1;
                &path.as_str()[at + 1..]
            }
            _ => path.as_str(),
        };
        let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
        // `1.5:3` and `0.0.0.0:80` are no files.
        let file = name.chars().any(char::is_alphabetic)
            && !name
                .rsplit('.')
                .next()
                .is_some_and(|suffix| suffix.bytes().all(|byte| byte.is_ascii_digit()));
        let from = if captures.get(1).is_some() { whole.start() } else { from };
        let rest = &line[whole.end()..];
        let column = rest.strip_prefix(':').map_or(0, |rest| {
            let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
            if digits > 0 { digits + 1 } else { 0 }
        });
        (file && !path.contains("//")).then(|| {
            (format!("{}:{number}", path.trim_start_matches("./")), &line[from..whole.end() + column])
        })
    })
}

/// A line that begins with a place, and what it says of it: `a.py:7: in test_add`, `/srv/a.py:7: assert 1 == 2`.
pub(super) fn hint(line: &str) -> Option<(String, String)> {
    let (before, said) = line.split_once(": ")?;
    let (path, number) = before.rsplit_once(':')?;
    let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (numbered && path.contains('.') && !path.contains(' '))
        .then(|| (before.to_owned(), said.trim().to_owned()))
}

/// Frames of libraries and runtimes: the failing code is elsewhere.
fn is_foreign(line: &str) -> bool {
    const FOREIGN: &[&str] = &[
        "node_modules/",
        "site-packages/",
        "dist-packages/",
        "node:",
        "internal/",
        "/rustc/",
        "<frozen",
        "/lib/python",
        "java.base/",
        "org.junit",
        "org.opentest4j",
        "jdk.internal",
        "/usr/lib",
        "/usr/local/go/",
        "vendor/bundle",
        "/gems/",
        "/vendor/",
        "org.gradle",
        "org.apache.maven",
        "sun.reflect",
        "java.lang.reflect",
        "/.cargo/registry",
        "_bootstrap",
        "phpunit",
    ];
    FOREIGN.iter().any(|foreign| line.contains(foreign))
}

/// Lines that say nothing of what went wrong: frames, rulers, echoes of source, advice.
fn is_noise(line: &str) -> bool {
    const STARTS: &[&str] = &[
        "at ",
        "stack backtrace",
        "note: run with",
        "note: Some details",
        "running ",
        "failures:",
        "test result:",
        "Traceback ",
        "File \"",
        "stdout ",
        "stderr ",
        "Stack Trace:",
        "Error Message:",
        "Error Trace:",
        "goroutine ",
        "# ./",
        "# /",
        "❯ ",
        "|",
        "~",
        "^",
        "...",
        "---",
        "===",
        "⎯",
        "───",
        "info: ",
        "Stack:",
        "stack:",
        "duration_ms:",
        "failureType:",
        "code: 'ERR",
        "operator:",
        "type:",
        "generatedMessage:",
        "name: '",
        "help: ",
        "=== ",
        "created by ",
        "exit status",
        "[exit",
        "Captured ",
        "# Subtest",
        "TestContext.",
        "async ",
        "new Promise",
        "Test.",
        "Suite.",
        "Array.map",
        "node:",
        "new SafePromise",
        "Promise.all",
        "process.",
    ];
    let digits = line.trim_start_matches(|character: char| character.is_ascii_digit());
    let numbered = digits.len() < line.len();
    STARTS.iter().any(|start| line.starts_with(start))
        // Echoes of source with line numbers, frames of a backtrace.
        || (numbered && (digits.trim_start().starts_with('|') || digits.starts_with(": ")))
        || (line.starts_with("> ") && line[2..].trim_start().starts_with(|character: char| character.is_ascii_digit()))
        || (line.starts_with("test ") && line.contains(" ... "))
        || line.bytes().all(|byte| b"=-_~^*#+ |.{}()[],;".contains(&byte))
}

/// Lines that say what went wrong, or with which values.
pub(super) fn is_telling(line: &str) -> bool {
    const WORDS: &[&str] = &[
        "assert",
        "expected",
        "actual",
        "received",
        " got",
        "got:",
        "want",
        "left:",
        "right:",
        "left =",
        "right =",
        "error",
        "panicked",
        "exception",
        "failed",
        "failure",
        "mismatch",
        " is not ",
        "not equal",
        "should ",
        "unexpected",
        "undefined",
        "cannot ",
        "timed out",
        "timeout",
        "missing",
        "invalid",
        "but was",
        "!=",
        "no such",
        "nil pointer",
        "out of range",
        "segmentation",
        "overflow",
        "deadlock",
        "did not",
        "does not",
        "unable",
    ];
    let lower = line.to_lowercase();
    line.starts_with("E ")
        || line.starts_with("got")
        || line.starts_with("+ ")
        || line.starts_with("- ")
        || WORDS.iter().any(|word| lower.contains(word))
}

/// What the lines of a block tell.
pub(super) fn tell(body: &[Line]) -> Told {
    let body = &body[..body.len().min(BODY)];
    let python = body.iter().any(|line| {
        line.text.starts_with("E  ") || line.text.starts_with("E ") || line.trimmed().starts_with("File \"")
    });
    // The asserting lines of pytest stand among the source of the whole function.
    let marked = body.iter().any(|line| line.text.starts_with("E "));
    let mut told = Told::default();
    let mut spot = "";
    let mut trace = false;
    let mut echoed = false;
    let mut kept: Vec<(&str, bool)> = Vec::new();
    for line in body {
        let text = line.trimmed();
        // Who panicked is the test itself.
        let text = match text.find("panicked at ") {
            Some(at) if text.starts_with("thread '") => &text[at..],
            _ => text,
        };
        if text.is_empty() {
            echoed = false;
            // What stands before, and apart, is the test's own output.
            if !kept.iter().any(|(_, telling)| *telling) {
                kept.clear();
            }
            continue;
        }
        if text.starts_with("stack backtrace") || text.starts_with("goroutine ") {
            trace = true;
        }
        if !is_foreign(text) {
            let own = spot_in(text);
            // Python's deepest frame is the last one; a line with the place at its beginning says where it was raised.
            let better = told.place.is_none() || python && !trace;
            if let Some(own) = own
                && better
            {
                (told.place, spot) = (Some(own.0), own.1);
            }
        }
        // What follows a place in a Python traceback is the source of that line, however it looks.
        let echo = std::mem::replace(&mut echoed, text.starts_with("File \""));
        if trace || echo || is_noise(text) {
            continue;
        }
        let placed = text.strip_suffix(|character: char| character.is_alphanumeric()).is_some()
            && place_in(text).is_some_and(|place| text.starts_with(&place));
        if marked && !line.text.starts_with("E ") && !placed {
            continue;
        }
        let value = text.starts_with(['+', '-']) || text.starts_with("E  ") || text.contains(": ");
        kept.push((text, is_telling(text) || placed || (value && kept.iter().any(|(_, telling)| *telling))));
    }
    told.telling = kept.iter().any(|(_, telling)| *telling);
    let whole: usize = kept.iter().map(|(text, _)| text.len() + 1).sum();
    if told.telling && (kept.len() > LINES || whole > MESSAGE) {
        kept.retain(|(_, telling)| *telling);
    }
    told.message = joined(kept.iter().map(|(text, _)| *text));
    // Where it failed stands first, in the words of the output, unless the message says it.
    if told.telling && !spot.is_empty() && !told.message.contains(spot) {
        let path = told.place.as_deref().unwrap_or_default();
        if !told.message.contains(path) || spot.starts_with(path) {
            told.message = format!("{spot}: {}", told.message);
        }
    }
    told
}

/// Lines as one, with single blanks, as long as a message may be.
pub(super) fn joined<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let mut message = String::new();
    for line in lines.take(LINES) {
        let mut rest = LINE.min(MESSAGE.saturating_sub(message.len()));
        for word in line.split_whitespace() {
            if word.len() + 1 > rest {
                if rest > 16 && word.len() > LINE / 2 {
                    message.push(' ');
                    message.push_str(&word[..word.floor_char_boundary(rest - 4)]);
                }
                message.push('…');
                break;
            }
            if !message.is_empty() {
                message.push(' ');
            }
            message.push_str(word);
            rest -= word.len() + 1;
        }
        if message.len() >= MESSAGE - 8 {
            break;
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;

    #[test]
    fn places() {
        let check = |line: &str, expect: &str| {
            assert_eq!(place_in(line).unwrap_or_default(), expect, "{line}");
        };
        check("thread 'a' (12) panicked at src/lib.rs:8:22:", "src/lib.rs:8");
        check("  File \"/srv/a b/x.py\", line 7, in test", "/srv/a b/x.py:7");
        check("      at Object.toBe (je/a.test.js:3:57)", "je/a.test.js:3");
        check(" ❯ vi/b.spec.ts:4:57", "vi/b.spec.ts:4");
        check("    x_test.go:12: got 1, want 2", "x_test.go:12");
        check("\tat com.x.FooTest.bar(FooTest.java:12)", "FooTest.java:12");
        check("   at Ns.C.M() in /srv/X.cs:line 12", "/srv/X.cs:12");
        check("[ERROR] /srv/Foo.java:[12,5] cannot find symbol", "/srv/Foo.java:12");
        check("t.ts(1,7): error TS2322: no", "t.ts:1");
        check("     # ./spec/x_spec.rb:5:in `block'", "spec/x_spec.rb:5");
        check("#   at t/x.t line 5.", "t/x.t:5");
        check("listening at 127.0.0.1:8080, took 1.5:3", "");
        check("http://example.com:80/x", "");
        check("TestCalc#test_add [test/test_calc.rb:9]:", "test/test_calc.rb:9");
        check("    at file:///srv/app/calc_test.ts:4:3", "/srv/app/calc_test.ts:4");
        check("app/[id]/page.test.tsx:9:3", "app/[id]/page.test.tsx:9");
        check("  test/calc_test.dart 6:5    main.<fn>", "test/calc_test.dart:6");
        check("expect(calc.add(1, 2)).to eq(3)", "");
        check("nothing here", "");
    }

    #[test]
    fn messages_are_short_and_verbatim() {
        let check =
            |block: &str, expect: &str| assert_eq!(tell(&lines::of(block)).message, expect, "{block}");
        check(
            "\na.rs:3: assertion failed: `(left == right)`\n  left: 1\n right: 2\n\n",
            "a.rs:3: assertion failed: `(left == right)` left: 1 right: 2",
        );
        check("", "");
        check("some output\nnote: run with `RUST_BACKTRACE=1`\n", "some output");
        let long = "x".repeat(5_000);
        let told = tell(&lines::of(&format!("left: {long}\nright: {long}\n"))).message;
        assert!(told.len() < MESSAGE + 16 && told.starts_with("left: xxx"), "{told}");
        let noisy = format!("{}expected: 3\n  actual: 4\n", "progress of it\n".repeat(300));
        check(&noisy, "expected: 3 actual: 4");
    }
}
