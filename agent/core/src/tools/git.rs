//! Owns the tool `git`: status, diff, log, blame, commit.
//! Uses the `git` program through `command`, with nothing of a repository's own configuration that runs programs.
//! Never changes anything but by `commit`.

use std::time::Duration;

use futures::future::BoxFuture;
use loci_exec::sandbox::Overlay;
use loci_exec::{Ended, Program};
use loci_protocol::Location;
use serde_json::{Value, json};

use super::command::Surroundings;
use super::watch::Watch;
use super::{Access, Evidence, Outcome, Tool, ToolContext, arguments, command, fold, place};

/// Reading takes moments; a commit may run the user's hooks.
const READ_SECONDS: u64 = 60;
const COMMIT_SECONDS: u64 = 300;
/// Commits in a log when nothing is said, and at most.
const DEFAULT_COUNT: u64 = 10;
const MAX_COUNT: u64 = 200;
/// Lines of blame without a line.
const BLAME_LINES: u64 = 200;
/// Between the fields of a log entry; only the subject, which is the last, may hold one.
const FIELD: char = '\t';

pub(crate) struct Git;

impl Tool for Git {
    fn name(&self) -> &'static str {
        "git"
    }

    fn description(&self) -> &'static str {
        "Git: status, diff (of the working tree, or since `revision`), log, blame (a file or one line), \
         commit (what is staged, else everything; or one path)."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "action": { "type": "string", "enum": ["status", "diff", "log", "blame", "commit"] },
                "path": { "type": "string" },
                "revision": { "type": "string" },
                "line": { "type": "integer" },
                "count": { "type": "integer" },
                "message": { "type": "string" }
            },
            "required": ["action"]
        })
    }

    fn changes(&self, input: &Value) -> bool {
        arguments::optional_word(input, "action") == Some("commit")
    }

    fn summary(&self, input: &Value) -> String {
        let action = arguments::optional_word(input, "action").unwrap_or("?");
        let detail = match action {
            "commit" => arguments::optional_word(input, "message"),
            _ => arguments::optional_word(input, "path")
                .or_else(|| arguments::optional_word(input, "revision")),
        };
        fold::clip(&format!("git {action} {}", detail.unwrap_or_default()), 120).trim_end().to_owned()
    }

    fn access(&self, input: &Value, context: &ToolContext) -> Result<Vec<Access>, String> {
        let call = Call::parse(input, context)?;
        Ok(vec![Access { tool: "Bash", input: json!({ "command": call.shell_line() }) }])
    }

    fn run<'a>(&'a self, input: Value, context: &'a ToolContext) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match Call::parse(&input, context) {
                Ok(call) => run(&call, context).await.unwrap_or_else(Outcome::failed),
                Err(message) => Outcome::failed(message),
            }
        })
    }
}

/// A call that makes sense.
#[derive(Debug, PartialEq, Eq)]
enum Call {
    Status,
    Diff { revision: Option<String>, path: Option<String> },
    Log { count: u64, revision: Option<String>, path: Option<String> },
    Blame { path: String, line: Option<u64> },
    Commit { message: String, path: Option<String> },
}

impl Call {
    fn parse(input: &Value, context: &ToolContext) -> Result<Self, String> {
        let revision = arguments::optional_word(input, "revision").map(checked_revision).transpose()?;
        let path = arguments::optional_word(input, "path")
            .map(|path| place::shown(context, &place::locate(context, path)));
        match arguments::word(input, "action")? {
            "status" => Ok(Self::Status),
            "diff" => Ok(Self::Diff { revision, path }),
            "log" => {
                let count = arguments::number(input, "count")?.unwrap_or(DEFAULT_COUNT).clamp(1, MAX_COUNT);
                Ok(Self::Log { count, revision, path })
            }
            "blame" => {
                let path = path.ok_or("`path` is missing: blame needs a file")?;
                Ok(Self::Blame { path, line: arguments::number(input, "line")? })
            }
            "commit" => {
                let message = arguments::word(input, "message")?.to_owned();
                Ok(Self::Commit { message, path })
            }
            other => Err(format!("`action` must be status, diff, log, blame or commit, not {other}")),
        }
    }

