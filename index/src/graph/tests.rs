//! Owns what the questions about symbols answer on small projects of several languages.
//! Uses temporary folders.
//! Never asserts a time.

use std::fs;

use crate::{CallQuery, Index, Options, Tests, UseQuery};

/// A project with its index.
pub(super) struct Stage {
    folder: tempfile::TempDir,
    pub(super) index: Index,
}

pub(super) fn stage(files: &[(&str, &str)]) -> Stage {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(folder.path().join("project")).expect("a root");
    for (path, text) in files {
        let path = folder.path().join("project").join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, text).expect("a file");
    }
    let options =
        Options { cache_dir: folder.path().join("cache"), max_file_bytes: 1_000_000, deny: Vec::new() };
    let index = Index::open(&folder.path().join("project"), options).expect("an index");
    index.refresh(&mut |_| {}).expect("a refresh");
    Stage { folder, index }
}

impl Stage {
    pub(super) fn write(&self, path: &str, text: &str) {
        fs::write(self.folder.path().join("project").join(path), text).expect("a file");
    }

    fn uses(&self, symbol: &str, tests: Tests) -> Vec<String> {
        let query = UseQuery { symbol: symbol.into(), tests, ..UseQuery::default() };
        let uses = self.index.uses(&query).expect("uses");
        assert_eq!(uses.total, uses.references.len());
        assert_eq!(uses.kinds.values().sum::<usize>(), uses.total);
        let shown = uses.references.into_iter().map(|one| {
            let test = if one.is_test { " test" } else { "" };
            let doubt = one.uncertain.map(|why| format!("? {why}")).unwrap_or_default();
            format!("{}:{} {}{test}{doubt}", one.path, one.line, one.kind)
        });
        shown.collect()
    }

    fn callers(&self, symbol: &str, depth: u32) -> Vec<String> {
        let query = CallQuery { symbol: symbol.into(), depth, ..CallQuery::default() };
        let callers = self.index.callers(&query).expect("callers").callers.into_iter();
        let shown = callers.map(|one| {
            let lines: Vec<String> =
                one.sites.iter().map(|site| format!("{} {}", site.line, site.kind)).collect();
            let doubt = one.uncertain.map(|why| format!("? {why}")).unwrap_or_default();
            let name = one.symbol.unwrap_or_else(|| "-".into());
            format!(
                "{} {}:{} {name} → {} at {}{doubt}",
                one.depth,
                one.path,
                one.line,
                one.calls,
                lines.join(", ")
            )
        });
        shown.collect()
    }

    fn callees(&self, symbol: &str, depth: u32) -> Vec<String> {
        let query = CallQuery { symbol: symbol.into(), depth, ..CallQuery::default() };
        let callees = self.index.callees(&query).expect("callees").callees.into_iter();
        let shown = callees.map(|one| {
            let place = one.definition.map_or_else(
                || format!("one of {}", one.candidates),
                |found| format!("{}:{}", found.path, found.line),
            );
            let sure = if one.certain { "" } else { "?" };
            format!("{} {} {} {} → {place}{sure}", one.depth, one.of, one.kind, one.name)
        });
        shown.collect()
    }
}

const SHOP: &[(&str, &str)] = &[
    ("Cargo.toml", "[package]\nname = \"shop\"\n"),
    (
        "src/price.rs",
        "pub struct Price(u64);\n\nimpl Price {\n    pub fn load(text: &str) -> Self {\n        Self(parse(text))\n    }\n}\n\npub fn parse(text: &str) -> u64 {\n    text.len() as u64\n}\n",
    ),
    (
        "src/order.rs",
        "use crate::price::{Price, parse};\n\npub struct Order;\n\nimpl Order {\n    pub fn load(text: &str) -> Self {\n        let _ = Price::load(text);\n        let all: Vec<u64> = text.lines().map(parse).collect();\n        Self::check(all.len());\n        Order\n    }\n\n    fn check(_: usize) {}\n}\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn loads() {\n        super::Order::load(\"x\");\n    }\n}\n",
    ),
    (
        "src/main.rs",
        "mod order;\nmod price;\n\nfn main() {\n    order::Order::load(\"a\");\n    // parse comes later\n}\n",
    ),
    ("web/package.json", "{}"),
    ("web/app.js", "import { other } from './x.js';\nfunction start() {\n  parse('x');\n}\nstart();\n"),
];

