//! Owns: what no record tells: silence, heartbeats, losses, orders and questions without an answer, what is old enough to go.
//! Never: waiting for news to look.

use std::time::{Duration, Instant};

use picket_model::{ActionReport, ActionState, IncidentId, IncidentStatus, Timestamp};

use super::desk::now;
use super::rows;
use super::spent;
use super::todo::Todo;
use super::work::Work;
use crate::api::Refused;
use crate::audit::Line;
use crate::store::{StoreError, Table, each};

const DAY_MS: u64 = 24 * 3_600_000;
/// How long what is over stays to be asked about: a quarter of a year, as auditors ask.
pub const KEPT_MS: u64 = 90 * DAY_MS;
/// A contained incident in which nothing happened for so long is over: a week has every weekly job in it.
pub const CONTAINED_MS: u64 = 7 * DAY_MS;
/// It is measured in days.
const TIDY_EVERY: Duration = Duration::from_secs(3600);
/// Rows of one table that go in one pass; the rest waits for the next.
const TIDIED_MAX: usize = 10_000;

impl Work {
    pub(super) fn look(&mut self) -> Result<(), Refused> {
        let statuses = self.desk.statuses();
        let mut outcomes = Vec::new();
        for row in statuses.values() {
            self.verifier.heard(row.status.host, row.received);
            outcomes.extend(self.verifier.status(&row.status));
        }
        outcomes.extend(self.verifier.tick(now()));
        self.todo.extend(outcomes.into_iter().map(Todo::Outcome));
        for loss in self.estate.take_losses() {
            self.lost(&loss.place, loss.count);
        }
        match self.verifier.take_forgotten() {
            0 => {}
            count => self.lost("verify.watched", count),
        }
        for (host, count) in self.chatter.over(now()) {
            let detail = format!("{count} further reports of one minute, kept but without a line each");
            self.pending.line(Line::new(format!("host {host}"), "reports counted", "", detail));
        }
        self.end_watches()?;
        self.todo.extend(self.overdue(now()));
        self.orders()?;
        self.desk.judge_rollout(self.worked()?)?;
        if self.tidied.is_none_or(|at| at.elapsed() >= TIDY_EVERY) {
            self.tidy(now())?;
            self.tidied = Some(Instant::now());
        }
        Ok(())
    }

    pub(super) fn lost(&mut self, place: &str, count: u64) {
        self.lost_of(place, count.to_string());
    }

    pub(super) fn lost_of(&mut self, place: &str, what: String) {
        self.pending.line(Line::new("coordinator", "coverage lost", place, what));
    }

    /// Orders that did not fit a session's queue are sent again; those that ran out are settled.
    fn orders(&mut self) -> Result<(), Refused> {
        let (now, desk, todo) = (now(), &self.desk, &mut self.todo);
        let connected = desk.sessions.connected().into_iter().collect();
        Ok(rows::each_command(&*desk.state, |row| {
            if row.command.expires <= now {
                todo.push_back(Todo::Expired(row));
            } else if desk.is_unsent(&row, &connected) {
                desk.dispatch(&row);
            }
        })?)
    }

    /// Closes what is contained and quiet; drops what has been over for long. The record of it comes first.
    fn tidy(&mut self, now: Timestamp) -> Result<(), Refused> {
        let state = &*self.desk.state;
        let (mut quiet, mut incidents): (Vec<IncidentId>, Vec<IncidentId>) = Default::default();
        rows::each_incident(state, |incident| {
            let age = now.millis_since(incident.updated);
            match incident.status {
                IncidentStatus::Closed if age >= KEPT_MS => incidents.push(incident.id),
                IncidentStatus::Contained if age >= CONTAINED_MS => quiet.push(incident.id),
                _ => {}
            }
        })?;
        let mut actions = Vec::new();
        rows::each_action(state, |row| {
            let known = if row.received == Timestamp::default() { row.report.time } else { row.received };
            if is_over(&row.report) && now.millis_since(known) >= KEPT_MS && actions.len() < TIDIED_MAX {
                actions.push(row.report.action.id);
            }
        })?;
        let first = self.first_kept()?;
        let detections = self.pruned_detections(first)?;
        let closings = rows::closings(state)?.into_iter().filter(|(_, place)| place.is_some_and(|place| place < first));
        incidents.truncate(TIDIED_MAX);
        if !(incidents.is_empty() && actions.is_empty() && detections.is_empty()) {
            let detail = format!(
                "{} incidents and {} actions over for 90 days, {} detections whose records are pruned",
                incidents.len(),
                actions.len(),
                detections.len()
            );
            self.pending.line(Line::new("coordinator", "rows dropped", "", detail));
        }
        for change in spent::over(state, now)? {
            self.pending.put(change);
        }
        for id in incidents {
            self.pending.put(rows::drop_row(Table::Incidents, id.as_bytes()));
        }
        // What is left of the log cannot grow that incident again.
        for (id, _) in closings {
            self.pending.put(rows::drop_row(Table::Closings, id.as_bytes()));
        }
        for id in actions {
            self.pending.put(rows::drop_row(Table::Actions, id.as_bytes()));
            self.pending.put(rows::drop_row(Table::Acknowledged, id.as_bytes()));
        }
        for key in detections {
            self.pending.put(rows::drop_row(Table::Detections, &key));
        }
        for id in quiet {
            let detail = "contained, and nothing happened in it for 7 days";
            self.pending.line(Line::new("coordinator", "close", id.to_string(), detail));
            self.todo.push_back(Todo::Close(id));
        }
        Ok(())
    }

    /// The oldest record that the event log still holds.
    fn first_kept(&self) -> Result<u64, StoreError> {
        match self.desk.log.read(0, 1) {
            Ok(records) => Ok(records.first().map_or(0, |stored| stored.offset)),
            Err(StoreError::DamagedRecord { offset }) => Ok(offset),
            Err(error) => Err(error),
        }
    }

    /// Where they pointed to, nothing is any more.
    fn pruned_detections(&self, first: u64) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut gone = Vec::new();
        each(&*self.desk.state, Table::Detections, &[], |key, row| {
            let below = rows::detection_place(row).is_some_and(|(offset, _)| offset < first);
            if below && gone.len() < TIDIED_MAX {
                gone.push(key.to_vec());
            }
            Ok::<_, StoreError>(())
        })?;
        Ok(gone)
    }
}

/// Nothing of it is in force; what cannot be taken back is over once it is done, and a question that nobody
/// answered has long expired.
const fn is_over(report: &ActionReport) -> bool {
    match report.state {
        ActionState::Applied => !report.action.kind.undoable(),
        ActionState::Planned => false,
        _ => true,
    }
}
