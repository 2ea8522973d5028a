//! Owns `loci bench`: how fast a model runs on this machine.
//! Uses `inference::bench`, the machine's figures, and the card that keeps the speeds.
//! Never opens a project's index, a session or the network.

use loci_core::qualify::{Card, Cards, FileMark, Speed, card};
use loci_inference::bench::{Bench, Figures, Plan, Settings, Subject};
use loci_inference::engine::ModelSource;
use loci_inference::hardware::Hardware;
use loci_tui::{Line, Style, visible};
use serde_json::{Value, json};

use crate::arguments::BenchArguments;
use crate::commands::models::size;
use crate::errors::{Outcome, Usage};
use crate::model;
use crate::project::Project;

/// Measure every combination that was asked for, and print each as it is known.
///
/// # Errors
/// When the model is not known or cannot be used, when a test is longer than its context, or without memory.
pub(crate) fn run(project: &Project, arguments: &BenchArguments) -> anyhow::Result<Outcome> {
    let mut plan = Plan {
        prompts: arguments.prompt.clone(),
        answers: arguments.generate.clone(),
        depths: if arguments.depth.is_empty() { DEPTHS.to_vec() } else { arguments.depth.clone() },
        sequences: arguments.batch.clone(),
    };
    if plan.tests().is_empty() {
        return Err(Usage::error("nothing to measure", "give -p or -n a number above 0"));
    }
    let machine = Hardware::detect();
    let settings = Settings {
        threads: arguments.threads.map(usize::from),
        repetitions: usize::from(arguments.repetitions),
        warm_up: !arguments.no_warm_up,
        cpu_only: arguments.cpu,
        memory_limit: (machine.available_bytes > 0).then_some(machine.available_bytes),
    };
    let source = model::source(project, &arguments.model)?;
    let (mut bench, left_out) = if arguments.depth.is_empty() {
        open_as_deep_as_it_goes(&source, &mut plan, settings)?
    } else {
        (Bench::open(&source, &plan, settings)?, None)
    };
    if let Some(why) = left_out {
        project.printer.note(&why);
    }
    if !arguments.json {
        heading(project, bench.subject())?;
    }
    let mut results = Vec::new();
    for test in plan.tests() {
        let figures = bench.measure(test, &|| false)?;
        if !arguments.json {
            row(project, bench.subject(), &figures)?;
        }
        results.push(figures);
    }
    let subject = bench.subject().clone();
    // The speed of a machine that was held back is not that of the machine.
    if arguments.threads.is_none() && !arguments.cpu {
        drop(bench);
        keep(project, &source, &subject, &results);
        if arguments.json {
            project.printer.json(&as_json(&machine, &subject, &results))?;
        }
        return Ok(Outcome::Done);
    }
    if arguments.json {
        project.printer.json(&as_json(&machine, bench.subject(), &results))?;
    }
    Ok(Outcome::Done)
}

/// Tokens before each test where nobody says it: none, a first look at a file, the middle of a session.
const DEPTHS: [usize; 3] = [0, 2_048, 8_192];

/// A measurement of the depths that the model and the memory hold, and what was left out and why.
///
/// # Errors
/// As [`Bench::open`], when not even the shallowest can be measured.
pub(super) fn open_as_deep_as_it_goes(
    source: &ModelSource,
    plan: &mut Plan,
    settings: Settings,
) -> anyhow::Result<(Bench, Option<String>)> {
    let mut why = None;
    loop {
        match Bench::open(source, plan, settings) {
            Ok(bench) => return Ok((bench, why)),
            Err(error) if plan.depths.len() > 1 => {
                // The depths are in order: the deepest goes first.
                if let Some(depth) = plan.depths.pop() {
                    why = Some(format!("not measured from {depth} tokens on: {error}"));
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The speeds of single sequences, by depth.
pub(super) fn speeds(results: &[Figures]) -> Vec<Speed> {
    let mut speeds: Vec<Speed> = Vec::new();
    for figures in results.iter().filter(|figures| figures.test.sequences == 1) {
        let depth = figures.test.depth;
        let at = speeds.iter().position(|speed| speed.depth == depth).unwrap_or_else(|| {
            speeds.push(Speed { depth, prefill_per_second: None, decode_per_second: None });
            speeds.len() - 1
        });
        let speed = &mut speeds[at];
        let place = if figures.test.prompt > 0 {
            &mut speed.prefill_per_second
        } else {
            &mut speed.decode_per_second
        };
        // Of several lengths the first is kept: the others were asked for beside it.
        place.get_or_insert(figures.median);
    }
    speeds
}

/// Keep the speeds on the model's card. What cannot be kept is no reason to withhold what was measured.
fn keep(project: &Project, source: &ModelSource, subject: &Subject, results: &[Figures]) {
    let cards = Cards::at(&project.places.data);
    let known = cards.of_source(source).map(|card| card.subject);
    let kept = known.map_or_else(|| card::Subject::of_source(source), Ok).and_then(|key| {
        let file = match source {
            ModelSource::Path(path) => FileMark::of(path),
            ModelSource::Static(_) => None,
        };
        let mut card = Card::new(key, subject.name.clone(), file);
        card.speeds = speeds(results);
        cards.note_speeds(card)
    });
    if let Err(error) = kept {
        project.printer.note(&format!("the speeds are not kept: {error}"));
    }
}

/// Columns of a name; longer ones are cut.
const NAME: usize = 30;

fn heading(project: &Project, subject: &Subject) -> anyhow::Result<()> {
    let text = format!("On {}, {} kernels", subject.device, subject.units);
    project.printer.line(&Line::new(text, Style::Dim))?;
    let heading = format!(
        "{:NAME$} {:>9} {:>9} {:>7}  {:18} {:>18} {:>9}",
        "MODEL", "SIZE", "PARAMS", "THREADS", "TEST", "TOKENS/S", "MEDIAN"
    );
    Ok(project.printer.line(&Line::new(heading, Style::Bold))?)
}

/// In the units that names of models use: 1.54 B, 2.6 M.
fn parameters(count: u64) -> String {
    match count as f64 {
        count if count < 1e9 => format!("{:.1} M", count / 1e6),
        count => format!("{:.2} B", count / 1e9),
    }
}

fn row(project: &Project, subject: &Subject, figures: &Figures) -> anyhow::Result<()> {
    let name: String = visible(&subject.name).chars().take(NAME).collect();
    let about = format!(
        "{name:NAME$} {:>9} {:>9} {:>7}  ",
        size(subject.bytes),
        parameters(subject.parameters),
        subject.threads
    );
    let rate = format!("{:.2} ± {:.2}", figures.mean, figures.deviation);
    let line = Line::new(about, Style::Dim)
        .with(format!("{:18} {rate:>18} {:>9.2}", figures.name, figures.median), Style::Plain);
    Ok(project.printer.line(&line)?)
}

fn as_json(machine: &Hardware, subject: &Subject, results: &[Figures]) -> Value {
    json!({
        "loci": env!("CARGO_PKG_VERSION"),
        "machine": machine,
        "model": subject,
        "results": results,
    })
}
