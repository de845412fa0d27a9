//! Owns: from a detection on one host to the order that ends what it began on two others, the coordinator's part of it.
//! Never: what those hosts do then; the parts `kill` and `latency` of the benchmark measure that.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use picket_agent::report::{Downlink, Spool, SpoolLimits, Uplink};
use picket_model::{
    ActionKind, Activity, CommandKind, Detection, DetectionId, Event, EventId, HostId, NetActivity, NetFlow,
    NetProtocol, Process, ProcessKey, Record, RuleId, SensorFamily, Severity, Timestamp,
};
use picket_tests::estate::Estate;
use picket_tests::eventually;
use picket_tests::simulated::Simulated;

use crate::numbers::percentile;

/// Each with three hosts of its own: what one host's evidence sets off in an hour is bounded.
const ROUNDS: u32 = 40;
const WAIT: Duration = Duration::from_secs(20);
const SSH: u16 = 22;

pub fn run() {
    let estate = Estate::start().unwrap();
    // The bundle of a new coordinator asks a person before each kill.
    estate.picket(&["policy", "apply", "strict"]).unwrap();
    let mut took = Vec::new();
    for round in 0..ROUNDS {
        took.extend(spread(&estate, round));
    }
    let [p50, p99] = [50, 99].map(|part| percentile(&mut took, part) as f64 / 1000.0);
    println!(
        "detection on one host to the order to kill its session on another, {} orders: median {p50:.1} ms, p99 {p99:.1} ms",
        took.len()
    );
}

/// Web is broken into, goes on to two others by ssh, and only then a rule sees it.
fn spread(estate: &Estate, round: u32) -> Vec<u64> {
    let web = Host::start(estate, &format!("web-{round}"), address(round, 1));
    let others = [2, 3].map(|last| Host::start(estate, &format!("db-{round}-{last}"), address(round, last)));
    let service = process(None, 100, "/usr/sbin/nginx");
    let shell = web.launch(&service, 101, "/bin/sh");
    let launched = now();
    let sessions = [0, 1].map(|at: u16| {
        let other = &others[usize::from(at)];
        let ssh = web.launch(&shell, 110 + u32::from(at), "/usr/bin/ssh");
        let from = 40_000 + at;
        web.event(&ssh, network(NetActivity::Connect, (web.address, from), (other.address, SSH)));
        let daemon = process(None, 200, "/usr/sbin/sshd");
        other.event(&daemon, network(NetActivity::Accept, (other.address, SSH), (web.address, from)));
        let session = process(Some(&daemon), 210, "/usr/sbin/sshd");
        other.event(&daemon, Activity::ProcessFork { child: session.clone() });
        other.launch(&session, 211, "/bin/bash");
        session.key
    });
    for host in [&web, &others[0], &others[1]] {
        eventually(WAIT, || (host.spool.backlog() == 0).then_some(())).expect("all is delivered");
    }
    let begun = Instant::now();
    web.detect(&shell, launched);
    let took = others.iter().zip(sessions).map(|(host, session)| host.ordered_to_kill(estate, session) - begun);
    let took = took.map(|took| u64::try_from(took.as_micros()).unwrap()).collect();
    for host in [web].into_iter().chain(others) {
        host.uplink.stop();
    }
    took
}

const fn address(round: u32, last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 77, round as u8, last))
}

struct Host {
    id: HostId,
    address: IpAddr,
    spool: Spool,
    uplink: Uplink,
    told: Receiver<Downlink>,
    /// Holds the identity and the spool.
    _agent: Simulated,
}

impl Host {
    fn start(estate: &Estate, name: &str, address: IpAddr) -> Self {
        let agent = Simulated::enrol(estate, name).unwrap();
        let spool = Spool::open(&agent.folder.path().join("spool"), SpoolLimits::default()).unwrap();
        let (uplink, told) = agent.start_listening(spool.clone()).unwrap();
        Self { id: agent.host().unwrap(), address, spool, uplink, told, _agent: agent }
    }

    fn event(&self, process: &Arc<Process>, activity: Activity) -> Event {
        let event = Event { id: EventId::from_bytes(id()), time: now(), process: Some(process.clone()), activity };
        self.spool.append(&Record::Event { event: event.clone() }).unwrap();
        event
    }

    fn launch(&self, parent: &Arc<Process>, pid: u32, exe: &str) -> Arc<Process> {
        let child = process(Some(parent), pid, exe);
        self.event(parent, Activity::ProcessFork { child: child.clone() });
        self.event(&child, Activity::ProcessLaunch);
        child
    }

    /// What it is about happened before it went on to others.
    fn detect(&self, process: &Arc<Process>, time: Timestamp) {
        let detection = Detection {
            id: DetectionId::from_bytes(id()),
            host: self.id,
            time,
            rule: RuleId("web_server_spawns_shell".to_owned()),
            title: "Shell of a web server".to_owned(),
            severity: Severity::Critical,
            techniques: vec!["T1505.003".to_owned()],
            tactics: vec!["persistence".to_owned()],
            family: SensorFamily::Process,
            evidence: Vec::new(),
            response: vec!["kill_tree".to_owned()],
            event: Event {
                id: EventId::from_bytes(id()),
                time,
                process: Some(process.clone()),
                activity: Activity::ProcessLaunch,
            },
            lineage: vec![process.clone()],
        };
        self.spool.append(&Record::Detection { detection }).unwrap();
    }

    fn ordered_to_kill(&self, estate: &Estate, session: ProcessKey) -> Instant {
        let end = Instant::now() + WAIT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(told) = self.told.recv_timeout(left) else {
                let known = ["incidents", "actions"].map(|what| estate.json(&[what]));
                panic!("the order does not come: {known:?}\n{}", estate.logs());
            };
            if let Downlink::Command { command, .. } = told
                && let CommandKind::Act { action } = command.kind
            {
                assert_eq!(action.kind, ActionKind::KillTree { target: session });
                return Instant::now();
            }
        }
    }
}

fn process(parent: Option<&Arc<Process>>, pid: u32, exe: &str) -> Arc<Process> {
    let key = ProcessKey { boot: 7, pid, start_ticks: u64::from(pid) * 10 };
    let mut process = Process::unknown(key);
    process.exe = exe.to_owned();
    process.name = exe.rsplit('/').next().unwrap_or_default().to_owned();
    process.argv = vec![exe.to_owned()];
    process.user = "root".to_owned();
    (process.uid, process.euid, process.gid) = (0, 0, 0);
    process.parent = parent.cloned();
    Arc::new(process)
}

fn network(activity: NetActivity, local: (IpAddr, u16), remote: (IpAddr, u16)) -> Activity {
    let flow = NetFlow {
        protocol: NetProtocol::Tcp,
        local_ip: local.0,
        local_port: local.1,
        remote_ip: remote.0,
        remote_port: remote.1,
    };
    Activity::Network { activity, flow }
}

fn now() -> Timestamp {
    Timestamp(u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos()).unwrap())
}

/// One that no other record has.
fn id() -> [u8; 16] {
    static LAST: AtomicU64 = AtomicU64::new(0);
    u128::from(LAST.fetch_add(1, Ordering::Relaxed) + 1).to_be_bytes()
}
