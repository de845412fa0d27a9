//! Owns: what the coordinator's parts share at run time: stores, CA, sessions, the policy in force, statuses.
//! Never: HTTP or QUIC.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use picket_detect::{Detector, Exception, IndicatorSource, ListKind, Rule, RuleSource};
use picket_model::{ActionId, HostId, IncidentId, Timestamp};
use picket_policy::{Bundle, Verified, VerifyingKey};
use serde_json::{Value, json};

use super::halt::Switch;
use super::lists::Lists;
use super::rollout::Watch;
use super::rows::{self, CommandRow, StatusRow};
use crate::api::Refused;
use crate::audit::AuditLog;
use crate::identity::{self, Ca, HostRow};
use crate::ingest::Sessions;
use crate::rollout;
use crate::store::{Change, EventLog, StateStore, StoreError, Table};

/// Under which the brain's place in the event log is kept.
pub const PLACE: &[u8] = b"brain";
/// Under which the bundle in force is kept.
const BUNDLE_KEY: &[u8] = b"current";

/// The bundle in force and its rules as the API lists them.
pub struct Policy {
    pub verified: Verified,
    pub rules: Vec<Rule>,
    pub exceptions: Vec<Exception>,
}

impl Policy {
    /// Of each exception that has ended what is to be done about it.
    fn exceptions_ended(&self) -> Vec<String> {
        self.exceptions.iter().filter(|exception| exception.has_ended(now())).map(Exception::said_ended).collect()
    }

    pub fn sources(&self) -> Vec<RuleSource> {
        sources(&self.verified.bundle)
    }
}

pub struct Desk {
    pub started: Timestamp,
    pub advertised: String,
    pub ca: Arc<Ca>,
    pub log: Arc<dyn EventLog>,
    pub state: Arc<dyn StateStore>,
    pub audit: Arc<AuditLog>,
    pub sessions: Sessions,
    pub policy_key: VerifyingKey,
    pub lists: Lists,
    policy: Mutex<Option<Arc<Policy>>>,
    statuses: Mutex<HashMap<HostId, StatusRow>>,
    /// The orders that left with the host's present session.
    sent: Mutex<HashMap<HostId, HashSet<u64>>>,
    /// Incidents that people closed, for the brain; the store keeps them too.
    closings: Mutex<Vec<IncidentId>>,
    /// Questions that people answered.
    answered: Mutex<Vec<ActionId>>,
    /// Watches began or ended since the brain took them.
    watches_changed: AtomicBool,
    pub switch: Mutex<Switch>,
    pub watch: Mutex<Watch>,
    /// What is too much on a canary.
    pub limits: rollout::Limits,
    commands: AtomicU64,
    wake: super::brain::Wake,
    /// Answering a question and writing the answer must not be parted by another answer.
    pub answering: Mutex<()>,
}

/// Everything that the desk does not make itself.
pub struct Parts {
    pub advertised: String,
    pub ca: Arc<Ca>,
    pub log: Arc<dyn EventLog>,
    pub state: Arc<dyn StateStore>,
    pub audit: Arc<AuditLog>,
    pub policy_key: VerifyingKey,
    pub lists: Lists,
    pub limits: rollout::Limits,
    pub wake: super::brain::Wake,
}

pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

pub fn unpoisoned<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::internal(error)
    }
}

impl Desk {
    /// Reads back what an earlier life kept: the bundle in force and the hosts' last words.
    pub fn open(parts: Parts) -> anyhow::Result<Arc<Self>> {
        let statuses = rows::statuses(&*parts.state)?.into_iter().map(|row| (row.status.host, row)).collect();
        let desk = Self {
            started: now(),
            advertised: parts.advertised,
            ca: parts.ca,
            log: parts.log,
            state: parts.state,
            audit: parts.audit,
            sessions: Sessions::default(),
            policy_key: parts.policy_key,
            lists: parts.lists,
            policy: Mutex::new(None),
            statuses: Mutex::new(statuses),
            sent: Mutex::default(),
            closings: Mutex::default(),
            answered: Mutex::default(),
            watches_changed: AtomicBool::new(true),
            switch: Mutex::default(),
            watch: Mutex::default(),
            limits: parts.limits,
            commands: AtomicU64::new(0),
            wake: parts.wake,
            answering: Mutex::new(()),
        };
        desk.resume_halt()?;
        if let Some(bytes) = desk.state.get(Table::Bundles, BUNDLE_KEY)? {
            let verified = picket_policy::verify(&bytes, &[desk.policy_key])
                .map_err(|error| anyhow::anyhow!("the bundle in the store does not verify: {error}"))?;
            let policy = compile(verified).map_err(|why| anyhow::anyhow!(why))?;
            desk.enforce(Arc::new(policy));
        }
        desk.resume_rollout()?;
        Ok(Arc::new(desk))
    }

    pub fn wake(&self) {
        self.wake.wake();
    }

    pub fn policy(&self) -> Option<Arc<Policy>> {
        unpoisoned(&self.policy).clone()
    }

    /// Puts a checked bundle in force, here and on every host, in one write with what else that changes. Lists of indicators
    /// that neither it nor a way back needs go.
    pub fn adopt(&self, policy: Policy, with: Vec<Change>) -> Result<Arc<Policy>, Refused> {
        let value = Some(policy.verified.bytes.clone());
        let mut changes = vec![Change { table: Table::Bundles, key: BUNDLE_KEY.to_vec(), expected: None, value }];
        changes.extend(with);
        self.state.write(&changes)?;
        let policy = Arc::new(policy);
        self.enforce(Arc::clone(&policy));
        let mut lists = self.earlier_lists()?;
        lists.extend_from_slice(&policy.verified.bundle.indicator_lists);
        self.lists.keep_only(&lists);
        Ok(policy)
    }

