//! Owns finding models that other programs left on this machine: the Hugging Face cache, Ollama, LM Studio, llama.cpp.
//! Uses their folders and manifests; nothing of theirs is changed or copied.
//! Never trusts what they wrote: a name leads to a file only where that file is there, whole, and begins as a GGUF file does.

mod ollama;

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::catalog::Entry;
use crate::gguf;

/// Folders below a cache that are looked at; the deepest layout, that of the hub, needs five.
const DEEPEST: usize = 6;
/// Entries that are looked at in one cache: more are no cache of models.
const MOST_ENTRIES: usize = 20_000;
/// A size that the catalogue rounds may be off by this part of it.
const ROUNDING: u64 = 25;

/// Where other programs keep their models on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caches {
    /// The cache of `huggingface_hub`.
    pub hub: Option<PathBuf>,
    /// Ollama's folders of models: the user's, the service's.
    pub ollama: Vec<PathBuf>,
    /// LM Studio's, new and old.
    pub lm_studio: Vec<PathBuf>,
    /// llama.cpp's.
    pub llama_cpp: Option<PathBuf>,
}

/// Who left a model here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Program {
    /// `huggingface_hub` and whatever builds on it.
    HuggingFace,
    /// Ollama.
    Ollama,
    /// LM Studio.
    LmStudio,
    /// llama.cpp.
    LlamaCpp,
}

impl Program {
    /// For people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::HuggingFace => "Hugging Face cache",
            Self::Ollama => "Ollama",
            Self::LmStudio => "LM Studio",
            Self::LlamaCpp => "llama.cpp",
        }
    }

    /// What names of its models begin with.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::HuggingFace => "hf:",
            Self::Ollama => "ollama:",
            Self::LmStudio => "lmstudio:",
            Self::LlamaCpp => "llama.cpp:",
        }
    }
}

/// A model that another program left here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Who.
    pub program: Program,
    /// The name after `-m`: `ollama:qwen3:4b`, `hf:OWNER/NAME/FILE`.
    pub name: String,
    /// Its file, or the first one.
    pub path: PathBuf,
    /// Bytes of all its files.
    pub bytes: u64,
    /// Its hash, where the program's own names say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Something that looks like a model and cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The file.
    pub path: PathBuf,
    /// Why not.
    pub why: String,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Search {
    /// Models, by program and name.
    pub found: Vec<Found>,
    /// What is no model after all.
    pub skipped: Vec<Skipped>,
}

impl Caches {
    /// Look through all of them.
    #[must_use]
    pub fn search(&self) -> Search {
        let mut search = Search::default();
        if let Some(folder) = &self.hub {
            hub(folder, &mut search);
        }
        for folder in &self.ollama {
            ollama::search(folder, &mut search);
        }
        for folder in &self.lm_studio {
            plain(folder, Program::LmStudio, &mut search);
        }
        if let Some(folder) = &self.llama_cpp {
            plain(folder, Program::LlamaCpp, &mut search);
        }
        search.found.sort_by(|one, other| (one.program, &one.name).cmp(&(other.program, &other.name)));
        search.found.dedup_by(|one, other| one.name == other.name);
        search
    }

    /// Whether a name is one of another program's model.
    #[must_use]
    pub fn is_name(name: &str) -> bool {
        let programs = [Program::HuggingFace, Program::Ollama, Program::LmStudio, Program::LlamaCpp];
        programs.iter().any(|program| name.starts_with(program.prefix()))
    }
}

impl Search {
    /// The model of this name. Ollama's may lack the tag `latest`, those of the hub the file where there is one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Found> {
        let same = |found: &&Found| found.name.eq_ignore_ascii_case(name);
        let latest = format!("{name}:latest");
        let below = format!("{}/", name.to_ascii_lowercase());
        self.found
            .iter()
            .find(same)
            .or_else(|| self.found.iter().find(|found| found.name.eq_ignore_ascii_case(&latest)))
            .or_else(|| {
                let mut inside =
                    self.found.iter().filter(|found| found.name.to_ascii_lowercase().starts_with(&below));
                inside.next().filter(|_| inside.next().is_none())
            })
    }

    /// The copy of an entry of the catalogue: the same hash, or the same file name and size.
    #[must_use]
    pub fn copy_of(&self, entry: &Entry) -> Option<&Found> {
        self.found.iter().find(|found| found.is(entry))
    }
}

impl Found {
    fn is(&self, entry: &Entry) -> bool {
        let fields = &entry.fields;
        if let (Some(wanted), Some(has)) = (&fields.sha256, &self.sha256) {
            return wanted.eq_ignore_ascii_case(has);
        }
        let Some(file) = &fields.file else { return false };
        let base = file.rsplit('/').next().unwrap_or(file);
        let same_name = self.path.file_name().is_some_and(|name| name.eq_ignore_ascii_case(base))
            || self.name.rsplit('/').next().is_some_and(|name| name.eq_ignore_ascii_case(base));
        let off = fields.bytes.map_or(0, |bytes| bytes.abs_diff(self.bytes));
        let near = if fields.approximate { fields.bytes.unwrap_or(0) / ROUNDING } else { 0 };
        same_name && off <= near
    }
}

