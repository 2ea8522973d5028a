//! Owns the table of languages: names, file endings, grammars, queries.
//! Uses the tree-sitter grammars.
//! Never parses; a new language is one row here and one `.scm` beside it.

use std::sync::OnceLock;

use tree_sitter::Query;

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
];

/// What a capture of a query stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The name of the definition.
    Name,
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
}

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Language {
    /// As answers name it.
    pub(crate) name: &'static str,
    endings: &'static [&'static str],
    /// What starts a comment line.
    pub(crate) comments: &'static [&'static str],
    grammar: Option<fn() -> tree_sitter::Language>,
    queries: &'static [&'static str],
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

const SLASHES: &[&str] = &["///", "//!", "//", "/**", "/*", "*/", "*"];
const HASHES: &[&str] = &["#"];
const ECMASCRIPT: &str = include_str!("ecmascript.scm");

macro_rules! row {
    ($name:literal, $endings:expr, $comments:expr, $grammar:expr, $queries:expr) => {
        Language {
            name: $name,
            endings: $endings,
            comments: $comments,
            grammar: $grammar,
            queries: $queries,
            compiled: OnceLock::new(),
        }
    };
}

/// The languages with a grammar come first; the others are told apart so that answers can name them.
static LANGUAGES: [Language; 32] = [
    row!("rust", &["rs"], SLASHES, Some(|| tree_sitter_rust::LANGUAGE.into()), &[include_str!("rust.scm")]),
    row!(
        "python",
        &["py", "pyi", "pyw"],
        HASHES,
        Some(|| tree_sitter_python::LANGUAGE.into()),
        &[include_str!("python.scm")]
    ),
    row!(
        "javascript",
        &["js", "mjs", "cjs", "jsx"],
        SLASHES,
        Some(|| tree_sitter_javascript::LANGUAGE.into()),
        &[ECMASCRIPT, include_str!("javascript.scm"), include_str!("jsx.scm")]
    ),
    row!(
        "typescript",
        &["ts", "mts", "cts"],
        SLASHES,
        Some(|| tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into()),
        &[ECMASCRIPT, include_str!("typescript.scm")]
    ),
    row!(
        "tsx",
        &["tsx"],
        SLASHES,
        Some(|| tree_sitter_typescript::LANGUAGE_TSX.into()),
        &[ECMASCRIPT, include_str!("typescript.scm"), include_str!("jsx.scm")]
    ),
    row!("go", &["go"], SLASHES, Some(|| tree_sitter_go::LANGUAGE.into()), &[include_str!("go.scm")]),
    row!("java", &["java"], SLASHES, Some(|| tree_sitter_java::LANGUAGE.into()), &[include_str!("java.scm")]),
    row!("c", &["c", "h"], SLASHES, Some(|| tree_sitter_c::LANGUAGE.into()), &[include_str!("c.scm")]),
    row!(
        "cpp",
        &["cc", "cpp", "cxx", "c++", "hh", "hpp", "hxx", "h++", "ipp", "inl", "cu", "cuh"],
        SLASHES,
        Some(|| tree_sitter_cpp::LANGUAGE.into()),
        &[include_str!("c.scm"), include_str!("cpp.scm")]
    ),
    row!("markdown", &["md", "markdown", "mdx"], &[], None, &[]),
    row!("json", &["json", "jsonc", "json5", "jsonl"], &[], None, &[]),
    row!("toml", &["toml"], HASHES, None, &[]),
    row!("yaml", &["yaml", "yml"], HASHES, None, &[]),
    row!("html", &["html", "htm", "xhtml"], &[], None, &[]),
    row!("css", &["css", "scss", "sass", "less"], SLASHES, None, &[]),
    row!("shell", &["sh", "bash", "zsh", "fish", "ksh"], HASHES, None, &[]),
    row!("sql", &["sql"], &["--"], None, &[]),
    row!("ruby", &["rb", "rake", "gemspec"], HASHES, None, &[]),
    row!("php", &["php"], SLASHES, None, &[]),
    row!("csharp", &["cs"], SLASHES, None, &[]),
    row!("kotlin", &["kt", "kts"], SLASHES, None, &[]),
    row!("swift", &["swift"], SLASHES, None, &[]),
    row!("scala", &["scala", "sc"], SLASHES, None, &[]),
    row!("lua", &["lua"], &["--"], None, &[]),
    row!("zig", &["zig"], SLASHES, None, &[]),
    row!("haskell", &["hs"], &["--"], None, &[]),
    row!("elixir", &["ex", "exs"], HASHES, None, &[]),
    row!("vue", &["vue"], SLASHES, None, &[]),
    row!("svelte", &["svelte"], SLASHES, None, &[]),
    row!("protobuf", &["proto"], SLASHES, None, &[]),
    row!("make", &["mk", "makefile", "gnumakefile", "justfile", "dockerfile", "cmake"], HASHES, None, &[]),
    row!("text", &[], &[], None, &[]),
];

/// The language of a file, by its name and, for a script without an ending, its first line. Unknown ones are `text`.
pub(crate) fn of(path: &str, text: &str) -> &'static Language {
    let name = path.rsplit('/').next().unwrap_or(path);
    let ending = name.rsplit('.').next().unwrap_or(name).to_ascii_lowercase();
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
    if command.contains("python") {
        named("python")
    } else if command.contains("node") {
        named("javascript")
    } else if shells.iter().any(|shell| command.contains(shell)) {
        named("shell")
    } else {
        named("text")
    }
}

impl Language {
    /// The grammar and its query; `None` for a language without one.
    pub(crate) fn compiled(&self) -> Option<&Compiled> {
        self.compiled.get_or_init(|| Compiled::new(self).ok().flatten()).as_ref()
    }
}

impl Compiled {
    fn new(language: &Language) -> Result<Option<Self>, tree_sitter::QueryError> {
        let Some(grammar) = language.grammar.map(|make| make()) else { return Ok(None) };
        let query = Query::new(&grammar, &language.queries.concat())?;
        let roles = query.capture_names().iter().map(|name| role(name)).collect();
        Ok(Some(Self { grammar, query, roles }))
    }
}

fn role(capture: &str) -> Role {
    match capture {
        "name" => Role::Name,
        "parent" => Role::Receiver,
        "ref.call" => Role::Use(1),
        "ref.type" => Role::Use(2),
        "ref.import" => Role::Use(3),
        "ref.path" => Role::Path,
        "ref.token" => Role::Token,
        "inner" => Role::Inner,
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
        for language in LANGUAGES.iter().filter(|language| language.grammar.is_some()) {
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
