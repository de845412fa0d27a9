//! Owns: how many autonomous acts of each kind a group of hosts may see in an hour, all of its hosts together.
//! Never: counting them: a host knows only its own acts, and the coordinator those that it decides.

use std::collections::BTreeMap;

use picket_model::HostId;
use serde::{Deserialize, Serialize};

use crate::error::BundleError;
use crate::hostnames::{self, is_named};
use crate::limits;

/// As many as groups of `quorum`.
const GROUPS_MAX: usize = 64;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupBudget {
    pub name: String,
    /// Names of hosts with `*` and `?`, or host ids.
    pub hosts: Vec<String>,
    /// Action word to how many acts of it.
    pub budgets: BTreeMap<String, u32>,
}

impl GroupBudget {
    #[must_use]
    pub fn holds(&self, name: &str, id: HostId) -> bool {
        is_named(&self.hosts, name, id)
    }
}

pub(crate) fn check(groups: &[GroupBudget]) -> Result<(), BundleError> {
    limits::at_most("group_budgets", groups.len(), GROUPS_MAX)?;
    hostnames::check("group_budgets.hosts", groups.iter().flat_map(|group| &group.hosts))?;
    for (at, group) in groups.iter().enumerate() {
        limits::name("the name of a group of group_budgets", &group.name)?;
        for (word, &budget) in &group.budgets {
            limits::known_word("group_budgets.budgets", word)?;
            limits::at_most(&format!("group_budgets.budgets.{word}"), budget as usize, limits::BUDGET_MAX as usize)?;
        }
        let reason = if group.hosts.is_empty() {
            format!("{:?} names no host", group.name)
        } else if group.budgets.is_empty() {
            format!("{:?} bounds no action", group.name)
        } else if groups.iter().take(at).any(|before| before.name == group.name) {
            format!("two groups are called {:?}", group.name)
        } else {
            continue;
        };
        return Err(BundleError::Field { field: "group_budgets".to_owned(), reason });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
