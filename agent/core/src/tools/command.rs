//! Owns how commands are run for tools: caps, the spool file, and what is told of the output.
//! Uses `loci_exec`.
//! Never builds a command.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use loci_exec::sandbox::{Level, Overlay};
use loci_exec::{Command, Ended, Output, Program, Size};
use loci_protocol::Location;
use regex::Regex;

use super::watch::Watch;
use super::{Evidence, Outcome, ToolContext, fold, jobs, place};

/// Bytes kept of the head and of the tail of an output.
const KEEP_BYTES: usize = 24 * 1024;
/// Bytes written to the spool file.
const SPOOL_BYTES: u64 = 64 * 1024 * 1024;
/// Lines of the head that the model sees.
const HEAD_LINES: usize = 40;
/// Lines of the tail that the model sees: what failed stands at the end.
const TAIL_LINES: usize = 120;
/// Places an output may name.
const MAX_PLACES: usize = 20;

/// What a command has around it that others do not.
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    /// Where its changes go.
    pub(crate) overlay: Option<Overlay>,
    /// A terminal of this size.
    pub(crate) terminal: Option<Size>,
}

/// Run a command in the project's root, held in as the session is.
///
/// # Errors
/// A sentence for the model when nothing ran.
pub(crate) async fn execute(
    context: &ToolContext,
    program: Program,
    timeout: Duration,
    spool: Option<PathBuf>,
    env: &[(&str, &str)],
    surroundings: Surroundings,
) -> Result<Output, String> {
    let held = context.sandboxing.hold(&context.grants, surroundings.overlay)?;
    let command = Command {
        program,
        cwd: context.workspace.root().to_path_buf(),
        timeout,
        keep_bytes: KEEP_BYTES,
        spool,
        spool_bytes: SPOOL_BYTES,
        env: env.iter().map(|(name, value)| (name.into(), value.into())).collect(),
        keep_env: Vec::new(),
        terminal: surroundings.terminal,
        sandbox: held.sandbox,
    };
    let output = loci_exec::run(command, context.cancel.clone()).await.map_err(|error| error.to_string());
    // The way out closes with the command.
    drop(held.proxy);
    output
}

/// A new file for a whole output.
fn new_spool(context: &ToolContext) -> PathBuf {
    context.spool_dir.join(format!("{}.log", uuid::Uuid::now_v7()))
}

/// Run a shell command and tell how it went.
pub(crate) async fn run_shell(
    context: &ToolContext,
    command: &str,
    timeout: Duration,
    terminal: Option<Size>,
) -> Outcome {
    let spool = new_spool(context);
    let program = Program::Shell(command.to_owned());
    let watch = match Watch::begin(context).await {
        Ok(watch) => watch,
        Err(message) => return Outcome::failed(message),
    };
    let surroundings = Surroundings { overlay: watch.overlay(), terminal };
    let mut outcome = match execute(context, program, timeout, Some(spool.clone()), &[], surroundings).await {
        Ok(output) => tell(context, command, &output, timeout, &spool),
        Err(message) => Outcome::failed(message),
    };
    if !outcome.ok
        && context.sandboxing.level() > Level::None
        && WALLS.iter().any(|wall| outcome.text.contains(wall))
    {
        outcome.text.push_str(WALLED);
    }
    watch.end(context, &mut outcome).await;
    outcome
}

/// What programs say when they run into the sandbox.
const WALLS: [&str; 6] = [
    "Read-only file system",
    "Permission denied",
    "Operation not permitted",
    "Could not resolve host",
    "Network is unreachable",
    "Temporary failure in name resolution",
];
/// What the model must know then: trying it another way leads nowhere.
const WALLED: &str = "\n[Commands run in a sandbox: they write below the project only, not to .git/hooks, .git/config or .loci, \
read no keys, and reach no network but hosts that a rule opens. If this needs more, tell the user.]";

