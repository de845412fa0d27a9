//! Owns: carrying out authorised actions: plan, apply, verify, undo, and the journal written before each.
//! Never: making `Authorized`, or choosing what to do.

use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;

use picket_model::Timestamp;
use picket_model::action::{Action, ActionKind, ActionReport, ActionState, IsolationScope, Principal};
use picket_model::id::ActionId;
use picket_model::process::{FileId, ProcessKey, Sha256};
use picket_policy::{Authorized, Grounds, Isolation};

use crate::sys::clock::{self, WallOffset};
use crate::sys::priority;

mod afterwards;
pub mod block_address;
pub mod block_domain;
mod copies;
pub mod cut_connection;
pub mod deny_execution;
pub mod disable_module;
pub mod disable_unit;
pub mod end_sessions;
mod evidence;
pub mod exec_guard;
mod exec_judge;
pub mod expire_credentials;
mod filesystems;
pub mod freeze_group;
pub mod held;
pub mod isolate_host;
pub mod journal;
mod kept;
pub mod kill_tree;
mod lasting;
mod ledger;
pub mod lock_account;
mod look;
pub mod nft;
mod options;
mod paths;
pub mod quarantine_file;
mod reached;
mod recover;
pub mod remove_line;
mod restore_file;
pub mod rewrite;
mod steps;
pub mod suspend_process;
pub mod vault;
mod walk;

pub use deny_execution::ExecDeny;
pub use options::ContainOptions;

use block_address::Blocks;
use block_domain::Domains;
use copies::Copies;
use deny_execution::Denials;
use evidence::Evidence;
use journal::JournalError;
use ledger::{Entry, Ledger, Undoing};
use steps::{Beside, Steps};
use vault::Vault;

/// Containments in force at once. Budgets allow far fewer; more is a loop somewhere.
const IN_FORCE_MAX: usize = 4_096;
/// How long after a failed end of a lease it is tried again.
const END_AGAIN_AFTER_MS: u64 = 60_000;

#[derive(Debug, thiserror::Error)]
pub enum ContainError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("cannot open the vault {path}: {source}; it is a directory of the agent's own, owned by root")]
    Vault { path: PathBuf, source: std::io::Error },
    #[error("cannot open the evidence {path}: {source}; it is a directory of the agent's own, owned by root")]
    Evidence { path: PathBuf, source: std::io::Error },
    #[error("cannot open the copies {path}: {source}; it is a directory of the agent's own, owned by root")]
    Copies { path: PathBuf, source: std::io::Error },
    #[error("no action {id} is known here; `picket actions` lists those of this host that can be undone")]
    Unknown { id: ActionId },
    #[error("action {id} is {}; only what is in force can be undone", state.word())]
    NotInForce { id: ActionId, state: ActionState },
    #[error("cannot undo action {id}: {reason}")]
    Undo { id: ActionId, reason: String },
}

/// What is contained on this host. Everything it does is in the journal before it is done.
///
/// Whoever holds it calls [`Containment::expire`] at least every second while something is in force: leases end there,
/// and the guard of executions is looked after.
pub struct Containment {
    ledger: Ledger,
    steps: Steps,
    steady: WallOffset,
    /// Ends of leases that failed, and when they are tried again.
    again: HashMap<ActionId, Timestamp>,
}

