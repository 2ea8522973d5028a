//! Owns the proof that a sandbox holds: more than a hundred attempts to get out of it, each tried outside as well.
//! Uses the built binary as users do, `loci sandbox`, with bash and Python for the attempts.
//! Never counts an attempt that does not work outside either: then it shows nothing, and the test says so.
#![cfg(target_os = "linux")]

mod attempts;

use std::collections::BTreeMap;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use attempts::{From, PYTHON, SHELL, Seen};
use tempfile::TempDir;

use super::world::skipped;

const PRELUDE: &str = include_str!("sandbox/prelude.py");

/// Where attempts are made: a project, what lies beside it, a home with secrets, and what listens. Not below `/tmp`, which
/// a sandbox hides whole.
struct Field {
    folder: TempDir,
    name: String,
    victims: [Child; 2],
    port: u16,
    _sockets: Vec<UnixListener>,
    _server: std::net::TcpListener,
    _datagrams: std::net::UdpSocket,
}

/// What a run of all attempts gave: for each its exit code.
type Tried = BTreeMap<String, bool>;

impl Field {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("loci-attempt-{}-{count}", std::process::id());
        let folder = tempfile::Builder::new()
            .prefix("loci-sandbox-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a folder");
        let top = folder.path().to_owned();
        let git = ["repo/.git/hooks", "repo/.git/info", "repo/.git/objects", "repo/.git/refs/heads"];
        for path in git.iter().chain(&["repo/src", "outside", "home/.ssh", "home/.aws", "home/.docker/run"]) {
            std::fs::create_dir_all(top.join(path)).expect("created");
        }
        for (path, text) in [
            ("repo/.git/HEAD", "ref: refs/heads/main\n"),
            ("repo/.git/config", "[core]\n\trepositoryformatversion = 0\n"),
            ("repo/src/a.txt", "a\n"),
            ("outside/victim", "victim\n"),
            ("outside/cut", "long\n"),
            ("outside/removed", "x\n"),
            ("outside/taken", "x\n"),
            ("outside/owned", "x\n"),
            ("home/.bashrc", "# nothing\n"),
            ("home/.ssh/id_ed25519", "hunter2\n"),
            ("home/.aws/credentials", "hunter2\n"),
            ("home/.netrc", "hunter2\n"),
            ("home/.cargo/credentials.toml", "hunter2\n"),
            ("home/.config/gh/hosts.yml", "hunter2\n"),
            ("home/.local/share/loci/session", "hunter2\n"),
            ("home/.docker/config.json", "hunter2\n"),
        ] {
            let path = top.join(path);
            std::fs::create_dir_all(path.parent().expect("has one")).expect("created");
            std::fs::write(path, text).expect("written");
        }
        std::os::unix::fs::symlink(top.join("outside"), top.join("repo/link-out")).expect("linked");
        std::os::unix::fs::symlink(top.join("outside/victim"), top.join("repo/link-file")).expect("linked");
        std::fs::write(format!("/tmp/{name}-left"), "left\n").expect("written");
        let server = std::net::TcpListener::bind("127.0.0.1:0").expect("listens");
        let port = server.local_addr().expect("has one").port();
        let nameless = SocketAddr::from_abstract_name(&name).expect("an address");
        let sockets = vec![
            UnixListener::bind_addr(&nameless).expect("listens"),
            // From its folder: an address has no room for a long path.
            bind(&top.join("home/.docker/run/docker.sock")),
            bind(Path::new(&format!("/tmp/{name}-agent"))),
        ];
        let victim = || {
            let mut command = Command::new("sleep");
            command.arg("600").env("VICTIM_SECRET", "hunter2").stdin(Stdio::null());
            command.spawn().expect("starts")
        };
        Self {
            victims: [victim(), victim()],
            _datagrams: std::net::UdpSocket::bind(("127.0.0.1", port)).expect("listens"),
            folder,
            name,
            port,
            _sockets: sockets,
            _server: server,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().expect("resolves").join(name)
    }

