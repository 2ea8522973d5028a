//! Owns where the block of a failing test begins and ends, in the formats of the usual test runners.
//! Uses the lines of an output.
//! Never looks further back or ahead than a block may be long.

use super::lines::Line;
use super::listing::{self, Mark};
use super::{message, tally};

/// Lines of one block.
const LONGEST: usize = 400;
/// Lines of a block that nothing but the next one ends.
const SHORT: usize = 80;

/// How a block ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// At the next test that ran: nextest, which shows all that the harness of one test says.
    Ran,
    /// At the next block or heading: cargo, pytest, unittest, jest, vitest, dotnet.
    Headed,
    /// The same, but not longer than a screen or two: what is numbered may be a list of anything.
    Numbered,
    /// With the lines that are indented deeper than its first one: go, gradle, node.
    Indented(usize),
    /// At a blank line or one with a mark of its own: surefire, panics, anything else.
    Paragraph,
    /// With its YAML block, or its comments: TAP.
    Tap(usize),
}

/// A block's first line.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) name: String,
    pub(super) style: Style,
    /// The first line of what it says.
    pub(super) body: usize,
    /// Whether its form alone says that a test failed; otherwise its words have to.
    pub(super) sure: bool,
}

/// Whether a block begins at line `at`.
pub(super) fn opening(lines: &[Line], at: usize) -> Option<Opening> {
    let line = &lines[at];
    let text = line.trimmed();
    let open = |name: &str, style: Style, body: usize, sure: bool| {
        let name = name.trim();
        (!name.is_empty() && name.len() < 400).then(|| Opening { name: name.to_owned(), style, body, sure })
    };
    let first = text.as_bytes().first()?;
    match first {
        b'-' => {
            if let Some(rest) = text.strip_prefix("--- FAIL: ") {
                return open(listing::without_duration(rest), Style::Indented(line.indent()), at + 1, true);
            }
            for stream in ["--- STDOUT:", "--- STDERR:"] {
                if let Some(rest) = text.strip_prefix(stream) {
                    let name = rest.trim_end_matches(['-', ' ']).rsplit(' ').next()?;
                    return open(name, Style::Headed, at + 1, true);
                }
            }
            let (name, sure) = ruled(text, '-')?;
            open(name, Style::Headed, at + 1, sure)
        }
        b'_' => {
            let name = ruled(text, '_')?.0;
            let name = name.strip_prefix("ERROR at setup of ").unwrap_or(name);
            let name = name.strip_prefix("ERROR at teardown of ").unwrap_or(name);
            let name = name.strip_prefix("ERROR collecting ").unwrap_or(name);
            let ruler = name.bytes().all(|byte| byte == b'_' || byte == b' ');
            if ruler { None } else { open(name, Style::Headed, at + 1, true) }
        }
        b'=' => {
            let next = lines.get(at + 1)?.trimmed();
            if text.len() < 30 || !text.bytes().all(|byte| byte == b'=') {
                return None;
            }
            let name = next.strip_prefix("FAIL: ").or_else(|| next.strip_prefix("ERROR: "))?;
            let dashes = lines[at + 2..].iter().take(4).position(|line| line.text.starts_with("-----"));
            open(name, Style::Headed, at + 2 + dashes.map_or(0, |dashes| dashes + 1), true)
        }
        b'F' | b'T' | b'S' | b'A' => word(lines, at),
        b'[' if text.starts_with("[err]: ") => open(listing::listed(text)?.name, Style::Headed, at + 1, true),
        b'[' => surefire(lines, at),
        b'n' => {
            let rest = text.strip_prefix("not ok ")?;
            let found = listing::listed(text).filter(|found| found.mark == Mark::Failed)?;
            let told = lines.get(at + 1).is_some_and(|next| {
                next.trimmed().starts_with('#') || (next.trimmed() == "---" && next.indent() > line.indent())
            });
            (told && !rest.is_empty())
                .then(|| open(found.name, Style::Tap(line.indent()), at + 1, true))
                .flatten()
        }
        b't' => {
            let rest = text.strip_prefix("thread '")?;
            let (name, rest) = rest.split_once('\'')?;
            let own = rest.contains(" panicked at ") && name.contains("::") | name.contains('_');
            own.then(|| open(name, Style::Paragraph, at, true)).flatten()
        }
        b'0'..=b'9' if text.contains("***") => {
            let found = listing::listed(text).filter(|found| found.mark == Mark::Failed)?;
            open(found.name, Style::Paragraph, at + 1, false)
        }
        b'0'..=b'9' if text.ends_with(" [E]") => {
            let name = text.split_once(": ")?.1.trim_end_matches(" [E]");
            open(name, Style::Indented(line.indent()), at + 1, true)
        }
        b'0'..=b'9' => numbered(lines, at),
        _ if text.starts_with('●') => {
            let name = text.trim_start_matches('●').trim();
            let console = matches!(name, "Console" | "Cannot log after tests are done.");
            if console { None } else { open(name, Style::Headed, at + 1, false) }
        }
        _ if text.ends_with(": FAILED:") => {
            // Catch2 writes the test's name between rulers, above.
            let ruler = |line: &&Line| line.text.len() > 40 && line.text.bytes().all(|byte| byte == b'-');
            let above = lines[at.saturating_sub(12)..at].iter().rposition(|line| ruler(&line));
            let above = above.map(|above| at.saturating_sub(12) + above);
            let named = above.and_then(|above| {
                lines[above.saturating_sub(6)..above].iter().rev().take_while(|line| !ruler(line)).last()
            });
            open(named.map_or(text, Line::trimmed), Style::Paragraph, at, true)
        }
        _ if text.contains(" => ")
            && lines.get(at + 1).is_some_and(|next| next.text.starts_with("error: ")) =>
        {
            open(text.split(" => ").next()?, Style::Headed, at + 1, true)
        }
        _ if !text.is_ascii() || text.ends_with(" FAILED") => {
            let found = listing::listed(text).filter(|found| found.mark == Mark::Failed)?;
            let next = lines[at + 1..].iter().take(2).find(|line| !line.is_blank())?;
            let deeper = next.indent() > line.indent() && listing::listed(next.trimmed()).is_none();
            deeper.then(|| open(found.name, Style::Indented(line.indent()), at + 1, false)).flatten()
        }
        _ => surefire(lines, at).or_else(|| text.contains(" FAILED").then(|| gradle(lines, at)).flatten()),
    }
}

