//! Owns: taking back what was done, each kind by its own file, and seeing that it is.
//! Never: the journal, or what was never done.

use picket_model::action::ActionKind;
use picket_model::process::Sha256;

use super::super::kept::Kept;
use super::super::ledger::{Before, Entry};
use super::super::{
    disable_module, disable_unit, expire_credentials, freeze_group, isolate_host, kill_tree, lock_account,
    quarantine_file, remove_line, restore_file, rewrite, suspend_process,
};
use super::{StepError, Steps, named};

const WORD_ON_FILE: &str = "the journal's word on the file";

impl Steps {
    /// Takes it back and checks that; gives what was done in words. `others`: how long another action cuts the same scope.
    pub fn undo(&mut self, entry: &Entry, others: Option<u64>) -> Result<String, StepError> {
        let detail = self.take_back(entry, others)?;
        if self.verify_undone(entry, others)? { Ok(detail) } else { Err(StepError::Unverified { what: "the undoing" }) }
    }

    fn take_back(&mut self, entry: &Entry, others: Option<u64>) -> Result<String, StepError> {
        match &entry.report.action.kind {
            ActionKind::KillTree { target } => {
                kill_tree::undo(target)?;
                Ok(String::new())
            }
            ActionKind::QuarantineFile { .. } => match &entry.kept {
                Some(kept) => Ok(quarantine_file::undo(&self.vault, entry.id().into(), kept)?),
                None => Err(StepError::Unverified { what: WORD_ON_FILE }),
            },
            ActionKind::DenyExecution { .. } | ActionKind::DenyPath { .. } => Ok(self.denials.undo(entry.id())?),
            ActionKind::IsolateHost { scope } => match others {
                Some(lease_ms) => {
                    isolate_host::apply(scope, &self.reach(), lease_ms)?;
                    Ok(format!("{} stays cut off by another action for {lease_ms} ms", named(scope)))
                }
                None if isolate_host::undo(scope)? => Ok(format!("{} is connected again", named(scope))),
                None => Ok(format!("{} was connected again already", named(scope))),
            },
            ActionKind::SuspendProcess { target } if target.boot != self.boot => {
                Ok(format!("process {} went with the host's last start", target.pid))
            }
            ActionKind::SuspendProcess { target } => Ok(suspend_process::undo(target, was_still(entry))?),
            ActionKind::FreezeGroup { group } => Ok(freeze_group::undo(group, was_still(entry))?),
            ActionKind::RemoveLine { line, .. } => {
                let (kept, left) = exchanged(entry)?;
                Ok(remove_line::undo(&self.vault, entry.id(), kept, left, line)?)
            }
            ActionKind::LockAccount { user } => {
                let (kept, left) = exchanged(entry)?;
                Ok(lock_account::undo(&self.vault, entry.id(), &self.root, kept, left, user)?)
            }
            ActionKind::RestoreFile { path, .. } => match entry.left() {
                Some(left) => {
                    let (path, kept) = (self.copies.on_host(path), entry.kept.as_ref());
                    Ok(restore_file::undo(&self.vault, entry.id(), &path, kept, left)?)
                }
                None => Ok(format!("{path} was as it was to be; there is nothing to take back")),
            },
            ActionKind::BlockAddress { .. } => Ok(self.blocks.undo(entry.id())?),
            ActionKind::BlockDomain { domain } => Ok(self.domains.undo(entry.id(), domain)?),
            ActionKind::DisableUnit { unit } => Ok(disable_unit::undo(&self.root, unit, unit_before(entry).0)?),
            ActionKind::DisableModule { module } => {
                Ok(disable_module::undo(&self.root, module, &module_before(entry))?)
            }
            ActionKind::ExpireCredentials { .. } => {
                Ok(expire_credentials::undo(&self.vault, entry.id(), entry.files())?)
            }
            kind @ (ActionKind::EndSessions { .. } | ActionKind::CutConnection { .. }) => {
                Err(StepError::NoInverse { word: kind.word() })
            }
        }
    }

    /// Whether the host is as it was before the act, or as somebody else has made it since.
    fn verify_undone(&self, entry: &Entry, others: Option<u64>) -> Result<bool, StepError> {
        Ok(match &entry.report.action.kind {
            ActionKind::KillTree { .. } | ActionKind::EndSessions { .. } | ActionKind::CutConnection { .. } => false,
            ActionKind::RestoreFile { path, .. } => match entry.left() {
                Some(left) => {
                    let (path, kept) = (self.copies.on_host(path), entry.kept.as_ref());
                    restore_file::verify_undone(&self.vault, entry.id(), &path, kept, left)?
                }
                None => true,
            },
            ActionKind::BlockAddress { .. } => self.blocks.verify_undone(entry.id())?,
            ActionKind::BlockDomain { domain } => self.domains.verify_undone(domain),
            ActionKind::DisableUnit { unit } => {
                let (ran, enablement) = unit_before(entry);
                disable_unit::verify_undone(&self.root, unit, ran, enablement)?
            }
            ActionKind::ExpireCredentials { .. } => {
                expire_credentials::verify_undone(&self.vault, entry.id(), entry.files())?
            }
            ActionKind::DisableModule { module } => {
                disable_module::verify_undone(&self.root, module, &module_before(entry))?
            }
            ActionKind::QuarantineFile { .. } => match &entry.kept {
                Some(kept) => quarantine_file::verify_undone(&self.vault, entry.id().into(), kept)?,
                None => false,
            },
            ActionKind::DenyExecution { .. } | ActionKind::DenyPath { .. } => self.denials.verify_undone(entry.id()),
            ActionKind::IsolateHost { scope } if others.is_some() => isolate_host::verify(scope)?,
            ActionKind::IsolateHost { scope } => isolate_host::verify_undone(scope)?,
            ActionKind::SuspendProcess { target } => {
                target.boot != self.boot || suspend_process::verify_undone(target, was_still(entry))?
            }
            ActionKind::FreezeGroup { group } => freeze_group::verify_undone(group, was_still(entry))?,
            ActionKind::RemoveLine { .. } | ActionKind::LockAccount { .. } => {
                let (kept, _) = exchanged(entry)?;
                rewrite::verify_undone(&self.vault, entry.id(), kept)?
            }
        })
    }
}

/// Whether somebody had stopped it before.
const fn was_still(entry: &Entry) -> bool {
    matches!(entry.before, Some(Before::Running { already: true }))
}

/// Whether the unit ran, and how it was enabled.
fn unit_before(entry: &Entry) -> (bool, &str) {
    match &entry.before {
        Some(Before::Unit { ran, enablement }) => (*ran, enablement),
        _ => (false, ""),
    }
}

/// Whether the module was loaded, and with what.
fn module_before(entry: &Entry) -> disable_module::State {
    match &entry.before {
        Some(Before::Module(state)) => state.clone(),
        _ => disable_module::State::default(),
    }
}

/// Of a file with another content now: what it was, and by what the new content is known.
fn exchanged(entry: &Entry) -> Result<(&Kept, Sha256), StepError> {
    let kept = entry.kept.as_ref().ok_or(StepError::Unverified { what: WORD_ON_FILE })?;
    Ok((kept, entry.left().ok_or(StepError::Unverified { what: WORD_ON_FILE })?))
}
