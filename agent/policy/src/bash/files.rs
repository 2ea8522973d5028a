//! Owns which arguments of well-known commands are files that they read or write (S8).
//! Uses nothing.
//! Never says that an unknown program leaves its arguments alone: they come back as uncertain.

use std::borrow::Cow;

use super::wrappers::basename;
use crate::path_check::Touch;
use crate::shell::Word;

/// An argument that is, or may be, a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileArgument<'words> {
    pub(super) text: Cow<'words, str>,
    pub(super) tilde: bool,
    pub(super) glob: bool,
    pub(super) dynamic: bool,
    pub(super) touch: Touch,
    /// The program is known to do this with it.
    pub(super) certain: bool,
    /// It goes down into folders.
    pub(super) descends: bool,
}

/// The files among the arguments of a command.
pub(super) fn of(words: &[Word]) -> Vec<FileArgument<'_>> {
    let Some((first, arguments)) = words.split_first() else { return Vec::new() };
    let program = basename(&first.text);
    // The first operand of these is a pattern or a script, unless an option has it.
    let scripted = matches!(
        program,
        "grep"
            | "egrep"
            | "fgrep"
            | "rg"
            | "ag"
            | "ack"
            | "sed"
            | "gsed"
            | "awk"
            | "gawk"
            | "mawk"
            | "nawk"
            | "jq"
            | "yq"
    ) && !arguments.iter().any(|word| match word.text.strip_prefix("--") {
        Some(long) => long.starts_with(['e', 'f', 'r', 's']),
        None => word.text.starts_with('-') && word.text.contains(['e', 'f']),
    });
    let operands = || arguments.iter().filter(|word| !word.text.starts_with('-')).skip(usize::from(scripted));
    let has = |letters: &str, long: &str| {
        arguments.iter().any(|word| {
            let text = word.text.as_str();
            (text.starts_with('-') && !text.starts_with("--") && text.contains(|c| letters.contains(c)))
                || (text.len() > 3
                    && text.starts_with("--")
                    && long.starts_with(text.split('=').next().unwrap_or(text)))
        })
    };
    let each =
        |touch, descends| operands().map(|word| argument(word, touch, true, descends)).collect::<Vec<_>>();
    let mut found = match program {
        "echo" | "printf" | "true" | "false" | ":" | "cd" | "pwd" | "which" | "type" | "seq" | "sleep"
        | "date" | "test" | "[" | "[[" | "ls" | "tree" | "stat" | "du" | "basename" | "dirname"
        | "realpath" | "readlink" | "uname" | "id" | "whoami" | "kill" | "export" | "tr" => {
            return Vec::new();
        }
        "cat" | "tac" | "head" | "tail" | "less" | "more" | "sort" | "uniq" | "wc" | "cmp" | "comm"
        | "cut" | "nl" | "od" | "xxd" | "hexdump" | "strings" | "base64" | "base32" | "md5sum"
        | "sha1sum" | "sha256sum" | "sha512sum" | "b2sum" | "cksum" | "rev" | "fold" | "paste" | "join"
        | "jq" | "yq" | "bat" | "batcat" | "view" | "file" | "zcat" | "gzip" | "bzip2" | "xz" | "source"
        | "." | "open" | "xdg-open" | "awk" | "gawk" | "mawk" | "column" | "expand" | "iconv" | "look" => {
            each(Touch::Read, false)
        }
        "grep" | "egrep" | "fgrep" if has("rR", "--recursive") || has("R", "--dereference-recursive") => {
            or_here(each(Touch::Read, true))
        }
        "grep" | "egrep" | "fgrep" => each(Touch::Read, false),
        "rg" | "ag" | "ack" => or_here(each(Touch::Read, true)),
        "diff" | "tar" | "zip" | "scp" => each(Touch::Read, true),
        "git" if arguments.iter().any(|word| word.text == "grep") => or_here(Vec::new()),
        "sed" | "gsed" if has("i", "--in-place") => each(Touch::Write, false),
        "sed" | "gsed" => each(Touch::Read, false),
        "rm" | "rmdir" | "unlink" | "shred" | "chmod" | "chown" | "chgrp" | "mv" => each(Touch::Write, true),
        "touch" | "mkdir" | "truncate" | "tee" | "mkfifo" | "mknod" | "patch" | "vi" | "vim" | "nvim"
        | "nano" | "emacs" => each(Touch::Write, false),
        "cp" | "install" | "ln" | "rsync" => {
            let mut each = each(Touch::Read, true);
            if !has("t", "--target-directory")
                && let Some(last) = each.last_mut()
            {
                last.touch = Touch::Write;
            }
            each
        }
        "dd" => Vec::new(),
        // `git show HEAD:path` prints a file.
        _ => operands().map(|word| argument(word, Touch::Read, false, false)).collect(),
    };
    if matches!(program, "mv" | "cp" | "install" | "ln") {
        into_folder(&mut found);
    }
    // Values of options: `--file=x`, `of=x`, `-d @x`.
    for word in arguments {
        let text = word.text.as_str();
        let value = match text.split_once('=') {
            Some((_, value)) => value,
            None if text.starts_with('@') => &text[1..],
            None if program == "git" && text.contains(':') => {
                text.split_once(':').map_or("", |(_, path)| path)
            }
            _ => continue,
        };
        let value = value.strip_prefix('@').unwrap_or(value);
        if value.is_empty() {
            continue;
        }
        let writes =
            text.starts_with("of=") || text.starts_with("--output") || text.starts_with("--target-directory");
        let touch = if writes { Touch::Write } else { Touch::Read };
        let certain = program == "dd" || program == "git" || writes;
        found.push(FileArgument {
            text: Cow::Borrowed(value),
            tilde: false,
            ..argument(word, touch, certain, false)
        });
    }
    // Values behind a space: `-o x`, `-t x`.
    for pair in arguments.windows(2) {
        let target = matches!(
            (program, pair[0].text.as_str()),
            ("cp" | "mv" | "install" | "ln", "-t" | "--target-directory")
                | ("sort" | "curl" | "gcc" | "cc", "-o" | "--output")
                | ("wget", "-O")
        );
        if target {
            found.push(argument(&pair[1], Touch::Write, true, false));
        }
    }
    found
}

