//! Owns: what one thing that follows from a record changes: rows, lines, orders, and what follows from it in turn.
//! Never: half of it: reading may fail, and comes before the first change.

use picket_model::{
    Action, ActionId, ActionReport, ActionState, CommandKind, Detection, HostId, IncidentId, IncidentStatus, Record,
    Timestamp,
};
use picket_policy::GroupBudget;

use super::case::case;
use super::desk::now;
use super::orders;
use super::questions::Because;
use super::rows::{self, CommandRow};
use super::work::Work;
use crate::api::Refused;
use crate::audit::Line;
use crate::correlate::Effect;
use crate::identity;
use crate::respond::{Bound, Withheld, plan};
use crate::store::Table;
use crate::verify::Outcome;

pub enum Todo {
    /// A detection is found back by its id.
    Index {
        id: [u8; 16],
        offset: u64,
        host: HostId,
    },
    Report {
        report: ActionReport,
        received: Timestamp,
    },
    Effect {
        effect: Effect,
        at: Timestamp,
    },
    /// What the coordinator itself detected.
    Found(Box<Detection>),
    Order(Action),
    Question(Withheld),
    /// Somebody has let a question of the coordinator's go by.
    Overdue {
        id: ActionId,
        at: Timestamp,
    },
    Outcome(Outcome),
    /// An order that ran out before anybody answered it.
    Expired(CommandRow),
    Close(IncidentId),
}

pub(super) type Follows = Result<Vec<Todo>, Refused>;

impl Work {
    pub(super) fn take(&mut self, todo: &Todo) -> Follows {
        match todo {
            Todo::Index { id, offset, host } => self.index(id, *offset, *host),
            Todo::Report { report, received } => self.report(report, *received),
            Todo::Effect { effect, at } => self.effect(effect, *at),
            Todo::Found(detection) => self.tell(detection),
            Todo::Order(action) => self.order(action),
            Todo::Question(withheld) => self.question(withheld),
            Todo::Overdue { id, at } => self.go_on(*id, *at),
            Todo::Outcome(outcome) => self.outcome(outcome),
            Todo::Expired(row) => self.expired(row),
            Todo::Close(id) => self.close(*id),
        }
    }

    /// The first detection with an id keeps it.
    fn index(&mut self, id: &[u8; 16], offset: u64, host: HostId) -> Follows {
        if self.pending.get(&*self.desk.state, Table::Detections, id)?.is_none() {
            self.pending.put(rows::put_detection(id, offset, host));
        }
        Ok(Vec::new())
    }

    fn report(&mut self, report: &ActionReport, received: Timestamp) -> Follows {
        let host = report.action.host;
        // It was never given this order: it can only have guessed its id.
        if self.is_own(report.action.id) {
            let detail = format!("{}: {} waits for a person here", self.desk.hostname(host), report.action.kind);
            if self.chatter.allow(host, received) {
                let who = format!("host {host}");
                self.pending.line(Line::new(who, "report refused", report.action.id.to_string(), detail));
            }
            return Ok(Vec::new());
        }
        // Told again it is as old as before: asked of somebody else a question is the same, which is open for a day.
        let is_told_again = matches!(report.state, ActionState::Asked | ActionState::Applied);
        let before = self.pending.action(&*self.desk.state, report.action.id)?.filter(|_| is_told_again);
        let before = before.filter(|row| row.report.state == report.state && row.received != Timestamp::default());
        let change = rows::put_action(report, before.map_or(received, |row| row.received))?;
        if self.chatter.allow(host, received) {
            let detail = format!(
                "{}: {}: {} ({} for {}; bundle {}: {})",
                self.desk.hostname(host),
                report.action.kind,
                report.detail,
                report.verdict.word(),
                report.action.reason.principal,
                report.bundle,
                report.decided_by.join(", ")
            );
            let who = format!("host {host}");
            self.pending.line(Line::new(who, report.state.word(), report.action.id.to_string(), detail));
        }
        self.pending.put(change);
        Ok(Vec::new())
    }

    fn effect(&mut self, effect: &Effect, at: Timestamp) -> Follows {
        match effect {
            Effect::Upsert(incident) => self.pending.put(rows::put_incident(&self.watches.seen(incident))?),
            Effect::Merged { from, into } => {
                tracing::info!(%from, %into, "two incidents are one");
                self.pending.put(rows::drop_row(Table::Incidents, from.as_bytes()));
            }
            Effect::Ask(request) => {
                let plan = plan(&case(request), &mut self.ledger, at);
                let orders = plan.actions.into_iter().map(Todo::Order);
                return Ok(orders.chain(plan.withheld.into_iter().map(Todo::Question)).collect());
            }
        }
        Ok(Vec::new())
    }

    /// True where the action is known. An id that another host has taken is taken back: the plan is the coordinator's.
    fn is_known(&mut self, action: &Action) -> Result<bool, Refused> {
        let Some(row) = self.pending.action(&*self.desk.state, action.id)? else { return Ok(false) };
        let owner = row.report.action.host;
        if owner == action.host {
            return Ok(true);
        }
        let detail = format!("host {owner} had used the id of an action planned for host {}", action.host);
        self.pending.line(Line::new("coordinator", "id taken back", action.id.to_string(), detail));
        self.pending.put(rows::drop_row(Table::Acknowledged, action.id.as_bytes()));
        Ok(false)
    }

