//! Owns: compiling Cedar text against Picket's schema, with every fault's line and column, and evaluating it.
//! Never: protection, budgets, leases; those come after, in `judge`.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use cedar_policy::ffi::DetailedError;
use cedar_policy::{
    Authorizer, Context, Decision, Effect, Entities, EntityId, EntityTypeName, EntityUid, Policy, PolicySet, Request,
    RestrictedExpression, Schema, ValidationMode, Validator,
};
use picket_model::{HostId, Nature, Principal};

use crate::error::{PolicyError, position};

const SCHEMA: &str = include_str!("picket.cedarschema");
/// Names a policy in every decision record.
const ID: &str = "id";
/// `@verdict("ask")` on a permit: it permits asking, not acting.
const VERDICT: &str = "verdict";
const ASK: &str = "ask";
/// Prose for the reader of the bundle.
const NOTE: &str = "note";
/// An error lists this many faults; a text with more is not Cedar at all.
const FAULTS_MAX: usize = 64;

/// Compiled policies, each with an `@id` of its own.
#[derive(Clone, Debug)]
pub struct Policies {
    set: PolicySet,
    schema: Schema,
}

/// What the policies say of one request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Opinion {
    Act(Vec<String>),
    Ask(Vec<String>),
    Deny(Vec<String>),
}

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
}

impl Policies {
    /// Parses, checks annotations, and validates strictly: a misspelt attribute is an error, not a policy that never applies.
    pub fn compile(text: &str) -> Result<Self, Vec<PolicyError>> {
        let schema = schema().map_err(|reason| vec![PolicyError { line: 1, column: 1, reason }])?;
        let set = PolicySet::from_str(text).map_err(|errors| faults(text, &DetailedError::from(&errors)))?;
        let mut found = annotation_faults(text, &set);
        let validator = Validator::new(schema.clone());
        let result = validator.validate(&set, ValidationMode::Strict);
        found.extend(result.validation_errors().flat_map(|error| faults(text, &DetailedError::from(error))));
        // Warnings are policies that can never apply and characters that read as others: both mislead the reader.
        // Beside an error they are mostly what follows from it.
        if found.is_empty() {
            found.extend(result.validation_warnings().flat_map(|warning| faults(text, &DetailedError::from(warning))));
        }
        found.sort_by(|a, b| (a.line, a.column, &a.reason).cmp(&(b.line, b.column, &b.reason)));
        found.dedup();
        found.truncate(FAULTS_MAX);
        if found.is_empty() { Ok(Self { set, schema }) } else { Err(found) }
    }

    /// The ids of all policies, in order.
    #[cfg(test)]
    pub fn ids(&self) -> BTreeSet<String> {
        self.set.policies().filter_map(|policy| policy.annotation(ID)).map(str::to_owned).collect()
    }

    pub fn evaluate(&self, question: &Question<'_>) -> Opinion {
        let request = match request(question, &self.schema) {
            Ok(request) => request,
            Err(reason) => return Opinion::Deny(vec![format!("error: {reason}")]),
        };
        let response = Authorizer::new().is_authorized(&request, &self.set, &Entities::empty());
        // Cedar passes over a policy that fails while it runs; a forbid passed over must not become a permission.
        if let Some(error) = response.diagnostics().errors().next() {
            return Opinion::Deny(vec![format!("error: {error}")]);
        }
        let determining: Vec<&Policy> = response.diagnostics().reason().filter_map(|id| self.set.policy(id)).collect();
        let asks = |policy: &&Policy| policy.annotation(VERDICT) == Some(ASK);
        match response.decision() {
            Decision::Deny if determining.is_empty() => Opinion::Deny(vec!["default: no policy permits it".to_owned()]),
            Decision::Deny => Opinion::Deny(names(determining.into_iter())),
            Decision::Allow if determining.iter().all(asks) => Opinion::Ask(names(determining.into_iter())),
            Decision::Allow => Opinion::Act(names(determining.into_iter().filter(|policy| !asks(policy)))),
        }
    }
}

fn schema() -> Result<Schema, String> {
    Schema::from_cedarschema_str(SCHEMA).map(|(schema, _)| schema).map_err(|error| format!("Picket's schema: {error}"))
}

