//! Owns: verdicts under one verified bundle, and `Authorized`, the proof that one of them was "act now".
//! Never: doing what was judged, reading a clock.

use std::ops::Deref;

use picket_model::{Action, ActionKind, BundleVersion, IsolationScope, Principal, Radius, Timestamp, VerdictKind};

use crate::budget::Spent;
use crate::bundle::{Bundle, Conservative};
use crate::cedar::{Opinion, Policies, Question};
use crate::envelope::Verified;
use crate::error::BundleError;
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
            bundle: verified.bundle.without_texts(),
            policies: verified.policies.clone(),
            spent: Spent::default(),
            halt: None,
        })
    }

    /// Without its texts.
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
        let mut draft = self.opinion(&action, target, now);
        if let Some(reason) = protection(&action, target, &self.bundle.protected) {
            draft = Draft { verdict: VerdictKind::OutOfScope, decided_by: vec![reason] };
        }
        if self.conservative(now) {
            self.lower_after_lease(&mut draft, &action.reason.principal);
        }
        self.lower_while_halted(&mut draft, &action.reason.principal);
        lower_what_lasts(&mut draft, &action);
        self.settle_lease(&mut action, &mut draft);
        self.spend(&mut draft, &action, now);
        let spare = match action.kind.nature().radius {
            Radius::Process | Radius::Tree | Radius::Service | Radius::Account => {
                self.bundle.protected.executables.clone()
            }
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

    fn opinion(&self, action: &Action, target: &Target, now: Timestamp) -> Draft {
        let reason = &action.reason;
        let (scope, path) = match &action.kind {
            ActionKind::IsolateHost { scope: IsolationScope::Host } => ("host", ""),
            ActionKind::IsolateHost { scope: IsolationScope::Namespace { .. } } => ("namespace", ""),
            ActionKind::QuarantineFile { path, .. } | ActionKind::RemoveLine { path, .. } => ("", path.as_str()),
            _ => ("", target.path.as_str()),
        };
        let subject = action.kind.subject();
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
            subject: &subject,
        });
        let (verdict, decided_by) = match opinion {
            Opinion::Act(by) => (VerdictKind::ActNow, by),
            Opinion::Ask(by) => (VerdictKind::Ask, by),
            Opinion::Deny(by) => (VerdictKind::OutOfScope, by),
        };
        Draft { verdict, decided_by }
    }

    fn lower_after_lease(&self, draft: &mut Draft, principal: &Principal) {
        if draft.verdict == VerdictKind::OutOfScope {
            return;
        }
        let since = self.bundle.lease_expires();
        match self.bundle.conservative {
            Conservative::Unchanged => {}
            Conservative::Ask => {
                if draft.verdict == VerdictKind::ActNow && autonomous(principal) {
                    draft.verdict = VerdictKind::Ask;
                    draft.decided_by.push(format!("lease: the bundle's ran out at {since}, nothing is done alone"));
                }
            }
            Conservative::Watch => {
                draft.verdict = VerdictKind::OutOfScope;
                draft.decided_by.push(format!("lease: the bundle's ran out at {since}, nothing is done"));
            }
        }
    }

    /// While autonomy is halted Picket only asks; people go on ordering.
    fn lower_while_halted(&self, draft: &mut Draft, principal: &Principal) {
        if let Some(halt) = self.halt.as_ref().filter(|halt| halt.halted)
            && draft.verdict == VerdictKind::ActNow
            && autonomous(principal)
        {
            draft.verdict = VerdictKind::Ask;
            draft.decided_by.push(format!("halted: since {}, nothing is done alone ({})", halt.issued, halt.note));
        }
    }

    /// Every containment ends: one without a lease gets the bundle's, and none outlasts what the bundle allows.
    fn settle_lease(&self, action: &mut Action, draft: &mut Draft) {
        if !action.kind.undoable() {
            return;
        }
        let usual = self.bundle.action_lease_ms(&action.kind);
        let most = if autonomous(&action.reason.principal) { usual } else { LEASE_ACTION_MS_MAX };
        if action.lease_ms == 0 {
            action.lease_ms = usual;
        } else if action.lease_ms > most {
            action.lease_ms = most;
            draft.decided_by.push(format!("lease: cut to {most} ms"));
        }
    }

    fn spend(&mut self, draft: &mut Draft, action: &Action, now: Timestamp) {
        if draft.verdict != VerdictKind::ActNow || !autonomous(&action.reason.principal) {
            return;
        }
        let word = action.kind.word();
        if let Err(reason) = self.spent.spend(action.host, word, self.bundle.budget(word), now) {
            draft.verdict = VerdictKind::Ask;
            draft.decided_by.push(reason);
        }
    }
}

/// What cannot be taken back is asked for. A kill alone is as the bundle says: it is what stops an intruder in time, and
/// what was killed can be started again.
fn lower_what_lasts(draft: &mut Draft, action: &Action) {
    let lasts = !action.kind.undoable() && !matches!(action.kind, ActionKind::KillTree { .. });
    if lasts && draft.verdict == VerdictKind::ActNow && autonomous(&action.reason.principal) {
        draft.verdict = VerdictKind::Ask;
        draft.decided_by.push(format!("nature: {} cannot be undone, so it is asked for", action.kind.word()));
    }
}

const fn autonomous(principal: &Principal) -> bool {
    matches!(principal, Principal::Agent | Principal::Coordinator)
}

#[cfg(test)]
mod tests;
