//! A described world, and what requests may do in it.

use std::collections::BTreeMap;

use super::*;
use crate::tools;

struct Described {
    symbols: Vec<&'static str>,
    paths: Vec<&'static str>,
    tasks: Vec<&'static str>,
}

impl World for Described {
    fn defines(&self, symbol: &str) -> bool {
        self.symbols.contains(&symbol)
    }

    fn symbols_like(&self, words: &str) -> Vec<String> {
        let squash = |text: &str| {
            text.chars().filter(|character| character.is_alphanumeric()).collect::<String>().to_lowercase()
        };
        let wanted = squash(words);
        self.symbols.iter().filter(|symbol| squash(symbol) == wanted).map(ToString::to_string).collect()
    }

    fn paths(&self) -> Vec<String> {
        self.paths.iter().map(ToString::to_string).collect()
    }

    fn tasks(&self) -> Vec<String> {
        self.tasks.iter().map(ToString::to_string).collect()
    }
}

fn world() -> Described {
    Described {
        symbols: vec![
            "load_config",
            "Thing",
            "LeaseTable",
            "parse_duration",
            "Parser",
            "parser",
            "flush",
            "retry",
            "run",
            "test",
            "find",
            "calc_sum",
            "Conn",
            "is_stale",
            "decode",
            "Visitor",
            "merge_ranges",
        ],
        paths: vec![
            ".gitignore",
            "Cargo.toml",
            "README.md",
            "docs/api.md",
            "docs/guide.md",
            "scripts/dev.sh",
            "src/config.rs",
            "src/lib.rs",
            "src/main.rs",
            "src/parser/mod.rs",
            "src/tools/mod.rs",
            "tests/api.rs",
        ],
        tasks: vec!["test", "build"],
    }
}

/// The narrowed tools: name → argument → what it may be.
fn narrowed(request: &str, earlier: &[Outcome]) -> BTreeMap<String, BTreeMap<String, String>> {
    let specs = tools::all().iter().map(|tool| tools::spec(tool.as_ref())).collect();
    narrow_in(specs, request, earlier, &world())
        .into_iter()
        .map(|spec| {
            let properties = spec.parameters["properties"].as_object().cloned().unwrap_or_default();
            let arguments = properties
                .into_iter()
                .map(|(name, schema)| {
                    let values = |key: &str| {
                        let values = schema.get(key)?.as_array()?;
                        let shown = values
                            .iter()
                            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                        Some(shown.collect::<Vec<_>>().join("|"))
                    };
                    let shown =
                        values("enum").or_else(|| values(SUBSTRING_OF).map(|texts| format!("~{texts}")));
                    (name, shown.unwrap_or_else(|| "*".into()))
                })
                .collect();
            (spec.name, arguments)
        })
        .collect()
}

/// `tool.argument = candidates`, `tool` alone for a tool that must be there, `-tool` for one that must not.
#[track_caller]
fn check(request: &str, expect: &[&str]) {
    let found = narrowed(request, &[]);
    for wanted in expect {
        if let Some(absent) = wanted.strip_prefix('-') {
            match absent.split_once('.') {
                Some((tool, argument)) => {
                    assert!(
                        found.get(tool).is_none_or(|tool| !tool.contains_key(argument)),
                        "{request}: {absent} in {found:#?}"
                    );
                }
                None => assert!(!found.contains_key(absent), "{request}: {absent} in {found:#?}"),
            }
            continue;
        }
        let (place, candidates) = match wanted.split_once(" = ") {
            Some((place, candidates)) => (place, Some(candidates)),
            None => (*wanted, None),
        };
        let actual = match place.split_once('.') {
            Some((tool, argument)) => found.get(tool).and_then(|tool| tool.get(argument)).cloned(),
            None => found.get(place).map(|_| String::new()),
        };
        assert!(actual.is_some(), "{request}: no {place} in {found:#?}");
        if let Some(candidates) = candidates {
            assert_eq!(actual.as_deref(), Some(candidates), "{request}: {place}");
        }
    }
}

const CHANGING: [&str; 8] = ["-write", "-edit", "-insert", "-delete", "-rename", "-bash", "-run", "-undo"];

