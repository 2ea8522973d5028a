//! Owns the file system that a command sees: the machine's, read-only, with private places for scratch files, devices
//! and processes, the project writable, and what is protected or hidden covered.
//! Uses the mount calls that work on open descriptors, so that no path is looked up twice.
//! Never follows a link to what it is to cover, and never leaves a place uncovered that it cannot cover.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
};

use super::landlock::DEVICES;
use super::sys::Reach;
use super::{Failure, sys};
use crate::sandbox::{Network, Overlay, Profile};

const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;
/// For everything: no command needs another user's rights, or devices but its own few.
const HARMLESS: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;

/// Scratch files are in memory: as much as a compiler needs, less than would starve the machine.
const SCRATCH: &str = "2g";

/// What of `/run` is not a socket or a secret: where some systems keep their programs.
const RUN: [&str; 3] = ["/run/current-system", "/run/opengl-driver", "/run/wrappers"];
/// Where names are resolved; for a command with a network.
const RUN_OF_NETWORK: [&str; 3] = [
    "/run/systemd/resolve/resolv.conf",
    "/run/systemd/resolve/stub-resolv.conf",
    "/run/NetworkManager/resolv.conf",
];

/// What of `/proc` holds switches of the kernel: for root they are a matter of file modes, not of capabilities.
const PROC_READ_ONLY: [&str; 7] = ["sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi"];
const PROC_HIDDEN: [&str; 7] =
    ["kcore", "keys", "kmsg", "timer_list", "sched_debug", "latency_stats", "kpagecount"];

/// What becomes of a place. Later ones win over earlier ones at the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Writable,
    ReadOnly,
    Hidden,
}

/// A place, and the mount that will cover it.
struct Cover {
    path: PathBuf,
    kind: Kind,
    /// Nothing: what is to be seen there by then, held in its place.
    mount: Option<OwnedFd>,
    is_folder: bool,
}

/// Build all of it. What is left for [`seal`] is to make `/proc` read-only where it must be.
pub(super) fn build(profile: &Profile) -> Result<(), Failure> {
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(Failure::at("keeping mounts private"))?;
    let blank = Blank::new()?;
    // Everything is taken hold of before anything is covered: a project may lie in a place that will be.
    let covers = covers(profile, &blank)?;
    let devices = DEVICES
        .iter()
        .filter_map(|name| Some((name, tree(&open(Path::new("/dev")).ok()?, name).ok()?)))
        .collect::<Vec<_>>();
    let mut run: Vec<Cover> = Vec::new();
    let resolvers: &[&str] = if profile.network == Network::Open { &RUN_OF_NETWORK } else { &[] };
    for path in RUN.iter().chain(resolvers) {
        if let Ok(place) = open(Path::new(path)) {
            let cover = Cover {
                path: path.into(),
                kind: Kind::ReadOnly,
                mount: Some(tree(&place, "").map_err(Failure::at(path))?),
                is_folder: is_folder(&place)?,
            };
            run.push(cover);
        }
    }

    let root = open(Path::new("/")).map_err(Failure::at("/"))?;
    sys::mount_attributes(&root, READ_ONLY | HARMLESS, 0, Reach::Below)
        .map_err(Failure::at("making the system read-only"))?;
    let mut closed = Vec::new();
    put(&file_system("proc", &[], libc::MOUNT_ATTR_NOEXEC)?, Path::new("/proc"))?;
    closed.push(put_devices(devices)?);
    for place in ["/tmp", "/var/tmp"] {
        if open(Path::new(place)).is_ok_and(|found| is_folder(&found).unwrap_or(false)) {
            put(&scratch()?, Path::new(place))?;
        }
    }
    for place in ["/run", "/var/run"] {
        if open(Path::new(place)).is_ok_and(|found| is_folder(&found).unwrap_or(false)) {
            let empty = file_system("tmpfs", &[("size", "1m"), ("mode", "755")], 0)?;
            put(&empty, Path::new(place))?;
            closed.push(empty);
        }
    }
    for cover in run {
        put_cover(&cover)?;
    }
    for cover in &covers {
        put_cover(cover)?;
        if cover.kind == Kind::Hidden && cover.is_folder {
            let mount = cover.mount.as_ref().map(rustix::io::dup).transpose();
            closed.extend(mount.map_err(Failure::at(cover.path.display()))?);
        }
    }
    for mount in closed {
        sys::mount_attributes(&mount, READ_ONLY, 0, Reach::Here)
            .map_err(Failure::at("closing a private place"))?;
    }
    drop(blank);
    std::env::set_current_dir("/").map_err(Failure::at("/"))
}

