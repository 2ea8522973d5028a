//! Sessions written through the log, and everything that can be wrong with what was made of them.

use loci_inference::provider::ToolCall;
use serde_json::json;

use super::*;
use crate::session::log::{FORMAT, Log, LoggedOutcome};
use crate::tools::OlderSessions;

/// Places in a temporary folder, and the logs of a project in it.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn places(&self) -> Places {
        Places::below(self.folder.path())
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    fn log(&self, session: &str) -> PathBuf {
        self.places().sessions(&self.root()).join(format!("{session}.jsonl"))
    }

    fn begin(&self, session: &str) -> Log {
        let header = Record::Header {
            format: FORMAT,
            program: "loci test".into(),
            session_id: session.into(),
            cwd: "/srv/repo".into(),
            model: "scripted".into(),
            forked_from: None,
            branch: None,
        };
        Log::create(&self.log(session), &header).expect("created")
    }

    fn session(&self, session: &str, turns: &[(&str, &str)]) {
        add(&mut self.begin(session), 1, turns);
    }

    fn archive(&self) -> Archive {
        Archive::open(&self.places(), &self.root(), None).expect("opens")
    }

    /// Sessions and handles of what was found, best first.
    fn find(&self, words: &str) -> Vec<String> {
        found(&self.archive(), words)
    }
}

fn found(archive: &Archive, words: &str) -> Vec<String> {
    let hits = archive.search(&Ask { words, ..Ask::default() }).expect("searches");
    hits.iter().map(|hit| format!("{}/r{}", hit.session, hit.handle.entry)).collect()
}

/// Turns of a prompt, a command with its output, and an answer.
fn add(log: &mut Log, first: u32, turns: &[(&str, &str)]) {
    for (turn, (prompt, output)) in (first..).zip(turns) {
        let id = format!("c{turn}");
        let arguments = json!({"command": "make check"}).as_object().cloned().expect("an object");
        let records = [
            Record::Prompt { turn, text: (*prompt).into() },
            Record::Assistant {
                turn,
                text: String::new(),
                reasoning: None,
                calls: vec![ToolCall { id: id.clone(), name: "bash".into(), arguments }],
            },
            Record::Outcome(Box::new(LoggedOutcome {
                call_id: id,
                tool: "bash".into(),
                ok: true,
                text: (*output).into(),
                ..Default::default()
            })),
            Record::Assistant {
                turn,
                text: format!("Done with turn {turn}."),
                reasoning: None,
                calls: vec![],
            },
        ];
        for record in &records {
            log.append(record).expect("written");
        }
    }
    log.commit().expect("durable");
}

