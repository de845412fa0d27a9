use std::sync::Arc;

use picket_model::*;

use super::*;

const HOST: HostId = HostId::from_bytes([1; 16]);
const OTHER: HostId = HostId::from_bytes([2; 16]);

fn process(pid: u32, exe: &str) -> Arc<Process> {
    let key = ProcessKey { boot: 1, pid, start_ticks: u64::from(pid) };
    Arc::new(Process { exe: exe.to_owned(), argv: vec![exe.to_owned()], ..Process::unknown(key) })
}

fn event(process: &Arc<Process>, ms: u64, activity: Activity) -> Record {
    let event = Event {
        id: EventId::from_bytes([0; 16]),
        time: Timestamp::from_millis(ms),
        process: Some(Arc::clone(process)),
        activity,
    };
    Record::Event { event }
}

fn write(process: &Arc<Process>, ms: u64, path: &str) -> Record {
    let file = FileObject { path: path.to_owned(), ..FileObject::default() };
    event(process, ms, Activity::File { activity: FileActivity::Write, file })
}

fn file(path: &str) -> EntityRef {
    EntityRef::File { host: HOST, path: path.to_owned() }
}

fn entity(process: &Process) -> EntityRef {
    process_ref((HOST, process.key))
}

#[test]
fn the_longest_unseen_goes_first_but_never_what_is_pinned() {
    let mut graph = Graph::new(Limits { nodes_per_host_max: 5, ..Limits::default() });
    let writer = process(10, "/bin/sh");
    graph.observe(HOST, &write(&writer, 1, "/a"));
    assert!(graph.pin(&file("/a")));
    for (ms, path) in [(2, "/b"), (3, "/c"), (4, "/d"), (5, "/e")] {
        graph.observe(HOST, &write(&writer, ms, path));
    }
    let kept: Vec<bool> = ["/a", "/b", "/c", "/d", "/e"].iter().map(|path| graph.node(&file(path)).is_some()).collect();
    assert_eq!(kept, [true, false, true, true, true]);
    assert_eq!(graph.take_losses(), [LossCount { place: "graph.evicted".to_owned(), count: 1 }]);
    assert_eq!(graph.edges_from(&entity(&writer)).count(), graph.edge_count());
    graph.unpin(&file("/a"));
    graph.observe(HOST, &write(&writer, 6, "/f"));
    assert!(graph.node(&file("/a")).is_none());
}

#[test]
fn a_noisy_host_pays_for_the_whole_estate() {
    let mut graph = Graph::new(Limits { nodes_max: 20, nodes_per_host_max: 18, ..Limits::default() });
    let quiet = process(10, "/bin/quiet");
    graph.observe(OTHER, &event(&quiet, 1, Activity::ProcessLaunch));
    for n in 0..1_000 {
        graph.observe(HOST, &write(&process(11, "/bin/noisy"), 10 + n, &format!("/tmp/{n}")));
    }
    assert!(graph.node_count() <= 20);
    assert!(graph.facts((OTHER, quiet.key)).is_some());
}

#[test]
fn an_edge_remembers_its_first_and_last_time() {
    let mut graph = Graph::new(Limits::default());
    let writer = process(10, "/bin/sh");
    for ms in [20, 10, 30] {
        graph.observe(HOST, &write(&writer, ms, "/a"));
    }
    let edges: Vec<_> = graph.edges_into(&file("/a")).collect();
    let [(from, Relation::Wrote, span)] = &edges[..] else { panic!("one edge is expected: {edges:?}") };
    assert_eq!(**from, entity(&writer));
    assert_eq!((span.first, span.last), (Timestamp::from_millis(10), Timestamp::from_millis(30)));
}

