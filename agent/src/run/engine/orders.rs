//! Owns: what comes down from the coordinator: commands, bundles, heads of its audit log.
//! Never: believing it: each is judged or checked here.

use std::time::Instant;

use picket_detect::Detector;
use picket_model::{
    ActionId, ActionReport, ActionState, Activity, BundleVersion, Command, CommandKind, Event, Principal, TamperKind,
    VerdictKind,
};
use picket_policy::{Grounds, Judgement};

use super::{Around, Engine, stated};
use crate::decide::Order;
use crate::run::bundles::{Keeper, Prepared, Ready, Refused};
use crate::run::status;
use crate::sensor::TOLD_AFTER;
use crate::sys::memory;
use crate::whole::Put;

impl Engine {
    /// An order of the coordinator: whether it was taken, and what came of it.
    pub fn command(&mut self, command: Command) -> (bool, String) {
        if let CommandKind::Act { action } = &command.kind
            && let Some(report) = self.containment.report(action.id)
            && !self.containment.would_last(action)
        {
            // Sent again after a broken link. Judged again it would spend the budget twice, or be refused though done.
            return (true, came_of(&report));
        }
        let order =
            match self.decide.on_command(command, &Around(&self.normalizer, &self.system_files), self.clock.now()) {
                Ok(order) => order,
                Err(refusal) => return (false, refusal.to_string()),
            };
        match order {
            Order::Judged(judgement) => {
                let taken = matches!(*judgement, Judgement::ActNow(..));
                (taken, came_of(&self.judged(*judgement, None)))
            }
            Order::Undo { action, principal, note } => match self.containment.undo(action, &principal, &note) {
                Ok(report) => {
                    let detail = report.detail.clone();
                    self.report(report);
                    (true, detail)
                }
                Err(error) => (false, error.to_string()),
            },
            Order::Deny { action, principal, note } => self.deny(action, &principal, &note),
            Order::ScanMemory { process } => self.scan_memory(process),
            // Short enough for an answer: the coordinator asks of so many at once.
            Order::Look { kinds } => match serde_json::to_string(&self.containment.look(&kinds)) {
                Ok(seen) => (true, seen),
                Err(error) => (false, error.to_string()),
            },
        }
    }

    fn deny(&mut self, id: ActionId, principal: &Principal, note: &str) -> (bool, String) {
        let Some((action, _)) = self.questions.take(id) else {
            return (false, format!("this host asked no question {id}, or it was answered"));
        };
        let bundle = self.keeper.version().unwrap_or(BundleVersion(0));
        let grounds = Grounds {
            verdict: VerdictKind::Ask,
            bundle,
            decided_by: vec![principal.to_string()],
            spare: Vec::new(),
            level: None,
            escalation: None,
            account: String::new(),
        };
        self.report(stated(action, ActionState::Refused, grounds, format!("refused by {principal}: {note}")));
        (true, "refused".to_owned())
    }

    /// A bundle was checked and compiled beside: its version, whether it is in force, and why not.
    pub fn prepared(&mut self, prepared: Prepared) -> (u64, bool, String) {
        let begun = Instant::now();
        match self.keeper.keep(prepared) {
            Ok((Ready { authority, detector, yara, interest }, put)) => {
                let (version, name) = (authority.bundle().version, authority.bundle().name.clone());
                self.decide.adopt(authority);
                let before = self.detect.replace(detector);
                self.containment.set_isolation(self.keeper.isolation());
                self.set_yara(yara);
                self.set_interest(&interest);
                tracing::info!(us = begun.elapsed().as_micros(), "events waited while the bundle took over");
                leave_behind(before, put);
                self.shared.change(|status| status.blind_spots.retain(|spot| !status::is_broken(spot)));
                self.speak("bundle accepted", &format!("{name} version {version}"));
                self.refresh();
                (version.0, true, String::new())
            }
            Err(refused) => self.refused(refused),
        }
    }

    /// The agent ended with a bundle too often: said at the start, and to whoever looks until another is in force.
    pub(super) fn say_what_was_left(&mut self) {
        if let Some(left) = self.keeper.left().map(str::to_owned) {
            self.shared.change(|status| status.blind_spots.push(left.clone()));
            let damaged = left.starts_with(status::DAMAGED);
            self.speak(if damaged { "bundle damaged" } else { "bundle left behind" }, &left);
        }
    }

    pub(super) fn say_what_was_damaged(&mut self) {
        let places = self.containment.journal_damaged();
        if places > 0 {
            let detail = format!("words on actions were lost in {places} places; what it says else counts");
            self.speak("containment journal damaged", &detail);
        }
    }

    /// Where somebody killed the agent's last life, no bundle did.
    pub(super) fn hear_of_last_life(&self, event: &Event) {
        if let Activity::Tamper { kind: TamperKind::Kill, refused: false, detail } = &event.activity
            && detail.ends_with(TOLD_AFTER)
        {
            self.keeper.forgive();
        }
    }

    /// It does not count, and the one before it goes on. Version 0 where nobody can say which one it was.
    pub fn refused(&mut self, Refused { version, why }: Refused) -> (u64, bool, String) {
        let which = version.map_or_else(String::new, |version| format!("version {version}: "));
        self.speak("bundle refused", &format!("{which}{why}"));
        (version.map_or(0, |version| version.0), false, why)
    }

    /// A bundle is looked at beside everything else, or waits for something.
    pub fn bundle_stands(&mut self, what: &str, detail: &str) {
        self.speak(what, detail);
    }

    pub fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// A signed head of the coordinator's audit log, kept where the coordinator cannot take it back.
    pub fn witness(&mut self, bytes: &[u8]) {
        if let Err(error) = self.witnesses.keep(bytes) {
            tracing::error!(%error, "the audit log's head could not be kept");
        }
    }
}

/// What takes time and need not be waited for: the disk, and taking thousands of expressions apart.
fn leave_behind(before: Detector, put: Put) {
    let work = move || {
        if let Err(error) = put.settle() {
            tracing::warn!(%error, "the bundle may not outlast a crash; the coordinator would send it again");
        }
        drop(before);
        memory::give_back_what_is_scattered();
    };
    // Without a thread it is not settled here and now: a crash costs no more than that it is sent again.
    let _ = std::thread::Builder::new().name("bundle".into()).spawn(work);
}

/// What came of an order, in words for whoever gave it.
fn came_of(report: &ActionReport) -> String {
    let by = report.decided_by.join(", ");
    match report.state {
        ActionState::Applied => format!("carried out: {}", report.detail),
        ActionState::Asked => format!("policy on the host does not let it act ({by}); it waits for a person"),
        ActionState::Refused => format!("policy on the host does not let it act: {}", report.detail),
        state => format!("{}: {}", state.word(), report.detail),
    }
}

#[cfg(test)]
mod tests;
