//! Owns: one agent for one state directory.
//! Never: waiting for the other one to end.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Held for as long as the value lives; the kernel lets go of it even when the process is killed.
pub fn take(state_dir: &Path) -> anyhow::Result<Flock<File>> {
    match try_take(state_dir)? {
        Some(lock) => Ok(lock),
        None => bail!("another picket-agent already runs on {}; stop it first", state_dir.display()),
    }
}

/// `None` where another process holds it.
pub fn try_take(state_dir: &Path) -> anyhow::Result<Option<Flock<File>>> {
    std::fs::create_dir_all(state_dir)
        .with_context(|| format!("cannot make the state directory {}", state_dir.display()))?;
    let path = state_dir.join("lock");
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot open {}; run as root", path.display()))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, errno)) => Err(anyhow::anyhow!("cannot lock {}: {errno}", path.display())),
    }
}
