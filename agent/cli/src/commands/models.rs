//! Owns `loci models`: the catalogue, what of it fits this machine and is here, and what was pulled beside it.
//! Uses `catalog`, `hardware`, the folder of models, the caches of other programs, and the cards of what was measured.
//! Never loads a model; the network is asked by `pull` alone.

mod kept;
mod pull;
mod rows;

use loci_core::qualify::card::{Card, Cards};
use loci_inference::about::About;
use loci_inference::catalog::{Catalog, Entry, Kind};
use loci_inference::engine::ModelSource;
use loci_inference::fetch::store::Manifest;
use loci_inference::hardware::{Fit, Hardware};
use loci_inference::on_disk::{Found, Search};
use loci_tui::{Line, Style, visible};
use serde_json::{Value, json};

use crate::arguments::{ModelsAction, ModelsArguments, ModelsShown};
use crate::errors::Outcome;
use crate::model;
use crate::project::Project;

pub(crate) use rows::rows;

/// List the catalogue, show one model, or get, check and remove some.
///
/// # Errors
/// When a `models.toml` is wrong, the name is unknown, or what was asked for cannot be done.
pub(crate) fn run(project: &Project, arguments: &ModelsArguments) -> anyhow::Result<Outcome> {
    match (&arguments.action, &arguments.name) {
        (Some(ModelsAction::List(shown)), _) => list(project, shown),
        (Some(ModelsAction::Show { name, json }), _) => show(project, name, *json),
        (Some(ModelsAction::Pull(arguments)), _) => pull::run(project, arguments),
        (Some(ModelsAction::Rm { names, yes }), _) => kept::remove(project, names, *yes),
        (Some(ModelsAction::Verify { names, json }), _) => kept::verify(project, names, *json),
        (Some(ModelsAction::Test(arguments)), _) => super::qualify::run(project, arguments),
        (None, Some(name)) => show(project, name, arguments.shown.json),
        (None, None) => list(project, &arguments.shown),
    }
}

/// Everything that a row of the list is made of.
struct Row<'a> {
    entry: &'a Entry,
    /// Where its file is, if it is here.
    path: Option<std::path::PathBuf>,
    /// What its file says, which is more exact than the catalogue.
    about: Option<About>,
    card: Option<Card>,
    roles: Vec<&'static str>,
}

impl<'a> Row<'a> {
    fn new(
        project: &Project,
        catalog: &'a Catalog,
        entry: &'a Entry,
        search: &Search,
        cards: &Cards,
    ) -> Self {
        let path = match entry.fields.kind {
            Kind::Gguf | Kind::Embedder => match &entry.fields.path {
                Some(_) => model::here(project, entry),
                None => model::store(project)
                    .file_of(entry)
                    .or_else(|| search.copy_of(entry).map(|found| found.path.clone())),
            },
            Kind::BuiltIn | Kind::Remote => None,
        };
        let file = path.as_ref().filter(|_| entry.fields.kind == Kind::Gguf);
        let card = match entry.fields.kind {
            Kind::BuiltIn => cards.of_source(&loci_inference::builtin::source()),
            Kind::Gguf => file.and_then(|path| cards.of_source(&ModelSource::Path(path.clone()))),
            Kind::Remote => {
                entry.fields.model.as_ref().and_then(|model| cards.of_service(&entry.name, model))
            }
            Kind::Embedder => None,
        };
        let about = file.and_then(|path| About::read(path).ok());
        let roles = catalog.roles_of(&entry.name).map(|role| role.name()).collect();
        Self { entry, path, about, card, roles }
    }

    /// Bytes of the weights, and whether they are rounded.
    fn bytes(&self) -> (Option<u64>, bool) {
        match &self.about {
            Some(about) => (Some(about.bytes), false),
            None => (self.entry.fields.bytes, self.entry.fields.approximate),
        }
    }

    /// Bytes needed with a window of so many tokens.
    fn memory(&self, context: usize) -> Option<u64> {
        match &self.about {
            Some(about) if about.cache_bytes_per_token.is_some() => Some(about.memory_needed(context)),
            _ if matches!(self.entry.fields.kind, Kind::Embedder) => None,
            _ => self.entry.memory_needed(context),
        }
    }

    fn fit(&self, machine: &Hardware) -> Option<Fit> {
        self.memory(self.entry.fields.context).map(|needed| machine.fit(needed))
    }

