//! Any two texts as a path pattern and a path: what is denied is never allowed, and what leaves the workspace asks.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loci_policy::{Context, Files, Kind, Mode, Rules, Verdict, decide};
use serde_json::json;
use std::path::{Component, Path, PathBuf};

struct Links;

impl Files for Links {
    fn resolve(&self, path: &Path) -> PathBuf {
        let mut here = PathBuf::new();
        for component in path.components() {
            match component {
                Component::ParentDir => {
                    here.pop();
                }
                Component::CurDir => {}
                other => here.push(other),
            }
            if here.ends_with("out") {
                here = PathBuf::from("/etc");
            }
        }
        here
    }

    fn kind(&self, path: &Path) -> Kind {
        if path.ends_with("out") { Kind::Symlink } else { Kind::Missing }
    }
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let (pattern, path) = text.split_once('\n').unwrap_or(("", &text));
    let context = Context {
        root: "/srv/repo".into(),
        cwd: "/srv/repo/src".into(),
        home: "/home/dev".into(),
        ..Context::default()
    };
    let rule = format!("Read({pattern})");
    let judged = |rules: &Rules, tool: &str| {
        decide(rules, Mode::Default, &context, tool, &json!({ "file_path": path }), &Links).decision
    };
    let none = judged(&Rules::default(), "Read");
    let denied = judged(&Rules { deny: vec![rule.as_str().into()], ..Rules::default() }, "Read");
    let allowed = judged(&Rules { allow: vec![rule.as_str().into()], ..Rules::default() }, "Read");
    assert!(denied >= none && allowed <= none);
    let both = Rules { deny: vec![rule.as_str().into()], allow: vec![rule.as_str().into()], ..Rules::default() };
    assert!(judged(&both, "Read") >= denied.max(allowed));
    assert_ne!(judged(&Rules::default(), "Edit"), Verdict::Allow);
    let written = Path::new(path);
    let elsewhere = written.is_absolute() && !written.starts_with("/srv/repo");
    let leaves = elsewhere || written.components().any(|part| part.as_os_str() == "out");
    assert!(!leaves || none != Verdict::Allow, "{path:?}");
});
