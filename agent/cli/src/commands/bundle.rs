//! Owns `loci bundle`: one file for machines without a network, made, checked and put in place.
//! Uses `core::bundle` for the format and every check.
//! Never puts anything in place before all of it was checked, and never a policy of the machine in force.

mod chosen;

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use loci_core::bundle::read::rest;
use loci_core::bundle::{
    BundleError, Destination, Fate, Manifest, Reading, Role, create, install, plan, signature,
};
use loci_tui::{Line, Style, visible};
use serde_json::{Value, json};

use super::models::size;
use crate::arguments::{
    BundleAction, BundleArguments, BundleCreateArguments, BundleInstallArguments, BundleVerifyArguments,
};
use crate::errors::{Outcome, Usage};
use crate::input;
use crate::progress::Bars;
use crate::project::Project;

/// Where programs of a user go on systems with the XDG folders.
const PROGRAMS: &str = ".local/bin";

/// Make, check or install one.
///
/// # Errors
/// What is wrong with the bundle, a key or a place.
pub(crate) fn run(project: &Project, arguments: &BundleArguments) -> anyhow::Result<Outcome> {
    match &arguments.action {
        BundleAction::Create(arguments) => make(project, arguments),
        BundleAction::Verify(arguments) => check(project, arguments),
        BundleAction::Install(arguments) => put(project, arguments),
    }
}

fn make(project: &Project, arguments: &BundleCreateArguments) -> anyhow::Result<Outcome> {
    let path = project.directory.join(&arguments.file);
    if path.exists() {
        return Err(Usage::error(
            format!("{} is there already", path.display()),
            "name another file, or remove that one",
        ));
    }
    // Before hours of reading: the key may be none.
    let key =
        arguments.sign.as_ref().map(|key| SigningKey::read(&project.directory.join(key))).transpose()?;
    let base = arguments.since.as_ref().map(|old| older(&project.directory.join(old))).transpose()?;
    let items = chosen::items(project, arguments)?;
    let mut bars = Bars::new(&project.printer);
    let mut tell = |done, total| bars.update("writing the bundle", done, Some(total), "bytes");
    let written = create(&path, &items, base.as_ref().map(|(manifest, id)| (manifest, id)), &mut tell)?;
    drop(bars);
    let signed = key.map(|key| key.sign(&path, &written.bytes)).transpose()?;
    if arguments.json {
        project.printer.json(&json!({
            "path": path,
            "id": written.id,
            "bytes": written.length,
            "base": written.manifest.base,
            "target": written.manifest.target,
            "signature": signed,
            "files": written.manifest.files,
        }))?;
        return Ok(Outcome::Done);
    }
    list(project, &written.manifest)?;
    let say = |text: String| project.printer.line(&Line::new(visible(&text), Style::Plain));
    say(format!("{}: {}, id {}", path.display(), size(written.length), written.id))?;
    if let Some(base) = &written.manifest.base {
        say(format!("it builds on {base}: that one must be installed before it"))?;
    }
    if let Some(signed) = signed {
        say(format!("signed: {}", signed.display()))?;
    }
    Ok(Outcome::Done)
}

fn check(project: &Project, arguments: &BundleVerifyArguments) -> anyhow::Result<Outcome> {
    let path = project.directory.join(&arguments.file);
    let (mut reading, signed) = open(project, &path, arguments.key.as_deref())?;
    let manifest = reading.manifest.clone();
    let id = reading.id.clone();
    let mut bars = Bars::new(&project.printer);
    rest(&mut reading, &mut |done, total| bars.update("reading the bundle", done, Some(total), "bytes"))
        .and_then(|()| reading.finish())
        .with_context(|| path.display().to_string())?;
    drop(bars);
    if arguments.json {
        project.printer.json(&json!({
            "id": id,
            "base": manifest.base,
            "target": manifest.target,
            "loci": manifest.loci,
            "signature": signed,
            "files": manifest.files,
        }))?;
        return Ok(Outcome::Done);
    }
    list(project, &manifest)?;
    let held = manifest.held().count();
    let text = format!("every byte of {held} files is right, id {id}");
    project.printer.line(&Line::new(text, Style::Added))?;
    if let Some(base) = &manifest.base {
        let text = format!("it builds on {base}: that one must be installed before it");
        project.printer.line(&Line::new(text, Style::Plain))?;
    }
    say_signature(project, signed.as_deref())?;
    Ok(Outcome::Done)
}

