//! Owns: compiling Cedar text against Picket's schema, with every fault's line and column, and evaluating it.
//! Never: protection, budgets, leases; those come after, in `judge`.

mod faults;
mod gate;
mod question;
mod slice;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::ffi::DetailedError;
use cedar_policy::{Policy, PolicySet, Schema};

use self::gate::Asked;
use self::question::Names;
pub use self::question::{FACTS, Question};
use self::slice::Slice;
use crate::error::PolicyError;

/// What a policy may speak of.
pub const SCHEMA: &str = include_str!("picket.cedarschema");
/// Names a policy in every decision record.
const ID: &str = "id";
/// `@verdict("ask")` on a permit: it permits asking, not acting. On a forbid: it forbids acting, not asking.
const VERDICT: &str = "verdict";
const ASK: &str = "ask";
/// Prose for the reader of the bundle.
const NOTE: &str = "note";

/// Compiled policies, each with an `@id` of its own, sliced by action.
#[derive(Clone, Debug)]
pub struct Policies(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    slices: BTreeMap<String, Slice>,
    names: Names,
    schema: Schema,
}

/// What the policies say of one request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Opinion {
    Act(Vec<String>),
    Ask(Vec<String>),
    Deny(Vec<String>),
}

impl Policies {
    /// The ids of all policies.
    #[cfg(test)]
    pub fn ids(&self) -> std::collections::BTreeSet<String> {
        self.0.slices.values().flat_map(Slice::ids).collect()
    }

    /// Parses, checks annotations, and validates strictly: a misspelt attribute is an error, not a policy that never applies.
    pub fn compile(text: &str) -> Result<Self, Vec<PolicyError>> {
        let (set, schema) = checked(text)?;
        let names = Names::new(&schema).map_err(whole)?;
        let slices = names.actions().iter().map(|(word, action)| Ok((word.clone(), Slice::new(&set, action)?)));
        let slices = slices.collect::<Result<_, String>>().map_err(whole)?;
        Ok(Self(Arc::new(Compiled { slices, names, schema })))
    }

    pub fn evaluate(&self, question: &Question<'_>) -> Opinion {
        let refused = |reason: String| Opinion::Deny(vec![format!("error: {reason}")]);
        let request = match self.0.names.request(question, &self.0.schema) {
            Ok(request) => request,
            Err(reason) => return refused(reason),
        };
        match self.0.slices.get(question.action.word) {
            Some(slice) => slice.opinion(&request, &Asked::new(question)),
            None => refused(format!("no action is called {:?}", question.action.word)),
        }
    }
}

/// One policy of a text.
#[derive(Clone, Debug)]
pub struct Written {
    pub id: String,
    /// From 1.
    pub line: usize,
    pub policy: Policy,
}

impl Written {
    /// It permits asking only, or forbids acting only.
    #[must_use]
    pub fn asks(&self) -> bool {
        slice::asks(&self.policy)
    }
}

/// The policies of a text in its order, checked as [`Policies::compile`] checks them.
pub fn written(text: &str) -> Result<Vec<Written>, Vec<PolicyError>> {
    let (set, _) = checked(text)?;
    let mut written: Vec<Written> = set
        .policies()
        .map(|policy| Written {
            id: policy.annotation(ID).unwrap_or_default().to_owned(),
            line: faults::place(text, policy).0,
            policy: policy.clone(),
        })
        .collect();
    written.sort_by_key(|policy| policy.line);
    Ok(written)
}

fn checked(text: &str) -> Result<(PolicySet, Schema), Vec<PolicyError>> {
    let schema = schema().map_err(whole)?;
    let set = PolicySet::from_str(text).map_err(|errors| faults::of_one(text, &DetailedError::from(&errors)))?;
    let found = faults::of_set(text, &set, &schema);
    if found.is_empty() { Ok((set, schema)) } else { Err(found) }
}

fn whole(reason: String) -> Vec<PolicyError> {
    vec![PolicyError { line: 1, column: 1, reason }]
}

fn schema() -> Result<Schema, String> {
    Schema::from_cedarschema_str(SCHEMA).map(|(schema, _)| schema).map_err(|error| format!("Picket's schema: {error}"))
}

#[cfg(test)]
mod sliced_tests;
#[cfg(test)]
mod tests;
