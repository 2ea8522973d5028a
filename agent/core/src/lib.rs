//! Owns the agent: turn loop, context, tools, sessions, journal, configuration.
//! Uses every library crate of the workspace.
//! Never prints, and never reads the terminal.

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests prepare and damage files directly"))]

/// The words of decisions, for front ends that explain them; they reach `policy` through here alone.
pub use loci_policy as policy;

/// What a front end on a terminal needs of the system.
pub use loci_exec::job_control;

pub mod answer;
pub mod archive;
pub mod atomic;
pub mod audit;
pub mod branch;
pub mod bundle;
pub mod config;
pub mod context;
mod control;
pub mod editor;
pub mod egress;
pub mod files;
pub mod ground;
pub mod instructions;
pub mod labels;
pub mod managed;
pub mod meaning;
mod mentions;
pub mod offline;
pub mod permission;
pub mod qualify;
pub mod route;
pub mod sandboxing;
pub mod secrets;
pub mod service_token;
pub mod session;
pub mod space;
pub mod status_script;
pub mod tasks;
pub mod tools;
pub mod trust;
mod turn;
pub mod workspace;
