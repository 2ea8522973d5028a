//! Owns the process tree of a command: how it is set apart at the start, found again and ended.
//! Uses a session per command, the subreaper flag and `/proc` on Linux; the process group elsewhere on Unix.
//! Never signals a process that a command of ours did not start.

#[cfg(target_os = "linux")]
mod linux;

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::process::Child;

/// The leaders of every command that is running now. Held during a start, so that no sweep sees a half-made child.
static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

#[derive(Debug, Default)]
struct Running {
    leaders: HashSet<i32>,
    started: u64,
}

fn running() -> MutexGuard<'static, Option<Running>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything that one command started. Dropping it kills what is left.
#[derive(Debug)]
pub(crate) struct Tree {
    leader: i32,
    /// The value of [`crate::environment::RUN`] in every process that did not clear its environment.
    mark: String,
    /// When it began, in the system's ticks; 0 where that is unknown.
    #[cfg(target_os = "linux")]
    born: u64,
}

/// Whether a command has a terminal, which then is its standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// It has none.
    Nothing,
    /// The session's own.
    Terminal,
}

/// Start a process as the leader of its own session. It ends with this process at the latest, however that comes about.
///
/// # Errors
/// What the system said.
pub(crate) fn spawn(mut process: tokio::process::Command, input: Input) -> std::io::Result<(Child, Tree)> {
    let mut guard = running();
    let running = guard.get_or_insert_with(|| {
        #[cfg(target_os = "linux")]
        linux::adopt_orphans();
        Running::default()
    });
    running.started += 1;
    let mark = format!("{}-{}", std::process::id(), running.started);
    process.env(crate::environment::RUN, &mark);
    session::of_its_own(&mut process, input);
    let child = starter::start(process)?;
    // It has not been waited for, so it has an id; 0 would name the kernel's own threads, or our group.
    let leader = child.id().and_then(|id| i32::try_from(id).ok()).filter(|&id| id > 1);
    let leader = leader.ok_or(std::io::ErrorKind::NotFound)?;
    running.leaders.insert(leader);
    let tree = Tree {
        leader,
        mark,
        #[cfg(target_os = "linux")]
        born: linux::born(leader),
    };
    Ok((child, tree))
}

/// What a sweep does to every process that it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blow {
    /// Nothing: it only counts.
    Look,
    /// Ask to end; a stopped process is continued so that it can hear.
    Terminate,
    /// End.
    Kill,
}

impl Tree {
    /// End everything: TERM, at most `grace`, then KILL until nothing lives.
    pub(crate) async fn stop(&self, grace: Duration) {
        // TERM goes out once: twice looks like an impatient user to some programs.
        let mut left = self.sweep(Blow::Terminate);
        let mut pause = Duration::from_millis(2);
        let deadline = Instant::now() + grace;
        while left > 0 && Instant::now() < deadline {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
            left = self.sweep(Blow::Look);
        }
        // A process in uninterruptible sleep cannot be waited out: after this it is left to the kernel.
        let deadline = Instant::now() + Duration::from_secs(5);
        while left > 0 && Instant::now() < deadline {
            left = self.sweep(Blow::Kill);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Strike every process of the tree that lives; how many there were.
    fn sweep(&self, blow: Blow) -> usize {
        let guard = running();
        let mut others = guard.as_ref().map(|running| running.leaders.clone()).unwrap_or_default();
        others.remove(&self.leader);
        session::strike(self, blow, &others)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // Reached early only when the future was dropped; nobody can wait then, so a few quick rounds must do.
        for _ in 0..200 {
            if self.sweep(Blow::Kill) == 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        if let Some(running) = running().as_mut() {
            running.leaders.remove(&self.leader);
        }
    }
}

/// The one thread that starts processes. The system ties the life of a process to the *thread* that started it, and those
/// of a runtime come and go.
mod starter {
    use std::io::{Error, Result};
    use std::sync::{Mutex, PoisonError, mpsc};

    use tokio::process::{Child, Command};
    use tokio::runtime::Handle;

    type Order = (Command, Handle, mpsc::Sender<Result<Child>>);

    static ORDERS: Mutex<Option<mpsc::Sender<Order>>> = Mutex::new(None);

    /// Start it there. The descriptors that were meant for it are closed here when this returns.
    pub(super) fn start(process: Command) -> Result<Child> {
        let gone = || Error::other("the thread that starts processes is gone");
        let (reply, answer) = mpsc::channel();
        let mut orders = ORDERS.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = match orders.as_ref() {
            Some(sender) => sender,
            None => orders.insert(begin()?),
        };
        sender.send((process, Handle::current(), reply)).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }

    fn begin() -> Result<mpsc::Sender<Order>> {
        let (sender, orders) = mpsc::channel::<Order>();
        std::thread::Builder::new().name("loci-exec-start".into()).spawn(move || {
            for (mut process, runtime, reply) in orders {
                let _entered = runtime.enter();
                let started = process.spawn();
                drop(process);
                // Whoever asked waits.
                let _ = reply.send(started);
            }
        })?;
        Ok(sender)
    }
}

#[cfg(unix)]
mod session {
    use std::collections::HashSet;

    use rustix::process::{Pid, Signal, kill_process_group};

    use super::{Blow, Input, Tree};

    /// A session of its own has no terminal: what opens `/dev/tty` to ask for a password fails at once instead of hanging.
    /// With one for its input it opens that.
    pub(super) fn of_its_own(process: &mut tokio::process::Command, input: Input) {
        #[cfg(target_os = "linux")]
        let parent = rustix::process::getpid();
        #[expect(unsafe_code, reason = "setsid can only be called between fork and exec")]
        // SAFETY: the closure runs in the child after fork. setsid, ioctl, prctl and getppid are async-signal-safe,
        // allocate nothing and take no lock; their errors are errnos that travel back by value.
        unsafe {
            process.pre_exec(move || {
                rustix::process::setsid()?;
                #[cfg(target_os = "linux")]
                super::linux::die_with(parent)?;
                if input == Input::Terminal {
                    rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
                }
                Ok(())
            });
        }
    }

    /// Strike the tree; how many processes lived.
    #[cfg(target_os = "linux")]
    pub(super) fn strike(tree: &Tree, blow: Blow, others: &HashSet<i32>) -> usize {
        signal_group(tree.leader, blow);
        super::linux::strike(tree, blow, others)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn strike(tree: &Tree, blow: Blow, _others: &HashSet<i32>) -> usize {
        usize::from(signal_group(tree.leader, blow))
    }

    /// One call reaches the whole group at an instant, so that no fork can slip between.
    fn signal_group(leader: i32, blow: Blow) -> bool {
        let Some(group) = Pid::from_raw(leader) else { return false };
        let lived = match blow {
            Blow::Look => rustix::process::test_kill_process_group(group),
            Blow::Terminate => kill_process_group(group, Signal::TERM),
            Blow::Kill => kill_process_group(group, Signal::KILL),
        }
        .is_ok();
        if blow == Blow::Terminate {
            // Only matters to a stopped process; a group that is gone needs nothing.
            let _ = kill_process_group(group, Signal::CONT);
        }
        lived
    }
}

#[cfg(not(unix))]
mod session {
    use std::collections::HashSet;

    use super::{Blow, Input, Tree};

    pub(super) fn of_its_own(_process: &mut tokio::process::Command, _input: Input) {}

    /// The child itself dies with `kill_on_drop`; its tree waits for job objects.
    pub(super) fn strike(_tree: &Tree, _blow: Blow, _others: &HashSet<i32>) -> usize {
        0
    }
}
