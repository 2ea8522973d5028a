//! Owns how meanings look: each [`Style`] as colours and attributes, in each theme.
//! Uses the sixteen colours of the terminal first, so that light and dark terminals are both legible.
//! Never sets a background behind text that is read, and never hard white or black.

mod palettes;

use ratatui::style::{Color, Modifier, Style as Look};

use crate::options::Options;
use crate::style::Style;
use palettes::{DARK, LIGHT, Palette};

/// The themes: what `screen.theme` takes, and what each is for. The first one is taken where none is named.
pub const THEMES: [(&str, &str); 5] = [
    ("ansi", "the terminal's own sixteen colours: follows its light or dark scheme"),
    ("high-contrast", "the same without anything dim; what matters is bold or underlined"),
    ("dark", "colours of its own for a dark background"),
    ("light", "colours of its own for a light background"),
    ("colourless", "no colours: bold, italic, underlined"),
];

/// A table from meanings to looks.
#[derive(Debug, Clone)]
pub struct Theme {
    name: String,
    kind: Kind,
    colourless: bool,
    true_colour: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ansi,
    HighContrast,
    Dark,
    Light,
    Colourless,
}

impl Theme {
    /// The theme of that name; the first one where there is none of that name. Colours beyond the sixteen are not used.
    #[must_use]
    pub fn named(name: &str, colourless: bool) -> Self {
        let kind = match name {
            "high-contrast" => Kind::HighContrast,
            "dark" => Kind::Dark,
            "light" => Kind::Light,
            "colourless" => Kind::Colourless,
            _ => Kind::Ansi,
        };
        Self { name: name.to_owned(), kind, colourless, true_colour: false }
    }

    /// The theme that the user chose, as far as the terminal takes it.
    #[must_use]
    pub fn of(options: &Options) -> Self {
        Self { true_colour: options.true_colour, ..Self::named(&options.theme, options.colourless) }
    }

    /// The name that it was asked for by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How a meaning looks.
    #[must_use]
    pub fn look(&self, style: Style) -> Look {
        match self.kind {
            Kind::Colourless => colourless(style),
            _ if self.colourless => colourless(style),
            Kind::Ansi => ansi(style),
            Kind::HighContrast => high_contrast(style),
            // Without their own colours, the bright ones are for dark backgrounds and the others for light ones.
            Kind::Dark if !self.true_colour => bright(ansi(style)),
            Kind::Light if !self.true_colour => ansi(style),
            Kind::Dark => coloured(&DARK, style),
            Kind::Light => coloured(&LIGHT, style),
        }
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

/// The attributes of a meaning. Together with signs they say what colours say.
fn colourless(style: Style) -> Look {
    let plain = Look::new();
    match style {
        Style::Plain
        | Style::Function
        | Style::Quote
        | Style::Tip
        | Style::Added
        | Style::Removed
        | Style::Literal
        | Style::Number
        | Style::Type => plain,
        Style::Dim | Style::Border | Style::Marker | Style::Comment => plain.dim(),
        Style::Bold
        | Style::User
        | Style::Heading
        | Style::Strong
        | Style::Warning
        | Style::Code
        | Style::Keyword => plain.bold(),
        Style::Emphasis => plain.italic(),
        Style::StrongEmphasis => plain.bold().italic(),
        Style::Struck => plain.crossed_out(),
        Style::Thinking => plain.dim().italic(),
        Style::Link => plain.underlined(),
        Style::Match => plain.reversed(),
        Style::AddedWord | Style::RemovedWord => plain.bold().underlined(),
    }
}

/// Blue is left out: as terminals come, it is hard to read on black; and so is bright yellow on white.
fn ansi(style: Style) -> Look {
    let colour = match style {
        Style::Tip | Style::Code | Style::Number | Style::Type | Style::Link => Color::Cyan,
        Style::Added | Style::AddedWord | Style::Literal => Color::Green,
        Style::Removed | Style::RemovedWord => Color::Red,
        Style::Warning => Color::Yellow,
        Style::Keyword => Color::Magenta,
        _ => return colourless(style),
    };
    without_weight(style).fg(colour)
}

/// What is told by a colour need not be bold too.
fn without_weight(style: Style) -> Look {
    match style {
        Style::Warning | Style::Code | Style::Keyword => Look::new(),
        _ => colourless(style),
    }
}

fn high_contrast(style: Style) -> Look {
    let strong = match style {
        Style::Added | Style::Removed | Style::Tip | Style::Warning | Style::Keyword => ansi(style).bold(),
        Style::Code | Style::Type => Look::new().bold(),
        // Hard to tell from the text in some schemes, and a remark need not be told.
        Style::Number | Style::Literal | Style::Function => Look::new(),
        _ => ansi(style),
    };
    strong.remove_modifier(Modifier::DIM)
}

fn bright(look: Look) -> Look {
    let brighter = |colour: Color| match colour {
        Color::Cyan => Color::LightCyan,
        Color::Green => Color::LightGreen,
        Color::Red => Color::LightRed,
        Color::Yellow => Color::LightYellow,
        Color::Magenta => Color::LightMagenta,
        other => other,
    };
    Look { fg: look.fg.map(brighter), ..look }
}

fn coloured(palette: &Palette, style: Style) -> Look {
    let (red, green, blue) = match palette.colour(style) {
        Some(colour) => colour,
        None => return colourless(style),
    };
    // Dim would take from a colour what it was chosen for.
    without_weight(style).remove_modifier(Modifier::DIM).fg(Color::Rgb(red, green, blue))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_theme_is_legible_in_its_way() {
        for (name, _) in THEMES {
            for true_colour in [false, true] {
                let options = Options { theme: name.into(), true_colour, ..Options::default() };
                let theme = Theme::of(&options);
                assert_eq!(theme.name(), name);
                for style in Style::ALL {
                    let look = theme.look(style);
                    assert_eq!(look.bg, None, "{name} {style:?}");
                    assert!(
                        !matches!(look.fg, Some(Color::White | Color::Black | Color::Gray)),
                        "{name} {style:?}"
                    );
                    let own = matches!(look.fg, Some(Color::Rgb(..)));
                    assert!(!own || (true_colour && ["dark", "light"].contains(&name)), "{name} {style:?}");
                    assert!(name != "high-contrast" || !look.add_modifier.contains(Modifier::DIM));
                }
            }
        }
        let own = Theme::of(&Options { theme: "dark".into(), true_colour: true, ..Options::default() });
        assert!(matches!(own.look(Style::Added).fg, Some(Color::Rgb(..))));
        assert_eq!(Theme::named("no such", false).look(Style::Added), ansi(Style::Added));
    }

    #[test]
    fn without_colours_words_are_still_told_apart() {
        for theme in [Theme::named("colourless", false), Theme::named("dark", true)] {
            for style in Style::ALL {
                assert_eq!(theme.look(style).fg, None);
            }
            for (one, other) in [
                (Style::Added, Style::AddedWord),
                (Style::Plain, Style::Heading),
                (Style::Plain, Style::Code),
                (Style::Plain, Style::Link),
                (Style::Plain, Style::Match),
                (Style::Emphasis, Style::Strong),
            ] {
                assert_ne!(theme.look(one), theme.look(other), "{one:?} {other:?}");
            }
        }
    }
}
