//! Owns: the policies that Picket writes beneath those of every bundle.
//! Never: the facts they look at; `judge` gives them.

use crate::bundle::Conservative;

const GUARDS: &str = include_str!("../bundles/guards.cedar");

pub const BUDGET: &str = "guard.budget";
pub const HALTED: &str = "guard.halted";
pub const LEASE: &str = "guard.lease";

/// After the lease: nothing alone.
const LEASE_ASKS: &str = r#"
@id("guard.lease")
@note("conservative = \"ask\": after the bundle's lease nothing is done alone.")
@verdict("ask")
forbid (principal, action, resource)
when { context.conservative && !(principal is Picket::Analyst) };
"#;

/// After the lease: nothing at all.
const LEASE_WATCHES: &str = r#"
@id("guard.lease")
@note("conservative = \"watch\": after the bundle's lease nothing is done and nothing asked.")
forbid (principal, action, resource)
when { context.conservative };
"#;

/// The author's text first, so that its lines keep their numbers.
pub fn with_guards(policies: &str, conservative: Conservative) -> String {
    let lease = match conservative {
        Conservative::Unchanged => "",
        Conservative::Ask => LEASE_ASKS,
        Conservative::Watch => LEASE_WATCHES,
    };
    format!("{}\n{GUARDS}{lease}", policies.trim_end())
}
