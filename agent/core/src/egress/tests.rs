use super::*;

fn sending(address: &str, attempt: u32) -> Sending<'_> {
    Sending { method: "POST", address, bytes: 3, sha256: [7; 32], attempt }
}

fn ledger(segment: u64) -> (tempfile::TempDir, Ledger) {
    let folder = tempfile::tempdir().expect("a folder");
    let ledger = Ledger { segment, ..Ledger::at(&folder.path().join("egress")) };
    (folder, ledger)
}

fn shipment() -> Shipment {
    Shipment {
        purpose: "model",
        session: Some("s".into()),
        allowed_by: "-m box".into(),
        ..Shipment::default()
    }
}

#[test]
fn each_try_is_a_line_that_follows_the_one_before() {
    let (_folder, ledger) = ledger(SEGMENT);
    assert_eq!(ledger.verify().expect("reads"), Verified::default(), "nothing was sent yet");
    let witness = ledger.witness(shipment());
    for attempt in 1..=3 {
        witness.sending(&sending("https://api.example:8443/v1/chat", attempt)).expect("written");
    }
    ledger.for_download("a model", "loci models pull").sending(&sending("http://hub/x", 1)).expect("written");
    let mut told = Vec::new();
    ledger.entries(|entry| told.push(entry)).expect("reads");
    assert_eq!(told.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!((told[2].attempt, told[2].host.as_str(), told[2].bytes), (3, "api.example:8443", 3));
    assert_eq!((told[3].purpose.as_str(), told[3].model.as_deref()), ("download", Some("a model")));
    assert_eq!(told[0].sha256, "07".repeat(32));
    let verified = ledger.verify().expect("reads");
    assert_eq!((verified.entries, verified.first, verified.broken), (4, 1, None));
}

#[test]
fn a_changed_byte_and_a_line_taken_out_are_named() {
    let (_folder, ledger) = ledger(SEGMENT);
    for attempt in 1..=5 {
        ledger.record(&shipment(), &sending("https://x/y", attempt)).expect("written");
    }
    let path = ledger.folder().join(OPEN);
    let whole = fs::read(&path).expect("reads");
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let check = |bytes: Vec<u8>, expect: Option<u64>| {
        fs::write(&path, bytes).expect("written");
        let broken = ledger.verify().expect("reads").broken;
        assert_eq!(broken.as_ref().map(|broken| broken.line), expect, "{broken:?}");
    };
    check(whole.clone(), None);
    check([lines[0], lines[1], lines[3], lines[4]].concat(), Some(3));
    check([lines[1], lines[0]].concat(), Some(2));
    for at in (0..whole.len()).step_by(37) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        let line = whole[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        fs::write(&path, bytes).expect("written");
        let broken = ledger.verify().expect("reads").broken.expect("it is seen");
        assert_eq!(broken.line, line, "{broken:?}");
    }
}

#[test]
fn several_writers_make_one_chain_over_several_files() {
    let (_folder, ledger) = ledger(8_000);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            // Each has its own handles, as another process would.
            let ledger = ledger.clone();
            std::thread::spawn(move || {
                for attempt in 1..=20 {
                    ledger.record(&shipment(), &sending("https://x/y", attempt)).expect("written");
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("ends");
    }
    let verified = ledger.verify().expect("reads");
    assert_eq!((verified.entries, verified.broken), (160, None));
    assert!(ledger.closed().expect("lists").len() > 3, "it was closed often");
}

#[test]
fn old_files_give_way_and_the_rest_still_holds() {
    let (_folder, ledger) = ledger(300);
    for attempt in 1..=40 {
        ledger.record(&shipment(), &sending("https://x/y", attempt)).expect("written");
    }
    assert_eq!(ledger.closed().expect("lists").len(), SEGMENTS);
    let verified = ledger.verify().expect("reads");
    assert!(verified.first > 1 && verified.broken.is_none(), "{verified:?}");
    assert_eq!(verified.first + verified.entries, 41);
}

#[test]
fn half_a_line_is_set_aside_and_nothing_is_lost() {
    let (_folder, ledger) = ledger(SEGMENT);
    for attempt in 1..=2 {
        ledger.record(&shipment(), &sending("https://x/y", attempt)).expect("written");
    }
    let path = ledger.folder().join(OPEN);
    let mut bytes = fs::read(&path).expect("reads");
    bytes.extend_from_slice(b"{\"hash\":\"12");
    fs::write(&path, bytes).expect("written");
    ledger.record(&shipment(), &sending("https://x/y", 3)).expect("written");
    let verified = ledger.verify().expect("reads");
    assert_eq!((verified.entries, verified.unfinished, verified.broken), (3, 1, None));
}

#[test]
fn what_cannot_be_written_down_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("egress"), "a file in its place").expect("written");
    let ledger = Ledger::at(&folder.path().join("egress"));
    let refused = ledger.witness(shipment()).sending(&sending("https://x/y", 1));
    assert!(refused.is_err_and(|why| why.contains("cannot be used")));
}

#[test]
fn hosts_are_read_from_addresses() {
    let check = |address: &str, expect: &str| assert_eq!(host_of(address), expect, "{address}");
    check("https://api.example/v1", "api.example");
    check("http://127.0.0.1:80/v1?x", "127.0.0.1:80");
    check("http://user:word@host/x", "host");
    check("[::1]:9/x", "[::1]:9");
}
