//! Owns what is asked of the user in the middle of a turn: approvals and questions, in place.
//! Uses `asked` for what is shown and chosen, the field of views for words of the user's.
//! Never shortens what would be done, and never takes what was typed for something else as an answer.

mod asked;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseEvent, MouseEventKind};
use loci_protocol::{Approval, Event, Op, PermissionMode};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::widgets::Widget;

use crate::component::{Context, Look};
use crate::host::{Effect, Request};
use crate::input::Input;
use crate::style::{Line, Style};
use crate::text::clip;
use crate::views::field::{Field, Typed};
use asked::{Act, Asked, Choice};

/// Between the last key of somebody who types, or the first sight of a question, and the first key that answers it. Two
/// keys of one word are 0.1 to 0.3 seconds apart, and nobody reads a question in less than half a second.
const QUIET: Duration = Duration::from_millis(500);

/// In fewer columns nothing can be read, so nothing can be approved.
const NARROWEST: u16 = 12;

/// Everything that waits for the user, in the order in which it was asked.
///
/// A letter typed ahead must not approve a command that nobody has read. So a question takes keys only once it was drawn,
/// and only when nothing is in the making in the composer: while there is, Tab hands the keys over. The first key after a
/// pause is an answer where it is one of the menu's; any other one goes to the composer, and with it all that follow. What
/// lasts (`s`, `r`) is only chosen by its letter and wants Enter: `stop` and `run the tests` begin with those letters. And
/// what does not fit has to be scrolled through before it can be approved.
#[derive(Default)]
pub(crate) struct Ask {
    waiting: VecDeque<Waiting>,
    /// When something was typed last, for whatever it was.
    typed: Option<Instant>,
    area: Rect,
}

/// One of them, and how far the user is with it.
struct Waiting {
    asked: Asked,
    /// The rows of its content, and the columns that they were wrapped to.
    rows: (u16, Vec<Line>),
    /// The first row in sight.
    first: usize,
    /// Rows in sight when it was drawn last.
    page: usize,
    /// Its last row was in sight.
    seen: bool,
    /// When it was in sight first.
    drawn: Option<Instant>,
    /// It has the keys, whatever was typed before: one of them was for it.
    focused: bool,
    /// When a yes showed the next page instead: one that is held down does not answer once the end is reached.
    paged: Option<Instant>,
    chosen: usize,
    field: Option<Field>,
}

impl Waiting {
    fn new(asked: Asked) -> Self {
        Self {
            // A question without options has nothing but its field.
            field: asked.is_open_question().then(|| Field::new(asked.label(), "")),
            asked,
            rows: (0, Vec::new()),
            first: 0,
            page: 0,
            seen: false,
            drawn: None,
            focused: false,
            paged: None,
            chosen: 0,
        }
    }

    fn wrap(&mut self, width: u16) {
        if self.rows.0 != width {
            self.rows = (width, self.asked.content(width.into()));
            self.first = self.first.min(self.rows.1.len().saturating_sub(1));
        }
    }

    fn scroll(&mut self, rows: isize) {
        let most = self.rows.1.len().saturating_sub(self.page.max(1));
        self.first = self.first.saturating_add_signed(rows).min(most);
    }

    fn page_rows(&self) -> isize {
        // A row of the page before stays in sight.
        isize::try_from(self.page.saturating_sub(1).max(1)).unwrap_or(1)
    }

    fn below(&self) -> usize {
        self.rows.1.len().saturating_sub(self.first + self.page)
    }
}

impl Ask {
    /// Whether anything is asked.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Ask whether nothing is to ask from now on.
    pub(crate) fn offer_bypass(&mut self) {
        self.waiting.push_front(Waiting::new(Asked::Bypass));
    }

    /// Ask whether the project is trusted; no session opens before the answer.
    pub(crate) fn offer_trust(&mut self, root: &str, lines: &[Line]) {
        self.waiting.retain(|waiting| !matches!(waiting.asked, Asked::Trust { .. }));
        self.waiting.push_back(Waiting::new(Asked::Trust { root: root.to_owned(), lines: lines.to_vec() }));
    }