#[test]
fn uses_are_told_in_the_order_of_what_they_say() {
    let stage = stage(SHOP);
    assert_eq!(
        stage.uses("parse", Tests::Any),
        [
            "src/price.rs:5 call",
            "web/app.js:3 call? another language",
            "src/order.rs:8 value",
            "src/order.rs:1 import",
            "src/main.rs:6 mention",
        ]
    );
    assert_eq!(
        stage.uses("load", Tests::Any),
        ["src/main.rs:5 call", "src/order.rs:7 call", "src/order.rs:20 call test"]
    );
    assert_eq!(
        stage.uses("Price::load", Tests::Any),
        ["src/order.rs:7 call", "src/main.rs:5 call? of Order", "src/order.rs:20 call test? of Order"]
    );
    assert_eq!(stage.uses("load", Tests::Only), ["src/order.rs:20 call test"]);
    assert_eq!(stage.uses("load", Tests::Without), ["src/main.rs:5 call", "src/order.rs:7 call"]);
    assert_eq!(stage.uses("nothing", Tests::Any), [""; 0]);
}

#[test]
fn callers_are_symbols_level_by_level() {
    let stage = stage(SHOP);
    assert_eq!(
        stage.callers("parse", 3),
        [
            "1 src/order.rs:6 load → parse at 8 value",
            "1 src/price.rs:4 load → parse at 5 call",
            "1 web/app.js:2 start → parse at 3 call? another language",
            "2 src/main.rs:4 main → Order::load at 5 call",
            "2 src/order.rs:19 loads → Order::load at 20 call",
        ]
    );
}

#[test]
fn callees_are_resolved_to_the_nearest_fitting_definition() {
    let stage = stage(SHOP);
    assert_eq!(
        stage.callees("Order::load", 2),
        [
            "1 Order::load call load → src/price.rs:4",
            "1 Order::load value parse → src/price.rs:9",
            "1 Order::load call check → src/order.rs:13",
            "1 Order::load type Price → src/price.rs:1",
            "2 Price::load call parse → src/price.rs:9",
        ]
    );
}

#[test]
fn a_file_that_changed_is_read_again() {
    let stage = stage(SHOP);
    stage.write("src/main.rs", "fn main() {\n\n\n    order::Order::load(\"changed\");\n}\n");
    assert_eq!(stage.callers("Order::load", 1)[0], "1 src/main.rs:1 main → Order::load at 4 call");
}

#[test]
fn walks_end_on_cycles() {
    let stage = stage(&[(
        "a.py",
        "def one():\n    two()\n\ndef two():\n    three()\n\ndef three():\n    one()\n    three()\n",
    )]);
    for depth in [1, 2, 3, 50] {
        let callers = stage.callers("one", depth);
        assert_eq!(callers.len(), (depth as usize).min(2), "{callers:?}");
        let callees = stage.callees("one", depth);
        assert_eq!(callees.len(), (depth as usize).min(3), "{callees:?}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(12))]
    /// Whatever calls what: walks end, and every use is on the line it says.
    #[test]
    fn any_graph_of_calls_is_walked(calls in proptest::collection::vec((0usize..6, 0usize..6), 0..24)) {
        let bodies: Vec<String> = (0..6)
            .map(|from| {
                let of = calls.iter().filter(|(one, _)| *one == from).map(|(_, to)| format!("    step_{to}()\n"));
                format!("def step_{from}():\n    pass\n{}\n", of.collect::<String>())
            })
            .collect();
        let files = [("a/one.py", bodies[..3].concat()), ("b/two.py", bodies[3..].concat())];
        let borrowed: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let stage = stage(&borrowed);
        for number in 0..6 {
            let symbol = format!("step_{number}");
            let query = CallQuery { symbol: symbol.clone(), depth: 20, ..CallQuery::default() };
            let callers = stage.index.callers(&query).expect("callers").callers;
            for caller in &callers {
                let text = &files.iter().find(|(path, _)| *path == caller.path).expect("known").1;
                for site in &caller.sites {
                    let line = text.lines().nth(site.line as usize - 1).expect("a line");
                    proptest::prop_assert!(line.contains(&caller.calls) && line.trim() == site.text);
                }
            }
            let mut symbols: Vec<_> = callers.iter().map(|one| (&one.path, one.line)).collect();
            symbols.sort();
            symbols.dedup();
            proptest::prop_assert_eq!(symbols.len(), callers.len(), "each caller once");
            stage.index.callees(&query).expect("callees");
        }
    }
}
