//! Owns how likely it is that a use of a name means one definition rather than another of the same name.
//! Uses paths, imports and what stands before the name on its line; there is no type checker behind it.
//! Never drops a use: what is unlikely is marked, with the reason.

use std::collections::HashSet;

use super::places::{tagged, whole_words};
use super::source::record_at;
use crate::Definition;
use crate::engine::{Engine, Snapshot};
use crate::manifest::{Manifest, Record};
use crate::store::Failure;

/// Files that mark their folder as a package of its own.
const PACKAGE_MARKS: &[&str] = &[
    "Cargo.toml",
    "package.json",
    "pyproject.toml",
    "setup.py",
    "go.mod",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "composer.json",
    "Gemfile",
    "Package.swift",
    "build.sbt",
    "mix.exs",
    "build.zig",
    "dune-project",
];
/// More definitions of a name than this say nothing about where it is used.
const COMMON: usize = 60;

/// What is known about the definitions that are meant.
pub(crate) struct Meant {
    /// Files that define it.
    files: HashSet<String>,
    families: HashSet<&'static str>,
    packages: HashSet<String>,
    /// Files that import the name, or name the type it belongs to.
    naming: HashSet<String>,
    /// Types that the definitions belong to.
    types: HashSet<String>,
    /// Names that a free definition may be qualified by: its file, its folders, its modules.
    modules: HashSet<String>,
    any_free: bool,
    any_type: bool,
    /// One of them can be called on a value.
    any_receiver: bool,
    /// Others share the name and are not meant.
    rivals: bool,
    package_roots: Vec<String>,
    /// Too many definitions for any of this to say much.
    anything: bool,
}

impl Meant {
    /// Look at the definitions of one name, and at who imports it.
    pub(crate) fn of(
        engine: &Engine,
        snapshot: &Snapshot,
        name: &str,
        definitions: &[Definition],
        rivals: bool,
    ) -> Result<Self, Failure> {
        let anything = definitions.is_empty() || definitions.len() > COMMON;
        let package_roots = if anything { Vec::new() } else { package_roots(&snapshot.manifest) };
        let mut meant = Self {
            files: HashSet::new(),
            families: HashSet::new(),
            packages: HashSet::new(),
            naming: HashSet::new(),
            types: HashSet::new(),
            modules: HashSet::new(),
            any_free: false,
            any_type: false,
            any_receiver: false,
            rivals,
            package_roots,
            anything,
        };
        if anything {
            return Ok(meant);
        }
        for definition in definitions {
            meant.add(snapshot, definition);
        }
        // A file that imports the name, or uses the type it belongs to, is near it wherever it lies.
        for (path, using) in tagged(engine, snapshot, name)?.files {
            if using.places.iter().any(|place| place.kind == 3) {
                meant.naming.insert(path.to_owned());
            }
        }
        let types: Vec<String> = meant.types.iter().take(8).cloned().collect();
        for one in types {
            meant.naming.extend(tagged(engine, snapshot, &one)?.files.into_keys().map(str::to_owned));
        }
        Ok(meant)
    }

    fn add(&mut self, snapshot: &Snapshot, definition: &Definition) {
        self.packages.insert(self.package(&definition.path).to_owned());
        self.files.insert(definition.path.clone());
        if let Some(record) = record_at(snapshot, &definition.path) {
            self.families.insert(family(record.language));
        }
        let owners = type_names(definition.parent.as_deref());
        if owners.is_empty() {
            self.any_free = true;
            let (folders, file) = definition.path.rsplit_once('/').unwrap_or(("", &definition.path));
            self.modules.insert(file.split('.').next().unwrap_or(file).to_owned());
            self.modules.extend(folders.split('/').map(|folder| folder.replace('-', "_")));
            let parent = definition.parent.as_deref().and_then(|parent| parent.split(' ').nth(1));
            self.modules.extend(parent.map(str::to_owned));
        } else {
            self.any_type = true;
            self.any_receiver |= takes_receiver(definition);
            self.types.extend(owners.into_iter().map(str::to_owned));
        }
    }

