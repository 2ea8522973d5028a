//! Owns the figures of the index: build, refresh, one changed file, a branch switch, search, definitions.
//! Uses a generated tree of 1,000 files. `upkeep`, an example of the index, takes the same figures from a tree of one's own.
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
    let watched = Index::open(tree.path(), options(cache.path())).expect("opens");
    if watched.watch().is_ok() {
        watched.refresh(&mut |_| {}).expect("refreshes");
        group.bench_function("refresh, nothing changed, watched", |bench| {
            bench.iter(|| watched.refresh(&mut |_| {}).expect("refreshes"));
        });
    }
    drop(watched);
    group.bench_function("open and search", |bench| {
        bench.iter(|| {
            let index = Index::open(tree.path(), options(cache.path())).expect("opens");
            index.search(&Query { text: "retry the header".into(), ..Query::default() }).expect("finds")
        });
    });
    group.finish();
}

/// What happens to a tree all day: a file is saved, another branch is checked out.
fn upkeep(criterion: &mut Criterion) {
    let tree = source_tree(FILES).expect("the tree is written");
    let cache = tempfile::tempdir().expect("a folder");
    let index = Index::open(tree.path(), options(cache.path())).expect("opens");
    index.refresh(&mut |_| {}).expect("indexes");
    let mut group = criterion.benchmark_group("upkeep");
    group.sample_size(20).measurement_time(Duration::from_secs(10));
    let path = index.files().expect("files")[FILES / 2].path.clone();
    let text = std::fs::read_to_string(tree.path().join(&path)).expect("text");
    let mut round = 0u32;
    let mut edit = || {
        // Letters only, so that it is one term.
        round += 1;
        let word: String = round.to_string().bytes().map(|digit| char::from(b'k' + (digit - b'0'))).collect();
        let word = format!("edited{word}");
        write(&tree.path().join(&path), &format!("// {word}\n{text}"));
        word
    };
    let finds = |word: &str| {
        let hits = index.search(&Query { text: word.to_owned(), ..Query::default() }).expect("finds");
        assert!(hits.iter().any(|hit| hit.preview.contains(word)), "{word}");
    };
    group.bench_function("one file, from edit to hit", |bench| {
        bench.iter(|| {
            let word = edit();
            index.update(std::slice::from_ref(&path)).expect("updates");
            finds(&word);
        });
    });
    group.bench_function("one file, found by a sweep", |bench| {
        bench.iter(|| {
            let word = edit();
            index.refresh(&mut |_| {}).expect("refreshes");
            finds(&word);
        });
    });
    let all: Vec<String> =
        index.files().expect("files").into_iter().map(|file| file.path).take(100).collect();
    let texts: Vec<String> =
        all.iter().map(|path| std::fs::read_to_string(tree.path().join(path)).expect("text")).collect();
    let mut on_main = true;
    group.bench_function("switch of a branch that changes 100 files", |bench| {
        bench.iter(|| {
            on_main = !on_main;
            for (path, text) in all.iter().zip(&texts) {
                let line = if on_main { "" } else { "// topic\n" };
                write(&tree.path().join(path), &format!("{line}{text}"));
            }
            let report = index.refresh(&mut |_| {}).expect("refreshes");
            assert_eq!(report.indexed + report.reused, 100);
        });
    });
    group.finish();
}

fn write(path: &std::path::Path, text: &str) {
    use std::io::Write;
    std::fs::File::create(path).and_then(|mut file| file.write_all(text.as_bytes())).expect("written");
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

criterion_group!(suite, build, upkeep, search);
criterion_main!(suite);
