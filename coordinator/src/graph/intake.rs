//! Owns: what each kind of record says about entities and edges.
//! Never: order; a detection may come before the events it stands on.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use picket_model::{
    Activity, AuthActivity, Detection, EntityRef, Event, FileActivity, FileObject, HostId, NetActivity, NetFlow,
    Process, Relation, Timestamp,
};

use super::flows::{Pair, ends_of};
use super::node::{Peer, ProcessFacts};
use super::{Graph, Reach, process_ref};

/// The relation that a file activity writes into the graph.
#[must_use]
pub const fn file_relation(activity: FileActivity) -> Relation {
    match activity {
        FileActivity::Create => Relation::Created,
        FileActivity::Write | FileActivity::SetMode | FileActivity::SetOwner | FileActivity::SetAttributes => {
            Relation::Wrote
        }
        FileActivity::Rename => Relation::Renamed,
        FileActivity::Delete => Relation::Deleted,
        FileActivity::Read | FileActivity::RawAccess => Relation::Read,
    }
}

impl Graph {
    pub(super) fn take_detection(&mut self, host: HostId, detection: &Detection) {
        self.take_event(host, &detection.event);
        let chain = detection.event.process.iter().chain(&detection.lineage);
        self.take_lineage(host, chain, detection.event.time);
    }

    pub(super) fn take_event(&mut self, host: HostId, event: &Event) {
        let Some(process) = &event.process else {
            self.take_unattributed(host, event);
            return;
        };
        let time = event.time;
        self.take_lineage(host, std::iter::once(process).chain(process.ancestors()), time);
        match &event.activity {
            Activity::ProcessLaunch => self.take_launch(host, process, time),
            Activity::ProcessFork { child } => self.take_fork(host, process, child, time),
            Activity::ProcessExit { .. } => self.take_exit(host, process, time),
            Activity::Network { activity, flow } => self.take_flow(host, process, *activity, flow, time),
            Activity::File { activity, file } => self.take_file(host, process, *activity, file, time),
            Activity::Authentication { user, activity: AuthActivity::Logon, success: true, .. } => {
                self.take_user(host, user, process, time);
            }
            _ => {}
        }
    }

    /// Without a process there is still the thing that was touched.
    fn take_unattributed(&mut self, host: HostId, event: &Event) {
        if let Activity::File { file, .. } = &event.activity {
            self.touch(&EntityRef::File { host, path: file.path.clone() }, host, event.time);
        }
    }

