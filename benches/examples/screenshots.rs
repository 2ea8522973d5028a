//! Owns the pictures of the documentation: the real program in a terminal, in a small repository made for them.
//! Uses a pseudo-terminal, a terminal in memory, the built-in model, and a scripted one where a longer answer is shown.
//! Never shows a time, a session or a folder of whoever makes them.
//!
//! `cargo build && cargo run -p loci-benches --example screenshots [BINARY]`

#[path = "screenshots/seat.rs"]
mod seat;
#[path = "screenshots/svg.rs"]
mod svg;

use std::error::Error;
use std::io;
use std::num::{NonZeroU16, TryFromIntError};
use std::path::{Path, PathBuf};

use loci_core::atomic;
use seat::Seat;
use serde_json::{Value, json};

/// Where the repository and the home stand. Its name is seen in the pictures, so that it is always the same.
const FOLDER: &str = "/tmp/loci-pictures";

const PRICE: &str = "\
//! Prices of a basket.

/// One thing that is bought, so many times.
pub struct Item {
    pub name: String,
    pub cents: u64,
    pub count: u64,
}

/// The price of all items, in cents.
pub fn total(items: &[Item]) -> u64 {
    items.iter().map(|item| item.cents).sum()
}
";

const LIB: &str = "\
//! A shop.

pub mod price;

use price::{Item, total};

/// What is to be paid: the total, less a discount of so many percent.
pub fn to_pay(items: &[Item], percent: u64) -> u64 {
    let total = total(items);
    total - total * percent / 100
}
";

fn answers() -> Value {
    json!({ "model": "example:8b", "context_length": 8192, "steps": [
        { "events": [
            { "call": { "name": "read", "arguments": { "path": "src/price.rs" } } },
            { "call": { "name": "read", "arguments": { "path": "src/lib.rs" } } },
        ] },
        { "events": [
            { "text": "`total` adds up prices and leaves the **count** out:\n\n| item  | cents | count | counted |\n|-------|------:|------:|--------:|\n| bread |   250 |     2 |     250 |\n| milk  |   120 |     1 |     120 |\n" },
            { "call": { "name": "edit", "arguments": {
                "path": "src/price.rs",
                "old": "map(|item| item.cents)",
                "new": "map(|item| item.cents * item.count)",
            } } },
        ] },
        { "events": [
            { "text": "Each item is counted as often as it is bought now. `to_pay` needs no change, it takes what `total` says:\n\n```rust\nlet total = total(items);\ntotal - total * percent / 100 // a discount of so many percent\n```\n" },
        ] },
    ] })
}

/// Files that are read one after the other, larger together than the window.
const SHELVES: [&str; 8] = ["tariff", "stock", "orders", "receipt", "ledger", "returns", "rota", "till"];

/// A file of some thousand tokens.
fn shelf(name: &str) -> String {
    let mut text = format!("//! The {name} of the shop.\n");
    for line in 0..28 {
        text.push_str(&format!(
            "\n/// Row {line} of the {name}, as it is printed at the end of the day.\npub fn {name}_{line}(day: u32) -> u64 {{\n    u64::from(day) * {line} + 7\n}}\n"
        ));
    }
    text
}

/// What is asked about them; the last one comes back to the first.
fn questions() -> Vec<String> {
    let first = "how is the tariff of a day counted?".to_owned();
    let others = SHELVES.iter().skip(1).map(|name| format!("and the {name}?"));
    let last = ["which of them has most rows?", "what was the tariff of row 12, tariff_12, again?"];
    std::iter::once(first).chain(others).chain(last.map(Into::into)).collect()
}

fn longer() -> Value {
    let mut steps = Vec::new();
    for name in SHELVES {
        let path = format!("src/{name}.rs");
        steps.push(json!({ "events": [{ "call": { "name": "read", "arguments": { "path": path } } }] }));
        let text = format!(
            "Each row of the {name} is the day times its number, and seven: `{name}_12` is 12 times the day and 7."
        );
        steps.push(json!({ "events": [{ "text": text }] }));
    }
    steps.push(json!({ "events": [{ "text": "None: all of them have 28." }] }));
    steps.push(json!({ "events": [{ "text": "`tariff_12` is 12 times the day, and 7." }] }));
    json!({ "model": "example:8b", "context_length": 8192, "steps": steps })
}

