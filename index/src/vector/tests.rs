//! Owns the tests of vectors: exact where it can be, against a plain reference where it is rounded.
//! Uses an embedder that counts letters.
//! Never uses a model.

use std::collections::HashSet;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::{Options, Query};

/// Counts letters: texts with the same letters are near.
#[derive(Default)]
struct Letters {
    passages: AtomicUsize,
    fails: AtomicBool,
}

impl Embed for Letters {
    fn fingerprint(&self) -> [u8; 32] {
        [7; 32]
    }
    fn dimensions(&self) -> usize {
        26
    }
    fn embed(&self, texts: &[&str], role: Role) -> Result<Vec<Vec<f32>>, EmbedError> {
        if role == Role::Passage {
            if self.fails.load(Ordering::Relaxed) {
                return Err(EmbedError("out of memory".into()));
            }
            self.passages.fetch_add(texts.len(), Ordering::Relaxed);
        }
        let count = |text: &&str| {
            let mut counts = vec![0.0; 26];
            let letters =
                text.lines().next().unwrap_or_default().bytes().map(|byte| byte.to_ascii_lowercase());
            for letter in letters.filter(u8::is_ascii_lowercase) {
                counts[usize::from(letter - b'a')] += 1.0;
            }
            counts
        };
        Ok(texts.iter().map(count).collect())
    }
}

struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let project = Self { folder: tempfile::tempdir().expect("folder") };
        for (path, text) in files {
            project.write(path, text);
        }
        project
    }
    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join("tree").join(path);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::write(path, text).expect("written");
    }
    fn open(&self, embedder: &Arc<Letters>) -> Index {
        let options = Options {
            cache_dir: self.folder.path().join("cache"),
            max_file_bytes: 1_000_000,
            deny: Vec::new(),
        };
        let index = Index::open(&self.folder.path().join("tree"), options).expect("opened");
        index.refresh(&mut |_| {}).expect("refreshed");
        index.attach(Arc::clone(embedder) as Arc<dyn Embed>).expect("attached");
        index
    }
    /// The one file that holds vectors.
    fn vectors(&self) -> std::path::PathBuf {
        let entries = fs::read_dir(self.folder.path().join("cache")).expect("cache");
        let is_file = |path: &std::path::PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.starts_with("vectors-") && !name.contains('.')
        };
        entries.flatten().map(|entry| entry.path()).find(is_file).expect("vectors")
    }
}

fn fill(index: &Index) -> EmbedReport {
    index.embed_pending(Duration::from_secs(600), &AtomicBool::new(false)).expect("filled")
}

fn first(index: &Index, text: &str) -> Option<(String, u32)> {
    index.nearest(text, 1).into_iter().next().map(|similar| (similar.path, similar.line))
}

const FILES: &[(&str, &str)] = &[
    ("a.rs", "fn alpha() {}\n\nfn zulu() {}\n"),
    ("b.py", "def bravo():\n    return 1\n"),
    ("c.md", "# Words\n\nNothing to embed.\n"),
];

proptest::proptest! {
    #[test]
    fn bytes_are_near_what_they_stand_for(values in proptest::collection::vec(-1e3f32..1e3, 1..300)) {
        let quantised = quantise(&values);
        let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
        for (byte, value) in quantised.values.iter().zip(&values) {
            let back = f32::from(*byte) * quantised.scale;
            // Half a step, and the rounding of the arithmetic itself.
            proptest::prop_assert!(length <= f32::MIN_POSITIVE || (back - value / length).abs() <= quantised.scale * 0.5001);
        }
    }

    #[test]
    fn sums_of_products_are_exact(pairs in proptest::collection::vec((-127i8..=127, -127i8..=127), 0..600)) {
        let (ones, others): (Vec<i8>, Vec<i8>) = pairs.iter().copied().unzip();
        let plain: i64 = pairs.iter().map(|(one, other)| i64::from(*one) * i64::from(*other)).sum();
        proptest::prop_assert_eq!(i64::from(dot(&ones, &others)), plain);
    }

    #[test]
    fn cosines_survive_rounding(
        one in proptest::collection::vec(-1f32..1.0, 128),
        other in proptest::collection::vec(-1f32..1.0, 128),
    ) {
        let product = |one: &[f32], other: &[f32]| one.iter().zip(other).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let exact = product(&one, &other) / (product(&one, &one) * product(&other, &other)).sqrt();
        let (one, other) = (quantise(&one), quantise(&other));
        let rounded = f64::from(dot(&one.values, &other.values) as f32 * one.scale * other.scale);
        proptest::prop_assert!((exact - rounded).abs() < 0.01, "{exact} {rounded}");
    }
}

