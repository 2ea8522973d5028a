//! Damage at every byte, faults of the disk, logs of other versions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

fn header() -> Record {
    Record::Header {
        format: FORMAT,
        program: "loci test".into(),
        session_id: "s".into(),
        cwd: "/srv/repo".into(),
        model: "scripted".into(),
        forked_from: None,
        branch: None,
    }
}

fn small_log(path: &Path) -> Vec<Record> {
    let records = vec![
        header(),
        Record::Model(Box::new(UsedModel {
            name: "m".into(),
            hash: Some("0f".into()),
            ..Default::default()
        })),
        Record::Prompt { turn: 1, text: "where is parse?\n\u{2028}".into() },
        Record::Assistant { turn: 1, text: String::new(), reasoning: None, calls: vec![] },
        Record::Decision(Box::new(LoggedDecision {
            call_id: "c1".into(),
            verdict: "allow".into(),
            rule: Some("Read(**)".into()),
            ..Default::default()
        })),
        Record::Outcome(Box::new(LoggedOutcome {
            call_id: "c1".into(),
            text: "äöü".into(),
            files: vec![ChangedFile { path: "a".into(), before: None, after: Some("1e".into()) }],
            ..Default::default()
        })),
        Record::Rewound { turn: 1 },
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
    assert_eq!(read(&path).unwrap().records.len(), records.len() + 1);
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
    /// With what.
    error: io::ErrorKind,
}

impl Faulty {
    fn fault(&mut self) -> io::Result<()> {
        self.operation += 1;
        if (self.fail_at..self.fail_at + self.fails).contains(&self.operation) {
            Err(self.error.into())
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
    // ENOSPC, EIO, EINTR, a short write; in each of the operations, and in the ones after it too.
    let errors = [
        io::ErrorKind::StorageFull,
        io::ErrorKind::Other,
        io::ErrorKind::Interrupted,
        io::ErrorKind::WriteZero,
    ];
    for (fails, error) in (1..4).flat_map(|fails| errors.map(|error| (fails, error))) {
        for fail_at in 1..40 {
            let _ = fs::remove_file(&path);
            let file = OpenOptions::new().append(true).create_new(true).open(&path).unwrap();
            let storage = Faulty { file, operation: 0, fail_at, fails, error };
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
    assert!(reached == 468 && failures > 120, "{reached} {failures}");
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
    fs::write(&path, line("", "2026-01-01T00:00:00Z", &record).0).unwrap();
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

/// A file on a disk that is full as long as somebody says so, and as long as there is a reserve on it.
#[derive(Debug)]
struct Full {
    file: File,
    full: Arc<AtomicBool>,
    reserve: Option<PathBuf>,
}

impl Storage for Full {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.full.load(Ordering::Relaxed) && self.reserve.as_ref().is_none_or(|path| path.exists()) {
            self.file.write_all(&bytes[..bytes.len() / 3])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_all(bytes)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// From now on the log is on a disk that is full as long as this is true; with a reserve only until that is spent.
pub(crate) fn full_while(log: &mut Log, full: Arc<AtomicBool>, reserve: Option<PathBuf>) {
    let file = OpenOptions::new().append(true).open(&log.path).unwrap();
    if let Some(reserve) = &mut log.reserve {
        reserve.full = Some(full.clone());
    }
    log.storage = Box::new(Full { file, full, reserve });
}

#[test]
fn the_reserve_is_spent_when_the_disk_is_full_and_kept_again_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let (path, reserve) = (folder.path().join("a.jsonl"), folder.path().join("reserve"));
    let prompt = |turn| Record::Prompt { turn, text: format!("prompt {turn}") };
    let mut log = Log::create(&path, &header()).unwrap();
    log.keep_reserve(&reserve);
    assert_eq!(fs::metadata(&reserve).unwrap().len(), reserve::RESERVE_BYTES as u64);
    let full = Arc::new(AtomicBool::new(false));
    full_while(&mut log, full.clone(), Some(reserve.clone()));
    log.append(&prompt(1)).unwrap();
    log.commit().unwrap();
    assert!(!log.is_strained() && !log.take_warning());

    full.store(true, Ordering::Relaxed);
    log.append(&prompt(2)).unwrap();
    log.commit().unwrap();
    assert!(!reserve.exists() && log.is_strained());
    assert!(log.take_warning() && !log.take_warning());
    assert_eq!(read_records(&fs::read(&path).unwrap()).records, [header(), prompt(1), prompt(2)]);

    // It is spent once; then the memory alone has what is said.
    fs::write(&reserve, "somebody else's").unwrap();
    assert!(log.append(&prompt(3)).is_err() && log.commit().is_err() && log.catch_up().is_err());
    assert!(read_records(&fs::read(&path).unwrap()).damage.is_none());
    assert_eq!(log.records().unwrap().len(), 4);

    full.store(false, Ordering::Relaxed);
    log.catch_up().unwrap();
    assert!(!log.is_strained());
    assert_eq!(fs::metadata(&reserve).unwrap().len(), reserve::RESERVE_BYTES as u64);
    assert_eq!(read_records(&fs::read(&path).unwrap()).records.len(), 4);
}
