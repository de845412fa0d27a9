//! Owns: the policies that Picket writes beneath those of every bundle, and of what its settings say.
//! Never: the facts they look at; `judge` gives them.

use crate::autonomy::Autonomy;
use crate::bundle::Conservative;

const GUARDS: &str = include_str!("../bundles/guards.cedar");

pub const BUDGET: &str = "guard.budget";
pub const LASTING: &str = "guard.lasting";
pub const ACCOUNT_BUDGET: &str = "guard.account-budget";
pub const QUORUM: &str = "guard.quorum";
pub const FREEZE: &str = "guard.freeze";
pub const MAINTENANCE: &str = "guard.maintenance";
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
pub fn with_guards(policies: &str, conservative: Conservative, autonomy: &Autonomy) -> String {
    let lease = match conservative {
        Conservative::Unchanged => "",
        Conservative::Ask => LEASE_ASKS,
        Conservative::Watch => LEASE_WATCHES,
    };
    format!("{}\n{GUARDS}{lease}{}", policies.trim_end(), autonomy.policies())
}
