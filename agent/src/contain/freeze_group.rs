//! Owns: freezing all processes of one control group, a service's or a container's, and letting them run on.
//! Never: a group that holds the agent, the first process or a program that the host stands on.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Component, Path};
use std::time::Duration;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use super::reached::reached;
use super::{held, walk};
use crate::sys::cgroup;

/// The kernel freezes a group as its processes leave the kernel; one that waits for a disk holds it up so long.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of one file of a group: a list of some 100,000 processes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Processes looked at before a group is frozen. A group of more is none that one freezes on suspicion.
const PROCESSES_MAX: usize = 16_384;

#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    #[error(
        "cannot {doing} of control group {group}: {source}; name it by its path in cgroup v2, as /proc/PID/cgroup does"
    )]
    System { doing: &'static str, group: String, source: io::Error },
    #[error("control group {group} holds pid {pid}: {why}; it is not frozen")]
    Protected { group: String, pid: u32, why: String },
    #[error("control group {group} has more than {PROCESSES_MAX} processes; freeze one below it")]
    Large { group: String },
    #[error(
        "control group {group} was not frozen within {PATIENCE:?}; it runs on. A process of it hangs in the kernel"
    )]
    RunsOn { group: String },
    #[error("control group {group} is still frozen; a group above it is, or somebody froze it again")]
    StaysFrozen { group: String },
}

type Result<T> = std::result::Result<T, FreezeError>;

#[derive(Debug)]
pub struct Plan {
    group: String,
    held: OwnedFd,
    processes: usize,
    /// Somebody had frozen it before.
    pub already: bool,
}

/// Nothing is done yet. `spare`: executables that a host stands on.
pub fn plan(group: &str, spare: &[String]) -> Result<Plan> {
    let held = open(group)?.ok_or_else(|| fail("find the directory", group)(io::ErrorKind::NotFound.into()))?;
    let processes = processes(group, &held)?;
    for pid in &processes {
        let why = match held::protected(*pid) {
            Some(why) => why.to_owned(),
            None if held::is_spared(*pid, spare) => "this host stands on it".to_owned(),
            None => continue,
        };
        return Err(FreezeError::Protected { group: group.to_owned(), pid: *pid, why });
    }
    let already = wanted(group, &held)?;
    Ok(Plan { group: group.to_owned(), held, processes: processes.len(), already })
}

/// Freezes it; gives what was done in words.
pub fn apply(plan: &Plan) -> Result<String> {
    let Plan { group, held, processes, already } = plan;
    set(group, held, true)?;
    if reached(PATIENCE, || frozen(group, held))? {
        return Ok(format!("froze control group {group}, {processes} processes"));
    }
    if !already {
        set(group, held, false)?;
    }
    Err(FreezeError::RunsOn { group: group.clone() })
}

/// Whether nothing in it runs: it is frozen, or no longer there.
pub fn verify(group: &str) -> Result<bool> {
    match open(group)? {
        Some(held) => frozen(group, &held),
        None => Ok(true),
    }
}

/// Lets it run on, unless it was frozen before; gives what was done in words.
pub fn undo(group: &str, already: bool) -> Result<String> {
    let Some(held) = open(group)? else { return Ok(format!("control group {group} is gone")) };
    if already {
        return Ok(format!("control group {group} stays frozen, as it was before"));
    }
    set(group, &held, false)?;
    if reached(PATIENCE, || Ok(!frozen(group, &held)?))? {
        Ok(format!("control group {group} runs on"))
    } else {
        Err(FreezeError::StaysFrozen { group: group.to_owned() })
    }
}

/// Whether it is as it was: it runs, or is frozen where it was frozen before, or is gone.
pub fn verify_undone(group: &str, already: bool) -> Result<bool> {
    match open(group)? {
        Some(held) => Ok(frozen(group, &held)? == already),
        None => Ok(true),
    }
}

/// Whether there is such a group.
#[must_use]
pub fn exists(group: &str) -> bool {
    open(group).is_ok_and(|held| held.is_some())
}

/// The group's directory, reached from the root of the hierarchy by plain names alone. `None` where there is none.
fn open(group: &str) -> Result<Option<OwnedFd>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut components = Path::new(group).components();
    if components.next() != Some(Component::RootDir) || components.clone().next().is_none() {
        return Err(fail("find the directory", group)(io::ErrorKind::InvalidInput.into()));
    }
    let mut held = OwnedFd::from(cgroup::root().map_err(fail("find the hierarchy", group))?);
    for component in components {
        let Component::Normal(name) = component else {
            return Err(fail("find the directory", group)(io::ErrorKind::InvalidInput.into()));
        };
        held = match openat(&held, name, flags, Mode::empty()) {
            Ok(below) => below,
            Err(nix::errno::Errno::ENOENT) => return Ok(None),
            Err(error) => return Err(fail("open the directory", group)(error.into())),
        };
    }
    Ok(Some(held))
}

/// Every process of the group and of those below it.
fn processes(group: &str, held: &OwnedFd) -> Result<Vec<u32>> {
    let again = held.try_clone().map_err(fail("hold the directory", group))?;
    let mut found = Vec::new();
    for directory in walk::directories(again) {
        // One of threads only lists its processes at the group above it.
        let Ok(listed) = read(&directory, "cgroup.procs") else { continue };
        found.extend(listed.lines().filter_map(|pid| pid.parse::<u32>().ok()));
        if found.len() > PROCESSES_MAX {
            return Err(FreezeError::Large { group: group.to_owned() });
        }
    }
    Ok(found)
}

/// Whether the kernel has frozen it, by its own decision or by that of a group above.
fn frozen(group: &str, held: &OwnedFd) -> Result<bool> {
    let events = read(held, "cgroup.events").map_err(fail("read the state", group))?;
    Ok(events.lines().any(|line| line == "frozen 1"))
}

/// Whether somebody wants it frozen.
fn wanted(group: &str, held: &OwnedFd) -> Result<bool> {
    Ok(read(held, "cgroup.freeze").map_err(fail("read the freezer", group))?.trim() == "1")
}

fn set(group: &str, held: &OwnedFd, freeze: bool) -> Result<()> {
    let flags = OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let file = openat(held, "cgroup.freeze", flags, Mode::empty()).map_err(io::Error::from);
    file.and_then(|file| File::from(file).write_all(if freeze { b"1" } else { b"0" }))
        .map_err(fail("set the freezer", group))
}

fn read(directory: &OwnedFd, name: &str) -> io::Result<String> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut text = String::new();
    File::from(openat(directory, name, flags, Mode::empty())?).take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn fail(doing: &'static str, group: &str) -> impl FnOnce(io::Error) -> FreezeError + use<> {
    let group = group.to_owned();
    move |source| FreezeError::System { doing, group, source }
}
