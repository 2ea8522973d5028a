//! Owns the secrets that their place gives away: headers, addresses, command lines, lines of files of passwords.
//! Uses one search for the words of all places, and one anchored expression for each place.
//! Never takes what stands in for a secret for one.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::{Span, shape};

/// One place.
struct Place {
    kind: &'static str,
    /// The word that tells that it may be here, in small letters; empty where only the whole text can be searched.
    cue: &'static str,
    /// What begins there, with the secret as group `s`.
    pattern: &'static str,
    look: Look,
}

/// What a secret in a place must look like.
#[derive(Debug, Clone, Copy)]
enum Look {
    /// No stand-in, and not worked out.
    Anything,
    /// Out of a generator.
    Random,
    /// Base64 of `user:password`.
    Pair,
    /// Something that somebody may have chosen.
    Password,
}

const fn place(kind: &'static str, cue: &'static str, look: Look, pattern: &'static str) -> Place {
    Place { kind, cue, pattern, look }
}

/// The word that a user and a password follow in an option of a command.
const USER_OPTION: &str =
    r#"[^\n]*?\s(?:-u|--user|-a|--auth|--proxy-user)[ =]?["']?[^\s:"'$]{1,64}:(?P<s>[^\s"'$]{4,})"#;
const PASSWORD_OPTION: &str = r#"[^\n]*?\s-p["']?(?P<s>[^\s"'$=-][^\s"'$]{5,})"#;
const LOGIN_OPTION: &str = r#"[^\n]*?\slogin[^\n]*?\s-p\s{1,3}["']?(?P<s>[^\s"'$]{6,})"#;
const AWS_SECRET: &str = r#"[A-Z2-7]{16}[^A-Za-z0-9]{1,8}(?:[A-Za-z_ ."':=\r\n\\-]{0,64}[^A-Za-z0-9+/])?(?P<s>[A-Za-z0-9+/]{40})(?:[^A-Za-z0-9+/=]|$)"#;

