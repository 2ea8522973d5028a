//! Owns the table of languages: names, file endings, grammars, queries.
//! Uses the tree-sitter grammars.
//! Never parses; a new language is one row here and one `.scm` beside it.

use std::sync::OnceLock;

use tree_sitter::Query;

use super::{Tag, structure};

/// Kinds of definitions, by the number they are stored under. Append only.
pub(crate) const KINDS: &[&str] = &[
    "symbol",
    "function",
    "method",
    "constructor",
    "struct",
    "class",
    "union",
    "enum",
    "variant",
    "interface",
    "trait",
    "type",
    "constant",
    "static",
    "variable",
    "field",
    "module",
    "macro",
    "impl",
    "declaration",
    "concept",
    "heading",
    "object",
    "property",
    "test",
    "key",
    "table",
    "column",
    "view",
    "index",
    "trigger",
    "selector",
    "keyframes",
    "element",
    "target",
    "service",
];

/// What a capture of a query stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The name of the definition.
    Name,
    /// Its name behind a path, `a.b.Name`; the path narrows it as a receiver does.
    Qualified,
    /// Its name, which is the name of a type that it uses too.
    Embedded,
    /// What declares the name in C and C++, at any depth.
    Declarator,
    /// The definition itself, or a scope.
    Definition(&'static str),
    /// The type a method is written for, where it stands outside of it.
    Receiver,
    /// A use, by its number in `USE_KINDS`.
    Use(u8),
    /// The head of a path: a type when it starts with a capital.
    Path,
    /// A word inside a macro call: a call when a parenthesis follows.
    Token,
    /// A piece that is parsed once more, as a text of its own.
    Inner,
    /// Only there for a predicate of the pattern.
    Predicate,
}

/// How the symbols of a text are found.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reader {
    /// They are not.
    Plain,
    /// By a grammar and tags queries.
    Grammar { grammar: fn() -> tree_sitter::Language, queries: &'static [&'static str] },
    /// Line by line, for documents and data.
    Lines(fn(&str) -> Vec<Tag>),
    /// As the markup that it is, and the scripts in it by their grammars.
    Page,
}

/// What comments look like.
#[derive(Debug)]
pub(crate) struct Comments {
    /// What starts a line that is a comment, longest first.
    pub(crate) lines: &'static [&'static str],
    /// What opens and closes one over several lines.
    pub(crate) block: Option<(&'static str, &'static str)>,
}

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Language {
    /// As answers name it.
    pub(crate) name: &'static str,
    endings: &'static [&'static str],
    pub(crate) comments: &'static Comments,
    pub(crate) reader: Reader,
    /// Whether a function may be written in several clauses, each with its name.
    pub(crate) has_clauses: bool,
    compiled: OnceLock<Option<Compiled>>,
}

/// A grammar with its query, made on first use.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) grammar: tree_sitter::Language,
    pub(crate) query: Query,
    /// By capture number.
    pub(crate) roles: Vec<Role>,
}

const NONE: &Comments = &Comments { lines: &[], block: None };
const SLASHES: &Comments =
    &Comments { lines: &["///", "//!", "//", "/**", "/*", "*/", "*"], block: Some(("/*", "*/")) };
const HASHES: &Comments = &Comments { lines: &["#"], block: None };
const RUBY: &Comments = &Comments { lines: &["#"], block: Some(("=begin", "=end")) };
const PHP: &Comments =
    &Comments { lines: &["///", "//", "/**", "/*", "*/", "*", "#"], block: Some(("/*", "*/")) };
const LUA: &Comments = &Comments { lines: &["---", "--[[", "--"], block: Some(("--[[", "]]")) };
const SQL: &Comments = &Comments { lines: &["--", "/*", "*/", "*"], block: Some(("/*", "*/")) };
const HASKELL: &Comments =
    &Comments { lines: &["-- |", "-- ^", "--", "{-|", "{-"], block: Some(("{-", "-}")) };
const MARKUP: &Comments = &Comments { lines: &["<!--"], block: Some(("<!--", "-->")) };