    /// The arguments after `git`, of what reads.
    fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = match self {
            Self::Status => vec!["status".into(), "--porcelain=v1".into(), "--branch".into()],
            Self::Diff { .. } => vec!["diff".into()],
            Self::Log { count, .. } => vec!["log".into(), format!("-n{count}")],
            Self::Blame { line, .. } => {
                let (start, end) = line.map_or((1, BLAME_LINES), |line| (line.max(1), line.max(1)));
                vec!["blame".into(), "-L".into(), format!("{start},{end}")]
            }
            Self::Commit { message, .. } => vec!["commit".into(), "-m".into(), message.clone()],
        };
        if let Self::Diff { revision: Some(revision), .. } | Self::Log { revision: Some(revision), .. } = self
        {
            match since(revision) {
                Some(date) => arguments.push(format!("--since={date}")),
                None => arguments.push(revision.clone()),
            }
        }
        if let Self::Diff { path: Some(path), .. }
        | Self::Log { path: Some(path), .. }
        | Self::Blame { path, .. }
        | Self::Commit { path: Some(path), .. } = self
        {
            arguments.extend(["--".into(), path.clone()]);
        }
        arguments
    }

    /// The same as people would type it, for policy and approval.
    fn shell_line(&self) -> String {
        let words: Vec<String> = self.arguments().iter().map(|word| command::quote(word)).collect();
        let line = format!("git {}", words.join(" "));
        match self {
            Self::Commit { path: Some(path), .. } => format!("git add -- {} && {line}", command::quote(path)),
            Self::Commit { path: None, .. } => format!("git add -A && {line}"),
            _ => line,
        }
    }
}

/// A revision must not be taken for an option.
fn checked_revision(revision: &str) -> Result<String, String> {
    if revision.starts_with('-') || revision.chars().any(char::is_control) {
        return Err(format!("{revision} is not a revision"));
    }
    Ok(revision.to_owned())
}

/// A revision that is a date in words, as `git log --since` takes it.
fn since(revision: &str) -> Option<&str> {
    let words: Vec<String> = revision.to_lowercase().split_whitespace().map(str::to_owned).collect();
    let is_day = |word: &str| {
        [
            "monday",
            "tuesday",
            "wednesday",
            "thursday",
            "friday",
            "saturday",
            "sunday",
            "week",
            "month",
            "year",
        ]
        .contains(&word)
    };
    let dated = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [day] => is_day(day) || ["yesterday", "today", "midnight", "noon"].contains(day),
        ["last", day] => is_day(day),
        [.., "ago"] => true,
        _ => false,
    };
    dated.then_some(revision)
}

/// Switched off for reading: pagers, monitors, hooks, external diff programs and filters of a repository's own.
const SAFE: &[&str] = &[
    "--no-pager",
    "--no-optional-locks",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.quotePath=false",
    "-c",
    "log.showSignature=false",
    "-c",
    "color.ui=false",
];

struct Ran {
    ok: bool,
    text: String,
}

async fn git(
    context: &ToolContext,
    options: &[&str],
    arguments: &[String],
    seconds: u64,
    overlay: Option<Overlay>,
) -> Result<Ran, String> {
    let mut words: Vec<std::ffi::OsString> = vec!["git".into()];
    words.extend(options.iter().map(Into::into));
    words.extend(arguments.iter().map(Into::into));
    let timeout = Duration::from_secs(seconds);
    let env = [("GIT_TERMINAL_PROMPT", "0"), ("GIT_EDITOR", "true"), ("LC_ALL", "C.UTF-8")];
    let output = command::execute(
        context,
        Program::Argv(words),
        timeout,
        None,
        &env,
        Surroundings { overlay, terminal: None },
    )
    .await
    .map_err(|message| format!("git cannot be run ({message}); is it installed?"))?;
    let text = command::text_of(&output);
    match output.ended {
        Ended::Code(code) => Ok(Ran { ok: code == 0, text }),
        Ended::TimedOut => Err(format!("git did not end within {seconds} s")),
        Ended::Signal(signal) => Err(format!("git was ended by signal {signal}")),
        Ended::Cancelled => Err("cancelled".into()),
    }
}

