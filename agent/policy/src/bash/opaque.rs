//! Owns what runs something that cannot be seen (S4): no rule covers it.
//! Uses the reader for what a shell is given as text.
//! Never guesses what an interpreter would read.

use super::wrappers::basename;
use crate::shell::{Simple, Word, read};

/// Why no rule covers the command: it runs what cannot be seen (S4).
pub(super) fn unreadable(simple: &Simple, starts: &[usize]) -> Option<String> {
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
            "sh" | "bash" | "zsh" | "dash" | "ksh" | "mksh" | "ash" | "fish" | "rbash" => {
                let command = arguments.iter().position(|word| {
                    word.text.starts_with('-') && !word.text.starts_with("--") && word.text.contains('c')
                });
                match command.map(|position| arguments.get(position + 1)) {
                    Some(Some(line)) if line.dynamic || !read(&line.text, 1).opaque.is_empty() => {
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

fn reads_input(arguments: &[Word]) -> bool {
    arguments
        .iter()
        .any(|word| matches!(word.text.as_str(), "-" | "-s" | "/dev/stdin" | "/dev/fd/0" | "/proc/self/fd/0"))
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