#[test]
fn what_is_no_vector_is_near_to_nothing() {
    for vector in [&[][..], &[0.0; 4], &[f32::NAN, 1.0], &[f32::INFINITY, 1.0]] {
        let quantised = quantise(vector);
        assert_eq!((quantised.scale, quantised.values.len()), (0.0, vector.len()));
        assert!(quantised.values.iter().all(|value| *value == 0));
    }
}

#[test]
fn the_best_are_what_a_full_sort_gives() {
    let functions: String = (0..300)
        .map(|number| {
            format!("def {}():\n    pass\n\n", "abcdefg".repeat(number % 9) + &"z".repeat(number % 7 + 1))
        })
        .collect();
    let project = Project::new(&[("a.py", &functions), FILES[0], FILES[1]]);
    let embedder = Arc::new(Letters::default());
    let index = project.open(&embedder);
    fill(&index);
    let snapshot = index.engine.snapshot();
    let near = index.engine.near(&snapshot, "azz").expect("vectors");
    let all = near.best(usize::MAX);
    assert_eq!(all.len(), 303);
    assert!(all.windows(2).all(|pair| pair[0].2 >= pair[1].2));
    for most in [0, 1, 7, 302, 303, 400] {
        assert_eq!(near.best(most), all[..most.min(303)]);
    }
    let (key, place, similarity) = all[0];
    assert_eq!(near.of(key, place.line, place.line), Some(similarity));
    assert_eq!(near.of(key, place.line + 1, place.line + 1), None);
    assert_eq!(near.of(0, 1, 1000), None);
}

#[test]
fn what_is_embedded_is_found_kept_and_not_made_twice() {
    let project = Project::new(FILES);
    let embedder = Arc::new(Letters::default());
    let index = project.open(&embedder);
    assert_eq!(first(&index, "alpha"), None, "nothing has a vector yet");
    let report = fill(&index);
    assert_eq!((report.embedded, report.reused, report.pending), (3, 0, 0));
    assert_eq!(first(&index, "lapha"), Some(("a.rs".into(), 1)));
    assert_eq!(first(&index, "ulzu"), Some(("a.rs".into(), 3)));
    assert_eq!(fill(&index).embedded, 0);
    // Another process, later.
    let again = project.open(&embedder);
    assert_eq!(first(&again, "bravo"), Some(("b.py".into(), 1)));
    assert_eq!(fill(&again).embedded, 0);
    // Only what is new in a changed file is embedded.
    project.write("a.rs", "fn alpha() {}\n\nfn zulu() {}\n\nfn quebec() {}\n");
    again.refresh(&mut |_| {}).expect("refreshed");
    assert_eq!(first(&again, "zulu").map(|found| found.0), Some("b.py".into()), "the old state is not shown");
    let report = fill(&again);
    assert_eq!((report.embedded, report.reused), (1, 2));
    assert_eq!(first(&again, "quebec"), Some(("a.rs".into(), 5)));
    // Gone is gone.
    fs::remove_file(project.folder.path().join("tree/a.rs")).expect("removed");
    again.refresh(&mut |_| {}).expect("refreshed");
    assert!(again.nearest("quebec", 9).iter().all(|similar| similar.path == "b.py"));
    assert_eq!(embedder.passages.load(Ordering::Relaxed), 4);
}

