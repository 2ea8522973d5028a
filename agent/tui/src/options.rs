//! Owns what the user set for the screen, and what the terminal is known to do.
//! Uses plain data.
//! Never reads a file or a variable.

/// What the user set, and what the terminal does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The name of a theme.
    pub theme: String,
    /// No colours: `NO_COLOR`.
    pub colourless: bool,
    /// Colours beyond the sixteen: `COLORTERM`.
    pub true_colour: bool,
    /// Keys of vi in the composer.
    pub vim: bool,
    /// The wheel and the buttons are ours.
    pub mouse: bool,
    /// For screen readers: nothing spins, nothing is drawn with lines and blocks, words say what colours say.
    pub plain: bool,
    /// How somebody who looks elsewhere is told.
    pub notify: Notify,
    /// Whether a script of the user's writes a part of the status line.
    pub status_line: bool,
    /// Whether modifiers of Enter are told apart by the terminal (the kitty protocol).
    pub enter_modifiers: bool,
    /// Whether the model may be sent pictures.
    pub pictures: bool,
}

/// How somebody who looks elsewhere is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Notify {
    /// As the terminal is known to understand; the bell otherwise.
    #[default]
    Auto,
    /// OSC 9.
    Osc9,
    /// OSC 777.
    Osc777,
    /// The bell.
    Bell,
    /// Not at all.
    Off,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            theme: "ansi".into(),
            colourless: false,
            true_colour: false,
            vim: false,
            mouse: true,
            plain: false,
            notify: Notify::Auto,
            status_line: false,
            enter_modifiers: false,
            pictures: false,
        }
    }
}
