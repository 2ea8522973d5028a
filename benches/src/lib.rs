//! Owns what the suites share: a generated tree of source files, and the way to the built binary.
//! Uses `tempfile` for folders that go away by themselves.
//! Never measures anything itself.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A source tree of that many files in eight languages: the same names, sizes and words each time.
///
/// Each file has about 60 lines, a struct or class, a dozen functions that call those of other files, and comments.
///
/// # Errors
/// When the files cannot be written.
pub fn source_tree(files: usize) -> io::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("loci-bench-").tempdir()?;
    for number in 0..files {
        let (extension, text) = match number % 8 {
            0..=2 => ("rs", rust(number, files)),
            3 => ("py", python(number, files)),
            4 => ("ts", typescript(number, files)),
            5 => ("go", go(number, files)),
            6 => ("c", c(number, files)),
            _ => ("md", prose(number)),
        };
        let path = folder.path().join(format!("part_{}/module_{number}.{extension}", number % 40));
        write(&path, &text)?;
    }
    Ok(folder)
}

/// The words that the generated names and comments are made of.
const WORDS: [&str; 16] = [
    "parse", "load", "merge", "cache", "token", "route", "header", "config", "retry", "index", "session",
    "budget", "stream", "policy", "render", "commit",
];

/// A name that is defined in exactly one file: the `k`-th of module `number`.
#[must_use]
pub fn name(number: usize, k: usize) -> String {
    format!("{}_{}_{number}_{k}", WORDS[number % 16], WORDS[(number / 16 + 3 * k) % 16])
}

/// The release binary that was built beside this one.
///
/// # Errors
/// When there is none: build it with `cargo build --release`.
pub fn binary() -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    // target/release/deps/suite-… → target/release/loci; a program of this crate lies beside it already.
    own.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(format!("loci{}", std::env::consts::EXE_SUFFIX)))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "no `loci` beside this program: cargo build --release")
        })
}

#[expect(clippy::disallowed_methods, reason = "files of a benchmark need not survive a crash")]
fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text)
}

fn rust(number: usize, files: usize) -> String {
    let mut out =
        format!("//! Module {number}: {} and {}.\n\n", WORDS[number % 16], WORDS[(number + 5) % 16]);
    let _ = writeln!(
        out,
        "/// Holds the state of {number}.\npub struct State{number} {{\n    pub count: usize,\n}}\n"
    );
    for k in 0..12 {
        let _ = writeln!(
            out,
            "/// {} the {} of a {} request.\npub fn {}(input: usize) -> usize {{\n    input + {}({k})\n}}\n",
            WORDS[k],
            WORDS[(number + k) % 16],
            WORDS[(number * 3 + k) % 16],
            name(number, k),
            name((number + 7) % files, k),
        );
    }
    out
}

fn python(number: usize, files: usize) -> String {
    let mut out = format!("\"\"\"Module {number}.\"\"\"\n\n\nclass State{number}:\n    count = 0\n\n");
    for k in 0..12 {
        let _ = writeln!(
            out,
            "\ndef {}(value):\n    \"\"\"{} the {}.\"\"\"\n    return value + {}({k})\n",
            name(number, k),
            WORDS[k],
            WORDS[(number + k) % 16],
            name((number + 7) % files, k),
        );
    }
    out
}

fn typescript(number: usize, files: usize) -> String {
    let mut out = format!("// Module {number}\nexport interface State{number} {{ count: number }}\n\n");
    for k in 0..12 {
        let _ = writeln!(
            out,
            "/** {} the {}. */\nexport function {}(value: number): number {{\n  return value + {}({k});\n}}\n",
            WORDS[k],
            WORDS[(number + k) % 16],
            name(number, k),
            name((number + 7) % files, k),
        );
    }
    out
}

fn go(number: usize, files: usize) -> String {
    let mut out = format!(
        "package part\n\n// State{number} holds state.\ntype State{number} struct {{\n\tCount int\n}}\n\n"
    );
    for k in 0..12 {
        let _ = writeln!(
            out,
            "// {} {}s the {}.\nfunc {}(value int) int {{\n\treturn value + {}({k})\n}}\n",
            name(number, k),
            WORDS[k],
            WORDS[(number + k) % 16],
            name(number, k),
            name((number + 7) % files, k),
        );
    }
    out
}

fn c(number: usize, files: usize) -> String {
    let mut out = format!("/* Module {number} */\nstruct state_{number} {{ int count; }};\n\n");
    for k in 0..12 {
        let _ = writeln!(
            out,
            "/* {} the {}. */\nint {}(int value) {{\n    return value + {}({k});\n}}\n",
            WORDS[k],
            WORDS[(number + k) % 16],
            name(number, k),
            name((number + 7) % files, k),
        );
    }
    out
}

fn prose(number: usize) -> String {
    let mut out = format!("# Notes {number}\n\n");
    for k in 0..20 {
        let _ = writeln!(
            out,
            "How to {} the {} of a {} without losing the {}.\n",
            WORDS[k % 16],
            WORDS[(number + k) % 16],
            WORDS[(number * 5 + k) % 16],
            WORDS[(number + 3 * k) % 16],
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_the_same_each_time() {
        let (one, two) = (source_tree(16).expect("written"), source_tree(16).expect("written"));
        for number in 0..16 {
            let folder = format!("part_{}", number % 40);
            let read = |tree: &TempDir| {
                let mut files: Vec<_> = std::fs::read_dir(tree.path().join(&folder))
                    .expect("readable")
                    .map(|entry| entry.expect("readable").path())
                    .collect();
                files.sort();
                files.iter().map(|path| std::fs::read_to_string(path).expect("text")).collect::<String>()
            };
            assert_eq!(read(&one), read(&two));
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<String> =
            (0..200).flat_map(|number| (0..12).map(move |k| name(number, k))).collect();
        names.sort();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
