//! Owns which tests an output says failed, where, and with which message; and how many passed.
//! Uses nothing but the text, whichever runner wrote it.
//! Never looks at more than the head and the tail of a huge output, and never tells more than [`MOST`] failures.

mod blocks;
mod errors;
mod lines;
mod listing;
mod message;
mod tally;
#[cfg(test)]
mod tests;

use std::ops::Range;

use self::lines::Line;
use self::listing::{Listed, Mark};

/// Failures of one output: whoever has more fixes the first ones first.
const MOST: usize = 50;
/// Names of passed tests that are kept of one output.
const MOST_PASSED: usize = 100_000;

/// Panics that are looked at: each costs a look at the lines below it.
const MOST_PANICS: usize = 1_000;

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// A test.
    Test,
    /// A compiler or an interpreter stopped.
    Error,
}

/// A test that failed, or an error that kept tests from running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestFailure {
    /// Which of the two.
    pub kind: FailureKind,
    /// The test as the block about it names it; of an error its place, or its first words.
    pub name: String,
    /// The longest name the output has for it, with module, file or class.
    pub full_name: String,
    /// The line that says that it failed, with single blanks, where there is one: a list's, or the title of its block.
    pub line: String,
    /// `path:line`, where it is given.
    pub place: Option<String>,
    /// The telling lines, verbatim but for white space; empty when the output only lists the test.
    pub message: String,
    /// Where the block stands in the output, in bytes.
    pub range: Range<usize>,
}

/// How many tests there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Passed.
    pub passed: usize,
    /// Failed, or ended with an error.
    pub failed: usize,
    /// Skipped, ignored or pending.
    pub skipped: usize,
}

/// All that an output says of tests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What failed, in the order of the output.
    pub failures: Vec<TestFailure>,
    /// The count of the runner.
    pub tally: Option<Tally>,
    /// The line, or the lines, in which the runner says so.
    pub summary: String,
    /// Tests, files and packages that are listed as passed, normalized by [`normal_name`].
    pub passed: Vec<String>,
}

/// What failed, by an output.
#[must_use]
pub fn failures(output: &str) -> Vec<TestFailure> {
    report(output).failures
}

/// The runner's own count of tests.
#[must_use]
pub fn tally(output: &str) -> Option<Tally> {
    tally::tally(&lines::of(output)).map(|(tally, _)| tally)
}

/// A test's name in a form in which the names of all runners can be compared: words with single blanks between.
#[must_use]
pub fn normal_name(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for word in name.split(|character: char| {
        character.is_whitespace()
            || matches!(character, ':' | '>' | '›' | '.' | '#' | '/' | '\\' | '(' | ')' | '-' | '$')
    }) {
        if !word.is_empty() {
            if !normal.is_empty() {
                normal.push(' ');
            }
            normal.push_str(word);
        }
    }
    normal
}

/// Whether two normalized names are of one test: equal, or one is the other without its module or file.
#[must_use]
pub fn same_test(one: &str, two: &str) -> bool {
    let (short, long) = if one.len() <= two.len() { (one, two) } else { (two, one) };
    !short.is_empty()
        && long.strip_suffix(short).is_some_and(|before| before.is_empty() || before.ends_with(' '))
}

