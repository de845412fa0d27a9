//! Owns: the same steps for every kind: plan, apply, verify, undo, verify the undoing; each handed to the kind's own file.
//! Never: the journal, or a step out of order.

mod back;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use picket_model::Timestamp;
use picket_model::action::{Action, ActionKind, Domain, IsolationScope};
use picket_model::id::ActionId;
use picket_model::process::{FileId, ProcessKey};
use picket_policy::Isolation;

use super::block_address::{self, BlockError, Blocks};
use super::block_domain::{self, DomainError, Domains};
use super::copies::Copies;
use super::cut_connection::{self, CutError};
use super::deny_execution::{self, Denials, DenyError};
use super::disable_module::{self, ModuleError};
use super::disable_unit::{self, UnitError};
use super::end_sessions::{self, SessionsError};
use super::evidence::{self, Evidence, Gathered};
use super::expire_credentials::{self, CredentialsError};
use super::freeze_group::{self, FreezeError};
use super::isolate_host::{self, IsolateError, Reach};
use super::kept::Kept;
use super::kill_tree::{self, KillError, Killed};
use super::ledger::{Before, Entry};
use super::lock_account::{self, LockError};
use super::quarantine_file::{self, QuarantineError};
use super::remove_line::{self, LineError};
use super::restore_file::{self, RestoreError};
use super::rewrite::RewriteError;
use super::suspend_process::{self, SuspendError};
use super::vault::Vault;
use crate::tasks::Tasks;

/// How long killed processes may take to be gone: one that hangs in the kernel longer is reported.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
/// Pids named in a report; the count is always whole.
const PIDS_NAMED: usize = 32;

