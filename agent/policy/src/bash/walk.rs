//! Owns the current directory while a command line is walked through (S9): `cd` moves the base of later paths.
//! Uses the world to see whether a `cd` can fail.
//! Never forgets a directory that may still be the current one.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::wrappers::basename;
use crate::Kind;
use crate::place::{World, fold};
use crate::shell::{Event, Scope, Simple};

/// More possible directories than this are as good as none.
const MOST: usize = 12;

/// Every directory that may be the current one; empty when it is not known. Shared, since groups are many and `cd` is rare.
#[derive(Debug, Clone)]
struct Bases(Rc<Vec<PathBuf>>);

impl Bases {
    fn forget(&mut self) {
        self.0 = Rc::default();
    }

    fn join(&mut self, other: &Self) {
        if Rc::ptr_eq(&self.0, &other.0) {
            return;
        }
        if self.0.is_empty() || other.0.is_empty() {
            return self.forget();
        }
        let bases = Rc::make_mut(&mut self.0);
        for base in other.0.iter() {
            if !bases.contains(base) {
                bases.push(base.clone());
            }
        }
        if bases.len() > MOST {
            self.forget();
        }
    }
}

struct Frame {
    scope: Scope,
    /// What held on the way in.
    entered: Bases,
    /// Joined by `&&` to what came before.
    chained: bool,
}

/// The walk.
pub(super) struct Walk {
    bases: Bases,
    frames: Vec<Frame>,
    /// Directories that hold again after an `&&` chain whose `cd` may fail.
    fallback: Option<Bases>,
    and: bool,
}

impl Walk {
    pub(super) fn new(cwd: PathBuf) -> Self {
        Self { bases: Bases(Rc::new(vec![fold(&cwd)])), frames: Vec::new(), fallback: None, and: false }
    }

    pub(super) fn bases(&self) -> &[PathBuf] {
        &self.bases.0
    }

    /// Enter or leave a group.
    pub(super) fn scope(&mut self, event: &Event) {
        match event {
            Event::And => self.and = true,
            Event::Enter(scope) => {
                if !self.and {
                    self.settle();
                }
                let chained = std::mem::take(&mut self.and);
                self.frames.push(Frame { scope: *scope, entered: self.bases.clone(), chained });
            }
            Event::Leave => {
                let Some(frame) = self.frames.pop() else { return };
                match frame.scope {
                    Scope::Plain => {}
                    Scope::Maybe if frame.chained && self.fallback.is_some() => {}
                    Scope::Maybe => self.bases.join(&frame.entered),
                    Scope::Subshell => {
                        self.bases = frame.entered;
                        self.fallback = None;
                    }
                }
            }
            Event::Command(_) => {}
        }
    }

    fn settle(&mut self) {
        // Inside a chain the `cd` has succeeded.
        if self.frames.iter().any(|frame| frame.chained) {
            return;
        }
        if let Some(fallback) = self.fallback.take() {
            self.bases.join(&fallback);
        }
    }

    /// Take in what a command does to the directory. `chained`: the next runs only if this one succeeds.
    pub(super) fn command(&mut self, world: &World, simple: &Simple, chained: bool) {
        let words = &simple.words;
        let Some(program) =
            words.iter().position(|word| !matches!(word.text.as_str(), "command" | "builtin" | "--"))
        else {
            return;
        };
        match basename(&words[program].text) {
            "cd" | "chdir" => {}
            "pushd" | "popd" | "eval" | "source" | "." => return self.bases.forget(),
            _ => return,
        }
        let mut operands =
            words[program + 1..].iter().filter(|word| !matches!(word.text.as_str(), "-P" | "-L" | "--"));
        let target = match operands.next() {
            None => world.context.home.clone(),
            Some(word) if word.tilde && word.text == "~" => world.context.home.clone(),
            Some(word) if word.tilde && word.text.starts_with("~/") => {
                world.context.home.join(&word.text[2..])
            }
            Some(word) => match word.known() {
                Some(text) if !word.tilde && !text.starts_with('-') => PathBuf::from(text),
                _ => return self.bases.forget(),
            },
        };
        self.go(world, &target, chained);
    }

    fn go(&mut self, world: &World, target: &Path, chained: bool) {
        let before = self.bases.clone();
        let mut certain = !before.0.is_empty();
        let mut after = Vec::new();
        for base in before.0.iter() {
            let path = fold(&base.join(target));
            certain &= world.files.kind(&world.files.resolve(&path)) == Kind::Directory;
            if !after.contains(&path) {
                after.push(path);
            }
        }
        if before.0.is_empty() && target.is_absolute() {
            after.push(fold(target));
            certain = true;
        }
        self.bases = Bases(Rc::new(after));
        if certain {
            return;
        }
        if chained {
            match &mut self.fallback {
                Some(fallback) => fallback.join(&before),
                None => self.fallback = Some(before),
            }
        } else {
            self.bases.join(&before);
        }
    }
}
