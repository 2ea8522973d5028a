//! Owns the ledger of what leaves the machine: one line for each transmission, on the disk before a byte of it is sent.
//! Uses `flock` and `fdatasync`; each line carries the hash of the one before, over all files of the ledger.
//! Never holds content: sizes, hashes and names stand for it. What cannot be written down is not sent.

pub mod dry;
pub mod parts;
mod read;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loci_inference::witness::{Sending, Witness};
use serde::{Deserialize, Serialize};

use crate::config::Places;
use crate::session::log::create_folder;
pub use parts::Part;
pub use read::{Broken, Verified};

/// A file of the ledger is closed at this size. A line has about 600 bytes, so it holds some 25,000 transmissions.
const SEGMENT: u64 = 16 << 20;
/// So many closed files are kept; the oldest gives way. Together with the open one they have 272 MiB at most.
const SEGMENTS: usize = 16;
/// The file that is written to.
const OPEN: &str = "ledger.jsonl";
/// A line is never longer: its parts are at most [`parts::MOST`], and names in them are cut.
const LONGEST_LINE: u64 = 1 << 20;
/// What a line begins with; the hash covers everything behind it.
const START: &str = "{\"hash\":\"";

/// One transmission, as it was written down before it began.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts from 1 over the whole ledger.
    pub seq: u64,
    /// When, in the words of RFC 3339.
    pub at: String,
    /// `model` or `download`.
    pub purpose: String,
    /// The session, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The project root of that session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// `GET`, `POST`.
    pub method: String,
    /// Host, and port where it is named.
    pub host: String,
    /// Where to, without user, password, query and fragment.
    pub address: String,
    /// 1 for the first try.
    pub attempt: u32,
    /// Bytes of the body.
    pub bytes: u64,
    /// SHA-256 of the body, in hexadecimal digits.
    pub sha256: String,
    /// The model that is asked, or what is downloaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Where the words of the body come from, in bytes as they stand in the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// Secrets that were replaced.
    #[serde(default)]
    pub redactions: usize,
    /// Texts that were kept on this machine, and for which a stub was sent.
    #[serde(default)]
    pub stubs: usize,
    /// The rule, setting or flag that allowed it.
    pub allowed_by: String,
    /// The process that sent it.
    pub process: u32,
}

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the ledger of what leaves this machine cannot be used: {}: {source}", path.display())]
pub struct LedgerError {
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// The ledger of this user. Opening it touches nothing; its folder is made with the first line.
#[derive(Debug, Clone)]
pub struct Ledger {
    folder: PathBuf,
    segment: u64,
}

/// What is known of a transmission before its bytes are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shipment {
    /// See [`Entry::purpose`].
    pub purpose: &'static str,
    /// See [`Entry::session`].
    pub session: Option<String>,
    /// See [`Entry::project`].
    pub project: Option<String>,
    /// See [`Entry::model`].
    pub model: Option<String>,
    /// See [`Entry::parts`].
    pub parts: Vec<Part>,
    /// See [`Entry::redactions`].
    pub redactions: usize,
    /// See [`Entry::stubs`].
    pub stubs: usize,
    /// See [`Entry::allowed_by`].
    pub allowed_by: String,
}

/// Writes each transmission of one shipment down before it begins.
#[derive(Debug)]
struct Clerk {
    ledger: Ledger,
    shipment: Shipment,
}

impl Witness for Clerk {
    fn sending(&self, sending: &Sending<'_>) -> Result<(), String> {
        self.ledger.record(&self.shipment, sending).map(drop).map_err(|error| error.to_string())
    }
}

impl Ledger {
    /// The ledger in the user's data folder.
    #[must_use]
    pub fn open(places: &Places) -> Self {
        Self::at(&places.data.join("egress"))
    }

    /// The ledger in this folder.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.into(), segment: SEGMENT }
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Who is told of a download: `what` is a name for people, `allowed_by` the command or setting that asked for it.
    #[must_use]
    pub fn for_download(&self, what: &str, allowed_by: &str) -> Arc<dyn Witness> {
        self.witness(Shipment {
            purpose: "download",
            model: Some(what.into()),
            allowed_by: allowed_by.into(),
            ..Shipment::default()
        })
    }

    /// Who is told of the transmissions of a shipment.
    #[must_use]
    pub fn witness(&self, shipment: Shipment) -> Arc<dyn Witness> {
        Arc::new(Clerk { ledger: self.clone(), shipment })
    }