/// What git said, as one sentence.
fn complaint(text: &str) -> String {
    if text.contains("not a git repository") {
        return "this is not a git repository".into();
    }
    if text.contains("does not have any commits yet") || text.contains("bad revision 'HEAD'") {
        return "this repository has no commits yet".into();
    }
    if text.contains("Please tell me who you are") || text.contains("unable to auto-detect email") {
        return "git does not know who commits; set user.name and user.email".into();
    }
    let line = text
        .lines()
        .find(|line| line.starts_with("fatal:") || line.starts_with("error:"))
        .or_else(|| text.lines().rev().find(|line| !line.trim().is_empty()))
        .unwrap_or("git failed");
    fold::clip(line.trim_start_matches("fatal: ").trim_start_matches("error: ").trim(), 300)
}

async fn run(call: &Call, context: &ToolContext) -> Result<Outcome, String> {
    if let Call::Commit { message, path } = call {
        return commit(context, message, path.as_deref()).await;
    }
    let mut arguments = call.arguments();
    let extra: &[&str] = match call {
        Call::Diff { .. } => &["--no-ext-diff", "--no-textconv"],
        Call::Log { .. } => {
            &["--no-ext-diff", "--no-textconv", "--date=short", "--format=%h%x09%ad%x09%an%x09%s"]
        }
        Call::Blame { .. } => &["--date=short"],
        _ => &[],
    };
    arguments.splice(1..1, extra.iter().map(ToString::to_string));
    let mut ran = git(context, SAFE, &arguments, READ_SECONDS, None).await?;
    // A file shorter than the lines asked for is blamed whole.
    if let (Call::Blame { path, line: None }, false) = (call, ran.ok)
        && ran.text.contains("has only")
    {
        let whole = ["blame", "--date=short", "--", path].map(str::to_owned);
        ran = git(context, SAFE, &whole, READ_SECONDS, None).await?;
    }
    if !ran.ok {
        return Err(complaint(&ran.text));
    }
    Ok(match call {
        Call::Status => status(&ran.text),
        Call::Diff { .. } => diff(&ran.text),
        Call::Log { .. } => log(&ran.text),
        Call::Blame { path, .. } => blame(&ran.text, path),
        Call::Commit { .. } => Outcome::failed("a commit is not read"),
    })
}

fn told(brief: String, text: String, evidence: Vec<Evidence>) -> Outcome {
    Outcome {
        ok: true,
        text,
        summary: brief.clone(),
        brief: fold::clip(&brief, fold::BRIEF),
        locations: evidence
            .iter()
            .filter(|evidence| evidence.location.line > 0)
            .map(|evidence| evidence.location.clone())
            .collect(),
        evidence,
        ..Outcome::default()
    }
}

/// A line that names no place.
fn unplaced(text: &str, label: &str) -> Evidence {
    Evidence {
        location: Location { path: String::new(), line: 0 },
        text: text.to_owned(),
        label: label.to_owned(),
    }
}

fn status(text: &str) -> Outcome {
    let (mut branch, mut evidence) = (String::new(), Vec::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("## ") {
            branch = rest.trim_start_matches("No commits yet on ").to_owned();
            continue;
        }
        let (Some(code), Some(path)) = (line.get(..2), line.get(3..)) else { continue };
        let what = match code {
            "??" => "untracked",
            code if code.contains('U') || code == "AA" || code == "DD" => "in conflict",
            code if code.contains('R') => "renamed",
            code if code.contains('A') => "added",
            code if code.contains('D') => "deleted",
            _ => "modified",
        };
        evidence.push(unplaced(&format!("{what}: {path}"), "status"));
    }
    let changed = evidence.len();
    let brief = format!("status: {changed} changed");
    let shown_branch = branch.split("...").next().unwrap_or(&branch).to_owned();
    let mut told_text = format!("on branch {branch}\n");
    if changed == 0 {
        told_text.push_str("nothing changed, the working tree is clean\n");
    }
    for line in &evidence {
        told_text.push_str(&format!("{}\n", line.text));
    }
    let told_text = fold::head_and_tail(&told_text, 100, 5);
    evidence.insert(0, unplaced(&shown_branch, "branch"));
    told(brief, told_text, evidence)
}

