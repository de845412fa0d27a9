//! Owns: the coordinator's own questions: whom each is for, whose time is over, and what becomes of one that nobody answers;
//! kept over restarts.
//! Never: those that hosts ask, or a person's answer, which is an order.

use std::collections::BTreeMap;

use picket_model::{
    Action, ActionId, ActionReport, ActionState, BundleVersion, HostId, IncidentStatus, Principal, Timestamp,
    VerdictKind,
};
use picket_policy::{Due, Escalation, Then, Waiting};
use serde::{Deserialize, Serialize};

use super::desk::now;
use super::rows;
use super::todo::{Follows, Todo};
use super::work::Work;
use crate::api::Refused;
use crate::audit::Line;
use crate::identity;
use crate::store::{StateStore, StoreError, Table, each};

/// Questions on a path at once, some KiB each; more wait for a person, and no path ends for them.
const ON_PATHS_MAX: usize = 10_000;

/// What the coordinator would order, if a person or nobody says so.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Question {
    action: Action,
    /// The host whose evidence could not pay for it; none where it has paid.
    trigger: Option<HostId>,
    because: Because,
    #[serde(flatten)]
    waiting: Waiting,
}

/// Why it is not ordered at once.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Because {
    /// As a sentence goes on: `the budget of the group db is used up`.
    pub said: String,
    /// `budget: the group db`
    pub decided_by: String,
}

impl Because {
    pub fn group(name: &str) -> Self {
        Self {
            said: format!("the budget of the group {name} is used up"),
            decided_by: format!("budget: the group {name}"),
        }
    }

    pub fn trigger(hostname: &str) -> Self {
        Self {
            said: format!("the budget of {hostname} is used up"),
            decided_by: "budget: the triggering host".to_owned(),
        }
    }
}

/// Those that are on a path.
#[derive(Default)]
pub struct Questions(BTreeMap<ActionId, Question>);

impl Questions {
    /// Those of an earlier life, each as far as it had come. Where the clock was set back since, people have their time anew.
    pub fn recall(state: &dyn StateStore, now: Timestamp) -> Result<Self, StoreError> {
        let mut open = BTreeMap::new();
        each(state, Table::Questions, &[], |_, bytes| {
            match serde_json::from_slice::<Question>(bytes) {
                Ok(mut question) => {
                    let Waiting { asked, passed, .. } = &mut question.waiting;
                    std::iter::once(asked).chain(passed).for_each(|time| *time = now.min(*time));
                    open.insert(question.action.id, question);
                }
                // One damaged row must not keep the coordinator from starting; a person can still answer.
                Err(error) => tracing::error!(%error, "a row of open questions is damaged: its path ends"),
            }
            Ok::<_, StoreError>(())
        })?;
        Ok(Self(open))
    }
}

impl Work {
    /// Asks a person about what the coordinator would do, along the path of the host's tier.
    pub(super) fn ask(&mut self, action: &Action, trigger: Option<HostId>, because: Because) -> Follows {
        let now = now();
        let has_room = self.questions.0.len() < ON_PATHS_MAX;
        if !has_room {
            self.lost("questions.on_paths", 1);
        }
        let path = self.path(action).filter(|_| has_room);
        let question = Question { action: action.clone(), trigger, because, waiting: Waiting::new(path, now) };
        self.say_asked(&question, now)?;
        if question.waiting.escalation.is_some() {
            self.keep_question(question)?;
        }
        Ok(Vec::new())
    }

    /// Of the tier that the host is of by the name it was enrolled under: by another name it chooses no other path.
    fn path(&self, action: &Action) -> Option<Escalation> {
        let policy = self.desk.policy()?;
        let enrolled = identity::host(&*self.desk.state, action.host).ok().flatten().map(|row| row.facts.hostname);
        let name = enrolled.unwrap_or_else(|| self.desk.hostname(action.host));
        let tier = policy.verified.bundle.autonomy.tier(&name, action.host)?;
        tier.escalation.clone()
    }

    fn keep_question(&mut self, question: Question) -> Result<(), Refused> {
        self.pending.put(rows::put(Table::Questions, question.action.id.as_bytes(), &question)?);
        self.questions.0.insert(question.action.id, question);
        Ok(())
    }

    /// Whether it waits for a person here, and no host was ever told of it.
    pub(super) fn is_own(&self, id: ActionId) -> bool {
        self.questions.0.contains_key(&id)
    }

    pub(super) fn forget_question(&mut self, id: ActionId) {
        self.questions.0.remove(&id);
        self.pending.put(rows::drop_row(Table::Questions, id.as_bytes()));
    }

    /// Those for which somebody's time is over.
    pub(super) fn overdue(&self, at: Timestamp) -> Vec<Todo> {
        let is_due = |waiting: &Waiting| waiting.is_over(at) || waiting.is_past(at);
        let over = self.questions.0.values().filter(|question| is_due(&question.waiting));
        over.map(|question| Todo::Overdue { id: question.action.id, at }).collect()
    }

