//! Owns: proving, for all requests there can be, that a bundle's policies keep the safety invariants.
//! Never: judging a request; that is common/policy, whose definition of acting and asking is followed here.

mod fixed;
mod invariants;
mod solver;
mod violation;

#[cfg(test)]
mod tests;

use cedar_policy::{Effect, PolicySet, RequestEnv, Schema};
use cedar_policy_symcc::{CompiledPolicy, CompiledPolicySet};
use picket_model::{ActionKind, Nature};
use picket_policy::{Bundle, SCHEMA, Written, written};
use serde_json::{Value, json};
use thiserror::Error;

use self::fixed::fixed;
use self::invariants::{Claim, Invariant, NEVER_FAILS, Of, Who};
use self::solver::Solver;
pub use self::solver::SolverError;
pub use self::violation::Violation;

/// What was asked of a bundle and what came out.
pub struct Proof {
    pub solver: String,
    /// Every invariant by its name and in words.
    pub invariants: Vec<(&'static str, &'static str)>,
    /// One for each invariant that does not hold.
    pub violations: Vec<Violation>,
}

#[derive(Debug, Error)]
pub enum ProveError {
    #[error(transparent)]
    Solver(#[from] SolverError),
    #[error("the policies do not compile:{}", .0.iter().map(|error| format!("\n  policies:{error}")).collect::<String>())]
    Policies(Vec<picket_policy::PolicyError>),
    #[error("policy {id:?} at line {line} cannot be proved: {reason}")]
    Policy { id: String, line: usize, reason: String },
    #[error("the policies cannot be proved: {0}")]
    Other(String),
}

/// Asks the solver about every kind of principal and every action.
pub fn prove(bundle: &Bundle) -> Result<Proof, ProveError> {
    let mut prover = Prover {
        solver: Solver::start()?,
        schema: Schema::from_cedarschema_str(SCHEMA).map(|(schema, _)| schema).map_err(other)?,
        written: written(&bundle.policies).map_err(ProveError::Policies)?,
        violations: Vec::new(),
    };
    let invariants = invariants::of(bundle);
    for env in in_order(&prover.schema) {
        prover.environment(&env, &invariants)?;
    }
    let mut names: Vec<_> = invariants.iter().map(|invariant| (invariant.id, invariant.says)).collect();
    names.push(NEVER_FAILS);
    names.dedup();
    Ok(Proof { solver: prover.solver.version, invariants: names, violations: prover.violations })
}

struct Prover {
    solver: Solver,
    schema: Schema,
    written: Vec<Written>,
    violations: Vec<Violation>,
}

/// The policies that decide one question, for one kind of principal and one action, with what is known of it put in.
struct Side {
    set: PolicySet,
    compiled: CompiledPolicySet,
    known: Vec<(&'static str, Value)>,
}

impl Prover {
    fn environment(&mut self, env: &RequestEnv, invariants: &[Invariant]) -> Result<(), ProveError> {
        let word = env.action().id().unescaped().to_owned();
        let Some(nature) = ActionKind::ALL.into_iter().find(|nature| nature.word == word) else {
            return Err(ProveError::Other(format!("the schema's action {word:?} is none of Picket's")));
        };
        let picket = env.principal().basename() != "Analyst";
        let of_env =
            |invariant: &&Invariant| (picket || invariant.who == Who::Anyone) && invariant.concerns.has(&nature);
        for of in [Of::Acting, Of::Permitting] {
            let bound = invariants.iter().filter(of_env).filter(|bound| bound.of == of && !self.is_broken(bound.id));
            let bound: Vec<&Invariant> = bound.collect();
            self.permissions(env, nature, of, &bound)?;
        }
        self.failures(env, nature)
    }

    /// All conditions at once first: where they hold together nothing more need be asked.
    fn permissions(
        &mut self,
        env: &RequestEnv,
        nature: Nature,
        of: Of,
        bound: &[&Invariant],
    ) -> Result<(), ProveError> {
        let side = self.side(env, nature, of, None)?;
        let conditions = |invariants: &[&Invariant]| {
            let held = |invariant: &&Invariant| match &invariant.claim {
                Claim::Holds(condition) => Some(format!("({condition})")),
                Claim::NoMoreAfterTheLease => None,
            };
            invariants.iter().filter_map(held).collect::<Vec<_>>().join(" && ")
        };
        if self.counterexample(env, &side, &conditions(bound))?.is_some() {
            for invariant in bound.iter().filter(|invariant| matches!(invariant.claim, Claim::Holds(_))) {
                if let Some(found) = self.counterexample(env, &side, &conditions(&[invariant]))? {
                    self.violated(invariant, &side, &found);
                }
            }
        }
        for invariant in bound.iter().filter(|invariant| matches!(invariant.claim, Claim::NoMoreAfterTheLease)) {
            let after = self.side(env, nature, of, Some(true))?;
            let before = self.side(env, nature, of, Some(false))?;
            if let Some(found) = self.solver.beyond(&after.compiled, &before.compiled)? {
                self.violated(invariant, &after, &found.request);
            }
        }
        Ok(())
    }

