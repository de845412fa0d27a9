//! Owns: locking a local account in the file of passwords, and unlocking it as it was.
//! Never: accounts of a directory service, root's, or a moment in which that file is not whole.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use picket_model::id::ActionId;
use picket_model::process::Sha256;

use super::kept::Kept;
use super::reached::reached;
use super::rewrite::{self, Back, Held, RewriteError};
use super::vault::Vault;
use crate::accounts::Accounts;

/// Whoever changes an account holds the lock for milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);
/// The day after the first of 1970: an account that ended then is refused by whatever way it comes, keys included.
const LONG_AGO: &str = "1";
const PASSWORD: usize = 1;
const END: usize = 7;

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error(transparent)]
    Rewrite(#[from] RewriteError),
    #[error("account {user} is not locked: {why}")]
    Guarded { user: String, why: &'static str },
    #[error("{path} has no line of account {user}; accounts of a directory service are locked there")]
    Unknown { user: String, path: PathBuf },
    #[error("account {user} is locked already; nothing was done")]
    Already { user: String },
    #[error("cannot read the accounts of this host: {source}")]
    Accounts { source: io::Error },
    #[error("cannot {doing} {path}: {source}; somebody changes an account, or hangs doing so")]
    Lock { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("account {user} is not locked after the act; the file is given back")]
    Unverified { user: String },
}

type Result<T> = std::result::Result<T, LockError>;

/// The file of passwords, held, and what it becomes. While this lives nobody else changes accounts.
#[derive(Debug)]
pub struct Plan {
    held: Held,
    locked: Vec<u8>,
    user: String,
    _lock: File,
}

impl Plan {
    pub const fn kept(&self) -> &Kept {
        &self.held.kept
    }

    /// By which the file is known again that the act leaves.
    pub fn left(&self) -> Sha256 {
        rewrite::sum(&self.locked)
    }
}

/// Nothing is changed yet. `root`: where the host's file system begins.
pub fn plan(root: &Path, user: &str) -> Result<Plan> {
    let accounts = Accounts::read(root).map_err(|source| LockError::Accounts { source })?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    if let Some(why) = accounts.guard(user, now) {
        return Err(LockError::Guarded { user: user.to_owned(), why });
    }
    let lock = lock(root)?;
    let path = shadow(root);
    let held = rewrite::hold(&path, None, None)?;
    let locked = edited(&held.content, user, lock_fields);
    let locked = locked.ok_or_else(|| LockError::Unknown { user: user.to_owned(), path })?;
    if locked == held.content {
        return Err(LockError::Already { user: user.to_owned() });
    }
    Ok(Plan { held, locked, user: user.to_owned(), _lock: lock })
}

/// Locks it; gives what was done in words.
pub fn apply(vault: &Vault, id: ActionId, root: &Path, plan: &Plan) -> Result<String> {
    let Plan { held, locked, user, .. } = plan;
    rewrite::replace(vault, id, held, locked, &held.kept)?;
    if verify(root, user)? {
        return Ok(format!("locked account {user}; its sessions go on"));
    }
    rewrite::back(vault, id, &held.kept, plan.left(), |_, _| None)?;
    Err(LockError::Unverified { user: user.clone() })
}

/// Whether neither its password nor any other way opens the account.
pub fn verify(root: &Path, user: &str) -> Result<bool> {
    let held = rewrite::hold(&shadow(root), None, None)?;
    Ok(line(&held.content, user).is_some_and(is_locked))
}

/// Whether nobody gets in by it: it is locked, or there is none.
pub fn is_shut(root: &Path, user: &str) -> Result<bool> {
    let held = rewrite::hold(&shadow(root), None, None)?;
    Ok(line(&held.content, user).is_none_or(is_locked))
}

/// Unlocks it as it was; gives what was done in words.
pub fn undo(vault: &Vault, id: ActionId, root: &Path, kept: &Kept, left: Sha256, user: &str) -> Result<String> {
    let _lock = lock(root)?;
    let merge = |old: &[u8], now: &[u8]| {
        let before = line(old, user).map(<[u8]>::to_vec)?;
        edited(now, user, |fields| unlock_fields(fields, &before)).filter(|merged| merged != now)
    };
    Ok(match rewrite::back(vault, id, kept, left, merge)? {
        Back::Exactly { refused } if refused.is_empty() => format!("account {user} is as it was"),
        Back::Exactly { refused } => {
            format!("account {user} is as it was; the filesystem refused the file's attributes {}", refused.join(", "))
        }
        Back::Merged => format!("account {user} is unlocked; other accounts were changed meanwhile and stay so"),
        Back::Gone => format!("the file of passwords was removed meanwhile, and account {user} with it"),
        Back::Already => format!("account {user} was unlocked already"),
    })
}

fn shadow(root: &Path) -> PathBuf {
    root.join("etc/shadow")
}

/// The lock that `passwd`, `usermod` and their like take before they change an account.
fn lock(root: &Path) -> Result<File> {
    let path = root.join("etc/.pwd.lock");
    let fail = |doing| {
        let path = path.clone();
        move |source| LockError::Lock { doing, path, source }
    };
    let flags = (nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK).bits();
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).custom_flags(flags).open(&path);
    let file = file.map_err(fail("open"))?;
    let whole = libc::flock {
        l_type: i16::try_from(libc::F_WRLCK).unwrap_or_default(),
        l_whence: i16::try_from(libc::SEEK_SET).unwrap_or_default(),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    let taken = reached(PATIENCE, || match fcntl(&file, FcntlArg::F_OFD_SETLK(&whole)) {
        Ok(_) => Ok(true),
        Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EACCES) => Ok(false),
        Err(error) => Err(io::Error::from(error)),
    });
    match taken {
        Ok(true) => Ok(file),
        Ok(false) => Err(fail("take the lock")(io::ErrorKind::TimedOut.into())),
        Err(error) => Err(fail("take the lock")(error)),
    }
}

