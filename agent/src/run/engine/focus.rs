//! Owns: telling the sensor what the rules in force look at, and of which processes everything is wanted.
//! Never: holding anything back; the sensor does, and says so.

use picket_model::{Activity, Detection, Event, ProcessKey, Severity};

use super::Engine;
use crate::sensor::SensorError;

/// Below this a detection is a remark, and ordinary work gives some every day.
const WATCHED_FROM: Severity = Severity::Medium;
/// Everything descends from it: to watch it would be to filter nothing.
const INIT: u32 = 1;

impl Engine {
    /// With the rules that are in force now. Where the sensor cannot follow, it tells everything.
    pub(super) fn set_interest(&mut self) {
        let interest = self.detect.interest();
        let Some(setter) = &mut self.interest else { return };
        if let Err(error) = setter.set(&interest) {
            self.speak("file records are not filtered", &error.to_string());
        }
    }

    /// What a suspicious process does next may be what no rule asks for.
    pub(super) fn watch_suspect(&mut self, detection: &Detection) {
        let suspect = detection.event.process.as_ref().filter(|_| detection.severity >= WATCHED_FROM);
        let Some(key) = suspect.map(|process| process.key) else { return };
        let below = self.normalizer.descendants(&key);
        self.watch(std::iter::once(key).chain(below));
    }

    /// A drill is told whole: whoever reads its report asks for every step.
    pub(super) fn watch_drill(&mut self, event: &Event) {
        let drilled = matches!(event.activity, Activity::ProcessLaunch);
        let process = event.process.as_ref().filter(|process| drilled && process.drill);
        let Some(key) = process.map(|process| process.key) else { return };
        self.watch(std::iter::once(key));
    }

    fn watch(&mut self, keys: impl Iterator<Item = ProcessKey>) {
        let Some(setter) = &mut self.interest else { return };
        let marked: Result<(), SensorError> =
            keys.filter(|key| key.pid != INIT).try_for_each(|key| setter.watch(key.pid, key.start_ticks));
        if let Err(error) = marked {
            tracing::warn!(%error, "a suspicious process is filtered like any other");
        }
    }
}