#[test]
fn a_fork_knows_the_parent_better_than_a_later_look() {
    let mut graph = Graph::new(Limits::default());
    let (parent, child) = (process(10, "/bin/sh"), process(11, "/bin/sh"));
    let orphan = Arc::new(Process { parent: Some(process(1, "/sbin/init")), ..Process::clone(&child) });
    let fork = event(&parent, 5, Activity::ProcessFork { child: Arc::clone(&child) });
    let look = event(&orphan, 9, Activity::ProcessLaunch);
    for records in [[&fork, &look], [&look, &fork]] {
        for record in records {
            graph.observe(HOST, record);
        }
        assert_eq!(graph.parent((HOST, child.key)), Some((HOST, parent.key)));
        graph = Graph::new(Limits::default());
    }
}

#[test]
fn a_circle_of_parents_ends() {
    let mut graph = Graph::new(Limits::default());
    let (one, two) = (process(10, "/bin/a"), process(11, "/bin/b"));
    graph.observe(HOST, &event(&one, 1, Activity::ProcessFork { child: Arc::clone(&two) }));
    graph.observe(HOST, &event(&two, 2, Activity::ProcessFork { child: Arc::clone(&one) }));
    assert_eq!(graph.lineage((HOST, one.key)).count(), picket_model::process::ANCESTORS_MAX);
}

/// sshd accepts twice in one millisecond's reach of its forks: each session is its own.
#[test]
fn each_accept_gets_the_child_that_was_forked_before_the_next() {
    let mut graph = Graph::new(Limits::default());
    let sshd = process(10, "/usr/sbin/sshd");
    let flow = |port| NetFlow {
        protocol: NetProtocol::Tcp,
        local_ip: "10.0.0.1".parse().unwrap(),
        local_port: 22,
        remote_ip: "10.0.0.9".parse().unwrap(),
        remote_port: port,
    };
    let accept = |port| Activity::Network { activity: NetActivity::Accept, flow: flow(port) };
    let (first, second) = (process(11, "/usr/sbin/sshd"), process(12, "/usr/sbin/sshd"));
    graph.observe(HOST, &event(&sshd, 10, accept(1001)));
    graph.observe(HOST, &event(&sshd, 11, Activity::ProcessFork { child: Arc::clone(&first) }));
    graph.observe(HOST, &event(&sshd, 12, accept(1002)));
    graph.observe(HOST, &event(&sshd, 13, Activity::ProcessFork { child: Arc::clone(&second) }));
    graph.observe(HOST, &event(&sshd, 14, accept(1003)));
    graph.observe(HOST, &event(&sshd, 6_000, Activity::ProcessFork { child: process(13, "/usr/sbin/sshd") }));
    let top = |ms, port| {
        let address = std::net::SocketAddr::new("10.0.0.9".parse().unwrap(), port);
        graph.session_top((HOST, sshd.key), (Timestamp::from_millis(ms), address))
    };
    assert_eq!(top(10, 1001), Some((HOST, first.key)));
    assert_eq!(top(12, 1002), Some((HOST, second.key)));
    assert_eq!(top(14, 1003), None, "six seconds later is another matter");
}

/// What only tests ask.
impl Graph {
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    #[must_use]
    pub const fn edge_count(&self) -> usize {
        self.edges
    }

    /// The edges out of an entity, in a stable order.
    pub fn edges_from(&self, entity: &EntityRef) -> impl Iterator<Item = (Relation, &EntityRef, Span)> {
        self.nodes
            .get(entity)
            .into_iter()
            .flat_map(|node| node.out.iter().map(|((relation, to), span)| (*relation, to, *span)))
    }

    /// The edges into an entity, in a stable order.
    pub fn edges_into(&self, entity: &EntityRef) -> impl Iterator<Item = (&EntityRef, Relation, Span)> {
        self.nodes.get(entity).into_iter().flat_map(move |node| {
            node.into.iter().filter_map(move |(relation, from)| {
                let span = self.nodes.get(from)?.out.get(&(*relation, entity.clone()))?;
                Some((from, *relation, *span))
            })
        })
    }
}
