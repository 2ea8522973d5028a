//! Owns `loci bench`: how fast a model runs on this machine.
//! Uses `inference::bench`, and the machine's figures.
//! Never opens a project's index, a session or the network.

use loci_inference::bench::{Bench, Figures, Plan, Settings, Subject};
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
    let plan = Plan {
        prompts: arguments.prompt.clone(),
        answers: arguments.generate.clone(),
        depths: arguments.depth.clone(),
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
    let mut bench = Bench::open(&source, &plan, settings)?;
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
    if arguments.json {
        project.printer.json(&as_json(&machine, bench.subject(), &results))?;
    }
    Ok(Outcome::Done)
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
