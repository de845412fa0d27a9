//! Owns: walks of the graph: lineage, session roots, which session a connection became, who wrote a file.
//! Never: changing it.

use std::net::IpAddr;

use picket_model::process::ANCESTORS_MAX;
use picket_model::{EntityRef, HostId, ProcessKey, Relation, Timestamp};

use super::boundary::is_boundary;
use super::limits::SESSION_START_MS;
use super::node::{AcceptKey, ProcessFacts, Span};
use super::{Graph, ProcessAt, Reach, process_ref};

/// Where a connection came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    Process(ProcessAt),
    Outside(IpAddr),
}

/// The connection that a process owes its existence to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cause {
    pub origin: Origin,
    /// When the connection began, by the clock of the side that saw it first-hand.
    pub time: Timestamp,
    /// The process that accepted; the session's top process itself where it went on to run something else.
    pub acceptor: ProcessAt,
}

impl Graph {
    #[must_use]
    pub fn facts(&self, (host, key): ProcessAt) -> Option<&ProcessFacts> {
        self.nodes.get(&EntityRef::Process { host, key })?.process.as_deref()
    }

    #[must_use]
    pub fn parent(&self, process: ProcessAt) -> Option<ProcessAt> {
        Some((process.0, self.facts(process)?.parent?))
    }

    /// The process, its parent, and so on upwards; at most [`ANCESTORS_MAX`].
    pub fn lineage(&self, process: ProcessAt) -> impl Iterator<Item = ProcessAt> {
        std::iter::successors(Some(process), |process| self.parent(*process)).take(ANCESTORS_MAX)
    }

    /// Whether this process serves many masters: what stands below it need not belong together.
    #[must_use]
    pub fn is_boundary(&self, process: ProcessAt) -> bool {
        let image = |process| self.facts(process).map(|facts| &facts.image);
        let parent = self.parent(process).and_then(image);
        image(process).map_or(process.1.pid <= 2, |own| is_boundary(process.1.pid, own, parent))
    }

    /// The topmost ancestor below a boundary: one login, one service, one scheduled job, one container.
    #[must_use]
    pub fn session_root(&self, process: ProcessAt) -> ProcessAt {
        let mut root = process;
        for above in self.lineage(process).skip(1) {
            if self.is_boundary(above) || self.facts(above).is_none() {
                break;
            }
            root = above;
        }
        root
    }

    /// Whether `process` is `above` or stands below it.
    #[must_use]
    pub fn descends(&self, process: ProcessAt, above: ProcessAt) -> bool {
        process.0 == above.0 && self.lineage(process).any(|ancestor| ancestor == above)
    }

    /// The session that a connection became: the first child that the acceptor forked after this accept and before its
    /// next one, within [`SESSION_START_MS`]; or the acceptor itself if it ran another program then (`nc -e`).
    ///
    /// A heuristic: no kernel says which child got which socket. It holds for servers that fork per connection (sshd,
    /// inetd, postgres) and for one that spawns while handling a request; a server with many connections in flight may
    /// have it wrong for those that overlap.
    #[must_use]
    pub fn session_top(&self, acceptor: ProcessAt, accept: AcceptKey) -> Option<ProcessAt> {
        let facts = self.facts(acceptor)?;
        let next = facts.accepts.range((std::ops::Bound::Excluded(accept), std::ops::Bound::Unbounded)).next();
        let last = accept.0.plus_millis(SESSION_START_MS);
        let within = |time: Timestamp| {
            time >= accept.0 && time <= last && next.is_none_or(|((next, _), _)| time < *next || *next == accept.0)
        };
        let first = ProcessKey { boot: 0, pid: 0, start_ticks: 0 };
        let child = facts.children.range((accept.0, first)..).next().filter(|(time, _)| within(*time));
        if let Some((_, child)) = child {
            return Some((acceptor.0, *child));
        }
        facts.launched.filter(|time| *time > accept.0 && within(*time)).map(|_| acceptor)
    }

    /// The connection whose session `process` is the top of.
    #[must_use]
    pub fn session_cause(&self, process: ProcessAt) -> Option<Cause> {
        let facts = self.facts(process)?;
        let by_parent = facts.parent.zip(facts.spawned).map(|(parent, time)| ((process.0, parent), time));
        let by_itself = facts.launched.map(|time| (process, time));
        [by_parent, by_itself].into_iter().flatten().find_map(|(acceptor, time)| {
            let accepts = &self.facts(acceptor)?.accepts;
            let latest = *accepts.range(..).rev().find(|((accepted, _), _)| *accepted <= time)?.0;
            (self.session_top(acceptor, latest)? == process).then(|| self.cause(acceptor, latest))?
        })
    }

    fn cause(&self, acceptor: ProcessAt, key: AcceptKey) -> Option<Cause> {
        let accept = self.facts(acceptor)?.accepts.get(&key)?;
        let (origin, time) = match accept.peer {
            Some(peer) => (Origin::Process(peer.process), peer.connected),
            None => (Origin::Outside(key.1.ip()), key.0),
        };
        Some(Cause { origin, time, acceptor })
    }

    /// Connections from this host to enrolled hosts, or to itself, whose other end is known; the oldest first.
    pub fn reaches_from(&self, host: HostId) -> impl Iterator<Item = &Reach> {
        self.shares.get(&host).into_iter().flat_map(|share| &share.reaches)
    }

    /// Who created, wrote or renamed a file, and when.
    pub fn writers(&self, host: HostId, path: &str) -> impl Iterator<Item = (ProcessAt, Span)> {
        let file = EntityRef::File { host, path: path.to_owned() };
        let node = self.nodes.get(&file);
        // A common program is executed by thousands; only the changes are looked at.
        let changes = [Relation::Created, Relation::Wrote, Relation::Renamed].into_iter().flat_map(move |relation| {
            let first = (relation, EntityRef::Host { host: HostId::from_bytes([0; 16]) });
            let into = node.into_iter().flat_map(move |node| node.into.range(first.clone()..));
            into.take_while(move |(other, _)| *other == relation)
        });
        changes.filter_map(move |(relation, from)| {
            let EntityRef::Process { host, key } = from else { return None };
            let span = self.nodes.get(from)?.out.get(&(*relation, file.clone()))?;
            Some(((*host, *key), *span))
        })
    }

    /// The time for an edge from parent to child: the fork, or when the child was first heard of.
    #[must_use]
    pub fn spawn_time(&self, process: ProcessAt) -> Timestamp {
        let first_seen = self.nodes.get(&process_ref(process)).map_or(Timestamp(0), |node| node.seen.first);
        self.facts(process).and_then(|facts| facts.spawned).unwrap_or(first_seen)
    }

    #[must_use]
    pub fn label(&self, entity: &EntityRef) -> String {
        self.nodes.get(entity).map_or_else(|| entity.to_string(), |node| node.label.clone())
    }
}
