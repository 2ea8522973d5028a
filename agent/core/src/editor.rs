//! Owns the user's editor for a text: which one, the file in between, what comes back.
//! Uses `VISUAL` and `EDITOR`, and `exec` for the program.
//! Never leaves the file behind, and never lets anybody else read it.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use loci_exec::foreground;

use crate::atomic;
use crate::config::{Environment, Places};

/// Bytes that are read back at most: ten times what any window holds.
const LARGEST: u64 = 40 << 20;

/// Why a text did not come back.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// Name another editor.
    #[error("there is no editor `{line}`: set VISUAL or EDITOR to one that is installed")]
    Missing {
        /// What the variable says.
        line: String,
    },
    /// The user may have meant it.
    #[error("the editor `{line}` ended with {status}: the text stays as it was")]
    Failed {
        /// What the variable says.
        line: String,
        /// How it ended.
        status: String,
    },
    /// The file in between.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// What the user edits texts with.
fn line(environment: &Environment) -> &str {
    let usual = if cfg!(windows) { "notepad" } else { "vi" };
    let set = ["VISUAL", "EDITOR"].into_iter().filter_map(|name| environment.get(name));
    set.map(str::trim).find(|line| !line.is_empty()).unwrap_or(usual)
}

/// Let the user edit a text. Blocks until the editor has ended; the terminal must have been given back.
///
/// # Errors
/// When there is no such editor, it fails, or the file in between cannot be written or read.
pub fn edit(text: &str, environment: &Environment, places: &Places, cwd: &Path) -> Result<String, EditError> {
    let folder = places.state.join("editor");
    let path = folder.join(format!("prompt-{}.md", std::process::id()));
    let failed = |source| EditError::Io { path: path.clone(), source };
    std::fs::create_dir_all(&folder).map_err(failed)?;
    atomic::write_private(&path, text.as_bytes()).map_err(failed)?;
    let line = line(environment).to_owned();
    let status = foreground::run(&line, path.as_os_str(), cwd);
    let edited = match status {
        Ok(status) if status.success() => read(&path).map_err(failed),
        // The shell's way to say that there is no such program, or that it is none.
        Ok(status) if matches!(status.code(), Some(126 | 127)) => Err(EditError::Missing { line }),
        Ok(status) => Err(EditError::Failed { line, status: status.to_string() }),
        Err(_) => Err(EditError::Missing { line }),
    };
    // An editor may have removed it itself.
    let _ = atomic::remove(&path);
    edited
}

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn an_editor_is_named_by_variables() {
        let check = |variables: &[(&str, &str)], expect: &str| {
            let environment = Environment::of(variables.iter().copied());
            assert_eq!(line(&environment), expect, "{variables:?}");
        };
        check(&[], "vi");
        check(&[("EDITOR", "nano")], "nano");
        check(&[("EDITOR", "nano"), ("VISUAL", "code --wait")], "code --wait");
        check(&[("EDITOR", "nano"), ("VISUAL", " ")], "nano");
    }

    #[test]
    fn a_text_comes_back_and_its_file_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let places = Places::below(folder.path());
        let check = |editor: &str, expect: Result<&str, &str>| {
            let environment = Environment::of([("EDITOR", editor)]);
            let edited = edit("one \"two\"\n", &environment, &places, folder.path());
            match (edited, expect) {
                (Ok(text), Ok(expect)) => assert_eq!(text, expect, "{editor}"),
                (Err(error), Err(expect)) => assert!(error.to_string().contains(expect), "{editor}: {error}"),
                (edited, _) => panic!("{editor}: {edited:?}"),
            }
            let left = std::fs::read_dir(places.state.join("editor")).expect("there").count();
            assert_eq!(left, 0, "{editor}");
        };
        check("true", Ok("one \"two\"\n"));
        check("sed -i s/one/three/", Ok("three \"two\"\n"));
        check(
            "sh -c 'echo more >> \"$1\"; test \"$(stat -c %a \"$1\")\" = 600' sh",
            Ok("one \"two\"\nmore\n"),
        );
        check("printf '\\377' >", Ok("\u{fffd}"));
        check("no-such-editor-anywhere --wait", Err("there is no editor `no-such-editor-anywhere --wait`"));
        check("false", Err("ended with exit status: 1"));
        check("rm", Err("prompt-"));
    }
}
