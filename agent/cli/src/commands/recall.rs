//! Owns `loci recall`: what was said in the sessions of this project, by words or by handle.
//! Uses the archive of sessions; no model.
//! Never shows a passage without the handle under which all of it can be seen.

use loci_core::archive::{self, Archive, ArchiveHit, Ask};
use loci_core::context::handle::Handle;
use loci_core::meaning;
use loci_core::session::{Resume, resume};
use loci_core::tools::Remembered;
use loci_tui::{Line, Style, clip, one_line, visible};
use serde_json::json;

use super::shown;
use crate::arguments::RecallArguments;
use crate::errors::{Failed, Outcome, Usage};
use crate::project::Project;

/// Lines of a passage that are shown before its handle.
const SHOWN: usize = 12;
/// Characters of an id that are shown at least: those of a version 7 UUID that change within a minute.
const SHORT: usize = 8;

/// Search, or show an entry.
///
/// # Errors
/// When there is no session, or none that is meant, or the sessions cannot be read.
pub(crate) fn run(project: &Project, arguments: &RecallArguments) -> anyhow::Result<Outcome> {
    let logs = project.places.sessions(&project.root);
    let words = arguments.words.join(" ");
    let (named, rest) = match words.rsplit_once('/') {
        Some((session, rest)) if rest.parse::<Handle>().is_ok() && !session.contains(['/', ' ']) => {
            (Some(session), rest)
        }
        _ => (None, words.as_str()),
    };
    let session = match named.or(arguments.session.as_deref()) {
        None => None,
        Some(id) => Some(session(project, id)?),
    };
    match (rest.parse::<Handle>(), session) {
        (Ok(handle), Some(session)) => {
            let entry = archive::entry(&logs, &session, handle.entry)?;
            show_entry(project, &session, handle, &entry, arguments.json)?;
            Ok(Outcome::Done)
        }
        (Ok(handle), None) => Err(Usage::error(
            format!("{handle} is an entry of a session, and no session is named"),
            format!("loci recall {handle} --session newest; `loci sessions` lists them"),
        )),
        (Err(_), session) => search(project, arguments, &words, session.as_deref()),
    }
}

/// The id of the session that is meant: a whole one, the beginning of one, or the newest.
///
/// # Errors
/// When there is none, or several.
pub(super) fn session(project: &Project, named: &str) -> anyhow::Result<String> {
    let logs = project.places.sessions(&project.root);
    let which = if named == "newest" { Resume::Latest } else { Resume::Id(named.to_owned()) };
    match resume::find(&logs, &which) {
        Err(loci_core::session::SessionError::NothingToResume) => Err(no_session()),
        found => Ok(found?),
    }
}

fn no_session() -> anyhow::Error {
    Failed::error(
        "there are no sessions in this project yet",
        "begin one with `loci`, or name another project with -C DIR",
    )
}

fn search(
    project: &Project,
    arguments: &RecallArguments,
    words: &str,
    session: Option<&str>,
) -> anyhow::Result<Outcome> {
    let settings = project.settings(&project.config(Vec::new())?);
    let archive = Archive::open(&project.places, &project.root, meaning::light(&settings.embeddings))?;
    if archive.sessions() == 0 {
        return Err(no_session());
    }
    for note in archive.notes() {
        project.printer.note(note);
    }
    let ask = Ask { words, limit: usize::from(arguments.limit), session, except: None };
    let hits = archive.search(&ask)?;
    if arguments.json {
        let list: Vec<serde_json::Value> = hits.iter().map(as_json).collect();
        project.printer.json(&json!({ "query": words, "hits": list }))?;
    } else {
        let ids = archive.ids();
        for (at, hit) in hits.iter().enumerate() {
            if at > 0 {
                project.printer.line(&Line::default())?;
            }
            show_hit(project, hit, shortest(&hit.session, &ids), arguments.why)?;
        }
    }
    if hits.is_empty() {
        project.printer.note(&format!("nothing found for `{}`; try fewer or other words", visible(words)));
        return Ok(Outcome::Failed);
    }
    Ok(Outcome::Done)
}

/// Search this project's sessions from within a conversation.
///
/// # Errors
/// When the sessions cannot be read or the terminal cannot be written.
pub(super) fn within(project: &Project, own: &str, words: &str) -> anyhow::Result<()> {
    let session = words.trim().parse::<Handle>().is_ok().then(|| own.to_owned());
    let words = words.split_whitespace().map(str::to_owned).collect();
    run(project, &RecallArguments { words, session, limit: 5, why: false, json: false }).map(drop)
}

