//! Owns putting a bundle in place: what goes where, what stays as it is, and that all of it was right before the first file
//! takes its place.
//! Uses `atomic::staged`: files grow beside their places and take them at the end.
//! Never changes configuration that is there, and never puts a policy of the machine in force.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::create::hash;
use super::manifest::{FileEntry, Manifest, Role};
use super::{BundleError, Reading, Tell};
use crate::atomic::staged::Staged;

/// Where the files of a bundle go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The folder of the program.
    pub programs: PathBuf,
    /// The folder of models, licences and policies: `$XDG_DATA_HOME/loci`.
    pub data: PathBuf,
    /// The folder of configuration: `$XDG_CONFIG_HOME/loci`.
    pub configuration: PathBuf,
}

/// What becomes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing is there: it is written.
    New,
    /// Something else is there: it is replaced.
    Replaced,
    /// It is there as it is in the bundle.
    Same,
    /// The user has one of their own, which stays.
    Kept,
}

impl Fate {
    /// In one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Replaced => "replaced",
            Self::Same => "same",
            Self::Kept => "kept",
        }
    }

    fn is_written(self) -> bool {
        matches!(self, Self::New | Self::Replaced)
    }
}

/// What would be done, file by file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Each file, where it goes, and what becomes of it.
    pub steps: Vec<(FileEntry, PathBuf, Fate)>,
}

impl Destination {
    fn of(&self, file: &FileEntry) -> PathBuf {
        let folder = match file.role {
            Role::Binary => self.programs.clone(),
            Role::Configuration => self.configuration.clone(),
            Role::Model | Role::Licence | Role::Policy => self.data.join(file.role.folder()),
        };
        // Checked: nothing in it leads upwards.
        folder.join(file.below())
    }

    /// Where the manifest of what was installed last is kept.
    #[must_use]
    pub fn record(&self) -> PathBuf {
        self.data.join("bundle.json")
    }
}

/// Find out what would be done: what is there already is read for its hash.
///
/// # Errors
/// When it is for another machine, builds on something that is not here, or there is not enough space.
pub fn plan(manifest: &Manifest, destination: &Destination) -> Result<Plan, BundleError> {
    let machine = super::target();
    if let Some(bundle) = manifest.target.as_ref().filter(|bundle| **bundle != machine) {
        return Err(BundleError::OtherMachine { bundle: bundle.clone(), machine });
    }
    let mut steps = Vec::new();
    for file in &manifest.files {
        let target = destination.of(file);
        let fate = fate(file, &target)?;
        if file.in_base && fate.is_written() {
            let base = manifest.base.as_ref().map_or_else(String::new, ToString::to_string);
            let why = if fate == Fate::New { "it is missing" } else { "it is other than it was" };
            return Err(BundleError::WrongBase { base, path: file.path.clone(), why: why.to_owned() });
        }
        steps.push((file.clone(), target, fate));
    }
    let plan = Plan { steps };
    plan.check_space()?;
    Ok(plan)
}

fn fate(file: &FileEntry, target: &Path) -> Result<Fate, BundleError> {
    let size = match std::fs::metadata(target) {
        Ok(metadata) if metadata.is_file() => metadata.len(),
        Ok(_) => {
            let source = std::io::Error::other("something that is no file stands there");
            return Err(BundleError::Io { path: target.to_owned(), source });
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Fate::New),
        Err(source) => return Err(BundleError::Io { path: target.to_owned(), source }),
    };
    if size == file.size && hash(target, &mut |_| Ok(()))?.1 == file.sha256 {
        return Ok(Fate::Same);
    }
    Ok(if file.role == Role::Configuration { Fate::Kept } else { Fate::Replaced })
}

impl Plan {
    /// The bytes that will be written.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let written = self.steps.iter().filter(|(.., fate)| fate.is_written());
        written.fold(0, |sum, (file, ..)| sum.saturating_add(file.size))
    }

    /// The policies that whoever runs the machine has to put in force.
    pub fn policies(&self) -> impl Iterator<Item = &Path> {
        self.steps
            .iter()
            .filter(|(file, ..)| file.role == Role::Policy)
            .map(|(_, target, _)| target.as_path())
    }

    /// Old and new are there together until the end, so all that is written needs room. Each file system is asked once.
    fn check_space(&self) -> Result<(), BundleError> {
        let mut needs: Vec<(u64, PathBuf, u64)> = Vec::new();
        for (file, target, _) in self.steps.iter().filter(|(.., fate)| fate.is_written()) {
            let Some(there) = target.ancestors().skip(1).find(|folder| folder.is_dir()) else { continue };
            let device = device(there);
            match needs.iter_mut().find(|(known, ..)| *known == device) {
                Some((.., needed)) => *needed = needed.saturating_add(file.size),
                None => needs.push((device, there.to_owned(), file.size)),
            }
        }
        for (_, path, needed) in needs {
            if let Some(free) = free(&path).filter(|free| *free < needed) {
                return Err(BundleError::NoSpace { path, needed, free });
            }
        }
        Ok(())
    }
}

#[cfg(unix)]
fn device(folder: &Path) -> u64 {
    std::fs::metadata(folder)
        .map(|metadata| std::os::unix::fs::MetadataExt::dev(&metadata))
        .unwrap_or_default()
}

#[cfg(not(unix))]
fn device(_folder: &Path) -> u64 {
    0
}

/// Bytes that are free there; `None` where the system does not say.
#[cfg(unix)]
fn free(folder: &Path) -> Option<u64> {
    let status = rustix::fs::statvfs(folder).ok()?;
    Some(status.f_bavail.saturating_mul(status.f_frsize))
}

#[cfg(not(unix))]
fn free(_folder: &Path) -> Option<u64> {
    None
}

/// Read the rest of the bundle, and put it in place once all of it was right. What is there already is read and compared as
/// well, and not written again.
///
/// # Errors
/// The first thing that is wrong; then everything is as it was.
pub fn install<R: Read>(
    mut reading: Reading<R>,
    plan: &Plan,
    destination: &Destination,
    tell: Tell<'_>,
) -> Result<(), BundleError> {
    let (total, mut done) = (reading.manifest.held_bytes(), 0);
    let mut ready: Vec<(Staged, &Path)> = Vec::new();
    for (file, target, fate) in plan.steps.iter().filter(|(file, ..)| !file.in_base) {
        let mut staged = match fate.is_written() {
            true => Some(Staged::create(target).map_err(BundleError::io(target))?),
            false => None,
        };
        reading.file(file, &mut |bytes| {
            done += bytes.len() as u64;
            tell(done, total);
            staged.as_mut().map_or(Ok(()), |staged| staged.write(bytes)).map_err(BundleError::io(target))
        })?;
        if let Some(mut staged) = staged {
            staged.seal(file.role.mode()).map_err(BundleError::io(target))?;
            ready.push((staged, target));
        }
    }
    let bytes = reading.bytes.clone();
    reading.finish()?;
    // The manifest has the program last: whoever is interrupted here has the old program with models that it can use.
    for (staged, target) in ready {
        staged.place().map_err(BundleError::io(target))?;
    }
    let record = destination.record();
    std::fs::create_dir_all(&destination.data).map_err(BundleError::io(&destination.data))?;
    crate::atomic::write(&record, &bytes).map_err(BundleError::io(&record))?;
    Ok(())
}
