//! Owns: the classes of events that rules name by their log source.
//! Never: a rule that meets an event outside its class.

use picket_model::{Activity, FileActivity, NetActivity, SensorFamily};

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
    /// A program was started or an interpreter was given text, for rules that name Linux and nothing else: they mean the
    /// text of any log, and of Picket's events these two hold what people and programs typed.
    Command,
    /// What the kernel's audit would write of it, for rules that name the service auditd.
    Audit,
}

impl Class {
    pub const ALL: [Self; 30] = [
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
        Self::Command,
        Self::Audit,
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
            Self::Command => "command",
            Self::Audit => "auditd",
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
            | Self::AgentTampering
            | Self::Command
            | Self::Audit => SensorFamily::Process,
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
            | Self::FileHash
            | Self::Command
            | Self::Audit => &[],
        }
    }

    /// The classes of an event: none for those that no rule looks at.
    #[must_use]
    pub const fn of(activity: &Activity) -> &'static [Self] {
        match activity {
            Activity::ProcessLaunch => &[Self::ProcessCreation, Self::Command, Self::Audit],
            Activity::File { activity, .. } => match activity {
                FileActivity::Create | FileActivity::Write => &[Self::FileEvent, Self::Audit],
                FileActivity::Rename => &[Self::FileEvent, Self::FileRename, Self::Audit],
                FileActivity::Delete => &[Self::FileDelete, Self::Audit],
                FileActivity::SetMode | FileActivity::SetOwner | FileActivity::SetAttributes => {
                    &[Self::FileChange, Self::Audit]
                }
                FileActivity::RawAccess => &[Self::RawAccess],
                FileActivity::Read => &[Self::FileAccess, Self::Audit],
            },
            Activity::Network { activity: NetActivity::Connect | NetActivity::Accept, .. } => {
                &[Self::NetworkConnection, Self::Audit]
            }
            Activity::Network { activity: NetActivity::Listen, .. } => &[Self::NetworkListen],
            Activity::ModuleLoad { .. } => &[Self::DriverLoad, Self::Audit],
            Activity::Authentication { .. } => &[Self::Authentication, Self::Audit],
            Activity::Dns { .. } => &[Self::DnsQuery],
            Activity::ProcessFork { .. }
            | Activity::ProcessExit { .. }
            | Activity::Loss { .. }
            | Activity::Agent { .. }
            | Activity::Suppressed { .. }
            | Activity::Coverage { .. } => &[],
            Activity::Script { .. } => &[Self::Script, Self::Command],
            Activity::LibraryLoad { .. } => &[Self::ImageLoad],
            Activity::BpfLoad { .. } => &[Self::BpfLoad],
            Activity::ProcessAccess { access, .. } if access.tampers() => {
                &[Self::ProcessAccess, Self::ProcessTampering, Self::Audit]
            }
            Activity::ProcessAccess { .. } => &[Self::ProcessAccess, Self::Audit],
            Activity::Memory { .. } => &[Self::ProcessTampering],
            Activity::MemoryFile { .. } => &[Self::MemoryFile, Self::Audit],
            Activity::Privilege { .. } => &[Self::PrivilegeChange],
            Activity::Mount { .. } => &[Self::Mount, Self::Audit],
            Activity::Kernel { .. } => &[Self::KernelOperation, Self::Audit],
            Activity::ScheduledJob { .. } => &[Self::ScheduledJob],
            Activity::Account { .. } => &[Self::AccountChange, Self::Audit],
            Activity::Group { .. } => &[Self::GroupChange, Self::Audit],
            Activity::Service { .. } => &[Self::ServiceChange, Self::Audit],
            Activity::UnixConnect { .. } => &[Self::UnixConnect],
            Activity::Fingerprint { .. } => &[Self::FileHash],
            Activity::Tamper { .. } => &[Self::AgentTampering],
        }
    }

    #[must_use]
    pub fn of_service(word: &str) -> Option<Self> {
        match word {
            "sshd" | "auth" => Some(Self::Authentication),
            "auditd" => Some(Self::Audit),
            _ => None,
        }
    }

    #[must_use]
    pub fn of_category(word: &str) -> Option<Self> {
        match word {
            "dns" => Some(Self::DnsQuery),
            "kernel_module" => Some(Self::DriverLoad),
            "auditd" | "command" => None,
            _ => Self::ALL.into_iter().find(|class| class.word() == word),
        }
    }
}

/// Categories that a rule may name.
#[must_use]
pub fn words() -> String {
    let categories = Class::ALL.iter().filter(|class| !matches!(class, Class::Audit | Class::Command));
    categories.map(|class| class.word()).collect::<Vec<_>>().join(", ")
}
