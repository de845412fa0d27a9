//! Owns: the facts a policy may look at, by their names in the schema, and the request that Cedar is asked.
//! Never: where a fact comes from; `judge` knows that.

use std::collections::BTreeMap;
use std::str::FromStr;

use cedar_policy::{Context, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression, Schema};
use picket_model::{HostId, Nature, Principal};

/// The facts a policy may look at. The resource is the host.
pub struct Question<'a> {
    pub principal: &'a Principal,
    pub action: Nature,
    pub host: HostId,
    pub severity: i64,
    pub families: i64,
    pub drill: bool,
    pub rule: &'a str,
    pub conservative: bool,
    pub scope: &'static str,
    pub path: &'a str,
    pub exe: &'a str,
    pub subject: &'a str,
    pub pid: i64,
    pub protected: bool,
    pub lease_ms: i64,
    pub budget_left: i64,
    pub account: &'a str,
    pub account_budget_left: i64,
    pub halted: bool,
    pub tier: &'a str,
    pub out_of_scope: bool,
    pub waited_ms: i64,
    pub quorum_left: i64,
    pub freeze_ms_left: i64,
    pub maintenance_ms_left: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fact<'a> {
    Long(i64),
    Truth(bool),
    Text(&'a str),
}

/// Every attribute of the schema's `Context`, in the order of [`Question::facts`].
pub const FACTS: [&str; 24] = [
    "severity",
    "families",
    "drill",
    "rule",
    "conservative",
    "scope",
    "path",
    "exe",
    "subject",
    "radius",
    "undoable",
    "pid",
    "protected",
    "lease_ms",
    "budget_left",
    "account",
    "account_budget_left",
    "halted",
    "tier",
    "out_of_scope",
    "waited_ms",
    "quorum_left",
    "freeze_ms_left",
    "maintenance_ms_left",
];

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    Agent,
    Coordinator,
    Analyst,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Agent, Self::Coordinator, Self::Analyst];

    pub const fn of(principal: &Principal) -> Self {
        match principal {
            Principal::Agent => Self::Agent,
            Principal::Coordinator => Self::Coordinator,
            Principal::Analyst { .. } => Self::Analyst,
        }
    }

    /// Its type in the schema.
    pub const fn entity_type(self) -> &'static str {
        match self {
            Self::Agent => "Picket::Agent",
            Self::Coordinator => "Picket::Coordinator",
            Self::Analyst => "Picket::Analyst",
        }
    }
}

impl Question<'_> {
    pub const fn facts(&self) -> [Fact<'_>; FACTS.len()] {
        [
            Fact::Long(self.severity),
            Fact::Long(self.families),
            Fact::Truth(self.drill),
            Fact::Text(self.rule),
            Fact::Truth(self.conservative),
            Fact::Text(self.scope),
            Fact::Text(self.path),
            Fact::Text(self.exe),
            Fact::Text(self.subject),
            Fact::Text(self.action.radius.word()),
            Fact::Truth(self.action.undoable),
            Fact::Long(self.pid),
            Fact::Truth(self.protected),
            Fact::Long(self.lease_ms),
            Fact::Long(self.budget_left),
            Fact::Text(self.account),
            Fact::Long(self.account_budget_left),
            Fact::Truth(self.halted),
            Fact::Text(self.tier),
            Fact::Truth(self.out_of_scope),
            Fact::Long(self.waited_ms),
            Fact::Long(self.quorum_left),
            Fact::Long(self.freeze_ms_left),
            Fact::Long(self.maintenance_ms_left),
        ]
    }
}

/// Names that every request is made of, read once: reading a name takes longer than judging by it.
#[derive(Debug)]
pub struct Names {
    actions: BTreeMap<String, EntityUid>,
    agent: EntityUid,
    coordinator: EntityUid,
    analyst: EntityTypeName,
    host: EntityTypeName,
}

impl Names {
    pub fn new(schema: &Schema) -> Result<Self, String> {
        let kind = |kind: &str| EntityTypeName::from_str(kind).map_err(|error| error.to_string());
        let own = |name| Ok::<_, String>(EntityUid::from_type_name_and_id(kind(name)?, EntityId::new("self")));
        Ok(Self {
            actions: schema.actions().map(|action| (action.id().unescaped().to_owned(), action.clone())).collect(),
            agent: own(Kind::Agent.entity_type())?,
            coordinator: own(Kind::Coordinator.entity_type())?,
            analyst: kind(Kind::Analyst.entity_type())?,
            host: kind("Picket::Host")?,
        })
    }

    /// Every action of the schema, by its word.
    pub const fn actions(&self) -> &BTreeMap<String, EntityUid> {
        &self.actions
    }

    /// Built from parts, so that no name of a person can be read as Cedar.
    pub fn request(&self, question: &Question<'_>, schema: &Schema) -> Result<Request, String> {
        let pairs = FACTS.into_iter().zip(question.facts()).map(|(name, fact)| (name.to_owned(), expression(fact)));
        let context = Context::from_pairs(pairs).map_err(|error| error.to_string())?;
        let principal = match question.principal {
            Principal::Agent => self.agent.clone(),
            Principal::Coordinator => self.coordinator.clone(),
            Principal::Analyst { name } => {
                EntityUid::from_type_name_and_id(self.analyst.clone(), EntityId::new(name.as_str()))
            }
        };
        let action = self.actions.get(question.action.word);
        let action = action.ok_or_else(|| format!("the schema has no action {:?}", question.action.word))?.clone();
        let host = EntityUid::from_type_name_and_id(self.host.clone(), EntityId::new(question.host.to_string()));
        Request::new(principal, action, host, context, Some(schema)).map_err(|error| error.to_string())
    }
}

fn expression(fact: Fact<'_>) -> RestrictedExpression {
    match fact {
        Fact::Long(number) => RestrictedExpression::new_long(number),
        Fact::Truth(truth) => RestrictedExpression::new_bool(truth),
        Fact::Text(text) => RestrictedExpression::new_string(text.to_owned()),
    }
}
