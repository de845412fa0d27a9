//! Owns: `picket policy check`: whether a bundle is acceptable to a host and keeps the safety invariants.
//! Never: signing it, or whose signature it bears.

use std::path::PathBuf;

use picket_policy::{Bundle, written};
use serde_json::{Value, json};

use super::{candidate, show as in_force};
use crate::Context;
use crate::failure::Failure;
use crate::prove::{Proof, ProveError, Violation, prove};
use crate::table::{Table, printable};

/// Check a bundle as a host would, and prove that it keeps the safety invariants
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  picket policy check standard\n  picket policy check ours.toml          with ours.cedar beside it\n  picket policy check ours.bundle --cedar\n\nThe proof speaks of every request there can be, not of examples. It needs the solver cvc5 (Debian: apt-get install cvc5;\nthe variable CVC5 may name another one). An invariant that does not hold is shown with a request that breaks it and the\npolicies that permit it."
)]
pub struct Args {
    /// A shipped bundle's name, a signed bundle, or settings (.toml) with the policies (.cedar) beside
    bundle: PathBuf,
    /// Print all policies with their lines, those that Picket writes itself among them
    #[arg(long)]
    cedar: bool,
    /// Leave the proof out
    #[arg(long)]
    unproved: bool,
}

pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let bundle = candidate::named(&args.bundle)?.bundle;
    bundle.check().map_err(|error| Failure::failed(error.to_string(), "no host would take it"))?;
    if args.cedar && !context.output.json() {
        for (at, line) in bundle.policies.lines().enumerate() {
            context.output.line(&format!("{:>5}  {}", at + 1, printable(line)))?;
        }
    }
    if !context.output.json() {
        in_force::paths(&bundle.autonomy).iter().try_for_each(|path| context.output.line(path))?;
    }
    if args.unproved {
        return unproved(&bundle, context);
    }
    let proof = prove(&bundle).map_err(failure)?;
    if context.output.json() {
        let mut answer = json(&proof);
        answer["name"] = json!(bundle.name);
        answer["policies"] = json!(bundle.policies);
        context.output.value(&answer)?;
    } else {
        show(&bundle, &proof, context)?;
    }
    match refusal(&proof) {
        None => Ok(()),
        Some(_) => Err(Failure::Negative(format!("{} does not keep {}", bundle.name, broken(&proof)))),
    }
}

fn unproved(bundle: &Bundle, context: &Context) -> Result<(), Failure> {
    if context.output.json() {
        return context.output.value(&json!({"name": bundle.name, "policies": bundle.policies, "proved": null}));
    }
    context.output.line(&format!("{}: {}, nothing proved of them", bundle.name, counted(bundle)))
}

fn show(bundle: &Bundle, proof: &Proof, context: &Context) -> Result<(), Failure> {
    let output = &context.output;
    let mut table = Table::new(&["INVARIANT", "HOLDS", "SAYS"]);
    for (id, says) in &proof.invariants {
        let holds = if proof.violations.iter().any(|violation| violation.invariant == *id) { "no" } else { "yes" };
        table.row([(*id).to_owned(), holds.to_owned(), (*says).to_owned()]);
    }
    output.table(&table, "no invariant")?;
    for violation in &proof.violations {
        output.line("")?;
        output.line(&printed(violation))?;
    }
    output.line("")?;
    output.line(&format!(
        "{}: {}; {} of {} invariants proved by cvc5 {}",
        bundle.name,
        counted(bundle),
        proof.invariants.len() - proof.violations.len(),
        proof.invariants.len(),
        printable(&proof.solver)
    ))
}

fn counted(bundle: &Bundle) -> String {
    let policies = written(&bundle.policies).unwrap_or_default();
    let own =
        policies.iter().filter(|policy| policy.id.starts_with("guard.") || policy.id.starts_with("autonomy.")).count();
    format!("{} policies and {own} that Picket writes beneath compile", policies.len() - own)
}

/// Names and values in it may be an author's; only the layout is ours.
fn printed(violation: &Violation) -> String {
    violation.to_string().lines().map(printable).collect::<Vec<_>>().join("\n")
}

pub fn json(proof: &Proof) -> Value {
    let names: Vec<&str> = proof.invariants.iter().map(|(id, _)| *id).collect();
    let violations: Vec<Value> = proof.violations.iter().map(violation).collect();
    json!({"proved": violations.is_empty(), "solver": proof.solver, "invariants": names, "violations": violations})
}

fn violation(violation: &Violation) -> Value {
    let facts: serde_json::Map<String, Value> =
        violation.facts.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let by: Vec<Value> = violation.by.iter().map(|(id, line)| json!({"id": id, "line": line})).collect();
    json!({
        "invariant": violation.invariant, "says": violation.says, "principal": violation.principal,
        "action": violation.action, "facts": facts, "by": by,
    })
}

/// Why a bundle with this proof is not signed.
pub fn refusal(proof: &Proof) -> Option<Failure> {
    if proof.violations.is_empty() {
        return None;
    }
    let shown: String = proof.violations.iter().map(|violation| format!("\n{}", printed(violation))).collect();
    Some(Failure::failed(
        format!("the bundle is not safe and not signed:{shown}"),
        "narrow these policies, or forbid what they permit too much; `picket policy check --cedar` shows the lines",
    ))
}

fn broken(proof: &Proof) -> String {
    proof.violations.iter().map(|violation| violation.invariant).collect::<Vec<_>>().join(", ")
}

pub fn failure(error: ProveError) -> Failure {
    let hint = match &error {
        ProveError::Solver(error) => error.hint(),
        ProveError::Policies(_) | ProveError::Policy { .. } | ProveError::Other(_) => "",
    };
    Failure::failed(error.to_string(), hint)
}
