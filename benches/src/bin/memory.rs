//! Owns the check of the memory estimate: what a model is said to take, and what the process took in the end.
//! Uses the engine as the agent does: tokenizer, grammar, a context filled to its end; Linux only.
//! Never counts less than the kernel does: mapped pages of the file are part of the figure, those of the program are not.
//!
//! `memory MODEL.gguf CONTEXT`
#![expect(clippy::print_stdout, reason = "its whole purpose is to print figures")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use loci_inference::engine::{Engine, EngineEvent, EngineOptions, Job, ModelSource};
use loci_inference::grammar::{Grammar, GrammarCompiler};
use tokio_util::sync::CancellationToken;

/// The most that this process has had resident, in bytes.
fn peak() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let mark = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no high-water mark")?;
    Ok(mark.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, context] = arguments.as_slice() else {
        return Err("usage: memory MODEL.gguf CONTEXT".into());
    };
    let context: usize = context.parse()?;
    let program = peak()?;
    let options = EngineOptions { context: Some(context), cpu_only: true, ..EngineOptions::default() };
    let engine = Engine::open(ModelSource::Path(PathBuf::from(model)), options)?;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!("opened: {:.0} MiB", mib(peak()?));
    let about = Arc::clone(engine.model());
    let grammars = GrammarCompiler::new(Arc::clone(engine.tokenizer()), &about.eos)?;
    let constraint = grammars.compile(&Grammar { lark: "start: /[a-z ]{2000}/".to_owned() })?;
    println!("with a grammar: {:.0} MiB", mib(peak()?));
    let answer = 8.min(context / 2);
    let job = Job {
        prompt: (0..(about.context_length - answer) as u32).map(|index| index * 7 % 256).collect(),
        max_tokens: answer,
        constraint: Some(Box::new(constraint)),
        ..Job::default()
    };
    let mut events = engine.generate(job, CancellationToken::new());
    while let Some(event) = events.blocking_recv() {
        if let EngineEvent::Finished { .. } = event? {
            break;
        }
    }
    let (estimate, used) = (about.memory_bytes, peak()? - program);
    println!(
        "{} at {} tokens: {:.0} MiB estimated, {:.0} MiB used: {:.3}",
        about.name,
        about.context_length,
        mib(estimate),
        mib(used),
        estimate as f64 / used as f64
    );
    Ok(())
}
