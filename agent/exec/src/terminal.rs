//! Owns the terminal of a command that asked for one: a pair of ends, of which the command has the one and we the other.
//! Uses the system's pseudo-terminals.
//! Never types anything but the end of the input.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, unlockpt};
use rustix::termios::{
    LocalModes, OptionalActions, OutputModes, Winsize, tcgetattr, tcsetattr, tcsetwinsize,
};

use crate::Size;

/// What ends the input of a terminal in its usual mode, and what programs take for it in others.
const END_OF_INPUT: &[u8] = b"\x04";
/// Whoever wrote nothing for so long may be waiting for a key. A program that flushes its input before it asks for a
/// password loses what was typed ahead, so the end is typed again.
const SILENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 300_000_000 };

/// A terminal of this size: our end, and the command's.
///
/// # Errors
/// What the system said: there are too many, or none at all.
pub(crate) fn open(size: Size) -> Result<(Controller, OwnedFd)> {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let theirs = other_end(&ours)?;
    tcsetwinsize(&theirs, Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 })?;
    let mut modes = tcgetattr(&theirs)?;
    // What is typed is not output, and a line ends as the program ended it.
    modes.local_modes &= !(LocalModes::ECHO | LocalModes::ECHOE | LocalModes::ECHOK | LocalModes::ECHONL);
    modes.output_modes &= !OutputModes::OPOST;
    tcsetattr(&theirs, OptionalActions::Now, &modes)?;
    // A terminal whose program reads nothing takes no more input at some point; that must not hold up its output.
    fcntl_setfl(&ours, fcntl_getfl(&ours)? | OFlags::NONBLOCK)?;
    let mut controller = Controller { file: File::from(ours) };
    controller.type_end();
    Ok((controller, theirs))
}

/// By the descriptor, which works where the file system shows no terminals.
#[cfg(target_os = "linux")]
fn other_end(ours: &OwnedFd) -> Result<OwnedFd> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    Ok(rustix::pty::ioctl_tiocgptpeer(ours, flags)?)
}

#[cfg(not(target_os = "linux"))]
fn other_end(ours: &OwnedFd) -> Result<OwnedFd> {
    let name = rustix::pty::ptsname(ours, Vec::new())?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(name, flags, rustix::fs::Mode::empty())?)
}

/// Our end. Reading gives what the command wrote; an error says that nobody holds the other end.
#[derive(Debug)]
pub(crate) struct Controller {
    file: File,
}

impl Controller {
    fn type_end(&mut self) {
        // Refused when the input is full; then there is enough of it.
        let _ = self.file.write(END_OF_INPUT);
    }
}

impl Read for Controller {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            let mut waiting = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut waiting, Some(&SILENCE)) {
                Ok(0) => self.type_end(),
                Ok(_) => match self.file.read(buffer) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    read => return read,
                },
                Err(error) => return Err(Error::from(error)),
            }
        }
    }
}