    fn package<'a>(&self, path: &'a str) -> &'a str {
        package_of(&self.package_roots, path)
    }

    /// Why a whole file is unlikely to mean these definitions, if it is.
    pub(crate) fn doubt_of_file(&self, record: &Record) -> Option<&'static str> {
        if self.anything || self.files.contains(&record.path) {
            return None;
        }
        let own = family(record.language);
        // Texts without a grammar only mention names.
        if !self.families.contains(own) && !self.families.contains("") && !own.is_empty() {
            return Some("another language");
        }
        if self.naming.contains(&record.path) || self.packages.contains(self.package(&record.path)) {
            return None;
        }
        Some("another package that does not import it")
    }

    /// Why a use on a line is unlikely to mean these definitions, if it is. `owner` is the type around the line.
    pub(crate) fn doubt_of_line(
        &self,
        record: &Record,
        line: &str,
        name: &str,
        owner: Option<&str>,
        is_call: bool,
    ) -> Option<String> {
        let of_file = || self.doubt_of_file(record).map(str::to_owned);
        if self.anything {
            return None;
        }
        let Some(before) = qualifier(line, name) else { return of_file() };
        let owner_is_meant = owner.is_some_and(|owner| self.types.contains(owner));
        match before {
            Qualifier::None if self.any_type && !self.any_free && is_call => {
                let fits = owner_is_meant || has_implicit_receiver(record.language);
                if fits { of_file() } else { Some("called without a receiver".to_owned()) }
            }
            Qualifier::Own => match owner {
                Some(owner) if self.any_type && !owner_is_meant => {
                    Some(format!("of {owner}, unless that inherits it"))
                }
                _ => of_file(),
            },
            Qualifier::Path(named) | Qualifier::Dotted(named)
                if self.types.contains(named) || self.modules.contains(named) =>
            {
                None
            }
            Qualifier::Path(named) if named.starts_with(char::is_uppercase) => Some(format!("of {named}")),
            Qualifier::Dotted(named) if named.starts_with(char::is_uppercase) && self.any_type => {
                Some(format!("of {named}"))
            }
            Qualifier::Dotted(_) | Qualifier::Value if !self.any_receiver && record.language == "rust" => {
                Some("a method of something else".to_owned())
            }
            Qualifier::Dotted(_) | Qualifier::Value if self.rivals && !self.names_it(record) => {
                Some("of a value whose type is not written here".to_owned())
            }
            _ => of_file(),
        }
    }

    /// Whether a file defines what is meant, imports it or names its type.
    fn names_it(&self, record: &Record) -> bool {
        self.files.contains(&record.path) || self.naming.contains(&record.path)
    }

    /// How far a file is from the definitions: 0 defines or names them, 1 could use them, 2 is unlikely to.
    pub(crate) fn distance(&self, record: &Record) -> u8 {
        if self.names_it(record) {
            0
        } else if self.doubt_of_file(record).is_none() {
            1
        } else {
            2
        }
    }
}

/// What stands before a name on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Qualifier<'a> {
    /// Nothing that belongs to it.
    None,
    /// `self.`, `this.`, `Self::`, `cls.`, `@`.
    Own,
    /// `Name::`, `name::`.
    Path(&'a str),
    /// `Name.`, `name.`: a type, a module or a value.
    Dotted(&'a str),
    /// `call().`, `a.b.`: a value of some type.
    Value,
}

/// What stands before the first whole occurrence of a name that is used.
pub(crate) fn qualifier<'a>(line: &'a str, name: &'a str) -> Option<Qualifier<'a>> {
    let at = whole_words(line, name).next()?;
    let before = &line[..at];
    let (rest, is_path) = if let Some(rest) = before.strip_suffix("::") {
        (rest, true)
    } else if let Some(rest) = before.strip_suffix("?.").or_else(|| before.strip_suffix("->")) {
        (rest, false)
    } else if let Some(rest) = before.strip_suffix('.') {
        (rest, false)
    } else {
        return Some(if before.ends_with('@') { Qualifier::Own } else { Qualifier::None });
    };
    // `Vec::<u8>::new`, `Map<K, V>::new`: the type is before its arguments.
    let rest = match rest.rfind('<') {
        Some(open) if rest.ends_with('>') && is_path => rest[..open].trim_end_matches("::"),
        _ => rest,
    };
    let start = rest
        .rfind(|character: char| !crate::tokenize::is_word_character(character))
        .map_or(0, |at| at + rest[at..].chars().next().map_or(1, char::len_utf8));
    let word = &rest[start..];
    Some(match word {
        "" => Qualifier::Value,
        "self" | "this" | "Self" | "cls" | "super" | "$this" => Qualifier::Own,
        _ if is_path => Qualifier::Path(word),
        _ if word.starts_with(char::is_lowercase) && rest[..start].ends_with('.') => Qualifier::Value,
        _ => Qualifier::Dotted(word),
    })
}

/// Languages whose methods call each other without `self` or `this`.
fn has_implicit_receiver(language: &str) -> bool {
    matches!(language, "java" | "cpp" | "csharp" | "kotlin" | "scala" | "swift" | "ruby" | "php")
}

/// Whether a method can be called on a value, as far as its signature tells: Rust writes `self` where it can.
pub(crate) fn takes_receiver(definition: &Definition) -> bool {
    let is_rust =
        definition.path.ends_with(".rs") && matches!(definition.kind.as_str(), "method" | "function");
    !is_rust || definition.signature.contains("self")
}

/// Languages that call each other; empty for texts.
pub(crate) fn family(language: &str) -> &'static str {
    match language {
        "rust" => "rust",
        "python" => "python",
        "javascript" | "typescript" | "tsx" | "vue" | "svelte" => "ecmascript",
        "go" => "go",
        "java" | "kotlin" | "scala" => "jvm",
        "c" | "cpp" => "c",
        "csharp" => "csharp",
        "swift" => "swift",
        "ruby" => "ruby",
        "php" => "php",
        "lua" => "lua",
        "zig" => "zig",
        "haskell" => "haskell",
        "elixir" => "elixir",
        "shell" => "shell",
        _ => "",
    }
}

