//! Owns where a prompt is written: its text, what is pasted, earlier prompts, and the list above it.
//! Uses one room below for each of these.
//! Never sends anything: what was submitted is taken from it.

mod buffer;
mod burst;
mod chips;
mod draft;
mod edit;
mod history;
#[cfg(test)]
mod keys;
mod popup;
mod rows;
#[cfg(test)]
mod tests;
mod view;
mod vim;

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use loci_protocol::Event;
use ratatui::buffer::Buffer as Cells;
use ratatui::layout::{Position, Rect};

use crate::commands;
use crate::component::{Component, Context, Look, Taken};
use crate::host::{Effect, Reply, Request};
use crate::input::Input;
use crate::state::State;
use crate::style::Style;
use buffer::{Buffer, Change};
pub use burst::Bursts;
use chips::Chips;
use draft::Draft;
use edit::Page;
use history::{History, Search};
pub(crate) use popup::mentioned;
use popup::{Kind, Popup};
use vim::Vim;

/// Where a prompt is written.
#[derive(Default)]
pub(crate) struct Composer {
    buffer: Buffer,
    chips: Chips,
    history: History,
    /// Whether the newest key showed another prompt of the history.
    walked: bool,
    search: Option<Search>,
    popup: Option<Popup>,
    /// Where a list begins that was closed, so that it stays closed.
    dismissed: Option<(Kind, usize)>,
    /// The question that the host was asked last: its number, and what was typed.
    asked: (u64, Option<String>),
    submitted: Option<String>,
    /// Something about what was just done, until the next key.
    said: Option<(String, Style)>,
    vim: Vim,
    draft: Draft,
    /// Whether the host was asked for what it kept.
    begun: bool,
    /// Columns of the text, as it was laid out last.
    width: usize,
    /// The first row that is shown.
    top: usize,
    cursor: Option<Position>,
}

impl Composer {
    /// Whether nothing is written.
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Forget what is written; it can be taken back.
    pub(crate) fn clear(&mut self, context: &Context<'_>) {
        self.buffer.set("");
        self.search = None;
        self.changed(context);
        self.popup = None;
    }

    /// Text that was sent off and not read comes back, before whatever is written now.
    pub(crate) fn bring_back(&mut self, text: &str, context: &Context<'_>) {
        let separator = if self.buffer.is_empty() { "" } else { "\n\n" };
        let before = self.chips.paste(chips::clean(text)) + separator;
        self.buffer.replace(0..0, &before, Change::Alone);
        let end = self.buffer.text().len();
        self.buffer.go(end);
        self.popup = None;
        self.changed(context);
    }

    /// What was sent off since this was asked last.
    pub(crate) fn submitted(&mut self) -> Option<String> {
        self.submitted.take()
    }

    /// The pictures that go with a prompt: those that it names by number, and by path where the model takes any.
    pub(crate) fn pictures_of(&self, prompt: &str, state: &State) -> Vec<String> {
        let numbered = self.chips.pictures_of(prompt).into_iter().map(|path| path.display().to_string());
        let mentioned = mentioned(prompt).into_iter().filter(|path| is_picture(path)).map(ToOwned::to_owned);
        numbered.chain(mentioned.filter(|_| state.options.pictures)).collect()
    }

    /// Whether a draft waits to be kept.
    pub(crate) fn moves(&self) -> bool {
        self.draft.waits()
    }

