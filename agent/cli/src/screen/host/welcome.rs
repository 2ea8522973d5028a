//! Owns the facts of the first start: what this machine has, which models it may run, which keys there are.
//! Uses what `loci models` knows, and the index as it is on disk.
//! Never reads the value of a key, asks a network, or says it a second time.

use std::path::Path;

use loci_core::atomic;
use loci_inference::hardware::{Fit, Hardware};
use loci_tui::{ModelRow, Reply, Welcome};

use crate::commands::models;
use crate::project::Project;

/// Models that are named; who wants to see all of them has `/model`.
const MODELS: usize = 3;

/// On a processor an answer is as fast as its weights are read: 5 GB for each token are some four tokens a second on the
/// memory of a laptop, and what reads more is not what somebody should meet first.
const READ: u64 = 5_500_000_000;

/// The facts, once for each user. Where it cannot be kept that they were told, they are not told: better never than always.
pub(super) fn told(project: &Project) -> Vec<Reply> {
    if !is_first(&project.places.state) {
        return Vec::new();
    }
    vec![Reply::Welcome(Box::new(facts(project)))]
}

/// Whether this was not asked before; from now on it was.
fn is_first(folder: &Path) -> bool {
    let marker = folder.join("welcomed");
    let content = concat!(env!("CARGO_PKG_VERSION"), "\n");
    std::fs::create_dir_all(folder).is_ok() && atomic::write_new(&marker, content.as_bytes()).is_ok()
}

fn facts(project: &Project) -> Welcome {
    let machine = Hardware::detect();
    let limit = if machine.limited { " (limited by the control group)" } else { "" };
    let quick = |row: &ModelRow| machine.accelerator.is_some() || read_for_a_token(project, row) <= READ;
    let models = chosen(models::rows(project).unwrap_or_default(), &quick);
    let hardware = vec![
        format!("{} cores", machine.cores),
        format!(
            "{} memory{limit}, {} free",
            models::size(machine.total_bytes),
            models::size(machine.available_bytes)
        ),
        machine.accelerator.clone().unwrap_or_else(|| "no GPU in this build".into()),
    ];
    let indexed = project.index().map_or(0, |index| index.status().searchable);
    Welcome { hardware, indexed, models, keys: keys(project) }
}

/// Bytes that are read for each token: all of them, or the share of the experts that take part.
fn read_for_a_token(project: &Project, row: &ModelRow) -> u64 {
    let bytes = row.bytes.unwrap_or(u64::MAX);
    let said =
        project.catalog().ok().and_then(|catalog| catalog.get(&row.name).ok()?.fields.parameters.clone());
    let billions = |text: &str| text.split('B').next()?.trim().parse::<f64>().ok();
    let share = said.as_deref().and_then(|said| {
        let (all, active) = said.split_once(',')?;
        Some((billions(active)? / billions(all)?).clamp(0.0, 1.0))
    });
    (bytes as f64 * share.unwrap_or(1.0)) as u64
}

/// The largest that run well and quickly, then what comes nearest. The built-in one needs no words of its own.
fn chosen(rows: Vec<ModelRow>, quick: &dyn Fn(&ModelRow) -> bool) -> Vec<ModelRow> {
    let fits = [Fit::Well.words(), Fit::Tight.words()];
    let fit = |row: &ModelRow| fits.iter().position(|words| row.verdict == *words);
    let mut rows: Vec<ModelRow> = rows
        .into_iter()
        .filter(|row| row.local && row.bytes.is_some() && fit(row).is_some())
        .filter(|row| row.ready || row.command.is_some())
        .collect();
    rows.sort_by_key(|row| (fit(row), !quick(row), std::cmp::Reverse(row.bytes)));
    rows.truncate(MODELS);
    rows
}

/// Services whose keys are in the environment: by the names of the variables.
fn keys(project: &Project) -> Vec<(String, String)> {
    let Ok(catalog) = project.catalog() else { return Vec::new() };
    let Ok(config) = project.config(Vec::new()) else { return Vec::new() };
    let services = crate::model::with_services(&project.settings(&config), &catalog).providers;
    let found = services.into_iter().filter_map(|(name, service)| {
        let variable = service.api_key_env?;
        project.environment.get(&variable).map(|_| (name, variable.clone()))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let below = folder.path().join("state/loci");
        assert!(is_first(&below));
        assert!(!is_first(&below));
        // Where nothing can be kept, it is not told.
        atomic::write_new(&folder.path().join("file"), b"").expect("written");
        assert!(!is_first(&folder.path().join("file/below")));
    }

    #[test]
    fn the_largest_that_run_well_come_first() {
        let row = |name: &str, bytes: u64, verdict: &str| ModelRow {
            name: name.into(),
            local: true,
            bytes: Some(bytes),
            verdict: verdict.into(),
            command: Some(format!("loci models pull {name}")),
            ..ModelRow::default()
        };
        let quick = |row: &ModelRow| row.name != "slow";
        let names = |rows: Vec<ModelRow>| -> Vec<String> {
            chosen(rows, &quick).into_iter().map(|row| row.name).collect()
        };
        let rows = vec![
            row("tiny", 1, "runs well"),
            row("huge", 9, "no"),
            row("large", 7, "tight"),
            row("small", 2, "runs well"),
            ModelRow { local: false, ..row("elsewhere", 3, "runs well") },
            ModelRow { command: None, ..row("unsupported", 4, "runs well") },
        ];
        assert_eq!(names(rows.clone()), ["small", "tiny", "large"]);
        assert_eq!(
            names([rows.clone(), vec![row("middle", 3, "runs well")]].concat()),
            ["middle", "small", "tiny"]
        );
        // What would be slow without a GPU comes behind all that is not.
        assert_eq!(
            names([rows.clone(), vec![row("slow", 8, "runs well")]].concat()),
            ["small", "tiny", "slow"]
        );
        assert_eq!(names(vec![row("huge", 9, "no")]), Vec::<String>::new());
    }
}