/// Close what had to stay open for the set-up.
pub(super) fn seal() -> Result<(), Failure> {
    let blank = Blank::new()?;
    let proc = open(Path::new("/proc")).map_err(Failure::at("/proc"))?;
    for name in PROC_READ_ONLY {
        let Ok(mount) = tree(&proc, name) else { continue };
        sys::mount_attributes(&mount, READ_ONLY, 0, Reach::Below)
            .and_then(|()| attach(&mount, &open(&Path::new("/proc").join(name))?))
            .map_err(Failure::at(format!("/proc/{name}")))?;
    }
    for name in PROC_HIDDEN {
        let path = Path::new("/proc").join(name);
        let Ok(place) = open(&path) else { continue };
        let mount = blank.file().map_err(Failure::at(path.display()))?;
        attach(&mount, &place).map_err(Failure::at(path.display()))?;
    }
    Ok(())
}

/// What the profile asks for, shallow places first.
fn covers(profile: &Profile, blank: &Blank) -> Result<Vec<Cover>, Failure> {
    let mut covers = Vec::new();
    let failed = |path: &Path| Failure::at::<Errno>(path.display().to_string());
    let writable = |path: &Path| -> Result<Cover, Failure> {
        let place = open(path).map_err(failed(path))?;
        let mount = tree(&place, "").map_err(failed(path))?;
        sys::mount_attributes(&mount, HARMLESS, 0, Reach::Below).map_err(failed(path))?;
        let is_folder = is_folder(&place)?;
        Ok(Cover { path: path.to_owned(), kind: Kind::Writable, mount: Some(mount), is_folder })
    };
    match &profile.overlay {
        None => covers.push(writable(&profile.root)?),
        Some(overlay) => covers.push(Cover {
            path: profile.root.clone(),
            kind: Kind::Writable,
            mount: Some(overlaid(&profile.root, overlay)?),
            is_folder: true,
        }),
    }
    for path in &profile.writable {
        match writable(path) {
            Ok(cover) => covers.push(cover),
            // What is not there cannot be written; it cannot be made either.
            Err(_) if open(path).is_err_and(|error| error == Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
    }
    for (paths, kind) in [(&profile.read_only, Kind::ReadOnly), (&profile.hidden, Kind::Hidden)] {
        for path in paths {
            let place = match open_itself(path) {
                Ok(place) => place,
                Err(Errno::NOENT | Errno::NOTDIR) => continue,
                Err(error) => return Err(failed(path)(error)),
            };
            let stat = rustix::fs::fstat(&place).map_err(failed(path))?;
            let is_folder = match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => true,
                // What it leads to is somewhere else, and has a rule of its own; the link itself gives way to nothing.
                FileType::Symlink => {
                    covers.push(Cover {
                        path: path.clone(),
                        kind,
                        mount: Some(blank.file().map_err(failed(path))?),
                        is_folder: false,
                    });
                    continue;
                }
                _ => false,
            };
            let mount = match kind {
                Kind::Hidden if is_folder => file_system("tmpfs", &[("size", "1m"), ("mode", "755")], 0)?,
                Kind::Hidden => blank.file().map_err(failed(path))?,
                _ => tree(&place, "").map_err(failed(path))?,
            };
            if kind == Kind::ReadOnly {
                sys::mount_attributes(&mount, READ_ONLY | HARMLESS, 0, Reach::Below).map_err(failed(path))?;
            }
            covers.push(Cover { path: path.clone(), kind, mount: Some(mount), is_folder });
        }
    }
    pin_ancestors(profile, &mut covers);
    covers.sort_by_key(|cover| (cover.path.components().count(), cover.kind));
    Ok(covers)
}

/// A protected place moves along when a folder above it is renamed, and another could take its name. A folder that is a mount
/// point cannot be renamed, so every folder between something writable and something protected becomes one.
fn pin_ancestors(profile: &Profile, covers: &mut Vec<Cover>) {
    let tops: Vec<&PathBuf> = std::iter::once(&profile.root).chain(&profile.writable).collect();
    let protected: Vec<PathBuf> =
        covers.iter().filter(|cover| cover.kind != Kind::Writable).map(|cover| cover.path.clone()).collect();
    for path in protected {
        for folder in path.ancestors().skip(1) {
            let below = tops.iter().any(|top| folder != top.as_path() && folder.starts_with(top));
            if below && covers.iter().all(|cover| cover.path != folder) {
                covers.push(Cover {
                    path: folder.to_owned(),
                    kind: Kind::Writable,
                    mount: None,
                    is_folder: true,
                });
            }
        }
    }
}

/// The root with its writes going elsewhere.
fn overlaid(root: &Path, overlay: &Overlay) -> Result<OwnedFd, Failure> {
    let failed = |what: &'static str| move |error: Errno| Failure(format!("overlay: {what}: {error}"));
    if let Some(inner) = super::super::mounts_below(root).first() {
        return Err(Failure(format!(
            "overlay: another file system is mounted at {}, which an overlay would not show",
            inner.display()
        )));
    }
    let lower = open(root).map_err(failed("the project"))?;
    let upper = open(&overlay.upper).map_err(failed("the upper folder"))?;
    let work = open(&overlay.work).map_err(failed("the work folder"))?;
    let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)
        .map_err(failed("the kernel has none"))?;
    // By descriptor: a path could hold what the options take for a separator.
    for (name, place) in [("lowerdir", &lower), ("upperdir", &upper), ("workdir", &work)] {
        let path = format!("/proc/self/fd/{}", place.as_raw_fd());
        rustix::mount::fsconfig_set_string(&context, name, path).map_err(failed("a folder"))?;
    }
    rustix::mount::fsconfig_set_flag(&context, "userxattr").map_err(failed("attributes of a user"))?;
    rustix::mount::fsconfig_create(&context).map_err(failed("making it"))?;
    let mount = rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
        .map_err(failed("mounting it"))?;
    sys::mount_attributes(&mount, HARMLESS, 0, Reach::Below).map_err(failed("mounting it"))?;
    Ok(mount)
}

