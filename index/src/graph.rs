//! Owns what symbols have to do with each other: who defines a name, and who uses it.
//! Uses the postings of `store`, the stored definitions, and the files themselves: a file that changed since is read again.
//! Never ranks by words.

mod callees;
mod callers;
mod certainty;
mod definitions;
mod map;
mod pagerank;
mod places;
mod source;
mod symbol;
mod uses;

pub(crate) use callees::callees;
pub use callees::{Callee, Callees};
pub(crate) use callers::callers;
pub use callers::{CallQuery, Caller, Callers, Site};
pub(crate) use definitions::{defines, definitions, symbols_like};
pub(crate) use map::map;
pub use map::{MapEntry, MapFile, MapQuery, RepoMap};
pub(crate) use places::places;
pub(crate) use source::{read, shown};
pub use uses::{Tests, UseQuery, Uses};
pub(crate) use uses::{references, uses};

#[cfg(test)]
mod tests;
