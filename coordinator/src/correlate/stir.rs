//! Owns: which incidents a record could change, so that a busy estate does not re-read all of them.
//! Never: changing them.

use std::collections::BTreeSet;

use picket_model::{Activity, EntityRef, Event, HostId, IncidentId, NetActivity, Record};

use super::Correlator;
use crate::graph::{Graph, Origin, ProcessAt, process_ref};

impl Correlator {
    pub(super) fn stirred(&self, graph: &Graph, host: HostId, record: &Record) -> BTreeSet<IncidentId> {
        let mut touched = Touched { graph, entities: BTreeSet::new() };
        match record {
            Record::Event { event } => touched.event(host, event),
            Record::Detection { detection } => touched.event(host, &detection.event),
            Record::Action { .. } => {}
        }
        touched.entities.extend(graph.changed().iter().map(|process| process_ref(*process)));
        for reach in graph.fresh_reaches() {
            touched.session(reach.from);
            touched.session(reach.to);
            if let Some(top) = graph.session_top(reach.to, reach.accept) {
                touched.session(top);
            }
        }
        touched.entities.iter().filter_map(|entity| self.interest.get(entity)).flatten().copied().collect()
    }
}

struct Touched<'a> {
    graph: &'a Graph,
    entities: BTreeSet<EntityRef>,
}

impl Touched<'_> {
    fn event(&mut self, host: HostId, event: &Event) {
        let process = event.process.as_ref().map(|process| (host, process.key));
        match &event.activity {
            Activity::ProcessFork { child } => self.possible_session((host, child.key)),
            Activity::ProcessLaunch => {
                if let Some(process) = process {
                    self.possible_session(process);
                }
            }
            Activity::Network { activity: NetActivity::Accept, flow } => {
                if let Some(acceptor) = process {
                    let address = std::net::SocketAddr::new(flow.remote_ip.to_canonical(), flow.remote_port);
                    if let Some(top) = self.graph.session_top(acceptor, (event.time, address)) {
                        self.entities.insert(process_ref(top));
                    }
                }
            }
            Activity::File { file, .. } => {
                self.entities.insert(EntityRef::File { host, path: file.path.clone() });
            }
            _ => {}
        }
    }

    /// A new process may be what an accepted connection was waiting for: the other side wants to know.
    fn possible_session(&mut self, process: ProcessAt) {
        self.entities.insert(process_ref(process));
        if let Some(cause) = self.graph.session_cause(process)
            && let Origin::Process(origin) = cause.origin
        {
            self.session(origin);
        }
    }

    fn session(&mut self, process: ProcessAt) {
        self.entities.insert(process_ref(process));
        self.entities.insert(process_ref(self.graph.session_root(process)));
    }
}