#[test]
fn sessions_are_found_read_on_and_forgotten() {
    let world = World::new();
    assert_eq!(world.find("anything"), [""; 0]);
    world.session("one", &[("fix the leaking socket", "socket closed twice\nerror 104")]);
    let mut two = world.begin("two");
    add(&mut two, 1, &[("explain the parser", "grammar ambiguous at line 7")]);
    // The log of a session at work is locked by it and can be read all the same.
    assert_eq!(world.find("leaking socket")[0], "one/r0");
    assert_eq!(world.find("grammar ambiguous"), ["two/r2"]);
    add(&mut two, 2, &[("now the lexer", "unterminated string literal")]);
    assert_eq!(world.find("unterminated literal"), ["two/r6"]);
    assert_eq!(world.find("grammar ambiguous"), ["two/r2"], "nothing is taken in twice");
    let archive = world.archive();
    assert_eq!((archive.sessions(), archive.notes()), (2, &[][..]));
    let hit = archive
        .search(&Ask { words: "unterminated", limit: 1, ..Ask::default() })
        .expect("searches")
        .remove(0);
    assert_eq!(
        (hit.turn, hit.title.as_str(), hit.about.as_str()),
        (2, "bash make check", "explain the parser")
    );
    assert_eq!(
        (hit.handle.to_string().as_str(), hit.text.trim_end()),
        ("r6:1", "unterminated string literal")
    );
    assert!(hit.date.len() == 10 && !hit.why.is_empty(), "{hit:?}");
    let only = |session, except| {
        let ask = Ask { words: "Done turn", session, except, limit: 10 };
        let hits = archive.search(&ask).expect("searches");
        hits.into_iter().map(|hit| hit.session).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(only(Some("one"), None).into_iter().collect::<Vec<_>>(), ["one"]);
    assert_eq!(only(None, Some("one")).into_iter().collect::<Vec<_>>(), ["two"]);
    fs::remove_file(world.log("one")).expect("removed");
    assert_eq!(found(&archive, "leaking"), [""; 0], "a log that went meanwhile answers nothing");
    assert_eq!(world.find("leaking"), [""; 0]);
    assert_eq!(world.archive().sessions(), 1);
}

#[test]
fn entries_are_read_by_their_number() {
    let world = World::new();
    world.session("one", &[("first words", "output\n"), ("second words", "more\n")]);
    let logs = world.places().sessions(&world.root());
    let check = |number: usize, expect: Result<&str, &str>| {
        let read = entry(&logs, "one", number).map(|entry| entry.text).map_err(|error| error.to_string());
        assert_eq!(read.as_deref().map_err(String::as_str), expect, "r{number}");
    };
    check(0, Ok("first words"));
    check(1, Ok(""));
    check(2, Ok("output\n"));
    check(4, Ok("second words"));
    check(8, Err("there is no r8 in session one; the newest is r7"));
    assert!(matches!(entry(&logs, "two", 0), Err(ArchiveError::Log(_))));
    let older = Older::new(&world.places(), &world.root(), "two", &crate::config::Embeddings::Off);
    assert_eq!(older.entry("on", 2).expect("reads").text, "output\n");
    assert!(older.entry("x", 2).expect_err("unknown").contains("no session x"));
    assert_eq!(older.find("second", 5).expect("finds")[0].handle, "one/r4:1");
    let own = Older::new(&world.places(), &world.root(), "one", &crate::config::Embeddings::Off);
    assert_eq!(own.find("second", 5), Ok(Vec::new()));
}

#[test]
fn whole_outputs_are_searched_and_shown() {
    let world = World::new();
    let spool = world.folder.path().join("output.log");
    let mut lines: String = (0..3_000).map(|number| format!("compiling unit {number}\n")).collect();
    lines.insert_str(lines.len() / 2, "\nwarning: needle in the haystack\n");
    fs::write(&spool, &lines).expect("written");
    let mut log = world.begin("one");
    add(&mut log, 1, &[("build it", "unused")]);
    log.append(&Record::Prompt { turn: 2, text: "again".into() }).expect("written");
    let outcome = LoggedOutcome {
        tool: "bash".into(),
        text: "compiling unit 0\n… 2999 lines left out …\nexit code 0".into(),
        whole: Some(spool),
        ..Default::default()
    };
    log.append(&Record::Outcome(Box::new(outcome))).expect("written");
    let hits = world
        .archive()
        .search(&Ask { words: "needle haystack", limit: 1, ..Ask::default() })
        .expect("searches");
    assert!(hits[0].text.contains("warning: needle in the haystack"), "{hits:?}");
    let handle = hits[0].handle;
    let read = entry(&world.places().sessions(&world.root()), "one", handle.entry).expect("reads");
    let (first, last) = handle.lines.expect("lines");
    assert!(lines_of(&read.text, first, last).contains("needle"), "{handle}");
    assert!(read.text.ends_with("exit code 0\n"));
}

fn lines_of(text: &str, first: usize, last: usize) -> String {
    super::lines(text, first, last)
}

#[test]
fn logs_that_are_damaged_give_what_is_valid() {
    let world = World::new();
    world.session("torn", &[("the heron flies", "over water"), ("the crane stands", "in reeds")]);
    world.session("whole", &[("the stork nests", "on chimneys")]);
    fs::write(world.log("empty"), b"").expect("written");
    fs::write(world.log("junk"), b"\xff\xfe not a log").expect("written");
    let bytes = fs::read(world.log("torn")).expect("readable");
    for cut in [bytes.len() - 1, bytes.len() / 2, 10, bytes.len()] {
        fs::write(world.log("torn"), &bytes[..cut]).expect("written");
        let archive = world.archive();
        assert_eq!(found(&archive, "stork"), ["whole/r0"], "cut at {cut}");
        let (heron, crane) = (found(&archive, "heron"), found(&archive, "crane"));
        assert_eq!(heron.len(), usize::from(cut >= bytes.len() / 2), "cut at {cut}");
        assert_eq!(crane.len(), usize::from(cut >= bytes.len() - 1), "cut at {cut}");
        // What is known to be unreadable is not said again.
        assert_eq!(world.archive().notes(), &[] as &[String], "cut at {cut}");
    }
    // Another log under the same name takes the place of the first one.
    fs::remove_file(world.log("torn")).expect("removed");
    let prompts: Vec<String> = (1..6).map(|number| format!("the eagle soars {number} times")).collect();
    let long: Vec<(&str, &str)> =
        prompts.iter().map(|prompt| (prompt.as_str(), "above the clouds")).collect();
    world.session("torn", &long);
    assert_eq!(world.find("heron"), [""; 0]);
    assert_eq!(world.find("eagle").len(), 5);
}

/// Every file of the archive, damaged at several places in several ways: the answer is the same, and is never a panic.
#[test]
fn a_damaged_store_is_built_again() {
    let world = World::new();
    world.session("one", &[("the heron flies", "over water")]);
    world.session("two", &[("the crane stands", "in reeds")]);
    let expect = world.find("heron water crane");
    assert!(expect.len() >= 3);
    let folder = world.places().archive(&world.root());
    let files = || -> Vec<PathBuf> {
        let below = |folder: &Path| -> Vec<PathBuf> {
            let entries = fs::read_dir(folder).expect("readable");
            entries.map(|entry| entry.expect("readable").path()).filter(|path| path.is_file()).collect()
        };
        let mut files = below(&folder);
        files.extend(below(&folder.join(STORE)));
        files.sort();
        files
    };
    let mut noted = 0;
    for at in 0..files().len() {
        for way in 0..5 {
            let files = files();
            let Some(path) = files.get(at) else { continue };
            let mut bytes = fs::read(path).expect("readable");
            match way {
                0 => bytes.clear(),
                1 => bytes.truncate(bytes.len() / 2),
                2 => bytes.extend_from_slice(b"junk"),
                3 => {
                    let middle = bytes.len() / 2;
                    bytes.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 0x10);
                }
                _ => {
                    fs::remove_file(path).expect("removed");
                    bytes.clear();
                }
            }
            if way < 4 {
                fs::write(path, &bytes).expect("written");
            }
            let archive = world.archive();
            assert_eq!(found(&archive, "heron water crane"), expect, "{} way {way}", path.display());
            noted += archive.notes().len();
            assert_eq!(world.find("heron water crane"), expect, "{} way {way}, again", path.display());
        }
    }
    assert!(noted > 3, "{noted}");
}