const ECMASCRIPT: &str = include_str!("ecmascript.scm");

macro_rules! row {
    ($name:literal, $endings:expr, $comments:expr, $reader:expr) => {
        Language {
            name: $name,
            endings: &$endings,
            comments: $comments,
            reader: $reader,
            has_clauses: matches!($name.as_bytes(), b"haskell" | b"elixir"),
            compiled: OnceLock::new(),
        }
    };
    // A language behind a feature: without it, a plain text.
    ($name:literal, $endings:expr, $comments:expr, $feature:literal, $grammar:expr, $queries:expr) => {
        row!($name, $endings, $comments, {
            #[cfg(feature = $feature)]
            let reader = grammar!($grammar, $queries);
            #[cfg(not(feature = $feature))]
            let reader = Reader::Plain;
            reader
        })
    };
}

macro_rules! grammar {
    ($grammar:expr, $queries:expr) => {
        Reader::Grammar { grammar: || $grammar.into(), queries: &$queries }
    };
}

/// The languages with a grammar come first; then documents and data; the others are told apart so that answers can name them.
static LANGUAGES: [Language; 38] = [
    row!("rust", ["rs"], SLASHES, grammar!(tree_sitter_rust::LANGUAGE, [include_str!("rust.scm")])),
    row!(
        "python",
        ["py", "pyi", "pyw", "bzl", "bazel", "sconstruct", "wscript"],
        HASHES,
        grammar!(tree_sitter_python::LANGUAGE, [include_str!("python.scm")])
    ),
    row!(
        "javascript",
        ["js", "mjs", "cjs", "jsx"],
        SLASHES,
        grammar!(
            tree_sitter_javascript::LANGUAGE,
            [ECMASCRIPT, include_str!("javascript.scm"), include_str!("jsx.scm")]
        )
    ),
    row!(
        "typescript",
        ["ts", "mts", "cts"],
        SLASHES,
        grammar!(tree_sitter_typescript::LANGUAGE_TYPESCRIPT, [ECMASCRIPT, include_str!("typescript.scm")])
    ),
    row!(
        "tsx",
        ["tsx"],
        SLASHES,
        grammar!(
            tree_sitter_typescript::LANGUAGE_TSX,
            [ECMASCRIPT, include_str!("typescript.scm"), include_str!("jsx.scm")]
        )
    ),
    row!("go", ["go"], SLASHES, grammar!(tree_sitter_go::LANGUAGE, [include_str!("go.scm")])),
    row!("java", ["java"], SLASHES, grammar!(tree_sitter_java::LANGUAGE, [include_str!("java.scm")])),
    row!("c", ["c", "h"], SLASHES, grammar!(tree_sitter_c::LANGUAGE, [include_str!("c.scm")])),
    row!(
        "cpp",
        ["cc", "cpp", "cxx", "c++", "hh", "hpp", "hxx", "h++", "ipp", "inl", "ino", "cu", "cuh"],
        SLASHES,
        grammar!(tree_sitter_cpp::LANGUAGE, [include_str!("c.scm"), include_str!("cpp.scm")])
    ),
    row!(
        "shell",
        ["sh", "bash", "zsh", "ksh", "bats", "bashrc", "bash_profile", "zshrc", "profile"],
        HASHES,
        grammar!(tree_sitter_bash::LANGUAGE, [include_str!("bash.scm")])
    ),
    row!("lua", ["lua"], LUA, grammar!(tree_sitter_lua::LANGUAGE, [include_str!("lua.scm")])),
    row!("zig", ["zig", "zon"], SLASHES, grammar!(tree_sitter_zig::LANGUAGE, [include_str!("zig.scm")])),
    row!(
        "csharp",
        ["cs", "csx"],
        SLASHES,
        "csharp",
        tree_sitter_c_sharp::LANGUAGE,
        [include_str!("csharp.scm")]
    ),
    row!(
        "ruby",
        [
            "rb",
            "rake",
            "gemspec",
            "ru",
            "podspec",
            "gemfile",
            "rakefile",
            "vagrantfile",
            "podfile",
            "brewfile"
        ],
        RUBY,
        "ruby",
        tree_sitter_ruby::LANGUAGE,
        [include_str!("ruby.scm")]
    ),
    row!(
        "php",
        ["php", "phtml", "php5"],
        PHP,
        "php",
        tree_sitter_php::LANGUAGE_PHP,
        [include_str!("php.scm")]
    ),
    row!(
        "kotlin",
        ["kt", "kts"],
        SLASHES,
        "kotlin",
        tree_sitter_kotlin_ng::LANGUAGE,
        [include_str!("kotlin.scm")]
    ),
    row!("swift", ["swift"], SLASHES, "swift", tree_sitter_swift::LANGUAGE, [include_str!("swift.scm")]),
    row!(
        "scala",
        ["scala", "sc", "sbt", "mill"],
        SLASHES,
        "scala",
        tree_sitter_scala::LANGUAGE,
        [include_str!("scala.scm")]
    ),
    row!("haskell", ["hs"], HASKELL, "haskell", tree_sitter_haskell::LANGUAGE, [include_str!("haskell.scm")]),
    row!(
        "elixir",
        ["ex", "exs"],
        HASHES,
        "elixir",
        tree_sitter_elixir::LANGUAGE,
        [include_str!("elixir.scm")]
    ),
    row!("markdown", ["md", "markdown", "mdx"], MARKUP, Reader::Lines(structure::markdown)),
    row!("json", ["json", "jsonc", "json5", "webmanifest"], NONE, Reader::Lines(structure::json)),
    row!("toml", ["toml"], HASHES, Reader::Lines(structure::toml)),
    row!("yaml", ["yaml", "yml"], HASHES, Reader::Lines(structure::yaml)),
    row!("html", ["html", "htm", "xhtml"], MARKUP, Reader::Page),
    row!("vue", ["vue"], MARKUP, Reader::Page),
    row!("svelte", ["svelte"], MARKUP, Reader::Page),
    row!("css", ["css", "scss", "less"], SLASHES, Reader::Lines(structure::css)),
    row!("sql", ["sql", "psql", "ddl"], SQL, Reader::Lines(structure::sql)),
    row!("protobuf", ["proto"], SLASHES, Reader::Lines(structure::protobuf)),
    row!("make", ["mk", "mak", "makefile", "gnumakefile"], HASHES, Reader::Lines(structure::make)),
    row!("just", ["just", "justfile"], HASHES, Reader::Lines(structure::just)),
    row!("docker", ["dockerfile", "containerfile"], HASHES, Reader::Lines(structure::docker)),
    row!("cmake", ["cmake"], HASHES, Reader::Plain),
    row!("sass", ["sass"], SLASHES, Reader::Plain),
    row!("jsonl", ["jsonl", "ndjson"], NONE, Reader::Plain),
    row!("fish", ["fish"], HASHES, Reader::Plain),
    row!("text", [], NONE, Reader::Plain),
];

