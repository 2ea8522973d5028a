//! Owns what becomes of a panic while the screen is drawn on.
//! Uses the hook of the standard library.
//! Never lets one write over the screen: the terminal is given back first, or the screen shows it.

use std::panic;
use std::thread;

use loci_tui::{Line, Style, visible};

use super::terminal;
use crate::printer::Printer;

/// The hook, until it is dropped.
pub(super) struct Hook;

impl Hook {
    /// From now on a panic of this thread, which draws, gives the terminal back and is told as usual; one of another thread
    /// is shown on the screen, which goes on.
    pub(super) fn set(printer: &Printer) -> Self {
        let (usual, printer, drawing) = (panic::take_hook(), printer.clone(), thread::current().id());
        panic::set_hook(Box::new(move |info| {
            if thread::current().id() == drawing {
                terminal::give_back();
                return usual(info);
            }
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let what = info.payload_as_str().unwrap_or("without a word");
            let said = visible(&format!(" Loci has a fault: {what}, at {place}"));
            for (number, row) in said.lines().enumerate() {
                let line = match number {
                    0 => Line::new("error:", Style::Removed).with(row, Style::Plain),
                    _ => Line::new(row, Style::Plain),
                };
                printer.to_error(&line);
            }
        }));
        Self
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        // In the middle of a panic the hooks cannot be changed, nor need they be.
        if !thread::panicking() {
            drop(panic::take_hook());
        }
    }
}
