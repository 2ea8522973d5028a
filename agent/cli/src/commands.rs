//! Owns the subcommands, one file each.
//! Uses `project` for the folder at hand and `printer` for every word.
//! Never formats an error: they go up to `errors`.

pub(crate) mod ask;
pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod bundle;
pub(crate) mod callees;
pub(crate) mod callers;
pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod context;
pub(crate) mod doctor;
pub(crate) mod egress;
pub(crate) mod impact;
pub(crate) mod index;
pub(crate) mod locate;
pub(crate) mod map;
pub(crate) mod models;
pub(crate) mod outline;
pub(crate) mod policy;
pub(crate) mod qualify;
pub(crate) mod recall;
pub(crate) mod refs;
pub(crate) mod sandbox;
pub(crate) mod search;
pub(crate) mod serve;
pub(crate) mod sessions;
pub(crate) mod tests_for;
pub(crate) mod trust;
pub(crate) mod undo;
pub(crate) mod why;

mod batch;
mod shown;
