//! Owns the keys of vi: modes, counts, operators with motions and text objects, the repeated change.
//! Uses the buffer; its rooms say where motions lead and what objects span.
//! Never takes a key that it has no meaning for, and Esc in normal mode belongs to the conversation.

mod motions;
mod objects;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::buffer::{Buffer, Change};
use motions::Span;

/// A count is not taken for larger: nobody has typed more lines or words.
const MOST: usize = 99_999;

/// What keys mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    /// They are typed.
    #[default]
    Insert,
    /// They are commands.
    Normal,
    /// They extend what is chosen, from here.
    Visual { from: usize, lines: bool },
}

/// What is waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Pending {
    #[default]
    Nothing,
    /// The second `g`.
    Top,
    /// The letter behind `f`, `F`, `t`, `T`.
    Letter(char),
    /// The object behind `i` or `a`.
    Object { around: bool },
    /// The letter behind `r`.
    Replacement,
}

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was a command.
    Yes,
    /// It is what it is without vi.
    Typed,
    /// The prompt before this one, or the line above.
    Up,
    /// The prompt after this one, or the line below.
    Down,
    /// It means nothing here.
    No,
}

/// The keys of vi.
#[derive(Debug, Default)]
pub(super) struct Vim {
    mode: Mode,
    pending: Pending,
    count: Option<usize>,
    /// `d`, `c` or `y`, and the count before it.
    operator: Option<(char, Option<usize>)>,
    /// What `;` goes on with.
    found: Option<(char, char)>,
    /// Whether what was cut last are whole lines.
    lines_cut: bool,
    /// The keys of the command that goes on.
    recorded: Vec<KeyEvent>,
    /// The keys of the newest change.
    repeated: Vec<KeyEvent>,
    /// Whether what is typed belongs to a change that will be repeated.
    recording: bool,
}