/// The account's line without its end.
fn line<'a>(content: &'a [u8], user: &str) -> Option<&'a [u8]> {
    content.get(place(content, user)?)
}

/// Where its first line stands, which is the one that counts.
fn place(content: &[u8], user: &str) -> Option<Range<usize>> {
    let mut start = 0;
    for line in content.split(|byte| *byte == b'\n') {
        let end = start + line.len();
        if line.strip_prefix(user.as_bytes()).is_some_and(|rest| rest.first() == Some(&b':')) {
            return Some(start..end);
        }
        start = end + 1;
    }
    None
}

/// The content with the account's line edited by its fields; `None` where it has none.
fn edited(content: &[u8], user: &str, edit: impl FnOnce(&mut Vec<Vec<u8>>)) -> Option<Vec<u8>> {
    let place = place(content, user)?;
    let mut fields: Vec<Vec<u8>> =
        content.get(place.clone())?.split(|byte| *byte == b':').map(<[u8]>::to_vec).collect();
    edit(&mut fields);
    let mut whole = content.get(..place.start)?.to_vec();
    whole.extend(fields.join(&b':'));
    whole.extend_from_slice(content.get(place.end..)?);
    Some(whole)
}

fn lock_fields(fields: &mut Vec<Vec<u8>>) {
    if let Some(password) = fields.get_mut(PASSWORD).filter(|password| !password.starts_with(b"!")) {
        password.insert(0, b'!');
    }
    if fields.len() <= END {
        fields.resize(END + 2, Vec::new());
    }
    if let Some(end) = fields.get_mut(END) {
        *end = LONG_AGO.into();
    }
}

/// What the lock set and nobody set anew becomes as it was.
fn unlock_fields(fields: &mut [Vec<u8>], before: &[u8]) {
    let before: Vec<&[u8]> = before.split(|byte| *byte == b':').collect();
    let was = |at: usize| before.get(at).copied().unwrap_or_default();
    if let Some(password) = fields.get_mut(PASSWORD)
        && password.starts_with(b"!")
        && !was(PASSWORD).starts_with(b"!")
    {
        password.remove(0);
    }
    if let Some(end) = fields.get_mut(END).filter(|end| *end == LONG_AGO.as_bytes()) {
        *end = was(END).to_vec();
    }
}

fn is_locked(line: &[u8]) -> bool {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
    let password = fields.get(PASSWORD).copied().unwrap_or_default();
    password.starts_with(b"!") && fields.get(END).copied() == Some(LONG_AGO.as_bytes())
}

#[cfg(test)]
mod tests;
