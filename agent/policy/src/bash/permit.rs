//! Owns what allows a command: that it only reads, a rule, or a mode that accepts edits; and its redirects.
//! Uses `harmless`, `risky` and the rules.
//! Never allows a part because of another: each is looked at alone.

use std::collections::HashSet;
use std::path::PathBuf;

use super::harmless::{Harmless, Here, bare_name, is_sink, is_stream};
use super::opaque::unreadable;
use super::wrappers::{basename, peel, starts};
use super::{Judge, render, risky, workspace_edits};
use crate::finding::{Finding, Level};
use crate::hidden::escape;
use crate::path_check::{Touch, judge as judge_path};
use crate::place::fold;
use crate::rule::{CommandPattern, List, Spec};
use crate::shell::{Direction, Redirect, Simple, Word, line, line_as};
use crate::{Mode, literal};

impl Judge<'_, '_> {
    /// What allows the command.
    pub(super) fn permit(&mut self, simple: &Simple, starts: &[usize], bases: &[PathBuf]) {
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
        if let Some(why) = unreadable(simple, starts, 0) {
            let finding = if self.restricted { Finding::firm(why) } else { Finding::ask(why) };
            self.verdicts.add(finding.changing());
            return;
        }
        let mut finding = self.permit_words(&here, &simple.words, false);
        // A script in another language that runs commands: which ones, the rules cannot see.
        let runs = || starts.iter().any(|&start| risky::runs_commands(&simple.words[start..]));
        if self.restricted && finding.level == Level::Ask && runs() {
            finding.level = Level::Firm;
        }
        if finding.level == Level::Ask && self.verdicts.takes_literals() && self.is_plain_part(simple, bases)
        {
            finding.literal = literal::of_command(&simple.words);
        }
        self.verdicts.add(finding);
    }

    /// Whether the text of a command says all about it: it runs where the call does, and reads nothing from before it.
    fn is_plain_part(&self, simple: &Simple, bases: &[PathBuf]) -> bool {
        let here = bases == [fold(&self.world.context.cwd)];
        let extended = basename(&simple.words[0].text) == "xargs";
        here && !simple.fed && !extended
    }

    fn permit_words(&self, here: &Here, words: &[Word], extended: bool) -> Finding {
        let known = here.judge(words);
        if known == Harmless::Yes && !extended {
            return Finding::allow("it only reads, inside the working directories");
        }
        if let Some(mut finding) = self.permit_by_rule(here, words) {
            // A rule that lets it read elsewhere does not make it one that changes anything.
            finding.changes &= matches!(known, Harmless::No(_));
            if extended && risky::has_such_options(words) {
                return Finding::ask("an option that runs or writes could come from its input").changing();
            }
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

    pub(super) fn permit_by_rule(&self, here: &Here, words: &[Word]) -> Option<Finding> {
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
                risk = risky_argument(here, words, &|_| false);
            }
            let covers = match pattern {
                None => true,
                Some(pattern) => texts.iter().any(|text| pattern.matches(text)),
            };
            let trusted = || pattern.is_none_or(|pattern| self.trusts_program(here, words, pattern));
            if !covers || !trusted() {
                continue;
            }
            // What an argument makes the program run is only covered when the rule spells the argument out.
            let spelled = |risk: &str| pattern.is_some_and(|pattern| pattern.spells(risk));
            if risk.is_none() || risky_argument(here, words, &spelled).is_none() {
                return Some(Finding::allow("a rule allows it").by(&rule.source).changing().running());
            }
        }
        None
    }

    /// A program that is named by its path must be spelled out in the rule; and a relative path is another program in
    /// another directory (S5).
    fn trusts_program(&self, here: &Here, words: &[Word], pattern: &CommandPattern) -> bool {
        let program = words[0].text.as_str();
        if bare_name(program).is_some() {
            return true;
        }
        let at_home = program.starts_with('/') || here.bases == [fold(&self.world.context.cwd)];
        at_home && pattern.names_path(program)
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

/// No word that a rule can have in it.
const ELSEWHERE: &str = "\0another repository";

/// An argument that a rule must spell out to cover it, and does not.
fn risky_argument(here: &Here, words: &[Word], spelled: &dyn Fn(&str) -> bool) -> Option<String> {
    if let Some(risk) = risky::find(words, spelled) {
        return Some(risk);
    }
    if basename(&words[0].text) == "git" && here.same_repository().is_err() && !spelled(ELSEWHERE) {
        return Some(ELSEWHERE.into());
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
    .filter(|inner| !spelled(inner))
}
