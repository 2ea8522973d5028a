//! Owns which tests exercise a symbol, and how to run them.
//! Uses `callers` for tests that reach it, and the names that tests have by custom.
//! Never runs anything: a command is told as text.

use std::collections::HashSet;

use serde::Serialize;

use super::callers::{CallQuery, Caller, callers};
use super::certainty::{family, package_of, package_roots};
use super::definitions::narrowed;
use super::source::{Source, record_at};
use super::symbol::wanted;
use super::uses::Tests;
use crate::engine::{Engine, Snapshot};
use crate::manifest::Record;
use crate::store::Failure;
use crate::tokenize::normalise;

/// Levels of callers between a symbol and its tests.
const LEVELS: u32 = 3;
/// So many tests are told.
const MOST: usize = 100;
/// Callers that are looked through for tests.
const CALLERS: usize = 400;

/// A test, and why it is one of the symbol's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TestFor {
    /// Its name; `None` where the file is meant.
    pub name: Option<String>,
    /// Relative path.
    pub path: String,
    /// From 1.
    pub line: u32,
    /// `calls it`, `calls it through NAME`, `named after it`.
    pub why: String,
    /// 1 calls it directly; 0 is by name only.
    pub depth: u32,
    /// The command that runs it, from the root of the tree, where the language has a usual one.
    pub command: Option<String>,
}

/// See [`crate::Index::tests_for`].
pub(crate) fn tests_for(engine: &Engine, snapshot: &Snapshot, symbol: &str) -> Result<Vec<TestFor>, Failure> {
    let direct = CallQuery { symbol: symbol.to_owned(), depth: 1, tests: Tests::Only, limit: MOST };
    let through = CallQuery { depth: LEVELS, tests: Tests::Any, limit: CALLERS, ..direct.clone() };
    // Tests come last among callers: those that call it themselves are asked for apart, lest many others hide them.
    let mut reached = callers(engine, snapshot, &direct)?.callers;
    reached.extend(callers(engine, snapshot, &through)?.callers);
    let roots = package_roots(&snapshot.manifest);
    let mut found: Vec<TestFor> = Vec::new();
    let mut known: HashSet<(String, Option<String>)> = HashSet::new();
    for caller in reached.iter().filter(|one| one.is_test && one.uncertain.is_none()) {
        let Some(record) = record_at(snapshot, &caller.path) else { continue };
        let test = of_caller(caller, record, &roots);
        if known.insert((test.path.clone(), test.name.clone())) {
            found.push(test);
        }
    }
    for test in named_after(engine, snapshot, symbol, &roots)? {
        if known.insert((test.path.clone(), test.name.clone()))
            && !(test.name.is_none() && found.iter().any(|one| one.path == test.path))
        {
            found.push(test);
        }
    }
    found.truncate(MOST);
    Ok(found)
}

/// A caller in test code as a test.
pub(crate) fn of_caller(caller: &Caller, record: &Record, roots: &[String]) -> TestFor {
    let why = if caller.depth == 1 {
        "calls it".to_owned()
    } else {
        format!("calls it through {}", wanted(&caller.calls).name)
    };
    TestFor {
        name: caller.symbol.clone(),
        path: caller.path.clone(),
        line: caller.line,
        why,
        depth: caller.depth,
        command: command(record, caller.symbol.as_deref(), roots),
    }
}

/// Tests that are named after a symbol or after the file that defines it: `test_load`, `LoadTest`, `load_test.go`.
fn named_after(
    engine: &Engine,
    snapshot: &Snapshot,
    symbol: &str,
    roots: &[String],
) -> Result<Vec<TestFor>, Failure> {
    let name = normalise(wanted(symbol).name);
    let definitions = narrowed(engine, snapshot, symbol)?.0;
    // A name that everything has says nothing about its tests.
    if name.len() < 3 || definitions.is_empty() || definitions.len() > 8 {
        return Ok(Vec::new());
    }
    let families: HashSet<&str> = definitions
        .iter()
        .filter_map(|one| record_at(snapshot, &one.path))
        .map(|record| family(record.language))
        .collect();
    let stems: HashSet<String> = definitions.iter().map(|one| normalise(stem(&one.path))).collect();
    let mut found = Vec::new();
    for record in snapshot.manifest.records.iter().filter(|one| one.key != 0) {
        if !families.contains(family(record.language)) || !engine.may_show(&snapshot.manifest, record) {
            continue;
        }
        let is_test = crate::rank::is_test_path(&record.path);
        let subject = subject_of(&normalise(stem(&record.path))).map(str::to_owned);
        let of_file =
            is_test && subject.as_ref().is_some_and(|subject| stems.contains(subject) || *subject == name);
        let beside = definitions.iter().any(|one| one.path == record.path);
        if !of_file && !beside {
            continue;
        }
        let before = found.len();
        if let Some(&spot) = snapshot.view.of_key(record.key)?.first() {
            let tags = Source::definitions(engine, snapshot, spot, record)?.unwrap_or_default();
            for tag in tags.iter().filter(|tag| tag.is_test && tag.end_line >= tag.line) {
                let plain = normalise(&tag.name);
                if subject_of(&plain) == Some(&name)
                    || plain.len() > name.len() && plain.contains(&name) && name.len() > 5
                {
                    found.push(TestFor {
                        name: Some(tag.name.clone()),
                        path: record.path.clone(),
                        line: tag.line,
                        why: "named after it".to_owned(),
                        depth: 0,
                        command: command(record, Some(&tag.name), roots),
                    });
                }
            }
        }
        if of_file && found.len() == before {
            found.push(TestFor {
                name: None,
                path: record.path.clone(),
                line: 1,
                why: "named after its file".to_owned(),
                depth: 0,
                command: command(record, None, roots),
            });
        }
    }
    Ok(found)
}

