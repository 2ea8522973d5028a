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
        let look = match style {
            Style::Plain => Look::new(),
            Style::Dim => Look::new().add_modifier(Modifier::DIM),
            Style::Bold => Look::new().add_modifier(Modifier::BOLD),
            Style::Tip => Look::new().fg(Color::Cyan),
            Style::Added => Look::new().fg(Color::Green),
            Style::Removed => Look::new().fg(Color::Red),
            Style::Warning => Look::new().fg(Color::Yellow),
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
