//! Owns the bars for long work: indexing, loading, reading a prompt.
//! Uses indicatif, on standard error.
//! Never draws where standard error is no terminal, and leaves nothing behind.

use std::collections::HashMap;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::printer::Printer;

/// The bars on the screen, one for each task.
#[derive(Debug)]
pub(crate) struct Bars {
    drawn: bool,
    bars: HashMap<String, ProgressBar>,
}

impl Bars {
    /// Bars as this printer allows them.
    #[must_use]
    pub(crate) fn new(printer: &Printer) -> Self {
        Self { drawn: printer.draws_bars(), bars: HashMap::new() }
    }

    /// A task moved on. It ends when all of it is done.
    pub(crate) fn update(&mut self, task: &str, done: u64, total: Option<u64>, unit: &str) {
        if !self.drawn {
            return;
        }
        if total.is_some_and(|total| done >= total) {
            if let Some(bar) = self.bars.remove(task) {
                bar.finish_and_clear();
            }
            return;
        }
        let bar = self.bars.entry(task.to_owned()).or_insert_with(|| start(task, unit));
        if let Some(total) = total.filter(|total| *total > 0) {
            bar.set_length(total);
        }
        bar.set_position(done);
    }

    /// Take the bars off the screen, so that something else can be printed.
    pub(crate) fn clear(&mut self) {
        for (_, bar) in self.bars.drain() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.clear();
    }
}

fn start(task: &str, unit: &str) -> ProgressBar {
    // Ten frames a second are smooth enough, and cost nothing beside the work.
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    let figures = match unit {
        "bytes" => "{bytes}/{total_bytes} {elapsed}",
        "transfer" => "{bytes}/{total_bytes} {bytes_per_sec}, {eta} left",
        "files" => "{pos}/{len} {prefix}, {per_sec}, {eta} left",
        _ => "{pos}/{len} {prefix} {elapsed}",
    };
    let template = format!("{{msg:16}} {{bar:30.cyan/dim}} {figures}");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar.set_message(task.to_owned());
    bar.set_prefix(unit.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
