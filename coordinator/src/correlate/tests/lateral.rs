//! Owns: stories that go from host to host.
//! Never: what stays on one.

use picket_model::*;

use super::world::*;
use crate::correlate::{Effect, Request};
use crate::respond;

/// A shell below nginx on host 1 runs ssh to host 2, whose sshd forks a session with a bash.
pub struct Hop {
    pub story: Story,
    pub shell: Proc,
    pub ssh: Proc,
    pub session: Proc,
    pub bash: Proc,
}

pub fn hop(shell_detected: bool) -> Hop {
    let mut story = Story::new();
    story.skew(host(2), 3_000);
    let init = story.init();
    let nginx = story.running(&init, 100, &["/usr/sbin/nginx"]);
    let sshd = story.running(&init, 200, &["/usr/sbin/sshd", "-D"]);
    let shell = if shell_detected {
        story.start_detected(host(1), &nginx, 101, &["/bin/sh"], "Shell of a web server").0
    } else {
        story.start(host(1), &nginx, 101, &["/bin/sh"])
    };
    story.wait(2_000);
    let ssh = story.start(host(1), &shell, 110, &["/usr/bin/ssh", "db"]);
    story.connect(host(1), &ssh, "10.0.0.1:40000", "10.0.0.2:22");
    story.accept(host(2), &sshd, "[::ffff:10.0.0.2]:22", "[::ffff:10.0.0.1]:40000");
    let session = story.fork(host(2), &sshd, 210);
    story.wait(300);
    let bash = story.start(host(2), &session, 211, &["/bin/bash"]);
    Hop { story, shell, ssh, session, bash }
}

const WHOLE_PATH: [&str; 6] = [
    "host-1: /usr/sbin/nginx Spawned host-1: /bin/sh",
    "host-1: /bin/sh Spawned host-1: /usr/bin/ssh db",
    "host-1: /usr/bin/ssh db Reached host-2: /usr/sbin/sshd -D",
    "host-2: /usr/sbin/sshd -D Spawned host-2: /usr/sbin/sshd -D",
    "host-2: /usr/sbin/sshd -D Spawned host-2: /bin/bash",
    "host-2: /bin/bash Spawned host-2: /usr/bin/mysqldump --all",
];

fn dump(hop: &mut Hop) -> DetectionId {
    hop.story.start_detected(host(2), &hop.bash.clone(), 212, &["/usr/bin/mysqldump", "--all"], "Mass export").1
}

#[test]
fn a_detection_on_the_second_host_alone_leads_back_to_the_first() {
    let mut hop = hop(false);
    dump(&mut hop);
    let incident = tell(&hop.story).only();
    assert_eq!(incident.hosts, [host(1), host(2)].into());
    assert_eq!(path(&incident), WHOLE_PATH);
    assert_eq!(incident.title, "Mass export on host-1, host-2");
}

#[test]
fn a_detection_on_the_first_host_alone_pulls_in_the_second_once_its_session_appears() {
    let hop = hop(true);
    let mut told = Told::new(crate::graph::Limits::default());
    let mut hosts = Vec::new();
    for (host, record) in &hop.story.records {
        for effect in told.hear(*host, record) {
            if let Effect::Upsert(incident) = effect {
                hosts.push(incident.hosts.len());
            }
        }
    }
    assert_eq!((hosts.first(), hosts.last()), (Some(&1), Some(&2)));
    assert_eq!(path(&told.only()), WHOLE_PATH[..4]);
    let request = told.last_request().unwrap();
    assert_eq!(request.sessions.len(), 1);
    assert_eq!((request.sessions[0].host, request.sessions[0].top), (host(2), hop.session.key));
    assert_eq!(request.sessions[0].trigger, host(1));
}

#[test]
fn detections_on_both_hosts_are_one_incident_from_first_cause_to_last_effect() {
    let mut hop = hop(true);
    let last = dump(&mut hop);
    let told = tell(&hop.story);
    let incident = told.only();
    assert_eq!(incident.detections.len(), 2);
    assert!(incident.detections.contains(&last));
    assert_eq!(path(&incident), WHOLE_PATH);
    assert_eq!(incident.root, Some(EntityRef::Process { host: host(1), key: key(100) }));
}

