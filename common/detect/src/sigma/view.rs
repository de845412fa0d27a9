//! Owns: an event as fields: each value read once and folded once, whatever the number of rules.
//! Never: which values matter.

use std::cell::OnceCell;
use std::net::IpAddr;

use picket_model::{
    Activity, AuthActivity, Context, Event, FileObject, NetActivity, NetFlow, NetProtocol, Process, StreamKind,
};

use super::class::Class;
use super::field::{FIELD_COUNT, Field};

/// Set-user-id and set-group-id of `st_mode`.
const SETUID: u32 = 0o4000;
const SETGID: u32 = 0o2000;
const PERMISSIONS: u32 = 0o7777;

/// One value of a field, as it is and with its case folded.
pub struct Text {
    pub raw: String,
    folded: OnceCell<Option<String>>,
}

impl Text {
    fn new(raw: String) -> Self {
        Self { raw, folded: OnceCell::new() }
    }

    #[must_use]
    pub fn folded(&self) -> &str {
        // What is lower-case already is not copied.
        let folded = self.folded.get_or_init(|| {
            let folded = fold(&self.raw);
            (folded != self.raw).then_some(folded)
        });
        folded.as_deref().unwrap_or(&self.raw)
    }
}

/// The one way in which case is ignored, for rules and for events.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.to_lowercase() }
}

/// The fields of one event. A field that is unknown, or empty, has no value.
pub struct View<'e> {
    event: &'e Event,
    cells: [OnceCell<Vec<Text>>; FIELD_COUNT],
}

impl<'e> View<'e> {
    #[must_use]
    pub fn new(event: &'e Event) -> Self {
        Self { event, cells: std::array::from_fn(|_| OnceCell::new()) }
    }

    #[must_use]
    pub fn classes(&self) -> &'static [Class] {
        Class::of(&self.event.activity)
    }

    #[must_use]
    pub fn event(&self) -> &'e Event {
        self.event
    }

    #[must_use]
    pub fn values(&self, field: Field) -> &[Text] {
        self.cells[field as usize].get_or_init(|| {
            let mut values = read(self.event, field);
            values.retain(|value| !value.is_empty());
            values.into_iter().map(Text::new).collect()
        })
    }
}

fn read(event: &Event, field: Field) -> Vec<String> {
    of_activity(&event.activity, field)
        .or_else(|| event.process.as_deref().and_then(|process| of_process(process, field)))
        .unwrap_or_default()
}

fn of_process(process: &Process, field: Field) -> Option<Vec<String>> {
    let parent = process.parent.as_deref();
    let grandparent = parent.and_then(|parent| parent.parent.as_deref());
    let one = |value: String| Some(vec![value]);
    match field {
        Field::Image => one(process.exe.clone()),
        Field::CommandLine => one(process.command_line()),
        Field::Argument0 => one(process.argv.first().cloned().unwrap_or_default()),
        Field::ProcessName => one(process.name.clone()),
        Field::ProcessId => one(process.key.pid.to_string()),
        Field::CurrentDirectory => one(process.cwd.clone()),
        Field::User => one(process.user.clone()),
        Field::UserId => known_id(process.uid),
        Field::EffectiveUserId => known_id(process.euid),
        Field::GroupId => known_id(process.gid),
        Field::LoginUserId => process.login_uid.and_then(known_id),
        Field::SessionId => one(process.session.to_string()),
        Field::Cgroup => one(process.cgroup.clone()),
        Field::ContainerId => process.container.clone().and_then(one),
        Field::Sha256 => process.exe_sha256.and_then(|digest| one(digest.to_string())),
        Field::Hashes => process.exe_sha256.and_then(|digest| one(format!("SHA256={digest}"))),
        Field::IsMemfd => one(process.exe_memfd.to_string()),
        Field::ParentImage => parent.and_then(|parent| one(parent.exe.clone())),
        Field::ParentCommandLine => parent.and_then(|parent| one(parent.command_line())),
        Field::ParentProcessName => parent.and_then(|parent| one(parent.name.clone())),
        Field::ParentProcessId => parent.and_then(|parent| one(parent.key.pid.to_string())),
        Field::ParentUser => parent.and_then(|parent| one(parent.user.clone())),
        Field::ParentOfParentImage => grandparent.and_then(|above| one(above.exe.clone())),
        Field::ParentOfParentCommandLine => grandparent.and_then(|above| one(above.command_line())),
        Field::AncestorImage => Some(process.ancestors().map(|above| above.exe.clone()).collect()),
        Field::AncestorCommandLine => Some(process.ancestors().map(|above| above.command_line()).collect()),
        _ => process.context.as_deref().and_then(|context| of_context(context, field)),
    }
}

