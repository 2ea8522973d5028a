//! Owns how a long text is shown in part: its head, its tail, and a handle for what is between.
//! Uses the bytes that a [`Fold`] allows.
//! Never cuts inside a character, nor inside a line where one ends near by.

use crate::session::log::Fold;

/// A note is longer than what it would save below this.
const SLACK: usize = 120;

/// Head and tail of a text with a note between them, or the text itself where that is hardly longer. `handle` is what
/// `recall` takes; without one the note names none.
#[must_use]
pub fn fold(text: &str, fold: Fold, handle: Option<&str>) -> String {
    let Some((start, end)) = cut(text, fold) else { return text.into() };
    let lines = |part: &str| part.bytes().filter(|byte| *byte == b'\n').count();
    let (first, between) = (lines(&text[..start]) + 1, lines(&text[start..end]));
    let head = text[..start].trim_end_matches('\n');
    let left_out = match (handle, between) {
        (None, _) => format!("{} bytes are left out here", end - start),
        (Some(handle), 0) => format!("{} bytes are left out here; recall {handle} shows them", end - start),
        (Some(handle), _) => {
            format!(
                "{between} lines are left out here; recall {handle}:{first}-{} shows them",
                first + between
            )
        }
    };
    format!("{head}\n[{left_out}]\n{}", &text[end..])
}

/// Whether it would be folded.
#[must_use]
pub fn folds(text: &str, fold: Fold) -> bool {
    text.len() > fold.head.saturating_add(fold.tail).saturating_add(SLACK)
}

/// The lines, from 1, that a fold leaves out in whole or in part; `None` where nothing folds.
#[must_use]
pub fn left_out(text: &str, fold: Fold) -> Option<std::ops::Range<usize>> {
    let (start, end) = cut(text, fold)?;
    let lines = |part: &str| part.bytes().filter(|byte| *byte == b'\n').count();
    let first = lines(&text[..start]) + 1;
    Some(first..first + lines(&text[start..end]).max(1))
}

/// Where head ends and tail begins.
fn cut(text: &str, fold: Fold) -> Option<(usize, usize)> {
    if !folds(text, fold) {
        return None;
    }
    let mut start = text.floor_char_boundary(fold.head);
    if let Some(line) = text[..start].rfind('\n').filter(|line| *line > fold.head / 2) {
        start = line + 1;
    }
    let mut end = text.ceil_char_boundary(text.len() - fold.tail);
    if let Some(line) = text[end..].find('\n').filter(|line| *line < fold.tail / 2) {
        end += line + 1;
    }
    Some((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_and_tail_end_at_lines() {
        let text: String = (0..200).map(|number| format!("line {number} ä\n")).collect();
        let folded = fold(&text, Fold { head: 100, tail: 60 }, Some("r7"));
        assert!(folded.starts_with("line 0 ä\nline 1") && folded.ends_with("line 199 ä\n"), "{folded}");
        let kept: Vec<&str> = folded.lines().filter(|line| line.starts_with("line")).collect();
        let head = kept.iter().position(|line| *line == "line 199 ä").unwrap_or(0);
        let note = folded.lines().find(|line| line.starts_with('[')).unwrap_or_default();
        // The note names exactly the lines that are missing.
        let first =
            kept.iter().zip(0..).take_while(|(line, at)| **line == format!("line {at} ä")).count() + 1;
        assert!(note.contains(&format!("recall r7:{first}-")) && head > 0, "{note}");
        let missing = 200 - kept.len();
        assert!(note.starts_with(&format!("[{missing} lines")), "{note}");
        assert_eq!(fold("short", Fold { head: 1, tail: 1 }, None), "short");
    }

    #[test]
    fn any_fold_of_any_text_is_whole_characters() {
        for text in ["ä".repeat(500), "x\n".repeat(400), "\u{1f600}".repeat(200), "\n".repeat(600)] {
            for (head, tail) in [(0, 0), (1, 1), (7, 3), (130, 0), (0, 131), (usize::MAX, 1)] {
                let folded = fold(&text, Fold { head, tail }, None);
                assert!(folded.len() <= text.len() + 60, "{head} {tail}");
            }
        }
    }
}
