//! Owns the run of the user's own script for the status line.
//! Uses `exec`.
//! Never lets it take long, or say much.

use std::path::Path;
use std::time::Duration;

use loci_exec::{Command, Ended, ExecError, Program};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// Who waits for a status line longer looks at an old one.
const PATIENCE: Duration = Duration::from_secs(1);
/// Two lines are shown; this is many.
const KEEP_BYTES: usize = 4 * 1024;
/// What holds the facts, and the command.
const FACTS: &str = "LOCI_STATUS";
const COMMAND: &str = "LOCI_STATUS_COMMAND";

/// Why it says nothing.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// It could not be started.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// It ended as no program does that is content.
    #[error("it ended with {0}")]
    Ended(String),
}

/// What the command says about `facts`, which it reads as JSON from its standard input, and finds in `LOCI_STATUS` as well.
///
/// It is a line of the user's own configuration, as an alias of a shell is: no sandbox holds it in. Where Loci is offline it
/// is, too, since the system's filter is inherited.
///
/// # Errors
/// See [`ScriptError`].
pub async fn run(command: &str, facts: &Value, root: &Path) -> Result<String, ScriptError> {
    let command = Command {
        // Commands have no input of their own here; a pipe of the shell is one. As a variable the line cannot end early.
        program: Program::Shell(format!("printf '%s\\n' \"${FACTS}\" | eval \"${COMMAND}\"")),
        cwd: root.to_owned(),
        timeout: PATIENCE,
        keep_bytes: KEEP_BYTES,
        spool: None,
        spool_bytes: 0,
        env: vec![(FACTS.into(), facts.to_string().into()), (COMMAND.into(), command.into())],
        keep_env: Vec::new(),
        terminal: None,
        sandbox: None,
    };
    let output = loci_exec::run(command, CancellationToken::new()).await?;
    match output.ended {
        Ended::Code(0) => Ok(String::from_utf8_lossy(&output.head).into_owned()),
        Ended::TimedOut => Err(ScriptError::Ended("nothing to say within a second".into())),
        how => Err(ScriptError::Ended(crate::tools::jobs::end(how))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_script_reads_facts_and_is_bounded() {
        let folder = tempfile::tempdir().expect("a folder");
        let say = async |command: &str| {
            let facts = json!({ "model": "it's \"quoted\" $HOME `x`", "branch": "main" });
            run(command, &facts, folder.path()).await.map_err(|why| why.to_string())
        };
        let facts = say("cat").await.expect("it says something");
        assert_eq!(
            serde_json::from_str::<Value>(&facts).expect("JSON")["model"],
            "it's \"quoted\" $HOME `x`"
        );
        assert_eq!(say("echo one; echo two").await, Ok("one\ntwo\n".into()));
        assert_eq!(
            say("pwd -P").await,
            Ok(format!("{}\n", folder.path().canonicalize().expect("there").display()))
        );
        assert_eq!(say("exit 3").await, Err("it ended with exit code 3".into()));
        assert!(say("echo 'unfinished").await.is_err());
        assert_eq!(say("sleep 60").await, Err("it ended with nothing to say within a second".into()));
        assert!(say("yes | head -c 10000000").await.is_ok_and(|text| text.len() <= KEEP_BYTES));
    }
}
