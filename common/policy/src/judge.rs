//! Owns: verdicts under one verified bundle, and `Authorized`, the proof that one of them was "act now".
//! Never: doing what was judged, reading a clock.

mod grounds;
mod place;
mod spending;

use std::ops::Deref;
use std::sync::Arc;

use picket_model::{Action, ActionKind, IsolationScope, LEASE_MS_LASTING, Principal, Radius, Timestamp, VerdictKind};

pub use self::grounds::Grounds;
use self::place::Place;
use crate::autonomy::{Escalation, Level};
use crate::budget::Spent;
use crate::bundle::{Bundle, Conservative};
use crate::cedar::{Opinion, Policies, Question};
use crate::envelope::Verified;
use crate::error::BundleError;
use crate::guards;
use crate::halt::Halt;
use crate::limits::LEASE_ACTION_MS_MAX;
use crate::moment::Moment;
use crate::protect::protection;
use crate::windows::WindowKind;

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

/// What an action would hit, as the host knows it at this moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Target {
    pub pid: Option<u32>,
    /// Absolute path of the process's executable; empty where there is none.
    pub exe: String,
    /// Who runs it, and in which control group: anybody may start a program that the host stands on, and make it do what
    /// they like.
    pub uid: u32,
    pub group: String,
    /// Absolute path of the file; empty where there is none.
    pub path: String,
    /// Why it is protected by nature: "pid 1", "the agent", "an ancestor of the agent".
    pub guards: Option<&'static str>,
    /// The host's name, by which the bundle's tiers and lists know it.
    pub host: String,
    /// The login name of whose process set it off, or is hit; empty where that is not known.
    pub account: String,
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
    spent: Spent<&'static str>,
    spent_on_accounts: Spent<String>,
    /// Of each kind because of one account.
    shares: Spent<String>,
    halt: Option<Halt>,
    /// Where the host judged last stands. It is the same one nearly always, and patterns are many.
    place: Option<Arc<Place>>,
}

