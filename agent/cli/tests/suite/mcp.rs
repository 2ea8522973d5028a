//! Owns the tests of `loci mcp`: the servers of tools that a project names.
//! Uses the built binary.
//! Never has a server.

use serde_json::json;

use super::world::World;

#[test]
fn servers_are_listed_and_none_is_started() {
    let world = World::with_crate();
    let none = world.loci(&["mcp"]).ended(0);
    assert!(none.out.contains("names no servers") && none.out.contains("starts no server"), "{}", none.out);
    let servers = json!({ "mcpServers": {
        "files": { "command": "npx", "args": ["-y", "server"] },
        "evil\u{1b}[2J": { "url": "https://example.com/mcp" },
        "odd": 7,
    }});
    world.write(".mcp.json", servers.to_string());
    let run = world.loci(&["mcp"]).ended(0);
    assert!(run.out.contains("npx -y server") && run.out.contains("3 servers"), "{}", run.out);
    assert!(run.out.contains("evil␛[2J") && !run.out.contains('\u{1b}'), "{}", run.out);
    let list = world.loci(&["mcp", "--json"]).ended(0).json();
    let files = list.as_array().expect("a list").iter().find(|server| server["name"] == "files");
    assert_eq!(
        files,
        Some(&json!({ "name": "files", "runs": "npx -y server", "permitted": true, "started": false }))
    );
}

#[test]
fn a_file_that_is_none_is_said() {
    let world = World::with_crate();
    for text in ["", "[]", "{", "{\"mcpServers\": []}", "\u{0}"] {
        world.write(".mcp.json", text);
        world.loci(&["mcp"]).ended(1).explains(".mcp.json:");
    }
    world.write(".mcp.json", " ".repeat((1 << 20) + 1));
    world.loci(&["mcp"]).ended(1).explains("longer than a megabyte");
}
