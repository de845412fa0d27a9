//! Owns: an event as fields: each value read once and folded once, whatever the number of rules.
//! Never: which values matter.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::IpAddr;

use picket_model::interest::can_run;
use picket_model::{
    Activity, AuthActivity, Context, Event, FileObject, NetActivity, NetFlow, NetProtocol, Process, StreamKind,
    Timestamp,
};

use super::class::Class;
use super::field::{FIELD_COUNT, Field};
use super::record::{FieldId, Record, Text};

/// Set-user-id and set-group-id of `st_mode`.
const SETUID: u32 = 0o4000;
const SETGID: u32 = 0o2000;
const PERMISSIONS: u32 = 0o7777;

/// What a field holds; borrowed from the event where it holds it as text.
#[derive(Debug)]
pub enum Values<'e> {
    None,
    One(Text<'e>),
    Many(Vec<Text<'e>>),
}

impl<'e> Values<'e> {
    fn as_slice(&self) -> &[Text<'e>] {
        match self {
            Self::None => &[],
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }
}

/// `None` where the field is not of this part of the event.
pub type Read<'e> = Option<Values<'e>>;

pub(super) fn text(text: &str) -> Read<'_> {
    Some(if text.is_empty() { Values::None } else { Values::One(Text::new(text)) })
}

pub(super) fn made<'e>(value: impl ToString) -> Read<'e> {
    let text = value.to_string();
    Some(if text.is_empty() { Values::None } else { Values::One(Text::new(text)) })
}

pub(super) fn texts<'e>(texts: impl IntoIterator<Item = impl Into<Cow<'e, str>>>) -> Read<'e> {
    let texts = texts.into_iter().map(Into::into).filter(|text| !text.is_empty());
    Some(Values::Many(texts.map(Text::new).collect()))
}

/// The fields of one of Picket's own events. A field that is unknown, or empty, has no value.
pub struct View<'e> {
    event: &'e Event,
    host: &'e str,
    cells: [OnceCell<Values<'e>>; FIELD_COUNT],
}

impl<'e> View<'e> {
    /// `host` is the name of the host that it is of, where that is known.
    #[must_use]
    pub fn on(host: &'e str, event: &'e Event) -> Self {
        Self { event, host, cells: [const { OnceCell::new() }; FIELD_COUNT] }
    }

    #[must_use]
    pub fn classes(&self) -> &'static [Class] {
        Class::of(&self.event.activity)
    }
}

impl Record for View<'_> {
    fn values(&self, field: FieldId) -> &[Text<'_>] {
        let (Some(cell), Some(field)) = (self.cells.get(field.0 as usize), Field::numbered(field)) else { return &[] };
        cell.get_or_init(|| read(self.host, self.event, field)).as_slice()
    }

    fn all(&self) -> impl Iterator<Item = &Text<'_>> {
        let classes = self.classes();
        let has = move |field: &Field| classes.iter().any(|class| field.exists_in(*class));
        Field::all().filter(has).filter(|field| field.is_said()).flat_map(|field| self.values(field.id()))
    }

    fn name(&self, field: FieldId) -> &str {
        Field::numbered(field).map_or("", Field::name)
    }

    fn time(&self) -> Timestamp {
        self.event.time
    }
}

fn read<'e>(host: &'e str, event: &'e Event, field: Field) -> Values<'e> {
    if field == Field::HostName {
        return Values::One(Text::new(host));
    }
    if field == Field::UtcTime {
        return Values::One(Text::new(event.time.to_string()));
    }
    super::audited::read(event, field)
        .or_else(|| of_activity(&event.activity, field))
        .or_else(|| event.process.as_deref().and_then(|process| of_process(process, field)))
        .unwrap_or(Values::None)
}

fn of_process(process: &Process, field: Field) -> Read<'_> {
    let parent = process.parent.as_deref();
    let grandparent = parent.and_then(|parent| parent.parent.as_deref());
    match field {
        Field::Image => text(&process.exe),
        Field::CommandLine => made(process.command_line()),
        Field::Argument0 => text(process.argv.first().map_or("", String::as_str)),
        Field::ProcessName => text(&process.name),
        Field::ProcessId => made(process.key.pid),
        Field::CurrentDirectory => text(&process.cwd),
        Field::User => text(&process.user),
        Field::UserId => known_id(process.uid),
        Field::EffectiveUserId => known_id(process.euid),
        Field::GroupId => known_id(process.gid),
        Field::LoginUserId => process.login_uid.and_then(known_id),
        Field::SessionId => made(process.session),
        Field::Cgroup => text(&process.cgroup),
        Field::ContainerId => process.container.as_deref().and_then(text),
        Field::Sha256 => process.exe_sha256.and_then(made),
        Field::Hashes => process.exe_sha256.and_then(|digest| made(format!("SHA256={digest}"))),
        Field::IsMemfd => made(process.exe_memfd),
        Field::ParentImage => parent.and_then(|parent| text(&parent.exe)),
        Field::ParentCommandLine => parent.and_then(|parent| made(parent.command_line())),
        Field::ParentProcessName => parent.and_then(|parent| text(&parent.name)),
        Field::ParentProcessId => parent.and_then(|parent| made(parent.key.pid)),
        Field::ParentUser => parent.and_then(|parent| text(&parent.user)),
        Field::ParentOfParentImage => grandparent.and_then(|above| text(&above.exe)),
        Field::ParentOfParentCommandLine => grandparent.and_then(|above| made(above.command_line())),
        Field::AncestorImage => texts(process.ancestors().map(|above| above.exe.as_str())),
        Field::AncestorCommandLine => texts(process.ancestors().map(|above| above.command_line())),
        _ => process.context.as_deref().and_then(|context| of_context(context, field)),
    }
}

