//! Owns the qualification of models: what a model can do here, found out by fixed tasks, and the card that keeps it.
//! Uses the session's own loop and tools for the tasks, one file for each card.
//! Never takes a model's word for what it did: the files and the events of the task decide.

pub mod card;
mod fixture;
mod needles;
mod run;
mod seen;
mod tasks;
mod timed;

pub use card::{Card, CardError, Cards, FileMark, Kind, Machine, Speed, Subject, TaskResult};
pub use run::{Options, Outcome, Step, run};

/// The most memory that this process has had, in bytes; `None` where the system does not tell.
#[must_use]
pub fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests;
