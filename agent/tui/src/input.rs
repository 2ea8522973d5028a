//! Owns what comes in to the screen: one closed list.
//! Uses crossterm's names of keys, the protocol's events, and what was asked of the host.
//! Never reads anything; whoever holds the terminal does.

use crossterm::event::{KeyEvent, MouseEvent};
use loci_protocol::Event;

use crate::host::Reply;

/// Something happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// A key was pressed, or held.
    Key(KeyEvent),
    /// The wheel, a button, a drag.
    Mouse(MouseEvent),
    /// Text was pasted in one piece.
    Paste(String),
    /// The terminal has this many columns and rows.
    Resize(u16, u16),
    /// The terminal's window is looked at, or no longer.
    Focus(bool),
    /// Time went by: what shows a time, or waits for one, looks again.
    Tick,
    /// The session says something.
    Event(Box<Event>),
    /// The host answers.
    Reply(Box<Reply>),
}
