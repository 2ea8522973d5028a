//! Owns programs that the user works with for a while in the place of this one: an editor.
//! Uses this program's own terminal, which whoever calls has given back.
//! Never holds such a program in: the user named it, as in a shell.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::ExitStatus;

/// Run a line of the user's, such as `code --wait`, with one more argument, and wait for its end. It reads and writes the
/// terminal, and inherits every variable.
///
/// # Errors
/// When no shell can be started. A program that does not exist ends with 127.
#[cfg(unix)]
#[expect(clippy::disallowed_methods, reason = "this is one of the two rooms that start processes")]
pub fn run(line: &str, argument: &OsStr, cwd: &Path) -> io::Result<ExitStatus> {
    // The line is the user's own, and may have arguments and quotation marks; the argument is none of the shell's business.
    std::process::Command::new("sh")
        .args(["-c", &format!("{line} \"$@\""), "sh"])
        .arg(argument)
        .current_dir(cwd)
        .status()
}

/// The same without a shell: the line is split at blanks.
#[cfg(not(unix))]
#[expect(clippy::disallowed_methods, reason = "this is one of the two rooms that start processes")]
pub fn run(line: &str, argument: &OsStr, cwd: &Path) -> io::Result<ExitStatus> {
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or_default();
    std::process::Command::new(program).args(words).arg(argument).current_dir(cwd).status()
}
