//! Owns the figures of starting a command in a sandbox: `true`, many times, at each level, beside the same without.
//! Uses the crate as sessions do; it is its own helper.
//! Never takes a mean: a machine that does something else for a moment would be in it.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::path::Path;
use std::time::{Duration, Instant};

use loci_exec::sandbox::{Level, Network, Overlay, Profile, Sandbox, enter_if_asked, probe, secret_places};
use loci_exec::{Command, Program, run};
use tokio_util::sync::CancellationToken;

const ROUNDS: usize = 100;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    enter_if_asked();
    let folder = tempfile::tempdir()?;
    let root = folder.path().join("repo");
    std::fs::create_dir_all(root.join(".git"))?;
    let probe = probe(Path::new("/proc/self/exe"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut rows: Vec<(&str, Option<(Level, bool)>)> = vec![("without", None)];
    if probe.level >= Level::Restricted {
        rows.push(("restricted", Some((Level::Restricted, false))));
    }
    if probe.level >= Level::Full {
        rows.push(("full", Some((Level::Full, false))));
    }
    if probe.overlay {
        rows.push(("full, overlay", Some((Level::Full, true))));
    }
    // In turn, so that what else the machine does falls on all of them.
    let mut times = vec![Vec::new(); rows.len()];
    for round in 0..ROUNDS {
        for ((_, asked), times) in rows.iter().zip(&mut times) {
            let sandbox =
                asked.map(|(level, overlay)| sandbox(&root, folder.path(), level, overlay.then_some(round)));
            let command = Command {
                program: Program::Argv(vec!["true".into()]),
                cwd: root.clone(),
                timeout: Duration::from_secs(60),
                keep_bytes: 1024,
                spool: None,
                spool_bytes: 0,
                env: Vec::new(),
                keep_env: Vec::new(),
                terminal: None,
                sandbox: sandbox.transpose()?,
            };
            let begun = Instant::now();
            runtime.block_on(run(command, CancellationToken::new()))?;
            times.push(begun.elapsed());
        }
    }
    println!("{:<14} {:>8} {:>8} {:>8}   of {ROUNDS}, in milliseconds", "", "p50", "p90", "least");
    for ((name, _), times) in rows.iter().zip(&mut times) {
        times.sort();
        let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
        println!("{name:<14} {:>8.2} {:>8.2} {:>8.2}", at(50), at(90), at(0));
    }
    Ok(())
}

fn sandbox(root: &Path, folder: &Path, level: Level, overlay: Option<usize>) -> std::io::Result<Sandbox> {
    let overlay = match overlay {
        None => None,
        Some(round) => {
            let (upper, work) = (folder.join(format!("upper-{round}")), folder.join(format!("work-{round}")));
            std::fs::create_dir(&upper)?;
            std::fs::create_dir(&work)?;
            Some(Overlay { upper, work })
        }
    };
    let profile = Profile {
        root: root.to_owned(),
        writable: Vec::new(),
        read_only: vec![root.join(".git"), root.join(".loci")],
        hidden: secret_places(Path::new("/root")),
        overlay,
        network: Network::Off,
    };
    Ok(Sandbox { helper: "/proc/self/exe".into(), level, profile })
}
