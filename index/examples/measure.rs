//! Times the index on a real tree: `measure ROOT [QUERIES.jsonl RESULTS.jsonl REPO]`. Prints build, sweep, query and memory figures.
#![expect(clippy::print_stdout, reason = "it is a command that prints what it measured")]

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use loci_index::{Index, Options, Query};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let root = PathBuf::from(arguments.next().ok_or("name a folder")?);
    let cache = std::env::temp_dir().join(format!("loci-measure-{}", std::process::id()));
    let options = Options { cache_dir: cache.clone(), max_file_bytes: 2_000_000, deny: Vec::new() };
    let begun = Instant::now();
    let index = Index::open(&root, options.clone())?;
    let report = index.refresh(&mut |_| {})?;
    println!("build    {:8.1} ms  {report:?}", begun.elapsed().as_secs_f64() * 1e3);
    println!("memory   {}", peak());
    drop(index);
    for round in ["reopen", "again"] {
        let begun = Instant::now();
        let index = Index::open(&root, options.clone())?;
        let opened = begun.elapsed();
        let report = index.refresh(&mut |_| {})?;
        let swept = begun.elapsed();
        let found = index.definitions("new")?.len();
        println!(
            "{round:8} {:8.1} ms open, {:.1} ms with sweep, {:.1} ms with definitions(new) = {found}; {} read",
            opened.as_secs_f64() * 1e3,
            swept.as_secs_f64() * 1e3,
            begun.elapsed().as_secs_f64() * 1e3,
            report.indexed,
        );
    }
    let index = Index::open(&root, options)?;
    for symbol in ["new", "main", "config", "parse"] {
        let begun = Instant::now();
        let found = index.references(symbol)?.len();
        println!("uses     {:8.1} ms  {symbol}: {found}", begun.elapsed().as_secs_f64() * 1e3);
    }
    if let (Some(queries), Some(results), Some(repo)) = (arguments.next(), arguments.next(), arguments.next())
    {
        let mut out = std::fs::File::options().create(true).append(true).open(results)?;
        let mut times = Vec::new();
        for line in std::fs::read_to_string(queries)?.lines() {
            let asked: serde_json::Value = serde_json::from_str(line)?;
            if asked["repo"].as_str() != Some(&repo) {
                continue;
            }
            let query = Query {
                text: asked["query"].as_str().unwrap_or_default().into(),
                limit: 100,
                ..Query::default()
            };
            let begun = Instant::now();
            let hits = index.search(&Query { limit: 10, ..query.clone() })?;
            let ms = begun.elapsed().as_secs_f64() * 1e3;
            times.push(ms);
            let all = index.search_files(&query)?;
            let spans: Vec<_> = hits
                .iter()
                .map(
                    |hit| serde_json::json!({"file": hit.path, "start": hit.start_line, "end": hit.end_line}),
                )
                .collect();
            let files: Vec<_> = all.iter().map(|hit| hit.path.as_str()).collect();
            let result =
                serde_json::json!({"query_id": asked["query_id"], "files": files, "spans": spans, "ms": ms});
            writeln!(out, "{result}")?;
        }
        times.sort_by(f64::total_cmp);
        if let (Some(middle), Some(late)) = (times.get(times.len() / 2), times.get(times.len() * 95 / 100)) {
            println!("search   {middle:8.1} ms p50, {late:.1} ms p95 of {}", times.len());
        }
    }
    println!("memory   {}", peak());
    std::fs::remove_dir_all(cache)?;
    Ok(())
}

fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .filter(|line| line.starts_with("VmHWM") || line.starts_with("RssAnon"))
        .collect::<Vec<_>>()
        .join(" ")
}