/// `---- name stdout ----`, `____ name ____`: the name, and whether nothing else looks like that.
fn ruled(text: &str, rule: char) -> Option<(&str, bool)> {
    let inside = text.trim_matches(rule);
    let (left, right) = (text.find(inside)?, text.len() - text.rfind(inside)? - inside.len());
    if inside.is_empty() || left < 3 || right < 3 || !inside.starts_with(' ') || !inside.ends_with(' ') {
        return None;
    }
    let name = inside.trim();
    let cargo = name.strip_suffix(" stdout").or_else(|| name.strip_suffix(" stderr"));
    if name.starts_with("Captured ") || name.starts_with("generated ") || name.starts_with("coverage") {
        return None;
    }
    Some((cargo.unwrap_or(name), cargo.is_some() || rule == '_'))
}

/// Blocks that begin with a word: `FAIL [ 0.1s] crate test`, ` FAIL  a.spec.ts > name`, `Failed Ns.Class.Method [1 ms]`.
fn word(lines: &[Line], at: usize) -> Option<Opening> {
    let line = &lines[at];
    let text = line.trimmed();
    let open = |name: &str, style: Style, sure: bool| {
        (!name.is_empty() && name.len() < 400).then(|| Opening {
            name: name.to_owned(),
            style,
            body: at + 1,
            sure,
        })
    };
    if let Some(found) = listing::listed(text) {
        if found.mark != Mark::Failed {
            return None;
        }
        if text.starts_with("Failed ")
            || text.contains('[') && !text.contains("::test") && !text.contains(" - ")
        {
            let style = if text.starts_with("Failed ") { Style::Headed } else { Style::Ran };
            return open(found.name, style, false);
        }
        if text.ends_with(" FAILED") {
            return gradle(lines, at);
        }
        return None;
    }
    if text.ends_with(" FAILED") {
        return gradle(lines, at);
    }
    if text.contains("<<< ") {
        return surefire(lines, at);
    }
    let rest = text.strip_prefix("FAIL").or_else(|| text.strip_prefix("Failure"))?;
    let rest = rest.strip_prefix("ED").unwrap_or(rest);
    if !rest.starts_with([' ', ':']) {
        return None;
    }
    let name = rest.trim_start_matches([' ', ':']).trim();
    // `FAIL  a.test.js` alone heads a list; what failed in it follows.
    let heads = !name.contains(" > ")
        && !name.contains('[')
        && !rest.starts_with(':')
        && name.contains('.')
        && !name.contains(' ');
    let named = name.starts_with(|character: char| {
        character.is_alphanumeric() || matches!(character, '_' | '[' | '"' | '`' | '\'' | '/' | '.')
    });
    if heads || !named { None } else { open(name, Style::Headed, false) }
}

