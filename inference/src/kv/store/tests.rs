//! Owns the tests of snapshots: what is written is found by another process, and nothing that is damaged is used.
//! Uses real files in folders that are deleted afterwards.
//! Never fills a disk of the machine: a writer without room stands for a full one.
#![expect(clippy::unwrap_used, reason = "a failure here is the test's result")]

use super::*;
use crate::kv::LayerShape;

const PATIENT: Duration = Duration::from_secs(30);

fn geometry() -> Arc<Geometry> {
    Arc::new(Geometry::new(vec![LayerShape { kv_heads: 2, key_dim: 4, value_dim: 4 }; 2]))
}

fn tokens(length: usize, salt: u32) -> Vec<u32> {
    (0..length as u32).map(|index| (index * 7 + salt) % 1000).collect()
}

/// A sequence whose rows follow from token and position.
fn sequence(tokens: &[u32]) -> Sequence {
    let mut sequence = Sequence::new(&geometry());
    extend(&mut sequence, tokens);
    sequence
}

fn extend(sequence: &mut Sequence, tokens: &[u32]) {
    let start = sequence.len();
    sequence.reserve(start + tokens.len()).unwrap();
    let row = |(at, token): (usize, &u32)| vec![(*token % 500) as f32 + ((start + at) % 7) as f32; 8];
    let rows: Vec<f32> = tokens.iter().enumerate().flat_map(row).collect();
    for layer in 0..2 {
        sequence.write(layer, start, &rows, &rows);
    }
    sequence.commit(tokens);
}

fn same(one: &Sequence, other: &Sequence) {
    assert_eq!(one.tokens(), other.tokens());
    for layer in 0..2 {
        for (position, (page, expect)) in
            one.keys(layer, one.len()).zip(other.keys(layer, one.len())).enumerate()
        {
            let rows = (one.len() - position * PAGE).min(PAGE);
            for (column, expect) in page.chunks_exact(PAGE).zip(expect.chunks_exact(PAGE)) {
                assert_eq!(column[..rows], expect[..rows]);
            }
        }
    }
}

struct Place {
    folder: tempfile::TempDir,
    limit: u64,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), limit: u64::MAX }
    }

    fn options(&self) -> SnapshotOptions {
        SnapshotOptions { folder: self.folder.path().join("deep").join("kv"), limit: self.limit }
    }

    /// Another process.
    fn store(&self) -> (Store, Report) {
        self.store_of(b"weights")
    }

    fn store_of(&self, identity: &[u8]) -> (Store, Report) {
        let report = Report::default();
        (Store::open(&self.options(), identity, &geometry(), &report).unwrap(), report)
    }

    fn files(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.options().folder) else { return Vec::new() };
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// Save the state of `tokens` and wait for it.
    fn save(&self, tokens: &[u32]) -> SnapshotStats {
        let (mut store, report) = self.store();
        store.save(&sequence(tokens), tokens.len());
        report.settle(PATIENT);
        report.stats()
    }

    /// What a new process finds for a prompt.
    fn restore(&self, prompt: &[u32]) -> (Sequence, SnapshotStats) {
        let (mut store, report) = self.store();
        let mut found = Sequence::new(&geometry());
        store.restore(&mut found, prompt, prompt.len() - 1);
        same(&found, &sequence(&prompt[..found.len()]));
        (found, report.stats())
    }
}

#[test]
fn what_one_process_computed_another_one_finds() {
    let place = Place::new();
    let text = tokens(3 * PAGE + 20, 1);
    assert_eq!(place.save(&text).written, 4);
    let other = [&text[..2 * PAGE + 9], &[999; 40]].concat();
    let longer = [&text[..], &[999; 100]].concat();
    let near = [&text[..3 * PAGE + 5], &[999; 40]].concat();
    for (prompt, length) in [
        (&text, text.len() - 1),
        (&longer, text.len()),
        (&near, 3 * PAGE + 5),
        (&other, 2 * PAGE),
        (&text[..2 * PAGE].to_vec(), 2 * PAGE - 1),
        (&text[..PAGE - 1].to_vec(), 0),
        (&tokens(200, 5), 0),
    ] {
        let (mut found, _) = place.restore(prompt);
        assert_eq!(found.len(), length);
        // It goes on from there, without writing into the files.
        let rest = &prompt[length..];
        extend(&mut found, rest);
        same(&found, &sequence(prompt));
        assert!(found.check().is_ok());
    }
    assert_eq!(place.restore(&text).0.len(), text.len() - 1, "the files are as they were");

    // Other weights, another shape.
    let (mut store, _) = place.store_of(b"other weights");
    let mut found = Sequence::new(&geometry());
    store.restore(&mut found, &text, text.len());
    assert_eq!(found.len(), 0);
}

