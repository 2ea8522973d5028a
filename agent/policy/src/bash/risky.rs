//! Owns arguments that make a program run or write something (S7): a rule for the program does not cover them.
//! Uses nothing.
//! Never trusts an abbreviation: `--upload-pa` is `--upload-pack` to git.

use super::wrappers::basename;
use crate::shell::Word;

/// The options of a program that run or write. Long ones also count abbreviated, short ones also in a cluster.
struct Row {
    programs: &'static str,
    /// Letters; in a cluster any of them counts.
    short: &'static str,
    /// Whole words: single-dash words of `find` and long options.
    words: &'static str,
}

const ROWS: &[Row] = &[
    Row {
        programs: "find",
        short: "",
        words: "-exec -execdir -ok -okdir -delete -fprint -fprint0 -fprintf -fls -files0-from",
    },
    Row { programs: "fd fdfind", short: "xX", words: "--exec --exec-batch" },
    Row {
        programs: "git",
        short: "",
        words: "-O --upload-pack --receive-pack --exec --ext-diff --textconv --output --open-files-in-pager --upload-archive --template bisect submodule filter-branch difftool mergetool daemon",
    },
    Row { programs: "rg", short: "z", words: "--pre --pre-glob --hostname-bin --search-zip" },
    Row {
        programs: "sort",
        short: "oT",
        words: "--output --compress-program --temporary-directory --files0-from",
    },
    Row { programs: "sed gsed", short: "if", words: "--in-place --file" },
    Row {
        programs: "awk gawk mawk nawk",
        short: "fioldDlE",
        words: "--file --include --load --exec --profile --dump-variables --debug --source",
    },
    Row {
        programs: "tar gtar bsdtar",
        short: "IF",
        words: "--to-command --checkpoint-action --use-compress-program --info-script --new-volume-script --rsh-command --rmt-command --absolute-names",
    },
    Row { programs: "zip", short: "T", words: "--test --unzip-command" },
    Row {
        programs: "man",
        short: "HPXtT",
        words: "--html --pager --gxditview --troff --recode --preprocessor",
    },
    Row { programs: "ssh sftp", short: "oFEPSDLRJwI", words: "" },
    Row { programs: "scp", short: "oFS", words: "" },
    Row { programs: "rsync", short: "e", words: "--rsh --rsync-path --log-file --write-batch" },
    Row {
        programs: "vi vim nvim view ex vimdiff gvim rvim",
        short: "cSusWwrV",
        words: "--cmd --startuptime --listen --server",
    },
    Row { programs: "emacs", short: "flL", words: "--eval --load --script --funcall --execute -batch" },
    Row {
        programs: "curl",
        short: "oOKDcJT",
        words: "--output --remote-name --remote-name-all --output-dir --config --dump-header --cookie-jar --trace --trace-ascii --stderr --libcurl --etag-save --hsts --alt-svc --upload-file --engine --proto-redir",
    },
    Row {
        programs: "wget",
        short: "OPeixa",
        words: "--output-document --output-file --append-output --directory-prefix --execute --input-file --config --use-askpass --warc-file",
    },
    Row { programs: "less more", short: "oOkT", words: "--log-file --LOG-FILE --lesskey-file --lesskey-src" },
    Row { programs: "env", short: "SC", words: "--split-string --chdir" },
    Row { programs: "gcc g++ cc c++ clang clang++", short: "B", words: "-wrapper -fplugin -specs" },
    Row { programs: "go", short: "", words: "-exec -toolexec -vettool -C" },
    Row { programs: "cargo", short: "", words: "--config" },
    Row { programs: "npm pnpm yarn bun", short: "", words: "--script-shell --shell --node-options --git" },
    Row { programs: "make gmake", short: "", words: "--eval" },
    Row { programs: "split", short: "", words: "--filter" },
    Row { programs: "tree", short: "o", words: "" },
    Row { programs: "date", short: "s", words: "--set" },
    Row { programs: "file", short: "C", words: "--compile" },
    Row { programs: "xxd", short: "", words: "-r -revert" },
];

