//! Owns spans of styled text and their two forms, plain and ANSI.
//! Uses the standard library only.
//! Never sets a background or hard white and black: the terminal's own colours are the theme.

/// What a span means; the terminal decides how it looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Style {
    /// The default foreground.
    #[default]
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
    /// What the user said.
    User,
    /// The heading of a section.
    Heading,
    /// Words of weight.
    Strong,
    /// Stressed words.
    Emphasis,
    /// Both.
    StrongEmphasis,
    /// Words that are taken back.
    Struck,
    /// Words that are code.
    Code,
    /// A link, and its address.
    Link,
    /// Words of another.
    Quote,
    /// What a model thinks before it answers.
    Thinking,
    /// Rules, bars and the lines of tables.
    Border,
    /// The sign of a list's item, a line's number.
    Marker,
    /// What a search found.
    Match,
    /// The words of an added line that are new.
    AddedWord,
    /// The words of a removed line that are gone.
    RemovedWord,
    /// In code: a word of the language.
    Keyword,
    /// In code: a text.
    Literal,
    /// In code: a remark.
    Comment,
    /// In code: a number, a constant.
    Number,
    /// In code: a type.
    Type,
    /// In code: a function.
    Function,
}

impl Style {
    /// All of them.
    pub const ALL: [Self; 28] = [
        Self::Plain,
        Self::Dim,
        Self::Bold,
        Self::Tip,
        Self::Added,
        Self::Removed,
        Self::Warning,
        Self::User,
        Self::Heading,
        Self::Strong,
        Self::Emphasis,
        Self::StrongEmphasis,
        Self::Struck,
        Self::Code,
        Self::Link,
        Self::Quote,
        Self::Thinking,
        Self::Border,
        Self::Marker,
        Self::Match,
        Self::AddedWord,
        Self::RemovedWord,
        Self::Keyword,
        Self::Literal,
        Self::Comment,
        Self::Number,
        Self::Type,
        Self::Function,
    ];
}

impl Style {
    /// The SGR parameters, empty for the default.
    fn codes(self) -> &'static str {
        match self {
            Self::Plain | Self::Function => "",
            Self::Dim | Self::Border | Self::Marker | Self::Comment => "2",
            Self::Bold | Self::User | Self::Heading | Self::Strong => "1",
            Self::Emphasis | Self::Quote => "3",
            Self::StrongEmphasis => "1;3",
            Self::Struck => "9",
            Self::Thinking => "2;3",
            Self::Tip | Self::Code | Self::Number | Self::Type => "36",
            Self::Link => "4;36",
            Self::Match => "7",
            Self::Added | Self::Literal => "32",
            Self::AddedWord => "1;4;32",
            Self::Removed => "31",
            Self::RemovedWord => "1;4;31",
            Self::Warning => "33",
            Self::Keyword => "35",
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
