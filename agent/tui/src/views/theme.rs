//! Owns the choice of colours: each theme is seen on the whole screen while it is looked at.
//! Uses the list of themes; what was chosen is kept by the host.
//! Never leaves a theme behind that was only looked at.

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::widgets::Widget;

use super::list::List;
use super::page::Page;
use crate::component::{Component, Context, Look, Taken};
use crate::host::Request;
use crate::input::Input;
use crate::style::{Line, Style};
use crate::text::{clip, one_line};
use crate::theme::THEMES;
use crate::{diff, markdown};

/// What the colours are looked at on: an answer.
const ANSWER: &str = "\
## What changed
The **total** was rounded *twice*; see `price.rs` and <https://example.org>.

```rust
/// The price of all items.
fn total(items: &[Item]) -> u64 { items.iter().map(|item| item.price * 2).sum() } // \"cents\"
```
";

/// And a change.
const CHANGE: &str = "\
--- a/src/price.rs
+++ b/src/price.rs
@@ -7,3 +7,3 @@
 fn total() -> u64 {
-    round(round(sum))
+    round(sum)
 }
";

/// The choice of colours.
pub(crate) struct Themes {
    list: List,
    /// The theme that was there before.
    before: String,
}

impl Themes {
    pub(crate) fn new(context: &Context<'_>) -> Self {
        let before = context.state.options.theme.clone();
        let mut list = List::default();
        list.set(THEMES.iter().map(|(name, what)| format!("{name} {what}")));
        if let Some(place) = THEMES.iter().position(|(name, _)| *name == before) {
            list.choose(place);
        }
        Self { list, before }
    }
}

/// Take a theme and keep it; what is wrong with its name otherwise.
pub(crate) fn choose(name: &str, context: &mut Context<'_>) -> Result<(), String> {
    let Some((name, _)) = THEMES.iter().find(|(known, _)| *known == name) else {
        let names: Vec<&str> = THEMES.iter().map(|(name, _)| *name).collect();
        return Err(format!("no theme is called `{}`; there are {}", one_line(name, 40), names.join(", ")));
    };
    (*name).clone_into(&mut context.state.options.theme);
    context.ask(Request::Keep { key: "screen.theme".into(), value: format!("\"{name}\"") });
    Ok(())
}

impl Component for Themes {
    fn take(&mut self, input: &Input, context: &mut Context<'_>) -> Taken {
        if let Input::Key(key) = input
            && key.code == KeyCode::Enter
            && key.modifiers == KeyModifiers::NONE
            && !self.list.is_filtering()
            && let Some(place) = self.list.chosen()
        {
            // The name is one of those that are known.
            let _ = choose(THEMES[place].0, context);
            return Taken::Close;
        }
        let taken = match self.list.take(input) {
            Taken::No => super::rest(input),
            taken => taken,
        };
        if matches!(taken, Taken::Close) {
            context.state.options.theme.clone_from(&self.before);
        } else if matches!(input, Input::Key(_) | Input::Mouse(_))
            && let Some(place) = self.list.chosen()
        {
            THEMES[place].0.clone_into(&mut context.state.options.theme);
        }
        taken
    }

    fn draw(&mut self, area: Rect, buffer: &mut Buffer, look: &Look<'_>) {
        let options = &look.state.options;
        let facts = match () {
            () if options.colourless => "NO_COLOR is set: all of them are without colours",
            () if !options.true_colour => "the terminal takes sixteen colours",
            () => "",
        };
        let page = Page {
            title: "Theme",
            facts: facts.into(),
            keys: &[("↑↓", "looks"), ("Enter", "keeps")],
            field: self.list.field(),
        };
        let inner = page.draw(area, buffer, look);
        let rows = u16::try_from(THEMES.len()).unwrap_or(u16::MAX);
        let [list, _, sample] =
            Layout::vertical([Constraint::Length(rows), Constraint::Length(1), Constraint::Fill(1)])
                .areas(inner);
        self.list.draw(list, buffer, look, |place, width| {
            let (name, what) = THEMES[place];
            let name = format!("{name:<15}");
            let room = width.saturating_sub(name.len());
            Line::new(clip(&name, width), Style::Plain).with(clip(what, room), Style::Dim)
        });
        let width = usize::from(sample.width);
        let mut lines = vec![Line::new("› a prompt", Style::User), Line::default()];
        lines.extend(markdown::rows(ANSWER, width).0);
        lines.push(Line::default());
        lines.extend(diff::rows(CHANGE, width, usize::MAX));
        lines.push(Line::default());
        lines.push(Line::new("warning:", Style::Warning).with(" the index is old", Style::Plain));
        lines.push(Line::new("hint:", Style::Tip).with(" `loci index` builds it", Style::Plain));
        for (line, row) in lines.iter().zip(sample.rows()) {
            look.theme.line(line).render(row, buffer);
        }
    }

    fn moves(&self, _state: &crate::state::State) -> bool {
        crate::highlight::is_busy()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Effect;
    use crate::testing::Stage;

    fn opened() -> Stage {
        let mut stage = Stage::open();
        stage.keys("/theme\n");
        let _ = stage.effects();
        stage
    }

    #[test]
    fn the_view_fits_every_size() {
        insta::assert_snapshot!(opened().screens());
    }

    #[test]
    fn a_theme_is_looked_at_and_left_or_kept() {
        let theme = |stage: &Stage| stage.app.state().options.theme.clone();
        let kept = |stage: &mut Stage| {
            let keeps = |effect: Effect| match effect {
                Effect::Ask(Request::Keep { key, value }) => Some((key, value)),
                _ => None,
            };
            stage.effects().into_iter().filter_map(keeps).collect::<Vec<_>>()
        };
        let mut stage = opened();
        stage.key(KeyCode::Down, KeyModifiers::NONE).key(KeyCode::Down, KeyModifiers::NONE);
        assert_eq!(theme(&stage), "dark");
        stage.key(KeyCode::Esc, KeyModifiers::NONE);
        assert_eq!((theme(&stage).as_str(), kept(&mut stage)), ("ansi", vec![]));
        let mut stage = opened();
        stage.key(KeyCode::End, KeyModifiers::NONE).key(KeyCode::Enter, KeyModifiers::NONE);
        assert_eq!(theme(&stage), "colourless");
        assert_eq!(kept(&mut stage), [("screen.theme".to_owned(), "\"colourless\"".to_owned())]);
        assert!(!stage.screen(80, 24).contains("looks"));
        // By its name, without the view.
        stage.keys("/theme light\n");
        assert_eq!(theme(&stage), "light");
        assert_eq!(kept(&mut stage).len(), 1);
        stage.keys("/theme blue\n");
        assert_eq!((theme(&stage).as_str(), kept(&mut stage)), ("light", vec![]));
        assert!(stage.screen(80, 24).contains("no theme is called `blue`"));
    }
}