fn of_context(context: &Context, field: Field) -> Read<'_> {
    // A namespace of 0 is one that nobody could read.
    let namespace = |id: u32| if id == 0 { None } else { made(id) };
    let stream = |kind: StreamKind| if kind == StreamKind::Unknown { None } else { text(kind.word()) };
    match field {
        Field::MountNamespace => namespace(context.mount_ns),
        Field::PidNamespace => namespace(context.pid_ns),
        Field::NetworkNamespace => namespace(context.net_ns),
        Field::UserNamespace => namespace(context.user_ns),
        Field::Capabilities => made(context.capabilities),
        Field::Preload => texts(&context.preload),
        Field::StandardInput => stream(context.stdin),
        Field::StandardOutput => stream(context.stdout),
        Field::ScriptPath => text(&context.script),
        Field::ContainerImage => text(&context.image),
        Field::ContainerName => text(&context.container_name),
        Field::PodName => text(&context.pod),
        _ => None,
    }
}

/// `u32::MAX` stands for an id that nobody could read.
fn known_id<'e>(id: u32) -> Read<'e> {
    if id == u32::MAX { None } else { made(id) }
}

fn of_activity(activity: &Activity, field: Field) -> Read<'_> {
    match activity {
        Activity::File { activity, file } => match field {
            Field::Activity => text(activity.word()),
            _ => of_file(file, field),
        },
        Activity::Network { activity, flow } => match field {
            Field::Activity => text(activity.word()),
            _ => of_flow(*activity, flow, field),
        },
        Activity::ModuleLoad { name, path, loaded } => match field {
            Field::ImageLoaded => text(path),
            Field::ModuleName => text(name),
            Field::Loaded => made(loaded),
            _ => None,
        },
        Activity::Authentication { activity, user, service, source, success } => match field {
            Field::Activity => text(logon_word(*activity)),
            Field::TargetUserName => text(user),
            Field::Service => text(service),
            Field::SourceIp => source.and_then(|source| made(address(source))),
            Field::Success => made(success),
            _ => None,
        },
        Activity::Dns { name, answers } => match field {
            Field::QueryName => text(name.trim_end_matches('.')),
            Field::QueryResults => texts(answers.iter().copied().map(address)),
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

pub(super) fn of_file(file: &FileObject, field: Field) -> Read<'_> {
    match field {
        Field::TargetFilename => text(&file.path),
        Field::SourceFilename => file.old_path.as_deref().and_then(text),
        Field::TargetSha256 => file.sha256.and_then(made),
        Field::FileSize => file.size.and_then(made),
        // A mode of 0 is one that nobody could read.
        Field::Mode if file.mode != 0 => made(format!("{:04o}", file.mode & PERMISSIONS)),
        Field::IsSetuid if file.mode != 0 => made(file.mode & SETUID != 0),
        Field::IsSetgid if file.mode != 0 => made(file.mode & SETGID != 0),
        Field::IsExecutable if file.mode != 0 => made(can_run(file.mode)),
        _ => None,
    }
}

/// In Sigma the source is who began the connection; in the model `local` is this host.
fn of_flow(activity: NetActivity, flow: &NetFlow, field: Field) -> Read<'_> {
    let local = (flow.local_ip, flow.local_port);
    let remote = (flow.remote_ip, flow.remote_port);
    let (source, destination) = match activity {
        NetActivity::Connect => (Some(local), remote),
        NetActivity::Accept => (Some(remote), local),
        NetActivity::Listen => (None, local),
    };
    match field {
        Field::Initiated => made(activity == NetActivity::Connect),
        Field::Protocol => text(protocol_word(flow.protocol)),
        Field::DestinationIp => made(address(destination.0)),
        Field::DestinationPort => made(destination.1),
        Field::SourceIp => source.and_then(|source| made(address(source.0))),
        Field::SourcePort => source.and_then(|source| made(source.1)),
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