/// Whether what the program does with a file is known.
pub(super) fn is_known(words: &[Word]) -> bool {
    let file = Word { text: "file".into(), ..Word::default() };
    let with: Vec<Word> = words.iter().take(1).chain([&file, &file]).cloned().collect();
    of(&with).iter().any(|file| file.certain)
}

/// Programs that search the current directory when they are given none.
fn or_here(found: Vec<FileArgument<'_>>) -> Vec<FileArgument<'_>> {
    if !found.is_empty() {
        return found;
    }
    vec![FileArgument {
        text: Cow::Borrowed("."),
        tilde: false,
        glob: false,
        dynamic: false,
        touch: Touch::Read,
        certain: true,
        descends: true,
    }]
}

fn argument(word: &Word, touch: Touch, certain: bool, descends: bool) -> FileArgument<'_> {
    FileArgument {
        text: Cow::Borrowed(&word.text),
        tilde: word.tilde,
        glob: word.glob,
        dynamic: word.dynamic && !word.pipe,
        touch,
        certain,
        descends,
    }
}

/// `cp a/b dir` writes `dir/b` when `dir` is a folder; both names are looked at.
fn into_folder(found: &mut Vec<FileArgument<'_>>) {
    let Some((target, sources)) = found.split_last() else { return };
    let mut more = Vec::new();
    for source in sources {
        let name = basename(source.text.trim_end_matches('/'));
        if !name.is_empty() && !source.dynamic {
            let text = format!("{}/{name}", target.text.trim_end_matches('/'));
            more.push(FileArgument {
                text: text.into(),
                touch: Touch::Write,
                glob: source.glob || target.glob,
                ..target.clone()
            });
        }
    }
    found.append(&mut more);
}
