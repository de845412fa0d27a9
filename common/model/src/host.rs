//! Owns: what is known of a host as a whole: facts, tier, health.
//! Never: gathering them.

use serde::{Deserialize, Serialize};

use crate::id::{BundleVersion, HostId};
use crate::time::Timestamp;

/// How deep the sensor reaches, chosen by trial load.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Proc connector, fanotify, sock_diag, procfs.
    Bare,
    /// tp_btf and cgroup hooks, fanotify for blocking.
    Tracing,
    /// BPF LSM and fentry beside all of tracing.
    Full,
}

impl Tier {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Tracing => "tracing",
            Self::Full => "full",
        }
    }
}

/// What a host says of itself at enrolment and at every connection.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct HostFacts {
    pub hostname: String,
    pub os: String,
    pub kernel: String,
    pub arch: String,
    pub cpus: u32,
    pub memory_bytes: u64,
    pub machine_id: String,
    pub agent_version: String,
    pub addresses: Vec<std::net::IpAddr>,
}

/// How many of one class were lost at one place, for example `("ring.file", 12)`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LossCount {
    pub place: String,
    pub count: u64,
}

/// Records of one type since the sensor began. What the kernel produced is filtered, delivered or dropped, exactly.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TypeCount {
    pub kind: String,
    /// Stopped in the kernel because no rule in force can need them.
    pub filtered: u64,
    pub produced: u64,
    pub delivered: u64,
    pub dropped: u64,
}

/// The agent's view of itself, sent with every heartbeat and kept in `status.json` on the host.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HostStatus {
    pub host: HostId,
    pub time: Timestamp,
    pub facts: HostFacts,
    pub tier: Tier,
    /// What this tier cannot see, in words for people.
    pub blind_spots: Vec<String>,
    pub bundle: Option<BundleVersion>,
    pub bundle_name: String,
    pub lease_expires: Timestamp,
    /// The conservative mode is on: the bundle's lease has run out.
    pub conservative: bool,
    pub isolated: bool,
    pub rules: u32,
    /// Everything lost since the agent started, per place.
    pub losses: Vec<LossCount>,
    /// Records in the spool that the coordinator has not acknowledged.
    pub spooled: u64,
    pub resident_bytes: u64,
    pub cpu_ms: u64,
    pub events_seen: u64,
    /// The sensor's account of its records; kept on the host, it does not travel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<TypeCount>,
    /// As [`crate::Activity::Coverage`] tells it; kept on the host, for the event travels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coverage: Vec<crate::event::Coverage>,
    /// Of exceptions from rules that have ended what is to be done about each; kept on the host, for the coordinator
    /// has the bundle too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions_ended: Vec<String>,
}

impl HostStatus {
    /// Of an agent that has no bundle yet and has seen nothing.
    #[must_use]
    pub const fn new(host: HostId, facts: HostFacts, tier: Tier) -> Self {
        Self {
            host,
            time: Timestamp(0),
            facts,
            tier,
            blind_spots: Vec::new(),
            bundle: None,
            bundle_name: String::new(),
            lease_expires: Timestamp(0),
            conservative: false,
            isolated: false,
            rules: 0,
            losses: Vec::new(),
            spooled: 0,
            resident_bytes: 0,
            cpu_ms: 0,
            events_seen: 0,
            accounts: Vec::new(),
            coverage: Vec::new(),
            exceptions_ended: Vec::new(),
        }
    }
}