impl Containment {
    /// Puts back in force what was, ends what ran out meanwhile, and brings what a crash cut short to an end.
    pub fn open(
        options: ContainOptions,
        deny: Option<Box<dyn ExecDeny>>,
    ) -> Result<(Self, Vec<ActionReport>), ContainError> {
        let path = options.state_dir.join("vault");
        let vault = Vault::open(path.clone(), options.vault_bytes_max)
            .map_err(|source| ContainError::Vault { path, source })?;
        let path = options.state_dir.join("evidence");
        let evidence = Evidence::open(path.clone()).map_err(|source| ContainError::Evidence { path, source })?;
        let path = options.state_dir.join("copies");
        let copies =
            Copies::open(path.clone(), options.root.clone()).map_err(|source| ContainError::Copies { path, source })?;
        let ContainOptions { steady, moved_ns, .. } = options;
        let (ledger, cut_short) = Ledger::open(&options.state_dir.join("containment.journal"), moved_ns, steady.now())?;
        let denials = Denials::new(deny, options.exec_filesystems);
        let ContainOptions { coordinators, coordinator_names, isolation, boot, network, root, tasks, .. } = options;
        let blocks = Blocks::new(network.clone());
        let domains = Domains::new(network.clone(), options.control_group, &options.state_dir);
        let steps = Steps {
            vault,
            evidence,
            copies,
            denials,
            blocks,
            domains,
            coordinators,
            coordinator_names,
            isolation,
            network,
            boot,
            root,
            tasks,
        };
        let mut containment = Self { ledger, steps, steady, again: HashMap::new() };
        let reports = containment.recover(cut_short);
        containment.steps.domains.settle();
        Ok((containment, reports))
    }

    /// Copies of the host's settings, as they change.
    pub const fn copies(&mut self) -> &mut Copies {
        &mut self.steps.copies
    }

    /// What isolations leave reachable from now on, and those in force once they are put back.
    pub fn set_isolation(&mut self, isolation: Isolation) {
        self.steps.isolation = isolation;
    }

    /// What the journal knows to be done after `since`: a crash may have come between the journal and the telling.
    #[must_use]
    pub fn settled_since(&self, since: Timestamp) -> Vec<ActionReport> {
        self.ledger.settled_since(since)
    }

    /// All that was done here, as far as it is remembered, and which account set it off.
    pub fn actions(&self) -> impl Iterator<Item = (&Action, &str)> {
        self.ledger.actions()
    }

    /// Journal, act, check, journal. The same action again does nothing and gives the same report.
    ///
    /// `known`: processes that belong to the target's tree though they lost their parent, or that run the content.
    /// `file`: the very file to be taken away, where it is known; another one at its path stays.
    pub fn apply(
        &mut self,
        action: Authorized<Action>,
        grounds: Grounds,
        known: &[ProcessKey],
        file: Option<FileId>,
        event_time: Option<Timestamp>,
    ) -> ActionReport {
        let action = action.into_inner();
        // What copies gigabytes or waits for other programs must not keep the host from its work meanwhile.
        if action.kind.races() {
            priority::go_first()
        } else {
            priority::take_turns()
        }
        if let Some(entry) = self.ledger.get(action.id).cloned() {
            return if self.would_last(&action) { self.last(&entry, action, grounds) } else { entry.report };
        }
        let mut entry = Entry::planned(action, grounds, clock::now(), self.steady.now());
        if self.ledger.in_force().count() >= IN_FORCE_MAX {
            let why = format!("{IN_FORCE_MAX} containments are in force, the limit; undo some or let their leases end");
            return self.settle(&entry, ActionState::Failed, why, event_time);
        }
        if let Some(why) = self.done_already(&entry.report.action.kind) {
            return self.settle(&entry, ActionState::Failed, why, event_time);
        }
        let beside = Beside { known, spare: &entry.spare, file, size: self.size_of(&entry.report.action) };
        let plan = match self.steps.plan(&entry.report.action, beside) {
            Ok(plan) => plan,
            Err(error) => return self.settle(&entry, ActionState::Failed, error.to_string(), event_time),
        };
        (entry.kept, entry.before) = (plan.kept(), plan.before());
        if let Err(error) = self.ledger.write(entry.clone()) {
            let why = format!("nothing was done, for it could not be written down before: {error}");
            return self.settle(&entry, ActionState::Failed, why, event_time);
        }
        let lease = self.lease_left(&entry, self.steady.now());
        match self.steps.apply(entry.id(), plan, lease) {
            Ok(detail) => self.settle(&entry, ActionState::Applied, detail, event_time),
            Err(error) => self.settle(&entry, ActionState::Failed, error.to_string(), event_time),
        }
    }