    /// Take the offer back. False where there was none.
    pub(crate) fn withdraw_bypass(&mut self) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| !matches!(waiting.asked, Asked::Bypass));
        before > self.waiting.len()
    }

    /// Something happened in the session. True where something new is asked.
    pub(crate) fn event(&mut self, event: &Event, context: &mut Context<'_>) -> bool {
        let before = self.waiting.len();
        match event {
            Event::ApprovalRequested { .. } => {
                self.waiting.push_back(Waiting::new(Asked::Approval(Box::new(event.clone()))));
            }
            Event::QuestionAsked(question) => {
                self.waiting.push_back(Waiting::new(Asked::Question(question.clone())));
            }
            Event::ToolFinished(report) => {
                self.waiting.retain(|waiting| !waiting.asked.is_of_call(&report.call_id));
            }
            Event::TurnFinished(_) | Event::SessionEnded { .. } | Event::SessionStarted { .. } => {
                self.waiting.retain(|waiting| matches!(waiting.asked, Asked::Bypass));
            }
            _ => return false,
        }
        self.tell(context);
        self.waiting.len() > before
    }

    /// What is waited for is known to everybody.
    fn tell(&self, context: &mut Context<'_>) {
        let front = self.waiting.front().map(|waiting| &waiting.asked);
        context.state.approval = match front {
            Some(Asked::Approval(event)) => match event.as_ref() {
                Event::ApprovalRequested { id, .. } => Some(id.clone()),
                _ => None,
            },
            _ => None,
        };
        context.state.question = match front {
            Some(Asked::Question(question)) => Some(question.clone()),
            _ => None,
        };
    }

    /// Take a key. `writing` says that the composer holds something. False where the key is somebody else's.
    pub(crate) fn key(&mut self, key: KeyEvent, writing: bool, context: &mut Context<'_>) -> bool {
        let taken = self.answer(key, writing, context);
        let types = matches!(key.code, KeyCode::Char(_) | KeyCode::Enter | KeyCode::Backspace);
        if types && (taken || !key.modifiers.contains(KeyModifiers::CONTROL)) {
            // The next question is not answered by the key that answered this one and is held down.
            self.typed = Some(context.now);
        }
        taken
    }

    fn answer(&mut self, key: KeyEvent, writing: bool, context: &mut Context<'_>) -> bool {
        let typed = self.typed;
        let Some(waiting) = self.waiting.front_mut() else { return false };
        let Some(drawn) = waiting.drawn else { return false };
        let quiet = |since: Instant| context.now.saturating_duration_since(since) >= QUIET;
        let edits = waiting.field.as_ref().is_some_and(|field| !field.text().is_empty());
        let ready = waiting.focused || edits || (!writing && quiet(drawn) && typed.is_none_or(quiet));
        if !ready {
            if key.code == KeyCode::Tab {
                waiting.focused = true;
                return true;
            }
            return false;
        }
        waiting.focused = !writing || waiting.focused;
        match key.code {
            KeyCode::PageUp => waiting.scroll(-waiting.page_rows()),
            KeyCode::PageDown => waiting.scroll(waiting.page_rows()),
            _ if waiting.field.is_some() => return self.write(key, context),
            KeyCode::Home => waiting.scroll(isize::MIN),
            // Whoever goes to the end by a key that says so has seen what he wants to see.
            KeyCode::End => waiting.scroll(isize::MAX),
            KeyCode::Up => waiting.chosen = waiting.chosen.saturating_sub(1),
            KeyCode::Down => {
                let last = waiting.asked.choices().len().saturating_sub(1);
                waiting.chosen = (waiting.chosen + 1).min(last);
            }
            KeyCode::Tab => waiting.focused = !waiting.focused,
            KeyCode::Enter => {
                let choice = waiting.asked.choices().into_iter().nth(waiting.chosen);
                if let Some(choice) = choice {
                    self.choose(choice, context);
                }
            }
            KeyCode::Char(' ') if waiting.below() > 0 => waiting.scroll(waiting.page_rows()),
            KeyCode::Char(character) if matches!(key.modifiers, KeyModifiers::NONE | KeyModifiers::SHIFT) => {
                let choices = waiting.asked.choices();
                let found = choices.into_iter().enumerate().find(|(_, choice)| choice.key == Some(character));
                match found {
                    Some((at, choice)) => {
                        waiting.chosen = at;
                        if !choice.lasts {
                            self.choose(choice, context);
                        }
                    }
                    None => {
                        waiting.focused = false;
                        return false;
                    }
                }
            }
            _ => return false,
        }
        true
    }

    /// A key for the field.
    fn write(&mut self, key: KeyEvent, context: &mut Context<'_>) -> bool {
        let Some(waiting) = self.waiting.front_mut() else { return false };
        let Some(field) = &mut waiting.field else { return false };
        match field.take(&Input::Key(key)) {
            Typed::More => {}
            Typed::No => return false,
            Typed::Left if waiting.asked.is_open_question() => {
                // There is nothing else to go back to; Esc and Ctrl-C stop the turn.
                return key.code == KeyCode::Backspace;
            }
            Typed::Left => waiting.field = None,
            Typed::Done(text) => {
                let op = match &waiting.asked {
                    Asked::Approval(_) => waiting.asked.approve(Approval::Deny { reason: text }),
                    Asked::Question(question) if !text.is_empty() => {
                        Some(Op::Answer { id: question.id.clone(), text })
                    }
                    Asked::Question(_) | Asked::Bypass | Asked::Trust { .. } => None,
                };
                if let Some(op) = op {
                    self.done(Effect::Op(op), context);
                }
            }
        }
        true
    }

    fn choose(&mut self, choice: Choice, context: &mut Context<'_>) {
        let Some(waiting) = self.waiting.front_mut() else { return };
        let held = waiting.paged.is_some_and(|paged| context.now.saturating_duration_since(paged) < QUIET);
        if choice.approves && (!waiting.seen || held) {
            // Instead of an answer: the next page of what was not seen yet.
            waiting.scroll(waiting.page_rows());
            waiting.paged = Some(context.now);
            return;
        }
        let effect = match choice.act {
            Act::Approve(approval) => waiting.asked.approve(approval).map(Effect::Op),
            Act::Write => {
                waiting.field = Some(Field::new(waiting.asked.label(), ""));
                None
            }
            Act::Answer(text) => match &waiting.asked {
                Asked::Question(question) => Some(Effect::Op(Op::Answer { id: question.id.clone(), text })),
                Asked::Approval(_) | Asked::Bypass | Asked::Trust { .. } => None,
            },
            Act::Mode(mode) => {
                context.state.wanted_mode = Some(mode);
                Some(Effect::Op(Op::SetMode { mode }))
            }
            Act::Trust(yes) => Some(Effect::Ask(Request::Trust(yes))),
        };
        if let Some(effect) = effect {
            self.done(effect, context);
        }
    }

    fn done(&mut self, effect: Effect, context: &mut Context<'_>) {
        self.waiting.pop_front();
        self.tell(context);
        context.effects.push(effect);
    }

    /// Take what was pasted into the field, if there is one that has the keys.
    pub(crate) fn paste(&mut self, text: &str, context: &Context<'_>) -> bool {
        self.typed = Some(context.now);
        let Some(waiting) = self.waiting.front_mut() else { return false };
        let Some(field) = &mut waiting.field else { return false };
        if waiting.asked.is_open_question() && !waiting.focused && field.text().is_empty() {
            return false;
        }
        field.take(&Input::Paste(text.to_owned())) == Typed::More
    }

    /// Take the wheel where it turns over what is asked.
    pub(crate) fn mouse(&mut self, mouse: MouseEvent) -> bool {
        let Some(waiting) = self.waiting.front_mut() else { return false };
        if !self.area.contains(Position::new(mouse.column, mouse.row)) {
            return false;
        }
        match mouse.kind {
            MouseEventKind::ScrollUp => waiting.scroll(-3),
            MouseEventKind::ScrollDown => waiting.scroll(3),
            _ => return false,
        }
        true
    }

    /// Whether what is typed now goes into a field here, so that the cursor does not stand in the composer.
    pub(crate) fn is_writing(&self, composing: bool) -> bool {
        let Some(waiting) = self.waiting.front() else { return false };
        waiting.field.as_ref().is_some_and(|field| waiting.focused || !field.text().is_empty() || !composing)
    }

    /// The rows that it takes in that many columns, `most` of them at most.
    pub(crate) fn height(&mut self, width: u16, most: u16) -> u16 {
        let Some(waiting) = self.waiting.front_mut() else { return 0 };
        waiting.wrap(width);
        let below = waiting.menu(width).len() + 2;
        u16::try_from(waiting.rows.1.len() + below).unwrap_or(u16::MAX).min(most)
    }

    pub(crate) fn draw(&mut self, area: Rect, buffer: &mut Buffer, writing: bool, look: &Look<'_>) {
        self.area = area;
        let count = self.waiting.len();
        let Some(waiting) = self.waiting.front_mut() else { return };
        waiting.wrap(area.width);
        let plan = waiting.lay_out(area);
        let width = usize::from(area.width);
        let mut rows = area.rows();
        let mut draw = |line: &Line, chosen: bool| {
            let Some(row) = rows.next() else { return };
            look.theme.line(line).render(row, buffer);
            if chosen {
                buffer.set_style(row, look.theme.chosen());
            }
        };
        if plan.title {
            draw(&waiting.asked.title(count, width, look.state.options.plain), false);
        }
        waiting.page = plan.content;
        let most = waiting.rows.1.len().saturating_sub(plan.content.max(1));
        waiting.first = waiting.first.min(most);
        for line in waiting.rows.1.iter().skip(waiting.first).take(plan.content) {
            draw(line, false);
        }
        let legible = area.width >= NARROWEST && plan.content > 0;
        if legible {
            waiting.drawn.get_or_insert(look.now);
            waiting.seen |= waiting.below() == 0;
        }
        if plan.more {
            draw(&waiting.more(width), false);
        }
        if let Some(field) = &waiting.field {
            draw(&field.line(width), false);
        } else {
            let menu = waiting.menu(area.width);
            // The chosen one is always in sight.
            let at = menu.iter().rposition(|(choice, _)| *choice == waiting.chosen).unwrap_or(0);
            let skip = (at + 1).saturating_sub(plan.menu);
            for (choice, line) in menu.iter().skip(skip).take(plan.menu) {
                draw(line, *choice == waiting.chosen);
            }
        }
        if plan.keys {
            let keys = if !legible {
                "the terminal is too narrow to show what is asked"
            } else if writing && !waiting.focused {
                "Tab answers; what is typed goes on below"
            } else if waiting.field.is_some() && waiting.asked.is_open_question() {
                "Enter answers · Esc stops the turn"
            } else if waiting.field.is_some() {
                "Enter says no · Esc goes back"
            } else {
                "↑↓ Enter · Esc stops the turn"
            };
            let keys = if matches!(waiting.asked, Asked::Trust { .. }) && (waiting.focused || !writing) {
                "↑↓ Enter · n goes on without"
            } else if matches!(waiting.asked, Asked::Bypass) {
                "↑↓ Enter · Shift-Tab goes on to plan"
            } else {
                keys
            };
            draw(&Line::new(clip(keys, width), Style::Dim), false);
        }
    }
}