/// The language of a file, by its name and, for a script without an ending, its first line. Unknown ones are `text`.
pub(crate) fn of(path: &str, text: &str) -> &'static Language {
    let name = path.rsplit('/').next().unwrap_or(path);
    let ending = match name.split('.').next() {
        // `Dockerfile.dev`, `Makefile.am`.
        Some(stem @ ("Dockerfile" | "Containerfile" | "Makefile")) => stem,
        _ if name == "CMakeLists.txt" => "cmake",
        _ => name.rsplit('.').next().unwrap_or(name),
    };
    let ending = ending.to_ascii_lowercase();
    let found = LANGUAGES.iter().find(|language| language.endings.contains(&&*ending));
    match found {
        // A header is C until it says otherwise.
        Some(language) if language.name == "c" && ending == "h" && looks_like_cpp(text) => named("cpp"),
        Some(language) => language,
        None => by_first_line(text),
    }
}

/// The row of a name; `text` when there is none.
pub(crate) fn named(name: &str) -> &'static Language {
    LANGUAGES.iter().find(|language| language.name == name).unwrap_or(&LANGUAGES[LANGUAGES.len() - 1])
}

fn looks_like_cpp(text: &str) -> bool {
    text.lines().take(2000).map(str::trim_start).any(|line| {
        ["class ", "namespace ", "template", "public:", "private:", "protected:", "using "]
            .iter()
            .any(|word| line.starts_with(word))
    })
}

