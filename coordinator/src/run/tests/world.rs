//! Owns: a desk and a brain on a real store, with what can go wrong in front of it, and records to tell them.
//! Never: a judgement.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use picket_model::*;
use picket_policy::{Bundle, RuleText};
use picket_wire::encode_record;

use super::super::brain::Wake;
use super::super::desk::{Desk, Parts, now};
use super::super::rows;
use super::super::work::Work;
use crate::audit::AuditLog;
use crate::identity::Ca;
use crate::store::{Appended, Change, EventLog, RedbStore, Rows, StateStore, StoreError, Stored, Table};

pub const ONE: HostId = HostId::from_bytes([1; 16]);
pub const TWO: HostId = HostId::from_bytes([2; 16]);
pub const ACTION: ActionId = ActionId::from_bytes([3; 16]);
pub const TARGET: ProcessKey = ProcessKey { boot: 1, pid: 42, start_ticks: 5 };

/// The store, with what can go wrong before it.
pub struct Front {
    pub store: Arc<RedbStore>,
    pub failing: AtomicBool,
    pub hole: Option<u64>,
}

impl StateStore for Front {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(table, key)
    }
    fn scan_from(&self, table: Table, prefix: &[u8], from: &[u8], limit: usize) -> Result<Rows, StoreError> {
        self.store.scan_from(table, prefix, from, limit)
    }
    fn write(&self, changes: &[Change]) -> Result<(), StoreError> {
        // The audit log's own writes go through: the crash is between it and the rows.
        if self.failing.load(Ordering::SeqCst) && changes.iter().any(|change| change.table != Table::Audit) {
            return Err(StoreError::Backend("told to fail".into()));
        }
        self.store.write(changes)
    }
}

impl EventLog for Front {
    fn append(
        &self,
        host: HostId,
        received: Timestamp,
        epoch: u64,
        lane: Lane,
        first_seq: u64,
        records: &[Vec<u8>],
    ) -> Result<Appended, StoreError> {
        self.store.append(host, received, epoch, lane, first_seq, records)
    }
    fn cursors(&self, host: HostId, epoch: u64) -> Result<Vec<Position>, StoreError> {
        self.store.cursors(host, epoch)
    }
    fn read(&self, from: u64, limit: usize) -> Result<Vec<Stored>, StoreError> {
        match self.hole {
            Some(offset) if from == offset => Err(StoreError::DamagedRecord { offset }),
            Some(offset) if from < offset => self.store.read(from, usize::try_from(offset - from).unwrap().min(limit)),
            _ => self.store.read(from, limit),
        }
    }
    fn read_back(&self, before: u64, limit: usize) -> Result<Vec<Stored>, StoreError> {
        match self.hole {
            Some(offset) if before == offset + 1 => Err(StoreError::DamagedRecord { offset }),
            Some(offset) if before > offset => {
                let room = usize::try_from(before - offset - 1).unwrap();
                self.store.read_back(before, room.min(limit))
            }
            _ => self.store.read_back(before, limit),
        }
    }
    fn end(&self) -> Result<u64, StoreError> {
        self.store.end()
    }
}

pub struct World {
    pub front: Arc<Front>,
    pub desk: Arc<Desk>,
    pub work: Work,
}

impl World {
    pub fn new(dir: &Path) -> Self {
        Self::holed(dir, None)
    }

    pub fn holed(dir: &Path, hole: Option<u64>) -> Self {
        let store = Arc::new(RedbStore::open(dir).unwrap());
        let front = Arc::new(Front { store, failing: AtomicBool::new(false), hole });
        let audit = AuditLog::open(Arc::clone(&front) as _, crate::audit::open_key(dir).unwrap()).unwrap();
        let desk = Desk::open(Parts {
            advertised: "127.0.0.1:1".into(),
            ca: Arc::new(Ca::open(&dir.join("ca"), now()).unwrap()),
            log: Arc::clone(&front) as _,
            state: Arc::clone(&front) as _,
            audit: Arc::new(audit),
            policy_key: picket_policy::keys::generate([9; 32]).verifying_key(),
            lists: crate::run::lists::Lists::open(dir).unwrap(),
            limits: crate::rollout::Limits::default(),
            wake: Wake::default(),
        })
        .unwrap();
        let work = Work::open(Arc::clone(&desk)).unwrap();
        Self { front, desk, work }
    }