    fn page(&mut self) -> Page<'_> {
        // Before anything was drawn, as wide as terminals usually are.
        let width = if self.width == 0 { 80 } else { self.width };
        Page { buffer: &mut self.buffer, chips: &self.chips, width }
    }

    fn say(&mut self, what: impl Into<String>) {
        self.said = Some((what.into(), Style::Warning));
    }

    /// The text is another one.
    fn changed(&mut self, context: &Context<'_>) {
        self.draft.changed(context.now);
    }

    fn send(&mut self, context: &mut Context<'_>) {
        let whole = self.chips.whole(self.buffer.text());
        if whole.trim().is_empty() {
            return;
        }
        self.history.add(whole.trim());
        self.submitted = Some(whole);
        self.buffer.reset();
        self.chips.forget();
        self.vim.restart();
        self.popup = None;
        self.dismissed = None;
        self.asked.1 = None;
        if let Some(nothing) = self.draft.sent() {
            context.ask(Request::KeepDraft(nothing));
        }
    }

    /// Take the text of an earlier prompt, or of an editor.
    fn take_over(&mut self, text: &str, context: &Context<'_>) {
        let text = self.chips.paste(chips::clean(text));
        self.buffer.set(&text);
        self.popup = None;
        self.changed(context);
    }

    fn paste(&mut self, text: &str, context: &mut Context<'_>) {
        if text.len() > chips::LARGEST {
            let megabytes = text.len() >> 20;
            self.say(format!(
                "a paste of {megabytes} MB is left out: save it to a file and name that with @"
            ));
            return;
        }
        if let Some(path) = pasted_picture(text) {
            if context.state.options.pictures {
                return self.add_picture(path);
            }
            self.say(no_pictures(context.state));
        }
        let window = context.state.model.as_ref().map_or(0, |model| model.context_length);
        // Some four bytes are a token, in most languages and tokenizers.
        let tokens = text.len() / 4;
        if window > 0 && tokens > window {
            self.say(format!(
                "this paste has some {tokens} tokens and the model holds {window}: a file that is named with @ is read in parts"
            ));
        }
        let text = self.chips.paste(chips::clean(text));
        self.buffer.insert(&text, Change::Alone);
    }

    fn add_picture(&mut self, path: PathBuf) {
        let chip = self.chips.picture(path);
        self.buffer.insert(&chip, Change::Alone);
    }

    /// The list above follows what is typed.
    fn look_up(&mut self, context: &mut Context<'_>) {
        let (text, cursor) = (self.buffer.text(), self.buffer.cursor());
        let before = self.popup.take();
        let word = text.find(char::is_whitespace).unwrap_or(text.len());
        let busy = match &*context.state {
            state if state.is_idle() => None,
            state if state.turn.is_some() => Some("when the turn is over"),
            _ => Some("when the session is open"),
        };
        let found = if text.starts_with('/') && cursor <= word && cursor > 0 {
            Some((Kind::Commands, 0, 0..word))
        } else if text.starts_with('/') && !text.contains('\n') && cursor == text.len() {
            Some((
                Kind::Arguments,
                word,
                text[word..].len() - text[word..].trim_start().len() + word..text.len(),
            ))
        } else {
            popup::mention_at(text, cursor).map(|(at, _)| (Kind::Mentions, at, at..cursor))
        };
        let Some((kind, begins, range)) = found else {
            self.dismissed = None;
            self.asked.1 = None;
            return;
        };
        if self.dismissed == Some((kind, begins)) {
            return;
        }
        self.dismissed = None;
        let rows = match kind {
            Kind::Commands => popup::commands(&text[1..cursor], busy),
            Kind::Arguments => match commands::parse(text) {
                Ok((command, _)) => popup::arguments(command.verb, &text[range.clone()]),
                Err(_) => Vec::new(),
            },
            Kind::Mentions => {
                let query = popup::mention_at(text, cursor).map_or("", |(_, query)| query);
                if self.asked.1.as_deref() != Some(query) {
                    self.asked = (self.asked.0 + 1, Some(query.to_owned()));
                    context.ask(Request::Complete { number: self.asked.0, query: query.to_owned() });
                }
                // Until the answer is there, what was found before stands.
                match before {
                    Some(before) if before.kind == kind && before.range.start == range.start => before.rows,
                    _ => Vec::new(),
                }
            }
        };
        if !rows.is_empty() {
            let popup = Popup::new(kind, range, rows);
            self.popup = Some(popup);
        }
    }

    fn found(&mut self, number: u64, found: &[crate::host::Completion]) {
        let (text, cursor) = (self.buffer.text(), self.buffer.cursor());
        let Some((at, _)) = popup::mention_at(text, cursor) else { return };
        if number != self.asked.0 || self.dismissed.is_some() || self.search.is_some() {
            return;
        }
        let popup = Popup::new(Kind::Mentions, at..cursor, popup::mentions(found)).like(self.popup.as_ref());
        self.popup = (!popup.rows.is_empty()).then_some(popup);
    }

    /// A key while the list is open. False where it means nothing to it.
    fn choose(&mut self, key: KeyEvent, context: &mut Context<'_>) -> bool {
        let Some(popup) = &mut self.popup else { return false };
        match (key.code, key.modifiers) {
            (KeyCode::Up, KeyModifiers::NONE) | (KeyCode::Char('p'), KeyModifiers::CONTROL) => popup.go(-1),
            (KeyCode::Down, KeyModifiers::NONE) | (KeyCode::Char('n'), KeyModifiers::CONTROL) => popup.go(1),
            (KeyCode::Esc, _) => {
                self.dismissed = Some((popup.kind, popup.range.start));
                self.popup = None;
            }
            (KeyCode::Tab | KeyCode::Enter, KeyModifiers::NONE) => {
                let (kind, range) = (popup.kind, popup.range.clone());
                let Some(row) = popup.chosen().cloned() else { return false };
                let enter = key.code == KeyCode::Enter;
                // What is written out already is sent.
                if enter
                    && kind == Kind::Mentions
                    && self.buffer.text()[range.clone()] == *row.insert.trim_end()
                {
                    self.popup = None;
                    return false;
                }
                if enter && let Some(off) = row.off {
                    self.say(format!("{}: {off}", row.label));
                    return true;
                }
                self.buffer.replace(range, &row.insert, Change::Alone);
                self.popup = None;
                if enter && row.runs {
                    self.send(context);
                } else {
                    self.changed(context);
                    self.look_up(context);
                }
            }
            _ => return false,
        }
        true
    }

    /// A key while earlier prompts are searched. False where the search is over and the key means something else.
    fn seek(&mut self, key: KeyEvent, context: &mut Context<'_>) -> bool {
        let Some(search) = &mut self.search else { return false };
        match (key.code, key.modifiers) {
            (KeyCode::Char('r'), KeyModifiers::CONTROL) | (KeyCode::Up, _) => self.history.find_older(search),
            (KeyCode::Char('s'), KeyModifiers::CONTROL) | (KeyCode::Down, _) => {
                self.history.find_newer(search)
            }
            (KeyCode::Char('c' | 'g'), KeyModifiers::CONTROL) => self.search = None,
            (KeyCode::Backspace, _) => {
                search.query.pop();
                self.history.find(search, None);
            }
            (KeyCode::Char(character), KeyModifiers::NONE | KeyModifiers::SHIFT) => {
                search.query.push(character);
                let from = search.found;
                self.history.find(search, from);
            }
            _ => {
                // Any other key takes what was found over; Enter sends it, Esc and Tab only that.
                if let Some(entry) = self.history.entry(search).map(ToOwned::to_owned) {
                    self.take_over(&entry, context);
                }
                self.search = None;
                return matches!(key.code, KeyCode::Esc | KeyCode::Tab);
            }
        }
        true
    }

    fn enter(&mut self, key: KeyEvent, context: &mut Context<'_>) -> bool {
        let (breaks, at) =
            (key.modifiers.intersects(KeyModifiers::SHIFT | KeyModifiers::ALT), self.buffer.cursor());
        if key.code == KeyCode::Char('j') || breaks {
            self.buffer.insert("\n", Change::Alone);
        } else if self.buffer.text()[..at].ends_with('\\') {
            self.buffer.replace(at - 1..at, "\n", Change::Alone);
        } else {
            self.send(context);
        }
        true
    }

    fn key(&mut self, key: KeyEvent, context: &mut Context<'_>) -> bool {
        if self.seek(key, context) || self.choose(key, context) {
            return true;
        }
        if context.state.options.vim {
            match self.vim.take(&mut self.buffer, key) {
                vim::Taken::Yes => return true,
                vim::Taken::No => return false,
                vim::Taken::Up => return self.up(context),
                vim::Taken::Down => return self.down(context),
                vim::Taken::Typed => {}
            }
        }
        match (key.code, key.modifiers) {
            (KeyCode::Enter, _) | (KeyCode::Char('j'), KeyModifiers::CONTROL) => {
                return self.enter(key, context);
            }
            (KeyCode::Char('r'), KeyModifiers::CONTROL) => {
                self.search = Some(Search::default());
                self.popup = None;
                return true;
            }
            (KeyCode::Char('g'), KeyModifiers::CONTROL) => {
                context.effects.push(Effect::Edit(self.chips.whole(self.buffer.text())));
                return true;
            }
            (KeyCode::Char('v'), KeyModifiers::CONTROL) => {
                if context.state.options.pictures {
                    context.ask(Request::Picture);
                } else {
                    self.say(no_pictures(context.state));
                }
                return true;
            }
            (KeyCode::Up, KeyModifiers::NONE) | (KeyCode::Char('p'), KeyModifiers::CONTROL) => {
                return self.up(context);
            }
            (KeyCode::Down, KeyModifiers::NONE) | (KeyCode::Char('n'), KeyModifiers::CONTROL) => {
                return self.down(context);
            }
            _ => {}
        }
        if !self.page().take(key) {
            return false;
        }
        true
    }

    fn up(&mut self, context: &mut Context<'_>) -> bool {
        if self.buffer.is_empty()
            && !self.history.is_walking()
            && let Some(waiting) = context.state.queue.pop_back()
        {
            self.take_over(&waiting, context);
        } else if !self.page().rows(-1) {
            let written = self.buffer.text().to_owned();
            self.walk(|history| history.older(&written), context);
        }
        true
    }

    fn down(&mut self, context: &mut Context<'_>) -> bool {
        if !self.page().rows(1) && self.history.is_walking() {
            self.walk(History::newer, context);
        }
        true
    }

    fn walk(&mut self, step: impl FnOnce(&mut History) -> Option<String>, context: &Context<'_>) {
        if let Some(entry) = step(&mut self.history) {
            self.walked = true;
            self.take_over(&entry, context);
        }
    }

    fn reply(&mut self, reply: &Reply, context: &mut Context<'_>) {
        match reply {
            Reply::Completions { number, found } => self.found(*number, found),
            Reply::History(earlier) => self.history.load(earlier.clone()),
            Reply::Draft(text) if self.buffer.is_empty() && !text.trim().is_empty() => {
                let text = self.chips.paste(chips::clean(text));
                self.buffer.set(&text);
                self.draft.restored();
                self.said = Some(("not sent last time; Ctrl-C clears it".into(), Style::Dim));
            }
            Reply::Edited(Ok(text)) => self.take_over(text.trim_end(), context),
            Reply::Edited(Err(why)) => self.say(why.clone()),
            Reply::Picture(Ok(path)) => {
                self.add_picture(path.clone());
                self.changed(context);
            }
            Reply::Picture(Err(why)) => self.say(why.clone()),
            _ => {}
        }
    }
}

