//! Owns the log as evidence: whether its chain is whole, checkpoints that tell when its end is missing, and what it tells of decisions.
//! Uses the lines of the log as bytes; `export` reads what they say, `weights` hashes models.
//! Never trusts what wrote the log: the chain is read here a second time, by a reader of its own.

pub mod export;
pub(crate) mod weights;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a chain is, as far as it is whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// Records that are whole and follow one another.
    pub records: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// The hash of the first record.
    pub first: Option<String>,
    /// The hash of the last one.
    pub last: Option<String>,
    /// The session that the first record names.
    pub session: Option<String>,
    /// The first record that is not as it was written.
    pub broken: Option<Broken>,
}

/// Where a chain breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The number of the record, from 1.
    pub record: u64,
    /// Where it begins, in bytes.
    pub byte: u64,
    /// What is wrong with it.
    pub why: String,
}

/// A chain as somebody saw it once. Kept where the log's owner cannot write, it tells a log that was cut or written anew from
/// one that only grew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The session.
    pub session: String,
    /// How many records there were.
    pub records: u64,
    /// How many bytes.
    pub bytes: u64,
    /// The hash of the last of them.
    pub last: String,
    /// When it was made.
    pub at: String,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The hash that it carries, which fits its content.
    pub hash: String,
    /// What it says.
    pub body: Value,
}

/// What a line begins with.
const START: &[u8] = b"{\"hash\":\"";
/// Digits of a hash.
const DIGITS: usize = 64;

/// Read a log up to the first record that is not as it was written. Every flipped bit, every line that was taken out, put in or
/// moved breaks the chain; an end that is missing does not.
pub fn walk(bytes: &[u8], mut line: impl FnMut(Line)) -> Chain {
    let mut chain = Chain::default();
    let mut previous = String::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let read = match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => read(&rest[..end], &previous).map(|read| (read, end + 1)),
            None => Err("it is not finished".to_owned()),
        };
        let number = chain.records + 1;
        let read = read.and_then(|(read, length)| {
            let header = read.body.get("type").and_then(Value::as_str) == Some("header");
            match (number, header) {
                (1, false) => Err("the first record is no header: the beginning is missing".to_owned()),
                (2.., true) => Err("it is the header of another session".to_owned()),
                _ => Ok((read, length)),
            }
        });
        match read {
            Ok((read, length)) => {
                if number == 1 {
                    chain.first = Some(read.hash.clone());
                    chain.session =
                        read.body.get("session_id").and_then(Value::as_str).map(ToOwned::to_owned);
                }
                chain.records = number;
                chain.bytes += length as u64;
                previous.clone_from(&read.hash);
                chain.last = Some(read.hash.clone());
                line(read);
                rest = &rest[length..];
            }
            Err(why) => {
                chain.broken = Some(Broken { record: number, byte: chain.bytes, why });
                break;
            }
        }
    }
    if bytes.is_empty() {
        chain.broken = Some(Broken { record: 1, byte: 0, why: "it is empty".into() });
    }
    chain
}

/// One line without its newline.
fn read(line: &[u8], previous: &str) -> Result<Line, String> {
    let rest = line.strip_prefix(START).ok_or("it does not begin as a record does")?;
    let (digits, rest) = rest.split_at_checked(DIGITS).ok_or("it is cut short")?;
    let content = rest.strip_prefix(b"\",").ok_or("it does not begin as a record does")?;
    let hash = blake3::hash(content).to_hex();
    if digits != hash.as_bytes() {
        return Err("its content was changed: its hash does not fit".into());
    }
    let whole = [b"{", content].concat();
    let body: Value = serde_json::from_slice(&whole).map_err(|error| format!("it is no JSON: {error}"))?;
    if body.get("prev").and_then(Value::as_str) != Some(previous) {
        return Err("it does not follow the record before it: one was taken out, put in or moved".into());
    }
    Ok(Line { hash: hash.to_string(), body })
}

/// Whether a log is whole.
#[must_use]
pub fn verify(bytes: &[u8]) -> Chain {
    walk(bytes, |_| {})
}

/// Whether a log is whole and holds everything that a checkpoint saw.
#[must_use]
pub fn verify_against(bytes: &[u8], checkpoint: &Checkpoint) -> Chain {
    let mut number = 0;
    let mut there = None;
    let mut chain = walk(bytes, |line| {
        number += 1;
        if number == checkpoint.records {
            there = Some(line.hash);
        }
    });
    let complaint = match (&chain.broken, there) {
        (Some(broken), _) if broken.record <= checkpoint.records => None,
        (_, None) => Some(format!(
            "the end is missing: the checkpoint of {} saw {} records, and there are {}",
            checkpoint.at, checkpoint.records, chain.records
        )),
        (_, Some(hash)) if hash != checkpoint.last => Some(format!(
            "it was written anew: record {} is another one than the checkpoint of {} saw",
            checkpoint.records, checkpoint.at
        )),
        (None, Some(_)) if chain.session.as_deref() != Some(&checkpoint.session) => {
            Some(format!("it is another session than the checkpoint's, {}", checkpoint.session))
        }
        _ => None,
    };
    if let Some(why) = complaint {
        let record = chain.records.min(checkpoint.records);
        chain.broken = Some(Broken { record, byte: chain.bytes, why });
    }
    chain
}

/// A checkpoint of a chain that is whole.
///
/// # Errors
/// Where it breaks.
pub fn checkpoint(chain: &Chain) -> Result<Checkpoint, Broken> {
    match (&chain.broken, &chain.session, &chain.last) {
        (None, Some(session), Some(last)) => Ok(Checkpoint {
            session: session.clone(),
            records: chain.records,
            bytes: chain.bytes,
            last: last.clone(),
            at: jiff::Timestamp::now().to_string(),
        }),
        (Some(broken), ..) => Err(broken.clone()),
        _ => Err(Broken { record: 1, byte: 0, why: "it names no session".into() }),
    }
}

#[cfg(test)]
mod tests;
