//! Owns spans of styled text and their two forms, plain and ANSI.
//! Uses the standard library only.
//! Never sets a background or hard white and black: the terminal's own colours are the theme.

/// What a span means; the terminal decides how it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// The default foreground.
    Plain,
    /// Secondary: tool lines, timings.
    Dim,
    /// Headings and what was decided.
    Bold,
    /// Tips and hints.
    Tip,
    /// Added lines, success.
    Added,
    /// Removed lines, failure.
    Removed,
    /// Something is not as asked.
    Warning,
}

impl Style {
    /// The SGR parameters, empty for the default.
    fn codes(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Dim => "2",
            Self::Bold => "1",
            Self::Tip => "36",
            Self::Added => "32",
            Self::Removed => "31",
            Self::Warning => "33",
        }
    }
}

/// A run of text in one style. Its text holds no line break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The text.
    pub text: String,
    /// Its meaning.
    pub style: Style,
}

/// One line of spans.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    /// From left to right.
    pub spans: Vec<Span>,
}

impl Line {
    /// A line in one style.
    #[must_use]
    pub fn new(text: impl Into<String>, style: Style) -> Self {
        Self::default().with(text, style)
    }

    /// The line with one more span at its end.
    #[must_use]
    pub fn with(mut self, text: impl Into<String>, style: Style) -> Self {
        self.spans.push(Span { text: text.into(), style });
        self
    }

    /// The text alone.
    #[must_use]
    pub fn plain(&self) -> String {
        self.spans.iter().map(|span| span.text.as_str()).collect()
    }

    /// The text with ANSI styles, each span closed before the next begins.
    #[must_use]
    pub fn ansi(&self) -> String {
        let mut out = String::new();
        for Span { text, style } in &self.spans {
            let codes = style.codes();
            if codes.is_empty() || text.is_empty() {
                out.push_str(text);
            } else {
                out.push_str("\x1b[");
                out.push_str(codes);
                out.push('m');
                out.push_str(text);
                out.push_str("\x1b[0m");
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_open_and_close() {
        let line = Line::new("a", Style::Plain).with("b", Style::Added).with("", Style::Dim);
        assert_eq!(line.plain(), "ab");
        assert_eq!(line.ansi(), "a\x1b[32mb\x1b[0m");
    }
}
