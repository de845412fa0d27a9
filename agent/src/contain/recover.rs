//! Owns: what happens at the start to actions that a crash cut short and to containments still in force.
//! Never: a new act that nobody had decided.

use picket_model::Timestamp;
use picket_model::action::{ActionKind, ActionReport, ActionState};
use picket_model::process::ProcessKey;

use super::ledger::{Entry, Undoing};
use super::steps::{self, Beside, StepError};
use super::{
    Containment, disable_module, disable_unit, end_sessions, expire_credentials, isolate_host, kill_tree,
    quarantine_file, restore_file, rewrite,
};
use crate::sys::clock;

/// A kill decided so recently is carried to its end; an older one might no longer be wanted.
const FINISH_WITHIN_MS: u64 = 60_000;

/// How an action stands now, and why, in words.
type Found = (ActionState, String);

impl Containment {
    /// Reports what changed; what is in force as before needs no report.
    pub(super) fn recover(&mut self, cut_short: Vec<Entry>) -> Vec<ActionReport> {
        let (now, steady) = (clock::now(), self.steady.now());
        let unfinished: Vec<_> = cut_short.iter().map(Entry::id).collect();
        let lasting = |entry: &&Entry| !unfinished.contains(&entry.id()) && self.ends(entry) > steady;
        let in_force: Vec<Entry> = self.ledger.in_force().filter(lasting).cloned().collect();
        let mut reports = Vec::new();
        for entry in cut_short {
            let found = match &entry.undoing {
                Some(undoing) => self.finish_undoing(&entry, undoing),
                None => Some(self.finish(&entry, now, steady)),
            };
            if let Some((state, detail)) = found {
                reports.push(self.write_down(entry.turned(state, now, detail)));
            }
        }
        for entry in in_force {
            if let Err(why) = self.arm(&entry, steady) {
                let detail = format!("no longer in force after the agent started again: {why}");
                reports.push(self.write_down(entry.turned(ActionState::Failed, now, detail)));
            }
        }
        reports.extend(self.end_due(steady));
        reports
    }

    /// An act that was announced, and perhaps begun. `now` by the host's clock, and the steady date.
    fn finish(&mut self, entry: &Entry, now: Timestamp, steady: Timestamp) -> Found {
        match &entry.report.action.kind {
            ActionKind::KillTree { target } => self.finish_kill(target, entry, now),
            ActionKind::QuarantineFile { .. } => match &entry.kept {
                Some(kept) => match quarantine_file::recover(&self.steps.vault, entry.id().into(), kept) {
                    Ok(true) => applied(format!("took away {}; the agent ended meanwhile", kept.path.display())),
                    Ok(false) => failed(format!("the agent ended before {} was taken away", kept.path.display())),
                    Err(error) => failed(format!("the agent ended meanwhile: {error}")),
                },
                None => failed("the agent ended before the file was looked at".to_owned()),
            },
            // Its guard ended with the agent: nothing of it is left.
            ActionKind::DenyExecution { .. } | ActionKind::DenyPath { .. } => {
                failed("the agent ended before executions were refused".to_owned())
            }
            ActionKind::IsolateHost { scope } => {
                let others = steps::other_isolation(self.ledger.in_force(), entry, steady);
                match isolate_host::verify(scope) {
                    Ok(true) if others.is_none() => applied("cut off; the agent ended meanwhile".to_owned()),
                    Ok(_) => failed("the agent ended before the network was cut".to_owned()),
                    Err(error) => failed(format!("the agent ended meanwhile: {error}")),
                }
            }
            ActionKind::SuspendProcess { target } if target.boot != self.steps.boot => {
                failed("the host started again before it was done; the process went with it".to_owned())
            }
            ActionKind::SuspendProcess { .. } | ActionKind::FreezeGroup { .. } => self.finish_as_found(entry),
            ActionKind::RestoreFile { path, .. } if entry.kept.is_none() => self.finish_put(path, entry),
            ActionKind::RemoveLine { .. } | ActionKind::LockAccount { .. } | ActionKind::RestoreFile { .. } => {
                self.finish_exchange(entry)
            }
            ActionKind::EndSessions { user } => self.finish_sessions(user, entry, now),
            ActionKind::BlockAddress { .. } | ActionKind::BlockDomain { .. } => self.finish_block(entry, steady),
            ActionKind::DisableUnit { unit } => self.finish_unit(unit, entry),
            ActionKind::DisableModule { module } => self.finish_module(module, entry),
            ActionKind::ExpireCredentials { user } => self.finish_credentials(user, entry),
            // Whether it was, the connection itself shows; an order that old is not carried out any more.
            ActionKind::CutConnection { .. } => self.finish_as_found(entry),
        }
    }

