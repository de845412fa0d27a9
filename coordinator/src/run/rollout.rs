//! Owns: a roll-out in the wiring: begun, promoted or returned, each on record before it is done, and kept over restarts.
//! Never: making a bundle: the one to come back to is signed where the key is, before the roll-out begins.

mod watched;

use std::collections::{HashMap, HashSet};

use picket_model::{HostId, Timestamp};
use picket_policy::Bundle;
use serde_json::{Value, json};

use super::desk::{Desk, Policy, now, unpoisoned};
use crate::api::{Answer, Refused, RolloutRequest, Status};
use crate::rollout::{
    Canary, End, Enrolled, Figures, Pulse, Rollout, Stage, Tally, WATCH_MS_MAX, WATCH_MS_MIN, choose,
};
use crate::store::{Change, StoreError, Table};

/// Under which the roll-out is kept, and both of its bundles while it goes on.
const KEY: &[u8] = b"rollout";
const CANDIDATE: &[u8] = b"rollout/candidate";
const BACK: &[u8] = b"rollout/back";

/// The latest roll-out, what its canaries did since, and what all hosts do in the usual course of things.
#[derive(Default)]
pub struct Watch {
    rollout: Option<Rollout>,
    tallies: HashMap<HostId, Tally>,
    pulse: Pulse,
}

impl Watch {
    fn going_on(&self) -> Option<&Rollout> {
        self.rollout.as_ref().filter(|rollout| rollout.is_watching())
    }
}

fn put(key: &[u8], value: Option<Vec<u8>>) -> Change {
    Change { table: Table::Bundles, key: key.to_vec(), expected: None, value }
}

fn row(rollout: &Rollout) -> Result<Change, StoreError> {
    let value = serde_json::to_vec(rollout).map_err(|error| StoreError::Backend(error.to_string()))?;
    Ok(put(KEY, Some(value)))
}

impl Desk {
    /// What an earlier life began goes on: its canaries get the bundle, and the watch ends when it would have.
    pub fn resume_rollout(&self) -> anyhow::Result<()> {
        let Some(bytes) = self.state.get(Table::Bundles, KEY)? else { return Ok(()) };
        let rollout: Rollout = serde_json::from_slice(&bytes)
            .map_err(|error| anyhow::anyhow!("the roll-out in the store does not read: {error}"))?;
        if rollout.is_watching() {
            self.push_to_canaries(&rollout, self.kept(CANDIDATE)?);
        }
        unpoisoned(&self.watch).rollout = Some(rollout);
        Ok(())
    }

    fn push_to_canaries(&self, rollout: &Rollout, candidate: Vec<u8>) {
        let hosts: HashSet<HostId> = rollout.canaries.iter().map(|canary| canary.host).collect();
        self.sessions.push_canaries(hosts, candidate);
    }

    fn kept(&self, key: &[u8]) -> Result<Vec<u8>, StoreError> {
        let missing = || StoreError::Backend("a bundle of the roll-out is not in the store".to_owned());
        self.state.get(Table::Bundles, key)?.ok_or_else(missing)
    }

    /// Two bundles that come at once would make a third policy of hosts that got neither.
    pub fn no_rollout(&self) -> Result<(), Refused> {
        let watch = unpoisoned(&self.watch);
        let Some(rollout) = watch.going_on() else { return Ok(()) };
        Err(Refused::new(
            Status::Conflict,
            format!("{} version {} is being rolled out, until {}", rollout.name, rollout.version, rollout.until),
            "nothing was changed; `picket policy promote` gives it to all hosts, `picket policy abort` takes it back",
        ))
    }

    /// Recorded, then kept, then sent to the canaries alone.
    pub fn order_rollout(&self, who: &str, request: &RolloutRequest) -> Answer {
        let _one = unpoisoned(&self.answering);
        self.no_rollout()?;
        let current = self.policy().ok_or_else(no_bundle)?;
        let (rollout, candidate, back) = self.planned_rollout(who, request, &current)?;
        self.record(who, "roll-out begun", &rollout.version.to_string(), &self.said(&rollout))?;
        let bytes = candidate.verified.bytes;
        self.state.write(&[
            row(&rollout)?,
            put(CANDIDATE, Some(bytes.clone())),
            put(BACK, Some(back.verified.bytes)),
        ])?;
        {
            let mut watch = unpoisoned(&self.watch);
            watch.tallies.clear();
            watch.rollout = Some(rollout.clone());
        }
        self.push_to_canaries(&rollout, bytes);
        self.say_rollout()
    }

