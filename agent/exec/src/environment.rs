//! Owns the environment of every command: no prompts, no pager, no colour, and nothing that is a secret or leads to one.
//! Uses the names of our own variables, which the command would inherit.
//! Never removes what the user said is to be kept, but for what Loci itself is told.

use std::ffi::OsStr;

use crate::sandbox::{Level, Network, Profile, Sandbox};

/// Carries the identity of the run, so that a process that left its session can still be told apart.
pub(crate) const RUN: &str = "LOCI_RUN";

/// Set for every command.
const SET: &[(&str, &str)] = &[
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

/// Set over these for a command that has a terminal: `dumb` would turn away most of those that insist on one.
const SET_WITH_TERMINAL: &[(&str, &str)] = &[("TERM", "xterm-256color")];

/// Removed for every command: each of these wins over `NO_COLOR` somewhere.
const COLOUR: &[&str] = &["CLICOLOR_FORCE", "FORCE_COLOR"];

/// Loci's own: what it is told is not for the commands that a model thinks of.
const OWN: &str = "LOCI_";

/// A name with one of these in it says that the value is a secret.
const SECRET_WORDS: &[&str] =
    &["KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "_PAT", "_AUTH"];

/// Families whose members are secrets, lead to something that holds them, or run code in every program or shell.
const PREFIXES: &[&str] = &[
    "AWS_",
    "AZURE_",
    "DBUS_",
    "VSCODE_GIT_",
    "VSCODE_IPC_",
    // Functions that bash takes over from its environment.
    "BASH_FUNC_",
];

/// Single ones of both kinds.
const NAMES: &[&str] = &[
    "PGPASSFILE",
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
    "SSH_ASKPASS",
    "GIT_ASKPASS",
    "SUDO_ASKPASS",
    "GPG_AGENT_INFO",
    "DOCKER_HOST",
    "CONTAINER_HOST",
    "LD_PRELOAD",
    "LD_AUDIT",
    "DYLD_INSERT_LIBRARIES",
    "BASH_ENV",
    "ENV",
    "PROMPT_COMMAND",
    "PS4",
    "SHELLOPTS",
    "BASHOPTS",
];

/// Give a process its environment: ours without what it must not have, then what every command gets, then its own.
pub(crate) fn give(process: &mut tokio::process::Command, command: &crate::Command) {
    for (name, value) in std::env::vars_os() {
        if withheld(&name, &value, &command.keep_env) {
            process.env_remove(name);
        }
    }
    for name in COLOUR {
        process.env_remove(name);
    }
    // Programs trust `PWD` over the real folder when both name the same place.
    process.env("PWD", &command.cwd);
    process.envs(SET.iter().copied());
    if command.terminal.is_some() {
        process.envs(SET_WITH_TERMINAL.iter().copied());
    }
    if let Some(Sandbox { level: Level::Full, profile: Profile { network: Network::Proxy(_), .. }, .. }) =
        &command.sandbox
    {
        process.envs(crate::proxy::environment());
    }
    process.envs(command.env.iter().map(|(name, value)| (name, value)));
}

/// Whether a variable stays with us.
fn withheld(name: &OsStr, value: &OsStr, keep: &[String]) -> bool {
    // A name that is no text cannot be judged, and nobody asks for it.
    let Some(text) = name.to_str() else { return true };
    let upper = text.to_ascii_uppercase();
    if upper.starts_with(OWN) {
        return true;
    }
    if keep.iter().any(|kept| kept == text) {
        return false;
    }
    SECRET_WORDS.iter().any(|word| upper.contains(word))
        || PREFIXES.iter().any(|prefix| upper.starts_with(prefix))
        || NAMES.contains(&upper.as_str())
        || (!upper.ends_with("_PROXY") && holds_password(&value.to_string_lossy()))
}

/// Whether there is an address with a password in it: `scheme://user:password@host`.
fn holds_password(value: &str) -> bool {
    value.match_indices("://").any(|(at, mark)| {
        let rest = &value[at + mark.len()..];
        let authority = rest.split(['/', '?', '#', ' ', '"', '\'']).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        user.and_then(|user| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_what_leads_to_them_are_withheld() {
        let check = |name: &str, value: &str, expect: bool| {
            assert_eq!(withheld(OsStr::new(name), OsStr::new(value), &[]), expect, "{name}={value}");
        };
        for name in [
            "OPENAI_API_KEY",
            "GITHUB_TOKEN",
            "npm_config__authToken",
            "MY_SECRET_THING",
            "PGPASSWORD",
            "DB_PASSWD",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "AWS_PROFILE",
            "AZURE_CLIENT_ID",
            "GH_PAT",
            "SSH_AUTH_SOCK",
            "DBUS_SESSION_BUS_ADDRESS",
            "DOCKER_HOST",
            "GPG_AGENT_INFO",
            "LD_PRELOAD",
            "BASH_ENV",
            "ENV",
            "PROMPT_COMMAND",
            "BASH_FUNC_ls%%",
            "LOCI_MODEL",
            "LOCI_RUN",
            "github_token",
        ] {
            check(name, "x", true);
        }
        for name in ["PATH", "HOME", "LANG", "CARGO_HOME", "USER", "TMPDIR", "EDITOR", "ENVIRONMENT", "PWD"] {
            check(name, "/usr/bin:/bin", false);
        }
        check("DATABASE_URL", "postgres://app:hunter2@db.local/app", true);
        check("DATABASE_URL", "postgres://app@db.local/app", false);
        check("REMOTE", "look at https://u:p@h and more", true);
        check("REMOTE", "https://host/a:b@c", false);
        check("REMOTE", "https://", false);
        check("HTTPS_PROXY", "http://u:p@proxy:3128", false);
    }

    #[test]
    fn what_the_user_keeps_is_kept_but_not_what_is_ours() {
        let keep = ["GITHUB_TOKEN".to_owned(), "LOCI_MODEL".to_owned()];
        let check = |name: &str, expect: bool| {
            assert_eq!(withheld(OsStr::new(name), OsStr::new("x"), &keep), expect, "{name}");
        };
        check("GITHUB_TOKEN", false);
        check("GITHUB_TOKEN_2", true);
        check("LOCI_MODEL", true);
    }
}
