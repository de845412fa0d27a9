//! Owns: a containment that is ordered again to last: what an incident left is not given back when its lease ends.
//! Never: another act than the one in force.

use picket_model::action::{Action, ActionReport};
use picket_model::{LEASE_MS_LASTING, Timestamp};
use picket_policy::Grounds;

use super::Containment;
use super::ledger::Entry;
use crate::sys::clock;

impl Containment {
    /// Whether this is an act in force, ordered anew without an end.
    #[must_use]
    pub fn would_last(&self, action: &Action) -> bool {
        let in_force = self.ledger.get(action.id).filter(|entry| self.ledger.holds(entry.id()));
        in_force.is_some_and(|entry| {
            let Action { kind, lease_ms, .. } = &entry.report.action;
            *kind == action.kind && action.lease_ms == LEASE_MS_LASTING && *lease_ms != LEASE_MS_LASTING
        })
    }

    /// Nothing is done to the host; the journal has it.
    pub(super) fn last(&mut self, entry: &Entry, action: Action, grounds: Grounds) -> ActionReport {
        // Policy may have cut the lease on the way.
        if action.lease_ms != LEASE_MS_LASTING {
            return entry.report.clone();
        }
        let detail = format!("{}; it lasts now", entry.report.detail);
        let mut next = entry.turned(entry.report.state, clock::now(), detail);
        next.until = Some(Timestamp(u64::MAX));
        next.report.verdict = grounds.verdict;
        next.report.bundle = grounds.bundle;
        next.report.decided_by = grounds.decided_by;
        next.report.action = action;
        self.write_down(next)
    }
}
