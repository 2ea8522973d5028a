//! Owns the modes of the terminal: what sets each of them, and what takes it back.
//! Uses the terminal's name, as its variables tell it.
//! Never asks the terminal anything: an answer that comes late would be typed into the shell.

use loci_core::config::Environment;
use loci_tui::Options;

use super::notices::NO_PROGRESS;

/// A mode: the sequence that sets it, and the one that takes it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mode {
    pub(super) enter: &'static str,
    pub(super) leave: &'static str,
}

/// A screen of our own; the shell's comes back, with its cursor where it was. (xterm, "private mode 1049")
const ALTERNATE: Mode = Mode { enter: "\x1b[?1049h", leave: "\x1b[?1049l" };
/// Modifiers of Enter, and Escape told from the beginning of a sequence. A stack, so that a shell's own setting comes back;
/// each screen has one, which is why it stands inside of [`ALTERNATE`]. (kitty, "keyboard protocol", flag 1)
const KEYBOARD: Mode = Mode { enter: "\x1b[>1u", leave: "\x1b[<1u" };
/// A paste comes in one piece.
const PASTE: Mode = Mode { enter: "\x1b[?2004h", leave: "\x1b[?2004l" };
/// The window says whether it is looked at.
const FOCUS: Mode = Mode { enter: "\x1b[?1004h", leave: "\x1b[?1004l" };
/// Buttons, the wheel and drags, but not each motion, which would wake us up for nothing; with coordinates beyond 223.
const MOUSE: Mode =
    Mode { enter: "\x1b[?1000h\x1b[?1002h\x1b[?1006h", leave: "\x1b[?1006l\x1b[?1002l\x1b[?1000l" };
/// How far work is, in the window's frame; set as it goes on. (ConEmu, "OSC 9;4")
const PROGRESS: Mode = Mode { enter: "", leave: NO_PROGRESS };
/// No cursor until one is placed.
const CURSOR: Mode = Mode { enter: "\x1b[?25l", leave: "\x1b[?25h" };

/// What ends a frame that was cut off in the middle, and the colours that it had set.
const CUT_OFF: &str = "\x1b[?2026l\x1b[0m";

/// An empty screen in the terminal's own colours.
pub(super) const CLEAR: &str = "\x1b[0m\x1b[2J";

/// Beginning and end of what is shown in one piece. (Contour, "synchronized output"; others ignore it)
pub(super) const FRAME: Mode = Mode { enter: "\x1b[?2026h", leave: "\x1b[?2026l" };

/// The modes that are wanted, in the order in which they are set.
pub(super) fn wanted(options: &Options, progress: bool) -> Vec<Mode> {
    let mut modes = vec![ALTERNATE];
    modes.extend(options.enter_modifiers.then_some(KEYBOARD));
    modes.extend([PASTE, FOCUS]);
    modes.extend(options.mouse.then_some(MOUSE));
    modes.extend(progress.then_some(PROGRESS));
    modes.push(CURSOR);
    modes
}

/// What sets them.
pub(super) fn enter(modes: &[Mode]) -> String {
    modes.iter().map(|mode| mode.enter).collect()
}

/// What takes them back, the last one first.
pub(super) fn leave(modes: &[Mode]) -> String {
    std::iter::once(CUT_OFF).chain(modes.iter().rev().map(|mode| mode.leave)).collect()
}

/// Terminals that know the kitty keyboard protocol, by the beginning of `TERM`, which goes along over SSH. The list of the
/// protocol's own page; the others are not asked, because that takes a round trip at each start.
const TERMS: [&str; 7] = ["xterm-kitty", "xterm-ghostty", "ghostty", "foot", "alacritty", "rio", "contour"];

/// The same by `TERM_PROGRAM`.
const PROGRAMS: [&str; 4] = ["ghostty", "iTerm.app", "WezTerm", "rio"];

/// Whether the terminal tells modifiers of Enter, as far as it is known. Inside of a multiplexer the variables of the
/// terminal around it count for nothing.
pub(crate) fn tells_modifiers(environment: &Environment) -> bool {
    let term = environment.get("TERM").unwrap_or_default();
    let program = environment.get("TERM_PROGRAM").unwrap_or_default();
    let between = environment.get("TMUX").is_some() || environment.get("STY").is_some();
    !between && (TERMS.iter().any(|name| term.starts_with(name)) || PROGRAMS.contains(&program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_set_is_taken_back_in_the_other_order() {
        for (mouse, enter_modifiers) in [(true, true), (true, false), (false, true), (false, false)] {
            let modes = wanted(&Options { mouse, enter_modifiers, ..Options::default() }, mouse);
            let (set, back) = (enter(&modes), leave(&modes));
            for sequence in set.split_inclusive(char::is_alphabetic).filter(|part| part.starts_with("\x1b[?"))
            {
                let opposite = match sequence.strip_suffix('h') {
                    Some(body) => format!("{body}l"),
                    None => format!("{}h", sequence.trim_end_matches('l')),
                };
                assert!(back.contains(&opposite), "{sequence:?} is not taken back in {back:?}");
            }
            assert!(set.starts_with("\x1b[?1049h") && back.ends_with("\x1b[?1049l"));
            assert_eq!((set.contains("1000"), back.contains(NO_PROGRESS)), (mouse, mouse));
            assert_eq!(
                (set.contains("\x1b[>1u"), back.contains("\x1b[<1u")),
                (enter_modifiers, enter_modifiers)
            );
        }
    }

    #[test]
    fn terminals_are_known_by_their_names() {
        let check = |variables: &[(&str, &str)], expect: bool| {
            assert_eq!(tells_modifiers(&Environment::of(variables.iter().copied())), expect, "{variables:?}");
        };
        check(&[("TERM", "xterm-kitty")], true);
        check(&[("TERM", "foot-extra")], true);
        check(&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "WezTerm")], true);
        check(&[("TERM", "xterm-256color")], false);
        check(&[("TERM", "linux")], false);
        check(&[("TERM", "tmux-256color"), ("TERM_PROGRAM", "WezTerm"), ("TMUX", "/tmp/x")], false);
        check(&[], false);
    }
}
