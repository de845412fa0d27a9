//! Owns: the part of a policy's condition that plain comparisons answer, so that most policies need not be evaluated.
//! Never: permitting. It only says of a policy that it certainly does not apply, and never of one that might fail.

use cedar_policy::Policy;
use serde_json::Value;

use super::question::{FACTS, Fact, Kind, Question};

/// Conditions nested deeper than this are left to Cedar.
const DEPTH_MAX: usize = 64;

/// A condition as far as it can be answered here.
#[derive(Clone, PartialEq, Debug)]
enum Test {
    Known(bool),
    Kind(Kind),
    Host(String),
    Flag(usize),
    Number(usize, Order, i64),
    Text(usize, String),
    OneOf(usize, Vec<String>),
    /// The pieces between the wildcards.
    Like(usize, Vec<String>),
    Not(Box<Self>),
    Both(Box<Self>, Box<Self>),
    Either(Box<Self>, Box<Self>),
    /// Left to Cedar, which may also find that it fails.
    Opaque,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A question with its facts laid out once for all gates.
pub struct Asked<'a> {
    kind: Kind,
    host: String,
    facts: [Fact<'a>; FACTS.len()],
}

impl<'a> Asked<'a> {
    pub fn new(question: &'a Question<'_>) -> Self {
        Self { kind: Kind::of(question.principal), host: question.host.to_string(), facts: question.facts() }
    }
}

/// Everything that must hold for a policy to apply, beside its action.
#[derive(Clone, Debug)]
pub struct Gate(Test);

impl Gate {
    /// From the policy's JSON form; what is not understood is left to Cedar.
    pub fn of(policy: &Policy) -> Self {
        policy.to_json().map_or(Self(Test::Opaque), |json| Self(whole(&json)))
    }

    /// The policy certainly does not apply, and does not fail either.
    pub fn shuts_out(&self, asked: &Asked<'_>) -> bool {
        self.0.answer(asked) == Some(false)
    }
}

impl Test {
    /// None where Cedar must say. As in Cedar the left side comes first: where it may fail, the right one decides nothing.
    fn answer(&self, asked: &Asked<'_>) -> Option<bool> {
        match self {
            Self::Known(known) => Some(*known),
            Self::Kind(kind) => Some(asked.kind == *kind),
            Self::Host(host) => Some(asked.host == *host),
            Self::Flag(fact) => match asked.facts.get(*fact)? {
                Fact::Truth(truth) => Some(*truth),
                _ => None,
            },
            Self::Number(fact, order, limit) => match asked.facts.get(*fact)? {
                Fact::Long(number) => Some(order.holds(*number, *limit)),
                _ => None,
            },
            Self::Text(fact, wanted) => match asked.facts.get(*fact)? {
                Fact::Text(text) => Some(text == wanted),
                _ => None,
            },
            Self::OneOf(fact, wanted) => match asked.facts.get(*fact)? {
                Fact::Text(text) => Some(wanted.iter().any(|wanted| wanted == text)),
                _ => None,
            },
            Self::Like(fact, pieces) => match asked.facts.get(*fact)? {
                Fact::Text(text) => Some(is_like(text, pieces)),
                _ => None,
            },
            Self::Not(test) => test.answer(asked).map(|answer| !answer),
            Self::Both(left, right) => {
                if left.answer(asked)? {
                    right.answer(asked)
                } else {
                    Some(false)
                }
            }
            Self::Either(left, right) => {
                if left.answer(asked)? {
                    Some(true)
                } else {
                    right.answer(asked)
                }
            }
            Self::Opaque => None,
        }
    }
}

impl Order {
    const fn holds(self, number: i64, limit: i64) -> bool {
        match self {
            Self::Equal => number == limit,
            Self::Less => number < limit,
            Self::LessOrEqual => number <= limit,
            Self::Greater => number > limit,
            Self::GreaterOrEqual => number >= limit,
        }
    }

    /// The same with its sides exchanged.
    const fn mirrored(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }
}

/// Scope first, then the conditions in their order: that is how Cedar evaluates them.
fn whole(policy: &Value) -> Test {
    let mut test = both(principal(policy.get("principal")), resource(policy.get("resource")));
    for clause in policy.get("conditions").and_then(Value::as_array).into_iter().flatten() {
        let body = clause.get("body").map_or(Test::Opaque, |body| condition(body, 0));
        let body = match clause.get("kind").and_then(Value::as_str) {
            Some("when") => body,
            Some("unless") => Test::Not(Box::new(body)),
            _ => Test::Opaque,
        };
        test = both(test, body);
    }
    test
}

fn both(left: Test, right: Test) -> Test {
    if left == Test::Known(true) { right } else { Test::Both(Box::new(left), Box::new(right)) }
}

fn principal(scope: Option<&Value>) -> Test {
    let Some(scope) = scope else { return Test::Opaque };
    let kind = match scope.get("op").and_then(Value::as_str) {
        Some("All") => return Test::Known(true),
        Some("is") => scope.get("entity_type"),
        _ => None,
    };
    kind.and_then(kind_named).map_or(Test::Opaque, Test::Kind)
}

fn resource(scope: Option<&Value>) -> Test {
    let Some(scope) = scope else { return Test::Opaque };
    match scope.get("op").and_then(Value::as_str) {
        Some("All") => Test::Known(true),
        Some("==") => {
            let id = scope.get("entity").and_then(|entity| entity.get("id")).and_then(Value::as_str);
            id.map_or(Test::Opaque, |id| Test::Host(id.to_owned()))
        }
        _ => Test::Opaque,
    }
}

fn kind_named(name: &Value) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| name.as_str() == Some(kind.entity_type()))
}