/// Every file below a folder with its depth bounded; links to folders are not followed.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders, mut seen) = (Vec::new(), vec![(folder.to_owned(), 0)], 0);
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            seen += 1;
            if seen > MOST_ENTRIES {
                return files;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < DEEPEST => folders.push((entry.path(), depth + 1)),
                Ok(kind) if !kind.is_dir() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    files.sort();
    files
}

/// Bytes of a model that is whole, or why it is none.
fn examine(path: &Path) -> Result<u64, String> {
    let parts = gguf::parts(path).map_err(|error| error.to_string())?;
    let mut bytes = 0;
    for part in &parts {
        let metadata = fs::metadata(part).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "the link leads nowhere".to_owned(),
            _ => error.to_string(),
        })?;
        let mut magic = [0; 4];
        let read = File::open(part).and_then(|mut file| file.read_exact(&mut magic));
        if read.is_err() || &magic != b"GGUF" {
            return Err("it does not begin as a GGUF file does".to_owned());
        }
        bytes += metadata.len();
    }
    Ok(bytes)
}

fn is_gguf(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"))
}

/// Downloads that were not finished, as these programs call them.
fn is_unfinished(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    matches!(
        ending.as_deref(),
        Some("incomplete" | "part" | "partial" | "downloading" | "downloadinprogress")
    )
}

/// The second and later parts of a split model go with the first.
fn is_later_part(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    gguf::part_names(&name).first().is_some_and(|first| *first != name)
}

/// Take a file in, or say why not.
fn add(search: &mut Search, program: Program, name: String, path: PathBuf, sha256: Option<String>) {
    match examine(&path) {
        Ok(bytes) => search.found.push(Found { program, name, path, bytes, sha256 }),
        Err(why) => search.skipped.push(Skipped { path, why }),
    }
}

