//! Owns the colours of the themes that bring their own.
//! Uses contrast as WCAG 2.2 defines it: each colour was chosen for the backgrounds that terminals of its kind have.
//! Never names a background.

use crate::style::Style;

/// Red, green, blue.
pub(super) type Rgb = (u8, u8, u8);

/// Colours of meanings. What has none looks as without colours.
pub(super) struct Palette {
    tip: Rgb,
    added: Rgb,
    removed: Rgb,
    warning: Rgb,
    heading: Rgb,
    code: Rgb,
    link: Rgb,
    /// What stands back: remarks, borders, times.
    quiet: Rgb,
    keyword: Rgb,
    literal: Rgb,
    number: Rgb,
    kind: Rgb,
}

pub(super) const DARK: Palette = Palette {
    tip: (0x62, 0xd0, 0xe0),
    added: (0x86, 0xd9, 0x8f),
    removed: (0xff, 0x9a, 0x92),
    warning: (0xff, 0xd1, 0x66),
    heading: (0xa3, 0xc9, 0xff),
    code: (0xe8, 0xc4, 0x8a),
    link: (0x84, 0xc8, 0xff),
    quiet: (0xa4, 0xae, 0xbc),
    keyword: (0xd9, 0xac, 0xff),
    literal: (0xa8, 0xd8, 0xa0),
    number: (0xf6, 0xbc, 0x90),
    kind: (0x7c, 0xd6, 0xca),
};

pub(super) const LIGHT: Palette = Palette {
    tip: (0x00, 0x5a, 0x6b),
    added: (0x0c, 0x58, 0x24),
    removed: (0xa1, 0x1d, 0x18),
    warning: (0x70, 0x45, 0x00),
    heading: (0x0b, 0x48, 0x92),
    code: (0x74, 0x3a, 0x00),
    link: (0x05, 0x4b, 0xa3),
    quiet: (0x4f, 0x57, 0x62),
    keyword: (0x7e, 0x1b, 0xa6),
    literal: (0x0a, 0x5c, 0x28),
    number: (0x8c, 0x35, 0x00),
    kind: (0x00, 0x5b, 0x60),
};

impl Palette {
    pub(super) fn colour(&self, style: Style) -> Option<Rgb> {
        Some(match style {
            Style::Tip => self.tip,
            Style::Added | Style::AddedWord => self.added,
            Style::Removed | Style::RemovedWord => self.removed,
            Style::Warning => self.warning,
            Style::Heading | Style::Function => self.heading,
            Style::Code => self.code,
            Style::Link => self.link,
            Style::Dim | Style::Border | Style::Marker | Style::Comment | Style::Thinking => self.quiet,
            Style::Keyword => self.keyword,
            Style::Literal => self.literal,
            Style::Number => self.number,
            Style::Type => self.kind,
            Style::Plain
            | Style::Bold
            | Style::User
            | Style::Strong
            | Style::Emphasis
            | Style::StrongEmphasis
            | Style::Struck
            | Style::Quote
            | Style::Match => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WCAG 2.2: relative luminance.
    fn luminance((red, green, blue): Rgb) -> f64 {
        let part = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue)
    }

    fn contrast(one: Rgb, other: Rgb) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn colours_stand_out_from_the_backgrounds_of_their_kind() {
        assert!((contrast((0, 0, 0), (255, 255, 255)) - 21.0).abs() < 1e-9);
        // Black and white, and what is farthest from them among the schemes in common use: Nord's and Solarized's.
        let kinds: [(&Palette, [Rgb; 3]); 2] = [
            (&DARK, [(0, 0, 0), (0x1e, 0x1e, 0x1e), (0x2e, 0x34, 0x40)]),
            (&LIGHT, [(255, 255, 255), (0xfd, 0xf6, 0xe3), (0xee, 0xe8, 0xd5)]),
        ];
        for (palette, backgrounds) in kinds {
            for style in Style::ALL {
                let Some(colour) = palette.colour(style) else { continue };
                for background in backgrounds {
                    let found = contrast(colour, background);
                    // Level AA for text.
                    assert!(found >= 4.5, "{style:?} {colour:?} on {background:?}: {found:.2}");
                }
            }
        }
    }
}
