//! Owns which programs are there to use the network: in offline mode they are refused like any other such tool.
//! Uses nothing.
//! Never the boundary: that is the sandbox. This says early and clearly what would fail anyway.

use super::wrappers::basename;
use crate::shell::Word;

const PROGRAMS: &[&str] = &[
    "curl",
    "wget",
    "aria2c",
    "http",
    "https",
    "xh",
    "ssh",
    "scp",
    "sftp",
    "ftp",
    "lftp",
    "telnet",
    "nc",
    "ncat",
    "netcat",
    "socat",
    "ping",
    "ping6",
    "traceroute",
    "tracepath",
    "mtr",
    "nslookup",
    "dig",
    "host",
    "whois",
    "mosh",
];

const GIT: &[&str] = &["clone", "fetch", "ls-remote", "pull", "push"];

/// Whether the command is of no use without a network.
pub(super) fn needs(words: &[Word]) -> bool {
    let Some((first, arguments)) = words.split_first() else { return false };
    let program = basename(&first.text);
    PROGRAMS.contains(&program)
        || (program == "git"
            && arguments
                .iter()
                .find(|word| !word.text.starts_with('-'))
                .is_some_and(|word| GIT.contains(&word.text.as_str())))
}
