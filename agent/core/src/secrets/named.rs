//! Owns the secrets that a name gives away: `password = …`, `"apiKey": "…"`, `--token …`, `<secret>…</secret>`.
//! Uses the words of the name, what stands between name and value, and the look of the value.
//! Never takes what stands in for a secret, or an expression that works one out, for the secret itself.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::{Span, shape};
use crate::tools::words_of;

/// What may be in a name. Each occurrence is looked at; the words of the whole name decide.
static CUES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let cues = [
        "(?i-u)passw|passphrase|passcode|pwd|secret|token|credential|key|cookie|session|_pass|-pass|pass[ \"':=]|pass_|auth",
        r"contrase|dsn|psk|_pw|\bpw\b|identified by|webhook|bearer|_pat\b|salt|pepper|\bsid\b|\bpin\b|requirepass|otp|seed",
    ];
    Regex::new(&cues.join("|")).ok()
});

/// What a name promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promise {
    /// Something that a person may have chosen.
    Password,
    /// Something out of a generator.
    Token,
    /// Something out of a generator, where the name has many other uses.
    Perhaps,
    /// The same, where the name says nothing at all.
    Bare,
}

impl Promise {
    fn kind(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Token | Self::Perhaps | Self::Bare => "secret value",
        }
    }
}

/// What stands between a name and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// `=`, `:`, `:=`, `=>`.
    Assigned,
    /// A comparison.
    Compared,
    /// A call or a second argument: only a quoted value counts.
    Argument,
    /// A blank, where the place says that a value follows.
    Blank,
    /// An element of XML.
    Element,
}

/// Names are looked at up to so many bytes to either side of the cue.
const LONGEST_NAME: usize = 80;
/// Values up to so many bytes.
const LONGEST_VALUE: usize = 4096;

pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let Some(cues) = &*CUES else { return };
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(cue) = cues.find_at(text, from) {
        let name = name_around(bytes, cue.range());
        from = cue.end().max(name.end);
        // The cue may be two words: `identified by`.
        let end = name.end.max(cue.end().min(text.len()));
        let Some(promise) = promise(&text[name.start..name.end], cue.as_str()) else { continue };
        let Some((link, value_at)) = link(text, &name, name_end(text, &name, cue.as_str(), end)) else {
            continue;
        };
        let before = shape::line_before(text, name.start, 256);
        let Some(value) = value(text, value_at, link, before, &text[name.clone()]) else { continue };
        if accept(&text[value.range.clone()], promise, link, &value, &text[name.clone()]) {
            from = from.max(value.range.end);
            spans.push(Span::new(value.range, promise.kind()));
        }
    }
}

fn name_end(text: &str, name: &Range<usize>, cue: &str, end: usize) -> usize {
    // A cue that took the separator with it gives it back.
    if cue.ends_with([' ', '"', '\'', ':', '=']) || !text.is_char_boundary(end) { name.end } else { end }
}

/// The identifier that a cue stands in.
fn name_around(bytes: &[u8], cue: Range<usize>) -> Range<usize> {
    let in_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let start = cue.start
        - bytes[..cue.start].iter().rev().take(LONGEST_NAME).take_while(|byte| in_name(byte)).count();
    let mut end = cue.start;
    while end < bytes.len() && end < cue.end + LONGEST_NAME && in_name(&bytes[end]) {
        end += 1;
    }
    start..end
}

