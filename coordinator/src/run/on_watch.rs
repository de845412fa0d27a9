//! Owns: the watch period after a recovery: on which hosts, until when, for what; what came back, and its quiet end.
//! Never: acting: what comes back is an incident like any other, told sooner and louder.
//!
//! While a host is on watch, two things are other there: every detection counts one level higher in its incident, and one of
//! level low or above that names a trace of the incident says that the incident is back.

use std::collections::BTreeSet;

use picket_model::{
    AccountActivity, Activity, Detection, DetectionId, HostId, Incident, IncidentId, IncidentStatus, Left, Record,
    Severity, Timestamp, Trace,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::desk::now;
use super::rows;
use super::todo::Todo;
use super::work::Work;
use crate::api::{Refused, Status};
use crate::audit::Line;

const HOUR_MS: u64 = 3_600_000;
/// Most that comes back does so at the next start of a shift, a job or the host.
const WATCH_MS: u64 = 24 * HOUR_MS;
const WATCH_MS_MAX: u64 = 30 * 24 * HOUR_MS;
/// Names of one incident; it has no more files than are kept of it.
const NAMES_MAX: usize = 10_000;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OnWatch {
    pub since: Timestamp,
    pub until: Timestamp,
    hosts: BTreeSet<HostId>,
    /// Paths, digests, accounts, units, addresses that the incident left.
    names: BTreeSet<String>,
    returned: Option<Returned>,
    over: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Returned {
    detection: DetectionId,
    host: HostId,
    time: Timestamp,
    title: String,
    /// The trace that it names.
    name: String,
}

impl OnWatch {
    /// `ms`: 0 for as long as is usual.
    pub fn begin(incident: &Incident, traces: &[Trace], now: Timestamp, ms: u64) -> Result<Self, Refused> {
        let ms = if ms == 0 { WATCH_MS } else { ms };
        if ms > WATCH_MS_MAX {
            return Err(Refused::new(
                Status::Invalid,
                "a watch lasts 30 days at most",
                "give --watch, for example 24h",
            ));
        }
        Ok(Self {
            since: now,
            until: now.plus_millis(ms),
            hosts: incident.hosts.clone(),
            names: traces.iter().flat_map(|trace| names_of(&trace.left)).take(NAMES_MAX).collect(),
            returned: None,
            over: false,
        })
    }

    pub fn shown(&self) -> Value {
        json!({
            "since": self.since, "until": self.until, "hosts": self.hosts, "names": self.names.len(),
            "returned": self.returned, "over": self.over,
        })
    }

    fn covers(&self, host: HostId, received: Timestamp) -> bool {
        self.hosts.contains(&host) && self.since <= received && received < self.until
    }

    /// The trace that a detection names.
    fn met(&self, detection: &Detection) -> Option<String> {
        if detection.severity < Severity::Low {
            return None;
        }
        told_of(detection).into_iter().find(|name| self.names.contains(name))
    }
}

fn names_of(left: &Left) -> Vec<String> {
    match left {
        Left::File { path, sha256, .. } => {
            std::iter::once(path.clone()).chain(sha256.map(|digest| digest.to_string())).collect()
        }
        Left::Job { job } => vec![job.path.clone()],
        Left::Account { change } if change.activity == AccountActivity::Created => vec![change.name.clone()],
        Left::Service { change } => vec![change.name.clone()],
        Left::Module { name, .. } => vec![name.clone()],
        Left::Connection { ip, .. } => vec![ip.to_string()],
        _ => Vec::new(),
    }
}

fn told_of(detection: &Detection) -> Vec<String> {
    let mut names = Vec::new();
    if let Some(process) = &detection.event.process {
        names.extend([process.exe.clone(), process.user.clone()]);
        names.extend(process.argv.iter().filter(|word| word.starts_with('/')).cloned());
        names.extend(process.exe_sha256.map(|digest| digest.to_string()));
    }
    match &detection.event.activity {
        Activity::File { file, .. } => {
            names.push(file.path.clone());
            names.extend(file.sha256.map(|digest| digest.to_string()));
        }
        Activity::Fingerprint { fingerprint } => {
            names.push(fingerprint.file.path.clone());
            names.extend(fingerprint.file.sha256.map(|digest| digest.to_string()));
        }
        Activity::Network { flow, .. } => names.push(flow.remote_ip.to_canonical().to_string()),
        Activity::Authentication { user, source, .. } => {
            names.push(user.clone());
            names.extend(source.map(|ip| ip.to_canonical().to_string()));
        }
        Activity::ScheduledJob { job } => names.push(job.path.clone()),
        Activity::Account { change } => names.push(change.name.clone()),
        Activity::Service { change } => names.push(change.name.clone()),
        Activity::ModuleLoad { name, .. } => names.push(name.clone()),
        _ => {}
    }
    names
}

/// Those that the brain goes by.
#[derive(Default)]
pub struct Watches(Vec<(IncidentId, OnWatch)>);

impl Watches {
    /// The incident as people see it: one that is back stays open, also where all that was asked for is in force.
    pub fn seen(&self, incident: &Incident) -> Incident {
        let is_back = |(id, watch): &(IncidentId, OnWatch)| *id == incident.id && watch.returned.is_some();
        let status = match incident.status {
            IncidentStatus::Contained if self.0.iter().any(is_back) => IncidentStatus::Open,
            other => other,
        };
        Incident { status, ..incident.clone() }
    }

    /// The same record, counting for more; `None` where it counts as it is.
    pub fn raised(&self, host: HostId, record: &Record, received: Timestamp) -> Option<Record> {
        let Record::Detection { detection } = record else { return None };
        let on_watch = self.0.iter().any(|(_, watch)| watch.covers(host, received));
        on_watch.then(|| {
            let severity = match detection.severity {
                Severity::Informational => Severity::Low,
                Severity::Low => Severity::Medium,
                Severity::Medium => Severity::High,
                Severity::High | Severity::Critical => Severity::Critical,
            };
            Record::Detection { detection: Detection { severity, ..detection.clone() } }
        })
    }
}

impl Work {
    /// As they are kept; people begin them.
    pub(super) fn take_watches(&mut self) -> Result<(), Refused> {
        if self.desk.take_watches_changed() {
            let mut watches = Vec::new();
            rows::each_recovery(&*self.desk.state, |row| {
                watches.extend(row.watch.map(|watch| (row.incident, watch)));
            })?;
            self.watches = Watches(watches);
        }
        Ok(())
    }

    /// Whether a detection says that an incident is back.
    pub(super) fn watch_for(
        &mut self,
        host: HostId,
        detection: &Detection,
        received: Timestamp,
    ) -> Result<(), Refused> {
        let desk = std::sync::Arc::clone(&self.desk);
        for (incident, watch) in &mut self.watches.0 {
            if watch.returned.is_some() || watch.over || !watch.covers(host, received) {
                continue;
            }
            let Some(name) = watch.met(detection) else { continue };
            let (id, time, title) = (detection.id, detection.time, detection.title.clone());
            let said = format!("{}: {title}: {name}", desk.hostname(host));
            watch.returned = Some(Returned { detection: id, host, time, title, name });
            let mut row = desk.recovery_row(*incident)?;
            row.watch = Some(watch.clone());
            self.pending.put(rows::put_recovery(&row)?);
            self.pending.line(Line::new("coordinator", "incident is back", incident.to_string(), said));
            if let Some(mut known) = self.pending.incident(&*desk.state, *incident)? {
                known.status = IncidentStatus::Open;
                known.updated = now();
                self.pending.put(rows::put_incident(&known)?);
            }
        }
        Ok(())
    }

    /// A watch in which nothing came back ends its incident.
    pub(super) fn end_watches(&mut self) -> Result<(), Refused> {
        let desk = std::sync::Arc::clone(&self.desk);
        let now = now();
        for (incident, watch) in &mut self.watches.0 {
            if watch.over || watch.until > now {
                continue;
            }
            watch.over = true;
            let mut row = desk.recovery_row(*incident)?;
            row.watch = Some(watch.clone());
            self.pending.put(rows::put_recovery(&row)?);
            if watch.returned.is_none() {
                let hours = watch.until.millis_since(watch.since) / HOUR_MS;
                let detail = format!("on watch for {hours} h, and nothing of it came back");
                self.pending.line(Line::new("coordinator", "close", incident.to_string(), detail));
                self.todo.push_back(Todo::Close(*incident));
            }
        }
        Ok(())
    }
}
