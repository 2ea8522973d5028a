//! Owns the tool `bash`: a shell command.
//! Uses `command`.
//! Never looks into the command; that is policy's.

use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{Access, Outcome, Tool, ToolContext, arguments, command, fold};

/// Seconds a command may take when nothing is said.
const DEFAULT_SECONDS: u64 = 120;
/// Seconds a command may take at most.
const MAX_SECONDS: u64 = 600;

pub(crate) struct Bash;

impl Tool for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn description(&self) -> &'static str {
        "Runs a shell command in the project's root. `timeout` in seconds: 120, at most 600."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "command": { "type": "string" },
                "timeout": { "type": "integer" }
            },
            "required": ["command"]
        })
    }

    fn changes(&self, _input: &Value) -> bool {
        true
    }

    fn summary(&self, input: &Value) -> String {
        format!("$ {}", fold::clip(arguments::optional_word(input, "command").unwrap_or("?"), 120))
    }

    fn access(&self, input: &Value, _context: &ToolContext) -> Result<Vec<Access>, String> {
        let command = arguments::word(input, "command")?;
        Ok(vec![Access { tool: "Bash", input: json!({ "command": command }) }])
    }

    fn run<'a>(&'a self, input: Value, context: &'a ToolContext) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let (command, timeout) =
                match (arguments::word(&input, "command"), arguments::number(&input, "timeout")) {
                    (Ok(command), Ok(timeout)) => (command, timeout),
                    (Err(message), _) | (_, Err(message)) => return Outcome::failed(message),
                };
            let seconds = timeout.unwrap_or(DEFAULT_SECONDS).clamp(1, MAX_SECONDS);
            command::run_shell(context, command, Duration::from_secs(seconds)).await
        })
    }
}
