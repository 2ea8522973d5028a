//! Owns which names a file system may take for the same (S9).
//! Uses canonical decomposition, as the file systems that normalise do.
//! Never tells two names apart that any of them takes for one: it is used where matching restricts.

use std::path::{Path, PathBuf};

use unicode_normalization_alignments::UnicodeNormalization;

use crate::FileSystem;

/// The text as all its spellings have it.
pub(crate) fn text(text: &str, system: FileSystem) -> String {
    if text.is_ascii() {
        return if system.ignores_case { text.to_ascii_lowercase() } else { text.to_owned() };
    }
    // Upper case first: the long s and the Kelvin sign have a common letter only there.
    let lower = |text: &str| text.to_uppercase().to_lowercase();
    let decomposed = |text: &str| text.nfd().map(|(character, _)| character).collect::<String>();
    match (system.ignores_case, system.normalizes) {
        (false, false) => text.to_owned(),
        (true, false) => lower(text),
        (false, true) => decomposed(text),
        (true, true) => decomposed(&lower(&decomposed(text))),
    }
}

/// The path as all its spellings have it.
pub(crate) fn path(path: &Path, system: FileSystem) -> PathBuf {
    PathBuf::from(text(&path.to_string_lossy(), system))
}

impl FileSystem {
    /// Whether any two different names are the same file.
    pub(crate) fn folds(self) -> bool {
        self.ignores_case || self.normalizes
    }

    /// A file system about which nothing is known may do both.
    pub(crate) const ANY: Self = Self { ignores_case: true, normalizes: true };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_become_one() {
        let check = |system: FileSystem, one: &str, other: &str, same: bool| {
            assert_eq!(text(one, system) == text(other, system), same, "{one} {other} {system:?}");
        };
        let case = FileSystem { ignores_case: true, normalizes: false };
        let form = FileSystem { ignores_case: false, normalizes: true };
        check(case, ".ENV", ".env", true);
        check(form, ".ENV", ".env", false);
        check(FileSystem::default(), ".ENV", ".env", false);
        check(form, "caf\u{e9}", "cafe\u{301}", true);
        check(case, "caf\u{e9}", "cafe\u{301}", false);
        check(FileSystem::ANY, "CAF\u{c9}", "cafe\u{301}", true);
        check(case, ".ba\u{17f}hrc", ".bashrc", true);
        check(FileSystem::ANY, "a", "b", false);
    }
}