    /// A file that was to get another content.
    fn finish_exchange(&self, entry: &Entry) -> Found {
        let Some(kept) = &entry.kept else { return failed("the agent ended before the file was looked at".to_owned()) };
        match rewrite::recover(&self.steps.vault, entry.id(), kept) {
            Ok(true) => applied(format!("{} was changed; the agent ended meanwhile", kept.path.display())),
            Ok(false) => failed(format!("the agent ended before {} was changed", kept.path.display())),
            Err(error) => failed(format!("the agent ended meanwhile: {error}")),
        }
    }

    /// A file that was to stand where none did.
    fn finish_put(&self, path: &str, entry: &Entry) -> Found {
        let Some(left) = entry.left() else {
            return failed("the agent ended before the file was looked at".to_owned());
        };
        match restore_file::recover(entry.id(), &self.steps.copies.on_host(path), left) {
            Ok(true) => applied(format!("put back {path}; the agent ended meanwhile")),
            Ok(false) => failed(format!("the agent ended before {path} was put back")),
            Err(error) => failed(format!("the agent ended meanwhile: {error}")),
        }
    }

    /// The kernel may have it already; the guard of it has to learn so.
    fn finish_block(&mut self, entry: &Entry, steady: Timestamp) -> Found {
        match self.arm(entry, steady) {
            Ok(()) => applied("blocked; the agent ended meanwhile".to_owned()),
            Err(why) => failed(format!("the agent ended meanwhile: {why}")),
        }
    }

    /// A mask without its stop is carried to its end; where there is none, nothing was done.
    fn finish_unit(&mut self, unit: &str, entry: &Entry) -> Found {
        if !disable_unit::is_masked(&self.steps.root, unit) {
            return failed(format!("the agent ended before {unit} was disabled"));
        }
        match disable_unit::hold(&self.steps.root, unit) {
            Ok(()) => applied(format!("{unit} is disabled; the agent ended meanwhile")),
            Err(error) => {
                let back = self.steps.undo(entry, None).err().map_or_else(String::new, |more| format!("; {more}"));
                failed(format!("the agent ended meanwhile: {error}{back}"))
            }
        }
    }

    /// A denial without its unloading is carried to its end; where there is none, nothing was done.
    fn finish_module(&mut self, module: &str, entry: &Entry) -> Found {
        if !disable_module::is_begun(&self.steps.root, module) {
            let left = disable_module::clean(&self.steps.root, module).err();
            let left = left.map_or_else(String::new, |error| format!("; {error}"));
            return failed(format!("the agent ended before {module} was disabled{left}"));
        }
        match disable_module::hold(&self.steps.root, module) {
            Ok(()) => applied(format!("{module} is disabled; the agent ended meanwhile")),
            Err(error) => {
                let back = self.steps.undo(entry, None).err().map_or_else(String::new, |more| format!("; {more}"));
                failed(format!("the agent ended meanwhile: {error}{back}"))
            }
        }
    }

    /// Several files: all of them are away, or none.
    fn finish_credentials(&self, user: &str, entry: &Entry) -> Found {
        match expire_credentials::recover(&self.steps.vault, entry.id(), entry.files()) {
            Ok(true) => applied(format!("took away the credentials of {user}; the agent ended meanwhile")),
            Ok(false) => failed(format!("the agent ended before the credentials of {user} were taken away")),
            Err(error) => failed(format!("the agent ended meanwhile: {error}")),
        }
    }

