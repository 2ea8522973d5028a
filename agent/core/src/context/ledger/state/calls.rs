//! Owns what a call was about, whatever its tool and its arguments are called: a command, a file, a search.
//! Uses the arguments.
//! Never keeps contents: a written file is not needed to know that it was written.

use serde_json::Value;

/// What arguments are called by different tools and agents.
const COMMAND: &[&str] = &["command", "cmd", "script", "shell_command", "command_line"];
const PATH: &[&str] =
    &["path", "file", "file_path", "filepath", "filename", "target_file", "absolute_path", "notebook_path"];
const PATHS: &[&str] = &["paths", "files", "file_paths"];
const PATTERN: &[&str] = &["pattern", "query", "regex", "search", "q", "needle"];
/// Bytes of a command that are kept.
const LONGEST: usize = 2_000;

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// Runs a command.
    Command,
    /// Reads files.
    Read,
    /// Changes files.
    Change,
    /// Takes changes back.
    Undo,
    /// Looks for something.
    Search,
    /// Anything else.
    Other,
}

/// A call, without its contents.
#[derive(Debug, Clone, Default)]
pub(super) struct Call {
    pub(super) tool: String,
    pub(super) command: Option<String>,
    pub(super) paths: Vec<String>,
    pub(super) pattern: Option<String>,
    /// First and last line, where they are given.
    pub(super) range: Option<(usize, Option<usize>)>,
    /// An action of a tool with several, and what it is about.
    action: Option<String>,
}

impl Call {
    pub(super) fn of(tool: &str, input: &Value) -> Self {
        let word = |names: &[&str]| {
            names.iter().find_map(|name| match input.get(*name)? {
                Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
                _ => None,
            })
        };
        let command = word(COMMAND).or_else(|| {
            // Some agents give words: `["bash", "-lc", "make test"]`.
            let words: Vec<&str> = COMMAND
                .iter()
                .find_map(|name| input.get(*name)?.as_array())?
                .iter()
                .filter_map(Value::as_str)
                .collect();
            match words.as_slice() {
                [shell, flag, line] if shell.ends_with("sh") && flag.starts_with('-') => {
                    Some((*line).to_owned())
                }
                words => Some(words.join(" ")),
            }
        });
        let mut paths: Vec<String> = word(PATH).into_iter().collect();
        for several in PATHS.iter().filter_map(|name| input.get(*name)?.as_array()) {
            paths.extend(several.iter().filter_map(|one| match one {
                Value::String(path) => Some(path.clone()),
                one => PATH.iter().find_map(|name| Some(one.get(*name)?.as_str()?.to_owned())),
            }));
        }
        let mut call = Self {
            tool: tool.to_owned(),
            command: command.map(|command| one_line(&command)).filter(|command| !command.is_empty()),
            paths: paths.iter().map(|path| plain_path(path)).collect(),
            pattern: word(PATTERN),
            range: range(input),
            action: None,
        };
        if call.command.is_none() {
            call.action = match tool {
                "run" => word(&["task"]).map(|task| match word(&["filter"]) {
                    Some(filter) => format!("{task} {filter}"),
                    None => task,
                }),
                "git" => word(&["action"]).map(|action| {
                    let more = ["revision", "path", "message"].iter().filter_map(|name| word(&[name]));
                    more.fold(action, |line, word| format!("{line} {word}"))
                }),
                _ => None,
            };
            call.command = call.action.as_ref().map(|action| one_line(&format!("{tool} {action}")));
        }
        call
    }

    pub(super) fn sort(&self) -> Sort {
        let tool = self.tool.to_lowercase();
        let is = |words: &[&str]| words.iter().any(|word| tool.contains(word));
        if tool == "undo" {
            Sort::Undo
        } else if self.command.is_some() {
            Sort::Command
        } else if is(&[
            "edit", "write", "patch", "insert", "replace", "create", "delete", "remove", "rename", "move",
            "append",
        ]) {
            Sort::Change
        } else if is(&["grep", "search", "glob", "find", "list"]) || self.pattern.is_some() && !is(&["read"])
        {
            Sort::Search
        } else if !self.paths.is_empty() && is(&["read", "view", "cat", "open", "show", "fetch"]) {
            Sort::Read
        } else {
            Sort::Other
        }
    }

    /// What makes two calls ask the same: the later result is then the one that holds.
    pub(super) fn key(&self) -> Option<String> {
        if let Some(command) = &self.command {
            return Some(format!("$ {command}"));
        }
        if matches!(self.sort(), Sort::Change | Sort::Undo)
            || (self.paths.is_empty() && self.pattern.is_none())
        {
            return None;
        }
        let mut key = self.tool.clone();
        for word in self.pattern.iter().map(|pattern| one_line(pattern)).chain(self.paths.iter().cloned()) {
            key.push(' ');
            key.push_str(&word);
        }
        match self.range {
            Some((from, Some(to))) => key.push_str(&format!(":{from}-{to}")),
            Some((from, None)) if from > 1 => key.push_str(&format!(":{from}-")),
            _ => {}
        }
        Some(key)
    }

