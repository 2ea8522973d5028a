//! Owns what ranking and graph ask of documents, wherever those are kept.
//! Uses plain data only: fields, terms, spots, places.
//! Never says how documents are stored; `view` is the answer of the local store, and a remote one would be another.

use super::tally::Holder;
use super::view::links::Links;
use super::{Ask, Facts, Failure, Spot, UsesInFile};

/// The documents of one tree as of one commit: one for each file, one for each chunk. Nothing that is not alive in the
/// tree is shown, unless a method says so.
pub(crate) trait Documents: std::fmt::Debug + Send + Sync {
    /// Whether there are documents of a key, for this tree or another.
    fn holds(&self, key: u64) -> bool;

    /// Every key, whichever tree it belongs to, with how many documents it has.
    fn keys(&self) -> Box<dyn Iterator<Item = (u64, u32)> + '_>;

    /// Every document that holds a term; of a file's text, the file's document.
    fn all(&self, ask: Ask, term: &str) -> Result<Vec<Spot>, Failure>;

    /// Every use of a name, by file.
    fn uses(&self, name: &str) -> Result<Vec<UsesInFile>, Failure>;

    /// Every document of a file, its file document first.
    fn of_key(&self, key: u64) -> Result<Vec<Spot>, Failure>;

    /// What is known of some documents.
    fn facts(&self, spots: &[Spot]) -> Result<Vec<Facts>, Failure>;

    /// What a document stores: a file's tags or a chunk's label.
    fn stored(&self, spot: Spot) -> Result<Vec<u8>, Failure>;

    /// The symbol and kind a chunk is named by.
    fn label(&self, spot: Spot) -> Result<Option<(String, String)>, Failure> {
        let bytes = self.stored(spot)?;
        let mut from = crate::codec::Decoder::new(&bytes);
        Ok(from.text().zip(from.text()).map(|(symbol, kind)| (symbol.to_owned(), kind.to_owned())))
    }

    /// Every name of at least three letters that is defined in at most `most` files, and used in others.
    fn links(&self, most: usize) -> Result<Links, Failure>;

    /// How many spans there are.
    fn spans(&self) -> u64;

    /// Call `each` with every defined name; a name may come more than once, and may belong to another tree of the store.
    fn each_defined(&self, each: &mut dyn FnMut(&str)) -> Result<(), Failure>;

    /// How many numbers documents have. A number counts through all documents; a file has that of its own document.
    fn numbers(&self) -> usize;

    /// The document of a number.
    fn numbered(&self, number: u32) -> Result<Spot, Failure>;

    /// How many files there are, how many chunks, and how many terms a field has in them together.
    fn extent(&self, ask: Ask) -> (f32, f32, f32);

    /// The length of a field in all of a file, by any document of it.
    fn file_length(&self, ask: Ask, number: u32) -> Result<f32, Failure>;

    /// Look a term up in a field.
    fn term<'a>(&'a self, ask: Ask, term: &str) -> Result<Found<'a>, Failure>;
}

/// Gathers every document that holds a term, in rising order of numbers.
pub(super) type Gather<'a> = Box<dyn Fn(&mut Vec<Holder>) -> Result<(), Failure> + 'a>;

/// A term that was looked up.
pub(crate) struct Found<'a> {
    /// How many documents hold it, those of other trees and of the past included.
    pub(crate) documents: u32,
    pub(super) gather: Gather<'a>,
}

impl Found<'_> {
    /// Every document that holds it, in place of what was in `into`.
    pub(crate) fn holders(&self, into: &mut Vec<Holder>) -> Result<(), Failure> {
        into.clear();
        (self.gather)(into)
    }
}
