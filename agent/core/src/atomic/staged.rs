//! Owns files that are too large to be written at once: they grow beside their place and take it whole, or never.
//! Uses the calls in `disk`.
//! Never touches what is in the place before all of the new content is on the disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{create_beside, disk, is_left_over};

/// A file on its way to its place; dropped before [`Staged::place`], nothing of it stays.
#[derive(Debug)]
pub struct Staged {
    temporary: PathBuf,
    target: PathBuf,
    file: Option<File>,
    placed: bool,
}

impl Staged {
    /// Begin a file that will be at `target`. The folder is made where it is missing, and what writers that were killed have
    /// left in it is removed.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(target: &Path) -> io::Result<Self> {
        let parent = target.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent)?;
        for entry in fs::read_dir(parent)?.flatten().filter(|entry| is_left_over(&entry.file_name())) {
            // Somebody else may be doing the same.
            let _ = fs::remove_file(entry.path());
        }
        let (temporary, file) = create_beside(parent)?;
        Ok(Self { temporary, target: target.to_owned(), file: Some(file), placed: false })
    }

    /// Append.
    ///
    /// # Errors
    /// What the system says; the disk may be full.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.file {
            Some(file) => disk::write_all(file, bytes),
            None => Err(io::Error::other("it is sealed")),
        }
    }

    /// All is written: make it durable, with these mode bits where the system has such.
    ///
    /// # Errors
    /// What the system says.
    pub fn seal(&mut self, mode: u32) -> io::Result<()> {
        if let Some(mut file) = self.file.take() {
            file.flush()?;
            disk::set_mode(&self.temporary, mode)?;
            disk::sync(&file)?;
        }
        Ok(())
    }

    /// Take the place. What was there is gone, as one step.
    ///
    /// # Errors
    /// What the system says; the place is then as it was.
    pub fn place(mut self) -> io::Result<()> {
        if self.file.is_some() {
            return Err(io::Error::other("it was not sealed"));
        }
        disk::rename(&self.temporary, &self.target)?;
        self.placed = true;
        disk::sync_directory(self.target.parent().unwrap_or(Path::new(".")))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.placed {
            // Nothing more can be done about it here; the next writer removes what is left.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = folder.path().join("a/b/file");
        let names = || fs::read_dir(folder.path().join("a/b")).expect("lists").count();
        let mut staged = Staged::create(&target).expect("begins");
        staged.write(b"one").expect("written");
        assert!(!target.exists());
        drop(staged);
        assert_eq!(names(), 0, "nothing of it stays");

        for content in [&b"one"[..], b"two"] {
            let mut staged = Staged::create(&target).expect("begins");
            staged.write(content).expect("written");
            staged.seal(0o640).expect("sealed");
            assert!(staged.write(b"more").is_err());
            staged.place().expect("placed");
            assert_eq!((fs::read(&target).expect("there").as_slice(), names()), (content, 1));
        }
        let unsealed = Staged::create(&target).expect("begins");
        assert!(unsealed.place().is_err());
        assert_eq!((fs::read(&target).expect("there").as_slice(), names()), (&b"two"[..], 1));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_killed_writers_left_is_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        // No process has the largest number there is.
        let left = folder.path().join(format!(".loci-{}-0.tmp", i32::MAX));
        let own = folder.path().join(format!(".loci-{}-999.tmp", std::process::id()));
        for path in [&left, &own] {
            fs::write(path, b"x").expect("written");
        }
        drop(Staged::create(&folder.path().join("file")).expect("begins"));
        assert!(!left.exists() && own.exists());
    }
}
