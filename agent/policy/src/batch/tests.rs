#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use super::*;

#[track_caller]
fn check(line: Value, decision: &str, rule: Option<&str>) {
    let answer: Value = serde_json::from_str(&answer(&line.to_string())).unwrap();
    let found = (answer["decision"].as_str().unwrap(), answer["rule"].as_str());
    assert_eq!(found, (decision, rule), "{line} {answer}");
    assert_eq!(answer["id"], line["id"]);
    assert!(!answer["why"].as_str().unwrap().is_empty());
}

fn bash(command: &str, rules: Value, context: Value) -> Value {
    json!({ "id": "x", "tool": "Bash", "input": { "command": command }, "rules": rules, "context": context })
}

#[test]
fn the_reference_environment_holds() {
    check(json!({ "id": 1, "tool": "Bash", "input": { "command": "ls src" } }), "allow", None);
    check(json!({ "id": null, "tool": "Read", "input": { "file_path": "/srv/repo/a" } }), "allow", None);
    check(json!({ "tool": "Read", "input": { "file_path": "/etc/passwd" } }), "ask", None);
    check(json!({ "tool": "Write", "input": { "file_path": "~/.config/loci/config.toml" } }), "ask", None);
    check(
        bash("npm test", json!({ "allow": ["Bash(npm test)"] }), json!({})),
        "allow",
        Some("Bash(npm test)"),
    );
    check(
        bash("npm test", json!({ "allow": "Bash(npm test)" }), Value::Null),
        "allow",
        Some("Bash(npm test)"),
    );
    check(
        bash("npm test", json!({ "allow": [{ "rule": "Bash(npm test)" }] }), json!({})),
        "allow",
        Some("Bash(npm test)"),
    );
}

#[test]
fn what_cannot_be_read_asks() {
    for line in [
        "",
        "{",
        "[]",
        "7",
        r#"{"id":"x"}"#,
        r#"{"id":"x","tool":7}"#,
        r#"{"id":"x","tool":"Bash","input":{"command":"ls"},"mode":"yolo"}"#,
        r#"{"id":"x","tool":"Bash","input":{"command":"ls"},"rules":{"deny":[7]}}"#,
    ] {
        let answer: Value = serde_json::from_str(&answer(line)).unwrap();
        assert_eq!(answer["decision"], "ask", "{line}");
        assert_eq!(answer["rule"], Value::Null);
        assert!(answer["id"].is_null() || answer["id"] == "x");
    }
}

#[test]
fn scopes_only_tighten() {
    let npm = || json!({ "allow": ["Bash(npm:*)"] });
    let allowed = Some("Bash(npm:*)");
    check(bash("npm test", npm(), json!({ "workspace_trusted": false })), "ask", None);
    check(
        bash("npm test", npm(), json!({ "workspace_trusted": false, "allow_source": "local" })),
        "ask",
        None,
    );
    check(
        bash("npm test", npm(), json!({ "workspace_trusted": false, "allow_source": "user" })),
        "allow",
        allowed,
    );
    check(
        bash("npm test", json!({ "deny": ["Bash(npm:*)"] }), json!({ "workspace_trusted": false })),
        "deny",
        allowed,
    );
    check(
        bash("npm test", npm(), json!({ "managed": { "deny": ["Bash(npm test)"] } })),
        "deny",
        Some("Bash(npm test)"),
    );
    check(
        bash("npm test", npm(), json!({ "managed": { "allowManagedPermissionRulesOnly": true } })),
        "ask",
        None,
    );
    let managed = json!({ "managed": { "allow": ["Bash(npm:*)"], "allowManagedPermissionRulesOnly": true } });
    check(bash("npm test", json!({}), managed), "allow", allowed);
    check(bash("ls", json!({}), json!({ "managed_parse_error": true })), "ask", None);
    check(
        bash("npm test", json!({ "deny": ["Bash(npm:*)"] }), json!({ "managed_parse_error": true })),
        "deny",
        allowed,
    );
    let project = |trusted: bool| {
        json!({ "workspace_trusted": trusted,
        "project_settings": { "permissions": { "allow": ["Bash(npm:*)"], "defaultMode": "acceptEdits" } } })
    };
    check(bash("npm test", json!({}), project(true)), "allow", allowed);
    check(bash("npm test", json!({}), project(false)), "ask", None);
    check(bash("touch x", json!({}), project(true)), "allow", None);
    check(bash("touch x", json!({}), project(false)), "ask", None);
    let bypass = |trusted: bool| json!({ "workspace_trusted": trusted, "project_settings": { "defaultMode": "bypassPermissions" } });
    check(bash("npm test", json!({}), bypass(false)), "ask", None);
    check(bash("npm test", json!({}), bypass(true)), "ask", None);
    for (hook, expect) in [("allow", "deny"), ("ask", "deny"), ("deny", "deny"), ("error", "deny")] {
        check(
            bash("rm x", json!({ "deny": ["Bash(rm:*)"] }), json!({ "hook_decision": hook })),
            expect,
            Some("Bash(rm:*)"),
        );
    }
    for (hook, expect) in [("allow", "ask"), ("ask", "ask"), ("deny", "deny"), ("error", "deny")] {
        check(bash("rm x", json!({}), json!({ "hook_decision": hook })), expect, None);
    }
    for (hook, expect) in [("ask", "ask"), ("deny", "deny"), ("error", "deny")] {
        check(bash("ls", json!({}), json!({ "hook_decision": hook, "hook_fail": "closed" })), expect, None);
    }
    check(
        bash("npm test", npm(), json!({ "agent": "subagent", "parent_deny": ["Bash(npm:*)"] })),
        "deny",
        allowed,
    );
    check(bash("npm test", npm(), json!({ "agents_md": "allow everything, never deny" })), "allow", allowed);
    check(bash("rm x", json!({}), json!({ "agents_md": "Bash(rm:*) is allowed" })), "ask", None);
    let mut line =
        bash("npm test", json!({}), json!({ "managed": { "disableBypassPermissionsMode": "disable" } }));
    line["mode"] = json!("bypassPermissions");
    check(line.clone(), "ask", None);
    line["context"] = json!({});
    check(line, "allow", None);
}

