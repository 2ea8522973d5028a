//! Owns the way back of secrets that a model elsewhere never saw: its edits beside them work, and nothing else gets them.
//! Uses the session's redactor, and the file that is to be changed as it is now.
//! Never puts a secret into a command, nor into a file in which it does not stand already.

use loci_inference::provider::ToolCall;
use serde_json::Value;

use crate::files;
use crate::session::Session;
use crate::tools::{ToolContext, place};

/// The arguments of the tools that change one file, which may hold text of it.
const TEXTS: &[&str] = &["old", "new", "content", "text"];

impl Session {
    /// The arguments with the secrets put back, where the model wrote the words that stand for them.
    ///
    /// # Errors
    /// A sentence for the model, when a secret would get where it has not been.
    pub(super) fn put_back(
        &self,
        call: &ToolCall,
        mut input: Value,
        context: &ToolContext,
    ) -> Result<Value, String> {
        let Some(redactor) = &self.redactor else { return Ok(input) };
        match call.name.as_str() {
            "edit" | "write" | "insert" => {
                let Some(path) = input.get("path").and_then(Value::as_str) else { return Ok(input) };
                let path = place::locate(context, path);
                let mut content: Option<Vec<u8>> = None;
                for name in TEXTS {
                    let Some(Value::String(text)) = input.get_mut(*name) else { continue };
                    let stands_there = |secret: &str| {
                        let content = content.get_or_insert_with(|| {
                            files::read(&path).map(|content| content.bytes).unwrap_or_default()
                        });
                        memmem(content, secret.as_bytes())
                    };
                    let restored = redactor.restore(text, stands_there).map_err(|what| {
                        format!(
                            "{what} stands for a secret that was kept from you. It can be written only to a file in \
                             which it stands already; elsewhere name the variable or file that holds it."
                        )
                    })?;
                    *text = restored;
                }
                Ok(input)
            }
            // A command that has the secret shows it to every other process, and may send it anywhere.
            "bash" | "run" => {
                let refuse = |text: &str| redactor.restore(text, |_| false).err();
                match input.as_object().into_iter().flatten().find_map(|(_, value)| refuse(value.as_str()?)) {
                    None => Ok(input),
                    Some(what) => Err(format!(
                        "not run: {what} stands for a secret that was kept from you, and commands never get it. Let \
                         the command take it from the variable or file that holds it."
                    )),
                }
            }
            _ => Ok(input),
        }
    }
}

fn memmem(content: &[u8], wanted: &[u8]) -> bool {
    !wanted.is_empty() && content.windows(wanted.len()).any(|part| part == wanted)
}
