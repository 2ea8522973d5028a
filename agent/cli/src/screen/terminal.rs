//! Owns the terminal while it is drawn on, and gives it back as it was.
//! Uses crossterm and ratatui on standard output.
//! Never leaves it raw, whatever ends the program that can be noticed.

use std::io::{self, Stdout, Write as _};

use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste, EnableFocusChange,
    EnableMouseCapture, Event, KeyEventKind,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use loci_tui::{Input, Options};
use ratatui::Frame;
use ratatui::backend::CrosstermBackend;

/// The terminal while it is drawn on.
pub(super) struct Terminal {
    screen: ratatui::Terminal<CrosstermBackend<Stdout>>,
}

impl Terminal {
    /// Take the terminal.
    ///
    /// # Errors
    /// When it cannot be made raw or written to.
    pub(super) fn enter(options: &Options) -> io::Result<Self> {
        enable_raw_mode()?;
        let mut out = io::stdout();
        execute!(out, EnterAlternateScreen, EnableBracketedPaste, EnableFocusChange, cursor::Hide)?;
        if options.mouse {
            execute!(out, EnableMouseCapture)?;
        }
        let screen = ratatui::Terminal::new(CrosstermBackend::new(out))?;
        Ok(Self { screen })
    }

    /// Draw a frame: what changed is written, in one piece.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        queue!(self.screen.backend_mut(), BeginSynchronizedUpdate)?;
        self.screen.draw(draw)?;
        execute!(self.screen.backend_mut(), EndSynchronizedUpdate)
    }

    /// Draw everything anew with the next frame.
    ///
    /// # Errors
    /// As [`Terminal::draw`].
    pub(super) fn redraw(&mut self) -> io::Result<()> {
        self.screen.clear()
    }

    /// Put a text on the clipboard, by OSC 52.
    ///
    /// # Errors
    /// As [`Terminal::draw`].
    pub(super) fn copy(&mut self, _text: &str) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let mut out = io::stdout();
        let _ = execute!(
            out,
            DisableMouseCapture,
            DisableFocusChange,
            DisableBracketedPaste,
            cursor::Show,
            LeaveAlternateScreen
        );
        let _ = disable_raw_mode();
        let _ = out.flush();
    }
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
