//! Owns: turning a detection or a command into a verdict under the cached bundle and its budgets.
//! Never: system calls.

#[cfg(test)]
pub mod tests;

use std::sync::Arc;

use picket_model::{
    Action, ActionId, ActionKind, Command, CommandKind, Detection, HostId, Principal, Process, ProcessKey, Reason,
    Sha256, Timestamp,
};
pub use picket_policy::proposal::{file_meant, needs_digest};
use picket_policy::{Authority, Families, Halt, Judgement, Moment, Proposed, Target, proposal};
use thiserror::Error;

use crate::procfs::View;

/// An order issued further ahead of this host's clock than this is nonsense, not skew.
const SKEW_MS: u64 = 300_000;

/// Sixteen random bytes for each action's id.
pub type IdSource = Box<dyn FnMut() -> [u8; 16] + Send>;

/// What decide must know of the host and cannot ask the kernel for.
pub trait Surroundings {
    fn process(&self, key: &ProcessKey) -> Option<Arc<Process>>;
    /// The process that has this pid now.
    fn running(&self, pid: u32) -> Option<Arc<Process>>;
    /// Whether the process sees the host's own file system, so that the paths it names mean what they say.
    fn view(&self, key: &ProcessKey) -> View;
    /// Whether a program of the system itself has this content, or none could be ruled out.
    fn is_system_content(&self, sha256: &Sha256, acting: Option<&Process>) -> bool;
    /// Why nobody may lock the account or end what it runs, if so.
    fn account_guard(&self, user: &str) -> Option<&'static str>;
}

#[derive(Debug, Error)]
pub enum Refusal {
    #[error("the order is for host {0}, this is another")]
    OtherHost(HostId),
    #[error("the order ran out at {expires}, and this host's clock says {now}; issue it again if it is still wanted")]
    Stale { expires: Timestamp, now: Timestamp },
    #[error("the order was issued at {issued}, and this host's clock says {now}; check the clocks")]
    Future { issued: Timestamp, now: Timestamp },
    #[error("an order cannot speak for the host itself; it names the coordinator or an analyst")]
    Impostor,
    #[error("there is no process {0} on this host")]
    NoProcess(u32),
    #[error("this host has no policy bundle yet; apply one with `picket policy apply`")]
    NoBundle,
}

/// What a command comes down to once it is judged.
pub enum Order {
    Judged(Box<Judgement>),
    Undo { action: ActionId, principal: Principal, note: String },
    Deny { action: ActionId, principal: Principal, note: String },
    ScanMemory { process: Arc<Process> },
    Look { kinds: Vec<ActionKind> },
}

pub struct Decide {
    host: HostId,
    /// The host's name, by which a bundle's tiers and lists know it.
    name: String,
    own_pid: u32,
    authority: Option<Authority>,
    halt: Option<Halt>,
    families: Families,
    proposed: Proposed,
    ids: IdSource,
    /// Acts of before the agent's start, until there is a bundle whose budgets they count for.
    before: Vec<(Action, String, Timestamp)>,
}

impl Decide {
    #[must_use]
    pub fn new((host, name): (HostId, String), own_pid: u32, ids: IdSource) -> Self {
        Self {
            host,
            name,
            own_pid,
            authority: None,
            halt: None,
            families: Families::default(),
            proposed: Proposed::default(),
            ids,
            before: Vec::new(),
        }
    }

    /// Acts of before the agent's start count for the budgets, each with its steady date.
    pub fn remember(&mut self, acts: impl Iterator<Item = (Action, String, Timestamp)>) {
        self.before.extend(acts);
        self.count_before();
    }

    fn count_before(&mut self) {
        if let Some(authority) = &mut self.authority {
            self.before.drain(..).for_each(|(action, account, at)| authority.remember(&action, &account, at));
        }
    }

    /// Another bundle from now on; budgets that were spent stay spent.
    pub fn adopt(&mut self, mut authority: Authority) {
        if let Some(previous) = self.authority.take() {
            authority.carry_over(previous);
        }
        authority.set_halt(self.halt.clone());
        self.authority = Some(authority);
        self.count_before();
        self.proposed.reconsider();
    }

    /// The latest word of the switch that stops all autonomy.
    pub fn set_halt(&mut self, halt: Halt) {
        if let Some(authority) = &mut self.authority {
            authority.set_halt(Some(halt.clone()));
        }
        self.halt = Some(halt);
        self.proposed.reconsider();
    }