    /// The largest window, down to a quarter of the default, in which the machine holds it.
    fn smaller_context(&self, machine: &Hardware) -> Option<usize> {
        let contexts = [2, 4].map(|part| self.entry.fields.context / part);
        let fits =
            |context: &usize| self.memory(*context).is_some_and(|needed| machine.fit(needed) != Fit::No);
        contexts.into_iter().filter(|context| *context >= 2048).find(fits)
    }

    fn as_json(&self, machine: &Hardware) -> Value {
        let mut value = serde_json::to_value(self.entry).unwrap_or_default();
        let Some(fields) = value.as_object_mut() else { return value };
        fields.insert("supported".into(), self.entry.supported().into());
        if let Some(needed) = self.memory(self.entry.fields.context) {
            fields.insert("memory_needed".into(), needed.into());
            fields.insert("fit".into(), machine.fit(needed).words().into());
        }
        let here = self.path.is_some() || self.entry.fields.kind == Kind::BuiltIn;
        fields.insert("here".into(), here.into());
        if let Some(path) = &self.path {
            fields.insert("file_path".into(), path.display().to_string().into());
        }
        if let Some(about) = &self.about {
            fields.insert("header".into(), serde_json::to_value(about).unwrap_or_default());
        }
        if !self.roles.is_empty() {
            fields.insert("roles".into(), self.roles.clone().into());
        }
        if let Some(card) = &self.card {
            let (passed, of) = card.score();
            fields.insert(
                "measured".into(),
                json!({
                    "date": card.date, "decode_per_second": card.decode_per_second(),
                    "prefill_per_second": card.prefill_per_second(), "passed": passed, "tasks": of,
                }),
            );
        }
        value
    }
}

fn list(project: &Project, shown: &ModelsShown) -> anyhow::Result<Outcome> {
    let catalog = project.catalog()?;
    let machine = Hardware::detect();
    let search = project.environment.caches(&project.places).search();
    if project.printer.is_verbose() {
        for one in &search.skipped {
            project.printer.note(&visible(&format!("{} is left out: {}", one.path.display(), one.why)));
        }
    }
    if shown.found {
        return list_found(project, &search, shown.json);
    }
    let cards = Cards::at(&project.places.data);
    let rows: Vec<Row<'_>> =
        catalog.entries().iter().map(|entry| Row::new(project, &catalog, entry, &search, &cards)).collect();
    let store = model::store(project);
    let beside: Vec<Manifest> =
        store.all().into_iter().filter(|manifest| catalog.get(&manifest.name).is_err()).collect();
    if shown.json {
        let models: Vec<Value> = rows.iter().map(|row| row.as_json(&machine)).collect();
        let value =
            json!({ "machine": machine, "models": models, "pulled": store.all(), "found": search.found });
        project.printer.json(&value)?;
        return Ok(Outcome::Done);
    }
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
        "{:22} {:>8} {:>8} {:>8}  {:19} {:10} {:6} {}",
        "NAME", "SIZE", "MEMORY", "CONTEXT", "LICENCE", "FIT", "HERE", "MEASURED, ROLE"
    );
    project.printer.line(&Line::new(heading.trim_end(), Style::Bold))?;
    for row in &rows {
        print_row(project, row, &machine)?;
    }
    for manifest in &beside {
        print_pulled(project, &store.path(manifest), manifest, &machine)?;
    }
    let fits = |row: &&Row<'_>| row.entry.fields.kind == Kind::Gguf && row.fit(&machine) == Some(Fit::Well);
    if !rows.iter().any(|row| fits(&row)) {
        print_what_would_fit(project, &rows, &machine)?;
    }
    if !search.found.is_empty() {
        let text = format!("{} models of other programs are here: loci models --found", search.found.len());
        project.printer.line(&Line::new(text, Style::Tip))?;
    }
    let tip = "Get one with loci models pull NAME, use it with -m NAME; or any GGUF file of a supported family with \
               -m ./FILE.gguf.";
    project.printer.line(&Line::new(tip, Style::Tip))?;
    Ok(Outcome::Done)
}

fn print_row(project: &Project, row: &Row<'_>, machine: &Hardware) -> anyhow::Result<()> {
    let fields = &row.entry.fields;
    let (bytes, rounded) = row.bytes();
    let about = if rounded { "~" } else { "" };
    let bytes = bytes.map_or_else(|| "-".into(), |bytes| format!("{about}{}", size(bytes)));
    let memory = row.memory(fields.context).map_or_else(|| "-".into(), size);
    let (verdict, style) = verdict(row, machine);
    let here = if row.path.is_some() || fields.kind == Kind::BuiltIn { "yes" } else { "" };
    let mut measured = row.card.as_ref().map(in_short).unwrap_or_default();
    for role in &row.roles {
        measured = format!("{measured} {role}");
    }
    let figures = format!(" {bytes:>8} {memory:>8} {:>8}  {:19} ", fields.context, visible(&fields.licence));
    let end = format!(" {here:6} {}", measured.trim_start());
    let line = Line::new(format!("{:22}", visible(&row.entry.name)), Style::Plain)
        .with(figures, Style::Dim)
        .with(if end.trim().is_empty() { verdict.to_owned() } else { format!("{verdict:10}") }, style)
        .with(end.trim_end().to_owned(), Style::Dim);
    Ok(project.printer.line(&line)?)
}

