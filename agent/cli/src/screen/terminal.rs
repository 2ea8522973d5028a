//! Owns the terminal while it is drawn on, and gives it back as it was.
//! Uses crossterm and ratatui on standard output, and the table of modes below.
//! Never leaves it raw, whatever ends the program that can be noticed: the end, an error, a panic, a signal.

mod modes;
mod notices;

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

use crossterm::event::{Event, KeyEventKind};
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use loci_core::config::Environment;
use loci_tui::{Input, Notification, Options};
use ratatui::Frame;
use ratatui::backend::CrosstermBackend;

use modes::FRAME;
pub(crate) use modes::tells_modifiers;
use notices::Notices;

/// What gives the terminal back, while it is ours. Whoever takes it out does it: the loop, a panic, a signal.
static HELD: Mutex<Option<String>> = Mutex::new(None);

/// The terminal while it is drawn on.
pub(super) struct Terminal {
    screen: ratatui::Terminal<CrosstermBackend<Sheet>>,
    sheet: Sheet,
    modes: Vec<modes::Mode>,
    notices: Notices,
    /// What was written last: a frame in which nothing changed is the same bytes again.
    written: Vec<u8>,
}

/// What a frame writes, until it is whole: it reaches the terminal in one piece.
#[derive(Debug, Clone, Default)]
struct Sheet(Rc<RefCell<Vec<u8>>>);

impl Write for Sheet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Terminal {
    /// Take the terminal.
    ///
    /// # Errors
    /// When it cannot be made raw or written to; then it is as it was.
    pub(super) fn enter(options: &Options, environment: &Environment) -> io::Result<Self> {
        let sheet = Sheet::default();
        let screen = ratatui::Terminal::new(CrosstermBackend::new(sheet.clone()))?;
        let notices = Notices::of(options.notify, environment);
        let modes = modes::wanted(options, notices.shows_progress());
        let mut terminal = Self { screen, sheet, modes, notices, written: Vec::new() };
        terminal.again()?;
        Ok(terminal)
    }

    /// Take it again after [`Terminal::leave`], or after somebody else may have changed it.
    ///
    /// # Errors
    /// As [`Terminal::enter`].
    pub(super) fn again(&mut self) -> io::Result<()> {
        *held() = Some(modes::leave(&self.modes));
        let taken = enable_raw_mode().and_then(|()| write(modes::enter(&self.modes).as_bytes()));
        if taken.is_err() {
            give_back();
        }
        taken?;
        self.redraw()
    }

    /// Give it back, for an editor or the shell, until [`Terminal::again`].
    pub(super) fn leave(&self) {
        give_back();
    }

    /// Draw a frame: what changed is written, in one piece; nothing is where nothing changed.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.screen.draw(draw)?;
        let frame = std::mem::take(&mut *self.sheet.0.borrow_mut());
        if frame == self.written {
            return Ok(());
        }
        let mut whole = Vec::with_capacity(frame.len() + FRAME.enter.len() + FRAME.leave.len());
        for part in [FRAME.enter.as_bytes(), &frame, FRAME.leave.as_bytes()] {
            whole.extend_from_slice(part);
        }
        self.written = frame;
        write(&whole)
    }

    /// Draw everything anew with the next frame. Not `clear`, which asks the terminal where its cursor is and waits for the
    /// answer.
    ///
    /// # Errors
    /// When the size of the terminal is not to be had.
    pub(super) fn redraw(&mut self) -> io::Result<()> {
        self.screen = ratatui::Terminal::new(CrosstermBackend::new(self.sheet.clone()))?;
        self.written.clear();
        *self.sheet.0.borrow_mut() = modes::CLEAR.as_bytes().to_vec();
        Ok(())
    }

    /// Tell somebody who looks elsewhere.
    ///
    /// # Errors
    /// As [`Terminal::draw`].
    pub(super) fn notify(&mut self, notification: &Notification) -> io::Result<()> {
        match self.notices.sequence(notification) {
            nothing if nothing.is_empty() => Ok(()),
            sequence => self.send(&sequence),
        }
    }

    /// Write a sequence that draws nothing: what puts a text on the clipboard.
    ///
    /// # Errors
    /// As [`Terminal::draw`].
    pub(super) fn send(&mut self, sequence: &str) -> io::Result<()> {
        write(sequence.as_bytes())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

fn held() -> std::sync::MutexGuard<'static, Option<String>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Give the terminal back, unless that was done: every mode is taken back, and it is no longer raw.
pub(super) fn give_back() {
    if let Some(sequence) = held().take() {
        // It may be gone; then there is nothing to give back.
        let _ = write(sequence.as_bytes());
        let _ = disable_raw_mode();
    }
}

/// Whether an error says that the terminal is no longer there: its window was closed before the signal that tells of it came.
pub(super) fn is_gone(error: &anyhow::Error) -> bool {
    /// EIO, of a terminal without its other end. (`man 2 write`, Linux and macOS)
    const IO_ERROR: i32 = 5;
    let error = error.downcast_ref::<io::Error>();
    cfg!(unix) && error.is_some_and(|error| error.raw_os_error() == Some(IO_ERROR))
}

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// What the terminal says, as the screen takes it.
pub(super) fn input(event: Event) -> Option<Input> {
    Some(match event {
        Event::Key(key) if key.kind == KeyEventKind::Release => return None,
        Event::Key(key) => Input::Key(key),
        Event::Mouse(mouse) => Input::Mouse(mouse),
        Event::Paste(text) => Input::Paste(text),
        Event::Resize(columns, rows) => Input::Resize(columns, rows),
        Event::FocusGained => Input::Focus(true),
        Event::FocusLost => Input::Focus(false),
    })
}

/// The most that is put on a clipboard, in bytes of base64: what terminals are known to take in one sequence (hterm's limit;
/// xterm and tmux take more).
const CLIPBOARD: usize = 100_000;

/// What puts a text on the clipboard of the terminal, wherever that is: OSC 52. (xterm, "Manipulate Selection Data") Inside
/// of tmux it is said twice: tmux may be set to take it, or to let it through to the terminal.
///
/// # Errors
/// Why not, where it is more than terminals take.
pub(super) fn clipboard(text: &str, multiplexed: bool) -> Result<String, String> {
    let encoded = loci_tui::base64(text.as_bytes());
    if encoded.len() > CLIPBOARD {
        let most = CLIPBOARD / 4 * 3 / 1000;
        return Err(format!("not copied: {} kB are more than terminals take, {most} kB", text.len() / 1000));
    }
    let sequence = format!("\x1b]52;c;{encoded}\x07");
    Ok(if multiplexed { format!("{sequence}\x1bPtmux;\x1b{sequence}\x1b\\") } else { sequence })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clipboard_takes_what_terminals_take() {
        assert_eq!(clipboard("hello", false).as_deref(), Ok("\x1b]52;c;aGVsbG8=\x07"));
        let through = clipboard("\x1b[2J", true).expect("short");
        // Nothing of the text is obeyed: all of it is base64.
        assert_eq!(through, "\x1b]52;c;G1sySg==\x07\x1bPtmux;\x1b\x1b]52;c;G1sySg==\x07\x1b\\");
        assert!(clipboard(&"x".repeat(75_000), false).is_ok());
        let why = clipboard(&"x".repeat(75_001), false).expect_err("long");
        assert!(why.contains("75 kB are more"), "{why}");
    }
}
