//! Owns the agent: turn loop, context, tools, sessions, journal, configuration.
//! Uses every library crate of the workspace.
//! Never prints, and never reads the terminal.

pub mod atomic;
pub mod files;
pub mod tasks;
pub mod tools;
pub mod workspace;
