//! Owns reading the ledger: every transmission in its order, and whether the chain over all files holds.
//! Uses the lines as `egress` writes them.
//! Never changes a file, and never takes a line for whole that is not.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;

use serde::Serialize;

use super::{Entry, Ledger, LedgerError, OPEN, parse};

/// What reading the whole ledger found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Lines that are as they were written, up to the first that is not.
    pub entries: u64,
    /// The number of the first of them; more than 1 where older files gave way.
    pub first: u64,
    /// The hash of the last of them.
    pub last: String,
    /// Transmissions that never began: half a line each, from a crash or a full disk.
    pub unfinished: u64,
    /// What is wrong first, if anything.
    pub broken: Option<Broken>,
}

/// A line that is not as it was written, or does not follow the one before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub why: String,
}

impl Ledger {
    /// Every transmission, oldest first. Lines that cannot be read are left out: [`Ledger::verify`] names them.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn entries(&self, mut each: impl FnMut(Entry)) -> Result<(), LedgerError> {
        self.lines(|_, _, line| {
            if let Ok((_, _, entry)) = parse(line.strip_suffix(b"\n").unwrap_or(line)) {
                each(entry);
            }
            true
        })
    }

    /// Whether every line is as it was written and follows the one before it.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn verify(&self) -> Result<Verified, LedgerError> {
        let mut found = Verified::default();
        let mut seq = None;
        self.lines(|path, number, line| {
            let broken = |why: String| Some(Broken { file: path.clone(), line: number, why });
            // Only the last line of a file can have no end, and nothing was sent for it.
            let Some(line) = line.strip_suffix(b"\n") else {
                found.unfinished += 1;
                return true;
            };
            match parse(line) {
                Err(why) => found.broken = broken(why),
                Ok((_, previous, _)) if seq.is_some() && previous != found.last => {
                    found.broken = broken("it does not follow the line before it".into());
                }
                Ok((_, previous, entry)) if seq.is_none() && entry.seq == 1 && !previous.is_empty() => {
                    found.broken = broken("it claims to be the first, and names one before it".into());
                }
                Ok((_, _, entry)) if seq.is_some_and(|seq| entry.seq != seq + 1) => {
                    found.broken = broken(format!("its number is {}, which does not follow", entry.seq));
                }
                Ok((hash, _, entry)) => {
                    if seq.is_none() {
                        found.first = entry.seq;
                    }
                    seq = Some(entry.seq);
                    found.last = hash;
                    found.entries += 1;
                }
            }
            found.broken.is_none()
        })?;
        Ok(found)
    }

    /// Every line with its file and number, newline included, until `each` has seen enough.
    fn lines(&self, mut each: impl FnMut(&PathBuf, u64, &[u8]) -> bool) -> Result<(), LedgerError> {
        let failed = |path: &PathBuf, source| LedgerError { path: path.clone(), source };
        let mut files = self.closed().map_err(|error| failed(&self.folder, error))?;
        files.push(self.folder.join(OPEN));
        for path in files {
            let file = match fs::File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(&path, error)),
            };
            // Nobody is in the middle of a line while it is read.
            file.lock_shared().map_err(|error| failed(&path, error))?;
            let mut reader = BufReader::new(file);
            let mut line = Vec::new();
            for number in 1.. {
                line.clear();
                let read = reader.read_until(b'\n', &mut line).map_err(|error| failed(&path, error))?;
                if read == 0 {
                    break;
                }
                if !each(&path, number, &line) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
