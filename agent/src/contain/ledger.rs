//! Owns: what the journal says in sum: which actions are in force, which are over, which a crash cut short.
//! Never: acting on it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;

use picket_model::Timestamp;
use picket_model::action::{Action, ActionReport, ActionState, Principal};
use picket_model::id::ActionId;
use picket_model::process::Sha256;
use picket_policy::Grounds;
use serde::{Deserialize, Serialize};

use super::disable_module;
use super::journal::{Journal, JournalError};
use super::kept::Kept;

/// Actions that are over and still known by their id, so that asking twice does nothing twice.
const OVER_MAX: usize = 1_024;
/// A journal longer than this is rewritten while the agent runs: some 4,000 entries, read in milliseconds.
const COMPACT_AT: u64 = 8 * 1024 * 1024;

/// One word of the journal: where an action stands, and what its undoing needs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub report: ActionReport,
    /// When the lease ends, by the steady date; none for what has no inverse.
    pub until: Option<Timestamp>,
    /// Its undoing has begun and ends in this state.
    pub undoing: Option<Undoing>,
    pub kept: Option<Kept>,
    /// How it was before, where that is no file's to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
    /// Executables that a planned kill spares; a kill that a crash cut short is finished with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spare: Vec<String>,
    /// Whose budgets it took its share of.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub account: String,
}

/// What an undoing must know of the time before the act.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case", deny_unknown_fields)]
pub enum Before {
    /// A process or a control group; somebody had stopped it `already`.
    Running { already: bool },
    /// A file that has another content now, known by this.
    Content { left: Sha256 },
    /// A unit that ran or not, enabled as the service manager's word has it.
    Unit { ran: bool, enablement: String },
    /// A module of the kernel.
    Module(disable_module::State),
    /// No file, where there is one now, known by this.
    Nothing { left: Sha256 },
    /// Several files, each with its own place in the vault.
    Files { kept: Vec<Kept> },
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undoing {
    /// `Undone` at somebody's word, or `Expired`.
    pub state: ActionState,
    pub principal: Option<Principal>,
    pub note: String,
}

impl Entry {
    pub fn planned(action: Action, grounds: Grounds, now: Timestamp, steady: Timestamp) -> Self {
        let until = action.kind.undoable().then(|| steady.plus_millis(action.lease_ms));
        let report = ActionReport {
            action,
            state: ActionState::Planned,
            verdict: grounds.verdict,
            bundle: grounds.bundle,
            decided_by: grounds.decided_by,
            time: now,
            latency_us: 0,
            detail: String::new(),
        };
        Self { report, until, undoing: None, kept: None, before: None, spare: grounds.spare, account: grounds.account }
    }

    pub const fn id(&self) -> ActionId {
        self.report.action.id
    }

    /// The same action in another state.
    pub fn turned(&self, state: ActionState, time: Timestamp, detail: String) -> Self {
        let mut next = self.clone();
        next.undoing = None;
        next.spare = Vec::new();
        next.report = ActionReport { state, time, detail, latency_us: 0, ..next.report };
        next
    }

    /// By the steady date of this start of the host; no lease is longer than it was, wherever the clock stood.
    fn until_now(mut self, moved_ns: i64, steady: Timestamp) -> Self {
        let most = steady.plus_millis(self.report.action.lease_ms);
        self.until = self.until.map(|until| until.moved(moved_ns).min(most));
        self
    }

    /// What it took away, where that is more than one file.
    pub fn files(&self) -> &[Kept] {
        match &self.before {
            Some(Before::Files { kept }) => kept,
            _ => &[],
        }
    }

    /// By which a file is known again that the act has left.
    pub const fn left(&self) -> Option<Sha256> {
        match &self.before {
            Some(Before::Content { left } | Before::Nothing { left }) => Some(*left),
            _ => None,
        }
    }

    fn in_force(&self) -> bool {
        self.report.state == ActionState::Applied && self.until.is_some()
    }

