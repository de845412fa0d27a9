//! Owns: questions that wait for a person: for whom, until when, and what becomes of one that nobody answers; kept over
//! restarts.
//! Never: whether the host may act then; policy says that anew.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use picket_model::{Action, ActionId, ActionReport, ActionState, FileId, Principal, Timestamp};
use picket_policy::{Escalation, Grounds, Judgement, Level, Then};
use serde::{Deserialize, Serialize};

use super::{Around, Engine, Trigger, now, stated};
use crate::run::clock::HostClock;
use crate::whole;

/// Questions that may wait for a person at once; more are asked but can only be refused at the coordinator.
const ASKED_MAX: usize = 1024;

/// As long as the coordinator takes an answer.
const OPEN_MS_MAX: u64 = 24 * 3_600_000;
/// All of them together: some KiB each.
const BYTES_MAX: u64 = 16 << 20;
const FILE: &str = "questions";

/// A question, with the very file that is meant.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    action: Action,
    file: Option<FileId>,
    /// By the steady date.
    asked: Timestamp,
    /// Taken out once it has been gone by.
    escalation: Option<Escalation>,
    grounds: Grounds,
}

pub struct Questions {
    path: PathBuf,
    open: HashMap<ActionId, Question>,
    /// What is on disk is older.
    is_changed: bool,
}

impl Questions {
    /// Those that were open when the agent ended. A file that cannot be read forgets them: nothing is done about those.
    pub fn recall(state_dir: &Path, clock: &HostClock) -> Self {
        let path = state_dir.join(FILE);
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut bytes));
        let mut kept: Vec<Question> = match read.map_err(|error| error.kind()) {
            Err(std::io::ErrorKind::NotFound) => Vec::new(),
            _ => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(%error, path = %path.display(), "open questions cannot be read and are forgotten");
                Vec::new()
            }),
        };
        kept.truncate(ASKED_MAX);
        for question in &mut kept {
            question.asked = question.asked.moved(clock.moved_ns());
        }
        let open = kept.into_iter().map(|question| (question.action.id, question)).collect();
        let mut questions = Self { path, open, is_changed: clock.moved_ns() != 0 };
        questions.forget_old(clock.steady_now());
        questions
    }

    /// Writes them down where something changed since.
    pub fn keep(&mut self) {
        if !std::mem::take(&mut self.is_changed) {
            return;
        }
        let open: Vec<&Question> = self.open.values().collect();
        let written = serde_json::to_vec(&open).map_err(std::io::Error::other);
        if let Err(error) = written.and_then(|bytes| whole::write(&self.path, &bytes)) {
            tracing::warn!(%error, path = %self.path.display(), "open questions would not outlive the agent");
        }
    }

    fn forget_old(&mut self, now: Timestamp) {
        let before = self.open.len();
        self.open.retain(|_, question| now.millis_since(question.asked) < OPEN_MS_MAX);
        self.is_changed |= self.open.len() != before;
    }

    /// It was answered, or done. The action and the file that it was about.
    pub fn take(&mut self, id: ActionId) -> Option<(Action, Option<FileId>)> {
        let question = self.open.remove(&id)?;
        self.is_changed = true;
        Some((question.action, question.file))
    }

    fn put(&mut self, action: &Action, file: Option<FileId>, grounds: &Grounds, asked: Timestamp) {
        if self.open.len() >= ASKED_MAX {
            self.forget_old(asked);
        }
        if self.open.len() < ASKED_MAX {
            let escalation = grounds.escalation.clone();
            let question = Question { action: action.clone(), file, asked, escalation, grounds: grounds.clone() };
            self.open.insert(action.id, question);
            self.is_changed = true;
        }
    }

    /// Those whose time is over; each comes once.
    fn overdue(&mut self, now: Timestamp) -> Vec<(ActionId, Escalation)> {
        let over = |question: &Question, escalation: &Escalation| {
            escalation.then != Then::Wait && now.millis_since(question.asked) >= escalation.within_ms
        };
        let due: Vec<_> = self
            .open
            .iter_mut()
            .filter(|(_, question)| question.escalation.as_ref().is_some_and(|it| over(question, it)))
            .filter_map(|(id, question)| Some((*id, question.escalation.take()?)))
            .collect();
        self.is_changed |= !due.is_empty();
        due
    }
}

impl Engine {
    pub(super) fn ask(&mut self, action: Action, grounds: Grounds, trigger: Option<Trigger>) -> ActionReport {
        let asked = self.clock.steady_now();
        self.questions.put(&action, trigger.and_then(|trigger| trigger.file), &grounds, asked);
        let detail = match &grounds.escalation {
            None => "waits for a person".to_owned(),
            Some(Escalation { ask, within_ms, then }) => {
                let until = now().plus_millis(*within_ms);
                match then {
                    Then::Wait => format!("waits for {ask}, who should answer before {until}"),
                    Then::Act => format!("waits for {ask} until {until}; then it is done"),
                    Then::Drop => format!("waits for {ask} until {until}; then it is given up"),
                }
            }
        };
        let report = stated(action, ActionState::Asked, grounds, detail);
        self.report(report.clone());
        report
    }

    /// What is out of scope is told, but for what the agent would do by itself where it only observes.
    pub(super) fn refuse(&mut self, action: Action, grounds: Grounds) -> ActionReport {
        let by = grounds.decided_by.join(", ");
        let (detail, silent) = match grounds.level {
            Some(Level::Observe) => (format!("only observed: {by}"), action.reason.principal == Principal::Agent),
            Some(Level::Suggest) => (format!("only suggested, for a person to order: {by}"), false),
            _ => (format!("out of scope: {by}"), false),
        };
        let report = stated(action, ActionState::Refused, grounds, detail);
        if !silent {
            self.report(report.clone());
        }
        report
    }

    /// Questions that nobody answered in time.
    pub(super) fn unanswered(&mut self) {
        let moment = self.clock.now();
        for (id, escalation) in self.questions.overdue(moment.steady) {
            let Some(question) = self.questions.open.get(&id) else { continue };
            let (action, grounds) = (question.action.clone(), question.grounds.clone());
            let waited_ms = moment.steady.millis_since(question.asked);
            let nobody = format!("nobody answered within {} s", escalation.within_ms / 1000);
            if escalation.then == Then::Drop {
                self.questions.take(id);
                self.report(stated(action, ActionState::Refused, grounds, format!("given up: {nobody}")));
                continue;
            }
            let around = Around(&self.normalizer, &self.system_files);
            match self.decide.on_silence(action.clone(), waited_ms, &around, moment) {
                Some(Judgement::ActNow(action, mut grounds)) => {
                    grounds.decided_by.push(format!("escalation: {nobody}"));
                    self.act(action, grounds, None);
                }
                Some(Judgement::Ask(action, grounds)) => {
                    let by = grounds.decided_by.join(", ");
                    let detail = format!("waits for a person: {nobody}, and policy does not let the host act ({by})");
                    self.report(stated(action, ActionState::Asked, grounds, detail));
                }
                Some(Judgement::OutOfScope(action, grounds)) => {
                    self.questions.take(id);
                    self.refuse(action, grounds);
                }
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
