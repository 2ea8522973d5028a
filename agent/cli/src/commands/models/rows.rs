//! Owns the models as the picker of the screen shows them: what can be used now comes first.
//! Uses the same rows as `loci models`, what was pulled, the services, and the variables that may hold their keys.
//! Never asks a network, and never shows a key.

use loci_core::config::{Environment, RemoteProvider};
use loci_core::qualify::card::{Card, Cards};
use loci_inference::about::About;
use loci_inference::catalog::Kind;
use loci_inference::engine::ModelSource;
use loci_inference::fetch::store::Manifest;
use loci_inference::hardware::{Fit, Hardware};
use loci_tui::ModelRow;

use super::{PULLED_CONTEXT, Row, verdict};
use crate::model;
use crate::project::Project;

/// A model that this machine has too little memory for.
const DOES_NOT_FIT: &str = "does not fit";

/// Every model that the user may choose, best first.
///
/// # Errors
/// When the catalogue or the configuration cannot be read.
pub(crate) fn rows(project: &Project) -> anyhow::Result<Vec<ModelRow>> {
    let catalog = project.catalog()?;
    let settings = project.settings(&project.config(Vec::new())?);
    let machine = Hardware::detect();
    let search = project.environment.caches(&project.places).search();
    let cards = Cards::at(&project.places.data);
    let store = model::store(project);
    let mut rows = Vec::new();
    for entry in catalog.entries() {
        let row = Row::new(project, &catalog, entry, &search, &cards);
        if matches!(entry.fields.kind, Kind::BuiltIn | Kind::Gguf) {
            rows.push(own(&row, &machine));
        }
    }
    for manifest in store.all().into_iter().filter(|manifest| catalog.get(&manifest.name).is_err()) {
        let path = store.path(&manifest);
        if let Ok(about) = About::read(&path) {
            rows.push(pulled(
                &manifest,
                &about,
                cards.of_source(&ModelSource::Path(path)).as_ref(),
                &machine,
            ));
        }
    }
    let services = model::with_services(&settings, &catalog).providers;
    for (name, service) in &services {
        let card = service.model.as_ref().and_then(|model| cards.of_service(name, model));
        rows.push(served(name, service, card.as_ref(), &project.environment, settings.offline));
    }
    // What can be used, then what may become usable on this machine, then the rest; within these as they came.
    rows.sort_by_key(|row| (!row.ready, !row.local, row.verdict == DOES_NOT_FIT));
    Ok(rows)
}

fn speed(card: Option<&Card>) -> Option<(f64, f64)> {
    let card = card?;
    Some((card.prefill_per_second().unwrap_or_default(), card.decode_per_second()?))
}

/// A model of the catalogue that runs on this machine.
fn own(row: &Row<'_>, machine: &Hardware) -> ModelRow {
    let fields = &row.entry.fields;
    let ready = fields.kind == Kind::BuiltIn || (row.path.is_some() && row.entry.supported());
    let name = row.entry.name.clone();
    let command = match fields.path {
        // It names a file of the user's own, which is nowhere to be had.
        Some(_) => None,
        None => Some(format!("loci models pull {name}")),
    };
    ModelRow {
        local: true,
        ready,
        verdict: match verdict(row, machine).0 {
            no if no == Fit::No.words() => DOES_NOT_FIT.to_owned(),
            verdict => verdict.to_owned(),
        },
        bytes: row.bytes().0,
        context: fields.context,
        speed: speed(row.card.as_ref()),
        command: command.filter(|_| !ready && row.entry.supported()),
        place: row.roles.iter().map(|role| format!("@{role}")).collect::<Vec<_>>().join(" "),
        name,
    }
}

/// A model that was pulled and is in no catalogue.
fn pulled(manifest: &Manifest, about: &About, card: Option<&Card>, machine: &Hardware) -> ModelRow {
    ModelRow {
        name: manifest.name.clone(),
        local: true,
        ready: true,
        verdict: machine.fit(about.memory_needed(PULLED_CONTEXT)).words().to_owned(),
        bytes: Some(about.bytes),
        context: PULLED_CONTEXT,
        speed: speed(card),
        ..ModelRow::default()
    }
}

/// A service, with the model that it is asked for.
fn served(
    name: &str,
    service: &RemoteProvider,
    card: Option<&Card>,
    environment: &Environment,
    offline: bool,
) -> ModelRow {
    let key = service.api_key_env.as_deref();
    let has_key = key.is_none_or(|key| environment.get(key).is_some_and(|value| !value.is_empty()));
    let gap = service.base_url.contains('{');
    let (verdict, command) = match (offline, &service.model, has_key, gap) {
        (true, ..) => ("offline", None),
        (_, None, ..) => ("no model named", Some(format!("name one: -m {name}/MODEL"))),
        (_, _, _, true) => {
            ("address not whole", Some(format!("set providers.{name}.base_url in config.toml")))
        }
        (_, _, false, _) => ("no key", key.map(|key| format!("set {key}"))),
        (_, _, true, _) => (if key.is_some() { "key found" } else { "needs no key" }, None),
    };
    ModelRow {
        name: service.model.as_ref().map_or_else(|| name.to_owned(), |model| format!("{name}/{model}")),
        local: service.on_this_machine,
        place: service.base_url.clone(),
        ready: matches!(verdict, "key found" | "needs no key"),
        verdict: verdict.to_owned(),
        context: service.context_length.unwrap_or_default(),
        speed: speed(card),
        command,
        ..ModelRow::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_ready_with_its_key() {
        let environment = Environment::of([("A_KEY", "x"), ("EMPTY", "")]);
        let service = |key: Option<&str>, model: Option<&str>| RemoteProvider {
            base_url: "https://api.example.com/v1".into(),
            api_key_env: key.map(str::to_owned),
            model: model.map(str::to_owned),
            ..RemoteProvider::default()
        };
        let check = |service: RemoteProvider, offline: bool, ready: bool, verdict: &str| {
            let row = served("example", &service, None, &environment, offline);
            assert_eq!((row.ready, row.verdict.as_str()), (ready, verdict), "{row:?}");
        };
        check(service(Some("A_KEY"), Some("m")), false, true, "key found");
        check(service(None, Some("m")), false, true, "needs no key");
        check(service(Some("EMPTY"), Some("m")), false, false, "no key");
        check(service(Some("MISSING"), Some("m")), false, false, "no key");
        check(service(Some("A_KEY"), None), false, false, "no model named");
        check(service(Some("A_KEY"), Some("m")), true, false, "offline");
        let gap =
            RemoteProvider { base_url: "https://{account}.example.com".into(), ..service(None, Some("m")) };
        check(gap, false, false, "address not whole");
    }
}