/// What the last words of a name promise.
fn promise(name: &str, cue: &str) -> Option<Promise> {
    if cue.eq_ignore_ascii_case("identified by") || cue.eq_ignore_ascii_case("requirepass") {
        return Some(Promise::Password);
    }
    let mut words: Vec<String> =
        words_of(name).into_iter().filter(|word| !word.bytes().all(|byte| byte.is_ascii_digit())).collect();
    // `password1`, `token2`
    for word in &mut words {
        word.truncate(word.trim_end_matches(|letter: char| letter.is_ascii_digit()).len());
    }
    while words.last().is_some_and(|last| {
        matches!(
            last.as_str(),
            "value"
                | "string"
                | "str"
                | "text"
                | "plain"
                | "raw"
                | "prod"
                | "production"
                | "dev"
                | "staging"
                | "live"
                | "old"
                | "new"
                | "base"
                | "primary"
                | "secondary"
                | "default"
                | "data"
                | "confirmation"
                | "confirm"
                | "encoded"
                | "b"
        )
    }) && words.len() > 1
    {
        words.pop();
    }
    let last = words.last()?.as_str();
    let before = words.len().checked_sub(2).map(|place| words[place].as_str()).unwrap_or_default();
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.as_str()));
    if has(&[
        "public",
        "csrf",
        "xsrf",
        "max",
        "min",
        "num",
        "count",
        "eos",
        "bos",
        "pad",
        "unk",
        "cancel",
        "cancellation",
        "next",
        "page",
        "continuation",
    ]) {
        return None;
    }
    match last {
        "password" | "passwd" | "passwort" | "passphrase" | "passcode" | "pwd" | "pass" | "pw"
        | "userpass" | "dbpass" | "dbpassword" | "adminpassword" | "rootpassword" | "contrasena" | "psk"
        | "sshpass" | "requirepass" | "masterpassword" | "userpassword" | "storepass" | "keypass"
        | "mypass" => Some(Promise::Password),
        "phrase" if before == "pass" => Some(Promise::Password),
        "word" if before == "pass" => Some(Promise::Password),
        "secret" | "secrets" | "token" | "apikey" | "authtoken" | "accesstoken" | "secretkey"
        | "accesskey" | "privatekey" | "apitoken" | "apisecret" | "clientsecret" | "authkey"
        | "credential" | "credentials" | "bearer" | "pat" | "dsn" | "webhook" | "salt" | "pepper"
        | "refreshtoken" => Some(Promise::Token),
        "key" => match before {
            "api" | "access" | "secret" | "private" | "auth" | "signing" | "encryption" | "account"
            | "storage" | "subscription" | "shared" | "master" | "app" | "application" | "license"
            | "licence" | "service" | "client" | "consumer" | "deploy" | "admin" | "session" | "cipher"
            | "crypto" | "hmac" | "jwt" | "ssh" | "gpg" | "preshared" | "psk" | "aes" | "rest" | "write"
            | "read" | "server" | "integration" | "ingest" | "sas" | "root" | "user" | "webhook"
            | "security" | "decryption" | "verification" | "activation" | "product" | "machine" | "team"
            | "host" | "function" => Some(Promise::Token),
            _ if words.len() == 1 => Some(Promise::Bare),
            _ if name.len() > 4
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_') =>
            {
                Some(Promise::Perhaps)
            }
            _ => None,
        },
        "auth" | "session" | "cookie" | "sid" | "sessionid" | "otp" | "seed" | "pin" => {
            Some(Promise::Perhaps)
        }
        "id" if before == "session" => Some(Promise::Perhaps),
        _ => None,
    }
}

