//! Owns signatures of bundles: those of `minisign`, over the manifest, which holds the hash of everything else.
//! Uses the `minisign` crate; the format is that of <https://jedisct1.github.io/minisign/>.
//! Never takes a signature of the old kind, which does not hash first.
//!
//! Over the manifest and not over the file, so that a bundle of any size is judged before a byte of its contents is read, and
//! is read once. `tar -xOf BUNDLE --wildcards 'manifest-*' >m; minisign -Vm m -x BUNDLE.minisig -P KEY` says the same.

use std::io::Cursor;

use base64::Engine as _;
use minisign::{PublicKey, PublicKeyBox, SecretKey, SecretKeyBox, SignatureBox};

/// The parts of a secret key: two bytes for the algorithm, two for how its password is used (none: zeroes), two for the
/// checksum, a salt of 32, limits of 8 and 8, the number of the key, 8, the key, 64, and the checksum.
const SECRET_KEY: usize = 6 + 32 + 8 + 8 + 8 + 64 + CHECKSUM;
const CHECKSUM: usize = 32;
const KEY_DERIVATION: std::ops::Range<usize> = 2..4;

/// Why there is no signature, or none that holds.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// Name another file.
    #[error("it is no secret key of minisign: {why}")]
    SecretKey {
        /// What is wrong with it.
        why: String,
    },
    /// Type it again.
    #[error("the password does not open that key")]
    Password,
    /// Name another file or key.
    #[error("it is no public key of minisign: {why}")]
    PublicKey {
        /// What is wrong with it.
        why: String,
    },
    /// Get it again.
    #[error("it is no signature of minisign: {why}")]
    Signature {
        /// What is wrong with it.
        why: String,
    },
    /// Trust nothing in it, or take the key of whoever made it.
    #[error("the signature does not hold: {why}")]
    Refused {
        /// Another key, or another manifest.
        why: String,
    },
}

/// Whether a secret key wants a password.
///
/// # Errors
/// When it is none.
pub fn wants_password(key: &str) -> Result<bool, SignatureError> {
    match open(key) {
        Ok(_) => Ok(false),
        Err(error) if error.to_string().contains("might be encrypted") => Ok(true),
        Err(error) => Err(SignatureError::SecretKey { why: error.to_string() }),
    }
}

/// A secret key without a password. Those of the tool itself (`minisign -G -W`, seen with 0.11) have zeroes for a checksum,
/// which the crate refuses: they are judged by whether their two halves belong together.
fn open(key: &str) -> Result<SecretKey, minisign::PError> {
    SecretKey::from_unencrypted_box(SecretKeyBox::from(key.to_owned())).or_else(|error| {
        let line = key.lines().nth(1).unwrap_or_default().trim();
        let bytes = base64::engine::general_purpose::STANDARD.decode(line).unwrap_or_default();
        let unmarked =
            bytes.len() == SECRET_KEY && bytes[SECRET_KEY - CHECKSUM..].iter().all(|&byte| byte == 0);
        if !unmarked || bytes[KEY_DERIVATION] != [0, 0] {
            return Err(error);
        }
        let key = SecretKey::from_bytes(&bytes)?;
        let signed = minisign::sign(None, &key, Cursor::new(b""), None, None)?;
        minisign::verify(&PublicKey::from_secret_key(&key)?, &signed, Cursor::new(b""), true, false, false)?;
        Ok(key)
    })
}

/// Sign a manifest: the text of a `.minisig` file.
///
/// # Errors
/// When the key is none, or the password is not its own.
pub fn sign(
    manifest: &[u8],
    key: &str,
    password: Option<String>,
    comment: &str,
) -> Result<String, SignatureError> {
    let wrong = |error: minisign::PError| SignatureError::SecretKey { why: error.to_string() };
    let boxed = SecretKeyBox::from(key.to_owned());
    let key = if wants_password(key)? {
        // An empty one is a password, too; the crate would ask for it by itself.
        SecretKey::from_box(boxed, Some(password.unwrap_or_default()))
            .map_err(|_| SignatureError::Password)?
    } else {
        open(key).map_err(wrong)?
    };
    let signed =
        minisign::sign(None, &key, Cursor::new(manifest), Some(comment), Some("signature of a Loci bundle"));
    Ok(signed.map_err(wrong)?.into_string())
}

/// Check a signature of a manifest with a public key: its base64 alone, or the text of its file. The comment that was signed
/// with it.
///
/// # Errors
/// When one of the two is none, or the signature is not of this key over this manifest.
pub fn check(manifest: &[u8], signature: &str, key: &str) -> Result<String, SignatureError> {
    let no_key = |error: minisign::PError| SignatureError::PublicKey { why: error.to_string() };
    let key = match key.trim() {
        text if text.lines().count() > 1 => {
            PublicKey::from_box(PublicKeyBox::from(text.to_owned())).map_err(no_key)?
        }
        text => PublicKey::from_base64(text).map_err(no_key)?,
    };
    let no_signature = |error: minisign::PError| SignatureError::Signature { why: error.to_string() };
    let signature = SignatureBox::from_string(signature).map_err(no_signature)?;
    minisign::verify(&key, &signature, Cursor::new(manifest), true, false, false)
        .map_err(|error| SignatureError::Refused { why: error.to_string() })?;
    signature.trusted_comment().map_err(no_signature)
}