/// These run what the project says anyway, and nobody can put a file name where their options would stand.
const RUNS_THE_PROJECT: &[&str] = &["git", "cargo", "npm", "pnpm", "yarn", "bun", "make", "gmake"];

/// The first argument that a rule for the program does not cover by itself.
pub(super) fn find(words: &[Word]) -> Option<String> {
    let (first, arguments) = words.split_first()?;
    let program = basename(&first.text);
    for row in ROWS.iter().filter(|row| row.programs.split(' ').any(|name| name == program)) {
        for word in arguments {
            if word.text.starts_with('-')
                && (word.dynamic && word.text.trim_start_matches('-').starts_with(['$', '`']))
            {
                return Some(word.text.clone());
            }
            if is_risky(row, &word.text) {
                return Some(option_name(&word.text).to_owned());
            }
        }
        // An unquoted glob becomes file names, and a file may be named like an option.
        let turns = |word: &&Word| (word.glob && word.text.starts_with(['*', '?', '['])) || word.splits;
        if !RUNS_THE_PROJECT.contains(&program)
            && let Some(word) = arguments.iter().find(turns)
        {
            return Some(word.raw().to_owned());
        }
    }
    by_program(program, arguments)
}

/// Whether a `>` in a program of `awk` may be more than a comparison: one that writes stands in a statement with `print`.
fn writes(program: &str) -> bool {
    let mut before = "";
    program.split('>').any(|piece| {
        let statement = before.rsplit(['{', '}', ';']).next().unwrap_or(before);
        let first = std::mem::replace(&mut before, piece).is_empty();
        // A string, an expression or a comment could hold what looks like the end of a statement.
        !first && (statement.contains("print") || statement.contains(['"', '/', '#', '\n', '\\']))
    })
}

/// Whether a script of `sed` or `awk` may run commands.
pub(super) fn runs_commands(words: &[Word]) -> bool {
    let Some((first, arguments)) = words.split_first() else { return false };
    let mut texts = arguments.iter().map(|word| word.text.as_str());
    match basename(&first.text) {
        "sed" | "gsed" => {
            texts.any(|text| text.contains('e') && !is_plain_sed(text) && !text.starts_with("--"))
        }
        "awk" | "gawk" | "mawk" | "nawk" => {
            texts.any(|text| text.contains("system") || text.contains("getline") || text.contains(['|', '@']))
        }
        _ => false,
    }
}

/// Whether the program has options that run or write.
pub(super) fn has_such_options(words: &[Word]) -> bool {
    let program = words.first().map_or("", |first| basename(&first.text));
    // What these run is up to the project, whatever their options.
    let runs_the_project = program != "git" && RUNS_THE_PROJECT.contains(&program);
    !runs_the_project && ROWS.iter().any(|row| row.programs.split(' ').any(|name| name == program))
}

fn option_name(text: &str) -> &str {
    if text.starts_with('-') { text.split('=').next().unwrap_or(text) } else { text }
}

fn is_risky(row: &Row, text: &str) -> bool {
    let name = option_name(text);
    if text.starts_with("--") {
        return name.len() > 2
            && row.words.split(' ').any(|word| word.starts_with("--") && word.starts_with(name));
    }
    let whole = |word: &str| {
        !word.starts_with("--")
            && (word == name || (word.len() == 2 && word.starts_with('-') && text.starts_with(word)))
    };
    if row.words.split(' ').any(|word| !word.is_empty() && whole(word)) {
        return true;
    }
    text.starts_with('-')
        && text.len() > 1
        && !row.short.is_empty()
        && text[1..].contains(|c| row.short.contains(c))
}

