//! Owns the project root and the way between what a model writes as a path and where it is.
//! Uses what the rules leave to be shown.
//! Never opens a file.

use std::path::{Component, Path, PathBuf};

use crate::permission::readable::Readable;

/// The project the session works on.
#[derive(Debug, Clone)]
pub struct Workspace {
    root: PathBuf,
    readable: Readable,
}

impl Workspace {
    /// A workspace over an absolute, resolved root.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root, readable: Readable::default() }
    }

    /// A workspace of which only this may be shown.
    #[must_use]
    pub fn showing(mut self, readable: Readable) -> Self {
        self.readable = readable;
        self
    }

    /// Whether the file of this path, as results show it, may be shown or named: a tool that reads many files leaves out
    /// the others as if they were not there.
    #[must_use]
    pub fn may_show(&self, shown: &str) -> bool {
        self.readable.may_show(&self.absolute(shown))
    }

    /// The root, absolute.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The absolute path of what a model or a user wrote: relative paths start at the root; `.` and `..` are
    /// folded without touching the file system.
    #[must_use]
    pub fn absolute(&self, written: &str) -> PathBuf {
        let mut path = PathBuf::new();
        for component in self.root.join(written).components() {
            match component {
                Component::CurDir => {}
                Component::ParentDir => {
                    path.pop();
                }
                other => path.push(other),
            }
        }
        path
    }

    /// The path as results show it: relative to the root with `/` where it is inside, absolute where it is not.
    #[must_use]
    pub fn relative(&self, path: &Path) -> String {
        match path.strip_prefix(&self.root) {
            Ok(inside) if inside.as_os_str().is_empty() => ".".into(),
            Ok(inside) => inside.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/"),
            Err(_) => path.to_string_lossy().into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fold_and_come_back() {
        let workspace = Workspace::new("/srv/repo".into());
        let check = |written: &str, absolute: &str, shown: &str| {
            let path = workspace.absolute(written);
            assert_eq!(path, Path::new(absolute));
            assert_eq!(workspace.relative(&path), shown);
        };
        check("src/lib.rs", "/srv/repo/src/lib.rs", "src/lib.rs");
        check("./a/../b", "/srv/repo/b", "b");
        check("../repo-evil/x", "/srv/repo-evil/x", "/srv/repo-evil/x");
        check("/etc/passwd", "/etc/passwd", "/etc/passwd");
        check(".", "/srv/repo", ".");
    }
}
