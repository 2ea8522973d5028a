//! Owns the table of commands that begin with `/`: palette, help, the line-based conversation and the documents read it.
//! Uses plain data.
//! Never runs one.

use loci_protocol::{Op, Undo};

/// What a command does. One variant for each row of [`TABLE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// List the commands and the keys.
    Help,
    /// What is in the window.
    Context,
    /// Make room.
    Compact,
    /// Find what was said.
    Recall,
    /// Take back file changes.
    Undo,
    /// Bring them back.
    Redo,
    /// Go back to before a prompt.
    Rewind,
    /// What the session changed.
    Diff,
    /// Show or change how calls are approved.
    Mode,
    /// Show or change the model.
    Model,
    /// Which model would answer.
    Why,
    /// Older sessions.
    Sessions,
    /// A new session.
    New,
    /// Go on with an older session.
    Resume,
    /// A copy of this session, in which one goes on.
    Fork,
    /// Give the session a title.
    Rename,
    /// Write the session to a file.
    Export,
    /// Put the last answer on the clipboard.
    Copy,
    /// The task list and what runs in the background.
    Tasks,
    /// The rules in force.
    Permissions,
    /// The servers of tools.
    Mcp,
    /// How this machine stands.
    Doctor,
    /// What left this machine.
    Egress,
    /// Choose colours.
    Theme,
    /// Keys of vi in the composer.
    Vim,
    /// End.
    Quit,
}

/// When a command can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At any time.
    Always,
    /// Between turns.
    Idle,
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command {
    /// With its `/`.
    pub name: &'static str,
    /// Other names, with their `/`.
    pub aliases: &'static [&'static str],
    /// What may stand behind it, for people; empty where nothing does.
    pub arguments: &'static str,
    /// One sentence without an end.
    pub help: &'static str,
    /// When it can be given.
    pub when: When,
    /// What it does.
    pub verb: Verb,
}

const fn command(
    name: &'static str,
    aliases: &'static [&'static str],
    arguments: &'static str,
    help: &'static str,
    when: When,
    verb: Verb,
) -> Command {
    Command { name, aliases, arguments, help, when, verb }
}

/// Every command, in the order in which help lists them.
pub const TABLE: &[Command] = &[
    command("/help", &["/?"], "", "the commands and the keys", When::Always, Verb::Help),
    command(
        "/context",
        &[],
        "",
        "what is in the model's window, what recall put in, and what left it",
        When::Always,
        Verb::Context,
    ),
    command(
        "/compact",
        &[],
        "[FOCUS]",
        "make room now, with a summary that keeps FOCUS above all",
        When::Idle,
        Verb::Compact,
    ),
    command(
        "/recall",
        &[],
        "WORDS",
        "find what was said, in this session and older ones; r41 shows an entry",
        When::Always,
        Verb::Recall,
    ),
    command("/diff", &["/changes"], "", "everything that this session changed", When::Always, Verb::Diff),
    command(
        "/undo",
        &[],
        "[FILE|turn N|call ID]",
        "take back the newest file change, or those of a file, a turn or a call",
        When::Idle,
        Verb::Undo,
    ),
    command("/redo", &[], "", "bring back what was taken back last", When::Idle, Verb::Redo),
    command(
        "/rewind",
        &[],
        "[TURN [files|conversation|both]]",
        "go back to before a prompt",
        When::Idle,
        Verb::Rewind,
    ),
    command("/mode", &[], "[NAME]", "show or change how calls are approved", When::Always, Verb::Mode),
    command(
        "/model",
        &["/models"],
        "[NAME]",
        "choose the model that goes on; @fast, @plan and @review name roles",
        When::Idle,
        Verb::Model,
    ),
    command(
        "/why",
        &[],
        "[REQUEST]",
        "which model would answer, and why no other one",
        When::Always,
        Verb::Why,
    ),
    command(
        "/sessions",
        &[],
        "",
        "the sessions of this project: go on, copy, name, export",
        When::Idle,
        Verb::Sessions,
    ),
    command("/resume", &[], "[ID]", "go on with an older session", When::Idle, Verb::Resume),
    command("/new", &["/clear"], "", "begin a new session", When::Idle, Verb::New),
    command("/fork", &[], "[TURN]", "go on in a copy of this session", When::Idle, Verb::Fork),
    command("/rename", &[], "TITLE", "give this session a title", When::Always, Verb::Rename),
    command("/export", &[], "", "write this session to a file, as Markdown", When::Always, Verb::Export),
    command("/copy", &[], "", "put the last answer on the clipboard", When::Always, Verb::Copy),
    command(
        "/tasks",
        &["/jobs"],
        "",
        "the task list, and what runs in the background",
        When::Always,
        Verb::Tasks,
    ),
    command(
        "/permissions",
        &["/policy"],
        "",
        "the rules in force, and where they stand",
        When::Always,
        Verb::Permissions,
    ),
    command("/mcp", &[], "", "the servers of tools that this project names", When::Always, Verb::Mcp),
    command("/doctor", &[], "", "how this machine and this terminal stand", When::Always, Verb::Doctor),
    command("/egress", &[], "", "what left this machine", When::Always, Verb::Egress),
    command("/theme", &[], "[NAME]", "choose the colours", When::Always, Verb::Theme),
    command("/vim", &[], "", "keys of vi in the composer, on or off", When::Always, Verb::Vim),
    command("/quit", &["/exit", "/q"], "", "end the conversation", When::Always, Verb::Quit),
];

