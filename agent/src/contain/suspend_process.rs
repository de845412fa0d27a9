//! Owns: stopping one process where it stands, and letting it run on.
//! Never: what it started, or letting one run on that was stopped before.

use std::io;
use std::time::Duration;

use nix::sys::signal::Signal;
use picket_model::process::ProcessKey;

use super::held::{self, HoldError, hold, hold_unchecked, send, stat_at};
use super::reached::reached;
use crate::sys::pidfd::PidFd;

/// A thread that waits for a disk stops once it is answered; one that waits longer is reported.
const PATIENCE: Duration = Duration::from_secs(2);
/// Threads looked at. One that has more is stopped all the same, and reported as far as this goes.
const THREADS_MAX: usize = 16_384;

#[derive(Debug, thiserror::Error)]
pub enum SuspendError {
    #[error(transparent)]
    Hold(#[from] HoldError),
    #[error("pid {pid} runs {executable}, which this host stands on; it is not stopped")]
    Spared { pid: u32, executable: String },
    #[error(
        "pid {pid} did not stop within {PATIENCE:?}; it runs on. It hangs in the kernel or is traced, see /proc/{pid}/status"
    )]
    RunsOn { pid: u32 },
    #[error("pid {pid} is still stopped; somebody else stops it, or traces it")]
    StaysStopped { pid: u32 },
}

type Result<T> = std::result::Result<T, SuspendError>;

/// The process, held, and how it was.
#[derive(Debug)]
pub struct Plan {
    target: ProcessKey,
    process: PidFd,
    /// Somebody had stopped it before.
    pub already: bool,
}

/// Nothing is done yet. `spare`: executables that a host stands on.
pub fn plan(target: &ProcessKey, spare: &[String]) -> Result<Plan> {
    let process = hold(target.pid, Some(target.start_ticks))?;
    if held::is_spared(target.pid, spare) {
        let executable = std::fs::read_link(format!("/proc/{}/exe", target.pid)).unwrap_or_default();
        return Err(SuspendError::Spared { pid: target.pid, executable: executable.display().to_string() });
    }
    Ok(Plan { target: *target, process, already: stopped(target.pid)? })
}

/// Stops it; gives what was done in words.
pub fn apply(plan: &Plan) -> Result<String> {
    let pid = plan.target.pid;
    send(pid, &plan.process, Signal::SIGSTOP)?;
    if reached(PATIENCE, || stopped(pid))? || gone(&plan.target) {
        return Ok(format!("stopped process {pid}"));
    }
    if !plan.already {
        send(pid, &plan.process, Signal::SIGCONT)?;
    }
    Err(SuspendError::RunsOn { pid })
}

/// Whether it does nothing any more: every thread of it is stopped, or it has ended.
#[must_use]
pub fn verify(target: &ProcessKey) -> bool {
    gone(target) || stopped(target.pid).unwrap_or(false)
}

/// Lets it run on, unless it was stopped before; gives what was done in words.
pub fn undo(target: &ProcessKey, already: bool) -> Result<String> {
    let pid = target.pid;
    let process = match hold_unchecked(pid, Some(target.start_ticks)) {
        Ok(process) => process,
        Err(HoldError::Gone { .. } | HoldError::Recycled { .. }) => return Ok(ended(pid)),
        Err(error) => return Err(error.into()),
    };
    if already {
        return Ok(format!("process {pid} stays stopped, as it was before"));
    }
    send(pid, &process, Signal::SIGCONT)?;
    if reached(PATIENCE, || verify_undone(target, already))? {
        Ok(if gone(target) { ended(pid) } else { format!("process {pid} runs on") })
    } else {
        Err(SuspendError::StaysStopped { pid })
    }
}

/// Whether it is as it was: it runs, or is stopped where it was stopped before, or has ended.
pub fn verify_undone(target: &ProcessKey, already: bool) -> Result<bool> {
    Ok(gone(target) || stopped(target.pid)? == already)
}

/// Whether it has ended; a zombie has.
#[must_use]
pub fn gone(target: &ProcessKey) -> bool {
    super::kill_tree::verify(target)
}

fn ended(pid: u32) -> String {
    format!("process {pid} has ended meanwhile")
}

/// Every thread is stopped by a signal. One that a tracer holds is not: the tracer lets it go when it likes.
fn stopped(pid: u32) -> Result<bool> {
    let fail = |source| HoldError::System { doing: "list the threads", pid, source };
    let threads = match std::fs::read_dir(format!("/proc/{pid}/task")) {
        Ok(threads) => threads,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(fail(error).into()),
    };
    for thread in threads.flatten().take(THREADS_MAX) {
        let stat = stat_at(&thread.path().join("stat").to_string_lossy()).map_err(fail)?;
        if stat.is_some_and(|stat| !matches!(stat.state, 'T' | 'Z' | 'X')) {
            return Ok(false);
        }
    }
    Ok(true)
}
