//! Owns what happens to readers of a mapped file when the file changes under them.
//! Uses real files that are cut short between two reads and during them.
//! Never maps what a test did not write.

use std::io::Write;

use super::*;

fn file_of(len: usize) -> (File, Vec<u8>) {
    let bytes: Vec<u8> = (0..len).map(|i| (i % 251 + 1) as u8).collect();
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(&bytes).expect("written");
    (file, bytes)
}

#[test]
fn a_file_and_parts_of_it() {
    let (file, bytes) = file_of(20_000);
    let whole = Mapping::of_file(&file).expect("mapped");
    assert_eq!(whole.bytes(), bytes);
    for (offset, len) in [(0, 20_000), (1, 4096), (4096, 4096), (12_345, 7655), (20_000, 0), (77, 0)] {
        let part = Mapping::of_range(&file, offset, len).expect("mapped");
        assert_eq!(part.bytes(), &bytes[offset as usize..][..len]);
        for advice in [Advice::Sequential, Advice::WillNeed, Advice::Random, Advice::Huge] {
            part.advise(advice);
        }
        assert_eq!(part.check(), Ok(()));
    }
    for (offset, len) in [(0, 20_001), (20_000, 1), (u64::MAX, 1), (u64::MAX, usize::MAX)] {
        let error = Mapping::of_range(&file, offset, len).expect_err("longer than the file");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{offset} {len}");
    }
    assert!(Mapping::of_file(&tempfile::tempfile().expect("a file")).expect("mapped").bytes().is_empty());
}

#[test]
fn bytes_in_memory() {
    assert_eq!(Mapping::of_static(b"abc").bytes(), b"abc");
    let owned = Mapping::of_vec(vec![1, 2]);
    owned.advise(Advice::WillNeed);
    assert_eq!((owned.bytes(), owned.check()), (&[1, 2][..], Ok(())));
    let numbers = Mapping::of_vec(vec![0x00, 0x3c, 0x00, 0xc0, 0]);
    assert_eq!(as_halves(&numbers.bytes()[..4]), Some(&[f16::ONE, f16::from_f32(-2.0)][..]));
    assert_eq!(as_halves(&numbers.bytes()[1..5]), None);
    assert_eq!(as_halves(&numbers.bytes()[..3]), None);
}

#[cfg(unix)]
#[test]
fn a_file_cut_short_reads_as_zeros_and_is_reported() {
    // Longer than a page of any machine (64 KiB on some).
    let (file, bytes) = file_of(1 << 20);
    let other = Mapping::of_file(&file_of(1 << 20).0).expect("mapped");
    let (mapping, half) =
        (Mapping::of_file(&file).expect("mapped"), Mapping::of_range(&file, 0, 1 << 18).expect("mapped"));
    assert_eq!(mapping.bytes(), bytes);
    let cut = (1 << 19) + 100;
    file.set_len(cut as u64).expect("cut");
    // Before anything is read.
    assert_eq!(mapping.check(), Err(Torn));
    assert_eq!(mapping.bytes()[..cut], bytes[..cut]);
    assert!(mapping.bytes()[cut..].iter().all(|byte| *byte == 0));
    assert_eq!(mapping.check(), Err(Torn));
    // Also when the length is right again: what was read was not the file's.
    file.set_len(1 << 20).expect("longer");
    assert_eq!(mapping.check(), Err(Torn));
    // Maps that do not reach so far are whole.
    assert_eq!((half.check(), other.check()), (Ok(()), Ok(())));
    assert_eq!(half.bytes(), &bytes[..1 << 18]);
    drop(mapping);
    // The place in the table is free again, with nothing left of the past.
    let again = Mapping::of_file(&file).expect("mapped");
    assert_eq!(again.bytes()[..cut], bytes[..cut]);
    assert_eq!(again.check(), Ok(()));
}

#[cfg(unix)]
#[test]
fn a_file_is_cut_short_while_threads_read_it() {
    for _ in 0..20 {
        let (file, bytes) = file_of(1 << 20);
        let mapping = Mapping::of_file(&file).expect("mapped");
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (mapping, bytes) = (&mapping, &bytes);
                scope.spawn(move || {
                    for round in 0..200 {
                        for place in (thread * 977..bytes.len()).step_by(4096 - 13) {
                            let byte = mapping.bytes()[place];
                            assert!(byte == bytes[place] || byte == 0, "{round}: {byte} at {place}");
                        }
                    }
                });
            }
            for cut in (0..16).rev() {
                file.set_len(cut << 16).expect("cut");
            }
        });
        assert!(mapping.bytes().iter().all(|byte| *byte == 0));
        assert_eq!(mapping.check(), Err(Torn));
    }
}
