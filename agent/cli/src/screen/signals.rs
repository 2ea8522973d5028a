//! Owns what the system tells the program while the screen is drawn on.
//! Uses tokio's signals.
//! Never acts on one itself, but where the loop does not get to it in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::{Happened, terminal};

/// So long the loop has to close its session after a signal that ends the program. A command that is killed has five seconds
/// for its end; a terminal that takes nothing any more, over a connection that stands still, keeps the loop for ever.
const GRACE: Duration = Duration::from_secs(8);

/// What the system told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGINT. Ctrl-C is a key while the screen is drawn on, so somebody sent it.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP, or the terminal is no longer there.
    HangUp,
    /// SIGCONT: the terminal was somebody else's meanwhile.
    Continue,
}

impl Signal {
    /// The exit code of a program that it ended; nothing where it ends none.
    pub(super) fn code(self) -> Option<u8> {
        match self {
            Self::Interrupt => Some(130),
            Self::Terminate => Some(143),
            Self::HangUp => Some(129),
            Self::Continue => None,
        }
    }
}

/// Tell the loop of signals from now on. While `away` is true an editor has the terminal, and Ctrl-C is meant for it.
///
/// # Errors
/// When the system lets no signal be waited for.
#[cfg(unix)]
pub(super) fn watch(told: &UnboundedSender<Happened>, away: &Arc<AtomicBool>) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let kinds = [
        (SignalKind::interrupt(), Signal::Interrupt),
        (SignalKind::terminate(), Signal::Terminate),
        (SignalKind::hangup(), Signal::HangUp),
        (SignalKind::from_raw(CONTINUE), Signal::Continue),
    ];
    for (kind, meaning) in kinds {
        let (mut stream, told, away) = (signal(kind)?, told.clone(), Arc::clone(away));
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                if meaning == Signal::Interrupt && away.load(Ordering::Relaxed) {
                    continue;
                }
                tell(&told, meaning);
            }
        });
    }
    let told = told.clone();
    // Not one of tokio's threads: it is never given back.
    std::thread::spawn(move || {
        loci_core::job_control::wait_until_gone();
        tell(&told, Signal::HangUp);
    });
    Ok(())
}

/// SIGCONT; tokio has no name for it.
#[cfg(any(target_os = "linux", target_os = "android"))]
const CONTINUE: i32 = 18;
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
const CONTINUE: i32 = 19;

/// As far as this system has them.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub(super) fn watch(told: &UnboundedSender<Happened>, away: &Arc<AtomicBool>) -> std::io::Result<()> {
    let (told, away) = (told.clone(), Arc::clone(away));
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if !away.load(Ordering::Relaxed) {
                tell(&told, Signal::Interrupt);
            }
        }
    });
    Ok(())
}

/// Tell the loop; whoever sends a second one, or waits too long for the first, gets the terminal back at once.
fn tell(told: &UnboundedSender<Happened>, signal: Signal) {
    static ENDING: AtomicBool = AtomicBool::new(false);
    let _ = told.send(Happened::Signalled(signal));
    let Some(code) = signal.code() else { return };
    // A terminal that goes says so twice, by the signal and by itself.
    if ENDING.swap(true, Ordering::Relaxed) && signal != Signal::HangUp {
        end(code);
    }
    std::thread::spawn(move || {
        std::thread::sleep(GRACE);
        end(code);
    });
}

#[expect(
    clippy::exit,
    reason = "the loop does not come to it; the log of the session is whole up to its last line"
)]
fn end(code: u8) {
    terminal::give_back();
    std::process::exit(i32::from(code));
}
