//! Owns the tests of the policy of a machine, through the real binary and the real path.
//! Uses a mount namespace in which `/etc` is a folder of the test's own.
//! Never touches the `/etc` of the machine, and says so where no namespace can be made.
#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};

use serde_json::json;

use super::world::{PRICE, World};

/// Run the binary with these files in `/etc/loci/policy.d`, after `prepare` in a shell there. Exit code and everything said;
/// `None` where the system gives no namespace.
fn under(world: &World, files: &[(&str, &str)], prepare: &str, arguments: &[&str]) -> Option<(i32, String)> {
    let inside = "set -e; mount -t tmpfs none /etc; mkdir -p /etc/loci/policy.d; chmod 755 /etc /etc/loci /etc/loci/policy.d";
    let mut script = inside.to_owned();
    for (name, text) in files {
        script.push_str(&format!(
            "; printf '%s' '{text}' > /etc/loci/policy.d/{name}; chmod 644 /etc/loci/policy.d/{name}"
        ));
    }
    if !prepare.is_empty() {
        script.push_str(&format!("; {prepare}"));
    }
    script.push_str("; exec \"$@\"");
    let template = world.command();
    let mut command = Command::new("unshare");
    // Root needs no user namespace, and may not get one; everybody else needs one to mount anything.
    let flags: &[&str] = if is_root() { &["-m"] } else { &["-Urm"] };
    command.args(flags).args(["sh", "-c", &script, "sh"]).arg(template.get_program()).args(arguments);
    command.env_clear().current_dir(world.repo()).stdin(Stdio::null());
    for (name, value) in template.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    let output = command.output().ok()?;
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Some((output.status.code()?, said))
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Whether a namespace with an `/etc` of its own can be made here.
fn possible(world: &World) -> bool {
    let possible = under(world, &[], "", &["--version"]).is_some_and(|(code, _)| code == 0);
    if !possible {
        super::world::skipped("the policy of a machine, end to end", "no mount namespace can be made here");
    }
    possible
}

#[test]
fn a_policy_that_cannot_be_relied_on_starts_nothing() {
    let world = World::with_crate();
    if !possible(&world) {
        return;
    }
    let good = ("10-site.toml", "deny = [\"Bash(curl:*)\"]\n");
    let show = ["config", "show", "--origin"];
    let (code, said) = under(&world, &[good], "", &show).expect("runs");
    assert!(code == 0 && said.contains("/etc/loci/policy.d/10-site.toml (managed)"), "{said}");
    let check = |files: &[(&str, &str)], prepare: &str, part: &str| {
        for arguments in [&show[..], &["-p", "hello"], &["search", "x"]] {
            let (code, said) = under(&world, files, prepare, arguments).expect("runs");
            assert_eq!(code, 2, "{prepare} {said}");
            assert!(said.contains("error: the policy of this machine cannot be relied on"), "{said}");
            assert!(said.contains(part) && said.contains("hint: "), "{said} lacks {part}");
        }
    };
    check(&[("10-site.toml", "deny = [")], "", "10-site.toml");
    check(&[("10-site.toml", "denies = []")], "", "denies");
    check(&[good], "chmod 666 /etc/loci/policy.d/10-site.toml", "may write it");
    check(&[good], "chmod 777 /etc/loci/policy.d", "may write it");
    check(&[good], "ln -s 10-site.toml /etc/loci/policy.d/20-link.toml", "20-link.toml");
    if is_root() {
        check(&[good], "chown 1234 /etc/loci/policy.d/10-site.toml", "belongs to user 1234");
    }
}

#[test]
fn a_policy_only_tightens_and_no_variable_moves_it() {
    let world = World::with_crate();
    if !possible(&world) {
        return;
    }
    let edit = json!({ "path": "src/price.rs", "old": "sum / 10", "new": "sum / 20" });
    let model = world.script(&json!([
        { "events": [{ "call": { "name": "edit", "arguments": edit } }] },
        { "events": [{ "text": "done" }] },
    ]));
    let edits = |policy: &str, flags: &[&str]| {
        let mut arguments = vec!["-p", "halve it", "-m", &model];
        arguments.extend(flags);
        let (code, said) = under(&world, &[("10.toml", policy)], "", &arguments).expect("runs");
        assert_eq!(code, 0, "{policy}: {said}");
        let changed = world.read("src/price.rs") != PRICE;
        world.write("src/price.rs", PRICE);
        changed
    };
    let (allow, bypass) = (&["--allow", "Edit"], &["--permission-mode", "bypassPermissions"]);
    assert!(edits("", allow) && edits("", bypass), "the controls");
    assert!(edits("allow = [\"Edit\"]", &[]));
    assert!(!edits("deny = [\"Edit(src/**)\"]", allow) && !edits("deny = [\"Edit(src/**)\"]", bypass));
    assert!(!edits("ask = [\"Edit\"]", allow) && !edits("ask = [\"Edit\"]", bypass));
    assert!(!edits("managed_rules_only = true", allow));
    assert!(edits("managed_rules_only = true\nallow = [\"Edit\"]", &[]));
    assert!(!edits("disable_bypass = true", bypass) && edits("disable_bypass = true", allow));
    let refused = |policy: &str, arguments: &[&str], part: &str| {
        let (code, said) = under(&world, &[("10.toml", policy)], "", arguments).expect("runs");
        assert!(code == 2 && said.contains(part), "{policy}: {code} {said}");
    };
    refused(
        "[models]\nallow = [{ name = \"builtin\" }]",
        &["-p", "x", "-m", &model],
        "does not allow scripts",
    );
    std::fs::write(world.repo().join("m.gguf"), "abc").expect("written");
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let named = format!("[models]\nallow = [{{ sha256 = \"{}\" }}]", "0".repeat(64));
    refused(&named, &["-p", "x", "-m", "./m.gguf"], &format!("m.gguf (sha256 {hash})"));
    // The control: the file that is allowed is opened, and is no model.
    let named = format!("[models]\nallow = [{{ sha256 = \"{hash}\" }}]");
    let (_, said) = under(&world, &[("10.toml", &named)], "", &["-p", "x", "-m", "./m.gguf"]).expect("runs");
    assert!(!said.contains("does not allow") && said.contains("error:"), "{said}");
    let (_, said) = under(
        &world,
        &[("10.toml", "offline = true\nnever_leaves = [\"secrets/**\"]")],
        "",
        &["policy", "show"],
    )
    .expect("runs");
    assert!(said.contains("never_leaves") && said.contains("nothing goes over the network"), "{said}");
}

#[test]
fn a_model_that_the_machine_does_not_know_is_not_kept() {
    let world = World::with_crate();
    if !possible(&world) {
        return;
    }
    // The same model, and one that differs in a weight.
    let good = include_bytes!("../../../../inference/builtin/loci-builtin.gguf").to_vec();
    let mut other = good.clone();
    other[2_000_000] ^= 1;
    let policy = format!("[models]\nallow = [{{ sha256 = \"{}\" }}]\n", loci_inference::builtin::SHA256);
    let kept = world.home().join(".local/share/loci/models");
    for (name, bytes, allowed) in [("good.gguf", good, true), ("other.gguf", other, false)] {
        let path = world.home().join(name);
        std::fs::write(&path, bytes).expect("written");
        let path = path.to_string_lossy();
        let pull = ["models", "pull", path.as_ref(), "--yes"];
        let (code, said) = under(&world, &[("10-site.toml", &policy)], "", &pull).expect("runs");
        assert_eq!(code == 0, allowed, "{said}");
        assert_eq!(kept.join(name).exists(), allowed, "{said}");
        assert!(allowed || said.contains("the policy of this machine does not allow the model"), "{said}");
    }
    // Where there is no policy, it may come.
    let path = world.home().join("other.gguf");
    world.loci(&["models", "pull", &path.to_string_lossy(), "--yes"]).ended(0);
    assert!(kept.join("other.gguf").exists());
}
