//! Owns the vocabulary between the core and its front ends: [`Op`] in, [`Event`] out.
//! Uses serde, so that every event is also a line of JSON.
//! Never does I/O, and never holds behaviour beyond small accessors.

mod event;
mod op;

pub use event::{
    ChangedFile, ContextCompaction, ContextLeft, ContextPart, ContextRecalled, ContextReport, Event, Failure,
    FailureKind, Job, Level, Location, ModelBadge, ModelUsage, PastChange, PastTurn, Question, Rejected,
    RouteReport, SandboxBadge, StepReport, Task, ToolReport, TurnReport, TurnStatus, Usage,
};
pub use op::{Approval, Op, PermissionMode, Undo};
