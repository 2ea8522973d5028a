use super::*;

fn talk<'a>(group: &'a str, number: u64, text: &'a str) -> TextSource<'a> {
    TextSource { group, number, kind: TextKind::Talk, title: "user", path: None, text }
}

fn found(index: &Passages, text: &str, group: Option<&str>) -> Vec<(String, u64)> {
    let query = PassageQuery { text, group, ..PassageQuery::default() };
    index
        .search(&query)
        .expect("searched")
        .into_iter()
        .map(|passage| (passage.group, passage.number))
        .collect()
}

#[test]
fn what_was_added_is_found_after_the_commit() {
    let mut index = Passages::in_memory(None).expect("made");
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
    let mut index = Passages::in_memory(None).expect("made");
    for group in ["one", "two"] {
        for number in 0..30 {
            index.add(&talk(group, number, "The scheduler wakes a worker.")).expect("added");
            index.commit().expect("committed");
        }
    }
    assert_eq!(index.groups().expect("read"), ["one", "two"]);
    index.forget("one").expect("forgotten");
    index.commit().expect("committed");
    assert_eq!(index.groups().expect("read"), ["two"]);
    assert!(found(&index, "scheduler", None).iter().all(|(group, _)| group == "two"));
    index.add(&talk("one", 99, "The scheduler again.")).expect("added");
    index.commit().expect("committed");
    assert_eq!(found(&index, "scheduler", Some("one")), [("one".to_owned(), 99)]);
}
