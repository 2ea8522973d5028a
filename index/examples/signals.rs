//! Writes what ranking sees, for those who fit its weights: `signals TREES OUT QUERIES.jsonl …`. For each file of queries there are rows of
//! 32-bit floats, one for each candidate of each query, and beside them a line of JSON for each query.
#![expect(clippy::print_stdout, reason = "it is a command that says how far it is")]

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use loci_index::{FileSignals, Index, Options, Query};
use serde_json::{Value, json};

/// Candidates kept beside the relevant ones.
const KEPT: usize = 120;
/// Files whose spans are kept.
const WITH_SPANS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let trees = PathBuf::from(arguments.next().ok_or("name the folder of trees")?);
    let out = PathBuf::from(arguments.next().ok_or("name the folder to write to")?);
    std::fs::create_dir_all(&out)?;
    for queries in arguments {
        let mut by_tree: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for line in std::fs::read_to_string(&queries)?.lines() {
            let asked: Value = serde_json::from_str(line)?;
            by_tree.entry(asked["repo"].as_str().unwrap_or_default().to_owned()).or_default().push(asked);
        }
        let stem =
            Path::new(&queries).file_name().unwrap_or_default().to_string_lossy().replace(".jsonl", "");
        let mut rows = BufWriter::new(std::fs::File::create(out.join(format!("{stem}.f32")))?);
        let mut heads = BufWriter::new(std::fs::File::create(out.join(format!("{stem}.heads")))?);
        for (tree, asked) in by_tree {
            let cache = std::env::temp_dir().join(format!("loci-signals-{}", std::process::id()));
            let options = Options { cache_dir: cache.clone(), max_file_bytes: 2_000_000, deny: Vec::new() };
            let index = Index::open(&trees.join(&tree), options)?;
            index.refresh(&mut |_| {})?;
            for query in asked {
                one(&index, &query, &mut rows, &mut heads)?;
            }
            drop(index);
            std::fs::remove_dir_all(cache)?;
        }
        println!("{stem}");
    }
    Ok(())
}

fn one(
    index: &Index,
    asked: &Value,
    rows: &mut impl Write,
    heads: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let text = asked["query"].as_str().unwrap_or_default().to_owned();
    let found = index.signals(&Query { text, ..Query::default() })?;
    let relevant: Vec<&str> =
        asked["relevant_files"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let places: HashMap<&str, usize> =
        found.iter().enumerate().map(|(place, one)| (one.path.as_str(), place)).collect();
    let missing = relevant.iter().filter(|path| !places.contains_key(**path)).count();
    let kept: Vec<(usize, &FileSignals)> = found
        .iter()
        .enumerate()
        .filter(|(place, one)| *place < KEPT || relevant.contains(&one.path.as_str()))
        .collect();
    let mut spans = Vec::new();
    for (written, (place, one)) in kept.iter().enumerate() {
        for (_, value) in &one.signals {
            rows.write_all(&value.to_le_bytes())?;
        }
        if *place < WITH_SPANS || relevant.contains(&one.path.as_str()) {
            for span in &one.spans {
                let values: Vec<f32> = span.signals.iter().map(|(_, value)| *value).collect();
                spans.push(json!([written, span.start_line, span.end_line, values]));
            }
        }
    }
    let head = json!({
        "query_id": asked["query_id"], "task": asked["task"], "line": asked["line"], "missing": missing,
        "names": found.first().map(|one| one.signals.iter().map(|(name, _)| *name).collect::<Vec<_>>()),
        "paths": kept.iter().map(|(_, one)| one.path.as_str()).collect::<Vec<_>>(),
        "relevant": relevant,
        "spans": spans,
    });
    writeln!(heads, "{head}")?;
    Ok(())
}
