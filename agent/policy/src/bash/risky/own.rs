//! Owns what the arguments of single programs run or write, where a row of options does not say it (S7).
//! Uses nothing.
//! Never takes a word for harmless because it is no option: `make SHELL=./x` runs `./x`.

use super::{ends_with_script_option, is_plain_sed, option_name, writes};
use crate::shell::Word;

/// What the program of this name would run or write, where a list of options does not say it.
pub(super) fn find(program: &str, arguments: &[Word]) -> Option<String> {
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
        "tar" | "gtar" | "bsdtar" => tar(arguments),
        "make" | "gmake" => make(arguments),
        "docker" | "podman" | "nerdctl" => container(arguments),
        "curl" => texts().find(|text| curl(text)).map(str::to_owned),
        "gcc" | "g++" | "cc" | "c++" | "clang" | "clang++" => texts()
            .find(|text| text.starts_with('@') || (text.starts_with('-') && text.contains("plugin")))
            .map(str::to_owned),
        "go" => texts().find(|text| text.contains("-extld") || text.contains("-linkmode")).map(str::to_owned),
        "sqlite3" => {
            let runs = ["load_extension", "writefile", "edit("];
            texts()
                .find(|text| {
                    let lower = text.to_ascii_lowercase();
                    runs.iter().any(|name| lower.contains(name))
                        || text.lines().any(|line| line.trim_start().starts_with('.') && !is_path(text))
                })
                .map(str::to_owned)
        }
        "psql" | "mysql" | "mariadb" => texts()
            .find(|text| {
                let lower = text.to_ascii_lowercase();
                ["\\", "program", "system", "outfile", "dumpfile"].iter().any(|name| lower.contains(name))
            })
            .map(str::to_owned),
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
                || (command == "rebase" && cluster_has(text, "x"))
                || (command == "grep" && cluster_has(text, "O"))
                || (command == "archive" && cluster_has(text, "o"))
                || (command == "clone" && (cluster_has(text, "cu") || text.starts_with("--c")))
                || (command == "config" && names_setting(text))
        })
        .map(str::to_owned)
}

/// Whether one of the letters stands in a word of short options.
fn cluster_has(text: &str, letters: &str) -> bool {
    text.starts_with('-') && !text.starts_with("--") && text[1..].contains(|c| letters.contains(c))
}

/// Most settings of git can name a program or a file with more settings; these cannot.
fn names_setting(text: &str) -> bool {
    const HARMLESS: &[&str] =
        &["user.name", "user.email", "pull.rebase", "push.default", "init.defaultbranch"];
    let lower = text.to_ascii_lowercase();
    let edits =
        cluster_has(text, "ef") || ["--edit", "--file"].iter().any(|long| long.starts_with(option(text)));
    let setting = lower.split_once('.').is_some_and(|(section, name)| {
        !text.starts_with('-')
            && !name.is_empty()
            && section.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    });
    (edits && text.len() > 3) || (setting && !text.contains('@') && !HARMLESS.contains(&lower.as_str()))
}

fn option(text: &str) -> &str {
    text.split('=').next().unwrap_or(text)
}

/// A first word without a dash is one of options, too; and a name with a colon is another machine's.
fn tar(arguments: &[Word]) -> Option<String> {
    let bundle = arguments.first().filter(|word| {
        !word.text.starts_with('-') && (word.dynamic || word.text.contains(['I', 'F', 'T', 'P']))
    });
    let remote = |word: &&Word| {
        word.text.contains(':') && (!word.text.starts_with("--") || word.text.starts_with("--f"))
    };
    // `--file` is no abbreviation of it.
    let list = |word: &&Word| word.text.starts_with("--files");
    bundle.or_else(|| arguments.iter().find(|word| remote(word) || list(word))).map(|word| word.text.clone())
}

/// A makefile from elsewhere, and variables that say what runs.
fn make(arguments: &[Word]) -> Option<String> {
    let mut file = false;
    for word in arguments {
        let text = word.text.as_str();
        let named = if std::mem::take(&mut file) {
            Some(text)
        } else if let Some(long) = text.strip_prefix("--") {
            let (name, value) =
                long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
            let is_file = name.len() > 1 && ["file", "makefile"].iter().any(|long| long.starts_with(name));
            file = is_file && value.is_none();
            value.filter(|_| is_file)
        } else if let Some((_, value)) = text.strip_prefix('-').and_then(|short| short.split_once('f')) {
            file = value.is_empty();
            (!file).then_some(value)
        } else {
            None
        };
        if named.is_some_and(|named| word.dynamic || is_elsewhere(named) || named == "-") {
            return Some(text.to_owned());
        }
        if let Some((name, value)) = text.split_once('=')
            && !text.starts_with('-')
        {
            let name = name.trim_end_matches([':', '?', '+', '!']);
            let chooses = ["SHELL", ".SHELLFLAGS", "MAKEFLAGS", "MAKEFILES", "GNUMAKEFLAGS", "MAKE"];
            let tools =
                ["CC", "CXX", "CPP", "LD", "AR", "AS", "RM", "INSTALL", "PYTHON", "CARGO", "GO", "NPM"];
            if chooses.contains(&name)
                || (tools.contains(&name) && value.contains(['/', ' ']))
                || value.contains([';', '|', '&', '$', '`', '<', '>', '(', '\n'])
            {
                return Some(text.to_owned());
            }
        }
    }
    None
}

fn is_elsewhere(path: &str) -> bool {
    path.starts_with(['/', '~', '$', '`']) || path.split('/').any(|part| part == "..")
}

fn is_path(text: &str) -> bool {
    text.starts_with("./") || text.starts_with("../")
}

/// A folder of this machine, other than one below the directory of the call, or what is a door to this machine.
fn container(arguments: &[Word]) -> Option<String> {
    let mut before = "";
    for word in arguments {
        let text = word.text.as_str();
        let volume = match std::mem::replace(&mut before, text) {
            "-v" | "--volume" => Some(text),
            _ => text
                .strip_prefix("--volume=")
                .or_else(|| text.strip_prefix("-v"))
                .filter(|value| !value.is_empty()),
        };
        let host = matches!(text, "--network=host" | "--net=host") || text.contains("docker.sock");
        if host || volume.is_some_and(|volume| word.dynamic || is_elsewhere(volume)) {
            return Some(text.to_owned());
        }
        // Other short options before it in the same word: `-itv`.
        if cluster_has(text, "v") && text.len() > 2 && !text.starts_with("-v") {
            return Some(text.to_owned());
        }
    }
    None
}

/// A file that is sent or read, or a place for output inside a format.
fn curl(text: &str) -> bool {
    text.contains("%output{")
        || text.starts_with("--expand")
        || text.to_ascii_lowercase().contains("file:")
        || text.starts_with('@')
        || text.contains("=@")
        || text.contains("=<")
        || text.starts_with("-d@")
}
