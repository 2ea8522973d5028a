//! Owns the end of every command: the `error:` and `hint:` lines, and the exit code.
//! Uses the error types of the libraries, found inside `anyhow`.
//! Never lets an error be rendered anywhere else.

use std::io;
use std::process::ExitCode;

use loci_core::archive::ArchiveError;
use loci_core::bundle::{BundleError, SignatureError};
use loci_core::config::ConfigError;
use loci_core::managed::ManagedError;
use loci_core::route::RouteError;
use loci_core::session::SessionError;
use loci_core::session::journal::UndoError;
use loci_core::session::log::LogError;
use loci_core::trust::TrustError;
use loci_index::IndexError;
use loci_inference::catalog::CatalogError;
use loci_inference::fetch::FetchError;
use loci_inference::provider::ProviderError;
use loci_tui::{Line, Style, visible};

use crate::printer::Printer;

/// How a command ended when it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It did what was asked.
    Done,
    /// The task failed, or nothing was found; whatever there is to say has been said.
    Failed,
    /// The user interrupted it.
    Interrupted,
    /// It ran a command for the user, which ended with this code.
    Code(u8),
}

/// The command line, or what it names, is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Usage {
    /// What is wrong.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

impl Usage {
    /// An error with a hint.
    pub(crate) fn error(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
        Self { message: message.into(), hint: Some(hint.into()) }.into()
    }
}

/// The task could not be done.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failed {
    /// What is wrong.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

impl Failed {
    /// An error with a hint.
    pub(crate) fn error(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
        Self { message: message.into(), hint: Some(hint.into()) }.into()
    }
}

/// An error as it is shown.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    code: u8,
    message: String,
    hint: Option<String>,
}

/// Say how the command ended, and give the exit code: 0 done, 1 task failed, 2 usage, 130 interrupted.
pub(crate) fn finish(printer: &Printer, result: anyhow::Result<Outcome>) -> ExitCode {
    let error = match result {
        Ok(Outcome::Done) => return ExitCode::SUCCESS,
        Ok(Outcome::Failed) => return ExitCode::from(1),
        Ok(Outcome::Interrupted) => return ExitCode::from(130),
        Ok(Outcome::Code(code)) => return ExitCode::from(code),
        Err(error) => error,
    };
    if closed_pipe(&error) {
        // The reader has what it wanted (`| head`): nobody is left to tell, and nothing is wrong.
        return ExitCode::SUCCESS;
    }
    ExitCode::from(show(printer, &error))
}

/// Say what went wrong, and give the exit code that fits.
pub(crate) fn show(printer: &Printer, error: &anyhow::Error) -> u8 {
    let shown = describe(error);
    print(printer, &shown.message, shown.hint.as_deref());
    shown.code
}

/// Message and hint of an error, for a session that goes on.
#[must_use]
pub(crate) fn worded(error: &anyhow::Error) -> (String, Option<String>) {
    let shown = describe(error);
    (shown.message, shown.hint)
}

/// The `error:` and `hint:` lines.
fn print(printer: &Printer, message: &str, hint: Option<&str>) {
    let safe = visible(message);
    let mut rows = safe.lines();
    let first = rows.next().unwrap_or("something failed without saying what");
    printer.to_error(&Line::new("error:", Style::Removed).with(format!(" {first}"), Style::Plain));
    for row in rows {
        printer.to_error(&Line::new(format!("  {row}"), Style::Plain));
    }
    if let Some(hint) = hint {
        printer.to_error(&Line::new("hint:", Style::Tip).with(format!(" {}", visible(hint)), Style::Plain));
    }
}

