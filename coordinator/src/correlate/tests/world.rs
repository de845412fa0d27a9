//! Owns: small words for telling a story: hosts, processes, connections, detections.
//! Never: assertions about incidents.

use std::net::IpAddr;
use std::sync::Arc;

use picket_model::*;

use crate::correlate::{Effect, Estate, Request};
use crate::graph::Limits;

pub type Proc = Arc<Process>;

pub fn host(n: u8) -> HostId {
    HostId::from_bytes([n; 16])
}

pub fn name(id: HostId) -> String {
    format!("host-{}", id.as_bytes()[0])
}

/// Records in the order in which they happened, each host with a clock of its own.
pub struct Story {
    pub records: Vec<(HostId, Record)>,
    ms: u64,
    next: u64,
    skew_ms: [u64; 16],
}

impl Story {
    pub fn new() -> Self {
        Self { records: Vec::new(), ms: 1_000_000, next: 1, skew_ms: [0; 16] }
    }

    pub fn skew(&mut self, host: HostId, ms: u64) {
        self.skew_ms[usize::from(host.as_bytes()[0])] = ms;
    }

    pub fn wait(&mut self, ms: u64) {
        self.ms += ms;
    }

    pub fn now(&self, host: HostId) -> Timestamp {
        Timestamp::from_millis(self.ms + self.skew_ms[usize::from(host.as_bytes()[0])])
    }

    fn id(&mut self) -> [u8; 16] {
        self.next += 1;
        // As random ids do, these do not grow with time.
        (u128::from(self.next).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)).to_be_bytes()
    }

    pub fn event(&mut self, host: HostId, process: &Proc, activity: Activity) -> Event {
        self.ms += 1;
        let event = Event {
            id: EventId::from_bytes(self.id()),
            time: self.now(host),
            process: Some(with_parent(process)),
            activity,
        };
        self.records.push((host, Record::Event { event: event.clone() }));
        event
    }

    /// pid 1, the service manager.
    pub fn init(&self) -> Proc {
        image(None, 1, "/usr/lib/systemd/systemd", &["/sbin/init"])
    }

    /// A process from before the agent started: no event tells of it.
    pub fn running(&self, parent: &Proc, pid: u32, command: &[&str]) -> Proc {
        image(Some(parent), pid, command[0], command)
    }

    /// A fork alone.
    pub fn fork(&mut self, host: HostId, parent: &Proc, pid: u32) -> Proc {
        let argv: Vec<&str> = parent.argv.iter().map(String::as_str).collect();
        let child = image(Some(parent), pid, &parent.exe, &argv);
        self.event(host, parent, Activity::ProcessFork { child: bare(&child) });
        child
    }

    /// A fork and the program that the child then runs.
    pub fn start(&mut self, host: HostId, parent: &Proc, pid: u32, command: &[&str]) -> Proc {
        self.fork(host, parent, pid);
        let child = image(Some(parent), pid, command[0], command);
        self.event(host, &child, Activity::ProcessLaunch);
        child
    }

    pub fn exit(&mut self, host: HostId, process: &Proc) {
        self.event(host, process, Activity::ProcessExit { exit_code: 0, signal: 9 });
    }

    pub fn file(&mut self, host: HostId, process: &Proc, activity: FileActivity, path: &str) -> Event {
        let file = FileObject { path: path.to_owned(), ..FileObject::default() };
        self.event(host, process, Activity::File { activity, file })
    }

    pub fn connect(&mut self, host: HostId, process: &Proc, local: &str, remote: &str) -> Event {
        self.event(host, process, Activity::Network { activity: NetActivity::Connect, flow: flow(local, remote) })
    }

    pub fn accept(&mut self, host: HostId, process: &Proc, local: &str, remote: &str) -> Event {
        self.event(host, process, Activity::Network { activity: NetActivity::Accept, flow: flow(local, remote) })
    }

    /// A detection on an event that was told before.
    pub fn detect(
        &mut self,
        host: HostId,
        event: &Event,
        process: &Proc,
        rule: &str,
        severity: Severity,
    ) -> DetectionId {
        let detection = self.detection(host, event, process, rule, severity);
        let id = detection.id;
        self.records.push((host, Record::Detection { detection }));
        id
    }

    pub fn detection(
        &mut self,
        host: HostId,
        event: &Event,
        process: &Proc,
        rule: &str,
        severity: Severity,
    ) -> Detection {
        let family = match event.activity {
            Activity::File { .. } => SensorFamily::File,
            Activity::Network { .. } => SensorFamily::Network,
            _ => SensorFamily::Process,
        };
        Detection {
            id: DetectionId::from_bytes(self.id()),
            host,
            time: event.time,
            rule: RuleId(rule.to_owned()),
            title: rule.to_owned(),
            severity,
            techniques: vec![format!("T-{rule}")],
            tactics: Vec::new(),
            family,
            evidence: Vec::new(),
            response: vec!["kill_tree".to_owned()],
            event: event.clone(),
            lineage: process.ancestors().map(bare).collect(),
        }
    }

    /// Starts a program that a rule knows.
    pub fn start_detected(
        &mut self,
        host: HostId,
        parent: &Proc,
        pid: u32,
        command: &[&str],
        rule: &str,
    ) -> (Proc, DetectionId) {
        self.fork(host, parent, pid);
        let child = image(Some(parent), pid, command[0], command);
        let event = self.event(host, &child, Activity::ProcessLaunch);
        let id = self.detect(host, &event, &child, rule, Severity::High);
        (child, id)
    }

    pub fn report(
        &mut self,
        host: HostId,
        detection: DetectionId,
        kind: ActionKind,
        state: ActionState,
    ) -> ActionReport {
        let id = ActionId::from_bytes(self.id());
        let time = self.now(host);
        let report = report(host, id, Some(detection), kind, state, time);
        self.records.push((host, Record::Action { report: report.clone() }));
        report
    }
}