fn by_first_line(text: &str) -> &'static Language {
    let first = text.lines().next().unwrap_or_default();
    let Some(command) = first.strip_prefix("#!") else { return named("text") };
    let shells = ["bash", "/sh", " sh", "zsh"];
    let known = ["python", "ruby", "lua", "php", "elixir", "swift", "scala", "kotlin"];
    if let Some(name) = known.iter().find(|name| command.contains(**name)) {
        named(name)
    } else if ["node", "deno", "bun"].iter().any(|name| command.contains(name)) {
        named(if command.contains("node") { "javascript" } else { "typescript" })
    } else if shells.iter().any(|shell| command.contains(shell)) {
        named("shell")
    } else {
        named("text")
    }
}

impl Language {
    /// Whether its files have symbols.
    pub(crate) fn has_grammar(&self) -> bool {
        matches!(self.reader, Reader::Grammar { .. } | Reader::Page)
    }

    /// The grammar and its query; `None` for a language without one.
    pub(crate) fn compiled(&self) -> Option<&Compiled> {
        self.compiled.get_or_init(|| Compiled::new(self).ok().flatten()).as_ref()
    }
}

impl Compiled {
    fn new(language: &Language) -> Result<Option<Self>, tree_sitter::QueryError> {
        let Reader::Grammar { grammar, queries } = language.reader else { return Ok(None) };
        let grammar = grammar();
        let query = Query::new(&grammar, &queries.concat())?;
        let roles = query.capture_names().iter().map(|name| role(name)).collect();
        Ok(Some(Self { grammar, query, roles }))
    }
}

fn role(capture: &str) -> Role {
    match capture {
        "name" => Role::Name,
        "qualified" => Role::Qualified,
        "embedded" => Role::Embedded,
        "declarator" => Role::Declarator,
        "parent" => Role::Receiver,
        "ref.call" => Role::Use(1),
        "ref.type" => Role::Use(2),
        "ref.import" => Role::Use(3),
        "ref.use" => Role::Use(0),
        "ref.path" => Role::Path,
        "ref.token" => Role::Token,
        "inner" => Role::Inner,
        unseen if unseen.starts_with('_') => Role::Predicate,
        other => {
            let kind = other.rsplit('.').next().unwrap_or(other);
            Role::Definition(KINDS.iter().find(|known| **known == kind).unwrap_or(&KINDS[0]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_compiles() {
        let with_grammar = LANGUAGES.iter().filter(|row| matches!(row.reader, Reader::Grammar { .. }));
        for language in with_grammar {
            match Compiled::new(language) {
                Ok(Some(compiled)) => {
                    for name in compiled.query.capture_names() {
                        assert_ne!(
                            role(name),
                            Role::Definition("symbol"),
                            "{}: @{name} has no role",
                            language.name
                        );
                    }
                }
                Ok(None) => panic!("{} has no grammar", language.name),
                Err(error) => panic!("{}: {error}", language.name),
            }
        }
    }

    fn check(path: &str, text: &str, expect: &str) {
        assert_eq!(of(path, text).name, expect, "{path}");
    }

    #[test]
    fn files_are_told_apart() {
        check("src/a.rs", "", "rust");
        check("A.PY", "", "python");
        check("x.d.ts", "", "typescript");
        check("Makefile", "", "make");
        check("inc/a.h", "struct a;", "c");
        check("inc/a.h", "namespace x {\n}", "cpp");
        check("run", "#!/usr/bin/env python3\n", "python");
        check("run", "#!/bin/sh\n", "shell");
        check("LICENSE", "MIT", "text");
    }
}