/// A model that was pulled and is in no catalogue.
fn print_pulled(
    project: &Project,
    path: &std::path::Path,
    manifest: &Manifest,
    machine: &Hardware,
) -> anyhow::Result<()> {
    let about = About::read(path).ok();
    let bytes: u64 = manifest.files.iter().map(|kept| kept.bytes).sum();
    let needed = about.as_ref().map(|about| about.memory_needed(PULLED_CONTEXT));
    let memory = needed.map_or_else(|| "-".into(), size);
    let verdict = needed.map_or("vectors", |needed| machine.fit(needed).words());
    let licence = manifest.licence.as_deref().unwrap_or("unknown");
    let context = about.map_or_else(|| "-".to_owned(), |_| PULLED_CONTEXT.to_string());
    let line = Line::new(format!("{:22}", visible(&manifest.name)), Style::Plain)
        .with(format!(" {:>8} {memory:>8} {context:>8}  {:19} ", size(bytes), visible(licence)), Style::Dim)
        .with(format!("{verdict:10} yes"), Style::Dim);
    Ok(project.printer.line(&line)?)
}

/// The window that a model beside the catalogue is opened with.
const PULLED_CONTEXT: usize = 16_384;

/// `12.4 tok/s, 37/40`.
fn in_short(card: &Card) -> String {
    let speed = card.decode_per_second().map(|rate| format!("{rate:.1} tok/s"));
    let (passed, of) = card.score();
    let score = (of > 0).then(|| format!("{passed}/{of}"));
    speed.into_iter().chain(score).collect::<Vec<_>>().join(", ")
}

/// When nothing fits well, say what comes nearest.
fn print_what_would_fit(project: &Project, rows: &[Row<'_>], machine: &Hardware) -> anyhow::Result<()> {
    let mut local: Vec<&Row<'_>> =
        rows.iter().filter(|row| row.entry.fields.kind == Kind::Gguf && row.entry.supported()).collect();
    local.sort_by_key(|row| row.memory(row.entry.fields.context));
    let Some(smallest) = local.first() else { return Ok(()) };
    let name = visible(&smallest.entry.name);
    let context = smallest.entry.fields.context;
    let needed = smallest.memory(context).map_or_else(|| "?".into(), size);
    let less = local.iter().find_map(|row| Some((row.entry, row.smaller_context(machine)?)));
    let text = match (smallest.fit(machine), less) {
        (Some(Fit::Tight), _) => {
            format!(
                "Nothing fits beside what runs now; {name} ({needed}) does once other programs let go of memory."
            )
        }
        (_, Some((entry, context))) => {
            format!("Only with a smaller window: {} with --context {context}.", visible(&entry.name))
        }
        _ => format!(
            "None of them fits: the smallest, {name}, needs {needed}. The built-in model always does."
        ),
    };
    Ok(project.printer.line(&Line::new(text, Style::Warning))?)
}

fn list_found(project: &Project, search: &Search, as_object: bool) -> anyhow::Result<Outcome> {
    if as_object {
        project.printer.json(search)?;
        return Ok(Outcome::Done);
    }
    if search.found.is_empty() {
        let text = "Nothing of the Hugging Face cache, Ollama, LM Studio or llama.cpp is here.";
        project.printer.line(&Line::new(text, Style::Dim))?;
        return Ok(Outcome::Done);
    }
    let mut program = None;
    for found in &search.found {
        if program != Some(found.program) {
            project.printer.line(&Line::new(found.program.title(), Style::Bold))?;
            program = Some(found.program);
        }
        project.printer.line(&found_line(found))?;
    }
    project.printer.line(&Line::new("Use one in place with -m NAME.", Style::Tip))?;
    Ok(Outcome::Done)
}

fn found_line(found: &Found) -> Line {
    Line::new(format!("{:>8}  ", size(found.bytes)), Style::Dim).with(visible(&found.name), Style::Plain)
}

/// One model: an entry of the catalogue with its file, something that was pulled, or what another program left here.
fn show(project: &Project, name: &str, as_object: bool) -> anyhow::Result<Outcome> {
    let catalog = project.catalog()?;
    let machine = Hardware::detect();
    let store = model::store(project);
    let search = project.environment.caches(&project.places).search();
    let manifest = store.find(name);
    let mut value = match (catalog.get(name), &manifest, search.get(name)) {
        (Ok(entry), ..) => {
            let cards = Cards::at(&project.places.data);
            Row::new(project, &catalog, entry, &search, &cards).as_json(&machine)
        }
        (Err(_), Some(manifest), _) => {
            let path = store.path(manifest);
            json!({ "name": manifest.name, "here": true, "file_path": path, "header": About::read(&path).ok() })
        }
        (Err(_), None, Some(found)) => {
            json!({ "name": found.name, "here": true, "file_path": found.path, "program": found.program.title(),
                "bytes": found.bytes, "sha256": found.sha256, "header": About::read(&found.path).ok() })
        }
        (Err(unknown), None, None) => return Err(unknown.into()),
    };
    if let (Some(manifest), Some(fields)) = (&manifest, value.as_object_mut()) {
        let mut manifest = manifest.clone();
        // Hashes of blocks are for `verify`, not for people.
        manifest.files.iter_mut().for_each(|kept| kept.blocks.clear());
        fields.insert("manifest".into(), serde_json::to_value(manifest)?);
    }
    if as_object {
        project.printer.json(&value)?;
        return Ok(Outcome::Done);
    }
    for (key, value) in value.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        let text = visible(&value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned));
        project.printer.line(&Line::new(format!("{key:18}"), Style::Dim).with(text, Style::Plain))?;
    }
    if value["here"] == false && matches!(value["kind"].as_str(), Some("gguf" | "embedder")) {
        let text = format!("Get it: loci models pull {name}");
        project.printer.line(&Line::new(visible(&text), Style::Tip))?;
    }
    Ok(Outcome::Done)
}