    /// One batch as it comes from a session.
    pub fn tell(&self, host: HostId, records: &[Record]) {
        let last = self.front.cursors(host, 1).unwrap().into_iter().find(|at| at.lane == Lane::Urgent).unwrap().seq;
        let records: Vec<_> = records.iter().map(encode_record).collect();
        self.front.append(host, now(), 1, Lane::Urgent, last + 1, &records).unwrap();
    }

    /// The shipped rules in force.
    pub fn under_the_pack(&self) {
        let rules =
            picket_detect::pack().into_iter().map(|rule| RuleText { file: rule.file, text: rule.text }).collect();
        let shipped = picket_policy::shipped("careful").unwrap();
        let bundle = Bundle { version: BundleVersion(1), issued: now(), rules, ..shipped };
        self.desk.order_policy("test", &bundle.sign(&picket_policy::keys::generate([9; 32]))).unwrap();
    }

    /// A minute ago somebody failed to sign in on this host.
    pub fn failed_signin(&self, number: u8) {
        let then = Timestamp(now().0 - 60_000_000_000);
        let activity = Activity::Authentication {
            activity: AuthActivity::Logon,
            user: "root".into(),
            service: "sshd".into(),
            source: "203.0.113.9".parse().ok(),
            success: false,
        };
        let event = Event { id: EventId::from_bytes([number; 16]), time: then, process: None, activity };
        let record = encode_record(&Record::Event { event });
        self.front.append(HostId::from_bytes([number; 16]), then, 1, Lane::Lifecycle, 1, &[record]).unwrap();
    }

    pub fn settle(&mut self) {
        while self.work.step().unwrap() > 0 {}
    }

    pub fn action(&self, id: ActionId) -> Option<ActionReport> {
        rows::action(&*self.front, id).unwrap().map(|row| row.report)
    }

    pub fn incidents(&self) -> Vec<Incident> {
        let mut found = Vec::new();
        rows::each_incident(&*self.front, |incident| found.push(incident)).unwrap();
        found
    }

    /// Who and subject of the audit lines with this word.
    pub fn lines(&self, what: &str) -> Vec<(String, String)> {
        let say = self.desk.say_audit(0, 10_000).unwrap();
        let lines = say["entries"].as_array().unwrap().iter().filter(|entry| entry["what"] == what);
        let text = |entry: &serde_json::Value, name: &str| entry[name].as_str().unwrap().to_owned();
        lines.map(|entry| (text(entry, "who"), text(entry, "subject"))).collect()
    }
}

pub fn report(host: HostId, state: ActionState, time: Timestamp) -> ActionReport {
    ActionReport {
        action: Action {
            id: ACTION,
            host,
            kind: ActionKind::KillTree { target: TARGET },
            reason: Reason {
                principal: Principal::Agent,
                detection: None,
                rule: None,
                severity: 4,
                incident: None,
                families: 2,
                drill: false,
                note: String::new(),
            },
            requested: time,
            lease_ms: 0,
        },
        state,
        verdict: VerdictKind::ActNow,
        bundle: BundleVersion(1),
        decided_by: Vec::new(),
        time,
        latency_us: 0,
        detail: String::new(),
    }
}

pub fn acting(time: Timestamp) -> Record {
    let process = Some(Arc::new(Process::unknown(TARGET)));
    let event = Event { id: EventId::from_bytes([8; 16]), time, process, activity: Activity::ProcessLaunch };
    Record::Event { event }
}

pub fn detection(host: HostId, number: u8) -> Record {
    let activity = Activity::Agent { what: "test".into(), detail: String::new() };
    let event = Event { id: EventId::from_bytes([number; 16]), time: now(), process: None, activity };
    let detection = Detection {
        id: DetectionId::from_bytes([number; 16]),
        host,
        time: now(),
        rule: RuleId("test".into()),
        title: "Test".into(),
        severity: Severity::High,
        techniques: Vec::new(),
        tactics: Vec::new(),
        family: SensorFamily::Process,
        evidence: Vec::new(),
        response: Vec::new(),
        event,
        lineage: Vec::new(),
    };
    Record::Detection { detection }
}