pub fn report(
    host: HostId,
    id: ActionId,
    detection: Option<DetectionId>,
    kind: ActionKind,
    state: ActionState,
    time: Timestamp,
) -> ActionReport {
    ActionReport {
        action: Action {
            id,
            host,
            kind,
            reason: Reason {
                principal: Principal::Agent,
                detection,
                rule: None,
                severity: 4,
                incident: None,
                families: 1,
                drill: false,
                note: String::new(),
            },
            requested: time,
            lease_ms: 0,
        },
        state,
        verdict: VerdictKind::ActNow,
        bundle: BundleVersion(1),
        decided_by: Vec::new(),
        time,
        latency_us: 0,
        detail: String::new(),
    }
}

fn image(parent: Option<&Proc>, pid: u32, exe: &str, argv: &[&str]) -> Proc {
    let key = ProcessKey { boot: 7, pid, start_ticks: u64::from(pid) * 10 };
    Arc::new(Process {
        exe: exe.to_owned(),
        name: exe.rsplit('/').next().unwrap_or_default().chars().take(15).collect(),
        argv: argv.iter().map(|&argument| argument.to_owned()).collect(),
        uid: 0,
        euid: 0,
        gid: 0,
        user: "root".to_owned(),
        login_uid: parent.and_then(|parent| parent.login_uid),
        parent: parent.cloned(),
        ..Process::unknown(key)
    })
}

pub fn logged_in(process: &Proc, uid: u32) -> Proc {
    Arc::new(Process { login_uid: Some(uid), ..Process::clone(process) })
}

/// As on the wire: an event carries one parent, a lineage none.
fn bare(process: &Proc) -> Proc {
    Arc::new(Process { parent: None, ..Process::clone(process) })
}

fn with_parent(process: &Proc) -> Proc {
    Arc::new(Process { parent: process.parent.as_ref().map(bare), ..Process::clone(process) })
}

fn flow(local: &str, remote: &str) -> NetFlow {
    let (local_ip, local_port) = end(local);
    let (remote_ip, remote_port) = end(remote);
    NetFlow { protocol: NetProtocol::Tcp, local_ip, local_port, remote_ip, remote_port }
}

fn end(text: &str) -> (IpAddr, u16) {
    let address: std::net::SocketAddr = text.parse().unwrap();
    (address.ip(), address.port())
}

/// An estate and everything it has said so far.
pub struct Told {
    pub estate: Estate,
    pub effects: Vec<Effect>,
}

impl Told {
    pub fn new(limits: Limits) -> Self {
        Self { estate: Estate::new(limits), effects: Vec::new() }
    }

    pub fn hear(&mut self, host: HostId, record: &Record) -> Vec<Effect> {
        let effects = self.estate.observe(host, record, Timestamp::from_millis(5_000_000), &name);
        self.effects.extend(effects.iter().cloned());
        effects
    }

    pub fn incidents(&self) -> Vec<Incident> {
        self.estate.correlator().incidents().cloned().collect()
    }

    pub fn only(&self) -> Incident {
        let incidents = self.incidents();
        assert_eq!(incidents.len(), 1, "one incident is expected: {incidents:#?}");
        incidents.into_iter().next().unwrap()
    }

    pub fn last_request(&self) -> Option<Request> {
        self.effects.iter().rev().find_map(|effect| match effect {
            Effect::Ask(request) => Some(request.clone()),
            _ => None,
        })
    }
}

pub fn tell(story: &Story) -> Told {
    tell_records(&story.records)
}

pub fn tell_records(records: &[(HostId, Record)]) -> Told {
    let mut told = Told::new(Limits::default());
    for (host, record) in records {
        told.hear(*host, record);
    }
    told
}

/// The path as people read it.
pub fn path(incident: &Incident) -> Vec<String> {
    incident.path.iter().map(|step| format!("{} {:?} {}", step.from_label, step.relation, step.to_label)).collect()
}
