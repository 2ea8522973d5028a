//! Owns what a C or C++ text looks like without the macros that no grammar can read: `LIB_API`, `class LIB_EXPORT Foo`.
//! Uses words at the start of statements.
//! Never moves a byte: a macro becomes as many blanks.

use std::borrow::Cow;
use std::ops::Range;

/// A macro's arguments are looked through this far, in bytes.
const LONGEST_ARGUMENTS: usize = 300;

/// So many macros in a row are looked at.
const MOST_MACROS: usize = 4;

/// Words that begin a declaration: what stands before them and is written as macros are is one.
const BEGINS: &[&str] = &[
    "template",
    "typedef",
    "struct",
    "class",
    "enum",
    "union",
    "static",
    "inline",
    "extern",
    "void",
    "int",
    "char",
    "bool",
    "auto",
    "unsigned",
    "signed",
    "long",
    "short",
    "float",
    "double",
    "constexpr",
    "virtual",
    "namespace",
    "using",
    "explicit",
    "friend",
    "public",
    "private",
    "protected",
];
/// Words after which a declaration still has not named its type.
const BEFORE_TYPE: &[&str] = &[
    "static",
    "inline",
    "extern",
    "typedef",
    "constexpr",
    "virtual",
    "explicit",
    "friend",
    "const",
    "consteval",
];

