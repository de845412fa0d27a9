//! Owns: common/detect over the events of all hosts: a hit becomes a detection on the host whose event completed it.
//! Never: where events and rules come from; acting.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use picket_detect::{CorrelationLimits, Detector, EventHost, Hit, LostWindows, Subject};
use picket_model::{Detection, DetectionId, Event, HostId, LossCount, Timestamp};
use sha2::{Digest, Sha256};

/// Hosts send what they see within a second, a busy one or a busy link later. Who was cut off for longer is found by
/// looking back over its events, not live.
const LATENESS_MS: u64 = 15_000;
/// Some four million groups: an estate has more of everything than a host.
const STATE_BYTES: usize = 256 << 20;
const PENDING_BYTES: usize = 64 << 20;

/// The estate's correlations as events come in. What it gathers is built again from the event log.
pub struct Detect {
    detector: Detector,
    /// Nobody else can tell which id a detection will have, and so take it first.
    salt: [u8; 32],
}

impl Detect {
    #[must_use]
    pub fn new(detector: Detector, salt: [u8; 32]) -> Self {
        let mut detect = Self { detector, salt };
        detect.limit();
        detect
    }

    /// Other rules from the next event on; correlations that stay the same go on with what they have gathered.
    pub fn replace(&mut self, mut detector: Detector) {
        std::mem::swap(&mut self.detector, &mut detector);
        self.limit();
        self.detector.carry_over(&mut detector);
    }

    fn limit(&mut self) {
        let limits =
            CorrelationLimits { lateness_ms: LATENESS_MS, state_bytes: STATE_BYTES, pending_bytes: PENDING_BYTES };
        self.detector.limit_correlations(limits);
    }

    /// Whether any rule over all hosts is for such an event.
    #[must_use]
    pub fn concerns(&self, event: &Event) -> bool {
        self.detector.concerns(event)
    }

    /// `received` is the coordinator's clock: a host whose clock is wrong must not make the others' events too late.
    pub fn observe(&mut self, (host, name): (HostId, &str), event: &Event, received: Timestamp) -> Vec<Detection> {
        let mut hits = self.detector.advance(received);
        hits.extend(self.detector.observe_on(EventHost { id: Some(host), name }, event));
        self.detections(hits)
    }

    /// What is complete now that no earlier event can come.
    pub fn advance(&mut self, now: Timestamp) -> Vec<Detection> {
        let hits = self.detector.advance(now);
        self.detections(hits)
    }

    /// What correlations had to give up since the last call.
    pub fn take_losses(&mut self) -> (Vec<LossCount>, Vec<LostWindows>) {
        self.detector.take_losses()
    }

    fn detections(&self, hits: Vec<Hit>) -> Vec<Detection> {
        hits.into_iter().filter_map(|hit| self.detection(hit)).collect()
    }

    fn detection(&self, hit: Hit) -> Option<Detection> {
        let Some(Subject::Event { event, host: Some(host), .. }) = &hit.subject else { return None };
        let (event, host) = (Arc::clone(event), *host);
        let id = self.id(hit.rule.id.0.as_bytes(), host, &event);
        Some(hit.into_detection(id, host, &event))
    }

    /// The same detection has the same id when a crash makes it be found twice.
    fn id(&self, rule: &[u8], host: HostId, event: &Event) -> DetectionId {
        let mut digest = Sha256::new();
        digest.update(self.salt);
        digest.update(host.as_bytes());
        digest.update(event.id.as_bytes());
        digest.update(rule);
        let mut id = [0; 16];
        id.copy_from_slice(&digest.finalize()[..16]);
        DetectionId::from_bytes(id)
    }
}
