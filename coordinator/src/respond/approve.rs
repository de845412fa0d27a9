//! Owns: a question that waits for a person: who may answer it, until when, and only once.
//! Never: who is signed in; the API says that.

use picket_model::{Action, ActionId, Command, CommandKind, Principal, Timestamp};
use picket_policy::QUESTION_OPEN_MS;
use thiserror::Error;

/// How long the order that follows an answer may travel: older ones hit something else.
pub const ORDER_VALID_MS: u64 = 5 * 60_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    Yes,
    No,
}

impl Answer {
    const fn word(self) -> &'static str {
        match self {
            Self::Yes => "approved",
            Self::No => "denied",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ApproveError {
    #[error("action {action}: {principal} may not answer; an analyst has to")]
    NotAnAnalyst { action: ActionId, principal: Principal },
    #[error("action {action} was asked for by {principal}; another analyst has to answer")]
    OwnRequest { action: ActionId, principal: Principal },
    #[error("action {action} was already {} by {by} at {at}", answer.word())]
    Answered { action: ActionId, by: Principal, at: Timestamp, answer: Answer },
    #[error("action {action}: the question expired at {at}; ask for the action anew if it is still needed")]
    Expired { action: ActionId, at: Timestamp },
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum State {
    Open,
    Answered { by: Principal, at: Timestamp, answer: Answer },
}

/// An action that policy leaves to a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    action: Action,
    asked: Timestamp,
    state: State,
}

impl Question {
    #[must_use]
    pub const fn new(action: Action, asked: Timestamp) -> Self {
        Self { action, asked, state: State::Open }
    }

    #[cfg(test)]
    pub const fn action(&self) -> &Action {
        &self.action
    }

    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.asked.plus_millis(QUESTION_OPEN_MS)
    }

    /// The order for the host. Yes makes the action the analyst's own; the host judges it again under that principal.
    pub fn answer(
        &mut self,
        by: &Principal,
        answer: Answer,
        note: &str,
        now: Timestamp,
    ) -> Result<Command, ApproveError> {
        self.check(by, now)?;
        self.state = State::Answered { by: by.clone(), at: now, answer };
        let kind = match answer {
            Answer::Yes => {
                let mut action = self.action.clone();
                action.reason.principal = by.clone();
                if !note.is_empty() {
                    note.clone_into(&mut action.reason.note);
                }
                CommandKind::Act { action }
            }
            Answer::No => CommandKind::Deny { action: self.action.id, principal: by.clone(), note: note.to_owned() },
        };
        Ok(Command { kind, issued: now, expires: now.plus_millis(ORDER_VALID_MS) })
    }

    fn check(&self, by: &Principal, now: Timestamp) -> Result<(), ApproveError> {
        let action = self.action.id;
        if !matches!(by, Principal::Analyst { .. }) {
            return Err(ApproveError::NotAnAnalyst { action, principal: by.clone() });
        }
        if let State::Answered { by, at, answer } = &self.state {
            return Err(ApproveError::Answered { action, by: by.clone(), at: *at, answer: *answer });
        }
        if now >= self.expires() {
            return Err(ApproveError::Expired { action, at: self.expires() });
        }
        if self.action.reason.principal == *by {
            return Err(ApproveError::OwnRequest { action, principal: by.clone() });
        }
        Ok(())
    }
}
