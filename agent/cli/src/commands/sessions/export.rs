//! Owns `loci sessions export`: a session as a document, as one JSON value, or record by record.
//! Uses the story that the core makes of its log, and the redactor.
//! Never lets a secret that is known as one leave the machine in an export.

use std::io;

use loci_core::secrets::Redactor;
use loci_core::session::log::{self, Loaded};
use loci_core::session::story::{Story, Told};
use loci_tui::{Line, Style, visible};
use serde_json::Value;

use super::super::shown::count;
use crate::arguments::{ExportFormat, SessionsExportArguments};
use crate::errors::Outcome;
use crate::project::Project;

/// Names that are tried for a file, before that is given up.
const NAMES: usize = 1000;

/// Print it.
///
/// # Errors
/// When there is no such session, or its log cannot be read.
pub(super) fn run(project: &Project, arguments: &SessionsExportArguments) -> anyhow::Result<Outcome> {
    let id = super::named(project, &arguments.session)?;
    let loaded = log::read(&project.places.sessions(&project.root).join(format!("{id}.jsonl")))?;
    let mut out = Clean { redactor: Redactor::new(&project.environment), found: 0 };
    match arguments.format {
        ExportFormat::Md => {
            let (document, notes) = markdown(project, &loaded);
            project.printer.text(&document)?;
            for note in notes {
                project.printer.note(&note);
            }
            return Ok(Outcome::Done);
        }
        ExportFormat::Json => {
            let value = out.value(serde_json::to_value(Story::of(&loaded))?);
            project.printer.json(&value)?;
        }
        ExportFormat::Jsonl => {
            for record in records(&loaded)? {
                project.printer.json_line(&out.value(record))?;
            }
        }
    }
    for note in out.notes(&loaded) {
        project.printer.note(&note);
    }
    Ok(Outcome::Done)
}

/// Write a session to a new file in the current folder, as Markdown, and say where it is.
///
/// # Errors
/// When its log cannot be read, or no file can be made.
pub(crate) fn to_file(project: &Project, id: &str) -> anyhow::Result<Vec<Line>> {
    let loaded = log::read(&project.places.sessions(&project.root).join(format!("{id}.jsonl")))?;
    let (document, notes) = markdown(project, &loaded);
    let short: String = id.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
    for number in 1..NAMES {
        let more = if number > 1 { format!("-{number}") } else { String::new() };
        let path = project.directory.join(format!("session-{short}{more}.md"));
        match loci_core::atomic::write_new(&path, document.as_bytes()) {
            Ok(()) => {
                let place = visible(&path.to_string_lossy());
                let written = Line::new("written to ", Style::Dim).with(place, Style::Plain);
                let notes = notes.into_iter().map(|note| Line::new(note, Style::Dim));
                return Ok(std::iter::once(written).chain(notes).collect());
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(anyhow::Error::new(error).context(path.display().to_string())),
        }
    }
    anyhow::bail!("there are too many exports of this session in {}", project.directory.display())
}

/// The session as a document without the secrets that are known as such, and what is to be said of it.
fn markdown(project: &Project, loaded: &Loaded) -> (String, Vec<String>) {
    let mut out = Clean { redactor: Redactor::new(&project.environment), found: 0 };
    let document = out.text(&document(&Story::of(loaded)));
    (document, out.notes(loaded))
}

/// Every record with its time.
fn records(loaded: &Loaded) -> anyhow::Result<Vec<Value>> {
    let mut records = Vec::new();
    for (record, at) in loaded.records.iter().zip(&loaded.times) {
        let mut value = serde_json::to_value(record)?;
        if let Value::Object(fields) = &mut value {
            fields.insert("at".into(), at.clone().into());
        }
        records.push(value);
    }
    Ok(records)
}

/// Takes secrets out.
struct Clean {
    redactor: Redactor,
    found: usize,
}

impl Clean {
    /// What is to be said of an export.
    fn notes(&self, loaded: &Loaded) -> Vec<String> {
        let damage = loaded.damage.as_ref();
        let damage = damage
            .map(|damage| format!("the end of the session's log is damaged, and left out: {}", damage.why));
        let found = (self.found > 0).then(|| format!("{} left out", count(self.found, "secret")));
        damage.into_iter().chain(found).collect()
    }

    fn text(&mut self, text: &str) -> String {
        let redacted = self.redactor.redact(text);
        self.found += redacted.found.len();
        redacted.text.into_owned()
    }

    /// The same for every text in a value. A name beside a text may be what gives it away.
    fn value(&mut self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(fields) => fields
                .into_iter()
                .map(|(name, value)| {
                    let value = match value {
                        Value::String(text) => Value::String(self.named(&name, &text)),
                        other => self.value(other),
                    };
                    (name, value)
                })
                .collect(),
            other => other,
        }
    }

    fn named(&mut self, name: &str, text: &str) -> String {
        let before = format!("{name}: ");
        let told = self.redactor.redact(&format!("{before}{text}")).text.into_owned();
        match told.strip_prefix(&before) {
            // Only what the name gave away is new; the rest is counted as it is without it.
            Some(told) if !text.contains('\n') && told != text => {
                self.found += 1;
                told.to_owned()
            }
            _ => self.text(text),
        }
    }
}

