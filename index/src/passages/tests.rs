use std::fs;

use super::*;

fn talk<'a>(group: &'a str, number: u64, text: &'a str) -> TextSource<'a> {
    TextSource { group, number, kind: TextKind::Talk, title: "user", path: None, text }
}

fn memory() -> Passages {
    Passages::in_memory(None).expect("made")
}

fn ask(index: &Passages, text: &str, group: Option<&str>) -> Vec<Passage> {
    let query = PassageQuery { text, group, ..PassageQuery::default() };
    let found = index.search(&query).expect("searched");
    for passage in &found {
        let sum: f32 = passage.why.iter().map(|(_, points)| points).sum();
        assert!((sum - passage.score).abs() < 1e-3, "{passage:?}");
    }
    found
}

fn found(index: &Passages, text: &str, group: Option<&str>) -> Vec<(String, u64)> {
    ask(index, text, group).into_iter().map(|passage| (passage.group, passage.number)).collect()
}

/// Texts that are not alike.
fn varied(number: u64) -> String {
    let names = ["scheduler", "parser", "watcher", "renderer", "codec"];
    let verbs = ["wakes", "drops", "reads", "joins"];
    let (name, verb) = (names[number as usize % names.len()], verbs[number as usize % verbs.len()]);
    format!("The {name} {verb} worker {number}.\n\nIt {verb} item_{number} of the {name}.")
}

#[test]
fn what_was_added_is_found_after_the_commit() {
    let mut index = memory();
    index.add(&talk("one", 7, "The scheduler wakes a worker.")).expect("added");
    assert_eq!(found(&index, "scheduler", None), []);
    index.commit().expect("committed");
    assert_eq!(found(&index, "scheduler", None), [("one".to_owned(), 7)]);
    assert_eq!(found(&index, "schedulers waking", Some("one")), [("one".to_owned(), 7)]);
    assert_eq!(found(&index, "scheduler", Some("two")), []);
    assert_eq!(found(&index, "nothing of it", None), []);
}

#[test]
fn a_group_is_forgotten_and_may_come_again() {
    let mut index = memory();
    for group in ["one", "two"] {
        for number in 0..30 {
            index.add(&talk(group, number, &varied(number))).expect("added");
            index.commit().expect("committed");
        }
    }
    assert_eq!(index.groups().expect("read"), ["one", "two"]);
    index.forget("one").expect("forgotten");
    index.forget("three").expect("forgotten");
    index.commit().expect("committed");
    assert_eq!(index.groups().expect("read"), ["two"]);
    assert_eq!(found(&index, "scheduler", None).len(), 6);
    assert!(found(&index, "scheduler", None).iter().all(|(group, _)| group == "two"));
    index.add(&talk("one", 99, "The scheduler again.")).expect("added");
    index.commit().expect("committed");
    assert_eq!(found(&index, "scheduler", Some("one")), [("one".to_owned(), 99)]);
    index.forget("one").expect("forgotten");
    index.forget("two").expect("forgotten");
    index.commit().expect("committed");
    assert_eq!(found(&index, "scheduler", None), []);
}

#[test]
fn answers_do_not_depend_on_when_was_committed() {
    let (mut often, mut once) = (memory(), memory());
    for number in 0..120 {
        for index in [&mut often, &mut once] {
            index.add(&talk("one", number, &varied(number))).expect("added");
        }
        often.commit().expect("committed");
    }
    once.commit().expect("committed");
    for text in ["scheduler wakes", "which worker drops item_7?", "codec", "join the parser with worker 40"] {
        let seen = ask(&often, text, None);
        assert!(!seen.is_empty(), "{text}");
        assert_eq!(seen, ask(&once, text, None), "{text}");
        assert_eq!(seen, ask(&often, text, None), "{text}");
    }
}

#[test]
fn queries_of_nothing_are_answered_with_nothing() {
    let mut index = memory();
    for text in ["", " \n\t\n", "\u{0}\u{1b}[31m", "the and of"] {
        index.add(&talk("one", 1, text)).expect("added");
    }
    index.add(&talk("one", 2, &"long".repeat(100_000))).expect("added");
    index.commit().expect("committed");
    let rows = [
        "",
        " ",
        "?!",
        "\u{0}\u{7}",
        "\u{202e}\u{feff}",
        "/",
        "::",
        ".",
        "a/../b:c",
        "\"(",
        "🦀",
        "nothing like it",
    ];
    for text in rows {
        assert_eq!(found(&index, text, None), [], "{text:?}");
        let names = [text.to_owned()];
        let query = PassageQuery { names: &names, ..PassageQuery::default() };
        assert_eq!(index.search(&query).expect("searched"), [], "{text:?}");
    }
    assert_eq!(found(&index, "the of", None), [("one".to_owned(), 1)]);
}

