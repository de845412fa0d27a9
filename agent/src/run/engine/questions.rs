//! Owns: questions that wait for a person: for whom, until when, and what becomes of one that nobody answers.
//! Never: whether the host may act then; policy says that anew.

use std::collections::HashMap;

use picket_model::{Action, ActionId, ActionReport, ActionState, FileId, Principal, Timestamp};
use picket_policy::{Escalation, Grounds, Judgement, Level, Then};

use super::{Around, Engine, Trigger, now, stated};

/// Questions that may wait for a person at once; more are asked but can only be refused at the coordinator.
const ASKED_MAX: usize = 1024;

/// A question, with the very file that is meant.
struct Question {
    action: Action,
    file: Option<FileId>,
    /// By the steady date.
    asked: Timestamp,
    /// Taken out once it has been gone by.
    escalation: Option<Escalation>,
    grounds: Grounds,
}

#[derive(Default)]
pub struct Questions(HashMap<ActionId, Question>);

impl Questions {
    /// It was answered, or done. The action and the file that it was about.
    pub fn take(&mut self, id: ActionId) -> Option<(Action, Option<FileId>)> {
        self.0.remove(&id).map(|question| (question.action, question.file))
    }

    fn put(&mut self, action: &Action, file: Option<FileId>, grounds: &Grounds, asked: Timestamp) {
        if self.0.len() < ASKED_MAX {
            let escalation = grounds.escalation.clone();
            let question = Question { action: action.clone(), file, asked, escalation, grounds: grounds.clone() };
            self.0.insert(action.id, question);
        }
    }

    /// Those whose time is over; each comes once.
    fn overdue(&mut self, now: Timestamp) -> Vec<(ActionId, Escalation)> {
        let over = |question: &Question, escalation: &Escalation| {
            escalation.then != Then::Wait && now.millis_since(question.asked) >= escalation.within_ms
        };
        self.0
            .iter_mut()
            .filter(|(_, question)| question.escalation.as_ref().is_some_and(|it| over(question, it)))
            .filter_map(|(id, question)| Some((*id, question.escalation.take()?)))
            .collect()
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
            let Some(question) = self.questions.0.get(&id) else { continue };
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
