//! Owns whether a simple command only reads, and only inside the working directories (S2).
//! Uses the tables of `programs`, the sorter of `options`, and the world for paths.
//! Never accepts a program that is not listed.

use std::path::{Path, PathBuf};

use super::options::{Arguments, Operands, Refusal, Row};
use super::programs::{self, second_word_reads};
use super::risky::is_plain_sed;
use crate::Kind;
use crate::place::{Place, World};
use crate::shell::Word;

/// What a command is known to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Harmless {
    /// It reads inside the working directories at most.
    Yes,
    /// It only reads, but what it reads is elsewhere or not known.
    Elsewhere(String),
    /// It is not known to only read.
    No(Refusal),
}

/// The surroundings of a command: where it may run.
pub(super) struct Here<'walk, 'call> {
    pub(super) world: &'walk World<'call>,
    /// Every directory that may be the current one; none when it is not known.
    pub(super) bases: &'walk [PathBuf],
}

impl Here<'_, '_> {
    /// Where a word leads, from every directory that may be the current one.
    pub(super) fn places(&self, text: &str, tilde: bool) -> Vec<Place> {
        let home;
        let text = match text.strip_prefix('~') {
            Some(rest) if tilde && (rest.is_empty() || rest.starts_with('/')) => {
                home = format!("{}{rest}", self.world.context.home.display());
                home.as_str()
            }
            _ => text,
        };
        if Path::new(text).is_absolute() {
            return vec![self.world.locate(Path::new("/"), text)];
        }
        self.bases.iter().map(|base| self.world.locate(base, text)).collect()
    }

    /// Whether a path that is read is inside, as far as it is known.
    fn inside(&self, text: &str, word: &Word) -> Result<(), String> {
        if word.pipe || text == "-" || is_stream(text) {
            return Ok(());
        }
        if word.dynamic {
            return Err(format!("what `{}` stands for is not known", word.raw()));
        }
        if word.tilde && text.starts_with('~') && text.len() > 1 && !text.starts_with("~/") {
            return Err(format!("where `{text}` leads is not known"));
        }
        let mut known = text;
        if word.glob {
            // Up to the folder that is searched; a name behind a wildcard could be a link, but `..` is always a way out.
            let wild = text.find(['*', '?', '[']).unwrap_or(text.len());
            if text[wild..].split('/').any(|part| part == "..") {
                return Err(format!("where `{text}` leads is not known"));
            }
            known = text[..wild]
                .rsplit_once('/')
                .map_or("", |(folder, _)| if folder.is_empty() { "/" } else { folder });
        }
        let known = if known.is_empty() { "." } else { known };
        let places = self.places(known, word.tilde);
        if places.is_empty() {
            return Err("the current directory is not known".into());
        }
        match places.iter().find(|place| !self.world.is_inside(place)) {
            Some(place) => Err(format!("{} is outside the working directories", place.shown())),
            None => Ok(()),
        }
    }