/// How a name is linked to a value, and where that begins.
fn link(text: &str, name: &Range<usize>, end: usize) -> Option<(Link, usize)> {
    let bytes = text.as_bytes();
    let peek = |at: usize| bytes.get(at).copied().unwrap_or(b'\n');
    let blanks = |mut at: usize| {
        while matches!(peek(at), b' ' | b'\t') && at < text.len() {
            at += 1;
        }
        at
    };
    let mut at = end;
    let opened = name.start.checked_sub(1).map(|place| bytes[place]);
    // What closes the name: a quote, also an escaped one, a bracket.
    let mut quoted = false;
    while matches!(peek(at), b'"' | b'\'' | b'`' | b']' | b'\\' | b'?' | b'!')
        && at < text.len()
        && at - end < 4
    {
        quoted |= matches!(peek(at), b'"' | b'\'');
        at += 1;
    }
    let html_quote = text[at..].starts_with("&quot;") && opened == Some(b';');
    if html_quote {
        at += "&quot;".len();
    }
    if opened == Some(b'<') && peek(at) == b'>' {
        return Some((Link::Element, at + 1));
    }
    let closed = at;
    at = blanks(at);
    match (peek(at), peek(at + 1)) {
        (b'=' | b'!', b'=') => {
            let mut after = at + 2;
            after += usize::from(peek(after) == b'=');
            Some((Link::Compared, blanks(after)))
        }
        (b'=', b'>') | (b':', b'=') | (b'?', b'=') | (b'+', b'=') => Some((Link::Assigned, blanks(at + 2))),
        (b':', b':') => None,
        (b'=', _) => Some((Link::Assigned, first_of(text, blanks(at + 1)))),
        (b':', _) => Some((Link::Assigned, first_of(text, annotated(text, blanks(at + 1))))),
        (b'-', b'>') => None,
        (b'(', _) => Some((Link::Argument, blanks(at + 1))),
        (b')', b',') | (b')', b' ') if quoted => Some((Link::Argument, blanks(at + 2))),
        (b',' | b'\n' | b'\r', _) if value_field(text, at).is_some() => {
            Some((Link::Assigned, value_field(text, at)?))
        }
        (b',', _) if quoted => {
            let mut after = blanks(at + 1);
            if peek(after) == b'\n' {
                after = blanks(after + 1);
            }
            Some((Link::Argument, after))
        }
        // `name="password" value="…"`
        (b'v' | b'V' | b'c', _) if quoted => {
            let rest = &text[at..];
            let attribute =
                ["value=", "Value=", "content="].iter().find(|attribute| rest.starts_with(**attribute))?;
            Some((Link::Argument, at + attribute.len()))
        }
        _ if at > closed && blank_links(text, name, end, at) => Some((Link::Blank, after_is(text, at))),
        _ => None,
    }
}

/// The first item of a list of texts: `["…"]`.
fn first_of(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    if rest.starts_with("[\"") || rest.starts_with("['") { at + 1 } else { at }
}

/// The value of an entry that has its name in a field of its own: `"key": "token", "value": "…"`, also in the next line.
fn value_field(text: &str, at: usize) -> Option<usize> {
    let rest = shape::clip(&text[at..], 80);
    let field = rest.trim_start_matches(|letter: char| letter.is_whitespace() || letter == ',');
    let field = field.trim_start_matches(['"', '\'']);
    let after = field.strip_prefix("value")?.trim_start_matches(['"', '\'']).trim_start_matches(' ');
    let after = after.strip_prefix([':', '='])?.trim_start_matches(' ');
    Some(at + rest.len() - after.len())
}

/// `password is …`
fn after_is(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    ["is: ", "is ", "was ", "by "]
        .iter()
        .find(|word| rest.starts_with(**word))
        .map_or(at, |word| at + word.len())
}

/// Past a type: `: &str = "…"`, `: Option<String> = …`.
fn annotated(text: &str, at: usize) -> usize {
    let rest = shape::clip(&text[at..], 48);
    let line = rest.lines().next().unwrap_or_default();
    let of_type = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"&<>_' |[]:?.".contains(&byte))
    };
    match line.find(" = ") {
        Some(equals) if of_type(&line[..equals]) => at + equals + 3,
        _ => at,
    }
}

/// Whether a value may follow after a blank: flags, lines of `.netrc`, of Dockerfiles, of SQL, sentences.
fn blank_links(text: &str, name: &Range<usize>, end: usize, at: usize) -> bool {
    let before = shape::line_before(text, name.start, 160);
    let written = &text[name.start..end];
    let rest = &text[at..];
    if written.starts_with("--") {
        return true;
    }
    let lower = before.to_ascii_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let is = ["is ", "is: ", "was "].iter().any(|word| rest.starts_with(word));
    let sql = written.to_ascii_lowercase().ends_with("by") && rest.starts_with(['\'', '"'])
        || rest.starts_with('\'')
            && words.iter().any(|word| matches!(*word, "user" | "role" | "login" | "with"));
    let file = words.iter().any(|word| {
        matches!(
            *word,
            "login" | "machine" | "env" | "arg" | "set" | "setx" | "setenv" | "requirepass" | "-gx" | "-x"
        )
    }) || (words.is_empty()
        && matches!(written, "password" | "requirepass" | "masterauth" | "_authToken"));
    is || sql || file || written == "requirepass"
}

