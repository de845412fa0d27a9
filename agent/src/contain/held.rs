//! Owns: holding one process so that a signal hits it and no other, and whom none may hit.
//! Never: choosing a signal.

use std::fs::File;
use std::io::{self, Read};

use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::procfs::{self, View};
use crate::sys::pidfd::PidFd;

/// Steps up from the agent to pid 1; no host starts it deeper.
const ANCESTORS_MAX: usize = 64;
/// A `stat` has some 350 bytes; with the longest numbers in all 52 fields it would have 1,150.
const AT_ONCE: usize = 2048;
/// `PF_KTHREAD` of the kernel's task flags, the ninth field of `/proc/PID/stat`.
const KERNEL_THREAD: u64 = 0x0020_0000;

#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    #[error("refused to touch pid {pid}: {why}; choose the process that the incident names")]
    Protected { pid: u32, why: &'static str },
    #[error("pid {pid} is no longer the process that was meant (start {expected}, now {found}); nothing was done")]
    Recycled { pid: u32, expected: u64, found: u64 },
    #[error("pid {pid} is already gone; nothing was done")]
    Gone { pid: u32 },
    #[error("cannot {doing} for pid {pid}: {source}; run the agent as root with /proc mounted")]
    System { doing: &'static str, pid: u32, source: io::Error },
}

#[derive(Clone, Copy)]
pub struct Stat {
    /// One letter, as `ps` shows it: `T` is stopped, `Z` dead.
    pub state: char,
    pub parent: u32,
    flags: u64,
    pub start: u64,
}

/// Holds a process that a signal may hit.
pub fn hold(pid: u32, start: Option<u64>) -> Result<PidFd, HoldError> {
    if let Some(why) = protected(pid) {
        return Err(HoldError::Protected { pid, why });
    }
    hold_unchecked(pid, start)
}

/// Opens first and compares after: what the descriptor holds can no longer change, the pid could have before.
pub fn hold_unchecked(pid: u32, start: Option<u64>) -> Result<PidFd, HoldError> {
    let fd = PidFd::open(pid).map_err(|source| match source.raw_os_error() {
        Some(code) if code == Errno::ESRCH as i32 => HoldError::Gone { pid },
        _ => HoldError::System { doing: "open a pidfd", pid, source },
    })?;
    let stat = read_stat(pid).map_err(|source| HoldError::System { doing: "read stat", pid, source })?;
    let found = stat.ok_or(HoldError::Gone { pid })?.start;
    match start {
        Some(expected) if expected != found => Err(HoldError::Recycled { pid, expected, found }),
        _ => Ok(fd),
    }
}

/// Why no signal may hit it, if none may.
pub fn protected(pid: u32) -> Option<&'static str> {
    if pid <= 1 {
        return Some("it is the first process");
    }
    let mut own = std::process::id();
    // The agent's own line up to pid 1: a tree that holds the agent would take it along.
    for _ in 0..ANCESTORS_MAX {
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

pub fn send(pid: u32, fd: &PidFd, signal: Signal) -> Result<(), HoldError> {
    match fd.signal(signal) {
        Err(source) if source.raw_os_error() != Some(Errno::ESRCH as i32) => {
            Err(HoldError::System { doing: "signal", pid, source })
        }
        _ => Ok(()),
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

/// None where there is no such process.
pub fn read_stat(pid: u32) -> io::Result<Option<Stat>> {
    stat_at(&format!("/proc/{pid}/stat"))
}

/// Of a thread too, by the path of its `stat`.
pub fn stat_at(path: &str) -> io::Result<Option<Stat>> {
    match at_once(path) {
        Ok(bytes) => Ok(parse_stat(&String::from_utf8_lossy(&bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::ESRCH as i32) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// A file of /proc that fits into `AT_ONCE`, by one read: a kill reads that of every process there is.
fn at_once(path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; AT_ONCE];
    let count = File::open(path)?.read(&mut bytes)?;
    bytes.truncate(count);
    Ok(bytes)
}

/// The name may hold spaces and parentheses, so fields count from the last `)`.
fn parse_stat(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        flags: fields.get(6)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
    })
}
