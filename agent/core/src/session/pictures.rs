//! Owns pictures that go with a prompt: what counts as one, where it is kept, and how it comes back.
//! Uses the session's folder, where each is kept once by its hash; the prompt's note in the log names that file.
//! Never sends a picture to a model that takes none, and never reads one that the user did not attach.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loci_inference::provider::{Image, Message, Request};
use loci_protocol::Level;

use super::Session;
use super::log::{Record, effective};
use crate::atomic;

/// The services take from 5 MB (Anthropic) to 20 MB (Gemini, all parts together).
const MAX_BYTES: u64 = 5_000_000;
/// What stands before the name of the kept file in a prompt's note.
const MARK: &str = "kept as ";

/// The kinds of pictures: media type, ending, and the bytes that they begin with.
const KINDS: [(&str, &str, &[u8]); 4] = [
    ("image/png", "png", b"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", "jpg", b"\xff\xd8\xff"),
    ("image/gif", "gif", b"GIF8"),
    ("image/webp", "webp", b"RIFF"),
];

/// Why a file cannot go along as a picture.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// Name another file.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Convert it.
    #[error("{} is no picture that models take", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
    },
    /// Make it smaller.
    #[error("{} has {bytes} bytes, and services take {MAX_BYTES}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
}

impl PictureError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } => "give the path of a picture that you may read",
            Self::Kind { .. } => "models take PNG, JPEG, GIF and WebP",
            Self::TooLarge { .. } => "make it smaller: models look at some 1,500 pixels across",
        }
    }
}