/// A value in a text.
struct Value {
    range: Range<usize>,
    quoted: bool,
    /// The whole rest of a line of a file of settings.
    setting: bool,
}

fn value(text: &str, at: usize, link: Link, before: &str, name: &str) -> Option<Value> {
    let bytes = text.as_bytes();
    let mut start = at;
    // `r"…"`, `b'…'`, `L"…"`, `@"…"`; the scheme of a header.
    if start + 1 < text.len()
        && matches!(bytes[start], b'r' | b'b' | b'L' | b'@' | b'u')
        && matches!(bytes[start + 1], b'"' | b'\'')
    {
        start += 1;
    }
    let quote = text[start..].chars().next()?;
    let (open, close): (&str, &str) = match quote {
        '"' if text[start..].starts_with("\"\"\"") => ("\"\"\"", "\"\"\""),
        '"' => ("\"", "\""),
        '\'' if text[start..].starts_with("'''") => ("'''", "'''"),
        '\'' => ("'", "'"),
        '`' => ("`", "`"),
        '\\' if text[start..].starts_with("\\\"") => ("\\\"", "\\\""),
        '\\' if text[start..].starts_with("\\'") => ("\\'", "\\'"),
        '&' if text[start..].starts_with("&quot;") => ("&quot;", "&quot;"),
        _ => ("", ""),
    };
    if !open.is_empty() {
        start += open.len();
        let window = shape::clip(&text[start..], LONGEST_VALUE);
        let window = window.split('\n').next().unwrap_or_default();
        let end = closing(window, close)?;
        let (skipped, end) = trimmed(window, end);
        return Some(Value { range: start + skipped..start + end, quoted: true, setting: false });
    }
    let window = shape::clip(&text[start..], LONGEST_VALUE);
    match link {
        Link::Argument | Link::Compared => None,
        Link::Element => {
            let end = window.find('<')?;
            let (skipped, end) = trimmed(window, end);
            (!window[..end].contains('\n')).then(|| Value {
                range: start + skipped..start + end,
                quoted: true,
                setting: false,
            })
        }
        Link::Assigned | Link::Blank => {
            let mut window = window;
            // YAML puts a long value into the next line.
            if matches!(quote, '|' | '>') && window.len() > 2 {
                let header = window.find('\n')?;
                if header > 3 {
                    return None;
                }
                let next = &window[header + 1..];
                let indent = next.len() - next.trim_start_matches(' ').len();
                start += header + 1 + indent;
                window = &next[indent..];
            }
            let line = window.split(['\n', '\r']).next().unwrap_or_default();
            let lead = before.trim_start_matches(['+', '-', '>', '|', '#', ' ', '\t']).trim_start();
            let query = before.ends_with(['?', '&']);
            let setting = link == Link::Assigned
                && !query
                && (lead.is_empty()
                    || matches!(
                        lead.trim_end(),
                        "export"
                            | "set"
                            | "ENV"
                            | "env"
                            | "declare -x"
                            | "local"
                            | "readonly"
                            | "Environment="
                            | "$env:"
                    ));
            let upper = name.bytes().any(|byte| byte.is_ascii_uppercase())
                && !name.bytes().any(|byte| byte.is_ascii_lowercase());
            let stops: &[char] = if link == Link::Blank {
                &[' ', '\t', '"', '\'', '`', ')', ']', '>']
            } else if before.ends_with(';') {
                // A connection string.
                &[';', '"', '\'', '`', ' ']
            } else if query {
                &['&', '#', ' ', '"', '\'', '<', '>', ')', ']', '}', ',', ';', '`', '\\', '\t', '|']
            } else if setting || upper {
                &[' ', '\t', '"', '\'', '`']
            } else {
                &[' ', '\t', '"', '\'', '`', ',', ';', ')', ']', '}', '<', '>', '&', '|']
            };
            let end = line.find(stops).unwrap_or(line.len());
            let rest = line[end..].trim_start();
            // The whole rest of the line, comments left out.
            let whole =
                rest.is_empty() || rest.starts_with('#') || rest.starts_with("//") || rest.starts_with(';');
            let (skipped, end) = trimmed(line, end);
            Some(Value { range: start + skipped..start + end, quoted: false, setting: setting && whole })
        }
    }
}

