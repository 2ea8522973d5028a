//! Times the questions about symbols on a real tree: `graph ROOT SYMBOL…`. Prints the median of seven rounds of each.
#![expect(clippy::print_stdout, reason = "it is a command that prints what it measured")]

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use loci_index::{CallQuery, Change, Index, MapQuery, Options, UseQuery};

const ROUNDS: usize = 7;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let root = PathBuf::from(arguments.next().ok_or("name a folder")?);
    let cache = std::env::temp_dir().join("loci-graph");
    let options = Options { cache_dir: cache, max_file_bytes: 2_000_000, deny: Vec::new() };
    let index = Index::open(&root, options)?;
    index.refresh(&mut |_| {})?;
    for (what, focus) in [("map", ""), ("map focus", "regex search")] {
        let query = MapQuery { tokens: 1000, focus: focus.into(), ..MapQuery::default() };
        let tokens = |text: &str| text.len().div_ceil(4);
        time(what, focus, || Ok(index.map(&query, &tokens)?.tokens))?;
    }
    for symbol in arguments {
        time("definitions", &symbol, || Ok(index.definitions(&symbol)?.len()))?;
        let query = UseQuery { symbol: symbol.clone(), ..UseQuery::default() };
        time("uses", &symbol, || Ok(index.uses(&query)?.total))?;
        time("tests for", &symbol, || Ok(index.tests_for(&symbol)?.len()))?;
        let change = [Change::Symbol(symbol.clone())];
        time("impact", &symbol, || Ok(index.impact(&change, 0)?.users.len()))?;
        time("similar", &symbol, || Ok(index.similar(&symbol, 5)?.len()))?;
        for depth in [1, 3] {
            let query = CallQuery { symbol: symbol.clone(), depth, ..CallQuery::default() };
            time(&format!("callers {depth}"), &symbol, || Ok(index.callers(&query)?.callers.len()))?;
            time(&format!("callees {depth}"), &symbol, || Ok(index.callees(&query)?.callees.len()))?;
        }
    }
    Ok(())
}

fn time(
    what: &str,
    of: &str,
    mut ask: impl FnMut() -> Result<usize, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut times = Vec::with_capacity(ROUNDS);
    let mut found = 0;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        found = ask()?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    println!("{what:12} {of:24} {:8.2} ms, at most {:.2}; {found}", times[ROUNDS / 2], times[ROUNDS - 1]);
    Ok(())
}
