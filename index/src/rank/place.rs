//! Owns what a path alone says: tests, examples, vendored, generated, documents, settings; how well it fits words.
//! Uses `tokenize`.
//! Never reads files.

/// Why a path stands aside, if it does. Test code inside of a file is known by its spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aside {
    Test,
    Vendored,
    Example,
    Generated,
}

/// What a file is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Matter {
    Code,
    Document,
    Setting,
}

/// Why a path stands aside, if it does.
pub(crate) fn aside(path: &str) -> Option<Aside> {
    if is_test_path(path) {
        return Some(Aside::Test);
    }
    let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
    for folder in folders.split('/') {
        match folder.to_ascii_lowercase().as_str() {
            "vendor" | "vendored" | "third_party" | "third-party" | "thirdparty" | "external" | "deps"
            | "bower_components" | "node_modules" => {
                return Some(Aside::Vendored);
            }
            "examples" | "example" | "samples" | "sample" | "demo" | "demos" | "benches" | "bench"
            | "benchmark" | "benchmarks" | "playground" | "playgrounds" | "docs_src" => {
                return Some(Aside::Example);
            }
            "dist" | "generated" | "fixtures" | "testdata" | "snapshots" | "__snapshots__" => {
                return Some(Aside::Generated);
            }
            _ => {}
        }
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    let generated =
        [".min.js", ".min.css", ".lock", "-lock.json", "-lock.yaml", ".snap", ".pb.go", "_pb2.py", "go.sum"];
    if generated.iter().any(|ending| name.ends_with(ending)) {
        return Some(Aside::Generated);
    }
    None
}

/// Whether a path is test code by the customs of its language.
pub(crate) fn is_test_path(path: &str) -> bool {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let in_tests = folders.split('/').any(|folder| {
        matches!(
            folder,
            "test"
                | "tests"
                | "Tests"
                | "__tests__"
                | "testing"
                | "spec"
                | "specs"
                | "e2e"
                | "integration-tests"
                | "tests-integration"
                | "testsuite"
                | "__mocks__"
        ) || folder.ends_with("Tests")
            || folder.ends_with(".Test")
            || folder.ends_with("-tests")
            || folder.ends_with("_tests")
    });
    let stem = name.split('.').next().unwrap_or(name);
    let with_capitals = [".java", ".kt", ".cs", ".swift", ".scala", ".php"];
    in_tests
        || stem.starts_with("test_")
        || stem.ends_with("_test")
        || stem.ends_with("_tests")
        || stem.ends_with("_spec")
        || name == "conftest.py"
        || name == "tests.rs"
        || name.contains(".test.")
        || name.contains(".spec.")
        || name.contains(".test-d.")
        || with_capitals.iter().any(|ending| name.ends_with(ending))
            && (stem.ends_with("Test")
                || stem.ends_with("Tests")
                || stem.ends_with("IT")
                || stem.ends_with("Spec")
                || stem.ends_with("Suite"))
}

/// What a file of a path and a language is made of.
pub(crate) fn matter(path: &str, language: &str) -> Matter {
    let name = path.rsplit('/').next().unwrap_or(path);
    match language {
        "markdown" => Matter::Document,
        "json" | "jsonl" | "toml" | "yaml" => Matter::Setting,
        "text" if name.contains('.') || name.chars().all(|character| !character.is_lowercase()) => {
            match name.rsplit('.').next().unwrap_or("") {
                "txt" | "rst" | "adoc" | "org" | "tex" | "asciidoc" => Matter::Document,
                _ => Matter::Setting,
            }
        }
        "html" => Matter::Document,
        _ => Matter::Code,
    }
}

/// The name of a file without its endings; for one that only stands for its folder, the folder's.
pub(crate) fn stem(path: &str) -> &str {
    let mut pieces = path.rsplit('/');
    let name = pieces.next().unwrap_or(path);
    let stem = name.split('.').find(|piece| !piece.is_empty()).unwrap_or(name);
    match stem {
        "mod" | "index" | "__init__" | "lib" | "main" | "init" => pieces.next().unwrap_or(stem),
        _ => stem,
    }
}

/// What a test tests, by its name, without case and separators: `test_config.py`, `ConfigTests.java` → `config`.
pub(crate) fn subject(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.split('.').find(|piece| !piece.is_empty()).unwrap_or(name);
    let plain = crate::tokenize::normalise(stem);
    let bare = plain.strip_prefix("test").filter(|rest| !rest.is_empty()).unwrap_or(&plain);
    let endings = ["tests", "test", "specs", "spec", "suite", "it"];
    let end = endings.iter().find_map(|ending| bare.strip_suffix(ending)).filter(|rest| rest.len() > 2);
    end.unwrap_or(bare).to_owned()
}

/// Whether a file only stands for its folder.
pub(crate) fn is_entry(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.split('.').find(|piece| !piece.is_empty()).unwrap_or(name);
    matches!(stem, "mod" | "index" | "__init__" | "lib" | "main" | "init")
}

/// How well a path is what was named, up to 1: all of either is the end of the other, or both end in the same parts.
pub(crate) fn names_path(path: &str, asked: &str) -> f32 {
    let is_end = |long: &str, short: &str| {
        long.strip_suffix(short).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
    };
    if is_end(path, asked) || is_end(asked, path) {
        return 1.0;
    }
    let same = path.rsplit('/').zip(asked.rsplit('/')).take_while(|(one, other)| one == other).count();
    match same {
        0 => 0.0,
        1 => 0.3,
        2 => 0.7,
        _ => 0.85,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_path(path: &str, expect: Option<Aside>) {
        assert_eq!(aside(path), expect, "{path}");
    }

    #[test]
    fn paths_stand_aside() {
        check_path("src/lib.rs", None);
        check_path("src/latest/contest.rs", None);
        check_path("tests/a.rs", Some(Aside::Test));
        check_path("pkg/a_test.go", Some(Aside::Test));
        check_path("src/a.spec.ts", Some(Aside::Test));
        check_path("src/test/java/A.java", Some(Aside::Test));
        check_path("Tests/NIOTests/ATests.swift", Some(Aside::Test));
        check_path("src/Contest.java", None);
        check_path("vendor/x/a.c", Some(Aside::Vendored));
        check_path("examples/a.rs", Some(Aside::Example));
        check_path("Cargo.lock", Some(Aside::Generated));
    }

    #[test]
    fn files_are_code_documents_or_settings() {
        for (path, language, expect) in [
            ("a.rs", "rust", Matter::Code),
            ("README.md", "markdown", Matter::Document),
            ("NEWS.rst", "text", Matter::Document),
            ("Cargo.toml", "toml", Matter::Setting),
            ("LICENSE", "text", Matter::Setting),
            ("bin/tool", "text", Matter::Code),
        ] {
            assert_eq!(matter(path, language), expect, "{path}");
        }
    }

    #[test]
    fn names_of_files_are_their_stems() {
        assert_eq!(stem("src/a/join_queue.rs"), "join_queue");
        assert_eq!(stem("src/a/mod.rs"), "a");
        assert_eq!(stem("index.d.ts"), "index");
        assert_eq!(stem(".gitignore"), "gitignore");
    }

    #[test]
    fn tests_name_their_subject() {
        for (path, expect) in [
            ("tests/test_config.py", "config"),
            ("a/ConfigTests.java", "config"),
            ("config_test.go", "config"),
            ("__tests__/apiCustomElement.spec.ts", "apicustomelement"),
            ("tests/sync_mpsc.rs", "syncmpsc"),
        ] {
            assert_eq!(subject(path), expect, "{path}");
        }
    }

    #[test]
    fn named_paths_fit_from_their_ends() {
        assert_eq!(names_path("src/x/a.rs", "a.rs"), 1.0);
        assert_eq!(names_path("src/x/a.rs", "x/a.rs"), 1.0);
        assert_eq!(names_path("src/x/a.rs", "/home/me/p/src/x/a.rs"), 1.0);
        assert_eq!(names_path("src/flask/app.py", "/usr/lib/site-packages/flask/app.py"), 0.7);
        assert_eq!(names_path("src/x/ba.rs", "a.rs"), 0.0);
    }
}
