//! Owns the small project that the tasks are done in.
//! Uses texts; nothing of it is built or run.
//! Never changes: a card is compared with another one of the same tasks.

/// `src/price.rs`.
pub(super) const PRICE: &str = "//! Prices and discounts.

/// An amount of money.
pub struct Price {
    /// In hundredths.
    pub cents: u64,
}

/// From this sum on there is a discount.
const THRESHOLD: u64 = 10_000;

/// The discount for a sum.
pub fn discount_for(sum: u64) -> u64 {
    if sum >= THRESHOLD {
        sum / 10
    } else {
        0
    }
}
";

/// `src/lib.rs`.
pub(super) const LIB: &str = "//! A basket of items.

mod price;
mod store;

pub use price::{discount_for, Price};

/// Holds what was put in.
#[derive(Default)]
pub struct Basket {
    items: Vec<Price>,
}

impl Basket {
    /// Puts an item in.
    pub fn add(&mut self, item: Price) {
        self.items.push(item);
    }

    /// The sum of all items, less the discount.
    pub fn total(&self) -> u64 {
        let sum: u64 = self.items.iter().map(|item| item.cents).sum();
        sum - discount_for(sum)
    }
}
";

/// `src/store.rs`.
pub(super) const STORE: &str = "//! Where baskets are kept.

/// How often a write is tried.
const RETRIES: u32 = 3;
/// How often a read is tried.
const READ_RETRIES: u32 = 3;

/// Tries a write.
pub fn save(tries: u32) -> bool {
    tries <= RETRIES
}

/// Tries a read.
pub fn load(tries: u32) -> bool {
    tries <= READ_RETRIES
}

/// Nobody calls it.
pub fn unused() -> u32 {
    0
}
";

/// `README.md`.
pub(super) const README: &str = "# Basket

A basket of items with a discount, version 0.1.0.

Recieve items with `add`.
";

/// `Cargo.toml`.
pub(super) const MANIFEST: &str = "[package]
name = \"basket\"
version = \"0.1.0\"
edition = \"2021\"
";

/// `docs/notes.md`.
pub(super) const NOTES: &str = "# Notes

The discount is ten per cent — “a tenth” — from 100.00 on.
";

/// Every file with its content.
pub(super) const FILES: [(&str, &str); 6] = [
    ("src/price.rs", PRICE),
    ("src/lib.rs", LIB),
    ("src/store.rs", STORE),
    ("README.md", README),
    ("Cargo.toml", MANIFEST),
    ("docs/notes.md", NOTES),
];