    fn all_inside<'words>(&self, words: impl IntoIterator<Item = &'words Word>) -> Harmless {
        for word in words {
            if let Err(why) = self.inside(&word.text, word) {
                return Harmless::Elsewhere(why);
            }
        }
        Harmless::Yes
    }

    /// Text names nothing, but a wildcard in it lists a folder.
    fn listed<'words>(&self, words: impl IntoIterator<Item = &'words Word>) -> Harmless {
        self.all_inside(words.into_iter().filter(|word| word.glob && !word.dynamic))
    }

    /// What a command is known to do.
    pub(super) fn judge(&self, words: &[Word]) -> Harmless {
        let Some((first, arguments)) = words.split_first() else { return Harmless::Yes };
        let Some(program) = first.known().and_then(bare_name) else {
            return Harmless::No(format!("`{}` is not known to only read", first.raw()));
        };
        let result = match program {
            "echo" => Ok(self.listed(arguments)),
            "printf" => printf(arguments).map(|_| self.listed(arguments)),
            "cd" => self.change_directory(arguments),
            "find" => self.find(arguments),
            "sed" => self.sed(arguments),
            "date" => date(arguments),
            "uniq" => self.uniq(arguments),
            "test" => self.test(arguments, false),
            "[" => match arguments.split_last() {
                Some((last, inner)) if last.text == "]" => self.test(inner, false),
                _ => Err("`[` without `]`".into()),
            },
            "[[" if first.written.as_deref() == Some("[[") => self.test(arguments, true),
            "command" => match arguments {
                [option, names @ ..]
                    if matches!(option.text.as_str(), "-v" | "-V")
                        && names.iter().all(|name| !name.splits) =>
                {
                    Ok(Harmless::Yes)
                }
                _ => Err("`command` runs a program".into()),
            },
            "set" => set(arguments),
            "git" => self.git(arguments),
            _ => match programs::program(program) {
                Some(row) => row.sort(arguments).map(|sorted| self.sorted(row, &sorted)),
                None => Err(format!("`{program}` is not known to only read")),
            },
        };
        result.unwrap_or_else(Harmless::No)
    }

    fn sorted(&self, row: &Row, sorted: &Arguments) -> Harmless {
        if sorted.loose && row.operands != Operands::Text {
            return Harmless::Elsewhere("an unquoted expansion could become further words".into());
        }
        for (word, path) in &sorted.paths {
            if let Err(why) = self.inside(path, word) {
                return Harmless::Elsewhere(why);
            }
        }
        let operands = sorted.operands.iter().copied();
        match row.operands {
            Operands::Text => self.listed(operands),
            Operands::None if sorted.operands.is_empty() => Harmless::Yes,
            Operands::None => Harmless::No("it takes no such argument".into()),
            Operands::Paths => self.all_inside(operands),
            Operands::PatternThenPaths => {
                let pattern = sorted
                    .given
                    .iter()
                    .any(|given| matches!(*given, "e" | "f" | "regexp" | "file" | "files" | "type-list"));
                self.pattern_then(pattern, &sorted.operands, |words| self.all_inside(words.iter().copied()))
            }
            Operands::Revisions => self.revisions(&sorted.operands),
            Operands::PatternThenRevisions => {
                let pattern = sorted.given.iter().any(|given| matches!(*given, "e" | "f"));
                self.pattern_then(pattern, &sorted.operands, |words| self.revisions(words))
            }
        }
    }

    fn pattern_then(
        &self,
        given: bool,
        operands: &[&Word],
        rest: impl FnOnce(&[&Word]) -> Harmless,
    ) -> Harmless {
        if given {
            return rest(operands);
        }
        match operands.split_first() {
            // An unquoted pattern can become file names, and then another word is the pattern.
            Some((pattern, others)) if pattern.glob || pattern.splits => {
                match self.all_inside(others.iter().copied()) {
                    Harmless::Yes if pattern.splits => {
                        Harmless::Elsewhere(format!("`{}` could become several words", pattern.raw()))
                    }
                    Harmless::Yes => self.all_inside([*pattern]),
                    other => other,
                }
            }
            Some((_, others)) => rest(others),
            None => Harmless::Yes,
        }
    }

    /// Revisions name nothing outside the repository; paths may.
    fn revisions(&self, operands: &[&Word]) -> Harmless {
        for word in operands {
            let text = word.text.as_str();
            let is_path = word.tilde || text.starts_with('/') || text.split('/').any(|part| part == "..");
            if is_path && let Err(why) = self.inside(text, word) {
                return Harmless::Elsewhere(why);
            }
        }
        Harmless::Yes
    }

    fn git(&self, arguments: &[Word]) -> Result<Harmless, Refusal> {
        let mut rest = arguments;
        while let Some(("--no-pager" | "-P" | "--no-optional-locks", after)) =
            rest.split_first().map(|(first, after)| (first.text.as_str(), after))
        {
            rest = after;
        }
        let (command, words) = rest.split_first().ok_or("`git` alone does nothing")?;
        let name = command.known().ok_or("which command of git this is, is not known")?;
        if name == "--version" {
            return Ok(Harmless::Yes);
        }
        let refused = || format!("`git {name}` is not known to only read");
        let row = programs::git_command(name).ok_or_else(refused)?;
        let sorted = row.sort(words)?;
        let second = sorted.operands.first().map(|word| word.text.as_str());
        let given = |options: &[&str]| sorted.given.iter().any(|given| options.contains(given));
        let reads = second_word_reads(name, second)
            && match name {
                "branch" => {
                    second.is_none()
                        || given(&["list", "contains", "no-contains", "merged", "no-merged", "points-at"])
                }
                "tag" => {
                    second.is_none()
                        || given(&[
                            "l",
                            "list",
                            "contains",
                            "no-contains",
                            "merged",
                            "no-merged",
                            "points-at",
                        ])
                }
                // One operand with a dot is a key to show; without, it may be `edit`.
                "config" => {
                    given(&["l", "list", "get", "get-all", "get-regexp"])
                        || (sorted.operands.len() == 1 && second.is_some_and(|key| key.contains('.')))
                }
                _ => true,
            };
        if !reads {
            return Err(refused());
        }
        self.same_repository()?;
        Ok(self.sorted(row, &sorted))
    }

    /// git takes its configuration, and with it programs to run, from the repository it is in. That must be the project's.
    ///
    /// # Errors
    /// Why it may be another.
    pub(super) fn same_repository(&self) -> Result<(), Refusal> {
        let root = self.world.both(&self.world.context.root);
        if self.bases.is_empty() {
            return Err("which repository this is, is not known".into());
        }
        for base in self.bases {
            let resolved = self.world.files.resolve(base);
            let home = root.iter().find(|root| resolved.starts_with(root));
            let home = home.ok_or("it runs git in another repository")?;
            for folder in resolved.ancestors().take_while(|folder| folder.starts_with(home)) {
                let kind = |name: &str| self.world.files.kind(&folder.join(name));
                if folder != home && kind(".git") != Kind::Missing {
                    return Err("it runs git in another repository".into());
                }
                let bare = kind("HEAD") != Kind::Missing
                    && kind("objects") != Kind::Missing
                    && kind("refs") != Kind::Missing;
                if bare {
                    return Err("the directory looks like a repository of its own".into());
                }
            }
        }
        Ok(())
    }

    fn change_directory(&self, arguments: &[Word]) -> Result<Harmless, Refusal> {
        let operands: Vec<&Word> =
            arguments.iter().filter(|word| !matches!(word.text.as_str(), "--" | "-P" | "-L")).collect();
        match operands.as_slice() {
            [] => Ok(Harmless::Elsewhere("the home directory is outside the working directories".into())),
            [one] if one.text.starts_with('-') => {
                Ok(Harmless::Elsewhere("where it goes is not known".into()))
            }
            [one] if one.glob => Ok(Harmless::Elsewhere("where it goes is not known".into())),
            [one] => Ok(self.all_inside([*one])),
            _ => Err("`cd` takes one directory".into()),
        }
    }

    fn uniq(&self, arguments: &[Word]) -> Result<Harmless, Refusal> {
        const UNIQ: Row = Row {
            names: "uniq",
            short: "cdDiuz",
            valued: "fsw",
            pathed: "",
            long: "count repeated all-repeated? skip-fields= group? ignore-case skip-chars= unique zero-terminated check-chars= help version",
            operands: Operands::Paths,
            sharp: true,
        };
        let sorted = UNIQ.sort(arguments)?;
        if sorted.operands.len() > 1 {
            return Err("the second file of `uniq` is written".into());
        }
        Ok(self.sorted(&UNIQ, &sorted))
    }

    /// Only `sed -n` with ranges to print: the language has commands that write and run.
    fn sed(&self, arguments: &[Word]) -> Result<Harmless, Refusal> {
        const SED: Row = Row {
            names: "sed",
            short: "nErsuz",
            valued: "e",
            pathed: "",
            long: "quiet silent regexp-extended separate unbuffered expression=",
            operands: Operands::Paths,
            sharp: true,
        };
        let sorted = SED.sort(arguments)?;
        let mut scripts: Vec<&str> = Vec::new();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let text = word.text.as_str();
            if let Some(script) = text.strip_prefix("--expression=") {
                scripts.push(script);
            } else if text == "--expression"
                || (text.starts_with('-') && !text.starts_with("--") && text.ends_with('e'))
            {
                scripts.extend(words.next().map(|word| word.text.as_str()));
            } else if text.starts_with('-') && !text.starts_with("--") && text.contains('e') {
                return Err("a script that is attached to its option".into());
            }
        }
        let mut files = sorted.operands.as_slice();
        if scripts.is_empty() {
            let (script, rest) = files.split_first().ok_or("`sed` without a script")?;
            scripts.push(&script.text);
            files = rest;
        }
        let quiet = sorted.given.iter().any(|given| matches!(*given, "n" | "quiet" | "silent"));
        let prints = |script: &&str| {
            is_plain_sed(script) && script.chars().all(|c| c.is_ascii_digit() || " ,;$+p\n".contains(c))
        };
        if !quiet || !scripts.iter().all(prints) {
            return Err("only `sed -n` that prints ranges is known to only read".into());
        }
        Ok(self.all_inside(files.iter().copied()))
    }

    fn find(&self, arguments: &[Word]) -> Result<Harmless, Refusal> {
        if let Some(word) = arguments.iter().find(|word| word.glob || word.dynamic) {
            return Err(format!("`{}` could become an action of `find`", word.raw()));
        }
        let mut words = arguments.iter();
        let mut places = Vec::new();
        let mut expression = false;
        while let Some(word) = words.next() {
            let text = word.text.as_str();
            match text {
                "-H" | "-P" if !expression => continue,
                "(" | ")" | "!" | "," => expression = true,
                _ if !text.starts_with('-') && !expression => places.push(word),
                _ if FIND_TESTS.contains(&text) => expression = true,
                _ if FIND_VALUED.contains(&text) => {
                    expression = true;
                    words.next();
                }
                _ if FIND_PATHED.contains(&text) => {
                    expression = true;
                    places.extend(words.next());
                }
                _ => return Err(format!("`{text}` is not known to be harmless")),
            }
        }
        Ok(self.all_inside(places))
    }

    fn test(&self, words: &[Word], double: bool) -> Result<Harmless, Refusal> {
        let mut at = 0;
        let mut outcome = Harmless::Yes;
        while let Some(word) = words.get(at) {
            let text = word.text.as_str();
            if !double && (word.splits || word.glob) {
                return Err(format!("`{}` could become an operator", word.raw()));
            }
            let operator = word.known().is_some() && !word.quoted;
            if operator && matches!(text, "!" | "(" | ")" | "&&" | "||" | "-a" | "-o") {
                at += 1;
                continue;
            }
            let last = words
                .get(at + 1)
                .is_none_or(|next| matches!(next.text.as_str(), ")" | "&&" | "||") && !next.quoted);
            if text.starts_with('-') && text.len() == 2 && !word.dynamic && !last {
                let operand = &words[at + 1];
                match text {
                    "-n" | "-z" => {}
                    "-e" | "-f" | "-d" | "-r" | "-w" | "-x" | "-s" | "-L" | "-h" | "-b" | "-c" | "-p"
                    | "-S" | "-g" | "-u" | "-k" | "-O" | "-G" | "-N" => {
                        if let Err(why) = self.inside(&operand.text, operand) {
                            outcome = Harmless::Elsewhere(why);
                        }
                    }
                    _ => return Err(format!("`{text}` in a test is not known to be harmless")),
                }
                if !double && (operand.splits || operand.glob) {
                    return Err(format!("`{}` could become an operator", operand.raw()));
                }
                at += 2;
                continue;
            }
            if last {
                at += 1;
                continue;
            }
            let (operator, right) = (&words[at + 1], words.get(at + 2));
            let right = right.ok_or("a test that is not complete")?;
            match operator.text.as_str() {
                _ if operator.dynamic => return Err("a test whose operator is not known".into()),
                "=" | "==" | "!=" | "=~" | "<" | ">" => {}
                "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" => {
                    let number = |word: &Word| {
                        !word.dynamic
                            && word.text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit())
                    };
                    if double && !(number(word) && number(right)) {
                        return Err("`[[` evaluates what it compares as numbers".into());
                    }
                }
                "-nt" | "-ot" | "-ef" => {
                    for word in [word, right] {
                        if let Err(why) = self.inside(&word.text, word) {
                            outcome = Harmless::Elsewhere(why);
                        }
                    }
                }
                _ => return Err("a test that is not understood".into()),
            }
            if !double && (right.splits || right.glob) {
                return Err(format!("`{}` could become an operator", right.raw()));
            }
            at += 3;
        }
        Ok(outcome)
    }
}