/// Start a shell command beside the conversation; without a `timeout` it runs until it is ended.
pub(crate) fn start_shell(
    context: &ToolContext,
    line: &str,
    timeout: Option<Duration>,
    terminal: Option<Size>,
) -> Outcome {
    // Its changes go to the project as they come, since it has no end to wait for.
    let held = match context.sandboxing.hold(&context.grants, None) {
        Ok(held) => held,
        Err(message) => return Outcome::failed(message),
    };
    let command = Command {
        program: Program::Shell(line.to_owned()),
        cwd: context.workspace.root().to_path_buf(),
        timeout: timeout.unwrap_or(Duration::MAX),
        keep_bytes: KEEP_BYTES,
        spool: Some(new_spool(context)),
        spool_bytes: SPOOL_BYTES,
        env: Vec::new(),
        keep_env: Vec::new(),
        terminal,
        sandbox: held.sandbox,
    };
    match context.background.start(&command, line, Box::new(held.proxy)) {
        Ok(id) => jobs::started(&id, line),
        Err(error) => Outcome::failed(error.to_string()),
    }
}

/// What the model sees of an output.
pub(crate) fn folded(text: &str) -> String {
    fold::head_and_tail(text, HEAD_LINES, TAIL_LINES)
}

/// The output as text, without terminal escapes; what was not kept is said.
pub(crate) fn text_of(output: &Output) -> String {
    let head = String::from_utf8_lossy(&output.head);
    if output.omitted == 0 {
        return fold::plain(&format!("{head}{}", String::from_utf8_lossy(&output.tail)));
    }
    let tail = String::from_utf8_lossy(&output.tail);
    fold::plain(&format!("{head}\n… {} bytes left out …\n{tail}", output.omitted))
}

fn tell(
    context: &ToolContext,
    command: &str,
    output: &Output,
    timeout: Duration,
    spool: &std::path::Path,
) -> Outcome {
    let text = text_of(output);
    let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned();
    let seconds = output.duration.as_secs_f64();
    let (ok, ended, brief) = match output.ended {
        Ended::Code(code) => {
            (code == 0, format!("exit code {code} after {seconds:.1} s"), format!("exit {code}"))
        }
        Ended::Signal(signal) => {
            (false, format!("ended by signal {signal} after {seconds:.1} s"), format!("signal {signal}"))
        }
        Ended::TimedOut => (
            false,
            format!("timed out after {} s; it and everything it started were ended", timeout.as_secs()),
            "timed out".to_owned(),
        ),
        Ended::Cancelled => {
            (false, "cancelled; it and everything it started were ended".into(), "cancelled".into())
        }
    };
    let lines = text.lines().count();
    let folded = folded(&text);
    let partly = output.omitted > 0 || lines > HEAD_LINES + TAIL_LINES + 1;
    let mut told = if folded.is_empty() { "(no output)\n".to_owned() } else { format!("{folded}\n") };
    if partly {
        told.push_str(&format!("(whole output: {})\n", spool.display()));
    } else {
        // All of it was told: nothing is worth keeping.
        let _ = std::fs::remove_file(spool);
    }
    told.push_str(&ended);
    let with_last = !last.is_empty() && matches!(output.ended, Ended::Code(_) | Ended::Signal(_));
    let mut outcome = Outcome {
        ok,
        text: told,
        brief: fold::clip(&if with_last { format!("{brief}: {last}") } else { brief.clone() }, fold::BRIEF),
        summary: format!("{}: {ended}", fold::clip(&fold::one_line(command), 80)),
        whole: partly.then(|| spool.to_owned()),
        ..Outcome::default()
    };
    outcome.evidence = telling_lines(context, &text);
    outcome.locations = outcome
        .evidence
        .iter()
        .filter(|evidence| evidence.location.line > 0)
        .map(|evidence| evidence.location.clone())
        .collect();
    outcome
}

/// `src/lib.rs:12`, `File "a.py", line 3`: the forms in which compilers and test runners name places.
static PLACES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r#"File "([^"]+)", line (\d+)"#,
        r"((?:[A-Za-z]:)?[\w@./\\+-]+\.\w{1,8}):(\d+)",
        r"([\w./-]+\.\w{1,8})\((\d+)[,)]",
    ]
    .iter()
    .filter_map(|pattern| Regex::new(pattern).ok())
    .collect()
});

