//! Owns: dropping what goes to or comes from an address, a network or a port, in an nftables table of its own.
//! Never: loopback, the coordinators, or a block that outlives its lease: the kernel itself ends it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use picket_model::Timestamp;
use picket_model::action::{IsolationScope, Network};
use picket_model::id::ActionId;

use super::nft::{self, NftError};
use crate::sys::clock::boot_ns;

const TABLE: &str = "picket_block";
const HOOKS: [&str; 3] = ["input", "output", "forward"];
/// Blocks at once. Each is a few rules that every packet passes: a list of thousands belongs in a firewall's own sets.
const BLOCKS_MAX: usize = 256;
/// The shortest prefixes that are blocked: a wider one is most of a network, and that is what isolating is for.
const PREFIX_MIN: (u8, u8) = (8, 16);
/// Closed to everybody it would shut out the people who could open it again.
const WAY_IN: u16 = 22;

#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    #[error(transparent)]
    Nft(#[from] NftError),
    #[error("{what} is not blocked: {why}")]
    Guarded { what: String, why: String },
    #[error("{BLOCKS_MAX} blocks are in force, the limit; undo some, or let the firewall hold such a list")]
    Full,
    #[error("{what} is not blocked after the act: table {TABLE} is not as it should be")]
    Unverified { what: String },
}

type Result<T> = std::result::Result<T, BlockError>;

/// What is blocked: a network, one port of it, or one port whatever the address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    network: Option<Network>,
    port: Option<u16>,
}

/// Nothing is done. `coordinators` stay reachable.
pub fn plan(network: Option<Network>, port: Option<u16>, coordinators: &[SocketAddr]) -> Result<Plan> {
    let plan = Plan { network, port };
    match guard(&plan, coordinators) {
        Some(why) => Err(BlockError::Guarded { what: plan.what(), why }),
        None => Ok(plan),
    }
}

fn guard(Plan { network, port }: &Plan, coordinators: &[SocketAddr]) -> Option<String> {
    let hit = |address: &SocketAddr| {
        network.is_none_or(|network| network.holds(address.ip())) && port.is_none_or(|port| port == address.port())
    };
    if let Some(coordinator) = coordinators.iter().find(|address| hit(address)) {
        return Some(format!("the coordinator is at {coordinator}"));
    }
    let Some(network) = network else {
        return match port {
            None => Some("neither an address nor a port is given".to_owned()),
            Some(0) => Some("there is no port 0".to_owned()),
            Some(WAY_IN) => Some(format!("port {WAY_IN} is the way in for people; name an address with it")),
            Some(_) => None,
        };
    };
    let least = if network.address().is_ipv4() { PREFIX_MIN.0 } else { PREFIX_MIN.1 };
    if network.prefix() < least {
        return Some(format!("a prefix shorter than {least} is most of a network; isolate the host instead"));
    }
    let local =
        network.address().is_loopback() || network.address().is_unspecified() || network.address().is_multicast();
    local.then(|| "it is no other host's address".to_owned())
}

impl Plan {
    fn what(&self) -> String {
        match (&self.network, self.port) {
            (Some(network), Some(port)) => format!("port {port} of {network}"),
            (Some(network), None) => network.to_string(),
            (None, Some(port)) => format!("port {port}"),
            (None, None) => "nothing".to_owned(),
        }
    }

    /// What a packet is that goes (`daddr`) to what is blocked, or comes (`saddr`) from it. A port is the one that is
    /// asked for: of the other side on the way out, of this host on the way in.
    fn matches(&self, side: &str) -> String {
        let address = self.network.map_or_else(String::new, |network| {
            let family = if network.address().is_ipv4() { "ip" } else { "ip6" };
            format!("{family} {side} {network} ")
        });
        let port = self.port.map_or_else(String::new, |port| format!("meta l4proto {{ tcp, udp }} th dport {port} "));
        address + &port
    }

    fn rules(&self, hook: &str, id: ActionId) -> String {
        let sides: &[&str] = match (hook, self.network) {
            ("input", _) => &["saddr"],
            ("forward", Some(_)) => &["daddr", "saddr"],
            _ => &["daddr"],
        };
        let rule = |side: &&str| {
            format!("  {}meta nfproto @{} counter drop comment \"{id}\"\n", self.matches(side), lease(id))
        };
        sides.iter().map(rule).collect()
    }
}

/// All blocks in force. One table serves them and is written anew in one transaction as they change.
#[derive(Debug)]
pub struct Blocks {
    scope: IsolationScope,
    /// Each with its end, on the clock that counts since boot.
    active: BTreeMap<ActionId, (Plan, Timestamp)>,
}