/// `[ERROR] com.x.FooTest.bar -- Time elapsed: 0.01 s <<< FAILURE!`
fn surefire(lines: &[Line], at: usize) -> Option<Opening> {
    let text = lines[at].trimmed();
    let (before, _) = text.split_once("<<< FAILURE!").or_else(|| text.split_once("<<< ERROR!"))?;
    let before = before.trim_start_matches("[ERROR]").trim();
    if before.starts_with("Tests run:") {
        return None;
    }
    let name = before.split(" -- Time").next()?.split(" Time elapsed").next()?.trim();
    let name = match name.strip_suffix(')').and_then(|name| name.split_once('(')) {
        Some((method, class)) if class.contains('.') && !class.contains(',') => format!("{class}.{method}"),
        _ => name.to_owned(),
    };
    Some(Opening { name, style: Style::Paragraph, body: at + 1, sure: true })
}

/// `ClassTest > method() FAILED`, with deeper lines below it.
fn gradle(lines: &[Line], at: usize) -> Option<Opening> {
    let line = &lines[at];
    let found = listing::listed(line.trimmed()).filter(|found| found.name.contains(" > "))?;
    let next = lines.get(at + 1)?;
    let deeper = next.indent() > line.indent();
    deeper.then(|| Opening {
        name: found.name.to_owned(),
        style: Style::Indented(line.indent()),
        body: at + 1,
        sure: true,
    })
}

/// `1) name`, with the rest of the name or what went wrong on the lines below it: mocha, rspec, minitest, PHPUnit, ExUnit.
fn numbered(lines: &[Line], at: usize) -> Option<Opening> {
    let line = &lines[at];
    let (number, rest) = line.trimmed().split_once(") ")?;
    if number.len() > 5 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Playwright draws a line up to the margin.
    let rest = rest.trim().trim_end_matches('─').trim_end();
    let open = |name: String, body: usize| Some(Opening { name, style: Style::Numbered, body, sure: false });
    if matches!(rest, "Failure:" | "Error:" | "Skipped:") {
        let named = lines.get(at + 1)?.trimmed();
        let name = named.split(" [").next()?.trim_end_matches(':').trim();
        return open(name.to_owned(), at + 1);
    }
    if let Some(name) = rest.strip_suffix(':') {
        return open(name.to_owned(), at + 1);
    }
    let next = lines.get(at + 1)?;
    if rest.contains("::") && !next.is_blank() {
        return open(rest.to_owned(), at + 1);
    }
    let after = lines[at + 1..].iter().take(2).find(|line| !line.is_blank())?;
    if after.indent() <= line.indent() {
        return None;
    }
    // Mocha writes suites and test on lines of their own, each deeper than the one before, the last with a colon.
    let mut name = rest.to_owned();
    let mut indent = line.indent();
    for (offset, line) in lines[at + 1..].iter().take(8).enumerate() {
        if line.is_blank() || line.indent() <= indent {
            break;
        }
        indent = line.indent();
        name.push_str(" > ");
        name.push_str(line.trimmed().trim_end_matches(':'));
        if line.text.ends_with(':') && !line.text.ends_with("Error:") {
            return open(name, at + offset + 2);
        }
    }
    open(rest.to_owned(), at + 1)
}