fn key(pid: u32) -> ProcessKey {
    ProcessKey { boot: 7, pid, start_ticks: u64::from(pid) * 10 }
}

/// The connection between the hosts becomes known only after each has an incident of its own.
#[test]
fn two_incidents_become_one_under_the_older_id() {
    let mut hop = hop(true);
    dump(&mut hop);
    let late = |(_, record): &(HostId, Record)| matches!(record, Record::Event { event } if matches!(event.activity, Activity::Network { activity: NetActivity::Connect, .. }));
    let (last, first): (Vec<_>, Vec<_>) = hop.story.records.into_iter().partition(late);
    let mut told = tell_records(&first);
    let before = told.incidents();
    assert_eq!(before.len(), 2);
    let (older, younger) =
        if before[0].opened < before[1].opened { (before[0].id, before[1].id) } else { (before[1].id, before[0].id) };
    let effects = told.hear(last[0].0, &last[0].1);
    assert_eq!(effects[0], Effect::Merged { from: younger, into: older });
    assert!(matches!(&effects[1], Effect::Upsert(incident) if incident.id == older && incident.hosts.len() == 2));
    assert_eq!(told.estate.correlator().resolve(younger), Some(older));
    assert_eq!(told.only().id, older);
}

#[test]
fn three_hosts_in_a_row_are_one_incident_though_the_middle_one_saw_nothing() {
    let mut hop = hop(true);
    let sshd = hop.story.running(&hop.story.init(), 300, &["/usr/sbin/sshd", "-D"]);
    let ssh = hop.story.start(host(2), &hop.bash.clone(), 220, &["/usr/bin/ssh", "vault"]);
    hop.story.accept(host(3), &sshd, "10.0.0.3:22", "10.0.0.2:41000");
    hop.story.connect(host(2), &ssh, "10.0.0.2:41000", "10.0.0.3:22");
    let session = hop.story.fork(host(3), &sshd, 310);
    hop.story.start_detected(host(3), &session, 311, &["/usr/bin/gpg", "--export-secret-keys"], "Key export");
    let incident = tell(&hop.story).only();
    assert_eq!(incident.hosts.len(), 3);
    let hops: Vec<String> = path(&incident).into_iter().filter(|step| step.contains("Reached")).collect();
    assert_eq!(
        hops,
        [
            "host-1: /usr/bin/ssh db Reached host-2: /usr/sbin/sshd -D",
            "host-2: /usr/bin/ssh vault Reached host-3: /usr/sbin/sshd -D"
        ]
    );
}

#[test]
fn another_login_on_the_second_host_stays_out() {
    let mut hop = hop(true);
    let sshd = hop.story.running(&hop.story.init(), 200, &["/usr/sbin/sshd", "-D"]);
    hop.story.accept(host(2), &sshd, "10.0.0.2:22", "192.0.2.50:33000");
    let other = hop.story.fork(host(2), &sshd, 250);
    hop.story.start_detected(host(2), &other, 251, &["/bin/bash"], "Odd login");
    dump(&mut hop);
    let mut sizes: Vec<(usize, usize)> =
        tell(&hop.story).incidents().iter().map(|incident| (incident.hosts.len(), incident.detections.len())).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [(1, 1), (2, 2)]);
}

#[test]
fn a_database_connection_of_the_service_itself_is_no_lateral_movement() {
    let mut story = Story::new();
    let init = story.init();
    let nginx = story.running(&init, 100, &["/usr/sbin/nginx"]);
    let postgres = story.running(&init, 200, &["/usr/lib/postgresql/postgres"]);
    story.start_detected(host(1), &nginx, 101, &["/bin/sh"], "Shell of a web server");
    story.connect(host(1), &nginx, "10.0.0.1:40000", "10.0.0.2:5432");
    story.accept(host(2), &postgres, "10.0.0.2:5432", "10.0.0.1:40000");
    story.fork(host(2), &postgres, 201);
    assert_eq!(tell(&story).only().hosts, [host(1)].into());
}

