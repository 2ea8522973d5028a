//! Owns the judgement of a shell command: restrictions match any part, permission needs every part (S3).
//! Uses `shell` for the reading, the rooms below for what programs are known to do, `path_check` for files.
//! Never allows what it cannot read (S4).

mod files;
mod harmless;
mod options;
mod programs;
mod removal;
mod risky;
mod walk;
mod workspace_edits;
mod wrappers;

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::PathBuf;

use crate::Mode;
use crate::finding::{Finding, Verdicts};
use crate::hidden::{contains_hidden, escape};
use crate::path_check::{Touch, by_list, judge as judge_path, restricted};
use crate::place::World;
use crate::rule::{List, RuleSet, Spec};
use crate::shell::{DEPTH, Direction, Event, Reading, Redirect, Simple, Word, line, line_as, read};
use files::FileArgument;
use harmless::{Harmless, Here, bare_name, is_sink, is_stream};
use walk::Walk;
use wrappers::{basename, peel, runs_others, starts};

/// Longer commands are not read; bash itself refuses most of them as one argument.
const LONGEST: usize = 1 << 20;

/// The judge of one command line.
struct Judge<'call, 'out> {
    world: &'call World<'call>,
    rules: &'call RuleSet,
    mode: Mode,
    verdicts: &'out mut Verdicts,
    parts: &'out mut Vec<String>,
    /// Some rule restricts commands or files, so that what cannot be read may be what it is about.
    restricted: bool,
    /// Some rule restricts reading or editing by path.
    restricts_files: bool,
}

/// Judge a command line; findings and the parts to show are added.
pub(crate) fn judge(
    world: &World,
    rules: &RuleSet,
    mode: Mode,
    command: &str,
    verdicts: &mut Verdicts,
    parts: &mut Vec<String>,
) {
    let about_files = |spec: &Spec| matches!(spec, Spec::Path(_) | Spec::Broken(_));
    let restricted = rules.restrictions().any(|(list, rule)| {
        let files = about_files(&rule.spec)
            || (rule.spec == Spec::All && (rule.names("Edit", list) || rule.names("Read", list)));
        files || (rule.names("Bash", list) && !matches!(rule.spec, Spec::Ignored(_)))
    });
    let restricts_files = rules
        .restrictions()
        .any(|(list, rule)| rule.names("Edit", list) || rule.names("Read", list) || about_files(&rule.spec));
    let mut judge = Judge { world, rules, mode, verdicts, parts, restricted, restricts_files };
    judge.whole(command);
}

impl Judge<'_, '_> {
    fn whole(&mut self, command: &str) {
        if command.len() > LONGEST {
            self.parts.push(format!("(a command of {} bytes)", command.len()));
            self.verdicts.add(Finding::firm("the command is too long to be read").changing());
            return;
        }
        if contains_hidden(command) {
            self.verdicts.add(Finding::firm("the command has hidden characters").changing());
        }
        for (list, rule) in self.rules.restrictions() {
            match &rule.spec {
                _ if !rule.names("Bash", list) => {}
                Spec::All => self.verdicts.add(by_list(list, rule)),
                Spec::Broken(why) => {
                    self.verdicts
                        .add(Finding::firm(format!("a rule cannot be read: {why}")).by(&rule.source));
                }
                Spec::Command(pattern) if pattern.matches(command.trim()) => {
                    self.verdicts.add(by_list(list, rule))
                }
                _ => {}
            }
        }
        let reading = read(command, 0);
        self.doubts(command, &reading);
        let mut walk = Walk::new(self.world.context.cwd.clone());
        // The same command in the same place is judged once.
        let mut seen: HashSet<(&str, bool)> = HashSet::new();
        let mut bases: Vec<PathBuf> = Vec::new();
        for (position, event) in reading.events.iter().enumerate() {
            match event {
                Event::Command(simple) => {
                    self.parts.push(escape(&simple.raw));
                    if walk.bases() != bases {
                        bases = walk.bases().to_vec();
                        seen.clear();
                    }
                    if seen.insert((&simple.raw, simple.fed)) {
                        self.judge_simple(simple, &bases);
                    }
                    let chained =
                        matches!(reading.events.get(position + 1..), Some([Event::Leave, Event::And, ..]));
                    walk.command(self.world, simple, chained);
                }
                other => walk.scope(other),
            }
        }
    }