#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error(transparent)]
    Kill(#[from] KillError),
    #[error(transparent)]
    Quarantine(#[from] QuarantineError),
    #[error(transparent)]
    Deny(#[from] DenyError),
    #[error(transparent)]
    Isolate(#[from] IsolateError),
    #[error(transparent)]
    Suspend(#[from] SuspendError),
    #[error(transparent)]
    Freeze(#[from] FreezeError),
    #[error(transparent)]
    Rewrite(#[from] RewriteError),
    #[error(transparent)]
    Line(#[from] LineError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Sessions(#[from] SessionsError),
    #[error(transparent)]
    Block(#[from] BlockError),
    #[error(transparent)]
    Cut(#[from] CutError),
    #[error(transparent)]
    Unit(#[from] UnitError),
    #[error(transparent)]
    Domain(#[from] DomainError),
    #[error(transparent)]
    Module(#[from] ModuleError),
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error("a lease of 0 ms is over before it begins; ask again with a lease")]
    NoLease,
    #[error("{what} did not hold after the act")]
    Unverified { what: &'static str },
    #[error("the process was one of another boot of this host; nothing was done")]
    OtherBoot,
    #[error("{word} has no inverse; start again by hand what was ended")]
    NoInverse { word: &'static str },
}

/// What is known of the target beside the action itself.
#[derive(Clone, Copy, Default)]
pub struct Beside<'a> {
    /// Processes of the target's tree that lost their parent, or that run the content.
    pub known: &'a [ProcessKey],
    /// Executables whose processes are left out of a kill, with all below them, and are not stopped.
    pub spare: &'a [String],
    /// The very file that is meant.
    pub file: Option<FileId>,
    /// Of a denied content, where it was in the vault before.
    pub size: Option<u64>,
}

/// What is to be done, in all that can be known before.
pub enum Plan {
    Kill { target: ProcessKey, known: Vec<ProcessKey>, spare: Vec<String> },
    Quarantine(quarantine_file::Plan),
    Deny(deny_execution::Plan),
    Isolate { scope: IsolationScope },
    Suspend(suspend_process::Plan),
    Freeze(freeze_group::Plan),
    Line(remove_line::Plan),
    Lock(lock_account::Plan),
    Sessions(end_sessions::Plan),
    Block(block_address::Plan),
    Cut(cut_connection::Plan),
    Unit(disable_unit::Plan),
    Domain(block_domain::Plan),
    Module(disable_module::Plan),
    Credentials(expire_credentials::Plan),
    Restore(restore_file::Plan),
}

impl Plan {
    /// What the journal must hold for the undoing.
    pub fn kept(&self) -> Option<Kept> {
        match self {
            Self::Quarantine(plan) => Some(plan.kept.clone()),
            Self::Line(plan) => Some(plan.kept().clone()),
            Self::Lock(plan) => Some(plan.kept().clone()),
            Self::Restore(plan) => plan.kept().cloned(),
            _ => None,
        }
    }

    /// And what it must hold beside that.
    pub fn before(&self) -> Option<Before> {
        match self {
            Self::Suspend(plan) => Some(Before::Running { already: plan.already }),
            Self::Freeze(plan) => Some(Before::Running { already: plan.already }),
            Self::Unit(plan) => {
                Some(Before::Unit { ran: plan.before.runs(), enablement: plan.before.enablement.clone() })
            }
            Self::Module(plan) => Some(Before::Module(plan.before.clone())),
            Self::Credentials(plan) => Some(Before::Files { kept: plan.kept() }),
            Self::Line(plan) => Some(Before::Content { left: plan.left() }),
            Self::Lock(plan) => Some(Before::Content { left: plan.left() }),
            Self::Restore(plan) if plan.kept().is_none() => Some(Before::Nothing { left: plan.left()? }),
            Self::Restore(plan) => Some(Before::Content { left: plan.left()? }),
            _ => None,
        }
    }
}

/// What the steps work with.
pub struct Steps {
    pub vault: Vault,
    pub evidence: Evidence,
    pub copies: Copies,
    pub denials: Denials,
    pub blocks: Blocks,
    pub domains: Domains,
    pub coordinators: Vec<SocketAddr>,
    /// By these they are found, where not by an address.
    pub coordinator_names: Vec<Domain>,
    /// What an isolation leaves reachable beside them, as the bundle in force has it.
    pub isolation: Isolation,
    /// The network in which addresses are blocked and connections are cut.
    pub network: IsolationScope,
    /// This boot as process keys name it.
    pub boot: u32,
    /// Where the host's file system begins.
    pub root: PathBuf,
    pub tasks: Tasks,
}

impl Steps {
    /// What an isolation that begins now leaves reachable.
    pub fn reach(&self) -> Reach {
        let Isolation { allow, dns } = &self.isolation;
        // A signed bundle's networks were read before.
        let allowed = allow.iter().filter_map(|text| text.parse().ok()).collect();
        let resolvers = if *dns { isolate_host::resolvers(&self.root) } else { Vec::new() };
        Reach { coordinators: self.coordinators.clone(), allowed, resolvers }
    }

    pub fn plan(&self, action: &Action, beside: Beside<'_>) -> Result<Plan, StepError> {
        let Beside { known, spare, file, size } = beside;
        if action.kind.undoable() && action.lease_ms == 0 {
            return Err(StepError::NoLease);
        }
        Ok(match &action.kind {
            ActionKind::KillTree { target } => {
                kill_tree::plan(target)?;
                Plan::Kill { target: *target, known: known.to_vec(), spare: spare.to_vec() }
            }
            ActionKind::QuarantineFile { path, sha256 } => {
                Plan::Quarantine(quarantine_file::plan(&self.vault, path.as_ref(), *sha256, file)?)
            }
            ActionKind::DenyExecution { sha256, within } => {
                Plan::Deny(deny_execution::plan(*sha256, within.as_deref(), known, size)?)
            }
            ActionKind::DenyPath { path } => Plan::Deny(deny_execution::plan_path(path)?),
            ActionKind::IsolateHost { scope } => Plan::Isolate { scope: scope.clone() },
            ActionKind::SuspendProcess { target } if target.boot != self.boot => return Err(StepError::OtherBoot),
            ActionKind::SuspendProcess { target } => Plan::Suspend(suspend_process::plan(target, spare)?),
            ActionKind::FreezeGroup { group } => Plan::Freeze(freeze_group::plan(group, spare)?),
            ActionKind::RemoveLine { path, line, sha256 } => Plan::Line(remove_line::plan(path, line, *sha256, file)?),
            ActionKind::LockAccount { user } => Plan::Lock(lock_account::plan(&self.root, user)?),
            ActionKind::BlockAddress { network, port } => {
                Plan::Block(block_address::plan(*network, *port, &self.coordinators)?)
            }
            ActionKind::CutConnection { flow } => Plan::Cut(cut_connection::plan(flow, &self.coordinators)?),
            ActionKind::DisableUnit { unit } => Plan::Unit(disable_unit::plan(&self.root, unit, spare)?),
            ActionKind::DisableModule { module } => Plan::Module(disable_module::plan(&self.root, module)?),
            ActionKind::ExpireCredentials { user } => {
                Plan::Credentials(expire_credentials::plan(&self.root, &self.vault, user)?)
            }
            ActionKind::RestoreFile { path, before, last } => {
                Plan::Restore(restore_file::plan(&self.copies, path, *before, *last)?)
            }
            ActionKind::EndSessions { user } => Plan::Sessions(end_sessions::plan(&self.root, user, spare)?),
            ActionKind::BlockDomain { domain } => {
                Plan::Domain(block_domain::plan(domain, &self.coordinator_names, &self.root)?)
            }
        })
    }

    /// Does it and checks it; gives what was done in words. After an error nothing is left half-done.
    pub fn apply(&mut self, id: ActionId, plan: Plan, lease_ms: u64) -> Result<String, StepError> {
        match plan {
            Plan::Kill { target, known, spare } => {
                let mut seen = None;
                let look = |pids: &[u32]| seen = Some(evidence::gather(pids));
                let done = kill_tree::apply(&self.tasks, &target, &known, &spare, KILL_PATIENCE, look);
                let unkept = self.keep(id, seen);
                Ok(format!("{}{unkept}", killed(&done?)))
            }
            Plan::Quarantine(plan) => self.quarantine(id, &plan),
            Plan::Deny(plan) => {
                let detail = self.denials.apply(id, plan)?;
                if self.denials.verify(id) {
                    return Ok(detail);
                }
                self.denials.undo(id)?;
                Err(StepError::Unverified { what: "the refusal of executions" })
            }
            Plan::Isolate { scope } => {
                let reach = self.reach();
                isolate_host::apply(&scope, &reach, lease_ms)?;
                Ok(format!("cut {} off for {lease_ms} ms but for {}", named(&scope), reach.words()))
            }
            Plan::Suspend(plan) => Ok(suspend_process::apply(&plan)?),
            Plan::Freeze(plan) => Ok(freeze_group::apply(&plan)?),
            Plan::Line(plan) => Ok(remove_line::apply(&self.vault, id, &plan)?),
            Plan::Lock(plan) => Ok(lock_account::apply(&self.vault, id, &self.root, &plan)?),
            Plan::Sessions(plan) => {
                let mut seen = None;
                let done = end_sessions::apply(&plan, |pids: &[u32]| seen = Some(evidence::gather(pids)));
                let unkept = self.keep(id, seen);
                Ok(format!("{}{unkept}", done?))
            }
            Plan::Unit(plan) => Ok(disable_unit::apply(&self.root, &plan)?),
            Plan::Module(plan) => Ok(disable_module::apply(&self.root, &plan)?),
            Plan::Credentials(plan) => Ok(expire_credentials::apply(&self.vault, id, &plan)?),
            Plan::Restore(plan) => Ok(restore_file::apply(&self.vault, id, &plan)?),
            Plan::Block(plan) => Ok(self.blocks.apply(id, plan, lease_ms)?),
            Plan::Cut(plan) => Ok(cut_connection::apply(&self.network, &plan)?),
            Plan::Domain(plan) => Ok(self.domains.apply(id, plan, lease_ms)?),
        }
    }

    /// Has what was gathered of processes written down behind the act; gives in words what cannot be. They are dead by
    /// now, with it or without.
    fn keep(&self, id: ActionId, gathered: Option<Gathered>) -> String {
        let handed = gathered.map_or(Ok(()), |gathered| self.evidence.keep(id, gathered));
        handed.err().map_or_else(String::new, |unkept| format!("; {unkept}"))
    }

    fn quarantine(&self, id: ActionId, plan: &quarantine_file::Plan) -> Result<String, StepError> {
        let done = quarantine_file::apply(&self.vault, id.into(), plan);
        let checked =
            done.and_then(|detail| quarantine_file::verify(&self.vault, id.into(), &plan.kept).map(|()| detail));
        match checked {
            Ok(detail) => Ok(detail),
            // Whatever went wrong, the file is in one of the two places afterwards, and it is known in which.
            Err(error) => match quarantine_file::recover(&self.vault, id.into(), &plan.kept) {
                Ok(true) => Ok(format!("took away {}, though: {error}", plan.kept.path.display())),
                _ => Err(error.into()),
            },
        }
    }

    /// Whether a lasting containment still holds.
    pub fn verify(&self, entry: &Entry) -> Result<bool, StepError> {
        Ok(match &entry.report.action.kind {
            ActionKind::KillTree { target } => kill_tree::verify(target),
            ActionKind::QuarantineFile { .. } => match &entry.kept {
                Some(kept) => quarantine_file::verify(&self.vault, entry.id().into(), kept).is_ok(),
                None => false,
            },
            ActionKind::DenyExecution { .. } | ActionKind::DenyPath { .. } => self.denials.verify(entry.id()),
            ActionKind::IsolateHost { scope } => isolate_host::verify(scope)?,
            ActionKind::SuspendProcess { target } => target.boot != self.boot || suspend_process::verify(target),
            ActionKind::FreezeGroup { group } => freeze_group::verify(group)?,
            ActionKind::RemoveLine { line, .. } => match &entry.kept {
                Some(kept) => remove_line::verify(kept, line)?,
                None => false,
            },
            ActionKind::LockAccount { user } => lock_account::verify(&self.root, user)?,
            ActionKind::BlockAddress { .. } => self.blocks.verify(entry.id())?,
            ActionKind::CutConnection { flow } => {
                cut_connection::verify(&self.network, &cut_connection::plan(flow, &self.coordinators)?)?
            }
            ActionKind::DisableUnit { unit } => disable_unit::verify(&self.root, unit)?,
            ActionKind::DisableModule { module } => disable_module::verify(&self.root, module)?,
            ActionKind::ExpireCredentials { .. } => expire_credentials::verify(&self.vault, entry.id(), entry.files()),
            ActionKind::RestoreFile { path, .. } => match entry.left() {
                Some(left) => restore_file::verify(&self.copies.on_host(path), left)?,
                // It was as it was to be.
                None => true,
            },
            ActionKind::EndSessions { user } => end_sessions::verify(&self.root, user, &[])?,
            ActionKind::BlockDomain { .. } => self.domains.verify(entry.id()),
        })
    }
}

/// How long the longest other isolation of the scope of `entry` still lasts.
pub fn other_isolation<'a>(all: impl Iterator<Item = &'a Entry>, entry: &Entry, now: Timestamp) -> Option<u64> {
    let ActionKind::IsolateHost { scope } = &entry.report.action.kind else { return None };
    all.filter(|other| other.id() != entry.id())
        .filter(|other| matches!(&other.report.action.kind, ActionKind::IsolateHost { scope: same } if same == scope))
        .filter_map(|other| other.until)
        .map(|until| until.millis_since(now))
        .filter(|left| *left > 0)
        .max()
}

fn killed(Killed { pids, spared }: &Killed) -> String {
    let spared = if *spared == 0 { String::new() } else { format!("; spared {spared} protected and what is below") };
    if pids.is_empty() {
        return format!("it had ended by itself; nothing of it was left to kill{spared}");
    }
    let named: Vec<String> = pids.iter().take(PIDS_NAMED).map(u32::to_string).collect();
    let more = if pids.len() > PIDS_NAMED { ", …" } else { "" };
    let noun = if pids.len() == 1 { "process" } else { "processes" };
    format!("killed {} {noun}: {}{more}{spared}", pids.len(), named.join(", "))
}

fn named(scope: &IsolationScope) -> String {
    match scope {
        IsolationScope::Host => "the host".to_owned(),
        IsolationScope::Namespace { name } => format!("network namespace {name}"),
    }
}
