//! Owns: the thread that looks at the host's TCP sockets again and again, and finds the processes that hold new ones.
//! Never: what a new socket means; `sockets` says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use nix::libc;
use picket_model::NetProtocol;
use picket_model::raw::{RawActor, RawKind};

use super::sockets::{Flows, SOCKETS_MAX, STATES, Socket, parse};
use crate::procfs;
use crate::sensor::feed::{Feed, speak};
use crate::sys::netlink::{MESSAGE_DONE, MESSAGE_ERROR, Netlink, messages};

/// A reverse shell is noticed before its operator has typed a command, at well below a percent of one processor.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// On a host whose sockets take long to list, looking takes at most this part of the time.
const REST_FACTOR: u32 = 10;
/// What one datagram of a dump holds at most.
const DATAGRAM_BYTES: usize = 64 * 1024;
/// Descriptors looked at for the owners of new sockets in one look: some hundred milliseconds.
const DESCRIPTORS_MAX: usize = 200_000;

pub struct Sockets {
    netlink: Netlink,
    flows: Flows,
}

impl Sockets {
    /// # Errors
    /// Where the kernel has no sock_diag for TCP.
    pub fn open() -> io::Result<Self> {
        let mut sockets = Self { netlink: Netlink::sock_diag()?, flows: Flows::default() };
        let (here, _) = sockets.list()?;
        sockets.flows.look(&here);
        Ok(sockets)
    }

    pub fn run(mut self, feed: &Feed) {
        let mut quiet = false;
        while !feed.stopped() {
            let begun = Instant::now();
            match self.look(feed) {
                Ok(()) if quiet => feed.notice("probe back", "sock_diag".into()),
                Ok(()) => {}
                Err(error) => {
                    if !quiet {
                        feed.notice("probe quiet", format!("sock_diag: {error}"));
                    }
                    // What is left of a broken dump would be taken for the next one's answer.
                    if let Ok(netlink) = Netlink::sock_diag() {
                        self.netlink = netlink;
                    }
                    quiet = true;
                    feed.sleep(LOOK_EVERY);
                    continue;
                }
            }
            quiet = false;
            let took = begun.elapsed();
            feed.sleep(LOOK_EVERY.saturating_sub(took).max(took * (REST_FACTOR - 1)));
        }
    }

    fn look(&mut self, feed: &Feed) -> io::Result<()> {
        let (here, beyond) = self.list()?;
        feed.lost("sock_diag.full", beyond);
        let fresh = self.flows.look(&here);
        if fresh.is_empty() {
            return Ok(());
        }
        let owners = owners(fresh.iter().map(|(_, socket)| socket.inode).collect(), feed);
        for (activity, socket) in fresh {
            let mut record = speak(RawKind::Network {
                activity,
                protocol: NetProtocol::Tcp,
                local_ip: socket.local.0,
                local_port: socket.local.1,
                remote_ip: socket.remote.0,
                remote_port: socket.remote.1,
            });
            record.actor =
                owners.get(&socket.inode).map(|pid| RawActor { pid: *pid, start_ticks: procfs::start_ticks(*pid) });
            feed.tell(record);
        }
        Ok(())
    }

    /// Every TCP socket of this network namespace in the states that matter, and how many more there were.
    fn list(&mut self) -> io::Result<(Vec<Socket>, u64)> {
        let (mut found, mut beyond) = (Vec::new(), 0);
        let mut buffer = vec![0; DATAGRAM_BYTES];
        for family in [libc::AF_INET, libc::AF_INET6] {
            self.netlink.ask_tcp(u8::try_from(family).map_err(io::Error::other)?, STATES)?;
            'dump: loop {
                for (kind, body) in messages(self.netlink.receive(&mut buffer)?) {
                    match kind {
                        MESSAGE_DONE => break 'dump,
                        MESSAGE_ERROR => return Err(refusal(body)),
                        _ if found.len() >= SOCKETS_MAX => beyond += 1,
                        _ => found.extend(parse(body)),
                    }
                }
            }
        }
        Ok((found, beyond))
    }
}

fn refusal(body: &[u8]) -> io::Error {
    let errno = body.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    io::Error::from_raw_os_error(errno.saturating_neg())
}

/// The process that holds each socket: the one with the lowest pid, for a child has it from its parent.
fn owners(mut wanted: BTreeSet<u32>, feed: &Feed) -> BTreeMap<u32, u32> {
    let mut owners = BTreeMap::new();
    let Ok(directory) = fs::read_dir("/proc") else { return owners };
    let mut pids: Vec<u32> = directory.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    let mut looked = 0;
    for pid in pids {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        for descriptor in descriptors.flatten() {
            if wanted.is_empty() {
                return owners;
            }
            looked += 1;
            if looked > DESCRIPTORS_MAX {
                feed.lost("sock_diag.owner", wanted.len() as u64);
                return owners;
            }
            let Ok(target) = fs::read_link(descriptor.path()) else { continue };
            let inode = target.to_str().and_then(|name| name.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            if let Some(inode) = inode.filter(|inode| wanted.remove(inode)) {
                owners.insert(inode, pid);
            }
        }
    }
    owners
}
