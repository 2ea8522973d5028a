//! Owns the view of everything that the session changed: the files, and the diff of each.
//! Uses what the session says of the files as they are now.
//! Never changes a file itself, and has none changed without asking.

use crossterm::event::{KeyCode, KeyModifiers};
use loci_protocol::{ChangedFile, Event, Op, Undo};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::field::{Field, Typed};
use super::list::List;
use super::page::Page;
use super::printed::Printed;
use crate::component::{Component, Context, Look, Taken};
use crate::diff;
use crate::input::Input;
use crate::lines::count;
use crate::style::{Line, Style};
use crate::text::{columns, one_line, visible};

/// Rows of a diff that are made at most: more than anybody scrolls through, and few enough to be made at once.
const ROWS: usize = 5_000;

/// Everything that the session changed.
pub(crate) struct Changes {
    files: Option<Vec<ChangedFile>>,
    waits: bool,
    list: List,
    /// Which file's newest change shall be taken back, while that is asked.
    asked: Option<(String, Field)>,
}

impl Changes {
    pub(crate) fn new(context: &mut Context<'_>) -> Self {
        context.op(Op::Changes);
        Self { files: None, waits: true, list: List::default(), asked: None }
    }

    fn ask(&mut self, context: &mut Context<'_>) {
        if !self.waits {
            self.waits = true;
            context.op(Op::Changes);
        }
    }

    fn chosen(&self) -> Option<&ChangedFile> {
        self.files.as_ref()?.get(self.list.chosen()?)
    }

    fn event(&mut self, event: &Event, context: &mut Context<'_>) {
        match event {
            Event::ChangesShown { files } => {
                self.waits = false;
                self.list.set(files.iter().map(|file| file.path.clone()));
                self.files = Some(files.clone());
            }
            Event::ToolFinished(report) if !report.changed.is_empty() => self.ask(context),
            Event::Rewound { .. } => self.ask(context),
            Event::SessionStarted { .. } => {
                self.waits = false;
                self.ask(context);
            }
            _ => {}
        }
    }

    fn key(&mut self, code: KeyCode, context: &mut Context<'_>) -> Option<Taken> {
        let file = self.chosen().cloned();
        match (code, file) {
            (KeyCode::Enter, Some(file)) => {
                let title = one_line(&file.path, 400);
                context.open(Printed::made(&title, move |width| shown(&file, width)));
            }
            (KeyCode::Char('u'), Some(file)) if context.state.is_idle() => {
                let label = format!("Take back the newest change to {}? y or n: ", tail(&file.path, 40));
                self.asked = Some((file.path, Field::new(label, "")));
            }
            (KeyCode::Char('r'), _) => self.ask(context),
            (KeyCode::Enter | KeyCode::Char('u'), _) => {}
            _ => return None,
        }
        Some(Taken::Yes)
    }
}

impl Component for Changes {
    fn take(&mut self, input: &Input, context: &mut Context<'_>) -> Taken {
        match input {
            Input::Event(event) => self.event(event, context),
            Input::Key(_) | Input::Paste(_) => {
                if let Some((path, mut field)) = self.asked.take() {
                    match field.take(input) {
                        Typed::More if field.text() == "y" => {
                            context.op(Op::Undo { which: Undo::File(path) });
                        }
                        Typed::More if field.text().is_empty() => self.asked = Some((path, field)),
                        Typed::No => self.asked = Some((path, field)),
                        Typed::More | Typed::Left | Typed::Done(_) => {}
                    }
                    return Taken::Yes;
                }
            }
            _ => {}
        }
        if self.list.take(input) == Taken::Yes {
            return Taken::Yes;
        }
        if let Input::Key(key) = input
            && key.modifiers == KeyModifiers::NONE
            && let Some(taken) = self.key(key.code, context)
        {
            return taken;
        }
        super::rest(input)
    }

    fn draw(&mut self, area: Rect, buffer: &mut Buffer, look: &Look<'_>) {
        let facts = self.files.as_ref().map_or_else(|| "…".to_owned(), |files| facts(files));
        let undo = if look.state.is_idle() { "takes back" } else { "takes back, between turns" };
        let keys = [("Enter", "shows the diff"), ("u", undo), ("/", "filters"), ("r", "again")];
        let field = self.asked.as_ref().map(|(_, field)| field).or(self.list.field());
        let inner = Page { title: "Changes", facts, keys: &keys, field }.draw(area, buffer, look);
        let Some(files) = &self.files else { return };
        if files.is_empty() {
            let none = [Line::new("  every file is as it was when the session began", Style::Dim)];
            super::lines(&none, inner, buffer, look);
        }
        self.list.draw(inner, buffer, look, |place, width| {
            files.get(place).map_or_else(Line::default, |file| row(file, width))
        });
    }
}

fn facts(files: &[ChangedFile]) -> String {
    let added: usize = files.iter().map(|file| file.added).sum();
    let removed: usize = files.iter().map(|file| file.removed).sum();
    format!("{} · +{added} -{removed}", count(files.len() as u64, "file"))
}

/// Its diff, in rows, or why there is none.
fn shown(file: &ChangedFile, width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    if file.changed_since {
        let text = "It is no longer what the session left: somebody else changed it since.";
        lines.push(Line::new(text, Style::Warning));
    }
    if file.diff.is_empty() {
        lines.push(Line::new("It is no text, or too large to be compared.", Style::Dim));
    }
    lines.extend(diff::rows(&file.diff, width, ROWS));
    lines
}

