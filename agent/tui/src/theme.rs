//! Owns how meanings look: each [`Style`] as colours and attributes.
//! Uses the sixteen colours of the terminal first, so that light and dark terminals are both legible.
//! Never sets a background behind text that is read, and never hard white or black.

use ratatui::style::{Color, Modifier, Style as Look};

use crate::style::Style;

/// A table from meanings to looks.
#[derive(Debug, Clone)]
pub struct Theme {
    name: String,
    colourless: bool,
}

impl Theme {
    /// The theme of that name; the first one where there is none of that name.
    #[must_use]
    pub fn named(name: &str, colourless: bool) -> Self {
        Self { name: name.to_owned(), colourless }
    }

    /// The name that it was asked for by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How a meaning looks.
    #[must_use]
    pub fn look(&self, style: Style) -> Look {
        let plain = Look::new();
        let look = match style {
            Style::Plain | Style::Function => plain,
            Style::Dim | Style::Border | Style::Marker | Style::Comment => plain.dim(),
            Style::Bold | Style::User | Style::Heading | Style::Strong => plain.bold(),
            Style::Emphasis | Style::Quote => plain.italic(),
            Style::StrongEmphasis => plain.bold().italic(),
            Style::Struck => plain.crossed_out(),
            Style::Thinking => plain.dim().italic(),
            Style::Tip | Style::Code | Style::Number | Style::Type => plain.fg(Color::Cyan),
            Style::Link => plain.fg(Color::Cyan).underlined(),
            Style::Match => plain.reversed(),
            Style::Added | Style::Literal => plain.fg(Color::Green),
            Style::AddedWord => plain.fg(Color::Green).bold().underlined(),
            Style::Removed => plain.fg(Color::Red),
            Style::RemovedWord => plain.fg(Color::Red).bold().underlined(),
            Style::Warning => plain.fg(Color::Yellow),
            Style::Keyword => plain.fg(Color::Magenta),
        };
        if self.colourless { Look { fg: None, bg: None, ..look } } else { look }
    }

    /// How the row under the cursor of a list looks, over what it is otherwise.
    #[must_use]
    pub fn chosen(&self) -> Look {
        Look::new().add_modifier(Modifier::REVERSED)
    }

    /// A line as ratatui draws it.
    #[must_use]
    pub fn line<'a>(&self, line: &'a crate::style::Line) -> ratatui::text::Line<'a> {
        line.spans
            .iter()
            .map(|span| ratatui::text::Span::styled(span.text.as_str(), self.look(span.style)))
            .collect()
    }
}
