//! Owns the detection of a project's own commands: test, build, lint, format, run.
//! Uses the manifests in the project's root.
//! Never runs anything.

use std::path::Path;

use crate::tools::ProjectTask;

/// Manifests are small; a larger file is not one.
const MAX_MANIFEST: u64 = 1024 * 1024;

/// The commands of the project at `root`, at most one for each task.
///
/// What a project spells out itself (just, make, package scripts) counts more than what its language suggests.
#[must_use]
pub fn detect(root: &Path) -> Vec<ProjectTask> {
    let manifest = |name: &str| read(root, name);
    let has = |name: &str| root.join(name).exists();
    let mut found: Vec<(&str, String)> = Vec::new();
    let mut suggest = |task: &'static str, command: String| {
        if !found.iter().any(|(known, _)| *known == task) {
            found.push((task, command));
        }
    };
    if let Some(text) = manifest("Cargo.toml") {
        for (task, command) in cargo(&text, root) {
            suggest(task, command);
        }
    }
    if let Some(text) = manifest("package.json") {
        for (task, command) in package_scripts(&text, &has) {
            suggest(task, command);
        }
    }
    if ["pyproject.toml", "setup.py", "setup.cfg", "tox.ini", "pytest.ini", "requirements.txt"]
        .iter()
        .any(|name| has(name))
    {
        let text = ["pyproject.toml", "setup.cfg", "tox.ini"]
            .iter()
            .filter_map(|name| manifest(name))
            .collect::<Vec<_>>()
            .join("\n");
        for (task, command) in python(&text, &has) {
            suggest(task, command);
        }
    }
    if has("go.mod") {
        suggest("test", "go test ./...".into());
        suggest("build", "go build ./...".into());
        suggest(
            "lint",
            if has(".golangci.yml") || has(".golangci.yaml") { "golangci-lint run" } else { "go vet ./..." }
                .into(),
        );
        suggest("format", "gofmt -l -w .".into());
        if has("main.go") {
            suggest("run", "go run .".into());
        }
    }
    if has("pom.xml") {
        let maven = if has("mvnw") { "./mvnw" } else { "mvn" };
        suggest("test", format!("{maven} test"));
        suggest("build", format!("{maven} package -DskipTests"));
    }
    if ["build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts"]
        .iter()
        .any(|name| has(name))
    {
        let gradle = if has("gradlew") { "./gradlew" } else { "gradle" };
        suggest("test", format!("{gradle} test"));
        suggest("build", format!("{gradle} build -x test"));
        suggest("lint", format!("{gradle} check -x test"));
        suggest("run", format!("{gradle} run"));
    }
    // A justfile or Makefile beside a language's manifest is how the project wants to be used, but only for the
    // tasks whose recipe it has.
    let recipes = ["justfile", "Justfile", ".justfile"]
        .iter()
        .find_map(|name| manifest(name))
        .map(|text| ("just", text));
    let makefile = ["GNUmakefile", "makefile", "Makefile"]
        .iter()
        .find_map(|name| manifest(name))
        .map(|text| ("make", text));
    for (program, text) in recipes.into_iter().chain(makefile) {
        for (task, command) in recipe_tasks(program, &text) {
            suggest(task, command);
        }
    }
    if has("CMakeLists.txt") {
        suggest("build", "cmake -B build && cmake --build build".into());
        suggest(
            "test",
            "cmake -B build && cmake --build build && ctest --test-dir build --output-on-failure".into(),
        );
    }
    let order = ["test", "build", "lint", "format", "run"];
    order
        .iter()
        .filter_map(|task| found.iter().find(|(name, _)| name == task))
        .map(|(name, command)| ProjectTask { name: (*name).to_owned(), command: command.clone() })
        .collect()
}

fn read(root: &Path, name: &str) -> Option<String> {
    let path = root.join(name);
    let size = crate::files::inspect(&path).ok()?;
    if size > MAX_MANIFEST {
        return None;
    }
    let content = crate::files::read(&path).ok()?;
    Some(String::from_utf8_lossy(&content.bytes).into_owned())
}

fn cargo(text: &str, root: &Path) -> Vec<(&'static str, String)> {
    let table = text.parse::<toml::Table>().unwrap_or_default();
    let all = if table.contains_key("workspace") { " --workspace" } else { "" };
    let mut tasks = vec![
        ("test", format!("cargo test{all}")),
        ("build", format!("cargo build{all}")),
        ("lint", format!("cargo clippy{all} --all-targets")),
        ("format", format!("cargo fmt{}", if all.is_empty() { "" } else { " --all" })),
    ];
    if root.join("src/main.rs").exists() || table.contains_key("bin") || has_default_members(&table) {
        tasks.push(("run", "cargo run".into()));
    }
    tasks
}

