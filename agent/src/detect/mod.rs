//! Owns: host context over common/detect: a hit becomes a detection with this host, an id and the whole lineage.
//! Never: acting.

mod repeats;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use picket_detect::{Detector, EventHost, Exception, Hit, LostWindows, Subject};
use picket_model::{Detection, DetectionId, Event, HostId, LossCount, Timestamp};

use self::repeats::Repeats;

/// Sixteen random bytes for each detection's id.
pub type IdSource = Box<dyn FnMut() -> [u8; 16] + Send>;

pub struct Detect {
    host: HostId,
    /// As rules see it.
    host_name: String,
    detector: Detector,
    repeats: Repeats,
    ids: IdSource,
}

impl Detect {
    #[must_use]
    pub fn new((host, host_name): (HostId, String), detector: Detector, ids: IdSource) -> Self {
        Self { host, host_name, detector, repeats: Repeats::default(), ids }
    }

    /// Other rules from the next event on; correlations that stay the same go on with what they have gathered. What was
    /// in force before is given back: to take thousands of expressions apart is longer than an event should wait.
    #[must_use]
    pub fn replace(&mut self, mut detector: Detector) -> Detector {
        std::mem::swap(&mut self.detector, &mut detector);
        self.detector.carry_over(&mut detector);
        detector
    }

    #[must_use]
    pub fn rules(&self) -> u32 {
        u32::try_from(self.detector.rules().count()).unwrap_or(u32::MAX)
    }

    /// Of each exception that has ended what is to be done about it.
    #[must_use]
    pub fn exceptions_ended(&self, now: Timestamp) -> Vec<String> {
        let all = self.detector.exceptions().iter();
        all.filter(|exception| exception.has_ended(now)).map(Exception::said_ended).collect()
    }

    pub fn observe(&mut self, event: &Event) -> Vec<Detection> {
        let host = EventHost { id: Some(self.host), name: &self.host_name };
        let hits = self.detector.observe_on(host, event);
        hits.into_iter().filter_map(|hit| self.detection(hit, Some(event))).collect()
    }

    /// A hit that was found elsewhere, on what `event` is about.
    pub fn told(&mut self, hit: Hit, event: &Event) -> Option<Detection> {
        self.detection(hit, Some(event))
    }

    /// What is complete now that no earlier event can come: correlations wait for late ones.
    pub fn advance(&mut self, now: Timestamp) -> Vec<Detection> {
        let hits = self.detector.advance(now);
        hits.into_iter().filter_map(|hit| self.detection(hit, None)).collect()
    }

    /// Repeats that were not told one by one, events that came too late for correlations, and the windows of these
    /// that had to go.
    pub fn take_losses(&mut self) -> (Vec<LossCount>, Vec<LostWindows>) {
        let (mut losses, windows) = self.detector.take_losses();
        losses.extend(self.repeats.take_losses());
        (losses, windows)
    }

    fn detection(&mut self, hit: Hit, observed: Option<&Event>) -> Option<Detection> {
        let completing = match &hit.subject {
            Some(Subject::Event { event, .. }) => Some(Arc::clone(event)),
            Some(Subject::Foreign { .. }) => return None,
            None => None,
        };
        let event = completing.as_deref().or(observed)?;
        if !self.repeats.is_news(&hit.rule.id, event) {
            return None;
        }
        Some(hit.into_detection(DetectionId::from_bytes((self.ids)()), self.host, event))
    }
}