fn put(project: &Project, arguments: &BundleInstallArguments) -> anyhow::Result<Outcome> {
    let path = project.directory.join(&arguments.file);
    let named = || path.display().to_string();
    let (mut reading, signed) = open(project, &path, arguments.key.as_deref())?;
    let programs = match &arguments.to {
        Some(folder) => project.directory.join(folder),
        None => project.places.home.join(PROGRAMS),
    };
    let destination = Destination {
        programs,
        data: project.places.data.clone(),
        configuration: project.places.config.clone(),
    };
    let planned = plan(&reading.manifest, &destination).with_context(named)?;
    let id = reading.id.clone();
    let mut bars = Bars::new(&project.printer);
    let mut tell = |done, total| bars.update("checking and copying", done, Some(total), "bytes");
    if arguments.dry_run {
        rest(&mut reading, &mut tell).and_then(|()| reading.finish()).with_context(named)?;
    } else {
        install(reading, &planned, &destination, &mut tell).with_context(named)?;
    }
    drop(bars);
    if arguments.json {
        let files: Vec<Value> = planned
            .steps
            .iter()
            .map(|(file, target, fate)| json!({ "path": file.path, "to": target, "fate": fate.name() }))
            .collect();
        project.printer.json(&json!({
            "id": id,
            "installed": !arguments.dry_run,
            "signature": signed,
            "files": files,
        }))?;
        return Ok(Outcome::Done);
    }
    for (_, target, fate) in &planned.steps {
        let (word, style) = match fate {
            Fate::New => ("new", Style::Added),
            Fate::Replaced => ("replaced", Style::Added),
            Fate::Same => ("the same", Style::Dim),
            Fate::Kept => ("yours stays", Style::Tip),
        };
        let line = Line::new(format!("{word:<12}"), style)
            .with(visible(&target.display().to_string()), Style::Plain);
        project.printer.line(&line)?;
    }
    for policy in planned.policies() {
        project.printer.note(&format!(
            "a policy is not in force by being here; whoever runs this machine does it: install -m 644 {} /etc/loci/policy.d/",
            policy.display()
        ));
    }
    let done = if arguments.dry_run { "nothing was changed: this is what would be" } else { "installed" };
    let text = format!("{done}: {}, id {id}", size(planned.bytes()));
    project.printer.line(&Line::new(text, Style::Plain))?;
    say_signature(project, signed.as_deref())?;
    Ok(Outcome::Done)
}

/// Open a bundle at its manifest, with the comment of its signature where a key was given.
fn open(
    project: &Project,
    path: &Path,
    key: Option<&str>,
) -> anyhow::Result<(Reading<File>, Option<String>)> {
    let file = File::open(path)
        .map_err(|error| Usage::error(format!("{}: {error}", path.display()), "name the file of a bundle"))?;
    let reading = Reading::open(file).with_context(|| path.display().to_string())?;
    let Some(key) = key else { return Ok((reading, None)) };
    let as_file = project.directory.join(key);
    let key = if as_file.is_file() { std::fs::read_to_string(&as_file)? } else { key.to_owned() };
    let signature_path = signature_of(path);
    let signature = std::fs::read_to_string(&signature_path).map_err(|error| {
        Usage::error(
            format!("{}: {error}", signature_path.display()),
            "a signed bundle comes with that file beside it; without --key no signature is asked for",
        )
    })?;
    let comment = signature::check(&reading.bytes, &signature, &key)
        .with_context(|| signature_path.display().to_string())?;
    Ok((reading, Some(comment)))
}

/// `FILE.minisig`.
fn signature_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".minisig");
    name.into()
}

fn say_signature(project: &Project, signed: Option<&str>) -> anyhow::Result<()> {
    let line = match signed {
        Some(comment) => Line::new(format!("signed: {}", visible(comment)), Style::Added),
        None => Line::new("its signature was not asked for: --key does", Style::Tip),
    };
    Ok(project.printer.line(&line)?)
}

fn list(project: &Project, manifest: &Manifest) -> anyhow::Result<()> {
    for file in &manifest.files {
        let style = if file.role == Role::Binary { Style::Bold } else { Style::Plain };
        let line = Line::new(format!("{:>9} ", size(file.size)), Style::Dim)
            .with(visible(&file.path), style)
            .with(format!("  {}", visible(&file.licence)), Style::Dim)
            .with(if file.in_base { "  in the base" } else { "" }, Style::Tip);
        project.printer.line(&line)?;
    }
    Ok(())
}

/// The manifest of an older bundle: of the file itself, or one that was kept of it.
fn older(path: &Path) -> anyhow::Result<(Manifest, loci_core::bundle::Id)> {
    let named = || path.display().to_string();
    let mut file = File::open(path)
        .map_err(|error| Usage::error(format!("{}: {error}", path.display()), "name an older bundle"))?;
    let mut first = [0];
    let length = std::io::Read::read(&mut file, &mut first)?;
    if &first[..length] == b"{" {
        let bytes = std::fs::read(path).with_context(named)?;
        return Ok((Manifest::decode(&bytes).with_context(named)?, Manifest::id(&bytes)));
    }
    std::io::Seek::rewind(&mut file)?;
    let reading = Reading::open(file).with_context(named)?;
    Ok((reading.manifest, reading.id))
}

/// A secret key, and its password if it has one.
struct SigningKey {
    text: String,
    password: Option<String>,
    path: PathBuf,
}

impl SigningKey {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Usage::error(format!("{}: {error}", path.display()), "name a secret key of minisign")
        })?;
        let named = || path.display().to_string();
        let password = if signature::wants_password(&text).with_context(named)? {
            Some(input::password(&format!("Password of {}: ", path.display()))?)
        } else {
            None
        };
        let key = Self { text, password, path: path.to_owned() };
        // A wrong password is told now.
        signature::sign(b"", &key.text, key.password.clone(), "trial").with_context(named)?;
        Ok(key)
    }

    fn sign(self, bundle: &Path, manifest: &[u8]) -> anyhow::Result<PathBuf> {
        let name = bundle.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let comment = format!("file:{name}\tmanifest:{}", Manifest::id(manifest));
        let text = signature::sign(manifest, &self.text, self.password, &comment)
            .with_context(|| self.path.display().to_string())?;
        let path = signature_of(bundle);
        loci_core::atomic::write(&path, text.as_bytes())
            .map_err(|source| BundleError::Io { path: path.clone(), source })?;
        Ok(path)
    }
}
