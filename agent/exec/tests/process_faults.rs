//! Owns the process tests, played for real.
//! Uses shells and daemons of a temporary folder. Linux only, as survivors are looked for in `/proc`.
//! Never leaves a process behind.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![expect(clippy::disallowed_methods, reason = "tests prepare files directly")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

mod process_faults {
    mod background;
    mod faults;
    mod hostile;
    mod terminal;
    mod world;
}
