//! Owns the splitting of a long text into pieces that are read by themselves, and the reading of the plainest ones.
//! Uses nothing.
//! Never splits inside quotes, parentheses, braces, compound commands or here-documents.

use super::tree::{Command, Found, Redirect};
use super::words::{Read, Value};

/// What is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// `"`
    Quote,
    /// `(`
    Parenthesis,
    /// `${`
    Brace,
    /// A back-quote.
    Tick,
}

/// The pieces of a text, separators left out; `None` when something does not close.
pub(super) fn split(text: &str) -> Option<Vec<&str>> {
    let mut splitter = Splitter {
        text,
        at: 0,
        begin: 0,
        open: Vec::new(),
        compound: 0,
        documents: Vec::new(),
        pieces: Vec::new(),
    };
    splitter.run()?;
    Some(splitter.pieces)
}

struct Splitter<'text> {
    text: &'text str,
    at: usize,
    /// Where the piece at hand begins.
    begin: usize,
    open: Vec<Open>,
    /// Compound commands that are open.
    compound: usize,
    /// Delimiters of here-documents that begin on this line, and whether tabs before them do not count.
    documents: Vec<(String, bool)>,
    pieces: Vec<&'text str>,
}

impl<'text> Splitter<'text> {
    fn run(&mut self) -> Option<()> {
        let bytes = self.text.as_bytes();
        let mut command = true;
        while let Some(&byte) = bytes.get(self.at) {
            let next = bytes.get(self.at + 1).copied();
            if command && self.open.is_empty() && !byte.is_ascii_whitespace() {
                let begin = self.at;
                command = self.keyword();
                if self.at > begin {
                    continue;
                }
            }
            match (self.open.last(), byte) {
                (_, b'\\') => {
                    self.at += 1 + self.text[self.at + 1..].chars().next().map_or(0, char::len_utf8)
                }
                (Some(Open::Tick), b'`') | (Some(Open::Quote), b'"') => {
                    self.open.pop();
                    self.at += 1;
                }
                (_, b'`') => self.push(Open::Tick, 1),
                (_, b'$') if next == Some(b'(') => self.push(Open::Parenthesis, 2),
                (_, b'$') if next == Some(b'{') => self.push(Open::Brace, 2),
                (Some(Open::Brace), b'}') => {
                    self.open.pop();
                    self.at += 1;
                }
                (Some(Open::Quote), _) => self.at += 1,
                (_, b'"') => self.push(Open::Quote, 1),
                (_, b'\'') => self.at += 2 + self.text[self.at + 1..].find('\'')?,
                (_, b'(') => self.push(Open::Parenthesis, 1),
                (Some(Open::Parenthesis), b')') => {
                    self.open.pop();
                    self.at += 1;
                }
                (Some(Open::Parenthesis), b'#') if self.after_blank() => self.comment(),
                (None, b'#') if self.after_blank() => self.comment(),
                (None, b'<') if next == Some(b'<') => self.document()?,
                (None, b'\n') => {
                    let documents = std::mem::take(&mut self.documents);
                    if documents.is_empty() {
                        self.cut(1);
                    } else {
                        self.at += 1;
                        for (delimiter, tabs) in documents {
                            self.body(&delimiter, tabs)?;
                        }
                        self.cut(0);
                    }
                    command = true;
                }
                (None, b';') => {
                    self.cut(if matches!(next, Some(b';' | b'&')) { 2 } else { 1 });
                    command = true;
                }
                (None, b'|') => {
                    self.cut(if matches!(next, Some(b'|' | b'&')) { 2 } else { 1 });
                    command = true;
                }
                (None, b'&') if next == Some(b'>') || matches!(self.before(), Some(b'>' | b'<')) => {
                    self.at += 1
                }
                (None, b'&') => {
                    self.cut(if next == Some(b'&') { 2 } else { 1 });
                    command = true;
                }
                _ => self.at += 1,
            }
        }
        if !self.open.is_empty() || self.compound > 0 || !self.documents.is_empty() {
            return None;
        }
        self.cut(0);
        Some(())
    }

