//! Owns what runs something that cannot be seen (S4): no rule covers it.
//! Uses the reader for what a shell is given as text.
//! Never guesses what an interpreter would read.

use super::risky;
use super::wrappers::{basename, runs_others, starts};
use crate::shell::{DEPTH, Simple, Word, read};

/// Why no rule covers the command: it runs what cannot be seen (S4).
pub(super) fn unreadable(simple: &Simple, starts: &[usize], depth: usize) -> Option<String> {
    for &start in starts {
        let words = &simple.words[start..];
        let program = basename(&words[0].text);
        let arguments = &words[1..];
        let bare = |word: &&Word| !word.text.starts_with('-');
        match program {
            "eval" | "source" | "." | "alias" | "unalias" | "trap" | "enable" | "hash" | "exec" | "bind"
            | "complete" | "compgen" | "shopt" | "mapfile" | "readarray"
                if start == 0 || matches!(program, "eval" | "source" | "exec") =>
            {
                return Some(format!("`{program}` runs or changes what cannot be seen"));
            }
            "set"
                if start == 0
                    && arguments
                        .iter()
                        .any(|word| word.text.starts_with(['-', '+']) && word.text.contains('x')) =>
            {
                return Some("tracing expands a variable".into());
            }
            "test" | "[" | "[[" if arguments.iter().any(|word| matches!(word.text.as_str(), "-v" | "-R")) => {
                return Some("a test that evaluates a name".into());
            }
            _ if (is_shell(program) || is_interpreter(program)) && arguments.iter().any(|word| word.pipe) => {
                return Some(format!("`{program}` would run what a pipe says"));
            }
            _ if is_shell(program) => {
                let command = arguments.iter().position(|word| {
                    word.text.starts_with('-') && !word.text.starts_with("--") && word.text.contains('c')
                });
                match command.map(|position| arguments.get(position + 1)) {
                    Some(Some(line)) if line.dynamic || !can_be_read(&line.text, depth) => {
                        return Some("what the shell would run cannot be read".into());
                    }
                    Some(Some(_)) => {}
                    _ if simple.fed
                        && (!arguments.iter().any(|word| bare(&word)) || reads_input(arguments)) =>
                    {
                        return Some("the shell would run its input".into());
                    }
                    _ => {}
                }
            }
            "xargs" | "parallel" if takes_program_from_input(&simple.words, starts, start) => {
                return Some(format!("`{program}` would run what its input names"));
            }
            "su" | "runuser" | "flock" | "watch" | "script" | "env" | "parallel"
                if arguments
                    .iter()
                    .any(|word| word.quoted && !can_be_read(option_value(&word.text), depth)) =>
            {
                return Some("what the shell would run cannot be read".into());
            }
            _ if is_interpreter(program) && simple.fed => {
                let given = arguments
                    .iter()
                    .any(|word| matches!(word.text.as_str(), "-c" | "-e" | "-m" | "-p" | "-E"));
                if !given && (!arguments.iter().any(|word| bare(&word)) || reads_input(arguments)) {
                    return Some(format!("`{program}` would run its input"));
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether `xargs` gets the program, or a text for a shell, from its input.
fn takes_program_from_input(words: &[Word], starts: &[usize], xargs: usize) -> bool {
    const VALUED: &[&str] = &["-I", "-J", "-n", "-P", "-d", "-a", "-E", "-L", "-s", "-R", "-S", "-j"];
    let mut mark = "";
    let mut at = xargs + 1;
    while let Some(word) = words.get(at).filter(|word| word.text.starts_with('-')) {
        let text = word.text.as_str();
        match text {
            "-I" | "-J" => mark = words.get(at + 1).map_or("", |value| &value.text),
            "-i" | "--replace" => mark = "{}",
            _ => {
                let attached = text.strip_prefix("-I").or(text.strip_prefix("-i"));
                mark = attached.or(text.strip_prefix("--replace=")).unwrap_or(mark);
            }
        }
        at += if VALUED.contains(&text) { 2 } else { 1 };
    }
    let marked = |word: &Word| !mark.is_empty() && word.text.contains(mark);
    let Some(program) = words.get(at) else { return false };
    let wraps = runs_others(basename(&program.text));
    let inner = || starts.iter().copied().filter(|start| *start >= at);
    // Nothing follows the last wrapper, so what comes from the input does.
    let open = inner().any(|start| {
        let behind = &words[start + 1..];
        runs_others(basename(&words[start].text)) && behind.iter().all(|word| word.text.starts_with('-'))
    });
    let text = |word: &Word| word.quoted && marked(word);
    open || marked(program)
        || (wraps && (inner().any(|start| marked(&words[start])) || words[at..].iter().any(text)))
}

/// The value of `--split-string='…'` or `-S'…'`; other words as they are.
pub(super) fn option_value(text: &str) -> &str {
    let value = text.split_once('=').filter(|(name, _)| name.starts_with("--") && !name.contains(' '));
    value.map(|(_, value)| value).or(text.strip_prefix("-S")).unwrap_or(text)
}

/// Whether every program that a shell would run with this text is known.
fn can_be_read(text: &str, depth: usize) -> bool {
    if depth >= DEPTH {
        return false;
    }
    let reading = read(text, depth + 1);
    let plain = |simple: &Simple| {
        let known = simple.words.first().is_none_or(|first| first.known().is_some() && !first.tilde);
        let clear = |found: Vec<usize>| {
            let runs = found.iter().any(|&start| risky::runs_commands(&simple.words[start..]));
            !runs && unreadable(simple, &found, depth + 1).is_none()
        };
        known && starts(&simple.words).is_some_and(clear)
    };
    reading.opaque.is_empty() && reading.commands().all(plain)
}

fn reads_input(arguments: &[Word]) -> bool {
    arguments
        .iter()
        .any(|word| matches!(word.text.as_str(), "-" | "-s" | "/dev/stdin" | "/dev/fd/0" | "/proc/self/fd/0"))
}

fn is_shell(program: &str) -> bool {
    matches!(program, "sh" | "bash" | "zsh" | "dash" | "ksh" | "mksh" | "ash" | "fish" | "rbash")
}

fn is_interpreter(program: &str) -> bool {
    let family = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    matches!(
        family,
        "python"
            | "pypy"
            | "perl"
            | "ruby"
            | "node"
            | "nodejs"
            | "deno"
            | "bun"
            | "php"
            | "lua"
            | "luajit"
            | "tclsh"
            | "Rscript"
            | "R"
            | "julia"
            | "osascript"
            | "ghci"
            | "irb"
            | "scala"
            | "groovy"
            | "psql"
            | "mysql"
            | "sqlite"
            | "at"
            | "batch"
            | "make"
    )
}