fn main() -> Result<(), Box<dyn Error>> {
    let binary = match std::env::args_os().nth(1) {
        Some(path) => std::path::absolute(PathBuf::from(path))?,
        None => built()?,
    };
    let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures");
    std::fs::create_dir_all(&pictures)?;
    let folder = Folder::make()?;
    let draw = |name: &str, seat: &Seat| -> io::Result<()> {
        let picture = svg::drawn(&seat.screen());
        atomic::write(&pictures.join(name).with_extension("svg"), picture.as_bytes()).map(drop)
    };

    let mut seat = Seat::take(&binary, &folder, size(92, 24)?, &[])?;
    seat.sees("Welcome to Loci")?;
    draw("first-run", &seat)?;
    seat.leave();

    let script = folder.script("answers.json", &answers())?;
    let mut seat = Seat::take(&binary, &folder, size(92, 34)?, &["-m", &script])?;
    seat.sees("local · ask")?;
    seat.press("the total is wrong when something is bought twice\r")?;
    seat.sees("waiting for you")?;
    draw("approval", &seat)?;
    seat.presses_until_gone("y", "waiting for you")?;
    seat.sees("changed src/price.rs")?;
    draw("task", &seat)?;
    seat.leave();

    let script = folder.script("longer.json", &longer())?;
    let mut seat = Seat::take(&binary, &folder, size(92, 34)?, &["-m", &script])?;
    seat.sees("local · ask")?;
    let answers = SHELVES.map(|name| format!("Each row of the {name}"));
    for (question, answer) in
        questions().iter().zip(answers.iter().map(String::as_str).chain(["of them have 28", "day, and 7."]))
    {
        seat.press(&format!("{question}\r"))?;
        seat.sees(answer)?;
    }
    seat.press("/context\r")?;
    seat.sees("Esc closes")?;
    draw("context", &seat)?;
    seat.leave();
    Ok(())
}

/// Columns and rows.
fn size(columns: u16, rows: u16) -> Result<(NonZeroU16, NonZeroU16), TryFromIntError> {
    Ok((columns.try_into()?, rows.try_into()?))
}

/// The program that was built beside this one.
fn built() -> io::Result<PathBuf> {
    loci_benches::binary()
}

/// The repository and the home, gone when dropped.
struct Folder;

impl Folder {
    fn make() -> Result<Self, Box<dyn Error>> {
        // Not over what somebody else put there.
        std::fs::create_dir(FOLDER).map_err(|error| format!("{FOLDER}: {error}; remove it and try again"))?;
        let folder = Self;
        for part in ["home", "shop/.git/refs", "shop/.git/objects", "shop/src"] {
            std::fs::create_dir_all(folder.path(part))?;
        }
        let write = |path: &str, text: &str| atomic::write(&folder.path(path), text.as_bytes());
        write("shop/.git/HEAD", "ref: refs/heads/main\n")?;
        write("shop/Cargo.toml", "[package]\nname = \"shop\"\nversion = \"0.1.0\"\nedition = \"2024\"\n")?;
        write("shop/src/lib.rs", LIB)?;
        write("shop/src/price.rs", PRICE)?;
        for name in SHELVES {
            write(&format!("shop/src/{name}.rs"), &shelf(name))?;
        }
        Ok(folder)
    }

    fn path(&self, part: &str) -> PathBuf {
        Path::new(FOLDER).join(part)
    }

    /// A script, as `-m` takes it.
    fn script(&self, name: &str, steps: &Value) -> io::Result<String> {
        let path = atomic::write(&self.path(name), steps.to_string().as_bytes())?;
        Ok(format!("scripted:{}", path.display()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is in a folder for temporary files.
        let _ = std::fs::remove_dir_all(FOLDER);
    }
}