/// A new file system that is not mounted anywhere yet.
fn file_system(kind: &str, options: &[(&str, &str)], extra: u64) -> Result<OwnedFd, Failure> {
    let make = || -> Result<OwnedFd, Errno> {
        let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
        for (name, value) in options {
            rustix::mount::fsconfig_set_string(&context, *name, *value)?;
        }
        rustix::mount::fsconfig_create(&context)?;
        let mount = rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
        let nodev = if kind == "devpts" { 0 } else { libc::MOUNT_ATTR_NODEV };
        sys::mount_attributes(&mount, libc::MOUNT_ATTR_NOSUID | nodev | extra, 0, Reach::Below)?;
        Ok(mount)
    };
    make().map_err(Failure::at(format!("a new {kind}")))
}

fn scratch() -> Result<OwnedFd, Failure> {
    file_system("tmpfs", &[("size", SCRATCH), ("mode", "1777")], 0)
}

/// `/dev` with the few devices that everything expects; what it returns is to be closed at the end.
fn put_devices(devices: Vec<(&&str, OwnedFd)>) -> Result<OwnedFd, Failure> {
    let folder = file_system("tmpfs", &[("size", "1m"), ("mode", "755")], 0)?;
    put(&folder, Path::new("/dev"))?;
    let failed = |name: &str| Failure::at::<Errno>(format!("/dev/{name}"));
    let failed_io = |name: &str| Failure::at::<std::io::Error>(format!("/dev/{name}"));
    for (name, mount) in devices {
        let path = Path::new("/dev").join(name);
        make_file(&path).map_err(failed(name))?;
        sys::mount_attributes(&mount, libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC, 0, Reach::Below)
            .and_then(|()| attach(&mount, &open(&path)?))
            .map_err(failed(name))?;
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        std::os::unix::fs::symlink(target, Path::new("/dev").join(name)).map_err(failed_io(name))?;
    }
    for (name, mount) in [
        ("pts", file_system("devpts", &[("mode", "620"), ("ptmxmode", "666")], libc::MOUNT_ATTR_NOEXEC)?),
        ("shm", scratch()?),
    ] {
        let path = Path::new("/dev").join(name);
        std::fs::create_dir(&path).map_err(failed_io(name))?;
        put(&mount, &path)?;
    }
    Ok(folder)
}