    fn judge_simple(&mut self, simple: &Simple, bases: &[PathBuf]) {
        let Some(starts) = starts(&simple.words) else {
            self.verdicts.add(Finding::firm("it has too many programs in programs to be read").changing());
            return;
        };
        self.restrict(simple, &starts, bases, 0);
        self.permit(simple, &starts, bases);
    }

    /// What could not be read.
    fn doubts(&mut self, command: &str, reading: &Reading) {
        let Some(why) = reading.opaque.first() else { return };
        let why = format!("it cannot be read with certainty: {why}");
        let finding = if self.restricted { Finding::firm(why) } else { Finding::ask(why) };
        self.verdicts.add(finding.changing());
        // The rest of it is not taken apart: so anything in it that looks like a denied command counts as one.
        let pieces = command.split([';', '|', '&', '\n', '(', ')', '{', '}', '`']).map(str::trim);
        let pieces: HashSet<&str> = pieces.filter(|piece| !piece.is_empty()).collect();
        for piece in pieces {
            let bare: String = piece.chars().filter(|c| !matches!(c, '\'' | '"' | '\\')).collect();
            self.match_commands(&[piece, bare.as_str()]);
        }
    }

    /// Deny and ask rules about commands.
    fn match_commands(&mut self, texts: &[impl AsRef<str>]) {
        for (list, rule) in self.rules.restrictions() {
            if let Spec::Command(pattern) = &rule.spec
                && rule.names("Bash", list)
                && texts.iter().any(|text| pattern.matches(text.as_ref()))
            {
                self.verdicts.add(by_list(list, rule));
            }
        }
    }

    /// What forbids the command or asks about it: any start, any string that it may run, any file.
    fn restrict(&mut self, simple: &Simple, starts: &[usize], bases: &[PathBuf], depth: usize) {
        if simple.words.is_empty() {
            return;
        }
        let here = Here { world: self.world, bases };
        let rules_on_commands = self
            .rules
            .restrictions()
            .any(|(list, rule)| matches!(rule.spec, Spec::Command(_)) && rule.names("Bash", list));
        if rules_on_commands {
            self.match_commands(&[&simple.raw]);
        }
        for &start in starts {
            let words = &simple.words[start..];
            if rules_on_commands {
                let mut texts = vec![line(words)];
                if words.iter().any(|word| word.written.is_some()) {
                    texts.push(render(words, |word| &word.text));
                    texts.push(render(words, Word::raw));
                }
                self.match_commands(&texts);
                let name = basename(&words[0].text);
                if name.len() < words[0].text.len() {
                    let named = line_as(name, words);
                    self.match_commands(&[named]);
                }
            }
            if let Some(why) = removal::of_everything(&here, words) {
                self.verdicts.add(Finding::firm(why).changing());
            }
            let mut seen = HashSet::new();
            for file in files::of(words) {
                if seen.insert((file.text.clone(), file.touch == Touch::Write, file.certain)) {
                    self.restrict_file(&here, &file);
                }
            }
        }
        if starts.iter().any(|&start| runs_others(basename(&simple.words[start].text))) {
            self.nested(simple, bases, depth);
        }
    }

    /// Strings that a program could hand to a shell.
    fn nested(&mut self, simple: &Simple, bases: &[PathBuf], depth: usize) {
        for word in &simple.words[1..] {
            let text = word.text.strip_prefix('!').unwrap_or(&word.text);
            let text = match text.split_once("=!") {
                Some((name, alias)) if !name.contains(' ') => alias,
                _ => text,
            };
            if !word.quoted && !word.text.contains('!')
                || !text.contains([' ', '\t', '\n', ';', '&', '|', '$', '`', '/'])
            {
                continue;
            }
            if depth >= DEPTH {
                self.verdicts.add(Finding::firm("it nests too deep").changing());
                return;
            }
            let reading = read(text, depth + 1);
            for inner in reading.commands() {
                match starts(&inner.words) {
                    Some(starts) => self.restrict(inner, &starts, bases, depth + 1),
                    None => self
                        .verdicts
                        .add(Finding::firm("it has too many programs in programs to be read").changing()),
                }
                for redirect in &inner.redirects {
                    self.restrict_file(
                        &Here { world: self.world, bases },
                        &redirected(redirect.direction, &redirect.target),
                    );
                }
            }
            if !reading.opaque.is_empty() {
                for piece in text.split([';', '|', '&', '\n', '(', ')', '{', '}', '`']) {
                    self.match_commands(&[piece.trim()]);
                }
            }
        }
    }

