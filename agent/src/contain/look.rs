//! Owns: whether what an act is meant to take away is there now.
//! Never: changing anything, or what a file holds beyond whether one line stands in it.

use std::path::Path;

use picket_model::Seen;
use picket_model::action::ActionKind;

use crate::accounts::Accounts;

use super::expire_credentials::{self, CredentialsError};
use super::remove_line::{self, LineError};
use super::{Containment, disable_module, disable_unit, end_sessions, kill_tree, lock_account, restore_file};

impl Containment {
    /// One answer for each, in their order.
    #[must_use]
    pub fn look(&self, kinds: &[ActionKind]) -> Vec<Seen> {
        kinds.iter().map(|kind| self.look_for(kind)).collect()
    }

    fn look_for(&self, kind: &ActionKind) -> Seen {
        let root = &self.steps.root;
        let or_unknown = |gone: Result<bool, String>| match gone {
            Ok(true) => Seen::Gone,
            Ok(false) => Seen::There,
            Err(why) => Seen::Unknown(why),
        };
        match kind {
            // Processes end with the host's start.
            ActionKind::KillTree { target } if target.boot != self.steps.boot => Seen::Gone,
            ActionKind::KillTree { target } => or_unknown(Ok(kill_tree::verify(target))),
            ActionKind::QuarantineFile { path, .. } => match Path::new(path).symlink_metadata() {
                Ok(_) => Seen::There,
                Err(error) if is_absent(&error) => Seen::Gone,
                Err(error) => Seen::Unknown(error.to_string()),
            },
            ActionKind::RemoveLine { path, line, .. } => match remove_line::plan(path, line, None, None) {
                Ok(_) => Seen::There,
                Err(LineError::Absent { .. }) => Seen::Gone,
                Err(_) if Path::new(path).symlink_metadata().is_err_and(|error| is_absent(&error)) => Seen::Gone,
                Err(error) => Seen::Unknown(error.to_string()),
            },
            ActionKind::DisableUnit { unit } => or_unknown(disable_unit::is_off(root, unit).map_err(said)),
            ActionKind::DisableModule { module } => or_unknown(disable_module::is_off(root, module).map_err(said)),
            ActionKind::LockAccount { user } => or_unknown(lock_account::is_shut(root, user).map_err(said)),
            ActionKind::ExpireCredentials { user } => match expire_credentials::plan(root, &self.steps.vault, user) {
                Ok(_) => Seen::There,
                Err(CredentialsError::Nothing { left, .. }) if left.is_empty() => Seen::Gone,
                Err(error) => Seen::Unknown(error.to_string()),
            },
            ActionKind::RestoreFile { path, before, last } => {
                restore_file::look(&self.steps.copies, path, *before, *last)
            }
            ActionKind::EndSessions { user } => match Accounts::read(root) {
                Ok(accounts) if accounts.uid(user).is_none() => Seen::Gone,
                _ => or_unknown(end_sessions::verify(root, user, &[]).map_err(said)),
            },
            other => Seen::Unknown(format!("{} is not looked for", other.word())),
        }
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}
