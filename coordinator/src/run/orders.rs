//! Owns: what people order: each is checked, written to the audit log, and only then sent.
//! Never: power over a host: what is sent is judged there again.

use picket_model::action::Reason;
use picket_model::{
    Action, ActionId, ActionKind, ActionReport, ActionState, BundleVersion, Command, CommandKind, HostId, IncidentId,
    IncidentStatus, Principal, Timestamp, VerdictKind,
};
use serde_json::json;

use super::desk::{Desk, Policy, now, unpoisoned};
use super::lists::Taken;
use super::rows::{self, Acknowledged, ActionRow, CommandRow};
use crate::api::{Answer, ContainRequest, IsolateRequest, Refused, ScanRequest, Status};
use crate::audit::Line;
use crate::identity;
use crate::respond::approve::ORDER_VALID_MS;
use crate::respond::{Answer as YesNo, Question};
use crate::store::{Change, Table};

/// An undoing is right whenever the host comes back; everything else is as old as `respond` lets an order be.
const UNDO_LIFE_MS: u64 = 7 * 24 * 3_600_000;
/// What a person orders must end by itself within a week; longer is a decision to take again.
const LEASE_MS_MAX: u64 = 7 * 24 * 3_600_000;
/// A join token is used within days or made anew.
const TOKEN_TTL_S_MAX: u64 = 30 * 24 * 3600;

impl Desk {
    /// Keeps a command until its host answered, in one write with what it changes, and sends it if the host is there.
    fn send(&self, host: HostId, command: Command, with: impl IntoIterator<Item = Change>) -> Result<(), Refused> {
        self.send_row(&CommandRow { id: self.command_id(), host, command }, with)
    }

    pub(super) fn send_row(&self, row: &CommandRow, with: impl IntoIterator<Item = Change>) -> Result<(), Refused> {
        let changes: Vec<Change> = with.into_iter().chain([rows::put_command(row)?]).collect();
        self.state.write(&changes)?;
        self.dispatch(row);
        Ok(())
    }

    /// Answers the question that an action waits for: who may, until when and only once is respond's to say.
    fn answer(&self, who: &str, id: ActionId, answer: YesNo, note: &str) -> Answer {
        let _one = unpoisoned(&self.answering);
        let ActionRow { mut report, received } = self.known(id)?;
        if report.state != ActionState::Asked {
            return Err(Refused::new(
                Status::Conflict,
                format!("the action waits for nobody: it is {} ({})", report.state.word(), report.detail),
                "`picket actions --state asked` lists what waits",
            ));
        }
        // The host's clock does not say how long the question has been open.
        let asked = if received == Timestamp::default() { report.time } else { received };
        let command = Question::new(report.action.clone(), asked).answer(&analyst(who), answer, note, now()).map_err(
            |error| Refused::new(Status::Conflict, error.to_string(), "`picket actions` shows where it stands"),
        )?;
        if answer == YesNo::Yes {
            self.keep_quorum(report.action.host, &report.action.kind)?;
        }
        let (word, state) = match answer {
            YesNo::Yes => ("approve", ActionState::Planned),
            YesNo::No => ("deny", ActionState::Refused),
        };
        self.record(who, word, &id.to_string(), &format!("{}: {note}", report.action.kind))?;
        report.state = state;
        report.time = now();
        match &command.kind {
            CommandKind::Act { action } => {
                report.action = action.clone();
                report.detail = format!("approved by {who}, on its way to the host");
            }
            _ => report.detail = format!("refused by {who}: {note}"),
        }
        // One of the coordinator's own is on no path any more, whatever its host says of it later.
        let answered = [rows::put_action(&report, report.time)?, rows::drop_row(Table::Questions, id.as_bytes())];
        self.send(report.action.host, command, answered)?;
        self.note_answered(id);
        Ok(self.action_json(&report))
    }

    fn known(&self, id: ActionId) -> Result<ActionRow, Refused> {
        rows::action(&*self.state, id)?.ok_or_else(|| Refused::missing("action"))
    }

    pub fn order_approve(&self, who: &str, id: ActionId, note: &str) -> Answer {
        self.answer(who, id, YesNo::Yes, note)
    }

