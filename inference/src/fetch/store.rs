//! Owns the folder of models: what was put there, where it came from, whether it is still what it was.
//! Uses a manifest beside each model.
//! Never removes or judges a file that no manifest names.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::part::{Digests, beside, sync_folder, write_small};
use super::{FetchError, Tell, Told};
use crate::catalog::{Entry, nearest, stays_below};

/// Each block of a file has a hash of its own, so that damage has a place: small enough to point at, and 128 hashes for 2 GB.
pub const BLOCK: u64 = 16 << 20;

/// The ending of a manifest's name, behind that of the model's first file.
const MANIFEST: &str = ".manifest.json";

/// Larger files are no manifests: a model of 1 TB has 5 MB of hashes.
const LARGEST_MANIFEST: u64 = 16 << 20;

/// Where a model came from and what it was when it came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The name it was pulled by: one of the catalogue, or that of its file.
    pub name: String,
    /// `hf:OWNER/NAME/FILE`, `wheel:PACKAGE`, an address, or the path of a file.
    pub source: String,
    /// The commit or version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The licence, as its source or the catalogue says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// GGUF's `general.architecture`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// The quantisation of most bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantisation: Option<String>,
    /// When it came, in UTC.
    pub date: String,
    /// What put it there: `loci 0.7.0`.
    pub importer: String,
    /// Its files, the model's own first; paths from the folder of models.
    pub files: Vec<KeptFile>,
}

/// One file of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFile {
    /// Its path from the folder of models.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// The BLAKE3 of each [`BLOCK`] of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<String>,
}

