//! Owns the token of `loci serve`: made once, kept in a file that only the user reads.
//! Uses the random numbers of the system, by way of `uuid`.
//! Never writes it where others can read it, and never takes one from a file that they can.

use std::fs;
use std::io;
use std::path::Path;

use crate::atomic;
use crate::session::log::create_folder;

/// A shorter one could be guessed: 16 letters of 64 have 96 bits.
const SHORTEST: usize = 16;

/// A token, and whether it was made just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceToken {
    /// The token.
    pub text: String,
    /// There was no file: this is the time to show it.
    pub fresh: bool,
}

/// The token in a file, which is made where there is none.
///
/// # Errors
/// When the file cannot be read or written, when others may read it, or when what it holds is no token.
pub fn at(path: &Path) -> io::Result<ServiceToken> {
    match fs::read_to_string(path) {
        Ok(text) => {
            private(path)?;
            let text = text.trim().to_owned();
            let wrong = |message: &str| Err(io::Error::new(io::ErrorKind::InvalidData, message));
            if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                return wrong("a token is one line of letters, digits and signs");
            }
            if text.len() < SHORTEST {
                return wrong("a token has 16 letters at least");
            }
            Ok(ServiceToken { text, fresh: false })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                create_folder(folder)?;
            }
            let text = fresh();
            atomic::write_private(path, format!("{text}\n").as_bytes())?;
            Ok(ServiceToken { text, fresh: true })
        }
        Err(error) => Err(error),
    }
}

/// 64 digits from four identifiers, each with 74 bits that the system drew.
fn fresh() -> String {
    let mut hasher = blake3::Hasher::new();
    for _ in 0..4 {
        hasher.update(uuid::Uuid::now_v7().as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(unix)]
fn private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let message = format!("others may read it (mode {:o}): chmod 600", mode & 0o777);
    Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as where there are modes")]
fn private(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/token");
        let first = at(&path).expect("made");
        assert!(first.fresh && first.text.len() == 64, "{first:?}");
        assert_eq!(at(&path).expect("kept"), ServiceToken { fresh: false, ..first.clone() });
        assert_ne!(at(&folder.path().join("other")).expect("made").text, first.text);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_or_that_holds_no_token_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        at(&path).expect("made");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        let check = |text: &str, mode: u32, expect: Option<&str>| {
            fs::write(&path, text).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            let error = at(&path).err().map(|error| error.to_string());
            assert_eq!(error.is_some(), expect.is_some(), "{error:?}");
            assert!(error.unwrap_or_default().contains(expect.unwrap_or_default()));
        };
        check("0123456789abcdef", 0o600, None);
        check("0123456789abcdef\n", 0o400, None);
        check("0123456789abcdef", 0o644, Some("chmod 600"));
        check("0123456789abcde", 0o600, Some("16 letters"));
        check("", 0o600, Some("16 letters"));
        check("0123456789abcdef\nmore", 0o600, Some("one line"));
    }
}
