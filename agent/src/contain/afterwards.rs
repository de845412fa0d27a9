//! Owns: what is told of acts after their own report: what was taken away behind the agent's back, where evidence lies.
//! Never: an act that was not asked for.

use picket_model::Timestamp;
use picket_model::action::{ActionKind, ActionReport, ActionState};

use super::Containment;
use super::deny_execution::Health;
use super::evidence::Written;
use super::ledger::Entry;
use crate::sys::clock;

impl Containment {
    /// What somebody took away behind the agent's back is put in force again, for the rest of its lease: an isolation
    /// whose table was emptied, a process that was let go. `now`: the steady date.
    pub fn hold_again(&mut self, now: Timestamp) -> Vec<ActionReport> {
        let lasting: Vec<Entry> = self.ledger.in_force().filter(|entry| self.ends(entry) > now).cloned().collect();
        let mut reports = Vec::new();
        for entry in lasting {
            let Some(taken) = taken_away(&entry.report.action.kind) else { continue };
            if !matches!(self.steps.verify(&entry), Ok(false)) {
                continue;
            }
            let why = match self.arm(&entry, now) {
                Ok(()) => format!("{taken}; it is in force again"),
                Err(error) => format!("{taken}, and it cannot be put back: {error}"),
            };
            reports.push(entry.turned(ActionState::Applied, clock::now(), why).report);
        }
        reports
    }

    /// What is still to be said when the agent ends: evidence that was not written yet.
    pub fn close(&mut self) -> Vec<ActionReport> {
        let written = self.steps.evidence.finish();
        let reports = self.evidence_of(written);
        self.settle_journal();
        reports
    }

    pub(super) fn settle_journal(&mut self) {
        if let Err(error) = self.ledger.settle() {
            tracing::warn!(%error, "what was done is not yet safe from a power cut");
        }
    }

    pub(super) fn evidence_kept(&mut self) -> Vec<ActionReport> {
        let written = self.steps.evidence.written();
        self.evidence_of(written)
    }

    /// The reports of these acts, now with where their evidence lies. An act that is no longer remembered keeps its files
    /// without a word of them in its report.
    fn evidence_of(&mut self, written: Vec<Written>) -> Vec<ActionReport> {
        let mut reports = Vec::new();
        for Written { id, words } in written {
            let Some(entry) = self.ledger.get(id).cloned() else { continue };
            let ActionReport { state, latency_us, ref detail, .. } = entry.report;
            let mut next = entry.turned(state, clock::now(), format!("{detail}; {words}"));
            next.report.latency_us = latency_us;
            reports.push(self.write_down(next));
        }
        reports
    }

    pub(super) fn look_after_denials(&mut self) -> Vec<ActionReport> {
        let why = match self.steps.denials.look_after() {
            Health::Sound => return Vec::new(),
            Health::Restarted => {
                "executions waited too long for an answer and were let through; refusing anew".to_owned()
            }
            Health::Lost(why) => format!("executions are no longer asked about: {why}"),
        };
        let mut reports = Vec::new();
        for id in self.steps.denials.ids() {
            let Some(entry) = self.ledger.get(id).cloned() else { continue };
            if self.steps.denials.verify(id) {
                reports.push(entry.turned(ActionState::Applied, clock::now(), why.clone()).report);
            } else {
                let left = self.steps.undo(&entry, None).err().map_or(String::new(), |error| format!("; {error}"));
                reports.push(self.write_down(entry.turned(ActionState::Failed, clock::now(), format!("{why}{left}"))));
            }
        }
        reports
    }
}

/// How the loss of a kind reads that does not stay in force by itself; none of one that is looked after otherwise.
const fn taken_away(kind: &ActionKind) -> Option<&'static str> {
    match kind {
        ActionKind::IsolateHost { .. } | ActionKind::BlockAddress { .. } => Some("its table was flushed"),
        ActionKind::SuspendProcess { .. } => Some("somebody let the process run on"),
        ActionKind::FreezeGroup { .. } => Some("somebody let the control group run on"),
        ActionKind::BlockDomain { .. } => Some("somebody took it out of the kernel"),
        ActionKind::DisableUnit { .. } => Some("somebody unmasked or started the unit"),
        ActionKind::DisableModule { .. } => Some("somebody loaded the module or allowed it"),
        _ => None,
    }
}
