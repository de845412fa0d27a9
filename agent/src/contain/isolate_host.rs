//! Owns: cutting a host or a named network namespace off, but for the coordinator, in an nftables table of its own.
//! Never: another table, or a cut that outlives its lease: the kernel itself ends it, whether the agent lives or not.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use picket_model::action::IsolationScope;

use crate::sys::netns;

const NFT: &str = "/usr/sbin/nft";
const TABLE: &str = "picket_isolation";

#[derive(Debug, thiserror::Error)]
pub enum IsolateError {
    #[error("network namespace name `{name}` is not one plain file name; give it as `ip netns list` shows it")]
    Name { name: String },
    #[error("a lease of 0 ms cuts nothing off; give the isolation a lease")]
    NoLease,
    #[error("cannot run {NFT}: {source}; install nftables and check that the namespace exists")]
    Run { source: io::Error },
    #[error("{NFT} refused: {message}")]
    Nft { message: String },
    #[error("table {TABLE} is not as it should be after the act: {what}")]
    Unverified { what: &'static str },
}

/// The rules, as one transaction: an earlier table is replaced, never added to.
#[must_use]
pub fn plan(coordinators: &[SocketAddr], lease_ms: u64) -> String {
    let (mut out, mut back) = (String::new(), String::new());
    for address in coordinators {
        let family = if address.is_ipv4() { "ip" } else { "ip6" };
        let (ip, port) = (address.ip(), address.port());
        out += &format!("  {family} daddr {ip} meta l4proto {{ tcp, udp }} th dport {port} accept\n");
        // Only answers to what this host began: a forged source port alone opens nothing.
        back +=
            &format!("  {family} saddr {ip} meta l4proto {{ tcp, udp }} th sport {port} ct state established accept\n");
    }
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

pub fn apply(scope: &IsolationScope, coordinators: &[SocketAddr], lease_ms: u64) -> Result<(), IsolateError> {
    if lease_ms == 0 {
        return Err(IsolateError::NoLease);
    }
    accepted(nft(scope, &["-f", "-"], &plan(coordinators, lease_ms))?)?;
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
    let Some(table) = listed(scope)? else { return Ok(false) };
    let objects = table["nftables"].as_array().cloned().unwrap_or_default();
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
    // A namespace that is gone took its table along.
    if let IsolationScope::Namespace { name } = scope
        && !namespace_path(name)?.exists()
    {
        return Ok(false);
    }
    if listed(scope)?.is_none() {
        return Ok(false);
    }
    accepted(nft(scope, &["delete", "table", "inet", TABLE], "")?)?;
    if verify_undone(scope)? { Ok(true) } else { Err(IsolateError::Unverified { what: "it is still there" }) }
}

/// Whether no table of ours is left, in a namespace that may be gone itself.
pub fn verify_undone(scope: &IsolationScope) -> Result<bool, IsolateError> {
    match scope {
        IsolationScope::Namespace { name } if !namespace_path(name)?.exists() => Ok(true),
        _ => Ok(listed(scope)?.is_none()),
    }
}

fn listed(scope: &IsolationScope) -> Result<Option<serde_json::Value>, IsolateError> {
    let output = nft(scope, &["-j", "list", "table", "inet", TABLE], "")?;
    if !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("No such file or directory") {
        return Ok(None);
    }
    let output = accepted(output)?;
    serde_json::from_slice(&output.stdout).map(Some).map_err(|error| IsolateError::Nft { message: error.to_string() })
}

fn accepted(output: Output) -> Result<Output, IsolateError> {
    if output.status.success() {
        return Ok(output);
    }
    Err(IsolateError::Nft { message: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
}

fn nft(scope: &IsolationScope, arguments: &[&str], input: &str) -> Result<Output, IsolateError> {
    let run = || {
        let mut child = Command::new(NFT)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes())?;
        }
        child.wait_with_output()
    };
    match scope {
        IsolationScope::Host => run(),
        IsolationScope::Namespace { name } => netns::inside(&namespace_path(name)?, run),
    }
    .map_err(|source| IsolateError::Run { source })
}

fn namespace_path(name: &str) -> Result<PathBuf, IsolateError> {
    let plain = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']);
    if plain { Ok(Path::new("/run/netns").join(name)) } else { Err(IsolateError::Name { name: name.to_owned() }) }
}
