//! Owns: ending all that an account runs on the host: its log-ins, what they started, and what it became root by.
//! Never: processes of containers that share no more than its number, or the line that the agent itself runs below.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::Signal;

use super::held::{self, HoldError};
use super::kill_tree::{self, KillError};
use crate::accounts::Accounts;
use crate::procfs::{self, View};

/// A process that hangs in the kernel longer is reported.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum SessionsError {
    #[error(transparent)]
    Kill(#[from] KillError),
    #[error("the sessions of {user} are not ended: {why}")]
    Guarded { user: String, why: &'static str },
    #[error("cannot read the accounts of this host: {source}")]
    Accounts { source: io::Error },
    #[error("{user} runs {left} processes again; lock the account first, and disable what starts them")]
    Again { user: String, left: usize },
}

type Result<T> = std::result::Result<T, SessionsError>;

#[derive(Debug)]
pub struct Plan {
    user: String,
    uid: u32,
    spare: Vec<String>,
}

/// Nothing is done yet. `spare`: executables that a host stands on.
pub fn plan(root: &Path, user: &str, spare: &[String]) -> Result<Plan> {
    let accounts = Accounts::read(root).map_err(|source| SessionsError::Accounts { source })?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    match (accounts.guard(user, now), accounts.uid(user)) {
        (None, Some(uid)) => Ok(Plan { user: user.to_owned(), uid, spare: spare.to_vec() }),
        (why, _) => {
            let why = why.unwrap_or("the host has no such account of its own");
            Err(SessionsError::Guarded { user: user.to_owned(), why })
        }
    }
}

/// Ends them; gives what was done in words.
/// `look` sees its processes while they are stopped, before they die.
pub fn apply(plan: &Plan, look: impl FnOnce(&[u32])) -> Result<String> {
    let Plan { user, uid, spare } = plan;
    let deadline = Instant::now() + PATIENCE;
    let ended = kill_tree::end_all(Vec::new(), |_| running(*uid, spare), look, deadline)?;
    let left = running(*uid, spare).map_err(KillError::from)?.len();
    if left > 0 {
        return Err(SessionsError::Again { user: user.clone(), left });
    }
    Ok(match ended.len() {
        0 => format!("{user} runs nothing"),
        count => format!("ended {count} processes of {user}"),
    })
}

/// Whether the account runs nothing any more.
pub fn verify(root: &Path, user: &str, spare: &[String]) -> Result<bool> {
    let Plan { uid, .. } = plan(root, user, spare)?;
    Ok(running(uid, spare).map_err(KillError::from)?.is_empty())
}

/// Lets what it runs go on: what a crash between the stopping and the killing leaves.
pub fn thaw(root: &Path, user: &str) -> Result<()> {
    let Plan { uid, .. } = plan(root, user, &[])?;
    for (pid, start) in running(uid, &[]).map_err(KillError::from)? {
        if let Ok(process) = held::hold(pid, Some(start)) {
            held::send(pid, &process, Signal::SIGCONT).map_err(KillError::from)?;
        }
    }
    Ok(())
}

/// Each with its start. Not those above the agent, nor root's of programs that the host stands on.
fn running(uid: u32, spare: &[String]) -> std::result::Result<Vec<(u32, u64)>, HoldError> {
    let pids = procfs::pids().map_err(|source| HoldError::System { doing: "list /proc", pid: 0, source })?;
    let found = pids.filter(|pid| is_of(*pid, uid) && held::protected(*pid).is_none() && !held::is_spared(*pid, spare));
    Ok(found
        .filter_map(|pid| {
            let stat = held::read_stat(pid).ok()??;
            (!matches!(stat.state, 'Z' | 'X')).then_some((pid, stat.start))
        })
        .collect())
}

/// Its own processes, and what it became another by at a terminal: a root shell of its session. A daemon that it started
/// anew as root has no terminal, and is the host's.
fn is_of(pid: u32, uid: u32) -> bool {
    let logged_in = procfs::login_user(pid) == Some(uid);
    let own = procfs::user(pid) == Some(uid);
    (own && (logged_in || procfs::view(pid, None) == View::Own)) || (logged_in && procfs::has_terminal(pid))
}
