//! Owns what is known of the terminal: its size and colours, its keys, its clipboard, its characters.
//! Uses the variables that terminals and multiplexers set; asks the terminal nothing.
//! Never takes a guess for knowledge: what cannot be known is a hint.

use loci_core::config::Environment;

use super::{Finding, State};
use crate::screen::tells_modifiers;

/// Narrower than this, views leave parts out.
const NARROW: usize = 40;

/// What is found; `columns` is nothing where nobody looks.
pub(super) fn findings(environment: &Environment, columns: Option<usize>) -> Vec<Finding> {
    vec![screen(environment, columns), keys(environment), clipboard(environment), locale(environment)]
}

fn screen(environment: &Environment, columns: Option<usize>) -> Finding {
    let term = environment.get("TERM").unwrap_or_default();
    let Some(columns) = columns else {
        return Finding::new("terminal", State::Good, "standard output is no terminal: nothing is drawn");
    };
    let colours = match environment.get("COLORTERM") {
        _ if environment.get("NO_COLOR").is_some() => "no colours, because NO_COLOR is set",
        Some("truecolor" | "24bit") => "all colours",
        _ if term.contains("256") => "256 colours",
        _ => "16 colours",
    };
    let (state, hint) = match term {
        "" => (State::Less, Some("TERM is not set: set it to what the terminal is, such as xterm-256color")),
        "dumb" => (State::Less, Some("TERM=dumb: the conversation is held line by line")),
        _ if columns < NARROW => (State::Less, Some("fewer than 40 columns: views leave parts out")),
        _ => (State::Good, None),
    };
    let name = if term.is_empty() { "unnamed" } else { term };
    let finding = Finding::new("terminal", state, format!("{name}, {columns} columns, {colours}"));
    match hint {
        Some(hint) => finding.with(hint),
        None => finding,
    }
}

fn keys(environment: &Environment) -> Finding {
    if tells_modifiers(environment) {
        return Finding::new("keys", State::Good, "Shift-Enter begins a new line");
    }
    Finding::new("keys", State::Good, "Alt-Enter, Ctrl-J, or \\ and Enter begin a new line")
        .with("Shift-Enter does in kitty, Ghostty, foot, WezTerm, Alacritty, iTerm2 and Rio, outside of tmux")
}

fn clipboard(environment: &Environment) -> Finding {
    let has = |name: &str| environment.get(name).is_some();
    if has("TMUX") {
        return Finding::new("copy", State::Less, "through tmux, if it is set to let it through")
            .with("in ~/.tmux.conf: set -s set-clipboard on, and set -g allow-passthrough on");
    }
    if has("STY") {
        return Finding::new("copy", State::Less, "GNU screen keeps it from the terminal")
            .with("hold Shift and select with the mouse, or use tmux");
    }
    let place =
        if has("SSH_CONNECTION") { "over SSH to the terminal's own machine" } else { "by the terminal" };
    Finding::new("copy", State::Good, format!("{place} (OSC 52)"))
        .with("where nothing arrives, the terminal does not know it or forbids it: hold Shift and select")
}

/// Signs beyond ASCII need UTF-8. The first of these that is set decides. (POSIX, 8.2)
fn locale(environment: &Environment) -> Finding {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| Some((name, environment.get(name).filter(|value| !value.is_empty())?)));
    match set {
        Some((name, value)) if value.to_lowercase().replace('-', "").contains("utf8") => {
            Finding::new("locale", State::Good, format!("{name}={value}"))
        }
        Some((name, value)) => Finding::new("locale", State::Less, format!("{name}={value}"))
            .with("signs may not be drawn: choose a locale with UTF-8, such as LANG=C.UTF-8"),
        None => Finding::new("locale", State::Less, "none is set")
            .with("signs may not be drawn by programs that ask for it: LANG=C.UTF-8"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_less_has_a_hint() {
        let check = |variables: &[(&str, &str)], columns: Option<usize>, less: &[&str], said: &str| {
            let findings = findings(&Environment::of(variables.iter().copied()), columns);
            for finding in &findings {
                let expect = if less.contains(&finding.name) { State::Less } else { State::Good };
                assert_eq!(finding.state, expect, "{variables:?} {}", finding.name);
                assert!(finding.state == State::Good || !finding.hints.is_empty(), "{}", finding.name);
            }
            let all: Vec<String> = findings
                .iter()
                .map(|finding| format!("{} {}", finding.text, finding.hints.join(" ")))
                .collect();
            assert!(all.join("\n").contains(said), "{said}: {all:#?}");
        };
        let utf8 = ("LANG", "en_GB.UTF-8");
        check(&[("TERM", "xterm-256color"), utf8], Some(80), &[], "256 colours");
        check(
            &[("TERM", "xterm-kitty"), ("COLORTERM", "truecolor"), utf8],
            Some(80),
            &[],
            "Shift-Enter begins",
        );
        check(&[("TERM", "xterm"), ("NO_COLOR", "1"), utf8], Some(80), &[], "NO_COLOR");
        check(&[("TERM", "dumb"), utf8], Some(80), &["terminal"], "line by line");
        check(&[("TERM", "xterm"), utf8], Some(30), &["terminal"], "leave parts out");
        check(&[("TERM", "tmux-256color"), ("TMUX", "x"), utf8], Some(80), &["copy"], "allow-passthrough");
        check(&[("TERM", "xterm"), ("LC_ALL", "C"), utf8], Some(80), &["locale"], "C.UTF-8");
        check(&[utf8], None, &[], "no terminal");
        check(&[], Some(80), &["terminal", "locale"], "TERM is not set");
    }
}