    /// A crash after the planning and before the place was written comes by here again.
    fn order(&mut self, action: &Action) -> Follows {
        if self.is_known(action)? {
            return Ok(Vec::new());
        }
        if let Err(group) = self.pay_for_group(action, now()) {
            return self.ask(action, None, Because::group(&group));
        }
        self.give(action, Vec::new())?;
        Ok(Vec::new())
    }

    /// The order for the host.
    pub(super) fn give(&mut self, action: &Action, decided_by: Vec<String>) -> Result<(), Refused> {
        let (report, command) = (self.desk.planned(action.clone()), self.desk.act(action));
        let report = ActionReport { decided_by, ..report };
        self.pending.line(orders::line("coordinator", action));
        self.pending.put(rows::put_action(&report, report.time)?);
        self.pending.order(command)?;
        self.verifier.ordered(action, now());
        Ok(())
    }

    /// The evidence of one host has set off as much as it may for this hour: a person decides about the rest.
    fn question(&mut self, Withheld { action, trigger }: &Withheld) -> Follows {
        if self.is_known(action)? {
            return Ok(Vec::new());
        }
        self.ask(action, Some(*trigger), Because::trigger(&self.desk.hostname(*trigger)))
    }

    /// The error names the group that has had as many acts of the kind as its budget allows. By another name a host stays
    /// of the group that it was enrolled into.
    pub(super) fn pay_for_group(&mut self, action: &Action, at: Timestamp) -> Result<(), String> {
        let Some(policy) = self.desk.policy() else { return Ok(()) };
        let (host, word) = (action.host, action.kind.word());
        let enrolled = identity::host(&*self.desk.state, host).ok().flatten().map(|row| row.facts.hostname);
        let names: Vec<String> = enrolled.into_iter().chain([self.desk.hostname(host)]).collect();
        let is_held = |group: &&GroupBudget| names.iter().any(|name| group.holds(name, host));
        let of_host = policy.verified.bundle.group_budgets.iter().filter(is_held);
        let bounds: Vec<Bound<'_>> =
            of_host.filter_map(|group| Some(Bound { group: &group.name, limit: *group.budgets.get(word)? })).collect();
        self.groups.pay(&bounds, word, action.id, at).map_err(str::to_owned)
    }

    /// What turned out not to hold stands as failed and waits for a person.
    fn outcome(&mut self, outcome: &Outcome) -> Follows {
        match outcome {
            Outcome::Confirmed { action, how } => {
                self.pending.line(Line::new("verify", "confirmed", action.to_string(), *how));
                Ok(Vec::new())
            }
            Outcome::Reopen { action, why } => {
                let row = self.pending.action(&*self.desk.state, *action)?;
                self.pending.line(Line::new("verify", "reopened", action.to_string(), why));
                let Some(mut report) = row.map(|row| row.report) else { return Ok(Vec::new()) };
                report.state = ActionState::Failed;
                report.detail = format!("does not hold: {why}");
                self.changed(report)
            }
        }
    }

    fn expired(&mut self, row: &CommandRow) -> Follows {
        let state = &*self.desk.state;
        if self.pending.get(state, Table::Commands, &rows::command_key(row.host, row.id))?.is_none() {
            return Ok(Vec::new());
        }
        let known = match &row.command.kind {
            CommandKind::Act { action } => self.pending.action(state, action.id)?,
            _ => None,
        };
        let why = "the order ran out before the host answered it";
        let subject = known.as_ref().map_or_else(|| row.id.to_string(), |row| row.report.action.id.to_string());
        self.pending.line(Line::new("coordinator", "order expired", subject, format!("host {}: {why}", row.host)));
        self.pending.put(rows::drop_command(row.host, row.id));
        match known.map(|row| row.report).filter(|report| report.state == ActionState::Planned) {
            Some(mut report) => {
                report.state = ActionState::Expired;
                why.clone_into(&mut report.detail);
                self.verifier.report(&report, now());
                self.changed(report)
            }
            None => Ok(Vec::new()),
        }
    }

    /// The coordinator's own word about an action; the incident learns of it as it would from the host.
    fn changed(&mut self, mut report: ActionReport) -> Follows {
        report.time = now();
        self.pending.put(rows::put_action(&report, report.time)?);
        let (host, at) = (report.action.host, report.time);
        let effects = self.observe(host, &Record::Action { report }, at);
        Ok(effects.into_iter().map(|effect| Todo::Effect { effect, at }).collect())
    }

    /// Later detections open a new incident. One whose records are pruned is known by its row alone.
    fn close(&mut self, id: IncidentId) -> Follows {
        let row = self.pending.incident(&*self.desk.state, id)?;
        let at = now();
        let mut effects = self.estate.close(id, at);
        if let Some(mut incident) = row.filter(|incident| incident.status != IncidentStatus::Closed)
            && effects.is_empty()
        {
            incident.status = IncidentStatus::Closed;
            incident.updated = at;
            effects.push(Effect::Upsert(incident));
        }
        self.pending.put(rows::put_closing(id, Some(self.next)));
        Ok(effects.into_iter().map(|effect| Todo::Effect { effect, at }).collect())
    }
}
