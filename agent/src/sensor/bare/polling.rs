//! Owns: the thread that looks at the host's sockets again and again, in every network namespace that a process is in,
//! and finds the processes that hold new ones.
//! Never: what a new socket means; `sockets` says.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use picket_model::NetActivity;
use picket_model::raw::{RawActor, RawKind};

use super::sockets::Flows;
use crate::procfs;
use crate::sensor::diag::{self, Socket};
use crate::sensor::feed::{Feed, speak};
use crate::sys::netlink::Netlink;
use crate::sys::netns;

/// A reverse shell is noticed before its operator has typed a command, at well below a percent of one processor.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// On a host whose sockets take long to list, looking takes at most this part of the time.
const REST_FACTOR: u32 = 10;
/// How often new network namespaces are looked for: one link to read for each process.
const NAMESPACES_EVERY: Duration = Duration::from_secs(5);
/// A host full of containers; what is beyond is counted.
const NAMESPACES_MAX: usize = 128;
const PORTS: &str = "/proc/sys/net/ipv4/ip_local_port_range";

struct Namespace {
    netlink: Netlink,
    flows: Flows,
}

pub struct Sockets {
    own: Namespace,
    /// The others, by the name of their link, `net:[4026531840]`.
    others: BTreeMap<PathBuf, Namespace>,
    namespaces_due: Instant,
}

impl Namespace {
    fn open() -> io::Result<Self> {
        let flows = Flows::with_ephemeral(&fs::read_to_string(PORTS).unwrap_or_default());
        let mut namespace = Self { netlink: Netlink::sock_diag()?, flows };
        let (here, _) = diag::list(&namespace.netlink)?;
        namespace.flows.look(&here);
        Ok(namespace)
    }

    fn look(&mut self, feed: &Feed) -> io::Result<Vec<(NetActivity, Socket)>> {
        let (here, beyond) = diag::list(&self.netlink)?;
        feed.lost("sock_diag.full", beyond);
        Ok(self.flows.look(&here))
    }
}

impl Sockets {
    /// # Errors
    /// Where the kernel has no sock_diag.
    pub fn open() -> io::Result<Self> {
        Ok(Self { own: Namespace::open()?, others: BTreeMap::new(), namespaces_due: Instant::now() })
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
                        self.own.netlink = netlink;
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
        if Instant::now() >= self.namespaces_due {
            self.namespaces_due = Instant::now() + NAMESPACES_EVERY;
            self.find_namespaces(feed);
        }
        let mut fresh = self.own.look(feed)?;
        // One that fails is opened anew with the next search.
        self.others.retain(|_, namespace| namespace.look(feed).map(|more| fresh.extend(more)).is_ok());
        tell(&fresh, feed);
        Ok(())
    }

    /// Keeps the namespaces that a process is in and enters those that are new.
    fn find_namespaces(&mut self, feed: &Feed) {
        let mut here = namespaces();
        if let Ok(own) = fs::read_link("/proc/self/ns/net") {
            here.remove(&own);
        }
        self.others.retain(|name, _| here.contains_key(name));
        for (name, path) in here {
            if self.others.contains_key(&name) {
                continue;
            }
            if self.others.len() >= NAMESPACES_MAX {
                feed.lost("sock_diag.namespaces", 1);
                continue;
            }
            // A process that ends meanwhile takes its namespace with it.
            if let Ok(namespace) = netns::inside(&path, Namespace::open) {
                self.others.insert(name, namespace);
            }
        }
    }
}

/// Each network namespace by the name of its link, and a path that leads there.
fn namespaces() -> BTreeMap<PathBuf, PathBuf> {
    let Ok(directory) = fs::read_dir("/proc") else { return BTreeMap::new() };
    let pids = directory.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let links = pids.map(|pid| Path::new("/proc").join(pid.to_string()).join("ns/net"));
    links.filter_map(|path| Some((fs::read_link(&path).ok()?, path))).collect()
}

fn tell(fresh: &[(NetActivity, Socket)], feed: &Feed) {
    if fresh.is_empty() {
        return;
    }
    let (owners, unknown) = diag::owners(fresh.iter().map(|(_, socket)| socket.inode).collect());
    feed.lost("sock_diag.owner", unknown);
    for (activity, socket) in fresh {
        let mut record = speak(RawKind::Network {
            activity: *activity,
            protocol: socket.protocol,
            local_ip: socket.local.0,
            local_port: socket.local.1,
            remote_ip: socket.remote.0,
            remote_port: socket.remote.1,
        });
        record.actor =
            owners.get(&socket.inode).map(|pid| RawActor { pid: *pid, start_ticks: procfs::start_ticks(*pid) });
        feed.tell(record);
    }
}
