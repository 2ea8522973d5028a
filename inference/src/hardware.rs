//! Owns what this machine has, and whether a model fits it.
//! Uses `sysinfo` for memory, and on Linux the files of the control groups.
//! Never decides what is run: it gives a verdict and the figures behind it.

use std::path::Path;

use serde::Serialize;

/// The part of the machine that decides which models run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hardware {
    /// Memory in all, in bytes, or the control group's limit where that is less; 0 where the system does not tell.
    pub total_bytes: u64,
    /// Memory that can be taken now without swapping, in bytes.
    pub available_bytes: u64,
    /// Whether the control group limits memory.
    pub limited: bool,
    /// Threads that run at once.
    pub cores: usize,
    /// The accelerator this build can use, if it can use one.
    pub accelerator: Option<String>,
}

/// Whether a model fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// There is room for it now.
    Well,
    /// The machine holds it, once other programs let go of memory.
    Tight,
    /// The machine does not hold it.
    No,
}

impl Hardware {
    /// Look at this machine.
    #[must_use]
    pub fn detect() -> Self {
        let (mut total, mut available, mut limited) = (0, 0, false);
        if let Ok(mut system) = sysinfo::System::new() {
            system.refresh_memory();
            (total, available) = (system.total_memory(), system.available_memory());
        }
        let memberships = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let groups = memory_groups(Path::new("/sys/fs/cgroup"), &memberships);
        let whole = total;
        for group in groups.filter(|group| group.limit < whole) {
            limited = true;
            total = total.min(group.limit);
            available = available.min(group.free());
        }
        Self {
            total_bytes: total,
            available_bytes: available,
            limited,
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            // No accelerator is built in yet; the processor does everything.
            accelerator: None,
        }
    }

    /// Whether something that needs this many bytes fits. `Tight` where the system does not tell.
    #[must_use]
    pub fn fit(&self, needed: u64) -> Fit {
        if needed <= self.available_bytes {
            Fit::Well
        } else if needed <= self.total_bytes || self.total_bytes == 0 {
            Fit::Tight
        } else {
            Fit::No
        }
    }
}

/// What one control group allows and has taken, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MemoryGroup {
    limit: u64,
    used: u64,
    /// The part of `used` that holds pages of files. They go when memory is needed, and a mapped model is among
    /// them: counted as taken, a model would stand in its own way at the second start.
    files: u64,
}

impl MemoryGroup {
    fn free(self) -> u64 {
        self.limit.saturating_sub(self.used.saturating_sub(self.files))
    }
}

/// Every group with a limit that the process is in, from its own up to the root of `mount`, for both versions of the
/// interface. A path that is not there (a container sees its own group as the root) is left out.
/// Format: `Documentation/admin-guide/cgroup-v2.rst` and `cgroup-v1/memory.rst` of Linux.
fn memory_groups(mount: &Path, memberships: &str) -> impl Iterator<Item = MemoryGroup> {
    memberships.lines().flat_map(move |line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let version = match controllers {
            "" => Some((mount.to_owned(), &V2)),
            names if names.split(',').any(|name| name == "memory") => Some((mount.join("memory"), &V1)),
            _ => None,
        };
        version.into_iter().flat_map(move |(root, files)| {
            let own = Path::new(path.trim_start_matches('/'));
            own.ancestors().filter_map(|path| files.read(&root.join(path))).collect::<Vec<_>>()
        })
    })
}

/// Names of a version's files and of the lines in its statistics.
struct Interface {
    limit: &'static str,
    used: &'static str,
    pages: [&'static str; 2],
}

const V1: Interface = Interface {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    pages: ["total_inactive_file", "total_active_file"],
};
const V2: Interface =
    Interface { limit: "memory.max", used: "memory.current", pages: ["inactive_file", "active_file"] };

impl Interface {
    /// `None` where the folder has no limit; version 2 writes `max` for that.
    fn read(&self, folder: &Path) -> Option<MemoryGroup> {
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
        let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
        let (limit, used) = (number(self.limit)?, number(self.used)?);
        let statistics = read("memory.stat").unwrap_or_default();
        let lines = statistics.lines().filter_map(|line| line.split_once(' '));
        let pages = lines.filter(|(name, _)| self.pages.contains(name));
        let files = pages.filter_map(|(_, bytes)| bytes.trim().parse::<u64>().ok()).sum();
        Some(MemoryGroup { limit, used, files })
    }
}

impl Fit {
    /// The verdict in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Well => "runs well",
            Self::Tight => "tight",
            Self::No => "no",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_follow_free_and_total_memory() {
        let machine =
            Hardware { total_bytes: 16, available_bytes: 10, limited: false, cores: 2, accelerator: None };
        assert_eq!(machine.fit(10), Fit::Well);
        assert_eq!(machine.fit(11), Fit::Tight);
        assert_eq!(machine.fit(16), Fit::Tight);
        assert_eq!(machine.fit(17), Fit::No);
    }

    #[test]
    fn control_groups_are_read_up_to_the_root() {
        let mount = tempfile::tempdir().expect("a folder");
        let write = |path: &str, text: &str| {
            let path = mount.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("created");
            std::fs::write(path, text).expect("written");
        };
        let check = |memberships: &str, expect: &[(u64, u64)]| {
            let found: Vec<_> =
                memory_groups(mount.path(), memberships).map(|group| (group.limit, group.free())).collect();
            assert_eq!(found, expect, "{memberships}");
        };
        check("", &[]);
        check("0::/\n", &[]);
        write("memory.max", "max\n");
        write("memory.current", "900\n");
        write("user/memory.max", "1000\n");
        write("user/memory.current", "700\n");
        write("user/memory.stat", "anon 100\ninactive_file 200\nactive_file 300\nfile_mapped 500\n");
        write("user/job/memory.max", "400\n");
        write("user/job/memory.current", "500\n");
        // Pages of files count as free, a group that is over its limit has nothing, `max` is no limit.
        check("0::/user/job\n", &[(400, 0), (1000, 800)]);
        check("0::/user/gone\n", &[(1000, 800)]);
        check("2:cpu,cpuacct:/user\nnonsense\n", &[]);
        write("memory/box/memory.limit_in_bytes", "2000\n");
        write("memory/box/memory.usage_in_bytes", "1500\n");
        write("memory/box/memory.stat", "inactive_file 1\ntotal_inactive_file 250\ntotal_active_file 250\n");
        check("4:cpu,memory:/box\n0::/user\n", &[(2000, 1000), (1000, 800)]);
    }

    #[test]
    fn this_machine_has_memory_and_a_core() {
        let machine = Hardware::detect();
        assert!(machine.cores >= 1);
        assert!(machine.total_bytes > 0 && machine.available_bytes <= machine.total_bytes, "{machine:?}");
    }
}
