//! Owns `loci outline`: the definitions of files and folders.
//! Uses the index alone.
//! Never loads a model.

use loci_index::OutlineItem;
use loci_tui::{Line, Style, visible};
use serde_json::json;

use super::shown;
use crate::arguments::OutlineArguments;
use crate::errors::Outcome;
use crate::project::Project;

/// Files of a folder that are outlined.
const MOST_FILES: usize = 2_000;

/// Print the definitions in order, indented by nesting; of several files, each below its path.
///
/// # Errors
/// When there is no such file or folder, or it cannot be read.
pub(crate) fn run(project: &Project, arguments: &OutlineArguments) -> anyhow::Result<Outcome> {
    // An outline is read from the file as it is now; only folders need the list of files.
    let index = project.index()?;
    let mut paths = Vec::new();
    let mut alone = arguments.paths.len() == 1;
    let mut listed = None;
    for written in &arguments.paths {
        let path = project.relative(written);
        if !project.root.join(&path).is_dir() {
            paths.push(path);
            continue;
        }
        alone = false;
        if listed.is_none() {
            project.refresh(&index)?;
            listed = Some(index.files()?);
        }
        let within = |file: &str| {
            path.is_empty() || file.strip_prefix(&path).is_some_and(|rest| rest.starts_with('/'))
        };
        let files = listed.iter().flatten().filter(|file| file.skipped.is_none() && within(&file.path));
        paths.extend(files.map(|file| file.path.clone()).take(MOST_FILES));
    }
    let mut files: Vec<(String, Vec<OutlineItem>)> = Vec::new();
    for path in paths {
        let mut items = match index.outline(&path) {
            Ok(items) => items,
            // A folder may hold what went away meanwhile, or what cannot be read.
            Err(_)
                if listed.is_some() && !arguments.paths.iter().any(|one| project.relative(one) == path) =>
            {
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        items.retain(|item| arguments.depth.is_none_or(|depth| item.depth < depth));
        if alone || !items.is_empty() {
            files.push((path, items));
        }
    }
    if arguments.json {
        let shown = |(path, items): &(String, Vec<OutlineItem>)| json!({ "path": path, "items": items });
        let value = match files.as_slice() {
            [one] if alone => shown(one),
            all => json!({ "files": all.iter().map(shown).collect::<Vec<_>>() }),
        };
        project.printer.json(&value)?;
    } else {
        for (path, items) in &files {
            if !alone {
                project.printer.line(&Line::new(visible(path), Style::Bold))?;
            }
            for item in items {
                let definition = &item.definition;
                let indent = "  ".repeat(item.depth as usize);
                let line = Line::new(format!("{:>5}", definition.line), Style::Tip)
                    .with(format!("  {indent}{}", visible(&definition.signature)), Style::Plain)
                    .with(format!("  ({})", definition.kind), Style::Dim);
                project.printer.line(&line)?;
            }
        }
    }
    if files.iter().all(|(_, items)| items.is_empty()) {
        let what =
            arguments.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        let looked = shown::count(arguments.paths.len(), "path");
        let hint = if alone { "it may be plain text".to_owned() } else { format!("{looked} looked at") };
        project.printer.note(&format!("no definitions in {what}; {hint}"));
        return Ok(Outcome::Failed);
    }
    Ok(Outcome::Done)
}
