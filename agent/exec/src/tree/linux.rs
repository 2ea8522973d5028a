//! Owns finding every descendant of a command through `/proc`.
//! Uses the subreaper flag, so that orphans come to this process instead of vanishing below init.
//! Never touches a process of our own session: those were not started here.

use std::collections::{HashMap, HashSet};

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, getppid, kill_process, set_child_subreaper,
    set_parent_process_death_signal, waitpid,
};

use super::{Blow, Tree};

/// From now on a process whose parent died becomes our child.
pub(super) fn adopt_orphans() {
    // Refused only by kernels before 3.4; then what leaves the session survives, as on other systems.
    let _ = set_child_subreaper(Some(getpid()));
}

/// In a child: end when the parent does, be it by a signal that nobody can handle.
pub(super) fn die_with(parent: Pid) -> std::io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // One that ended before this was asked for sends nothing any more.
    if getppid() == Some(parent) { Ok(()) } else { Err(rustix::io::Errno::SRCH.into()) }
}

/// One line of the process table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    parent: i32,
    group: i32,
    session: i32,
    /// Dead, not yet waited for.
    zombie: bool,
    /// Ticks since boot.
    born: u64,
}

/// Strike everything that belongs to the command; how many processes lived. `others` are the leaders of commands that
/// run beside it.
///
/// Members are: the session of the leader; orphans that we adopted and that are this command's; the descendants of both.
pub(super) fn strike(tree: &Tree, blow: Blow, others: &HashSet<i32>) -> usize {
    let table = read_table();
    let ours = getpid().as_raw_pid();
    // From the table and not from `getsid`: in a container our session may have begun outside, and then its id is 0.
    let session = table.get(&ours).map_or(0, |entry| entry.session);
    let mut members: HashSet<i32> = HashSet::new();
    for (&pid, entry) in &table {
        let orphan = entry.parent == ours
            && entry.session != session
            && pid != tree.leader
            && !others.contains(&pid)
            && !others.contains(&entry.session);
        if entry.session == tree.leader || (orphan && is_orphan_of(tree, pid, entry, others.is_empty())) {
            members.insert(pid);
        }
    }
    close_over_children(&table, &mut members);

    let mut alive = 0;
    for &pid in &members {
        let (Some(entry), Some(target)) = (table.get(&pid), Pid::from_raw(pid)) else { continue };
        if entry.zombie {
            // The leader is tokio's to wait for; what we adopted is ours.
            if entry.parent == ours && pid != tree.leader {
                let _ = waitpid(Some(target), WaitOptions::NOHANG);
            }
            continue;
        }
        alive += 1;
        match blow {
            Blow::Look => {}
            // The leader's group has been signalled as a whole.
            Blow::Terminate if entry.group == tree.leader => {}
            Blow::Terminate => {
                let _ = kill_process(target, Signal::TERM);
                let _ = kill_process(target, Signal::CONT);
            }
            Blow::Kill => {
                let _ = kill_process(target, Signal::KILL);
            }
        }
    }
    alive
}

/// Whether an adopted orphan came from this command. The mark says so; one without a mark (cleared, unreadable or dead)
/// is this command's if no other runs and it is younger. As process 1 we adopt everybody's, so only the mark counts.
fn is_orphan_of(tree: &Tree, pid: i32, entry: &Entry, alone: bool) -> bool {
    match mark_of(pid) {
        Some(found) => found == tree.mark,
        None => alone && entry.born >= tree.born && !getpid().is_init(),
    }
}

/// When a process began; 0 when it is gone.
pub(super) fn born(pid: i32) -> u64 {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    parse_stat(&stat).map_or(0, |entry| entry.born)
}

/// Add every process whose chain of parents meets a member. Linear: each chain is walked once.
fn close_over_children(table: &HashMap<i32, Entry>, members: &mut HashSet<i32>) {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for (&pid, entry) in table {
        children.entry(entry.parent).or_default().push(pid);
    }
    let mut open: Vec<i32> = members.iter().copied().collect();
    while let Some(pid) = open.pop() {
        for &child in children.get(&pid).into_iter().flatten() {
            if members.insert(child) {
                open.push(child);
            }
        }
    }
}

fn read_table() -> HashMap<i32, Entry> {
    let mut table = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        // A process that ends while we look is simply not there.
        let Ok(stat) = std::fs::read(format!("/proc/{pid}/stat")) else { continue };
        if let Some(entry) = parse_stat(&stat) {
            table.insert(pid, entry);
        }
    }
    table
}

/// `pid (name) state ppid pgrp session … starttime (22nd) …`; the name may hold anything, so the last `)` counts.
fn parse_stat(stat: &[u8]) -> Option<Entry> {
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let session = fields.next()?.parse().ok()?;
    let born = fields.nth(15)?.parse().ok()?;
    Some(Entry { parent, group, session, zombie: matches!(state, "Z" | "X" | "x"), born })
}

/// The mark in the environment of a process, if it has one and we may read it.
fn mark_of(pid: i32) -> Option<String> {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let prefix = format!("{}=", crate::environment::RUN);
    let found =
        environment.split(|&byte| byte == 0).find_map(|entry| entry.strip_prefix(prefix.as_bytes()))?;
    Some(String::from_utf8_lossy(found).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines_with_odd_names_are_read() {
        let rest = "0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 777 9 9";
        let check = |line: &str, expect: Option<(i32, i32, bool)>| {
            let found = parse_stat(format!("{line} {rest}").as_bytes());
            assert_eq!(found.map(|entry| (entry.parent, entry.session, entry.zombie)), expect, "{line}");
            assert!(found.is_none_or(|entry| entry.born == 777), "{line}");
        };
        check("7 (bash) S 1 7 9", Some((1, 9, false)));
        check("7 (a) Z 5 (x) Z 2 3 4", Some((2, 4, true)));
        check("7 (sh\n) R 1 2 3", Some((1, 3, false)));
        check("7 bash S 1 7 9", None);
        assert_eq!(parse_stat(b"7 (bash) S 1"), None);
        assert_eq!(parse_stat(b""), None);
    }
}
