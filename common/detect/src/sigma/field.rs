//! Owns: the names of fields in rules, which of them an event of each class has.
//! Never: their values; those are read in `view`.

use super::class::Class;
use super::record::FieldId;

/// How a field's values compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    Text,
    Number,
    Address,
    /// `true` or `false`.
    Flag,
    /// A date, for the modifiers of time.
    Time,
}

/// Which events have the field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Has {
    /// Every event, by its acting process.
    All,
    Only(&'static [Class]),
}

macro_rules! fields {
    ($($variant:ident $shape:ident $has:expr, $($other:literal)*;)*) => {
        /// A field of an event, by the name that evidence shows.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Field { $($variant),* }

        /// Every field once, in the order of the enum.
        const FIELDS: &[(Field, &str, &[&str], Shape, Has)] =
            &[$((Field::$variant, stringify!($variant), &[$($other),*], Shape::$shape, $has)),*];
    };
}

const FILES: &[Class] = &[
    Class::FileEvent,
    Class::FileRename,
    Class::FileDelete,
    Class::FileChange,
    Class::FileAccess,
    Class::FileHash,
    Class::RawAccess,
];
const FLOWS: &[Class] = &[Class::NetworkConnection, Class::NetworkListen];
const CONNECTIONS: &[Class] = &[Class::NetworkConnection];
const RENAMES: &[Class] = &[Class::FileEvent, Class::FileRename];
const DNS: &[Class] = &[Class::DnsQuery];
const MODULES: &[Class] = &[Class::DriverLoad];
const LOADED: &[Class] = &[Class::DriverLoad, Class::ImageLoad];
const HASHES: &[Class] = &[Class::FileHash];
const SCRIPTS: &[Class] = &[Class::Script, Class::Command];
const BPF: &[Class] = &[Class::BpfLoad];
const TARGETS: &[Class] = &[Class::ProcessAccess, Class::ProcessTampering];
const DETAILS: &[Class] = &[Class::ProcessTampering, Class::KernelOperation, Class::AgentTampering];
const KERNEL: &[Class] = &[Class::KernelOperation];
const MEMORY: &[Class] = &[Class::MemoryFile];
const PRIVILEGES: &[Class] = &[Class::PrivilegeChange];
const MOUNTS: &[Class] = &[Class::Mount];
const JOBS: &[Class] = &[Class::ScheduledJob];
const SERVICES: &[Class] = &[Class::ServiceChange];
const ACCOUNTS: &[Class] = &[Class::AccountChange];
const GROUPS: &[Class] = &[Class::GroupChange];
const UNIX: &[Class] = &[Class::UnixConnect];
/// What audit would write.
const AUDIT: &[Class] = &[Class::Audit];
const TAMPERS: &[Class] = &[Class::AgentTampering];
/// Whose account is meant: of a sign-in, a change, or as whom a job runs.
const USERS: &[Class] = &[Class::Authentication, Class::AccountChange, Class::ScheduledJob];
const LOGONS: &[Class] = &[Class::Authentication];
/// A sign-in names where it came from in the field that connections use.
const SOURCES: &[Class] = &[Class::NetworkConnection, Class::Authentication];
const ACTIVE: &[Class] = &[
    Class::FileEvent,
    Class::FileRename,
    Class::FileDelete,
    Class::FileChange,
    Class::FileAccess,
    Class::NetworkConnection,
    Class::NetworkListen,
    Class::Authentication,
    Class::Script,
    Class::ProcessAccess,
    Class::ProcessTampering,
    Class::PrivilegeChange,
    Class::Mount,
    Class::KernelOperation,
    Class::ScheduledJob,
    Class::AccountChange,
    Class::GroupChange,
    Class::ServiceChange,
    Class::AgentTampering,
    Class::RawAccess,
];

