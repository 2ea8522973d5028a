//! Owns `loci audit`: whether logs are as they were written, checkpoints, and what was decided and done.
//! Uses `core::audit` over the bytes of the logs.
//! Never writes anything but what it prints.

use std::path::{Path, PathBuf};

use loci_core::audit::export::{self, Since};
use loci_core::audit::{self, Chain, Checkpoint};
use loci_core::secrets::Redactor;
use loci_core::session::{Resume, resume};
use loci_tui::{Line, Style, visible};
use serde_json::json;

use crate::arguments::{AuditAction, AuditArguments, AuditFormat};
use crate::errors::{Failed, Outcome, Usage};
use crate::project::Project;

/// Do it.
///
/// # Errors
/// When there is no such session, a log or a file of checkpoints cannot be read, or a time cannot be understood.
pub(crate) fn run(project: &Project, arguments: &AuditArguments) -> anyhow::Result<Outcome> {
    match &arguments.action {
        AuditAction::Verify { session, all, against, json } => {
            let checkpoints = against.as_deref().map(checkpoints).transpose()?;
            verify(project, &logs(project, session.as_deref(), *all)?, checkpoints, *json)
        }
        AuditAction::Checkpoint { session, all } => {
            for (id, path) in logs(project, session.as_deref(), *all)? {
                let chain = audit::verify(&read(&path)?);
                let checkpoint = audit::checkpoint(&chain).map_err(|broken| {
                    let message =
                        format!("the log of {id} is damaged at record {}: {}", broken.record, broken.why);
                    Failed::error(message, "`loci audit verify` tells more")
                })?;
                project.printer.json_line(&checkpoint)?;
            }
            Ok(Outcome::Done)
        }
        AuditAction::Export { session, all, since, format } => {
            let since = since.as_deref().map(since_of).transpose()?;
            print(project, &logs(project, session.as_deref(), *all)?, since, *format)
        }
    }
}

/// The logs that are meant: id and path.
fn logs(project: &Project, session: Option<&str>, all: bool) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let folder = project.places.sessions(&project.root);
    let path = |id: &str| folder.join(format!("{id}.jsonl"));
    if all {
        let sessions = resume::list(&folder)?;
        return Ok(sessions.into_iter().rev().map(|session| (session.id, session.path)).collect());
    }
    let wanted = session.map_or(Resume::Latest, |id| Resume::Id(id.to_owned()));
    let id = match resume::find(&folder, &wanted) {
        Ok(id) => id,
        // A log whose header is damaged is no session any more, and still a log to look at.
        Err(_) if session.is_some_and(|id| path(id).is_file()) => session.unwrap_or_default().to_owned(),
        Err(error) => return Err(error.into()),
    };
    let path = path(&id);
    Ok(vec![(id, path)])
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        let message = format!("{}: {error}", path.display());
        Failed::error(message, "check its permissions")
    })
}

/// A file of checkpoints, one a line.
fn checkpoints(path: &Path) -> anyhow::Result<Vec<Checkpoint>> {
    let text = String::from_utf8_lossy(&read(path)?).into_owned();
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|error| {
                let message = format!("{}:{number}: no checkpoint: {error}", path.display());
                Usage::error(message, "`loci audit checkpoint` prints them")
            })
        })
        .collect()
}

fn verify(
    project: &Project,
    logs: &[(String, PathBuf)],
    checkpoints: Option<Vec<Checkpoint>>,
    as_json: bool,
) -> anyhow::Result<Outcome> {
    let mut whole = true;
    let mut told = Vec::new();
    for (id, path) in logs {
        let bytes = read(path)?;
        let mut chain = audit::verify(&bytes);
        let mut compared = 0;
        for checkpoint in checkpoints.iter().flatten().filter(|checkpoint| checkpoint.session == *id) {
            compared += 1;
            if chain.broken.is_none() {
                chain = audit::verify_against(&bytes, checkpoint);
            }
        }
        if let (Some(_), 0, None) = (&checkpoints, compared, &chain.broken) {
            project
                .printer
                .note(&format!("{id}: there is no checkpoint of it, so a missing end would not be seen"));
        }
        whole &= chain.broken.is_none();
        if as_json {
            told.push(json!({
                "session": id, "intact": chain.broken.is_none(), "records": chain.records, "bytes": chain.bytes,
                "first": chain.first, "last": chain.last, "broken": chain.broken, "checkpoints": compared,
            }));
        } else {
            show(project, id, &chain, compared)?;
        }
    }
    // A log that is gone altogether is an end that is missing, too.
    for checkpoint in checkpoints.iter().flatten() {
        if !logs.iter().any(|(id, _)| *id == checkpoint.session) && logs.len() != 1 {
            whole = false;
            let line = format!("{}  missing: a checkpoint of {} saw it", checkpoint.session, checkpoint.at);
            if as_json {
                told.push(json!({ "session": checkpoint.session, "intact": false, "missing": true }));
            } else {
                project.printer.line(&Line::new(visible(&line), Style::Removed))?;
            }
        }
    }
    if as_json {
        project.printer.json(&told)?;
    } else if logs.is_empty() {
        project.printer.note("no sessions in this project yet");
    }
    Ok(if whole { Outcome::Done } else { Outcome::Failed })
}

fn show(project: &Project, id: &str, chain: &Chain, compared: usize) -> anyhow::Result<()> {
    let short =
        |hash: &Option<String>| hash.as_deref().map_or("none".to_owned(), |hash| hash[..16].to_owned());
    let line = match &chain.broken {
        None => {
            let against = if compared > 0 { ", and holds what its checkpoints saw" } else { "" };
            let hashes = format!("  first {}, last {}", short(&chain.first), short(&chain.last));
            Line::new(id, Style::Bold)
                .with(
                    format!("  intact: {} records, {} bytes{against}", chain.records, chain.bytes),
                    Style::Plain,
                )
                .with(hashes, Style::Dim)
        }
        Some(broken) => Line::new(id, Style::Bold).with(
            format!(
                "  not intact: record {} at byte {}: {}",
                broken.record,
                broken.byte,
                visible(&broken.why)
            ),
            Style::Removed,
        ),
    };
    Ok(project.printer.line(&line)?)
}

fn print(
    project: &Project,
    logs: &[(String, PathBuf)],
    since: Option<Since>,
    format: AuditFormat,
) -> anyhow::Result<Outcome> {
    let redactor = Redactor::new(&project.environment);
    if format == AuditFormat::Csv {
        project.printer.text(&(export::COLUMNS.join(",") + "\n"))?;
    }
    let mut whole = true;
    for (id, path) in logs {
        let mut printed = Ok(());
        let chain = export::entries(&read(path)?, &redactor, |entry| {
            let early = since.is_some_and(|since| since.is_after(&entry.ts));
            if early || printed.is_err() {
                return;
            }
            printed = match format {
                AuditFormat::Jsonl => project.printer.json_line(&entry),
                AuditFormat::Csv => project.printer.text(&(entry.csv() + "\n")),
            };
        });
        printed?;
        if let Some(broken) = chain.broken {
            whole = false;
            let message = format!("{id} is not intact from record {} on: {}", broken.record, broken.why);
            project.printer.note(&message);
        }
    }
    Ok(if whole { Outcome::Done } else { Outcome::Failed })
}

pub(super) fn since_of(text: &str) -> anyhow::Result<Since> {
    let hint = "give 2026-01-31, 2026-01-31T12:00:00Z, 36h or 7d";
    Since::read(text).ok_or_else(|| Usage::error(format!("{text} is no time"), hint))
}
