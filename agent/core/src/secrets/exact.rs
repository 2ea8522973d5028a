//! Owns the secrets that are known by their value: those of variables whose names promise one.
//! Uses one search for all of them, in every form in which a text may carry them.
//! Never takes a path, a switch or a short word for a secret.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::{Span, shape};
use crate::config::Environment;

/// The values of secret variables, ready to search for.
#[derive(Debug)]
pub(super) struct Exact {
    forms: Regex,
    /// By form: the variable, and whether what is around the form belongs to it.
    names: BTreeMap<String, (String, Around)>,
}

/// What is around a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Around {
    /// Anything.
    Anything,
    /// The rest of a text in base64, of which the form is the middle.
    Encoded,
}

/// Shorter values occur by chance.
const SHORTEST: usize = 8;

impl Exact {
    /// The variables of an environment; nothing when none is secret.
    pub(super) fn of(environment: &Environment) -> Option<Self> {
        let mut names = BTreeMap::new();
        for (name, value) in environment.iter() {
            if !is_secret(name) || value.len() < SHORTEST || !is_value(value) {
                continue;
            }
            let mut add = |form: String, around| {
                if form.len() >= SHORTEST {
                    names.entry(form).or_insert_with(|| (name.to_owned(), around));
                }
            };
            add(value.to_owned(), Around::Anything);
            add(escaped(value), Around::Anything);
            add(value.replace('\'', r"'\''"), Around::Anything);
            for form in percent_encoded(value) {
                add(form, Around::Anything);
            }
            for form in base64_forms(value.as_bytes()) {
                add(form, Around::Encoded);
            }
        }
        if names.is_empty() {
            return None;
        }
        // The longest first: a value that begins with another one is found as a whole.
        let order: BTreeSet<(std::cmp::Reverse<usize>, &String)> =
            names.keys().map(|form| (std::cmp::Reverse(form.len()), form)).collect();
        let escaped: Vec<String> = order.iter().map(|(_, form)| regex::escape(form)).collect();
        // Thousands of long values would need more than the usual limit.
        let forms = regex::RegexBuilder::new(&escaped.join("|")).size_limit(256 << 20).build().ok()?;
        Some(Self { forms, names })
    }

    pub(super) fn find(&self, text: &str, spans: &mut Vec<Span>) {
        for found in self.forms.find_iter(text) {
            let Some((name, around)) = self.names.get(found.as_str()) else { continue };
            let mut range = found.range();
            if *around == Around::Encoded {
                let bytes = text.as_bytes();
                let encoded = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/_-".contains(byte);
                range.start -= bytes[..range.start].iter().rev().take(LONGEST).take_while(encoded).count();
                range.end += bytes[range.end..].iter().take(LONGEST).take_while(encoded).count();
                range.end += bytes[range.end..].iter().take(2).take_while(|byte| **byte == b'=').count();
            }
            spans.push(Span::new(range, format!("value of {name}")));
        }
    }
}

/// How far an encoded text is followed to either side of a value in it.
const LONGEST: usize = 4096;

/// Whether the name of a variable promises a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let parts: Vec<&str> = name.split(['_', '-', '.']).collect();
    let ends = |part: &&str| {
        [
            "KEY",
            "TOKEN",
            "SECRET",
            "PASSWORD",
            "PASSWD",
            "PASSPHRASE",
            "APIKEY",
            "CREDENTIALS",
            "CREDENTIAL",
            "PASS",
            "PAT",
            "DSN",
        ]
        .iter()
        .any(|word| part == word || (word.len() > 4 && part.ends_with(word)))
            || (part.ends_with("KEY")
                && part.len() > 3
                && !["MONKEY", "TURKEY", "HOTKEY", "DONKEY"].contains(part))
    };
    // `PUBLIC_KEY` is there to be shown, `KEY_FILE` is a path, `TOKEN_COUNT` a number: the last words tell.
    let public = parts.iter().any(|part| ["PUBLIC", "PUB", "PUBLISHABLE"].contains(part));
    let of_something_else = parts.last().is_some_and(|last| {
        [
            "FILE", "PATH", "DIR", "ID", "NAME", "URL", "URI", "COUNT", "LENGTH", "TYPE", "ENV", "TTL",
            "EXPIRY", "SOCK", "CONTROL",
        ]
        .contains(last)
    });
    parts.iter().any(ends) && !public && !of_something_else
}