fields! {
    Image Text Has::All, ;
    CommandLine Text Has::All, ;
    Argument0 Text Has::All, ;
    ProcessName Text Has::All, "Comm";
    ProcessId Number Has::All, ;
    CurrentDirectory Text Has::All, ;
    User Text Has::All, ;
    UserId Number Has::All, "LogonId";
    EffectiveUserId Number Has::All, ;
    GroupId Number Has::All, ;
    LoginUserId Number Has::All, "AuditUserId";
    SessionId Number Has::All, ;
    HostName Text Has::All, "Computer";
    Cgroup Text Has::All, ;
    ContainerId Text Has::All, ;
    Sha256 Text Has::All, "sha256";
    Hashes Text Has::All, ;
    IsMemfd Flag Has::All, ;
    ParentImage Text Has::All, ;
    ParentCommandLine Text Has::All, ;
    ParentProcessName Text Has::All, ;
    ParentProcessId Number Has::All, ;
    ParentUser Text Has::All, ;
    ParentOfParentImage Text Has::All, "GrandparentImage";
    ParentOfParentCommandLine Text Has::All, "GrandparentCommandLine";
    AncestorImage Text Has::All, ;
    AncestorCommandLine Text Has::All, ;
    TargetFilename Text Has::Only(FILES), "FileName";
    SourceFilename Text Has::Only(RENAMES), ;
    TargetSha256 Text Has::Only(FILES), ;
    FileSize Number Has::Only(FILES), ;
    Mode Text Has::Only(FILES), ;
    IsSetuid Flag Has::Only(FILES), ;
    IsSetgid Flag Has::Only(FILES), ;
    IsExecutable Flag Has::Only(FILES), ;
    Activity Text Has::Only(ACTIVE), ;
    Initiated Flag Has::Only(CONNECTIONS), ;
    Protocol Text Has::Only(FLOWS), ;
    DestinationIp Address Has::Only(FLOWS), ;
    DestinationPort Number Has::Only(FLOWS), ;
    SourceIp Address Has::Only(SOURCES), "IpAddress";
    SourcePort Number Has::Only(CONNECTIONS), ;
    ImageLoaded Text Has::Only(LOADED), ;
    ModuleName Text Has::Only(MODULES), ;
    Loaded Flag Has::Only(MODULES), ;
    TargetUserName Text Has::Only(USERS), ;
    Service Text Has::Only(LOGONS), ;
    Success Flag Has::Only(LOGONS), ;
    QueryName Text Has::Only(DNS), "query";
    QueryResults Address Has::Only(DNS), "answer";
    MountNamespace Number Has::All, ;
    PidNamespace Number Has::All, ;
    NetworkNamespace Number Has::All, ;
    UserNamespace Number Has::All, ;
    Capabilities Number Has::All, ;
    Preload Text Has::All, ;
    StandardInput Text Has::All, ;
    StandardOutput Text Has::All, ;
    ScriptPath Text Has::All, ;
    ContainerImage Text Has::All, ;
    ContainerName Text Has::All, ;
    PodName Text Has::All, ;
    Md5 Text Has::Only(HASHES), ;
    Tlsh Text Has::Only(HASHES), ;
    EntropyMillibits Number Has::Only(HASHES), ;
    Header Text Has::Only(HASHES), ;
    IsExecuted Flag Has::Only(HASHES), ;
    ScriptBlockText Text Has::Only(SCRIPTS), ;
    Path Text Has::Only(SCRIPTS), ;
    ProgramName Text Has::Only(BPF), ;
    ProgramType Text Has::Only(BPF), ;
    TargetImage Text Has::Only(TARGETS), ;
    TargetCommandLine Text Has::Only(TARGETS), ;
    TargetProcessId Number Has::Only(TARGETS), ;
    TargetUser Text Has::Only(TARGETS), ;
    Detail Text Has::Only(DETAILS), ;
    Subject Text Has::Only(KERNEL), ;
    MemoryFileName Text Has::Only(MEMORY), ;
    NewUserId Number Has::Only(PRIVILEGES), ;
    NewEffectiveUserId Number Has::Only(PRIVILEGES), ;
    NewGroupId Number Has::Only(PRIVILEGES), ;
    NewCapabilities Number Has::Only(PRIVILEGES), ;
    Namespaces Text Has::Only(PRIVILEGES), ;
    MountSource Text Has::Only(MOUNTS), ;
    MountTarget Text Has::Only(MOUNTS), ;
    FileSystem Text Has::Only(MOUNTS), ;
    JobKind Text Has::Only(JOBS), ;
    JobName Text Has::Only(JOBS), ;
    JobSchedule Text Has::Only(JOBS), ;
    JobCommand Text Has::Only(JOBS), ;
    JobPath Text Has::Only(JOBS), ;
    ServiceName Text Has::Only(SERVICES), ;
    ServiceCommand Text Has::Only(SERVICES), ;
    ServicePath Text Has::Only(SERVICES), ;
    TargetUserId Number Has::Only(ACCOUNTS), ;
    TargetShell Text Has::Only(ACCOUNTS), ;
    Changed Text Has::Only(ACCOUNTS), ;
    TargetGroupName Text Has::Only(GROUPS), ;
    MemberAdded Text Has::Only(GROUPS), ;
    MemberRemoved Text Has::Only(GROUPS), ;
    SocketPath Text Has::Only(UNIX), ;
    IsRefused Flag Has::Only(TAMPERS), ;
    UtcTime Time Has::All, ;
    RecordType Text Has::Only(AUDIT), ;
    SystemCall Text Has::Only(AUDIT), ;
    PathName Text Has::Only(AUDIT), ;
    NameType Text Has::Only(AUDIT), ;
    Unit Text Has::Only(AUDIT), ;
    A0 Text Has::Only(AUDIT), ;
    A1 Text Has::Only(AUDIT), ;
    A2 Text Has::Only(AUDIT), ;
    A3 Text Has::Only(AUDIT), ;
    A4 Text Has::Only(AUDIT), ;
    A5 Text Has::Only(AUDIT), ;
    A6 Text Has::Only(AUDIT), ;
    A7 Text Has::Only(AUDIT), ;
    A8 Text Has::Only(AUDIT), ;
    A9 Text Has::Only(AUDIT), ;
}