impl Vim {
    /// What the rule says of the mode.
    pub(super) fn name(&self) -> &'static str {
        match self.mode {
            Mode::Insert => "insert",
            Mode::Normal => "normal",
            Mode::Visual { lines: false, .. } => "visual",
            Mode::Visual { lines: true, .. } => "visual line",
        }
    }

    /// Whether keys are typed.
    pub(super) fn inserts(&self) -> bool {
        self.mode == Mode::Insert
    }

    /// Something else is written now: as at the beginning, and changes can still be repeated.
    pub(super) fn restart(&mut self) {
        let repeated = std::mem::take(&mut self.repeated);
        *self = Self { repeated, found: self.found, lines_cut: self.lines_cut, ..Self::default() };
    }

    /// What is chosen.
    pub(super) fn selection(&self, buffer: &Buffer) -> Option<Range<usize>> {
        let Mode::Visual { from, lines } = self.mode else { return None };
        // What was pasted or taken back in the meantime may have moved the text.
        let from = buffer.nearest(from);
        let (start, end) = (from.min(buffer.cursor()), from.max(buffer.cursor()));
        Some(if lines {
            buffer.line_start(start)..(buffer.line_end(end) + 1).min(buffer.text().len())
        } else {
            start..buffer.next(end)
        })
    }

    /// Take a key.
    pub(super) fn take(&mut self, buffer: &mut Buffer, key: KeyEvent) -> Taken {
        if self.mode == Mode::Insert {
            return self.typed(buffer, key);
        }
        let character = match (key.code, key.modifiers - KeyModifiers::SHIFT) {
            (KeyCode::Char(character), modifiers) if modifiers.is_empty() => character,
            (KeyCode::Backspace, _) => 'h',
            (KeyCode::Esc, _) => return self.escape(buffer),
            (KeyCode::Char('r'), KeyModifiers::CONTROL) if self.is_fresh() => {
                buffer.redo();
                self.settle(buffer);
                return Taken::Yes;
            }
            // Arrows, Enter and what control does elsewhere.
            _ => {
                self.forget();
                return Taken::Typed;
            }
        };
        if self.is_fresh() && self.count.is_none() {
            self.recorded.clear();
        }
        self.recorded.push(key);
        let taken = self.command(buffer, character);
        if self.mode != Mode::Insert {
            self.settle(buffer);
        }
        taken
    }

    fn typed(&mut self, buffer: &mut Buffer, key: KeyEvent) -> Taken {
        if self.recording {
            self.recorded.push(key);
        }
        if key.code != KeyCode::Esc {
            return Taken::Typed;
        }
        if std::mem::take(&mut self.recording) {
            self.repeated = std::mem::take(&mut self.recorded);
        }
        self.mode = Mode::Normal;
        let at = buffer.cursor();
        buffer.go(buffer.previous(at).max(buffer.line_start(at)));
        Taken::Yes
    }

    fn escape(&mut self, buffer: &mut Buffer) -> Taken {
        let nothing = self.mode == Mode::Normal && self.is_fresh() && self.count.is_none();
        self.forget();
        self.mode = Mode::Normal;
        self.settle(buffer);
        if nothing { Taken::No } else { Taken::Yes }
    }

    fn is_fresh(&self) -> bool {
        self.pending == Pending::Nothing && self.operator.is_none()
    }

    fn forget(&mut self) {
        (self.pending, self.count, self.operator) = (Pending::Nothing, None, None);
    }

    /// In normal mode the cursor stands on a letter.
    fn settle(&self, buffer: &mut Buffer) {
        let at = buffer.cursor();
        let beyond = at == buffer.line_end(at) && at > buffer.line_start(at);
        if self.mode == Mode::Normal && beyond {
            let goal = buffer.goal;
            buffer.go(buffer.previous(at));
            buffer.goal = goal;
        }
    }

    /// The count of the command, with that of its operator.
    fn times(&mut self) -> Option<usize> {
        let before = self.operator.and_then(|(_, count)| count);
        match (self.count.take(), before) {
            (None, None) => None,
            (one, two) => Some(one.unwrap_or(1).saturating_mul(two.unwrap_or(1)).min(MOST)),
        }
    }

    fn command(&mut self, buffer: &mut Buffer, key: char) -> Taken {
        match std::mem::take(&mut self.pending) {
            Pending::Nothing => {}
            Pending::Top => {
                if key == 'g'
                    && let Some((to, span)) = motions::motion(buffer, 'g', self.times())
                {
                    return self.reach(buffer, to, span);
                }
                self.forget();
                return Taken::Yes;
            }
            Pending::Letter(kind) => {
                self.found = Some((kind, key));
                return self.letter(buffer, kind, key);
            }
            Pending::Object { around } => {
                match objects::object(buffer, key, around) {
                    Some(range) => self.chosen(buffer, range),
                    None => self.forget(),
                }
                return Taken::Yes;
            }
            Pending::Replacement => {
                self.replace(buffer, key);
                return Taken::Yes;
            }
        }
        if let Some(digit) = key.to_digit(10).filter(|digit| *digit > 0 || self.count.is_some()) {
            let digit = usize::try_from(digit).unwrap_or(0);
            self.count = Some(self.count.unwrap_or(0).saturating_mul(10).saturating_add(digit).min(MOST));
            return Taken::Yes;
        }
        let waits = self.operator.is_some() || self.mode != Mode::Normal;
        match key {
            'g' => self.pending = Pending::Top,
            'f' | 'F' | 't' | 'T' => self.pending = Pending::Letter(key),
            ';' | ',' => {
                let Some((kind, wanted)) = self.found else {
                    self.forget();
                    return Taken::Yes;
                };
                let other =
                    if kind.is_uppercase() { kind.to_ascii_lowercase() } else { kind.to_ascii_uppercase() };
                return self.letter(buffer, if key == ';' { kind } else { other }, wanted);
            }
            'i' | 'a' if waits => self.pending = Pending::Object { around: key == 'a' },
            'j' if self.count.is_none() && !waits => return Taken::Down,
            'k' if self.count.is_none() && !waits => return Taken::Up,
            _ => {
                if let Some((operator, _)) = self.operator
                    && operator == key
                {
                    return self.whole_lines(buffer);
                }
                // Counts are taken by what uses them.
                let count = self.count;
                let times = self.times();
                // `cw` leaves the blank behind a word.
                let on_word = !buffer.text()[buffer.cursor()..].starts_with(char::is_whitespace);
                let changes = self.operator.is_some_and(|(operator, _)| operator == 'c');
                let motion = match key {
                    'w' if changes && on_word => 'e',
                    'W' if changes && on_word => 'E',
                    other => other,
                };
                if let Some((to, span)) = motions::motion(buffer, motion, times) {
                    let to = if key == 'w' && motion == 'w' { self.within_line(buffer, to) } else { to };
                    return self.reach(buffer, to, span);
                }
                self.count = count;
                return self.act(buffer, key);
            }
        }
        Taken::Yes
    }

    /// `dw` on the last word of a line leaves the break.
    fn within_line(&self, buffer: &Buffer, to: usize) -> usize {
        let end = buffer.line_end(buffer.cursor());
        if self.operator.is_some() && to > end && end > buffer.cursor() { end } else { to }
    }

    fn letter(&mut self, buffer: &mut Buffer, kind: char, wanted: char) -> Taken {
        let times = self.times().unwrap_or(1);
        match motions::find(buffer, buffer.cursor(), kind, wanted, times) {
            Some(to) => {
                let span = if kind.is_lowercase() { Span::Inclusive } else { Span::Exclusive };
                self.reach(buffer, to, span)
            }
            None => {
                self.forget();
                Taken::Yes
            }
        }
    }

    /// A motion leads there: the cursor goes, or the operator takes what is in between.
    fn reach(&mut self, buffer: &mut Buffer, to: usize, span: Span) -> Taken {
        let at = buffer.cursor();
        if self.operator.is_none() {
            buffer.go(to);
            return Taken::Yes;
        }
        let (start, end) = (at.min(to), at.max(to));
        match span {
            Span::Exclusive => self.operate(buffer, start..end, false),
            Span::Inclusive => self.operate(buffer, start..buffer.next(end), false),
            Span::Lines => self.operate(buffer, start..end, true),
        }
        Taken::Yes
    }

    /// An object: it is chosen, or the operator takes it.
    fn chosen(&mut self, buffer: &mut Buffer, range: Range<usize>) {
        if self.operator.is_some() {
            self.operate(buffer, range, false);
        } else if let Mode::Visual { lines, .. } = self.mode {
            self.mode = Mode::Visual { from: range.start, lines };
            buffer.go(buffer.previous(range.end).max(range.start));
        }
    }

    /// `dd`, `cc`, `yy`.
    fn whole_lines(&mut self, buffer: &mut Buffer) -> Taken {
        let at = buffer.cursor();
        let mut end = at;
        for _ in 1..self.times().unwrap_or(1) {
            end = motions::other_line(buffer, end, true).unwrap_or(end);
        }
        self.operate(buffer, at..end, true);
        Taken::Yes
    }

    /// Do what the operator says with a range; with all of its lines where `lines`.
    fn operate(&mut self, buffer: &mut Buffer, range: Range<usize>, lines: bool) {
        let Some((operator, _)) = self.operator.take() else { return };
        self.count = None;
        let at = buffer.cursor();
        let range = if lines { buffer.line_start(range.start)..buffer.line_end(range.end) } else { range };
        if let Some(text) = buffer.text().get(range.clone()) {
            buffer.cut = text.to_owned();
            self.lines_cut = lines;
        }
        match operator {
            'y' => buffer.go(if lines { at.min(range.start.max(at.min(range.end))) } else { range.start }),
            'c' => {
                buffer.erase(range.clone(), Change::Alone);
                buffer.go(range.start);
                self.insert(buffer);
            }
            _ if lines => {
                // A line goes with its break; the last one with the break before it.
                let whole = if range.end < buffer.text().len() {
                    range.start..range.end + 1
                } else {
                    range.start.saturating_sub(1)..range.end
                };
                buffer.erase(whole, Change::Alone);
                let at = buffer.line_start(range.start.min(buffer.text().len()));
                buffer.go(motions::first_letter(buffer, at));
                self.changed();
            }
            _ => {
                buffer.erase(range.clone(), Change::Alone);
                buffer.go(range.start);
                self.changed();
            }
        }
    }

    /// A change is over: it can be repeated.
    fn changed(&mut self) {
        self.repeated.clone_from(&self.recorded);
    }

    /// What is typed from now on belongs to the change.
    fn insert(&mut self, buffer: &mut Buffer) {
        self.mode = Mode::Insert;
        self.recording = true;
        buffer.settle();
    }

    fn replace(&mut self, buffer: &mut Buffer, with: char) {
        let times = self.times().unwrap_or(1);
        let at = buffer.cursor();
        let mut end = at;
        for _ in 0..times {
            end = buffer.next(end).min(buffer.line_end(at));
        }
        let length = buffer.text()[at..end].chars().count();
        if length < times {
            return;
        }
        let text = super::chips::clean(&with.to_string()).repeat(times);
        buffer.replace(at..end, &text, Change::Alone);
        buffer.go(buffer.previous(buffer.cursor()));
        self.changed();
    }

    /// Commands that are no motions.
    fn act(&mut self, buffer: &mut Buffer, key: char) -> Taken {
        if let Mode::Visual { from, lines } = self.mode {
            return self.act_on_chosen(buffer, key, from, lines);
        }
        if self.operator.is_some() {
            self.forget();
            return Taken::Yes;
        }
        let at = buffer.cursor();
        let (start, end) = (buffer.line_start(at), buffer.line_end(at));
        let operate = |vim: &mut Self, buffer: &mut Buffer, operator: char, range: Range<usize>| {
            vim.operator = Some((operator, None));
            vim.operate(buffer, range, false);
        };
        match key {
            'd' | 'c' | 'y' => self.operator = Some((key, self.count.take())),
            'x' | 'X' | 's' => {
                let times = self.times().unwrap_or(1);
                let mut to = at;
                for _ in 0..times {
                    to = if key == 'X' { buffer.previous(to).max(start) } else { buffer.next(to).min(end) };
                }
                operate(self, buffer, if key == 's' { 'c' } else { 'd' }, at.min(to)..at.max(to));
            }
            'D' => operate(self, buffer, 'd', at..end),
            'C' => operate(self, buffer, 'c', at..end),
            'S' | 'Y' => {
                self.operator = Some((if key == 'S' { 'c' } else { 'y' }, None));
                self.operate(buffer, at..at, true);
            }
            'r' => self.pending = Pending::Replacement,
            'i' => self.insert(buffer),
            'I' => {
                buffer.go(motions::first_letter(buffer, at));
                self.insert(buffer);
            }
            'a' => {
                buffer.go(buffer.next(at).min(end));
                self.insert(buffer);
            }
            'A' => {
                buffer.go(end);
                self.insert(buffer);
            }
            'o' | 'O' => {
                buffer.replace(if key == 'o' { end..end } else { start..start }, "\n", Change::Alone);
                if key == 'O' {
                    buffer.go(start);
                }
                self.insert(buffer);
            }
            '~' => self.swap_case(buffer, end),
            'J' => self.join(buffer, end),
            'p' | 'P' => self.put(buffer, key == 'p'),
            'u' => {
                for _ in 0..self.times().unwrap_or(1) {
                    if !buffer.undo() {
                        break;
                    }
                }
            }
            '.' => self.repeat(buffer),
            'v' | 'V' => self.mode = Mode::Visual { from: at, lines: key == 'V' },
            _ => self.forget(),
        }
        if self.operator.is_none() && self.pending == Pending::Nothing {
            self.count = None;
        }
        Taken::Yes
    }

    fn act_on_chosen(&mut self, buffer: &mut Buffer, key: char, from: usize, lines: bool) -> Taken {
        self.count = None;
        let Some(range) = self.selection(buffer) else { return Taken::Yes };
        // Of whole lines the last break is no part.
        let inner = if lines && buffer.text()[range.clone()].ends_with('\n') {
            range.start..range.end - 1
        } else {
            range.clone()
        };
        match key {
            'd' | 'x' | 'c' | 's' | 'y' => {
                self.mode = Mode::Normal;
                let operator = match key {
                    'x' => 'd',
                    's' => 'c',
                    other => other,
                };
                self.operator = Some((operator, None));
                self.operate(buffer, inner.clone(), lines);
                if key == 'y' {
                    buffer.go(inner.start);
                }
            }
            '~' => {
                let text: String = buffer.text()[range.clone()].chars().map(swapped).collect();
                buffer.replace(range.clone(), &text, Change::Alone);
                buffer.go(range.start);
                self.mode = Mode::Normal;
            }
            'o' => {
                self.mode = Mode::Visual { from: buffer.cursor(), lines };
                buffer.go(from);
            }
            'v' | 'V' if lines == (key == 'V') => self.mode = Mode::Normal,
            'v' | 'V' => self.mode = Mode::Visual { from, lines: key == 'V' },
            _ => {}
        }
        Taken::Yes
    }

    fn swap_case(&mut self, buffer: &mut Buffer, line_end: usize) {
        let at = buffer.cursor();
        let mut end = at;
        for _ in 0..self.times().unwrap_or(1) {
            end = buffer.next(end).min(line_end);
        }
        let text: String = buffer.text()[at..end].chars().map(swapped).collect();
        buffer.replace(at..end, &text, Change::Alone);
        self.changed();
    }

    fn join(&mut self, buffer: &mut Buffer, mut line_end: usize) {
        for _ in 0..self.times().unwrap_or(1).max(2) - 1 {
            if line_end >= buffer.text().len() {
                break;
            }
            let rest = &buffer.text()[line_end + 1..];
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
            buffer.replace(line_end..line_end + 1 + blanks, " ", Change::Alone);
            buffer.go(line_end);
            line_end = buffer.line_end(buffer.cursor());
        }
        self.changed();
    }

    fn put(&mut self, buffer: &mut Buffer, behind: bool) {
        let at = buffer.cursor();
        let times = self.times().unwrap_or(1);
        // A count and a large text are a mistake more often than a wish.
        let times = times.min((1 << 20) / buffer.cut.len().max(1)).max(1);
        let text = if self.lines_cut {
            vec![buffer.cut.as_str(); times].join("\n")
        } else {
            buffer.cut.repeat(times)
        };
        if text.is_empty() && !self.lines_cut {
            return;
        }
        if self.lines_cut && behind {
            let end = buffer.line_end(at);
            buffer.replace(end..end, &format!("\n{text}"), Change::Alone);
            buffer.go(end + 1);
        } else if self.lines_cut {
            let start = buffer.line_start(at);
            buffer.replace(start..start, &format!("{text}\n"), Change::Alone);
            buffer.go(start);
        } else {
            let place = if behind { buffer.next(at).min(buffer.line_end(at)) } else { at };
            buffer.replace(place..place, &text, Change::Alone);
            buffer.go(buffer.previous(buffer.cursor()));
        }
        self.changed();
    }

    /// `.`: the keys of the newest change once more.
    fn repeat(&mut self, buffer: &mut Buffer) {
        let keys = std::mem::take(&mut self.repeated);
        self.forget();
        for key in &keys {
            if self.take(buffer, *key) == Taken::Typed {
                let chips = super::Chips::default();
                if key.code == KeyCode::Enter {
                    buffer.insert("\n", Change::Typing);
                } else {
                    super::Page { buffer: &mut *buffer, chips: &chips, width: usize::MAX }.take(*key);
                }
            }
        }
        self.repeated = keys;
    }
}

fn swapped(character: char) -> char {
    // One letter for one letter, so that what follows stays where it is.
    let mut other = if character.is_lowercase() {
        character.to_uppercase().collect::<Vec<_>>()
    } else {
        character.to_lowercase().collect::<Vec<_>>()
    };
    if other.len() == 1 { other.remove(0) } else { character }
}