/// What clap found wrong, in the same form. Help and version are not errors.
pub(crate) fn usage(printer: &Printer, error: &clap::Error) -> ExitCode {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let text = error.render();
        let text = if printer.output_is_terminal() { text.ansi().to_string() } else { text.to_string() };
        return match printer.text(&text) {
            Err(failure) if failure.kind() != io::ErrorKind::BrokenPipe => ExitCode::from(1),
            _ => ExitCode::SUCCESS,
        };
    }
    let text = error.render().to_string();
    let message = text.split("\n\nUsage:").next().unwrap_or(&text).trim();
    let mut rows: Vec<&str> =
        message.lines().map(str::trim_end).filter(|row| !row.trim().is_empty()).collect();
    let tips: Vec<String> = rows
        .extract_if(.., |row| row.trim_start().starts_with("tip:"))
        .map(|row| row.trim_start().trim_start_matches("tip:").trim().to_owned())
        .collect();
    let stray = match (error.kind(), error.get(ContextKind::InvalidSubcommand)) {
        (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word))) => Some(word.clone()),
        _ => None,
    };
    let hint = match stray {
        Some(words) if words.contains(' ') || tips.is_empty() => {
            format!("to ask something: loci -p \"{words}\"; all commands: loci --help")
        }
        _ if tips.is_empty() => "loci --help shows every command and flag".to_owned(),
        _ => tips.join("; "),
    };
    let message = rows.join("\n");
    print(printer, message.trim_start_matches("error:").trim(), Some(&hint));
    ExitCode::from(2)
}

fn closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
    })
}

fn describe(error: &anyhow::Error) -> Shown {
    let known = error.chain().find_map(|cause| {
        None.or_else(|| cause.downcast_ref::<Usage>().map(|cause| (2, cause.hint.clone())))
            .or_else(|| cause.downcast_ref::<Failed>().map(|cause| (1, cause.hint.clone())))
            .or_else(|| cause.downcast_ref::<CatalogError>().map(|cause| (2, cause.hint())))
            .or_else(|| {
                cause.downcast_ref::<FetchError>().map(|cause| (fetch_code(cause), Some(cause.hint())))
            })
            .or_else(|| cause.downcast_ref::<ConfigError>().map(|cause| (2, config_hint(cause))))
            .or_else(|| cause.downcast_ref::<ManagedError>().map(|cause| (2, Some(managed_hint(cause)))))
            .or_else(|| cause.downcast_ref::<RouteError>().map(|cause| (2, route_hint(cause))))
            .or_else(|| cause.downcast_ref::<TrustError>().map(|cause| (1, trust_hint(cause))))
            .or_else(|| cause.downcast_ref::<BundleError>().map(bundle_hint))
            .or_else(|| cause.downcast_ref::<SignatureError>().map(signature_hint))
            // Before those that they may wrap.
            .or_else(|| cause.downcast_ref::<ArchiveError>().map(archive_hint))
            .or_else(|| cause.downcast_ref::<SessionError>().and_then(session_hint))
            .or_else(|| cause.downcast_ref::<LogError>().map(|cause| (1, log_hint(cause))))
            .or_else(|| cause.downcast_ref::<UndoError>().map(|cause| (1, undo_hint(cause))))
            .or_else(|| cause.downcast_ref::<IndexError>().map(index_hint))
            .or_else(|| cause.downcast_ref::<ProviderError>().map(|cause| (1, provider_hint(cause))))
    });
    let (code, hint) = known.unwrap_or((1, None));
    Shown { code, message: message(error), hint }
}

/// The causes, outermost first. Many errors say their cause themselves, so what was said is not said again.
fn message(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if !said.contains(&text) {
            said = if said.is_empty() { text } else { format!("{said}: {text}") };
        }
    }
    said
}

fn config_hint(error: &ConfigError) -> Option<String> {
    Some(match error {
        ConfigError::Syntax { .. } | ConfigError::Value { .. } => {
            "correct it; `loci config show --origin` lists every key, once all files can be read".into()
        }
        ConfigError::Rule { .. } => {
            "correct the rule or its `match` and `not_match`; `loci policy explain` shows what it decides"
                .into()
        }
        ConfigError::Io { .. } => "check that you may read it".into(),
    })
}

/// What is written wrongly is the command line's fault, all else the task's; who stops it has stopped it.
fn fetch_code(error: &FetchError) -> u8 {
    match error {
        FetchError::Written { .. } | FetchError::Ambiguous { .. } | FetchError::NotHere { .. } => 2,
        FetchError::Interrupted { .. } => 130,
        _ => 1,
    }
}

/// Nobody but whoever runs the machine can do something about it.
fn managed_hint(error: &ManagedError) -> String {
    format!(
        "nothing is started until it is repaired: {} must be a valid file of root's that nobody else may write; ask \
         whoever runs this machine",
        error.path.display()
    )
}

fn route_hint(error: &RouteError) -> Option<String> {
    Some(match error {
        RouteError::Offline { .. } => "set offline = false, or take a local model: -m builtin".into(),
        RouteError::NotAllowed { .. } => "choose a model that it names; `loci policy show` lists them".into(),
        RouteError::Nothing { .. } => "`loci why` tells what stands against each of them".into(),
        RouteError::Incomplete { .. } => "`loci models NAME` shows what a service needs".into(),
    })
}

