//! Any text as a shell command: there is an answer, and a further deny never widens it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loci_policy::{Context, Files, Kind, Mode, Rules, Verdict, decide};
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
    let command = String::from_utf8_lossy(data);
    let context = Context {
        root: "/srv/repo".into(),
        cwd: "/srv/repo".into(),
        home: "/home/dev".into(),
        ..Context::default()
    };
    let input = json!({ "command": command });
    let judged = |rules: &Rules, mode| decide(rules, mode, &context, "Bash", &input, &Nothing).decision;
    let allowing = Rules { allow: vec!["Bash".into()], ..Rules::default() };
    let denying = Rules { deny: vec!["Bash(rm:*)".into()], ..allowing.clone() };
    for mode in [Mode::Default, Mode::BypassPermissions] {
        assert!(judged(&denying, mode) >= judged(&allowing, mode));
    }
    assert!(judged(&Rules::default(), Mode::Default) <= Verdict::Ask);
    assert!(judged(&Rules::default(), Mode::DontAsk) != Verdict::Ask);
});
