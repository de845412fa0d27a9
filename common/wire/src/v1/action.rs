//! Owns: actions, their reports and commands on the wire.
//! Never: authority; what decodes here is a wish until the host's own policy judged it.

use std::net::IpAddr;

use picket_model as model;
use serde::{Deserialize, Serialize};

use super::event::NetFlow;
use super::mirror;
use super::process::ProcessKey;
use crate::limits::{
    Invalid, LIST_MAX, NAME_BYTES_MAX, PATH_BYTES_MAX, TEXT_BYTES_MAX, check, cut, cut_all, optional, text, texts,
};

mirror!(VerdictKind { ActNow, Ask, OutOfScope });
mirror!(ActionState { Asked, Refused, Planned, Applied, Failed, Undone, Expired });

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum ActionKind {
    KillTree { target: ProcessKey },
    QuarantineFile { path: String, sha256: Option<[u8; 32]> },
    DenyExecution { sha256: [u8; 32], within: Option<String> },
    IsolateHost,
    IsolateNamespace { name: String },
    SuspendProcess { target: ProcessKey },
    FreezeGroup { group: String },
    RemoveLine { path: String, line: String, sha256: Option<[u8; 32]> },
    LockAccount { user: String },
    EndSessions { user: String },
    BlockAddress { network: Option<(IpAddr, u8)>, port: Option<u16> },
    CutConnection { flow: NetFlow },
    DisableUnit { unit: String },
    DenyPath { path: String },
    BlockDomain { domain: String },
    DisableModule { module: String },
    ExpireCredentials { user: String },
    RestoreFile { path: String, before: u64, last: Option<u64> },
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Principal {
    Agent,
    Coordinator,
    Analyst { name: String },
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Reason {
    pub principal: Principal,
    pub detection: Option<[u8; 16]>,
    pub rule: Option<String>,
    pub severity: i64,
    pub incident: Option<[u8; 16]>,
    pub families: u32,
    pub drill: bool,
    pub note: String,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Action {
    pub id: [u8; 16],
    pub host: [u8; 16],
    pub kind: ActionKind,
    pub reason: Reason,
    pub requested: u64,
    pub lease_ms: u64,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ActionReport {
    pub action: Action,
    pub state: ActionState,
    pub verdict: VerdictKind,
    pub bundle: u64,
    pub decided_by: Vec<String>,
    pub time: u64,
    pub latency_us: u64,
    pub detail: String,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Command {
    pub kind: CommandKind,
    pub issued: u64,
    pub expires: u64,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum CommandKind {
    Act { action: Action },
    Undo { action: [u8; 16], principal: Principal, note: String },
    Deny { action: [u8; 16], principal: Principal, note: String },
    ScanMemory { pid: u32, principal: Principal, note: String },
    Look { kinds: Vec<ActionKind>, principal: Principal, note: String },
}

impl From<&model::ActionKind> for ActionKind {
    fn from(kind: &model::ActionKind) -> Self {
        use model::{ActionKind as M, IsolationScope};
        match kind {
            M::KillTree { target } => Self::KillTree { target: (*target).into() },
            M::QuarantineFile { path, sha256 } => {
                Self::QuarantineFile { path: cut(path, PATH_BYTES_MAX), sha256: sha256.map(|hash| hash.0) }
            }
            M::DenyExecution { sha256, within } => Self::DenyExecution {
                sha256: sha256.0,
                within: within.as_deref().map(|path| cut(path, PATH_BYTES_MAX)),
            },
            M::IsolateHost { scope: IsolationScope::Host } => Self::IsolateHost,
            M::IsolateHost { scope: IsolationScope::Namespace { name } } => {
                Self::IsolateNamespace { name: cut(name, NAME_BYTES_MAX) }
            }
            M::SuspendProcess { target } => Self::SuspendProcess { target: (*target).into() },
            M::FreezeGroup { group } => Self::FreezeGroup { group: cut(group, PATH_BYTES_MAX) },
            M::RemoveLine { path, line, sha256 } => Self::RemoveLine {
                path: cut(path, PATH_BYTES_MAX),
                line: cut(line, TEXT_BYTES_MAX),
                sha256: sha256.map(|hash| hash.0),
            },
            M::LockAccount { user } => Self::LockAccount { user: cut(user, NAME_BYTES_MAX) },
            M::EndSessions { user } => Self::EndSessions { user: cut(user, NAME_BYTES_MAX) },
            M::BlockAddress { network, port } => Self::BlockAddress {
                network: network.map(|network| (network.address(), network.prefix())),
                port: *port,
            },
            M::CutConnection { flow } => Self::CutConnection { flow: (*flow).into() },
            M::DisableUnit { unit } => Self::DisableUnit { unit: cut(unit, NAME_BYTES_MAX) },
            M::DenyPath { path } => Self::DenyPath { path: cut(path, PATH_BYTES_MAX) },
            M::BlockDomain { domain } => Self::BlockDomain { domain: domain.to_string() },
            M::DisableModule { module } => Self::DisableModule { module: cut(module, NAME_BYTES_MAX) },
            M::RestoreFile { path, before, last } => {
                Self::RestoreFile { path: cut(path, PATH_BYTES_MAX), before: before.0, last: last.map(|last| last.0) }
            }
            M::ExpireCredentials { user } => Self::ExpireCredentials { user: cut(user, NAME_BYTES_MAX) },
        }
    }
}

/// Whether an action arrives as it was asked for: a target above its limit would be cut, and would mean another.
#[must_use]
pub fn travels(kind: &model::ActionKind) -> bool {
    model::ActionKind::try_from(ActionKind::from(kind)).is_ok_and(|arrived| arrived == *kind)
}

impl TryFrom<ActionKind> for model::ActionKind {
    type Error = Invalid;
    fn try_from(kind: ActionKind) -> Result<Self, Invalid> {
        use model::IsolationScope;
        Ok(match kind {
            ActionKind::KillTree { target } => Self::KillTree { target: target.into() },
            ActionKind::QuarantineFile { path, sha256 } => Self::QuarantineFile {
                path: text("action.path", path, PATH_BYTES_MAX)?,
                sha256: sha256.map(model::Sha256),
            },
            ActionKind::DenyExecution { sha256, within } => Self::DenyExecution {
                sha256: model::Sha256(sha256),
                within: optional("action.within", within, PATH_BYTES_MAX)?,
            },
            ActionKind::IsolateHost => Self::IsolateHost { scope: IsolationScope::Host },
            ActionKind::IsolateNamespace { name } => Self::IsolateHost {
                scope: IsolationScope::Namespace { name: text("action.namespace", name, NAME_BYTES_MAX)? },
            },
            ActionKind::SuspendProcess { target } => Self::SuspendProcess { target: target.into() },
            ActionKind::FreezeGroup { group } => {
                Self::FreezeGroup { group: text("action.group", group, PATH_BYTES_MAX)? }
            }
            ActionKind::RemoveLine { path, line, sha256 } => Self::RemoveLine {
                path: text("action.path", path, PATH_BYTES_MAX)?,
                line: text("action.line", line, TEXT_BYTES_MAX)?,
                sha256: sha256.map(model::Sha256),
            },
            ActionKind::LockAccount { user } => Self::LockAccount { user: text("action.user", user, NAME_BYTES_MAX)? },
            ActionKind::EndSessions { user } => Self::EndSessions { user: text("action.user", user, NAME_BYTES_MAX)? },
            ActionKind::BlockAddress { network, port } => {
                Self::BlockAddress { network: network.map(self::network).transpose()?, port }
            }
            ActionKind::CutConnection { flow } => Self::CutConnection { flow: flow.into() },
            ActionKind::DisableUnit { unit } => Self::DisableUnit { unit: text("action.unit", unit, NAME_BYTES_MAX)? },
            ActionKind::DenyPath { path } => Self::DenyPath { path: text("action.path", path, PATH_BYTES_MAX)? },
            ActionKind::BlockDomain { domain } => Self::BlockDomain { domain: self::domain(&domain)? },
            ActionKind::DisableModule { module } => {
                Self::DisableModule { module: text("action.module", module, NAME_BYTES_MAX)? }
            }
            ActionKind::RestoreFile { path, before, last } => Self::RestoreFile {
                path: text("action.path", path, PATH_BYTES_MAX)?,
                before: model::Timestamp(before),
                last: last.map(model::Timestamp),
            },
            ActionKind::ExpireCredentials { user } => {
                Self::ExpireCredentials { user: text("action.user", user, NAME_BYTES_MAX)? }
            }
        })
    }
}

fn network((address, prefix): (IpAddr, u8)) -> Result<model::Network, Invalid> {
    let limit = if address.is_ipv4() { 32 } else { 128 };
    let field = "action.prefix";
    model::Network::new(address, prefix).ok_or(Invalid { field, found: usize::from(prefix), limit })
}

fn domain(name: &str) -> Result<model::Domain, Invalid> {
    name.parse().map_err(|_| Invalid { field: "action.domain", found: name.len(), limit: NAME_BYTES_MAX })
}

impl From<&model::Principal> for Principal {
    fn from(principal: &model::Principal) -> Self {
        match principal {
            model::Principal::Agent => Self::Agent,
            model::Principal::Coordinator => Self::Coordinator,
            model::Principal::Analyst { name } => Self::Analyst { name: cut(name, NAME_BYTES_MAX) },
        }
    }
}

impl TryFrom<Principal> for model::Principal {
    type Error = Invalid;
    fn try_from(principal: Principal) -> Result<Self, Invalid> {
        Ok(match principal {
            Principal::Agent => Self::Agent,
            Principal::Coordinator => Self::Coordinator,
            Principal::Analyst { name } => Self::Analyst { name: text("principal.name", name, NAME_BYTES_MAX)? },
        })
    }
}

impl From<&model::Action> for Action {
    fn from(action: &model::Action) -> Self {
        let reason = &action.reason;
        Self {
            id: *action.id.as_bytes(),
            host: *action.host.as_bytes(),
            kind: (&action.kind).into(),
            reason: Reason {
                principal: (&reason.principal).into(),
                detection: reason.detection.map(|id| *id.as_bytes()),
                rule: reason.rule.as_ref().map(|rule| cut(&rule.0, NAME_BYTES_MAX)),
                severity: reason.severity,
                incident: reason.incident.map(|id| *id.as_bytes()),
                families: reason.families,
                drill: reason.drill,
                note: cut(&reason.note, TEXT_BYTES_MAX),
            },
            requested: action.requested.0,
            lease_ms: action.lease_ms,
        }
    }
}

impl TryFrom<Action> for model::Action {
    type Error = Invalid;
    fn try_from(action: Action) -> Result<Self, Invalid> {
        let reason = action.reason;
        Ok(Self {
            id: model::ActionId::from_bytes(action.id),
            host: model::HostId::from_bytes(action.host),
            kind: action.kind.try_into()?,
            reason: model::Reason {
                principal: reason.principal.try_into()?,
                detection: reason.detection.map(model::DetectionId::from_bytes),
                rule: optional("reason.rule", reason.rule, NAME_BYTES_MAX)?.map(model::RuleId),
                severity: reason.severity,
                incident: reason.incident.map(model::IncidentId::from_bytes),
                families: reason.families,
                drill: reason.drill,
                note: text("reason.note", reason.note, TEXT_BYTES_MAX)?,
            },
            requested: model::Timestamp(action.requested),
            lease_ms: action.lease_ms,
        })
    }
}

impl From<&model::ActionReport> for ActionReport {
    fn from(report: &model::ActionReport) -> Self {
        Self {
            action: (&report.action).into(),
            state: report.state.into(),
            verdict: report.verdict.into(),
            bundle: report.bundle.0,
            decided_by: cut_all(&report.decided_by, NAME_BYTES_MAX, LIST_MAX),
            time: report.time.0,
            latency_us: report.latency_us,
            detail: cut(&report.detail, TEXT_BYTES_MAX),
        }
    }
}

impl TryFrom<ActionReport> for model::ActionReport {
    type Error = Invalid;
    fn try_from(report: ActionReport) -> Result<Self, Invalid> {
        Ok(Self {
            action: report.action.try_into()?,
            state: report.state.into(),
            verdict: report.verdict.into(),
            bundle: model::BundleVersion(report.bundle),
            decided_by: texts("report.decided_by", report.decided_by, NAME_BYTES_MAX, LIST_MAX)?,
            time: model::Timestamp(report.time),
            latency_us: report.latency_us,
            detail: text("report.detail", report.detail, TEXT_BYTES_MAX)?,
        })
    }
}

impl From<&model::Command> for Command {
    fn from(command: &model::Command) -> Self {
        use model::CommandKind as M;
        let kind = match &command.kind {
            M::Act { action } => CommandKind::Act { action: action.into() },
            M::Undo { action, principal, note } => CommandKind::Undo {
                action: *action.as_bytes(),
                principal: principal.into(),
                note: cut(note, TEXT_BYTES_MAX),
            },
            M::Deny { action, principal, note } => CommandKind::Deny {
                action: *action.as_bytes(),
                principal: principal.into(),
                note: cut(note, TEXT_BYTES_MAX),
            },
            M::ScanMemory { pid, principal, note } => {
                CommandKind::ScanMemory { pid: *pid, principal: principal.into(), note: cut(note, TEXT_BYTES_MAX) }
            }
            M::Look { kinds, principal, note } => CommandKind::Look {
                kinds: kinds.iter().take(LIST_MAX).map(Into::into).collect(),
                principal: principal.into(),
                note: cut(note, TEXT_BYTES_MAX),
            },
        };
        Self { kind, issued: command.issued.0, expires: command.expires.0 }
    }
}

impl TryFrom<Command> for model::Command {
    type Error = Invalid;
    fn try_from(command: Command) -> Result<Self, Invalid> {
        use model::CommandKind as M;
        let kind = match command.kind {
            CommandKind::Act { action } => M::Act { action: action.try_into()? },
            CommandKind::Undo { action, principal, note } => M::Undo {
                action: model::ActionId::from_bytes(action),
                principal: principal.try_into()?,
                note: text("command.note", note, TEXT_BYTES_MAX)?,
            },
            CommandKind::Deny { action, principal, note } => M::Deny {
                action: model::ActionId::from_bytes(action),
                principal: principal.try_into()?,
                note: text("command.note", note, TEXT_BYTES_MAX)?,
            },
            CommandKind::ScanMemory { pid, principal, note } => M::ScanMemory {
                pid,
                principal: principal.try_into()?,
                note: text("command.note", note, TEXT_BYTES_MAX)?,
            },
            CommandKind::Look { kinds, principal, note } => {
                check("command.kinds", kinds.len(), LIST_MAX)?;
                M::Look {
                    kinds: kinds.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
                    principal: principal.try_into()?,
                    note: text("command.note", note, TEXT_BYTES_MAX)?,
                }
            }
        };
        Ok(Self { kind, issued: model::Timestamp(command.issued), expires: model::Timestamp(command.expires) })
    }
}
