//! Owns reading the fields of a request: each has a kind and bounds, and is named where it is wrong.
//! Uses JSON values.
//! Never guesses what a wrong value was meant to be.

use serde_json::{Map, Value};

use super::error::Fault;

/// The fields of an object, which stands at `at` in the request (empty for the request itself).
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    at: &'a str,
}

impl<'a> Fields<'a> {
    pub(super) fn new(object: &'a Map<String, Value>, at: &'a str) -> Self {
        Self { object, at }
    }

    /// Where a field stands, as OpenAI writes it: `messages[2].content`.
    pub(super) fn path(&self, name: &str) -> String {
        if self.at.is_empty() { name.to_owned() } else { format!("{}.{name}", self.at) }
    }

    /// A field that is there and not null.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    fn wrong(&self, name: &str, must: &str) -> Fault {
        Fault::field(self.path(name), must)
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, Fault> {
        let must = || self.wrong(name, "must be a string");
        self.get(name).map(|value| value.as_str().ok_or_else(must)).transpose()
    }

    pub(super) fn needed_text(&self, name: &str) -> Result<&'a str, Fault> {
        self.text(name)?.ok_or_else(|| self.wrong(name, "is missing"))
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Fault> {
        let must = || self.wrong(name, "must be true or false");
        self.get(name).map(|value| value.as_bool().ok_or_else(must)).transpose()
    }

    pub(super) fn list(&self, name: &str) -> Result<Option<&'a [Value]>, Fault> {
        let must = || self.wrong(name, "must be a list");
        self.get(name).map(|value| value.as_array().map(Vec::as_slice).ok_or_else(must)).transpose()
    }

    pub(super) fn object(&self, name: &str) -> Result<Option<&'a Map<String, Value>>, Fault> {
        let must = || self.wrong(name, "must be an object");
        self.get(name).map(|value| value.as_object().ok_or_else(must)).transpose()
    }

    pub(super) fn number(&self, name: &str, least: f64, most: f64) -> Result<Option<f64>, Fault> {
        let must = || self.wrong(name, &format!("must be a number from {least} to {most}"));
        let read = |value: &Value| value.as_f64().filter(|number| (least..=most).contains(number));
        self.get(name).map(|value| read(value).ok_or_else(must)).transpose()
    }

    pub(super) fn count(&self, name: &str, least: u64) -> Result<Option<usize>, Fault> {
        let must = || self.wrong(name, &format!("must be a whole number of at least {least}"));
        let read = |value: &Value| value.as_u64().filter(|number| *number >= least);
        let read = |value: &Value| read(value).and_then(|number| usize::try_from(number).ok());
        self.get(name).map(|value| read(value).ok_or_else(must)).transpose()
    }
}

/// The objects of a list, each with its place.
pub(super) fn objects<'a>(
    list: &'a [Value],
    at: &str,
) -> impl Iterator<Item = Result<(&'a Map<String, Value>, String), Fault>> {
    let at = at.to_owned();
    list.iter().enumerate().map(move |(number, value)| {
        let place = format!("{at}[{number}]");
        match value.as_object() {
            Some(object) => Ok((object, place)),
            None => Err(Fault::field(place, "must be an object")),
        }
    })
}
