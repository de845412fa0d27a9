//! Owns: telling the sensor what the rules in force look at, and of which processes everything is wanted.
//! Never: holding anything back; the sensor does, and says so.

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use picket_model::{Activity, Detection, Event, FileActivity, Interest, ProcessKey, Severity, copied};

use super::Engine;
use crate::sensor::{InterestSetter, SensorError};

/// Below this a detection is a remark, and ordinary work gives some every day.
const WATCHED_FROM: Severity = Severity::Medium;
/// Everything descends from it: to watch it would be to filter nothing.
const INIT: u32 = 1;
/// With so many suspects the processes below them are looked for at once, and not with the next tick.
const SUSPECTS_MAX: usize = 1024;

/// The sensor's filter, and those whose descendants are still to be looked for.
pub struct Focus {
    setter: Option<Box<dyn InterestSetter>>,
    suspects: HashSet<ProcessKey>,
    unwatched: u64,
}

impl Focus {
    pub fn new(setter: Option<Box<dyn InterestSetter>>) -> Self {
        Self { setter, suspects: HashSet::new(), unwatched: 0 }
    }

    /// What the rules ask for, and the files that are copied as they change.
    fn set(&mut self, interest: &Interest) -> Result<(), SensorError> {
        let mut interest = interest.clone();
        copied::names().for_each(|name| interest.files.paths.add_name(name));
        self.setter.as_mut().map_or(Ok(()), |setter| setter.set(&interest))
    }

    /// Marked at once, so that whatever it starts from now on is too. True when it is time to look for those that it
    /// started before: that is one walk over all processes for many suspects, for a flood of detections must not cost
    /// one each.
    fn suspect(&mut self, key: ProcessKey) -> bool {
        if self.setter.is_none() || key.pid == INIT {
            return false;
        }
        self.watch([key]);
        self.suspects.insert(key);
        self.suspects.len() >= SUSPECTS_MAX
    }

    fn watch(&mut self, keys: impl IntoIterator<Item = ProcessKey>) {
        let Some(setter) = &mut self.setter else { return };
        let mut refused = None;
        for key in keys.into_iter().filter(|key| key.pid != INIT) {
            if let Err(error) = setter.watch(key.pid, key.start_ticks) {
                self.unwatched += 1;
                refused = Some(error);
            }
        }
        if let Some(error) = refused {
            tracing::warn!(%error, "a suspicious process is filtered like any other");
        }
    }

    /// Suspicious processes that the sensor had no room for, since the last call.
    pub(super) fn take_unwatched(&mut self) -> u64 {
        std::mem::take(&mut self.unwatched)
    }
}

impl Engine {
    /// With the rules that are in force now. Where the sensor cannot follow, it tells everything.
    pub(super) fn set_interest(&mut self, interest: &Interest) {
        if let Err(error) = self.focus.set(interest) {
            self.speak("file records are not filtered", &error.to_string());
        }
    }

    /// What a suspicious process does next may be what no rule asks for.
    pub(super) fn watch_suspect(&mut self, detection: &Detection) {
        let suspect = detection.event.process.as_ref().filter(|_| detection.severity >= WATCHED_FROM);
        if suspect.is_some_and(|process| self.focus.suspect(process.key)) {
            self.watch_below();
        }
    }

    /// Those that the suspects since the last tick had started before.
    pub(super) fn watch_below(&mut self) {
        if self.focus.suspects.is_empty() {
            return;
        }
        let below = self.normalizer.below(&std::mem::take(&mut self.focus.suspects));
        self.focus.watch(below);
    }

    /// Without them a changed file is given back from a backup, by hand.
    pub(super) fn take_copies(&mut self) {
        if let Err(error) = self.containment.copies().start() {
            self.speak("no copies of settings are taken", &error.to_string());
        }
    }

    /// A copy is taken of what a file of settings has become, and the one from before is kept.
    pub(super) fn watch_copied(&mut self, event: &Event) {
        if let Activity::File { activity, file } = &event.activity
            && *activity != FileActivity::Read
        {
            let copies = self.containment.copies();
            copies.touch(&file.path);
            file.old_path.as_deref().into_iter().for_each(|path| copies.touch(path));
        }
    }

    /// A drill is told whole: whoever reads its report asks for every step.
    pub(super) fn watch_drill(&mut self, event: &Event) {
        let drilled = matches!(event.activity, Activity::ProcessLaunch);
        let process = event.process.as_ref().filter(|process| drilled && process.drill);
        self.focus.watch(process.map(|process| process.key));
    }
}
