//! Owns keys of many lines: PEM, OpenSSH, PGP, PuTTY, also with their newlines escaped, quoted, numbered or cut off.
//! Uses the marks at their ends, and the look of the lines between.
//! Never takes a certificate or a public key for a secret.

use std::sync::LazyLock;

use regex::Regex;

use super::{Span, shape};

/// A key has no more than this: an RSA key of 16,384 bits is 13 KB in base64.
const LONGEST: usize = 64 * 1024;

/// What the end of each kind begins with.
const CLOSES: [&str; 3] = ["-----END ", "---- END ", "Private-MAC:"];

static MARKS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"-----(?P<end>BEGIN|END) (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----|---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----|Private-Lines: [0-9]+",
    )
    .ok()
});

/// Every private key.
pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let Some(marks) = &*MARKS else { return };
    let mut done = 0;
    let mut from = 0;
    // By mark: where the next one stands, so that each part of the text is searched once.
    let mut closes: [Option<usize>; CLOSES.len()] = [None; CLOSES.len()];
    while let Some(mark) = marks.captures_at(text, from) {
        let (Some(whole), kind) = (mark.get(0), mark.name("end").map(|kind| kind.as_str())) else { return };
        from = whole.end();
        let range = if kind == Some("END") {
            // Its beginning was cut off.
            from - whole.len() - lines_before(&text[done..whole.start()])..whole.end()
        } else {
            let window = shape::clip(&text[whole.end()..], LONGEST);
            let which = match kind {
                Some(_) => 0,
                None if whole.as_str().starts_with("----") => 1,
                None => 2,
            };
            let close = CLOSES[which];
            let next = match closes[which] {
                Some(next) if next >= whole.end() => next,
                _ => text[whole.end()..].find(close).map_or(text.len(), |at| whole.end() + at),
            };
            closes[which] = Some(next);
            let found = (next < whole.end() + window.len()).then(|| next - whole.end());
            let end = match found {
                // The mark at the end goes up to the end of its dashes.
                Some(at) if close.starts_with('-') => {
                    let dashes = window[at + close.len()..].find("----").map_or(0, |dashes| dashes + 4);
                    let extra = usize::from(window[at + close.len() + dashes..].starts_with('-'));
                    at + close.len() + dashes + extra
                }
                Some(at) => at,
                None => lines_after(window),
            };
            if end == 0 {
                continue;
            }
            whole.start()..whole.end() + end
        };
        // Marks with nothing between them are documentation, or code that looks for them.
        let between = text[range.clone()].bytes().filter(u8::is_ascii_alphanumeric).take(whole.len() + 64);
        if between.count() < whole.len() + 64 {
            done = done.max(whole.end());
            continue;
        }
        from = from.max(range.end);
        done = range.end;
        spans.push(Span::new(range, "private key"));
    }
}

/// Bytes at the beginning that belong to a key whose end is missing: lines that are base64, whatever marks stand before them.
fn lines_after(text: &str) -> usize {
    let mut length = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if number > 0 && !is_key_line(line) {
            break;
        }
        length += line.trim_end_matches(['\n', '\r']).len();
        if number > 0 || is_key_line(line) {
            length += line.len() - line.trim_end_matches(['\n', '\r']).len();
        }
    }
    length
}

/// The same before the mark of an end.
fn lines_before(text: &str) -> usize {
    let text = match text.len().checked_sub(LONGEST) {
        None => text,
        Some(cut) => {
            &text[(cut..text.len()).find(|place| text.is_char_boundary(*place)).unwrap_or(text.len())..]
        }
    };
    let mut length = 0;
    // What stands in the line of the mark: an indent, or the text of one long line.
    for (number, line) in text.split('\n').rev().enumerate() {
        if number == 0 {
            let escaped = line.rsplit(['"', '\'', ' ', '=']).next().unwrap_or_default();
            if is_key_line(escaped) {
                return escaped.len();
            }
            length += line.len();
            continue;
        }
        if !is_key_line(line) {
            // The newline before the first line of the key stays.
            return length;
        }
        length += line.len() + 1;
    }
    length.min(text.len())
}

/// Whether a line is one of a key: a long run of base64 after whatever a quotation, a diff or a listing puts before it.
fn is_key_line(line: &str) -> bool {
    let line = line.trim_end_matches(['\r', '\n', '"', '\'', ',', '\\', ' ']);
    let run =
        line.bytes().rev().take_while(|byte| byte.is_ascii_alphanumeric() || b"+/=\\".contains(byte)).count();
    let before = line.len() - run;
    run >= 16 && before <= 24 && !line.as_bytes()[..before].iter().any(u8::is_ascii_alphabetic)
        || (run > 0
            && before <= 24
            && line.ends_with('=')
            && !line.as_bytes()[..before].iter().any(u8::is_ascii_alphabetic))
}