    pub fn order_deny(&self, who: &str, id: ActionId, note: &str) -> Answer {
        self.answer(who, id, YesNo::No, note)
    }

    /// A person has looked at what was done; nobody else is asked to. It changes nothing on the host.
    pub fn order_acknowledge(&self, who: &str, id: ActionId, note: &str) -> Answer {
        let _one = unpoisoned(&self.answering);
        let report = self.known(id)?.report;
        let hint = "`picket actions --asks` lists what somebody should look at";
        if let Some(Acknowledged { by, at, .. }) = rows::acknowledged(&*self.state, id)? {
            let message = format!("action {id} was already acknowledged by {by} at {at}");
            return Err(Refused::new(Status::Conflict, message, hint));
        }
        if !report.is_looked_at() {
            let message =
                format!("nobody was to look at the action: it is {} ({})", report.state.word(), report.detail);
            return Err(Refused::new(Status::Conflict, message, hint));
        }
        self.record(who, "acknowledge", &id.to_string(), &format!("{}: {note}", report.action.kind))?;
        let row = Acknowledged { by: who.to_owned(), at: now(), note: note.to_owned() };
        self.state.write(&[rows::put_acknowledged(id, &row)?])?;
        Ok(self.action_json(&report))
    }

    pub fn order_undo(&self, who: &str, id: ActionId, note: &str) -> Answer {
        let _one = unpoisoned(&self.answering);
        let report = self.known(id)?.report;
        if !report.action.kind.undoable() {
            let message = format!("{} has no inverse", report.action.kind.word());
            return Err(Refused::new(Status::Invalid, message, "what was ended has to be started again by hand"));
        }
        // One that failed may hold on its host in spite of what was observed of it: the host knows, and says so.
        if !matches!(report.state, ActionState::Applied | ActionState::Failed) {
            return Err(Refused::new(
                Status::Conflict,
                format!("nothing to undo: the action is {} ({})", report.state.word(), report.detail),
                "`picket actions --state applied` lists what is in force",
            ));
        }
        self.record(who, "undo", &id.to_string(), &format!("{}: {note}", report.action.kind))?;
        let kind = CommandKind::Undo { action: id, principal: analyst(who), note: note.to_owned() };
        self.send(report.action.host, order(kind), None)?;
        Ok(self.action_json(&report))
    }

    pub fn order_isolate(&self, who: &str, host: HostId, request: IsolateRequest) -> Answer {
        if request.lease_ms == 0 {
            return Err(Refused::new(
                Status::Invalid,
                "a lease of 0 ms: isolation lasts between 1 ms and 7 days",
                "give --lease, for example 2h",
            ));
        }
        let IsolateRequest { scope, lease_ms, note } = request;
        self.order_contain(who, host, ContainRequest { action: ActionKind::IsolateHost { scope }, lease_ms, note })
    }

    pub fn order_contain(&self, who: &str, host: HostId, request: ContainRequest) -> Answer {
        let ContainRequest { action: kind, lease_ms, note } = request;
        self.live_host(host)?;
        if lease_ms > LEASE_MS_MAX {
            return Err(Refused::new(
                Status::Invalid,
                format!("a lease of {lease_ms} ms: no act of a person lasts longer than 7 days"),
                "give --lease, for example 2h; ask anew when it ends",
            ));
        }
        if !picket_wire::travels(&kind) {
            return Err(Refused::new(
                Status::Invalid,
                format!("the target of {} is longer than an order may carry", kind.word()),
                "docs/PROTOCOL.md says how long each field may be",
            ));
        }
        // Two isolations at once must not both count the other's host.
        let _one = unpoisoned(&self.answering);
        self.keep_quorum(host, &kind)?;
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(Refused::internal)?;
        let action = Action {
            id: ActionId::from_bytes(id),
            host,
            kind,
            reason: Reason {
                principal: analyst(who),
                detection: None,
                rule: None,
                severity: 0,
                incident: None,
                families: 0,
                drill: false,
                note,
            },
            requested: now(),
            lease_ms,
        };
        self.order(who, action)
    }

