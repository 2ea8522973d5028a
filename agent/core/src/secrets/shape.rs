//! Owns what a value looks like: drawn at random, made up as an example, written by hand, or code.
//! Uses the characters alone.
//! Never knows what the value is called.

/// The pairs of letters that 93 in 100 pairs of the words in this repository's sources and documents are, a first letter and
/// all that follow it; of pairs drawn at random 35 in 100 are.
const PAIRS: &[&str] = &[
    "aabcdgiklmnprstuvy",
    "baeilorsu",
    "caehiklortu",
    "dadeilorsu",
    "eacdefgilmnprstvwx",
    "faefilortu",
    "gaehinrsu",
    "haeiortu",
    "iabcdefglmnoprstvxz",
    "keis",
    "ladeilostuy",
    "mabeimopsu",
    "nacdefgiklnopstuv",
    "oabcdfgiklmnoprstuvw",
    "paehiloprstu",
    "qu",
    "racdegikmnorstuvy",
    "sacehiklopstuwy",
    "tacehilorstuy",
    "uabceilmnprst",
    "vaei",
    "waehinor",
    "xept",
    "ze",
];

/// Words that stand where a secret will be, or that tests and manuals use for one.
const STAND_INS: &[&str] = &[
    "example",
    "sample",
    "dummy",
    "placeholder",
    "changeme",
    "change_me",
    "change-me",
    "replaceme",
    "replace_me",
    "replace-me",
    "redacted",
    "your_",
    "your-",
    "yourapi",
    "yourtoken",
    "yourpass",
    "yoursecret",
    "insert_",
    "insert-",
    "xxxx",
    "****",
    "....",
    "____",
    "todo",
    "fixme",
    "not-a-real",
    "notreal",
    "not_real",
    "fake",
    "mock",
    "lorem",
    "<secret",
    "deadbeef",
    "foobar",
    "abcdefgh",
    "12345678",
    "s3cr3t",
    "hunter2",
    "mysecret",
    "my_secret",
    "my-secret",
    "mypass",
    "my_pass",
    "my-pass",
    "mytoken",
    "my-token",
    "my_token",
    "my-api",
    "my_api",
    "myapikey",
    "some-",
    "some_",
    "secret-value",
    "secretvalue",
    "-here",
    "_here",
    "invalid",
    "wrong",
    "unused",
    "the-",
    "the_",
    "a-very-",
    "super-secret",
    "supersecret",
    "super_secret",
    "topsecret",
    "top-secret",
    "top_secret",
];

