//! Owns: what a host says of itself on the wire.
//! Never: identity; that comes from the certificate alone.

use std::net::IpAddr;

use picket_model as model;
use serde::{Deserialize, Serialize};

use super::event::{LossCount, losses_from, losses_into};
use super::mirror;
use crate::limits::{Invalid, LIST_MAX, NAME_BYTES_MAX, TEXT_BYTES_MAX, check, cut, cut_all, text, texts};

mirror!(Tier { Bare, Tracing, Full });

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct HostFacts {
    pub hostname: String,
    pub os: String,
    pub kernel: String,
    pub arch: String,
    pub cpus: u32,
    pub memory_bytes: u64,
    pub machine_id: String,
    pub agent_version: String,
    pub addresses: Vec<IpAddr>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct HostStatus {
    pub host: [u8; 16],
    pub time: u64,
    pub facts: HostFacts,
    pub tier: Tier,
    pub blind_spots: Vec<String>,
    pub bundle: Option<u64>,
    pub bundle_name: String,
    pub lease_expires: u64,
    pub conservative: bool,
    pub isolated: bool,
    pub rules: u32,
    pub losses: Vec<LossCount>,
    pub spooled: u64,
    pub resident_bytes: u64,
    pub cpu_ms: u64,
    pub events_seen: u64,
}

impl From<&model::HostFacts> for HostFacts {
    fn from(facts: &model::HostFacts) -> Self {
        Self {
            hostname: cut(&facts.hostname, NAME_BYTES_MAX),
            os: cut(&facts.os, NAME_BYTES_MAX),
            kernel: cut(&facts.kernel, NAME_BYTES_MAX),
            arch: cut(&facts.arch, NAME_BYTES_MAX),
            cpus: facts.cpus,
            memory_bytes: facts.memory_bytes,
            machine_id: cut(&facts.machine_id, NAME_BYTES_MAX),
            agent_version: cut(&facts.agent_version, NAME_BYTES_MAX),
            addresses: facts.addresses.iter().take(LIST_MAX).copied().collect(),
        }
    }
}

impl TryFrom<HostFacts> for model::HostFacts {
    type Error = Invalid;
    fn try_from(facts: HostFacts) -> Result<Self, Invalid> {
        check("facts.addresses", facts.addresses.len(), LIST_MAX)?;
        Ok(Self {
            hostname: text("facts.hostname", facts.hostname, NAME_BYTES_MAX)?,
            os: text("facts.os", facts.os, NAME_BYTES_MAX)?,
            kernel: text("facts.kernel", facts.kernel, NAME_BYTES_MAX)?,
            arch: text("facts.arch", facts.arch, NAME_BYTES_MAX)?,
            cpus: facts.cpus,
            memory_bytes: facts.memory_bytes,
            machine_id: text("facts.machine_id", facts.machine_id, NAME_BYTES_MAX)?,
            agent_version: text("facts.agent_version", facts.agent_version, NAME_BYTES_MAX)?,
            addresses: facts.addresses,
        })
    }
}

impl From<&model::HostStatus> for HostStatus {
    fn from(status: &model::HostStatus) -> Self {
        Self {
            host: *status.host.as_bytes(),
            time: status.time.0,
            facts: (&status.facts).into(),
            tier: status.tier.into(),
            blind_spots: cut_all(&status.blind_spots, TEXT_BYTES_MAX, LIST_MAX),
            bundle: status.bundle.map(|version| version.0),
            bundle_name: cut(&status.bundle_name, NAME_BYTES_MAX),
            lease_expires: status.lease_expires.0,
            conservative: status.conservative,
            isolated: status.isolated,
            rules: status.rules,
            losses: losses_from(&status.losses),
            spooled: status.spooled,
            resident_bytes: status.resident_bytes,
            cpu_ms: status.cpu_ms,
            events_seen: status.events_seen,
        }
    }
}

impl TryFrom<HostStatus> for model::HostStatus {
    type Error = Invalid;
    fn try_from(status: HostStatus) -> Result<Self, Invalid> {
        Ok(Self {
            host: model::HostId::from_bytes(status.host),
            time: model::Timestamp(status.time),
            facts: status.facts.try_into()?,
            tier: status.tier.into(),
            blind_spots: texts("status.blind_spots", status.blind_spots, TEXT_BYTES_MAX, LIST_MAX)?,
            bundle: status.bundle.map(model::BundleVersion),
            bundle_name: text("status.bundle_name", status.bundle_name, NAME_BYTES_MAX)?,
            lease_expires: model::Timestamp(status.lease_expires),
            conservative: status.conservative,
            isolated: status.isolated,
            rules: status.rules,
            losses: losses_into(status.losses)?,
            spooled: status.spooled,
            resident_bytes: status.resident_bytes,
            cpu_ms: status.cpu_ms,
            events_seen: status.events_seen,
            accounts: Vec::new(),
            coverage: Vec::new(),
            exceptions_ended: Vec::new(),
        })
    }
}
