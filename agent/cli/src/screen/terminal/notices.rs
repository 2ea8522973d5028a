//! Owns how somebody who looks elsewhere is told: the sequences of notifications and of progress.
//! Uses the terminal's name, as its variables tell it.
//! Never writes one to a terminal that would take it for something else: the bell is understood by all.

use loci_core::config::Environment;
use loci_tui::{Notification, Notify, visible};

/// How this terminal is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Notices {
    notify: Notify,
    progress: bool,
}

/// Terminals that show OSC 9 on the desktop, by `TERM_PROGRAM` or the beginning of `TERM`.
const OSC9: [&str; 6] = ["iTerm.app", "WezTerm", "ghostty", "xterm-ghostty", "xterm-kitty", "foot"];
/// And OSC 777, by the beginning of `TERM`.
const OSC777: [&str; 1] = ["rxvt-unicode"];

/// What takes a progress away again.
pub(super) const NO_PROGRESS: &str = "\x1b]9;4;0\x07";

impl Notices {
    /// As the user wants it, and as the terminal is known to understand it. A multiplexer lets nothing but the bell through.
    pub(super) fn of(wanted: Notify, environment: &Environment) -> Self {
        let term = environment.get("TERM").unwrap_or_default();
        let program = environment.get("TERM_PROGRAM").unwrap_or_default();
        let has = |name: &str| environment.get(name).is_some();
        let between = has("TMUX") || has("STY");
        let known =
            |names: &[&str]| !between && names.iter().any(|name| program == *name || term.starts_with(name));
        let notify = match wanted {
            Notify::Auto if known(&OSC9) => Notify::Osc9,
            Notify::Auto if known(&OSC777) => Notify::Osc777,
            Notify::Auto => Notify::Bell,
            other => other,
        };
        // Others that know OSC 9 would show the figures as words.
        let progress = has("WT_SESSION") || has("ConEmuANSI") || has("VTE_VERSION") || program == "ghostty";
        Self { notify, progress: progress && !between && wanted != Notify::Off }
    }

    /// Whether progress is shown.
    pub(super) fn shows_progress(self) -> bool {
        self.progress
    }

    /// What says it; empty where nothing does.
    pub(super) fn sequence(self, notification: &Notification) -> String {
        match notification {
            Notification::Finished(text) | Notification::Waiting(text) => {
                let text = visible(text).replace(['\n', '\t'], " ");
                match self.notify {
                    // Not a text alone: one that begins with a number and `;` would be another command.
                    Notify::Osc9 => format!("\x1b]9;Loci: {text}\x07"),
                    Notify::Osc777 => format!("\x1b]777;notify;Loci;{text}\x07"),
                    Notify::Bell | Notify::Auto => "\x07".to_owned(),
                    Notify::Off => String::new(),
                }
            }
            _ if !self.progress => String::new(),
            Notification::Progress(Some(percent)) => format!("\x1b]9;4;1;{}\x07", percent.min(&100)),
            Notification::Progress(None) => "\x1b]9;4;3\x07".to_owned(),
            Notification::Idle => NO_PROGRESS.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_terminal_is_told_in_its_own_way() {
        let check = |variables: &[(&str, &str)], wanted: Notify, waiting: &str, progress: &str| {
            let notices = Notices::of(wanted, &Environment::of(variables.iter().copied()));
            let text = "4;1 \x1b[2J\u{9b}\nnow".to_owned();
            assert_eq!(notices.sequence(&Notification::Waiting(text)), waiting, "{variables:?}");
            assert_eq!(notices.sequence(&Notification::Progress(Some(130))), progress, "{variables:?}");
            let back = notices.sequence(&Notification::Idle);
            assert_eq!(back, if progress.is_empty() { "" } else { NO_PROGRESS });
        };
        let osc9 = "\x1b]9;Loci: 4;1 ␛[2J\u{fffd} now\x07";
        check(&[("TERM", "xterm-256color")], Notify::Auto, "\x07", "");
        check(&[("TERM", "xterm-kitty")], Notify::Auto, osc9, "");
        check(&[("TERM_PROGRAM", "ghostty")], Notify::Auto, osc9, "\x1b]9;4;1;100\x07");
        check(&[("TERM_PROGRAM", "ghostty"), ("TMUX", "x")], Notify::Auto, "\x07", "");
        check(&[("WT_SESSION", "x")], Notify::Auto, "\x07", "\x1b]9;4;1;100\x07");
        check(&[("WT_SESSION", "x")], Notify::Off, "", "");
        check(&[("TERM", "xterm")], Notify::Osc9, osc9, "");
        check(&[("TERM", "rxvt-unicode")], Notify::Auto, "\x1b]777;notify;Loci;4;1 ␛[2J\u{fffd} now\x07", "");
    }
}
