//! Owns mentions: `@src/lib.rs` in a prompt is the file, for a model that takes words as they stand.
//! Uses the project's folder, to know what is a file.
//! Never changes anything that is not one: an address, a decorator, a name.

use std::path::{Component, Path};

/// The prompt with the `@` taken off each mention of something that is there: `@path`, `@path:12`, `@"a path"`.
pub(crate) fn named(root: &Path, prompt: &str) -> String {
    let mut out = String::with_capacity(prompt.len());
    let mut rest = prompt;
    while let Some(at) = rest.find('@') {
        let (before, behind) = (&rest[..at], &rest[at + 1..]);
        out.push_str(before);
        let begins =
            out.chars().next_back().is_none_or(|one| one.is_whitespace() || matches!(one, '(' | '['));
        if !(begins && is_there(root, behind)) {
            out.push('@');
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Whether what stands behind an `@` begins with a path of the project that there is.
fn is_there(root: &Path, behind: &str) -> bool {
    let written = match behind.strip_prefix('"') {
        Some(quoted) => quoted.split(['"', '\n']).next(),
        None => behind.split(char::is_whitespace).next(),
    };
    let Some(written) = written.filter(|written| !written.is_empty() && written.len() < 4096) else {
        return false;
    };
    let lines =
        |tail: &str| !tail.is_empty() && tail.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let without_lines = |text: &str| match text.rsplit_once(':') {
        Some((path, tail)) if lines(tail) => path.to_owned(),
        _ => text.to_owned(),
    };
    // A sentence may go on right behind it.
    let bare = written.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '\'', '"']);
    [written, bare].into_iter().map(without_lines).any(|path| {
        let path = Path::new(&path);
        let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        inside && !path.as_os_str().is_empty() && root.join(path).exists()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_there_is_a_mention() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join("src/two words")).expect("created");
        std::fs::write(folder.path().join("src/lib.rs"), "").expect("written");
        let check = |prompt: &str, expect: &str| assert_eq!(named(folder.path(), prompt), expect);
        check("what does @src/lib.rs do?", "what does src/lib.rs do?");
        check("@src/lib.rs", "src/lib.rs");
        check("see @src/lib.rs:12, and @src/lib.rs:1-4.", "see src/lib.rs:12, and src/lib.rs:1-4.");
        check("(@src/) and @\"src/two words\"", "(src/) and \"src/two words\"");
        check("in @src/lib.rs?\nyes", "in src/lib.rs?\nyes");
        // What is no file stays as it was typed.
        check("@dataclass mail ada@src/lib.rs @@src/lib.rs", "@dataclass mail ada@src/lib.rs @@src/lib.rs");
        check("@fast @/etc/passwd @../src/lib.rs @ @\"", "@fast @/etc/passwd @../src/lib.rs @ @\"");
        check("", "");
    }
}
