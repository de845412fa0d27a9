//! Owns: a candidate bundle over recorded detections, for the API: which are read, under what, and how it is told.
//! Never: deciding; that is `simulate`.

use std::collections::HashMap;

use picket_detect::Rule;
use picket_model::{Detection, HostId, Record, RuleId, Timestamp};
use picket_policy::{Authority, Bundle, keys};
use serde_json::{Value, json};

use super::desk::{self, Desk, Policy};
use super::{rows, secrets};
use crate::api::{Answer, Refused, Status};
use crate::simulate::{Decided, Outcome, Says, Side, Simulation};
use crate::store::{StoreError, Table, each};

impl Desk {
    /// Which decisions over the detections received since then would be others under `candidate`, a bundle without a
    /// signature. Nothing is put in force.
    pub fn simulate(&self, since: Timestamp, candidate: &[u8]) -> Answer {
        let begun = std::time::Instant::now();
        let policy = self.policy().ok_or_else(|| {
            Refused::new(Status::Conflict, "there is no bundle to compare with", "apply one with `picket policy apply`")
        })?;
        let candidate = draft(candidate)?;
        let mut simulation = Simulation::new(side(&policy)?, side(&candidate)?);
        let (places, unreadable) = self.detections_since(since)?;
        let mut lost = unreadable;
        let mut names: HashMap<HostId, String> = HashMap::new();
        for (_, offset) in places {
            match self.detection_at(offset)? {
                Some((_, detection)) => {
                    let name = names.entry(detection.host).or_insert_with(|| self.hostname(detection.host));
                    simulation.detection(&detection, name);
                }
                None => lost += 1,
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        Ok(told(&simulation.finish(), (&policy, &candidate), since, lost, seconds))
    }

    /// In the order of their own times: a host that was away reports late. And how many of their records are gone.
    fn detections_since(&self, since: Timestamp) -> Result<(Vec<(Timestamp, u64)>, u64), Refused> {
        let mut offsets = Vec::new();
        each(&*self.state, Table::Detections, &[], |_, row| {
            offsets.extend(rows::detection_place(row).map(|(offset, _)| offset));
            Ok::<_, StoreError>(())
        })?;
        offsets.sort_unstable();
        let (mut places, mut lost) = (Vec::new(), 0);
        for offset in offsets {
            match self.detection_at(offset)? {
                Some((received, detection)) if received >= since => places.push((detection.time, offset)),
                Some(_) => {}
                None => lost += 1,
            }
        }
        places.sort_unstable();
        Ok((places, lost))
    }

    fn detection_at(&self, offset: u64) -> Result<Option<(Timestamp, Detection)>, Refused> {
        let stored = match self.log.read(offset, 1) {
            Err(StoreError::DamagedRecord { .. }) => return Ok(None),
            stored => stored?,
        };
        let Some(stored) = stored.first().filter(|stored| stored.offset == offset) else { return Ok(None) };
        Ok(match picket_wire::decode_record(&stored.bytes) {
            Ok(Record::Detection { detection }) => Some((stored.received, detection)),
            _ => None,
        })
    }
}

/// The candidate, checked and compiled as if it were signed. The key that it is signed with is made for that and forgotten.
fn draft(candidate: &[u8]) -> Result<Policy, Refused> {
    let invalid = |why: String| Refused::new(Status::Invalid, why, "`picket policy sign` shows the same errors");
    let bundle: Bundle = serde_json::from_slice(candidate).map_err(|error| invalid(error.to_string()))?;
    let key = keys::generate(secrets::random().map_err(Refused::internal)?);
    let verified = picket_policy::verify(&bundle.sign(&key), &[key.verifying_key()])
        .map_err(|error| invalid(error.to_string()))?;
    desk::compile(verified).map_err(invalid)
}

fn side(policy: &Policy) -> Result<Side, Refused> {
    let says = |rule: &Rule| Says { severity: rule.severity, response: rule.response.clone() };
    let rules: HashMap<RuleId, Says> = policy.rules.iter().map(|rule| (rule.id.clone(), says(rule))).collect();
    Ok(Side { authority: Authority::new(&policy.verified).map_err(Refused::internal)?, rules })
}

fn told(outcome: &Outcome, bundles: (&Policy, &Policy), since: Timestamp, lost: u64, seconds: f64) -> Value {
    let name = |policy: &Policy| {
        let bundle = &policy.verified.bundle;
        json!({"name": bundle.name, "version": bundle.version})
    };
    let groups: Vec<Value> = outcome.groups.iter().map(|group| {
        json!({
            "rule": group.rule, "action": group.action, "before": decided(&group.before), "after": decided(&group.after),
            "count": group.count, "hosts": group.hosts,
        })
    }).collect();
    let listed: Vec<Value> = outcome
        .listed
        .iter()
        .map(|changed| {
            json!({
                "detection": changed.detection, "host": changed.host, "time": changed.time, "rule": changed.rule,
                "action": changed.action, "before": decided(&changed.before), "after": decided(&changed.after),
            })
        })
        .collect();
    json!({
        "since": since, "before": name(bundles.0), "after": name(bundles.1), "detections": outcome.detections,
        "decisions": outcome.decisions, "changed": outcome.changed, "unreadable": lost, "seconds": seconds,
        "groups": groups, "listed": listed,
    })
}

fn decided(decided: &Decided) -> Value {
    match decided {
        Decided::NotDetected => json!({"verdict": "not detected", "by": ["the bundle has no such rule"]}),
        Decided::NotAsked => json!({"verdict": "nothing", "by": ["its rule does not ask for it"]}),
        Decided::Already => json!({"verdict": "nothing", "by": ["the same was done or asked a moment before"]}),
        Decided::Verdict { verdict, by } => json!({"verdict": verdict, "by": by}),
    }
}