const PLACES: &[Place] = &[
    place(
        "password in an address",
        "://",
        Look::Anything,
        r#"[^\s:/@"'<>`]{0,64}:(?P<s>[^\s/@"'<>`]{3,})@[A-Za-z0-9\[$-]"#,
    ),
    place(
        "token in an address",
        "://",
        Look::Random,
        r"(?P<s>[A-Za-z0-9_-]{20,})(?::x-oauth-basic|:)?@[A-Za-z0-9]",
    ),
    place(
        "authorization header",
        "authorization",
        Look::Anything,
        r#"["'`\\]{0,3}\s{0,4}[:=,]\s{0,4}["'`\\]{0,3}(?i:bearer|token|apikey|api-key|aws4-hmac-sha256[^\n]*signature|digest|negotiate|[a-z]{2,16}key)[ =:]{1,3}["']?(?P<s>[^\s"'`,;\\]{8,})"#,
    ),
    place("authorization header", "basic ", Look::Pair, r"\s{0,3}(?P<s>[A-Za-z0-9+/]{8,}={0,2})"),
    place("authorization header", "bearer ", Look::Random, r"\s{0,3}(?P<s>[A-Za-z0-9._~+/-]{16,}={0,2})"),
    place("login", "auth", Look::Pair, r#"["']?\s{0,4}[:=]\s{0,4}["']?(?P<s>[A-Za-z0-9+/]{12,}={0,2})"#),
    place(
        "cookie",
        "cookie",
        Look::Random,
        r#"["']?\s{0,2}:\s{0,4}["']?(?:[A-Za-z0-9_.-]+=[^;\s"']*;\s{0,2})*[A-Za-z0-9_.-]*(?i:sess|sid|auth|token|jwt)[A-Za-z0-9_.-]{0,32}=(?P<s>[^;\s"']{16,})"#,
    ),
    place("password of a command", "curl", Look::Password, USER_OPTION),
    place("password of a command", "wget", Look::Password, USER_OPTION),
    place("password of a command", "http ", Look::Password, USER_OPTION),
    place("password of a command", "mysql", Look::Password, PASSWORD_OPTION),
    place("password of a command", "mariadb", Look::Password, PASSWORD_OPTION),
    place(
        "password of a command",
        "sshpass",
        Look::Password,
        r#"\s+-p\s?["']?(?P<s>[^\s"'$=-][^\s"'$]{5,})"#,
    ),
    place("password", "securestring", Look::Password, r#"[^\n"']*["'](?P<s>[^"'\s]{8,})["']"#),
    place("password", "auth=(", Look::Password, r#"\s*["'][^"'\n]*["'],\s*["'](?P<s>[^"'\s]{8,})["']"#),
    place("password", "pass:", Look::Password, r#"(?P<s>[^\s"'$]{8,})"#),
    place(
        "password",
        "password for ",
        Look::Password,
        r#"[^\n.:=]{1,60}? (?:is|was|to):? ["'`]?(?P<s>[^\s"'`]*[^\s"'`.,;)])"#,
    ),
    place("password of a command", "mongo", Look::Password, PASSWORD_OPTION),
    place(
        "password of a command",
        "redis-cli",
        Look::Password,
        r#"[^\n]*?\s(?:-a|--pass)\s{1,3}["']?(?P<s>[^\s"'$]{6,})"#,
    ),
    place("password of a command", "docker", Look::Password, LOGIN_OPTION),
    place("password of a command", "podman", Look::Password, LOGIN_OPTION),
    place("password of a command", "az ", Look::Password, LOGIN_OPTION),
    place("password of a command", "oc ", Look::Password, LOGIN_OPTION),
    place("aws secret access key", "akia", Look::Random, AWS_SECRET),
    place("aws secret access key", "asia", Look::Random, AWS_SECRET),
    place(
        "password of a database",
        "",
        Look::Password,
        r"(?m)^[A-Za-z0-9.*-]+:(?:[0-9]{1,5}|\*):[A-Za-z0-9_*-]+:[A-Za-z0-9_*-]+:(?P<s>[!-9;-~]+)\r?$",
    ),
    place(
        "discord token",
        "",
        Look::Random,
        r"(?P<s>[A-Za-z0-9_-]{24,28}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40})",
    ),
];

/// The places, ready to search for.
struct Table {
    cues: Regex,
    /// With a cue.
    begun: Vec<(&'static Place, Regex)>,
    /// Without.
    whole: Vec<(&'static Place, Regex)>,
}

static TABLE: LazyLock<Result<Table, regex::Error>> = LazyLock::new(|| {
    let mut cues: Vec<&str> = PLACES.iter().map(|place| place.cue).filter(|cue| !cue.is_empty()).collect();
    cues.sort_by_key(|cue| (std::cmp::Reverse(cue.len()), *cue));
    cues.dedup();
    let cues: Vec<String> = cues.into_iter().map(regex::escape).collect();
    let (mut begun, mut whole) = (Vec::new(), Vec::new());
    for place in PLACES {
        if place.cue.is_empty() {
            whole.push((place, Regex::new(place.pattern)?));
        } else {
            begun.push((place, Regex::new(&format!("^{}", place.pattern))?));
        }
    }
    Ok(Table { cues: Regex::new(&format!("(?i-u){}", cues.join("|")))?, begun, whole })
});

/// Why the expressions cannot be used; a test sees to it that they can.
#[cfg(test)]
pub(super) fn problem() -> Option<String> {
    TABLE.as_ref().err().map(ToString::to_string)
}

/// What follows a cue is looked at so far, in bytes: the longest header.
const LONGEST: usize = 4096;
/// The same for command lines, in which an option may stand anywhere.
const COMMAND: usize = 512;

pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let Ok(table) = &*TABLE else { return };
    // Up to where each place was looked for in vain: what begins later in the same line finds nothing more.
    let mut vain = vec![0; table.begun.len()];
    for cue in table.cues.find_iter(text) {
        for ((place, pattern), vain) in table.begun.iter().zip(&mut vain) {
            if !cue.as_str().eq_ignore_ascii_case(place.cue) || cue.end() < *vain {
                continue;
            }
            let wanders = place.pattern.starts_with(r"[^\n");
            let window = shape::clip(&text[cue.end()..], if wanders { COMMAND } else { LONGEST });
            match pattern.captures(window) {
                Some(captures) => spans.extend(accept(place, cue.end(), &captures)),
                None if wanders => *vain = cue.end() + window.find('\n').unwrap_or(window.len()),
                None => {}
            }
        }
    }
    for (place, pattern) in &table.whole {
        spans.extend(pattern.captures_iter(text).filter_map(|captures| accept(place, 0, &captures)));
    }
}

fn accept(place: &Place, from: usize, captures: &Captures<'_>) -> Option<Span> {
    let secret = captures.name("s")?;
    let text = secret.as_str();
    if text.contains("[redacted") || shape::is_stand_in(text) {
        return None;
    }
    let accepted = match place.look {
        Look::Random => shape::is_random(text),
        Look::Pair => {
            let decoded = shape::decoded(text);
            let printable = decoded.iter().all(|byte| (0x20..0x7f).contains(byte) || *byte >= 0x80);
            let colon = decoded.iter().position(|byte| *byte == b':');
            printable && colon.is_some_and(|colon| colon + 4 <= decoded.len())
        }
        Look::Password => !shape::is_code(text) && (shape::is_password(text, true) || shape::is_random(text)),
        Look::Anything => !shape::is_code(text) && !is_usual(text),
    };
    accepted.then(|| Span::new(from + secret.start()..from + secret.end(), place.kind))
}

/// What manuals and tests write for a password.
fn is_usual(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let word = lower.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let words = [
        "", "password", "pass", "passwd", "pwd", "secret", "test", "user", "guest", "root", "admin",
        "postgres", "mysql", "token", "foo", "bar", "baz", "pw", "changeme", "key", "x", "demo", "dev",
        "default", "p", "hello", "world", "abc", "redis", "rabbitmq", "username",
    ];
    words.contains(&word)
        || text.starts_with(['$', '{', '<', '%', '*', '('])
        || text.contains(['{', '}', '<', '>'])
}
