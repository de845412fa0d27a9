//! Owns: one incident's members: detections, actions, and what was last told of it.
//! Never: which detections belong together.

use std::collections::{BTreeMap, BTreeSet};

use picket_model::{ActionId, ActionReport, ActionState, EntityRef, Incident, IncidentStatus, Severity, Timestamp};

use super::limits::{ACTIONS_MAX, DETECTIONS_PER_HOST_MAX, TECHNIQUES_MAX};
use super::request::Request;
use super::seen::{Seen, SeenKey};

pub(super) struct Group {
    /// Never empty: the first one names the incident.
    pub seen: BTreeMap<SeenKey, Seen>,
    pub actions: BTreeMap<ActionId, ActionReport>,
    /// Of all detections, those that were only counted too.
    pub severity: Severity,
    pub techniques: BTreeSet<String>,
    pub closed: bool,
    pub told: Option<Incident>,
    pub asked: Option<Request>,
    pub interest: BTreeSet<EntityRef>,
}

impl Group {
    pub fn of(seen: Seen) -> Self {
        let mut group = Self {
            seen: BTreeMap::new(),
            actions: BTreeMap::new(),
            severity: seen.severity,
            techniques: BTreeSet::new(),
            closed: false,
            told: None,
            asked: None,
            interest: BTreeSet::new(),
        };
        group.count(&seen);
        group.seen.insert(seen.key(), seen);
        group
    }

    pub fn founder(&self) -> Option<&Seen> {
        self.seen.values().next()
    }

    /// The worst detection, the earliest among equals.
    pub fn worst(&self) -> Option<&Seen> {
        self.seen.values().max_by_key(|seen| (seen.severity, std::cmp::Reverse(seen.key())))
    }

    /// Full for what is no worse than all before; a worse one is always kept, so that a flood of trifles hides nothing.
    pub fn is_full_for(&self, seen: &Seen) -> bool {
        let of_host = self.seen.values().filter(|other| other.host == seen.host);
        of_host.clone().count() >= DETECTIONS_PER_HOST_MAX
            && of_host.map(|other| other.severity).max() >= Some(seen.severity)
            && self.founder().is_some_and(|first| first.key() < seen.key())
    }

    /// True if the incident reads differently for it.
    pub fn count(&mut self, seen: &Seen) -> bool {
        let before = (self.severity, self.techniques.len());
        self.severity = self.severity.max(seen.severity);
        for technique in &seen.techniques {
            if self.techniques.len() < TECHNIQUES_MAX {
                self.techniques.insert(technique.clone());
            }
        }
        before != (self.severity, self.techniques.len())
    }

    /// Takes everything of another group; answers the detections for which there was no room.
    pub fn absorb(&mut self, other: Self) -> Vec<Seen> {
        let mut crowded = Vec::new();
        for seen in other.seen.into_values() {
            self.count(&seen);
            if self.is_full_for(&seen) {
                crowded.push(seen);
            } else {
                self.seen.insert(seen.key(), seen);
            }
        }
        self.severity = self.severity.max(other.severity);
        self.techniques.extend(other.techniques);
        while self.techniques.len() > TECHNIQUES_MAX {
            self.techniques.pop_last();
        }
        for report in other.actions.into_values() {
            self.note(&report);
        }
        crowded
    }

    /// Keeps the latest report of each action; false if this one says nothing new.
    pub fn note(&mut self, report: &ActionReport) -> bool {
        let rank = |report: &ActionReport| (report.time, stage(report.state));
        match self.actions.get_mut(&report.action.id) {
            Some(held) if rank(held) >= rank(report) => return false,
            Some(held) => {
                *held = report.clone();
                return true;
            }
            None => {}
        }
        let room = self.actions.len() < ACTIONS_MAX;
        if room {
            self.actions.insert(report.action.id, report.clone());
        }
        room
    }

    pub fn close(&mut self, now: Timestamp) -> Option<Incident> {
        if std::mem::replace(&mut self.closed, true) {
            return None;
        }
        let told = self.told.as_mut()?;
        told.status = IncidentStatus::Closed;
        told.updated = told.updated.max(now);
        Some(told.clone())
    }
}

/// Of two reports with the same time the later stage counts.
const fn stage(state: ActionState) -> u8 {
    match state {
        ActionState::Asked => 0,
        ActionState::Planned => 1,
        ActionState::Refused | ActionState::Failed => 2,
        ActionState::Applied => 3,
        ActionState::Undone | ActionState::Expired => 4,
    }
}
