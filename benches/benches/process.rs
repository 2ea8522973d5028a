//! Owns the figures of whole processes: start-up, first token, one search.
//! Uses the release binary beside this suite.
//! Never reads the user's own configuration: every folder is a temporary one.
#![expect(clippy::disallowed_methods, reason = "it starts the binary that it measures")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use loci_benches::{binary, source_tree};

fn command(home: &Path) -> Command {
    let mut command = Command::new(binary().expect("build it first: cargo build --release"));
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn start(criterion: &mut Criterion) {
    let home = tempfile::tempdir().expect("a folder");
    let mut group = criterion.benchmark_group("process");
    group.bench_function("loci --version", |bench| {
        bench.iter(|| command(home.path()).arg("--version").output().expect("runs"));
    });
    let tree = source_tree(1000).expect("the tree is written");
    let search = || {
        let output = command(home.path())
            .args(["search", "retry the header", "-C"])
            .arg(tree.path())
            .output()
            .expect("runs");
        assert!(output.status.success());
    };
    search();
    group.sample_size(20);
    group.bench_function("loci search, index warm", |bench| bench.iter(search));

    // From the start of the process to the first event that a model caused: a call, or text.
    group.bench_function("first token of the built-in model", |bench| {
        bench.iter_custom(|rounds| {
            let mut sum = Duration::ZERO;
            for _ in 0..rounds {
                let started = Instant::now();
                let mut child = command(home.path())
                    .args(["-p", "where is State417 defined?", "--output-format", "stream-json", "-C"])
                    .arg(tree.path())
                    .stdout(Stdio::piped())
                    .spawn()
                    .expect("starts");
                let output = BufReader::new(child.stdout.take().expect("piped"));
                let mut seen = false;
                for line in output.lines().map_while(Result::ok) {
                    let event = ["\"tool_started\"", "\"text_delta\""].iter().any(|kind| line.contains(kind));
                    if event && !seen {
                        sum += started.elapsed();
                        seen = true;
                    }
                }
                assert!(seen, "the model said nothing");
                child.wait().expect("ends");
            }
            sum
        });
    });
    group.finish();
}

criterion_group!(suite, start);
criterion_main!(suite);
