//! Owns: policies in which some facts have a known value: what an action is by nature, whether the lease has run out.
//! Never: facts of one request; the solver speaks of all of them.

use cedar_policy::Policy;
use serde_json::{Value, json};

/// Names of `context` with the value each has.
pub type Facts<'a> = &'a [(&'a str, Value)];

/// The policy with the facts put in, or why that cannot be.
pub fn fixed(policy: &Policy, facts: Facts<'_>) -> Result<Policy, String> {
    let mut json = policy.to_json().map_err(|error| error.to_string())?;
    if let Some(clauses) = json.get_mut("conditions") {
        put_in(clauses, facts)?;
    }
    Policy::from_json(Some(policy.id().clone()), json).map_err(|error| error.to_string())
}

/// A policy that takes `context` as a whole would see values that no request has.
fn put_in(json: &mut Value, facts: Facts<'_>) -> Result<(), String> {
    if let Some(access) = json.get(".").or_else(|| json.get("has")).filter(|access| is_context(access.get("left"))) {
        let named = |name: &str| access.get("attr").and_then(Value::as_str) == Some(name);
        let value = if json.get("has").is_some() {
            Some(json!(true))
        } else {
            facts.iter().find(|(name, _)| named(name)).map(|(_, value)| value.clone())
        };
        if let Some(value) = value {
            *json = json!({"Value": value});
        }
        return Ok(());
    }
    if is_context(Some(json)) {
        return Err("it uses `context` as a whole; name the attributes it means".to_owned());
    }
    match json {
        Value::Object(parts) => parts.values_mut().try_for_each(|part| put_in(part, facts)),
        Value::Array(parts) => parts.iter_mut().try_for_each(|part| put_in(part, facts)),
        _ => Ok(()),
    }
}

fn is_context(json: Option<&Value>) -> bool {
    json.and_then(|json| json.get("Var")).and_then(Value::as_str) == Some("context")
}
