//! Owns: taking away what lets a local account in without its password, and giving all of it back as it was.
//! Never: root's, another account's file, or one behind a symbolic link; those are left and said.

mod find;

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use picket_model::id::ActionId;

use super::kept::Kept;
use super::quarantine_file::{self, QuarantineError};
use super::vault::{Slot, Vault};
use crate::accounts::Accounts;
use find::Found;

/// Files of one account. One with more is no person's.
const FILES_MAX: usize = 64;
/// Named in a report; the count is always whole.
const FILES_NAMED: usize = 8;

#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error("the credentials of {user} are not taken away: {why}")]
    Guarded { user: String, why: &'static str },
    #[error("cannot look for the credentials of {user}: {source}; nothing was done")]
    Look { user: String, source: io::Error },
    #[error("{user} has nothing that lets it in without its password; nothing was done{left}")]
    Nothing { user: String, left: String },
    #[error("{user} has more than {FILES_MAX} files of credentials; nothing was done, look at {}", .example.display())]
    Many { user: String, example: PathBuf },
    #[error("{source}; what was taken away before it is back")]
    Cut { source: QuarantineError },
    #[error(transparent)]
    File(#[from] QuarantineError),
}

type Result<T> = std::result::Result<T, CredentialsError>;

#[derive(Debug)]
pub struct Plan {
    user: String,
    files: Vec<quarantine_file::Plan>,
    /// What stays, and why, in words.
    left: String,
}

impl Plan {
    pub fn kept(&self) -> Vec<Kept> {
        self.files.iter().map(|file| file.kept.clone()).collect()
    }
}

/// Holds the files. Nothing is changed yet. `root`: where the host's file system begins.
pub fn plan(root: &Path, vault: &Vault, user: &str) -> Result<Plan> {
    let look = |source| CredentialsError::Look { user: user.to_owned(), source };
    let accounts = Accounts::read(root).map_err(look)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    if let Some(why) = accounts.guard(user, now) {
        return Err(CredentialsError::Guarded { user: user.to_owned(), why });
    }
    let (uid, home) = (accounts.uid(user).unwrap_or(u32::MAX), accounts.home(user).unwrap_or_default());
    let Found { files: paths, mut left } = find::all(root, user, uid, home).map_err(look)?;
    let mut files = Vec::new();
    for path in paths {
        match quarantine_file::plan(vault, &path, None, None) {
            Ok(file) if [0, uid].contains(&file.kept.uid) => files.push(file),
            Ok(file) => left.push(format!("{} belongs to uid {}", path.display(), file.kept.uid)),
            Err(QuarantineError::Reach { .. }) if path.symlink_metadata().is_err() => {}
            Err(QuarantineError::Reach { source, .. }) => {
                left.push(format!("{} is no regular file, or lies behind a symbolic link ({source})", path.display()));
            }
            Err(error) => return Err(error.into()),
        }
        if files.len() > FILES_MAX {
            return Err(CredentialsError::Many { user: user.to_owned(), example: path });
        }
    }
    let left = if left.is_empty() { String::new() } else { format!("; left: {}", left.join(", ")) };
    if files.is_empty() {
        return Err(CredentialsError::Nothing { user: user.to_owned(), left });
    }
    Ok(Plan { user: user.to_owned(), files, left })
}

/// Takes all of them away; gives what was done in words. On an error all of them are where they were.
pub fn apply(vault: &Vault, id: ActionId, Plan { user, files, left }: &Plan) -> Result<String> {
    for (nth, file) in files.iter().enumerate() {
        let slot = Slot::new(id, nth);
        let done = quarantine_file::apply(vault, slot, file).map(drop);
        let done = done.and_then(|()| quarantine_file::verify(vault, slot, &file.kept));
        if let Err(source) = done {
            give_back(vault, id, files.iter().take(nth + 1).map(|file| &file.kept))?;
            return Err(CredentialsError::Cut { source });
        }
    }
    let named: Vec<String> = files.iter().take(FILES_NAMED).map(|file| file.kept.path.display().to_string()).collect();
    let more = if files.len() > FILES_NAMED { ", …" } else { "" };
    let noun = if files.len() == 1 { "file" } else { "files" };
    let count = files.len();
    Ok(format!(
        "took away {count} {noun} that let {user} in without its password: {}{more}; its sessions go on{left}",
        named.join(", ")
    ))
}

/// Whether all of them are in the vault, and none stands where it stood.
pub fn verify(vault: &Vault, id: ActionId, kept: &[Kept]) -> bool {
    kept.iter().enumerate().all(|(nth, kept)| quarantine_file::verify(vault, Slot::new(id, nth), kept).is_ok())
}

/// Gives all of them back, or, where something stands in the way of one, none. Begun again after a crash it goes on.
pub fn undo(vault: &Vault, id: ActionId, kept: &[Kept]) -> Result<String> {
    let mut away = Vec::new();
    for (nth, kept) in kept.iter().enumerate() {
        let slot = Slot::new(id, nth);
        if quarantine_file::recover_undo(vault, slot, kept)? {
            continue;
        }
        quarantine_file::may_return(vault, slot, kept)?;
        away.push((slot, kept));
    }
    let mut told = Vec::new();
    for (slot, kept) in away {
        told.push(quarantine_file::undo(vault, slot, kept)?);
    }
    Ok(if told.is_empty() { "all of them were back already".to_owned() } else { told.join(", ") })
}

/// Whether the vault has none of them any more.
pub fn verify_undone(vault: &Vault, id: ActionId, kept: &[Kept]) -> Result<bool> {
    for (nth, kept) in kept.iter().enumerate() {
        if !quarantine_file::verify_undone(vault, Slot::new(id, nth), kept)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What a crash has left is brought to one of two ends. True: all of them are taken away. False: none is.
pub fn recover(vault: &Vault, id: ActionId, kept: &[Kept]) -> Result<bool> {
    let mut taken = 0;
    for (nth, kept) in kept.iter().enumerate() {
        taken += usize::from(quarantine_file::recover(vault, Slot::new(id, nth), kept)?);
    }
    if taken < kept.len() {
        give_back(vault, id, kept.iter())?;
    }
    Ok(taken == kept.len() && taken > 0)
}

/// After a start of the agent. Whether the vault still has any of them, which is then neutral.
pub fn hold(vault: &Vault, id: ActionId, kept: &[Kept]) -> Result<bool> {
    let mut taken = false;
    for (nth, kept) in kept.iter().enumerate() {
        taken |= quarantine_file::recover(vault, Slot::new(id, nth), kept)?;
    }
    Ok(taken)
}

/// Those that were taken away, whatever became of the act.
fn give_back<'a>(vault: &Vault, id: ActionId, kept: impl Iterator<Item = &'a Kept>) -> Result<()> {
    for (nth, kept) in kept.enumerate() {
        let slot = Slot::new(id, nth);
        if quarantine_file::recover(vault, slot, kept)? {
            quarantine_file::undo(vault, slot, kept)?;
        }
    }
    Ok(())
}