/// `models--OWNER--NAME/snapshots/COMMIT/FILE`, links to `blobs/HASH`; `refs/main` says which commit is meant.
/// Layout: the documentation of `huggingface_hub`, "Understand caching".
fn hub(folder: &Path, search: &mut Search) {
    for repository in fs::read_dir(folder).into_iter().flatten().flatten() {
        let written = repository.file_name().to_string_lossy().into_owned();
        let Some(name) = written.strip_prefix("models--").map(|name| name.replace("--", "/")) else {
            continue;
        };
        let root = repository.path();
        for blob in walk(&root.join("blobs")).into_iter().filter(|path| is_unfinished(path)) {
            let why = "a download that was not finished".to_owned();
            search.skipped.push(Skipped { path: blob, why });
        }
        let main = fs::read_to_string(root.join("refs/main")).unwrap_or_default();
        let mut snapshots: Vec<PathBuf> = fs::read_dir(root.join("snapshots"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|one| one.path())
            .collect();
        // The one that is meant comes first; the others hold files that it may not have.
        snapshots.sort_by_key(|path| (!path.ends_with(main.trim()), path.clone()));
        for snapshot in snapshots {
            for path in walk(&snapshot).into_iter().filter(|path| is_gguf(path) && !is_later_part(path)) {
                let Ok(file) = path.strip_prefix(&snapshot) else { continue };
                let name = format!("hf:{name}/{}", file.to_string_lossy());
                if search.found.iter().any(|found| found.name == name) {
                    continue;
                }
                let blob = fs::read_link(&path).ok();
                let blob =
                    blob.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
                add(search, Program::HuggingFace, name, path, blob.filter(|hash| is_sha256(hash)));
            }
        }
    }
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Files below a folder, named by their path there.
fn plain(folder: &Path, program: Program, search: &mut Search) {
    for path in walk(folder) {
        if is_unfinished(&path) {
            search.skipped.push(Skipped { path, why: "a download that was not finished".to_owned() });
            continue;
        }
        if !is_gguf(&path) || is_later_part(&path) {
            continue;
        }
        let Ok(below) = path.strip_prefix(folder) else { continue };
        let name = format!("{}{}", program.prefix(), below.to_string_lossy());
        add(search, program, name, path, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builtin;
    use crate::catalog::{Catalog, Layer, Source};

    fn write(path: &Path, bytes: &[u8]) {
        fs::create_dir_all(path.parent().expect("a parent")).expect("created");
        fs::write(path, bytes).expect("written");
    }

    /// What was found and skipped, in words.
    fn words(search: &Search) -> (Vec<String>, Vec<String>) {
        let found = search.found.iter().map(|found| found.name.clone()).collect();
        let name = |path: &Path| {
            path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let skipped = search.skipped.iter().map(|one| format!("{}: {}", name(&one.path), one.why)).collect();
        (found, skipped)
    }

    #[cfg(unix)]
    #[test]
    fn the_cache_of_the_hub_is_read() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().expect("a folder");
        let repository = folder.path().join("models--house--tiny-GGUF");
        let blob = builtin::SHA256;
        write(&repository.join("blobs").join(blob), builtin::GGUF);
        write(&repository.join("blobs/abc.incomplete"), b"GG");
        write(&repository.join("refs/main"), b"new\n");
        for commit in ["old", "new"] {
            fs::create_dir_all(repository.join("snapshots").join(commit)).expect("created");
            symlink(
                format!("../../blobs/{blob}"),
                repository.join("snapshots").join(commit).join("tiny.gguf"),
            )
            .expect("linked");
        }
        symlink("../../blobs/gone", repository.join("snapshots/new/broken.gguf")).expect("linked");
        write(&repository.join("snapshots/new/page.gguf"), b"<html>");
        write(&folder.path().join("datasets--a--b/snapshots/x/y.gguf"), builtin::GGUF);
        let search = Caches { hub: Some(folder.path().to_owned()), ..Caches::default() }.search();
        let (found, skipped) = words(&search);
        assert_eq!(found, ["hf:house/tiny-GGUF/tiny.gguf"]);
        assert_eq!(
            skipped,
            [
                "abc.incomplete: a download that was not finished",
                "broken.gguf: the link leads nowhere",
                "page.gguf: it does not begin as a GGUF file does"
            ]
        );
        assert!(search.found[0].path.ends_with("new/tiny.gguf"));
        assert_eq!(search.found[0].sha256.as_deref(), Some(blob));
        assert_eq!(
            search.get("hf:house/tiny-GGUF").map(|found| found.bytes),
            Some(builtin::GGUF.len() as u64)
        );
    }

    #[test]
    fn plain_folders_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let (studio, llama) = (folder.path().join("studio"), folder.path().join("llama"));
        write(&studio.join("house/tiny/tiny.gguf"), builtin::GGUF);
        write(&studio.join("house/split/s-00001-of-00002.gguf"), builtin::GGUF);
        write(&studio.join("house/split/s-00002-of-00002.gguf"), builtin::GGUF);
        write(&studio.join("house/half/h-00001-of-00002.gguf"), builtin::GGUF);
        write(&studio.join("house/tiny/next.gguf.part"), b"GG");
        write(&llama.join("house_tiny.gguf"), builtin::GGUF);
        write(&llama.join("house_tiny.gguf.json"), b"{}");
        let caches = Caches {
            lm_studio: vec![studio, folder.path().join("gone")],
            llama_cpp: Some(llama),
            ..Caches::default()
        };
        let search = caches.search();
        let (found, skipped) = words(&search);
        let split = "lmstudio:house/split/s-00001-of-00002.gguf";
        assert_eq!(found, [split, "lmstudio:house/tiny/tiny.gguf", "llama.cpp:house_tiny.gguf"]);
        assert_eq!(search.get(split).map(|found| found.bytes), Some(2 * builtin::GGUF.len() as u64));
        assert_eq!(skipped.len(), 2, "{skipped:?}");
        assert!(skipped[0].contains("h-00002-of-00002.gguf"), "{skipped:?}");
    }

    #[test]
    fn copies_of_entries_are_known_by_hash_or_by_name_and_size() {
        let length = builtin::GGUF.len() as u64;
        let entry = |more: &str| {
            let text =
                format!("[model.x]\nkind = \"gguf\"\nrepository = \"a/b\"\nfile = \"q4/Tiny.gguf\"\n{more}");
            let source = Source { layer: Layer::User, origin: "user.toml", text: &text };
            Catalog::load(&[source]).expect("parses").get("x").expect("known").clone()
        };
        let found = |sha256: Option<&str>| Found {
            program: Program::LmStudio,
            name: "lmstudio:a/tiny.gguf".into(),
            path: "/models/a/tiny.gguf".into(),
            bytes: length,
            sha256: sha256.map(Into::into),
        };
        let hash = builtin::SHA256;
        let check = |more: &str, sha256: Option<&str>, expect: bool| {
            assert_eq!(found(sha256).is(&entry(more)), expect, "{more} {sha256:?}");
        };
        check(&format!("bytes = {length}\n"), None, true);
        check(&format!("bytes = {}\n", length + 1), None, false);
        check(&format!("bytes = {}\napproximate = true\n", length + length / 100), None, true);
        check(&format!("bytes = {}\napproximate = true\n", length * 2), None, false);
        check(&format!("bytes = {length}\nsha256 = \"{hash}\"\n"), Some(hash), true);
        check(&format!("bytes = {length}\nsha256 = \"{}\"\n", "0".repeat(64)), Some(hash), false);
    }
}
