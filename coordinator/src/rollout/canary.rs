//! Owns: which hosts are the canaries: a share of all, some by name, or a group.
//! Never: chance: the same words choose the same hosts.

use picket_model::HostId;
use picket_policy::Group;
use sha2::{Digest, Sha256};

/// Names of hosts in one list; a group is shorter to say.
const NAMES_MAX: usize = 256;

/// An enrolled host that is not revoked.
pub struct Enrolled {
    pub id: HostId,
    pub name: String,
    pub connected: bool,
}

/// `10%`, `web-1,db-*` (names or ids) or `group:NAME`, in the order of ids; the error says what to write instead.
pub fn choose(words: &str, enrolled: &[Enrolled], groups: &[Group]) -> Result<Vec<HostId>, String> {
    let words = words.trim();
    let mut hosts = if let Some(percent) = words.strip_suffix('%') {
        share(percent.trim(), enrolled)?
    } else if let Some(name) = words.strip_prefix("group:") {
        of_group(name.trim(), enrolled, groups)?
    } else {
        named(words, enrolled)?
    };
    hosts.sort_unstable();
    hosts.dedup();
    if !enrolled.iter().any(|host| host.connected && hosts.contains(&host.id)) {
        return Err(format!("no host of {words:?} is connected: nobody would try the bundle"));
    }
    Ok(hosts)
}

/// That many of all enrolled hosts, rounded up, from among those that are connected: who is away tries nothing. A larger
/// share of the same hosts holds the smaller one.
fn share(percent: &str, enrolled: &[Enrolled]) -> Result<Vec<HostId>, String> {
    let share: usize = percent.parse().ok().filter(|share| (1..=100).contains(share)).ok_or_else(|| {
        format!("{percent:?} is no share of the hosts: write a whole number from 1 to 100, as in 10%")
    })?;
    let count = (enrolled.len() * share).div_ceil(100).max(1);
    let mut connected: Vec<HostId> = enrolled.iter().filter(|host| host.connected).map(|host| host.id).collect();
    connected.sort_unstable_by_key(|id| <[u8; 32]>::from(Sha256::digest(id.as_bytes())));
    connected.truncate(count);
    Ok(connected)
}

fn of_group(name: &str, enrolled: &[Enrolled], groups: &[Group]) -> Result<Vec<HostId>, String> {
    let Some(group) = groups.iter().find(|group| group.name == name) else {
        let known: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(format!("the bundle in force has no group {name:?}; its groups (`quorum`): {known}"));
    };
    let hosts = held(group, enrolled);
    if hosts.is_empty() { Err(format!("no enrolled host is of the group {name:?}")) } else { Ok(hosts) }
}

/// Every word must mean somebody: a name with a slip in it would make a canary less.
fn named(words: &str, enrolled: &[Enrolled]) -> Result<Vec<HostId>, String> {
    let names: Vec<&str> = words.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if names.is_empty() || names.len() > NAMES_MAX {
        return Err(format!("--canary takes 10%, up to {NAMES_MAX} names as in web-1,web-2, or group:NAME"));
    }
    let mut hosts = Vec::new();
    for name in names {
        let one = Group { name: String::new(), hosts: vec![name.to_owned()], keep: 1 };
        let held = held(&one, enrolled);
        if held.is_empty() {
            return Err(format!("no enrolled host is called {name:?}; `picket hosts` lists them"));
        }
        hosts.extend(held);
    }
    Ok(hosts)
}

fn held(group: &Group, enrolled: &[Enrolled]) -> Vec<HostId> {
    enrolled.iter().filter(|host| group.holds(&host.name, host.id)).map(|host| host.id).collect()
}