    /// Write one transmission down, durably.
    ///
    /// # Errors
    /// When it could not be written; then it must not begin.
    pub fn record(&self, shipment: &Shipment, sending: &Sending<'_>) -> Result<Entry, LedgerError> {
        let path = self.folder.join(OPEN);
        let failed = |source| LedgerError { path: path.clone(), source };
        create_folder(&self.folder).map_err(failed)?;
        let mut file = self.lock(&path).map_err(failed)?;
        let (mut last, mut torn) = tail(&mut file).map_err(failed)?;
        let is_full = |file: &File| Ok(file.metadata()?.len() >= self.segment);
        let mut full = is_full(&file).map_err(failed)?;
        if last.hash.is_empty() && !torn {
            // The first line follows the last one of the file before it.
            last = self.last_closed().map_err(failed)?;
        }
        while full || torn {
            if last.hash.is_empty() {
                last = self.last_closed().map_err(failed)?;
            }
            // Half a line is of a transmission that never began; what stands before it is kept as it is.
            file = self.close(&path, last.seq, file).map_err(failed)?;
            // Somebody else may have had the new file first, and written to it.
            let (behind, half) = tail(&mut file).map_err(failed)?;
            if !behind.hash.is_empty() {
                last = behind;
            }
            (full, torn) = (is_full(&file).map_err(failed)?, half);
        }
        let entry = Entry {
            seq: last.seq + 1,
            at: jiff::Timestamp::now().to_string(),
            purpose: shipment.purpose.into(),
            session: shipment.session.clone(),
            project: shipment.project.clone(),
            method: sending.method.into(),
            host: host_of(sending.address).into(),
            address: sending.address.into(),
            attempt: sending.attempt,
            bytes: sending.bytes,
            sha256: hex(&sending.sha256),
            model: shipment.model.clone(),
            parts: shipment.parts.clone(),
            redactions: shipment.redactions,
            stubs: shipment.stubs,
            allowed_by: shipment.allowed_by.clone(),
            process: std::process::id(),
        };
        let line = line(&last.hash, &entry);
        file.write_all(&line).and_then(|()| file.sync_data()).map_err(|source| {
            // Half a line is seen and set aside by whoever writes next.
            LedgerError { path: path.clone(), source }
        })?;
        Ok(entry)
    }

    /// The open file, held by this process alone. One that was closed while we waited is let go.
    fn lock(&self, path: &Path) -> io::Result<File> {
        loop {
            let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
            file.lock()?;
            if same(&file, path) {
                return Ok(file);
            }
        }
    }

    /// Give the open file the number of its last line, and begin another one. Others may begin it first, and write to it.
    fn close(&self, path: &Path, seq: u64, old: File) -> io::Result<File> {
        let mut closed = self.folder.join(format!("ledger-{seq:012}.jsonl"));
        let mut number = 1;
        while closed.exists() {
            closed = self.folder.join(format!("ledger-{seq:012}-{number}.jsonl"));
            number += 1;
        }
        fs::rename(path, &closed)?;
        let file = self.lock(path)?;
        drop(old);
        let mut kept = self.closed()?;
        while kept.len() > SEGMENTS {
            fs::remove_file(kept.remove(0))?;
        }
        crate::session::log::sync_folder(&self.folder)?;
        Ok(file)
    }

    /// The closed files, oldest first.
    fn closed(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if name.starts_with("ledger-") && name.ends_with(".jsonl") {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    /// The last line of the newest closed file.
    fn last_closed(&self) -> io::Result<Last> {
        match self.closed()?.last() {
            None => Ok(Last::default()),
            Some(path) => tail(&mut File::open(path)?).map(|(last, _)| last),
        }
    }
}

/// Whether the open file is still what stands at the path.
#[cfg(unix)]
fn same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(one), Ok(two)) => (one.dev(), one.ino()) == (two.dev(), two.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn same(_file: &File, path: &Path) -> bool {
    path.exists()
}

/// Where a chain goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Last {
    hash: String,
    seq: u64,
}

/// The last whole line of a file, and whether half a line follows it.
fn tail(file: &mut File) -> io::Result<(Last, bool)> {
    let length = file.seek(SeekFrom::End(0))?;
    if length == 0 {
        return Ok((Last::default(), false));
    }
    // The line and half of one behind it.
    let reach = length.min(2 * LONGEST_LINE);
    file.seek(SeekFrom::End(-i64::try_from(reach).unwrap_or(i64::MAX)))?;
    let mut bytes = vec![0; usize::try_from(reach).unwrap_or(0)];
    file.read_exact(&mut bytes)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let torn = whole < bytes.len();
    let line = bytes[..whole].strip_suffix(b"\n").unwrap_or_default();
    let start = line.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    match parse(&line[start..]) {
        Ok((hash, _, entry)) => Ok((Last { hash, seq: entry.seq }, torn)),
        // Whatever this is, nothing can follow it: it is closed, and `verify` names it.
        Err(_) => Ok((Last::default(), true)),
    }
}

/// One line, newline included.
fn line(previous: &str, entry: &Entry) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        prev: &'a str,
        #[serde(flatten)]
        entry: &'a Entry,
    }
    // Entries are plain data with string keys; serialising them cannot fail, and an empty object would be caught on reading.
    let text = serde_json::to_string(&Body { prev: previous, entry }).unwrap_or_else(|_| "{}".into());
    let body = &text[1..];
    format!("{START}{}\",{body}\n", blake3::hash(body.as_bytes()).to_hex()).into_bytes()
}

/// The hash, the hash of the line before, and the entry of a line without its newline.
fn parse(line: &[u8]) -> Result<(String, String, Entry), String> {
    #[derive(Deserialize)]
    struct Body {
        prev: String,
        #[serde(flatten)]
        entry: Entry,
    }
    let odd = || "it does not begin as a line of the ledger does".to_owned();
    let rest = line.strip_prefix(START.as_bytes()).ok_or_else(odd)?;
    let (digits, rest) = rest.split_at_checked(64).ok_or("it is cut short")?;
    let body = rest.strip_prefix(b"\",").ok_or_else(odd)?;
    let hash = blake3::hash(body).to_hex().to_string();
    if digits != hash.as_bytes() {
        return Err("its hash does not fit its content".into());
    }
    let whole = [b"{", body].concat();
    let body: Body = serde_json::from_slice(&whole).map_err(|error| error.to_string())?;
    Ok((hash, body.prev, body.entry))
}

/// Host, and port where it is named, of an address.
#[must_use]
pub fn host_of(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    host.rsplit_once('@').map_or(host, |(_, host)| host)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
