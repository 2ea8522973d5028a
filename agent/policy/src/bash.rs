//! Owns the judgement of a shell command: restrictions match any part, permission needs every part (S3).
//! Uses `shell` for the reading, the rooms below for what programs are known to do, `path_check` for files.
//! Never allows what it cannot read (S4).

mod account;
mod files;
mod harmless;
mod network;
mod opaque;
mod options;
mod permit;
mod programs;
mod removal;
mod repository;
mod risky;
mod walk;
mod workspace_edits;
mod wrappers;

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::PathBuf;

pub(crate) use account::account;

use crate::Mode;
use crate::finding::{Finding, Level, Verdicts};
use crate::fold as spelling;
use crate::hidden::{contains_hidden, escape};
use crate::path_check::{Touch, by_list, restricted};
use crate::place::World;
use crate::rule::{List, RuleSet, Spec};
use crate::scopes::OFFLINE;
use crate::second;
use crate::shell::{DEPTH, Direction, Event, Reading, Simple, Word, line, line_as, read};
use files::FileArgument;
use harmless::{Here, is_sink};
use walk::Walk;
use wrappers::{basename, peel, runs_others, starts};

const NOWHERE: &str = "the current directory is not known";

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
    Judge::new(world, rules, mode, verdicts, parts).whole(command);
}

/// Whether the only rule of a set is about this command line: for a restriction any part is enough, for a permission
/// every part must be covered.
pub(crate) fn covered(world: &World, alone: &RuleSet, list: List, command: &str) -> bool {
    let mut verdicts = Verdicts::new();
    if list != List::Allow {
        judge(world, alone, Mode::Default, command, &mut verdicts, &mut Vec::new());
        let finding = verdicts.finish("").finding;
        return finding.rule.is_some();
    }
    let reading = read(command, 0);
    let mut parts = Vec::new();
    let judge = Judge::new(world, alone, Mode::Default, &mut verdicts, &mut parts);
    let bases = [world.context.cwd.clone()];
    let here = Here { world, bases: &bases };
    let covers = |simple: &Simple| {
        let mut words = simple.words.as_slice();
        loop {
            if words.is_empty() || judge.permit_by_rule(&here, words).is_some() {
                return !words.is_empty();
            }
            match peel(words) {
                Some(peeled) => words = peeled.inner,
                None => return false,
            }
        }
    };
    reading.opaque.is_empty() && reading.commands().next().is_some() && reading.commands().all(covers)
}

impl<'call, 'out> Judge<'call, 'out> {
    fn new(
        world: &'call World<'call>,
        rules: &'call RuleSet,
        mode: Mode,
        verdicts: &'out mut Verdicts,
        parts: &'out mut Vec<String>,
    ) -> Self {
        let about_files = |spec: &Spec| matches!(spec, Spec::Path(_) | Spec::Broken(_));
        let restricted = rules.restrictions().any(|(list, rule)| {
            let files = about_files(&rule.spec)
                || (rule.spec == Spec::All && (rule.names("Edit", list) || rule.names("Read", list)));
            files || (rule.names("Bash", list) && !matches!(rule.spec, Spec::Ignored(_)))
        });
        let restricts_files = rules.restrictions().any(|(list, rule)| {
            rule.names("Edit", list) || rule.names("Read", list) || about_files(&rule.spec)
        });
        Self { world, rules, mode, verdicts, parts, restricted, restricts_files }
    }

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
            if let Some(why) = &rule.fails
                && rule.names("Bash", list)
            {
                self.verdicts.add(Finding::firm(why.clone()).by(&rule.source));
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
        self.read_again(command, &reading);
    }

    /// Nothing is allowed that another reader reads differently.
    fn read_again(&mut self, command: &str, reading: &Reading) {
        let allowed = match self.verdicts.level() {
            Level::Allow => true,
            Level::Ask => self.mode == Mode::BypassPermissions && self.restricted,
            Level::Firm | Level::Deny => false,
        };
        // A rule that would be saved for the question must allow it, too.
        let answerable = self.verdicts.level() == Level::Ask && self.verdicts.has_literals();
        if (allowed || answerable)
            && let Err(why) = second::agrees(command, reading)
        {
            let why = format!("two readings of it differ: {why}");
            // It is not said to change anything: whether it is read again depends on what else was found.
            self.verdicts.add(if allowed { Finding::firm(why) } else { Finding::ask(why) });
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
        let mut from_input = false;
        for &start in starts {
            let words = &simple.words[start..];
            if rules_on_commands {
                let mut texts = vec![line(words)];
                if words.iter().any(|word| word.quoted || word.written.is_some()) {
                    texts.push(render(words, |word| &word.text));
                    texts.push(render(words, Word::raw));
                }
                self.match_commands(&texts);
                for behind in wrappers::behind_options(words) {
                    self.match_commands(&[line_as(basename(&words[0].text), &words[behind - 1..])]);
                }
                let name = basename(&words[0].text);
                if name.len() < words[0].text.len() {
                    self.match_commands(&[line_as(name, words)]);
                }
                if self.world.context.file_system.folds() {
                    let name = spelling::text(name, self.world.context.file_system);
                    self.match_commands(&[line_as(&name, words)]);
                }
            }
            self.verdicts.repository |= repository::writes(&here, words);
            if self.world.context.offline && network::needs(words) {
                self.verdicts.add(Finding::new(Level::Deny, OFFLINE).changing());
            }
            if let Some(why) = removal::of_everything(&here, words) {
                self.verdicts.add(Finding::firm(why).changing());
            }
            if self.restricts_files && from_input && files::is_known(words) {
                self.verdicts
                    .add(Finding::firm("a rule is about files, and which ones these are, its input says"));
            }
            from_input |= matches!(basename(&words[0].text), "xargs" | "parallel");
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
                _ => opaque::option_value(text),
            };
            if !word.quoted && !word.text.contains('!')
                || !text.contains(|c: char| " \t\n;&|$`/{('\"\\<>".contains(c))
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
        if !(self.restricts_files || writes) {
            return;
        }
        if file.dynamic {
            if self.restricts_files && file.certain {
                self.verdicts
                    .add(Finding::firm("a rule is about files, and which one this is, is not known"));
            }
            return;
        }
        let tool = if file.touch == Touch::Write { "Edit" } else { "Read" };
        let text = match file.text.find(['*', '?', '[']) {
            Some(wild) if file.glob => file.text[..wild].rsplit_once('/').map_or(".", |(folder, _)| folder),
            _ => &file.text,
        };
        let text = if text.is_empty() { "/" } else { text };
        let mut places = here.places(text, file.tilde);
        if places.is_empty() {
            // Somewhere, then: as good as the directory of the call for rules on names, and not good enough for others.
            places.push(self.world.locate(&self.world.context.cwd, text));
            if file.certain {
                let finding =
                    if self.restricts_files { Finding::firm(NOWHERE) } else { Finding::ask(NOWHERE) };
                self.verdicts.add(if writes { finding.changing() } else { finding });
            }
        }
        for place in places {
            if self.restricts_files {
                if !file.glob
                    && let Some(finding) = restricted(self.rules, tool, file.touch, &place)
                {
                    self.verdicts.add(if file.certain {
                        finding
                    } else {
                        Finding { level: Level::Firm, ..finding }
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

/// The words as one line.
fn render<'words>(words: &'words [Word], each: impl Fn(&'words Word) -> &'words str) -> String {
    words.iter().map(each).collect::<Vec<_>>().join(" ")
}