    /// Deny and ask rules about files, and protected places.
    fn restrict_file(&mut self, here: &Here, file: &FileArgument) {
        let writes = file.certain && file.touch == Touch::Write;
        if file.dynamic || !(self.restricts_files || writes) {
            return;
        }
        let tool = if file.touch == Touch::Write { "Edit" } else { "Read" };
        let text = match file.text.find(['*', '?', '[']) {
            Some(wild) if file.glob => file.text[..wild].rsplit_once('/').map_or(".", |(folder, _)| folder),
            _ => &file.text,
        };
        let text = if text.is_empty() { "/" } else { text };
        for place in here.places(text, file.tilde) {
            if self.restricts_files {
                if !file.glob
                    && let Some(finding) = restricted(self.rules, tool, file.touch, &place)
                {
                    self.verdicts.add(if file.certain {
                        finding
                    } else {
                        Finding { level: crate::finding::Level::Firm, ..finding }
                    });
                } else if file.glob || (file.descends && self.world.is_folder(&place)) {
                    self.restrict_below(tool, &place);
                }
            }
            if writes && !is_sink(&file.text) {
                if self.world.is_protected(&place) {
                    self.parts.push(escape(&place.shown()));
                    self.verdicts.add(Finding::firm("it writes to a protected path").changing());
                } else if file.glob || (file.descends && self.world.holds_protected(&place)) {
                    // A wildcard could name something protected, and a folder could hold it.
                    self.verdicts.add(Finding::ask("it may write to a protected path").changing());
                }
            }
        }
    }

    fn restrict_below(&mut self, tool: &str, place: &crate::place::Place) {
        for (list, rule) in self.rules.restrictions() {
            if let Spec::Path(pattern) = &rule.spec
                && rule.names(tool, list)
                && pattern.may_reach_below(place)
            {
                self.verdicts.add(Finding::firm("it may reach a path that a rule is about").by(&rule.source));
            }
        }
    }

    /// What allows the command.
    fn permit(&mut self, simple: &Simple, starts: &[usize], bases: &[PathBuf]) {
        let here = Here { world: self.world, bases };
        let mut seen: HashSet<(bool, bool, &str)> = HashSet::new();
        for Redirect { direction, target } in &simple.redirects {
            if seen.insert((*direction == Direction::Read, *direction == Direction::Write, target.raw())) {
                self.redirect(&here, *direction, target);
            }
        }
        let Some(first) = simple.words.first() else { return };
        if first.dynamic || first.glob || first.tilde {
            let why = format!("which program `{}` is, is not known", escape(first.raw()));
            let finding = if self.restricted { Finding::firm(why) } else { Finding::ask(why) };
            self.verdicts.add(finding.changing());
            return;
        }
        // Inside a wrapper a word that is not known may be the program that a rule is about.
        let hidden = starts
            .iter()
            .skip(1)
            .take(2)
            .map(|&start| &simple.words[start])
            .find(|word| word.known().is_none());
        if let Some(word) = hidden
            && self.restricted
        {
            let why = format!("which program `{}` is, is not known", escape(word.raw()));
            self.verdicts.add(Finding::firm(why).changing());
        }
        if let Some(why) = unreadable(simple, starts) {
            let finding = if self.restricted { Finding::firm(why) } else { Finding::ask(why) };
            self.verdicts.add(finding.changing());
            return;
        }
        let finding = self.permit_words(&here, &simple.words, false);
        self.verdicts.add(finding);
    }

    fn permit_words(&self, here: &Here, words: &[Word], extended: bool) -> Finding {
        let known = here.judge(words);
        if known == Harmless::Yes && !extended {
            return Finding::allow("it only reads, inside the working directories");
        }
        if let Some(finding) = self.permit_by_rule(here, words) {
            return finding;
        }
        if let Some(peeled) = peel(words) {
            return self.permit_words(here, peeled.inner, extended || peeled.extended);
        }
        if self.mode == Mode::AcceptEdits && !extended && workspace_edits::accepts(here, words) {
            return Finding::allow("edits inside the working directories are accepted").changing();
        }
        match known {
            Harmless::Yes => Finding::ask("what it reads comes from its input"),
            Harmless::Elsewhere(why) => Finding::ask(escape(&why)),
            Harmless::No(why) => Finding::ask(escape(&why)).changing(),
        }
    }