/// What a test's plain name is about: `testload`, `loadtest`, `loadspec` → `load`; a plain name of itself.
fn subject_of(plain: &str) -> Option<&str> {
    let rest = plain.strip_prefix("test").or_else(|| plain.strip_suffix("tests"));
    let rest =
        rest.or_else(|| plain.strip_suffix("test")).or_else(|| plain.strip_suffix("spec")).unwrap_or(plain);
    (!rest.is_empty()).then_some(rest)
}

fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    // `load.test.ts` is about `load`.
    name.split('.').next().unwrap_or(name)
}

/// The command that runs one test, or the tests of a file.
pub(crate) fn command(record: &Record, test: Option<&str>, roots: &[String]) -> Option<String> {
    let package = package_of(roots, &record.path);
    let inside = record.path.strip_prefix(package).unwrap_or(&record.path).trim_start_matches('/');
    let path = quoted(&record.path);
    Some(match record.language {
        "rust" => {
            let manifest = if package.is_empty() {
                String::new()
            } else {
                format!(" --manifest-path {}", quoted(&format!("{package}/Cargo.toml")))
            };
            // A file directly in `tests` is a binary of its own.
            let binary = inside.strip_prefix("tests/").and_then(|rest| rest.strip_suffix(".rs"));
            let binary =
                binary.filter(|name| !name.contains('/')).map(|name| format!(" --test {}", quoted(name)));
            let name = test.map(|name| format!(" {name}")).unwrap_or_default();
            format!("cargo test{manifest}{}{name}", binary.unwrap_or_default())
        }
        "python" => match test {
            Some(name) => format!("pytest {path} -k {}", quoted(name)),
            None => format!("pytest {path}"),
        },
        "go" => {
            let folder = record.path.rsplit_once('/').map_or(".", |(folder, _)| folder);
            let run = test.map(|name| format!(" -run {}", quoted(&format!("^{name}$")))).unwrap_or_default();
            format!("go test{run} {}", quoted(&format!("./{folder}")))
        }
        "javascript" | "typescript" | "tsx" => match test {
            Some(name) => format!("npx jest {path} -t {}", quoted(name)),
            None => format!("npx jest {path}"),
        },
        "ruby" if record.path.ends_with("_spec.rb") => format!("bundle exec rspec {path}"),
        "elixir" => format!("mix test {path}"),
        "php" => format!("vendor/bin/phpunit {path}"),
        _ => return None,
    })
}

/// A word of a shell.
fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "_-./:@%+=,".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::stage;
    use super::*;

    #[test]
    fn tests_are_found_by_what_they_call_and_by_name() {
        let stage = stage(&[
            ("lib/Cargo.toml", "[package]\nname = \"lib\"\n"),
            (
                "lib/src/load.rs",
                "pub fn load_all() { load_one(); }\npub fn load_one() {}\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn it_loads() { super::load_all(); }\n}\n",
            ),
            ("lib/tests/all.rs", "#[test]\nfn from_outside() { lib::load_one(); }\n#[test]\nfn other() {}\n"),
            ("py/pyproject.toml", ""),
            ("py/shop.py", "def total_price():\n    pass\n"),
            ("py/test_shop.py", "from shop import total_price\ndef test_total():\n    total_price()\n"),
            ("go/go.mod", ""),
            ("go/cart/cart.go", "package cart\nfunc Checkout() {}\n"),
            ("go/cart/cart_test.go", "package cart\nfunc TestCheckout(t *testing.T) { }\n"),
        ]);
        let check = |symbol: &str, expect: &[&str]| {
            let found = stage.index.tests_for(symbol).expect("tests").into_iter();
            let shown: Vec<String> = found
                .map(|one| {
                    let name = one.name.unwrap_or_default();
                    format!(
                        "{}:{} {name} ({}) {}",
                        one.path,
                        one.line,
                        one.why,
                        one.command.unwrap_or_default()
                    )
                })
                .collect();
            assert_eq!(shown, expect, "{symbol}");
        };
        check(
            "load_one",
            &[
                "lib/tests/all.rs:2 from_outside (calls it) cargo test --manifest-path lib/Cargo.toml --test all from_outside",
                "lib/src/load.rs:6 it_loads (calls it through load_all) cargo test --manifest-path lib/Cargo.toml it_loads",
            ],
        );
        check(
            "total_price",
            &["py/test_shop.py:2 test_total (calls it) pytest py/test_shop.py -k test_total"],
        );
        check(
            "Checkout",
            &["go/cart/cart_test.go:2 TestCheckout (named after it) go test -run '^TestCheckout$' ./go/cart"],
        );
        check("nothing", &[]);
    }

    #[test]
    fn words_of_a_shell_are_quoted() {
        for (word, expect) in [("a/b.rs", "a/b.rs"), ("it's", "'it'\\''s'"), ("a b", "'a b'"), ("", "''")] {
            assert_eq!(quoted(word), expect);
        }
    }
}