    fn planned_rollout(
        &self,
        who: &str,
        request: &RolloutRequest,
        current: &Policy,
    ) -> Result<(Rollout, Policy, Policy), Refused> {
        let invalid = |message: String, hint: &str| Refused::new(Status::Invalid, message, hint);
        let RolloutRequest { canary, watch_ms, candidate, back } = request;
        if !(WATCH_MS_MIN..=WATCH_MS_MAX).contains(watch_ms) {
            return Err(invalid(
                format!("a watch of {} s: it lasts between 1 s and 7 days", watch_ms / 1000),
                "give --watch, for example 15m",
            ));
        }
        let bytes = |value: &Value| serde_json::to_vec(value).map_err(Refused::internal);
        let version = current.verified.bundle.version;
        let candidate = self.offered(&bytes(candidate)?, Some(version))?;
        let back = self.offered(&bytes(back)?, Some(version)).map_err(|refused| Refused {
            message: format!("the bundle to come back to does not count: {}", refused.message),
            ..refused
        })?;
        comes_back(&back.verified.bundle, &candidate.verified.bundle, &current.verified.bundle)
            .map_err(|why| invalid(why, HOW_BACK))?;
        let (begun, until) = (now(), now().plus_millis(*watch_ms));
        if until >= candidate.verified.bundle.lease_expires().min(back.verified.bundle.lease_expires()) {
            return Err(invalid(
                "the lease of the bundle, or of the one in force, ends before the watch does".to_owned(),
                "give a shorter --watch or a longer --lease",
            ));
        }
        let hosts = self.enrolled()?;
        let chosen = choose(canary, &hosts, &current.verified.bundle.quorum).map_err(|why| {
            invalid(why, "nothing was changed; `picket policy apply --help` shows what may be written")
        })?;
        let rollout = Rollout {
            name: candidate.verified.bundle.name.clone(),
            version: candidate.verified.bundle.version,
            back: back.verified.bundle.version,
            by: who.to_owned(),
            canary: canary.clone(),
            of: hosts.len(),
            begun,
            until,
            canaries: self.canaries(&chosen, begun)?,
            stage: Stage::Watching,
        };
        Ok((rollout, candidate, back))
    }

    fn enrolled(&self) -> Result<Vec<Enrolled>, Refused> {
        let connected: HashSet<HostId> = self.sessions.connected().into_iter().collect();
        let live = self.host_rows()?.into_iter().filter(|row| row.revoked.is_none()).map(|row| row.id);
        Ok(live.map(|id| Enrolled { id, name: self.hostname(id), connected: connected.contains(&id) }).collect())
    }

    fn canaries(&self, chosen: &[HostId], begun: Timestamp) -> Result<Vec<Canary>, Refused> {
        let rows = self.host_rows()?;
        let watch = unpoisoned(&self.watch);
        let of_chosen = rows.iter().filter(|row| chosen.contains(&row.id));
        let canary = |host, enrolled| {
            let before = watch.pulse.before(host, enrolled, begun);
            Canary { host, before, taken: None, refused: None, figures: Figures::default() }
        };
        Ok(of_chosen.map(|row| canary(row.id, row.enrolled)).collect())
    }

    fn said(&self, rollout: &Rollout) -> String {
        let names: Vec<String> = rollout.canaries.iter().map(|canary| self.hostname(canary.host)).collect();
        format!(
            "{} version {} on {} of {} hosts ({}) until {}; back under version {}: {}",
            rollout.name,
            rollout.version,
            names.len(),
            rollout.of,
            rollout.canary,
            rollout.until,
            rollout.back,
            names.join(", ")
        )
    }

    pub fn order_promote(&self, who: &str, note: &str) -> Answer {
        let _one = unpoisoned(&self.answering);
        self.promote(who, note)?;
        self.say_rollout()
    }

    pub fn order_abort(&self, who: &str, note: &str) -> Answer {
        let _one = unpoisoned(&self.answering);
        self.give_back(who, note)?;
        self.say_rollout()
    }

    /// Every host gets it. Whoever calls holds the turn.
    fn promote(&self, who: &str, why: &str) -> Result<(), Refused> {
        let rollout = self.on_the_way()?;
        let candidate = self.whole(CANDIDATE)?;
        let said = format!("{} version {} for all hosts: {why}", rollout.name, rollout.version);
        self.record(who, "roll-out promoted", &rollout.version.to_string(), &said)?;
        let kept = self.policy().map(|leaving| self.keeping(&leaving)).transpose()?.unwrap_or_default();
        self.end(rollout, candidate, kept, Stage::Promoted, who, why)
    }

    /// What was in force before is so again, under the higher version that hosts can take. It is in force for all: the
    /// others have the same content already, and no two versions stay. Whoever calls holds the turn.
    fn give_back(&self, who: &str, why: &str) -> Result<(), Refused> {
        let rollout = self.on_the_way()?;
        let back = self.whole(BACK)?;
        let said = format!(
            "{} version {} is taken back, what was before is in force as version {}: {why}",
            rollout.name, rollout.version, rollout.back
        );
        self.record(who, "roll-out returned", &rollout.version.to_string(), &said)?;
        self.end(rollout, back, Vec::new(), Stage::Returned, who, why)
    }

