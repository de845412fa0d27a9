//! Owns: rules over all hosts in the wiring: those of the bundle in force, and the coordinator's own records of what
//! they found.
//! Never: matching; that is `detect`.

use std::sync::Arc;

use picket_detect::{Detector, RuleSource};
use picket_model::{Detection, Event, HostId, Lane, Record, Timestamp};

use super::desk::{Policy, now};
use super::todo::Todo;
use super::work::Work;
use crate::api::Refused;
use crate::detect::Detect;
use crate::store::{Change, StateStore, Stored, Table};

/// In whose name the coordinator writes into the event log. No host has it: ids of hosts are random.
const OWN: HostId = HostId::from_bytes([0; 16]);
/// The coordinator never begins anew: its log does, and then its numbers do too.
const EPOCH: u64 = 1;
const SALT: &[u8] = b"detect.salt";

pub fn is_own(stored: &Stored) -> bool {
    stored.host == OWN
}

/// Of whom a record speaks: the coordinator speaks of hosts.
pub fn speaks_of(stored: &Stored, record: &Record) -> HostId {
    match record {
        Record::Detection { detection } if is_own(stored) => detection.host,
        _ => stored.host,
    }
}

/// The correlations of the estate that the bundle in force has.
pub struct WholeEstate {
    detect: Detect,
    rules: Option<Arc<Policy>>,
}

impl WholeEstate {
    pub fn open(state: &dyn StateStore) -> anyhow::Result<Self> {
        Ok(Self { detect: Detect::new(compiled(&[])?, salt(state)?), rules: None })
    }

    fn rules(&mut self, policy: Option<Arc<Policy>>) -> anyhow::Result<()> {
        let is_same = match (&self.rules, &policy) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            (None, None) => true,
            _ => false,
        };
        if is_same {
            return Ok(());
        }
        let sources = policy.as_ref().map(|policy| policy.sources()).unwrap_or_default();
        self.detect.replace(compiled(&sources)?);
        self.rules = policy;
        Ok(())
    }
}

fn compiled(sources: &[RuleSource]) -> anyhow::Result<Detector> {
    Detector::of_estate(sources).map_err(|errors| {
        let first = errors.first().map(ToString::to_string).unwrap_or_default();
        anyhow::anyhow!("the rules in force do not compile for the estate: {first}")
    })
}

fn salt(state: &dyn StateStore) -> anyhow::Result<[u8; 32]> {
    let known = state.get(Table::Progress, SALT)?;
    if let Some(salt) = known.as_deref().and_then(|bytes| bytes.try_into().ok()) {
        return Ok(salt);
    }
    let salt = super::secrets::random()?;
    state.write(&[Change {
        table: Table::Progress,
        key: SALT.to_vec(),
        expected: None,
        value: Some(salt.to_vec()),
    }])?;
    Ok(salt)
}

impl Work {
    pub(super) fn take_rules(&mut self) {
        if let Err(error) = self.whole.rules(self.desk.policy()) {
            tracing::error!(%error, "the estate's correlations stay as they were");
        }
    }

    pub(super) fn watch(&mut self, host: HostId, event: &Event, received: Timestamp) {
        if !self.whole.detect.concerns(event) {
            return;
        }
        let name = self.desk.hostname(host);
        let found = self.whole.detect.observe((host, &name), event, received);
        self.found(found);
    }

    pub(super) fn watch_time(&mut self) {
        let found = self.whole.detect.advance(now());
        self.found(found);
        let (losses, windows) = self.whole.detect.take_losses();
        for loss in losses {
            self.lost(&loss.place, loss.count);
        }
        for lost in windows {
            let what = format!("{} windows, {} to {}", lost.windows, lost.from, lost.to);
            self.lost_of(&format!("correlation {}", lost.rule), what);
        }
    }

    /// While an earlier life is rebuilt, it has told already what was found then.
    fn found(&mut self, found: Vec<Detection>) {
        if self.is_live() {
            self.todo.extend(found.into_iter().map(|detection| Todo::Found(Box::new(detection))));
        }
    }

    /// Into the event log, from where it is taken like every other record.
    pub(super) fn tell(&mut self, detection: &Detection) -> Result<Vec<Todo>, Refused> {
        // What time alone completes is completed again when an earlier life is rebuilt.
        if self.pending.get(&*self.desk.state, Table::Detections, detection.id.as_bytes())?.is_some() {
            return Ok(Vec::new());
        }
        let bytes = picket_wire::encode_record(&Record::Detection { detection: detection.clone() });
        let log = &self.desk.log;
        let cursors = log.cursors(OWN, EPOCH)?;
        let next = cursors.iter().find(|cursor| cursor.lane == Lane::Urgent).map_or(1, |cursor| cursor.seq + 1);
        log.append(OWN, now(), EPOCH, Lane::Urgent, next, &[bytes])?;
        Ok(Vec::new())
    }
}