#[test]
fn what_is_in_memory_is_not_read_and_what_is_on_the_disk_is_not_written_again() {
    let place = Place::new();
    let text = tokens(4 * PAGE + 10, 1);
    place.save(&text[..4 * PAGE]);
    let (mut store, report) = place.store();
    let mut found = sequence(&text[..2 * PAGE + 30]);
    store.restore(&mut found, &text, text.len() - 1);
    assert_eq!((found.len(), report.stats().read), (4 * PAGE, 2));
    same(&found, &sequence(&text[..4 * PAGE]));
    extend(&mut found, &text[4 * PAGE..]);
    store.save(&found, text.len());
    store.save(&found, text.len());
    report.settle(PATIENT);
    assert_eq!(report.stats().written, 1, "only the new tokens");
    assert_eq!(place.save(&text).written, 1, "full pages are known, a part of a page is the newest one's");
    assert_eq!(place.files().len(), 5);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert!(place.files().iter().all(|file| mode(file) == 0o600));
        assert_eq!(mode(&place.options().folder), 0o700);
    }
}

type Edit = Box<dyn Fn(&mut Vec<u8>)>;

#[test]
fn damaged_files_are_deleted_and_computed_again() {
    let text = tokens(2 * PAGE, 3);
    let range = snapshot::data_range(&geometry());
    let length = range.end;
    let edits: Vec<(&str, Edit)> = vec![
        ("empty", Box::new(|bytes| bytes.clear())),
        ("short", Box::new(move |bytes| bytes.truncate(length - 1))),
        ("header only", Box::new(|bytes| bytes.truncate(100))),
        ("long", Box::new(|bytes| bytes.push(0))),
        ("magic", Box::new(|bytes| bytes[0] ^= 1)),
        ("version", Box::new(|bytes| bytes[7] += 1)),
        ("key", Box::new(|bytes| bytes[20] ^= 1)),
        ("count", Box::new(|bytes| bytes[40] = 63)),
        ("no tokens", Box::new(|bytes| bytes[40] = 0)),
        ("many tokens", Box::new(|bytes| bytes[43] = 255)),
        ("token", Box::new(|bytes| bytes[50] ^= 1)),
        ("size", Box::new(|bytes| bytes[300] ^= 1)),
        ("hash", Box::new(|bytes| bytes[320] ^= 1)),
        ("first number", Box::new(move |bytes| bytes[range.start] ^= 1)),
        ("last number", Box::new(move |bytes| bytes[length - 1] ^= 0x80)),
        ("zeros", Box::new(|bytes| bytes.fill(0))),
    ];
    for (name, edit) in edits {
        let place = Place::new();
        place.save(&text);
        for file in place.files() {
            let mut bytes = fs::read(&file).unwrap();
            edit(&mut bytes);
            fs::write(&file, bytes).unwrap();
        }
        let (found, stats) = place.restore(&text);
        assert_eq!((found.len(), stats.damaged), (0, 1), "{name}");
        assert_eq!(
            place.files().len(),
            1,
            "{name}: the damaged file is gone, the one behind it was not looked at"
        );
        place.save(&text);
        let (found, stats) = place.restore(&text);
        // The second page is damaged still.
        assert_eq!((found.len(), stats.damaged), (PAGE, 1), "{name}");
        place.save(&text);
        assert_eq!(place.restore(&text).0.len(), 2 * PAGE - 1, "{name}");
    }
}

#[test]
fn the_least_recently_used_are_deleted_when_the_folder_is_full() {
    let each = snapshot::file_bytes(&geometry());
    let place = Place { limit: 10 * each, ..Place::new() };
    let texts: Vec<_> = (0..4).map(|salt| tokens(3 * PAGE, salt)).collect();
    let age = |place: &Place, seconds: u64| {
        for file in place.files() {
            let file = File::open(file).unwrap();
            let before = file.metadata().unwrap().modified().unwrap();
            file.set_modified(before - Duration::from_secs(seconds)).unwrap();
        }
    };
    for text in &texts[..3] {
        place.save(text);
        age(&place, 100);
    }
    assert_eq!(place.restore(&texts[0]).0.len(), 3 * PAGE - 1, "used again");
    let stats = place.save(&texts[3]);
    assert!(stats.evicted >= 2, "{stats:?}");
    assert!(place.files().len() <= 10);
    assert_eq!(place.restore(&texts[0]).0.len(), 3 * PAGE - 1);
    assert_eq!(place.restore(&texts[3]).0.len(), 3 * PAGE - 1);
    assert!(place.restore(&texts[1]).0.len() < 3 * PAGE - 1);
}

