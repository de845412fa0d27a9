//! Owns: what correlation keeps of a detection.
//! Never: the whole record; the event log has it.

use picket_model::{
    Activity, Detection, DetectionId, EntityRef, FileActivity, HostId, IncidentId, NetActivity, Relation, RuleId,
    SensorFamily, Severity, Timestamp,
};
use sha2::{Digest, Sha256};

use crate::graph::{ProcessAt, file_relation};

/// Orders detections: earliest first, ties by id.
pub(super) type SeenKey = (Timestamp, DetectionId);

#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub id: DetectionId,
    pub host: HostId,
    pub time: Timestamp,
    pub rule: RuleId,
    pub title: String,
    pub severity: Severity,
    pub techniques: Vec<String>,
    pub family: SensorFamily,
    pub process: Option<ProcessAt>,
    pub login_uid: Option<u32>,
    /// What the event did to something that is not a process.
    pub effect: Option<(Relation, EntityRef)>,
    /// The file that the event changed.
    pub changed: Option<String>,
    /// The rule's author asks for containment.
    pub asks: bool,
}

impl Seen {
    pub fn new(host: HostId, detection: &Detection) -> Self {
        let event = &detection.event;
        let process = event.process.as_deref();
        Self {
            id: detection.id,
            host,
            time: event.time,
            rule: detection.rule.clone(),
            title: detection.title.clone(),
            severity: detection.severity,
            techniques: detection.techniques.clone(),
            family: detection.family,
            process: process.map(|process| (host, process.key)),
            login_uid: process.and_then(|process| process.login_uid),
            effect: effect_of(host, &event.activity),
            changed: changed_file(&event.activity),
            asks: !detection.response.is_empty(),
        }
    }

    pub const fn key(&self) -> SeenKey {
        (self.time, self.id)
    }

    pub fn incident(&self) -> IncidentId {
        incident_id(self.id)
    }
}

fn effect_of(host: HostId, activity: &Activity) -> Option<(Relation, EntityRef)> {
    match activity {
        Activity::File { activity, file } => {
            Some((file_relation(*activity), EntityRef::File { host, path: file.path.clone() }))
        }
        Activity::Network { activity: NetActivity::Connect, flow } => Some((
            Relation::Connected,
            EntityRef::Address { ip: flow.remote_ip.to_canonical(), port: flow.remote_port },
        )),
        Activity::Network { activity: NetActivity::Listen, flow } => {
            Some((Relation::Listened, EntityRef::Address { ip: flow.local_ip.to_canonical(), port: flow.local_port }))
        }
        _ => None,
    }
}

fn changed_file(activity: &Activity) -> Option<String> {
    match activity {
        Activity::File { activity: FileActivity::Read | FileActivity::Delete, .. } => None,
        Activity::File { file, .. } => Some(file.path.clone()),
        _ => None,
    }
}

/// Derived, so that replaying the log gives the incidents their names again.
pub(super) fn incident_id(first: DetectionId) -> IncidentId {
    let digest = Sha256::new().chain_update(b"picket incident\0").chain_update(first.as_bytes()).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    IncidentId::from_bytes(bytes)
}