    fn enforce(&self, policy: Arc<Policy>) {
        self.sessions.push_to_all(policy.verified.bytes.clone());
        *unpoisoned(&self.policy) = Some(policy);
    }

    /// A number for a command that no earlier one had, across restarts too.
    pub fn command_id(&self) -> u64 {
        let time = now().0;
        let before = self.commands.fetch_max(time, Ordering::SeqCst);
        if before < time { time } else { self.commands.fetch_add(1, Ordering::SeqCst) + 1 }
    }

    /// How far the event log was worked through.
    pub fn place(&self) -> Result<u64, StoreError> {
        let place = self.state.get(Table::Progress, PLACE)?;
        Ok(place.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes))
    }

    pub fn statuses(&self) -> HashMap<HostId, StatusRow> {
        unpoisoned(&self.statuses).clone()
    }

    pub fn status_of(&self, host: HostId) -> Option<StatusRow> {
        unpoisoned(&self.statuses).get(&host).cloned()
    }

    /// Keeps a host's word about itself; the one before it, where there was one.
    pub fn note_status(&self, row: StatusRow) -> Option<StatusRow> {
        unpoisoned(&self.statuses).insert(row.status.host, row)
    }

    /// Sends an order that is kept already, if the host is there and its queue has room.
    pub fn dispatch(&self, row: &CommandRow) {
        if self.sessions.send(row.host, row.id, &row.command) {
            unpoisoned(&self.sent).entry(row.host).or_default().insert(row.id);
        } else {
            tracing::info!(host = %row.host, command = row.id, "not sent; the order waits for the host");
        }
    }

    /// Whether an order has not left for a host that is there.
    pub fn is_unsent(&self, row: &CommandRow, connected: &HashSet<HostId>) -> bool {
        connected.contains(&row.host)
            && !unpoisoned(&self.sent).get(&row.host).is_some_and(|sent| sent.contains(&row.id))
    }

    /// A session begins or ends: nothing has left with it yet.
    pub fn forget_sent(&self, host: HostId) {
        unpoisoned(&self.sent).remove(&host);
    }

    pub fn note_closing(&self, incident: IncidentId) {
        unpoisoned(&self.closings).push(incident);
    }

    pub fn note_answered(&self, action: ActionId) {
        unpoisoned(&self.answered).push(action);
    }

    pub fn take_answered(&self) -> Vec<ActionId> {
        std::mem::take(&mut unpoisoned(&self.answered))
    }

    pub fn note_watches(&self) {
        self.watches_changed.store(true, Ordering::SeqCst);
    }

    pub fn take_watches_changed(&self) -> bool {
        self.watches_changed.swap(false, Ordering::SeqCst)
    }

    pub fn take_closings(&self) -> Vec<IncidentId> {
        std::mem::take(&mut unpoisoned(&self.closings))
    }

    pub fn host_rows(&self) -> Result<Vec<HostRow>, Refused> {
        identity::hosts(&*self.state).map_err(Refused::internal)
    }

    pub fn hostname(&self, host: HostId) -> String {
        let spoken = unpoisoned(&self.statuses).get(&host).map(|row| row.status.facts.hostname.clone());
        spoken
            .or_else(|| identity::host(&*self.state, host).ok().flatten().map(|row| row.facts.hostname))
            .unwrap_or_else(|| host.to_string())
    }

    /// A line in the audit log, durable before what it announces is done.
    pub fn record(&self, who: &str, what: &str, subject: &str, detail: &str) -> Result<(), Refused> {
        self.audit.append(now(), who, what, subject, detail).map(drop).map_err(Refused::internal)
    }

    pub fn policy_json(policy: &Policy) -> Value {
        let bundle = &policy.verified.bundle;
        json!({
            "name": bundle.name,
            "version": bundle.version,
            "issued": bundle.issued,
            "lease_ms": bundle.lease_ms,
            "lease_expires": bundle.lease_expires(),
            "key_id": policy.verified.key_id,
            "exceptions_ended": policy.exceptions_ended(),
        })
    }
}

fn sources(bundle: &Bundle) -> Vec<RuleSource> {
    bundle.rules.iter().map(|rule| RuleSource { file: rule.file.clone(), text: rule.text.clone() }).collect()
}

/// The bundle with its rules compiled, those of hosts and of the estate; or which of them do not, and where.
pub fn compile(verified: Verified) -> Result<Policy, String> {
    let bundle = &verified.bundle;
    let rules = sources(bundle);
    let indicators = IndicatorSource {
        sha256: bundle.indicators.sha256.clone(),
        md5: bundle.indicators.md5.clone(),
        addresses: bundle.indicators.addresses.clone(),
        domains: bundle.indicators.domains.clone(),
        urls: bundle.indicators.urls.clone(),
        file_names: bundle.indicators.file_names.clone(),
    };
    let detector = Detector::compile(&rules, &indicators).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        format!("{} of the bundle's rules do not compile:\n{}", errors.len(), lines.join("\n"))
    })?;
    let lists = bundle.indicator_lists.iter().filter_map(|list| ListKind::from_word(&list.kind));
    let rules = detector.rules_with(&lists.collect::<Vec<_>>()).cloned().collect();
    let exceptions = detector.exceptions().to_vec();
    Ok(Policy { verified, rules, exceptions })
}
