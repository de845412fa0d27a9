//! Owns: an event and its activity on the wire: the acting process with one parent.
//! Never: more lineage than that; a detection carries the rest.

use std::net::IpAddr;
use std::sync::Arc;

use picket_model as model;
use serde::{Deserialize, Serialize};

use super::later::{self, Extras};
use super::mirror;
use super::process::{FileId, Process};
use crate::limits::{Invalid, LIST_MAX, NAME_BYTES_MAX, PATH_BYTES_MAX, TEXT_BYTES_MAX, check, cut, optional, text};

mirror!(NetActivity { Connect, Accept, Listen });
mirror!(NetProtocol { Tcp, Udp });
mirror!(FileActivity { Create, Write, Rename, Delete, SetMode, Read, SetOwner, SetAttributes, RawAccess });
mirror!(AuthActivity { Logon, Logoff });

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Event {
    pub id: [u8; 16],
    pub time: u64,
    pub process: Option<Process>,
    pub parent: Option<Process>,
    pub activity: Activity,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Activity {
    ProcessLaunch,
    ProcessFork { child: Process },
    ProcessExit { exit_code: i32, signal: i32 },
    Network { activity: NetActivity, flow: NetFlow },
    File { activity: FileActivity, file: FileObject },
    ModuleLoad { name: String, path: String, loaded: bool },
    Authentication { activity: AuthActivity, user: String, service: String, source: Option<IpAddr>, success: bool },
    Dns { name: String, answers: Vec<IpAddr> },
    Loss { counts: Vec<LossCount> },
    Agent { what: String, detail: String },
    Script { script: later::Script },
    LibraryLoad { file: FileObject },
    BpfLoad { program: later::BpfProgram },
    ProcessAccess { access: later::ProcessAccess, target: Process },
    Memory { activity: later::MemoryActivity, detail: String },
    MemoryFile { name: String, flags: u32 },
    Privilege { change: later::PrivilegeChange },
    Mount { change: later::MountChange },
    Kernel { operation: later::KernelOperation, subject: String, detail: String },
    ScheduledJob { job: later::ScheduledJob },
    Account { change: later::AccountChange },
    Group { change: later::GroupChange },
    Service { change: later::ServiceChange },
    UnixConnect { path: String },
    Fingerprint { fingerprint: later::Fingerprint },
    Suppressed { counts: Vec<LossCount> },
    Tamper { kind: later::TamperKind, refused: bool, detail: String },
    Coverage { rows: Vec<later::Coverage> },
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct NetFlow {
    pub protocol: NetProtocol,
    pub local_ip: IpAddr,
    pub local_port: u16,
    pub remote_ip: IpAddr,
    pub remote_port: u16,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FileObject {
    pub path: String,
    pub old_path: Option<String>,
    pub id: FileId,
    pub mode: u32,
    pub size: Option<u64>,
    pub sha256: Option<[u8; 32]>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LossCount {
    pub place: String,
    pub count: u64,
}

pub(crate) fn losses_from(counts: &[model::LossCount]) -> Vec<LossCount> {
    let one = |loss: &model::LossCount| LossCount { place: cut(&loss.place, NAME_BYTES_MAX), count: loss.count };
    counts.iter().take(LIST_MAX).map(one).collect()
}

pub(crate) fn losses_into(counts: Vec<LossCount>) -> Result<Vec<model::LossCount>, Invalid> {
    check("losses", counts.len(), LIST_MAX)?;
    let one = |loss: LossCount| {
        Ok(model::LossCount { place: text("loss.place", loss.place, NAME_BYTES_MAX)?, count: loss.count })
    };
    counts.into_iter().map(one).collect()
}

impl From<&model::Event> for Event {
    fn from(event: &model::Event) -> Self {
        Self {
            id: *event.id.as_bytes(),
            time: event.time.0,
            process: event.process.as_deref().map(Into::into),
            parent: event.process.as_ref().and_then(|process| process.parent.as_deref()).map(Into::into),
            activity: (&event.activity).into(),
        }
    }
}

impl TryFrom<Event> for model::Event {
    type Error = Invalid;
    fn try_from(event: Event) -> Result<Self, Invalid> {
        let parent = event.parent.map(|parent| parent.under(None)).transpose()?;
        let process = event.process.map(|process| process.under(parent)).transpose()?;
        let activity = match event.activity {
            // The acting process is the new child's parent.
            Activity::ProcessFork { child } => model::Activity::ProcessFork { child: child.under(process.clone())? },
            other => other.try_into()?,
        };
        Ok(Self { id: model::EventId::from_bytes(event.id), time: model::Timestamp(event.time), process, activity })
    }
}

/// What an event has to say beyond its first form: a launch tells the surroundings of its process, once.
pub(crate) fn extras(event: &model::Event) -> Option<Extras> {
    let (context, path_bytes) = match &event.activity {
        model::Activity::ProcessLaunch => (event.process.as_ref()?.context.as_deref().map(Into::into), None),
        model::Activity::File { file, .. } => (None, file.path_bytes),
        _ => (None, None),
    };
    (context.is_some() || path_bytes.is_some()).then_some(Extras { context, path_bytes })
}

pub(super) fn with(mut event: model::Event, extras: Extras) -> Result<model::Event, Invalid> {
    if let (Some(process), Some(context)) = (&mut event.process, extras.context) {
        let context = Some(Arc::new(context.try_into()?));
        *process = Arc::new(model::Process { context, ..model::Process::clone(process) });
    }
    if let model::Activity::File { file, .. } = &mut event.activity {
        file.path_bytes = extras.path_bytes;
    }
    Ok(event)
}

impl From<&model::Activity> for Activity {
    fn from(activity: &model::Activity) -> Self {
        use model::Activity as M;
        match activity {
            M::ProcessLaunch => Self::ProcessLaunch,
            M::ProcessFork { child } => Self::ProcessFork { child: child.as_ref().into() },
            M::ProcessExit { exit_code, signal } => Self::ProcessExit { exit_code: *exit_code, signal: *signal },
            M::Network { activity, flow } => Self::Network { activity: (*activity).into(), flow: (*flow).into() },
            M::File { activity, file } => Self::File { activity: (*activity).into(), file: file.into() },
            M::ModuleLoad { name, path, loaded } => {
                Self::ModuleLoad { name: cut(name, NAME_BYTES_MAX), path: cut(path, PATH_BYTES_MAX), loaded: *loaded }
            }
            M::Authentication { activity, user, service, source, success } => Self::Authentication {
                activity: (*activity).into(),
                user: cut(user, NAME_BYTES_MAX),
                service: cut(service, NAME_BYTES_MAX),
                source: *source,
                success: *success,
            },
            M::Dns { name, answers } => {
                Self::Dns { name: cut(name, NAME_BYTES_MAX), answers: answers.iter().take(LIST_MAX).copied().collect() }
            }
            M::Loss { counts } => Self::Loss { counts: losses_from(counts) },
            M::Agent { what, detail } => {
                Self::Agent { what: cut(what, NAME_BYTES_MAX), detail: cut(detail, TEXT_BYTES_MAX) }
            }
            M::Script { script } => Self::Script { script: script.into() },
            M::LibraryLoad { file } => Self::LibraryLoad { file: file.into() },
            M::BpfLoad { program } => Self::BpfLoad { program: program.into() },
            M::ProcessAccess { access, target } => {
                Self::ProcessAccess { access: (*access).into(), target: target.as_ref().into() }
            }
            M::Memory { activity, detail } => {
                Self::Memory { activity: (*activity).into(), detail: cut(detail, TEXT_BYTES_MAX) }
            }
            M::MemoryFile { name, flags } => Self::MemoryFile { name: cut(name, NAME_BYTES_MAX), flags: *flags },
            M::Privilege { change } => Self::Privilege { change: change.into() },
            M::Mount { change } => Self::Mount { change: change.into() },
            M::Kernel { operation, subject, detail } => Self::Kernel {
                operation: (*operation).into(),
                subject: cut(subject, PATH_BYTES_MAX),
                detail: cut(detail, TEXT_BYTES_MAX),
            },
            M::ScheduledJob { job } => Self::ScheduledJob { job: job.into() },
            M::Account { change } => Self::Account { change: change.into() },
            M::Group { change } => Self::Group { change: change.into() },
            M::Service { change } => Self::Service { change: change.into() },
            M::UnixConnect { path } => Self::UnixConnect { path: cut(path, PATH_BYTES_MAX) },
            M::Fingerprint { fingerprint } => Self::Fingerprint { fingerprint: fingerprint.into() },
            M::Suppressed { counts } => Self::Suppressed { counts: losses_from(counts) },
            M::Tamper { kind, refused, detail } => {
                Self::Tamper { kind: (*kind).into(), refused: *refused, detail: cut(detail, TEXT_BYTES_MAX) }
            }
            M::Coverage { rows } => Self::Coverage { rows: rows.iter().take(LIST_MAX).map(Into::into).collect() },
        }
    }
}

impl TryFrom<Activity> for model::Activity {
    type Error = Invalid;
    fn try_from(activity: Activity) -> Result<Self, Invalid> {
        Ok(match activity {
            Activity::ProcessLaunch => Self::ProcessLaunch,
            Activity::ProcessFork { child } => Self::ProcessFork { child: child.under(None)? },
            Activity::ProcessExit { exit_code, signal } => Self::ProcessExit { exit_code, signal },
            Activity::Network { activity, flow } => Self::Network { activity: activity.into(), flow: flow.into() },
            Activity::File { activity, file } => Self::File { activity: activity.into(), file: file.try_into()? },
            Activity::ModuleLoad { name, path, loaded } => Self::ModuleLoad {
                name: text("module.name", name, NAME_BYTES_MAX)?,
                path: text("module.path", path, PATH_BYTES_MAX)?,
                loaded,
            },
            Activity::Authentication { activity, user, service, source, success } => Self::Authentication {
                activity: activity.into(),
                user: text("authentication.user", user, NAME_BYTES_MAX)?,
                service: text("authentication.service", service, NAME_BYTES_MAX)?,
                source,
                success,
            },
            Activity::Dns { name, answers } => {
                check("dns.answers", answers.len(), LIST_MAX)?;
                Self::Dns { name: text("dns.name", name, NAME_BYTES_MAX)?, answers }
            }
            Activity::Loss { counts } => Self::Loss { counts: losses_into(counts)? },
            Activity::Agent { what, detail } => Self::Agent {
                what: text("agent.what", what, NAME_BYTES_MAX)?,
                detail: text("agent.detail", detail, TEXT_BYTES_MAX)?,
            },
            Activity::Script { script } => Self::Script { script: script.try_into()? },
            Activity::LibraryLoad { file } => Self::LibraryLoad { file: file.try_into()? },
            Activity::BpfLoad { program } => Self::BpfLoad { program: program.try_into()? },
            Activity::ProcessAccess { access, target } => {
                Self::ProcessAccess { access: access.into(), target: target.under(None)? }
            }
            Activity::Memory { activity, detail } => {
                Self::Memory { activity: activity.into(), detail: text("memory.detail", detail, TEXT_BYTES_MAX)? }
            }
            Activity::MemoryFile { name, flags } => {
                Self::MemoryFile { name: text("memory_file.name", name, NAME_BYTES_MAX)?, flags }
            }
            Activity::Privilege { change } => Self::Privilege { change: change.try_into()? },
            Activity::Mount { change } => Self::Mount { change: change.try_into()? },
            Activity::Kernel { operation, subject, detail } => Self::Kernel {
                operation: operation.into(),
                subject: text("kernel.subject", subject, PATH_BYTES_MAX)?,
                detail: text("kernel.detail", detail, TEXT_BYTES_MAX)?,
            },
            Activity::ScheduledJob { job } => Self::ScheduledJob { job: job.try_into()? },
            Activity::Account { change } => Self::Account { change: change.try_into()? },
            Activity::Group { change } => Self::Group { change: change.try_into()? },
            Activity::Service { change } => Self::Service { change: change.try_into()? },
            Activity::UnixConnect { path } => {
                Self::UnixConnect { path: text("unix_connect.path", path, PATH_BYTES_MAX)? }
            }
            Activity::Fingerprint { fingerprint } => Self::Fingerprint { fingerprint: fingerprint.try_into()? },
            Activity::Suppressed { counts } => Self::Suppressed { counts: losses_into(counts)? },
            Activity::Tamper { kind, refused, detail } => {
                Self::Tamper { kind: kind.into(), refused, detail: text("tamper.detail", detail, TEXT_BYTES_MAX)? }
            }
            Activity::Coverage { rows } => {
                check("coverage", rows.len(), LIST_MAX)?;
                Self::Coverage { rows: rows.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()? }
            }
        })
    }
}

impl From<model::NetFlow> for NetFlow {
    fn from(flow: model::NetFlow) -> Self {
        let model::NetFlow { protocol, local_ip, local_port, remote_ip, remote_port } = flow;
        Self { protocol: protocol.into(), local_ip, local_port, remote_ip, remote_port }
    }
}

impl From<NetFlow> for model::NetFlow {
    fn from(flow: NetFlow) -> Self {
        let NetFlow { protocol, local_ip, local_port, remote_ip, remote_port } = flow;
        Self { protocol: protocol.into(), local_ip, local_port, remote_ip, remote_port }
    }
}

impl From<&model::FileObject> for FileObject {
    fn from(file: &model::FileObject) -> Self {
        Self {
            path: cut(&file.path, PATH_BYTES_MAX),
            old_path: file.old_path.as_deref().map(|path| cut(path, PATH_BYTES_MAX)),
            id: file.id.into(),
            mode: file.mode,
            size: file.size,
            sha256: file.sha256.map(|hash| hash.0),
        }
    }
}

impl TryFrom<FileObject> for model::FileObject {
    type Error = Invalid;
    fn try_from(file: FileObject) -> Result<Self, Invalid> {
        Ok(Self {
            path: text("file.path", file.path, PATH_BYTES_MAX)?,
            old_path: optional("file.old_path", file.old_path, PATH_BYTES_MAX)?,
            id: file.id.into(),
            mode: file.mode,
            size: file.size,
            sha256: file.sha256.map(model::Sha256),
            path_bytes: None,
        })
    }
}
