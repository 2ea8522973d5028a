//! Owns the tests of managed policy: what is read, what is refused.
//! Uses temporary folders, with whoever runs the tests as the owner.
//! Never looks at the policy of this machine.

#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use super::*;

struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("policy.d")).unwrap();
        let folder = Self { folder };
        folder.mode("", 0o755);
        folder
    }

    fn path(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("policy.d")
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
        self.mode(name, 0o644);
    }

    #[cfg(unix)]
    fn mode(&self, name: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(self.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    #[cfg(not(unix))]
    fn mode(&self, _name: &str, _mode: u32) {}

    fn owner(&self) -> Owner {
        this_user()
    }

    fn load(&self) -> Result<Managed, ManagedError> {
        Managed::load(&self.path(), self.owner())
    }

    #[track_caller]
    fn refused(&self, parts: &[&str]) {
        let message = self.load().unwrap_err().to_string();
        for part in parts {
            assert!(message.contains(part), "{message} lacks {part}");
        }
    }
}

const WHOLE: &str = r#"
deny = ["Bash(curl:*)", { rule = "Read(secrets/**)" }]
ask = ["WebFetch"]
allow = ["Bash(make:*)"]
managed_rules_only = true
disable_bypass = true
offline = true
sandbox_required = "restricted"
never_leaves = ["secrets/**"]
redact = true
audit_required = true

[network]
allow = ["crates.io", "*.example.org"]

[providers]
allow = ["http://127.0.0.1:8080/v1/"]

[models]
allow = [
  { name = "builtin" },
  { name = "qwen", sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
]

[mcp]
allow = [{ name = "files", command = "mcp-files --root ." }]
"#;

#[test]
fn a_policy_is_read_whole() {
    let folder = Folder::new();
    assert!(folder.load().unwrap().is_empty());
    folder.write("10-all.toml", WHOLE);
    folder.write("README", "not TOML [");
    folder.write(".10-all.toml.swp.toml", "not TOML [");
    let managed = folder.load().unwrap();
    assert_eq!(managed.files.len(), 1);
    assert_eq!(managed.rules.deny[1].text, "Read(secrets/**)");
    assert_eq!(managed.rules.deny[1].layer, loci_policy::Layer::Managed);
    assert!(managed.rules.deny[1].origin.ends_with("10-all.toml:2"), "{}", managed.rules.deny[1].origin);
    assert!(managed.managed_rules_only && managed.disable_bypass && managed.offline && managed.redact);
    assert_eq!(managed.sandbox_required, Some(Level::Restricted));
    assert!(managed.allows_provider("http://127.0.0.1:8080/v1"));
    assert!(!managed.allows_provider("http://127.0.0.1:8080/v1/../v2"));
    assert!(managed.allows_model_named("builtin"));
    // A file may call itself anything.
    assert!(!managed.allows_model_named("qwen"));
    let hashes = |sha256: &str| FileHashes { sha256: sha256.repeat(64), blake3: "0".repeat(64) };
    assert!(managed.allows_model_file(&hashes("A")) && !managed.allows_model_file(&hashes("b")));
    let keys: Vec<&str> = managed.entries.iter().map(|entry| entry.key.as_str()).collect();
    assert!(keys.contains(&"network.allow") && keys.contains(&"deny"), "{keys:?}");
}

#[test]
fn without_a_policy_everything_is_allowed() {
    let folder = Folder::new();
    let managed = Managed::load(&folder.path().join("missing"), folder.owner()).unwrap();
    assert!(managed.allows_provider("http://x") && managed.allows_model_named("x"));
    assert!(managed.allows_model_file(&FileHashes::default()));
    assert_eq!(managed.narrow_hosts(vec!["x".into()]), ["x"]);
}

#[test]
fn several_files_only_tighten() {
    let folder = Folder::new();
    folder.write(
        "10.toml",
        "sandbox_required = \"full\"\ndeny = [\"A\"]\n[network]\nallow = [\"a.org\", \"b.org\"]\n",
    );
    folder.write(
        "20.toml",
        "sandbox_required = \"restricted\"\noffline = false\ndeny = [\"B\"]\n[network]\nallow = [\"b.org\", \"c.org\"]\n",
    );
    let managed = folder.load().unwrap();
    assert_eq!(managed.sandbox_required, Some(Level::Full));
    // What is left off switches nothing off that a user switched on.
    assert!(managed.entries.iter().all(|entry| entry.key != "offline"));
    assert_eq!(managed.network.as_deref().unwrap(), ["b.org"]);
    assert_eq!(managed.rules.deny.len(), 2);
}

#[test]
fn what_is_not_understood_is_refused_and_named() {
    let check = |text: &str, part: &str| {
        let folder = Folder::new();
        folder.write("10.toml", "deny = [\"Bash(rm:*)\"]\n");
        assert!(folder.load().is_ok());
        folder.write("20-site.toml", text);
        folder.refused(&["20-site.toml", part]);
    };
    check("deny = [", "line 1");
    check("denny = [\"A\"]", "denny");
    check("deny = [\"A\"]\n[network]\nallowed = []", "allowed");
    check("deny = [7]", "`deny` must be a list of rules");
    check("deny = [\"Bash(\"]", "does not do what it seems to say");
    check("sandbox_required = \"strong\"", "strong");
    check("offline = \"yes\"", "offline");
    check("never_leaves = [\"!x\"]", "`never_leaves` has `!x`");
    check("[network]\nallow = [\"http://x\"]", "`network.allow`");
    check("[models]\nallow = [{ sha256 = \"12\" }]", "64 hexadecimal digits");
    check("[models]\nallow = [{}]", "neither name nor hash");
    check(&format!("# {}", "x".repeat(LARGEST as usize)), "larger than 1 MiB");
}

#[cfg(unix)]
#[test]
fn what_others_may_write_is_refused() {
    let folder = Folder::new();
    folder.write("10.toml", "offline = true");
    assert!(folder.load().is_ok());
    for mode in [0o664, 0o646, 0o666] {
        folder.mode("10.toml", mode);
        folder.refused(&["10.toml", "may write it", "chmod go-w"]);
    }
    folder.mode("10.toml", 0o644);
    folder.mode("", 0o775);
    folder.refused(&["policy.d", "may write it"]);
    folder.mode("", 0o755);
    assert!(folder.load().is_ok());
    // Whoever may write the folder above may put another one there.
    folder.mode("..", 0o777);
    folder.refused(&["another folder"]);
    folder.mode("..", 0o1777);
    assert!(folder.load().is_ok());
    let Owner::User(owner) = folder.owner();
    let other = Managed::load(&folder.path(), Owner::User(owner + 1));
    assert!(other.is_err_and(|error| error.to_string().contains("it belongs to user")));
}

#[cfg(unix)]
#[test]
fn links_pipes_and_folders_are_refused() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new();
    let elsewhere = folder.path().join("../elsewhere.toml");
    fs::write(&elsewhere, "offline = true").unwrap();
    symlink(&elsewhere, folder.path().join("10.toml")).unwrap();
    folder.refused(&["10.toml", "not a regular file"]);
    fs::remove_file(folder.path().join("10.toml")).unwrap();
    fs::create_dir(folder.path().join("10.toml")).unwrap();
    folder.refused(&["10.toml", "not a regular file"]);
    fs::remove_dir(folder.path().join("10.toml")).unwrap();
    assert!(folder.load().is_ok());
    let link = folder.path().join("../link.d");
    symlink(folder.path(), &link).unwrap();
    assert!(Managed::load(&link, folder.owner()).is_err_and(|error| error.message == "it is not a folder"));
    let file = folder.path().join("../file.d");
    fs::write(&file, "").unwrap();
    assert!(Managed::load(&file, folder.owner()).is_err());
}

#[test]
fn hosts_are_covered_as_they_are_matched() {
    let check = |wide: &str, narrow: &str, expect: bool| {
        assert_eq!(covers(wide, narrow), expect, "{wide} {narrow}");
    };
    check("crates.io", "crates.io", true);
    check("crates.io", "Crates.IO.", true);
    check("crates.io", "*.crates.io", false);
    check("crates.io", "static.crates.io", false);
    check("*.crates.io", "static.crates.io", true);
    check("*.crates.io", "*.crates.io", true);
    check("*.crates.io", "*.a.crates.io", true);
    check("*.crates.io", "crates.io", false);
    check("*.crates.io", "evilcrates.io", false);
    check("*.crates.io", "*", false);
    check("*.a.crates.io", "*.crates.io", false);
}

#[test]
fn files_are_known_by_their_hashes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    fs::write(&path, "abc").unwrap();
    let hashes = hash_file(&path).unwrap();
    // The examples of FIPS 180-2 and of the BLAKE3 paper's test vectors.
    assert_eq!(hashes.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(hashes.blake3, "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85");
    assert!(hash_file(&folder.path().join("missing")).is_err());
}
