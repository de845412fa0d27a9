//! Owns: the thread that hears of forks, execs, exits, other users and tracers, and asks /proc about them at once, before it forgets.
//! Never: guessing what /proc no longer knows.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::PollFlags;
use picket_model::raw::{RawActor, RawKind, RawProcess, RawRecord};
use picket_model::{Activity, PrivilegeKind, ProcessAccess};

use super::connector::{ProcEvent, Sequences, What, parse};
use super::privileges;
use crate::procfs;
use crate::sensor::decode;
use crate::sensor::feed::{Feed, ready};
use crate::sys::clock::{WallOffset, suspended_ns};
use crate::sys::netlink::{Netlink, messages};

/// One event is 76 bytes, yet the kernel charges about 800 for it: so much more than a ring needs the socket.
const CHARGE: usize = 4;
/// The kernel answers a subscription at once; in a pid namespace of its own it never does.
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);
/// One datagram carries one event; a page holds any.
const DATAGRAM_BYTES: usize = 4096;
/// The start times that are remembered. Emptied when full (exits were lost): then /proc is asked again.
const KNOWN_MAX: usize = 65_536;
/// `USER_HZ` is 100 on every architecture Linux has left.
const NS_PER_TICK: u64 = 10_000_000;

#[derive(Clone, Copy)]
struct Known {
    parent: u32,
    start: Option<u64>,
}

pub struct Processes {
    socket: Netlink,
    sequences: Sequences,
    known: BTreeMap<u32, Known>,
    /// Their first thread has ended, others have not.
    lingering: BTreeSet<u32>,
}

impl Processes {
    /// # Errors
    /// Without `CAP_NET_ADMIN`, outside the first pid namespace, or where the kernel has no proc connector.
    pub fn open(ring_bytes: u32) -> io::Result<Self> {
        let bytes = usize::try_from(ring_bytes).unwrap_or(usize::MAX).saturating_mul(CHARGE);
        let socket = Netlink::proc_connector(bytes)?;
        answered(&socket)?;
        Ok(Self { socket, sequences: Sequences::default(), known: BTreeMap::new(), lingering: BTreeSet::new() })
    }

    pub fn run(mut self, feed: &Feed) {
        let mut buffer = [0; DATAGRAM_BYTES];
        while !feed.stopped() {
            match ready([(self.socket.as_fd(), PollFlags::POLLIN)]) {
                Ok([true]) => {}
                Ok([false]) => continue,
                Err(errno) => return feed.notice("probe quiet", format!("proc connector: {errno}")),
            }
            match self.socket.receive(&mut buffer) {
                Ok(datagram) => self.hear(datagram, feed),
                // How many it were, the numbers of the next events tell; at least one it was even if none follow.
                Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => feed.lost("connector.overrun", 1),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return feed.notice("probe quiet", format!("proc connector: {error}")),
            }
        }
    }

    fn hear(&mut self, datagram: &[u8], feed: &Feed) {
        for (_, body) in messages(datagram) {
            let Some(event) = parse(body) else {
                feed.lost("connector.garbled", 1);
                continue;
            };
            feed.lost("connector.events", self.sequences.missing(&event));
            if let Some((actor, kind)) = self.record(&event, feed) {
                let time = WallOffset::read_monotonic().wall(event.time_ns);
                feed.tell(RawRecord { time, actor: Some(actor), kind });
            }
        }
    }

