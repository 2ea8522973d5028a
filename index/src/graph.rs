//! Owns what symbols have to do with each other: who defines a name, and who uses it.
//! Uses the postings of `store`, the stored definitions, and the files themselves: a file that changed since is read again.
//! Never ranks by words.

mod callees;
mod callers;
mod certainty;
mod definitions;
mod impact;
mod map;
mod pagerank;
mod places;
mod similar;
mod source;
mod symbol;
mod tests_for;
mod uses;

pub(crate) use callees::callees;
pub use callees::{Callee, Callees};
pub(crate) use callers::callers;
pub use callers::{CallQuery, Caller, Callers, Site};
pub(crate) use definitions::{defines, definitions, symbols_like};
pub(crate) use impact::impact;
pub use impact::{AffectedFile, Change, Impact, changes_of_diff};
pub(crate) use map::map;
pub use map::{MapEntry, MapFile, MapQuery, RepoMap};
pub(crate) use places::places;
pub(crate) use similar::similar;
pub(crate) use source::{read, shown};
pub use tests_for::TestFor;
pub(crate) use tests_for::tests_for;
pub use uses::{Tests, UseQuery, Uses};
pub(crate) use uses::{references, uses};

#[cfg(test)]
mod tests;