    fn before(&self) -> Option<u8> {
        self.at.checked_sub(1).map(|before| self.text.as_bytes()[before])
    }

    fn after_blank(&self) -> bool {
        self.before().is_none_or(|byte| b" \t\n;|&(".contains(&byte))
    }

    fn push(&mut self, open: Open, length: usize) {
        self.open.push(open);
        self.at += length;
    }

    fn comment(&mut self) {
        self.at += self.text[self.at..].find('\n').unwrap_or(self.text.len() - self.at);
    }

    /// End the piece at hand, unless a compound command goes on. A separator with a document behind it stays in it.
    fn cut(&mut self, separator: usize) {
        let end = self.at;
        self.at += separator;
        if self.compound > 0 || !self.documents.is_empty() {
            return;
        }
        let piece = self.text[self.begin..end].trim_matches([' ', '\t', '\n']);
        if !piece.is_empty() {
            self.pieces.push(piece);
        }
        self.begin = self.at;
    }

    /// At the start of a command: words of the grammar open and close. True when one was taken that a command follows.
    fn keyword(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let length = rest
            .find(|c: char| c.is_ascii_whitespace() || ";|&()<>\"'\\$`".contains(c))
            .unwrap_or(rest.len());
        let word = &rest[..length];
        match word {
            "if" | "while" | "until" | "{" | "for" | "case" | "select" => self.compound += 1,
            "fi" | "done" | "}" | "esac" => self.compound = self.compound.saturating_sub(1),
            "then" | "do" | "else" | "elif" | "!" | "time" => {}
            _ => return false,
        }
        self.at += length;
        // What follows these is a name or a separator.
        !matches!(word, "for" | "case" | "select" | "fi" | "done" | "}" | "esac")
    }

    /// `<<`, and the delimiter behind it.
    fn document(&mut self) -> Option<()> {
        let rest = &self.text[self.at..];
        if rest.starts_with("<<<") {
            self.at += 3;
            return Some(());
        }
        let tabs = rest.starts_with("<<-");
        let skip = if tabs { 3 } else { 2 };
        let written = rest[skip..].trim_start_matches([' ', '\t']);
        let length =
            written.find(|c: char| c.is_ascii_whitespace() || ";|&()<>".contains(c)).unwrap_or(written.len());
        let delimiter: String = written[..length].chars().filter(|c| !"'\"\\".contains(*c)).collect();
        if delimiter.is_empty() {
            return None;
        }
        self.at += rest.len() - written.len() + length;
        self.documents.push((delimiter, tabs));
        Some(())
    }

    /// The lines of a here-document, up to and with its delimiter.
    fn body(&mut self, delimiter: &str, tabs: bool) -> Option<()> {
        loop {
            let rest = &self.text[self.at..];
            if rest.is_empty() {
                return None;
            }
            let length = rest.find('\n').unwrap_or(rest.len());
            let line = &rest[..length];
            let line = if tabs { line.trim_start_matches('\t') } else { line };
            self.at += length;
            if line == delimiter {
                return Some(());
            }
            self.at = (self.at + 1).min(self.text.len());
        }
    }
}

/// Words of the grammar, and those that the parser reads as more than a command.
const GRAMMAR: &[&str] = &[
    "if", "then", "elif", "else", "fi", "for", "in", "while", "until", "do", "done", "case", "esac",
    "select", "function", "coproc", "time", "declare", "typeset", "export", "readonly", "local", "unset",
    "unsetenv",
];

fn is_plain_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-./:,@%+^".contains(&byte)
}

/// Whether a piece is nothing but letters, digits, harmless signs and blanks: it reads the same to everybody.
pub(super) fn is_plain(piece: &str) -> bool {
    piece.bytes().all(|byte| is_plain_byte(byte) || matches!(byte, b' ' | b'\t'))
        && piece.split_ascii_whitespace().next().is_some_and(|first| !GRAMMAR.contains(&first))
}