fn has_default_members(table: &toml::Table) -> bool {
    table.get("workspace").and_then(|workspace| workspace.get("default-members")).is_some()
}

fn package_scripts(text: &str, has: &dyn Fn(&str) -> bool) -> Vec<(&'static str, String)> {
    let Ok(manifest) = serde_json::from_str::<serde_json::Value>(text) else { return Vec::new() };
    let program = if has("pnpm-lock.yaml") {
        "pnpm"
    } else if has("yarn.lock") {
        "yarn"
    } else if has("bun.lockb") || has("bun.lock") {
        "bun"
    } else {
        "npm"
    };
    let script = |names: &[&str]| -> Option<String> {
        let scripts = manifest.get("scripts")?.as_object()?;
        names
            .iter()
            .find(|name| scripts.get(**name).and_then(|script| script.as_str()).is_some_and(is_real))
            .map(ToString::to_string)
    };
    let command = |name: String| match (program, name.as_str()) {
        // `bun test` is bun's own runner, not the script.
        ("bun", _) => format!("bun run {name}"),
        (_, "test") => format!("{program} test"),
        ("yarn" | "pnpm", _) => format!("{program} {name}"),
        _ => format!("npm run {name}"),
    };
    let wanted: [(&'static str, &[&str]); 5] = [
        ("test", &["test", "tests", "test:unit", "unit"]),
        ("build", &["build", "compile"]),
        ("lint", &["lint", "eslint", "check"]),
        ("format", &["format", "fmt", "prettier"]),
        ("run", &["start", "dev", "serve"]),
    ];
    wanted.into_iter().filter_map(|(task, names)| script(names).map(|name| (task, command(name)))).collect()
}

/// The script that `npm init` writes is none.
fn is_real(script: &str) -> bool {
    !script.contains("no test specified")
}

fn python(text: &str, has: &dyn Fn(&str) -> bool) -> Vec<(&'static str, String)> {
    let mut tasks = Vec::new();
    let prefix = if has("uv.lock") {
        "uv run "
    } else if has("poetry.lock") {
        "poetry run "
    } else {
        ""
    };
    let tests = has("tests") || has("test");
    let pytest =
        text.contains("pytest") || has("pytest.ini") || has("conftest.py") || has("tests/conftest.py");
    if pytest {
        tasks.push(("test", format!("{prefix}pytest")));
    } else if has("tox.ini") {
        tasks.push(("test", "tox".into()));
    } else if has("manage.py") {
        tasks.push(("test", format!("{prefix}python manage.py test")));
    } else if tests {
        tasks.push(("test", format!("{prefix}python -m unittest discover")));
    }
    if text.contains("[build-system]") || has("setup.py") {
        tasks.push(("build", format!("{prefix}python -m build")));
    }
    if text.contains("ruff") || has("ruff.toml") || has(".ruff.toml") {
        tasks.push(("lint", format!("{prefix}ruff check .")));
        tasks.push(("format", format!("{prefix}ruff format .")));
    } else if text.contains("flake8") || has(".flake8") {
        tasks.push(("lint", format!("{prefix}flake8")));
    } else if text.contains("pylint") || has(".pylintrc") {
        tasks.push(("lint", format!("{prefix}pylint .")));
    } else if text.contains("mypy") {
        tasks.push(("lint", format!("{prefix}mypy .")));
    }
    if text.contains("[tool.black]") || text.contains("\"black") {
        tasks.push(("format", format!("{prefix}black .")));
    }
    if has("manage.py") {
        tasks.push(("run", format!("{prefix}python manage.py runserver")));
    }
    tasks
}

/// The targets of a Makefile or the recipes of a justfile that are tasks of ours.
fn recipe_tasks(program: &str, text: &str) -> Vec<(&'static str, String)> {
    let wanted: [(&'static str, &[&str]); 5] = [
        ("test", &["test", "tests", "check"]),
        ("build", &["build", "all", "compile"]),
        ("lint", &["lint", "clippy", "vet"]),
        ("format", &["format", "fmt"]),
        ("run", &["run", "start", "serve", "dev"]),
    ];
    let targets: Vec<&str> = text.lines().filter_map(|line| target(program, line)).flatten().collect();
    wanted
        .into_iter()
        .filter_map(|(task, names)| {
            names.iter().find(|name| targets.contains(name)).map(|name| (task, format!("{program} {name}")))
        })
        .collect()
}

/// The targets that a line declares; a recipe that needs arguments is not one we can run.
fn target<'a>(program: &str, line: &'a str) -> Option<Vec<&'a str>> {
    if line.starts_with([' ', '\t', '#', '.', '@', '[']) {
        return None;
    }
    let (head, rest) = line.split_once(':')?;
    // `name := value` is an assignment.
    if rest.starts_with('=') || rest.starts_with(":=") || head.contains(['=', '$', '%']) {
        return None;
    }
    let words: Vec<&str> = head.split_whitespace().collect();
    match (program, words.as_slice()) {
        ("just", [name]) => Some(vec![name]),
        ("just", _) => None,
        _ => Some(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], expect: &[(&str, &str)]) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, content) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("has a parent")).expect("creates");
            crate::atomic::write(&path, content.as_bytes()).expect("writes");
        }
        let found = detect(folder.path());
        let found: Vec<(&str, &str)> =
            found.iter().map(|task| (task.name.as_str(), task.command.as_str())).collect();
        assert_eq!(found, expect, "{files:?}");
    }

    #[test]
    fn rust_and_go() {
        check(
            &[("Cargo.toml", "[package]\nname='x'"), ("src/main.rs", "")],
            &[
                ("test", "cargo test"),
                ("build", "cargo build"),
                ("lint", "cargo clippy --all-targets"),
                ("format", "cargo fmt"),
                ("run", "cargo run"),
            ],
        );
        check(
            &[("Cargo.toml", "[workspace]\nmembers=['a']")],
            &[
                ("test", "cargo test --workspace"),
                ("build", "cargo build --workspace"),
                ("lint", "cargo clippy --workspace --all-targets"),
                ("format", "cargo fmt --all"),
            ],
        );
        check(
            &[("go.mod", "module x")],
            &[
                ("test", "go test ./..."),
                ("build", "go build ./..."),
                ("lint", "go vet ./..."),
                ("format", "gofmt -l -w ."),
            ],
        );
    }

    #[test]
    fn scripts_by_lock_file() {
        let scripts = r#"{"scripts": {"test": "jest", "lint": "eslint .", "dev": "vite"}}"#;
        let package = ("package.json", scripts);
        check(&[package], &[("test", "npm test"), ("lint", "npm run lint"), ("run", "npm run dev")]);
        check(
            &[package, ("yarn.lock", "")],
            &[("test", "yarn test"), ("lint", "yarn lint"), ("run", "yarn dev")],
        );
        check(
            &[package, ("pnpm-lock.yaml", "")],
            &[("test", "pnpm test"), ("lint", "pnpm lint"), ("run", "pnpm dev")],
        );
        check(
            &[package, ("bun.lock", "")],
            &[("test", "bun run test"), ("lint", "bun run lint"), ("run", "bun run dev")],
        );
        let none = r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}}"#;
        check(&[("package.json", none)], &[]);
        check(&[("package.json", "{ broken")], &[]);
        check(&[("package.json", r#"{"scripts": 3}"#)], &[]);
    }

    #[test]
    fn python_by_what_it_configures() {
        check(
            &[("pyproject.toml", "[tool.pytest.ini_options]\n[tool.ruff]")],
            &[("test", "pytest"), ("lint", "ruff check ."), ("format", "ruff format .")],
        );
        check(&[("setup.py", ""), ("tox.ini", "[tox]")], &[("test", "tox"), ("build", "python -m build")]);
        check(
            &[("requirements.txt", ""), ("tests/test_a.py", "")],
            &[("test", "python -m unittest discover")],
        );
        check(&[("pyproject.toml", "pytest"), ("uv.lock", "")], &[("test", "uv run pytest")]);
        check(
            &[("requirements.txt", ""), ("manage.py", "")],
            &[("test", "python manage.py test"), ("run", "python manage.py runserver")],
        );
    }

    #[test]
    fn recipes() {
        check(
            &[("Makefile", "CC := gcc\n.PHONY: test\nall test: x.o\n\tcc x\nlint:\n\t@echo\nrun :\n")],
            &[("test", "make test"), ("build", "make all"), ("lint", "make lint"), ("run", "make run")],
        );
        check(
            &[("justfile", "set shell := ['x']\ntest:\n  x\nbuild target:\n  y\nfmt: test\n")],
            &[("test", "just test"), ("format", "just fmt")],
        );
        check(
            &[("CMakeLists.txt", "")],
            &[
                (
                    "test",
                    "cmake -B build && cmake --build build && ctest --test-dir build --output-on-failure",
                ),
                ("build", "cmake -B build && cmake --build build"),
            ],
        );
        check(
            &[("pom.xml", ""), ("mvnw", "")],
            &[("test", "./mvnw test"), ("build", "./mvnw package -DskipTests")],
        );
        check(
            &[("build.gradle", "")],
            &[
                ("test", "gradle test"),
                ("build", "gradle build -x test"),
                ("lint", "gradle check -x test"),
                ("run", "gradle run"),
            ],
        );
        check(&[], &[]);
    }
}
