//! Owns: the policies of one action, and evaluating those of them that may apply.
//! Never: dropping a policy that could apply or fail.

use cedar_policy::{ActionConstraint, Authorizer, Decision, Effect, Entities, EntityUid, Policy, PolicySet, Request};

use super::gate::{Asked, Gate};
use super::{ASK, ID, Opinion, VERDICT};

/// What the policies say of one action, whose scopes were looked at when they were compiled.
#[derive(Debug)]
pub struct Slice {
    /// Permits, and what forbids acting and asking alike.
    deciding: Pile,
    /// What forbids acting alone: `@verdict("ask")` on a forbid.
    lowering: Pile,
}

#[derive(Debug, Default)]
struct Pile {
    gated: Vec<(Gate, Policy)>,
    /// The same as one set, for a question that most of them may apply to.
    whole: PolicySet,
}

/// The policies of a pile that apply.
struct Applying {
    allowed: bool,
    policies: Vec<Policy>,
}

impl Slice {
    pub fn new(policies: &PolicySet, action: &EntityUid) -> Result<Self, String> {
        let mut slice = Self { deciding: Pile::default(), lowering: Pile::default() };
        for policy in policies.policies().filter(|policy| concerns(policy, action)) {
            let pile = if lowers(policy) { &mut slice.lowering } else { &mut slice.deciding };
            pile.gated.push((Gate::of(policy), policy.clone()));
            pile.whole.add(policy.clone()).map_err(|error| error.to_string())?;
        }
        Ok(slice)
    }

    #[cfg(test)]
    pub fn ids(&self) -> Vec<String> {
        let policies = self.deciding.gated.iter().chain(&self.lowering.gated);
        names(policies.map(|(_, policy)| policy))
    }

    pub fn opinion(&self, request: &Request, asked: &Asked<'_>) -> Opinion {
        self.judged(request, asked).unwrap_or_else(|error| Opinion::Deny(vec![format!("error: {error}")]))
    }

    fn judged(&self, request: &Request, asked: &Asked<'_>) -> Result<Opinion, String> {
        let deciding = self.deciding.applying(request, asked)?;
        if !deciding.allowed {
            let by = names(deciding.policies.iter());
            return Ok(Opinion::Deny(if by.is_empty() {
                vec!["default: no policy permits it".to_owned()]
            } else {
                by
            }));
        }
        let acting: Vec<&Policy> = deciding.policies.iter().filter(|policy| !asks(policy)).collect();
        if acting.is_empty() {
            return Ok(Opinion::Ask(names(deciding.policies.iter())));
        }
        let lowering = self.lowering.applying(request, asked)?;
        if lowering.policies.is_empty() {
            return Ok(Opinion::Act(names(acting.into_iter())));
        }
        Ok(Opinion::Ask(names(lowering.policies.iter())))
    }
}

impl Pile {
    /// Cedar passes over a policy that fails while it runs; a forbid passed over must not become a permission, so it is an error.
    fn applying(&self, request: &Request, asked: &Asked<'_>) -> Result<Applying, String> {
        let chosen: Vec<&Policy> =
            self.gated.iter().filter(|(gate, _)| !gate.shuts_out(asked)).map(|(_, policy)| policy).collect();
        if chosen.is_empty() {
            return Ok(Applying { allowed: false, policies: Vec::new() });
        }
        let narrowed;
        // Putting a set together costs about what evaluating its policies does.
        let set = if chosen.len() * 2 > self.gated.len() {
            &self.whole
        } else {
            narrowed = PolicySet::from_policies(chosen.into_iter().cloned()).map_err(|error| error.to_string())?;
            &narrowed
        };
        let response = Authorizer::new().is_authorized(request, set, &Entities::empty());
        if let Some(error) = response.diagnostics().errors().next() {
            return Err(error.to_string());
        }
        let policies = response.diagnostics().reason().filter_map(|id| set.policy(id)).cloned().collect();
        Ok(Applying { allowed: response.decision() == Decision::Allow, policies })
    }
}

/// No action is in a group, so an action is in a list where it is named there.
fn concerns(policy: &Policy, action: &EntityUid) -> bool {
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(named) => named == *action,
        ActionConstraint::In(named) => named.contains(action),
    }
}

pub fn asks(policy: &Policy) -> bool {
    policy.annotation(VERDICT) == Some(ASK)
}

fn lowers(policy: &Policy) -> bool {
    policy.effect() == Effect::Forbid && asks(policy)
}

fn names<'a>(policies: impl Iterator<Item = &'a Policy>) -> Vec<String> {
    let names: std::collections::BTreeSet<&str> = policies.filter_map(|policy| policy.annotation(ID)).collect();
    names.into_iter().map(str::to_owned).collect()
}