fn names<'a>(policies: impl Iterator<Item = &'a Policy>) -> Vec<String> {
    let names: BTreeSet<&str> = policies.filter_map(|policy| policy.annotation(ID)).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// One error and those beside it, each at its first label.
fn faults(text: &str, error: &DetailedError) -> Vec<PolicyError> {
    let offset = error.source_locations.first().map_or(0, |label| label.loc.start);
    let (line, column) = position(text, offset);
    let mut reason = without_number(&error.message).to_owned();
    if let Some(label) = error.source_locations.iter().find_map(|label| label.label.as_ref()) {
        reason = format!("{reason} ({label})");
    }
    if let Some(help) = &error.help {
        reason = format!("{reason}; {help}");
    }
    let mut found = vec![PolicyError { line, column, reason }];
    found.extend(error.related.iter().flat_map(|related| faults(text, related)));
    found
}

/// Cedar counts policies ("for policy `policy0`, "); the line says better which one is meant.
fn without_number(message: &str) -> &str {
    let rest = message.strip_prefix("for policy `policy").and_then(|rest| rest.split_once("`, "));
    rest.map_or(message, |(_, reason)| reason)
}

/// A misspelt `@verdict` would turn asking into acting, so no other annotation than ours is taken.
fn annotation_faults(text: &str, set: &PolicySet) -> Vec<PolicyError> {
    let mut seen = BTreeMap::new();
    let mut found = Vec::new();
    for policy in set.policies() {
        let offset = policy.to_cedar().and_then(|source| text.find(source.trim())).unwrap_or(0);
        let (line, column) = position(text, offset);
        for reason in annotation_reasons(policy) {
            found.push(PolicyError { line, column, reason });
        }
        let Some(id) = policy.annotation(ID) else { continue };
        if let Some(first) = seen.insert(id.to_owned(), line) {
            let reason =
                format!("two policies have the id {id:?}: at lines {} and {}", line.min(first), line.max(first));
            found.push(PolicyError { line, column, reason });
        }
    }
    if let Some(template) = set.templates().next() {
        let (line, column) = position(text, text.find(template.to_cedar().trim()).unwrap_or(0));
        let reason = "a template (`?principal`, `?resource`) is never filled in here; write the policy out".to_owned();
        found.push(PolicyError { line, column, reason });
    }
    found
}

fn annotation_reasons(policy: &Policy) -> Vec<String> {
    let mut reasons = Vec::new();
    if policy.annotation(ID).is_none_or(|id| id.trim().is_empty()) {
        reasons.push("the policy has no name: put @id(\"...\") before it".to_owned());
    }
    for (key, value) in policy.annotations() {
        match key {
            ID | NOTE => {}
            VERDICT if policy.effect() == Effect::Forbid => {
                reasons.push("@verdict belongs on a permit: a forbid always refuses".to_owned());
            }
            VERDICT if value == ASK => {}
            VERDICT => reasons.push(format!("@verdict({value:?}) is unknown; there is @verdict({ASK:?}) or none")),
            other => reasons.push(format!("@{other} is unknown; there are @{ID}, @{VERDICT} and @{NOTE}")),
        }
    }
    reasons
}

fn request(question: &Question<'_>, schema: &Schema) -> Result<Request, String> {
    let text = |value: &str| RestrictedExpression::new_string(value.to_owned());
    let pairs = [
        ("severity", RestrictedExpression::new_long(question.severity)),
        ("families", RestrictedExpression::new_long(question.families)),
        ("drill", RestrictedExpression::new_bool(question.drill)),
        ("rule", text(question.rule)),
        ("conservative", RestrictedExpression::new_bool(question.conservative)),
        ("scope", text(question.scope)),
        ("path", text(question.path)),
        ("exe", text(question.exe)),
        ("subject", text(question.subject)),
        ("radius", text(question.action.radius.word())),
        ("undoable", RestrictedExpression::new_bool(question.action.undoable)),
    ];
    let context =
        Context::from_pairs(pairs.map(|(name, value)| (name.to_owned(), value))).map_err(|error| error.to_string())?;
    let principal = match question.principal {
        Principal::Agent => entity("Picket::Agent", "self")?,
        Principal::Coordinator => entity("Picket::Coordinator", "self")?,
        Principal::Analyst { name } => entity("Picket::Analyst", name)?,
    };
    let action = entity("Picket::Action", question.action.word)?;
    let resource = entity("Picket::Host", &question.host.to_string())?;
    Request::new(principal, action, resource, context, Some(schema)).map_err(|error| error.to_string())
}

/// Built from parts, so that no name of a person can be read as Cedar.
fn entity(kind: &str, id: &str) -> Result<EntityUid, String> {
    let kind = EntityTypeName::from_str(kind).map_err(|error| error.to_string())?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

#[cfg(test)]
mod tests;
