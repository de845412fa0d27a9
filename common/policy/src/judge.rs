//! Owns: verdicts under one verified bundle, and `Authorized`, the proof that one of them was "act now".
//! Never: doing what was judged, reading a clock.

use std::ops::Deref;

use picket_model::{Action, ActionKind, BundleVersion, IsolationScope, Principal, Radius, Timestamp, VerdictKind};

use crate::budget::Spent;
use crate::bundle::{Bundle, Conservative};
use crate::cedar::{Opinion, Policies, Question};
use crate::envelope::Verified;
use crate::error::BundleError;
use crate::guards;
use crate::halt::Halt;
use crate::limits::LEASE_ACTION_MS_MAX;
use crate::protect::protection;

/// Proof that policy allows `T`. It cannot be made outside this module, copied, stored or sent.
///
/// ```compile_fail
/// let forged = picket_policy::Authorized(1);
/// ```
/// ```compile_fail
/// fn twice<T: Clone>(proof: &picket_policy::Authorized<T>) -> picket_policy::Authorized<T> { proof.clone() }
/// ```
/// ```compile_fail
/// fn stored(proof: &picket_policy::Authorized<u8>) -> String { serde_json::to_string(proof).unwrap() }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Authorized<T>(T);

impl<T> Authorized<T> {
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Authorized<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// What a verdict rests on; it goes into every report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grounds {
    pub verdict: VerdictKind,
    pub bundle: BundleVersion,
    /// `@id`s of policies, or `protected: …`, `budget: …`, `lease: …`.
    pub decided_by: Vec<String>,
    /// Executables whose processes a kill leaves out, with all below them, though the target stands above them; of which
    /// none may run where processes are stopped.
    pub spare: Vec<String>,
}

/// What an action would hit, as the host knows it at this moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Target {
    pub pid: Option<u32>,
    /// Absolute path of the process's executable; empty where there is none.
    pub exe: String,
    /// Absolute path of the file; empty where there is none.
    pub path: String,
    /// Why it is protected by nature: "pid 1", "the agent", "an ancestor of the agent".
    pub guards: Option<&'static str>,
}

#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub enum Judgement {
    ActNow(Authorized<Action>, Grounds),
    Ask(Action, Grounds),
    OutOfScope(Action, Grounds),
}

/// One bundle in force: compiled policies, and the memory of what was spent under its budgets.
#[derive(Debug)]
pub struct Authority {
    bundle: Bundle,
    policies: Policies,
    spent: Spent,
    halt: Option<Halt>,
}

/// A verdict on its way: each step may lower it, none may raise it.
struct Draft {
    verdict: VerdictKind,
    decided_by: Vec<String>,
}

impl Authority {
    /// Does not fail today: a `Verified` carries its compiled policies. Callers stay ready for it.
    pub fn new(verified: &Verified) -> Result<Self, BundleError> {
        Ok(Self {
            bundle: verified.bundle.clone(),
            policies: verified.policies.clone(),
            spent: Spent::default(),
            halt: None,
        })
    }

    #[must_use]
    pub const fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The bundle's lease has run out.
    #[must_use]
    pub fn conservative(&self, now: Timestamp) -> bool {
        now >= self.bundle.lease_expires()
    }

    /// What the bundle says of this action now. "Act now" at Picket's own word spends one of the budget.
    pub fn judge(&mut self, mut action: Action, target: &Target, now: Timestamp) -> Judgement {
        let cut = self.settle_lease(&mut action);
        let protection = protection(&action, target, &self.bundle.protected);
        let mut draft = self.opinion(&action, target, protection.is_some(), now);
        // Policies may fall short of what follows; it holds beneath every bundle, and only ever lowers a verdict.
        if let Some(reason) = protection {
            draft = Draft { verdict: VerdictKind::OutOfScope, decided_by: vec![reason] };
        }
        if self.conservative(now) {
            self.lower_after_lease(&mut draft, &action.reason.principal);
        }
        self.lower_while_halted(&mut draft, &action.reason.principal);
        draft.decided_by.extend(cut);
        self.spend(&mut draft, &action, now);
        let spare = match action.kind.nature().radius {
            Radius::Process | Radius::Tree | Radius::Service => self.bundle.protected.executables.clone(),
            _ => Vec::new(),
        };
        let Draft { verdict, decided_by } = draft;
        let grounds = Grounds { verdict, bundle: self.bundle.version, decided_by, spare };
        match verdict {
            VerdictKind::ActNow => Judgement::ActNow(Authorized(action), grounds),
            VerdictKind::Ask => Judgement::Ask(action, grounds),
            VerdictKind::OutOfScope => Judgement::OutOfScope(action, grounds),
        }
    }

    /// Budgets spent survive a change of bundle: a new bundle is no way to act twice as often.
    pub fn carry_over(&mut self, previous: Self) {
        self.spent = previous.spent;
    }

    /// The latest word of the switch that stops all autonomy, whatever the bundle.
    pub fn set_halt(&mut self, halt: Option<Halt>) {
        self.halt = halt;
    }

