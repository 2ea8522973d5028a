//! Owns standard output and standard error: whatever Loci says goes through [`Printer`].
//! Uses the standard library's handles, and lines that `tui` renders.
//! Never decides what is said; a closed pipe ends the program quietly.

use std::io::{self, IsTerminal, Write};

use loci_tui::{Channel, Line, Piece, Style};
use tokio::sync::mpsc;

/// What a command may say, and in which colours.
#[derive(Debug, Clone)]
pub(crate) struct Printer {
    output: Stream,
    error: Stream,
    asides: bool,
    notes: bool,
    bars: bool,
    verbose: bool,
    captured: Option<Captured>,
}

/// Where lines go instead, while the screen is drawn on.
#[derive(Debug, Clone)]
struct Captured {
    lines: mpsc::UnboundedSender<Line>,
    width: usize,
}

#[derive(Debug, Clone, Copy)]
struct Stream {
    terminal: bool,
    colour: bool,
}

/// How much is said beside the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Tool lines and progress on a terminal.
    Usual,
    /// The same where standard error is no terminal.
    Verbose,
    /// Errors only.
    Quiet,
}

impl Printer {
    /// A printer for this process. `plain` is true where the user wants no colours and no moving lines
    /// (`NO_COLOR`, `TERM=dumb`).
    #[must_use]
    pub(crate) fn new(detail: Detail, plain: bool) -> Self {
        let stream = |terminal: bool| Stream { terminal, colour: terminal && !plain };
        let error = stream(io::stderr().is_terminal());
        Self {
            output: stream(io::stdout().is_terminal()),
            error,
            asides: match detail {
                Detail::Usual => error.terminal,
                Detail::Verbose => true,
                Detail::Quiet => false,
            },
            notes: detail != Detail::Quiet,
            bars: error.colour && detail != Detail::Quiet,
            verbose: detail == Detail::Verbose,
            captured: None,
        }
    }

    /// The same without colours and moving lines.
    #[must_use]
    pub(crate) fn plain(&self) -> Self {
        let plain = |stream: Stream| Stream { colour: false, ..stream };
        Self { output: plain(self.output), error: plain(self.error), bars: false, ..self.clone() }
    }

    /// A printer whose lines, results and asides alike, come out of a channel: the terminal is drawn on meanwhile. They are
    /// made for that many columns.
    #[must_use]
    pub(crate) fn captured(width: usize) -> (Self, mpsc::UnboundedReceiver<Line>) {
        let (lines, out) = mpsc::unbounded_channel();
        let stream = Stream { terminal: true, colour: false };
        let printer = Self {
            output: stream,
            error: stream,
            asides: true,
            notes: true,
            bars: false,
            verbose: false,
            captured: Some(Captured { lines, width }),
        };
        (printer, out)
    }

    /// Whether the user wants to know more than usual.
    #[must_use]
    pub(crate) fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Whether a person sees standard output as it is written.
    #[must_use]
    pub(crate) fn output_is_terminal(&self) -> bool {
        self.output.terminal
    }

    /// Whether a person sees standard error.
    #[must_use]
    pub(crate) fn error_is_terminal(&self) -> bool {
        self.error.terminal
    }

    /// The columns of the terminal; 100 where there is none.
    #[must_use]
    pub(crate) fn width(&self) -> usize {
        if let Some(captured) = &self.captured {
            return captured.width;
        }
        terminal_size::terminal_size().map_or(100, |(terminal_size::Width(columns), _)| usize::from(columns))
    }

    /// Whether bars may be drawn on standard error.
    #[must_use]
    pub(crate) fn draws_bars(&self) -> bool {
        self.bars
    }

    /// A line of the result.
    ///
    /// # Errors
    /// When standard output cannot be written; `BrokenPipe` when its reader has gone.
    pub(crate) fn line(&self, line: &Line) -> io::Result<()> {
        if let Some(captured) = &self.captured {
            // Whoever showed them may have gone; then nobody misses them.
            let _ = captured.lines.send(line.clone());
            return Ok(());
        }
        let text = if self.output.colour { line.ansi() } else { line.plain() };
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")
    }