/// Why a picture is not taken.
fn no_pictures(state: &State) -> String {
    let model = state.model.as_ref().map_or("the model", |model| model.name.as_str());
    format!("{} takes no pictures; /model chooses another one", crate::text::one_line(model, 40))
}

/// Whether a path ends as pictures do.
fn is_picture(path: &str) -> bool {
    let ending = path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| matches!(ending.as_str(), "png" | "jpg" | "jpeg" | "gif" | "webp"))
}

/// The picture that a paste is the path of, as terminals paste a file that is dropped on them.
fn pasted_picture(text: &str) -> Option<PathBuf> {
    let text = text.trim();
    if text.len() > 4_096 || text.contains('\n') || !is_picture(text.trim_matches(['\'', '"'])) {
        return None;
    }
    let bare = text.trim_matches(['\'', '"']);
    let path = match bare.strip_prefix("file://") {
        Some(address) => unescaped(address)?,
        None => bare.replace("\\ ", " "),
    };
    let path = PathBuf::from(path);
    path.is_absolute().then_some(path)
}

/// An address without its `%20`.
fn unescaped(address: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(address.len());
    let mut rest = address.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

impl Component for Composer {
    fn take(&mut self, input: &Input, context: &mut Context<'_>) -> Taken {
        if !self.begun {
            self.begun = true;
            context.ask(Request::History);
            context.ask(Request::Draft);
        }
        let taken = match input {
            Input::Key(key) => {
                let before = (self.buffer.text().len(), self.buffer.cursor());
                let text = self.buffer.text().to_owned();
                self.said = None;
                self.walked = false;
                if !self.key(*key, context) {
                    return Taken::No;
                }
                if text != self.buffer.text() && self.submitted.is_none() {
                    // Whoever changes an earlier prompt writes a new one.
                    if !self.walked {
                        self.history.settle();
                    }
                    self.changed(context);
                }
                let now = (self.buffer.text().len(), self.buffer.cursor());
                let types = !context.state.options.vim || self.vim.inserts();
                if !types {
                    self.popup = None;
                } else if self.search.is_none() && !self.history.is_walking() && before != now {
                    self.look_up(context);
                }
                Taken::Yes
            }
            Input::Paste(text) => {
                if let Some(search) = &mut self.search {
                    search.query.push_str(chips::clean(text).lines().next().unwrap_or_default());
                    self.history.find(search, None);
                    return Taken::Yes;
                }
                self.said = None;
                self.history.settle();
                self.paste(text, context);
                self.changed(context);
                self.look_up(context);
                Taken::Yes
            }
            Input::Reply(reply) => {
                self.reply(reply, context);
                Taken::No
            }
            Input::Event(event) => {
                // What may be given depends on whether a turn runs.
                let turned = matches!(**event, Event::TurnStarted { .. } | Event::TurnFinished(_));
                if turned && self.popup.as_ref().is_some_and(|popup| popup.kind == Kind::Commands) {
                    let before = self.popup.take();
                    self.look_up(context);
                    self.popup = self.popup.take().map(|popup| popup.like(before.as_ref()));
                }
                Taken::No
            }
            _ => Taken::No,
        };
        let (chips, buffer) = (&self.chips, &self.buffer);
        let written = || {
            let whole = chips.whole(buffer.text());
            if whole.len() > draft::LARGEST { chips::clean(buffer.text()) } else { whole }
        };
        if let Some(text) = self.draft.due(written, context.now) {
            context.ask(Request::KeepDraft(text));
        }
        taken
    }

    fn draw(&mut self, area: Rect, cells: &mut Cells, look: &Look<'_>) {
        self.draw_in(area, cells, look);
    }

    fn cursor(&self) -> Option<Position> {
        self.cursor
    }
}