fn diff(text: &str) -> Outcome {
    let mut evidence: Vec<Evidence> = Vec::new();
    let (mut added, mut removed, mut in_hunk) = (0, 0, false);
    let (mut path, mut wants_line) = (String::new(), false);
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("diff --git ") {
            path = rest
                .rsplit_once(" b/")
                .map(|(_, path)| path.trim_matches('"').to_owned())
                .unwrap_or_default();
            evidence.push(unplaced(&path, "file"));
            (in_hunk, wants_line) = (false, true);
        } else if let Some(rest) = line.strip_prefix("@@ ") {
            in_hunk = true;
            let start =
                rest.split('+').nth(1).and_then(|new| new.split([',', ' ']).next()?.parse::<u32>().ok());
            // The first hunk of each file is a place to cite, unless the file is gone.
            if let (Some(start), true, Some(last)) =
                (start.filter(|start| *start > 0), wants_line, evidence.last_mut())
            {
                last.location = Location { path: path.clone(), line: start };
                wants_line = false;
            }
        } else if in_hunk && line.starts_with('+') {
            added += 1;
        } else if in_hunk && line.starts_with('-') {
            removed += 1;
        }
    }
    let files = evidence.len();
    let brief = format!("diff: {}", fold::count(files, "file"));
    let head = if files == 0 { "no differences".to_owned() } else { format!("{brief}, +{added} -{removed}") };
    evidence.insert(0, unplaced(&head, "total"));
    let mut outcome = told(brief, format!("{head}\n{}", fold::head_and_tail(text, 250, 50)), evidence);
    outcome.diff = (files > 0).then(|| text.to_owned());
    outcome
}

fn log(text: &str) -> Outcome {
    let evidence: Vec<Evidence> = text
        .lines()
        .filter(|line| line.contains(FIELD))
        .map(|line| {
            let fields: Vec<&str> = line.splitn(4, FIELD).collect();
            unplaced(&fields.join("  "), "commit")
        })
        .collect();
    let brief = format!("log: {}", fold::count(evidence.len(), "commit"));
    let lines: Vec<&str> = evidence.iter().map(|line| line.text.as_str()).collect();
    told(brief.clone(), format!("{brief}\n{}", lines.join("\n")), evidence)
}

fn blame(text: &str, path: &str) -> Outcome {
    let mut evidence = Vec::new();
    for line in text.lines() {
        // `abc1234 (Author 2024-01-02 12) code`, with a file name before the bracket where it was renamed.
        let Some((head, code)) = line.split_once(')') else { continue };
        let Some((commit, details)) = head.split_once('(') else { continue };
        let mut words = details.split_whitespace().rev();
        let (number, date) =
            (words.next().and_then(|number| number.parse().ok()), words.next().unwrap_or_default());
        let Some(number) = number else { continue };
        let author: Vec<&str> = words.rev().collect();
        let commit: String = commit
            .trim_start_matches('^')
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .chars()
            .take(7)
            .collect();
        evidence.push(Evidence {
            location: Location { path: path.to_owned(), line: number },
            text: code.trim().to_owned(),
            label: format!("{commit} {} {date}", author.join(" ")),
        });
    }
    let brief = match evidence.as_slice() {
        [only] => {
            let label = only.label.rsplit_once(' ').map_or(only.label.as_str(), |(label, _)| label);
            format!("blame: {} {label}", only.location)
        }
        several => format!("blame: {} in {path}", fold::count(several.len(), "line")),
    };
    let lines: Vec<String> =
        evidence.iter().map(|line| format!("{}  {}  {}", line.location, line.label, line.text)).collect();
    told(brief, fold::head_and_tail(&lines.join("\n"), 100, 20), evidence)
}

/// Commit under the journal's watch: a hook may change files.
async fn commit(context: &ToolContext, message: &str, path: Option<&str>) -> Result<Outcome, String> {
    let watch = Watch::begin(context).await?;
    let overlay = watch.overlay();
    let mut outcome =
        commit_over(context, message, path, overlay.as_ref()).await.unwrap_or_else(Outcome::failed);
    watch.end(context, &mut outcome).await;
    Ok(outcome)
}