fn by_program(program: &str, arguments: &[Word]) -> Option<String> {
    let texts = || arguments.iter().map(|word| word.text.as_str());
    match program {
        "sed" | "gsed" => {
            let operands: Vec<&Word> = arguments.iter().filter(|word| !word.text.starts_with('-')).collect();
            let given = arguments
                .windows(2)
                .filter(|pair| ends_with_script_option(&pair[0].text))
                .map(|pair| &pair[1]);
            let mut scripts: Vec<&Word> = given.collect();
            if scripts.is_empty() {
                scripts.extend(operands.first());
            }
            let attached =
                texts().find(|text| text.starts_with("--e") || (text.starts_with("-e") && text.len() > 2));
            scripts
                .into_iter()
                .find(|script| script.dynamic || !is_plain_sed(&script.text))
                .map(|script| script.text.clone())
                .or(attached.map(str::to_owned))
        }
        "awk" | "gawk" | "mawk" | "nawk" => arguments
            .iter()
            .find(|word| {
                word.dynamic
                    || word.text.contains("system")
                    || word.text.contains("getline")
                    || word.text.contains(['|', '@'])
                    || writes(&word.text)
            })
            .map(|word| word.text.clone()),
        "git" => git(arguments),
        "vi" | "vim" | "nvim" | "view" | "ex" | "vimdiff" | "gvim" | "rvim" | "less" | "more" => {
            texts().find(|text| text.starts_with('+')).map(str::to_owned)
        }
        "uniq" => {
            arguments.iter().filter(|word| !word.text.starts_with('-')).nth(1).map(|word| word.text.clone())
        }
        "ssh" | "scp" | "rsync" => texts().find(|text| text.contains("ProxyCommand")).map(str::to_owned),
        _ => None,
    }
}

/// Options before the command choose another repository or configuration, and both can name programs.
fn git(arguments: &[Word]) -> Option<String> {
    let harmless = ["--no-pager", "-P", "--no-optional-locks", "--literal-pathspecs", "--version", "--help"];
    let mut texts = arguments.iter().map(|word| word.text.as_str());
    let command = loop {
        match texts.next()? {
            text if harmless.contains(&text) => {}
            text if text.starts_with(['-', '$', '`']) => return Some(option_name(text).to_owned()),
            text => break text,
        }
    };
    texts
        .find(|text| {
            text.contains("ext::")
                || text.starts_with("alias.")
                || text.starts_with("core.")
                || (command == "rebase" && text.starts_with("-x"))
                || (command == "clone"
                    && (text.starts_with("-c") || text.starts_with("-u") || text.starts_with("--config")))
        })
        .map(str::to_owned)
}

fn ends_with_script_option(text: &str) -> bool {
    text == "--expression" || (text.starts_with('-') && !text.starts_with("--") && text.ends_with('e'))
}

/// Whether a sed script has only printing, deleting, quitting and substitutions without the flags that run or write.
pub(super) fn is_plain_sed(script: &str) -> bool {
    let mut characters = script.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            // Addresses, blanks, separators, blocks, and commands without an argument.
            '0'..='9' | '$' | ',' | '+' | '~' | '!' | ' ' | '\t' | '\n' | ';' | '{' | '}' => {}
            'p' | 'P' | 'd' | 'D' | 'q' | '=' | 'n' | 'N' | 'h' | 'H' | 'g' | 'G' | 'x' | 'I' => {}
            '/' => {
                if !skip_delimited(&mut characters, '/') {
                    return false;
                }
            }
            's' | 'y' => {
                let Some(delimiter) = characters.next() else { return false };
                let twice =
                    skip_delimited(&mut characters, delimiter) && skip_delimited(&mut characters, delimiter);
                if !twice {
                    return false;
                }
                while let Some(flag) = characters.peek() {
                    match flag {
                        'g' | 'p' | 'i' | 'I' | 'm' | 'M' | '0'..='9' => characters.next(),
                        ';' | '\n' | ' ' | '}' => break,
                        _ => return false,
                    };
                }
            }
            _ => return false,
        }
    }
    true
}

fn skip_delimited(characters: &mut std::iter::Peekable<std::str::Chars>, delimiter: char) -> bool {
    while let Some(character) = characters.next() {
        if character == '\\' {
            characters.next();
        } else if character == delimiter {
            return true;
        } else if character == '[' && delimiter != '[' {
            // A bracket may hold the delimiter in some versions and not in others.
            let rest: String = characters.clone().take_while(|c| *c != ']').collect();
            if rest.contains(delimiter) {
                return false;
            }
        }
    }
    false
}
