//! Owns `loci context replay`: what a model would read when a question is asked in a written session.
//! Uses the core's replay, which is the code of a live session.
//! Never shows a question what comes after it, and never guesses at a line that is not JSON.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use loci_core::context::replay::{Answer, Question, Replay, ReplayError, Turn};
use loci_core::meaning;
use serde::de::DeserializeOwned;

use super::super::shown;
use crate::arguments::ContextReplayArguments;
use crate::errors::{Failed, Outcome, Usage};
use crate::project::Project;

/// Answer every question, in their order.
pub(super) fn run(
    project: &Project,
    root: Option<PathBuf>,
    arguments: &ContextReplayArguments,
) -> anyhow::Result<Outcome> {
    let questions: Vec<Question> = lines(&arguments.questions)?;
    let settings = project.settings(&project.config(Vec::new())?);
    let embed = meaning::light(&settings.embeddings);
    let mut answers: Vec<Option<Answer>> = questions.iter().map(|_| None).collect();
    let only = arguments.session.len() == 1;
    for path in &arguments.session {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let turns: Vec<Turn> = lines(path)?;
        let mut asked: Vec<usize> = (0..questions.len())
            .filter(|at| questions[*at].session == name || (only && questions[*at].session.is_empty()))
            .collect();
        asked.sort_by_key(|at| questions[*at].asked_at.unwrap_or(usize::MAX));
        let mut asked = asked.into_iter().peekable();
        let mut replay = Replay::new(arguments.budget as usize, root.clone(), embed.clone());
        for turn in &turns {
            while let Some(at) =
                asked.next_if(|at| questions[*at].asked_at.is_some_and(|until| until <= turn.turn))
            {
                answers[at] = Some(replay.ask(&questions[at]).map_err(too_small)?);
            }
            replay.take(turn).map_err(|error| {
                let what = format!("{}, turn {}: {error}", path.display(), turn.turn);
                Failed::error(what, "give a larger --budget")
            })?;
        }
        for at in asked {
            answers[at] = Some(replay.ask(&questions[at]).map_err(too_small)?);
        }
    }
    let others = answers.iter().filter(|answer| answer.is_none()).count();
    if others > 0 {
        let others = shown::count(others, "question");
        project.printer.note(&format!("{others} about other sessions left out"));
    }
    for answer in answers.iter().flatten() {
        project.printer.json_line(answer)?;
    }
    Ok(if others == answers.len() { Outcome::Failed } else { Outcome::Done })
}

fn too_small(error: ReplayError) -> anyhow::Error {
    Failed::error(error.to_string(), "give a larger --budget")
}

/// The lines of a file, each a JSON object; empty ones are left out.
fn lines<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<T>> {
    let shown = path.display();
    let file = File::open(path).map_err(|error| {
        Usage::error(format!("{shown}: {error}"), "name a file with one JSON object a line")
    })?;
    let mut parsed = Vec::new();
    for (number, line) in (1..).zip(BufReader::new(file).split(b'\n')) {
        let line = line.with_context(|| shown.to_string())?;
        // What is not UTF-8 in a session is what some tool printed.
        let line = String::from_utf8_lossy(&line);
        if line.trim().is_empty() {
            continue;
        }
        let value = serde_json::from_str(&line).map_err(|error| {
            Usage::error(
                format!("{shown}, line {number}: {error}"),
                "`loci context replay --help` shows the format",
            )
        })?;
        parsed.push(value);
    }
    Ok(parsed)
}