/// A piece of plain words, whole quotations, variables, substitutions of plain words, and redirects of descriptors or to
/// plain words. It is read here, since the parser is too slow for a long text of such pieces.
pub(super) fn simple(piece: &str) -> Option<Found> {
    let mut found = Found::default();
    let mut command = Command::default();
    let mut rest = piece.trim_start_matches([' ', '\t']);
    while !rest.is_empty() {
        let length = rest.bytes().take_while(|byte| is_plain_byte(*byte)).count();
        let (plain, after) = rest.split_at(length);
        if after.starts_with('>') && plain.bytes().all(|byte| byte.is_ascii_digit()) {
            rest = redirect(after, &mut found)?.trim_start_matches([' ', '\t']);
            continue;
        }
        if command.words.is_empty() && GRAMMAR.contains(&plain) {
            return None;
        }
        let (word, after) = word(rest, &mut found)?;
        command.words.push(word);
        rest = after.trim_start_matches([' ', '\t']);
    }
    if command.words.is_empty() {
        return None;
    }
    found.commands.push(command);
    Some(found)
}

/// One word, with a blank or the end behind it. The commands that it runs go before the one that it belongs to.
pub(super) fn word<'text>(rest: &'text str, found: &mut Found) -> Option<(Read, &'text str)> {
    let (length, value) = match rest.as_bytes().first()? {
        b'\'' => {
            let length = rest[1..].find('\'')?;
            (length + 2, Value::Text(rest[1..=length].to_owned()))
        }
        b'"' => {
            let length = rest[1..].find('"')?;
            let inner = &rest[1..=length];
            let mut dollars = inner;
            while let Some(at) = dollars.find('$') {
                dollars = &dollars[at..];
                dollars = &dollars[expansion(dollars, found)?..];
            }
            if inner.contains(['`', '\\', '!']) {
                return None;
            }
            let value = if inner.contains('$') { Value::Unknown } else { Value::Text(inner.to_owned()) };
            (length + 2, value)
        }
        b'$' => (expansion(rest, found)?, Value::Unknown),
        _ => {
            let length = rest.bytes().take_while(|byte| is_plain_byte(*byte)).count();
            (length, Value::Text(rest[..length].to_owned()))
        }
    };
    let (raw, after) = rest.split_at(length);
    let whole = !raw.is_empty() && (after.is_empty() || after.starts_with([' ', '\t']));
    whole.then(|| (Read { raw: raw.to_owned(), value }, after))
}

/// How long `$NAME` or `$(plain words)` is.
fn expansion(text: &str, found: &mut Found) -> Option<usize> {
    if let Some(inner) = text.strip_prefix("$(") {
        let length = inner.find(')')?;
        let inner = &inner[..length];
        if !is_plain(inner) {
            return None;
        }
        let words = inner.split_ascii_whitespace();
        let words = words.map(|word| Read { raw: word.to_owned(), value: Value::Text(word.to_owned()) });
        found.commands.push(Command { words: words.collect(), ..Command::default() });
        return Some(length + 3);
    }
    let name = text.strip_prefix('$')?;
    let length = name.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    (length > 0 && !name.as_bytes()[0].is_ascii_digit()).then_some(length + 1)
}

/// After the digits: `>&1`, `>/dev/null`, `>> out`.
fn redirect<'text>(operator: &'text str, found: &mut Found) -> Option<&'text str> {
    if let Some(copied) = operator.strip_prefix(">&") {
        let digits = copied.bytes().take_while(u8::is_ascii_digit).count();
        let after = &copied[digits..];
        return (digits > 0 && (after.is_empty() || after.starts_with([' ', '\t']))).then_some(after);
    }
    let target = operator.strip_prefix(">>").or(operator.strip_prefix('>'))?.trim_start_matches([' ', '\t']);
    let length = target.bytes().take_while(|byte| is_plain_byte(*byte)).count();
    let (target, after) = target.split_at(length);
    if target.is_empty() || !(after.is_empty() || after.starts_with([' ', '\t'])) {
        return None;
    }
    found.redirects.push(Redirect { reads: false, target: target.to_owned() });
    Some(after)
}
