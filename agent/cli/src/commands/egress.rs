//! Owns `loci egress`: what left the machine, whether the ledger of it holds, and what a request would send.
//! Uses `core::egress`.
//! Never sends anything.

use loci_core::audit::export::Since;
use loci_core::egress::{Entry, Ledger, Part, dry};
use loci_core::session::SessionOptions;
use loci_tui::{Line, Style, visible};
use serde_json::json;

use crate::arguments::{AskArguments, EgressAction};
use crate::errors::{Outcome, Usage};
use crate::model;
use crate::project::Project;

/// Do it.
///
/// # Errors
/// When the ledger cannot be read, a time cannot be understood, or the model cannot be opened.
pub(crate) fn run(project: &Project, asked: &AskArguments, action: &EgressAction) -> anyhow::Result<Outcome> {
    let ledger = Ledger::open(&project.places);
    match action {
        EgressAction::Show { session, since, host, json } => {
            let since = since.as_deref().map(super::audit::since_of).transpose()?;
            show(
                project,
                &ledger,
                &Wanted { session: session.as_deref(), since, host: host.as_deref() },
                *json,
            )
        }
        EgressAction::Verify { json } => verify(project, &ledger, *json),
        EgressAction::DryRun { request, model, json } => {
            let mut asked = asked.clone();
            asked.model = model.clone().or(asked.model);
            dry_run(project, &asked, &request.join(" "), *json)
        }
    }
}

/// Which transmissions are shown.
struct Wanted<'a> {
    session: Option<&'a str>,
    since: Option<Since>,
    host: Option<&'a str>,
}

impl Wanted<'_> {
    fn takes(&self, entry: &Entry) -> bool {
        let of_session = |id: &str| entry.session.as_deref().is_some_and(|session| session.starts_with(id));
        let name = entry.host.rsplit_once(':').map_or(entry.host.as_str(), |(name, _)| name);
        let of_host = |host: &str| name.ends_with(host) || entry.host.ends_with(host);
        self.session.is_none_or(of_session)
            && self.host.is_none_or(of_host)
            && self.since.is_none_or(|since| !since.is_after(&entry.at))
    }
}

fn show(project: &Project, ledger: &Ledger, wanted: &Wanted<'_>, as_json: bool) -> anyhow::Result<Outcome> {
    let mut printed = Ok(());
    let (mut count, mut bytes) = (0_u64, 0_u64);
    ledger.entries(|entry| {
        if printed.is_err() || !wanted.takes(&entry) {
            return;
        }
        count += 1;
        bytes += entry.bytes;
        printed = if as_json {
            project.printer.json_line(&entry)
        } else {
            lines(&entry).iter().try_for_each(|line| project.printer.line(line))
        };
    })?;
    printed?;
    if count == 0 && !as_json {
        project.printer.note("nothing of this kind left this machine");
    } else if !as_json {
        project.printer.line(&Line::new(format!("{count} transmissions, {bytes} bytes"), Style::Bold))?;
    }
    Ok(Outcome::Done)
}

fn lines(entry: &Entry) -> Vec<Line> {
    let tried = if entry.attempt > 1 { format!(", try {}", entry.attempt) } else { String::new() };
    let at = entry.at.split('.').next().unwrap_or(&entry.at).trim_end_matches('Z');
    let mut lines = vec![
        Line::new(format!("{at}  "), Style::Dim)
            .with(visible(&entry.host), Style::Bold)
            .with(format!("  {} {} bytes{tried}", visible(&entry.method), entry.bytes), Style::Plain),
    ];
    let what = entry.model.as_deref().unwrap_or("?");
    let session = entry.session.as_deref().map_or(String::new(), |id| format!(", session {id}"));
    let row = format!(
        "  {} {what}{session}, allowed by: {}, sha256 {}",
        entry.purpose,
        entry.allowed_by,
        short(&entry.sha256)
    );
    lines.push(Line::new(visible(&row), Style::Plain));
    if !entry.parts.is_empty() {
        lines.push(Line::new(visible(&format!("  {}", told(&entry.parts))), Style::Dim));
    }
    if entry.redactions + entry.stubs > 0 {
        let row =
            format!("  {} secrets replaced, {} texts kept on this machine", entry.redactions, entry.stubs);
        lines.push(Line::new(row, Style::Tip));
    }
    lines
}