    /// An action that the coordinator begins: recorded, kept as planned, sent.
    pub fn order(&self, who: &str, action: Action) -> Answer {
        let Line { what, subject, detail, .. } = line(who, &action);
        self.record(who, &what, &subject, &detail)?;
        let command = self.act(&action);
        let report = self.planned(action);
        self.send_row(&command, Some(rows::put_action(&report, report.time)?))?;
        Ok(self.action_json(&report))
    }

    /// The order to do it.
    pub fn act(&self, action: &Action) -> CommandRow {
        let command = order(CommandKind::Act { action: action.clone() });
        CommandRow { id: self.command_id(), host: action.host, command }
    }

    /// How it stands until the host reports.
    pub fn planned(&self, action: Action) -> ActionReport {
        ActionReport {
            state: ActionState::Planned,
            // The host's own verdict takes its place with the first report.
            verdict: VerdictKind::Ask,
            bundle: self.policy().map_or(BundleVersion(0), |policy| policy.verified.bundle.version),
            decided_by: Vec::new(),
            time: now(),
            latency_us: 0,
            detail: "on its way to the host".into(),
            action,
        }
    }

    /// Closed at once for people; the brain, which grows incidents, learns of it next.
    pub fn order_close(&self, who: &str, id: IncidentId, note: &str) -> Answer {
        let _one = unpoisoned(&self.answering);
        let mut incident = rows::incident(&*self.state, id)?.ok_or_else(|| Refused::missing("incident"))?;
        if incident.status == IncidentStatus::Closed {
            return Err(Refused::new(
                Status::Conflict,
                format!("the incident is closed since {}", incident.updated),
                "`picket incident` shows it; later detections open a new one",
            ));
        }
        self.record(who, "close", &id.to_string(), &format!("{}: {note}", incident.title))?;
        incident.status = IncidentStatus::Closed;
        incident.updated = now();
        self.state.write(&[rows::put_incident(&incident)?, rows::put_closing(id, None)])?;
        self.note_closing(id);
        self.wake();
        Ok(json!({"incident": incident}))
    }

    pub fn order_release(&self, who: &str, host: HostId, note: &str) -> Answer {
        self.live_host(host)?;
        let mut isolations: Vec<ActionId> = Vec::new();
        rows::each_action(&*self.state, |ActionRow { report, .. }| {
            if report.action.host == host
                && report.state == ActionState::Applied
                && matches!(report.action.kind, ActionKind::IsolateHost { .. })
            {
                isolations.push(report.action.id);
            }
        })?;
        if isolations.is_empty() {
            return Err(Refused::new(Status::Conflict, "the host is not isolated", "`picket hosts` shows who is"));
        }
        let released: Result<Vec<_>, _> = isolations.iter().map(|id| self.order_undo(who, *id, note)).collect();
        Ok(json!({"released": released?}))
    }

    /// The host looks through a process's memory; what it finds comes as detections.
    pub fn order_scan(&self, who: &str, host: HostId, request: &ScanRequest) -> Answer {
        self.live_host(host)?;
        let ScanRequest { pid, note } = request;
        self.record(who, "scan_memory", &host.to_string(), &format!("process {pid}: {note}"))?;
        let kind = CommandKind::ScanMemory { pid: *pid, principal: analyst(who), note: note.clone() };
        self.send(host, order(kind), None)?;
        Ok(json!({"host": host, "pid": pid, "ordered": now()}))
    }

    pub fn order_revoke(&self, who: &str, host: HostId, note: &str) -> Answer {
        self.live_host(host)?;
        self.record(who, "revoke", &host.to_string(), note)?;
        identity::revoke(&*self.state, host, now()).map_err(Refused::internal)?;
        self.sessions.revoke(host);
        self.say_host(host)
    }

    pub fn order_policy(&self, who: &str, bytes: &[u8]) -> Answer {
        let _one = unpoisoned(&self.answering);
        self.no_rollout()?;
        let current = self.policy();
        let policy = self.offered(bytes, current.as_ref().map(|policy| policy.verified.bundle.version))?;
        let bundle = &policy.verified.bundle;
        self.record(
            who,
            "policy",
            &bundle.version.to_string(),
            &format!("{} version {}", bundle.name, bundle.version),
        )?;
        let kept = current.map(|leaving| self.keeping(&leaving)).transpose()?.unwrap_or_default();
        let policy = self.adopt(policy, kept)?;
        Ok(Self::policy_json(&policy))
    }