#[test]
fn folders_that_cannot_be_written_cost_nothing_but_the_snapshots() {
    // A file where the folder should be.
    let place = Place::new();
    fs::write(place.folder.path().join("deep"), b"in the way").unwrap();
    let stats = place.save(&tokens(9 * PAGE, 1));
    assert_eq!((stats.written, stats.failed), (0, u64::from(PATIENCE)));
    assert_eq!(place.restore(&tokens(9 * PAGE, 1)).0.len(), 0);

    // Folders in the place of files.
    let place = Place::new();
    let text = tokens(2 * PAGE, 1);
    place.save(&text);
    let files = place.files();
    for file in &files {
        fs::remove_file(file).unwrap();
        fs::create_dir(file).unwrap();
    }
    assert_eq!(place.restore(&text).0.len(), 0);
    place.save(&text);
}

#[test]
fn a_file_that_goes_away_or_is_cut_short_while_it_is_used_is_noticed() {
    let place = Place::new();
    let text = tokens(2 * PAGE + 1, 1);
    place.save(&text);
    let (found, _) = place.restore(&text);
    let files = place.files();
    for file in &files[1..] {
        fs::remove_file(file).unwrap();
    }
    assert!(found.check().is_ok(), "what is mapped stays");
    same(&found, &sequence(&text[..2 * PAGE]));

    let place = Place::new();
    place.save(&text);
    let (found, _) = place.restore(&text);
    for file in place.files() {
        OpenOptions::new().write(true).open(file).unwrap().set_len(10).unwrap();
    }
    let sum: f32 = found.keys(0, found.len()).flatten().map(|number| number.to_f32()).sum();
    assert!(sum.is_finite(), "no signal ends the process");
    assert!(cfg!(not(unix)) || found.check().is_err());
}

#[test]
fn processes_share_a_folder() {
    let place = Arc::new(Place::new());
    let texts: Vec<_> = (0..6).map(|index| [tokens(2 * PAGE, 1), tokens(PAGE, index)].concat()).collect();
    std::thread::scope(|scope| {
        for start in 0..4 {
            let (place, texts) = (&place, &texts);
            scope.spawn(move || {
                for round in 0..12 {
                    let text = &texts[(start + round) % texts.len()];
                    place.save(text);
                    let (found, stats) = place.restore(text);
                    assert_eq!((found.len(), stats.damaged), (text.len() - 1, 0));
                }
            });
        }
    });
    // The common head once, and each end once: two of them are the same.
    assert!(place.files().len() <= 8, "{:?}", place.files());
    assert!(place.files().iter().all(|file| file.extension().is_some_and(|end| end == "page")));
}

#[test]
fn what_a_dead_process_left_is_cleared_away() {
    let place = Place::new();
    fs::create_dir_all(place.options().folder).unwrap();
    let old = place.options().folder.join("x.page.1.1.new");
    let new = place.options().folder.join("y.page.1.1.new");
    fs::write(&old, b"half").unwrap();
    fs::write(&new, b"half").unwrap();
    File::open(&old).unwrap().set_modified(SystemTime::now() - 2 * ABANDONED).unwrap();
    place.save(&tokens(PAGE, 1));
    assert!(!old.exists() && new.exists());
}

/// A writer that has room for so many bytes.
struct Disk(usize);

impl io::Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = bytes.len().min(self.0);
        self.0 -= written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_disk_that_fills_up_at_any_byte_is_an_error() {
    let text = tokens(PAGE, 1);
    let state = sequence(&text);
    let key = Key::first(b"weights", &geometry()).next(&text);
    let length = snapshot::file_bytes(&geometry()) as usize;
    for room in (0..length).step_by(97) {
        let error = snapshot::write(&mut Disk(room), key, &text, &state.pages()[0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
    snapshot::write(&mut Disk(length), key, &text, &state.pages()[0]).unwrap();
}

#[test]
fn a_full_disk_makes_room_by_giving_up_what_was_not_used_for_long() {
    let place = Place::new();
    let (old, new) = (tokens(8 * PAGE, 1), tokens(PAGE, 2));
    place.save(&old);
    let report = Report::default();
    let mut writer = Writer {
        folder: place.options().folder,
        limit: u64::MAX,
        report: report.clone(),
        used: None,
        failures: 0,
        // Half a file, then no room.
        create: |path, _| {
            fs::write(path, [0; 100])?;
            Err(io::ErrorKind::StorageFull.into())
        },
    };
    let key = Key::first(b"weights", &geometry()).next(&new);
    let page = Arc::clone(&sequence(&new).pages()[0]);
    let write = || Write { name: page_name(key), key, tokens: new.clone(), page: Arc::clone(&page) };
    writer.take(&write());
    assert_eq!(report.stats(), SnapshotStats { failed: 1, evicted: 4, ..SnapshotStats::default() });
    assert_eq!(place.files().len(), 4, "the half of a file is gone as well");
    writer.create = write_file;
    writer.take(&write());
    assert_eq!(report.stats().written, 1);
    assert_eq!(place.restore(&[&new[..], &[1, 2]].concat()).0.len(), PAGE);
}
