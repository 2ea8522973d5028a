//! Owns the world of an end-to-end test: a repository and a home in temporary folders, and the built binary.
//! Uses `tempfile` and the standard library.
//! Never lets the user's own configuration or the network in.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A repository and a home, gone when dropped.
pub(crate) struct World {
    folder: TempDir,
}

/// What a run of the binary gave.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl World {
    /// An empty repository.
    pub(crate) fn new() -> Self {
        let world =
            Self { folder: tempfile::Builder::new().prefix("loci-e2e-").tempdir().expect("a folder") };
        for folder in ["repo/.git", "home", "tmp"] {
            std::fs::create_dir_all(world.folder.path().join(folder)).expect("created");
        }
        world
    }

    /// A small crate with a struct, a function that has callers, a computation, and a test.
    pub(crate) fn with_crate() -> Self {
        let world = Self::new();
        world.write(
            "Cargo.toml",
            "[package]\nname = \"basket\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[workspace]\n",
        );
        world.write("src/lib.rs", LIB);
        world.write("src/price.rs", PRICE);
        world.write("README.md", "# Basket\n\nA basket of items with a discount.\n");
        world
    }

    pub(crate) fn repo(&self) -> PathBuf {
        self.folder.path().join("repo").canonicalize().expect("resolves")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Write a file of the repository.
    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.repo().join(path);
        std::fs::create_dir_all(path.parent().expect("has a parent")).expect("created");
        std::fs::write(path, text).expect("written");
    }

    /// Read a file of the repository.
    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.repo().join(path)).expect("readable")
    }

    /// Write a script for the model, and give the value for `-m`.
    pub(crate) fn script(&self, steps: &Value) -> String {
        self.script_named("script.json", steps)
    }

    /// The same beside another one.
    pub(crate) fn script_named(&self, name: &str, steps: &Value) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, steps.to_string()).expect("written");
        format!("scripted:{}", path.display())
    }

    /// The binary, in the repository, with nothing of the real environment.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loci"));
        command
            .current_dir(self.repo())
            .env_clear()
            .env("HOME", self.home())
            .env("TMPDIR", self.folder.path().join("tmp"))
            .env("LOCI_SYSTEM_CONFIG_DIR", self.folder.path().join("etc"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // What the project's own commands need: cargo and the compiler.
        for name in ["PATH", "RUSTUP_HOME", "CARGO_HOME", "RUSTUP_TOOLCHAIN"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        if std::env::var_os("RUSTUP_HOME").is_none()
            && let Some(home) = std::env::var_os("HOME")
        {
            // rustup finds its toolchains below the home that we have hidden.
            command.env("RUSTUP_HOME", Path::new(&home).join(".rustup"));
            command.env("CARGO_HOME", Path::new(&home).join(".cargo"));
        }
        command
    }

    /// Run it to its end.
    pub(crate) fn loci(&self, arguments: &[&str]) -> Run {
        Run::of(self.command().args(arguments).output().expect("runs"))
    }

    /// Run it with this on standard input.
    pub(crate) fn loci_with_input(&self, arguments: &[&str], input: &[u8]) -> Run {
        let mut child = self.command().args(arguments).stdin(Stdio::piped()).spawn().expect("starts");
        let mut pipe = child.stdin.take().expect("piped");
        // The program may end before it has read everything.
        let _ = pipe.write_all(input);
        drop(pipe);
        Run::of(child.wait_with_output().expect("ends"))
    }
}

/// Say that a test cannot be run here, and why.
#[expect(clippy::print_stderr, reason = "whoever runs the tests must see what was not tested")]
pub(crate) fn skipped(what: &str, why: &str) {
    eprintln!("SKIPPED: {what}: {why}");
}

/// Whether this machine's own address can be used. In an empty network namespace it cannot.
pub(crate) fn has_loopback() -> bool {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| std::net::TcpStream::connect(listener.local_addr()?))
        .is_ok()
}

/// Runs a script of bash in the repository of a world.
pub(crate) type Shell = Box<dyn Fn(&World, &str) -> Output>;

/// A shell where there is no network, not even this machine's own address; nothing, which is said, where none can be had.
/// That a connection fails in it and works outside is tried here.
pub(crate) fn without_network(what: &str) -> Option<Shell> {
    let flags = ["-n", "-rn"].into_iter().find(|flags| {
        let tried = Command::new("unshare").args([*flags, "true"]).output();
        tried.is_ok_and(|output| output.status.success())
    });
    let Some(flags) = flags else {
        skipped(what, "no network namespace can be made here");
        return None;
    };
    let shell: Shell = Box::new(move |world, script| {
        let mut command = Command::new("unshare");
        let of_world = world.command();
        command.args([flags, "bash", "-c", script]).current_dir(world.repo()).env_clear();
        command.envs(of_world.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stdin(Stdio::null()).output().expect("runs")
    });
    if has_loopback() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listens");
        let port = listener.local_addr().expect("bound").port();
        let connects = |mut command: Command| {
            let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port} && echo connected");
            let output = command.args(["bash", "-c", &script]).output().expect("runs");
            String::from_utf8_lossy(&output.stdout).contains("connected")
        };
        let mut inside = Command::new("unshare");
        inside.arg(flags);
        assert!(connects(Command::new("env")), "outside it works");
        assert!(!connects(inside), "inside it does not");
    }
    Some(shell)
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("UTF-8"),
            err: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// Fails with everything that was said, unless it ended with this code.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }

    /// Fails unless there is an `error:` line with this and a `hint:` line.
    #[track_caller]
    pub(crate) fn explains(self, error: &str) -> Self {
        let line = self.err.lines().find(|line| line.starts_with("error:"));
        assert!(line.is_some_and(|line| line.contains(error)), "no error with {error:?}:\n{}", self.err);
        assert!(self.err.lines().any(|line| line.starts_with("hint:")), "no hint:\n{}", self.err);
        self
    }

    /// The output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }

    /// The lines of the output as JSON.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }
}

pub(crate) const LIB: &str = r#"//! A basket of items.

mod price;

pub use price::{discount_for, Price};

/// Holds what was put in.
#[derive(Debug, Default)]
pub struct Basket {
    items: Vec<Price>,
}

impl Basket {
    /// Puts an item in.
    pub fn add(&mut self, item: Price) {
        self.items.push(item);
    }

    /// The sum of all items, less the discount.
    pub fn total(&self) -> u64 {
        let sum: u64 = self.items.iter().map(|item| item.cents).sum();
        sum - discount_for(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_sums_are_discounted() {
        let mut basket = Basket::default();
        basket.add(Price { cents: 20_000 });
        assert_eq!(basket.total(), 18_000);
    }
}
"#;

pub(crate) const PRICE: &str = r#"//! Prices and discounts.

/// An amount of money.
#[derive(Debug, Clone, Copy)]
pub struct Price {
    /// In hundredths.
    pub cents: u64,
}

/// From this sum on there is a discount.
const THRESHOLD: u64 = 10_000;

/// The discount for a sum: a tenth of it from the threshold on.
pub fn discount_for(sum: u64) -> u64 {
    if sum >= THRESHOLD {
        sum / 10
    } else {
        0
    }
}
"#;