fn of_context(context: &Context, field: Field) -> Option<Vec<String>> {
    let one = |value: String| Some(vec![value]);
    // A namespace of 0 is one that nobody could read.
    let namespace = |id: u32| (id != 0).then(|| vec![id.to_string()]);
    let stream = |kind: StreamKind| (kind != StreamKind::Unknown).then(|| vec![kind.word().to_owned()]);
    match field {
        Field::MountNamespace => namespace(context.mount_ns),
        Field::PidNamespace => namespace(context.pid_ns),
        Field::NetworkNamespace => namespace(context.net_ns),
        Field::UserNamespace => namespace(context.user_ns),
        Field::Capabilities => one(context.capabilities.to_string()),
        Field::Preload => Some(context.preload.clone()),
        Field::StandardInput => stream(context.stdin),
        Field::StandardOutput => stream(context.stdout),
        Field::ScriptPath => one(context.script.clone()),
        Field::ContainerImage => one(context.image.clone()),
        Field::ContainerName => one(context.container_name.clone()),
        Field::PodName => one(context.pod.clone()),
        _ => None,
    }
}

/// `u32::MAX` stands for an id that nobody could read.
fn known_id(id: u32) -> Option<Vec<String>> {
    (id != u32::MAX).then(|| vec![id.to_string()])
}

fn of_activity(activity: &Activity, field: Field) -> Option<Vec<String>> {
    match activity {
        Activity::File { activity, file } => match field {
            Field::Activity => Some(vec![activity.word().to_owned()]),
            _ => of_file(file, field),
        },
        Activity::Network { activity, flow } => match field {
            Field::Activity => Some(vec![activity.word().to_owned()]),
            _ => of_flow(*activity, flow, field),
        },
        Activity::ModuleLoad { name, path, loaded } => match field {
            Field::ImageLoaded => Some(vec![path.clone()]),
            Field::ModuleName => Some(vec![name.clone()]),
            Field::Loaded => Some(vec![loaded.to_string()]),
            _ => None,
        },
        Activity::Authentication { activity, user, service, source, success } => match field {
            Field::Activity => Some(vec![logon_word(*activity).to_owned()]),
            Field::TargetUserName => Some(vec![user.clone()]),
            Field::Service => Some(vec![service.clone()]),
            Field::SourceIp => source.map(|source| vec![address(source)]),
            Field::Success => Some(vec![success.to_string()]),
            _ => None,
        },
        Activity::Dns { name, answers } => match field {
            Field::QueryName => Some(vec![name.trim_end_matches('.').to_owned()]),
            Field::QueryResults => Some(answers.iter().copied().map(address).collect()),
            _ => None,
        },
        other => super::later::of_activity(other, field),
    }
}

const fn logon_word(activity: AuthActivity) -> &'static str {
    match activity {
        AuthActivity::Logon => "logon",
        AuthActivity::Logoff => "logoff",
    }
}

pub(super) fn of_file(file: &FileObject, field: Field) -> Option<Vec<String>> {
    let one = |value: String| Some(vec![value]);
    match field {
        Field::TargetFilename => one(file.path.clone()),
        Field::SourceFilename => file.old_path.clone().and_then(one),
        Field::TargetSha256 => file.sha256.and_then(|digest| one(digest.to_string())),
        Field::FileSize => file.size.and_then(|size| one(size.to_string())),
        // A mode of 0 is one that nobody could read.
        Field::Mode if file.mode != 0 => one(format!("{:04o}", file.mode & PERMISSIONS)),
        Field::IsSetuid if file.mode != 0 => one((file.mode & SETUID != 0).to_string()),
        Field::IsSetgid if file.mode != 0 => one((file.mode & SETGID != 0).to_string()),
        _ => None,
    }
}

/// In Sigma the source is who began the connection; in the model `local` is this host.
fn of_flow(activity: NetActivity, flow: &NetFlow, field: Field) -> Option<Vec<String>> {
    let local = (flow.local_ip, flow.local_port);
    let remote = (flow.remote_ip, flow.remote_port);
    let (source, destination) = match activity {
        NetActivity::Connect => (Some(local), remote),
        NetActivity::Accept => (Some(remote), local),
        NetActivity::Listen => (None, local),
    };
    match field {
        Field::Initiated => Some(vec![(activity == NetActivity::Connect).to_string()]),
        Field::Protocol => Some(vec![protocol_word(flow.protocol).to_owned()]),
        Field::DestinationIp => Some(vec![address(destination.0)]),
        Field::DestinationPort => Some(vec![destination.1.to_string()]),
        Field::SourceIp => source.map(|source| vec![address(source.0)]),
        Field::SourcePort => source.map(|source| vec![source.1.to_string()]),
        _ => None,
    }
}

const fn protocol_word(protocol: NetProtocol) -> &'static str {
    match protocol {
        NetProtocol::Tcp => "tcp",
        NetProtocol::Udp => "udp",
    }
}

/// An IPv4 peer of an IPv6 socket is written as the IPv4 address that it is.
fn address(ip: IpAddr) -> String {
    ip.to_canonical().to_string()
}
