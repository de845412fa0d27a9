//! Owns: a counterexample in words: who, what, with which facts, and the policies that permit it.
//! Never: finding one.

use std::fmt;

use cedar_policy::{Authorizer, Entities, PolicySet, Request};
use picket_policy::{FACTS, Written};
use serde_json::Value;

use super::fixed::Facts;
use super::invariants::Of;

/// What is permitted though an invariant says that it is not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    pub invariant: &'static str,
    pub says: &'static str,
    pub principal: String,
    pub action: String,
    /// "may be done", "may be asked for or done", "cannot be judged".
    pub what: &'static str,
    /// Every fact of the request by its name.
    pub facts: Vec<(&'static str, String)>,
    /// `@id` and line of the policies that permit it, or that fail.
    pub by: Vec<(String, usize)>,
}

impl Violation {
    pub fn new((invariant, says): (&'static str, &'static str), of: Of, request: &Request, known: Facts<'_>) -> Self {
        let name = |uid: Option<&cedar_policy::EntityUid>| uid.map(|uid| uid.id().unescaped().to_owned());
        let kind = request.principal().map(|uid| uid.type_name().basename().to_owned()).unwrap_or_default();
        let principal = match kind.as_str() {
            "Agent" => "the agent".to_owned(),
            "Coordinator" => "the coordinator".to_owned(),
            _ => format!("the analyst {:?}", name(request.principal()).unwrap_or_default()),
        };
        let what = match of {
            Of::Acting => "may be done at once",
            Of::Permitting => "may be done or asked for",
        };
        Self {
            invariant,
            says,
            principal,
            action: name(request.action()).unwrap_or_default(),
            what,
            facts: FACTS.iter().map(|fact| (*fact, value(request, fact, known))).collect(),
            by: Vec::new(),
        }
    }

    /// The policies of the set that permit the request.
    pub fn permitted_by(mut self, request: &Request, set: &PolicySet, written: &[Written]) -> Self {
        let response = Authorizer::new().is_authorized(request, set, &Entities::empty());
        let found = response.diagnostics().reason();
        self.by =
            found.filter_map(|id| written.iter().find(|policy| policy.policy.id() == id)).map(name_and_line).collect();
        self.by.sort_by_key(|(_, line)| *line);
        self
    }

    pub fn because_of(mut self, policy: &Written) -> Self {
        self.what = "cannot be judged";
        self.by = vec![name_and_line(policy)];
        self
    }
}

fn name_and_line(policy: &Written) -> (String, usize) {
    (policy.id.clone(), policy.line)
}

/// A fact that was put into the policies has its value there; the request's own means nothing.
fn value(request: &Request, fact: &str, known: Facts<'_>) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), |text| format!("{text:?}"));
    if let Some((_, value)) = known.iter().find(|(name, _)| *name == fact) {
        return text(value);
    }
    match request.context().and_then(|context| context.get(fact)) {
        Some(found) => found.to_string(),
        None => "-".to_owned(),
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: not so: {}", self.invariant, self.says)?;
        writeln!(f, "  {} by {} {}, with", self.action, self.principal, self.what)?;
        for line in self.facts.chunks(6) {
            let line: Vec<String> = line.iter().map(|(name, value)| format!("{name} {value}")).collect();
            writeln!(f, "    {}", line.join(", "))?;
        }
        let by: Vec<String> = self.by.iter().map(|(id, line)| format!("@id({id:?}) at line {line}")).collect();
        write!(f, "  by {}", by.join(", "))
    }
}
