//! Owns: questions that wait for a person: for whom, until when, who is asked next, and what becomes of one that nobody
//! answers; kept over restarts.
//! Never: whether the host may act then; policy says that anew.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use picket_model::{Action, ActionId, ActionReport, ActionState, FileId, Principal, Timestamp};
use picket_policy::{Authorized, Due, Escalation, Grounds, Judgement, Level, Moment, Then, Waiting};
use serde::{Deserialize, Serialize};

use super::{Around, Engine, Trigger, stated};
use crate::decide::{Decide, Surroundings};
use crate::run::clock::HostClock;
use crate::whole;

/// Questions that may wait for a person at once; more are asked but can only be refused at the coordinator.
const ASKED_MAX: usize = 1024;

/// All of them together: some KiB each.
const BYTES_MAX: u64 = 16 << 20;
const FILE: &str = "questions";

/// A question, with the very file that is meant.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Question {
    action: Action,
    file: Option<FileId>,
    #[serde(flatten)]
    waiting: Waiting,
    grounds: Grounds,
}

/// What follows from nobody's answer.
enum Unanswered {
    Told(ActionReport),
    Act(Authorized<Action>, Grounds),
    OutOfScope(Action, Grounds),
}

impl Question {
    /// As it is told whenever somebody is asked.
    fn stated(&self, now: Moment) -> ActionReport {
        let mut grounds = self.grounds.clone();
        grounds.decided_by.extend(self.waiting.decided_by());
        stated(self.action.clone(), ActionState::Asked, grounds, self.waiting.said(now.wall))
    }
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
            question.waiting.move_by(clock.moved_ns());
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
        self.open.retain(|_, question| question.waiting.is_open(now));
        self.is_changed |= self.open.len() != before;
    }

    /// It was answered, or done. The action and the file that it was about.
    pub fn take(&mut self, id: ActionId) -> Option<(Action, Option<FileId>)> {
        let question = self.open.remove(&id)?;
        self.is_changed = true;
        Some((question.action, question.file))
    }

    /// It is told whether or not there is room for it.
    fn put(&mut self, action: Action, file: Option<FileId>, grounds: Grounds, asked: Moment) -> ActionReport {
        let waiting = Waiting::new(grounds.escalation.clone(), asked.steady);
        let question = Question { action, file, waiting, grounds };
        let report = question.stated(asked);
        if self.open.len() >= ASKED_MAX {
            self.forget_old(asked.steady);
        }
        if self.open.len() < ASKED_MAX {
            self.open.insert(question.action.id, question);
            self.is_changed = true;
        }
        report
    }

    /// Those for which somebody's time is over.
    fn overdue(&mut self, now: Timestamp) -> Vec<(ActionId, Due)> {
        let of = |(id, question): (&ActionId, &mut Question)| Some((*id, question.waiting.due(now)?));
        let due: Vec<_> = self.open.iter_mut().filter_map(of).collect();
        self.is_changed |= !due.is_empty();
        due
    }

    /// Asks whoever is next, and settles what nobody on the path has answered.
    fn go_on(&mut self, decide: &mut Decide, around: &dyn Surroundings, now: Moment) -> Vec<Unanswered> {
        let due = self.overdue(now.steady);
        due.into_iter()
            .filter_map(|(id, due)| match due {
                Due::NextStage => Some(Unanswered::Told(self.open.get(&id)?.stated(now))),
                Due::End(path) => self.end(id, &path, decide, around, now),
            })
            .collect()
    }

    fn end(
        &mut self,
        id: ActionId,
        path: &Escalation,
        decide: &mut Decide,
        around: &dyn Surroundings,
        now: Moment,
    ) -> Option<Unanswered> {
        let Question { action, mut grounds, waiting, .. } = self.open.get(&id)?.clone();
        let words = path.gone_by();
        match path.then {
            Then::Act => {}
            Then::Wait => {
                grounds.decided_by.extend(words);
                let detail = waiting.stays_open(path, now);
                return Some(Unanswered::Told(stated(action, ActionState::Asked, grounds, detail)));
            }
            Then::Drop => {
                self.take(id);
                grounds.decided_by.extend(words);
                return Some(Unanswered::Told(stated(action, ActionState::Refused, grounds, path.given_up())));
            }
        }
        let waited_ms = now.steady.millis_since(waiting.asked);
        Some(match decide.on_silence(action, waited_ms, around, now)? {
            Judgement::ActNow(action, mut grounds) => {
                grounds.decided_by.extend(words);
                Unanswered::Act(action, grounds)
            }
            Judgement::Ask(action, mut grounds) => {
                let detail = path.not_done("the host act", &grounds.decided_by);
                grounds.decided_by.extend(words);
                Unanswered::Told(stated(action, ActionState::Asked, grounds, detail))
            }
            Judgement::OutOfScope(action, grounds) => {
                self.take(id);
                Unanswered::OutOfScope(action, grounds)
            }
        })
    }
}

impl Engine {
    pub(super) fn ask(&mut self, action: Action, grounds: Grounds, trigger: Option<Trigger>) -> ActionReport {
        let file = trigger.and_then(|trigger| trigger.file);
        let report = self.questions.put(action, file, grounds, self.clock.now());
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
        let around = Around(&self.normalizer, &self.system_files);
        for unanswered in self.questions.go_on(&mut self.decide, &around, self.clock.now()) {
            match unanswered {
                Unanswered::Told(report) => self.report(report),
                Unanswered::Act(action, grounds) => drop(self.act(action, grounds, None)),
                Unanswered::OutOfScope(action, grounds) => drop(self.refuse(action, grounds)),
            }
        }
    }
}

#[cfg(test)]
mod tests;
