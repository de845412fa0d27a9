//! Owns: host context over common/detect: a hit becomes a detection with this host, an id and the whole lineage.
//! Never: acting.

mod repeats;
#[cfg(test)]
mod tests;

use picket_detect::{Detector, Hit, LostWindows, Subject};
use picket_model::{Detection, DetectionId, Event, HostId, Interest, LossCount, Timestamp};

use self::repeats::Repeats;

/// Sixteen random bytes for each detection's id.
pub type IdSource = Box<dyn FnMut() -> [u8; 16] + Send>;

pub struct Detect {
    host: HostId,
    detector: Detector,
    repeats: Repeats,
    ids: IdSource,
}

impl Detect {
    #[must_use]
    pub fn new(host: HostId, detector: Detector, ids: IdSource) -> Self {
        Self { host, detector, repeats: Repeats::default(), ids }
    }

    /// Other rules from the next event on; correlations that stay the same go on with what they have gathered.
    pub fn replace(&mut self, mut detector: Detector) {
        std::mem::swap(&mut self.detector, &mut detector);
        self.detector.carry_over(detector);
    }

    /// Which files the rules in force can look at.
    #[must_use]
    pub fn interest(&self) -> Interest {
        self.detector.interest()
    }

    #[must_use]
    pub fn rules(&self) -> u32 {
        u32::try_from(self.detector.rules().count()).unwrap_or(u32::MAX)
    }

    pub fn observe(&mut self, event: &Event) -> Vec<Detection> {
        let hits = self.detector.observe(event);
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
        let event = match &hit.subject {
            Some(Subject::Event(event)) => event,
            Some(Subject::Foreign(_)) => return None,
            None => observed?,
        };
        if !self.repeats.is_news(&hit.rule.id, event) {
            return None;
        }
        let rule = &hit.rule;
        Some(Detection {
            id: DetectionId::from_bytes((self.ids)()),
            host: self.host,
            time: event.time,
            rule: rule.id.clone(),
            title: rule.title.clone(),
            severity: rule.severity,
            techniques: rule.techniques.clone(),
            tactics: rule.tactics.clone(),
            family: rule.family,
            evidence: hit.evidence,
            response: rule.response.clone(),
            event: event.clone(),
            lineage: event.process.iter().flat_map(|process| process.ancestors()).cloned().collect(),
        })
    }
}
