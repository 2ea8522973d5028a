//! Owns what a front end may ask of the core.
//! Uses serde only.
//! Never carries anything that the core sends back; that is `event`.

use serde::{Deserialize, Serialize};

/// A request from a front end. The core answers with [`crate::Event`]s.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Op {
    /// Start a turn with the user's words.
    Prompt {
        /// The words, as typed, with any piped input appended.
        text: String,
    },
    /// A picture goes with the next prompt.
    Attach {
        /// A file, absolute or relative to the project's root.
        path: String,
    },
    /// The answer to [`crate::Event::ApprovalRequested`].
    Approve {
        /// The id of the request that is answered.
        id: String,
        /// What the user decided.
        approval: Approval,
    },
    /// The answer to [`crate::Event::QuestionAsked`].
    Answer {
        /// The id of the question.
        id: String,
        /// The user's words, or one of the options offered.
        text: String,
    },
    /// Cancel the running turn; the session goes on.
    Interrupt,
    /// Take back file changes of this session.
    Undo {
        /// Which.
        #[serde(default)]
        which: Undo,
    },
    /// Bring back what the newest [`Op::Undo`] took back.
    Redo,
    /// Go back to before a prompt.
    Rewind {
        /// The turn that the prompt began.
        turn: u32,
        /// Take back the file changes since.
        files: bool,
        /// Forget what was said since.
        conversation: bool,
    },
    /// Say what is in the window; answered by [`crate::Event::ContextShown`].
    Context,
    /// Go on with another model, from the next prompt on; answered by [`crate::Event::ModelChanged`].
    SetModel {
        /// A name of the catalogue, a path, SERVICE/MODEL, or a role.
        name: String,
    },
    /// Say which model would answer these words, and why; answered by [`crate::Event::RouteShown`].
    Why {
        /// The words; empty for the next prompt whatever it is.
        task: String,
    },
    /// Make room now, with a summary worded by the model in the ledger.
    Compact {
        /// What the summary should keep above all; may be empty.
        focus: String,
    },
    /// Change the permission mode from the next call on.
    SetMode {
        /// The mode to use.
        mode: PermissionMode,
    },
    /// Run a command of the user's own, typed behind `!`: no rule asks, the sandbox holds, and what it printed goes to the
    /// model with the next prompt. Answered by [`crate::Event::ToolStarted`] and [`crate::Event::ToolFinished`].
    Shell {
        /// The command, as typed.
        command: String,
    },
    /// Say what the session changed; answered by [`crate::Event::ChangesShown`].
    Changes,
    /// Say which prompts can be gone back to; answered by [`crate::Event::TimelineShown`].
    Timeline,
    /// Give the session a title; answered by [`crate::Event::Renamed`].
    Rename {
        /// One line.
        title: String,
    },
    /// Say what runs in the background, with the end of what it wrote; answered by [`crate::Event::JobsChanged`].
    Jobs,
    /// End a command that runs in the background; answered by [`crate::Event::JobsChanged`].
    StopJob {
        /// Its id: `b1`.
        id: String,
    },
    /// End the session once the running turn, if any, is cancelled.
    Shutdown,
}

/// What the user decided about one call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Approval {
    /// Run this call.
    Once,
    /// Run this call and the same call again for the rest of the session.
    Session,
    /// Run this call, and save the rules that were shown with the request for this project.
    Rule,
    /// Do not run it; the reason goes back to the model.
    Deny {
        /// Why, in the user's words; may be empty.
        reason: String,
    },
}

/// Which file changes to take back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// Those of the newest call that changed something.
    #[default]
    Newest,
    /// Those of one call.
    Call(String),
    /// Those of a turn.
    Turn(u32),
    /// The newest to one file, relative to the root.
    File(String),
}

/// How calls are approved. The meaning of each mode is S13 of the permission contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PermissionMode {
    /// Reading is free; edits and commands ask.
    #[default]
    Default,
    /// Edits inside the workspace are free too.
    AcceptEdits,
    /// Nothing is changed and nothing that changes is run.
    Plan,
    /// Whatever would ask is denied.
    DontAsk,
    /// Nothing asks, except explicit rules and the removal of `/` or the home directory.
    BypassPermissions,
}

impl PermissionMode {
    /// Every mode, in the order in which help lists them.
    pub const ALL: [Self; 5] =
        [Self::Default, Self::AcceptEdits, Self::Plan, Self::DontAsk, Self::BypassPermissions];

    /// The name users type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::AcceptEdits => "acceptEdits",
            Self::Plan => "plan",
            Self::DontAsk => "dontAsk",
            Self::BypassPermissions => "bypassPermissions",
        }
    }

    /// The mode of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }
}