/// The folder of models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// The store in this folder, which need not exist yet.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Every model with a manifest, by name. A manifest that cannot be read is left out.
    #[must_use]
    pub fn all(&self) -> Vec<Manifest> {
        let mut found = Vec::new();
        // Two levels: files beside each other, and those in folders of their repositories or of their own.
        let mut folders = vec![(self.folder.clone(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) && depth < 3 {
                    folders.push((path, depth + 1));
                } else if path.to_str().is_some_and(|name| name.ends_with(MANIFEST)) {
                    found.extend(read_manifest(&path));
                }
            }
        }
        found.sort_by(|one: &Manifest, other| one.name.cmp(&other.name));
        found
    }

    /// The model of this name: the one it was pulled by, its source, or its file with or without the ending.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Manifest> {
        let same = |text: &str| text.eq_ignore_ascii_case(name);
        let all = self.all();
        let by = |test: &dyn Fn(&Manifest) -> bool| all.iter().find(|one| test(one)).cloned();
        by(&|one| same(&one.name)).or_else(|| by(&|one| same(&one.source))).or_else(|| {
            by(&|one| {
                let file = one.files.first().map(|first| first.file.as_str()).unwrap_or_default();
                let short = file.rsplit('/').next().unwrap_or(file);
                same(file) || same(short) || short.rsplit_once('.').is_some_and(|(stem, _)| same(stem))
            })
        })
    }

    /// As [`Store::find`], for a name that must be there.
    ///
    /// # Errors
    /// [`FetchError::NotHere`], with the nearest name that is.
    pub fn get(&self, name: &str) -> Result<Manifest, FetchError> {
        self.find(name).ok_or_else(|| {
            let all = self.all();
            let similar = nearest(name, all.iter().map(|one| one.name.as_str()));
            FetchError::NotHere { name: name.to_owned(), folder: self.folder.clone(), similar }
        })
    }

    /// The first file of an entry of the catalogue, where it is in this folder: put there by Loci, or by hand under the
    /// name that the catalogue gives.
    #[must_use]
    pub fn file_of(&self, entry: &Entry) -> Option<PathBuf> {
        if let Some(manifest) = self.all().into_iter().find(|one| one.name.eq_ignore_ascii_case(&entry.name))
        {
            let path = self.path(&manifest);
            if path.exists() {
                return Some(path);
            }
        }
        let file = entry.fields.file.as_ref().filter(|_| entry.fields.path.is_none())?;
        let path = self.folder.join(file);
        // Somebody else's file may have the same name.
        let other = read_manifest(&beside(&path, MANIFEST)).is_some();
        (path.is_file() && !other).then_some(path)
    }

    /// What a model is opened by: its first file, or the folder of a model that is several.
    #[must_use]
    pub fn path(&self, manifest: &Manifest) -> PathBuf {
        let first = manifest.files.first().map(|first| self.folder.join(&first.file)).unwrap_or_default();
        let is_model = |ending: &str| first.to_string_lossy().to_ascii_lowercase().ends_with(ending);
        match first.parent() {
            Some(folder) if !is_model(".gguf") && !is_model(".whl") => folder.to_owned(),
            _ => first,
        }
    }

    /// Fails when a file of this name is there and is of another source.
    pub(super) fn check_free(&self, file: &str, source: &str) -> Result<(), FetchError> {
        let path = self.folder.join(file);
        let taken = self.all().into_iter().find(|one| one.files.iter().any(|kept| kept.file == file));
        match taken {
            Some(one) if one.source != source => Err(FetchError::Taken { path, source_of: one.source }),
            Some(_) => Ok(()),
            None if path.exists() => {
                Err(FetchError::Taken { path, source_of: "somebody who left no manifest".into() })
            }
            None => Ok(()),
        }
    }

    /// Write down a model whose files are here.
    ///
    /// # Errors
    /// When the manifest cannot be written.
    pub fn keep(&self, manifest: &Manifest) -> Result<(), FetchError> {
        let Some(first) = manifest.files.first() else { return Ok(()) };
        let path = beside(&self.folder.join(&first.file), MANIFEST);
        let text = serde_json::to_string_pretty(manifest).unwrap_or_default();
        write_small(&path, &(text + "\n"))?;
        sync_folder(path.parent().unwrap_or(&self.folder));
        Ok(())
    }

    /// Remove a model: its files, its manifest, and folders that are empty then. Gives the bytes that are free now.
    ///
    /// # Errors
    /// When a file cannot be removed; the manifest stays until all of them are.
    pub fn remove(&self, manifest: &Manifest) -> Result<u64, FetchError> {
        let mut freed = 0;
        for kept in &manifest.files {
            let path = self.folder.join(&kept.file);
            match fs::remove_file(&path) {
                Ok(()) => freed += kept.bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(FetchError::io(&path, &error)),
            }
        }
        if let Some(first) = manifest.files.first() {
            let path = beside(&self.folder.join(&first.file), MANIFEST);
            fs::remove_file(&path).map_err(|error| FetchError::io(&path, &error))?;
            for folder in path.ancestors().skip(1).take_while(|folder| *folder != self.folder) {
                // One that is not empty stays.
                if fs::remove_dir(folder).is_err() {
                    break;
                }
            }
        }
        Ok(freed)
    }

    /// Read every file of a model again and compare it with what it was.
    ///
    /// # Errors
    /// [`FetchError::Damaged`] with the first block that differs, [`FetchError::WrongLength`], or
    /// [`FetchError::Io`] for a file that is gone.
    pub fn verify(&self, manifest: &Manifest, tell: &mut Tell<'_>) -> Result<(), FetchError> {
        manifest.files.iter().try_for_each(|kept| verify_file(&self.folder.join(&kept.file), kept, tell))
    }
}

