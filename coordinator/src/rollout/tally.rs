//! Owns: what a canary has done since it took the bundle.
//! Never: what is too much.

use picket_model::{ActionState, Activity, BundleVersion, Principal, Record, Timestamp};

use serde::{Deserialize, Serialize};

use super::pulse::permille;

/// What a record says that the gate counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    Alert,
    /// The host did something alone, tried to, or asked whether it should; under the bundle of this version.
    Action(BundleVersion),
    Started,
    Stopped,
}

#[must_use]
pub fn told(record: &Record) -> Option<Told> {
    match record {
        Record::Detection { .. } => Some(Told::Alert),
        Record::Action { report } => {
            let is_first = match report.state {
                ActionState::Applied | ActionState::Failed => true,
                // Asked of whoever is next, or of nobody any more, it is the same question.
                ActionState::Asked => report.is_new_question(),
                _ => false,
            };
            let is_own = report.action.reason.principal == Principal::Agent;
            (is_first && is_own).then_some(Told::Action(report.bundle))
        }
        Record::Event { event } => match &event.activity {
            Activity::Agent { what, .. } if what == "started" => Some(Told::Started),
            Activity::Agent { what, .. } if what == "stopped" => Some(Told::Stopped),
            _ => None,
        },
    }
}

/// The agent's time on the processor since a moment, by its own count.
#[derive(Clone, Copy, Debug)]
struct Work {
    since_ms: u64,
    cpu_ms: u64,
}

/// What the gate looks at.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Figures {
    pub alerts: u64,
    pub actions: u64,
    /// How often the agent ended without being asked to.
    pub ended: u64,
    pub cpu_permille: Option<u64>,
}

#[derive(Default)]
pub struct Tally {
    pub figures: Figures,
    /// It was asked to end: its next start is no crash.
    stopped: bool,
    work: Option<Work>,
}

impl Tally {
    /// What the host told once it had the bundle of this version.
    pub fn told(&mut self, told: Told, version: BundleVersion) {
        let figures = &mut self.figures;
        match told {
            Told::Alert => figures.alerts += 1,
            Told::Action(under) => figures.actions += u64::from(under == version),
            Told::Stopped => self.stopped = true,
            Told::Started => figures.ended += u64::from(!std::mem::take(&mut self.stopped)),
        }
    }

    /// A heartbeat of a host that goes by the bundle. What compiling it took came before the first.
    pub fn works(&mut self, cpu_ms: u64, at: Timestamp) {
        let at_ms = at.as_millis();
        let begun = self.work.filter(|work| work.cpu_ms <= cpu_ms).unwrap_or(Work { since_ms: at_ms, cpu_ms });
        self.work = Some(begun);
        let rate = permille(cpu_ms - begun.cpu_ms, at_ms.saturating_sub(begun.since_ms));
        self.figures.cpu_permille = rate.or(self.figures.cpu_permille);
    }
}
