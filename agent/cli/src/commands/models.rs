//! Owns `loci models`: the catalogue, and what of it fits this machine.
//! Uses `catalog` and `hardware`.
//! Never loads a model and never asks the network.

use loci_inference::catalog::{Catalog, Entry, Kind};
use loci_inference::hardware::{Fit, Hardware};
use loci_tui::{Line, Style, visible};
use serde_json::{Value, json};

use crate::arguments::ModelsArguments;
use crate::errors::Outcome;
use crate::project::Project;

/// List the catalogue, or show one entry in full.
///
/// # Errors
/// When a `models.toml` is wrong, or the name is unknown.
pub(crate) fn run(project: &Project, arguments: &ModelsArguments) -> anyhow::Result<Outcome> {
    let catalog = project.catalog()?;
    let machine = Hardware::detect();
    if arguments.name != "list" {
        return show(project, catalog.get(&arguments.name)?, &machine, arguments.json);
    }
    if arguments.json {
        let models: Vec<Value> = catalog.entries().iter().map(|entry| as_json(entry, &machine)).collect();
        project.printer.json(&json!({ "machine": machine, "models": models }))?;
        return Ok(Outcome::Done);
    }
    list(project, &catalog, &machine)
}

fn list(project: &Project, catalog: &Catalog, machine: &Hardware) -> anyhow::Result<Outcome> {
    let limit = if machine.limited { " (limited by the control group)" } else { "" };
    let text = format!(
        "This machine: {} memory{limit}, {} free, {} cores, {}",
        size(machine.total_bytes),
        size(machine.available_bytes),
        machine.cores,
        machine.accelerator.as_deref().unwrap_or("no GPU in this build")
    );
    project.printer.line(&Line::new(text, Style::Dim))?;
    let heading = format!(
        "{:22} {:>8} {:>8} {:>8}  {:18} {:10}",
        "NAME", "SIZE", "MEMORY", "CONTEXT", "LICENCE", "FIT"
    );
    project.printer.line(&Line::new(heading.trim_end(), Style::Bold))?;
    for entry in catalog.entries() {
        let fields = &entry.fields;
        let about = if fields.approximate { "~" } else { "" };
        let bytes = fields.bytes.map_or_else(|| "-".into(), |bytes| format!("{about}{}", size(bytes)));
        let memory = entry.memory_needed(fields.context).map_or_else(|| "-".into(), size);
        let (verdict, style) = verdict(entry, machine);
        let line = Line::new(format!("{:22}", visible(&entry.name)), Style::Plain)
            .with(
                format!(" {bytes:>8} {memory:>8} {:>8}  {:18} ", fields.context, visible(&fields.licence)),
                Style::Dim,
            )
            .with(verdict, style);
        project.printer.line(&line)?;
    }
    let tip = "Use one with -m NAME, or any GGUF file of a supported family with -m ./FILE.gguf.";
    project.printer.line(&Line::new(tip, Style::Tip))?;
    Ok(Outcome::Done)
}

fn show(project: &Project, entry: &Entry, machine: &Hardware, as_object: bool) -> anyhow::Result<Outcome> {
    let value = as_json(entry, machine);
    if as_object {
        project.printer.json(&value)?;
        return Ok(Outcome::Done);
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), visible);
        project.printer.line(&Line::new(format!("{key:18}"), Style::Dim).with(text, Style::Plain))?;
    }
    if entry.fields.kind == Kind::Gguf
        && let (Some(repository), Some(file)) = (&entry.fields.repository, &entry.fields.file)
    {
        let text = format!("Put {file} of {repository} anywhere, then: loci -m PATH/{file}");
        project.printer.line(&Line::new(visible(&text), Style::Tip))?;
    }
    Ok(Outcome::Done)
}

fn verdict(entry: &Entry, machine: &Hardware) -> (&'static str, Style) {
    if !entry.supported() {
        return ("not yet supported", Style::Dim);
    }
    match entry.fields.kind {
        Kind::Remote => ("remote", Style::Tip),
        Kind::BuiltIn => ("built in", Style::Added),
        Kind::Embedder => ("vectors", Style::Dim),
        Kind::Gguf => match entry.memory_needed(entry.fields.context).map(|needed| machine.fit(needed)) {
            None => ("size unknown", Style::Dim),
            Some(Fit::Well) => (Fit::Well.words(), Style::Added),
            Some(Fit::Tight) => (Fit::Tight.words(), Style::Warning),
            Some(Fit::No) => (Fit::No.words(), Style::Removed),
        },
    }
}

fn as_json(entry: &Entry, machine: &Hardware) -> Value {
    let mut value = serde_json::to_value(entry).unwrap_or_default();
    let needed = entry.memory_needed(entry.fields.context);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("supported".into(), entry.supported().into());
        if let Some(needed) = needed {
            fields.insert("memory_needed".into(), needed.into());
            fields.insert("fit".into(), machine.fit(needed).words().into());
        }
    }
    value
}

/// `812 MB`, `4.7 GB`.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes / 1000),
        1_000_000..10_000_000 => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
        10_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes % 1_000_000_000 / 100_000_000),
    }
}