fn verify_file(path: &Path, kept: &KeptFile, tell: &mut Tell<'_>) -> Result<(), FetchError> {
    let failed = |error: io::Error| FetchError::io(path, &error);
    let mut file = File::open(path).map_err(failed)?;
    let mut digests = Digests::new();
    let (mut done, mut buffer) = (0, vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                digests.update(&buffer[..read]);
                done += read as u64;
                tell(Told::Bytes { file: &kept.file, done, total: Some(kept.bytes) });
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    if done != kept.bytes {
        let file = path.display().to_string();
        return Err(FetchError::WrongLength { file, expected: kept.bytes, found: done });
    }
    let (found, blocks) = digests.finish();
    if found == kept.sha256 {
        return Ok(());
    }
    // Without hashes of blocks the damage is anywhere.
    let block = kept.blocks.iter().zip(&blocks).position(|(was, is)| was != is);
    let from = block.map_or(0, |block| block as u64 * BLOCK);
    let to = if block.is_some() { (from + BLOCK).min(done) } else { done };
    let expected = kept.sha256.clone();
    Err(FetchError::Damaged { path: path.to_owned(), from, to, expected, found })
}

/// `None` for what is no manifest, or names files that are not below its own folder of models.
fn read_manifest(path: &Path) -> Option<Manifest> {
    let mut text = String::new();
    File::open(path).ok()?.take(LARGEST_MANIFEST).read_to_string(&mut text).ok()?;
    let manifest: Manifest = serde_json::from_str(&text).ok()?;
    (!manifest.files.is_empty() && manifest.files.iter().all(|kept| stays_below(&kept.file)))
        .then_some(manifest)
}

#[cfg(test)]
mod tests {
    use super::super::part::hex;
    use super::*;
    use sha2::Digest as _;

    fn put(store: &Store, name: &str, file: &str, content: &[u8]) -> Manifest {
        let path = store.folder().join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("created");
        fs::write(&path, content).expect("written");
        let mut digests = Digests::new();
        digests.update(content);
        let (sha256, blocks) = digests.finish();
        assert_eq!(sha256, hex(&sha2::Sha256::digest(content)));
        let kept = KeptFile { file: file.into(), bytes: content.len() as u64, sha256, blocks };
        let source = format!("hf:a/b/{file}");
        let manifest = Manifest { name: name.into(), source, files: vec![kept], ..Manifest::default() };
        store.keep(&manifest).expect("kept");
        manifest
    }

    #[test]
    fn models_are_found_by_name_source_and_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::new(folder.path().join("models"));
        assert!(store.all().is_empty() && store.find("x").is_none());
        put(&store, "tiny", "Tiny-Q8.gguf", b"GGUF");
        put(&store, "deep", "a--b/deep.gguf", b"GGUF");
        assert_eq!(store.all().len(), 2);
        for name in ["tiny", "TINY", "hf:a/b/Tiny-Q8.gguf", "tiny-q8", "tiny-q8.gguf"] {
            assert_eq!(store.find(name).expect(name).name, "tiny", "{name}");
        }
        assert!(store.path(&store.find("deep").expect("there")).ends_with("a--b/deep.gguf"));
        let error = store.get("deap").expect_err("unknown");
        assert_eq!(error.hint(), "did you mean `deep`?");
        assert!(store.check_free("new.gguf", "hf:x/y").is_ok());
        assert!(store.check_free("Tiny-Q8.gguf", "hf:a/b/Tiny-Q8.gguf").is_ok());
        assert!(matches!(store.check_free("Tiny-Q8.gguf", "hf:x/y"), Err(FetchError::Taken { .. })));
        // A manifest that would lead out of the folder is none.
        fs::write(
            folder.path().join("models/evil.gguf.manifest.json"),
            r#"{"name":"evil","source":"x","date":"","importer":"","files":[{"file":"../../x","bytes":1,"sha256":""}]}"#,
        )
        .expect("written");
        assert_eq!(store.all().len(), 2);
    }

    #[test]
    fn a_flipped_byte_is_found_and_has_a_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::new(folder.path());
        let mut content = vec![7_u8; 2 * usize::try_from(BLOCK).expect("fits") + 5];
        let manifest = put(&store, "big", "big.gguf", &content);
        store.verify(&manifest, &mut |_| {}).expect("as it was");
        content[BLOCK as usize + 1] ^= 1;
        fs::write(folder.path().join("big.gguf"), &content).expect("written");
        match store.verify(&manifest, &mut |_| {}) {
            Err(FetchError::Damaged { path, from, to, .. }) => {
                assert!(path.ends_with("big.gguf"));
                assert_eq!((from, to), (BLOCK, 2 * BLOCK));
            }
            other => panic!("{other:?}"),
        }
        content.pop();
        fs::write(folder.path().join("big.gguf"), &content).expect("written");
        assert!(matches!(store.verify(&manifest, &mut |_| {}), Err(FetchError::WrongLength { .. })));
        fs::remove_file(folder.path().join("big.gguf")).expect("removed");
        assert!(matches!(store.verify(&manifest, &mut |_| {}), Err(FetchError::Io { .. })));
    }

    #[test]
    fn only_what_a_manifest_names_is_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::new(folder.path());
        let manifest = put(&store, "deep", "a--b/deep.gguf", b"GGUF");
        fs::write(folder.path().join("mine.gguf"), b"mine").expect("written");
        assert_eq!(store.remove(&manifest).expect("removed"), 4);
        let left: Vec<_> = fs::read_dir(folder.path()).expect("listed").flatten().collect();
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!(left[0].file_name(), "mine.gguf");
    }
}