/// Read a picture; its first bytes say what it is, not its name.
///
/// # Errors
/// When it cannot be read, is none, or is too large for the services.
pub fn read(path: &Path) -> Result<Image, PictureError> {
    let failed = |source| PictureError::Io { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(failed)?.len();
    if bytes > MAX_BYTES {
        return Err(PictureError::TooLarge { path: path.to_owned(), bytes });
    }
    let data = std::fs::read(path).map_err(failed)?;
    let kind = kind(&data).ok_or_else(|| PictureError::Kind { path: path.to_owned() })?;
    Ok(Image { media_type: kind.0.to_owned(), data: Arc::from(data) })
}

fn kind(data: &[u8]) -> Option<(&'static str, &'static str)> {
    let found = KINDS.into_iter().find(|(_, _, begins)| data.starts_with(begins))?;
    let webp = found.1 == "webp";
    (!webp || data.get(8..12) == Some(b"WEBP")).then_some((found.0, found.1))
}

/// The pictures of a project's sessions.
#[derive(Debug)]
pub(crate) struct Pictures {
    folder: PathBuf,
    loaded: HashMap<String, Option<Image>>,
}

impl Pictures {
    pub(crate) fn of(sessions: &Path) -> Self {
        Self { folder: sessions.join("pictures"), loaded: HashMap::new() }
    }

    /// Keep a picture, and give the note that names it.
    fn keep(&mut self, path: &Path, image: Image) -> std::io::Result<String> {
        let ending = kind(&image.data).map_or("png", |(_, ending)| ending);
        let kept = format!("{}.{ending}", blake3::hash(&image.data).to_hex());
        std::fs::create_dir_all(&self.folder)?;
        atomic::write(&self.folder.join(&kept), &image.data)?;
        self.loaded.insert(kept.clone(), Some(image));
        let name = path.file_name().map(|name| name.to_string_lossy().replace(['[', ']', '\n'], "_"));
        Ok(format!("The user attached the picture {} ({MARK}{kept}).", name.unwrap_or_default()))
    }

    /// The pictures that the notes in a text name.
    fn named(&mut self, text: &str) -> Vec<Image> {
        let mut images = Vec::new();
        for name in kept_names(text) {
            let path = self.folder.join(name);
            let load = || {
                let image = read(&path).ok()?;
                // A file that is not what it was is not what the user attached.
                name.starts_with(blake3::hash(&image.data).to_hex().as_str()).then_some(image)
            };
            images.extend(self.loaded.entry(name.to_owned()).or_insert_with(load).clone());
        }
        images
    }
}

/// The files that the notes in a text name.
fn kept_names(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices(MARK)
        .filter_map(|(at, _)| text[at + MARK.len()..].split(')').next())
        .filter(|name| is_kept_name(name))
}

fn is_kept_name(name: &str) -> bool {
    name.split_once('.').is_some_and(|(hash, ending)| {
        hash.len() == 64
            && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
            && KINDS.iter().any(|(_, known, _)| *known == ending)
    })
}

impl Session {
    /// Keep a picture for the next prompt.
    pub(crate) fn attach(&mut self, path: &str) {
        let path = self.workspace.root().join(path);
        let kept = match read(&path) {
            Ok(image) => self.pictures.keep(&path, image).map_err(|error| (error.to_string(), None)),
            Err(error) => Err((error.to_string(), Some(error.hint().to_owned()))),
        };
        match kept {
            Ok(note) => {
                self.notes.push(note);
                let info = self.provider.info();
                if !info.capabilities.images {
                    let message = format!("{} takes no pictures; it is only told of them", info.model);
                    let hint = "choose a model that does, or set providers.NAME.images = true if this one does after all";
                    self.control.notice(Level::Warning, message, Some(hint.into()));
                }
            }
            Err((message, hint)) => {
                self.control.notice(Level::Error, format!("the picture is left out: {message}"), hint);
            }
        }
    }

    /// Whether a picture goes with the newest prompt, or with the one to come.
    pub(crate) fn pictured(&self) -> bool {
        let names_one = |text: &str| kept_names(text).next().is_some();
        self.notes.iter().any(|note| names_one(note))
            || self.log.records().is_ok_and(|records| {
                let newest = effective(&records).into_iter().rev().find_map(|record| match record {
                    Record::Prompt { text, .. } => Some(names_one(text)),
                    _ => None,
                });
                newest.unwrap_or(false)
            })
    }

    /// The request with the pictures that its prompts name, where the model takes any.
    pub(crate) fn with_pictures(&mut self, mut request: Request) -> Request {
        if !self.provider.info().capabilities.images {
            return request;
        }
        for message in &mut request.messages {
            if let Message::User { text, images } = message {
                *images = self.pictures.named(text);
            }
        }
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_kept_by_hash_and_found_by_their_notes() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("shot [1].png");
        std::fs::write(&file, b"\x89PNG\r\n\x1a\nrest").expect("written");
        let mut pictures = Pictures::of(folder.path());
        let note = pictures.keep(&file, read(&file).expect("a picture")).expect("kept");
        assert!(note.starts_with("The user attached the picture shot _1_.png (kept as "), "{note}");
        let prompt = format!("[{note}]\n\nwhat is this?");
        assert_eq!(super::super::resume::typed(&prompt), "what is this?");
        // In a later process.
        let mut later = Pictures::of(folder.path());
        let found = later.named(&prompt);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].media_type.as_str(), found[0].data.as_ref()),
            ("image/png", &b"\x89PNG\r\n\x1a\nrest"[..])
        );
        // What was changed since, what never was, and what only looks like it.
        let kept =
            std::fs::read_dir(folder.path().join("pictures")).expect("there").flatten().next().expect("one");
        std::fs::write(kept.path(), b"\x89PNG\r\n\x1a\nother").expect("written");
        assert!(Pictures::of(folder.path()).named(&prompt).is_empty());
        for text in
            [format!("kept as {}.png)", "0".repeat(64)), "kept as ../../etc/passwd)".into(), "kept as".into()]
        {
            assert!(Pictures::of(folder.path()).named(&text).is_empty(), "{text}");
        }
    }

    #[test]
    fn files_that_are_no_pictures_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let check = |name: &str, bytes: &[u8], expect: Option<&str>| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).expect("written");
            let said = read(&path).map(|image| image.media_type).map_err(|error| error.to_string());
            match expect {
                Some(kind) => assert_eq!(said.as_deref(), Ok(kind), "{name}"),
                None => assert!(said.is_err_and(|said| said.contains(name)), "{name}"),
            }
        };
        check("a.png", b"\x89PNG\r\n\x1a\n", Some("image/png"));
        check("a.txt", b"\xff\xd8\xff\xe0", Some("image/jpeg"));
        check("a.gif", b"GIF89a", Some("image/gif"));
        check("a.webp", b"RIFF\0\0\0\0WEBPVP8 ", Some("image/webp"));
        check("a.wav", b"RIFF\0\0\0\0WAVEfmt ", None);
        check("b.png", b"<svg/>", None);
        check("c.png", b"", None);
        check("large.png", &vec![0; 5_000_001], None);
        assert!(read(&folder.path().join("missing.png")).is_err());
    }
}