pub const FIELD_COUNT: usize = FIELDS.len();

impl Field {
    #[must_use]
    pub const fn id(self) -> FieldId {
        FieldId(self as u32)
    }

    #[must_use]
    pub fn numbered(id: FieldId) -> Option<Self> {
        FIELDS.get(id.0 as usize).map(|(field, ..)| *field)
    }

    pub fn all() -> impl Iterator<Item = Self> {
        FIELDS.iter().map(|(field, ..)| *field)
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        FIELDS[self as usize].1
    }

    #[must_use]
    pub fn shape(self) -> Shape {
        FIELDS[self as usize].3
    }

    #[must_use]
    pub fn exists_in(self, class: Class) -> bool {
        match FIELDS[self as usize].4 {
            Has::All => true,
            Has::Only(classes) => classes.contains(&class),
        }
    }

    /// The field that a rule means, or why there is none.
    pub fn of(name: &str, class: Class) -> Result<Self, String> {
        if class == Class::Audit && name != Self::HostName.name() {
            return super::audited::field(name).ok_or_else(|| format!("no live event tells audit's field `{name}`"));
        }
        let named = FIELDS.iter().find(|(_, own, others, ..)| *own == name || others.contains(&name));
        match named {
            Some((field, ..)) if field.exists_in(class) => Ok(*field),
            Some(_) => Err(format!("{} events have no field `{name}`{}", class.word(), known(class))),
            None => Err(format!("no event has a field `{name}`{}", known(class))),
        }
    }

    /// All fields of a class.
    pub fn of_class(class: Class) -> impl Iterator<Item = Self> {
        Self::all().filter(move |field| field.exists_in(class))
    }

    /// Keywords look for it: everything but what the host is called.
    #[must_use]
    pub fn is_said(self) -> bool {
        self != Self::HostName
    }
}

fn known(class: Class) -> String {
    let own: Vec<&str> = Field::of_class(class).map(Field::name).collect();
    format!("; {} events have {}", class.word(), own.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{FIELDS, Field};

    #[test]
    fn the_table_follows_the_enum() {
        for (index, (field, name, ..)) in FIELDS.iter().enumerate() {
            assert_eq!(*field as usize, index, "{name}");
            assert_eq!(field.name(), *name);
        }
        assert_eq!(Field::of("LogonId", super::Class::ProcessCreation), Ok(Field::UserId));
        assert!(Field::of("TargetFilename", super::Class::ProcessCreation).is_err());
    }
}
