//! Owns words: quotes, escapes, expansions, and what is inside them.
//! Uses the reader again for command and process substitution.
//! Never drops a command that an expansion would run.

use super::names::is_name_character;
use super::reader::{Reader, Step, read_into};
use super::{Scope, Word, braces};

/// A word as it was read, before brace expansion.
#[derive(Debug, Clone, Default)]
pub(super) struct Lexed {
    pub(super) pieces: Vec<Piece>,
    pub(super) raw: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text, and whether it was quoted.
    Text(String, bool),
    /// An expansion as it was written, and whether it was quoted.
    Expansion(String, bool),
    /// `<(…)`
    Pipe(String),
}

impl Lexed {
    fn text(&mut self, text: &str, quoted: bool) {
        match self.pieces.last_mut() {
            Some(Piece::Text(last, same)) if *same == quoted => last.push_str(text),
            _ => self.pieces.push(Piece::Text(text.to_owned(), quoted)),
        }
    }

    /// The word after quote removal.
    pub(super) fn word(self) -> Word {
        let mut word = Word::default();
        let single = self.pieces.len() == 1;
        let mut class = false;
        for (position, piece) in self.pieces.into_iter().enumerate() {
            let text = match piece {
                Piece::Text(text, quoted) => {
                    word.quoted |= quoted;
                    if !quoted {
                        // `[` alone is a program; with `]` behind it, it is a pattern.
                        let open = text.find('[');
                        word.glob |= text.contains(['*', '?']) || (class && text.contains(']'));
                        word.glob |= open.is_some_and(|open| text[open..].contains(']'));
                        class |= open.is_some();
                        word.tilde |= position == 0 && text.starts_with('~');
                    }
                    text
                }
                Piece::Expansion(raw, quoted) => {
                    word.dynamic = true;
                    word.quoted |= quoted;
                    word.splits |= !quoted;
                    raw
                }
                Piece::Pipe(raw) => {
                    word.dynamic = true;
                    word.pipe = single;
                    raw
                }
            };
            if word.text.is_empty() {
                word.text = text;
            } else {
                word.text.push_str(&text);
            }
        }
        word.written = (self.raw != word.text).then_some(self.raw);
        word
    }

    /// The name of the variable that this word sets before a command, and whether it has a subscript.
    pub(super) fn assignment(&self) -> Option<(String, bool)> {
        let Some(Piece::Text(text, false)) = self.pieces.first() else { return None };
        let length = text.find(|c| !is_name_character(c)).unwrap_or(text.len());
        let (name, rest) = text.split_at(length);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        if rest.starts_with('=') || rest.starts_with("+=") {
            return Some((name.to_owned(), false));
        }
        // A subscript may hold anything, expansions too: whatever has `]=` further on sets an element.
        (rest.starts_with('[') && self.raw.contains("]=") | self.raw.contains("]+="))
            .then(|| (name.to_owned(), true))
    }

    pub(super) fn ends_with_equals(&self) -> bool {
        self.pieces.len() == 1 && matches!(&self.pieces[0], Piece::Text(text, false) if text.ends_with('='))
    }

    /// What stands after the first `=`.
    pub(super) fn value(&self) -> Word {
        let mut value = self.clone();
        if let Some(Piece::Text(text, _)) = value.pieces.first_mut() {
            *text = text.split_once('=').map_or(String::new(), |(_, rest)| rest.to_owned());
        }
        value.word()
    }

    /// The words that brace expansion makes of this one; `None` when it makes nothing of it.
    ///
    /// # Errors
    /// When there would be too many.
    pub(super) fn expand_braces(&self) -> Result<Option<Vec<Self>>, ()> {
        braces::expand(self)
    }
}

