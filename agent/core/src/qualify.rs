//! Owns the qualification of models: what a model can do here, found out by fixed tasks, and the card that keeps it.
//! Uses the session's own loop and tools for the tasks, one file for each card.
//! Never takes a model's word for what it did: the files and the events of the task decide.

pub mod card;

pub use card::{Card, CardError, Cards, FileMark, Kind, Machine, Speed, Subject, TaskResult};
