//! A crate.
extern crate alloc;
use std::{fmt::{self, Display}, io as input};
pub use crate::shapes::{Area as Surface, Round};

/// The most.
pub const LIMIT: usize = 3;
static mut COUNT: u32 = 0;
pub type Pair<T> = (T, T);

/// Keeps the orders of a customer. Slowly.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Ledger<'a, T: Entry>
where
    T: Copy,
{
    /// Its name.
    pub name: &'a str,
    entries: Vec<T>,
}

pub struct Wrap(pub u32);
union Bits { whole: u32, half: [u16; 2] }

pub enum Shape {
    /// Round.
    Round { radius: f32 },
    Square(Side),
    None = 3,
}

pub trait Area: Display {
    const SIDES: usize;
    type Unit: Copy;
    fn area(&self) -> Self::Unit;
    fn double(&self) -> f32 { self.area() * 2.0 }
}

impl<'a, T: Entry> Ledger<'a, T> {
    const EMPTY: &'static str = "";

    #[must_use]
    pub async fn add(&mut self, entry: T) -> Result<(), Error> {
        const LOCAL: u8 = 1;
        let count = self.entries.iter().map(Entry::weigh).sum::<f32>();
        write!(input, "{}", helper::<T>(count))?;
        Ok(Shape::Square(Side { length: 1 }).into())
    }
}

impl<T> fmt::Display for Wrap {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result { todo!() }
}

extern "C" {
    fn write(handle: i32) -> isize;
    static errno: i32;
}

macro_rules! twice {
    ($x:expr) => { $x };
}

mod inner {
    pub(super) fn helper() {}
    impl super::Area for () {}
}
mod other;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds() {
        assert_eq!(twice!(LIMIT), compute(1));
    }
}