    /// The call in a few words.
    pub(super) fn shown(&self) -> String {
        let what =
            self.command.clone().or_else(|| self.pattern.clone()).unwrap_or_else(|| self.paths.join(", "));
        let what = clip(&what, 160);
        match (&self.command, what.is_empty()) {
            (Some(_), _) => format!("`{what}`"),
            (None, true) => self.tool.clone(),
            (None, false) => format!("{} {what}", self.tool),
        }
    }
}

fn range(input: &Value) -> Option<(usize, Option<usize>)> {
    let number = |names: &[&str]| {
        names.iter().find_map(|name| {
            let number = input.get(*name)?;
            let number = number.as_u64().or_else(|| number.as_str()?.trim().parse().ok())?;
            usize::try_from(number).ok()
        })
    };
    if let Some([from, to]) = input.get("view_range").and_then(Value::as_array).map(Vec::as_slice) {
        let from = usize::try_from(from.as_u64()?).ok()?;
        return Some((from, to.as_u64().and_then(|to| usize::try_from(to).ok())));
    }
    let from = number(&["start", "start_line", "offset", "line_start", "from"]);
    let to = number(&["end", "end_line", "line_end", "to"]);
    let limit = number(&["limit", "num_lines", "count"]);
    match (from, to, limit) {
        (None, None, None) => None,
        (from, Some(to), _) => Some((from.unwrap_or(1).max(1), Some(to))),
        (from, None, Some(limit)) => {
            let from = from.unwrap_or(1).max(1);
            Some((from, Some(from.saturating_add(limit).saturating_sub(1))))
        }
        (from, None, None) => Some((from?.max(1), None)),
    }
}

/// A path without `./`, with single slashes.
pub(super) fn plain_path(path: &str) -> String {
    let mut path = path.trim();
    while let Some(rest) = path.strip_prefix("./") {
        path = rest.trim_start_matches('/');
    }
    let mut plain = String::with_capacity(path.len());
    for character in path.chars() {
        if character != '/' || !plain.ends_with('/') {
            plain.push(character);
        }
    }
    plain
}

/// Text with single blanks, no longer than a command that can be told apart from others needs to be.
pub(super) fn one_line(text: &str) -> String {
    let text = &text[..text.floor_char_boundary(LONGEST)];
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most `most` bytes, with `…` for the rest.
pub(super) fn clip(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(most)])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn calls_have_keys() {
        let check = |tool: &str, input: Value, sort: Sort, expect: Option<&str>| {
            let call = Call::of(tool, &input);
            assert_eq!((call.sort(), call.key().as_deref()), (sort, expect), "{tool} {input}");
        };
        check("bash", json!({ "command": "cargo  test\n" }), Sort::Command, Some("$ cargo test"));
        check("shell", json!({ "cmd": "cargo test" }), Sort::Command, Some("$ cargo test"));
        check(
            "exec",
            json!({ "command": ["bash", "-lc", "cargo test"] }),
            Sort::Command,
            Some("$ cargo test"),
        );
        check("exec", json!({ "command": ["ls", "-l"] }), Sort::Command, Some("$ ls -l"));
        check("run", json!({ "task": "test", "filter": "a::b" }), Sort::Command, Some("$ run test a::b"));
        check("git", json!({ "action": "diff", "path": "a.rs" }), Sort::Command, Some("$ git diff a.rs"));
        check(
            "read",
            json!({ "path": "./a//b.rs", "start": 3, "end": 9 }),
            Sort::Read,
            Some("read a/b.rs:3-9"),
        );
        check(
            "read",
            json!({ "path": "a/b.rs", "offset": 3, "limit": 7 }),
            Sort::Read,
            Some("read a/b.rs:3-9"),
        );
        check(
            "view",
            json!({ "file_path": "a.rs", "view_range": [3, 9] }),
            Sort::Read,
            Some("view a.rs:3-9"),
        );
        check("read", json!({ "path": "a.rs" }), Sort::Read, Some("read a.rs"));
        check("grep", json!({ "pattern": "fn  x", "path": "src" }), Sort::Search, Some("grep fn x src"));
        check("edit", json!({ "files": ["a.rs", { "path": "./b.rs" }] }), Sort::Change, None);
        check("undo", json!({}), Sort::Undo, None);
        check("todo", json!({ "action": "list" }), Sort::Other, None);
        check("read", json!({ "path": 3 }), Sort::Other, None);
        check("bash", json!("cargo test"), Sort::Other, None);
    }

    #[test]
    fn contents_are_not_kept() {
        let call = Call::of("write", &json!({ "path": "a.rs", "content": "x".repeat(1_000_000) }));
        assert_eq!(call.paths, ["a.rs"]);
        assert!(format!("{call:?}").len() < 300);
        let long = Call::of("bash", &json!({ "command": "echo ä ".repeat(100_000) }));
        assert!(long.key().is_some_and(|key| key.len() <= LONGEST + 2));
    }
}
