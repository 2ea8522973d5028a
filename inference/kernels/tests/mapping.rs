//! Owns what can be seen of maps only in a process of one's own: the end of the table, and faults of others.
//! Uses this test program a second time for a fault that must end it.
//! Never leaves a process behind.
#![cfg(unix)]

use std::fs::File;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;

use loci_kernels::mapping::{Mapping, Torn};

fn file_of(len: usize) -> File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(&vec![7; len]).expect("written");
    file
}

/// One after the other, because the first takes all file descriptors for a moment.
#[test]
fn the_table_has_an_end_and_faults_of_others_pass() {
    maps_beyond_the_table_are_refused_and_do_no_harm();
    a_fault_of_somebody_elses_map_still_ends_the_process();
}

fn maps_beyond_the_table_are_refused_and_do_no_harm() {
    let file = file_of(100);
    let mut maps = Vec::new();
    // Either our table is full or the system gives no more files.
    while let Ok(map) = Mapping::of_file(&file) {
        maps.push(map);
        assert!(maps.len() <= 1024);
    }
    assert!(maps.len() > 100);
    assert!(maps.iter().all(|map| map.bytes() == [7; 100] && map.check().is_ok()));
    drop(maps);
    assert!(Mapping::of_file(&file).is_ok());
}

fn a_fault_of_somebody_elses_map_still_ends_the_process() {
    let program = std::env::current_exe().expect("this program");
    #[expect(clippy::disallowed_methods, reason = "the test program itself, once more")]
    let output = std::process::Command::new(program)
        .args(["--exact", "child_reads_a_torn_map_of_its_own", "--ignored", "--nocapture"])
        .output()
        .expect("started");
    assert_eq!(output.status.signal(), Some(libc_sigbus()), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("mended"), "{output:?}");
}

/// Not a dependency of the tests for one number: 7 on Linux, 10 on the BSDs and macOS.
fn libc_sigbus() -> i32 {
    if cfg!(target_os = "linux") { 7 } else { 10 }
}

#[test]
#[ignore = "it ends its process: the test above starts it"]
#[expect(
    unsafe_code,
    clippy::print_stderr,
    reason = "it maps a file without our care, and tells its parent how far it came"
)]
fn child_reads_a_torn_map_of_its_own() {
    let file = file_of(1 << 20);
    let mapping = Mapping::of_file(&file).expect("mapped");
    // SAFETY: it is read only here, and what happens then is the test.
    let own = unsafe { memmap2::Mmap::map(&file).expect("mapped") };
    file.set_len(0).expect("cut");
    assert!(mapping.bytes().iter().all(|byte| *byte == 0));
    assert_eq!(mapping.check(), Err(Torn));
    eprintln!("mended");
    assert_eq!(std::hint::black_box(&own[1 << 19]), &7, "never reached");
}
