//! Owns `loci why`: which model would answer, and what stands against each of the others.
//! Uses the models that there are to choose from, and the same choice that a session makes.
//! Never opens a model.

use loci_core::route::{self, Role, Task};
use loci_protocol::PermissionMode;

use crate::arguments::{AskArguments, WhyArguments};
use crate::errors::Outcome;
use crate::model::Choice;
use crate::project::Project;

/// Do it.
///
/// # Errors
/// When configuration or catalogue cannot be read.
pub(crate) fn run(
    project: &Project,
    asked: &AskArguments,
    arguments: &WhyArguments,
) -> anyhow::Result<Outcome> {
    let mut asked = asked.clone();
    asked.model = arguments.model.clone().or(asked.model);
    let config = project.config(asked.as_configuration())?;
    let settings = project.settings(&config);
    let words = arguments.task.join(" ");
    let (role, _) = route::addressed(&words);
    let plans = settings.permission_mode == PermissionMode::Plan;
    let named = settings.model.clone().filter(|model| role.is_none() && !model.is_empty());
    let role = role.unwrap_or(if plans { Role::Plan } else { Role::Main });
    let task = Task { role, named, tools: role != Role::Fast, ..Task::default() };
    let choice = Choice::new(project, &settings);
    let candidates = choice.list()?;
    let route = route::route(&task, &candidates, &choice.state());
    let report = route.report(&task, &candidates);
    if arguments.json {
        project.printer.json(&report)?;
    } else {
        for line in loci_tui::route_lines(&report) {
            project.printer.line(&line)?;
        }
    }
    Ok(if report.chosen.is_some() { Outcome::Done } else { Outcome::Failed })
}
