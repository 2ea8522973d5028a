//! Times how the index is kept up: `upkeep ROOT [QUERIES.jsonl REPO]`, or `upkeep ROOT build` for the build alone. ROOT is changed while it runs; name a copy.
//! Prints the build, its size and memory, the sweep, one changed file from edit to hit, warm queries.
#![expect(clippy::print_stdout, reason = "it is a command that prints what it measured")]
#![expect(clippy::disallowed_methods, reason = "it edits the tree it was given")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use loci_index::{Index, Options, Query};

/// Enough for a middle that stays; the slowest of them is shown, too.
const ROUNDS: usize = 21;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let root = PathBuf::from(arguments.next().ok_or("name a folder")?);
    let cache = std::env::temp_dir().join(format!("loci-upkeep-{}", std::process::id()));
    let options = Options { cache_dir: cache.clone(), max_file_bytes: 2_000_000, deny: Vec::new() };
    let begun = Instant::now();
    let index = Index::open(&root, options.clone())?;
    let report = index.refresh(&mut |_| {})?;
    println!("build    {:8.1} ms  {report:?}", ms(begun));
    let source: u64 =
        index.files()?.iter().filter(|file| file.skipped.is_none()).map(|file| file.bytes).sum();
    let kept = size(&cache)?;
    let ratio = kept as f64 / source.max(1) as f64;
    println!("size     {kept} bytes of {source}: {ratio:.3}; memory {}", peak());
    let queries = arguments.next();
    if queries.as_deref() == Some("build") {
        std::fs::remove_dir_all(cache)?;
        return Ok(());
    }
    std::thread::sleep(std::time::Duration::from_millis(60));
    index.refresh(&mut |_| {})?;
    timed("sweep", || index.refresh(&mut |_| {}).map(|_| ()).map_err(Into::into))?;
    timed("open", || Index::open(&root, options.clone()).map(drop).map_err(Into::into))?;
    timed("open+swp", || {
        Index::open(&root, options.clone())?.refresh(&mut |_| {})?;
        Ok(())
    })?;

    let files = index.files()?;
    let middle = files
        .iter()
        .filter(|file| file.language != "text" && (4_000..20_000).contains(&file.bytes))
        .nth(20)
        .ok_or("no file to edit")?;
    let (path, full) = (middle.path.clone(), root.join(&middle.path));
    let before = std::fs::read(&full)?;
    println!("edited   {path}, {} bytes", before.len());
    let mut round = 0u8;
    let rounds = if queries.as_deref() == Some("edits") { 10 } else { 1 };
    for _ in 1..rounds {
        timed("update", || {
            round = (round + 1) % 200;
            let word = word(round);
            std::fs::write(&full, [format!("// {word}\n").as_bytes(), &before].concat())?;
            index.update(std::slice::from_ref(&path))?;
            found(&index, &word)
        })?;
    }
    timed("update", || {
        round += 1;
        let word = word(round);
        std::fs::write(&full, [format!("// {word}\n").as_bytes(), &before].concat())?;
        index.update(std::slice::from_ref(&path))?;
        found(&index, &word)
    })?;
    timed("swept in", || {
        round += 1;
        let word = word(round);
        std::fs::write(&full, [format!("// {word}\n").as_bytes(), &before].concat())?;
        index.refresh(&mut |_| {})?;
        found(&index, &word)
    })?;
    std::fs::write(&full, &before)?;
    index.refresh(&mut |_| {})?;
    println!("size     {} bytes after {round} edits", size(&cache)?);
    if let (Some(queries), Some(repo)) = (queries, arguments.next()) {
        let mut asked = Vec::new();
        for line in std::fs::read_to_string(queries)?.lines() {
            let one: serde_json::Value = serde_json::from_str(line)?;
            if one["repo"].as_str() == Some(&repo) {
                asked.push(one["query"].as_str().unwrap_or_default().to_owned());
            }
        }
        search(&index, &asked)?;
    } else {
        // Names of the tree itself: rare and common ones, as people ask for them.
        let words =
            ["new", "parse config", "error handling", "read bytes from a stream", "Builder", "src/lib.rs"];
        search(&index, &words.map(str::to_owned))?;
    }
    println!("memory   {}", peak());
    std::fs::remove_dir_all(cache)?;
    Ok(())
}

/// A word of letters only, as digits are parts of their own.
fn word(round: u8) -> String {
    format!("upkeepzq{}{}", char::from(b'a' + round / 26), char::from(b'a' + round % 26))
}

fn found(index: &Index, word: &str) -> Result<(), Box<dyn Error>> {
    let hits = index.search(&Query { text: word.to_owned(), ..Query::default() })?;
    if hits.iter().any(|hit| hit.preview.contains(word)) {
        Ok(())
    } else {
        Err(format!("{word} was not found").into())
    }
}

fn timed(what: &str, mut run: impl FnMut() -> Result<(), Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
    let (mut times, mut own) = (Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS));
    for _ in 0..ROUNDS {
        let (begun, before) = (Instant::now(), on_cpu());
        run()?;
        times.push(ms(begun));
        own.push((on_cpu() - before) / 1e6);
    }
    show(what, times);
    own.sort_by(f64::total_cmp);
    println!("         {:8.2} ms p50 of them on the processor, in this thread", own[ROUNDS / 2]);
    Ok(())
}

fn search(index: &Index, asked: &[String]) -> Result<(), Box<dyn Error>> {
    let mut times = Vec::new();
    for _ in 0..3 {
        times.clear();
        for text in asked {
            let query = Query { text: text.clone(), ..Query::default() };
            let begun = Instant::now();
            index.search(&query)?;
            times.push(ms(begun));
        }
    }
    show("search", times);
    Ok(())
}

fn show(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at =
        |share: usize| times.get((times.len() * share / 100).min(times.len() - 1)).copied().unwrap_or(0.0);
    println!("{what:8} {:8.2} ms p50, {:.2} ms p99 of {}", at(50), at(99), times.len());
}

fn ms(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}

/// Nanoseconds this thread has run: on a busy machine, what it waited for says nothing.
fn on_cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

fn size(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { size(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let shown = status.lines().filter(|line| line.starts_with("VmHWM") || line.starts_with("RssAnon"));
    shown.collect::<Vec<_>>().join(" ")
}
