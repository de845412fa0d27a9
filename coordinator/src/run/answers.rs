//! Owns: what the API tells: hosts, events, detections, incidents, actions, policy, rules, audit.
//! Never: changing anything.

use std::collections::HashSet;

use picket_model::{ActionReport, Asked, Detection, DetectionId, Event, HostId, IncidentId, Record, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::desk::{Desk, now};
use super::fields::Fields;
use super::rows::{self, Acknowledged, ActionRow, StatusRow};
use super::whole_estate::{is_own, speaks_of};
use crate::api::{Answer, Filter, Refused};
use crate::identity::{self, HostRow};
use crate::store::{StoreError, Stored};

/// Rows read from the log at a time while looking for matches.
const PAGE: usize = 1024;
/// Records looked through for one answer at most: some seconds of work. The answer says from where to go on.
const LOOKED_THROUGH_MAX: usize = 200_000;

impl Desk {
    pub fn say_status(&self) -> Answer {
        let hosts = self.host_rows()?;
        let live = hosts.iter().filter(|row| row.revoked.is_none()).count();
        let (open, asked) = (rows::open_incidents(&*self.state)?, rows::asked(&*self.state)?);
        let head = self.audit.head(super::desk::now());
        Ok(json!({
            "version": env!("CARGO_PKG_VERSION"),
            "started": self.started,
            "bundle": self.policy().map(|policy| Self::policy_json(&policy)),
            "halt": self.halt_json(),
            "rollout": self.rollout_json(),
            "hosts": {"total": live, "connected": self.sessions.connected().len()},
            "incidents": {"open": open},
            "actions": {"asked": asked},
            "audit": {"size": head.head.size, "root": hex::encode(head.head.root)},
            "audit_key": hex::encode(self.audit.key().as_bytes()),
        }))
    }

    pub fn say_hosts(&self) -> Answer {
        let connected: HashSet<HostId> = self.sessions.connected().into_iter().collect();
        let statuses = self.statuses();
        let say = |row: &HostRow| host_json(row, statuses.get(&row.id), connected.contains(&row.id));
        Ok(json!({"hosts": self.host_rows()?.iter().map(say).collect::<Vec<_>>()}))
    }

    pub fn say_host(&self, id: HostId) -> Answer {
        let row = identity::host(&*self.state, id).map_err(Refused::internal)?;
        let row = row.ok_or_else(|| Refused::missing("host"))?;
        let mut host = host_json(&row, self.status_of(id).as_ref(), self.sessions.connected().contains(&id));
        host["coverage"] = json!(rows::coverage(&*self.state, id)?);
        Ok(host)
    }

    pub fn say_events(&self, filter: &Filter) -> Answer {
        let take = |stored: &Stored, record| match record {
            Record::Event { event } if fits(filter, &event) => Some(self.event_json(stored, &event)),
            _ => None,
        };
        match filter.from {
            Some(from) => self.look_on("events", filter, from, take),
            None => self.look("events", filter, take),
        }
    }

    pub fn say_detections(&self, filter: &Filter) -> Answer {
        self.look("detections", filter, |stored, record| {
            let host = speaks_of(stored, &record);
            match record {
                Record::Detection { detection } if fits(filter, &detection.event) => {
                    Some(self.detection_json(host, &detection))
                }
                _ => None,
            }
        })
    }

    /// Newest first through the log, until enough match; answered oldest first, as one reads. Where there may be more,
    /// the answer says `before` which record to go on.
    fn look(&self, name: &str, filter: &Filter, mut take: impl FnMut(&Stored, Record) -> Option<Value>) -> Answer {
        let since = filter.since.map(Timestamp);
        let fields = Fields::parse(filter.fields.as_deref().unwrap_or_default())?;
        let (mut found, mut looked, mut before) =
            (Vec::new(), 0, filter.before.unwrap_or(u64::MAX).min(self.log.end()?));
        let mut more = true;
        'pages: while looked < LOOKED_THROUGH_MAX && before > 0 {
            let page = match self.log.read_back(before, PAGE) {
                Err(StoreError::DamagedRecord { offset }) => {
                    (before, looked) = (offset, looked + 1);
                    continue;
                }
                page => page?,
            };
            more = !page.is_empty();
            if !more {
                break;
            }
            for stored in &page {
                (before, looked) = (stored.offset, looked + 1);
                if since.is_some_and(|since| stored.received < since) {
                    more = false;
                    break 'pages;
                }
                found.extend(wanted(filter, &fields, stored, &mut take));
                if found.len() >= filter.limit {
                    break 'pages;
                }
            }
        }
        found.reverse();
        let more = more && before > 0;
        Ok(json!({name: found, "more": more, "before": more.then_some(before)}))
    }

    /// From a place on and oldest first, for whoever wants all of it in order. The answer says with which record to go on.
    fn look_on(
        &self,
        name: &str,
        filter: &Filter,
        from: u64,
        mut take: impl FnMut(&Stored, Record) -> Option<Value>,
    ) -> Answer {
        let fields = Fields::parse(filter.fields.as_deref().unwrap_or_default())?;
        let end = self.log.end()?;
        let mut next = match filter.since {
            Some(since) => from.max(self.place_at(Timestamp(since), end)?),
            None => from,
        };
        let (mut found, mut looked) = (Vec::new(), 0);
        while looked < LOOKED_THROUGH_MAX && next < end && found.len() < filter.limit {
            let page = match self.log.read(next, PAGE) {
                Err(StoreError::DamagedRecord { offset }) => {
                    (next, looked) = (offset + 1, looked + 1);
                    continue;
                }
                page => page?,
            };
            if page.is_empty() {
                next = end;
            }
            for stored in &page {
                if found.len() >= filter.limit {
                    break;
                }
                (next, looked) = (stored.offset + 1, looked + 1);
                found.extend(wanted(filter, &fields, stored, &mut take));
            }
        }
        Ok(json!({name: found, "more": next < end, "next": next}))
    }

    /// The first record that was received at or after a time; records lie in the order in which they came.
    pub(super) fn place_at(&self, time: Timestamp, end: u64) -> Result<u64, Refused> {
        let (mut low, mut high) = (0, end);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.next_whole(middle)? {
                Some(stored) if stored.received < time => low = stored.offset + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// The first record from a place on that reads.
    fn next_whole(&self, mut from: u64) -> Result<Option<Stored>, Refused> {
        loop {
            match self.log.read(from, 1) {
                Err(StoreError::DamagedRecord { offset }) => from = offset + 1,
                page => return Ok(page?.into_iter().next()),
            }
        }
    }

    fn event_json(&self, stored: &Stored, event: &Event) -> Value {
        let mut map = object(event);
        let parent = event.process.as_ref().and_then(|process| process.parent.as_deref());
        map.insert("parent".into(), json!(parent));
        map.insert("host".into(), json!(stored.host));
        map.insert("hostname".into(), json!(self.hostname(stored.host)));
        map.insert("received".into(), json!(stored.received));
        map.insert("epoch".into(), json!(stored.position.epoch));
        map.insert("lane".into(), json!(stored.position.lane));
        map.insert("seq".into(), json!(stored.position.seq));
        Value::Object(map)
    }

    fn detection_json(&self, host: HostId, detection: &Detection) -> Value {
        let mut map = object(detection);
        map.insert("hostname".into(), json!(self.hostname(host)));
        Value::Object(map)
    }

    pub fn say_incidents(&self) -> Answer {
        let mut incidents = Vec::new();
        rows::each_incident(&*self.state, |incident| incidents.push(incident))?;
        incidents.sort_by_key(|incident| std::cmp::Reverse((incident.updated, incident.id)));
        Ok(json!({"incidents": incidents}))
    }

    pub fn say_incident(&self, id: IncidentId) -> Answer {
        let incident = rows::incident(&*self.state, id)?.ok_or_else(|| Refused::missing("incident"))?;
        let detections: Vec<Value> = incident
            .detections
            .iter()
            .filter_map(|id| self.detection_by_id(*id).transpose())
            .collect::<Result<_, _>>()?;
        let mut actions: Vec<ActionReport> = Vec::new();
        for id in &incident.actions {
            actions.extend(rows::action(&*self.state, *id)?.map(|row| row.report));
        }
        let actions: Vec<Value> = actions.iter().map(|report| self.action_json(report)).collect();
        Ok(json!({"incident": incident, "detections": detections, "actions": actions}))
    }

    fn detection_by_id(&self, id: DetectionId) -> Result<Option<Value>, Refused> {
        let Some(bytes) = self.state.get(crate::store::Table::Detections, id.as_bytes())? else { return Ok(None) };
        let Some((offset, _)) = rows::detection_place(&bytes) else { return Ok(None) };
        let stored = match self.log.read(offset, 1) {
            // The others are told all the same.
            Err(StoreError::DamagedRecord { .. }) => return Ok(None),
            stored => stored?,
        };
        let Some(stored) = stored.first() else { return Ok(None) };
        let Ok(record) = picket_wire::decode_record(&stored.bytes) else { return Ok(None) };
        let host = speaks_of(stored, &record);
        Ok(match record {
            Record::Detection { detection } if detection.id == id => Some(self.detection_json(host, &detection)),
            _ => None,
        })
    }

    pub fn say_actions(&self, filter: &Filter) -> Answer {
        let mut reports = Vec::new();
        rows::each_action(&*self.state, |ActionRow { report, .. }| {
            if filter.host.is_none_or(|host| host == report.action.host)
                && filter.state.as_deref().is_none_or(|state| state.is_empty() || state == report.state.word())
                && filter.since.is_none_or(|since| report.time.0 >= since)
                && (!filter.asks || !self.turn(&report).0.is_null())
            {
                reports.push(report);
            }
        })?;
        reports.sort_by_key(|report| (report.action.requested, report.action.id));
        let from = reports.len().saturating_sub(filter.limit);
        let actions: Vec<Value> = reports[from..].iter().map(|report| self.action_json(report)).collect();
        Ok(json!({"actions": actions}))
    }

    /// The action and what is known of it as one object.
    pub fn action_json(&self, report: &ActionReport) -> Value {
        let mut map = object(&report.action);
        for (name, value) in object(report) {
            if name != "action" {
                map.insert(name, value);
            }
        }
        map.insert("hostname".into(), json!(self.hostname(report.action.host)));
        let (asks, acknowledged) = self.turn(report);
        map.insert("asks".into(), asks);
        map.insert("acknowledged".into(), json!(acknowledged));
        Value::Object(map)
    }

    /// Whose turn it is, to answer a question or to look at what was done until somebody has; and who has.
    fn turn(&self, report: &ActionReport) -> (Value, Option<Acknowledged>) {
        let say = |to: &str, (asked, until): (Asked, Timestamp)| json!({"to": to, "who": asked.who, "until": until, "stage": asked.stage, "stages": asked.stages});
        if !report.is_looked_at() {
            return (report.asked().map_or(Value::Null, |turn| say("answer", turn)), None);
        }
        let id = report.action.id;
        let acknowledged = rows::acknowledged(&*self.state, id).unwrap_or_else(|error| {
            tracing::error!(%error, action = %id, "who has looked at it cannot be read");
            None
        });
        // People have their time from when they could see it.
        let known = rows::action(&*self.state, id).ok().flatten().map(|row| row.received);
        let since = known.filter(|received| *received != Timestamp::default()).unwrap_or(report.time);
        let turn = report.looker(since, now()).filter(|_| acknowledged.is_none());
        (turn.map_or(Value::Null, |turn| say("look", turn)), acknowledged)
    }

    pub fn say_policy(&self) -> Answer {
        let policy = self.policy().ok_or_else(|| {
            Refused::new(crate::api::Status::Missing, "no bundle is in force yet", "`picket policy sign --shipped careful --key KEY --version 1 --out FILE`, then `picket policy apply FILE`")
        })?;
        let bundle = &policy.verified.bundle;
        let mut value = Self::policy_json(&policy);
        value["policies"] = json!(bundle.policies);
        value["rules"] = bundle.rules.iter().map(|rule| json!({"file": rule.file})).collect();
        value["budgets"] = json!(bundle.budgets);
        value["protected"] = json!(bundle.protected);
        value["autonomy"] = json!(bundle.autonomy);
        Ok(value)
    }

    pub fn say_rules(&self) -> Answer {
        let policy = self.policy();
        let rules = policy.as_ref().map_or(&[][..], |policy| &policy.rules);
        let say = |rule: &picket_detect::Rule| {
            json!({
                "id": rule.id, "title": rule.title, "severity": rule.severity, "techniques": rule.techniques,
                "tactics": rule.tactics, "family": rule.family, "response": rule.response, "file": rule.file,
            })
        };
        let exceptions = policy.as_ref().map_or(&[][..], |policy| &policy.exceptions);
        let say_exception = |exception: &picket_detect::Exception| {
            json!({
                "title": exception.title, "file": exception.file, "line": exception.line, "rules": exception.rules,
                "reason": exception.reason, "owner": exception.owner, "until": exception.until,
                "ended": exception.has_ended(now()),
            })
        };
        Ok(json!({
            "rules": rules.iter().map(say).collect::<Vec<_>>(),
            "exceptions": exceptions.iter().map(say_exception).collect::<Vec<_>>(),
        }))
    }

    pub fn say_audit(&self, from: u64, limit: usize) -> Answer {
        let leaves = self.audit.entries(from, limit).map_err(Refused::internal)?;
        let entries: Result<Vec<Value>, Refused> =
            leaves.iter().map(|leaf| serde_json::from_slice(leaf).map_err(Refused::internal)).collect();
        Ok(json!({"entries": entries?}))
    }
}

fn host_json(row: &HostRow, known: Option<&StatusRow>, connected: bool) -> Value {
    let facts = known.map_or(&row.facts, |known| &known.status.facts);
    json!({
        "id": row.id,
        "hostname": facts.hostname,
        "facts": facts,
        "enrolled": row.enrolled,
        "last_seen": known.map(|known| known.received).max(row.last_seen),
        "connected": connected,
        "revoked": row.revoked.is_some(),
        "status": known.map(|known| &known.status),
    })
}

/// The text as it stands inside a JSON string.
fn quoted(text: &str) -> String {
    let json = Value::from(text).to_string();
    json[1..json.len() - 1].to_owned()
}

fn object(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// A record as the answer shows it, where it is asked for.
fn wanted(
    filter: &Filter,
    fields: &Fields,
    stored: &Stored,
    take: &mut impl FnMut(&Stored, Record) -> Option<Value>,
) -> Option<Value> {
    let is_another = |host: HostId| filter.host.is_some_and(|wanted| wanted != host);
    if is_another(stored.host) && !is_own(stored) {
        return None;
    }
    // Sessions decoded it before it was stored; one that no longer reads was written by a newer build.
    let record = picket_wire::decode_record(&stored.bytes).ok()?;
    if is_another(speaks_of(stored, &record)) {
        return None;
    }
    let value = take(stored, record)?;
    let text = filter.text.as_deref().unwrap_or_default();
    let says = text.is_empty() || value.to_string().contains(&quoted(text));
    (says && fields.fit(&value)).then_some(value)
}

fn fits(filter: &Filter, event: &Event) -> bool {
    filter.class.as_deref().is_none_or(|class| class.is_empty() || class == event.activity.word())
}