    #[must_use]
    pub const fn halt(&self) -> Option<&Halt> {
        self.halt.as_ref()
    }

    #[must_use]
    pub const fn authority(&self) -> Option<&Authority> {
        self.authority.as_ref()
    }

    /// What follows from a detection: one judgement for each containment that its rule asks for.
    pub fn on_detection(
        &mut self,
        detection: &Detection,
        around: &dyn Surroundings,
        now: impl Into<Moment>,
    ) -> Vec<Judgement> {
        let now = now.into();
        let families = self.families.count(detection);
        let kinds = proposal::kinds(detection);
        kinds.into_iter().filter_map(|kind| self.propose(kind, detection, families, around, now)).collect()
    }

    /// A process that a tree made while it was being killed goes the same way, if policy says so of it too.
    pub fn on_straggler(
        &mut self,
        child: ProcessKey,
        detection: &Detection,
        around: &dyn Surroundings,
        now: impl Into<Moment>,
    ) -> Option<Judgement> {
        let families = self.families.known(detection);
        self.propose(ActionKind::KillTree { target: child }, detection, families, around, now.into())
    }

    fn propose(
        &mut self,
        kind: ActionKind,
        detection: &Detection,
        families: u32,
        around: &dyn Surroundings,
        now: Moment,
    ) -> Option<Judgement> {
        if self.proposed.acted(&kind, now.steady) {
            return None;
        }
        let authority = self.authority.as_mut()?;
        let drill = detection.event.process.as_ref().is_some_and(|process| process.drill);
        let lease_ms = authority.bundle().action_lease_ms(&kind);
        let action = Action {
            id: ActionId::from_bytes((self.ids)()),
            host: self.host,
            reason: Reason {
                principal: Principal::Agent,
                detection: Some(detection.id),
                rule: Some(detection.rule.clone()),
                severity: detection.severity.number(),
                incident: None,
                families,
                drill,
                note: detection.title.clone(),
            },
            kind,
            requested: now.wall,
            lease_ms,
        };
        let acting = detection.event.process.as_deref();
        let mut target = target(&action.kind, acting, (self.own_pid, &self.name), around);
        if matches!(action.kind, ActionKind::QuarantineFile { .. }) {
            target.guards = unclear(acting, file_meant(detection).is_some(), around);
        }
        let judgement = authority.judge(action, &target, now);
        self.proposed.take(&judgement, now.steady).then_some(judgement)
    }

    /// Judges a command anew: that the coordinator sent it gives it no power that the bundle does not.
    pub fn on_command(
        &mut self,
        command: Command,
        around: &dyn Surroundings,
        now: impl Into<Moment>,
    ) -> Result<Order, Refusal> {
        let moment = now.into();
        let (Command { issued, expires, .. }, now) = (&command, moment.wall);
        if *expires <= now {
            return Err(Refusal::Stale { expires: *expires, now });
        }
        if *issued > now.plus_millis(SKEW_MS) {
            return Err(Refusal::Future { issued: *issued, now });
        }
        let (CommandKind::Act { action: Action { reason: Reason { principal, .. }, .. } }
        | CommandKind::Undo { principal, .. }
        | CommandKind::Deny { principal, .. }
        | CommandKind::ScanMemory { principal, .. }
        | CommandKind::Look { principal, .. }) = &command.kind;
        if *principal == Principal::Agent {
            return Err(Refusal::Impostor);
        }
        match command.kind {
            CommandKind::Undo { action, principal, note } => Ok(Order::Undo { action, principal, note }),
            CommandKind::Deny { action, principal, note } => Ok(Order::Deny { action, principal, note }),
            // It changes nothing and tells where strings lie, never what they are: whoever may order may ask for it.
            CommandKind::ScanMemory { pid, .. } => {
                let process = around.running(pid).ok_or(Refusal::NoProcess(pid))?;
                Ok(Order::ScanMemory { process })
            }
            // As little: it says of what is known already whether it is there.
            CommandKind::Look { kinds, .. } => Ok(Order::Look { kinds }),
            CommandKind::Act { action } if action.host != self.host => Err(Refusal::OtherHost(action.host)),
            CommandKind::Act { mut action } => {
                let authority = self.authority.as_mut().ok_or(Refusal::NoBundle)?;
                let process = hit(&action.kind, around);
                // Only what this host itself marked counts as a drill, whatever the order says.
                action.reason.drill = process.as_ref().is_some_and(|process| process.drill);
                let target = target(&action.kind, process.as_deref(), (self.own_pid, &self.name), around);
                Ok(Order::Judged(Box::new(authority.judge(action, &target, moment))))
            }
        }
    }

