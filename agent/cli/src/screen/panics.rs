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

#[cfg(all(test, unix))]
mod tests {
    use std::io::Read as _;
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, Instant};

    use loci_core::config::Environment;
    use loci_tui::Options;
    use portable_pty::{CommandBuilder, PtySize, native_pty_system};

    use super::*;
    use crate::screen::terminal::Terminal;

    #[test]
    #[ignore = "the test below runs it, in a terminal of its own"]
    fn draws_and_panics() {
        let (printer, mut lines) = Printer::captured(80);
        let mut terminal = Terminal::enter(&Options::default(), &Environment::default()).expect("a terminal");
        let _hook = Hook::set(&printer);
        // Another thread's is shown on the screen, without the sequences in its words, and the terminal stays ours.
        assert!(thread::spawn(|| panic!("beside \x1b[2J")).join().is_err());
        let said = lines.try_recv().expect("a line").plain();
        assert!(said.contains("beside ␛[2J") && said.contains("panics.rs"), "{said}");
        terminal.draw(|_| panic!("in the middle of a frame")).expect("never");
    }

    #[test]
    fn a_panic_gives_the_terminal_back_before_it_is_told() {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let modes = || format!("{:?}", pair.master.get_termios().expect("a terminal"));
        let before = modes();
        let mut command = CommandBuilder::new(std::env::current_exe().expect("this program"));
        let name = "screen::panics::tests::draws_and_panics";
        command.args(["--exact", name, "--ignored", "--nocapture", "--test-threads=1"]);
        let mut child = pair.slave.spawn_command(command).expect("starts");
        let mut output = pair.master.try_clone_reader().expect("readable");
        let seen = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&seen);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                sink.lock().expect("no panic").push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        assert!(!child.wait().expect("ends").success());
        let limit = Instant::now() + Duration::from_secs(20);
        let text = loop {
            let text = seen.lock().expect("no panic").clone();
            if text.contains("FAILED") || Instant::now() > limit {
                break text;
            }
            thread::sleep(Duration::from_millis(10));
        };
        let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("no {words:?} in {text}"));
        let told = at("in the middle of a frame");
        assert!(at("\x1b[?1049h") < at("\x1b[?1049l") && at("\x1b[?1049l") < told, "{text}");
        assert!(at("\x1b[?25h") < told && !text.contains("beside"), "{text}");
        assert_eq!(modes(), before);
    }
}
