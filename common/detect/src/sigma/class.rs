//! Owns: the classes of events that rules name by their log source.
//! Never: a rule that meets an event outside its class.

use picket_model::{Activity, FileActivity, NetActivity, SensorFamily};

use crate::error::Complaints;
use crate::yaml::Node;

/// What a rule's `logsource` binds it to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Class {
    ProcessCreation,
    /// Created, written or renamed.
    FileEvent,
    FileRename,
    FileDelete,
    /// Mode or owner set.
    FileChange,
    /// Opened for reading.
    FileAccess,
    /// Connect and accept.
    NetworkConnection,
    NetworkListen,
    DnsQuery,
    DriverLoad,
    Authentication,
    /// What an interpreter was given to run.
    Script,
    /// A shared object was mapped to be executed.
    ImageLoad,
    BpfLoad,
    /// One process reached into another, whether it looked or changed.
    ProcessAccess,
    /// Memory of another process changed, or memory made executable after it was written.
    ProcessTampering,
    MemoryFile,
    PrivilegeChange,
    Mount,
    KernelOperation,
    ScheduledJob,
    AccountChange,
    GroupChange,
    ServiceChange,
    UnixConnect,
    /// The contents of an executed or written file.
    FileHash,
    AgentTampering,
    /// A block device or the machine's memory was opened.
    RawAccess,
}

impl Class {
    pub const ALL: [Self; 28] = [
        Self::ProcessCreation,
        Self::FileEvent,
        Self::FileRename,
        Self::FileDelete,
        Self::FileChange,
        Self::FileAccess,
        Self::NetworkConnection,
        Self::NetworkListen,
        Self::DnsQuery,
        Self::DriverLoad,
        Self::Authentication,
        Self::Script,
        Self::ImageLoad,
        Self::BpfLoad,
        Self::ProcessAccess,
        Self::ProcessTampering,
        Self::MemoryFile,
        Self::PrivilegeChange,
        Self::Mount,
        Self::KernelOperation,
        Self::ScheduledJob,
        Self::AccountChange,
        Self::GroupChange,
        Self::ServiceChange,
        Self::UnixConnect,
        Self::FileHash,
        Self::AgentTampering,
        Self::RawAccess,
    ];

