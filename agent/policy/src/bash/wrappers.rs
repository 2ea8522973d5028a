//! Owns programs that run another program (S6): what deny and ask rules look through, and the few that allow rules do.
//! Uses nothing.
//! Never misses a start because of an option's value: for deny and ask every word that could be the program counts.

use crate::shell::Word;

/// Most starts that are looked at in one command; more are a disguise.
const MOST: usize = 128;

/// Programs that run what their arguments say. For deny and ask.
fn runs_arguments(program: &str) -> bool {
    matches!(
        program,
        "sudo"
            | "doas"
            | "su"
            | "runuser"
            | "pkexec"
            | "run0"
            | "sudoedit"
            | "env"
            | "nohup"
            | "timeout"
            | "gtimeout"
            | "nice"
            | "ionice"
            | "chrt"
            | "taskset"
            | "numactl"
            | "setsid"
            | "setpriv"
            | "flock"
            | "stdbuf"
            | "unbuffer"
            | "time"
            | "command"
            | "builtin"
            | "exec"
            | "noglob"
            | "nocorrect"
            | "xargs"
            | "parallel"
            | "watch"
            | "entr"
            | "script"
            | "expect"
            | "strace"
            | "ltrace"
            | "gdb"
            | "valgrind"
            | "perf"
            | "chroot"
            | "unshare"
            | "nsenter"
            | "capsh"
            | "systemd-run"
            | "systemd-inhibit"
            | "dbus-run-session"
            | "caffeinate"
            | "sh"
            | "bash"
            | "zsh"
            | "dash"
            | "ksh"
            | "mksh"
            | "ash"
            | "fish"
            | "rbash"
            | "busybox"
            | "toybox"
            | "eval"
            | "trap"
            | "coproc"
            | "ssh"
            | "mosh"
            | "docker"
            | "podman"
            | "kubectl"
            | "lxc"
            | "npx"
            | "bunx"
            | "pnpx"
            | "uvx"
            | "uv"
            | "poetry"
            | "pipenv"
            | "pipx"
            | "mise"
            | "asdf"
            | "direnv"
            | "devbox"
            | "nix"
            | "nix-shell"
            | "firejail"
            | "bwrap"
            | "proot"
            | "fakeroot"
            | "tmux"
            | "screen"
            | "at"
            | "batch"
            | "setarch"
            | "linux32"
            | "linux64"
            | "i386"
            | "x86_64"
            | "prlimit"
            | "cpulimit"
            | "ts"
            | "chronic"
            | "ifne"
            | "rlwrap"
            | "torsocks"
            | "proxychains"
            | "proxychains4"
            | "tsocks"
            | "hyperfine"
            | "multitime"
            | "tini"
            | "dumb-init"
            | "gosu"
            | "su-exec"
            | "bundle"
            | "rbenv"
            | "pyenv"
            | "nodenv"
            | "conda"
            | "mamba"
            | "micromamba"
    )
}

/// Whether a program may run something that its arguments say.
pub(super) fn runs_others(program: &str) -> bool {
    runs_arguments(program) || openers(program).is_some()
}

/// The name of a program without its folder.
pub(super) fn basename(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
}

/// Every position at which the words may start a command, the first word included; `None` when there are too many.
pub(super) fn starts(words: &[Word]) -> Option<Vec<usize>> {
    if words.is_empty() {
        return Some(Vec::new());
    }
    let mut found = vec![0];
    let mut next = 0;
    while let Some(&start) = found.get(next) {
        next += 1;
        let program = basename(&words[start].text);
        let rest = words[start + 1..].iter().enumerate().map(|(offset, word)| (start + 1 + offset, word));
        if let Some(openers) = openers(program) {
            for (position, word) in rest {
                if openers.contains(&words[position - 1].text.as_str()) && !word.text.starts_with('-') {
                    add(&mut found, position)?;
                }
            }
            continue;
        }
        if !runs_arguments(program) {
            continue;
        }
        let mut after_option = false;
        let mut plain = 0;
        for (position, word) in rest {
            if word.text.starts_with('-') {
                after_option = true;
            } else if !word.text.contains('=') || word.text.starts_with('/') {
                add(&mut found, position)?;
                plain += usize::from(!after_option);
                after_option = false;
                if plain >= PLAIN {
                    break;
                }
            }
        }
    }
    Some(found)
}

