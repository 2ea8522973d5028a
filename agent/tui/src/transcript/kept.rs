//! Owns how much of a foreign text the transcript keeps: all of a short one, the ends of a long one.
//! Uses bytes and line breaks.
//! Never cuts inside of a character.

use crate::context::number;

/// So much of a text is kept, in bytes: 200 lines of 80 columns. A screen shows a quarter of it; the session's log has all.
const WHOLE: usize = 16 << 10;
/// Of a longer one this much of its end, where errors stand.
const TAIL: usize = 4 << 10;
/// A line is kept up to this many bytes: ten rows of a wide screen.
const LINE: usize = 2 << 10;

/// A text as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// Its lines; those that were left out are missing.
    pub(super) text: String,
    /// How many lines were left out, and after how many lines that are kept.
    pub(super) left_out: Option<(usize, usize)>,
}

impl Kept {
    pub(super) fn of(text: &str) -> Self {
        Self::within(text, WHOLE)
    }

    /// The same for a text that is looked at as a whole more often: a diff.
    pub(super) fn mostly(text: &str) -> Self {
        Self::within(text, WHOLE * 8)
    }

    fn within(text: &str, limit: usize) -> Self {
        let text = text.trim_end_matches(['\n', '\r', ' ']);
        if text.len() <= limit && text.len() <= LINE {
            return Self { text: text.to_owned(), left_out: None };
        }
        let tail = TAIL.min(limit / 4);
        let lines: Vec<&str> = text.split('\n').collect();
        let cost = |line: &str| line.len().min(LINE) + 1;
        let mut used = 0;
        let head = lines
            .iter()
            .take_while(|line| {
                used += cost(line);
                used <= limit - tail
            })
            .count()
            .max(1);
        used = 0;
        let end = lines[head.min(lines.len())..]
            .iter()
            .rev()
            .take_while(|line| {
                used += cost(line);
                used <= tail
            })
            .count();
        let out = lines.len() - head - end;
        let mut kept = String::new();
        for (number, line) in lines[..head].iter().chain(&lines[lines.len() - end..]).enumerate() {
            if number > 0 {
                kept.push('\n');
            }
            shorten(&mut kept, line);
        }
        Self { text: kept, left_out: (out > 0).then_some((out, head)) }
    }

    /// Keep no more than so many bytes.
    pub(super) fn shrink(&mut self, limit: usize) {
        if self.text.len() > limit {
            let before = self.left_out.map_or(0, |(out, _)| out);
            let shorter = Self::within(&self.text, limit);
            let (out, after) = shorter.left_out.unwrap_or((0, usize::MAX));
            *self = Self { text: shorter.text, left_out: Some((out + before, after)) };
        }
    }

    /// How many of its lines come after the first ones of those that are kept, where what was left out before is told.
    pub(super) fn beyond(&self, shown: usize) -> usize {
        let told = self.left_out.filter(|(_, after)| *after < shown).map_or(0, |(out, _)| out);
        self.lines().saturating_sub(shown + told)
    }

    /// Lines in all, those that were left out too.
    pub(super) fn lines(&self) -> usize {
        let kept = if self.text.is_empty() { 0 } else { self.text.split('\n').count() };
        kept + self.left_out.map_or(0, |(out, _)| out)
    }
}

fn shorten(out: &mut String, line: &str) {
    if line.len() <= LINE {
        return out.push_str(line);
    }
    let mut end = LINE;
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    out.push_str(&line[..end]);
    out.push_str(&format!("… {} more characters", number(line[end..].chars().count())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_keeps_its_ends() {
        let many: String = (1..=10_000).map(|number| format!("line {number}\n")).collect();
        let kept = Kept::of(&many);
        assert!(kept.text.len() <= WHOLE);
        assert!(kept.text.starts_with("line 1\nline 2\n") && kept.text.ends_with("\nline 10000"));
        assert_eq!(kept.lines(), 10_000);
        let (out, after) = kept.left_out.expect("it is long");
        assert_eq!(kept.text.split('\n').nth(after), Some(format!("line {}", after + out + 1).as_str()));
        let mut less = kept;
        less.shrink(500);
        assert!(less.text.len() <= 500);
        assert_eq!(less.lines(), 10_000);
    }

    #[test]
    fn a_long_line_is_cut() {
        let kept = Kept::of(&"ä".repeat(1 << 20));
        assert!(kept.text.len() < LINE + 40);
        assert!(kept.text.ends_with("… 1,047,552 more characters"), "{}", &kept.text[LINE - 10..]);
        assert_eq!(kept.lines(), 1);
    }

    #[test]
    fn a_short_text_is_kept() {
        let check = |text: &str, lines: usize| {
            let kept = Kept::of(text);
            assert_eq!((kept.left_out, kept.lines()), (None, lines), "{text:?}");
        };
        check("", 0);
        check("one\n", 1);
        check("one\n\nthree", 3);
    }
}
