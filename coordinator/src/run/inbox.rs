//! Owns: what sessions tell: hosts that come, go, join and speak; answers to commands and bundles.
//! Never: holding a session up: what touches the disk runs beside it.

use std::sync::Arc;

use picket_model::{ActionState, CommandKind, HostFacts, HostId, HostStatus, Sha256, Timestamp};

use super::desk::{Desk, now, unpoisoned};
use super::rows::{self, StatusRow};
use crate::api::Refused;
use crate::ingest::Inbox;

/// A status that says nothing new is written this often, so that a restart remembers when a host last spoke.
const STATUS_EVERY_MS: u64 = 300_000;

pub struct Desks(pub Arc<Desk>);

impl Desks {
    /// Sessions run on the reactor; the disk is waited for elsewhere. What fails there is logged and tried again by
    /// the next occasion: a command stays stored until it is answered.
    fn beside(&self, what: &'static str, work: impl FnOnce(&Desk) -> Result<(), Refused> + Send + 'static) {
        let desk = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = work(&desk) {
                tracing::error!(%error, "{what}");
            }
        });
    }
}

impl Inbox for Desks {
    /// The records are in the log already; the brain reads them from there.
    fn appended(&self) {
        self.0.wake();
    }

    fn status(&self, status: HostStatus) {
        let row = StatusRow { status, received: now() };
        if self.0.watch_status(&row.status, row.received) {
            let host = row.status.host;
            self.beside("that a canary goes by the new bundle could not be kept", move |desk| desk.note_taken(host));
        }
        let news = self.0.note_status(row.clone()).is_none_or(|StatusRow { status: before, received }| {
            before.bundle != row.status.bundle
                || before.isolated != row.status.isolated
                || before.conservative != row.status.conservative
                || before.tier != row.status.tier
                || row.received.as_millis() / STATUS_EVERY_MS != received.as_millis() / STATUS_EVERY_MS
        });
        if news {
            self.beside("a host's status could not be kept", move |desk| {
                Ok(desk.state.write(&[rows::put_status(&row)?])?)
            });
        }
    }

    fn connected(&self, host: HostId) {
        tracing::info!(%host, "connected");
        self.beside("waiting orders could not be sent", move |desk| desk.send_waiting(host));
    }

    fn disconnected(&self, host: HostId) {
        tracing::info!(%host, "disconnected");
        self.0.forget_sent(host);
    }

    fn bundle(&self) -> Option<Vec<u8>> {
        self.0.policy().map(|policy| policy.verified.bytes.clone())
    }

    fn list_part(&self, sha256: &[u8; 32], offset: u64, max: usize) -> Option<(Vec<u8>, u64)> {
        self.0.lists.part(&Sha256(*sha256), offset, max)
    }

    fn enrolling(&self, host: HostId, facts: &HostFacts) -> Result<(), String> {
        let recorded = self.0.record("agent", "enrol", &host.to_string(), &facts.hostname);
        recorded.map_err(|error| error.to_string())
    }

    fn cloned(&self, host: HostId) {
        tracing::warn!(%host, "two machines speak with this host's certificate");
        self.beside("a clone could not be recorded", move |desk| {
            desk.record(
                "coordinator",
                "clone",
                &host.to_string(),
                "a second connection came with another spool; revoke and enrol again",
            )
        });
    }

    fn bundle_answered(&self, host: HostId, version: u64, accepted: bool, detail: String) {
        tracing::info!(%host, version, accepted, %detail, "bundle answered");
        self.beside("an answer to a bundle could not be recorded", move |desk| {
            if !accepted {
                // 0: no trusted key says which it was.
                let which = if version == 0 { "unknown".to_owned() } else { version.to_string() };
                desk.record(&format!("host {host}"), "bundle refused", &which, &detail)?;
            }
            desk.note_answer(host, version, accepted, &detail)
        });
    }

    fn halt_answered(&self, host: HostId, issued: Timestamp, taken: bool, detail: String) {
        tracing::info!(%host, taken, %detail, "the switch answered");
        self.0.halt_answered(host, issued, taken, detail);
    }

    fn command_answered(&self, host: HostId, id: u64, taken: bool, detail: String) {
        self.beside("an answer could not be kept", move |desk| desk.answered(host, id, taken, &detail));
    }
}

impl Desk {
    /// The brain settles those that ran out.
    fn send_waiting(&self, host: HostId) -> Result<(), Refused> {
        self.forget_sent(host);
        for row in rows::commands_of(&*self.state, host)? {
            if row.command.expires > now() {
                self.dispatch(&row);
            }
        }
        Ok(())
    }

    /// The order has arrived. One that came to nothing closes its action, if that still stands as planned.
    fn answered(&self, host: HostId, id: u64, taken: bool, detail: &str) -> Result<(), Refused> {
        let _one = unpoisoned(&self.answering);
        let Some(row) = rows::command(&*self.state, host, id)? else { return Ok(()) };
        let mut changes = vec![rows::drop_command(host, id)];
        if matches!(row.command.kind, CommandKind::Look { .. }) {
            self.looked(id, detail)?;
        }
        if !taken {
            self.record(&format!("host {host}"), "order refused", &id.to_string(), detail)?;
            if let CommandKind::Act { action } = &row.command.kind
                && let Some(mut report) = rows::action(&*self.state, action.id)?.map(|row| row.report)
                && report.state == ActionState::Planned
            {
                report.state = ActionState::Refused;
                report.time = now();
                detail.clone_into(&mut report.detail);
                changes.push(rows::put_action(&report, report.time)?);
            }
        }
        Ok(self.state.write(&changes)?)
    }
}