/// As much of an id as tells it from the others.
fn shortest<'a>(id: &'a str, all: &[String]) -> &'a str {
    let cuts = id.char_indices().map(|(at, _)| at).filter(|at| *at >= SHORT);
    let only = |cut: &usize| all.iter().filter(|other| other.starts_with(&id[..*cut])).count() <= 1;
    cuts.into_iter().find(only).map_or(id, |cut| &id[..cut])
}

fn show_hit(project: &Project, hit: &ArchiveHit, id: &str, why: bool) -> anyhow::Result<()> {
    let printer = &project.printer;
    let width = printer.width();
    let head = Line::new(format!("{} · ", hit.date), Style::Dim)
        .with(one_line(&hit.about, 40), Style::Plain)
        .with(format!(" · turn {} · ", hit.turn), Style::Dim)
        .with(one_line(&hit.title, width.saturating_sub(70).max(30)), Style::Bold);
    printer.line(&head)?;
    let lines: Vec<&str> = hit.text.lines().collect();
    for line in lines.iter().take(SHOWN) {
        let line = visible(line).replace('\t', "    ");
        printer.line(&Line::new(clip(&format!("    {line}"), width), Style::Plain))?;
    }
    let more = lines.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!("    {} more, ", shown::count(more, "line")) } else { "    ".into() };
    printer.line(
        &Line::new(format!("{more}all of it: "), Style::Dim)
            .with(format!("loci recall {id}/r{}", hit.handle.entry), Style::Tip)
            .with(format!("  (lines {})", span(hit.handle)), Style::Dim),
    )?;
    if why {
        let why: Vec<String> = hit.why.iter().map(|(name, value)| format!("{name} {value:.2}")).collect();
        printer.line(&Line::new(format!("    score {:.2}: {}", hit.score, why.join(", ")), Style::Dim))?;
    }
    Ok(())
}

fn span(handle: Handle) -> String {
    let (first, last) = handle.lines.unwrap_or((1, 1));
    format!("{first}-{last}")
}

fn as_json(hit: &ArchiveHit) -> serde_json::Value {
    let why: Vec<serde_json::Value> =
        hit.why.iter().map(|(name, value)| json!({ "signal": name, "score": value })).collect();
    json!({
        "session": hit.session, "date": hit.date, "about": hit.about, "turn": hit.turn, "title": hit.title,
        "handle": hit.handle.to_string(), "text": hit.text, "score": hit.score, "why": why,
    })
}

fn show_entry(
    project: &Project,
    session: &str,
    handle: Handle,
    entry: &Remembered,
    as_json: bool,
) -> anyhow::Result<()> {
    let total = entry.text.lines().count();
    let (first, last) = handle.lines.unwrap_or((1, total.max(1)));
    if first > total.max(1) {
        return Err(Usage::error(
            format!("r{} has {}, and no line {first}", handle.entry, shown::count(total, "line")),
            format!("loci recall {session}/r{} shows all of it", handle.entry),
        ));
    }
    let last = last.min(total);
    if as_json {
        let lines = entry.text.lines().skip(first - 1).take((last + 1).saturating_sub(first));
        project.printer.json(&json!({
            "session": session, "handle": format!("r{}", handle.entry), "turn": entry.turn, "title": entry.title,
            "first": first, "last": last, "lines": total, "text": lines.collect::<Vec<_>>().join("\n"),
        }))?;
        return Ok(());
    }
    let head = Line::new(format!("r{} · turn {} · ", handle.entry, entry.turn), Style::Dim)
        .with(visible(&entry.title).replace('\n', " "), Style::Bold);
    project.printer.line(&head)?;
    let width = last.to_string().len();
    for (number, line) in (1..=last).zip(entry.text.lines()).skip(first - 1) {
        let shown = match handle.lines {
            None => Line::new(visible(line), Style::Plain),
            Some(_) => Line::new(format!("{number:>width$}  "), Style::Dim).with(visible(line), Style::Plain),
        };
        project.printer.line(&shown)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_as_long_as_they_must_be() {
        let all: Vec<String> =
            ["0198c0de-1111", "0198c0de-1112", "0299ffff-0000"].iter().map(ToString::to_string).collect();
        let check = |id: &str, expect: &str| assert_eq!(shortest(id, &all), expect);
        check("0198c0de-1111", "0198c0de-1111");
        check("0299ffff-0000", "0299ffff");
        check("short", "short");
    }
}
