//! Owns: the programs that hang at the root of the cgroup hierarchy and see every socket's packets and addresses, and
//! whose the sockets are that were there before them.
//! Never: what a packet says.

use std::collections::BTreeMap;

use aya::Ebpf;
use aya::maps::HashMap;
use aya::programs::{
    CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, CgroupSock, CgroupSockAddr, Program, ProgramError,
};

use super::hooks::{self, Outcome};
use crate::causes::chain;
use crate::procfs;
use crate::sensor::diag;
use crate::sys::cgroup;

const PACKETS: [(&str, CgroupSkbAttachType); 2] =
    [("on_egress", CgroupSkbAttachType::Egress), ("on_ingress", CgroupSkbAttachType::Ingress)];
const ADDRESSES: [&str; 8] =
    ["on_bind4", "on_bind6", "on_connect4", "on_connect6", "on_sendmsg4", "on_sendmsg6", "on_recvmsg4", "on_recvmsg6"];
const BINDS: [&str; 2] = ["on_post_bind4", "on_post_bind6"];
/// A link lets the programs of others run beside ours by itself; the kernel refuses the flag that says so.
const BESIDE_OTHERS: CgroupAttachMode = CgroupAttachMode::Single;
/// `USER_HZ` is 100 on every architecture Linux has left.
const NS_PER_TICK: u64 = 10_000_000;

/// What a program is for: the rows that it serves, and what is not seen without it.
const SERVES_PACKETS: (&[&str], &str) = (&["network.udp", "dns.query"], "UDP flows and DNS lookups are not seen.");
const SERVES_BINDS: (&[&str], &str) = (&["network.listen"], "UDP ports that are opened are not seen.");
const SERVES_OWNERS: (&[&str], &str) = (&["network.udp"], "A UDP flow may be told without its process.");
const NAT: &str = "Addresses are those of the packet: behind NAT of this host, the translated ones.";
const DNS: &str = "DNS over TCP, TLS or HTTPS, multicast DNS, and messages beyond 1500 bytes are not read.";

/// Attaches each program by itself and says in `outcome` what serves which row.
pub fn attach(ebpf: &mut Ebpf, outcome: &mut Outcome) {
    let root = match cgroup::root() {
        Ok(root) => root,
        Err(error) => return missing(outcome, SERVES_PACKETS, &format!("cgroup2: {error}")),
    };
    for (name, way) in PACKETS {
        let done = program::<CgroupSkb>(ebpf, name).and_then(|program| {
            program.load().and_then(|()| program.attach(&root, way, BESIDE_OTHERS)).map_err(|e| chain(&e))
        });
        judge(outcome, SERVES_PACKETS, name, done.map(drop));
    }
    for name in ADDRESSES {
        let done = program::<CgroupSockAddr>(ebpf, name).and_then(|program| {
            program.load().and_then(|()| program.attach(&root, BESIDE_OTHERS)).map_err(|e| chain(&e))
        });
        judge(outcome, SERVES_OWNERS, name, done.map(drop));
    }
    for name in BINDS {
        let done = program::<CgroupSock>(ebpf, name).and_then(|program| {
            program.load().and_then(|()| program.attach(&root, BESIDE_OTHERS)).map_err(|e| chain(&e))
        });
        judge(outcome, SERVES_BINDS, name, done.map(drop));
    }
    if let Err(reason) = tell_held(ebpf) {
        missing(outcome, SERVES_OWNERS, &reason);
    }
    hooks::cover(&mut outcome.coverage, "network.udp", "", NAT);
    hooks::cover(&mut outcome.coverage, "dns.query", "", DNS);
}

fn judge(outcome: &mut Outcome, (rows, without): (&[&str], &str), name: &str, done: Result<(), String>) {
    match done {
        Ok(()) => {
            let hook = format!("cgroup/{}", name.trim_start_matches("on_"));
            rows.iter().for_each(|row| hooks::cover(&mut outcome.coverage, row, &hook, ""));
        }
        Err(reason) => missing(outcome, (rows, without), &format!("{name}: {reason}")),
    }
}

fn missing(outcome: &mut Outcome, (rows, without): (&[&str], &str), reason: &str) {
    outcome.blind.push(format!("{without} ({})", hooks::short(reason)));
    rows.iter().for_each(|row| hooks::cover(&mut outcome.coverage, row, "", without));
}

fn program<'a, P>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut P, String>
where
    &'a mut P: TryFrom<&'a mut Program, Error = ProgramError>,
{
    let program = ebpf.program_mut(name).ok_or("it is missing from the object")?;
    program.try_into().map_err(|e: ProgramError| e.to_string())
}

/// The owners of the UDP sockets that are open already, for a packet that comes in names none. `struct connecting`.
fn tell_held(ebpf: &mut Ebpf) -> Result<(), String> {
    let held: BTreeMap<u64, u32> = diag::held_udp().map_err(|e| e.to_string())?;
    let map = ebpf.map_mut("HOLDERS").ok_or("the map HOLDERS is missing")?;
    let mut map: HashMap<_, u64, [u64; 2]> = HashMap::try_from(map).map_err(|e| e.to_string())?;
    for (cookie, pid) in held {
        let start = procfs::start_ticks(pid).unwrap_or_default() * NS_PER_TICK;
        map.insert(cookie, [u64::from(pid), start], 0).map_err(|e| e.to_string())?;
    }
    Ok(())
}
