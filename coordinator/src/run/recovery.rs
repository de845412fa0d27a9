//! Owns: the recovery of an incident in the wiring: asking hosts what is left, giving back in order, and what is kept of
//! it over restarts.
//! Never: choosing what is given back, or when; that is `respond`.

use std::collections::BTreeMap;

use picket_model::{
    ActionKind, ActionReport, ActionState, ByHand, Command, CommandKind, HostId, Incident, IncidentId, Remedy,
    RemedyStep, Seen, Timestamp, Trace,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::desk::{Desk, now, unpoisoned};
use super::on_watch::OnWatch;
use super::orders::{analyst, order};
use super::rows::{self, CommandRow};
use crate::api::{Answer, RecoverRequest, RecoveryStage, Refused, Status};
use crate::respond::recovery::{self, Facts, Finding, GiveBack, HostNow, Turn};
use crate::store::{StoreError, Table, each};

/// What one question holds: its answer must fit the text of one.
const LOOKS_MAX: usize = 32;

/// What is kept of the recovery of one incident.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RecoveryRow {
    pub incident: IncidentId,
    /// The latest question to each host, in parts.
    pub looks: Vec<LookRow>,
    pub by_hand_done: Option<Word>,
    pub watch: Option<OnWatch>,
}

/// Who said it, when, and of what.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Word {
    pub who: String,
    pub time: Timestamp,
    pub note: String,
    /// What was to be done by hand as far as it was known then; a word of before this was kept is of none of it.
    #[serde(default)]
    pub of: Vec<Hand>,
}

/// What tells one thing that is to be done by hand from another. Why it is to be done may come to be told otherwise.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hand {
    pub host: HostId,
    pub what: String,
}

