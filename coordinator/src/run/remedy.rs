//! Owns: the remedy of an incident in the wiring: which records its traces are read from, how its steps stand, ordering
//! those that a person was shown.
//! Never: choosing the steps; that is `respond`. Power over a host: each step is judged there like every order.

use picket_model::{
    Action, ActionId, ActionReport, ActionState, HostId, Incident, IncidentId, LEASE_MS_LASTING, Reason, Remedy,
    RemedyStep, Timestamp,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::desk::{Desk, now, unpoisoned};
use super::rows;
use super::whole_estate::{is_own, speaks_of};
use crate::api::{Answer, Refused, RemedyRequest, ShownStep, Status};
use crate::correlate::{Found, Tracer};
use crate::respond::remedy;
use crate::store::StoreError;

/// Before the first detection: what led to it, and what bulk lanes delivered late.
const BEFORE_MS: u64 = 3_600_000;
/// Records read at a time.
const PAGE: usize = 1024;
/// Records of one showing: some ten seconds of work where all are the incident's hosts'.
const RECORDS_MAX: u64 = 2_000_000;
/// How often one step is ordered anew after it failed or was taken back.
const ATTEMPTS_MAX: u32 = 16;

impl Desk {
    pub fn say_remedy(&self, id: IncidentId, sessions: bool) -> Answer {
        let incident = self.incident(id)?;
        self.remedy_json(&self.remedy(&incident, sessions)?)
    }

    /// What was not shown is not ordered, and what the plan has no more is named and left.
    pub fn order_remedy(&self, who: &str, id: IncidentId, request: &RemedyRequest) -> Answer {
        let incident = self.incident(id)?;
        let mut remedy = self.remedy(&incident, request.sessions)?;
        let is_planned = |shown: &&ShownStep| remedy.steps.iter().any(|step| is_same(step, shown));
        if let Some(gone) = request.steps.iter().find(|shown| !is_planned(shown)) {
            return Err(Refused::new(
                Status::Conflict,
                format!("{} is no step of the plan as it stands now; nothing was ordered", gone.kind),
                "look at the plan again: `picket remediate INCIDENT`",
            ));
        }
        let _one = unpoisoned(&self.answering);
        for step in &mut remedy.steps {
            if request.steps.iter().any(|shown| is_same(step, shown)) {
                self.order_step(who, &incident, step, &request.note)?;
            }
        }
        self.remedy_json(&remedy)
    }

    fn order_step(&self, who: &str, incident: &Incident, step: &mut RemedyStep, note: &str) -> Result<(), Refused> {
        let (attempt, _) = self.standing(incident.id, step)?;
        if step.report.as_ref().is_some_and(is_under_way) || attempt >= ATTEMPTS_MAX {
            return Ok(());
        }
        // What is contained already only has to last: the same act, without an end.
        let held = step.report.as_ref().filter(|report| report.state == ActionState::Applied);
        let (id, kind) = match held {
            Some(report) => (report.action.id, report.action.kind.clone()),
            None => (step_id(incident.id, step, attempt), step.kind.clone()),
        };
        self.live_host(step.host)?;
        let note = if note.is_empty() { step.why.clone() } else { format!("{}; {note}", step.why) };
        let action = Action {
            id,
            host: step.host,
            kind,
            reason: Reason {
                principal: super::orders::analyst(who),
                detection: None,
                rule: None,
                severity: incident.severity.number(),
                incident: Some(incident.id),
                families: 0,
                drill: false,
                note,
            },
            requested: now(),
            lease_ms: if step.kind.remedies() { LEASE_MS_LASTING } else { 0 },
        };
        self.order(who, action.clone())?;
        step.report = Some(self.planned(action));
        Ok(())
    }

    pub(super) fn incident(&self, id: IncidentId) -> Result<Incident, Refused> {
        rows::incident(&*self.state, id)?.ok_or_else(|| Refused::missing("incident"))
    }

    /// The plan, each step with how it stands.
    pub(super) fn remedy(&self, incident: &Incident, sessions: bool) -> Result<Remedy, Refused> {
        self.remedy_of(incident, self.traces(incident, sessions)?)
    }

    pub(super) fn remedy_of(&self, incident: &Incident, found: Found) -> Result<Remedy, Refused> {
        let Found { traces, unclaimed, limits } = found;
        let mut remedy = remedy::plan(incident.id, &traces, &unclaimed, limits);
        let (fit, long) = remedy.steps.into_iter().partition(|step| picket_wire::travels(&step.kind));
        remedy.steps = fit;
        let long: Vec<RemedyStep> = long;
        remedy.limits.extend(long.iter().map(|step| format!("{} is longer than an order may carry", step.kind)));
        let held = self.held(incident)?;
        for step in &mut remedy.steps {
            let (_, last) = self.standing(incident.id, step)?;
            let is_same = |report: &&ActionReport| {
                report.action.host == step.host && report.action.kind.has_target_of(&step.kind)
            };
            // A containment in force is how it stands, whoever ordered it.
            step.report = held.iter().find(is_same).cloned().or(last);
        }
        remedy::keep_ordered(&mut remedy, self.ordered(incident.id)?);
        Ok(remedy)
    }

    /// What is contained on its hosts now, of what a remedy would take away.
    fn held(&self, incident: &Incident) -> Result<Vec<ActionReport>, Refused> {
        let mut held = Vec::new();
        rows::each_action(&*self.state, |row| {
            let Action { host, kind, .. } = &row.report.action;
            if row.report.state == ActionState::Applied && kind.remedies() && incident.hosts.contains(host) {
                held.push(row.report);
            }
        })?;
        Ok(held)
    }

    /// Every step that was ordered at any time: what is gone now has done its work, and belongs to the plan.
    fn ordered(&self, incident: IncidentId) -> Result<Vec<RemedyStep>, Refused> {
        let mut ordered = Vec::new();
        rows::each_action(&*self.state, |row| {
            let Action { host, kind, reason, .. } = &row.report.action;
            let (host, undoable) = (*host, kind.undoable());
            let step = RemedyStep { host, kind: kind.clone(), why: reason.note.clone(), undoable, report: None };
            if reason.incident == Some(incident) && reason.detection.is_none() {
                ordered.push((row.report.action.id, step));
            }
        })?;
        let is_step =
            |id: ActionId, step: &RemedyStep| (0..ATTEMPTS_MAX).any(|attempt| step_id(incident, step, attempt) == id);
        let mut steps: Vec<RemedyStep> =
            ordered.into_iter().filter(|(id, step)| is_step(*id, step)).map(|(_, step)| step).collect();
        for step in &mut steps {
            step.report = self.standing(incident, step)?.1;
        }
        Ok(steps)
    }

    pub(super) fn traces(&self, incident: &Incident, sessions: bool) -> Result<Found, Refused> {
        let mut tracer = Tracer::new(incident, sessions);
        let first = incident.path.iter().map(|step| step.time).min().unwrap_or(incident.opened).min(incident.opened);
        let end = self.log.end()?;
        let from = self.place_at(Timestamp(first.0.saturating_sub(BEFORE_MS * 1_000_000)), end)?;
        if end.saturating_sub(from) > RECORDS_MAX {
            tracer.miss();
        }
        let end = end.min(from.saturating_add(RECORDS_MAX));
        while tracer.again() {
            self.show(&mut tracer, incident, from, end)?;
        }
        Ok(tracer.finish())
    }

    fn show(&self, tracer: &mut Tracer, incident: &Incident, from: u64, end: u64) -> Result<(), Refused> {
        let mut next = from;
        while next < end {
            let page = match self.log.read(next, PAGE) {
                Err(StoreError::DamagedRecord { offset }) => {
                    tracer.miss();
                    next = offset + 1;
                    continue;
                }
                page => page?,
            };
            let Some(last) = page.last() else { return Ok(()) };
            next = last.offset + 1;
            for stored in page.iter().filter(|it| is_own(it) || incident.hosts.contains(&it.host)) {
                match picket_wire::decode_record(&stored.bytes) {
                    Ok(record) => tracer.take(speaks_of(stored, &record), &record),
                    Err(_) => tracer.miss(),
                }
            }
        }
        Ok(())
    }

    /// The number of the next attempt, and how the last one stands.
    fn standing(&self, incident: IncidentId, step: &RemedyStep) -> Result<(u32, Option<ActionReport>), Refused> {
        let mut last = None;
        for attempt in 0..ATTEMPTS_MAX {
            match rows::action(&*self.state, step_id(incident, step, attempt))? {
                Some(row) => last = Some(row.report),
                None => return Ok((attempt, last)),
            }
        }
        Ok((ATTEMPTS_MAX, last))
    }

    fn remedy_json(&self, remedy: &Remedy) -> Answer {
        let mut value = serde_json::to_value(remedy).map_err(Refused::internal)?;
        for list in ["steps", "by_hand"] {
            for one in value[list].as_array_mut().into_iter().flatten() {
                let host: Option<HostId> = one["host"].as_str().and_then(|text| text.parse().ok());
                one["hostname"] = json!(host.map(|host| self.hostname(host)));
                if let Some(report) = one.get("report").filter(|report| !report.is_null()).cloned() {
                    one["report"] = Value::Null;
                    if let Ok(report) = serde_json::from_value::<ActionReport>(report) {
                        one["report"] = self.action_json(&report);
                    }
                }
            }
        }
        Ok(value)
    }
}

fn is_same(step: &RemedyStep, shown: &ShownStep) -> bool {
    step.host == shown.host && step.kind == shown.kind
}

/// Ordering it again would do nothing, or do it twice.
const fn is_under_way(report: &ActionReport) -> bool {
    match report.state {
        ActionState::Asked | ActionState::Planned => true,
        ActionState::Applied => !report.action.kind.remedies() || report.action.lease_ms == LEASE_MS_LASTING,
        _ => false,
    }
}

/// Derived from what is to be done for which incident, so that a plan made again finds its orders back.
fn step_id(incident: IncidentId, step: &RemedyStep, attempt: u32) -> ActionId {
    let kind = serde_json::to_vec(&step.kind).unwrap_or_default();
    let hash = Sha256::new()
        .chain_update(b"picket remedy step\0")
        .chain_update(incident.as_bytes())
        .chain_update(step.host.as_bytes())
        .chain_update(attempt.to_be_bytes())
        .chain_update(kind)
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    ActionId::from_bytes(bytes)
}