    /// Asks whoever is next, or settles what nobody on the path has answered.
    pub(super) fn go_on(&mut self, id: ActionId, now: Timestamp) -> Follows {
        let Some(mut question) = self.questions.0.get(&id).cloned() else { return Ok(Vec::new()) };
        let known = self.pending.action(&*self.desk.state, id)?.map(|row| row.report);
        let waits = |report: &ActionReport| {
            report.state == ActionState::Asked && report.action.reason.principal == Principal::Coordinator
        };
        if !known.as_ref().is_some_and(waits) {
            self.forget_question(id);
            return Ok(Vec::new());
        }
        if let Some(why) = self.is_over_anyway(&question, now)? {
            self.forget_question(id);
            let decided_by = question.decided_by().collect();
            self.put_question(&question, ActionState::Refused, why.to_owned(), decided_by, now)?;
            return Ok(Vec::new());
        }
        match question.waiting.due(now) {
            None => {}
            Some(Due::NextStage) => {
                self.say_asked(&question, now)?;
                self.keep_question(question)?;
            }
            Some(Due::End(path)) => self.end(&question, &path, now)?,
        }
        Ok(Vec::new())
    }

    /// What ends a question whatever its path says.
    fn is_over_anyway(&self, question: &Question, now: Timestamp) -> Result<Option<&'static str>, Refused> {
        let incident = question.action.reason.incident.map(|id| rows::incident(&*self.desk.state, id)).transpose()?;
        let is_closed = incident.flatten().is_some_and(|incident| incident.status == IncidentStatus::Closed);
        Ok(if is_closed {
            Some("given up: its incident was closed")
        } else if question.waiting.is_past(now) {
            Some("given up: nobody answered within a day, and what it was about is another thing by now")
        } else {
            None
        })
    }

    fn end(&mut self, question: &Question, path: &Escalation, now: Timestamp) -> Result<(), Refused> {
        self.forget_question(question.action.id);
        let (state, detail) = match path.then {
            Then::Wait => (ActionState::Asked, question.waiting.stays_open(path, now.into())),
            Then::Drop => (ActionState::Refused, path.given_up()),
            Then::Act => match self.still_asked(question, now) {
                Some(by) => (ActionState::Asked, path.not_done("the coordinator act", &[by])),
                None => return self.act_unanswered(question, path),
            },
        };
        let decided_by = question.decided_by().chain(path.gone_by()).collect();
        self.put_question(question, state, detail, decided_by, now)
    }

    /// Why it is not done though nobody has said no. What it costs is paid where nothing is against it.
    fn still_asked(&mut self, question: &Question, now: Timestamp) -> Option<String> {
        if self.desk.is_halted() {
            return Some("halted".to_owned());
        }
        let Question { action, trigger, waiting, .. } = question;
        let waited_ms = now.millis_since(waiting.asked);
        if !self.path(action).is_some_and(|path| path.then == Then::Act && path.total_ms() <= waited_ms) {
            return Some("escalation: the bundle in force has another path".to_owned());
        }
        if let Some(trigger) = trigger.filter(|trigger| !self.ledger.pay(*trigger, action.id, now)) {
            return Some(Because::trigger(&self.desk.hostname(trigger)).decided_by);
        }
        self.pay_for_group(action, now).err().map(|group| Because::group(&group).decided_by)
    }

    fn act_unanswered(&mut self, question: &Question, path: &Escalation) -> Result<(), Refused> {
        let action = &question.action;
        let said = format!("{}: {}, and policy says that it is done then", action.kind, path.nobody());
        tracing::warn!(action = %action.kind, host = %action.host, "{}", path.nobody());
        self.pending.line(Line::new("coordinator", "unanswered", action.id.to_string(), said));
        self.give(action, question.decided_by().chain(path.gone_by()).collect())
    }

    fn say_asked(&mut self, question: &Question, now: Timestamp) -> Result<(), Refused> {
        let detail = format!("{}; {}", question.because.said, question.waiting.said(now));
        let decided_by = question.decided_by().chain(question.waiting.decided_by()).collect();
        self.put_question(question, ActionState::Asked, detail, decided_by, now)
    }

    /// However often it is told, it is open from when it was first asked.
    fn put_question(
        &mut self,
        question: &Question,
        state: ActionState,
        detail: String,
        decided_by: Vec<String>,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let action = question.action.clone();
        let said = format!("{}: {detail}", action.kind);
        tracing::warn!(action = %action.kind, host = %action.host, state = state.word(), "{detail}");
        self.pending.line(Line::new("coordinator", state.word(), action.id.to_string(), said));
        let report = ActionReport {
            action,
            state,
            verdict: VerdictKind::Ask,
            bundle: self.desk.policy().map_or(BundleVersion(0), |policy| policy.verified.bundle.version),
            decided_by,
            time: now,
            latency_us: 0,
            detail,
        };
        self.pending.put(rows::put_action(&report, question.waiting.asked)?);
        Ok(())
    }
}

impl Question {
    fn decided_by(&self) -> impl Iterator<Item = String> + use<> {
        std::iter::once(self.because.decided_by.clone())
    }
}