/// The types in a label such as `impl Display for Foo`, `class Bar`; modules and functions are none.
pub(crate) fn type_names(parent: Option<&str>) -> Vec<&str> {
    let Some((kind, rest)) = parent.and_then(|parent| parent.split_once(' ')) else { return Vec::new() };
    if matches!(kind, "mod" | "fn" | "namespace" | "package") {
        return Vec::new();
    }
    rest.split(" for ").map(bare).filter(|name| !name.is_empty()).collect()
}

/// `fmt::Display` → `Display`, `Vec<T>` → `Vec`, `&mut Foo` → `Foo`.
fn bare(text: &str) -> &str {
    let head = text.split(['<', '(', '[']).next().unwrap_or(text).trim();
    let head = head.rsplit("::").next().unwrap_or(head);
    head.rsplit(['.', ' ', '&', '*']).next().unwrap_or(head)
}

/// The folders that are packages, by path.
pub(crate) fn package_roots(manifest: &Manifest) -> Vec<String> {
    let mut roots: Vec<String> = manifest
        .records
        .iter()
        .filter_map(|record| {
            let (folder, name) = record.path.rsplit_once('/').unwrap_or(("", &record.path));
            PACKAGE_MARKS.contains(&name).then(|| folder.to_owned())
        })
        .collect();
    roots.sort();
    roots.dedup();
    roots
}

/// The nearest package around a path; empty where there is none.
pub(crate) fn package_of<'a>(roots: &[String], path: &'a str) -> &'a str {
    let mut folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    while !folder.is_empty() {
        if roots.binary_search_by(|root| root.as_str().cmp(folder)).is_ok() {
            return folder;
        }
        folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_a_name() {
        let check = |line: &str, expect: Option<Qualifier<'_>>| {
            assert_eq!(qualifier(line, "load"), expect, "{line}");
        };
        check("load(x)", Some(Qualifier::None));
        check("let x = load;", Some(Qualifier::None));
        check("Config::load(x)", Some(Qualifier::Path("Config")));
        check("a::config::load(x)", Some(Qualifier::Path("config")));
        check("Map::<K, V>::load(x)", Some(Qualifier::Path("Map")));
        check("Config.load(x)", Some(Qualifier::Dotted("Config")));
        check("config.load(x)", Some(Qualifier::Dotted("config")));
        check("self.load(x)", Some(Qualifier::Own));
        check("this->load(x)", Some(Qualifier::Own));
        check("self.inner.load(x)", Some(Qualifier::Value));
        check("open().load(x)", Some(Qualifier::Value));
        check("x?.load(x)", Some(Qualifier::Dotted("x")));
        check("reload(x)", None);
    }

    #[test]
    fn labels_name_their_types() {
        let check = |label: &str, expect: &[&str]| assert_eq!(type_names(Some(label)), expect, "{label}");
        check("impl Foo", &["Foo"]);
        check("impl fmt::Display for Foo<T>", &["Display", "Foo"]);
        check("class Bar", &["Bar"]);
        check("type Server", &["Server"]);
        check("mod tests", &[]);
        check("fn outer", &[]);
    }

    #[test]
    fn packages_are_the_nearest_marked_folders() {
        let roots = ["", "a", "a/b"].map(str::to_owned).to_vec();
        for (path, expect) in [("x.rs", ""), ("a/src/x.rs", "a"), ("a/b/c/x.rs", "a/b"), ("c/x.rs", "")] {
            assert_eq!(package_of(&roots, path), expect, "{path}");
        }
    }
}
