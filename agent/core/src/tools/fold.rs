//! Owns how results are made short: briefs, lists, heads and tails.
//! Uses nothing.
//! Never drops anything without saying so.

/// The longest brief, in characters; see `docs/design/001-tools.md`.
pub(crate) const BRIEF: usize = 200;

/// `head` and as many of `items` as fit a brief, with `; ` between them and `…` for what is left out.
pub(crate) fn brief_list(head: &str, items: impl IntoIterator<Item = String>) -> String {
    let mut brief = clip(head, BRIEF);
    let mut length = brief.chars().count();
    let mut separator = ": ";
    let mut items = items.into_iter().peekable();
    while let Some(item) = items.next() {
        let reserve = if items.peek().is_some() { "; …".chars().count() } else { 0 };
        let needed = separator.len() + item.chars().count();
        if length + needed + reserve > BRIEF {
            if length + separator.len() < BRIEF {
                brief.push_str(separator);
                brief.push('…');
            }
            break;
        }
        brief.push_str(separator);
        brief.push_str(&item);
        length += needed;
        separator = "; ";
    }
    brief
}

/// At most `limit` characters, with `…` for the rest.
pub(crate) fn clip(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
}

/// One line: blanks, tabs and line breaks become single blanks.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `1 file`, `2 files`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    match (number, noun) {
        (1, _) => format!("1 {noun}"),
        (_, "match") => format!("{number} matches"),
        _ => format!("{number} {noun}s"),
    }
}

/// The first `head` and the last `tail` lines, with a note of how many are left out.
pub(crate) fn head_and_tail(text: &str, head: usize, tail: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() <= head + tail + 1 {
        return text.trim_end().to_owned();
    }
    let left_out = lines.len() - head - tail;
    let mut folded: Vec<String> = lines[..head].iter().map(ToString::to_string).collect();
    folded.push(format!("… {} left out …", count(left_out, "line")));
    folded.extend(lines[lines.len() - tail..].iter().map(ToString::to_string));
    folded.join("\n")
}

/// Text without terminal escapes and control characters; a carriage return starts its line again, as on a screen.
pub(crate) fn plain(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut line_start = 0;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => skip_escape(&mut characters),
            '\n' => {
                result.push('\n');
                line_start = result.len();
            }
            '\r' if characters.peek() == Some(&'\n') => {}
            '\r' => result.truncate(line_start),
            '\u{8}' => {
                if result.len() > line_start {
                    result.pop();
                }
            }
            '\t' => result.push('\t'),
            other if other.is_control() => {}
            other => result.push(other),
        }
    }
    result
}

fn skip_escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match characters.next() {
        // CSI ends with a byte in @..~.
        Some('[') => while characters.next().is_some_and(|next| !('@'..='~').contains(&next)) {},
        // OSC ends with BEL or ESC \.
        Some(']') => {
            while let Some(next) = characters.next() {
                if next == '\u{7}' {
                    break;
                }
                if next == '\u{1b}' {
                    characters.next();
                    break;
                }
            }
        }
        Some('(' | ')' | '#') => {
            characters.next();
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn briefs_never_pass_their_limit() {
        let items = |number: usize, length: usize| (0..number).map(move |_| "x".repeat(length));
        assert_eq!(brief_list("2 files", ["a".into(), "b".into()]), "2 files: a; b");
        assert_eq!(brief_list("no files", []), "no files");
        for number in 0..60 {
            for length in [1, 7, 40, 190, 300] {
                let brief = brief_list("head", items(number, length));
                assert!(brief.chars().count() <= BRIEF, "{number} × {length}: {brief}");
                let whole = brief.matches('x').count() == number * length;
                assert_eq!(whole, !brief.ends_with('…'), "{number} × {length}: {brief}");
            }
        }
    }

    #[test]
    fn folding_says_what_it_left_out() {
        let text = (1..=9).map(|number| format!("{number}\n")).collect::<String>();
        assert_eq!(head_and_tail(&text, 2, 1), "1\n2\n… 6 lines left out …\n9");
        assert_eq!(head_and_tail(&text, 6, 2), text.trim_end());
        assert_eq!(head_and_tail("", 1, 1), "");
    }

    #[test]
    fn escapes_vanish() {
        let check = |text: &str, expect: &str| assert_eq!(plain(text), expect);
        check("\u{1b}[1;31mred\u{1b}[0m", "red");
        check("\u{1b}]0;title\u{7}x\u{1b}]8;;u\u{1b}\\y", "xy");
        check("10%\r20%\r\ndone\r\n", "20%\ndone\n");
        check("ab\u{8}c\td\0", "ac\td");
        check("\u{1b}[", "");
    }
}