fn short(hash: &str) -> &str {
    hash.get(..16).unwrap_or(hash)
}

fn told(parts: &[Part]) -> String {
    let one = |part: &Part| match &part.name {
        Some(name) => format!("{} {} {}", part.origin, part.bytes, name.replace('\n', " ")),
        None => format!("{} {}", part.origin, part.bytes),
    };
    parts.iter().map(one).collect::<Vec<_>>().join(" · ")
}

fn verify(project: &Project, ledger: &Ledger, as_json: bool) -> anyhow::Result<Outcome> {
    let verified = ledger.verify()?;
    if as_json {
        project.printer.json(&verified)?;
    } else {
        let line = match &verified.broken {
            None if verified.entries == 0 => Line::new("nothing left this machine yet", Style::Plain),
            None => Line::new("intact", Style::Bold).with(
                format!(
                    ": {} transmissions from number {} on, {} that never began, last {}",
                    verified.entries,
                    verified.first,
                    verified.unfinished,
                    short(&verified.last)
                ),
                Style::Plain,
            ),
            Some(broken) => Line::new("not intact", Style::Removed).with(
                visible(&format!(": {} line {}: {}", broken.file.display(), broken.line, broken.why)),
                Style::Plain,
            ),
        };
        project.printer.line(&line)?;
    }
    Ok(if verified.broken.is_none() { Outcome::Done } else { Outcome::Failed })
}

fn dry_run(project: &Project, asked: &AskArguments, prompt: &str, as_json: bool) -> anyhow::Result<Outcome> {
    if prompt.trim().is_empty() {
        return Err(Usage::error("there is no request", "give one: loci egress dry-run \"where is main?\""));
    }
    let config = project.config(asked.as_configuration())?;
    let settings = project.settings(&config);
    let started = model::start(project, &config, &settings, None)?;
    let info = started.provider.info().clone();
    let options = SessionOptions {
        cwd: project.root.clone(),
        provider: started.provider,
        tools: loci_core::tools::all(),
        settings,
        places: project.places.clone(),
        environment: project.environment.clone(),
        trusted: project.trusted()?,
        resume: None,
        interactive: false,
        helper: None,
        models: None,
        chosen: started.chosen.clone(),
    };
    let runtime = crate::conversation::runtime()?;
    let would = runtime.block_on(dry::run(options, prompt));
    runtime.shutdown_background();
    let dry::Would { parts, bytes, redactions, stubs } = would?;
    let leaves = info.endpoint.is_some() || !info.local;
    if as_json {
        project.printer.json(&json!({
            "leaves": leaves, "endpoint": info.endpoint, "model": format!("{}/{}", info.provider, info.model),
            "allowed_by": started.chosen.why, "bytes": bytes, "parts": parts, "redactions": redactions, "stubs": stubs,
        }))?;
        return Ok(Outcome::Done);
    }
    let line = match &info.endpoint {
        Some(endpoint) => Line::new("would be sent", Style::Bold).with(
            format!(
                " to {} for {}/{}, allowed by: {}",
                visible(endpoint),
                info.provider,
                info.model,
                started.chosen.why
            ),
            Style::Plain,
        ),
        None if leaves => Line::new("would leave this machine", Style::Bold)
            .with(format!(" for {}/{}", info.provider, info.model), Style::Plain),
        None => Line::new("nothing would leave this machine", Style::Bold)
            .with(format!(": {} answers in this process", visible(&info.model)), Style::Plain),
    };
    project.printer.line(&line)?;
    for part in &parts {
        let name = part.name.as_deref().unwrap_or_default();
        project.printer.line(&Line::new(
            format!("{:>9}  {} {}", part.bytes, part.origin, visible(name)),
            Style::Plain,
        ))?;
    }
    let sum = format!("{bytes:>9}  bytes of text in the first request, and what the protocol adds");
    project.printer.line(&Line::new(sum, Style::Dim))?;
    if redactions + stubs > 0 {
        let row = format!("{redactions} secrets replaced, {stubs} texts kept on this machine");
        project.printer.line(&Line::new(row, Style::Tip))?;
    }
    Ok(Outcome::Done)
}