fn verdict(row: &Row<'_>, machine: &Hardware) -> (&'static str, Style) {
    if !row.entry.supported() {
        return ("not yet supported", Style::Dim);
    }
    match row.entry.fields.kind {
        Kind::Remote => ("remote", Style::Tip),
        Kind::BuiltIn => ("built in", Style::Added),
        Kind::Embedder => ("vectors", Style::Dim),
        Kind::Gguf => match row.fit(machine) {
            None => ("size unknown", Style::Dim),
            Some(Fit::Well) => (Fit::Well.words(), Style::Added),
            Some(Fit::Tight) => (Fit::Tight.words(), Style::Warning),
            Some(Fit::No) => (Fit::No.words(), Style::Removed),
        },
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_is_too_small_is_offered_a_smaller_window() {
        let catalog = Catalog::load(&[]).expect("parses");
        let row = |name: &str| Row {
            entry: catalog.get(name).expect("known"),
            path: None,
            about: None,
            card: None,
            roles: Vec::new(),
        };
        let machine = |total_bytes: u64| Hardware {
            total_bytes,
            available_bytes: total_bytes,
            limited: false,
            cores: 2,
            accelerator: None,
        };
        // 2.5 GB of weights and 147,456 bytes for each token, and a tenth: 5.4 GB at 16,384, 4.1 at 8,192, 3.4 at 4,096.
        let check = |total: u64, fit: Fit, smaller: Option<usize>| {
            let (row, machine) = (row("qwen3-4b"), machine(total));
            assert_eq!((row.fit(&machine), row.smaller_context(&machine)), (Some(fit), smaller), "{total}");
        };
        check(5_500_000_000, Fit::Well, Some(8192));
        check(5_000_000_000, Fit::No, Some(8192));
        check(3_500_000_000, Fit::No, Some(4096));
        check(2_000_000_000, Fit::No, None);
    }

    #[test]
    fn what_the_file_says_wins_over_the_catalogue() {
        let catalog = Catalog::load(&[]).expect("parses");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.gguf");
        loci_core::atomic::write(&path, loci_inference::builtin::GGUF).expect("written");
        let about = About::read(&path).expect("sound");
        let entry = catalog.get("qwen3-4b").expect("known");
        let row = Row { entry, path: Some(path), about: Some(about), card: None, roles: Vec::new() };
        let bytes = loci_inference::builtin::GGUF.len() as u64;
        assert_eq!(row.bytes(), (Some(bytes), false));
        assert_eq!(row.memory(100), Some((bytes + 192_000) * 11 / 10));
    }
}