/// What is known of the target beyond the action itself.
struct Standing<'a> {
    place: &'a Place,
    protected: bool,
    waited_ms: u64,
    freeze: Option<(&'a str, u64)>,
    maintenance: Option<(&'a str, u64)>,
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
            spent_on_accounts: Spent::default(),
            shares: Spent::default(),
            halt: None,
            place: None,
        })
    }

    /// Without its texts.
    #[must_use]
    pub const fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The bundle's lease has run out. Whoever sets the host's clock neither ends it nor makes it last: the steady date
    /// counts, unless it is from before the bundle, as where the clock was wrong when the host started.
    #[must_use]
    pub fn conservative(&self, now: impl Into<Moment>) -> bool {
        let Moment { wall, steady } = now.into();
        let date = if steady < self.bundle.issued { wall } else { steady };
        date >= self.bundle.lease_expires()
    }

    /// What the bundle says of this action now. "Act now" at Picket's own word spends one of the budget.
    pub fn judge(&mut self, action: Action, target: &Target, now: impl Into<Moment>) -> Judgement {
        self.judged(action, target, 0, now.into())
    }

    /// What it says of an action that was asked for `waited_ms` ago and about which nobody has said anything.
    pub fn judge_unanswered(
        &mut self,
        action: Action,
        target: &Target,
        waited_ms: u64,
        now: impl Into<Moment>,
    ) -> Judgement {
        self.judged(action, target, waited_ms, now.into())
    }

    fn judged(&mut self, mut action: Action, target: &Target, waited_ms: u64, now: Moment) -> Judgement {
        let place = self.place(&target.host, action.host);
        let tier = place.tier.as_ref().filter(|_| autonomous(&action.reason.principal));
        let level = tier.map(|tier| tier.level(action.kind.word()));
        let escalation = tier.and_then(|tier| tier.escalation.clone());
        let escalated = escalation.as_ref().filter(|_| level == Some(Level::ActAndEscalate));
        let cut = self.settle_lease(&mut action, escalated);
        let protection = protection(&action, target, &self.bundle.protected);
        let protected = protection.is_some();
        let (freeze, maintenance) =
            (place.left(WindowKind::Freeze, now.wall), place.left(WindowKind::Maintenance, now.wall));
        let standing = Standing { place: &place, protected, waited_ms, freeze, maintenance };
        let mut draft = self.opinion(&action, target, &standing, now);
        // Policies may fall short of what follows; it holds beneath every bundle, and only ever lowers a verdict.
        if let Some(reason) = protection {
            draft = Draft { verdict: VerdictKind::OutOfScope, decided_by: vec![reason] };
        }
        if self.conservative(now) {
            self.lower_after_lease(&mut draft, &action.reason.principal);
        }
        if autonomous(&action.reason.principal) {
            self.lower_alone(&mut draft, &action, &standing, now.wall);
        }
        draft.decided_by.extend(cut);
        self.spend(&mut draft, &action, &place, &target.account, now.steady);
        if let Some(path) = escalated.filter(|_| draft.verdict == VerdictKind::ActNow) {
            draft.decided_by.extend(path.looks());
        }
        let spare = match action.kind.nature().radius {
            Radius::Process | Radius::Tree | Radius::Service | Radius::Account => {
                self.bundle.protected.executables.clone()
            }
            _ => Vec::new(),
        };
        let Draft { verdict, decided_by } = draft;
        let (bundle, account) = (self.bundle.version, target.account.clone());
        let grounds = Grounds { verdict, bundle, decided_by, spare, level, escalation, account };
        match verdict {
            VerdictKind::ActNow => Judgement::ActNow(Authorized(action), grounds),
            VerdictKind::Ask => Judgement::Ask(action, grounds),
            VerdictKind::OutOfScope => Judgement::OutOfScope(action, grounds),
        }
    }

    /// Budgets spent survive a change of bundle: a new bundle is no way to act twice as often.
    pub fn carry_over(&mut self, previous: Self) {
        self.spent = previous.spent;
        self.spent_on_accounts = previous.spent_on_accounts;
        self.shares = previous.shares;
    }

    /// The latest word of the switch that stops all autonomy, whatever the bundle.
    pub fn set_halt(&mut self, halt: Option<Halt>) {
        self.halt = halt;
    }

    fn opinion(&self, action: &Action, target: &Target, standing: &Standing<'_>, now: Moment) -> Draft {
        let reason = &action.reason;
        let (scope, path) = match &action.kind {
            ActionKind::IsolateHost { scope: IsolationScope::Host } => ("host", ""),
            ActionKind::IsolateHost { scope: IsolationScope::Namespace { .. } } => ("namespace", ""),
            ActionKind::QuarantineFile { path, .. }
            | ActionKind::RemoveLine { path, .. }
            | ActionKind::RestoreFile { path, .. } => ("", path.as_str()),
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
            pid: i64::from(pid(&action.kind, target)),
            protected: standing.protected,
            // Policies are proved for leases up to the longest; what lasts is to them one of those.
            lease_ms: i64::try_from(action.lease_ms.min(LEASE_ACTION_MS_MAX)).unwrap_or(i64::MAX),
            budget_left: i64::from(self.budget_left(action, standing.place, &target.account, now.steady)),
            account: &target.account,
            account_budget_left: self
                .account_budget_left(action, &target.account, now.steady)
                .map_or(i64::MAX, i64::from),
            halted: self.halt.as_ref().is_some_and(|halt| halt.halted),
            tier: standing.place.tier.as_ref().map_or("", |tier| tier.name.as_str()),
            out_of_scope: standing.place.out_of_scope,
            waited_ms: i64::try_from(standing.waited_ms).unwrap_or(i64::MAX),
            quorum_left: if autonomous(&reason.principal) && !standing.place.groups.is_empty() { 0 } else { i64::MAX },
            freeze_ms_left: left(standing.freeze),
            maintenance_ms_left: left(standing.maintenance),
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

    /// What Picket only asks for; people go on ordering.
    fn lower_alone(&self, draft: &mut Draft, action: &Action, standing: &Standing<'_>, now: Timestamp) {
        let isolates = matches!(action.kind, ActionKind::IsolateHost { scope: IsolationScope::Host });
        if let Some(group) = standing.place.groups.first().filter(|_| isolates) {
            draft.lower(VerdictKind::Ask, guards::QUORUM, || {
                format!("quorum: of {} {} hosts stay in reach, and no host knows how many do", group.name, group.keep)
            });
        }
        draft.lower_in_window("freeze", guards::FREEZE, standing.freeze, now);
        draft.lower_in_window("maintenance", guards::MAINTENANCE, standing.maintenance, now);
        if let Some(halt) = self.halt.as_ref().filter(|halt| halt.halted) {
            draft.lower(VerdictKind::Ask, guards::HALTED, || {
                format!("halted: since {}, nothing is done alone ({})", halt.issued, halt.note)
            });
        }
        // A kill alone is as the bundle says: it is what stops an intruder in time, and what was killed can be started again.
        if !action.kind.undoable() && !matches!(action.kind, ActionKind::KillTree { .. }) {
            draft.lower(VerdictKind::Ask, guards::LASTING, || {
                format!("nature: {} cannot be undone, so it is asked for", action.kind.word())
            });
        }
    }

    /// Every containment ends: one without a lease gets the bundle's, and none outlasts what the bundle allows. Says so
    /// where it had to be cut.
    fn settle_lease(&self, action: &mut Action, escalated: Option<&Escalation>) -> Option<String> {
        if !action.kind.undoable() {
            // It has nothing to end, whatever was asked for.
            action.lease_ms = 0;
            return None;
        }
        let usual = self.bundle.action_lease_ms(&action.kind);
        let most = if autonomous(&action.reason.principal) { usual } else { LEASE_ACTION_MS_MAX };
        if action.lease_ms == 0 {
            action.lease_ms = usual;
        }
        if lasts(action) {
            return None;
        }
        // Whoever is to look at it finds it in force: it lasts until the last one's time is over.
        if let Some(total_ms) = escalated.map(Escalation::total_ms).filter(|total| *total < action.lease_ms.min(most)) {
            action.lease_ms = total_ms;
            return Some(format!("lease: ends after {total_ms} ms unless it is ordered for longer"));
        }
        if action.lease_ms > most {
            action.lease_ms = most;
            return Some(format!("lease: cut to {most} ms"));
        }
        None
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

    fn lower_in_window(&mut self, what: &str, guard: &str, left: Option<(&str, u64)>, now: Timestamp) {
        if let Some((name, ms)) = left {
            self.lower(VerdictKind::Ask, guard, || format!("{what}: {name} until {}", now.plus_millis(ms)));
        }
    }

    fn names(&self, guard: &str) -> bool {
        self.decided_by.iter().any(|by| by == guard)
    }
}

fn left(window: Option<(&str, u64)>) -> i64 {
    window.map_or(0, |(_, ms)| i64::try_from(ms).unwrap_or(i64::MAX))
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

/// What an incident left stays away until a person takes the remedy back: a lease would give it back to the intruder.
const fn lasts(action: &Action) -> bool {
    action.lease_ms == LEASE_MS_LASTING
        && action.kind.remedies()
        && action.reason.incident.is_some()
        && !autonomous(&action.reason.principal)
}

const fn autonomous(principal: &Principal) -> bool {
    matches!(principal, Principal::Agent | Principal::Coordinator)
}

#[cfg(test)]
mod tests;