fn trust_hint(error: &TrustError) -> Option<String> {
    Some(match error {
        TrustError::Corrupt { path, .. } => {
            format!("repair or remove {}; until then nothing is trusted", path.display())
        }
        TrustError::Io { .. } => "check that it exists and that you may write it".into(),
    })
}

/// Nothing for what is only wrapped: the cause itself says more.
fn session_hint(error: &SessionError) -> Option<(u8, Option<String>)> {
    let (code, hint) = match error {
        SessionError::NotADirectory { .. } => (2, "name a project directory with -C DIR"),
        SessionError::NothingToResume => (2, "begin one without --continue"),
        SessionError::UnknownSession { .. } => (2, "`loci sessions` lists those of this project"),
        SessionError::AmbiguousSession { .. } => (2, "give more of the id"),
        SessionError::UnknownTurn { turns, .. } => {
            let turns: Vec<String> = turns.iter().map(ToString::to_string).collect();
            let hint = match turns.as_slice() {
                [] => "nothing was said in it".to_owned(),
                turns => format!("it has {}", turns.join(", ")),
            };
            return Some((2, Some(hint)));
        }
        SessionError::NoTitle => (2, "say what the session is about, in one line"),
        SessionError::Stays { .. } => (2, "go on with a model of this machine, or begin a new session"),
        SessionError::Journal(_) => {
            (1, "check that you may write the data folder, and that the disk is not full")
        }
        SessionError::Log(log) => return Some((1, log_hint(log))),
        SessionError::Index(index) => return Some(index_hint(index)),
    };
    Some((code, Some(hint.into())))
}

fn archive_hint(error: &ArchiveError) -> (u8, Option<String>) {
    match error {
        ArchiveError::Io { .. } => (1, Some("check that you may read the data folder".into())),
        ArchiveError::Log(log) => (1, log_hint(log)),
        ArchiveError::Index(index) => index_hint(index),
        ArchiveError::NoEntry { session, .. } => {
            (2, Some(format!("`loci recall WORDS --session {session}` finds handles")))
        }
    }
}

fn log_hint(error: &LogError) -> Option<String> {
    Some(match error {
        LogError::InUse { .. } => "end the other one, or begin a new session".into(),
        LogError::Corrupt { .. } => "begin a new session; the damaged log is left as it is".into(),
        LogError::TooNew { .. } => "update Loci".into(),
        LogError::Io { .. } => {
            "check that you may write the data folder, and that the disk is not full".into()
        }
    })
}

fn bundle_hint(error: &BundleError) -> (u8, Option<String>) {
    let (code, hint) = match error {
        BundleError::NotABundle { .. } => (2, "name a file that `loci bundle create` made"),
        BundleError::TooNew { .. } => {
            (1, "update Loci, or take the program out of it: tar -xf FILE bin/loci")
        }
        BundleError::Damaged { .. } | BundleError::Truncated { .. } => {
            (1, "nothing was installed; copy it again, and if that does not help have it made again")
        }
        BundleError::WrongBase { .. } => (1, "install what it builds on first, or have a whole bundle made"),
        BundleError::OtherMachine { .. } => {
            (1, "have it made on a machine like this one, or with --no-binary")
        }
        BundleError::NoSpace { .. } => (1, "make room, or let XDG_DATA_HOME name a folder that has some"),
        BundleError::Path { .. } => (2, "rename the file, or leave it out"),
        BundleError::Changed { .. } => (1, "try again when nothing writes it"),
        BundleError::Io { .. } => (1, "check that it exists and that you may read and write there"),
    };
    (code, Some(hint.into()))
}

fn signature_hint(error: &SignatureError) -> (u8, Option<String>) {
    let (code, hint) = match error {
        SignatureError::SecretKey { .. } => {
            (2, "`minisign -G` makes a pair of keys; --sign takes the secret one")
        }
        SignatureError::Password => (1, "try again; without its password a key signs nothing"),
        SignatureError::PublicKey { .. } => {
            (2, "--key takes a .pub file of minisign, or the line in it that begins with RW")
        }
        SignatureError::Signature { .. } => (1, "get the .minisig file again"),
        SignatureError::Refused { .. } => {
            (1, "do not use the bundle before you know why: another key signed it, or it was changed")
        }
    };
    (code, Some(hint.into()))
}