    /// A bundle that may follow this version, with all that hosts will ask for.
    pub fn offered(&self, bytes: &[u8], current: Option<BundleVersion>) -> Result<Policy, Refused> {
        let verified = picket_policy::accept(bytes, &[self.policy_key], current, now()).map_err(|error| {
            use picket_policy::BundleError;
            let status = match error {
                BundleError::Signature { .. } | BundleError::UnknownKey { .. } => Status::Forbidden,
                BundleError::Older { .. } => Status::Conflict,
                _ => Status::Invalid,
            };
            Refused::new(status, error.to_string(), "nothing was changed; `picket policy sign` makes a bundle")
        })?;
        let policy = super::desk::compile(verified).map_err(|why| {
            Refused::new(Status::Invalid, why, "nothing was changed; `picket rules check` shows the same errors")
        })?;
        let missing = self.lists.missing(&policy.verified.bundle.indicator_lists).len();
        if missing > 0 {
            return Err(Refused::new(
                Status::Invalid,
                format!("{missing} of its lists of indicators are not here, and no host would get them"),
                "nothing was changed; keep the folder FILE.lists beside the bundle, as `picket policy sign` wrote it",
            ));
        }
        Ok(policy)
    }

    /// A list of indicators, for a bundle to come.
    pub fn order_list(&self, bytes: &[u8]) -> Answer {
        // Where room is short only the lists of the bundle in force stay, and canaries need others.
        self.no_rollout()?;
        let refused = |why| Refused::new(Status::Invalid, why, "`picket policy sign --indicators` makes lists");
        let policy = self.policy();
        let in_force = policy.as_ref().map_or(&[][..], |policy| &policy.verified.bundle.indicator_lists);
        let Taken { sha256, kind, entries } = self.lists.take(bytes, in_force).map_err(refused)?;
        Ok(json!({"sha256": sha256, "kind": kind, "entries": entries}))
    }

    pub fn order_token(&self, who: &str, ttl_s: u64, uses: u32) -> Answer {
        if ttl_s == 0 || ttl_s > TOKEN_TTL_S_MAX {
            return Err(Refused::new(
                Status::Invalid,
                format!("a join token lives between 1 s and 30 days, not {ttl_s} s"),
                "give --ttl, for example 1h",
            ));
        }
        if uses == 0 || uses > identity::TOKEN_USES_MAX {
            let error = identity::IdentityError::Uses(uses);
            return Err(Refused::new(Status::Invalid, error.to_string(), "give --uses between 1 and 10000"));
        }
        let expires = now().plus_millis(ttl_s * 1000);
        let key = self.policy_key.to_bytes();
        self.record(who, "token", "", &format!("for {uses} hosts, until {expires}"))?;
        let token = identity::issue(&*self.state, &self.advertised, self.ca.fingerprint(), key, uses, expires)
            .map_err(Refused::internal)?;
        Ok(json!({"token": token.to_text(), "expires": expires, "uses": uses}))
    }

    pub(super) fn live_host(&self, host: HostId) -> Result<(), Refused> {
        let row = identity::host(&*self.state, host).map_err(Refused::internal)?;
        match row {
            None => Err(Refused::missing("host")),
            Some(row) if row.revoked.is_some() => {
                Err(Refused::new(Status::Conflict, "the host is revoked", "enrol it again to steer it"))
            }
            Some(_) => Ok(()),
        }
    }
}

/// How an action that the coordinator begins stands in the audit log.
pub fn line(who: &str, action: &Action) -> Line {
    let detail = format!("{}: {}", action.kind, action.reason.note);
    Line::new(who, action.kind.word(), action.id.to_string(), detail)
}

pub(super) fn analyst(who: &str) -> Principal {
    Principal::Analyst { name: who.to_owned() }
}

pub(super) fn order(kind: CommandKind) -> Command {
    let issued = now();
    let life = if matches!(kind, CommandKind::Undo { .. }) { UNDO_LIFE_MS } else { ORDER_VALID_MS };
    Command { kind, issued, expires: issued.plus_millis(life) }
}