#[test]
fn no_budget_and_a_cancel_leave_answers_as_they_are() {
    let project = Project::new(FILES);
    let index = project.open(&Arc::new(Letters::default()));
    let report = index.embed_pending(Duration::ZERO, &AtomicBool::new(false)).expect("nothing");
    assert_eq!((report.done, report.pending), (0, 3));
    let report = index.embed_pending(Duration::from_secs(600), &AtomicBool::new(true)).expect("nothing");
    assert_eq!((report.done, report.pending), (0, 3));
    let query = Query { text: "alpha".into(), ..Query::default() };
    assert_eq!(index.search(&query).expect("answers")[0].path, "a.rs");
}

#[test]
fn a_search_finds_what_shares_no_word_and_says_why() {
    let project = Project::new(&[
        ("a.rs", "fn dr_anagram() {\n    work();\n}\n"),
        ("b.rs", "fn other() {\n    grand_mara();\n    grand();\n}\n"),
        ("notes.txt", "a grand mara\n"),
    ]);
    let index = project.open(&Arc::new(Letters::default()));
    let asked = || index.search(&Query { text: "grand mara".into(), ..Query::default() }).expect("answers");
    let before = asked();
    assert_eq!(before[0].path, "b.rs");
    assert!(before.iter().all(|hit| hit.path != "a.rs"), "no word of it is there");
    fill(&index);
    let hits = asked();
    let hit = hits.iter().find(|hit| hit.path == "a.rs").expect("found by its letters");
    assert!(hit.why.iter().any(|(signal, points)| signal == "meaning" && *points > 5.0), "{:?}", hit.why);
    // The same again gives the same, to the last bit.
    assert_eq!(asked(), hits);
    // A name is a name, whatever else is near to it.
    let named = index.search(&Query { text: "other".into(), ..Query::default() }).expect("answers");
    assert_eq!(named[0].path, "b.rs");
}

#[test]
fn a_question_is_answered_while_passages_are_embedded() {
    /// Asks the index from inside of the embedding of a passage.
    struct Asking(Mutex<Option<Index>>, AtomicUsize);
    impl Embed for Asking {
        fn fingerprint(&self) -> [u8; 32] {
            [9; 32]
        }
        fn dimensions(&self) -> usize {
            26
        }
        fn embed(&self, texts: &[&str], role: Role) -> Result<Vec<Vec<f32>>, EmbedError> {
            let index = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let (Role::Passage, Some(index)) = (role, index) {
                let query = Query { text: "alpha".into(), ..Query::default() };
                let hits = index.search(&query).map_err(|error| EmbedError(error.to_string()))?;
                drop(index.nearest("alpha", 3));
                index.refresh(&mut |_| {}).map_err(|error| EmbedError(error.to_string()))?;
                self.1.fetch_add(hits.len(), Ordering::Relaxed);
            }
            Letters::default().embed(texts, role)
        }
    }
    let project = Project::new(FILES);
    let index = project.open(&Arc::new(Letters::default()));
    let asking = Arc::new(Asking(Mutex::new(Some(index.clone())), AtomicUsize::new(0)));
    index.attach(Arc::clone(&asking) as Arc<dyn Embed>).expect("attached");
    assert_eq!(fill(&index).embedded, 3);
    assert!(asking.1.load(Ordering::Relaxed) >= 2, "it was answered from inside");
    *asking.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

#[test]
fn an_embedder_that_fails_is_asked_again_later() {
    let project = Project::new(FILES);
    let embedder = Arc::new(Letters::default());
    let index = project.open(&embedder);
    embedder.fails.store(true, Ordering::Relaxed);
    assert_eq!(fill(&index).pending, 2);
    embedder.fails.store(false, Ordering::Relaxed);
    assert_eq!((fill(&index).pending, fill(&index).pending), (0, 0));
}

#[test]
fn vectors_survive_every_cut_and_no_damage_is_believed() {
    let project = Project::new(FILES);
    let embedder = Arc::new(Letters::default());
    fill(&project.open(&embedder));
    let path = project.vectors();
    let whole = fs::read(&path).expect("read");
    let expect = first(&project.open(&embedder), "zulu");
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).expect("cut");
        let index = project.open(&embedder);
        assert!(!fill(&index).set_aside, "cut at {length}");
        assert_eq!(first(&index, "zulu"), expect, "cut at {length}");
    }
    // The epoch is any number; everything else is checked.
    let epoch = whole.len().min(61)..69;
    for at in (0..whole.len()).filter(|at| !epoch.contains(at)) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(&path, &damaged).expect("damaged");
        let index = project.open(&embedder);
        fill(&index);
        assert_eq!(first(&index, "zulu"), expect, "byte {at}");
        assert_eq!(index.nearest("zulu", 9).len(), 3, "byte {at}");
    }
}