fn condition(body: &Value, depth: usize) -> Test {
    understood(body, depth).unwrap_or(Test::Opaque)
}

fn understood(body: &Value, depth: usize) -> Option<Test> {
    if depth > DEPTH_MAX {
        return None;
    }
    let (operator, inner) = body.as_object().filter(|body| body.len() == 1)?.iter().next()?;
    let side = |name: &str| inner.get(name);
    let branch = |name: &str| Some(Box::new(condition(side(name)?, depth + 1)));
    match operator.as_str() {
        "Value" => inner.as_bool().map(Test::Known),
        "." => attribute(body).map(Test::Flag),
        "!" => Some(Test::Not(branch("arg")?)),
        "&&" => Some(Test::Both(branch("left")?, branch("right")?)),
        "||" => Some(Test::Either(branch("left")?, branch("right")?)),
        "is" => {
            let asked = side("left")?.get("Var")?.as_str()? == "principal" && side("in").is_none();
            asked.then(|| kind_named(side("entity_type")?).map(Test::Kind))?
        }
        "==" => compared(side("left")?, side("right")?, Order::Equal),
        "!=" => compared(side("left")?, side("right")?, Order::Equal).map(|test| Test::Not(Box::new(test))),
        "<" => compared(side("left")?, side("right")?, Order::Less),
        "<=" => compared(side("left")?, side("right")?, Order::LessOrEqual),
        ">" => compared(side("left")?, side("right")?, Order::Greater),
        ">=" => compared(side("left")?, side("right")?, Order::GreaterOrEqual),
        "like" => Some(Test::Like(attribute(side("left")?)?, pieces(side("pattern")?)?)),
        "contains" => {
            let wanted: Option<Vec<String>> = side("left")?
                .get("Set")?
                .as_array()?
                .iter()
                .map(|one| Some(one.get("Value")?.as_str()?.to_owned()))
                .collect();
            Some(Test::OneOf(attribute(side("right")?)?, wanted?))
        }
        _ => None,
    }
}

/// The first piece begins the text, the last one ends it, the others lie between in their order.
fn is_like(text: &str, pieces: &[String]) -> bool {
    let [first, others @ ..] = pieces else { return false };
    let Some((last, between)) = others.split_last() else { return text == first };
    let inner = text.strip_prefix(first.as_str()).and_then(|rest| rest.strip_suffix(last.as_str()));
    inner.is_some_and(|inner| {
        let mut rest = inner;
        between.iter().all(|piece| match rest.split_once(piece.as_str()) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
    })
}

fn pieces(pattern: &Value) -> Option<Vec<String>> {
    let mut pieces = vec![String::new()];
    for element in pattern.as_array()? {
        match (element.as_str(), element.get("Literal").and_then(Value::as_str)) {
            (Some("Wildcard"), _) => pieces.push(String::new()),
            (_, Some(literal)) => pieces.last_mut()?.push_str(literal),
            _ => return None,
        }
    }
    Some(pieces)
}

/// A fact beside a constant, whichever way round.
fn compared(left: &Value, right: &Value, order: Order) -> Option<Test> {
    let (fact, constant, order) = match (attribute(left), attribute(right)) {
        (Some(fact), None) => (fact, right, order),
        (None, Some(fact)) => (fact, left, order.mirrored()),
        _ => return None,
    };
    match constant.get("Value")? {
        Value::Number(limit) => Some(Test::Number(fact, order, limit.as_i64()?)),
        Value::String(wanted) if order == Order::Equal => Some(Test::Text(fact, wanted.clone())),
        Value::Bool(true) if order == Order::Equal => Some(Test::Flag(fact)),
        Value::Bool(false) if order == Order::Equal => Some(Test::Not(Box::new(Test::Flag(fact)))),
        _ => None,
    }
}

/// The place in [`FACTS`] of `context.NAME`.
fn attribute(body: &Value) -> Option<usize> {
    let access = body.get(".")?;
    let of_context = access.get("left")?.get("Var")?.as_str()? == "context";
    let name = access.get("attr")?.as_str()?;
    FACTS.iter().position(|fact| of_context && *fact == name)
}
