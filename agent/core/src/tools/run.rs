//! Owns the tool `run`: the project's own command for a task.
//! Uses the tasks that were detected or configured, and `command`.
//! Never makes up a command.

use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{Access, Outcome, Tool, ToolContext, arguments, command};

/// Test suites may take as long as any command may.
const SECONDS: u64 = 600;

pub(crate) struct Run;

impl Tool for Run {
    fn name(&self) -> &'static str {
        "run"
    }

    fn description(&self) -> &'static str {
        "Runs the project's own command for a task. `filter` selects tests by name."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "task": { "type": "string", "enum": ["test", "build", "lint", "format", "run"] },
                "filter": { "type": "string" }
            },
            "required": ["task"]
        })
    }

    fn changes(&self, _input: &Value) -> bool {
        true
    }

    fn summary(&self, input: &Value) -> String {
        let task = arguments::optional_word(input, "task").unwrap_or("?");
        match arguments::optional_word(input, "filter") {
            Some(filter) => format!("run {task} {filter}"),
            None => format!("run {task}"),
        }
    }

    fn access(&self, input: &Value, context: &ToolContext) -> Result<Vec<Access>, String> {
        let command = line(input, context)?;
        Ok(vec![Access { tool: "Bash", input: json!({ "command": command }) }])
    }

    fn run<'a>(&'a self, input: Value, context: &'a ToolContext) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match line(&input, context) {
                Ok(line) => command::run_shell(context, &line, Duration::from_secs(SECONDS), None).await,
                Err(message) => Outcome::failed(message),
            }
        })
    }
}

fn line(input: &Value, context: &ToolContext) -> Result<String, String> {
    let name = arguments::word(input, "task")?;
    let Some(task) = context.tasks.iter().find(|task| task.name == name) else {
        let known: Vec<&str> = context.tasks.iter().map(|task| task.name.as_str()).collect();
        return Err(if known.is_empty() {
            format!(
                "this project has no known command for {name}; use bash, or name one in the configuration"
            )
        } else {
            format!("this project has no known command for {name}, only for {}", known.join(", "))
        });
    };
    Ok(match arguments::optional_word(input, "filter") {
        Some(filter) => filtered(&task.command, filter),
        None => task.command.clone(),
    })
}

/// The command narrowed to a filter, in the way its program takes one.
fn filtered(command: &str, filter: &str) -> String {
    let filter = command::quote(filter);
    let is = |program: &str| {
        command == program
            || command.starts_with(&format!("{program} "))
            || command.contains(&format!(" {program} "))
            || command.ends_with(&format!(" {program}"))
    };
    let option = if is("pytest") {
        "-k "
    } else if is("go test") {
        "-run "
    } else if is("ctest") {
        "-R "
    } else if command.starts_with("npm ") {
        "-- "
    } else if command.starts_with("mvn ") || command.starts_with("./mvnw ") {
        "-Dtest="
    } else if command.contains("gradle") {
        "--tests "
    } else {
        ""
    };
    format!("{command} {option}{filter}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        let check = |command: &str, filter: &str, expect: &str| assert_eq!(filtered(command, filter), expect);
        check("cargo test", "a::b", "cargo test a::b");
        check("cargo test", "a; rm -rf /", "cargo test 'a; rm -rf /'");
        check("pytest", "parse", "pytest -k parse");
        check("python3 -m pytest", "x", "python3 -m pytest -k x");
        check("go test ./...", "TestX", "go test ./... -run TestX");
        check("npm test", "x", "npm test -- x");
        check("pnpm test", "x", "pnpm test x");
        check("ctest --test-dir build", "x", "ctest --test-dir build -R x");
        check("mvn test", "X", "mvn test -Dtest=X");
        check("./gradlew test", "X", "./gradlew test --tests X");
    }
}
