//! Owns what a program does with the terminal that it was started on: stop beside its shell, and notice that it has gone.
//! Uses signals and `poll`.
//! Never reads or writes the terminal.

/// Stop this program and whoever stands in its process group, as Ctrl-Z does in a shell. Returns when it goes on. Where no
/// shell watches, the system does not stop anybody, and it returns at once.
#[cfg(unix)]
pub fn suspend() {
    use rustix::process::{Signal, kill_current_process_group};
    if kill_current_process_group(Signal::TSTP).is_ok() {
        // The signal may be delivered to another thread a moment after this one went on.
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// There are no jobs to stop.
#[cfg(not(unix))]
pub fn suspend() {}

/// Return when the terminal at standard input has gone: its window was closed, its connection broke. Nothing else would say
/// so to a program that waits for keys and was not sent SIGHUP. Blocks its thread, and wakes up for nothing else.
#[cfg(unix)]
pub fn wait_until_gone() {
    use rustix::event::{PollFd, PollFlags, poll};
    let input = rustix::stdio::stdin();
    loop {
        // What went wrong with a terminal is always reported, whatever was asked for.
        let mut asked = [PollFd::new(&input, PollFlags::empty())];
        match poll(&mut asked, None) {
            Ok(_) => return,
            Err(rustix::io::Errno::INTR) => {}
            // Waiting cannot work here: then nothing is ever noticed, rather than a terminal given up that is there.
            Err(_) => loop {
                std::thread::park();
            },
        }
    }
}

/// Nothing says so.
#[cfg(not(unix))]
pub fn wait_until_gone() {
    loop {
        std::thread::park();
    }
}

/// Have the system say again that there is something to read at standard input, where there is. crossterm (0.29) forgets
/// that it was told so when the same wait also told it of a resize, and the system tells only once: the key would be seen
/// with the next one. Setting the modes that are set wakes whoever waits, and changes nothing.
#[cfg(unix)]
pub fn rouse() {
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
    let input = rustix::stdio::stdin();
    if let Ok(modes) = tcgetattr(input) {
        // Where it cannot be set, the terminal has gone, which is noticed elsewhere.
        let _ = tcsetattr(input, OptionalActions::Now, &modes);
    }
}

/// Nothing is forgotten.
#[cfg(not(unix))]
pub fn rouse() {}
