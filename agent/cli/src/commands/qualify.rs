//! Owns `loci models test`: what a model can do and how fast it is on this machine, as a table and a card.
//! Uses `core::qualify` for the tasks, `inference::bench` for the speeds.
//! Never works in a project of the user's, and never runs a command of the model.

use std::sync::Arc;
use std::time::Duration;

use loci_core::config::Settings;
use loci_core::qualify::{
    Card, Cards, FileMark, Kind, Options, Step, Subject, TaskResult, peak_bytes, run as tasks,
};
use loci_inference::bench::{Plan, Settings as BenchSettings};
use loci_inference::engine::ModelSource;
use loci_inference::hardware::Hardware;
use loci_inference::provider::Provider;
use loci_tui::{Line, Style, visible};

use super::bench::{open_as_deep_as_it_goes, speeds};
use crate::arguments::QualifyArguments;
use crate::commands::models::size;
use crate::errors::Outcome;
use crate::model;
use crate::progress::Bars;
use crate::project::Project;

/// Test a model, print what came out, and keep it.
///
/// # Errors
/// When the model cannot be used, or the card cannot be written.
pub(crate) fn run(project: &Project, arguments: &QualifyArguments) -> anyhow::Result<Outcome> {
    let settings = project.settings(&project.config(Vec::new())?);
    let context = arguments.context.map(|tokens| tokens as usize);
    let settings = Settings {
        model: Some(arguments.name.clone()),
        context_length: context.or(settings.context_length),
        snapshot_bytes: 0,
        ..settings
    };
    let provider = model::open(project, &settings)?;
    let source = provider.weights();
    let cards = Cards::at(&project.places.data);
    let mut card = new_card(provider.as_ref(), source.as_ref(), &cards)?;
    let options = Options {
        quick: arguments.quick,
        per_task: Duration::from_secs(arguments.task_time.into()),
        in_all: Duration::from_secs(u64::from(arguments.time) * 60),
        folder: project.places.cache.join(format!("qualify-{}", std::process::id())),
        context_length: context,
    };
    let outcome = done(project, arguments, provider, &options)?;
    card.quick = arguments.quick;
    card.complete = outcome.complete;
    card.first_token_ms = outcome.first_token_ms;
    card.peak_bytes = peak_bytes();
    card.tasks = outcome.tasks;
    if let Some(source) = source.filter(|_| outcome.complete) {
        measure(project, &source, arguments.quick, context, &mut card)?;
    }
    let path = cards.save(&card)?;
    if arguments.json {
        project.printer.json(&card)?;
    } else {
        summary(project, &card)?;
        let line = Line::new(format!("Kept in {}", visible(&path.display().to_string())), Style::Dim);
        project.printer.line(&line)?;
    }
    Ok(if card.complete { Outcome::Done } else { Outcome::Interrupted })
}

/// A card with nothing on it but whose it is. The weights are read for their hash, unless an older card knows the file.
fn new_card(provider: &dyn Provider, source: Option<&ModelSource>, cards: &Cards) -> anyhow::Result<Card> {
    let info = provider.info();
    let (subject, file) = match source {
        Some(source) => {
            let known = cards.of_source(source).map(|card| card.subject);
            let file = match source {
                ModelSource::Path(path) => FileMark::of(path),
                ModelSource::Static(_) => None,
            };
            (known.map_or_else(|| Subject::of_source(source), Ok)?, file)
        }
        None => (Subject::Service { service: info.provider.clone(), model: info.model.clone() }, None),
    };
    Ok(Card::new(subject, info.model.clone(), file))
}

/// Run the tasks, with a line for each as it ends.
fn done(
    project: &Project,
    arguments: &QualifyArguments,
    provider: Arc<dyn Provider>,
    options: &Options,
) -> anyhow::Result<loci_core::qualify::Outcome> {
    let runtime = crate::conversation::runtime()?;
    let mut bars = Bars::new(&project.printer);
    let mut unprinted = None;
    let outcome = runtime.block_on(async {
        let interrupted = async {
            // Without a handler the whole program ends, as it does anywhere else.
            let _ = tokio::signal::ctrl_c().await;
        };
        let mut told = |step: Step<'_>| match step {
            Step::Begins { number, of, name: _ } => {
                bars.update("testing", number as u64 - 1, Some(of as u64), "tasks");
            }
            Step::Ended(result) if !arguments.json => {
                bars.clear();
                if let Err(error) = row(project, result) {
                    unprinted.get_or_insert(error);
                }
            }
            Step::Ended(_) => {}
        };
        tasks(provider, options, interrupted, &mut told).await
    });
    bars.clear();
    runtime.shutdown_background();
    unprinted.map_or(Ok(()), Err)?;
    Ok(outcome?)
}

