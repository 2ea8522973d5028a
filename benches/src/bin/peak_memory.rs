//! Owns the figures of memory: the peak of processes that load no model.
//! Uses `/proc/PID/status`, so it runs on Linux only.
//! Never loads a model, and never reads the user's own configuration.
#![expect(clippy::print_stdout, reason = "its whole purpose is to print a table")]
#![expect(
    clippy::disallowed_methods,
    reason = "it starts the binary that it measures, and writes a script for it"
)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use loci_benches::{binary, source_tree};

/// The peak resident set of one process, in kB, and whether it ended well. The kernel's high-water mark never falls, so
/// the last reading before the end misses only what is allocated within the last half millisecond.
fn peak(home: &Path, arguments: &[&str]) -> std::io::Result<(u64, bool)> {
    let mut child = Command::new(binary()?)
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let reading = std::fs::read_to_string(&status).unwrap_or_default();
        let mark = reading.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(kilobytes) = mark.and_then(|mark| mark.trim().trim_end_matches(" kB").parse().ok()) {
            peak = kilobytes;
        }
        if let Some(ended) = child.try_wait()? {
            return Ok((peak, ended.success()));
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}

fn main() -> std::io::Result<()> {
    let home = tempfile::tempdir()?;
    let tree = source_tree(1000)?;
    let folder = tree.path().to_string_lossy().into_owned();
    let script = home.path().join("script.json");
    std::fs::write(
        &script,
        r#"[{"events":[{"call":{"name":"search","arguments":{"query":"retry the header"}}}]},
            {"events":[{"text":"done"}]}]"#,
    )?;
    let model = format!("scripted:{}", script.display());
    for (what, arguments) in [
        ("loci --version", vec!["--version"]),
        ("loci index, 1,000 files, cold", vec!["index", "-C", &folder]),
        ("loci search, index warm", vec!["search", "retry the header", "-C", &folder]),
        ("a scripted turn with one search", vec!["-p", "go", "-m", &model, "-C", &folder]),
    ] {
        let (kilobytes, ok) = peak(home.path(), &arguments)?;
        let note = if ok { "" } else { "  (failed)" };
        println!("{what:34} {:6.1} MB{note}", kilobytes as f64 / 1000.0);
    }
    Ok(())
}
