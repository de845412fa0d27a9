//! Owns: an enrolled agent: its state directory, spool, uplink, and what came down to it.
//! Never: anything that the agent's own report stage does not do.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use picket_agent::report::{Downlink, Identity, Spool, SpoolLimits, Uplink, enrol};
use picket_coordinator::identity::JoinToken;
use picket_model::{
    Activity, BundleVersion, Detection, DetectionId, Event, EventId, FileActivity, FileObject, HostFacts, HostId,
    HostStatus, Lane, Position, Record, RuleId, SensorFamily, Severity, Tier, Timestamp,
};
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::{Coordinator, now};

pub struct Agent {
    pub host: HostId,
    pub dir: TempDir,
    pub spool: Spool,
    pub uplink: Option<Uplink>,
    pub down: Receiver<Downlink>,
}

fn event(number: u64, activity: Activity) -> Event {
    Event { id: EventId::from_bytes([1; 16]), time: Timestamp(number), process: None, activity }
}

pub fn note(number: u64) -> Record {
    let activity = Activity::Agent { what: "test".into(), detail: format!("{number:0>200}") };
    Record::Event { event: event(number, activity) }
}

/// A record of the lane lifecycle.
pub fn launch(number: u64) -> Record {
    Record::Event { event: event(number, Activity::ProcessLaunch) }
}

/// A record of the lane bulk.
pub fn bulk(number: u64) -> Record {
    let activity = Activity::File { activity: FileActivity::Write, file: FileObject::default() };
    Record::Event { event: event(number, activity) }
}

pub fn detection(host: HostId, number: u64) -> Record {
    let detection = Detection {
        id: DetectionId::from_bytes([2; 16]),
        host,
        time: Timestamp(number),
        rule: RuleId("test".into()),
        title: "Test".into(),
        severity: Severity::High,
        techniques: vec!["T1059".into()],
        tactics: vec![],
        family: SensorFamily::Process,
        evidence: vec![],
        response: vec![],
        event: event(number, Activity::Agent { what: "test".into(), detail: String::new() }),
        lineage: vec![],
    };
    Record::Detection { detection }
}

pub fn status(host: HostId) -> HostStatus {
    let facts = HostFacts { hostname: "web-1".into(), ..HostFacts::default() };
    let status = HostStatus::new(host, facts, Tier::Bare);
    HostStatus { time: now(), bundle: Some(BundleVersion(3)), bundle_name: "careful".into(), ..status }
}

impl Agent {
    /// Enrolled, its spool open, not yet connected.
    pub fn enrolled(coordinator: &Coordinator) -> Self {
        Self::by(&coordinator.token(1, 60_000))
    }

    /// The same by a token of the test's own.
    pub fn by(token: &JoinToken) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let facts = HostFacts { hostname: "web-1".into(), ..HostFacts::default() };
        let host = enrol(&token.to_text(), &facts, dir.path()).unwrap();
        let spool = Spool::open(&dir.path().join("spool"), SpoolLimits::default()).unwrap();
        Self { host, dir, spool, uplink: None, down: sync_channel(1).1 }
    }

    pub fn connected(coordinator: &Coordinator) -> Self {
        let mut agent = Self::enrolled(coordinator);
        agent.connect();
        assert_eq!(agent.next(), Downlink::Connected);
        agent
    }

    pub fn connect(&mut self) {
        let (sender, down) = sync_channel(8);
        let (identity, host) = (Identity::load(self.dir.path()).unwrap(), self.host);
        assert_eq!((identity.host(), identity.policy_key()), (host, super::POLICY_KEY));
        let status = Arc::new(move || status(host));
        self.down = down;
        self.uplink = Some(Uplink::start(identity, self.spool.clone(), status, sender).unwrap());
    }

    #[track_caller]
    pub fn next(&self) -> Downlink {
        self.down.recv_timeout(Duration::from_secs(30)).expect("nothing came down within 30 s")
    }

    pub fn identity(&self) -> Identity {
        Identity::load(self.dir.path()).unwrap()
    }

    pub fn file(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.dir.path().join("identity").join(name)).unwrap()
    }

    /// Puts a certificate in place that was signed at `then`.
    pub fn certificate_of(&self, coordinator: &Coordinator, then: Timestamp) {
        let key = KeyPair::from_pem(&String::from_utf8(self.file("key.pem")).unwrap()).unwrap();
        let csr = CertificateParams::default().serialize_request(&key).unwrap();
        let issued = coordinator.ca.sign(self.host, csr.der(), then).unwrap();
        std::fs::write(place(self.dir.path()), issued.certificate_der).unwrap();
    }
}

fn place(state_dir: &Path) -> std::path::PathBuf {
    state_dir.join("identity/cert.der")
}

/// Puts notes with these numbers into the spool.
pub fn spool(agent: &Agent, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        agent.spool.append(&note(number)).unwrap();
    }
}

/// All notes from 1 to `count` arrived once, in order, under their own numbers.
#[track_caller]
pub fn assert_whole(coordinator: &Coordinator, agent: &Agent, count: u64) {
    let wanted: Vec<(Position, Record)> =
        (1..=count).map(|seq| (Position { epoch: agent.spool.epoch(), lane: Lane::Urgent, seq }, note(seq))).collect();
    assert_eq!(coordinator.told(agent.host), wanted);
}