#[test]
fn symbols_come_from_the_index() {
    check("where is load_config defined?", &["where.symbol = load_config", "callers.symbol = load_config"]);
    check("who calls `LeaseTable`?", &["callers.symbol = LeaseTable"]);
    check("where is the load config function?", &["where.symbol = load_config"]);
    check("what does leasetable do", &["where.symbol = LeaseTable"]);
    check("what is Visitor for?", &["where.symbol = Visitor"]);
    check("who calls flush in LeaseTable?", &["callers.symbol = LeaseTable|flush"]);
    check("where is LeaseTable::flush", &["where.symbol = LeaseTable::flush|flush"]);
    check("what does the Parser do", &["where.symbol = Parser"]);
    // Unknown names are offered, so that the answer can say that they are unknown.
    check("where is no_such_thing defined?", &["where.symbol = no_such_thing"]);
    check("who calls frobnicate?", &["callers.symbol = frobnicate"]);
    check("where is frobnicate defined", &["where.symbol = frobnicate"]);
    check("where's validateToken() now", &["where.symbol = validateToken"]);
    // No name at all: nothing to ask for.
    check("how are you today", &["-where", "-callers", "-rename"]);
    check("what does it do", &["-where"]);
    check("Thing is bad, so rename Thing to Document. leave is_stale", &["rename.to = Document|is_stale"]);
}

#[test]
fn paths_come_from_the_tree() {
    check("show me README.md", &["read.path = README.md", "outline.path = README.md", "-read.start"]);
    check("open parser/mod.rs", &["read.path = src/parser/mod.rs"]);
    check("open mod.rs", &["read.path = src/parser/mod.rs|src/tools/mod.rs"]);
    check("show readme.md", &["read.path = README.md"]);
    check("open the config module", &["read.path = src/config.rs"]);
    check("open src/nothing.rs", &["read.path = src/nothing.rs"]);
    check(
        "src/lib.rs lines 20 through 60",
        &["read.path = src/lib.rs", "read.start = 20|60", "read.end = 20|60"],
    );
    check("what's at src/lib.rs:118?", &["read.path = src/lib.rs", "read.start = 118"]);
    check("hello there", &["-read", "-outline"]);
    check("grep unwrap in src/", &["grep.path = src", "grep.pattern = ~grep unwrap in src/"]);
    check("list the files in scripts", &["glob.pattern = scripts/**|**"]);
    check("list all markdown files", &["glob.pattern = **/*.md|**"]);
    check("rust files in src", &["glob.pattern = src/**/*.rs|**/*.rs|src/**|**"]);
}

#[test]
fn questions_cannot_change() {
    for request in [
        "how do I run the tests?",
        "what does delete_user do?",
        "where do we write the cache?",
        "what would happen if I deleted src/lib.rs?",
        "should I rename calc_sum to total?",
        "show me README.md",
    ] {
        check(request, &CHANGING);
        let found = narrowed(request, &[]);
        assert!(!found["git"]["action"].contains("commit"), "{request}");
    }
}

#[test]
fn edits_quote_the_user() {
    check(
        "in README.md replace \"teh\" with \"the\"",
        &["edit.path = README.md", "edit.old = teh|the", "edit.new = teh|the", "-run", "-bash", "-undo"],
    );
    check(
        "in src/config.rs change 8080 to 9090",
        &["edit.path = src/config.rs", "edit.old = ~in src/config.rs change 8080 to 9090"],
    );
    check("remove \"foo\" from README.md", &["edit.old = foo", "edit.new = "]);
    check(
        "rename calc_sum to compute_total",
        &["rename.symbol = calc_sum", "rename.to = compute_total", "-rename.path"],
    );
    check(
        "rename Conn to Connection in src/lib.rs",
        &["rename.symbol = Conn", "rename.to = Connection", "rename.path = src/lib.rs"],
    );
    // A local variable is in no index, and the words of a path name no symbol.
    check(
        "rename is_suffix to has_suffix in src/config.rs",
        &["rename.symbol = is_suffix", "rename.to = has_suffix", "rename.path = src/config.rs"],
    );
    check("rename is_suffix to Conn", &["rename.symbol = is_suffix", "rename.to = Conn"]);
    check("the variable cnt needs a better name: item_count", &["rename.to = cnt|item_count"]);
    check(
        "append \"*.log\" to .gitignore",
        &["insert.path = .gitignore", "insert.text = *.log", "-insert.line"],
    );
    check("insert \"import os\" at line 3 of src/lib.rs", &["insert.line = 3", "insert.text = import os"]);
    check(
        "create a file notes/todo.md with the text \"buy milk\"",
        &["write.path = notes/todo.md", "write.content = buy milk"],
    );
    check("I need an empty file at src/empty.rs", &["write.path = src/empty.rs", "write.content = "]);
    check(
        "new file VERSION containing 0.1.0",
        &["write.path = VERSION", "write.content = ~new file VERSION containing 0.1.0"],
    );
    check("delete src/main.rs please", &["delete.path = src/main.rs"]);
    check("delete src/gone.rs", &["delete.path = src/gone.rs"]);
    check("add pagination to the endpoint", &["-edit", "-insert", "-write", "-delete"]);
}

