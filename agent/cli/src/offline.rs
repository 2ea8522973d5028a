//! Owns going offline: before anything in this process could open a socket.
//! Uses `core` for the filter.
//! Never goes on as if it were offline where a standard stream is a connection, and never keeps silent where the system
//! enforces nothing.

use std::sync::Arc;

use loci_core::offline::{Connected, Control, Enforcement, enter, enter_with_control};
use loci_tui::{Line, Style, visible};

use crate::errors::Usage;
use crate::printer::Printer;

/// How this process stands to the network.
#[derive(Debug, Clone, Default)]
pub(crate) struct Offline {
    /// Whether the flag was given.
    pub(crate) asked: bool,
    /// What is enforced; `None` while it is online.
    pub(crate) enforcement: Option<Enforcement>,
    /// For `loci doctor --offline`: what worked before.
    pub(crate) control: Option<Arc<Control>>,
}

impl Offline {
    /// As the flag says; with a control for whoever wants to see the difference.
    ///
    /// # Errors
    /// As [`Offline::enter`].
    pub(crate) fn of_flag(printer: &Printer, asked: bool, controlled: bool) -> anyhow::Result<Self> {
        let mut offline = Self { asked, ..Self::default() };
        if asked && controlled {
            let (enforcement, control) = enter_with_control().map_err(refused)?;
            offline.control = Some(Arc::new(control));
            offline.tell(printer, enforcement);
        } else if asked {
            offline.enter(printer)?;
        }
        Ok(offline)
    }

    /// Go offline, for good; nothing where that was done before.
    ///
    /// # Errors
    /// When a standard stream is a network connection.
    pub(crate) fn enter(&mut self, printer: &Printer) -> anyhow::Result<()> {
        if self.enforcement.is_some() {
            return Ok(());
        }
        self.tell(printer, enter().map_err(refused)?);
        Ok(())
    }

    fn tell(&mut self, printer: &Printer, enforcement: Enforcement) {
        if let Enforcement::Nothing { why } = &enforcement {
            printer.to_error(&Line::new("warning:", Style::Warning).with(
                format!(
                    " offline is not enforced by the system here ({}): Loci itself uses no network, and what it starts is \
                     held back by the sandbox alone",
                    visible(why)
                ),
                Style::Plain,
            ));
        }
        self.enforcement = Some(enforcement);
    }

    /// Whether it is in force.
    pub(crate) fn is_on(&self) -> bool {
        self.enforcement.is_some()
    }
}

fn refused(error: Connected) -> anyhow::Error {
    Usage::error(
        format!("{error}, and Loci is to be offline"),
        "put a pipe between the two, or start it from a terminal",
    )
}