/// At most so many bytes, cut between characters.
pub(super) fn clip(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

/// What stands in the line before a place, at most so many bytes of it: a text may be one line.
pub(super) fn line_before(text: &str, place: usize, most: usize) -> &str {
    let start = (place.saturating_sub(most)..=place).find(|start| text.is_char_boundary(*start));
    let before = &text[start.unwrap_or(place)..place];
    before.rsplit('\n').next().unwrap_or_default()
}

/// Whether a byte occurs in tokens.
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// Whether a token was written by hand to look like one: few characters again and again, or in the order of the alphabet,
/// or with a word that says so.
pub(super) fn is_example(token: &str) -> bool {
    let bytes = token.as_bytes();
    let mut seen = [false; 256];
    bytes.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    let distinct = seen.iter().filter(|seen| **seen).count();
    if distinct < 6 {
        return true;
    }
    let pairs = bytes.len().max(2) - 1;
    let orderly =
        bytes.windows(2).filter(|pair| pair[0] == pair[1] || pair[0].wrapping_add(1) == pair[1]).count();
    // Of random base62, 3 in 100 pairs are; of `abcdef0123456789` all but one.
    if orderly * 2 > pairs {
        return true;
    }
    let lower = token.to_ascii_lowercase();
    [
        "example",
        "xxxxxx",
        "placeholder",
        "replaceme",
        "changeme",
        "your_",
        "your-",
        "yourtoken",
        "dummy",
        "redacted",
    ]
    .iter()
    .any(|word| lower.contains(word))
}

/// Whether a value stands in for a secret, or takes it from somewhere else.
pub(super) fn is_stand_in(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    is_example(value) && value.len() >= 8 && !lower.bytes().any(|byte| b"!@#%^&".contains(&byte))
        || STAND_INS.iter().any(|word| lower.contains(word))
}

/// Whether a value comes out of a generator: base62, base64, hexadecimal, long enough and without the habits of words.
pub(super) fn is_random(value: &str) -> bool {
    let value = value.trim_end_matches('=');
    let bytes = value.as_bytes();
    if bytes.len() < 16 || bytes.len() > 4096 || !value.is_ascii() {
        return false;
    }
    let count = |kind: fn(&u8) -> bool| bytes.iter().filter(|byte| kind(byte)).count();
    let (digits, letters) = (count(u8::is_ascii_digit), count(u8::is_ascii_alphabetic));
    // Letters and digits make up the most of it.
    if (digits + letters) * 10 < bytes.len() * 7 || letters == 0 || is_example(value) {
        return false;
    }
    let distinct = bytes.iter().fold([false; 256], |mut seen, byte| {
        seen[usize::from(*byte)] = true;
        seen
    });
    let distinct = distinct.iter().filter(|seen| **seen).count();
    // 16 digits drawn from hexadecimal ones have 10.3 different ones on average, and fewer than 6 once in 10,000 times.
    if distinct < 6 + bytes.len().min(64) / 16 {
        return false;
    }
    let hexadecimal = bytes.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    if hexadecimal {
        return digits * 10 >= bytes.len() * 2 && letters * 10 >= bytes.len();
    }
    let changes = changes(bytes);
    let rare = rare_pairs(bytes);
    match rare {
        // Hardly any letters stand side by side: digits between them all.
        None => changes >= 0.3,
        Some(rare) => {
            (changes >= 0.2 && rare >= 0.2)
                || (changes >= 0.1 && rare >= 0.35)
                || (rare >= 0.45 && letters >= 16)
                || changes >= 0.42
        }
    }
}

/// How often small letters, capitals and digits give way to one another, humps of identifiers left out; of 1.
fn changes(bytes: &[u8]) -> f64 {
    #[derive(PartialEq)]
    enum Class {
        Small,
        Capital,
        Digit,
    }
    let class = |byte: u8| match byte {
        b'a'..=b'z' => Some(Class::Small),
        b'A'..=b'Z' => Some(Class::Capital),
        b'0'..=b'9' => Some(Class::Digit),
        _ => None,
    };
    let changes = bytes
        .windows(2)
        .filter(|pair| match (class(pair[0]), class(pair[1])) {
            (Some(Class::Capital), Some(Class::Small)) => false,
            (Some(one), Some(two)) => one != two,
            _ => false,
        })
        .count();
    changes as f64 / bytes.len() as f64
}

/// How many pairs of letters are none of words; of 1. Nothing where there are too few pairs to tell.
fn rare_pairs(bytes: &[u8]) -> Option<f64> {
    let (mut pairs, mut rare) = (0, 0);
    for pair in bytes.windows(2) {
        // A capital begins a word, unless capitals are all there is.
        let joined = pair[0].is_ascii_alphabetic()
            && pair[1].is_ascii_alphabetic()
            && !(pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
        if !joined {
            continue;
        }
        let (first, second) = (pair[0].to_ascii_lowercase(), pair[1].to_ascii_lowercase());
        pairs += 1;
        let common = PAIRS
            .iter()
            .find(|row| row.as_bytes()[0] == first)
            .is_some_and(|row| row.as_bytes()[1..].contains(&second));
        rare += usize::from(!common);
    }
    (pairs >= 4).then(|| f64::from(u32::try_from(rare).unwrap_or(u32::MAX)) / f64::from(pairs))
}

/// Whether somebody may have chosen this for a password: no word, no sentence, no expression of a program.
pub(super) fn is_password(value: &str, quoted: bool) -> bool {
    let length = value.chars().count();
    if !(8..=128).contains(&length) || value.contains(char::is_whitespace) {
        return false;
    }
    let count = |kind: fn(&char) -> bool| value.chars().filter(&kind).count();
    let (digits, small, capital) =
        (count(char::is_ascii_digit), count(char::is_ascii_lowercase), count(char::is_ascii_uppercase));
    let joints = value.chars().filter(|letter| "-_.:/".contains(*letter)).count();
    let marks = length - digits - small - capital - joints;
    if small + capital == 0 {
        return false;
    }
    let hump = capital > 0 && small > 0;
    let kinds = usize::from(digits > 0) + usize::from(hump) + usize::from(marks > 0);
    if kinds >= 2 && (quoted || marks > 0 || digits >= 2) && !is_code(value) {
        return true;
    }
    if is_noise(value) && !is_code(value) {
        return true;
    }
    // Words in a row make a password as well.
    let words: Vec<&str> = value.split(['-', '_', '.', ' ']).collect();
    if words.len() >= 4
        && words.iter().all(|word| word.len() >= 3 && word.bytes().all(|byte| byte.is_ascii_lowercase()))
    {
        return value.contains('-') && length >= 20 && quoted;
    }
    // Small letters with digits or marks among them, such as `k7mq2vzx9d`.
    (digits >= 2 || marks >= 1) && small + capital >= 2 && !is_code(value) && !ends_in_number(value)
}

/// Letters, capitals and digits without the habits of words, in a text too short to be sure without a name beside it.
pub(super) fn is_noise(value: &str) -> bool {
    let bytes = value.as_bytes();
    let rare = rare_pairs(bytes);
    bytes.len() >= 10
        && value.is_ascii()
        && match changes(bytes) {
            0.3.. => true,
            0.2.. => rare.is_none_or(|rare| rare >= 0.2),
            0.1.. => rare.is_some_and(|rare| rare >= 0.35),
            _ => rare.is_some_and(|rare| rare >= 0.45),
        }
}

/// A word and a number: `version2`, `test123`, `sha256`.
fn ends_in_number(value: &str) -> bool {
    let word = value.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let word = word.trim_end_matches(['-', '_']);
    !word.is_empty()
        && word.len() < value.len()
        && word.bytes().all(|byte| byte.is_ascii_alphabetic() || b"-_.:/".contains(&byte))
}

/// Whether a value is something that a program works out, rather than the secret itself.
pub(super) fn is_code(value: &str) -> bool {
    let bytes = value.as_bytes();
    let templates = [
        "${", "{{", "<%", "$(", "%(", "#{", "::", "->", "=>", "()", "[]", "&&", "||", "\\(", "%{", "{}",
        "{0}", "$$", ");", "({", "](", "://",
    ];
    if templates.iter().any(|mark| value.contains(mark)) {
        return true;
    }
    if let Some(first) = bytes.first()
        && matches!(
            first,
            b'$' | b'<' | b'{' | b'[' | b'(' | b'%' | b'&' | b'*' | b'@' | b'`' | b'|' | b'!' | b'+'
        )
        && (bytes.len() == 1
            || bytes
                .get(1)
                .is_some_and(|second| second.is_ascii_alphabetic() || b"_({[<\"'%!".contains(second)))
    {
        // `<token>`, `$TOKEN`, `%TOKEN%`, `@token`, `*token`
        let body = &value[1..];
        let body = body.trim_end_matches(['>', '}', ']', ')', '%', '[', '*', '+']);
        if body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-. :/".contains(&byte))
            && !is_noise(body)
        {
            return true;
        }
    }
    // A call, an index, a field of something.
    let called = value.find(['(', '[', '{']).is_some_and(|open| {
        open > 0 && value[..open].bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:>-".contains(&byte))
    });
    let parts: Vec<&str> = value.split('.').collect();
    let dotted = parts.len() > 1
        && parts.iter().all(|part| {
            let part = part.trim_end_matches(['?', '!']);
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                && part.bytes().next().is_some_and(|first| !first.is_ascii_digit())
        })
        && !parts.iter().any(|part| is_random(part));
    called || dotted
}

/// Whether a value is a path, an address or the name of a file rather than a secret.
pub(super) fn is_place(value: &str) -> bool {
    let rooted = value.starts_with(['/', '~'])
        || value.starts_with("./")
        || value.starts_with("../")
        || value.contains("://");
    let words = value.split(['/', '\\']).filter(|part| part.len() > 2 && !is_random(part)).count();
    rooted && words > 0 && !is_random(value.trim_start_matches('/')) || words > 2 || value.contains("://")
}

/// Base64 in the usual alphabet, padded.
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let joined =
            chunk.iter().fold(0_u32, |all, byte| all << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = ALPHABET[(joined >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

/// What base64 in the usual alphabet stands for, up to the first byte that is none.
pub(super) fn decoded(text: &str) -> Vec<u8> {
    let (mut bytes, mut joined, mut bits) = (Vec::with_capacity(text.len() * 3 / 4), 0_u32, 0);
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => break,
        };
        joined = joined << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((joined >> bits) as u8);
            joined &= (1 << bits) - 1;
        }
    }
    bytes
}
