//! Owns: killing one process and everything below it: freeze top-down until nothing new appears, kill, see it gone.
//! Never: a signal by bare pid, or to pid 1, a kernel thread, the agent itself or anything that it descends from.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use picket_model::process::{ANCESTORS_MAX, ProcessKey};

use super::held::{self, HoldError, hold, hold_unchecked, read_stat, send};
use crate::procfs;
use crate::sys::pidfd::PidFd;
use crate::sys::{clock, priority};
use crate::tasks::{Task, Tasks};

/// A tree larger than this is a fork bomb: what was found is killed and the rest is reported as left.
const MAX_TREE: usize = 16_384;
/// Freezing stops after so many scans: each scan without new children ends it, so only a racing forker gets here.
const MAX_SCANS: usize = 64;
/// So much of the processor a kill may take before all others: a tree of some thousand.
const FIRST: Duration = Duration::from_millis(50);

#[derive(Debug, thiserror::Error)]
pub enum KillError {
    #[error(transparent)]
    Hold(#[from] HoldError),
    #[error("killing has no inverse; start the service again if pid {pid} was one")]
    NoInverse { pid: u32 },
    #[error("still alive after the deadline: {pids:?}; they may hang in the kernel, look at /proc/PID/stack")]
    Survived { pids: Vec<u32> },
    #[error(
        "the tree kept growing past {MAX_TREE} processes or {MAX_SCANS} scans; killed {killed}, run the action again"
    )]
    Unbounded { killed: usize },
}

#[derive(Debug, PartialEq, Eq)]
pub struct Killed {
    /// The processes killed, the root first.
    pub pids: Vec<u32>,
    /// Protected ones in the tree that were left out; what is below them is not counted.
    pub spared: usize,
}

