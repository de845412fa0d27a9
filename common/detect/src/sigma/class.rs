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
}

impl Class {
    pub const ALL: [Self; 11] = [
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
        }
    }

    #[must_use]
    pub const fn family(self) -> SensorFamily {
        match self {
            Self::ProcessCreation => SensorFamily::Process,
            Self::FileEvent | Self::FileRename | Self::FileDelete | Self::FileChange | Self::FileAccess => {
                SensorFamily::File
            }
            Self::NetworkConnection | Self::NetworkListen | Self::DnsQuery => SensorFamily::Network,
            Self::DriverLoad => SensorFamily::Module,
            Self::Authentication => SensorFamily::Authentication,
        }
    }

    /// What the field `Activity` can say in this class; empty where the class has no such field.
    #[must_use]
    pub const fn activities(self) -> &'static [&'static str] {
        match self {
            Self::FileEvent => &["create", "write", "rename"],
            Self::FileRename => &["rename"],
            Self::FileDelete => &["delete"],
            Self::FileChange => &["set_mode"],
            Self::FileAccess => &["read"],
            Self::NetworkConnection => &["connect", "accept"],
            Self::NetworkListen => &["listen"],
            Self::Authentication => &["logon", "logoff"],
            Self::ProcessCreation | Self::DnsQuery | Self::DriverLoad => &[],
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
                FileActivity::SetMode => &[Self::FileChange],
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
            | Activity::Agent { .. } => &[],
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
