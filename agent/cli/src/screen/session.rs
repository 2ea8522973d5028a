//! Owns the session that the screen shows: its opening and closing, and what is asked of it.
//! Uses a conversation.
//! Never keeps the loop waiting: what cannot be sent yet waits in a queue.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use loci_core::session::shelf;
use loci_protocol::{Event, Op};
use loci_tui::Opening;
use tokio::sync::mpsc;

use super::Happened;
use super::host::trust;
use crate::arguments::AskArguments;
use crate::conversation::{Audience, Conversation};
use crate::project::Project;

/// So long a session has to end by itself before the program does: a command that is killed has five seconds for its end.
const CLOSING: Duration = Duration::from_secs(7);

/// The session at hand, if there is one.
#[derive(Default)]
pub(super) struct Held {
    conversation: Option<Conversation>,
    ops: Option<mpsc::Sender<Op>>,
    /// What was asked while no session was open, or while it had more to do than it could take.
    waiting: VecDeque<Op>,
    /// What is being opened.
    opening: Option<Opening>,
}

impl Held {
    /// Open a session in the background, once the one at hand is closed: both may be the same one. Without an `opening` it
    /// is the one that the flags name.
    pub(super) fn open(
        &mut self,
        project: &Arc<Project>,
        arguments: &AskArguments,
        opening: Option<Opening>,
        told: &mpsc::UnboundedSender<Happened>,
    ) {
        self.opening = opening;
        self.open_as_trusted(project, arguments, None, told);
    }

    /// Go on with the opening, now that the user has said whether the project is trusted.
    pub(super) fn trust(
        &mut self,
        project: &Arc<Project>,
        arguments: &AskArguments,
        trusted: bool,
        told: &mpsc::UnboundedSender<Happened>,
    ) {
        self.open_as_trusted(project, arguments, Some(trusted), told);
    }

    fn open_as_trusted(
        &mut self,
        project: &Arc<Project>,
        arguments: &AskArguments,
        trusted: Option<bool>,
        told: &mpsc::UnboundedSender<Happened>,
    ) {
        let opening = self.opening.clone();
        let before = self.conversation.take();
        self.forget();
        let (project, arguments, told) = (Arc::clone(project), arguments.clone(), told.clone());
        let runtime = tokio::runtime::Handle::current();
        // Loading a model blocks.
        tokio::task::spawn_blocking(move || {
            let opened = runtime.block_on(async {
                if let Some(before) = before {
                    before.close().await;
                }
                match trusted {
                    Some(trusted) => trust::decide(&project, trusted)?,
                    None => {
                        if let Some(question) = trust::wanted(&project, &arguments)? {
                            return Ok(Err(question));
                        }
                    }
                }
                let arguments = match opening {
                    Some(opening) => meant(&project, arguments, opening)?,
                    None => arguments,
                };
                Conversation::open(&project, &arguments, Audience::Screen).await.map(Ok)
            });
            let _ = told.send(match opened {
                Ok(Ok(conversation)) => Happened::Opened(Ok(conversation)),
                Ok(Err(question)) => Happened::Replied(question),
                Err(error) => Happened::Opened(Err(error)),
            });
        });
    }

    /// It is open.
    pub(super) fn opened(&mut self, conversation: Conversation) {
        self.ops = Some(conversation.ops());
        self.conversation = Some(conversation);
        self.flush();
    }

    /// It has ended, or could not be opened: what waits is nobody's.
    pub(super) fn forget(&mut self) {
        self.conversation = None;
        self.ops = None;
        self.waiting.clear();
    }

    /// Ask something of it.
    pub(super) fn send(&mut self, op: Op) {
        self.waiting.push_back(op);
        self.flush();
    }

    /// Ask what waits, as far as there is room.
    pub(super) fn flush(&mut self) {
        let Some(ops) = &self.ops else { return };
        while let Some(op) = self.waiting.pop_front() {
            match ops.try_send(op) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(op)) => return self.waiting.push_front(op),
                // It says so through its events.
                Err(mpsc::error::TrySendError::Closed(_)) => return self.waiting.clear(),
            }
        }
    }

    /// Where its events come from, and where there is room for what waits: to be waited for at the same time.
    pub(super) fn ends(&mut self) -> (Option<&mut Conversation>, Option<&mpsc::Sender<Op>>) {
        let ops = self.ops.as_ref().filter(|_| !self.waiting.is_empty());
        (self.conversation.as_mut(), ops)
    }

    /// What it has said already.
    pub(super) fn said(&mut self) -> Option<Event> {
        self.conversation.as_mut()?.said()
    }

    /// End it, and wait until its log is closed.
    pub(super) async fn close(&mut self) {
        self.ops = None;
        if let Some(conversation) = self.conversation.take() {
            // One that does not end is cut off: its log is whole up to its last line, and it can be resumed.
            let _ = tokio::time::timeout(CLOSING, conversation.close()).await;
        }
    }
}

/// The next thing that happens in the session; never, where there is none.
pub(super) async fn next(conversation: Option<&mut Conversation>) -> Option<Event> {
    match conversation {
        Some(conversation) => conversation.next().await,
        None => std::future::pending().await,
    }
}

/// Wait until the session can be asked something more; for ever, where nothing waits to be asked.
pub(super) async fn room(ops: Option<&mpsc::Sender<Op>>) {
    match ops {
        Some(ops) => drop(ops.reserve().await),
        None => std::future::pending().await,
    }
}

/// The flags of the session to open.
fn meant(project: &Project, first: AskArguments, opening: Opening) -> anyhow::Result<AskArguments> {
    let resume = match opening {
        Opening::New => None,
        Opening::With(model) => return Ok(AskArguments { model: Some(model), ..first }),
        Opening::Resume(id) => Some(id),
        Opening::Fork(id, turn) => {
            Some(shelf::fork(&project.places.sessions(&project.root), &id, turn)?.session_id)
        }
    };
    Ok(AskArguments { continue_last: false, resume, ..first })
}
