//! Owns what symbols have to do with each other: who defines a name, and who uses it.
//! Uses the postings of `store`, the stored definitions, and the files themselves: a file that changed since is read again.
//! Never ranks by words.

mod definitions;
mod references;
mod source;
mod symbol;

pub(crate) use definitions::{defines, definitions, symbols_like};
pub(crate) use references::{places, references};
pub(crate) use source::{read, shown};