/// What became of a file, in a word.
fn what(file: &ChangedFile) -> &'static str {
    if file.diff.is_empty() {
        "not text"
    } else if file.diff.starts_with("--- /dev/null") {
        "new"
    } else if file.diff.contains("\n+++ /dev/null\n") {
        "gone"
    } else {
        ""
    }
}

/// The end of a path: its name says more than its folders.
fn tail(path: &str, width: usize) -> String {
    let path = visible(path).replace(['\n', '\t'], " ");
    if columns(&path) <= width {
        return path;
    }
    let mut kept: Vec<char> = Vec::new();
    let mut used = 1;
    for character in path.chars().rev() {
        used += columns(character.encode_utf8(&mut [0; 4]));
        if used > width {
            break;
        }
        kept.push(character);
    }
    std::iter::once('…').chain(kept.into_iter().rev()).collect()
}

fn row(file: &ChangedFile, width: usize) -> Line {
    let added = format!("{:>6}", format!("+{}", file.added));
    let removed = format!(" {:<6}", format!("-{}", file.removed));
    let since = match (file.changed_since, width >= 60) {
        (false, _) => "",
        (true, true) => "  changed since",
        (true, false) => "  !",
    };
    let what = what(file);
    let kind = if what.is_empty() { String::new() } else { format!("  {what}") };
    let taken = columns(&added) + columns(&removed) + columns(since) + columns(&kind) + 2;
    let path = tail(&file.path, width.saturating_sub(taken).max(8));
    Line::new(added, Style::Added)
        .with(removed, Style::Removed)
        .with(format!("  {path}"), Style::Plain)
        .with(kind, Style::Dim)
        .with(since, Style::Warning)
}

/// What the session changed, in lines for a terminal that is not drawn on.
#[must_use]
pub(crate) fn changes_lines(files: &[ChangedFile], width: usize) -> Vec<Line> {
    if files.is_empty() {
        return vec![Line::new("Every file is as it was when the session began.", Style::Dim)];
    }
    let mut lines = vec![Line::new(facts(files), Style::Bold)];
    lines.extend(files.iter().map(|file| row(file, width.max(60))));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Effect;
    use crate::testing::Stage;

    fn files() -> Vec<ChangedFile> {
        let diff = "--- a/src/price.rs\n+++ b/src/price.rs\n@@ -1,2 +1,2 @@\n fn a() {\n-    sum / 10\n+    sum / 20\n";
        let file = |path: &str, diff: &str, added, removed, changed_since| ChangedFile {
            path: path.into(),
            diff: diff.into(),
            added,
            removed,
            changed_since,
        };
        vec![
            file("src/price.rs", diff, 1, 1, false),
            file("new.txt", "--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1 @@\n+x\n", 1, 0, true),
            file("gone.txt", "--- a/gone.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n", 0, 1, false),
            file("picture.png", "", 0, 0, false),
            file(
                "a/very/deep/folder/with/many/names/in/it/and/a/file/at/its/end/価格.rs",
                diff,
                12_345,
                1,
                false,
            ),
            file(&format!("evil\u{1b}[2J\u{202e}{}", "x".repeat(1_000_000)), diff, 1, 1, false),
        ]
    }

    fn stage() -> Stage {
        let mut stage = Stage::open();
        stage.keys("/diff\n");
        assert!(stage.effects().contains(&Effect::Op(Op::Changes)));
        stage.event(Event::ChangesShown { files: files() });
        stage
    }

    #[test]
    fn changed_files_are_a_list_and_each_has_its_diff() {
        let mut stage = stage();
        insta::assert_snapshot!(stage.screens());
        stage.keys("\n");
        insta::assert_snapshot!(stage.screens());
        assert!(stage.keys("qjjj\n").screen(80, 24).contains("no text"));
        stage.screen(1, 1);
        assert!(stage.keys("qkk\n").screen(80, 24).contains("somebody else changed it since"));
    }

    #[test]
    fn a_change_is_taken_back_after_asking() {
        let check = |keys: &str, expect: &[Effect]| {
            assert_eq!(stage().keys(keys).effects(), expect, "{keys}");
        };
        let undo = |path: &str| Effect::Op(Op::Undo { which: Undo::File(path.into()) });
        check("uy", &[undo("src/price.rs")]);
        check("jun", &[]);
        check("/gone\nuy", &[undo("gone.txt")]);
        check("r", &[Effect::Op(Op::Changes)]);
        let mut stage = stage();
        let back = Event::Rewound { paths: vec![], turn: None, prompt: None, message: "taken back".into() };
        stage.event(back.clone()).event(back);
        assert_eq!(stage.effects(), [Effect::Op(Op::Changes)]);
        stage.event(Event::ChangesShown { files: vec![] });
        assert!(stage.screen(80, 24).contains("every file is as it was"));
        assert_eq!(stage.keys("\nu").effects(), []);
    }

    #[test]
    fn changes_are_lines_too() {
        let lines = |width| changes_lines(&files(), width).iter().map(Line::plain).collect::<Vec<_>>();
        assert_eq!(lines(80)[0], "6 files · +12348 -4");
        assert!(lines(0).iter().all(|line| columns(line) <= 60 && !line.contains('\u{1b}')));
        assert_eq!(changes_lines(&[], 80).len(), 1);
    }
}