    /// Text of the result, as it is.
    ///
    /// # Errors
    /// As [`Printer::line`].
    pub(crate) fn text(&self, text: &str) -> io::Result<()> {
        if self.captured.is_some() {
            return text.lines().try_for_each(|row| self.line(&Line::new(row, Style::Plain)));
        }
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// What a command wrote: as it is for a program, without control characters for a person.
    ///
    /// # Errors
    /// As [`Printer::line`].
    pub(crate) fn bytes(&self, bytes: &[u8]) -> io::Result<()> {
        if self.output.terminal {
            return self.text(&loci_tui::visible(&String::from_utf8_lossy(bytes)));
        }
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }

    /// A value as JSON: indented for a person, on one line for a program.
    ///
    /// # Errors
    /// As [`Printer::line`].
    pub(crate) fn json(&self, value: &impl serde::Serialize) -> io::Result<()> {
        let text = if self.output.terminal {
            serde_json::to_string_pretty(value)
        } else {
            serde_json::to_string(value)
        };
        self.text(&(text.map_err(io::Error::other)? + "\n"))
    }

    /// A value as one line of JSON, whoever reads it.
    ///
    /// # Errors
    /// As [`Printer::line`].
    pub(crate) fn json_line(&self, value: &impl serde::Serialize) -> io::Result<()> {
        self.text(&(serde_json::to_string(value).map_err(io::Error::other)? + "\n"))
    }

    /// Something the user must see: errors, hints, warnings.
    pub(crate) fn to_error(&self, line: &Line) {
        if self.captured.is_some() {
            let _ = self.line(line);
            return;
        }
        let text = if self.error.colour { line.ansi() } else { line.plain() };
        // Standard error is the last resort: where it fails there is nobody left to tell.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// `note:` with a sentence, on standard error, whatever it is connected to.
    pub(crate) fn note(&self, message: &str) {
        if self.notes {
            self.to_error(&Line::new("note:", Style::Dim).with(format!(" {message}"), Style::Plain));
        }
    }

    /// Pieces of a transcript: the answer to standard output, the rest to standard error.
    ///
    /// # Errors
    /// As [`Printer::line`].
    pub(crate) fn split(&self, pieces: &[Piece]) -> io::Result<()> {
        self.print_split(pieces, self.asides)
    }

    /// The same, with all of the rest shown, whatever the user wants to see otherwise.
    ///
    /// # Errors
    /// As [`Printer::line`].
    pub(crate) fn split_loud(&self, pieces: &[Piece]) -> io::Result<()> {
        self.print_split(pieces, true)
    }

    fn print_split(&self, pieces: &[Piece], asides: bool) -> io::Result<()> {
        for piece in pieces {
            match piece {
                Piece::Text { channel: Channel::Answer, text } => self.text(text)?,
                Piece::Line { channel: Channel::Answer, line } => self.line(line)?,
                Piece::Line { channel: Channel::Aside, line } if asides => self.to_error(line),
                Piece::Text { channel: Channel::Aside, text } if asides => self.dim_text(text),
                Piece::Line { .. } | Piece::Text { .. } => {}
            }
        }
        Ok(())
    }

    /// Pieces of a transcript, all of them to standard output, in order.
    ///
    /// # Errors
    /// As [`Printer::line`].
    pub(crate) fn whole(&self, pieces: &[Piece]) -> io::Result<()> {
        for piece in pieces {
            match piece {
                Piece::Text { channel: Channel::Aside, text } if self.output.colour => {
                    self.text(&Line::new(text.as_str(), Style::Dim).ansi())?;
                }
                Piece::Text { text, .. } => self.text(text)?,
                Piece::Line { line, .. } => self.line(line)?,
            }
        }
        Ok(())
    }

    fn dim_text(&self, text: &str) {
        let line = Line::new(text, Style::Dim);
        if self.captured.is_some() {
            let _ = self.text(&line.plain());
            return;
        }
        let text = if self.error.colour { line.ansi() } else { line.plain() };
        let _ = write!(io::stderr().lock(), "{text}");
    }
}
