//! Owns redirects and here-documents.
//! Uses `word` for targets and delimiters.
//! Never takes the body of a here-document for commands, nor drops one that it runs.

use super::reader::{Reader, Step};
use super::{Direction, Redirect, Simple};

/// A here-document whose body has not begun yet.
pub(super) struct Pending {
    delimiter: String,
    /// The delimiter was quoted: the body is text.
    literal: bool,
    /// `<<-`
    tabs: bool,
}

/// Here-documents that wait for the end of a substitution.
pub(super) struct Held(Vec<Pending>);

impl Held {
    pub(super) fn new(pending: Vec<Pending>) -> Self {
        Self(pending)
    }

    pub(super) fn into_inner(self) -> Vec<Pending> {
        self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Reader<'_> {
    /// Take a redirect if one begins here.
    pub(super) fn redirect(&mut self, simple: &mut Simple) -> Step<bool> {
        let bytes = &self.text.as_bytes()[self.at..];
        let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let operator = &bytes[digits..];
        let ampersand = digits == 0 && operator.starts_with(b"&>");
        if !ampersand && !matches!(operator.first(), Some(b'<' | b'>')) {
            return Ok(false);
        }
        // `<(…)` is a word.
        if matches!(operator.get(1), Some(b'(')) {
            return if digits == 0 { Ok(false) } else { self.stop("a redirect without a target") };
        }
        self.at += digits;
        let operators = ["&>>", "&>", "<<<", "<<-", "<<", "<&", "<>", "<", ">>", ">&", ">|", ">"];
        let Some(operator) = operators.into_iter().find(|operator| self.take(operator)) else {
            return self.stop("an unknown redirect");
        };
        if matches!(operator, "<<" | "<<-") {
            self.begin_here_document(operator == "<<-")?;
            simple.fed = true;
            return Ok(true);
        }
        self.blanks();
        if matches!(self.byte(), None | Some(b'\n' | b';' | b'&' | b'|' | b'(' | b')')) {
            return self.stop("a redirect without a target");
        }
        let lexed = self.word()?;
        let braces = !matches!(lexed.expand_braces(), Ok(None));
        let mut target = lexed.word();
        target.dynamic |= braces;
        let copies = target.known().is_some_and(|text| {
            let number = text.strip_suffix('-').unwrap_or(text);
            number.bytes().all(|byte| byte.is_ascii_digit())
        });
        let direction = match operator {
            "<<<" => {
                simple.fed = true;
                return Ok(true);
            }
            "<&" | ">&" if copies => {
                // Copying a descriptor onto standard input feeds the command from somewhere.
                simple.fed |= operator == "<&";
                return Ok(true);
            }
            "<" | "<&" => Direction::Read,
            "<>" => Direction::Both,
            _ => Direction::Write,
        };
        simple.fed |= direction != Direction::Write;
        simple.redirects.push(Redirect { direction, target });
        Ok(true)
    }

    pub(super) fn begin_here_document(&mut self, tabs: bool) -> Step<()> {
        self.blanks();
        if matches!(self.byte(), None | Some(b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>')) {
            return self.stop("a here-document without a delimiter");
        }
        let word = self.word()?.word();
        if word.dynamic {
            return self.stop("a here-document whose end is not known");
        }
        self.pending.push(Pending { delimiter: word.text, literal: word.quoted, tabs });
        Ok(())
    }

    /// The bodies that begin on this line.
    pub(super) fn here_documents(&mut self) -> Step<()> {
        for pending in std::mem::take(&mut self.pending) {
            // Without quotes around the delimiter a backslash joins a line to the next, before the delimiter is looked for.
            let mut body = String::new();
            let mut logical = String::new();
            let mut ended = false;
            while self.at < self.text.len() && !ended {
                let rest = self.rest();
                let length = rest.find('\n').unwrap_or(rest.len());
                logical.push_str(&rest[..length]);
                self.at = (self.at + length + 1).min(self.text.len());
                let backslashes = rest[..length].bytes().rev().take_while(|byte| *byte == b'\\').count();
                if !pending.literal && backslashes % 2 == 1 && length < rest.len() {
                    logical.pop();
                    continue;
                }
                let line = if pending.tabs { logical.trim_start_matches('\t') } else { &logical };
                ended = line == pending.delimiter;
                if !ended && !pending.literal {
                    body.push_str(&logical);
                    body.push('\n');
                }
                logical.clear();
            }
            if !ended {
                return self.stop("a here-document does not end");
            }
            self.expandable(&body)?;
        }
        Ok(())
    }
}