/// Words before the program that are no options: `docker run image`, `flock file`, `uv run`, `timeout 5`.
const PLAIN: usize = 5;

fn add(found: &mut Vec<usize>, position: usize) -> Option<()> {
    if !found.contains(&position) {
        found.push(position);
    }
    (found.len() <= MOST).then_some(())
}

/// Programs that run what follows one of these words, and nothing else.
fn openers(program: &str) -> Option<&'static [&'static str]> {
    match program {
        "find" => Some(&["-exec", "-execdir", "-ok", "-okdir"]),
        "fd" | "fdfind" => Some(&["-x", "-X", "--exec", "--exec-batch"]),
        "git" => Some(&["run", "foreach", "--recursive", "--exec", "-x"]),
        _ => None,
    }
}

/// Options before a command's own first word that are looked behind: `git -C x -c a=b push`.
const OPTIONS: usize = 12;

/// Where the first word of a command's own may stand behind its options: `push` in `git -C x push`. Which options have a value
/// is not known, so the word after one is both.
pub(super) fn behind_options(words: &[Word]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut option = false;
    for (position, word) in words.iter().enumerate().skip(1).take(OPTIONS) {
        let is_option = word.text.starts_with(['-', '+']);
        if !is_option && position > 1 {
            found.push(position);
        }
        if !is_option && !option {
            break;
        }
        option = is_option;
    }
    found
}

/// What a wrapper runs that allow rules may look through.
pub(super) struct Peeled<'words> {
    pub(super) inner: &'words [Word],
    /// More arguments come from standard input.
    pub(super) extended: bool,
}

/// The command inside `timeout time nice nohup stdbuf command builtin noglob` and bare `xargs`; `None` for anything else,
/// or when an option is not known.
pub(super) fn peel(words: &[Word]) -> Option<Peeled<'_>> {
    let (first, rest) = words.split_first()?;
    let known = |word: &Word| word.known().is_some();
    let text = |at: usize| rest.get(at).and_then(Word::known);
    let mut at = 0;
    let mut extended = false;
    match first.text.as_str() {
        "nohup" | "builtin" | "noglob" => {}
        "time" => at += usize::from(text(0) == Some("-p")),
        "command" => at += usize::from(text(0) == Some("-p")),
        "xargs" => extended = true,
        "nice" => match text(0)? {
            "-n" => at += 2,
            option if option.starts_with("-n") || option.starts_with("--adjustment=") => at += 1,
            option if option.starts_with('-') && option[1..].bytes().all(|byte| byte.is_ascii_digit()) => {
                at += 1
            }
            _ => {}
        },
        "stdbuf" => {
            while let Some(option) = text(at).filter(|option| option.starts_with('-')) {
                let known = option.len() > 2 && matches!(option.get(..2), Some("-i" | "-o" | "-e"));
                if !known {
                    return None;
                }
                at += 1;
            }
        }
        "timeout" => {
            while let Some(option) = text(at).filter(|option| option.starts_with('-')) {
                at += match option {
                    "-k" | "--kill-after" if text(at + 1).is_some_and(is_duration) => 2,
                    "-s" | "--signal" if text(at + 1).is_some_and(|name| !name.starts_with('-')) => 2,
                    "-v" | "--verbose" | "--foreground" | "--preserve-status" => 1,
                    _ if option.starts_with("--kill-after=") || option.starts_with("--signal=") => 1,
                    _ => return None,
                };
            }
            if !is_duration(text(at)?) {
                return None;
            }
            at += 1;
        }
        _ => return None,
    }
    if rest.iter().take(at).any(|word| !known(word)) {
        return None;
    }
    let inner = rest.get(at..)?;
    let start = inner.first()?;
    (known(start) && !start.text.starts_with('-') && !start.tilde).then_some(Peeled { inner, extended })
}

fn is_duration(text: &str) -> bool {
    let number = text.trim_end_matches(['s', 'm', 'h', 'd']);
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}