fn row(project: &Project, result: &TaskResult) -> anyhow::Result<()> {
    let (mark, style) = if result.passed { ("pass", Style::Added) } else { ("fail", Style::Removed) };
    let mut line = Line::new(mark, style)
        .with(format!("  {:26}", result.name), Style::Plain)
        .with(format!(" {:>7.1} s", result.duration_ms as f64 / 1000.0), Style::Dim);
    if let Some(why) = &result.why {
        let why: String = visible(why).replace('\n', " ").chars().take(100).collect();
        line = line.with(format!("  {why}"), Style::Dim);
    }
    Ok(project.printer.line(&line)?)
}

/// Prompt and answer of the speeds, in tokens: enough for a rate, little enough for a slow machine.
const MEASURED: (usize, usize) = (256, 24);

fn measure(
    project: &Project,
    source: &ModelSource,
    quick: bool,
    context: Option<usize>,
    card: &mut Card,
) -> anyhow::Result<()> {
    let machine = Hardware::detect();
    let depths: &[usize] = if quick { &[0] } else { &[0, 2_048, 8_192] };
    let most = context.unwrap_or(usize::MAX);
    let depths = depths.iter().copied().filter(|depth| *depth < most).collect();
    let mut plan = Plan { prompts: vec![MEASURED.0], answers: vec![MEASURED.1], depths, sequences: vec![1] };
    let settings = BenchSettings {
        threads: None,
        repetitions: 2,
        warm_up: true,
        cpu_only: false,
        memory_limit: (machine.available_bytes > 0).then_some(machine.available_bytes),
    };
    let (mut bench, left_out) = open_as_deep_as_it_goes(source, &mut plan, settings)?;
    if let Some(why) = left_out {
        project.printer.note(&why);
    }
    let mut bars = Bars::new(&project.printer);
    let all = plan.tests();
    let mut results = Vec::with_capacity(all.len());
    for (number, test) in all.iter().enumerate() {
        bars.update("measuring speed", number as u64, Some(all.len() as u64), "tests");
        results.push(bench.measure(*test, &|| false)?);
    }
    card.speeds = speeds(&results);
    Ok(())
}

fn summary(project: &Project, card: &Card) -> anyhow::Result<()> {
    let print = |name: &str, value: String| -> anyhow::Result<()> {
        let line = Line::new(format!("{name:22}"), Style::Dim).with(value, Style::Plain);
        Ok(project.printer.line(&line)?)
    };
    let (passed, run) = card.score();
    let heading = format!("{}: {passed} of {run} tasks", visible(&card.model));
    project.printer.line(&Line::new(heading, Style::Bold))?;
    for kind in Kind::ALL {
        let (passed, run) = card.count(kind);
        if run > 0 {
            print(kind.words(), format!("{passed} of {run}"))?;
        }
    }
    if let Some(validity) = card.tool_validity() {
        print("calls that tools take", format!("{:.1} %", validity * 100.0))?;
    }
    if let Some(tokens) = card.needle_tokens() {
        print("window that holds", format!("{tokens} tokens"))?;
    }
    let rate = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"));
    for speed in &card.speeds {
        let text = format!(
            "{} tokens/s read, {} written, behind {}",
            rate(speed.prefill_per_second),
            rate(speed.decode_per_second),
            speed.depth
        );
        print("speed", text)?;
    }
    if let Some(first) = card.first_token_ms {
        print("first token", format!("{:.2} s (median)", first as f64 / 1000.0))?;
    }
    if let Some(peak) = card.peak_bytes {
        print("memory, at most", size(peak))?;
    }
    Ok(())
}
