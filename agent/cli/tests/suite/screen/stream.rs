//! Owns what may be written to a terminal: a list of sequences, and that each mode is taken back.
//! Uses the bytes of a whole run.
//! Never trusts a terminal in memory with it: that one forgives.

use std::collections::BTreeMap;

/// The modes that we set, and whether they are set in a terminal that nobody has touched.
const MODES: [(&str, bool); 8] = [
    ("25", true),
    ("1000", false),
    ("1002", false),
    ("1004", false),
    ("1006", false),
    ("1049", false),
    ("2004", false),
    ("2026", false),
];

/// What is wrong with a run: sequences that are not ours, control characters, modes that are not as they were.
pub(super) fn faults(bytes: &[u8]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut modes: BTreeMap<&str, bool> = MODES.into_iter().collect();
    let (mut keyboards, mut coloured) = (0, false);
    let text = String::from_utf8_lossy(bytes);
    if matches!(text, std::borrow::Cow::Owned(_)) {
        faults.push("not UTF-8".to_owned());
    }
    let mut rest = text.as_ref();
    while let Some(character) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("\x1b[") {
            let Some(end) = after.find(|character: char| ('\x40'..='\x7e').contains(&character)) else {
                faults.push(format!("cut off: {after:?}"));
                break;
            };
            let (body, last) = (&after[..end], &after[end..=end]);
            rest = &after[end + 1..];
            let numbers = body.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b';' | b':'));
            match (body, last) {
                (_, "m") if numbers => coloured = !matches!(body, "" | "0"),
                (_, "H") if numbers => {}
                ("2", "J") => {}
                (">1", "u") => keyboards += 1,
                ("<1", "u") => keyboards -= 1,
                (_, "h" | "l") => match body.strip_prefix('?').and_then(|name| modes.get_mut(name)) {
                    Some(mode) => *mode = last == "h",
                    None => faults.push(format!("foreign mode: {body}{last}")),
                },
                _ => faults.push(format!("foreign sequence: CSI {body}{last}")),
            }
        } else if let Some(after) = rest.strip_prefix("\x1b]") {
            let end = after.find(['\x07', '\x1b']).unwrap_or(after.len());
            let body = &after[..end];
            if !["52;c;", "9;", "777;notify;"].iter().any(|known| body.starts_with(known)) {
                faults.push(format!("foreign sequence: OSC {body}"));
            }
            rest = after[end..].strip_prefix("\x1b\\").or(after[end..].strip_prefix('\x07')).unwrap_or("");
        } else {
            if character.is_control() && !matches!(character, '\r' | '\n') {
                let near: String = rest.chars().take(12).collect();
                faults.push(format!("control character: {near:?}"));
            }
            rest = &rest[character.len_utf8()..];
        }
    }
    for (name, expect) in MODES {
        if modes[name] != expect {
            faults.push(format!("mode {name} is not taken back"));
        }
    }
    if keyboards != 0 {
        faults.push(format!("the stack of the keyboard stands at {keyboards}"));
    }
    if coloured {
        faults.push("colours are left on".to_owned());
    }
    faults
}

#[test]
fn whatever_is_not_ours_or_not_taken_back_is_found() {
    let whole = "\x1b[?1049h\x1b[>1u\x1b[?2004h\x1b[?25l\x1b[?2026h\x1b[1;1H\x1b[38;5;6mhi é 漢\x1b[0m\x1b[?2026l\
                 \x1b]52;c;aGk=\x07\x1b[?25h\x1b[?2004l\x1b[<1u\x1b[?1049lbye\r\n";
    assert_eq!(faults(whole.as_bytes()), Vec::<String>::new());
    let check = |bytes: &[u8], expect: &str| {
        let faults = faults(bytes);
        assert!(faults.len() == 1 && faults[0].contains(expect), "{expect}: {faults:?}");
    };
    // Without one of the sequences that take something back, each.
    for sequence in ["\x1b[?25h", "\x1b[?2004l", "\x1b[<1u", "\x1b[?1049l", "\x1b[?2026l", "\x1b[0m"] {
        let without = whole.replace(sequence, "");
        assert_eq!(faults(without.as_bytes()).len(), 1, "{sequence:?}");
    }
    // With something that is not ours.
    for foreign in ["\x1b]0;evil\x07", "\x1b[2K", "\x1b[3J", "\x1bc", "\x1b[?47h", "\x1b[6n", "\x1b[>4;2m"] {
        let with = whole.replace("hi", foreign);
        assert_eq!(faults(with.as_bytes()).len(), 1, "{foreign:?}");
    }
    check(b"\x07", "control");
    check("\u{9b}31m".as_bytes(), "control");
    check(b"\xff", "UTF-8");
    check(b"\x1b[12", "cut off");
}
