//! A file system that exists only in words.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use loci_policy::{Context, Files, Kind};

pub(crate) struct Described {
    entries: BTreeMap<PathBuf, Entry>,
}

enum Entry {
    File,
    Directory,
    Link(PathBuf),
}

/// The tree that the tables speak of.
pub(crate) fn tree() -> Described {
    let mut tree = Described { entries: BTreeMap::new() };
    for directory in [
        "src",
        "docs",
        "tests",
        "build",
        "target",
        ".git/hooks",
        ".loci",
        "secrets",
        "vendor/lib/.git",
        "a b",
    ] {
        tree.add(&format!("/srv/repo/{directory}"), Entry::Directory);
    }
    for bare in ["objects", "refs"] {
        tree.add(&format!("/srv/repo/fixtures/bare/{bare}"), Entry::Directory);
    }
    for file in [
        "src/main.rs",
        "src/lib.rs",
        "README.md",
        "Cargo.toml",
        ".env",
        "secrets/key",
        "fixtures/bare/HEAD",
        ".git/config",
    ] {
        tree.add(&format!("/srv/repo/{file}"), Entry::File);
    }
    for directory in ["/srv/other", "/srv/extra/lib", "/srv/repo-evil", "/home/dev/.ssh", "/etc", "/tmp"] {
        tree.add(directory, Entry::Directory);
    }
    for file in ["/etc/passwd", "/etc/shadow", "/home/dev/.bashrc", "/home/dev/.ssh/id_rsa"] {
        tree.add(file, Entry::File);
    }
    for (link, target) in [
        ("/srv/repo/link-out", "/etc"),
        ("/srv/repo/link-file", "/etc/passwd"),
        ("/srv/repo/link-in", "src"),
        ("/srv/repo/link-env", ".env"),
        ("/srv/repo/link-git", ".git"),
        ("/srv/repo/loop", "loop"),
        ("/srv/repo/up", ".."),
    ] {
        tree.add(link, Entry::Link(target.into()));
    }
    tree
}

pub(crate) fn context() -> Context {
    Context {
        root: "/srv/repo".into(),
        cwd: "/srv/repo".into(),
        home: "/home/dev".into(),
        additional: vec!["/srv/extra".into()],
        config_dirs: vec!["/home/dev/.config/loci".into()],
    }
}

impl Described {
    fn add(&mut self, path: &str, entry: Entry) {
        let path = PathBuf::from(path);
        for folder in path.ancestors().skip(1) {
            self.entries.entry(folder.to_owned()).or_insert(Entry::Directory);
        }
        self.entries.insert(path, entry);
    }
}

impl Files for Described {
    fn resolve(&self, path: &Path) -> PathBuf {
        let mut left: Vec<PathBuf> =
            path.components().rev().map(|part| PathBuf::from(part.as_os_str())).collect();
        let mut here = PathBuf::new();
        let mut followed = 0;
        while let Some(part) = left.pop() {
            match part.components().next() {
                Some(Component::ParentDir) => {
                    here.pop();
                    continue;
                }
                Some(Component::CurDir) | None => continue,
                Some(_) => here.push(&part),
            }
            if let Some(Entry::Link(target)) = self.entries.get(&here)
                && followed < 40
            {
                followed += 1;
                here.pop();
                left.extend(target.components().rev().map(|part| PathBuf::from(part.as_os_str())));
            }
        }
        here
    }

    fn kind(&self, path: &Path) -> Kind {
        match self.entries.get(path) {
            None => Kind::Missing,
            Some(Entry::File) => Kind::File,
            Some(Entry::Directory) => Kind::Directory,
            Some(Entry::Link(_)) => Kind::Symlink,
        }
    }
}