/// Where the lines begin that a test wrote before it is listed as failed: Go under `-v`, bun.
pub(super) fn before(lines: &[Line], at: usize) -> Option<usize> {
    let go = lines[at].text.starts_with("--- ");
    let mut from = at;
    while from > 0 && at - from < SHORT {
        let text = lines[from - 1].trimmed();
        if go && ["=== RUN", "=== CONT", "=== NAME"].iter().any(|start| text.starts_with(start)) {
            return Some(from);
        }
        if !text.is_empty() && (listing::listed(text).is_some() || is_heading(lines, from - 1)) {
            break;
        }
        from -= 1;
    }
    let told = !go && lines[from..at].iter().any(|line| line.text.starts_with("error: "));
    told.then_some(from)
}

/// The end of a block, exclusive.
pub(super) fn end(lines: &[Line], at: usize, own: &Opening) -> usize {
    let most = match own.style {
        Style::Numbered => SHORT,
        _ => LONGEST,
    };
    let last = lines.len().min(own.body + most);
    let mut end = own.body.max(at + 1);
    while end < last {
        let line = &lines[end];
        let over = match own.style {
            Style::Ran => {
                line.text.starts_with("────")
                    || line.text.contains('[') && listing::listed(line.trimmed()).is_some()
            }
            Style::Headed | Style::Numbered => {
                is_heading(lines, end)
                    || self::opening(lines, end).is_some_and(|next| {
                        let panic = next.style == Style::Paragraph && line.trimmed().starts_with("thread '");
                        !panic
                    })
            }
            Style::Indented(indent) => {
                let panics = line.text.starts_with("panic: ") || line.text.starts_with("\tpanic: ");
                if panics {
                    // A Go test that panics takes the program with it; what it says is not indented.
                    let length =
                        lines[end..].iter().take(SHORT).position(|line| line.text.starts_with("FAIL\t"));
                    return length.map_or((end + SHORT).min(lines.len()), |length| end + length);
                }
                !line.is_blank() && line.indent() <= indent
                    || line.trimmed().starts_with("--- ")
                    || is_heading(lines, end)
            }
            Style::Paragraph => {
                line.is_blank() || line.text.starts_with("[INFO]") || line.text.starts_with("[ERROR]")
            }
            Style::Tap(indent) => {
                let comment = line.trimmed().starts_with('#') && !line.trimmed().starts_with("# Subtest");
                let yaml = line.indent() > indent || line.is_blank();
                !(comment || yaml) || listing::listed(line.trimmed()).is_some()
            }
        };
        if over {
            break;
        }
        end += 1;
    }
    // Blank lines at the end belong to nobody.
    while end > own.body && end > at + 1 && lines[end - 1].is_blank() {
        end -= 1;
    }
    end
}

/// Lines that end what came before: summaries and titles.
fn is_heading(lines: &[Line], at: usize) -> bool {
    const STARTS: &[&str] = &[
        "failures:",
        "test result:",
        "Test Suites:",
        "Tests:",
        "Test Files",
        "⎯⎯",
        "────",
        "Summary [",
        "Finished in ",
        "Failed examples:",
        "FAILURES!",
        "ERRORS!",
        "BUILD FAILED",
        "* What went wrong",
        "exit code ",
        "FAIL\t",
        "ok  \t",
        "PASS [",
        "SLOW [",
        "test at ",
        "Failed Tests",
        "Captured ",
        "-- Docs: ",
        "Results:",
        "Ran all ",
    ];
    let text = lines[at].trimmed();
    if text.is_empty() {
        return false;
    }
    let ruler = matches!(text, "FAILURES" | "ERRORS")
        || text.starts_with("=====")
        || text.starts_with("-----") && text.contains(" Captured ");
    let counted = || {
        (at == 0 || lines[at - 1].is_blank() || lines[at - 1].text.starts_with("-----"))
            && tally::is_summary(text)
    };
    let listed = || {
        listing::listed(text).is_some_and(|listed| listed.mark == Mark::Passed) && !message::is_telling(text)
    };
    ruler || STARTS.iter().any(|start| text.starts_with(start)) || counted() || listed()
}