    fn counterexample(
        &mut self,
        env: &RequestEnv,
        side: &Side,
        condition: &str,
    ) -> Result<Option<cedar_policy::Request>, ProveError> {
        if condition.is_empty() {
            return Ok(None);
        }
        let text = format!("permit (principal, action, resource) when {{ {condition} }};");
        let cover: PolicySet = text.parse().map_err(other)?;
        let cover = with_known(&cover, &side.known).map_err(ProveError::Other)?;
        let cover = CompiledPolicySet::compile(&cover, env, &self.schema).map_err(other)?;
        Ok(self.solver.beyond(&side.compiled, &cover)?.map(|found| found.request))
    }

    /// One example for each invariant is enough to see what is wrong.
    fn is_broken(&self, invariant: &str) -> bool {
        self.violations.iter().any(|known| known.invariant == invariant)
    }

    fn violated(&mut self, invariant: &Invariant, side: &Side, request: &cedar_policy::Request) {
        // Some have one id for several conditions.
        if self.is_broken(invariant.id) {
            return;
        }
        let violation = Violation::new((invariant.id, invariant.says), invariant.of, request, &side.known);
        self.violations.push(violation.permitted_by(request, &side.set, &self.written));
    }

    fn failures(&mut self, env: &RequestEnv, nature: Nature) -> Result<(), ProveError> {
        let known = known(nature, None);
        for at in 0..self.written.len() {
            let Some(policy) = self.written.get(at).filter(|_| !self.is_broken(NEVER_FAILS.0)) else { break };
            let one = fixed(&policy.policy, &known).map_err(|reason| cannot(policy, reason))?;
            let compiled = CompiledPolicy::compile(&one, env, &self.schema);
            let compiled = compiled.map_err(|error| cannot(policy, error.to_string()))?;
            if let Some(found) = self.solver.failing(&compiled)? {
                let violation = Violation::new(NEVER_FAILS, Of::Acting, &found.request, &known).because_of(policy);
                self.violations.push(violation);
            }
        }
        Ok(())
    }

    fn side(&self, env: &RequestEnv, nature: Nature, of: Of, lease_over: Option<bool>) -> Result<Side, ProveError> {
        let known = known(nature, lease_over);
        let mut set = PolicySet::new();
        for policy in self.written.iter().filter(|policy| counts(policy, of)) {
            let one = fixed(&policy.policy, &known).map_err(|reason| cannot(policy, reason))?;
            set.add(one).map_err(other)?;
        }
        let compiled = CompiledPolicySet::compile(&set, env, &self.schema).map_err(other)?;
        Ok(Side { set, compiled, known })
    }
}

/// What may be asked for is permitted by every permit, against what forbids acting and asking alike; what may be done,
/// by those permits alone that do not ask, against everything that forbids.
fn counts(policy: &Written, of: Of) -> bool {
    let forbids = policy.policy.effect() == Effect::Forbid;
    match of {
        Of::Acting => forbids || !policy.asks(),
        Of::Permitting => !forbids || !policy.asks(),
    }
}

/// What is true of an action whatever its target.
fn known(nature: Nature, lease_over: Option<bool>) -> Vec<(&'static str, Value)> {
    let lease = lease_over.map(|over| ("conservative", json!(over)));
    [("radius", json!(nature.radius.word())), ("undoable", json!(nature.undoable))].into_iter().chain(lease).collect()
}

fn with_known(set: &PolicySet, known: &[(&'static str, Value)]) -> Result<PolicySet, String> {
    let policies = set.policies().map(|policy| fixed(policy, known)).collect::<Result<Vec<_>, _>>()?;
    PolicySet::from_policies(policies).map_err(|error| error.to_string())
}

/// The same order in every run, so that the same bundle has the same counterexamples.
fn in_order(schema: &Schema) -> Vec<RequestEnv> {
    let mut envs: Vec<RequestEnv> = schema.request_envs().collect();
    envs.sort_by_key(|env| (env.action().to_string(), env.principal().to_string()));
    envs
}

fn cannot(policy: &Written, reason: String) -> ProveError {
    ProveError::Policy { id: policy.id.clone(), line: policy.line, reason }
}

fn other(error: impl std::fmt::Display) -> ProveError {
    ProveError::Other(error.to_string())
}