#[test]
fn clocks_too_far_apart_and_loopback_are_no_connection_between_hosts() {
    for (skew_ms, address) in [(600_000, "10.0.0.2"), (0, "127.0.0.1")] {
        let mut story = Story::new();
        story.skew(host(2), skew_ms);
        let init = story.init();
        let bash = story.running(&init, 100, &["/bin/bash"]);
        let sshd = story.running(&init, 200, &["/usr/sbin/sshd", "-D"]);
        let (ssh, _) = story.start_detected(host(1), &bash, 101, &["/usr/bin/ssh"], "Odd ssh");
        story.connect(host(1), &ssh, &format!("{address}:40000"), &format!("{address}:22"));
        story.accept(host(2), &sshd, &format!("{address}:22"), &format!("{address}:40000"));
        story.fork(host(2), &sshd, 201);
        assert_eq!(tell(&story).only().hosts.len(), 1, "{address} with {skew_ms} ms");
    }
}

#[test]
fn the_plan_asks_for_the_session_and_falls_silent_when_it_is_contained() {
    let mut hop = hop(true);
    let detection = dump(&mut hop);
    let told = tell(&hop.story);
    let mut ledger = respond::Ledger::default();
    let plan = respond::plan(&case(&told.last_request().unwrap()), &mut ledger, Timestamp::from_millis(1));
    assert_eq!(plan.actions.len(), 1, "{plan:#?}");
    let action = &plan.actions[0];
    assert_eq!((action.host, &action.kind), (host(2), &ActionKind::KillTree { target: hop.session.key }));
    assert_eq!((&action.reason.principal, action.reason.incident), (&Principal::Coordinator, Some(told.only().id)));

    // Killing only the export leaves the intruder's session alive; killing the session does not.
    let kill = |target: &Proc| ActionKind::KillTree { target: target.key };
    let bash = hop.bash.clone();
    hop.story.report(host(2), detection, kill(&bash), ActionState::Applied);
    let request = tell(&hop.story).last_request().unwrap();
    assert_eq!(respond::plan(&case(&request), &mut ledger, Timestamp::from_millis(1)).actions, plan.actions);
    let session = hop.session.clone();
    hop.story.report(host(2), detection, kill(&session), ActionState::Applied);
    let request = tell(&hop.story).last_request().unwrap();
    assert!(respond::plan(&case(&request), &mut ledger, Timestamp::from_millis(1)).actions.is_empty());
}

#[test]
fn a_session_that_ended_by_itself_is_not_asked_for() {
    let mut hop = hop(true);
    let session = hop.session.clone();
    hop.story.exit(host(2), &session);
    assert!(tell(&hop.story).last_request().unwrap().sessions.is_empty());
}

#[test]
fn what_the_intruder_starts_beside_the_detected_program_counts() {
    let mut hop = hop(false);
    hop.story.records.clear();
    let shell = hop.shell.clone();
    hop.story.start_detected(host(1), &shell, 120, &["/usr/bin/base64", "-d"], "Decoding");
    let sshd = hop.story.running(&hop.story.init(), 200, &["/usr/sbin/sshd", "-D"]);
    let ssh = hop.story.start(host(1), &shell, hop.ssh.key.pid + 20, &["/usr/bin/ssh", "db"]);
    hop.story.connect(host(1), &ssh, "10.0.0.1:40001", "10.0.0.2:22");
    hop.story.accept(host(2), &sshd, "10.0.0.2:22", "10.0.0.1:40001");
    hop.story.fork(host(2), &sshd, 260);
    assert_eq!(tell(&hop.story).only().hosts.len(), 2);
}

/// What the coordinator's wiring does with a request.
fn case(request: &Request) -> respond::Case {
    respond::Case {
        incident: request.incident,
        title: request.title.clone(),
        severity: request.severity,
        families: request.families,
        sessions: request
            .sessions
            .iter()
            .map(|it| respond::Session {
                host: it.host,
                top: it.top,
                label: it.label.clone(),
                from_label: it.from_label.clone(),
                trigger: it.trigger,
                drill: it.drill,
                covered: it.covered,
            })
            .collect(),
        evidence: request
            .evidence
            .iter()
            .map(|it| respond::HostEvidence {
                host: it.host,
                severity: it.severity,
                families: it.families,
                detection: it.detection,
                rule: it.rule.clone(),
                drill: it.drill,
            })
            .collect(),
        known: request
            .actions
            .iter()
            .map(|it| respond::Known { id: it.id, host: it.host, kind: it.kind.clone(), state: it.state })
            .collect(),
    }
}