#[test]
fn names_count_more_than_words() {
    let mut index = memory();
    let code = |number, path: &'static str, text: &'static str| TextSource {
        group: "one",
        number,
        kind: TextKind::Code,
        title: "read",
        path: Some(path),
        text,
    };
    let texts = [
        code(1, "src/queue.rs", "    1\tfn load_queue() -> Queue {\n    2\t    Queue::default()\n    3\t}\n"),
        code(
            2,
            "src/main.rs",
            "    1\tfn main() {\n    2\t    load_queue(); load_queue(); load_queue();\n    3\t}\n",
        ),
        code(3, "tests/queue.rs", "#[test]\nfn queues() {\n    load_queue(); // main.rs\n}\n"),
    ];
    for text in &texts {
        index.add(text).expect("added");
    }
    index.commit().expect("committed");
    let first = |text: &str, names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let query = PassageQuery { text, names: &names, ..PassageQuery::default() };
        index.search(&query).expect("searched").first().map(|passage| passage.number)
    };
    let check = |text: &str, names: &[&str], expect: u64| {
        assert_eq!(first(text, names), Some(expect), "{text:?} {names:?}");
    };
    check("load_queue", &[], 1);
    check("where is the queue loaded", &["load_queue"], 1);
    check("load queue", &[], 1);
    check("queue", &["src/main.rs"], 2);
    check("queue", &["/home/somebody/project/src/main.rs:2:5"], 2);
    check("the error in main.rs:2", &[], 2);
    check("the tests of the queue", &["tests/queue.rs"], 3);
    check("queue", &["Unknown::load_queue"], 1);
}

#[test]
fn only_the_kinds_that_are_wanted_are_found() {
    let mut index = memory();
    for (number, kind) in [(1, TextKind::Talk), (2, TextKind::Log), (3, TextKind::Code)] {
        let source = TextSource { kind, ..talk("one", number, "The scheduler wakes.") };
        index.add(&TextSource { title: "any", ..source }).expect("added");
    }
    index.commit().expect("committed");
    let kinds = [TextKind::Talk, TextKind::Log];
    let query = PassageQuery { text: "scheduler", kinds: &kinds, ..PassageQuery::default() };
    let seen: Vec<u64> =
        index.search(&query).expect("searched").iter().map(|passage| passage.number).collect();
    // The same text is not shown twice.
    assert_eq!(seen, [2]);
}

#[test]
fn of_what_was_read_twice_the_newer_is_shown() {
    let mut index = memory();
    let old = "fn wake() {\n    first();\n}\n";
    for (number, text) in [(1, old), (2, old), (3, "fn wake() {\n    second();\n}\n")] {
        let source = TextSource { kind: TextKind::Code, path: Some("a.rs"), ..talk("one", number, text) };
        index.add(&source).expect("added");
    }
    index.commit().expect("committed");
    let mut seen = found(&index, "wake", None);
    seen.sort();
    assert_eq!(seen, [("one".to_owned(), 2), ("one".to_owned(), 3)]);
}

#[test]
fn a_huge_text_is_found_by_its_ends() {
    let mut index = memory();
    let text =
        format!("first_words\n{}last_words\n", "a line of the log that says nothing\n".repeat(280_000));
    assert!(text.len() > 10_000_000);
    index.add(&TextSource { kind: TextKind::Log, ..talk("one", 1, &text) }).expect("added");
    index.commit().expect("committed");
    let lines = |name: &str| ask(&index, name, None).first().map(|passage| (passage.first, passage.last));
    assert_eq!(lines("first_words").map(|(first, _)| first), Some(1));
    assert_eq!(lines("last_words").map(|(_, last)| last), Some(280_002));
}

/// Knows two words for one thing.
struct Synonyms([u8; 32]);

impl Embed for Synonyms {
    fn fingerprint(&self) -> [u8; 32] {
        self.0
    }

    fn dimensions(&self) -> usize {
        2
    }

    fn embed(&self, texts: &[&str], _: crate::Role) -> Result<Vec<Vec<f32>>, crate::EmbedError> {
        let near = |text: &&str| ["disk quota", "scratch"].iter().any(|word| text.contains(word));
        Ok(texts.iter().map(|text| if near(text) { vec![1.0, 0.1] } else { vec![0.0, 1.0] }).collect())
    }
}

#[test]
fn what_was_said_is_found_by_its_meaning() {
    let place = tempfile::tempdir().expect("made");
    let embed = || Some(Arc::new(Synonyms([1; 32])) as Arc<dyn Embed>);
    let mut index = Passages::open(place.path(), embed()).expect("opened");
    for number in 0..30 {
        let said = if number == 4 { "Write scratch output below /srv.".into() } else { varied(number) };
        index.add(&talk("one", number, &said)).expect("added");
        index.commit().expect("committed");
    }
    let first =
        |index: &Passages| ask(index, "my disk quota ran out", None).first().map(|passage| passage.number);
    assert_eq!(first(&index), Some(4));
    let index = Passages::open(place.path(), embed()).expect("opened");
    assert_eq!(first(&index), Some(4));
    for other in [None, Some(Arc::new(Synonyms([2; 32])) as Arc<dyn Embed>)] {
        let index = Passages::open(place.path(), other).expect("opened");
        assert_eq!(first(&index), None, "vectors of another embedder count for nothing");
    }
}