    fn record(&mut self, event: &ProcEvent, feed: &Feed) -> Option<(RawActor, RawKind)> {
        let latest = (event.time_ns + suspended_ns()) / NS_PER_TICK + 1;
        match event.what {
            What::Fork { parent, child } => {
                let start = start(child, latest);
                self.remember(child, Known { parent, start });
                let kind = RawKind::Fork { child_pid: child, child_start_ticks: start };
                Some((self.actor(parent, latest), kind))
            }
            What::Exec { pid } => {
                let process = self.image(pid, latest, feed);
                Some((RawActor { pid, start_ticks: process.start_ticks }, RawKind::Exec(process)))
            }
            What::Exit { pid, leader, code } => {
                let others = || procfs::threads(pid).is_some_and(|threads| threads > 1);
                let last = (leader || self.lingering.contains(&pid)) && !others();
                // Too many to wait for: told early rather than not at all.
                let early = leader && self.lingering.len() >= KNOWN_MAX;
                if !last && !early {
                    if leader {
                        self.lingering.insert(pid);
                    }
                    return None;
                }
                let actor = self.actor(pid, latest);
                self.lingering.remove(&pid);
                self.known.remove(&pid);
                Some((actor, decode::exit(code)))
            }
            What::User { pid, ids } => Some(self.privilege(pid, latest, PrivilegeKind::SetUser, ids)),
            What::Group { pid, ids } => Some(self.privilege(pid, latest, PrivilegeKind::SetGroup, ids)),
            What::Traced { pid, by } => {
                let target = self.actor(pid, latest);
                Some((self.actor(by, latest), RawKind::ProcessAccess { access: ProcessAccess::Trace, target }))
            }
            What::Answer(_) | What::Other => None,
        }
    }

    fn privilege(&mut self, pid: u32, latest: u64, kind: PrivilegeKind, ids: (u32, u32)) -> (RawActor, RawKind) {
        let activity = Activity::Privilege { change: privileges::changed(pid, kind, ids) };
        (self.actor(pid, latest), RawKind::Plain(Box::new(activity)))
    }

    /// What /proc says of the new image; of a process that is gone already, what its fork said.
    fn image(&mut self, pid: u32, latest: u64, feed: &Feed) -> RawProcess {
        let told = procfs::describe(pid).filter(|process| process.start_ticks.is_none_or(|start| start <= latest));
        if told.as_ref().is_none_or(|process| process.exe.is_empty()) {
            feed.lost("proc.gone", 1);
        }
        let known = self.known.get(&pid).copied();
        let mut process = told.unwrap_or_else(|| RawProcess {
            pid,
            start_ticks: known.and_then(|known| known.start),
            ppid: known.map_or(0, |known| known.parent),
            ..RawProcess::default()
        });
        process.parent_start_ticks =
            if process.ppid == 0 { None } else { self.actor(process.ppid, latest).start_ticks };
        self.remember(pid, Known { parent: process.ppid, start: process.start_ticks });
        process
    }

    fn actor(&mut self, pid: u32, latest: u64) -> RawActor {
        let known = self.known.get(&pid).and_then(|known| known.start);
        let start_ticks = known.or_else(|| start(pid, latest));
        RawActor { pid, start_ticks }
    }

    fn remember(&mut self, pid: u32, known: Known) {
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        self.known.insert(pid, known);
    }
}

/// A process that began after the event is another one with the same pid.
fn start(pid: u32, latest: u64) -> Option<u64> {
    procfs::start_ticks(pid).filter(|start| *start <= latest)
}

/// What is heard before the answer needs no telling: the scan of what runs comes later.
fn answered(socket: &Netlink) -> io::Result<()> {
    let until = Instant::now() + ANSWER_PATIENCE;
    let mut buffer = [0; DATAGRAM_BYTES];
    while Instant::now() < until {
        if !matches!(ready([(socket.as_fd(), PollFlags::POLLIN)]), Ok([true])) {
            continue;
        }
        let datagram = match socket.receive(&mut buffer) {
            Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => continue,
            other => other?,
        };
        for (_, body) in messages(datagram) {
            match parse(body).map(|event| event.what) {
                Some(What::Answer(0)) => return Ok(()),
                Some(What::Answer(errno)) => {
                    return Err(io::Error::from_raw_os_error(i32::try_from(errno).unwrap_or_default()));
                }
                _ => {}
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "the kernel does not answer the subscription"))
}
