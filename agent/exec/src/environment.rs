//! Owns the environment that every command gets on top of ours: no prompts, no pager, no colour.
//! Uses nothing.
//! Never removes what the user set for a reason of their own, but for switches that force colour.

/// Carries the identity of the run, so that a process that left its session can still be told apart.
pub(crate) const RUN: &str = "LOCI_RUN";

/// Set for every command.
pub(crate) const SET: &[(&str, &str)] = &[
    ("TERM", "dumb"),
    ("NO_COLOR", "1"),
    ("CLICOLOR", "0"),
    ("CARGO_TERM_COLOR", "never"),
    // Nobody is there to type, or to leave a pager.
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_PAGER", "cat"),
    ("PAGER", "cat"),
    ("MANPAGER", "cat"),
    ("SYSTEMD_PAGER", "cat"),
    ("DEBIAN_FRONTEND", "noninteractive"),
];

/// Removed for every command: each of these wins over `NO_COLOR` somewhere.
pub(crate) const REMOVED: &[&str] = &["CLICOLOR_FORCE", "FORCE_COLOR"];

/// Set over these for a command that has a terminal: `dumb` would turn away most of those that insist on one.
pub(crate) const SET_WITH_TERMINAL: &[(&str, &str)] = &[("TERM", "xterm-256color")];
