//! Owns what is done with whole sessions: forks of them, and the trash.
//! Uses their logs, and the folders of their outputs and changes.
//! Never deletes a session, and never moves one that is in use.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::log::{self, FORMAT, Forked, Log, LogError, Record, effective_by};
use super::{SessionError, resume};
use crate::config::Places;

/// The folder for what was removed, beside the logs and in each folder that has something of a session.
pub const TRASH: &str = "trash";

/// A session that was forked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// Its id.
    pub session_id: String,
    /// From where.
    pub from: Forked,
}

/// Begin a session that knows what another one knew: up to the end of a turn, or all that counts. It has a chain of its own
/// and no way back to the other one's file changes.
///
/// # Errors
/// `UnknownTurn`, or what the log says.
pub fn fork(folder: &Path, id: &str, turn: Option<u32>) -> Result<Fork, SessionError> {
    let loaded = log::read(&folder.join(format!("{id}.jsonl")))?;
    let timed = loaded.records.iter().zip(&loaded.times);
    let mut kept: Vec<(&Record, &String)> = effective_by(timed, |(record, _)| record);
    let prompts: Vec<(usize, u32)> = kept
        .iter()
        .enumerate()
        .filter_map(|(at, (record, _))| match record {
            Record::Prompt { turn, .. } => Some((at, *turn)),
            _ => None,
        })
        .collect();
    let last = match turn {
        None => prompts.last().map_or(0, |(_, turn)| *turn),
        Some(turn) => {
            let Some(place) = prompts.iter().position(|(_, one)| *one == turn) else {
                let turns = prompts.iter().map(|(_, turn)| *turn).collect();
                return Err(SessionError::UnknownTurn { id: id.into(), turn, turns });
            };
            if let Some((next, _)) = prompts.get(place + 1) {
                kept.truncate(*next);
            }
            turn
        }
    };
    let session_id = uuid::Uuid::now_v7().to_string();
    let from = Forked { session_id: id.into(), turn: last };
    let (mut cwd, mut model, mut branch) = (String::new(), String::new(), None);
    if let Some((Record::Header { cwd: place, model: name, branch: begun_on, .. }, _)) = kept.first() {
        (cwd, model, branch) = (place.clone(), name.clone(), begun_on.clone());
    }
    let header = Record::Header {
        format: FORMAT,
        program: super::PROGRAM.into(),
        session_id: session_id.clone(),
        cwd,
        model,
        forked_from: Some(from.clone()),
        branch,
    };
    let mut fork = Log::create(&folder.join(format!("{session_id}.jsonl")), &header)?;
    for (record, time) in kept.into_iter().filter(|(record, _)| !matches!(record, Record::Header { .. })) {
        fork.append_as_of(record, time)?;
    }
    fork.commit()?;
    Ok(Fork { session_id, from })
}

/// Give a session a title, without opening it for work. What is newest stays newest: the time of the log is kept.
///
/// # Errors
/// `InUse` when a process has it open, or what the log says.
pub fn rename(folder: &Path, id: &str, words: &str) -> Result<String, SessionError> {
    let title = super::looking::title(words).ok_or(SessionError::NoTitle)?;
    let path = folder.join(format!("{id}.jsonl"));
    let modified = fs::metadata(&path).and_then(|metadata| metadata.modified());
    let (mut log, _) = Log::open(&path)?;
    log.append(&Record::Renamed { title: title.clone() })?;
    log.commit()?;
    drop(log);
    if let Ok(modified) = modified {
        // A list in another order is no reason to fail.
        let _ = fs::File::options().append(true).open(&path).and_then(|file| file.set_modified(modified));
    }
    Ok(title)
}

/// Move a session to the trash: its log, what was set aside of it, the outputs that it kept, and the record of its file
/// changes. What was made of it in caches follows by itself. Returns where everything is now, the log first.
///
/// # Errors
/// `InUse` when a process has it open, `Io` when something cannot be moved; what was moved before then stays there.
pub fn remove(places: &Places, root: &Path, id: &str) -> Result<Vec<PathBuf>, SessionError> {
    let folder = places.sessions(root);
    let log = folder.join(format!("{id}.jsonl"));
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |source| SessionError::Log(LogError::Io { path, source })
    };
    let held = log::hold(&log)?;
    let mut moved = Vec::new();
    // The log first: without it, what is left of the session is of no use to anybody.
    moved.push(to_trash(&log).map_err(io(&log))?);
    drop(held);
    for entry in fs::read_dir(&folder).map_err(io(&folder))?.flatten() {
        let path = entry.path();
        let tail = path.extension().is_some_and(|end| end.to_string_lossy().starts_with("damaged-"));
        if tail && path.file_stem().is_some_and(|stem| stem == id) {
            moved.push(to_trash(&path).map_err(io(&path))?);
        }
    }
    let changes = places.journal().join("changes").join(Places::project_key(root));
    for path in [places.state.join("spool").join(id), changes.join(format!("{id}.jsonl"))] {
        if path.symlink_metadata().is_ok() {
            moved.push(to_trash(&path).map_err(io(&path))?);
        }
    }
    Ok(moved)
}

/// Move something into the trash beside it, under a name that is free.
fn to_trash(path: &Path) -> io::Result<PathBuf> {
    let trash = path.with_file_name(TRASH);
    log::create_folder(&trash)?;
    let name = path.file_name().unwrap_or_default().to_os_string();
    let mut target = trash.join(&name);
    let mut number = 1;
    while target.symlink_metadata().is_ok() {
        number += 1;
        let mut other = name.clone();
        other.push(format!(".{number}"));
        target = trash.join(other);
    }
    fs::rename(path, &target)?;
    log::sync_folder(&trash)?;
    if let Some(folder) = path.parent() {
        log::sync_folder(folder)?;
    }
    Ok(target)
}

/// The id of a session that is named by the beginning of its id, or by `newest`.
///
/// # Errors
/// When there is none, or several.
pub fn named(folder: &Path, named: &str) -> Result<String, SessionError> {
    let which = match named {
        "newest" => super::Resume::Latest,
        id => super::Resume::Id(id.into()),
    };
    resume::find(folder, &which)
}