impl Word {
    fn is_of(&self, one: &ByHand) -> bool {
        self.of.iter().any(|known| known.host == one.host && known.what == one.what)
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LookRow {
    command: u64,
    host: HostId,
    kinds: Vec<ActionKind>,
    answered: Option<Timestamp>,
    seen: Vec<Seen>,
}

/// Everything that a recovery is decided by.
pub(super) struct Case {
    incident: Incident,
    row: RecoveryRow,
    remedy: Remedy,
    plan: Vec<GiveBack>,
    traces: Vec<Trace>,
    found: Vec<Finding>,
}

impl Desk {
    pub fn say_recovery(&self, id: IncidentId, sessions: bool) -> Answer {
        self.recovery_json(&self.case(id, sessions)?)
    }

    pub fn order_recovery(&self, who: &str, id: IncidentId, request: &RecoverRequest) -> Answer {
        let case = self.case(id, request.sessions)?;
        let RecoverRequest { note, .. } = request;
        match request.stage {
            RecoveryStage::Look => self.ask_hosts(who, &case, request)?,
            RecoveryStage::GiveBack => self.take_back(who, &case, Turn::Back, note)?,
            RecoveryStage::Release => {
                if let Some(first) = case.found.iter().find(|finding| finding.verdict != recovery::Verdict::Passed) {
                    let message = format!("the check has not passed: {}: {}", first.what, first.detail);
                    return Err(Refused::new(
                        Status::Conflict,
                        message,
                        "`picket recover INCIDENT --check` shows all of it",
                    ));
                }
                self.begin_watch(who, &case, request)?;
                self.take_back(who, &case, Turn::Last, note)?;
            }
        }
        self.say_recovery(id, request.sessions)
    }

    pub(super) fn case(&self, id: IncidentId, sessions: bool) -> Result<Case, Refused> {
        let incident = self.incident(id)?;
        let found = self.traces(&incident, sessions)?;
        let traces = found.traces.clone();
        let remedy = self.remedy_of(&incident, found)?;
        let row = self.recovery_row(id)?;
        let plan = recovery::plan(&self.reports_of(&incident)?, &traces);
        let hosts = self.hosts_now(&incident);
        let looked = |step: &RemedyStep| row.answer(step);
        let facts = Facts {
            hosts: &hosts,
            plan: &plan,
            steps: &remedy.steps,
            looked: &looked,
            by_hand: &remedy.by_hand,
            is_done: &|one| row.by_hand_done.as_ref().is_some_and(|word| word.is_of(one)),
        };
        let found = recovery::check(&facts, now());
        Ok(Case { incident, row, remedy, plan, traces, found })
    }

    pub(super) fn recovery_row(&self, id: IncidentId) -> Result<RecoveryRow, Refused> {
        let known = rows::recovery(&*self.state, id)?;
        Ok(known.unwrap_or(RecoveryRow { incident: id, looks: Vec::new(), by_hand_done: None, watch: None }))
    }

    /// All that was done about it, and whatever cuts one of its hosts off.
    fn reports_of(&self, incident: &Incident) -> Result<Vec<ActionReport>, Refused> {
        let mut reports = Vec::new();
        rows::each_action(&*self.state, |row| {
            let reason = &row.report.action.reason;
            let own = reason.incident == Some(incident.id)
                || reason.detection.is_some_and(|id| incident.detections.contains(&id))
                || incident.actions.contains(&row.report.action.id);
            let cut = recovery::is_isolation(&row.report.action.kind)
                && incident.hosts.contains(&row.report.action.host)
                && row.report.state == ActionState::Applied;
            if own || cut {
                reports.push(row.report);
            }
        })?;
        Ok(reports)
    }

    fn hosts_now(&self, incident: &Incident) -> Vec<HostNow> {
        let connected = self.sessions.connected();
        let one = |host: &HostId| {
            let status = self.status_of(*host);
            HostNow {
                host: *host,
                connected: connected.contains(host),
                heard: status.as_ref().map(|row| row.received).unwrap_or_default(),
                blind_spots: status.map_or(0, |row| row.status.blind_spots.len()),
            }
        };
        incident.hosts.iter().map(one).collect()
    }

    fn ask_hosts(&self, who: &str, case: &Case, request: &RecoverRequest) -> Result<(), Refused> {
        let _one = unpoisoned(&self.answering);
        let mut by_host: BTreeMap<HostId, Vec<ActionKind>> = BTreeMap::new();
        for step in &case.remedy.steps {
            by_host.entry(step.host).or_default().push(step.kind.clone());
        }
        let mut row = self.recovery_row(case.incident.id)?;
        row.looks.clear();
        if request.by_hand_done {
            let by_hand = &case.remedy.by_hand;
            let of = by_hand.iter().map(|one| Hand { host: one.host, what: one.what.clone() }).collect();
            row.by_hand_done = Some(Word { who: who.to_owned(), time: now(), note: request.note.clone(), of });
            let detail = format!("all {} of it: {}", by_hand.len(), request.note);
            self.record(who, "by hand done", &case.incident.id.to_string(), &detail)?;
        }
        let detail = format!("what is left of it on {} hosts: {}", by_host.len(), request.note);
        self.record(who, "look", &case.incident.id.to_string(), &detail)?;
        let mut orders = Vec::new();
        for (host, kinds) in by_host {
            for kinds in kinds.chunks(LOOKS_MAX) {
                let kind =
                    CommandKind::Look { kinds: kinds.to_vec(), principal: analyst(who), note: request.note.clone() };
                let command: Command = order(kind);
                let id = self.command_id();
                row.looks.push(LookRow { command: id, host, kinds: kinds.to_vec(), answered: None, seen: Vec::new() });
                orders.push(CommandRow { id, host, command });
            }
        }
        self.state.write(&[rows::put_recovery(&row)?])?;
        orders.iter().try_for_each(|order| self.send_row(order, None))
    }

    /// The answer to one question, kept beside it. False where nobody asked.
    pub(super) fn looked(&self, command: u64, detail: &str) -> Result<(), Refused> {
        let mut asked = None;
        each(&*self.state, Table::Recoveries, &[], |_, bytes| {
            if let Ok(row) = serde_json::from_slice::<RecoveryRow>(bytes)
                && row.looks.iter().any(|look| look.command == command)
            {
                asked = Some(row);
            }
            Ok::<_, StoreError>(())
        })?;
        let Some(mut row) = asked else { return Ok(()) };
        for look in row.looks.iter_mut().filter(|look| look.command == command) {
            // A host that answers something else has not said that anything is gone.
            look.seen = serde_json::from_str(detail)
                .unwrap_or_else(|_| vec![Seen::Unknown(detail.chars().take(200).collect()); look.kinds.len()]);
            look.answered = Some(now());
        }
        Ok(self.state.write(&[rows::put_recovery(&row)?])?)
    }

    fn take_back(&self, who: &str, case: &Case, turn: Turn, note: &str) -> Result<(), Refused> {
        for one in &case.plan {
            if one.turn == turn && one.report.state == ActionState::Applied {
                self.order_undo(who, one.report.action.id, note)?;
            }
        }
        Ok(())
    }

    pub(super) fn begin_watch(&self, who: &str, case: &Case, request: &RecoverRequest) -> Result<(), Refused> {
        let _one = unpoisoned(&self.answering);
        let mut row = self.recovery_row(case.incident.id)?;
        let watch = OnWatch::begin(&case.incident, &case.traces, now(), request.watch_ms)?;
        let detail = format!("until {}; {}", watch.until, request.note);
        self.record(who, "on watch", &case.incident.id.to_string(), &detail)?;
        row.watch = Some(watch);
        self.state.write(&[rows::put_recovery(&row)?])?;
        self.note_watches();
        Ok(())
    }

    fn recovery_json(&self, case: &Case) -> Answer {
        let Case { incident, row, remedy, plan, found, .. } = case;
        let give = |one: &GiveBack| {
            let mut value = self.action_json(&one.report);
            value["turn"] = json!(one.turn);
            value["why"] = json!(one.why);
            value
        };
        let finding = |one: &Finding| {
            let mut value = serde_json::to_value(one).unwrap_or_default();
            value["hostname"] = json!(self.hostname(one.host));
            value
        };
        let asked = row.looks.len();
        let answered = row.looks.iter().filter(|look| look.answered.is_some()).count();
        Ok(json!({
            "incident": incident.id,
            "title": incident.title,
            "plan": plan.iter().map(give).collect::<Vec<Value>>(),
            "check": {
                "passed": recovery::has_passed(found),
                "findings": found.iter().map(finding).collect::<Vec<Value>>(),
                "asked": asked,
                "answered": answered,
            },
            "not_ordered": remedy.steps.iter().filter(|step| step.report.is_none()).count(),
            "by_hand": remedy.by_hand.len(),
            "by_hand_done": row.by_hand_done,
            "watch": row.watch.as_ref().map(OnWatch::shown),
        }))
    }
}

impl RecoveryRow {
    /// What its host last said of one step.
    fn answer(&self, step: &RemedyStep) -> Option<(Timestamp, Seen)> {
        let look = self.looks.iter().find(|look| look.host == step.host && look.kinds.contains(&step.kind))?;
        let place = look.kinds.iter().position(|kind| *kind == step.kind)?;
        let seen = look.seen.get(place).cloned();
        Some((look.answered?, seen.unwrap_or_else(|| Seen::Unknown("the host did not say".to_owned()))))
    }
}
