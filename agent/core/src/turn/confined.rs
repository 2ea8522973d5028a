//! Owns the confinement of edits for models that run in this process: a path that was read, and text that stands there now.
//! Uses the calls of the conversation and the files as they are.
//! Never confines an edit before a file was read, nor to more than a grammar holds cheaply.

use loci_inference::provider::{Message, ONE_OF, QUOTE_OF, ToolSpec};
use serde_json::{Value, json};

use super::Turn;
use crate::context::Conversation;
use crate::files;
use crate::sandboxing::Grants;
use crate::session::Session;
use crate::tools::place;

/// Files an edit is confined to, the newest first.
const MAX_FILES: usize = 8;
/// Lines that may be quoted: the grammar of 1,000 compiles in a fifth of a second, and again when one changes.
const MAX_LINES: usize = 1_000;

impl Session {
    /// The tools of this step where edits are confined; `None` where nothing is to be confined.
    pub(crate) fn confined_tools(&self, turn: &Turn) -> Option<Vec<ToolSpec>> {
        if !self.confine_edits || !self.provider.info().local {
            return None;
        }
        let context = self.tool_context(turn, None, Grants::default());
        let mut known: Vec<(String, String)> = Vec::new();
        for path in paths(self.context.conversation()) {
            let content = files::read(&place::locate(&context, &path)).ok();
            let text = content.filter(|content| content.utf8).map(|content| content.bytes);
            // What cannot be quoted cannot be edited this way, and what is gone need not be named.
            known.extend(text.and_then(|bytes| String::from_utf8(bytes).ok()).map(|text| (path, text)));
        }
        confine(&self.specs, &known)
    }
}

/// The paths of calls that read or wrote a file, the newest first.
fn paths(conversation: &Conversation) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for entry in conversation.entries().iter().rev() {
        let Message::Assistant { calls, .. } = &entry.message else { continue };
        for call in calls.iter().rev() {
            let of_file = matches!(call.name.as_str(), "read" | "write" | "edit" | "insert");
            let path = call.arguments.get("path").and_then(Value::as_str).filter(|_| of_file);
            if let Some(path) = path.filter(|path| !paths.iter().any(|known| known == path)) {
                paths.push(path.to_owned());
            }
        }
    }
    paths.truncate(MAX_FILES);
    paths
}

/// The specifications with those of `edit` confined to these files, each a path and its text.
fn confine(specs: &[ToolSpec], known: &[(String, String)]) -> Option<Vec<ToolSpec>> {
    if known.is_empty() {
        return None;
    }
    let mut specs = specs.to_vec();
    let edit = specs.iter_mut().find(|spec| spec.name == "edit")?;
    let properties = edit.parameters.get_mut("properties").and_then(Value::as_object_mut)?;
    let paths: Vec<&str> = known.iter().map(|(path, _)| path.as_str()).collect();
    properties.get_mut("path")?[ONE_OF] = json!(paths);
    let lines: usize = known.iter().map(|(_, text)| text.lines().count()).sum();
    let texts: Vec<&str> =
        known.iter().map(|(_, text)| text.as_str()).filter(|text| !text.is_empty()).collect();
    if lines <= MAX_LINES && !texts.is_empty() {
        properties.get_mut("old")?[QUOTE_OF] = json!(texts);
    }
    Some(specs)
}

#[cfg(test)]
mod tests {
    use loci_inference::provider::ToolCall;

    use super::*;

    fn edit() -> Vec<ToolSpec> {
        let parameters = json!({"type": "object", "properties": {
            "path": {"type": "string"}, "old": {"type": "string"}, "new": {"type": "string"}}});
        vec![ToolSpec { name: "edit".into(), description: String::new(), parameters }]
    }

    fn called(name: &str, path: &str) -> Message {
        let arguments = json!({"path": path}).as_object().cloned().expect("an object");
        let call = ToolCall { id: path.into(), name: name.into(), arguments };
        Message::Assistant { text: String::new(), reasoning: None, calls: vec![call] }
    }

    #[test]
    fn the_newest_paths_come_first_and_once() {
        let mut conversation = Conversation::default();
        for (name, path) in [("read", "a"), ("grep", "b"), ("write", "c"), ("read", "a"), ("edit", "d")] {
            conversation.push(1, called(name, path), None);
        }
        assert_eq!(paths(&conversation), ["d", "a", "c"]);
    }

    #[test]
    fn edits_are_confined_to_what_was_read() {
        assert_eq!(confine(&edit(), &[]), None);
        let text = "fn main() {}\n".to_owned();
        let small = confine(&edit(), &[("a.rs".into(), text.clone())]).expect("something to confine");
        let properties = &small[0].parameters["properties"];
        assert_eq!(properties["path"][ONE_OF], json!(["a.rs"]));
        assert_eq!(properties["old"][QUOTE_OF], json!([text]));
        let large =
            confine(&edit(), &[("a.rs".into(), text.repeat(MAX_LINES + 1))]).expect("a path to confine");
        let properties = &large[0].parameters["properties"];
        assert_eq!((&properties["path"][ONE_OF], properties["old"].get(QUOTE_OF)), (&json!(["a.rs"]), None));
    }
}
