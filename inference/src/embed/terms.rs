//! Owns how a text becomes the terms of the static table: parts of identifiers, in lower case, lightly stemmed.
//! Uses nothing; `inference/embed/terms.py` does the same, and a test compares the two.
//! Never sees the vocabulary.

/// Longer pieces are hashes or base64.
const LONGEST: usize = 24;

/// Hand each term of a text to `take`, in order. One letter says nothing, nor does a number.
pub(super) fn terms(text: &str, take: &mut dyn FnMut(&str)) {
    let bytes = text.as_bytes();
    let (mut at, mut word) = (0, String::new());
    while let Some(byte) = bytes.get(at) {
        if !byte.is_ascii_alphabetic() {
            at += 1;
            continue;
        }
        let length = piece(&bytes[at..]);
        if (2..=LONGEST).contains(&length) {
            word.clear();
            word.push_str(&text[at..at + length]);
            word.make_ascii_lowercase();
            stem(&mut word);
            take(&word);
        }
        at += length;
    }
}

/// The length of the piece at the start of some letters: `HTTPServer` is `HTTP` and `Server`.
fn piece(bytes: &[u8]) -> usize {
    let capitals = bytes.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let small = bytes[capitals..].iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    match (capitals, small) {
        (_, 0) => capitals,
        (0 | 1, _) => capitals + small,
        // The last capital begins the next piece.
        _ => capitals - 1,
    }
}

/// Plural, -ing, -ed and a final e: `caching`, `cached`, `caches` and `cache` meet.
fn stem(word: &mut String) {
    if word.len() < 4 {
        return;
    }
    if word.ends_with("ies") && word.len() > 4 {
        word.truncate(word.len() - 3);
        word.push('y');
        return;
    }
    if word.ends_with("sses") {
        word.truncate(word.len() - 2);
        return;
    }
    if word.ends_with('s') && !["ss", "us", "is"].iter().any(|ending| word.ends_with(ending)) {
        word.truncate(word.len() - 1);
    }
    for ending in ["ing", "ed"] {
        let Some(rest) = word.strip_suffix(ending) else { continue };
        if rest.len() < 3 || !rest.bytes().any(|byte| b"aeiouy".contains(&byte)) {
            continue;
        }
        word.truncate(word.len() - ending.len());
        if let [.., before, last] = word.as_bytes()
            && word.len() > 3
            && before == last
            && !b"lsdeo".contains(last)
        {
            word.truncate(word.len() - 1);
        }
        break;
    }
    if word.len() >= 5 && word.ends_with('e') {
        word.truncate(word.len() - 1);
    }
}
