//! Owns: groups of hosts that give one service, and how many of each must stay in reach.
//! Never: how many there are: only the coordinator knows more than one host.

use picket_model::HostId;
use serde::{Deserialize, Serialize};

use crate::error::BundleError;
use crate::hostnames::{self, is_named};
use crate::limits;

/// Services of an estate that people name one by one.
const GROUPS_MAX: usize = 64;

/// Of the hosts that a group names, `keep` are never cut off.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub name: String,
    /// Names of hosts with `*` and `?`, or host ids.
    pub hosts: Vec<String>,
    pub keep: u32,
}

impl Group {
    #[must_use]
    pub fn holds(&self, name: &str, id: HostId) -> bool {
        is_named(&self.hosts, name, id)
    }
}

pub(crate) fn check(groups: &[Group]) -> Result<(), BundleError> {
    limits::at_most("quorum", groups.len(), GROUPS_MAX)?;
    hostnames::check("quorum.hosts", groups.iter().flat_map(|group| &group.hosts))?;
    for (at, group) in groups.iter().enumerate() {
        limits::name("the name of a group of quorum", &group.name)?;
        let reason = if group.hosts.is_empty() {
            format!("{:?} names no host", group.name)
        } else if group.keep == 0 {
            format!("{:?} keeps 0 hosts, which is no quorum; leave it out", group.name)
        } else if groups.iter().take(at).any(|before| before.name == group.name) {
            format!("two groups are called {:?}", group.name)
        } else {
            continue;
        };
        return Err(BundleError::Field { field: "quorum".to_owned(), reason });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