/// The text as the grammar shall see it.
pub(super) fn without(text: &str) -> Cow<'_, [u8]> {
    let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
    let mut blanks: Vec<Range<usize>> = Vec::new();
    // Whether a statement or a declaration starts here.
    let mut fresh = true;
    // Whether each open brace holds members, and whether the next one will.
    let mut around: Vec<bool> = Vec::new();
    let mut holds_members = false;
    while let Some(&byte) = reader.bytes.get(reader.at) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => reader.at += 1,
            b'#' => reader.skip_directive(),
            b'/' if reader.skip_comment() => {}
            b'"' | b'\'' => {
                reader.skip_text(byte);
                fresh = false;
            }
            b';' | b'{' | b'}' => {
                reader.at += 1;
                fresh = true;
                match byte {
                    b'{' => around.push(std::mem::take(&mut holds_members)),
                    b'}' => {
                        around.pop();
                        holds_members = false;
                    }
                    _ => holds_members = false,
                }
            }
            b')' => {
                reader.at += 1;
                (fresh, holds_members) = (false, false);
                blanks.extend(reader.behind_parameters(text));
            }
            _ if is_word(byte) => {
                let word = reader.word();
                let name = &text[word.clone()];
                if matches!(name, "public" | "private" | "protected") {
                    reader.skip_blanks();
                    reader.at += usize::from(reader.peek() == Some(b':'));
                    fresh = true;
                } else if matches!(name, "class" | "struct" | "union" | "enum") {
                    blanks.extend(reader.before_name(text));
                    (fresh, holds_members) = (false, name != "enum");
                } else if name == "template" && fresh {
                    reader.skip_angles();
                } else if fresh && is_macro(name) {
                    let in_members = around.last() == Some(&true);
                    match reader.before_declaration(text, in_members) {
                        Some(end) => {
                            blanks.push(word.start..end);
                            reader.at = end;
                        }
                        None => fresh = false,
                    }
                } else {
                    fresh = fresh && BEFORE_TYPE.contains(&name);
                }
            }
            _ => {
                reader.at += 1;
                fresh = false;
            }
        }
    }
    if blanks.is_empty() {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut changed = text.as_bytes().to_vec();
    for range in blanks {
        // Lines stay where they are.
        changed[range].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
    }
    Cow::Owned(changed)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// `LIB_API`, `GTEST_API_`; a word in capitals without a line may be a type.
fn is_macro(name: &str) -> bool {
    name.len() >= 4
        && name.contains('_')
        && name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn word(&mut self) -> Range<usize> {
        let start = self.at;
        self.at += self.bytes[start..].iter().take_while(|&&byte| is_word(byte)).count();
        start..self.at
    }

    fn skip_blanks(&mut self) {
        self.at += self.bytes[self.at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    }

    fn skip_comment(&mut self) -> bool {
        let rest = &self.bytes[self.at..];
        let length = if rest.starts_with(b"//") {
            rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len())
        } else if rest.starts_with(b"/*") {
            rest.windows(2).skip(2).position(|two| two == b"*/").map_or(rest.len(), |at| at + 4)
        } else {
            return false;
        };
        self.at += length;
        true
    }

    /// A line that starts with `#`, and those it goes on in.
    fn skip_directive(&mut self) {
        while let Some(byte) = self.peek() {
            self.at += 1;
            if byte == b'\n' && !self.bytes[..self.at - 1].ends_with(b"\\") {
                break;
            }
        }
    }

    fn skip_text(&mut self, quote: u8) {
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == quote || byte == b'\n' {
                break;
            }
        }
        self.at = self.at.min(self.bytes.len());
    }

    fn skip_angles(&mut self) {
        self.skip_blanks();
        let mut depth = 0usize;
        for (length, byte) in self.bytes[self.at..].iter().enumerate().take(LONGEST_ARGUMENTS) {
            match byte {
                b'<' => depth += 1,
                b'>' => depth = depth.saturating_sub(1),
                b';' | b'{' => return,
                _ => {}
            }
            if depth == 0 {
                self.at += if length == 0 { 0 } else { length + 1 };
                return;
            }
        }
    }

    /// Goes over `( … )`, if there is one here.
    fn skip_arguments(&mut self) -> bool {
        if self.peek() != Some(b'(') {
            return true;
        }
        let mut depth = 0usize;
        for (length, byte) in self.bytes[self.at..].iter().enumerate().take(LONGEST_ARGUMENTS) {
            match byte {
                b'(' => depth += 1,
                b')' => depth -= 1,
                b';' | b'{' => return false,
                _ => {}
            }
            if depth == 0 {
                self.at += length + 1;
                return true;
            }
        }
        false
    }

    /// After a macro at the start of a statement: where it ends, if a whole declaration follows. Stays where it is.
    fn before_declaration(&mut self, text: &str, in_members: bool) -> Option<usize> {
        let start = self.at;
        let found = self.declaration(text, in_members, MOST_MACROS);
        self.at = start;
        found
    }

    fn declaration(&mut self, text: &str, in_members: bool, most: usize) -> Option<usize> {
        let has_arguments = self.peek() == Some(b'(');
        if !self.skip_arguments() {
            return None;
        }
        let end = self.at;
        self.skip_blanks();
        // A macro that stands for members may be the last of them.
        if in_members && self.peek() == Some(b'}') {
            return Some(end);
        }
        let next = self.word();
        let next = &text[next];
        if BEGINS.contains(&next) {
            return Some(end);
        }
        if next.is_empty() || matches!(next, "const" | "volatile" | "operator" | "return" | "if" | "else") {
            return None;
        }
        if is_macro(next) {
            return self.declaration(text, in_members, most.checked_sub(1)?).map(|_| end);
        }
        self.skip_blanks();
        let named = self.peek().is_some_and(|byte| is_word(byte) || matches!(byte, b'*' | b'&'));
        // `MACRO(x) * y` is a product.
        (named && (!has_arguments || self.peek().is_some_and(is_word))).then_some(end)
    }

    /// After `)`: a macro that says more of a function, `) LIB_NOEXCEPT;`. Stays where it is when there is none.
    fn behind_parameters(&mut self, text: &str) -> Option<Range<usize>> {
        let start = self.at;
        self.skip_blanks();
        let word = self.word();
        let end = self.at;
        self.skip_blanks();
        let ends = matches!(self.peek(), Some(b';' | b'{'));
        let found = (ends && is_macro(&text[word.clone()])).then_some(word);
        self.at = if found.is_some() { end } else { start };
        found
    }

    /// After `class`: the macros that stand between it and the name.
    fn before_name(&mut self, text: &str) -> Option<Range<usize>> {
        let start = self.at;
        self.skip_blanks();
        let from = self.at;
        let mut first = self.word();
        if &text[first.clone()] == "class" {
            self.skip_blanks();
            first = self.word();
        }
        let mut end = None;
        if is_macro(&text[first.clone()]) && self.skip_arguments() {
            let after = self.at;
            self.skip_blanks();
            let name = self.word();
            self.skip_blanks();
            let opens = matches!(self.peek(), Some(b'{' | b':' | b'<'))
                || self.bytes[self.at..].starts_with(b"final");
            if !name.is_empty() && opens {
                end = Some(first.start..after);
            }
        }
        self.at = if end.is_some() { from } else { start };
        let found = end?;
        self.at = found.end;
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        assert_eq!(String::from_utf8_lossy(&without(text)), expect, "{text}");
    }

    #[test]
    fn macros_before_declarations_become_blanks() {
        check("LIB_API int run(void);", "        int run(void);");
        check("LIB_API Foo *make(void);", "        Foo *make(void);");
        check("x; LIB_API LIB_INLINE Foo make();", "x;                    Foo make();");
        check("static LIB_INLINE auto f() {}", "static            auto f() {}");
        check("LIB_DEPRECATED(\"no\") void f();", "                     void f();");
        check("class LIB_API Foo : Bar {", "class         Foo : Bar {");
        check("enum class LIB_API Foo {", "enum class         Foo {");
        check("LIB_BEGIN_NAMESPACE\nnamespace a {", "                   \nnamespace a {");
        check("template <typename T> LIB_API void f();", "template <typename T>         void f();");
        check("int (*hook)(int a) LIB_ATTR;", "int (*hook)(int a)         ;");
        check("void f() LIB_NOEXCEPT {", "void f()              {");
        check("struct a {\n  UV_FIELDS\n  UV_MORE\n};", "struct a {\n           \n         \n};");
        check("/* a */ LIB_API int b; // LIB_API int c;", "/* a */         int b; // LIB_API int c;");
    }

    #[test]
    fn types_and_calls_stay() {
        for text in [
            "UV_HANDLE handle;",
            "UV_HANDLE make(void);",
            "UV_HANDLE const x;",
            "UV_HANDLE table[3] = {0};",
            "struct UV_HANDLE name;",
            "TEST_IMPL(name) {",
            "RETURN_IF(x);",
            "x = MAX_SIZE * y;",
            "#define LIB_API int x \\\n LIB_API int y\n",
            "char *s = \"LIB_API int x\";",
            "HANDLE make(void);",
            "enum a { COLOR_RED };",
            "struct a *f(int b) { RETURN_IT }",
        ] {
            check(text, text);
        }
    }

    proptest::proptest! {
        #[test]
        fn every_byte_keeps_its_place(text in "(LIB_API|class|enum|template|static|[a-z]+|[(){}<>;:#\"'/*\\\\\n ]|é){0,60}") {
            let seen = without(&text);
            proptest::prop_assert_eq!(seen.len(), text.len());
            for (seen, byte) in seen.iter().zip(text.bytes()) {
                proptest::prop_assert!(*seen == byte || *seen == b' ' && byte != b'\n');
            }
        }
    }
}