#[test]
fn a_store_in_use_is_searched_as_it_is_or_in_memory() {
    let world = World::new();
    world.session("one", &[("the heron flies", "over water")]);
    let folder = world.places().archive(&world.root());
    fs::create_dir_all(&folder).expect("created");
    let held = File::create(folder.join("lock")).expect("created");
    held.lock().expect("locked");
    // Nothing is there yet: the logs are read into memory.
    let archive = world.archive();
    assert_eq!(found(&archive, "heron"), ["one/r0"]);
    assert_eq!(archive.notes().len(), 1, "{:?}", archive.notes());
    drop(held);
    assert_eq!(world.find("heron"), ["one/r0"]);
    let held = File::open(folder.join("lock")).expect("opened");
    held.lock().expect("locked");
    world.session("two", &[("the heron rests", "on one leg")]);
    let archive = world.archive();
    assert_eq!(found(&archive, "heron"), ["one/r0"], "as it was");
    assert!(archive.notes()[0].contains("may be missing"), "{:?}", archive.notes());
    drop(held);
    assert_eq!(world.find("heron").len(), 2);
}

#[test]
fn a_cache_that_cannot_be_written_is_done_without() {
    let world = World::new();
    world.session("one", &[("the heron flies", "over water")]);
    let places = world.places();
    fs::create_dir_all(&places.cache).expect("created");
    fs::write(places.cache.join("archive"), b"in the way").expect("written");
    let archive = world.archive();
    assert_eq!(found(&archive, "heron"), ["one/r0"]);
    assert_eq!(archive.notes().len(), 1, "{:?}", archive.notes());
}

#[test]
fn many_small_sessions_are_told_apart() {
    let world = World::new();
    for number in 0..200 {
        let prompt = format!("question about topic{number}x");
        world.session(&format!("s{number:03}"), &[(&prompt, "nothing to see")]);
    }
    let archive = world.archive();
    assert_eq!(archive.sessions(), 200);
    for number in [0, 57, 199] {
        assert_eq!(found(&archive, &format!("topic{number}x"))[0], format!("s{number:03}/r0"));
    }
    for number in 0..150 {
        fs::remove_file(world.log(&format!("s{number:03}"))).expect("removed");
    }
    let archive = world.archive();
    assert_eq!(archive.sessions(), 50);
    assert!(found(&archive, "topic57x").iter().all(|handle| handle.as_str() >= "s150"));
    assert_eq!(found(&archive, "topic199x")[0], "s199/r0");
}
