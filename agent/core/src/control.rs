//! Owns the way between a running turn and its front end: events out, waits for answers, the mode, the cancel.
//! Uses channels only.
//! Never decides anything.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::future::{BoxFuture, FutureExt as _};
use loci_protocol::{Approval, Event, Level, Op, PermissionMode, Question};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::tools::Ask;

/// What a turn waited for.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The answer to an approval.
    Approval(Approval),
    /// The answer to a question.
    Answer(String),
}

/// Shared between the owner of a session and the turn it runs.
#[derive(Debug)]
pub(crate) struct Control {
    events: mpsc::UnboundedSender<Event>,
    /// Whether somebody is there to answer.
    pub(crate) interactive: bool,
    /// Whether whoever runs the machine leaves out the mode bypassPermissions.
    without_bypass: bool,
    state: Mutex<State>,
    /// Somebody wants to see the window while a turn runs.
    look: Notify,
}

#[derive(Debug)]
struct State {
    mode: PermissionMode,
    turn: CancellationToken,
    waits: HashMap<String, oneshot::Sender<Reply>>,
    asked: u64,
}

impl Control {
    pub(crate) fn new(events: mpsc::UnboundedSender<Event>, interactive: bool, mode: PermissionMode) -> Self {
        let state = State { mode, turn: CancellationToken::new(), waits: HashMap::new(), asked: 0 };
        Self { events, interactive, without_bypass: false, state: Mutex::new(state), look: Notify::new() }
    }

    /// Without the mode bypassPermissions, where the policy of the machine says so.
    pub(crate) fn without_bypass(mut self, yes: bool) -> Self {
        self.without_bypass = yes;
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tell the front end. One that left is noticed where ops are received.
    pub(crate) fn emit(&self, event: Event) {
        let _ = self.events.send(event);
    }

    pub(crate) fn notice(&self, level: Level, message: impl Into<String>, hint: Option<String>) {
        self.emit(Event::Notice { level, message: message.into(), hint });
    }

    pub(crate) fn mode(&self) -> PermissionMode {
        self.state().mode
    }

    /// From here on interrupts cancel this turn.
    pub(crate) fn begin_turn(&self, cancel: CancellationToken) {
        self.state().turn = cancel;
    }

    /// Somebody wants to see the window: the turn tells it where it next can.
    pub(crate) fn want_context(&self) {
        self.look.notify_one();
    }

    /// Waits until somebody wants to see the window.
    pub(crate) async fn context_wanted(&self) {
        self.look.notified().await;
    }

    /// Whether somebody wants to see the window and was not answered.
    pub(crate) fn context_is_wanted(&self) -> bool {
        self.look.notified().now_or_never().is_some()
    }

    /// Handle an op that does not start anything. Gives the op back when it is to be handled between turns.
    pub(crate) fn handle(&self, op: Op) -> Option<Op> {
        match op {
            Op::Approve { id, approval } => self.reply(&id, Reply::Approval(approval)),
            Op::Answer { id, text } => self.reply(&id, Reply::Answer(text)),
            Op::Interrupt => self.state().turn.cancel(),
            Op::SetMode { mode: PermissionMode::BypassPermissions } if self.without_bypass => {
                let message = "bypassPermissions is switched off by the policy of this machine";
                self.notice(Level::Warning, message, None);
                // Whoever asked for a mode is told which one holds.
                self.emit(Event::ModeChanged { mode: self.mode() });
            }
            Op::SetMode { mode } => {
                self.state().mode = mode;
                self.emit(Event::ModeChanged { mode });
            }
            Op::Shutdown => {
                self.state().turn.cancel();
                return Some(Op::Shutdown);
            }
            Op::Prompt { .. }
            | Op::Attach { .. }
            | Op::Undo { .. }
            | Op::Redo
            | Op::Rewind { .. }
            | Op::Context
            | Op::SetModel { .. }
            | Op::Why { .. }
            | Op::Shell { .. }
            | Op::Changes
            | Op::Timeline
            | Op::Rename { .. }
            | Op::Jobs
            | Op::StopJob { .. }
            | Op::Compact { .. } => return Some(op),
        }
        None
    }

    fn reply(&self, id: &str, reply: Reply) {
        let waiting = self.state().waits.remove(id);
        match waiting {
            Some(sender) => {
                // The turn may have been cancelled in between; then nobody needs the answer.
                let _ = sender.send(reply);
            }
            None => self.notice(Level::Warning, format!("nothing waits for an answer to {id}"), None),
        }
    }

    /// Announce a wait through the event that `event` makes of its id, and wait. `None` when the turn was cancelled.
    pub(crate) async fn wait(
        &self,
        kind: &str,
        cancel: &CancellationToken,
        event: impl FnOnce(String) -> Event,
    ) -> Option<Reply> {
        let (sender, receiver) = oneshot::channel();
        let id = {
            let mut state = self.state();
            state.asked += 1;
            let id = format!("{kind}-{}", state.asked);
            state.waits.insert(id.clone(), sender);
            id
        };
        self.emit(event(id.clone()));
        tokio::select! {
            () = cancel.cancelled() => {
                self.state().waits.remove(&id);
                None
            }
            reply = receiver => reply.ok(),
        }
    }
}

/// Lets tools ask the user.
pub(crate) struct AskUser {
    pub(crate) control: std::sync::Arc<Control>,
    pub(crate) cancel: CancellationToken,
}

impl Ask for AskUser {
    fn ask(&self, question: String, options: Vec<String>) -> BoxFuture<'_, Option<String>> {
        Box::pin(async move {
            let asked = |id| Event::QuestionAsked(Question { id, question, options });
            match self.control.wait("question", &self.cancel, asked).await {
                Some(Reply::Answer(text)) => Some(text),
                // An approval in the place of an answer: the user left.
                Some(Reply::Approval(_)) | None => None,
            }
        })
    }
}
