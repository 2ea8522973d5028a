//! Owns the tool `bash`: a shell command.
//! Uses `command`.
//! Never looks into the command; that is policy's.

use std::time::Duration;

use futures::future::BoxFuture;
use loci_exec::Size;
use serde_json::{Value, json};

use super::{Access, Outcome, Tool, ToolContext, arguments, command, fold};

/// Seconds a command may take when nothing is said.
const DEFAULT_SECONDS: u64 = 120;
/// Seconds a command may take at most.
const MAX_SECONDS: u64 = 600;

/// The parameter under the name that rules know it by.
pub(crate) const BACKGROUND: &str = "run_in_background";

pub(crate) struct Bash;

impl Tool for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn description(&self) -> &'static str {
        "Runs a shell command in the project's root. `timeout` in seconds: 120, at most 600. `run_in_background` is for \
         servers and watchers, which `jobs` then reads and ends; `tty` for what insists on a terminal."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "command": { "type": "string" },
                "timeout": { "type": "integer" },
                "run_in_background": { "type": "boolean" },
                "tty": { "type": "boolean" }
            },
            "required": ["command"]
        })
    }

    fn changes(&self, _input: &Value) -> bool {
        true
    }

    fn summary(&self, input: &Value) -> String {
        let command = fold::clip(arguments::optional_word(input, "command").unwrap_or("?"), 120);
        if arguments::flag(input, BACKGROUND) { format!("$ {command} &") } else { format!("$ {command}") }
    }

    fn access(&self, input: &Value, _context: &ToolContext) -> Result<Vec<Access>, String> {
        let command = arguments::word(input, "command")?;
        let mut touched = json!({ "command": command });
        // An omitted parameter is one that no rule matches.
        if input.get(BACKGROUND).is_some() {
            touched[BACKGROUND] = json!(arguments::flag(input, BACKGROUND));
        }
        Ok(vec![Access { tool: "Bash", input: touched }])
    }

    fn run<'a>(&'a self, input: Value, context: &'a ToolContext) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let (command, timeout) =
                match (arguments::word(&input, "command"), arguments::number(&input, "timeout")) {
                    (Ok(command), Ok(timeout)) => (command, timeout),
                    (Err(message), _) | (_, Err(message)) => return Outcome::failed(message),
                };
            let terminal = arguments::flag(&input, "tty").then(Size::default);
            if arguments::flag(&input, BACKGROUND) {
                // Its end is the user's or the session's, unless the model says otherwise.
                let timeout = timeout.map(|seconds| Duration::from_secs(seconds.max(1)));
                return command::start_shell(context, command, timeout, terminal);
            }
            let seconds = timeout.unwrap_or(DEFAULT_SECONDS).clamp(1, MAX_SECONDS);
            command::run_shell(context, command, Duration::from_secs(seconds), terminal).await
        })
    }
}