    fn take_lineage<'a>(&mut self, host: HostId, chain: impl Iterator<Item = &'a Arc<Process>>, time: Timestamp) {
        let mut child: Option<&Arc<Process>> = None;
        for process in chain {
            self.take_process(host, process, time);
            if let Some(child) = child {
                self.take_parent(host, process, child, None, time);
            }
            child = Some(process);
        }
    }

    fn take_process(&mut self, host: HostId, process: &Process, time: Timestamp) {
        let entity = process_ref((host, process.key));
        if !self.touch(&entity, host, time) {
            return;
        }
        let Some(node) = self.nodes.get_mut(&entity) else { return };
        if let Some(label) = node.process.as_mut().and_then(|facts| facts.describe(process, time)) {
            node.label = label;
            self.changed.push((host, process.key));
            self.take_user(host, &process.user, process, time);
        }
    }

    fn take_user(&mut self, host: HostId, user: &str, process: &Process, time: Timestamp) {
        if user.is_empty() {
            return;
        }
        let entity = EntityRef::User { host, name: user.to_owned() };
        if self.touch(&entity, host, time) {
            self.link(&entity, Relation::RanAs, &process_ref((host, process.key)), time);
        }
    }

    fn take_parent(
        &mut self,
        host: HostId,
        parent: &Process,
        child: &Process,
        forked: Option<Timestamp>,
        time: Timestamp,
    ) {
        if parent.key == child.key {
            return;
        }
        if self.facts_mut(host, child).is_some_and(|facts| facts.set_parent(parent.key, forked)) {
            self.changed.push((host, child.key));
        }
        self.link(&process_ref((host, parent.key)), Relation::Spawned, &process_ref((host, child.key)), time);
    }

    fn take_fork(&mut self, host: HostId, parent: &Process, child: &Arc<Process>, time: Timestamp) {
        self.take_process(host, child, time);
        self.take_parent(host, parent, child, Some(time), time);
        if self.facts_mut(host, parent).is_some_and(|facts| facts.add_child(time, child.key)) {
            self.lose("graph.children", 1);
        }
    }

    fn take_exit(&mut self, host: HostId, process: &Process, time: Timestamp) {
        let Some(facts) = self.facts_mut(host, process) else { return };
        let earliest = facts.exited.map_or(time, |held| held.min(time));
        if facts.exited.replace(earliest) != Some(earliest) {
            self.changed.push((host, process.key));
        }
    }

    fn take_launch(&mut self, host: HostId, process: &Process, time: Timestamp) {
        if let Some(facts) = self.facts_mut(host, process) {
            let latest = facts.launched.max(Some(time));
            if std::mem::replace(&mut facts.launched, latest) != latest {
                self.changed.push((host, process.key));
            }
        }
        if !process.exe.is_empty() {
            let file = EntityRef::File { host, path: process.exe.clone() };
            self.touch(&file, host, time);
            self.link(&process_ref((host, process.key)), Relation::Executed, &file, time);
        }
    }

    fn take_file(
        &mut self,
        host: HostId,
        process: &Process,
        activity: FileActivity,
        file: &FileObject,
        time: Timestamp,
    ) {
        let entity = EntityRef::File { host, path: file.path.clone() };
        self.touch(&entity, host, time);
        self.link(&process_ref((host, process.key)), file_relation(activity), &entity, time);
    }

    fn take_flow(&mut self, host: HostId, process: &Process, activity: NetActivity, flow: &NetFlow, time: Timestamp) {
        let (local, remote) = ends_of(flow);
        let from = process_ref((host, process.key));
        match activity {
            NetActivity::Listen => {
                let entity = EntityRef::Address { ip: local.ip(), port: local.port() };
                // Every host has a loopback and a wildcard address: as nodes they would tie strangers together.
                if !local.ip().is_loopback() && !local.ip().is_unspecified() {
                    self.touch(&entity, host, time);
                    self.link(&from, Relation::Listened, &entity, time);
                }
                return;
            }
            NetActivity::Connect => self.take_address(host, &from, remote, time),
            NetActivity::Accept => {
                if self.facts_mut(host, process).is_some_and(|facts| facts.add_accept((time, remote))) {
                    self.lose("graph.accepts", 1);
                }
                self.take_source(host, &from, remote.ip(), time);
            }
        }
        for pair in self.flows.add((host, process.key), time, activity, flow) {
            self.take_pair(&pair);
        }
    }

    fn take_address(&mut self, host: HostId, from: &EntityRef, remote: SocketAddr, time: Timestamp) {
        if remote.ip().is_loopback() {
            return;
        }
        let entity = EntityRef::Address { ip: remote.ip(), port: remote.port() };
        self.touch(&entity, host, time);
        self.link(from, Relation::Connected, &entity, time);
    }

    /// A client's port is another for each connection and says nothing, so the source is an address with port 0.
    fn take_source(&mut self, host: HostId, to: &EntityRef, ip: IpAddr, time: Timestamp) {
        if ip.is_loopback() {
            return;
        }
        let entity = EntityRef::Address { ip, port: 0 };
        self.touch(&entity, host, time);
        self.link(&entity, Relation::Reached, to, time);
    }

    fn take_pair(&mut self, pair: &Pair) {
        let (client, server) = (pair.client, pair.server);
        self.link(&process_ref(client.process), Relation::Reached, &process_ref(server.process), client.time);
        let accept = (server.time, pair.address);
        let peer =
            Peer { skew_ns: client.time.0.abs_diff(server.time.0), process: client.process, connected: client.time };
        let node = self.nodes.get_mut(&process_ref(server.process));
        if let Some(facts) = node.and_then(|node| node.process.as_mut()) {
            facts.set_peer(accept, peer);
        }
        self.add_reach(Reach { connected: client.time, from: client.process, to: server.process, accept });
    }

    fn facts_mut(&mut self, host: HostId, process: &Process) -> Option<&mut ProcessFacts> {
        self.nodes.get_mut(&process_ref((host, process.key)))?.process.as_deref_mut()
    }
}
