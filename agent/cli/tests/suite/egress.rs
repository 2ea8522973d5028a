//! Owns the tests of the ledger of what leaves the machine: it says what arrived, byte for byte, and before it did.
//! Uses a service on loopback that keeps what arrives.
//! Never reaches another network.

use std::io::Write;

use serde_json::{Value, json};

use super::service::{KEY, Reply, Service};
use super::world::World;

/// SHA-256 of what arrived, as model files are hashed.
fn sha256(bytes: &[u8]) -> String {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("written");
    loci_core::managed::hash_file(file.path()).expect("hashed").sha256
}

#[test]
fn the_ledger_says_what_arrived() {
    let world = World::with_crate();
    world.write(".env", "TOKEN=ghp_Zk3vQ8mR1xT7bN5cW2yH9pL4sD6fG0jKqUaE\n");
    let service = Service::start(vec![
        Reply::Call("read", json!({ "path": ".env" })),
        Reply::Call("read", json!({ "path": "src/price.rs" })),
        Reply::Text("A tenth."),
    ]);
    service.configure(&world, "", "");
    world.with_key(&["-p", "what is the discount?", "-m", "box"]).ended(0);
    let arrived = service.arrived();
    assert_eq!(arrived.len(), 3);
    let entries = world.loci(&["egress", "show", "--json"]).ended(0).json_lines();
    assert_eq!(entries.len(), 3);
    for (entry, arrived) in entries.iter().zip(&arrived) {
        assert_eq!(entry["bytes"], arrived.body.len(), "{entry}");
        assert_eq!(entry["sha256"], sha256(&arrived.body), "{entry}");
        assert_eq!(
            (&entry["method"], &entry["purpose"], &entry["attempt"]),
            (&json!("POST"), &json!("model"), &json!(1))
        );
        assert_eq!(entry["host"], format!("127.0.0.1:{}", service.port));
        assert!(entry["allowed_by"].as_str().is_some_and(|by| by.contains("--model")), "{entry}");
        assert!(!arrived.text().contains(KEY) && !arrived.text().contains("ghp_Zk3v"), "{}", arrived.text());
        assert!(arrived.head.contains(KEY), "the key is in its header, and there alone");
    }
    let part = |entry: &Value, origin: &str, name: Option<&str>| {
        let parts = entry["parts"].as_array().expect("a list");
        let found = parts.iter().find(|part| part["origin"] == origin && part["name"].as_str() == name);
        found.and_then(|part| part["bytes"].as_u64())
    };
    assert_eq!(part(&entries[0], "user", None), Some("what is the discount?".len() as u64));
    assert!(
        part(&entries[2], "file", Some("src/price.rs")).is_some_and(|bytes| bytes > 100),
        "{}",
        entries[2]
    );
    assert!(part(&entries[1], "file", Some("src/price.rs")).is_none());
    assert_eq!((&entries[0]["redactions"], &entries[1]["redactions"]), (&json!(0), &json!(1)));
    let text = world.loci(&["egress", "show", "--host", "127.0.0.1", "--since", "1h"]).ended(0).out;
    assert!(text.contains("3 transmissions") && text.contains("1 secrets replaced"), "{text}");
    assert_eq!(world.loci(&["egress", "show", "--host", "example.org", "--json"]).ended(0).out, "");
    world.loci(&["egress", "show", "--since", "whenever"]).ended(2).explains("is no time");
    assert!(world.loci(&["egress", "verify"]).ended(0).out.starts_with("intact: 3 transmissions"));
    // One byte is another.
    let path = world.home().join(".local/share/loci/egress/ledger.jsonl");
    let mut bytes = std::fs::read(&path).expect("readable");
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).expect("written");
    let value = world.loci(&["egress", "verify", "--json"]).ended(1).json();
    assert_eq!(value["broken"]["line"], 2, "{value}");
}

#[test]
fn what_cannot_be_written_down_is_not_sent() {
    let world = World::with_crate();
    let service = Service::start(vec![Reply::Text("sent after all"), Reply::Text("sent")]);
    service.configure(&world, "", "");
    let data = world.home().join(".local/share/loci");
    std::fs::create_dir_all(&data).expect("created");
    std::fs::write(data.join("egress"), "in its place").expect("written");
    let run = world.with_key(&["-p", "hello", "-m", "box"]).ended(1);
    assert!(run.err.contains("nothing was sent") && run.err.contains("ledger"), "{}", run.err);
    assert!(service.arrived().is_empty());
    std::fs::remove_file(data.join("egress")).expect("removed");
    world.with_key(&["-p", "hello", "-m", "box"]).ended(0);
    assert_eq!(service.arrived().len(), 1, "the control");
}

#[test]
fn each_try_is_written_down() {
    let world = World::with_crate();
    let service = Service::start(vec![Reply::Busy, Reply::Text("at last")]);
    service.configure(&world, "", "");
    let folder = world.home().join(".config/loci/config.toml");
    let text = std::fs::read_to_string(&folder).expect("readable").replace("retries = 0", "retries = 1");
    std::fs::write(&folder, text).expect("written");
    world.with_key(&["-p", "hello", "-m", "box"]).ended(0);
    let entries = world.loci(&["egress", "show", "--json"]).ended(0).json_lines();
    let tries: Vec<u64> = entries.iter().filter_map(|entry| entry["attempt"].as_u64()).collect();
    assert_eq!((tries, service.arrived().len()), (vec![1, 2], 2));
    assert_eq!(entries[0]["sha256"], entries[1]["sha256"]);
}

#[test]
fn a_dry_run_sends_nothing() {
    let world = World::with_crate();
    let service = Service::start(vec![Reply::Text("sent after all")]);
    service.configure(&world, "", "");
    let run = world.with_key(&["egress", "dry-run", "what is the discount?", "-m", "box", "--json"]).ended(0);
    let value = run.json();
    assert_eq!(
        (&value["leaves"], &value["endpoint"]),
        (&json!(true), &json!(format!("http://127.0.0.1:{}", service.port)))
    );
    let parts = value["parts"].as_array().expect("a list");
    let user = parts.iter().find(|part| part["origin"] == "user").expect("the request");
    assert_eq!(user["bytes"], "what is the discount?".len());
    assert!(
        parts.iter().any(|part| part["origin"] == "system")
            && parts.iter().any(|part| part["origin"] == "tools")
    );
    let text = world.with_key(&["egress", "dry-run", "hello", "-m", "box"]).ended(0).out;
    assert!(text.contains("would be sent") && text.contains("bytes of text"), "{text}");
    let here = world.with_key(&["egress", "dry-run", "hello", "-m", "builtin"]).ended(0).out;
    assert!(here.contains("nothing would leave this machine"), "{here}");
    assert!(service.arrived().is_empty());
    assert_eq!(world.loci(&["egress", "show", "--json"]).ended(0).out, "");
    assert_eq!(world.loci(&["sessions", "--json"]).ended(0).json(), json!([]), "no session is left of it");
}