/// Where a quotation ends.
fn closing(window: &str, close: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + window[from..].find(close)?;
        let backslashes = window[..at].bytes().rev().take_while(|byte| *byte == b'\\').count();
        if close.starts_with('\\') || backslashes % 2 == 0 {
            return Some(at);
        }
        from = at + close.len();
    }
}

/// Without a scheme before it and without what ends a sentence after it.
fn trimmed(window: &str, end: usize) -> (usize, usize) {
    let value = &window[..end];
    let schemes = ["Bearer ", "bearer ", "Basic ", "basic ", "Token ", "token ", "base64:", "hex:"];
    let skipped = schemes.iter().find(|scheme| value.starts_with(**scheme)).map_or(0, |scheme| scheme.len());
    let mut end = end;
    if skipped < end {
        let body = &value[skipped..];
        let kept = body.trim_end_matches(['.', ',', ';', ' ']).len();
        end = skipped + kept;
    }
    (skipped.min(end), end)
}

/// Whether the value is the secret that its name promises.
fn accept(text: &str, promise: Promise, link: Link, value: &Value, name: &str) -> bool {
    if text.len() < 8 || text.starts_with(super::OPENING.trim_end()) || text.contains("[redacted") {
        return false;
    }
    if text.trim_matches('*').is_empty() || text.eq_ignore_ascii_case(name) {
        return false;
    }
    let random = shape::is_random(text);
    if shape::is_stand_in(text) || shape::is_code(text) || (shape::is_place(text) && !random) {
        return false;
    }
    match promise {
        Promise::Perhaps => random && (value.quoted || value.setting) && link != Link::Compared,
        // `key=` alone names anything: only what is neither a number, a word nor a hash counts.
        Promise::Bare => {
            random
                && text.len() >= 24
                && link == Link::Assigned
                && !text.bytes().all(|byte| byte.is_ascii_hexdigit())
        }
        Promise::Token => {
            let whole = value.quoted || value.setting || link == Link::Blank;
            random
                || (whole
                    && text.len() <= 128
                    && (text.len() >= 12 && (mixed(text) || shape::is_noise(text)) || marked(text)))
        }
        Promise::Password => {
            random
                || (link != Link::Compared || value.quoted)
                    && shape::is_password(text, value.quoted || value.setting || link == Link::Blank)
        }
    }
}

/// Letters, digits and marks that no identifier has: what a person chose, under whatever name.
fn marked(text: &str) -> bool {
    let marks = text.bytes().filter(|byte| b"!#%&*?@^~+$".contains(byte)).count();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    marks > 0 && (digits > 0 || marks > 1) && shape::is_password(text, true)
}

/// Small letters, capitals and digits, and not as in an identifier: a short token.
fn mixed(text: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| text.bytes().any(|byte| kind(&byte));
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    !text.contains(char::is_whitespace)
        && has(u8::is_ascii_lowercase)
        && digits >= 2
        && (has(u8::is_ascii_uppercase) || digits >= 4)
        && shape::is_password(text, true)
        && !words_with_numbers(text)
}

/// `sha256-of-file`, `token-for-user-42`, `arn:aws:iam::123`: words and numbers in turn.
fn words_with_numbers(text: &str) -> bool {
    text.split(['-', '_', '.', ':', '/', ' ']).all(|part| {
        let letters = part.trim_end_matches(|letter: char| letter.is_ascii_digit());
        letters.bytes().all(|byte| byte.is_ascii_alphabetic())
    })
}
