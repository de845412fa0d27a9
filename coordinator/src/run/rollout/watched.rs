//! Owns: what is noted of canaries as they speak, the gate's turn, and how the roll-out stands for whoever asks.
//! Never: a figure of the gate, or what is too much.

use std::collections::HashSet;

use picket_model::{HostId, HostStatus, Record, Timestamp};
use serde_json::{Value, json};

use super::super::desk::{Desk, now, unpoisoned};
use super::{Watch, row};
use crate::api::{Answer, Refused};
use crate::identity;
use crate::rollout::{Canary, Rollout, Seen, Verdict, judge, told};

/// In whose name the coordinator ends a roll-out.
const GATE: &str = "health gate";

impl Watch {
    /// The host's canary and tally, where it has taken the bundle by then.
    fn tally_mut(&mut self, host: HostId, at: Timestamp) -> Option<(&Rollout, &mut crate::rollout::Tally)> {
        let rollout = self.rollout.as_ref().filter(|rollout| rollout.is_watching())?;
        rollout.canary(host)?.taken.filter(|taken| *taken <= at)?;
        Some((rollout, self.tallies.entry(host).or_default()))
    }
}

impl Desk {
    /// A record of the host itself, of now or of an earlier life of the coordinator.
    pub fn count(&self, host: HostId, record: &Record, received: Timestamp) {
        let Some(told) = told(record) else { return };
        let mut watch = unpoisoned(&self.watch);
        watch.pulse.told(host, told, received);
        if let Some((rollout, tally)) = watch.tally_mut(host, received) {
            tally.told(told, rollout.version);
        }
    }

    /// A heartbeat. True when a canary says for the first time that it goes by the new bundle.
    pub fn watch_status(&self, status: &HostStatus, received: Timestamp) -> bool {
        let mut watch = unpoisoned(&self.watch);
        watch.pulse.works(status.host, status.cpu_ms, received);
        if let Some((rollout, tally)) = watch.tally_mut(status.host, received) {
            if status.bundle == Some(rollout.version) {
                tally.works(status.cpu_ms, received);
            }
            return false;
        }
        watch
            .going_on()
            .is_some_and(|rollout| rollout.canary(status.host).is_some() && status.bundle == Some(rollout.version))
    }

    pub fn note_taken(&self, host: HostId) -> Result<(), Refused> {
        self.note(host, |canary| {
            canary.taken.get_or_insert_with(now);
        })
    }

    /// What came of a bundle on a host, as far as it is the one that is rolled out.
    pub fn note_answer(&self, host: HostId, version: u64, accepted: bool, detail: &str) -> Result<(), Refused> {
        let Some(rollout) = unpoisoned(&self.watch).going_on().cloned() else { return Ok(()) };
        let holds = self.status_of(host).and_then(|row| row.status.bundle);
        if accepted && rollout.version.0 == version {
            self.note_taken(host)
        } else if !accepted && rollout.is_refused_by(version, holds) {
            self.note(host, |canary| {
                canary.refused.get_or_insert_with(|| detail.to_owned());
            })
        } else {
            Ok(())
        }
    }

    fn note(&self, host: HostId, change: impl FnOnce(&mut Canary)) -> Result<(), Refused> {
        let _one = unpoisoned(&self.answering);
        let changed = {
            let mut watch = unpoisoned(&self.watch);
            let Some(rollout) = watch.rollout.as_mut().filter(|rollout| rollout.is_watching()) else { return Ok(()) };
            let Some(canary) = rollout.canary_mut(host) else { return Ok(()) };
            change(canary);
            rollout.clone()
        };
        Ok(self.state.write(&[row(&changed)?])?)
    }

    /// The gate's turn. Whoever calls holds the turn of people's answers; `worked` is how far the event log was worked
    /// through: nothing passes on figures that lag.
    pub fn judge_rollout(&self, worked: Timestamp) -> Result<(), Refused> {
        let Some(verdict) = self.verdict(worked)? else { return Ok(()) };
        match verdict {
            Verdict::Watch => Ok(()),
            Verdict::Pass(why) => self.promote(GATE, &why),
            Verdict::Fail(why) => {
                tracing::warn!(%why, "the new bundle is taken back");
                self.give_back(GATE, &why)
            }
        }
    }

    fn verdict(&self, worked: Timestamp) -> Result<Option<Verdict>, Refused> {
        let Some(rollout) = unpoisoned(&self.watch).going_on().cloned() else { return Ok(None) };
        let mut seen = Vec::new();
        for one in self.seen(&rollout) {
            let row = identity::host(&*self.state, one.canary.host).map_err(Refused::internal)?;
            seen.extend(row.is_some_and(|row| row.revoked.is_none()).then_some(one));
        }
        Ok(Some(judge(&rollout, &seen, &self.limits, self.started, worked)))
    }

    fn seen<'r>(&self, rollout: &'r Rollout) -> Vec<Seen<'r>> {
        let connected: HashSet<HostId> = self.sessions.connected().into_iter().collect();
        let see = |canary: &'r Canary| Seen {
            canary,
            name: self.hostname(canary.host),
            connected: connected.contains(&canary.host),
            holds: self.status_of(canary.host).and_then(|row| row.status.bundle),
            figures: if rollout.is_watching() { self.figures(canary.host) } else { canary.figures },
        };
        rollout.canaries.iter().map(see).collect()
    }

    pub fn say_rollout(&self) -> Answer {
        let policy = self.policy();
        let in_force = policy.as_ref().map(|policy| Self::policy_json(policy));
        let Some(rollout) = unpoisoned(&self.watch).rollout.clone() else {
            return Ok(json!({"in_force": in_force, "rollout": null}));
        };
        let canaries: Vec<Value> = self.seen(&rollout).iter().map(said).collect();
        let mut value = serde_json::to_value(&rollout).map_err(Refused::internal)?;
        value["canaries"] = json!(canaries);
        Ok(json!({"in_force": in_force, "rollout": value}))
    }
}

fn said(one: &Seen<'_>) -> Value {
    let Seen { canary, name, connected, holds, figures } = one;
    json!({
        "host": canary.host, "hostname": name, "connected": connected, "holds": holds,
        "taken": canary.taken, "refused": canary.refused, "before": canary.before,
        "alerts": figures.alerts, "actions": figures.actions, "ended": figures.ended, "cpu_permille": figures.cpu_permille,
    })
}
