//! Owns: which containments of an incident are given back, in which order, which stay and why; and whether its hosts can
//! return to service.
//! Never: asking a host, or giving anything back.

#[cfg(test)]
mod tests;

use picket_model::{
    AccountActivity, ActionKind, ActionReport, ActionState, ByHand, HostId, IsolationScope, LEASE_MS_LASTING, Left,
    RemedyStep, Seen, ServiceActivity, Timestamp, Trace,
};
use serde::Serialize;

/// An answer of a host that is older says nothing of now.
pub const ANSWER_MS_MAX: u64 = 10 * 60_000;
/// A connected host speaks every few seconds.
const SILENT_MS: u64 = 60_000;

/// When a containment ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// At once.
    Back,
    /// Once the check has passed.
    Last,
    Stays,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct GiveBack {
    pub turn: Turn,
    pub why: String,
    pub report: ActionReport,
}

/// Of everything that is or was in force for the incident: accounts, then services and processes, isolation last.
#[must_use]
pub fn plan(reports: &[ActionReport], traces: &[Trace]) -> Vec<GiveBack> {
    let mut plan: Vec<GiveBack> = reports
        .iter()
        .filter(|report| report.action.kind.undoable())
        .filter(|report| matches!(report.state, ActionState::Applied | ActionState::Undone | ActionState::Expired))
        .map(|report| {
            let (turn, why) = turn(report, traces);
            GiveBack { turn, why: why.to_owned(), report: report.clone() }
        })
        // What stays and is over already is nobody's concern any more.
        .filter(|one| one.turn != Turn::Stays || one.report.state == ActionState::Applied)
        .collect();
    plan.sort_by_key(|one| (one.turn, rank(&one.report.action.kind), one.report.action.host, one.report.action.id));
    plan
}

const fn rank(kind: &ActionKind) -> u8 {
    match kind {
        ActionKind::LockAccount { .. } => 0,
        ActionKind::DisableUnit { .. } | ActionKind::DisableModule { .. } => 1,
        ActionKind::FreezeGroup { .. } | ActionKind::SuspendProcess { .. } => 2,
        _ => 3,
    }
}

fn turn(report: &ActionReport, traces: &[Trace]) -> (Turn, &'static str) {
    let host = report.action.host;
    let left = |is: &dyn Fn(&Left) -> bool| traces.iter().any(|trace| trace.host == host && is(&trace.left));
    if report.action.lease_ms == LEASE_MS_LASTING {
        return (Turn::Stays, "a remedy: what the incident left stays away");
    }
    match &report.action.kind {
        ActionKind::IsolateHost { .. } => (Turn::Last, "in reach again once the check has passed"),
        ActionKind::LockAccount { user } => {
            let made = |it: &Left| matches!(it, Left::Account { change } if change.name == *user && change.activity == AccountActivity::Created);
            if left(&made) {
                (Turn::Stays, "the incident made the account")
            } else {
                (Turn::Back, "given back to its owner")
            }
        }
        ActionKind::DisableUnit { unit } => {
            let made = |it: &Left| matches!(it, Left::Service { change } if change.name == *unit && change.activity == ServiceActivity::Created);
            if left(&made) {
                (Turn::Stays, "the incident made the unit")
            } else {
                (Turn::Back, "the service may run again")
            }
        }
        ActionKind::DisableModule { module } => {
            let loaded = |it: &Left| matches!(it, Left::Module { name, .. } if name.replace('-', "_") == module.replace('-', "_"));
            if left(&loaded) {
                (Turn::Stays, "the incident loaded the module")
            } else {
                (Turn::Back, "the module may be loaded again")
            }
        }
        ActionKind::SuspendProcess { target } => {
            let own = |it: &Left| matches!(it, Left::Process { key, .. } if key == target);
            if left(&own) {
                (Turn::Stays, "a process of the incident: its remedy is to be killed")
            } else {
                (Turn::Back, "it runs on")
            }
        }
        ActionKind::FreezeGroup { .. } => (Turn::Back, "it runs on"),
        ActionKind::BlockAddress { .. } | ActionKind::BlockDomain { .. } => {
            (Turn::Stays, "no service needs it; it ends with its lease, or `picket undo` ends it")
        }
        ActionKind::DenyExecution { .. } | ActionKind::DenyPath { .. } => {
            (Turn::Stays, "what is bad is bad everywhere; it ends with its lease")
        }
        ActionKind::ExpireCredentials { .. } => (
            Turn::Stays,
            "whoever has the keys may have copied them; once they are replaced, `picket undo` gives the files back",
        ),
        _ => (Turn::Stays, "what the incident left; order its remedy, for a lease gives it back"),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Passed,
    Failed,
    /// Nobody has answered yet.
    Open,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    pub host: HostId,
    pub verdict: Verdict,
    pub what: String,
    pub detail: String,
}

/// A host as it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostNow {
    pub host: HostId,
    pub connected: bool,
    pub heard: Timestamp,
    pub blind_spots: usize,
}