const FIND_TESTS: &[&str] = &[
    "-a",
    "-and",
    "-o",
    "-or",
    "-not",
    "-print",
    "-print0",
    "-prune",
    "-quit",
    "-empty",
    "-true",
    "-false",
    "-readable",
    "-writable",
    "-executable",
    "-daystart",
    "-depth",
    "-d",
    "-xdev",
    "-mount",
    "-nouser",
    "-nogroup",
    "-ls",
    "-noleaf",
];
const FIND_VALUED: &[&str] = &[
    "-name",
    "-iname",
    "-path",
    "-ipath",
    "-wholename",
    "-iwholename",
    "-regex",
    "-iregex",
    "-regextype",
    "-type",
    "-xtype",
    "-maxdepth",
    "-mindepth",
    "-size",
    "-mtime",
    "-mmin",
    "-atime",
    "-amin",
    "-ctime",
    "-cmin",
    "-newermt",
    "-perm",
    "-user",
    "-group",
    "-uid",
    "-gid",
    "-links",
    "-inum",
    "-lname",
    "-ilname",
    "-printf",
    "-used",
    "-fstype",
];
const FIND_PATHED: &[&str] = &["-newer", "-anewer", "-cnewer", "-samefile"];

/// The name, if it is one that a lookup in the system's folders gives (S5).
pub(super) fn bare_name(text: &str) -> Option<&str> {
    match text.rsplit_once('/') {
        None => Some(text),
        Some((folder, name)) => {
            matches!(folder, "/bin" | "/usr/bin" | "/usr/local/bin" | "/sbin" | "/usr/sbin").then_some(name)
        }
    }
}

