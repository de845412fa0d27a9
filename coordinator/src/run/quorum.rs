//! Owns: that no order of a person leaves a group of hosts fewer than its quorum.
//! Never: what Picket does alone: hosts of a group ask before that, for none of them knows the others.

use std::collections::HashSet;

use picket_model::{ActionKind, ActionState, HostId, IsolationScope};

use super::desk::Desk;
use super::rows::{self, ActionRow};
use crate::api::{Refused, Status};

impl Desk {
    /// Refuses the isolation of a host where too few of its group would be left. Whoever is enrolled, not revoked and not
    /// isolated counts, in reach or not.
    pub fn keep_quorum(&self, host: HostId, kind: &ActionKind) -> Result<(), Refused> {
        let Some(policy) = self.policy().filter(|_| isolates(kind)) else { return Ok(()) };
        let groups = &policy.verified.bundle.quorum;
        let name = self.hostname(host);
        if !groups.iter().any(|group| group.holds(&name, host)) {
            return Ok(());
        }
        let isolated = self.isolated()?;
        if isolated.contains(&host) {
            return Ok(());
        }
        let others: Vec<(HostId, String)> = self
            .host_rows()?
            .iter()
            .filter(|row| row.revoked.is_none() && row.id != host && !isolated.contains(&row.id))
            .map(|row| (row.id, self.hostname(row.id)))
            .collect();
        for group in groups.iter().filter(|group| group.holds(&name, host)) {
            let left = others.iter().filter(|(id, name)| group.holds(name, *id)).count();
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