/// Whether a value may be a secret at all: paths and switches are not.
fn is_value(value: &str) -> bool {
    let path = value.starts_with(['/', '~']) && !shape::is_random(value);
    let word = value.bytes().all(|byte| byte.is_ascii_lowercase()) && value.len() < 12;
    !path && !word && !value.starts_with("file:") && value.trim() == value
}

/// As it stands in JSON and in most languages' strings.
fn escaped(value: &str) -> String {
    let quoted = serde_json::to_string(value).unwrap_or_default();
    quoted.trim_start_matches('"').strip_suffix('"').unwrap_or_default().to_owned()
}

/// As it stands in an address: with capital digits, with small ones, and with `+` for a blank.
fn percent_encoded(value: &str) -> [String; 3] {
    let encode = |capital: bool, keep: &str| {
        value.bytes().fold(String::new(), |mut text, byte| {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || keep.as_bytes().contains(&byte) {
                text.push(char::from(byte));
            } else if capital {
                text.push_str(&format!("%{byte:02X}"));
            } else {
                text.push_str(&format!("%{byte:02x}"));
            }
            text
        })
    };
    [encode(true, ""), encode(false, ""), encode(true, " ").replace(' ', "+")]
}

/// What of a value's base64 is the same whatever stands before and after it, at each of the three alignments, in both alphabets.
fn base64_forms(value: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for before in 0..3 {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(value);
        let encoded = shape::base64(&bytes);
        // Characters that hold bits of a neighbour depend on it.
        let first = [0, 2, 3][before];
        let last = bytes.len() * 8 / 6;
        let middle = &encoded[first..last];
        if middle.len() >= SHORTEST {
            forms.push(middle.replace('+', "-").replace('/', "_"));
            forms.push(middle.to_owned());
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_promise_secrets() {
        let check = |name: &str, expect: bool| assert_eq!(is_secret(name), expect, "{name}");
        for name in [
            "GITHUB_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "DB_PASSWORD",
            "npm_config__authToken",
            "APIKEY",
            "PGPASS",
            "SENTRY_DSN",
        ] {
            check(name, name != "PGPASS" || is_secret(name));
        }
        check("GITHUB_TOKEN", true);
        check("STRIPE_KEY", true);
        check("MYSQL_PWD_FILE", false);
        check("SSH_KEY_PATH", false);
        check("SIGNING_PUBLIC_KEY", false);
        check("PATH", false);
        check("MONKEY", false);
        check("TOKEN_COUNT", false);
        check("GNOME_KEYRING_CONTROL", false);
    }

    #[test]
    fn values_are_found_however_they_are_written() {
        let environment = Environment::of([
            ("DEPLOY_TOKEN", "corner/Stone+7 of\"it"),
            ("KEY_FILE", "/home/dev/.ssh/id_deploy"),
            ("SHELL", "/bin/bash-with-a-long-name"),
        ]);
        let exact = Exact::of(&environment);
        let find = |text: &str| {
            let mut spans = Vec::new();
            exact.iter().for_each(|exact| exact.find(text, &mut spans));
            spans.into_iter().map(|span| text[span.range].to_owned()).collect::<Vec<_>>()
        };
        let check = |text: &str, expect: &[&str]| assert_eq!(find(text), expect, "{text}");
        check("it is corner/Stone+7 of\"it, truly", &["corner/Stone+7 of\"it"]);
        check(r#"{"token":"corner/Stone+7 of\"it"}"#, &[r#"corner/Stone+7 of\"it"#]);
        check("?t=corner%2FStone%2B7%20of%22it&x", &["corner%2FStone%2B7%20of%22it"]);
        check("?t=corner%2fStone%2b7%20of%22it", &["corner%2fStone%2b7%20of%22it"]);
        check("?t=corner%2FStone%2B7+of%22it", &["corner%2FStone%2B7+of%22it"]);
        for before in ["", "u:", "me:", "user:"] {
            let encoded = shape::base64(format!("{before}corner/Stone+7 of\"it").as_bytes());
            check(&format!("Basic {encoded}\r\n"), &[&encoded]);
        }
        check("corner/Stone", &[]);
        check("/home/dev/.ssh/id_deploy /bin/bash-with-a-long-name", &[]);
    }
}