/// Reading from these touches no file.
pub(super) fn is_stream(text: &str) -> bool {
    matches!(text, "/dev/null" | "/dev/stdin" | "/dev/zero")
        || text.strip_prefix("/dev/fd/").is_some_and(is_number)
}

/// Writing to these touches no file.
pub(super) fn is_sink(text: &str) -> bool {
    matches!(text, "/dev/null" | "/dev/stdout" | "/dev/stderr")
        || text.strip_prefix("/dev/fd/").is_some_and(is_number)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn printf(arguments: &[Word]) -> Result<Harmless, Refusal> {
    let arguments = match arguments.split_first() {
        Some((first, rest)) if first.text == "--" => rest,
        _ => arguments,
    };
    match arguments.first() {
        // `-v` and `%n` set a variable, whose subscript could run a command.
        Some(format) if format.dynamic || format.text.starts_with('-') || stores(&format.text) => {
            Err("the format of `printf` is not known to be harmless".into())
        }
        _ => Ok(Harmless::Yes),
    }
}

/// Whether a format has a conversion that stores into a variable: `%n`, with whatever may stand between.
fn stores(format: &str) -> bool {
    format.split('%').skip(1).any(|conversion| {
        conversion
            .trim_start_matches(|c: char| c.is_ascii_digit() || "-+ #.*'hlLjztq".contains(c))
            .starts_with('n')
    })
}

fn date(arguments: &[Word]) -> Result<Harmless, Refusal> {
    const DATE: Row = Row {
        names: "date",
        short: "uRI",
        valued: "d",
        pathed: "",
        long: "date= utc universal iso-8601? rfc-3339= rfc-email help version",
        operands: Operands::Text,
        sharp: true,
    };
    let sorted = DATE.sort(arguments)?;
    match sorted.operands.iter().find(|word| !word.text.starts_with('+')) {
        Some(_) => Err("it would set the clock".into()),
        None => Ok(Harmless::Yes),
    }
}

/// `set -e` and its like; not `-x`, which expands a variable into commands.
fn set(arguments: &[Word]) -> Result<Harmless, Refusal> {
    if arguments.is_empty() {
        return Err("it shows every variable, and some are secrets".into());
    }
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let letters =
            word.known().and_then(|text| text.strip_prefix('-')).ok_or("`set` changes the shell")?;
        if letters.is_empty() || !letters.bytes().all(|byte| b"euo".contains(&byte)) {
            return Err("`set` changes the shell".into());
        }
        if letters.contains('o') && words.next().is_none_or(|option| option.text != "pipefail") {
            return Err("`set` changes the shell".into());
        }
    }
    Ok(Harmless::Yes)
}