    /// Takes back what is in force. On an error it stays in force.
    pub fn undo(&mut self, id: ActionId, principal: &Principal, note: &str) -> Result<ActionReport, ContainError> {
        let entry = self.ledger.get(id).ok_or(ContainError::Unknown { id })?.clone();
        let state = entry.report.state;
        match (&entry.report.action.kind, state) {
            (kind, ActionState::Applied) if !kind.undoable() => {
                let reason = format!("{} has no inverse; start again by hand what was ended", kind.word());
                return Err(ContainError::Undo { id, reason });
            }
            (_, ActionState::Undone | ActionState::Expired) => return Ok(entry.report),
            _ if !self.ledger.holds(id) => return Err(ContainError::NotInForce { id, state }),
            _ => {}
        }
        let (principal, note) = (Some(principal.clone()), note.to_owned());
        self.end(&entry, Undoing { state: ActionState::Undone, principal, note })
    }

    /// Ends the leases that ran out by the steady date `now`, looks after what refuses executions, and says where evidence
    /// was kept since.
    pub fn expire(&mut self, now: Timestamp) -> Vec<ActionReport> {
        let mut reports = self.evidence_kept();
        self.settle_journal();
        reports.extend(self.end_due(now));
        reports
    }

    fn end_due(&mut self, now: Timestamp) -> Vec<ActionReport> {
        let mut reports = self.look_after_denials();
        let due: Vec<Entry> = self.ledger.in_force().filter(|entry| self.ends(entry) <= now).cloned().collect();
        for entry in due {
            let undoing = Undoing { state: ActionState::Expired, principal: None, note: String::new() };
            match self.end(&entry, undoing) {
                Ok(report) => reports.push(report),
                Err(error) => {
                    let first = self.again.insert(entry.id(), now.plus_millis(END_AGAIN_AFTER_MS)).is_none();
                    let why = format!("its lease ran out, yet it stays in force and is tried again: {error}");
                    // Told once: the next tries would say the same.
                    reports.extend(first.then(|| entry.turned(ActionState::Applied, clock::now(), why).report));
                }
            }
        }
        reports
    }

    /// A second act of these on the same target would take the first one's doing for how it was before, or end it early.
    fn done_already(&self, kind: &ActionKind) -> Option<String> {
        if !matches!(
            kind,
            ActionKind::SuspendProcess { .. }
                | ActionKind::FreezeGroup { .. }
                | ActionKind::BlockAddress { .. }
                | ActionKind::DisableUnit { .. }
                | ActionKind::BlockDomain { .. }
                | ActionKind::DisableModule { .. }
        ) {
            return None;
        }
        let other = self.ledger.in_force().find(|entry| entry.report.action.kind == *kind)?;
        let until = other.until.map_or_else(String::new, |until| format!(" until {until}"));
        Some(format!("action {} does the same{until}; undo it first to give it another lease", other.id()))
    }

