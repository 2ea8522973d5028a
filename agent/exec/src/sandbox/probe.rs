//! Owns finding out what sandbox this machine gives, by setting one up.
//! Uses the helper itself, once per process, in an empty folder.
//! Never concludes from a version what can be tried.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::Level;
#[cfg(target_os = "linux")]
use super::{Entry, Network, Overlay, Profile, Refusal, Sandbox};

/// What the machine gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The best level that works.
    pub level: Level,
    /// Whether writes can go to an overlay.
    pub overlay: bool,
    /// Why it is not more; what could be done about it. Empty at the full level with an overlay, unless something less is open.
    pub why: Vec<String>,
}

static KNOWN: Mutex<Option<HashMap<(PathBuf, PathBuf), Probe>>> = Mutex::new(None);

/// What the machine gives to commands that are started through this helper. Tried once per process, in a folder for temporary
/// files; whether there is an overlay depends on the file system, for which [`probe_in`] can be asked.
#[must_use]
pub fn probe(helper: &Path) -> Probe {
    probe_in(helper, &std::env::temp_dir())
}

/// The same, tried in a new folder below `folder`.
#[must_use]
pub fn probe_in(helper: &Path, folder: &Path) -> Probe {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (helper.to_owned(), folder.to_owned());
    known.get_or_insert_default().entry(key).or_insert_with(|| find_out(helper, folder)).clone()
}

/// The version of Landlock that the kernel has; 0 where there is none.
#[must_use]
pub fn landlock_version() -> u32 {
    #[cfg(target_os = "linux")]
    return super::linux::landlock_version();
    #[cfg(not(target_os = "linux"))]
    0
}

#[cfg(target_os = "linux")]
fn find_out(helper: &Path, folder: &Path) -> Probe {
    let mut why = Vec::new();
    let scratch = match super::entry::Scratch::below(folder) {
        Ok(scratch) => scratch,
        Err(error) => {
            why.push(format!("it could not be tried in {}: {error}", folder.display()));
            return Probe { level: Level::None, overlay: false, why };
        }
    };
    let root = scratch.path().join("root");
    let overlay = Overlay { upper: scratch.path().join("upper"), work: scratch.path().join("work") };
    for folder in [&root, &overlay.upper, &overlay.work] {
        if let Err(error) = std::fs::create_dir(folder) {
            why.push(format!("it could not be tried in {}: {error}", folder.display()));
            return Probe { level: Level::None, overlay: false, why };
        }
    }
    let attempt = |level: Level, overlay: Option<Overlay>| {
        let profile = Profile {
            root: root.clone(),
            writable: Vec::new(),
            read_only: Vec::new(),
            hidden: Vec::new(),
            overlay,
            network: Network::Off,
        };
        enter(&Sandbox { helper: helper.to_owned(), level, profile })
    };
    let Err(with_overlay) = attempt(Level::Full, Some(overlay)) else {
        return Probe { level: Level::Full, overlay: true, why };
    };
    let Err(full) = attempt(Level::Full, None) else {
        why.push(format!("no overlay: {with_overlay}"));
        return Probe { level: Level::Full, overlay: false, why };
    };
    why.push(format!("not full: {full}"));
    why.extend(hints());
    match attempt(Level::Restricted, None) {
        Ok(()) => {
            why.extend(open_when_restricted());
            Probe { level: Level::Restricted, overlay: false, why }
        }
        Err(error) => {
            why.push(format!("not restricted: {error}"));
            Probe { level: Level::None, overlay: false, why }
        }
    }
}

/// Set it up, and start nothing in it.
#[cfg(target_os = "linux")]
fn enter(sandbox: &Sandbox) -> Result<(), String> {
    let told = |refusal| match refusal {
        Refusal::Walls(why) => why,
        Refusal::Program(error) => error.to_string(),
    };
    let entry = Entry::prepare(sandbox, &sandbox.profile.root, true).map_err(told)?;
    let mut process = entry.command(sandbox, std::ffi::OsStr::new("true"), &[]);
    process.env_clear().stdin(std::process::Stdio::null());
    process.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = process.spawn().map_err(|error| error.to_string())?;
    drop(process);
    let confirmed = entry.confirm().map(drop).map_err(told);
    // Its end leaves nothing to learn; without the wait it would stay in the table of processes.
    let _ = child.wait();
    confirmed
}

/// What is known to stand in the way of namespaces, and what to do about it.
#[cfg(target_os = "linux")]
fn hints() -> Vec<String> {
    let value = |path: &str| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let rows = [
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "AppArmor refuses namespaces to programs without a profile: add one for loci that has `userns,`, or \
             set kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        (
            "/proc/sys/kernel/unprivileged_userns_clone",
            "0",
            "namespaces of users are switched off: set kernel.unprivileged_userns_clone=1",
        ),
        (
            "/proc/sys/user/max_user_namespaces",
            "0",
            "namespaces of users are switched off: set user.max_user_namespaces to more than 0",
        ),
    ];
    let mut hints: Vec<String> = rows
        .iter()
        .filter(|(path, bad, _)| value(path).as_deref() == Some(bad))
        .map(|(_, _, hint)| (*hint).to_owned())
        .collect();
    if super::linux::landlock_version() == 0 {
        hints.push(
            "the kernel has no Landlock, or it is not in its list of security modules: add `landlock` to lsm= on \
             the kernel's command line"
                .to_owned(),
        );
    }
    let in_container = Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists();
    if in_container {
        hints.push(
            "this is a container: its seccomp profile may refuse namespaces, and its masked /proc a fresh one"
                .to_owned(),
        );
    }
    hints
}

/// What the restricted level does not close.
#[cfg(target_os = "linux")]
fn open_when_restricted() -> Vec<String> {
    let mut open = vec![
        "restricted: new files at the top of the project are refused, so that nothing protected can be made there"
            .to_owned(),
        "restricted: modes and times of the user's own files outside can be changed, though not their contents"
            .to_owned(),
    ];
    if super::linux::landlock_version() < 6 {
        open.push(
            "restricted: signals to the user's other programs are not held back before Linux 6.12".to_owned(),
        );
    }
    open
}

#[cfg(not(target_os = "linux"))]
fn find_out(_helper: &Path, _folder: &Path) -> Probe {
    let why = "there is no sandbox for this system: every command asks before it runs".to_owned();
    Probe { level: Level::None, overlay: false, why: vec![why] }
}