    fn permit_by_rule(&self, here: &Here, words: &[Word]) -> Option<Finding> {
        let name = bare_name(&words[0].text);
        let (mut texts, mut risk) = (Vec::new(), None);
        for rule in self.rules.allow.iter().filter(|rule| rule.names("Bash", List::Allow)) {
            let pattern = match &rule.spec {
                Spec::All => None,
                Spec::Command(pattern) => Some(pattern),
                _ => continue,
            };
            if texts.is_empty() {
                texts.push(line(words));
                texts.push(render(words, Word::raw));
                if let Some(name) = name.filter(|name| name.len() < words[0].text.len()) {
                    texts.push(line_as(name, words));
                }
                risk = risky_argument(here, words);
            }
            let covers = match pattern {
                None => true,
                Some(pattern) => texts.iter().any(|text| pattern.matches(text)),
            };
            if !covers {
                continue;
            }
            // What an argument makes the program run is only covered when the rule spells the argument out.
            let spelled = |risk: &String| pattern.is_some_and(|pattern| pattern.spells(risk));
            if risk.as_ref().is_none_or(spelled) {
                return Some(Finding::allow("a rule allows it").by(&rule.source).changing());
            }
        }
        None
    }

    fn redirect(&mut self, here: &Here, direction: Direction, target: &Word) {
        if target.pipe {
            return;
        }
        if target.dynamic || target.glob || here.bases.is_empty() || is_other_home(target) {
            let why = format!("where `{}` leads is not known", escape(target.raw()));
            let finding = if self.restricts_files { Finding::firm(why) } else { Finding::ask(why) };
            self.verdicts.add(finding.changing());
            return;
        }
        if target.text.starts_with("/dev/tcp/") || target.text.starts_with("/dev/udp/") {
            self.verdicts.add(Finding::firm("it opens a network connection").changing());
            return;
        }
        for place in here.places(&target.text, target.tilde) {
            if direction != Direction::Write && !is_stream(&target.text) {
                let finding = judge_path(self.world, self.rules, self.mode, "Read", Touch::Read, &place);
                self.verdicts.add(finding);
            }
            if direction != Direction::Read && !is_sink(&target.text) {
                self.parts.push(format!("> {}", escape(&place.shown())));
                let finding = judge_path(self.world, self.rules, self.mode, "Edit", Touch::Write, &place);
                self.verdicts.add(finding);
            }
        }
    }
}

/// `~user`, `~+`, `~-`
fn is_other_home(word: &Word) -> bool {
    word.tilde && word.text != "~" && !word.text.starts_with("~/")
}

fn redirected(direction: Direction, target: &Word) -> FileArgument<'_> {
    FileArgument {
        text: Cow::Borrowed(&target.text),
        tilde: target.tilde,
        glob: target.glob,
        dynamic: target.dynamic,
        touch: if direction == Direction::Read { Touch::Read } else { Touch::Write },
        certain: true,
        descends: false,
    }
}

/// Why no rule covers the command: it runs what cannot be seen (S4).
fn unreadable(simple: &Simple, starts: &[usize]) -> Option<String> {
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

/// An argument that a rule must spell out to cover it.
fn risky_argument(here: &Here, words: &[Word]) -> Option<String> {
    if let Some(risk) = risky::find(words) {
        return Some(risk);
    }
    if basename(&words[0].text) == "git" && here.same_repository().is_err() {
        return Some("\0another repository".into());
    }
    // A rule for a wrapper is no rule for everything.
    let inner = starts(words)?.into_iter().nth(1)?;
    let program = basename(&words[0].text);
    matches!(
        program,
        "sudo"
            | "doas"
            | "env"
            | "nohup"
            | "timeout"
            | "nice"
            | "ionice"
            | "setsid"
            | "flock"
            | "stdbuf"
            | "time"
            | "command"
            | "builtin"
            | "xargs"
            | "watch"
            | "parallel"
            | "exec"
            | "noglob"
            | "chroot"
            | "strace"
            | "script"
    )
    .then(|| words[inner].text.clone())
}

/// The words as one line.
fn render<'words>(words: &'words [Word], each: impl Fn(&'words Word) -> &'words str) -> String {
    words.iter().map(each).collect::<Vec<_>>().join(" ")
}