    fn finish_sessions(&mut self, user: &str, entry: &Entry, now: Timestamp) -> Found {
        let fresh = now.millis_since(entry.report.time) < FINISH_WITHIN_MS;
        let done = if fresh {
            let plan = self.steps.plan(&entry.report.action, Beside { spare: &entry.spare, ..Beside::default() });
            plan.and_then(|plan| self.steps.apply(entry.id(), plan, 0))
        } else {
            end_sessions::thaw(&self.steps.root, user).map_err(Into::into).map(|()| String::new())
        };
        match done {
            Ok(detail) if fresh => applied(format!("{detail}; the agent ended meanwhile")),
            Ok(_) => failed(format!("the agent ended before it was done; what {user} runs goes on")),
            Err(error) => failed(format!("the agent ended meanwhile: {error}")),
        }
    }

    /// Where the act is one step that either was done or was not.
    fn finish_as_found(&self, entry: &Entry) -> Found {
        match self.steps.verify(entry) {
            Ok(true) => applied("done; the agent ended meanwhile".to_owned()),
            Ok(false) => failed("the agent ended before it was done".to_owned()),
            Err(error) => failed(format!("the agent ended meanwhile: {error}")),
        }
    }

    fn finish_kill(&mut self, target: &ProcessKey, entry: &Entry, now: Timestamp) -> Found {
        if target.boot != self.steps.boot {
            return failed("the host started again before it was done; the process went with it".to_owned());
        }
        if kill_tree::verify(target) {
            return applied(format!("process {target} is gone; the agent ended meanwhile"));
        }
        let fresh = now.millis_since(entry.report.time) < FINISH_WITHIN_MS;
        let done = if fresh {
            let beside = Beside { spare: &entry.spare, ..Beside::default() };
            let plan = self.steps.plan(&entry.report.action, beside);
            plan.and_then(|plan| self.steps.apply(entry.id(), plan, 0))
        } else {
            kill_tree::thaw(&self.steps.tasks, target).map_err(Into::into).map(|()| String::new())
        };
        match done {
            Ok(detail) if fresh => applied(format!("{detail}; the agent ended meanwhile")),
            Ok(_) => failed(format!("the agent ended before it was done; process {target} runs on")),
            Err(error) => failed(format!("the agent ended meanwhile: {error}")),
        }
    }

    /// An undoing that had begun goes on; `None` where it cannot and the containment stays, to be undone again.
    fn finish_undoing(&mut self, entry: &Entry, undoing: &Undoing) -> Option<Found> {
        let mut whole = entry.clone();
        whole.undoing = None;
        if let (ActionKind::QuarantineFile { .. }, Some(kept)) = (&entry.report.action.kind, &entry.kept)
            && let Ok(true) = quarantine_file::recover_undo(&self.steps.vault, entry.id().into(), kept)
        {
            let detail = format!("gave back {}; the agent ended meanwhile", kept.path.display());
            return Some((undoing.state, super::told(undoing, &detail)));
        }
        let others = steps::other_isolation(self.ledger.in_force(), entry, self.steady.now());
        match self.steps.undo(&whole, others) {
            Ok(detail) => Some((undoing.state, super::told(undoing, &detail))),
            Err(error) => {
                let more = self.neutral_again(entry).map_or_else(String::new, |more| format!("; {more}"));
                let why = format!("its undoing, cut short when the agent ended, failed: {error}{more}");
                Some((ActionState::Applied, why))
            }
        }
    }

    /// A file may lie in the vault with attributes already given back; gives what stands in the way, in words.
    fn neutral_again(&self, entry: &Entry) -> Option<String> {
        let (vault, id) = (&self.steps.vault, entry.id());
        match (&entry.report.action.kind, &entry.kept) {
            (ActionKind::QuarantineFile { .. }, Some(kept)) => {
                quarantine_file::recover(vault, id.into(), kept).err().map(|error| error.to_string())
            }
            (ActionKind::ExpireCredentials { .. }, _) => {
                expire_credentials::hold(vault, id, entry.files()).err().map(|error| error.to_string())
            }
            _ => None,
        }
    }

