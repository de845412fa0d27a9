//! Owns: cutting a host or a named network namespace off, but for what stays reachable, in an nftables table of its own.
//! Never: another table, or a cut that outlives its lease: the kernel itself ends it, whether the agent lives or not.

mod reach;

use picket_model::action::IsolationScope;

use super::nft::{self, NftError};

pub use reach::{Reach, resolvers};

const TABLE: &str = "picket_isolation";

#[derive(Debug, thiserror::Error)]
pub enum IsolateError {
    #[error("a lease of 0 ms cuts nothing off; give the isolation a lease")]
    NoLease,
    #[error(transparent)]
    Nft(#[from] NftError),
    #[error("table {TABLE} is not as it should be after the act: {what}")]
    Unverified { what: &'static str },
}

/// The rules, as one transaction: an earlier table is replaced, never added to.
#[must_use]
pub fn plan(reach: &Reach, lease_ms: u64) -> String {
    let (out, back) = reach.rules();
    // Address upkeep: without it the coordinator is lost as the DHCP lease or the neighbour entry runs out.
    let out_upkeep = "  udp sport 68 udp dport 67 accept\n  udp sport 546 udp dport 547 accept\n";
    let in_upkeep = "  udp sport 67 udp dport 68 accept\n  udp sport 547 udp dport 546 accept\n";
    let neighbours = "  icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept\n";
    // Accept by default, drop while the lease's elements live: the kernel removes them on time, without any process.
    let chain = |hook: &str, rules: &str| {
        // After connection tracking (-200), so that `established` is known; before any other filter.
        format!(
            " chain {hook} {{\n  type filter hook {hook} priority -190; policy accept;\n{rules}  meta nfproto @lease counter drop\n }}\n"
        )
    };
    let input = chain("input", &format!("  iifname \"lo\" accept\n{back}{in_upkeep}{neighbours}"));
    let output = chain("output", &format!("  oifname \"lo\" accept\n{out}{out_upkeep}{neighbours}"));
    let forward = chain("forward", "");
    format!(
        "table inet {TABLE} {{}}\ndelete table inet {TABLE}\ntable inet {TABLE} {{\n set lease {{ typeof meta nfproto; flags timeout; elements = {{ ipv4 timeout {lease_ms}ms, ipv6 timeout {lease_ms}ms }}; }}\n{input}{output}{forward}}}\n"
    )
}

pub fn apply(scope: &IsolationScope, reach: &Reach, lease_ms: u64) -> Result<(), IsolateError> {
    if lease_ms == 0 {
        return Err(IsolateError::NoLease);
    }
    nft::run(scope, &plan(reach, lease_ms))?;
    match verify(scope) {
        Ok(true) => Ok(()),
        other => {
            // A cut that cannot be shown to hold is taken back: nothing stays half-done.
            undo(scope)?;
            other.and(Err(IsolateError::Unverified { what: "it does not cut traffic" }))
        }
    }
}

/// Whether the cut is in force now: the lease lives and each of the three hooks drops by it.
pub fn verify(scope: &IsolationScope) -> Result<bool, IsolateError> {
    let Some(objects) = nft::listed(scope, TABLE)? else { return Ok(false) };
    let leased =
        objects.iter().any(|o| o["set"]["name"] == "lease" && o["set"]["elem"].as_array().map_or(0, Vec::len) == 2);
    let drops = |hook: &str| {
        let hooked = objects.iter().any(|o| o["chain"]["name"] == hook && o["chain"]["hook"] == hook);
        let last = objects.iter().rfind(|o| o["rule"]["chain"] == hook);
        let cuts = last.and_then(|o| o["rule"]["expr"].as_array()).is_some_and(|expressions| {
            expressions.iter().any(|e| e["match"]["right"] == "@lease")
                && expressions.iter().any(|e| e.get("drop").is_some())
        });
        hooked && cuts
    };
    Ok(leased && ["input", "output", "forward"].into_iter().all(drops))
}

/// Takes the table away; true where there was one.
pub fn undo(scope: &IsolationScope) -> Result<bool, IsolateError> {
    if !nft::delete(scope, TABLE)? {
        return Ok(false);
    }
    if verify_undone(scope)? { Ok(true) } else { Err(IsolateError::Unverified { what: "it is still there" }) }
}

/// Whether no table of ours is left, in a namespace that may be gone itself.
pub fn verify_undone(scope: &IsolationScope) -> Result<bool, IsolateError> {
    Ok(nft::listed(scope, TABLE)?.is_none())
}