#[test]
fn several_processes_add_to_one_file() {
    let project = Project::new(&[]);
    for number in 0..40 {
        project.write(&format!("f{number}.py"), &format!("def name{}():\n    pass\n", "q".repeat(number)));
    }
    // Each open index has its own handle of the file, as a process would.
    let indexes: Vec<Index> = (0..4).map(|_| project.open(&Arc::new(Letters::default()))).collect();
    std::thread::scope(|scope| {
        for index in &indexes {
            scope.spawn(|| {
                let cancel = AtomicBool::new(false);
                while index.embed_pending(Duration::from_micros(200), &cancel).expect("filled").pending > 0 {}
            });
        }
    });
    let last = project.open(&Arc::new(Letters::default()));
    let report = fill(&last);
    assert_eq!((report.embedded, report.pending, report.set_aside), (0, 0, false));
    assert_eq!(last.nearest("name", 100).len(), 40);
}

#[test]
fn what_nobody_uses_is_let_go_of() {
    let folder = tempfile::tempdir().expect("folder");
    let mut sidecar = Sidecar::new(folder.path(), [1; 32], 4);
    let mut files = HashMap::new();
    let vectors = |count: usize| {
        Arc::new(FileVectors {
            places: vec![Place { line: 1, start: 1, end: 2 }; count],
            hashes: vec![5; count],
            scales: vec![0.5; count],
            values: vec![1; 4 * count],
        })
    };
    // 800 × 1,000 passages are more than may lie about.
    for key in 1..=800 {
        assert!(sidecar.append(&[(key, vectors(1000))], &mut files).expect("added"));
    }
    let before = fs::metadata(project_file(folder.path())).expect("file").len();
    let mut other = Sidecar::new(folder.path(), [1; 32], 4);
    let mut seen = HashMap::new();
    other.catch_up(&mut seen).expect("read");
    sidecar.compact(&HashSet::from([3, 600]), &mut files).expect("compacted");
    let after = fs::metadata(project_file(folder.path())).expect("file").len();
    assert!(before > 16 << 20 && after < before / 100, "{before} {after}");
    // Another process, which had read more than there is now, sees the new writing.
    assert!(other.append(&[(7, vectors(1))], &mut seen).expect("added"));
    let mut all = HashMap::new();
    Sidecar::new(folder.path(), [1; 32], 4).catch_up(&mut all).expect("read");
    let mut keys: Vec<u64> = all.keys().copied().collect();
    keys.sort_unstable();
    assert_eq!(keys, [3, 7, 600]);
    assert_eq!(all[&3], vectors(1000));
}

fn project_file(folder: &Path) -> std::path::PathBuf {
    let entries = fs::read_dir(folder).expect("folder").flatten().map(|entry| entry.path());
    entries.into_iter().find(|path| path.extension().is_none()).expect("vectors")
}