/// All that an output says of tests. Linear in its length, and bounded for a huge one.
#[must_use]
pub fn report(output: &str) -> Report {
    let lines = lines::of(output);
    let (tally, summary) = tally::tally(&lines).unzip();
    let summary = summary.unwrap_or_default();
    let mut found = Found::default();
    let mut listed: Vec<(Listed<'_>, &Line<'_>)> = Vec::new();
    let mut passed = Vec::new();
    let mut running: Option<(String, usize)> = None;
    let mut hints: Vec<(String, String)> = Vec::new();
    let mut panics = 0;
    let mut at = 0;
    while at < lines.len() {
        let line = &lines[at];
        let text = line.trimmed();
        if text.is_empty() {
            at += 1;
            continue;
        }
        if let Some(name) = text.strip_prefix("[ RUN      ] ") {
            running = Some((name.to_owned(), at));
        }
        if let Some(one) = listing::listed(text) {
            match one.mark {
                Mark::Passed if passed.len() < MOST_PASSED => {
                    passed.push(normal_name(file_of_list(one.name)))
                }
                Mark::Failed => {
                    if let Some((name, from)) = running.take().filter(|(name, _)| name == one.name) {
                        found.add_block(&lines, from + 1, at, from..at + 1, &name, true);
                    } else if ["--- FAIL: ", "✗ ", "(fail) "].iter().any(|mark| line.text.starts_with(mark))
                    {
                        // What it said stands above its name, unless it stands below.
                        let below = blocks::opening(&lines, at).is_some_and(|opening| {
                            let end = blocks::end(&lines, at, &opening);
                            message::tell(&lines[opening.body.min(end)..end]).telling
                        });
                        let above = if below { None } else { blocks::before(&lines, at) };
                        let told = above.is_some_and(|from| {
                            found.add_block(&lines, from, at, from..at + 1, one.name, false)
                        });
                        if told {
                            at += 1;
                            continue;
                        }
                        listed.push((one, line));
                    } else if listed.len() < 4 * MOST {
                        listed.push((one, line));
                    }
                }
                _ => {}
            }
        }
        if let Some(hint) = message::hint(&line.text)
            && hints.len() < 4 * MOST
        {
            hints.push(hint);
        }
        if found.failures.len() < MOST {
            if let Some(opening) = blocks::opening(&lines, at) {
                let end = blocks::end(&lines, at, &opening);
                if found.add_block(&lines, opening.body, end, at..end, &opening.name, opening.sure) {
                    // The lists that nextest prints of what it ran stay in sight.
                    at = end.max(at + 1);
                    continue;
                }
            } else if errors::is_panic(&line.text) && {
                panics += 1;
                panics > MOST_PANICS
            } {
                at += 1;
                continue;
            } else if let Some(error) = errors::error_at(&lines, at) {
                found.add_error(&lines, at, error);
                at = found.next.max(at + 1);
                continue;
            }
        }
        at += 1;
    }
    found.add_listed(listed, tally);
    found.place(&hints);
    Report { failures: found.failures, tally, summary, passed }
}

/// Whether a title says that a test failed, and not only its name.
fn says_failed(title: &str) -> bool {
    ["FAIL", "ERROR: ", "--- FAIL", "[ FAILED ]", "●"].iter().any(|start| title.starts_with(start))
}