    /// Puts a containment in force again after a start, for the rest of its lease at the steady date `now`.
    pub(super) fn arm(&mut self, entry: &Entry, now: Timestamp) -> Result<(), String> {
        match &entry.report.action.kind {
            ActionKind::KillTree { .. } | ActionKind::EndSessions { .. } | ActionKind::CutConnection { .. } => Ok(()),
            ActionKind::DisableUnit { unit } => {
                disable_unit::hold(&self.steps.root, unit).map_err(|error| error.to_string())
            }
            ActionKind::ExpireCredentials { .. } => {
                match expire_credentials::hold(&self.steps.vault, entry.id(), entry.files()) {
                    Ok(true) => Ok(()),
                    Ok(false) => Err("its files are not in the vault".to_owned()),
                    Err(error) => Err(error.to_string()),
                }
            }
            ActionKind::DisableModule { module } => {
                disable_module::hold(&self.steps.root, module).map_err(|error| error.to_string())
            }
            ActionKind::BlockAddress { .. } | ActionKind::BlockDomain { .. } => {
                let plan = self.steps.plan(&entry.report.action, Beside::default()).map_err(said)?;
                let left = entry.until.map_or(0, |until| until.millis_since(now));
                self.steps.apply(entry.id(), plan, left).map_err(said).map(drop)
            }
            ActionKind::RestoreFile { .. } if entry.kept.is_none() => Ok(()),
            ActionKind::RemoveLine { .. } | ActionKind::LockAccount { .. } | ActionKind::RestoreFile { .. } => {
                let kept = entry.kept.as_ref().ok_or("the journal does not say what the file was")?;
                match rewrite::holds(&self.steps.vault, entry.id(), kept) {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(format!("what {} was is not in the vault", kept.path.display())),
                    Err(error) => Err(error.to_string()),
                }
            }
            ActionKind::QuarantineFile { .. } => {
                if self.steps.verify(entry).map_err(said)? {
                    return Ok(());
                }
                let kept = entry.kept.as_ref().ok_or("the journal does not say what the file was")?;
                match quarantine_file::recover(&self.steps.vault, entry.id().into(), kept) {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(format!("{} is not in the vault", kept.path.display())),
                    Err(error) => Err(error.to_string()),
                }
            }
            ActionKind::DenyExecution { .. } | ActionKind::DenyPath { .. } => {
                let beside = Beside { size: self.size_of(&entry.report.action), ..Beside::default() };
                let plan = self.steps.plan(&entry.report.action, beside).map_err(said)?;
                self.steps.apply(entry.id(), plan, 0).map_err(said).map(drop)
            }
            // Without their addresses it would cut the coordinators off too.
            ActionKind::IsolateHost { scope } if self.steps.coordinators.is_empty() => {
                match isolate_host::verify(scope) {
                    Ok(true) => Ok(()),
                    Ok(false) => Err("the coordinators' addresses are not known".to_owned()),
                    Err(error) => Err(error.to_string()),
                }
            }
            ActionKind::IsolateHost { scope } => {
                let left = self.lease_left(entry, now);
                match isolate_host::apply(scope, &self.steps.reach(), left) {
                    Err(error) if !isolate_host::verify(scope).unwrap_or(false) => Err(error.to_string()),
                    _ => Ok(()),
                }
            }
            ActionKind::SuspendProcess { .. } | ActionKind::FreezeGroup { .. } => {
                let plan = self.steps.plan(&entry.report.action, Beside::default()).map_err(said)?;
                self.steps.apply(entry.id(), plan, 0).map_err(said).map(drop)
            }
        }
    }
}

fn said(error: StepError) -> String {
    error.to_string()
}

const fn applied(detail: String) -> Found {
    (ActionState::Applied, detail)
}

const fn failed(detail: String) -> Found {
    (ActionState::Failed, detail)
}
