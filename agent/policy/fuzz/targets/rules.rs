//! Any text as rules, three of them a call: reading them never fails, and their order does not matter.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loci_policy::{Context, Files, Kind, Mode, Rule, Rules, decide};
use serde_json::json;
use std::path::{Path, PathBuf};

struct Nothing;

impl Files for Nothing {
    fn resolve(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }

    fn kind(&self, _: &Path) -> Kind {
        Kind::Missing
    }
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let mut lists: [Vec<Rule>; 3] = Default::default();
    for (position, line) in text.lines().take(12).enumerate() {
        lists[position % 3].push(line.into());
    }
    let [deny, ask, allow] = lists;
    let rules = Rules { deny, ask, allow };
    let mut turned = rules.clone();
    turned.deny.reverse();
    turned.ask.reverse();
    turned.allow.reverse();
    let _ = rules.check();
    let context = Context {
        root: "/srv/repo".into(),
        cwd: "/srv/repo/src".into(),
        home: "/home/dev".into(),
        ..Context::default()
    };
    for (tool, input) in [
        ("Bash", json!({ "command": "git push origin 'a b' > x; cat ../.env" })),
        ("Read", json!({ "file_path": "../.env" })),
        ("Edit", json!({ "file_path": "~/x/a.rs" })),
        ("WebFetch", json!({ "url": "https://a.docs.rs/x" })),
        ("mcp__a__b", json!({ "model": "x" })),
    ] {
        for mode in [Mode::Default, Mode::AcceptEdits, Mode::BypassPermissions] {
            let one = decide(&rules, mode, &context, tool, &input, &Nothing).decision;
            assert_eq!(one, decide(&turned, mode, &context, tool, &input, &Nothing).decision);
        }
    }
});
