//! Owns: which correlations of a set run here, and which rules only feed others.
//! Never: compiling; both sides compile and so check all.

use super::Set;
use crate::rule::Scope;

/// Leaves the correlations of `scope` at work. On a host nothing else changes; the estate's side needs no rule that
/// feeds none of them, and reports no other.
pub fn limit(set: &mut Set, scope: Scope) {
    for correlation in &mut set.correlations {
        correlation.idle = correlation.rule.scope != scope;
    }
    match scope {
        Scope::Host => {}
        Scope::Estate => only_the_estate(set),
    }
}

fn only_the_estate(set: &mut Set) {
    let first = set.rules.len();
    let mut feeds = vec![false; first + set.correlations.len()];
    // Whatever feeds a correlation stands before it.
    for (number, correlation) in set.correlations.iter_mut().enumerate().rev() {
        let is_estate = correlation.rule.scope == Scope::Estate;
        correlation.idle = !is_estate && !feeds[first + number];
        if !correlation.idle {
            correlation.inputs.iter().for_each(|input| feeds[input.source] = true);
        }
        set.reported[first + number] &= is_estate;
    }
    set.reported[..first].fill(false);
    set.native.retain(|matcher| feeds[matcher.number]);
    set.foreign.retain(|matcher| feeds[matcher.number]);
}