#[test]
fn commands_are_the_users_own() {
    check("run the tests", &["run.task = test", "-bash", "-run.filter", "-edit"]);
    check("does it still compile?", &["run.task = build"]);
    check("run the linter", &["run.task = lint"]);
    check("run only the test parses_empty_input", &["run.task = test", "run.filter = parses_empty_input"]);
    check("run `cargo tree -d`", &["bash.command = cargo tree -d"]);
    check("please run make deploy", &["bash.command = ~make deploy"]);
    check("start ./scripts/dev.sh", &["bash.command = ~./scripts/dev.sh"]);
    check("undo that", &["undo", "-edit", "-run"]);
}

#[test]
fn git_takes_what_is_said() {
    check(
        "commit everything with the message \"fix crash\"",
        &["git.action = status|diff|log|commit", "git.message = fix crash"],
    );
    check("show the last 5 commits", &["git.action = status|diff|log", "git.count = 5"]);
    check("what changed since v2.4.0?", &["git.revision = v2.4.0"]);
    check("compare my work against main", &["git.revision = main"]);
    check("what happened since last friday", &["git.revision = last friday"]);
    check(
        "who wrote line 88 of src/lib.rs",
        &["git.action = status|diff|log|blame", "git.line = 88", "git.path = src/lib.rs"],
    );
    check("which branch is this?", &["-git.path", "-git.revision"]);
}

#[test]
fn the_rest_is_quoted() {
    check("how is the cache invalidated", &["search.query = ~how is the cache invalidated"]);
    check("search for the text \"connection refused\"", &["grep.pattern = connection refused"]);
    check("find all TODOs", &["-where", "-callers", "grep"]);
    check("do we have any TODOs left?", &["grep.pattern = ~do we have any TODOs left?|TODO"]);
    check(
        "put \"call Anna\" on the todo list",
        &["todo.text = call Anna", "todo.action = add|done|list", "-write"],
    );
    check("anything", &["-ask_user"]);
    check("", &["-search", "-where", "-read", "glob"]);
}

#[test]
fn results_ground_what_follows() {
    let location = |path: &str, line: u32| loci_protocol::Location { path: path.into(), line };
    let outcome = Outcome {
        ok: true,
        locations: vec![location("src/config.rs", 12)],
        evidence: vec![tools::Evidence {
            location: location("src/config.rs", 12),
            text: "pub fn load_config(path: &Path) -> Conn".into(),
            label: "function".into(),
        }],
        ..Outcome::default()
    };
    let found = narrowed("and who calls it?", std::slice::from_ref(&outcome));
    assert_eq!(found["callers"]["symbol"], "load_config");
    assert_eq!(found["read"]["path"], "src/config.rs");
    assert!(refers_back("and who calls it?"));
    assert!(refers_back("now run them again"));
    assert!(!refers_back("where is load_config defined, it must be somewhere"));
    assert!(!refers_back("run the tests"));
}

#[test]
fn every_candidate_is_real_or_said() {
    // Whatever is asked, a symbol that is offered is defined or stands in the request.
    let requests = include_str!("intent/asks.txt")
        .lines()
        .chain(include_str!("intent/edits.txt").lines())
        .chain(include_str!("intent/runs.txt").lines());
    let world = world();
    for request in requests {
        for (tool, arguments) in narrowed(request, &[]) {
            for (argument, candidates) in arguments {
                if argument == "symbol" {
                    for candidate in candidates.split('|') {
                        assert!(
                            world.defines(candidate) || request.contains(candidate),
                            "{request}: {tool}.{argument} {candidate}"
                        );
                    }
                }
                if argument == "path" {
                    for candidate in candidates.split('|') {
                        let said = request.contains(candidate);
                        assert!(
                            said || world.paths.iter().any(|path| path.starts_with(candidate)),
                            "{request}: {tool}.{argument} {candidate}"
                        );
                    }
                }
            }
        }
    }
}