    fn opinion(&self, action: &Action, target: &Target, protected: bool, now: Timestamp) -> Draft {
        let reason = &action.reason;
        let (scope, path, subject) = match &action.kind {
            ActionKind::IsolateHost { scope: IsolationScope::Host } => ("host", "", ""),
            ActionKind::IsolateHost { scope: IsolationScope::Namespace { .. } } => ("namespace", "", ""),
            ActionKind::QuarantineFile { path, .. } => ("", path.as_str(), ""),
            ActionKind::FreezeGroup { group } => ("", "", group.as_str()),
            ActionKind::KillTree { .. } | ActionKind::DenyExecution { .. } | ActionKind::SuspendProcess { .. } => {
                ("", target.path.as_str(), "")
            }
        };
        let opinion = self.policies.evaluate(&Question {
            principal: &reason.principal,
            action: action.kind.nature(),
            host: action.host,
            severity: reason.severity,
            families: i64::from(reason.families),
            drill: reason.drill,
            rule: reason.rule.as_ref().map_or("", |rule| rule.0.as_str()),
            conservative: self.conservative(now),
            scope,
            path,
            exe: &target.exe,
            subject,
            pid: i64::from(pid(&action.kind, target)),
            protected,
            lease_ms: i64::try_from(action.lease_ms).unwrap_or(i64::MAX),
            budget_left: i64::from(self.budget_left(action, now)),
            halted: self.halt.as_ref().is_some_and(|halt| halt.halted),
        });
        let (verdict, decided_by) = match opinion {
            Opinion::Act(by) => (VerdictKind::ActNow, by),
            Opinion::Ask(by) => (VerdictKind::Ask, by),
            Opinion::Deny(by) => (VerdictKind::OutOfScope, by),
        };
        Draft { verdict, decided_by }
    }

    fn lower_after_lease(&self, draft: &mut Draft, principal: &Principal) {
        let since = self.bundle.lease_expires();
        match self.bundle.conservative {
            Conservative::Unchanged => {}
            Conservative::Ask if !autonomous(principal) => {}
            Conservative::Ask => draft.lower(VerdictKind::Ask, guards::LEASE, || {
                format!("lease: the bundle's ran out at {since}, nothing is done alone")
            }),
            Conservative::Watch => draft.lower(VerdictKind::OutOfScope, guards::LEASE, || {
                format!("lease: the bundle's ran out at {since}, nothing is done")
            }),
        }
    }

    /// While autonomy is halted Picket only asks; people go on ordering.
    fn lower_while_halted(&self, draft: &mut Draft, principal: &Principal) {
        if let Some(halt) = self.halt.as_ref().filter(|halt| halt.halted)
            && autonomous(principal)
        {
            draft.lower(VerdictKind::Ask, guards::HALTED, || {
                format!("halted: since {}, nothing is done alone ({})", halt.issued, halt.note)
            });
        }
    }

    /// Every containment ends: one without a lease gets the bundle's, and none outlasts what the bundle allows. Says so
    /// where it had to be cut.
    fn settle_lease(&self, action: &mut Action) -> Option<String> {
        if !action.kind.undoable() {
            // It has nothing to end, whatever was asked for.
            action.lease_ms = 0;
            return None;
        }
        let usual = self.bundle.action_lease_ms(&action.kind);
        let most = if autonomous(&action.reason.principal) { usual } else { LEASE_ACTION_MS_MAX };
        if action.lease_ms == 0 {
            action.lease_ms = usual;
        } else if action.lease_ms > most {
            action.lease_ms = most;
            return Some(format!("lease: cut to {most} ms"));
        }
        None
    }

    fn budget_left(&self, action: &Action, now: Timestamp) -> u32 {
        let word = action.kind.word();
        self.spent.left(action.host, word, self.bundle.budget(word), now)
    }

    fn spend(&mut self, draft: &mut Draft, action: &Action, now: Timestamp) {
        let (word, by_guard) = (action.kind.word(), draft.names(guards::BUDGET));
        if (draft.verdict != VerdictKind::ActNow && !by_guard) || !autonomous(&action.reason.principal) {
            return;
        }
        if let Err(reason) = self.spent.spend(action.host, word, self.bundle.budget(word), now) {
            draft.lower(VerdictKind::Ask, guards::BUDGET, || reason);
        }
    }
}

impl Draft {
    /// Down to `most` where it is above. A guard of the bundle may have seen to it before; the reason in words belongs to
    /// it either way.
    fn lower(&mut self, most: VerdictKind, guard: &str, reason: impl FnOnce() -> String) {
        let above = match most {
            VerdictKind::ActNow => false,
            VerdictKind::Ask => self.verdict == VerdictKind::ActNow,
            VerdictKind::OutOfScope => self.verdict != VerdictKind::OutOfScope,
        };
        if above || self.names(guard) {
            self.decided_by.push(reason());
        }
        if above {
            self.verdict = most;
        }
    }

    fn names(&self, guard: &str) -> bool {
        self.decided_by.iter().any(|by| by == guard)
    }
}

/// The process that is hit, by the lower of two names for it; 0 where none is.
fn pid(kind: &ActionKind, target: &Target) -> u32 {
    match kind {
        ActionKind::KillTree { target: key } | ActionKind::SuspendProcess { target: key } => {
            target.pid.map_or(key.pid, |pid| pid.min(key.pid))
        }
        _ => 0,
    }
}

const fn autonomous(principal: &Principal) -> bool {
    matches!(principal, Principal::Agent | Principal::Coordinator)
}

#[cfg(test)]
mod tests;