    /// When [`Containment::expire`] has the next lease to end, by the steady date.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.ledger.in_force().map(|entry| self.ends(entry)).min()
    }

    /// Whether the whole host is cut off; a namespace alone does not count.
    #[must_use]
    pub fn isolated(&self) -> bool {
        let host = ActionKind::IsolateHost { scope: IsolationScope::Host };
        self.ledger.in_force().any(|entry| entry.report.action.kind == host)
    }

    /// The last word on an action that is or was contained here, while it is remembered.
    #[must_use]
    pub fn report(&self, id: ActionId) -> Option<ActionReport> {
        self.ledger.get(id).map(|entry| entry.report.clone())
    }

    /// The file of a quarantine that is in force, and what it holds.
    #[must_use]
    pub fn quarantined(&self, id: ActionId) -> Option<(File, Sha256)> {
        let kept = self.ledger.get(id)?.kept.as_ref()?;
        Some((self.steps.vault.held(id).ok()??, kept.sha256))
    }

    /// In how many places the journal was damaged: words on actions that are lost.
    #[must_use]
    pub const fn journal_damaged(&self) -> usize {
        self.ledger.damaged()
    }

    /// What is contained now, as it was reported.
    #[must_use]
    pub fn in_force(&self) -> Vec<ActionReport> {
        self.ledger.in_force().map(|entry| entry.report.clone()).collect()
    }

    /// Executions refused since the guard last changed.
    #[must_use]
    pub fn executions_refused(&self) -> u64 {
        self.steps.denials.refused()
    }

    fn ends(&self, entry: &Entry) -> Timestamp {
        let until = entry.until.unwrap_or(Timestamp(u64::MAX));
        self.again.get(&entry.id()).map_or(until, |again| until.max(*again))
    }

    /// Of a lasting action, with the lease of another on the same scope, if that one is longer.
    fn lease_left(&self, entry: &Entry, now: Timestamp) -> u64 {
        let own = entry.until.map_or(0, |until| until.millis_since(now));
        steps::other_isolation(self.ledger.in_force(), entry, now).map_or(own, |other| other.max(own))
    }

    /// A content that is or was in the vault has a known size: then the guard hashes nothing of another size.
    fn size_of(&self, action: &Action) -> Option<u64> {
        let ActionKind::DenyExecution { sha256, .. } = &action.kind else { return None };
        self.ledger.kept().find(|kept| kept.sha256 == *sha256).map(|kept| kept.size)
    }

    /// The last word on an action that was asked for, in memory and on the disk.
    fn settle(&mut self, entry: &Entry, state: ActionState, detail: String, event: Option<Timestamp>) -> ActionReport {
        let now = clock::now();
        let mut next = entry.turned(state, now, detail);
        next.report.latency_us = event.map_or(0, |event| now.0.saturating_sub(event.0) / 1_000);
        self.write_down(next)
    }

    /// What is done is done: where the disk does not take it, memory and the report still say it.
    fn write_down(&mut self, mut entry: Entry) -> ActionReport {
        // What was ended stays ended where the host itself goes down with the word of it: it need not wait for the disk.
        let over = entry.report.state == ActionState::Applied && !entry.report.action.kind.undoable();
        let written = if over { self.ledger.note(entry.clone()) } else { self.ledger.write(entry.clone()) };
        if let Err(error) = written {
            entry.report.detail += &format!("; not written down: {error}");
            self.ledger.take(entry.clone());
        }
        entry.report
    }

    /// The intent first, so that a crash in between ends in the undoing and not in a new act.
    fn end(&mut self, entry: &Entry, undoing: Undoing) -> Result<ActionReport, ContainError> {
        let mut intent = entry.clone();
        intent.undoing = Some(undoing.clone());
        self.ledger.write(intent)?;
        let others = steps::other_isolation(self.ledger.in_force(), entry, self.steady.now());
        match self.steps.undo(entry, others) {
            Ok(detail) => {
                self.again.remove(&entry.id());
                let detail = told(&undoing, &detail);
                Ok(self.write_down(entry.turned(undoing.state, clock::now(), detail)))
            }
            Err(error) => {
                self.write_down(entry.clone());
                Err(ContainError::Undo { id: entry.id(), reason: error.to_string() })
            }
        }
    }
}

fn told(undoing: &Undoing, detail: &str) -> String {
    match (&undoing.principal, undoing.note.as_str()) {
        (None, _) => format!("the lease ran out: {detail}"),
        (Some(principal), "") => format!("{detail}, at the word of {principal}"),
        (Some(principal), note) => format!("{detail}, at the word of {principal}: {note}"),
    }
}