    /// The category (or, for sign-ins, the service) as rules write it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ProcessCreation => "process_creation",
            Self::FileEvent => "file_event",
            Self::FileRename => "file_rename",
            Self::FileDelete => "file_delete",
            Self::FileChange => "file_change",
            Self::FileAccess => "file_access",
            Self::NetworkConnection => "network_connection",
            Self::NetworkListen => "network_listen",
            Self::DnsQuery => "dns_query",
            Self::DriverLoad => "driver_load",
            Self::Authentication => "authentication",
            Self::Script => "script",
            Self::ImageLoad => "image_load",
            Self::BpfLoad => "bpf_load",
            Self::ProcessAccess => "process_access",
            Self::ProcessTampering => "process_tampering",
            Self::MemoryFile => "memory_file",
            Self::PrivilegeChange => "privilege_change",
            Self::Mount => "mount",
            Self::KernelOperation => "kernel_operation",
            Self::ScheduledJob => "scheduled_job",
            Self::AccountChange => "account_change",
            Self::GroupChange => "group_change",
            Self::ServiceChange => "service_change",
            Self::UnixConnect => "unix_connect",
            Self::FileHash => "file_hash",
            Self::AgentTampering => "agent_tampering",
            Self::RawAccess => "raw_access_read",
        }
    }

    #[must_use]
    pub const fn family(self) -> SensorFamily {
        match self {
            Self::ProcessCreation
            | Self::Script
            | Self::ImageLoad
            | Self::ProcessAccess
            | Self::ProcessTampering
            | Self::MemoryFile
            | Self::PrivilegeChange
            | Self::KernelOperation
            | Self::AgentTampering => SensorFamily::Process,
            Self::FileEvent
            | Self::FileRename
            | Self::FileDelete
            | Self::FileChange
            | Self::FileAccess
            | Self::Mount
            | Self::FileHash
            | Self::RawAccess => SensorFamily::File,
            Self::NetworkConnection | Self::NetworkListen | Self::DnsQuery | Self::UnixConnect => SensorFamily::Network,
            Self::DriverLoad | Self::BpfLoad => SensorFamily::Module,
            Self::Authentication => SensorFamily::Authentication,
            Self::ScheduledJob | Self::AccountChange | Self::GroupChange | Self::ServiceChange => SensorFamily::Host,
        }
    }

    /// What the field `Activity` can say in this class; empty where the class has no such field.
    #[must_use]
    pub const fn activities(self) -> &'static [&'static str] {
        match self {
            Self::FileEvent => &["create", "write", "rename"],
            Self::FileRename => &["rename"],
            Self::FileDelete => &["delete"],
            Self::FileChange => &["set_mode", "set_owner", "set_attributes"],
            Self::FileAccess => &["read"],
            Self::NetworkConnection => &["connect", "accept"],
            Self::NetworkListen => &["listen"],
            Self::Authentication => &["logon", "logoff"],
            Self::Script => &["file", "argument", "standard_input"],
            Self::ProcessAccess => &["trace", "read_memory", "write_memory", "poke", "take_descriptor"],
            Self::ProcessTampering => &["write_memory", "poke", "make_executable", "map_executable"],
            Self::PrivilegeChange => &["set_user", "set_group", "set_capabilities", "enter_namespace", "new_namespace"],
            Self::Mount => &["mount", "unmount", "change_root", "pivot_root"],
            Self::KernelOperation => &["set_time", "load_kexec", "set_parameter", "keyring", "io_uring"],
            Self::ScheduledJob | Self::AccountChange | Self::GroupChange => &["created", "modified", "deleted"],
            Self::ServiceChange => &["created", "modified", "deleted", "started", "stopped", "enabled", "disabled"],
            Self::AgentTampering => &["kill", "stop", "trace", "detach", "unmount", "edit", "flush"],
            Self::RawAccess => &["raw_access"],
            Self::ProcessCreation
            | Self::DnsQuery
            | Self::DriverLoad
            | Self::ImageLoad
            | Self::BpfLoad
            | Self::MemoryFile
            | Self::UnixConnect
            | Self::FileHash => &[],
        }
    }

    /// The classes of an event: none for those that no rule looks at.
    #[must_use]
    pub const fn of(activity: &Activity) -> &'static [Self] {
        match activity {
            Activity::ProcessLaunch => &[Self::ProcessCreation],
            Activity::File { activity, .. } => match activity {
                FileActivity::Create | FileActivity::Write => &[Self::FileEvent],
                FileActivity::Rename => &[Self::FileEvent, Self::FileRename],
                FileActivity::Delete => &[Self::FileDelete],
                FileActivity::SetMode | FileActivity::SetOwner | FileActivity::SetAttributes => &[Self::FileChange],
                FileActivity::RawAccess => &[Self::RawAccess],
                FileActivity::Read => &[Self::FileAccess],
            },
            Activity::Network { activity: NetActivity::Connect | NetActivity::Accept, .. } => {
                &[Self::NetworkConnection]
            }
            Activity::Network { activity: NetActivity::Listen, .. } => &[Self::NetworkListen],
            Activity::ModuleLoad { .. } => &[Self::DriverLoad],
            Activity::Authentication { .. } => &[Self::Authentication],
            Activity::Dns { .. } => &[Self::DnsQuery],
            Activity::ProcessFork { .. }
            | Activity::ProcessExit { .. }
            | Activity::Loss { .. }
            | Activity::Agent { .. }
            | Activity::Suppressed { .. }
            | Activity::Coverage { .. } => &[],
            Activity::Script { .. } => &[Self::Script],
            Activity::LibraryLoad { .. } => &[Self::ImageLoad],
            Activity::BpfLoad { .. } => &[Self::BpfLoad],
            Activity::ProcessAccess { access, .. } if access.tampers() => {
                &[Self::ProcessAccess, Self::ProcessTampering]
            }
            Activity::ProcessAccess { .. } => &[Self::ProcessAccess],
            Activity::Memory { .. } => &[Self::ProcessTampering],
            Activity::MemoryFile { .. } => &[Self::MemoryFile],
            Activity::Privilege { .. } => &[Self::PrivilegeChange],
            Activity::Mount { .. } => &[Self::Mount],
            Activity::Kernel { .. } => &[Self::KernelOperation],
            Activity::ScheduledJob { .. } => &[Self::ScheduledJob],
            Activity::Account { .. } => &[Self::AccountChange],
            Activity::Group { .. } => &[Self::GroupChange],
            Activity::Service { .. } => &[Self::ServiceChange],
            Activity::UnixConnect { .. } => &[Self::UnixConnect],
            Activity::Fingerprint { .. } => &[Self::FileHash],
            Activity::Tamper { .. } => &[Self::AgentTampering],
        }
    }

    /// The class that a `logsource` names; what Picket does not collect is a complaint.
    pub fn parse(logsource: &Node, complaints: &mut Complaints<'_>) -> Option<Self> {
        let Some(entries) = logsource.map() else {
            complaints.add(logsource.place, format!("`logsource` must be a map, here stands {}", logsource.kind()));
            return None;
        };
        let before = complaints.count();
        let mut category = None;
        let mut service = None;
        for (key, node) in entries {
            match (key.text.as_str(), node.text()) {
                ("product", Some("linux")) | ("definition", _) => {}
                ("product", Some(other)) => {
                    complaints.add(node.place, format!("product `{other}`: Picket watches Linux hosts only"));
                }
                ("category", Some(text)) => category = Some((text, node.place)),
                ("service", Some(text)) => service = Some((text, node.place)),
                ("product" | "category" | "service", None) => {
                    complaints.add(node.place, format!("`{}` must be one word", key.text));
                }
                (other, _) => complaints.add(key.place, format!("unknown key `{other}` in `logsource`")),
            }
        }
        let class = match (category, service) {
            (Some((category, place)), None) => Self::of_category(category).or_else(|| {
                complaints.add(place, format!("category `{category}` is not collected; there are {}", words()));
                None
            }),
            (None, Some(("sshd" | "auth", _))) => Some(Self::Authentication),
            (None, Some((service, place))) => {
                complaints.add(place, format!("service `{service}` is not collected; there are sshd and auth"));
                None
            }
            (Some(_), Some((service, place))) => {
                complaints.add(place, format!("a category and service `{service}` together are not collected"));
                None
            }
            (None, None) => {
                complaints.add(logsource.place, format!("`logsource` names no category; there are {}", words()));
                None
            }
        };
        class.filter(|_| complaints.count() == before)
    }

    fn of_category(word: &str) -> Option<Self> {
        match word {
            "dns" => Some(Self::DnsQuery),
            "kernel_module" => Some(Self::DriverLoad),
            _ => Self::ALL.into_iter().find(|class| class.word() == word),
        }
    }
}

fn words() -> String {
    Class::ALL.map(Class::word).join(", ")
}
