//! Owns `loci models rm` and `loci models verify`: what becomes of models that were pulled.
//! Uses the folder of models and its manifests.
//! Never removes a file that Loci did not put there.

use loci_inference::fetch::Told;
use loci_inference::fetch::store::Manifest;
use loci_tui::{Line, Style, visible};
use serde_json::json;

use super::size;
use crate::errors::{Failed, Outcome};
use crate::input;
use crate::model;
use crate::progress::Bars;
use crate::project::Project;

/// Remove models, after a question.
///
/// # Errors
/// When a name is of no model that was pulled, nobody is there to ask, or a file cannot be removed.
pub(super) fn remove(project: &Project, names: &[String], yes: bool) -> anyhow::Result<Outcome> {
    let store = model::store(project);
    let wanted: Vec<Manifest> = names.iter().map(|name| store.get(name)).collect::<Result<_, _>>()?;
    for manifest in &wanted {
        let bytes = manifest.files.iter().map(|kept| kept.bytes).sum();
        let question =
            format!("Remove {} ({}, {})?", manifest.name, size(bytes), store.path(manifest).display());
        if !yes && !asked(project, &question, "with --yes nobody is asked")? {
            project.printer.line(&Line::new("Nothing was removed.", Style::Dim))?;
            return Ok(Outcome::Failed);
        }
        let freed = store.remove(manifest)?;
        let text = format!("Removed {}: {} are free again.", visible(&manifest.name), size(freed));
        project.printer.line(&Line::new(text, Style::Plain))?;
    }
    Ok(Outcome::Done)
}

/// Ask a person, who must be there.
pub(super) fn asked(project: &Project, question: &str, otherwise: &str) -> anyhow::Result<bool> {
    if !input::is_terminal() {
        return Err(Failed::error(format!("{question} Nobody is there to say it"), otherwise));
    }
    project.printer.to_error(&Line::new(visible(question), Style::Plain).with(" [y/N]", Style::Tip));
    Ok(matches!(input::line()?.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Read files again and compare them.
///
/// # Errors
/// When a name is of no model that was pulled. Damage is said of every model, and the command fails.
pub(super) fn verify(project: &Project, names: &[String], as_object: bool) -> anyhow::Result<Outcome> {
    let store = model::store(project);
    let wanted: Vec<Manifest> = match names {
        [] => store.all(),
        names => names.iter().map(|name| store.get(name)).collect::<Result<_, _>>()?,
    };
    if wanted.is_empty() && !as_object {
        project.printer.line(&Line::new("Nothing was pulled yet.", Style::Dim))?;
    }
    let (mut results, mut damaged) = (Vec::new(), None);
    for manifest in &wanted {
        let mut bars = Bars::new(&project.printer);
        let verdict = store.verify(manifest, &mut |told| {
            if let Told::Bytes { file, done, total } = told {
                bars.update(file, done, total, "bytes");
            }
        });
        bars.clear();
        let error = verdict.as_ref().err().map(ToString::to_string);
        results.push(json!({ "name": manifest.name, "sound": error.is_none(), "error": error }));
        match verdict {
            Ok(()) if !as_object => {
                let files = manifest.files.len();
                let text = format!("{}: as it came, {files} file{}", visible(&manifest.name), plural(files));
                project.printer.line(&Line::new(text, Style::Added))?;
            }
            Ok(()) => {}
            Err(error) => {
                if let Some(earlier) = damaged.replace(error) {
                    crate::errors::show(&project.printer, &anyhow::Error::from(earlier));
                }
            }
        }
    }
    if as_object {
        project.printer.json(&json!({ "models": results }))?;
        return Ok(if damaged.is_some() { Outcome::Failed } else { Outcome::Done });
    }
    match damaged {
        Some(error) => Err(error.into()),
        None => Ok(Outcome::Done),
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
