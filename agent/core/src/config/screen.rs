//! Owns the settings of the full screen.
//! Uses the layers of the configuration.
//! Never takes from a project what starts a command: only the user names those.

use super::{Config, Origin};

/// The settings of the full screen; the keys begin with `screen.`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screen {
    /// Whether the whole terminal is used; line by line otherwise.
    pub full: bool,
    /// The name of a theme.
    pub theme: String,
    /// Keys of vi in the composer.
    pub vim: bool,
    /// The wheel and the buttons are ours.
    pub mouse: bool,
    /// For screen readers: nothing moves, nothing is drawn.
    pub plain: bool,
    /// How somebody who looks elsewhere is told: `auto`, `osc9`, `osc777`, `bell`, `off`.
    pub notify: String,
    /// A command of the user's whose first lines stand in the status line.
    pub status_line: Option<String>,
}

impl Default for Screen {
    fn default() -> Self {
        Self {
            full: true,
            theme: "ansi".into(),
            vim: false,
            mouse: true,
            plain: false,
            notify: "auto".into(),
            status_line: None,
        }
    }
}

impl Screen {
    /// As the configuration says.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let text = |key: &str| config.get(key).and_then(|entry| entry.value.as_str()).map(ToOwned::to_owned);
        let flag = |key: &str, default: bool| {
            config.get(key).and_then(|entry| entry.value.as_bool()).unwrap_or(default)
        };
        let default = Self::default();
        let own = |origin: &Origin| !matches!(origin, Origin::Project(_) | Origin::Local(_));
        Self {
            full: flag("screen.full", default.full),
            theme: text("screen.theme").unwrap_or(default.theme),
            vim: flag("screen.vim", default.vim),
            mouse: flag("screen.mouse", default.mouse),
            plain: flag("screen.plain", default.plain),
            notify: text("screen.notify").unwrap_or(default.notify),
            status_line: config
                .all("screen.status_line")
                .filter(|entry| own(&entry.origin))
                .last()
                .and_then(|entry| entry.value.as_str())
                .map(ToOwned::to_owned),
        }
    }
}
