//! Owns: that no order of a person leaves a group of hosts fewer than its quorum.
//! Never: what Picket does alone: hosts of a group ask before that, for none of them knows the others.

use std::collections::HashSet;

use picket_model::{ActionKind, ActionState, HostId, IsolationScope};
use picket_policy::Group;

use super::desk::Desk;
use super::rows::{self, ActionRow};
use crate::api::{Refused, Status};
use crate::identity::HostRow;

impl Desk {
    /// Refuses the isolation of a host where too few of its group would be left. Whoever is enrolled, not revoked and not
    /// isolated counts, in reach or not. A host says itself what it is called: to count for a group its name must be one of
    /// the group's now and when it was enrolled, so that no intruder's host stands in for another.
    pub fn keep_quorum(&self, host: HostId, kind: &ActionKind) -> Result<(), Refused> {
        let Some(policy) = self.policy().filter(|_| isolates(kind)) else { return Ok(()) };
        let groups = &policy.verified.bundle.quorum;
        let rows = self.host_rows()?;
        let holds = |group: &Group, row: &HostRow| {
            [&row.facts.hostname, &self.hostname(row.id)].map(|name| group.holds(name, row.id))
        };
        let own = |group: &Group| rows.iter().any(|row| row.id == host && holds(group, row).contains(&true));
        if !groups.iter().any(own) {
            return Ok(());
        }
        let isolated = self.isolated()?;
        if isolated.contains(&host) {
            return Ok(());
        }
        let is_there = |row: &&HostRow| row.revoked.is_none() && row.id != host && !isolated.contains(&row.id);
        for group in groups.iter().filter(|group| own(group)) {
            let left = rows.iter().filter(is_there).filter(|row| holds(group, row) == [true, true]).count();
            if left < group.keep as usize {
                return Err(Refused::new(
                    Status::Conflict,
                    format!("quorum: {left} hosts of {} would be left, and {} stay in reach", group.name, group.keep),
                    "release another host of the group first, or apply a bundle whose quorum allows it",
                ));
            }
        }
        Ok(())
    }

    /// Hosts that are cut off, or about to be.
    fn isolated(&self) -> Result<HashSet<HostId>, Refused> {
        let mut isolated = HashSet::new();
        rows::each_action(&*self.state, |ActionRow { report, .. }| {
            if matches!(report.state, ActionState::Planned | ActionState::Applied) && isolates(&report.action.kind) {
                isolated.insert(report.action.host);
            }
        })?;
        Ok(isolated)
    }
}

const fn isolates(kind: &ActionKind) -> bool {
    matches!(kind, ActionKind::IsolateHost { scope: IsolationScope::Host })
}
