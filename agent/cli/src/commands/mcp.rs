//! Owns `loci mcp`: the servers of tools that a project names, and what the policy of this machine says of each.
//! Uses `.mcp.json`, as other programs write it, and the policy.
//! Never starts one of them: this version has no use for them.

use std::io::Read as _;

use loci_tui::{Line, Style, one_line, visible};
use serde_json::{Value, json};

use super::shown::count;
use crate::arguments::McpArguments;
use crate::errors::{Failed, Outcome};
use crate::project::Project;

/// Bytes of the file that are read; one that is longer is refused.
const LONGEST: u64 = 1 << 20;

/// A server, as the file names it.
struct Server {
    name: String,
    /// The program and its arguments, or the address.
    runs: String,
    permitted: bool,
}

/// List them.
///
/// # Errors
/// When the file cannot be read or is no JSON, or the configuration cannot be used.
pub(crate) fn run(project: &Project, arguments: &McpArguments) -> anyhow::Result<Outcome> {
    let settings = project.settings(&project.config(Vec::new())?);
    let allowed = settings.managed.mcp.as_deref();
    let mut servers = read(project)?;
    for server in &mut servers {
        server.permitted = allowed.is_none_or(|allowed| {
            allowed.iter().any(|one| one.name == server.name && one.command == server.runs)
        });
    }
    if arguments.json {
        let list: Vec<Value> = servers
            .iter()
            .map(|server| {
                json!({ "name": server.name, "runs": server.runs, "permitted": server.permitted, "started": false })
            })
            .collect();
        project.printer.json(&list)?;
        return Ok(Outcome::Done);
    }
    let width = project.printer.width();
    for server in &servers {
        let (word, style) = if server.permitted {
            ("permitted", Style::Dim)
        } else {
            ("not permitted by the policy", Style::Warning)
        };
        let line = Line::new(one_line(&server.name, 40), Style::Bold)
            .with(format!("  {}", one_line(&server.runs, width.saturating_sub(44).max(20))), Style::Plain)
            .with(format!("  {word}"), style);
        project.printer.line(&line)?;
    }
    let said = match servers.len() {
        0 => "This project names no servers of tools in .mcp.json.".to_owned(),
        number => format!("{} in .mcp.json.", count(number, "server")),
    };
    project.printer.line(&Line::new(said, Style::Dim))?;
    let plain = "This version of Loci starts no server of tools and talks to none: its tools are built in.";
    project.printer.line(&Line::new(plain, Style::Plain))?;
    if let Some(allowed) = allowed {
        let names: Vec<String> = allowed.iter().map(|one| visible(&one.name)).collect();
        let text = match names.as_slice() {
            [] => "The policy of this machine permits none.".to_owned(),
            names => format!("The policy of this machine permits: {}.", names.join(", ")),
        };
        project.printer.line(&Line::new(text, Style::Dim))?;
    }
    Ok(Outcome::Done)
}

/// The servers in the file, by name; none where there is no file.
fn read(project: &Project) -> anyhow::Result<Vec<Server>> {
    let path = project.root.join(".mcp.json");
    let wrong = |message: String| {
        Failed::error(
            format!(".mcp.json: {message}"),
            "it is an object `mcpServers` with an entry for each server",
        )
    };
    match path.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(wrong(error.to_string())),
        Ok(metadata) if !metadata.is_file() => return Err(wrong("it is not a file".into())),
        Ok(metadata) if metadata.len() > LONGEST => return Err(wrong("it is longer than a megabyte".into())),
        Ok(_) => {}
    }
    let mut text = String::new();
    std::fs::File::open(&path)
        .and_then(|file| file.take(LONGEST).read_to_string(&mut text))
        .map_err(|error| wrong(error.to_string()))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let Some(servers) = value.get("mcpServers").and_then(Value::as_object) else {
        return Err(wrong("it has no object `mcpServers`".into()));
    };
    let server = |(name, entry): (&String, &Value)| {
        let word = |key: &str| entry.get(key).and_then(Value::as_str);
        let arguments = entry.get("args").and_then(Value::as_array).into_iter().flatten();
        let arguments = arguments.filter_map(Value::as_str);
        let runs: Vec<&str> = word("command").or(word("url")).into_iter().chain(arguments).collect();
        Server { name: name.clone(), runs: runs.join(" "), permitted: false }
    };
    Ok(servers.iter().map(server).collect())
}