fn put(mount: &OwnedFd, path: &Path) -> Result<(), Failure> {
    open(path).and_then(|place| attach(mount, &place)).map_err(Failure::at(path.display()))
}

/// Attach a mount, making the way to it where that leads through a private place.
fn put_cover(cover: &Cover) -> Result<(), Failure> {
    let failed = |error: Errno| Failure::at(cover.path.display())(error);
    let place = match open_itself(&cover.path) {
        Ok(place) => place,
        Err(Errno::NOENT) => {
            make_way(&cover.path).map_err(failed)?;
            if cover.is_folder {
                rustix::fs::mkdir(&cover.path, Mode::from_raw_mode(0o755)).map_err(failed)?;
            } else {
                make_file(&cover.path).map_err(failed)?;
            }
            open_itself(&cover.path).map_err(failed)?
        }
        Err(error) => return Err(failed(error)),
    };
    match &cover.mount {
        Some(mount) => attach(mount, &place).map_err(failed),
        None => tree(&place, "").and_then(|mount| attach(mount, &place)).map_err(failed),
    }
}

/// The folders above a path.
fn make_way(path: &Path) -> Result<(), Errno> {
    let mut way = PathBuf::new();
    for component in path.parent().unwrap_or(Path::new("/")).components() {
        way.push(component);
        match rustix::fs::mkdir(&way, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            // A folder that is there can be in a place where none could be made.
            Err(error) => match open(&way) {
                Ok(_) => {}
                Err(_) => return Err(error),
            },
        }
    }
    Ok(())
}

fn make_file(path: &Path) -> Result<(), Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::from_raw_mode(0o444)).map(drop)
}

fn attach(mount: impl AsFd, place: impl AsFd) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(mount, "", place, "", flags)
}

/// A copy of the mounts at an open place, attached nowhere.
fn tree(place: impl AsFd, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    rustix::mount::open_tree(place, name, flags)
}

/// A place, with no link on the way to it.
fn open(path: &Path) -> Result<OwnedFd, Errno> {
    let found = open_itself(path)?;
    if FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode) == FileType::Symlink {
        return Err(Errno::LOOP);
    }
    Ok(found)
}

/// The same; the place itself may be a link, and then it is that.
fn open_itself(path: &Path) -> Result<OwnedFd, Errno> {
    if !path.is_absolute() || path.components().any(|component| component == Component::ParentDir) {
        return Err(Errno::INVAL);
    }
    let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS).or_else(|error| {
        // With this flag a link at the end is refused as well: its folder is opened first, then the link alone.
        let (Errno::LOOP, Some(folder), Some(name)) = (error, path.parent(), path.file_name()) else {
            return Err(error);
        };
        let folder = rustix::fs::openat2(CWD, folder, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)?;
        rustix::fs::openat(folder, name, flags, Mode::empty())
    })
}

fn is_folder(place: impl AsFd) -> Result<bool, Failure> {
    let stat = rustix::fs::fstat(place).map_err(Failure::at("looking at a place"))?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// An empty file that cannot be written, to cover others with.
struct Blank {
    folder: OwnedFd,
}

impl Blank {
    const NAME: &str = "empty";

    fn new() -> Result<Self, Failure> {
        let folder = file_system("tmpfs", &[("size", "64k"), ("mode", "755")], libc::MOUNT_ATTR_NOEXEC)?;
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
        rustix::fs::openat(&folder, Self::NAME, flags, Mode::from_raw_mode(0o444))
            .map_err(Failure::at("an empty file"))?;
        Ok(Self { folder })
    }

    fn file(&self) -> Result<OwnedFd, Errno> {
        let mount = tree(&self.folder, Self::NAME)?;
        sys::mount_attributes(&mount, READ_ONLY | HARMLESS, 0, Reach::Below)?;
        Ok(mount)
    }
}