/// The session as a document for people.
fn document(story: &Story) -> String {
    // The redactor takes what stands behind `session:` for a token.
    let title = match &story.title {
        Some(title) => format!("{title} (session {})", story.session_id),
        None => format!("Session {}", story.session_id),
    };
    let mut text = format!(
        "# {title}\n\n- model: {}\n- project: {}\n- begun: {}\n- program: {}\n",
        story.model, story.cwd, story.begun, story.program
    );
    if let Some(branch) = &story.branch {
        text.push_str(&format!("- branch: {branch}\n"));
    }
    if let Some(from) = &story.forked_from {
        text.push_str(&format!("- forked from: {} after turn {}\n", from.session_id, from.turn));
    }
    if story.gone_back_from > 0 {
        text.push_str(&format!(
            "- gone back from, and not shown: {}\n",
            count(story.gone_back_from, "prompt")
        ));
    }
    for told in &story.turns {
        turn(&mut text, told);
    }
    text
}

fn turn(text: &mut String, told: &Told) {
    text.push_str(&format!("\n## {}. {}\n\n", told.turn, told.at));
    for line in told.prompt.lines() {
        text.push_str(&format!("> {line}\n"));
    }
    text.push('\n');
    for call in &told.calls {
        let end = match call.ok {
            Some(true) => call.summary.as_str(),
            Some(false) => &format!("failed: {}", call.summary),
            None => "cut off, what it did is unknown",
        };
        // Arguments are JSON on one line, which a fence of backquotes cannot be closed from within.
        text.push_str(&format!("- `{}` {end}\n\n{}\n", call.tool, fenced("json", &call.input.to_string())));
        if let Some(diff) = &call.diff {
            text.push_str(&fenced("diff", diff));
            text.push('\n');
        }
    }
    if !told.answer.trim().is_empty() {
        text.push_str(told.answer.trim_end());
        text.push('\n');
    }
    if told.status.is_none() {
        text.push_str("\n*(cut off)*\n");
    }
}

/// A block whose fence is longer than any in it.
fn fenced(language: &str, body: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for character in body.chars() {
        run = if character == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}{language}\n{}\n{fence}\n", body.trim_end_matches('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_content_closes_the_block_it_stands_in() {
        let check = |body: &str, expect: &str| assert_eq!(fenced("x", body), expect);
        check("a\n", "```x\na\n```\n");
        check("```\nb", "````x\n```\nb\n````\n");
        check("`````", "``````x\n`````\n``````\n");
        check("", "```x\n\n```\n");
    }
}