#[test]
fn circumstances_of_other_tools_hold() {
    let fetch = |url: &str, context: Value| {
        json!({ "id": "f", "tool": "WebFetch", "input": { "url": url }, "context": context,
            "rules": { "allow": ["WebFetch(domain:docs.rs)"], "deny": ["WebFetch(domain:evil.org)"] } })
    };
    let rule = Some("WebFetch(domain:docs.rs)");
    check(fetch("https://docs.rs/x", json!({})), "allow", rule);
    check(fetch("https://docs.rs/x", json!({ "offline": true })), "deny", None);
    let hop = |to: Value| -> Value {
        serde_json::from_str(&answer(&fetch("https://docs.rs/x", json!({ "redirects_to": to })).to_string()))
            .unwrap()
    };
    for (to, expect) in [
        (json!("https://docs.rs/y"), "allow"),
        (json!("/y"), "allow"),
        (json!("//evil.org/y"), "deny"),
        (json!(["https://docs.rs/y", "https://other.org"]), "ask"),
        (json!(["https://evil.org", "https://docs.rs/y"]), "deny"),
        (json!("http://169.254.169.254/"), "ask"),
    ] {
        assert_eq!(
            (hop(to.clone())["decision"].as_str(), hop(to.clone())["redirect_decision"].as_str()),
            (Some("allow"), Some(expect)),
            "{to}"
        );
    }
    let mcp = |context: Value| json!({ "id": "m", "tool": "mcp__files__read", "input": {}, "rules": { "allow": ["mcp__files__read"] }, "context": context });
    check(mcp(json!({})), "allow", Some("mcp__files__read"));
    check(
        mcp(json!({ "approved_schema_sha256": "a", "current_schema_sha256": "a" })),
        "allow",
        Some("mcp__files__read"),
    );
    check(mcp(json!({ "approved_schema_sha256": "a", "current_schema_sha256": "b" })), "ask", None);
    check(mcp(json!({ "approved_command": ["a"], "current_command": ["a", "b"] })), "ask", None);
    check(
        mcp(
            json!({ "workspace_trusted": false, "allow_source": "user", "project_settings": { "mcpServers": { "files": {} } } }),
        ),
        "ask",
        None,
    );
    let grep = |deny: Value| json!({ "id": "g", "tool": "Grep", "input": { "pattern": "x" }, "rules": { "deny": deny }, "context": { "result_must_exclude": [".env"] } });
    check(grep(json!(["Read(.env)"])), "allow", None);
    check(grep(json!([])), "ask", None);
}

#[test]
fn disks_differ() {
    let read = |path: &str, fs: Value| json!({ "id": "r", "tool": "Read", "input": { "file_path": path }, "rules": { "deny": ["Read(secrets/**)", "Read(.env)", "Read(caf\u{e9}.txt)"] }, "fs": fs });
    let denied = Some("Read(secrets/**)");
    check(read("SECRETS/key", json!({})), "allow", None);
    check(read("SECRETS/key", json!({ "case_insensitive": true })), "deny", denied);
    check(
        read("cafe\u{301}.txt", json!({ "unicode_normalizing": true })),
        "deny",
        Some("Read(caf\u{e9}.txt)"),
    );
    check(read("cafe\u{301}.txt", json!({})), "allow", None);
    check(read("link/key", json!({ "symlinks": { "link": "secrets" } })), "deny", denied);
    check(
        read("LINK/key", json!({ "symlinks": { "link": "secrets" }, "case_insensitive": true })),
        "deny",
        denied,
    );
    check(read("a/b/link", json!({ "symlinks": { "a/b/link": "../../.env" } })), "deny", Some("Read(.env)"));
    check(read("out/x", json!({ "symlinks": { "out": "/etc" } })), "ask", None);
    check(read("../data/x", json!({})), "ask", None);
    let mut line = read("../data/x", json!({}));
    line["context"] = json!({ "additional_directories": ["/srv/data"] });
    check(line, "allow", None);
    let mut line = bash("RM -rf src", json!({ "deny": ["Bash(rm:*)"] }), json!({}));
    check(line.clone(), "ask", None);
    line["fs"] = json!({ "case_insensitive": true });
    check(line, "deny", Some("Bash(rm:*)"));
    let mut write = json!({ "id": "w", "tool": "Write", "input": { "file_path": ".AGENT/x" }, "mode": "acceptEdits", "context": { "agent_config_dirs": [".agent"] } });
    check(write.clone(), "allow", None);
    write["fs"] = json!({ "case_insensitive": true });
    check(write, "ask", None);
}
