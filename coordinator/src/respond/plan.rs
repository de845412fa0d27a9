//! Owns: which containments the coordinator asks of the hosts that one incident spans.
//! Never: sending them, or permission; each host judges again under its own bundle.

use std::collections::BTreeSet;

use picket_model::{
    Action, ActionId, ActionKind, ActionState, DetectionId, HostId, IncidentId, IsolationScope, Principal, ProcessKey,
    Reason, RuleId, Severity, Timestamp,
};
use sha2::{Digest, Sha256};

use super::ledger::Ledger;

/// Isolation is undone by itself after an hour: by then a person has looked, or renews it.
pub const ISOLATION_LEASE_MS: u64 = 3_600_000;
/// Independent sensor families that must agree before a host is cut off: one sensor can be fooled.
pub const ISOLATION_FAMILIES_MIN: u32 = 2;

/// A session on a host that a connection from another host began and that still runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    pub host: HostId,
    pub top: ProcessKey,
    /// For people: `db-1: sshd: alice [priv]`.
    pub label: String,
    pub from_label: String,
    /// The host whose evidence brings this session in: its budget pays.
    pub trigger: HostId,
    pub drill: bool,
    /// The host's own agent has killed, or is about to kill, all of it.
    pub covered: bool,
}

/// What one host's own detections in the incident amount to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostEvidence {
    pub host: HostId,
    pub severity: Severity,
    pub families: u32,
    /// The worst detection.
    pub detection: DetectionId,
    pub rule: RuleId,
    pub drill: bool,
}

/// An action that somebody asked for already.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    pub id: ActionId,
    pub host: HostId,
    pub kind: ActionKind,
    pub state: ActionState,
}

/// An incident as planning needs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    pub incident: IncidentId,
    pub title: String,
    pub severity: Severity,
    /// Independent sensor families of the whole incident.
    pub families: u32,
    pub sessions: Vec<Session>,
    pub evidence: Vec<HostEvidence>,
    pub known: Vec<Known>,
}

/// An action that the budget of the triggering host does not pay for any more; a person decides.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Withheld {
    pub action: Action,
    pub trigger: HostId,
}

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Plan {
    /// In the order to ask for them: kills before isolations, each by host and target.
    pub actions: Vec<Action>,
    pub withheld: Vec<Withheld>,
}

/// The same case gives the same plan; `ledger` remembers what was planned, so that planning again costs nothing.
pub fn plan(case: &Case, ledger: &mut Ledger, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    for (trigger, mut action) in kills(case).into_iter().chain(isolations(case)) {
        if is_known(case, &action) {
            continue;
        }
        action.requested = now;
        if ledger.pay(trigger, action.id, now) {
            plan.actions.push(action);
        } else {
            plan.withheld.push(Withheld { action, trigger });
        }
    }
    plan
}

/// Asked for under the same id in whatever state (a refusal is an answer), or in force for the same target.
fn is_known(case: &Case, action: &Action) -> bool {
    case.known.iter().any(|known| {
        let in_force = matches!(known.state, ActionState::Asked | ActionState::Planned | ActionState::Applied);
        known.id == action.id || (in_force && known.host == action.host && known.kind == action.kind)
    })
}

fn kills(case: &Case) -> Vec<(HostId, Action)> {
    let mut sessions: Vec<&Session> = case.sessions.iter().filter(|session| !session.covered).collect();
    sessions.sort_by_key(|session| (session.host, session.top));
    sessions
        .into_iter()
        .map(|session| {
            let kind = ActionKind::KillTree { target: session.top };
            let note = format!("session {} was begun from {}: {}", session.label, session.from_label, case.title);
            let cause = case.evidence.iter().find(|evidence| evidence.host == session.trigger);
            (session.trigger, action(case, session.host, kind, cause, session.drill, note, 0))
        })
        .collect()
}

/// Only on the host's own evidence: what another host says never cuts this one off.
fn isolations(case: &Case) -> Vec<(HostId, Action)> {
    let hosts: BTreeSet<HostId> =
        case.evidence.iter().map(|evidence| evidence.host).chain(case.sessions.iter().map(|it| it.host)).collect();
    let mut evidence: Vec<&HostEvidence> = case
        .evidence
        .iter()
        .filter(|evidence| evidence.severity >= Severity::High && evidence.families >= ISOLATION_FAMILIES_MIN)
        .collect();
    evidence.sort_by_key(|evidence| evidence.host);
    evidence
        .into_iter()
        .filter(|_| hosts.len() > 1)
        .map(|evidence| {
            let kind = ActionKind::IsolateHost { scope: IsolationScope::Host };
            let note = format!("part of an incident on {} hosts: {}", hosts.len(), case.title);
            let mut action =
                action(case, evidence.host, kind, Some(evidence), evidence.drill, note, ISOLATION_LEASE_MS);
            action.reason.severity = evidence.severity.number();
            action.reason.families = evidence.families;
            (evidence.host, action)
        })
        .collect()
}

fn action(
    case: &Case,
    host: HostId,
    kind: ActionKind,
    cause: Option<&HostEvidence>,
    drill: bool,
    note: String,
    lease_ms: u64,
) -> Action {
    Action {
        id: action_id(case.incident, host, &kind),
        host,
        reason: Reason {
            principal: Principal::Coordinator,
            detection: cause.map(|evidence| evidence.detection),
            rule: cause.map(|evidence| evidence.rule.clone()),
            severity: case.severity.number(),
            incident: Some(case.incident),
            families: case.families,
            drill,
            note,
        },
        kind,
        requested: Timestamp(0),
        lease_ms,
    }
}

/// Derived from what is to be done for which incident, so that planning twice asks once.
fn action_id(incident: IncidentId, host: HostId, kind: &ActionKind) -> ActionId {
    let mut hash = Sha256::new();
    hash.update(b"picket planned action\0");
    hash.update(incident.as_bytes());
    hash.update(host.as_bytes());
    hash.update(kind.word().as_bytes());
    match kind {
        ActionKind::KillTree { target } => {
            hash.update(target.boot.to_be_bytes());
            hash.update(target.pid.to_be_bytes());
            hash.update(target.start_ticks.to_be_bytes());
        }
        other => hash.update(other.to_string().as_bytes()),
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    ActionId::from_bytes(bytes)
}