/// How many rows each part gets.
#[derive(Default)]
struct Plan {
    title: bool,
    content: usize,
    more: bool,
    menu: usize,
    keys: bool,
}

impl Waiting {
    /// Rows of the menu: which choice each belongs to.
    fn menu(&self, width: u16) -> Vec<(usize, Line)> {
        if self.field.is_some() {
            return vec![(0, Line::default())];
        }
        self.asked.menu(width.into())
    }

    /// What is asked comes first, then how it can be answered; the frame around it goes first where there is no room.
    fn lay_out(&self, area: Rect) -> Plan {
        let (rows, menu, all) = (usize::from(area.height), self.menu(area.width).len(), self.rows.1.len());
        // Half of it for the menu where both are long: a model may offer a hundred answers.
        let menu = menu.min((rows / 2).max(rows.saturating_sub(all + 2)).max(1));
        let mut plan = Plan { menu, ..Plan::default() };
        let mut left = rows.saturating_sub(plan.menu);
        if left > all.min(3) {
            plan.keys = true;
            left -= 1;
        }
        if left > all.min(3) {
            plan.title = true;
            left -= 1;
        }
        if left < all && left > 1 {
            plan.more = true;
            left -= 1;
        }
        plan.content = left.min(all);
        plan
    }

    /// How much is out of sight.
    fn more(&self, width: usize) -> Line {
        let below = self.below();
        let text = match (below, self.seen) {
            (0, _) => format!("  the end; {} rows above: PgUp", self.first),
            (_, true) => format!("  {below} rows below: PgDn"),
            (_, false) => format!("  {below} rows below: PgDn or End, then yes"),
        };
        let style = if self.seen { Style::Dim } else { Style::Warning };
        Line::new(clip(&text, width), style)
    }
}

impl Asked {
    /// The answer to an approval.
    fn approve(&self, approval: Approval) -> Option<Op> {
        let Self::Approval(event) = self else { return None };
        let Event::ApprovalRequested { id, .. } = event.as_ref() else { return None };
        Some(Op::Approve { id: id.clone(), approval })
    }
}

/// The mode that follows when modes are cycled through. dontAsk is not among them: it is for scripts.
pub(crate) fn mode_after(mode: PermissionMode, without_bypass: bool) -> PermissionMode {
    match mode {
        PermissionMode::Plan | PermissionMode::DontAsk => PermissionMode::Default,
        PermissionMode::Default => PermissionMode::AcceptEdits,
        PermissionMode::AcceptEdits if !without_bypass => PermissionMode::BypassPermissions,
        PermissionMode::AcceptEdits | PermissionMode::BypassPermissions => PermissionMode::Plan,
    }
}

#[cfg(test)]
mod tests;