async fn commit_over(
    context: &ToolContext,
    message: &str,
    path: Option<&str>,
    overlay: Option<&Overlay>,
) -> Result<Outcome, String> {
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<String>>();
    let options = ["--no-pager", "-c", "core.quotePath=false", "-c", "color.ui=false"];
    let staged = git(
        context,
        SAFE,
        &words(&["diff", "--cached", "--quiet", "--no-ext-diff"]),
        READ_SECONDS,
        overlay.cloned(),
    )
    .await?;
    // Exit code 1 is `there are differences`; anything else went wrong and has said why.
    if !staged.ok && !staged.text.trim().is_empty() {
        return Err(complaint(&staged.text));
    }
    let add = match path {
        Some(path) => Some(words(&["add", "--", path])),
        None if staged.ok => Some(words(&["add", "-A"])),
        // The user has chosen what belongs together.
        None => None,
    };
    if let Some(add) = add {
        let added = git(context, &options, &add, READ_SECONDS, overlay.cloned()).await?;
        if !added.ok {
            return Err(complaint(&added.text));
        }
    }
    let mut arguments = words(&["commit", "-m", message]);
    if let Some(path) = path {
        arguments.extend(words(&["--", path]));
    }
    let committed = git(context, &options, &arguments, COMMIT_SECONDS, overlay.cloned()).await?;
    if !committed.ok {
        if committed.text.contains("nothing to commit") || committed.text.contains("nothing added to commit")
        {
            return Err("there is nothing to commit".into());
        }
        return Err(complaint(&committed.text));
    }
    let head =
        git(context, SAFE, &words(&["rev-parse", "--short=7", "HEAD"]), READ_SECONDS, overlay.cloned())
            .await?;
    let brief = format!("committed {}", head.text.trim());
    let text = format!("{brief}\n{}", fold::head_and_tail(&committed.text, 30, 5));
    let subject = message.lines().next().unwrap_or_default().to_owned();
    Ok(told(brief, text, vec![unplaced(&subject, "commit")]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_becomes_lines() {
        let outcome = status("## main...origin/main [ahead 1]\n M src/a.rs\n?? b c.txt\nR  x -> y\nUU z\n");
        assert_eq!(outcome.brief, "status: 4 changed");
        assert_eq!(outcome.evidence[0].text, "main");
        assert_eq!(outcome.evidence[2].text, "untracked: b c.txt");
        assert_eq!(status("## No commits yet on main\n").evidence[0].text, "main");

        let text = "diff --git a/src/a.rs b/src/a.rs\n--- a/src/a.rs\n+++ b/src/a.rs\n@@ -3,2 +4,3 @@ fn x\n+new\n-old\n+more\n";
        let outcome = diff(text);
        assert_eq!(outcome.brief, "diff: 1 file");
        assert_eq!(outcome.locations, [Location { path: "src/a.rs".into(), line: 4 }]);
        assert!(outcome.text.starts_with("diff: 1 file, +2 -1"));
        assert_eq!(diff("").brief, "diff: 0 files");

        let outcome = log("abc1234\t2024-01-02\tAnn\tFix it\n");
        assert_eq!(
            (outcome.brief.as_str(), outcome.evidence[0].text.as_str()),
            ("log: 1 commit", "abc1234  2024-01-02  Ann  Fix it")
        );

        let outcome = blame("^abc12345 (Ann Lee 2024-01-02 12) let x = f(y);\n", "a.rs");
        assert_eq!(outcome.brief, "blame: a.rs:12 abc1234 Ann Lee");
        assert_eq!(outcome.evidence[0].text, "let x = f(y);");
    }

    #[test]
    fn dates_and_revisions() {
        let check = |revision: &str, date: bool| assert_eq!(since(revision).is_some(), date, "{revision}");
        check("yesterday", true);
        check("last friday", true);
        check("2 weeks ago", true);
        check("main", false);
        check("v1.2.0", false);
        check("last", false);
        assert!(checked_revision("--output=x").is_err());
        assert!(checked_revision("HEAD~2").is_ok());
    }
}