    /// Neither done nor undone when the agent ended.
    fn cut_short(&self) -> bool {
        self.report.state == ActionState::Planned || self.undoing.is_some()
    }
}

pub struct Ledger {
    journal: Journal,
    in_force: BTreeMap<ActionId, Entry>,
    over: HashMap<ActionId, Entry>,
    /// Ids of `over`, the oldest first.
    order: VecDeque<ActionId>,
}

impl Ledger {
    /// Reads the journal, rewrites it in short, and gives the entries that a crash cut short. What was in force ends
    /// later by `moved_ns`, and never later than its whole lease after `steady`, the date now.
    pub fn open(path: &Path, moved_ns: i64, steady: Timestamp) -> Result<(Self, Vec<Entry>), JournalError> {
        let (journal, entries) = Journal::open::<Entry>(path)?;
        let mut ledger = Self { journal, in_force: BTreeMap::new(), over: HashMap::new(), order: VecDeque::new() };
        let mut cut_short = BTreeMap::new();
        for entry in entries.into_iter().map(|entry: Entry| entry.until_now(moved_ns, steady)) {
            cut_short.remove(&entry.id());
            if entry.cut_short() {
                cut_short.insert(entry.id(), entry.clone());
            }
            ledger.take(entry);
        }
        let cut_short: Vec<Entry> = cut_short.into_values().collect();
        ledger.compact(&cut_short)?;
        Ok((ledger, cut_short))
    }

    /// Durable when it returns; after an error it is as if it had not been called.
    pub fn write(&mut self, entry: Entry) -> Result<(), JournalError> {
        self.shorten()?;
        self.journal.append(&entry)?;
        self.take(entry);
        Ok(())
    }

    /// The same for what needs not outlive the host itself, until `settle`.
    pub fn note(&mut self, entry: Entry) -> Result<(), JournalError> {
        self.shorten()?;
        self.journal.note(&entry)?;
        self.take(entry);
        Ok(())
    }

    pub fn settle(&mut self) -> Result<(), JournalError> {
        self.journal.settle()
    }

    fn shorten(&mut self) -> Result<(), JournalError> {
        if self.journal.length() > COMPACT_AT { self.compact(&[]) } else { Ok(()) }
    }

    /// Counts as said from now on, whether or not the disk took it.
    pub fn take(&mut self, entry: Entry) {
        let id = entry.id();
        if entry.in_force() || entry.undoing.is_some() {
            self.in_force.insert(id, entry);
            return;
        }
        self.in_force.remove(&id);
        if self.over.insert(id, entry).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > OVER_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.over.remove(&oldest);
        }
    }

    /// What came to an end or into force after `since`, in the order of time.
    pub fn settled_since(&self, since: Timestamp) -> Vec<ActionReport> {
        let settled = self.in_force.values().chain(self.over.values()).filter(|entry| !entry.cut_short());
        let mut reports: Vec<_> =
            settled.map(|entry| entry.report.clone()).filter(|report| report.time > since).collect();
        reports.sort_by_key(|report| report.time);
        reports
    }

    /// All that was done, as far as it is remembered, and which account set it off.
    pub fn actions(&self) -> impl Iterator<Item = (&Action, &str)> {
        self.in_force.values().chain(self.over.values()).map(|entry| (&entry.report.action, entry.account.as_str()))
    }

    /// In how many places the journal was damaged when it was opened.
    pub const fn damaged(&self) -> usize {
        self.journal.damaged()
    }

    pub fn get(&self, id: ActionId) -> Option<&Entry> {
        self.in_force.get(&id).or_else(|| self.over.get(&id))
    }

    pub fn in_force(&self) -> impl Iterator<Item = &Entry> {
        self.in_force.values()
    }

    /// What is known of files that were taken away.
    pub fn kept(&self) -> impl Iterator<Item = &Kept> {
        self.in_force.values().chain(self.over.values()).filter_map(|entry| entry.kept.as_ref())
    }

    pub fn holds(&self, id: ActionId) -> bool {
        self.in_force.contains_key(&id)
    }

    /// The last word on each action that is still known; what is planned or being undone is among them.
    fn compact(&mut self, cut_short: &[Entry]) -> Result<(), JournalError> {
        let open: Vec<ActionId> = cut_short.iter().map(Entry::id).collect();
        let over = self.order.iter().filter_map(|id| self.over.get(id));
        let all = over.chain(self.in_force.values()).filter(|entry| !open.contains(&entry.id())).chain(cut_short);
        self.journal.replace(all)
    }
}