/// Whether the target may be killed. One that has ended is no error: what it left behind may live on. Nothing is done
/// yet.
pub fn plan(target: &ProcessKey) -> Result<(), KillError> {
    match hold(target.pid, Some(target.start_ticks)) {
        Ok(_) | Err(HoldError::Gone { .. } | HoldError::Recycled { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Kills `target`, the `known` descendants that lost their parent since, and all that is below them. A target that has
/// ended by itself is as good as killed; those it left behind are not spared for that. Left out are root's processes of
/// the executables in `spare` and all below them: a daemon that an administrator started from a shell is the host's.
/// `look` sees them while they are stopped, before they die.
pub fn apply(
    tasks: &Tasks,
    target: &ProcessKey,
    known: &[ProcessKey],
    spare: &[String],
    patience: Duration,
    look: impl FnOnce(&[u32]),
) -> Result<Killed, KillError> {
    let deadline = Instant::now() + patience;
    let mut held = match hold(target.pid, Some(target.start_ticks)) {
        Ok(fd) => vec![(target.pid, fd)],
        Err(HoldError::Gone { .. }) => Vec::new(),
        Err(HoldError::Recycled { .. }) if !known.is_empty() => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let mut spared = Spared::among(known, spare);
    for key in known.iter().take(MAX_TREE).filter(|key| !spared.covers(key.pid)) {
        // One that ended or whose pid serves another is no part of the tree any more.
        if let Ok(fd) = hold(key.pid, Some(key.start_ticks)) {
            held.push((key.pid, fd));
        }
    }
    let pids = end_all(held, |held| below(tasks, held, &mut spared), look, deadline)?;
    Ok(Killed { pids, spared: spared.found.len() })
}

/// Stops what is held and what `find` adds to it, until it adds nothing new; lets it be looked at; kills all of that, and
/// sees it gone.
pub fn end_all(
    mut held: Vec<(u32, PidFd)>,
    find: impl FnMut(&[(u32, PidFd)]) -> Result<Vec<(u32, u64)>, HoldError>,
    look: impl FnOnce(&[u32]),
    deadline: Instant,
) -> Result<Vec<u32>, KillError> {
    let frozen = freeze(&mut held, find);
    let pids: Vec<u32> = held.iter().map(|(pid, _)| *pid).collect();
    if !pids.is_empty() {
        look(&pids);
    }
    // Whatever froze must die, even where the scan or one signal failed: a stopped tree is a half-done act.
    // Deepest first: after a crash in between, what is left still hangs below the root and is found again by it.
    let sent: Vec<_> = held.iter().rev().map(|(pid, fd)| send(*pid, fd, Signal::SIGKILL)).collect();
    sent.into_iter().collect::<Result<(), _>>()?;
    all_gone(&held, deadline)?;
    if frozen? { Ok(pids) } else { Err(KillError::Unbounded { killed: held.len() }) }
}

/// Whether the process that `target` names is no longer running.
#[must_use]
pub fn verify(target: &ProcessKey) -> bool {
    match hold_unchecked(target.pid, Some(target.start_ticks)) {
        Ok(fd) => fd.wait_gone(Duration::ZERO).unwrap_or(false),
        Err(HoldError::Gone { .. } | HoldError::Recycled { .. }) => true,
        Err(_) => false,
    }
}

/// There is none.
pub fn undo(target: &ProcessKey) -> Result<(), KillError> {
    Err(KillError::NoInverse { pid: target.pid })
}

/// Lets the target and all below it run on: what a crash between the freezing and the killing leaves stopped.
pub fn thaw(tasks: &Tasks, target: &ProcessKey) -> Result<(), KillError> {
    let mut held = vec![(target.pid, hold(target.pid, Some(target.start_ticks))?)];
    for (pid, start) in below(tasks, &held, &mut Spared::default())? {
        if let Ok(fd) = hold(pid, Some(start)) {
            held.push((pid, fd));
        }
    }
    held.iter().try_for_each(|(pid, fd)| send(*pid, fd, Signal::SIGCONT))?;
    Ok(())
}

/// Stops all that is held and all below it, until a scan after the last stop finds nothing new. False: it never ended.
fn freeze(
    held: &mut Vec<(u32, PidFd)>,
    mut find: impl FnMut(&[(u32, PidFd)]) -> Result<Vec<(u32, u64)>, HoldError>,
) -> Result<bool, KillError> {
    let (mut stopped, used) = (0, clock::used());
    for _ in 0..MAX_SCANS {
        // Whoever forks without end is stopped all the same, and gets no more of the host by it.
        if clock::used().saturating_sub(used) > FIRST {
            priority::take_turns();
        }
        for (pid, fd) in held.iter().skip(stopped) {
            send(*pid, fd, Signal::SIGSTOP)?;
        }
        stopped = held.len();
        for (pid, start) in find(held)? {
            if held.iter().any(|(known, _)| *known == pid) {
                continue;
            }
            if held.len() >= MAX_TREE {
                return Ok(false);
            }
            match hold(pid, Some(start)) {
                Ok(fd) => held.push((pid, fd)),
                Err(HoldError::Gone { .. } | HoldError::Recycled { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if held.len() == stopped {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Live processes below the held ones that are not held yet, without the spared and what is below them.
fn below(tasks: &Tasks, held: &[(u32, PidFd)], spared: &mut Spared<'_>) -> Result<Vec<(u32, u64)>, HoldError> {
    let mut children: HashMap<u32, Vec<(u32, u64)>> = HashMap::new();
    for Task { pid, parent, start_ticks } in tasks.list().map_or_else(in_proc, Ok)? {
        children.entry(parent).or_default().push((pid, start_ticks));
    }
    let mut seen: HashSet<u32> = held.iter().map(|(pid, _)| *pid).collect();
    let mut queue: Vec<u32> = seen.iter().copied().collect();
    let mut found = Vec::new();
    while let Some(parent) = queue.pop() {
        for &(pid, start) in children.get(&parent).into_iter().flatten() {
            if seen.insert(pid) && !spared.takes(pid) {
                found.push((pid, start));
                queue.push(pid);
            }
        }
    }
    Ok(found)
}

fn in_proc() -> Result<Vec<Task>, HoldError> {
    let pids = procfs::pids().map_err(|source| HoldError::System { doing: "list /proc", pid: 0, source })?;
    let task = |pid| {
        let stat = read_stat(pid).ok()??;
        Some(Task { pid, parent: stat.parent, start_ticks: stat.start })
    };
    Ok(pids.filter_map(task).collect())
}

/// Protected processes met in the tree.
#[derive(Default)]
struct Spared<'a> {
    executables: &'a [String],
    found: HashSet<u32>,
}

impl<'a> Spared<'a> {
    fn among(known: &[ProcessKey], executables: &'a [String]) -> Self {
        let mut spared = Self { executables, found: HashSet::new() };
        for key in known {
            if matches!(read_stat(key.pid), Ok(Some(stat)) if stat.start == key.start_ticks) {
                spared.takes(key.pid);
            }
        }
        spared
    }

    /// Whether the process is one of them; it is remembered.
    fn takes(&mut self, pid: u32) -> bool {
        let spared = held::is_spared(pid, self.executables);
        if spared {
            self.found.insert(pid);
        }
        spared
    }

    /// Whether it is one of those found, or runs below one.
    fn covers(&self, pid: u32) -> bool {
        let mut at = pid;
        for _ in 0..ANCESTORS_MAX {
            if self.found.contains(&at) {
                return true;
            }
            match read_stat(at) {
                Ok(Some(stat)) if stat.parent > 1 => at = stat.parent,
                _ => return false,
            }
        }
        false
    }
}

fn all_gone(held: &[(u32, PidFd)], deadline: Instant) -> Result<(), KillError> {
    let mut pids = Vec::new();
    for (pid, fd) in held {
        let left = deadline.saturating_duration_since(Instant::now());
        if !fd.wait_gone(left).map_err(|source| HoldError::System { doing: "wait", pid: *pid, source })? {
            pids.push(*pid);
        }
    }
    if pids.is_empty() { Ok(()) } else { Err(KillError::Survived { pids }) }
}