    /// Run all attempts, in the sandbox of a level or outside.
    fn run(&self, level: Option<&str>) -> Tried {
        let script = self.path("attempts.sh");
        std::fs::write(&script, self.script()).expect("written");
        let inner = format!("bash {}", script.display());
        let line = match level {
            Some(level) => format!(
                "exec 9<\"$HOME/.netrc\"; OUTER=$$ exec {} sandbox --level {level} -- {inner}",
                env!("CARGO_BIN_EXE_loci")
            ),
            None => format!(
                "exec 9<\"$HOME/.netrc\"; sleep 600 & OUTER=$!; export OUTER SECRET_TOKEN; {inner}; kill $OUTER"
            ),
        };
        let [first, second] = &self.victims;
        let output = Command::new("bash")
            .args(["-c", &line])
            .current_dir(self.path("repo"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").expect("there is one"))
            .env("HOME", self.path("home"))
            .env("OUT", self.path("outside"))
            .env("NAME", &self.name)
            .env("VICTIM", first.id().to_string())
            .env("VICTIM2", second.id().to_string())
            .env("PORT", self.port.to_string())
            .env("SECRET_TOKEN", "hunter2")
            .env("DATABASE_URL", "postgres://app:hunter2@db/app")
            .env("SSH_AUTH_SOCK", "/tmp/agent")
            .env("LD_PRELOAD", "/nowhere/preloaded.so")
            .env("BASH_FUNC_planted%%", "() { true; }")
            .stdin(Stdio::null())
            .output()
            .expect("runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let mut tried: Tried = text
            .lines()
            .filter_map(|line| line.strip_prefix("TRIED ")?.split_once(' '))
            .map(|(code, name)| (name.to_owned(), code == "0"))
            .collect();
        assert!(
            tried.contains_key("be without a filter"),
            "nothing ran: {text}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        for (name, _, seen, _) in SHELL {
            if let Seen::Outside(path) = seen {
                let path = path.replace("$NAME", &self.name);
                tried.insert((*name).to_owned(), self.path(&path).symlink_metadata().is_ok());
            }
        }
        tried
    }

    fn script(&self) -> String {
        let mut script = String::new();
        for (name, _, _, act) in SHELL {
            script.push_str(&format!("(\n{act}\n) >/dev/null 2>&1 </dev/null; echo \"TRIED $? {name}\"\n"));
        }
        let mut program = PRELUDE.to_owned();
        for (number, (name, _, act)) in PYTHON.iter().enumerate() {
            program.push_str(&format!("def act_{number}():\n    {act}\nattempt({name:?}, act_{number})\n"));
        }
        let path = self.path("attempts.py");
        std::fs::write(&path, program).expect("written");
        if let Some(python) = python() {
            script.push_str(&format!("'{python}' {}\n", path.display()));
        }
        script
    }

    /// Everything that must stay as it is: contents and links; at the full level modes, owners and times as well.
    fn around(&self, level: &str) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        let mut open = vec![self.path("outside"), self.path("home"), self.path("repo/.git")];
        while let Some(path) = open.pop() {
            let meta = path.symlink_metadata().expect("is there");
            let content = std::fs::read(&path).unwrap_or_default();
            let mut seen = format!("{} {}", meta.nlink(), String::from_utf8_lossy(&content));
            if level == "full" && !meta.is_dir() {
                seen.push_str(&format!("{:o} {}:{} {}", meta.mode(), meta.uid(), meta.gid(), meta.mtime()));
            }
            if meta.is_dir() {
                open.extend(std::fs::read_dir(&path).expect("readable").flatten().map(|entry| entry.path()));
            }
            found.insert(path, seen);
        }
        found
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        for victim in &mut self.victims {
            let _ = victim.kill();
            let _ = victim.wait();
        }
        for path in ["/tmp/$-left", "/tmp/$-agent", "/tmp/$", "/var/tmp/$", "/dev/shm/$"] {
            let _ = std::fs::remove_file(path.replace('$', &self.name));
        }
    }
}

/// A listener at a path of any length: an address has room for 107 bytes, but a link through a descriptor is short.
fn bind(path: &Path) -> UnixListener {
    let folder = std::fs::File::open(path.parent().expect("has one")).expect("opens");
    let name = path.file_name().expect("has one").to_string_lossy();
    let number = std::os::fd::AsRawFd::as_raw_fd(&folder);
    UnixListener::bind(format!("/proc/self/fd/{number}/{name}")).expect("listens")
}

/// The real one: what stands in the path may be a script that looks for it in a home that we have hidden.
fn python() -> Option<String> {
    let output = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !path.is_empty()).then_some(path)
}

fn machine() -> (String, Vec<String>) {
    let output = Command::new(env!("CARGO_BIN_EXE_loci")).args(["doctor", "--json"]).output().expect("runs");
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let level = value["sandbox"]["level"].as_str().expect("a level").to_owned();
    let why = value["sandbox"]["why"].as_array().expect("a list");
    (level, why.iter().map(ToString::to_string).collect())
}

/// Try everything at a level, and once outside; what got out although it must not.
fn try_all(level: &str) {
    let (given, why) = machine();
    if given == "none" || (given == "restricted" && level == "full") {
        skipped(
            &format!("the sandbox `{level}`"),
            &format!("this machine gives `{given}`: {}", why.join("; ")),
        );
        return;
    }
    let python = python().is_some();
    if !python {
        skipped("attempts by single system calls", "there is no python3");
    }
    let inside = Field::new();
    let before = inside.around(level);
    let got_out = inside.run(Some(level));
    let control = Field::new().run(None);

    let must_fail = |from: From| level == "full" || from == From::Restricted;
    let names = SHELL
        .iter()
        .map(|(name, from, ..)| (*name, *from))
        .chain(PYTHON.iter().filter(|_| python).map(|(name, from, _)| (*name, *from)));
    let (mut held, mut without, mut failed) = (0, Vec::new(), Vec::new());
    for (name, _) in names.filter(|(_, from)| must_fail(*from)) {
        match (got_out.get(name), control.get(name)) {
            (Some(true), _) => failed.push(name),
            (Some(false), Some(true)) => held += 1,
            (Some(false), _) => without.push(name),
            (None, _) => failed.push(name),
        }
    }
    skipped(
        &format!("{level}: {held} attempts fail that work outside; {} others", without.len()),
        &format!("they do not work outside either: {}", without.join(", ")),
    );
    assert_eq!(failed, Vec::<&str>::new(), "these got out at level {level}");
    assert_eq!(inside.around(level), before, "something outside was changed");
    if python {
        assert!(held >= 60, "only {held} attempts were shown to be stopped by the sandbox");
    }
}

#[test]
fn nothing_gets_out_of_the_full_sandbox() {
    try_all("full");
}

#[test]
fn nothing_gets_out_of_the_restricted_sandbox() {
    try_all("restricted");
}

#[test]
fn what_is_protected_is_neither_written_nor_made() {
    let (given, _) = machine();
    let levels: &[&str] = match given.as_str() {
        "full" => &["full", "restricted", "none"],
        "restricted" => &["restricted", "none"],
        _ => &["none"],
    };
    // Here the configuration is there and the repository is not.
    let attempts = [
        "echo x >>.loci/config.toml",
        "mv .loci src/away && mv src/away .loci",
        "rm .loci/config.toml",
        "mkdir .git && rmdir .git",
        "ln -s src .git && rm .git",
        "echo x >.git && rm .git",
    ];
    for level in levels {
        for attempt in attempts {
            let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
            let root = folder.path().join("project");
            std::fs::create_dir_all(root.join("src")).expect("created");
            std::fs::create_dir(root.join(".loci")).expect("created");
            std::fs::write(root.join(".loci/config.toml"), "").expect("written");
            let output = Command::new(env!("CARGO_BIN_EXE_loci"))
                .args(["sandbox", "--level", level, "--", "bash", "-c", attempt])
                .current_dir(&root)
                .env("HOME", folder.path().join("home"))
                .output()
                .expect("runs");
            let worked = output.status.success();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(worked, *level == "none", "{level}: {attempt}: {said}");
            assert!(!root.join(".git").exists(), "{level}: {attempt} left something");
            assert!(*level == "none" || root.join(".loci/config.toml").is_file(), "{level}: {attempt}");
        }
    }
}

#[test]
fn a_command_in_the_sandbox_ends_as_it_does_without() {
    let world = super::world::World::new();
    let (given, _) = machine();
    for level in ["full", "restricted", "none"] {
        if given != "full" && level != "none" && given != level {
            skipped(&format!("the sandbox `{level}`"), &format!("this machine gives `{given}`"));
            continue;
        }
        let check = |command: &[&str], code: i32, out: &str| {
            let arguments: Vec<&str> =
                ["sandbox", "--level", level, "--"].into_iter().chain(command.iter().copied()).collect();
            let run = world.loci(&arguments).ended(code);
            assert_eq!(run.out, out, "{level}: {command:?}");
        };
        check(&["sh", "-c", "echo hello; exit 3"], 3, "hello\n");
        check(&["sh", "-c", "kill -9 $$"], 137, "");
        check(&["cat"], 0, "");
        world.loci(&["sandbox", "--level", level, "--", "loci-no-such-program"]).ended(1);
    }
}

#[test]
fn the_doctor_says_how_the_machine_stands() {
    let world = super::world::World::new();
    let run = world.loci(&["doctor", "--json"]);
    let value = run.json();
    let names: Vec<&str> = value["findings"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|finding| finding["name"].as_str().expect("a name"))
        .collect();
    let parts = ["offline", "sandbox", "kernel", "git", "bash", "index", "disk", "trust"];
    assert_eq!(names, [&parts[..], &["terminal", "keys", "copy", "locale"]].concat());
    for finding in value["findings"].as_array().expect("a list") {
        assert!(["good", "less", "bad"].contains(&finding["state"].as_str().expect("a state")));
        assert!(!finding["text"].as_str().expect("a text").is_empty());
    }
    let text = world.loci(&["doctor"]).out;
    assert!(text.contains("sandbox") && text.contains("is not trusted"), "{text}");
    world.loci(&["trust"]).ended(0);
    assert!(world.loci(&["doctor"]).out.contains("is trusted"));
}