/// Of one step, what its host answered, and when.
pub type Looked<'a> = &'a dyn Fn(&RemedyStep) -> Option<(Timestamp, Seen)>;

/// What was contained works again, and nothing of the incident is left.
pub struct Facts<'a> {
    pub hosts: &'a [HostNow],
    pub plan: &'a [GiveBack],
    pub steps: &'a [RemedyStep],
    pub looked: Looked<'a>,
    pub by_hand: &'a [ByHand],
    /// Of which of it a person says that it is done.
    pub is_done: &'a dyn Fn(&ByHand) -> bool,
}

#[must_use]
pub fn check(facts: &Facts<'_>, now: Timestamp) -> Vec<Finding> {
    let hosts = facts.hosts.iter().map(|host| of_host(host, now));
    let given = facts.plan.iter().filter(|one| one.turn == Turn::Back).map(of_given);
    let steps = facts.steps.iter().map(|step| of_step(step, (facts.looked)(step), now));
    let mut found: Vec<Finding> = hosts.chain(given).chain(steps).collect();
    found.extend(of_by_hand(facts));
    found
}

/// Something was looked at, and all of it is well.
#[must_use]
pub fn has_passed(found: &[Finding]) -> bool {
    !found.is_empty() && found.iter().all(|finding| finding.verdict == Verdict::Passed)
}

fn of_host(host: &HostNow, now: Timestamp) -> Finding {
    let silent = now.millis_since(host.heard) > SILENT_MS;
    let (verdict, detail) = match (host.connected, silent) {
        (false, _) => (Verdict::Failed, "it is not connected".to_owned()),
        (true, true) => (Verdict::Failed, format!("connected, yet silent since {}", host.heard)),
        (true, false) if host.blind_spots == 0 => (Verdict::Passed, "connected".to_owned()),
        (true, false) => {
            (Verdict::Passed, format!("connected; {} blind spots, `picket host` names them", host.blind_spots))
        }
    };
    Finding { host: host.host, verdict, what: "the agent watches".to_owned(), detail }
}

/// A word on what was known then says nothing of what came to light later.
fn of_by_hand(facts: &Facts<'_>) -> Option<Finding> {
    let (first, all) = (facts.by_hand.first()?, facts.by_hand.len());
    let mut undone = facts.by_hand.iter().filter(|one| !(facts.is_done)(one));
    let next = undone.next();
    let (host, verdict, detail) = match (next, 1 + undone.count()) {
        (None, _) => (first.host, Verdict::Passed, "a person says that it is done".to_owned()),
        (Some(next), left) if left == all => (next.host, Verdict::Failed, "say --by-hand-done once it is".to_owned()),
        (Some(next), left) => {
            let detail = format!(
                "{left} of it came after somebody said that it is done ({}); say so again once it is",
                next.what
            );
            (next.host, Verdict::Failed, detail)
        }
    };
    Some(Finding { host, verdict, what: format!("what is to be done by hand ({all})"), detail })
}

/// The host checks an undoing before it says that it is done.
fn of_given(one: &GiveBack) -> Finding {
    let (verdict, detail) = match one.report.state {
        ActionState::Undone | ActionState::Expired => (Verdict::Passed, one.report.detail.clone()),
        _ => (Verdict::Failed, format!("still in force: {}", one.report.detail)),
    };
    Finding { host: one.report.action.host, verdict, what: format!("{} is taken back", one.report.action.kind), detail }
}

fn of_step(step: &RemedyStep, looked: Option<(Timestamp, Seen)>, now: Timestamp) -> Finding {
    let (verdict, detail) = match looked {
        Some((time, seen)) if now.millis_since(time) <= ANSWER_MS_MAX => match seen {
            Seen::Gone => (Verdict::Passed, format!("looked at {time}")),
            Seen::There => (Verdict::Failed, format!("it is there, looked at {time}")),
            Seen::Unknown(why) => (Verdict::Failed, format!("it cannot be said: {why}")),
        },
        Some((time, _)) => (Verdict::Open, format!("the host answered at {time}, which is too long ago")),
        None => (Verdict::Open, "the host has not answered".to_owned()),
    };
    Finding { host: step.host, verdict, what: format!("gone: {}", step.kind), detail }
}

/// Whether an act cuts the whole host off.
#[must_use]
pub const fn is_isolation(kind: &ActionKind) -> bool {
    matches!(kind, ActionKind::IsolateHost { scope: IsolationScope::Host })
}
