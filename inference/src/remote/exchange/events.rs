//! Owns server-sent events: bytes in, events out.
//! Uses the standard (WHATWG HTML, "Server-sent events", section 9.2.6).
//! Never keeps more than one line and one event, and never looks at a byte twice.

use crate::provider::ProviderError;
use crate::remote::answer::malformed;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Empty where the server gives none.
    pub(super) name: String,
    pub(super) data: String,
}

/// A stream of events that is being read.
#[derive(Debug)]
pub(super) struct Events {
    limit: usize,
    line: Vec<u8>,
    event: Event,
    /// The last line ended with CR: an LF right after it belongs to it.
    after_cr: bool,
    first_line: bool,
    has_data: bool,
    any_field: bool,
}

impl Events {
    /// Lines and events of more than `limit` bytes are refused.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            event: Event::default(),
            after_cr: false,
            first_line: true,
            has_data: false,
            any_field: false,
        }
    }

    /// Whether what came looks like a stream of events at all: it may have broken off before the first one.
    pub(super) fn plausible(&self) -> bool {
        self.any_field || [&b"data:"[..], b"event:", b":"].iter().any(|field| self.line.starts_with(field))
    }

    /// Read on: the events that end in these bytes.
    ///
    /// # Errors
    /// `Malformed` for a line without an end and for what is not UTF-8.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Result<Vec<Event>, ProviderError> {
        let mut events = Vec::new();
        while let Some(&first) = bytes.first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let Some(end) = bytes.iter().position(|&byte| byte == b'\n' || byte == b'\r') else {
                self.line.extend_from_slice(bytes);
                return if self.line.len() > self.limit { Err(endless()) } else { Ok(events) };
            };
            self.line.extend_from_slice(&bytes[..end]);
            self.after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.line);
            events.extend(self.end_of_line(&line)?);
        }
        Ok(events)
    }

    fn end_of_line(&mut self, line: &[u8]) -> Result<Option<Event>, ProviderError> {
        let line = match std::mem::take(&mut self.first_line) {
            true => line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line),
            false => line,
        };
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return Ok(std::mem::take(&mut self.has_data).then_some(event));
        }
        let line = std::str::from_utf8(line).map_err(|_| malformed("it is not UTF-8".to_owned()))?;
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        self.any_field |= matches!(field, "event" | "data" | "id" | "retry" | "");
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "data" => {
                if self.event.data.len() + value.len() > self.limit {
                    return Err(endless());
                }
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // Comments, ids, times to wait before connecting again: nothing here needs them.
            _ => {}
        }
        Ok(None)
    }
}

fn endless() -> ProviderError {
    malformed("the answer does not end".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_they_are_cut() {
        let check = |text: &str, expect: &[(&str, &str)]| {
            for size in 1..=text.len().max(1) {
                let mut events = Events::new(1 << 10);
                let mut found = Vec::new();
                for piece in text.as_bytes().chunks(size) {
                    found.extend(events.take(piece).expect("is well-formed"));
                }
                let found: Vec<(&str, &str)> =
                    found.iter().map(|event| (event.name.as_str(), event.data.as_str())).collect();
                assert_eq!(found, expect, "{text:?} in pieces of {size}");
            }
        };
        check("data: a\n\n", &[("", "a")]);
        check("data: a\r\n\r\ndata: b\r\n\r\n", &[("", "a"), ("", "b")]);
        check("data: a\r\rdata:b\r\r", &[("", "a"), ("", "b")]);
        check("\u{feff}event: x\ndata: ä\n\n", &[("x", "ä")]);
        check(": alive\n\nid: 3\nretry: 4\nevent: ping\n\ndata\n\n", &[("", "")]);
        check("data: a\ndata:  b\n\n", &[("", "a\n b")]);
        check("event: x\ndata: cut", &[]);
        check("data: cut\n", &[]);
        check("nonsense\n\n", &[]);
        check("", &[]);
    }

    #[test]
    fn a_page_is_told_from_a_stream_that_broke_off() {
        let check = |text: &str, expect: bool| {
            let mut events = Events::new(64);
            assert!(events.take(text.as_bytes()).is_ok_and(|events| events.is_empty()), "{text:?}");
            assert_eq!(events.plausible(), expect, "{text:?}");
        };
        check("data: {", true);
        check("event: x\n", true);
        check(": alive\n", true);
        check("it works!\n\n", false);
        check("<html>\n", false);
    }

    #[test]
    fn what_has_no_end_is_refused() {
        let refused = |text: &[u8]| Events::new(64).take(text).is_err();
        assert!(!refused(&[b'x'; 64]));
        assert!(refused(&[b'x'; 65]));
        assert!(!refused("data: 12345678\n".repeat(7).as_bytes()));
        assert!(refused("data: 12345678\n".repeat(8).as_bytes()));
        assert!(refused(b"data: \xff\n"));
    }
}