/// An index in a folder with something in each of its files.
fn filled(folder: &Path) -> Passages {
    let mut index = Passages::open(folder, None).expect("opened");
    for number in 0..8 {
        index.add(&talk("one", number, &varied(number))).expect("added");
        index.set_mark("one", number + 100).expect("marked");
        if number % 4 == 3 {
            index.commit().expect("committed");
        }
    }
    index
}

#[test]
fn it_lasts() {
    let place = tempfile::tempdir().expect("made");
    let folder = place.path().join("deep/passages");
    let before = ask(&filled(&folder), "scheduler", None);
    assert!(!before.is_empty());
    let mut index = Passages::open(&folder, None).expect("opened");
    assert_eq!(ask(&index, "scheduler", None), before);
    assert_eq!(index.groups().expect("read"), ["one"]);
    assert_eq!(index.mark("one").expect("read"), Some(107));
    assert_eq!(index.mark("two").expect("read"), None);
    index.set_mark("one", 900).expect("marked");
    index.forget("one").expect("forgotten");
    index.set_mark("two", 3).expect("marked");
    assert_eq!(index.mark("one").expect("read"), Some(107), "not committed");
    index.commit().expect("committed");
    let index = Passages::open(&folder, None).expect("opened");
    assert_eq!(index.mark("one").expect("read"), None);
    assert_eq!(index.mark("two").expect("read"), Some(3));
    assert_eq!(found(&index, "scheduler", None), []);
}

#[test]
fn many_commits_leave_few_files() {
    let place = tempfile::tempdir().expect("made");
    let mut index = Passages::open(place.path(), None).expect("opened");
    for number in 0..60 {
        index.add(&talk("one", number, &varied(number))).expect("added");
        index.commit().expect("committed");
    }
    let files = fs::read_dir(place.path()).expect("read").count();
    assert!(files < 120, "{files} files");
    assert_eq!(found(&index, "item_3", None).first(), Some(&("one".to_owned(), 3)));
}

#[test]
fn one_writes_and_others_read() {
    let place = tempfile::tempdir().expect("made");
    let mut writer = filled(place.path());
    let mut other = Passages::open(place.path(), None).expect("opened");
    writer.add(&talk("two", 1, "The zebra sleeps.")).expect("added");
    let refused = other.add(&talk("three", 1, "The heron stands."));
    assert!(matches!(refused, Err(IndexError::InUse { .. })), "{refused:?}");
    assert_eq!(found(&other, "zebra", None), []);
    writer.commit().expect("committed");
    assert_eq!(found(&other, "zebra", None), [("two".to_owned(), 1)]);
    other.add(&talk("three", 1, "The heron stands.")).expect("added");
    other.commit().expect("committed");
    assert_eq!(writer.groups().expect("read"), ["one", "three", "two"]);
    writer.add(&talk("two", 2, "A heron, too.")).expect("added");
    writer.commit().expect("committed");
    assert_eq!(found(&other, "heron", None).len(), 2);
}

#[test]
fn damage_is_found_and_can_be_discarded() {
    let place = tempfile::tempdir().expect("made");
    let whole = place.path().join("whole");
    let expect = ask(&filled(&whole), "scheduler worker item_3", None);
    let names: Vec<_> =
        fs::read_dir(&whole).expect("read").flatten().map(|entry| entry.file_name()).collect();
    let mut found_out = 0;
    for name in &names {
        for damage in ["cut", "flip", "empty"] {
            let folder = place.path().join("damaged");
            fs::create_dir(&folder).expect("made");
            for name in &names {
                fs::copy(whole.join(name), folder.join(name)).expect("copied");
            }
            let path = folder.join(name);
            let mut bytes = fs::read(&path).expect("read");
            let half = bytes.len() / 2;
            match damage {
                "cut" => bytes.truncate(half),
                "flip" => bytes.iter_mut().skip(half).take(1).for_each(|byte| *byte ^= 0x21),
                _ => bytes.clear(),
            }
            fs::write(&path, &bytes).expect("written");
            match Passages::open(&folder, None) {
                // What does not matter may be damaged: the lock, the list of what was checked.
                Ok(index) => {
                    assert_eq!(ask(&index, "scheduler worker item_3", None), expect, "{damage} {name:?}")
                }
                Err(IndexError::Damaged { .. }) => {
                    found_out += 1;
                    Passages::discard(&folder).expect("discarded");
                    let index = Passages::open(&folder, None).expect("opened");
                    assert_eq!(index.groups().expect("read"), [""; 0]);
                    assert_eq!(index.mark("one").expect("read"), None);
                }
                Err(error) => panic!("{damage} {name:?}: {error}"),
            }
            fs::remove_dir_all(&folder).expect("removed");
        }
    }
    assert!(found_out > names.len(), "{found_out} of {}", names.len());
}
