//! Owns what the screen asks of whoever hosts it, and the answers: what is neither the session's nor the terminal's.
//! Uses plain data.
//! Never asks for anything itself: a component puts an effect on a list.

use std::path::PathBuf;

use loci_protocol::{Event, Op};

use crate::style::Line;

/// What is to be done outside the screen.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Ask this of the session.
    Op(Op),
    /// Ask this of the host; it answers with a [`Reply`].
    Ask(Request),
    /// Put a text on the clipboard of the terminal.
    Copy(String),
    /// Give the terminal to the user's editor with this text; answered by [`Reply::Edited`].
    Edit(String),
    /// Tell somebody who may be looking elsewhere.
    Notify(Notification),
    /// Go on with another session, or a new one.
    Open(Opening),
    /// Hand the terminal back to the shell until it is brought to the front again.
    Suspend,
    /// Draw everything anew, whatever the terminal shows.
    Redraw,
    /// End the program.
    Leave,
}

/// Why somebody is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    /// The turn is over; its first words.
    Finished(String),
    /// A decision or an answer is waited for.
    Waiting(String),
    /// The share of work that is done, 0 to 100; nothing while it is not known.
    Progress(Option<u8>),
    /// No work is going on.
    Idle,
}

/// Which session to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// A new one.
    New,
    /// The one of this id.
    Resume(String),
    /// A new one with this model: there is none that it could be asked of.
    With(String),
    /// A copy of the one of this id, up to a turn, or all of it.
    Fork(String, Option<u32>),
}

/// What is asked of the host.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Files and symbols that are meant by a beginning; answered by [`Reply::Completions`].
    Complete {
        /// To be repeated in the answer: an older answer is of no use.
        number: u64,
        /// What was typed behind `@`.
        query: String,
    },
    /// Prompts of earlier sessions, newest last; answered by [`Reply::History`].
    History,
    /// A prompt was sent: it belongs to the history.
    Remember(String),
    /// What is in the composer, kept for the next start; empty forgets it.
    KeepDraft(String),
    /// What was kept; answered by [`Reply::Draft`].
    Draft,
    /// The picture on the clipboard, written to a file; answered by [`Reply::Picture`].
    Picture,
    /// The sessions of this project; answered by [`Reply::Sessions`].
    Sessions,
    /// Give an older session a title.
    RenameSession {
        /// The session.
        id: String,
        /// One line.
        title: String,
    },
    /// Write a session to a file; answered by [`Reply::Said`].
    ExportSession(String),
    /// Take a session away; answered by [`Reply::Said`] and new [`Reply::Sessions`].
    RemoveSession(String),
    /// The turns of a session that was resumed; answered by [`Reply::Past`].
    Past(String),
    /// The models of the catalogue, with fit and measured speed; answered by [`Reply::Models`].
    Models,
    /// Run a command of the binary, `["doctor"]`, and show what it prints; answered by [`Reply::Printed`].
    Run(Vec<String>),
    /// What the status line's script says; answered by [`Reply::StatusLine`].
    StatusLine(serde_json::Value),
    /// Facts of the first start; answered by [`Reply::Welcome`].
    Welcome,
    /// Whether the project is trusted from now on; the session opens after it.
    Trust(bool),
    /// A setting of the user's to keep: a key of the configuration and its value.
    Keep {
        /// The key.
        key: String,
        /// Its value, as it stands in TOML.
        value: String,
    },
}

/// What the host says.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// To [`Request::Complete`], best first.
    Completions {
        /// The number of the request.
        number: u64,
        /// What may be meant.
        found: Vec<Completion>,
    },
    /// To [`Request::History`].
    History(Vec<String>),
    /// To [`Request::Draft`].
    Draft(String),
    /// To [`Request::Picture`]: a file, or why there is none.
    Picture(Result<PathBuf, String>),
    /// To [`Effect::Edit`]: the text, or why there is none.
    Edited(Result<String, String>),
    /// To [`Request::Sessions`], newest first.
    Sessions(Vec<SessionRow>),
    /// To [`Request::Past`].
    Past {
        /// The session that was asked for, to be repeated: another one may be open by now.
        session_id: String,
        /// The events that would tell it again.
        events: Vec<Event>,
    },
    /// To [`Request::Models`].
    Models(Vec<ModelRow>),
    /// To [`Request::Run`].
    Printed {
        /// The command, to be repeated.
        command: Vec<String>,
        /// What it printed.
        lines: Vec<Line>,
    },
    /// To [`Request::StatusLine`].
    StatusLine(Vec<Line>),
    /// To [`Request::Welcome`].
    Welcome(Box<Welcome>),
    /// The project brings files along that take effect only with trust: which.
    TrustWanted {
        /// The project's root.
        root: String,
        /// What would take effect, or what is other than what was trusted.
        lines: Vec<Line>,
    },
    /// Which branch is checked out; nothing outside of git.
    Branch(Option<String>),
    /// A session could not be opened: what went wrong, and what to do about it.
    Failed {
        /// One sentence.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Something to read, once.
    Said(Vec<Line>),
}

/// Something that `@` may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// What is put into the prompt, without `@`.
    pub insert: String,
    /// What is shown.
    pub label: String,
    /// A place or a kind, shown beside it.
    pub detail: String,
    /// Which characters of the label were typed.
    pub matched: Vec<u32>,
}

/// A session in the picker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionRow {
    /// Its id.
    pub id: String,
    /// Its title, or the beginning of its first prompt.
    pub title: String,
    /// How long ago it was used: `3 h`.
    pub age: String,
    /// The branch that it was begun on.
    pub branch: Option<String>,
    /// Turns.
    pub turns: u32,
    /// The model that it began with.
    pub model: String,
    /// What is odd about it: cut off, damaged.
    pub remark: Option<String>,
    /// Its first prompt.
    pub first: String,
    /// Its last prompt, where it is another one.
    pub last: String,
}

/// A model in the picker.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelRow {
    /// What `-m` takes.
    pub name: String,
    /// Whether it runs on this machine.
    pub local: bool,
    /// Where it is asked, where it does not.
    pub place: String,
    /// Whether it can be used now: pulled, or its key is there.
    pub ready: bool,
    /// `runs well`, `tight`, `does not fit`; or why it cannot be used.
    pub verdict: String,
    /// Bytes of its weights.
    pub bytes: Option<u64>,
    /// Tokens of its window.
    pub context: usize,
    /// Tokens a second that were measured on this machine: prompt, answer.
    pub speed: Option<(f64, f64)>,
    /// The command that makes it usable, where it is not.
    pub command: Option<String>,
}

/// Facts of the first start.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Welcome {
    /// Processor, cores, memory, accelerator, disk: one line each.
    pub hardware: Vec<String>,
    /// Files of this project, as far as they are indexed.
    pub indexed: usize,
    /// Three models that this machine may run, best first.
    pub models: Vec<ModelRow>,
    /// Services whose keys are in the environment: name of the service, name of the variable.
    pub keys: Vec<(String, String)>,
}
