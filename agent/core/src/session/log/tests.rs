//! Damage at every byte, faults of the disk, logs of other versions.

use super::*;

fn header() -> Record {
    Record::Header {
        format: FORMAT,
        program: "loci test".into(),
        session_id: "s".into(),
        cwd: "/srv/repo".into(),
        model: "scripted".into(),
        forked_from: None,
    }
}

fn small_log(path: &Path) -> Vec<Record> {
    let records = vec![
        header(),
        Record::Prompt { turn: 1, text: "where is parse?\n\u{2028}".into() },
        Record::Assistant { turn: 1, text: String::new(), reasoning: None, calls: vec![] },
        Record::Outcome(Box::new(LoggedOutcome {
            call_id: "c1".into(),
            text: "äöü".into(),
            ..Default::default()
        })),
    ];
    let mut log = Log::create(path, &records[0]).unwrap();
    for record in &records[1..] {
        log.append(record).unwrap();
    }
    log.commit().unwrap();
    records
}

#[test]
fn what_was_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/a.jsonl");
    let records = small_log(&path);
    let (mut log, loaded) = Log::open(&path).unwrap();
    assert_eq!(loaded.records, records);
    assert!(loaded.damage.is_none());
    log.append(&Record::Undone { paths: vec![] }).unwrap();
    log.commit().unwrap();
    assert!(matches!(Log::open(&path), Err(LogError::InUse { .. })));
    drop(log);
    assert_eq!(read(&path).unwrap().records.len(), 5);
}

#[test]
fn truncation_at_each_byte_leaves_the_valid_prefix() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    let records = small_log(&path);
    let bytes = fs::read(&path).unwrap();
    let ends: Vec<usize> =
        bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    for length in 0..=bytes.len() {
        let loaded = read_records(&bytes[..length]);
        let whole = ends.iter().filter(|end| **end <= length).count();
        assert_eq!(loaded.records, records[..whole], "cut at {length}");
        assert_eq!(loaded.damage.is_some(), length != 0 && !ends.contains(&length), "cut at {length}");
    }
}

#[test]
fn a_flip_of_each_byte_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    let records = small_log(&path);
    let bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        for mask in [0x01, 0x20, 0x80] {
            let mut flipped = bytes.clone();
            flipped[at] ^= mask;
            let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count();
            let loaded = read_records(&flipped);
            assert_eq!(loaded.records, records[..line], "flip {mask:#x} at {at}");
            assert!(loaded.damage.is_some(), "flip {mask:#x} at {at}");
        }
    }
}

#[test]
fn a_damaged_tail_is_kept_beside_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    let records = small_log(&path);
    let good = fs::read(&path).unwrap();
    for round in 1..3 {
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"hash\":\"torn").unwrap();
        let (log, loaded) = Log::open(&path).unwrap();
        let damage = loaded.damage.unwrap();
        assert_eq!(loaded.records, records);
        assert_eq!(damage.kept_at, Some(path.with_extension(format!("damaged-{round}"))));
        assert_eq!(fs::read(damage.kept_at.unwrap()).unwrap(), b"{\"hash\":\"torn");
        assert_eq!(fs::read(&path).unwrap(), good);
        drop(log);
    }
}

/// A file whose `fail_at`-th operation fails, after half of the bytes where it is a write.
#[derive(Debug)]
struct Faulty {
    file: File,
    operation: usize,
    fail_at: usize,
    /// How many operations in a row fail.
    fails: usize,
}

impl Faulty {
    fn fault(&mut self) -> io::Result<()> {
        self.operation += 1;
        if (self.fail_at..self.fail_at + self.fails).contains(&self.operation) {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }
}

impl Storage for Faulty {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.fault() {
            self.file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.file.write_all(bytes)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.fault()?;
        self.file.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.fault()?;
        self.file.sync_data()
    }
}

#[test]
fn every_fault_leaves_a_valid_log_that_catches_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    let (mut reached, mut failures) = (0, 0);
    for fails in 1..4 {
        for fail_at in 1..40 {
            let _ = fs::remove_file(&path);
            let file = OpenOptions::new().append(true).create_new(true).open(&path).unwrap();
            let storage = Faulty { file, operation: 0, fail_at, fails };
            let mut log = Log::over(&path, Box::new(storage), 0, String::new());
            let mut expected = vec![header()];
            let mut committed = 0;
            for turn in 0..8 {
                expected.push(Record::Prompt { turn, text: format!("prompt {turn}") });
                let records = if turn == 0 { &expected[..] } else { &expected[expected.len() - 1..] };
                let mut added = Ok(());
                for record in records {
                    added = added.and(log.append(record));
                }
                match added.and_then(|()| log.commit()) {
                    Ok(()) => committed = expected.len(),
                    Err(_) => failures += 1,
                }
                // Whatever happened, what was committed can be read at any moment.
                let loaded = read_records(&fs::read(&path).unwrap());
                assert!(loaded.records.len() >= committed, "{fail_at} {fails} {turn}");
                assert_eq!(loaded.records, expected[..loaded.records.len()]);
            }
            while log.commit().is_err() {
                failures += 1;
            }
            let loaded = read_records(&fs::read(&path).unwrap());
            assert_eq!(loaded.records, expected, "{fail_at} {fails}");
            assert!(loaded.damage.is_none());
            reached += 1;
        }
    }
    assert!(reached == 117 && failures > 30, "{reached} {failures}");
}

#[test]
fn logs_without_a_header_and_of_the_future_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    fs::write(&path, b"").unwrap();
    assert!(matches!(Log::open(&path), Err(LogError::Corrupt { .. })));
    fs::write(&path, b"{}\n").unwrap();
    assert!(matches!(Log::open(&path), Err(LogError::Corrupt { .. })));
    let mut record = header();
    if let Record::Header { format, .. } = &mut record {
        *format = FORMAT + 1;
    }
    fs::write(&path, line("", &record).0).unwrap();
    assert!(matches!(Log::open(&path), Err(LogError::TooNew { .. })));
}

#[test]
fn a_log_is_read_on_from_a_mark() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    let records = small_log(&path);
    let mark = read(&path).unwrap().mark();
    assert_eq!(read_on(&path, &mark).unwrap().records, []);
    let added = Record::Prompt { turn: 2, text: "more".into() };
    let (mut log, _) = Log::open(&path).unwrap();
    log.append(&added).unwrap();
    let more = read_on(&path, &mark).unwrap();
    assert_eq!(more.records, [added]);
    assert_eq!(more.mark(), read(&path).unwrap().mark());
    drop(log);
    assert_eq!(read_on(&path, &Mark::default()).unwrap().records.len(), records.len() + 1);
    // Another log under the same name does not follow the mark.
    fs::remove_file(&path).unwrap();
    let mut log = Log::create(&path, &header()).unwrap();
    for turn in 1..9 {
        log.append(&Record::Prompt { turn, text: format!("prompt {turn}") }).unwrap();
    }
    let other = read_on(&path, &mark).unwrap();
    assert!(other.records.is_empty() && other.damage.is_some());
}
