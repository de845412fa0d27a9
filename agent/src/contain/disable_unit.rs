//! Owns: stopping one unit of the service manager so that nothing starts it, and giving it back as it was.
//! Never: its files, or whether it is enabled: the mask lies above both, and the next start of the host takes it away.

use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use super::freeze_group::{self, FreezeError};
use super::reached::reached;

const SYSTEMCTL: &str = "/usr/bin/systemctl";
/// Of all folders of units the one that counts most and is gone with the next start of the host.
const MASKS: &str = "run/systemd/system.control";
const NOTHING: &str = "/dev/null";
/// A unit that takes longer to stop is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
const KILL_PATIENCE: Duration = Duration::from_secs(5);
/// As the service manager has it.
const NAME_BYTES_MAX: usize = 255;
/// What can be disabled. A target, slice or mount is more than one service.
const KINDS: [&str; 4] = [".service", ".timer", ".socket", ".path"];

#[derive(Debug, thiserror::Error)]
pub enum UnitError {
    #[error("{unit:?} is no service, timer, socket or path unit; give its whole name as `systemctl list-units` has it")]
    Name { unit: String },
    #[error("{unit} is not disabled: {why}")]
    Guarded { unit: String, why: String },
    #[error("there is no unit {unit} on this host; nothing was done")]
    Unknown { unit: String },
    #[error("cannot {doing} {unit}: {source}; nothing is left of the act")]
    System { doing: &'static str, unit: String, source: io::Error },
    #[error("the service manager refused to {doing} {unit}: {message}")]
    Manager { doing: &'static str, unit: String, message: String },
    #[error("{unit} still runs after the act; it is as it was")]
    RunsOn { unit: String },
    #[error(transparent)]
    Group(#[from] FreezeError),
}

type Result<T> = std::result::Result<T, UnitError>;

/// How the service manager has a unit.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct State {
    /// Its own name, whatever alias it was asked by.
    pub id: String,
    /// `loaded`, `not-found`, `masked`.
    pub load: String,
    /// `active`, `inactive`, `failed`, `activating`, `deactivating`.
    pub active: String,
    /// `enabled`, `disabled`, `static`.
    pub enablement: String,
    /// Of its processes; empty while it has none.
    pub group: String,
}

impl State {
    pub fn runs(&self) -> bool {
        matches!(self.active.as_str(), "active" | "activating" | "reloading")
    }
}

#[derive(Debug)]
pub struct Plan {
    unit: String,
    pub before: State,
}

/// Nothing is done yet. `spare`: executables that a host stands on.
pub fn plan(root: &Path, unit: &str, spare: &[String]) -> Result<Plan> {
    check(unit)?;
    let guarded = |why: String| UnitError::Guarded { unit: unit.to_owned(), why };
    let before = state(unit)?;
    if before.load == "not-found" {
        return Err(UnitError::Unknown { unit: unit.to_owned() });
    }
    if before.id != unit {
        return Err(guarded(format!("it is another name of {}; order that by its own name", before.id)));
    }
    if before.load == "masked" || mask(root, unit).symlink_metadata().is_ok() {
        return Err(guarded("it is masked already".to_owned()));
    }
    if !before.group.is_empty() && freeze_group::exists(&before.group) {
        // Who must not be frozen must not be stopped either.
        freeze_group::plan(&before.group, spare)?;
    }
    Ok(Plan { unit: unit.to_owned(), before })
}

/// Masks and stops it; gives what was done in words. On an error it is as it was.
pub fn apply(root: &Path, plan: &Plan) -> Result<String> {
    let Plan { unit, before } = plan;
    let done = stop(root, unit).and_then(|()| verify(root, unit));
    match done {
        Ok(true) if before.runs() => Ok(format!("stopped {unit}, and nothing starts it")),
        Ok(true) => Ok(format!("nothing starts {unit}; it did not run")),
        other => {
            undo(root, unit, before.runs())?;
            other.and(Err(UnitError::RunsOn { unit: unit.clone() }))
        }
    }
}

/// Whether the mask is there, the service manager has seen it, and the unit does not run.
pub fn verify(root: &Path, unit: &str) -> Result<bool> {
    let now = state(unit)?;
    Ok(is_masked(root, unit) && now.load == "masked" && !now.runs() && now.active != "deactivating")
}

/// Masked and stopped again after a start of the agent or the host, or after somebody took the mask away.
pub fn hold(root: &Path, unit: &str) -> Result<()> {
    check(unit)?;
    if verify(root, unit)? {
        return Ok(());
    }
    if state(unit)?.load == "not-found" {
        return Err(UnitError::Unknown { unit: unit.to_owned() });
    }
    stop(root, unit)?;
    if verify(root, unit)? { Ok(()) } else { Err(UnitError::RunsOn { unit: unit.to_owned() }) }
}

/// Takes the mask away and starts what ran; gives what was done in words.
pub fn undo(root: &Path, unit: &str, ran: bool) -> Result<String> {
    unmask(root, unit)?;
    asked("reload", unit, &["daemon-reload"])?;
    if !ran || state(unit)?.runs() {
        return Ok(format!("{unit} may be started again"));
    }
    if state(unit)?.load == "not-found" {
        return Ok(format!("{unit} was removed meanwhile"));
    }
    asked("start", unit, &["start", "--no-block", "--", unit])?;
    let started = reached(STOP_PATIENCE, || Ok::<_, UnitError>(state(unit)?.active != "inactive"))?;
    Ok(if started { format!("{unit} runs again") } else { format!("{unit} is about to run again") })
}

/// Whether nothing masks it any more, and it is enabled as it was and runs if it ran, or was removed by others.
pub fn verify_undone(root: &Path, unit: &str, ran: bool, enablement: &str) -> Result<bool> {
    let now = state(unit)?;
    let same = now.enablement == enablement && (now.runs() || !ran || now.active == "failed");
    Ok(mask(root, unit).symlink_metadata().is_err() && (same || now.load == "not-found"))
}

/// Whether nothing can start it and it does not run, by our mask or for want of it.
pub fn is_off(root: &Path, unit: &str) -> Result<bool> {
    check(unit)?;
    let now = state(unit)?;
    Ok((is_masked(root, unit) || matches!(now.load.as_str(), "not-found" | "masked")) && !now.runs())
}

/// Whether our mask is there; what the service manager makes of it is for `verify` to say.
pub fn is_masked(root: &Path, unit: &str) -> bool {
    std::fs::read_link(mask(root, unit)).is_ok_and(|to| to == Path::new(NOTHING))
}

/// Stopped, masked, and stopped again if something started it in between. The other way round the service manager would
/// have forgotten by then how the unit ends well, and call it failed.
fn stop(root: &Path, unit: &str) -> Result<()> {
    let stopped = || Ok::<_, UnitError>(matches!(state(unit)?.active.as_str(), "inactive" | "failed"));
    if !stopped()? {
        asked("stop", unit, &["stop", "--no-block", "--", unit])?;
        reached(STOP_PATIENCE, stopped)?;
    }
    let path = mask(root, unit);
    let made = std::fs::create_dir_all(root.join(MASKS)).and_then(|()| symlink(NOTHING, &path));
    if let Err(source) = made {
        // Begun again after a crash, it is there.
        if !is_masked(root, unit) {
            return Err(UnitError::System { doing: "mask", unit: unit.to_owned(), source });
        }
    }
    asked("reload", unit, &["daemon-reload"])?;
    if stopped()? {
        return Ok(());
    }
    asked("stop", unit, &["stop", "--no-block", "--", unit])?;
    if !reached(STOP_PATIENCE, stopped)? {
        asked("kill", unit, &["kill", "--signal=KILL", "--", unit])?;
        if !reached(KILL_PATIENCE, stopped)? {
            return Err(UnitError::RunsOn { unit: unit.to_owned() });
        }
    }
    Ok(())
}

/// What is no mask of ours stays.
fn unmask(root: &Path, unit: &str) -> Result<()> {
    check(unit)?;
    if !is_masked(root, unit) {
        return Ok(());
    }
    std::fs::remove_file(mask(root, unit)).map_err(|source| UnitError::System {
        doing: "unmask",
        unit: unit.to_owned(),
        source,
    })
}

fn mask(root: &Path, unit: &str) -> PathBuf {
    root.join(MASKS).join(unit)
}

fn check(unit: &str) -> Result<()> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || ":-_.\\@".contains(letter);
    let kind = KINDS.iter().any(|kind| unit.len() > kind.len() && unit.ends_with(kind));
    if kind && unit.len() <= NAME_BYTES_MAX && !unit.starts_with(['.', '-']) && unit.chars().all(plain) {
        return Ok(());
    }
    Err(UnitError::Name { unit: unit.to_owned() })
}

fn state(unit: &str) -> Result<State> {
    let properties = "--property=Id,LoadState,ActiveState,UnitFileState,ControlGroup";
    let output = asked("look at", unit, &["show", properties, "--", unit])?;
    Ok(parse(&String::from_utf8_lossy(&output.stdout)))
}

fn parse(shown: &str) -> State {
    let value = |name: &str| {
        let found = shown.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_default().to_owned()
    };
    State {
        id: value("Id"),
        load: value("LoadState"),
        active: value("ActiveState"),
        enablement: value("UnitFileState"),
        group: value("ControlGroup"),
    }
}

fn asked(doing: &'static str, unit: &str, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(SYSTEMCTL);
    command.args(["--system", "--no-ask-password", "--no-pager"]).args(arguments).stdin(Stdio::null());
    let output = command.output().map_err(|source| UnitError::System { doing, unit: unit.to_owned(), source })?;
    if output.status.success() {
        return Ok(output);
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(UnitError::Manager { doing, unit: unit.to_owned(), message })
}

#[cfg(test)]
mod tests;
