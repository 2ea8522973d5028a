//! Owns the figures of the index: build, refresh, search, definitions.
//! Uses a generated tree of 1,000 files.
//! Never loads a model.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use loci_benches::{name, source_tree};
use loci_index::{Index, Options, Query};

const FILES: usize = 1000;

fn options(folder: &std::path::Path) -> Options {
    Options { cache_dir: folder.to_owned(), max_file_bytes: 1 << 20, deny: Vec::new() }
}

fn build(criterion: &mut Criterion) {
    let tree = source_tree(FILES).expect("the tree is written");
    let mut group = criterion.benchmark_group("index");
    group.sample_size(10).measurement_time(Duration::from_secs(20));
    group.bench_function("build 1,000 files", |bench| {
        bench.iter_batched(
            || tempfile::tempdir().expect("a folder"),
            |cache| {
                let index = Index::open(tree.path(), options(cache.path())).expect("opens");
                let report = index.refresh(&mut |_| {}).expect("indexes");
                assert_eq!(report.files, FILES as u64);
                (index, cache)
            },
            BatchSize::PerIteration,
        );
    });
    let cache = tempfile::tempdir().expect("a folder");
    let index = Index::open(tree.path(), options(cache.path())).expect("opens");
    index.refresh(&mut |_| {}).expect("indexes");
    group.bench_function("refresh, nothing changed", |bench| {
        bench.iter(|| index.refresh(&mut |_| {}).expect("refreshes"));
    });
    group.bench_function("open and search", |bench| {
        bench.iter(|| {
            let index = Index::open(tree.path(), options(cache.path())).expect("opens");
            index.search(&Query { text: "retry the header".into(), ..Query::default() }).expect("finds")
        });
    });
    group.finish();
}

fn search(criterion: &mut Criterion) {
    let tree = source_tree(FILES).expect("the tree is written");
    let cache = tempfile::tempdir().expect("a folder");
    let index = Index::open(tree.path(), options(cache.path())).expect("opens");
    index.refresh(&mut |_| {}).expect("indexes");
    let mut group = criterion.benchmark_group("search");
    for (what, text) in [
        ("words", "retry the header of a request".to_owned()),
        ("one common word", "cache".to_owned()),
        ("an identifier", name(417, 5)),
        ("a path", "module_128.rs".to_owned()),
    ] {
        let query = Query { text, ..Query::default() };
        assert!(!index.search(&query).expect("finds").is_empty(), "{what}");
        group.bench_function(what, |bench| bench.iter(|| index.search(black_box(&query)).expect("finds")));
    }
    let symbol = name(417, 5);
    group.bench_function("definitions", |bench| {
        bench.iter(|| index.definitions(black_box(&symbol)).expect("finds"));
    });
    group.bench_function("references", |bench| {
        bench.iter(|| index.references(black_box(&symbol)).expect("finds"));
    });
    group.finish();
}

criterion_group!(suite, build, search);
criterion_main!(suite);