    fn on_the_way(&self) -> Result<Rollout, Refused> {
        unpoisoned(&self.watch).going_on().cloned().ok_or_else(|| {
            Refused::new(
                Status::Conflict,
                "no bundle is being rolled out",
                "`picket policy status` shows the last one, `picket policy rollback` goes back to an earlier bundle",
            )
        })
    }

    fn whole(&self, key: &[u8]) -> Result<Policy, Refused> {
        let verified = picket_policy::verify(&self.kept(key)?, &[self.policy_key]).map_err(Refused::internal)?;
        super::desk::compile(verified).map_err(Refused::internal)
    }

    fn end(
        &self,
        mut rollout: Rollout,
        policy: Policy,
        mut with: Vec<Change>,
        stage: impl FnOnce(End) -> Stage,
        who: &str,
        why: &str,
    ) -> Result<(), Refused> {
        for canary in &mut rollout.canaries {
            canary.figures = self.figures(canary.host);
        }
        rollout.stage = stage(End { at: now(), ended_by: who.to_owned(), why: why.to_owned() });
        with.extend([row(&rollout)?, put(CANDIDATE, None), put(BACK, None)]);
        self.adopt(policy, with)?;
        let mut watch = unpoisoned(&self.watch);
        watch.tallies.clear();
        watch.rollout = Some(rollout);
        Ok(())
    }

    fn figures(&self, host: HostId) -> Figures {
        unpoisoned(&self.watch).tallies.get(&host).map(|tally| tally.figures).unwrap_or_default()
    }

    /// The bundle in force as it was signed: whoever has the key makes of it the one to come back to.
    pub fn say_signed(&self) -> Answer {
        let policy = self.policy().ok_or_else(no_bundle)?;
        serde_json::from_slice(&policy.verified.bytes).map_err(Refused::internal)
    }

    /// For the status: where the latest roll-out stands, as long as it says something of the bundle in force.
    pub fn rollout_json(&self) -> Value {
        let in_force = self.policy().map(|policy| policy.verified.bundle.version);
        let watch = unpoisoned(&self.watch);
        let Some(rollout) = &watch.rollout else { return Value::Null };
        let is_told = match &rollout.stage {
            Stage::Watching => true,
            Stage::Promoted(_) => in_force == Some(rollout.version),
            Stage::Returned(_) => in_force == Some(rollout.back),
        };
        if !is_told {
            return Value::Null;
        }
        let mut value = json!({
            "name": rollout.name, "version": rollout.version, "until": rollout.until,
            "canaries": rollout.canaries.len(), "of": rollout.of,
        });
        if let (Some(to), Ok(Value::Object(stage))) = (value.as_object_mut(), serde_json::to_value(&rollout.stage)) {
            to.extend(stage);
        }
        value
    }
}

fn no_bundle() -> Refused {
    Refused::new(
        Status::Conflict,
        "no bundle is in force: there is nothing that canaries could come back to",
        "apply the first one without --canary",
    )
}

const HOW_BACK: &str = "nothing was changed; `picket policy apply --canary` signs the right one where the key is at hand, \
                        elsewhere `picket policy sign --again` does, of what `picket policy show --signed` prints";

/// It may be signed a moment before what is in force was, or by another clock; more would be a shorter lease.
const LEASE_APART_MS: u64 = 3_600_000;

/// Whether hosts can go back to it, and are then where they are now.
fn comes_back(back: &Bundle, candidate: &Bundle, current: &Bundle) -> Result<(), String> {
    if !is_same_but_later(back, current) {
        return Err(format!("the bundle to come back to is not what is in force, version {}", current.version));
    }
    if back.version <= candidate.version {
        let (have, needs) = (candidate.version, candidate.version.0.saturating_add(1));
        return Err(format!(
            "the bundle to come back to has version {}, and hosts that have version {have} take none below {needs}",
            back.version
        ));
    }
    let apart_ms = current.lease_expires().millis_since(back.lease_expires());
    if back.lease_ms != current.lease_ms || apart_ms > LEASE_APART_MS {
        return Err(format!(
            "the lease of the bundle to come back to is another one: it ends at {}, and that of what is in force at {}",
            back.lease_expires(),
            current.lease_expires()
        ));
    }
    Ok(())
}

/// The same in all but what signing anew changes.
fn is_same_but_later(back: &Bundle, current: &Bundle) -> bool {
    let Bundle { version, issued, lease_ms, .. } = current;
    Bundle { version: *version, issued: *issued, lease_ms: *lease_ms, ..back.clone() } == *current
}