fn undo_hint(error: &UndoError) -> Option<String> {
    Some(match error {
        UndoError::Nothing => {
            "changes of the agent's tools can be undone; `loci sessions` lists the sessions".into()
        }
        UndoError::Changed { .. } => {
            "somebody changed it since: compare, and take over what you want by hand".into()
        }
        UndoError::NotKept { .. } => "look for an earlier version in your version control".into(),
        UndoError::Io { .. } => "check that you may write it".into(),
        UndoError::Half { .. } => {
            "make room or correct permissions, and run `loci undo --list`: it tries again first".into()
        }
    })
}

fn index_hint(error: &IndexError) -> (u8, Option<String>) {
    let (code, hint) = match error {
        IndexError::NotADirectory { .. } => (2, "name a project directory with -C DIR".into()),
        IndexError::UnknownFile { .. } => {
            (2, "paths start at the project's root; `loci search NAME` finds files".into())
        }
        IndexError::Io { .. } => (1, "check that it exists and that you may read and write it".into()),
        IndexError::InUse { .. } => (1, "try again when it is done".into()),
        IndexError::Damaged { path, .. } | IndexError::Store { path, .. } => {
            (1, format!("the index is a cache: remove {} and it is built again", path.display()))
        }
    };
    (code, Some(hint))
}

fn provider_hint(error: &ProviderError) -> Option<String> {
    Some(match error {
        ProviderError::ContextOverflow { .. } => {
            "ask for less at once, or open a larger window with --context".into()
        }
        ProviderError::RateLimited { retry_after: Some(wait) } => {
            format!("try again in {} s", wait.as_secs())
        }
        ProviderError::RateLimited { retry_after: None } => "try again in a while".into(),
        ProviderError::Unauthorized { .. } => {
            "set the service's key; `loci models NAME` says which variable".into()
        }
        ProviderError::Rejected { .. } if error.names_no_model() => {
            "the service does not know that model: name another one, as in -m SERVICE/NAME".into()
        }
        ProviderError::Rejected { .. } => "`loci models NAME` shows what is sent where".into(),
        ProviderError::NotSent { .. } => {
            "choose a model of this machine with -m, or take it out of the conversation".into()
        }
        ProviderError::Unavailable { .. } => {
            "check that the service runs; without one, the built-in model works: -m builtin".into()
        }
        ProviderError::Model { .. } => "`loci models` lists what runs here; the file may be damaged".into(),
        ProviderError::Malformed { .. } => {
            "check `base_url` and `protocol` of the service; `loci models NAME` shows them".into()
        }
        ProviderError::Cancelled => return None,
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn errors_have_their_code_and_hint() {
        let check = |error: anyhow::Error, code: u8, message: &str, hint: Option<&str>| {
            let shown = describe(&error);
            assert_eq!((shown.code, shown.message.as_str(), shown.hint.as_deref()), (code, message, hint));
        };
        check(Usage::error("wrong", "do this"), 2, "wrong", Some("do this"));
        check(Failed::error("failed", "do that"), 1, "failed", Some("do that"));
        check(anyhow::anyhow!("plain"), 1, "plain", None);
        check(
            anyhow::Error::from(IndexError::NotADirectory { path: "/x".into() }).context("cannot open"),
            2,
            "cannot open: /x is not a directory",
            Some("name a project directory with -C DIR"),
        );
        check(
            CatalogError::UnknownModel { name: "quen".into(), similar: Some("qwen".into()) }.into(),
            2,
            "unknown model `quen`",
            Some("did you mean `qwen`? `loci models` lists them all"),
        );
        check(
            ProviderError::ContextOverflow { limit: 1, needed: 2 }.into(),
            1,
            "the prompt needs 2 tokens and the model holds 1",
            Some("ask for less at once, or open a larger window with --context"),
        );
    }

    #[test]
    fn a_closed_pipe_is_not_an_error() {
        let closed =
            Err::<(), _>(io::Error::from(io::ErrorKind::BrokenPipe)).context("writing").expect_err("closed");
        assert!(closed_pipe(&closed));
        assert!(!closed_pipe(&anyhow::Error::from(io::Error::from(io::ErrorKind::NotFound))));
    }
}