impl Blocks {
    /// `scope`: the network in which addresses are blocked.
    pub const fn new(scope: IsolationScope) -> Self {
        Self { scope, active: BTreeMap::new() }
    }

    /// Blocks it; gives what was done in words.
    pub fn apply(&mut self, id: ActionId, plan: Plan, lease_ms: u64) -> Result<String> {
        if self.active.len() >= BLOCKS_MAX && !self.active.contains_key(&id) {
            return Err(BlockError::Full);
        }
        let what = plan.what();
        let until = Timestamp(boot_ns()).plus_millis(lease_ms);
        let before = self.active.insert(id, (plan, until));
        // The agent started anew, and the kernel still has it.
        if before.is_none() && self.verify(id)? {
            return Ok(format!("{what} was blocked already"));
        }
        let written = self.write().and_then(|()| self.verify(id));
        if matches!(written, Ok(true)) {
            return Ok(format!("blocked {what} for {lease_ms} ms"));
        }
        self.active.remove(&id);
        self.write()?;
        written.and(Err(BlockError::Unverified { what }))
    }

    /// Whether the kernel drops it now: its lease lives, and each hook has its rules.
    pub fn verify(&self, id: ActionId) -> Result<bool> {
        let Some((plan, _)) = self.active.get(&id) else { return Ok(false) };
        let Some(table) = nft::listed(&self.scope, TABLE)? else { return Ok(false) };
        let leased = table.iter().any(|one| {
            one["set"]["name"] == lease(id).as_str() && one["set"]["elem"].as_array().map_or(0, Vec::len) == 2
        });
        let drops = |hook: &&str| {
            let hooked = table.iter().any(|one| one["chain"]["name"] == **hook && one["chain"]["hook"] == **hook);
            let found = table.iter().filter(|one| is_rule(one, hook, id)).count();
            hooked && found == plan.rules(hook, id).lines().count()
        };
        Ok(leased && HOOKS.iter().all(drops))
    }

    /// Ends the block; gives what was done in words.
    pub fn undo(&mut self, id: ActionId) -> Result<String> {
        let ended = self.active.remove(&id);
        if let Err(error) = self.write() {
            // Still in force, so that the next undoing finds it.
            self.active.extend(ended.map(|ended| (id, ended)));
            return Err(error);
        }
        Ok(ended.map_or_else(
            || "it was no longer blocked".to_owned(),
            |(plan, _)| format!("{} is open again", plan.what()),
        ))
    }

    /// Whether the kernel has nothing of it any more.
    pub fn verify_undone(&self, id: ActionId) -> Result<bool> {
        let table = nft::listed(&self.scope, TABLE)?.unwrap_or_default();
        let rest = |one: &serde_json::Value| {
            one["set"]["name"] == lease(id).as_str() || HOOKS.iter().any(|hook| is_rule(one, hook, id))
        };
        Ok(!table.iter().any(rest))
    }

    fn write(&self) -> Result<()> {
        if self.active.is_empty() {
            nft::delete(&self.scope, TABLE)?;
            return Ok(());
        }
        Ok(nft::run(&self.scope, &self.text(Timestamp(boot_ns())))?)
    }

    /// The rules as one transaction: an earlier table is replaced, never added to.
    fn text(&self, now: Timestamp) -> String {
        let mut text = format!("table inet {TABLE} {{}}\ndelete table inet {TABLE}\ntable inet {TABLE} {{\n");
        for (id, (_, until)) in &self.active {
            // An element cannot live for no time; what has run out is taken away with the next change.
            let left = until.millis_since(now).max(1);
            text += &format!(
                " set {} {{ typeof meta nfproto; flags timeout; elements = {{ ipv4 timeout {left}ms, ipv6 timeout {left}ms }}; }}\n",
                lease(*id)
            );
        }
        for hook in HOOKS {
            let own = match hook {
                "input" => "  iifname \"lo\" accept\n",
                "output" => "  oifname \"lo\" accept\n",
                _ => "",
            };
            let rules: String = self.active.iter().map(|(id, (plan, _))| plan.rules(hook, *id)).collect();
            text += &format!(
                " chain {hook} {{\n  type filter hook {hook} priority -190; policy accept;\n{own}{rules} }}\n"
            );
        }
        text + "}\n"
    }
}

fn is_rule(one: &serde_json::Value, hook: &str, id: ActionId) -> bool {
    let rule = &one["rule"];
    let drops = rule["expr"].as_array().is_some_and(|all| all.iter().any(|each| each.get("drop").is_some()));
    rule["chain"] == hook && rule["comment"] == id.to_string().as_str() && drops
}

/// The set whose elements live as long as the block.
fn lease(id: ActionId) -> String {
    format!("lease_{}", id.to_string().replace('-', ""))
}

#[cfg(test)]
mod tests;