/// Lines that say how it went: results and errors of the usual tools.
static RESULTS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?ix)
        ^\s*test\s.*\bFAILED\b | ^\s*test\ result: | ^error(\[|:) | ^warning:\ .*generated | panicked\ at
        | ^FAILED\b | ^FAIL\b | ^---\ FAIL | ^ok\s+\S+\s | ^E\s{2,}\S | ^=+\ .*(passed|failed|error).*=+$
        | \b\d+\ (passed|failed|failing|passing|tests?|errors?|problems?|warnings?)\b | ^assert | ^Tests:\s | ^Finished\ 
        | \bAssertionError\b | ^\s*thread\ '.*'\ | ^make:\ \*\*\* | ^BUILD\ | ^\s*not\ ok\b | ^npm\ ERR!
        ",
    )
    .ok()
});

/// The lines of an output worth telling, with the place each names; line 0 and no path where it names none.
fn telling_lines(context: &ToolContext, text: &str) -> Vec<Evidence> {
    let mut found: Vec<Evidence> = Vec::new();
    let mut seen = HashSet::new();
    for line in text.lines() {
        let place = place_in(context, line);
        let is_result = RESULTS.as_ref().is_some_and(|results| results.is_match(line));
        if place.is_none() && !is_result {
            continue;
        }
        let text = fold::clip(line.trim(), 160);
        if !seen.insert(text.clone()) {
            continue;
        }
        let label = if is_result { "result" } else { "place" };
        let location = place.unwrap_or(Location { path: String::new(), line: 0 });
        found.push(Evidence { location, text, label: label.into() });
    }
    // What failed first and how it ended: both ends matter.
    if found.len() > MAX_PLACES {
        let tail = found.split_off(found.len() - MAX_PLACES / 2);
        found.truncate(MAX_PLACES / 2);
        found.extend(tail);
    }
    found
}

/// The place a line names, where it is a file of the project.
fn place_in(context: &ToolContext, line: &str) -> Option<Location> {
    // The patterns need a digit after a colon, a bracket or `line `; most lines of an output have none.
    if line.len() > 2_000 || !line.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    for pattern in PLACES.iter() {
        for captures in pattern.captures_iter(line) {
            let (path, number) = (captures.get(1)?.as_str(), captures.get(2)?.as_str());
            let path = place::locate(context, path);
            if let Ok(line) = number.parse()
                && line > 0
                && path.starts_with(context.workspace.root())
                && path.is_file()
            {
                return Some(Location { path: place::shown(context, &path), line });
            }
        }
    }
    None
}

/// A word for a POSIX shell, quoted where it must be.
pub(crate) fn quote(word: &str) -> String {
    let harmless = |character: char| character.is_ascii_alphanumeric() || "_-./:=@%+,".contains(character);
    if !word.is_empty() && word.chars().all(harmless) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_the_shell() {
        let check = |word: &str, expect: &str| assert_eq!(quote(word), expect);
        check("plain::path", "plain::path");
        check("", "''");
        check("two words", "'two words'");
        check("it's", r"'it'\''s'");
        check("$(rm -rf /)", "'$(rm -rf /)'");
        check("a\nb", "'a\nb'");
        check("~", "'~'");
        check("*", "'*'");
    }

    #[test]
    fn results_are_seen() {
        let results = RESULTS.as_ref().expect("compiles");
        for line in [
            "test result: ok. 3 passed; 0 failed",
            "test a::b ... FAILED",
            "error[E0425]: cannot find value",
            "error: could not compile",
            "thread 'x' panicked at src/lib.rs:3:5:",
            "=========== 2 failed, 3 passed in 0.1s ===========",
            "--- FAIL: TestX (0.00s)",
            "ok  \texample.com/x\t0.01s",
            "Tests: 1 failed, 2 passed",
            "make: *** [test] Error 1",
        ] {
            assert!(results.is_match(line), "{line}");
        }
        for line in ["test a::b ... ok", "   Compiling x v0.1.0", "", "running 3 things"] {
            assert!(!results.is_match(line), "{line}");
        }
        assert_eq!(PLACES.len(), 3);
    }
}
