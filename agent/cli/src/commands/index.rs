//! Owns `loci index`: builds or refreshes the index.
//! Uses the index alone.
//! Never loads a model.

use std::time::{Duration, Instant};

use loci_tui::{Line, Style};

use crate::arguments::IndexArguments;
use crate::errors::Outcome;
use crate::project::Project;

/// Refresh with a bar, and say what was done.
///
/// # Errors
/// When the index cannot be opened or written.
pub(crate) fn run(project: &Project, arguments: &IndexArguments) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let index = project.index()?;
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
    let rebuilt = if report.rebuilt { "; a damaged index was set aside and built again" } else { "" };
    let text = format!(
        "{} files: {} read, {} removed, {} skipped (binary, too large or unreadable), in {milliseconds} ms{rebuilt}",
        report.files, report.indexed, report.removed, report.skipped
    );
    project.printer.line(&Line::new(text, Style::Plain))?;
    Ok(Outcome::Done)
}