    /// Judges a question anew that was asked `waited_ms` ago and that nobody has answered.
    pub fn on_silence(
        &mut self,
        action: Action,
        waited_ms: u64,
        around: &dyn Surroundings,
        now: impl Into<Moment>,
    ) -> Option<Judgement> {
        let authority = self.authority.as_mut()?;
        let process = hit(&action.kind, around);
        let target = target(&action.kind, process.as_deref(), (self.own_pid, &self.name), around);
        Some(authority.judge_unanswered(action, &target, waited_ms, now))
    }

    /// An action was undone: the same act may be proposed again at once.
    pub fn forget(&mut self, kind: &ActionKind) {
        self.proposed.forget(kind);
    }
}

/// Why the path in a detection may name another file here than the one that was meant. `known`: the file itself is, and
/// containment compares it.
fn unclear(acting: Option<&Process>, known: bool, around: &dyn Surroundings) -> Option<&'static str> {
    // Where no process is named the agent itself found the path.
    match around.view(&acting?.key) {
        View::Own => None,
        View::Gone if known => None,
        View::Gone => Some("the acting process has ended, so which file its path meant is not certain"),
        View::Foreign => Some("the path is one of a file system that the host does not see"),
    }
}

/// The process that an order hits.
fn hit(kind: &ActionKind, around: &dyn Surroundings) -> Option<Arc<Process>> {
    match kind {
        ActionKind::KillTree { target } | ActionKind::SuspendProcess { target } => around.process(target),
        _ => None,
    }
}

/// What policy looks at: whom the act hits and what protects it by nature.
fn target(
    kind: &ActionKind,
    acting: Option<&Process>,
    (own_pid, host): (u32, &str),
    around: &dyn Surroundings,
) -> Target {
    let account = acting.map_or_else(String::new, |process| process.user.clone());
    let mut target = Target { host: host.to_owned(), account, ..Target::default() };
    // A process with a file system of its own could call anything /usr/sbin/sshd and be spared for it.
    let exe = acting
        .filter(|process| around.view(&process.key) == View::Own && !is_one_session(process))
        .map(|process| process.exe.clone());
    match kind {
        ActionKind::KillTree { target: key } | ActionKind::SuspendProcess { target: key } => {
            target.pid = Some(key.pid);
            target.exe = exe.unwrap_or_default();
            (target.uid, target.group) =
                acting.map(|process| (process.uid, process.cgroup.clone())).unwrap_or_default();
            target.guards = match key.pid {
                0 | 1 => Some("the first process"),
                pid if pid == own_pid => Some("the agent"),
                _ => None,
            };
        }
        ActionKind::QuarantineFile { path, .. } => target.path.clone_from(path),
        ActionKind::DenyExecution { within: Some(within), .. } => target.path.clone_from(within),
        ActionKind::DenyExecution { sha256, within: None } => {
            target.path = exe.unwrap_or_default();
            target.guards =
                around.is_system_content(sha256, acting).then_some("a program of the system has this content");
        }
        ActionKind::RemoveLine { path, .. } | ActionKind::DenyPath { path } | ActionKind::RestoreFile { path, .. } => {
            target.path.clone_from(path);
        }
        ActionKind::LockAccount { user }
        | ActionKind::EndSessions { user }
        | ActionKind::ExpireCredentials { user } => {
            target.guards = around.account_guard(user);
        }
        // What runs in a group containment looks at itself, process by process.
        ActionKind::IsolateHost { .. }
        | ActionKind::FreezeGroup { .. }
        | ActionKind::BlockAddress { .. }
        | ActionKind::CutConnection { .. }
        | ActionKind::DisableUnit { .. }
        | ActionKind::BlockDomain { .. }
        | ActionKind::DisableModule { .. } => {}
    }
    target
}

/// What a service forked of itself to serve one connection, such as sshd for one login: the service goes on without it.
fn is_one_session(process: &Process) -> bool {
    process
        .parent
        .as_ref()
        .is_some_and(|parent| parent.key.pid > 1 && !parent.exe.is_empty() && parent.exe == process.exe)
}
