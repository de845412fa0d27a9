//! Owns: killing one process and everything below it: freeze top-down until nothing new appears, kill, see it gone.
//! Never: a signal by bare pid, or to pid 1, a kernel thread, the agent itself or anything that it descends from.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use picket_model::process::{ANCESTORS_MAX, ProcessKey};

use crate::procfs::{self, View};
use crate::sys::pidfd::PidFd;

/// A tree larger than this is a fork bomb: what was found is killed and the rest is reported as left.
const MAX_TREE: usize = 16_384;
/// Freezing stops after so many scans: each scan without new children ends it, so only a racing forker gets here.
const MAX_SCANS: usize = 64;
/// `PF_KTHREAD` of the kernel's task flags, the ninth field of `/proc/PID/stat`.
const KERNEL_THREAD: u64 = 0x0020_0000;

#[derive(Debug, thiserror::Error)]
pub enum KillError {
    #[error("refused to kill pid {pid}: {why}; choose the process that the incident names")]
    Protected { pid: u32, why: &'static str },
    #[error("pid {pid} is no longer the process that was meant (start {expected}, now {found}); nothing was killed")]
    Recycled { pid: u32, expected: u64, found: u64 },
    #[error("pid {pid} is already gone; nothing was killed")]
    Gone { pid: u32 },
    #[error("killing has no inverse; start the service again if pid {pid} was one")]
    NoInverse { pid: u32 },
    #[error("cannot {doing} for pid {pid}: {source}; run the agent as root with /proc mounted")]
    System { doing: &'static str, pid: u32, source: io::Error },
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

#[derive(Clone, Copy)]
struct Stat {
    parent: u32,
    flags: u64,
    start: u64,
}

/// Whether the target may be killed. One that has ended is no error: what it left behind may live on. Nothing is done
/// yet.
pub fn plan(target: &ProcessKey) -> Result<(), KillError> {
    match hold(target.pid, Some(target.start_ticks)) {
        Ok(_) | Err(KillError::Gone { .. } | KillError::Recycled { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Kills `target`, the `known` descendants that lost their parent since, and all that is below them. A target that has
/// ended by itself is as good as killed; those it left behind are not spared for that. Left out are root's processes of
/// the executables in `spare` and all below them: a daemon that an administrator started from a shell is the host's.
pub fn apply(
    target: &ProcessKey,
    known: &[ProcessKey],
    spare: &[String],
    patience: Duration,
) -> Result<Killed, KillError> {
    let deadline = Instant::now() + patience;
    let mut held = match hold(target.pid, Some(target.start_ticks)) {
        Ok(fd) => vec![(target.pid, fd)],
        Err(KillError::Gone { .. }) => Vec::new(),
        Err(KillError::Recycled { .. }) if !known.is_empty() => Vec::new(),
        Err(error) => return Err(error),
    };
    let mut spared = Spared::among(known, spare);
    for key in known.iter().take(MAX_TREE).filter(|key| !spared.covers(key.pid)) {
        // One that ended or whose pid serves another is no part of the tree any more.
        if let Ok(fd) = hold(key.pid, Some(key.start_ticks)) {
            held.push((key.pid, fd));
        }
    }
    let frozen = freeze(&mut held, &mut spared);
    // Whatever froze must die, even where the scan or one signal failed: a stopped tree is a half-done act.
    // Deepest first: after a crash in between, what is left still hangs below the root and is found again by it.
    let sent: Vec<_> = held.iter().rev().map(|(pid, fd)| send(*pid, fd, Signal::SIGKILL)).collect();
    sent.into_iter().collect::<Result<(), _>>()?;
    all_gone(&held, deadline)?;
    if frozen? {
        Ok(Killed { pids: held.iter().map(|(pid, _)| *pid).collect(), spared: spared.found.len() })
    } else {
        Err(KillError::Unbounded { killed: held.len() })
    }
}

/// Whether the process that `target` names is no longer running.
#[must_use]
pub fn verify(target: &ProcessKey) -> bool {
    match hold_unchecked(target.pid, Some(target.start_ticks)) {
        Ok(fd) => fd.wait_gone(Duration::ZERO).unwrap_or(false),
        Err(KillError::Gone { .. } | KillError::Recycled { .. }) => true,
        Err(_) => false,
    }
}

/// There is none.
pub fn undo(target: &ProcessKey) -> Result<(), KillError> {
    Err(KillError::NoInverse { pid: target.pid })
}

/// Lets the target and all below it run on: what a crash between the freezing and the killing leaves stopped.
pub fn thaw(target: &ProcessKey) -> Result<(), KillError> {
    let mut held = vec![(target.pid, hold(target.pid, Some(target.start_ticks))?)];
    for (pid, start) in below(&held, &mut Spared::default())? {
        if let Ok(fd) = hold(pid, Some(start)) {
            held.push((pid, fd));
        }
    }
    held.iter().try_for_each(|(pid, fd)| send(*pid, fd, Signal::SIGCONT))
}

/// Stops all that is held and all below it, until a scan after the last stop finds nothing new. False: it never ended.
fn freeze(held: &mut Vec<(u32, PidFd)>, spared: &mut Spared<'_>) -> Result<bool, KillError> {
    let mut stopped = 0;
    for _ in 0..MAX_SCANS {
        for (pid, fd) in held.iter().skip(stopped) {
            send(*pid, fd, Signal::SIGSTOP)?;
        }
        stopped = held.len();
        for (pid, start) in below(held, spared)? {
            if held.len() >= MAX_TREE {
                return Ok(false);
            }
            match hold(pid, Some(start)) {
                Ok(fd) => held.push((pid, fd)),
                Err(KillError::Gone { .. } | KillError::Recycled { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if held.len() == stopped {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Live processes below the held ones that are not held yet, without the spared and what is below them.
fn below(held: &[(u32, PidFd)], spared: &mut Spared<'_>) -> Result<Vec<(u32, u64)>, KillError> {
    let mut children: HashMap<u32, Vec<(u32, u64)>> = HashMap::new();
    let entries =
        std::fs::read_dir("/proc").map_err(|source| KillError::System { doing: "list /proc", pid: 0, source })?;
    for pid in entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        if let Ok(Some(stat)) = read_stat(pid) {
            children.entry(stat.parent).or_default().push((pid, stat.start));
        }
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
        let spared = is_spared(pid, self.executables);
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

/// Whether it runs one of these executables, by the host's own file system and as root: anybody could start a program
/// that the host stands on and hide below it.
pub fn is_spared(pid: u32, executables: &[String]) -> bool {
    if executables.is_empty() {
        return false;
    }
    let Ok(exe) = std::fs::read_link(format!("/proc/{pid}/exe")) else { return false };
    let exe = exe.to_string_lossy();
    let exe = exe.strip_suffix(" (deleted)").unwrap_or(&exe);
    executables.iter().any(|listed| listed == exe)
        && procfs::view(pid, None) == View::Own
        && procfs::user(pid) == Some(0)
}

fn hold(pid: u32, start: Option<u64>) -> Result<PidFd, KillError> {
    if let Some(why) = protected(pid) {
        return Err(KillError::Protected { pid, why });
    }
    hold_unchecked(pid, start)
}

/// Opens first and compares after: what the descriptor holds can no longer change, the pid could have before.
fn hold_unchecked(pid: u32, start: Option<u64>) -> Result<PidFd, KillError> {
    let fd = PidFd::open(pid).map_err(|source| match source.raw_os_error() {
        Some(code) if code == Errno::ESRCH as i32 => KillError::Gone { pid },
        _ => KillError::System { doing: "open a pidfd", pid, source },
    })?;
    let stat = read_stat(pid).map_err(|source| KillError::System { doing: "read stat", pid, source })?;
    let found = stat.ok_or(KillError::Gone { pid })?.start;
    match start {
        Some(expected) if expected != found => Err(KillError::Recycled { pid, expected, found }),
        _ => Ok(fd),
    }
}

fn protected(pid: u32) -> Option<&'static str> {
    if pid <= 1 {
        return Some("it is the first process");
    }
    let mut own = std::process::id();
    // The agent's own line up to pid 1: a tree that holds the agent would take it along.
    for _ in 0..MAX_SCANS {
        if own == pid {
            return Some("the agent is it or runs below it");
        }
        match read_stat(own) {
            Ok(Some(stat)) if stat.parent > 1 => own = stat.parent,
            _ => break,
        }
    }
    match read_stat(pid) {
        Ok(Some(stat)) if stat.flags & KERNEL_THREAD != 0 => Some("it is a kernel thread"),
        _ => None,
    }
}

fn send(pid: u32, fd: &PidFd, signal: Signal) -> Result<(), KillError> {
    match fd.signal(signal) {
        Err(source) if source.raw_os_error() != Some(Errno::ESRCH as i32) => {
            Err(KillError::System { doing: "signal", pid, source })
        }
        _ => Ok(()),
    }
}

fn all_gone(held: &[(u32, PidFd)], deadline: Instant) -> Result<(), KillError> {
    let mut pids = Vec::new();
    for (pid, fd) in held {
        let left = deadline.saturating_duration_since(Instant::now());
        if !fd.wait_gone(left).map_err(|source| KillError::System { doing: "wait", pid: *pid, source })? {
            pids.push(*pid);
        }
    }
    if pids.is_empty() { Ok(()) } else { Err(KillError::Survived { pids }) }
}

/// None where there is no such process.
fn read_stat(pid: u32) -> io::Result<Option<Stat>> {
    match std::fs::read(format!("/proc/{pid}/stat")) {
        Ok(bytes) => Ok(parse_stat(&String::from_utf8_lossy(&bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::ESRCH as i32) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The name may hold spaces and parentheses, so fields count from the last `)`.
fn parse_stat(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        flags: fields.get(6)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
    })
}