impl Reader<'_> {
    /// A word of letters and other characters that mean nothing to the shell, if one stands here.
    pub(super) fn plain_word(&mut self) -> Option<Word> {
        let rest = &self.text.as_bytes()[self.at..];
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./:,@%+^".contains(byte);
        let length = rest.iter().take_while(|byte| plain(byte)).count();
        let ends = matches!(rest.get(length), None | Some(b' ' | b'\t' | b'\n' | b';' | b'|' | b'&' | b')'));
        if length == 0 || !ends {
            return None;
        }
        let text = self.text[self.at..self.at + length].to_owned();
        self.at += length;
        Some(Word { text, ..Word::default() })
    }

    /// One word, which must begin here.
    pub(super) fn word(&mut self) -> Step<Lexed> {
        let begin = self.at;
        let mut word = Lexed::default();
        while let Some(byte) = self.byte() {
            match byte {
                b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' => break,
                b'<' | b'>' => {
                    if self.text.as_bytes().get(self.at + 1) != Some(&b'(') {
                        break;
                    }
                    let start = self.at;
                    self.at += 2;
                    self.substitution()?;
                    word.pieces.push(Piece::Pipe(self.text[start..self.at].to_owned()));
                }
                b'\\' => self.escape(&mut word),
                b'\'' => {
                    self.at += 1;
                    let Some(length) = self.rest().find('\'') else {
                        return self.stop("a quote does not close");
                    };
                    word.text(&self.rest()[..length], true);
                    self.at += length + 1;
                }
                b'"' => {
                    self.at += 1;
                    self.double_quoted(&mut word)?;
                }
                b'$' | b'`' => self.expansion(&mut word, false)?,
                _ => {
                    let rest = self.rest();
                    let length = rest.find(|c| " \t\n;&|()<>\\'\"$`".contains(c)).unwrap_or(rest.len());
                    word.text(&rest[..length], false);
                    self.at += length;
                }
            }
        }
        if self.at == begin {
            return self.stop("a word is missing");
        }
        word.raw = self.text[begin..self.at].to_owned();
        Ok(word)
    }

    /// A backslash outside quotes.
    fn escape(&mut self, word: &mut Lexed) {
        self.at += 1;
        match self.rest().chars().next() {
            Some('\n') => self.at += 1,
            Some(character) => {
                word.text(character.encode_utf8(&mut [0; 4]), true);
                self.at += character.len_utf8();
            }
            None => word.text("\\", true),
        }
    }

    /// After the opening quote, up to and with the closing one.
    fn double_quoted(&mut self, word: &mut Lexed) -> Step<()> {
        word.text("", true);
        loop {
            match self.byte() {
                None => return self.stop("a quote does not close"),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    match self.byte() {
                        Some(b'\n') => self.at += 1,
                        Some(byte @ (b'"' | b'\\' | b'$' | b'`')) => {
                            word.text(char::from(byte).encode_utf8(&mut [0; 4]), true);
                            self.at += 1;
                        }
                        _ => word.text("\\", true),
                    }
                }
                Some(b'$' | b'`') => self.expansion(word, true)?,
                Some(_) => {
                    let rest = self.rest();
                    let length = rest.find(['"', '\\', '$', '`']).unwrap_or(rest.len());
                    word.text(&rest[..length], true);
                    self.at += length;
                }
            }
        }
    }

    /// The body of a here-document, in which expansions work and quotes do not.
    pub(super) fn expandable(&mut self, body: &str) -> Step<()> {
        let mut reader = self.over(body);
        let mut ignored = Lexed::default();
        while let Some(byte) = reader.byte() {
            match byte {
                b'\\' => reader.escape(&mut ignored),
                b'$' | b'`' => reader.expansion(&mut ignored, true)?,
                _ => {
                    let rest = reader.rest();
                    reader.at += rest.find(['\\', '$', '`']).unwrap_or(rest.len());
                }
            }
        }
        Ok(())
    }

    /// `$…` or a back-quote.
    fn expansion(&mut self, word: &mut Lexed, quoted: bool) -> Step<()> {
        let begin = self.at;
        if self.byte() == Some(b'`') {
            self.back_quoted(quoted)?;
            word.pieces.push(Piece::Expansion(self.text[begin..self.at].to_owned(), quoted));
            return Ok(());
        }
        self.at += 1;
        match self.byte() {
            // Bash joins the lines first, and then it may be `$(` all the same.
            Some(b'\\') if self.looking_at("\\\n") => return self.stop("a line that is broken behind `$`"),
            Some(b'(') => {
                if self.looking_at("((")
                    && let Some(length) = self.arithmetic_length(2)
                {
                    let inside = &self.text[self.at + 2..self.at + 2 + length];
                    self.at += length + 4;
                    self.arithmetic(inside)?;
                } else {
                    self.looks_like_arithmetic();
                    self.at += 1;
                    self.substitution()?;
                }
            }
            Some(b'{') => {
                self.at += 1;
                self.parameter(quoted)?;
            }
            Some(b'[') => {
                // The old form of `$((…))`, which nobody needs.
                return self.stop("`$[…]` is not understood");
            }
            Some(b'\'') if !quoted => {
                self.at += 1;
                return self.ansi_quoted(word);
            }
            Some(b'"') if !quoted => {
                self.at += 1;
                return self.double_quoted(word);
            }
            Some(b'@' | b'*' | b'#' | b'?' | b'-' | b'$' | b'!' | b'0'..=b'9') => self.at += 1,
            Some(byte) if is_name_character(char::from(byte)) => {
                let rest = self.rest();
                self.at += rest.find(|c| !is_name_character(c)).unwrap_or(rest.len());
            }
            _ => {
                word.text("$", quoted);
                return Ok(());
            }
        }
        word.pieces.push(Piece::Expansion(self.text[begin..self.at].to_owned(), quoted));
        Ok(())
    }

    /// The commands of `$(…)` or `<(…)`, after the parenthesis.
    fn substitution(&mut self) -> Step<()> {
        self.deeper()?;
        let begin = self.at;
        self.within(Scope::Subshell, |reader| {
            let outer = reader.hold_pending();
            reader.list(&[])?;
            reader.close_parenthesis()?;
            if !outer.is_empty() && reader.text[begin..reader.at].contains('\n') {
                return reader.stop("a here-document around a substitution of several lines");
            }
            reader.release_pending(outer);
            Ok(())
        })?;
        self.depth -= 1;
        Ok(())
    }

    fn back_quoted(&mut self, quoted: bool) -> Step<()> {
        self.at += 1;
        let mut inside = String::new();
        loop {
            let rest = self.rest();
            let Some(length) = rest.find(['\\', '`']) else {
                return self.stop("a back-quote does not close");
            };
            inside.push_str(&rest[..length]);
            self.at += length + 1;
            if rest.as_bytes()[length] == b'`' {
                break;
            }
            match self.rest().chars().next() {
                Some(c) if matches!(c, '$' | '`' | '\\') || (c == '"' && quoted) => {
                    inside.push(c);
                    self.at += 1;
                }
                Some('\n') if quoted => self.at += 1,
                _ => inside.push('\\'),
            }
        }
        self.deeper()?;
        let depth = self.depth;
        self.within(Scope::Subshell, |reader| {
            read_into(&inside, depth, reader.reading);
            Ok(())
        })?;
        self.depth -= 1;
        Ok(())
    }

    /// `${…}` after the brace.
    fn parameter(&mut self, quoted: bool) -> Step<()> {
        self.deeper()?;
        if self.looking_at("#}") {
            self.at += 2;
            self.depth -= 1;
            return Ok(());
        }
        if self.byte() == Some(b'!') {
            self.reading.doubt("`${!…}` reads a variable whose name is not known");
            self.at += 1;
        } else if self.byte() == Some(b'#') {
            self.at += 1;
        }
        let rest = self.rest();
        let name = rest.find(|c| !is_name_character(c)).unwrap_or(rest.len());
        match self.byte() {
            _ if name > 0 => self.at += name,
            Some(b'@' | b'*' | b'?' | b'-' | b'$') => self.at += 1,
            _ => return self.stop("an expansion that is not understood"),
        }
        if self.byte() == Some(b'[') {
            self.at += 1;
            self.subscript()?;
        }
        let rest = self.rest();
        let operator = match rest.as_bytes() {
            [b'}', ..] => "",
            [b':', b'-' | b'+' | b'?' | b'=', ..] => &rest[..2],
            [b'-' | b'+' | b'?' | b'=' | b'%' | b'/' | b'^' | b',' | b'#', ..] => &rest[..1],
            [b':', ..] => {
                // Offset and length are arithmetic.
                let length = rest.find('}').unwrap_or(0);
                let offset = &rest[1..length.max(1)];
                if offset.bytes().all(|byte| byte.is_ascii_digit() || b": -".contains(&byte)) {
                    self.at += length;
                    ""
                } else {
                    self.reading.doubt("an expansion with arithmetic in it");
                    ":"
                }
            }
            [b'@', ..] => {
                self.reading.doubt("`${…@…}` may run what the variable holds");
                "@"
            }
            _ => return self.stop("an expansion that is not understood"),
        };
        if operator.ends_with('=') {
            self.reading.assigns = true;
        }
        self.at += operator.len();
        self.parameter_word(quoted)?;
        self.depth -= 1;
        Ok(())
    }

    /// The word of `${name:-word}` up to and with the closing brace.
    fn parameter_word(&mut self, quoted: bool) -> Step<()> {
        let mut ignored = Lexed::default();
        loop {
            match self.byte() {
                None => return self.stop("a brace does not close"),
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.at += self.rest().chars().next().map_or(0, char::len_utf8);
                }
                Some(b'\'') if !quoted => {
                    self.at += 1;
                    let Some(length) = self.rest().find('\'') else {
                        return self.stop("a quote does not close");
                    };
                    self.at += length + 1;
                }
                // Inside double quotes a single quote is a character for some operators and a quote for others.
                Some(b'\'') => return self.stop("a quote inside an expansion"),
                Some(b'"') => {
                    self.at += 1;
                    self.double_quoted(&mut ignored)?;
                }
                Some(b'$' | b'`') => self.expansion(&mut ignored, quoted)?,
                Some(b'<' | b'>') if self.text.as_bytes().get(self.at + 1) == Some(&b'(') => {
                    self.at += 2;
                    self.substitution()?;
                }
                Some(_) => self.at += self.rest().chars().next().map_or(0, char::len_utf8),
            }
        }
    }

    /// After `[`, up to and with `]`.
    fn subscript(&mut self) -> Step<()> {
        let rest = self.rest();
        let plain = rest.find(']').map(|length| &rest[..length]);
        match plain {
            Some(index) if matches!(index, "@" | "*") || is_plain_number(index) => {
                self.at += index.len() + 1;
                Ok(())
            }
            _ => {
                // It is arithmetic, and arithmetic can run commands; find them, and ask.
                self.reading.doubt("a subscript that is computed");
                let mut ignored = Lexed::default();
                loop {
                    match self.byte() {
                        None => return self.stop("a subscript does not close"),
                        Some(b']') => {
                            self.at += 1;
                            return Ok(());
                        }
                        Some(b'$' | b'`') => self.expansion(&mut ignored, true)?,
                        Some(_) => self.at += self.rest().chars().next().map_or(0, char::len_utf8),
                    }
                }
            }
        }
    }

    /// `$'…'` after the quote.
    fn ansi_quoted(&mut self, word: &mut Lexed) -> Step<()> {
        let mut decoded: Vec<u8> = Vec::new();
        loop {
            let Some(character) = self.rest().chars().next() else {
                return self.stop("a quote does not close");
            };
            self.at += character.len_utf8();
            match character {
                '\'' => break,
                '\\' => self.ansi_escape(&mut decoded)?,
                _ => decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        match String::from_utf8(decoded) {
            Ok(text) => {
                if crate::hidden::contains_hidden(&text) {
                    self.reading.doubt("a quoted escape makes a hidden character");
                }
                word.text(&text, true);
                Ok(())
            }
            Err(_) => self.stop("a quoted escape makes bytes that are no text"),
        }
    }

    fn ansi_escape(&mut self, decoded: &mut Vec<u8>) -> Step<()> {
        let Some(character) = self.rest().chars().next() else { return self.stop("a quote does not close") };
        self.at += character.len_utf8();
        let simple = match character {
            'a' => 7,
            'b' => 8,
            'e' | 'E' => 27,
            'f' => 12,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 11,
            '\\' | '\'' | '"' | '?' => character as u8,
            '0'..='7' => {
                self.at -= 1;
                self.number(8, 3).map_or(0, |code| (code & 0xff) as u8)
            }
            'x' => match self.number(16, 2) {
                Some(code) => code as u8,
                None => return self.stop("a quoted escape that is not understood"),
            },
            'u' | 'U' => {
                let digits = if character == 'u' { 4 } else { 8 };
                let code = self.number(16, digits).and_then(char::from_u32);
                let Some(code) = code else { return self.stop("a quoted escape that is not understood") };
                decoded.extend_from_slice(code.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            'c' => return self.stop("a quoted escape that is not understood"),
            _ => {
                decoded.push(b'\\');
                decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
        };
        if simple == 0 {
            // The string ends here for bash, and not for a reader.
            return self.stop("a quoted escape makes a hidden character");
        }
        decoded.push(simple);
        Ok(())
    }

    fn number(&mut self, radix: u32, most: usize) -> Option<u32> {
        let bytes = self.rest().as_bytes();
        let length = bytes.iter().take(most).take_while(|byte| char::from(**byte).is_digit(radix)).count();
        let digits = &self.rest()[..length];
        self.at += length;
        u32::from_str_radix(digits, radix).ok()
    }
}

fn is_plain_number(text: &str) -> bool {
    !text.is_empty() && text.len() < 10 && text.bytes().all(|byte| byte.is_ascii_digit())
}