/// A command as it was typed: its row, and what stands behind it.
///
/// # Errors
/// The name that was typed, where there is no such command.
pub fn parse(text: &str) -> Result<(&'static Command, &str), &str> {
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    TABLE
        .iter()
        .find(|command| command.name == name || command.aliases.contains(&name))
        .map(|command| (command, rest.trim()))
        .ok_or(name)
}

/// The table as rows of Markdown, for the documents.
#[must_use]
pub fn markdown() -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let mut text = String::from("| command | what it does | when |\n|---|---|---|\n");
    for command in TABLE {
        let mut names: Vec<String> = vec![[command.name, command.arguments].join(" ").trim().to_owned()];
        names.extend(command.aliases.iter().map(|alias| (*alias).to_owned()));
        let names: Vec<String> = names.iter().map(|name| format!("`{}`", cell(name))).collect();
        let when = match command.when {
            When::Always => "at any time",
            When::Idle => "between turns",
        };
        text.push_str(&format!("| {} | {} | {when} |\n", names.join(", "), cell(command.help)));
    }
    text
}

/// What `/undo WISH` takes back.
#[must_use]
pub fn undo(wish: &str) -> Undo {
    match wish.split_once(' ') {
        None if wish.is_empty() => Undo::Newest,
        Some(("turn", turn)) if turn.trim().parse::<u32>().is_ok() => {
            Undo::Turn(turn.trim().parse().unwrap_or_default())
        }
        Some(("call", id)) => Undo::Call(id.trim().to_owned()),
        _ => Undo::File(wish.to_owned()),
    }
}

/// What `/rewind TURN [files|conversation|both]` asks for; both where nothing is said. Nothing where it is not said so.
#[must_use]
pub fn rewind(wish: &str) -> Option<Op> {
    let (turn, what) = wish.split_once(char::is_whitespace).unwrap_or((wish, "both"));
    let (files, conversation) = match what.trim() {
        "both" | "all" => (true, true),
        "files" => (true, false),
        "conversation" => (false, true),
        _ => return None,
    };
    Some(Op::Rewind { turn: turn.parse().ok().filter(|turn| *turn > 0)?, files, conversation })
}

/// How `/rewind` is said.
pub const REWIND_IS: &str = "say it as /rewind TURN [files|conversation|both]";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_told_apart() {
        let mut names = HashSet::new();
        let mut verbs = HashSet::new();
        for command in TABLE {
            assert!(verbs.insert(command.verb), "{}: said twice", command.name);
            for name in std::iter::once(&command.name).chain(command.aliases) {
                assert!(name.starts_with('/'), "{name}");
                assert!(names.insert(*name), "{name}: said twice");
            }
        }
    }

    #[test]
    fn the_way_back_is_said_in_one_line() {
        let check = |wish: &str, expect: Option<(u32, bool, bool)>| {
            let op = expect.map(|(turn, files, conversation)| Op::Rewind { turn, files, conversation });
            assert_eq!(rewind(wish), op, "{wish}");
        };
        check("3", Some((3, true, true)));
        check("3 both", Some((3, true, true)));
        check("12  files", Some((12, true, false)));
        check("1 conversation ", Some((1, false, true)));
        for wrong in ["", "0", "-1", "x", "3 trees", "99999999999", "files 3", "3 files conversation"] {
            check(wrong, None);
        }
    }

    #[test]
    fn what_is_taken_back_is_said_in_one_line() {
        let check = |wish: &str, expect: Undo| assert_eq!(undo(wish), expect, "{wish}");
        check("", Undo::Newest);
        check("turn 3", Undo::Turn(3));
        check("call c7", Undo::Call("c7".into()));
        check("src/lib.rs", Undo::File("src/lib.rs".into()));
        check("turn table.txt", Undo::File("turn table.txt".into()));
    }

    /// What stands between the markers of that name in the document.
    fn documented(name: &str) -> &'static str {
        let document = include_str!("../../../docs/terminal.md");
        let begin = format!("<!-- {name}: made from the table; a test compares them -->\n");
        let (_, rest) = document.split_once(&begin).expect("the marker");
        rest.split_once("<!-- end -->").expect("the end").0
    }

    #[test]
    fn the_document_has_every_command_and_every_key() {
        assert_eq!(documented("commands"), markdown(), "put this between the markers:\n{}", markdown());
        let keys = crate::keys::markdown();
        assert_eq!(documented("keys"), keys, "put this between the markers:\n{keys}");
    }

    #[test]
    fn a_command_is_its_name_and_the_rest() {
        let check = |text: &str, expect: Result<(Verb, &str), &str>| {
            assert_eq!(parse(text).map(|(command, rest)| (command.verb, rest)), expect, "{text}");
        };
        check("/help", Ok((Verb::Help, "")));
        check("/undo  src/lib.rs ", Ok((Verb::Undo, "src/lib.rs")));
        check("/q", Ok((Verb::Quit, "")));
        check("/nonsense now", Err("/nonsense"));
    }
}