fn single_blanks(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `a.spec.ts (4 tests)` names the file.
fn file_of_list(name: &str) -> &str {
    match name.split_once(" (") {
        Some((file, rest)) if rest.contains("test") => file,
        _ => name,
    }
}

/// What was found so far.
#[derive(Default)]
struct Found {
    failures: Vec<TestFailure>,
    /// Normalized full names, and whether the message tells anything, of each.
    names: Vec<(String, bool)>,
    next: usize,
}

impl Found {
    /// Take in a block, if it is one.
    fn add_block(
        &mut self,
        lines: &[Line],
        body: usize,
        end: usize,
        block: Range<usize>,
        name: &str,
        sure: bool,
    ) -> bool {
        let told = message::tell(lines.get(body..end).unwrap_or_default());
        if !sure && !told.telling {
            return false;
        }
        // The suite around a failing test fails with it; that says nothing.
        if told.message.contains("subtestsFailed") || told.message.contains("subtest failed") {
            return true;
        }
        let range = lines[block.start].start..lines[block.end.max(block.start + 1) - 1].end;
        let normal = normal_name(name);
        if let Some(known) = self.names.iter().position(|(known, _)| same_test(known, &normal)) {
            let equal = self.names[known].0 == normal;
            let failure = &mut self.failures[known];
            // `adds` and `math > adds` are two tests where both were told in full; else one of the two is a list.
            let repeated = equal
                || !self.names[known].1
                || !told.telling
                || failure.message == told.message
                || failure.place == told.place;
            if repeated {
                if told.telling && (!self.names[known].1 || told.message.len() > failure.message.len()) {
                    failure.message = told.message;
                    failure.place = told.place.or(failure.place.take());
                    failure.range = range;
                    self.names[known].1 = true;
                }
                if name.len() > failure.full_name.len() {
                    failure.full_name = name.to_owned();
                    self.names[known].0 = normal;
                }
                return true;
            }
        }
        // The title of a block of unittest stands below a ruler.
        let ruler = lines[block.start].text.starts_with("=====");
        let last = single_blanks(&lines[block.end.max(block.start + 1) - 1].text);
        let title = single_blanks(&lines[(block.start + usize::from(ruler)).min(lines.len() - 1)].text);
        // Where a test says it all before it is listed as failed, that is the block's last line.
        let title = if last.starts_with("--- FAIL") || last.starts_with("[ FAILED ]") { last } else { title };
        let counted = title.starts_with(|first: char| first.is_ascii_digit());
        self.names.push((normal, told.telling));
        self.failures.push(TestFailure {
            kind: FailureKind::Test,
            name: name.to_owned(),
            full_name: name.to_owned(),
            line: if says_failed(&title) || counted { title } else { String::new() },
            place: told.place,
            message: told.message,
            range,
        });
        true
    }

    fn add_error(&mut self, lines: &[Line], at: usize, error: errors::Found) {
        self.next = error.end;
        let range = lines[at].start..lines[error.end.clamp(at + 1, lines.len()) - 1].end;
        let name = error
            .place
            .clone()
            .unwrap_or_else(|| error.message.split_whitespace().take(8).collect::<Vec<_>>().join(" "));
        let known = self.failures.iter().any(|known| {
            known.kind == FailureKind::Error && known.message == error.message && known.place == error.place
        });
        if !known {
            self.names.push((String::new(), true));
            self.failures.push(TestFailure {
                kind: FailureKind::Error,
                full_name: name.clone(),
                name,
                line: String::new(),
                place: error.place,
                message: error.message,
                range,
            });
        }
    }

    /// Tests of which nothing but the name and a note is left get the place of a line that says the same.
    fn place(&mut self, hints: &[(String, String)]) {
        for failure in self.failures.iter_mut().filter(|failure| failure.place.is_none()) {
            let name = failure.name.rsplit([':', '.', ' ']).next().unwrap_or(&failure.name);
            let name = name.split('[').next().unwrap_or(name);
            let told = |said: &str| {
                said == failure.message || said.strip_prefix("in ").is_some_and(|inside| inside == name)
            };
            let place =
                hints.iter().find(|(_, said)| !said.is_empty() && told(said)).map(|(place, _)| place.clone());
            failure.place = place;
        }
    }

    /// Tests that are only listed as failed get a place in the report where the runner counted more than were told,
    /// and lend their longer names to those that were.
    fn add_listed(&mut self, listed: Vec<(Listed<'_>, &Line<'_>)>, tally: Option<Tally>) {
        for (Listed { name, note, .. }, line) in listed {
            let name = name.to_owned();
            let normal = normal_name(&name);
            let text = single_blanks(&line.text);
            let matching: Vec<usize> =
                (0..self.names.len()).filter(|known| same_test(&self.names[*known].0, &normal)).collect();
            if let [known, ..] = matching.as_slice() {
                let failure = &mut self.failures[*known];
                if name.len() > failure.full_name.len() {
                    failure.full_name = name;
                    self.names[*known].0 = normal;
                }
                if failure.message.is_empty() {
                    failure.message = message::joined(std::iter::once(note));
                }
                // A mark before a name says less than a title that says so.
                let better = !says_failed(&failure.line) && text.starts_with(|first: char| first.is_ascii());
                if better || failure.line.is_empty() {
                    failure.line = text;
                }
                continue;
            }
            let tests = self.failures.iter().filter(|known| known.kind == FailureKind::Test).count();
            if tests < MOST && tally.is_none_or(|tally| tests < tally.failed) {
                self.names.push((normal, false));
                self.failures.push(TestFailure {
                    kind: FailureKind::Test,
                    full_name: name.clone(),
                    name,
                    line: text,
                    place: None,
                    message: message::joined(std::iter::once(note)),
                    range: line.start..line.end,
                });
            }
        }
        // A Go test whose subtests fail has nothing of its own to say.
        let names: Vec<String> = self.failures.iter().map(|failure| failure.name.clone()).collect();
        self.failures.retain(|failure| {
            let prefix = format!("{}/", failure.name);
            !(failure.message.is_empty() && names.iter().any(|name| name.starts_with(&prefix)))
        });
        self.failures.sort_by_key(|failure| failure.range.start);
    }
}
