//! Owns `loci index`: builds or refreshes the index, and says what it holds.
//! Uses the index alone.
//! Never loads a model.

use std::time::{Duration, Instant};

use loci_index::Status;
use loci_tui::{Line, Style, visible};

use crate::arguments::IndexArguments;
use crate::errors::Outcome;
use crate::project::Project;

/// Refresh with a bar, and say what was done.
///
/// # Errors
/// When the index cannot be opened or written.
pub(crate) fn run(project: &Project, arguments: &IndexArguments) -> anyhow::Result<Outcome> {
    if arguments.rebuild {
        project.remove_index()?;
    }
    let started = Instant::now();
    let index = project.index()?;
    if arguments.status {
        return status(project, &index.status(), arguments.json);
    }
    let report = project.refresh(&index)?;
    project.embed(&index, Duration::MAX)?;
    let milliseconds = started.elapsed().as_millis();
    if arguments.json {
        let mut value = serde_json::to_value(report)?;
        if let Some(fields) = value.as_object_mut() {
            fields.insert("root".into(), project.root.to_string_lossy().into());
            fields.insert("duration_ms".into(), u64::try_from(milliseconds).unwrap_or(u64::MAX).into());
        }
        project.printer.json(&value)?;
        return Ok(Outcome::Done);
    }
    let reused = if report.reused > 0 {
        format!(", {} known from another branch or worktree", report.reused)
    } else {
        String::new()
    };
    let text = format!(
        "{} files: {} read{reused}, {} removed, {} skipped (binary, too large or unreadable), in {milliseconds} ms",
        report.files, report.indexed, report.removed, report.skipped
    );
    project.printer.line(&Line::new(text, Style::Plain))?;
    if report.rebuilt {
        project.printer.note("the index was damaged; it was set aside and built again");
    }
    Ok(Outcome::Done)
}

fn status(project: &Project, status: &Status, json: bool) -> anyhow::Result<Outcome> {
    if json {
        let mut value = serde_json::to_value(status)?;
        value["root"] = project.root.to_string_lossy().into();
        project.printer.json(&value)?;
        return Ok(Outcome::Done);
    }
    let rows = [
        ("files", format!("{}, {} searchable, in {} spans", status.files, status.searchable, status.spans)),
        ("size", format!("{} for {} of source", bytes(status.disk_bytes), bytes(status.source_bytes))),
        ("age", status.age_seconds.map_or_else(|| "never built".to_owned(), age)),
        ("languages", languages(status)),
        ("folder", visible(&status.folder.to_string_lossy())),
    ];
    for (name, value) in rows {
        let line = Line::new(format!("{name:<10}"), Style::Dim).with(format!(" {value}"), Style::Plain);
        project.printer.line(&line)?;
    }
    Ok(Outcome::Done)
}

/// The languages with the most files first.
fn languages(status: &Status) -> String {
    let mut all: Vec<(&String, &usize)> = status.languages.iter().collect();
    all.sort_by(|one, other| other.1.cmp(one.1).then(one.0.cmp(other.0)));
    all.into_iter().map(|(language, files)| format!("{language} {files}")).collect::<Vec<_>>().join(", ")
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_units() {
        for (number, expect) in [(0, "0 B"), (1_500, "1.5 kB"), (2_500_000, "2.5 MB")] {
            assert_eq!(bytes(number), expect);
        }
        for (seconds, expect) in [(5, "5 s"), (600, "10 min"), (10_000, "2 h"), (200_000, "2 days")] {
            assert_eq!(age(seconds), expect);
        }
    }
}
