use picket_model::*;

use super::{Found, Tracer};
use crate::correlate::tests::world::*;

const WEB: u8 = 1;

/// The records as a session of lanes may have brought them.
fn found(records: &[(HostId, Record)], whole_sessions: bool) -> Found {
    let incident = tell_records(records).only();
    let mut tracer = Tracer::new(&incident, whole_sessions);
    while tracer.again() {
        for (host, record) in records {
            tracer.take(*host, record);
        }
    }
    tracer.finish()
}

fn left(found: &Found) -> Vec<String> {
    let mut said: Vec<String> = found.traces.iter().map(|trace| said(&trace.left)).collect();
    said.sort();
    said
}

fn said(left: &Left) -> String {
    match left {
        Left::Process { key, parent_lives, .. } => format!("process {} below {parent_lives}", key.pid),
        Left::File { change, path, lines, .. } => format!("{change:?} {path} {}", lines.join("|")).trim().to_owned(),
        Left::Job { job } => format!("job {}", job.path),
        Left::Account { change } => format!("account {}", change.name),
        Left::Service { change } => format!("service {} {}", change.name, change.activity.word()),
        Left::Connection { ip, port } => format!("connection {ip} {port}"),
        other => format!("{other:?}"),
    }
}

fn job(path: &str) -> Activity {
    let (name, schedule, command) = ("root /tmp/x".to_owned(), "@reboot".to_owned(), "/tmp/x".to_owned());
    let (user, path) = ("root".to_owned(), path.to_owned());
    let job =
        ScheduledJob { activity: AccountActivity::Created, kind: JobKind::Cron, name, schedule, command, user, path };
    Activity::ScheduledJob { job }
}

fn service(name: &str) -> Activity {
    let path = format!("/usr/lib/systemd/system/{name}");
    let change =
        ServiceChange { activity: ServiceActivity::Enabled, name: name.to_owned(), path, command: String::new() };
    Activity::Service { change }
}

fn account(name: &str) -> Activity {
    let (home, shell) = (format!("/home/{name}"), "/bin/sh".to_owned());
    let (name, activity) = (name.to_owned(), AccountActivity::Created);
    Activity::Account { change: AccountChange { activity, name, uid: 1001, gid: 1001, home, shell, changed: vec![] } }
}

/// Told by nobody's process, as a look at files tells it.
fn by_nobody(story: &mut Story, host: HostId, activity: Activity) {
    let process = story.init();
    let event = story.event(host, &process, activity);
    story.records.pop();
    story.records.push((host, Record::Event { event: Event { process: None, ..event } }));
}

/// A web server's shell leaves a program, a job, an account and a unit; the program is run by cron later on.
fn intrusion(story: &mut Story) {
    let web = host(WEB);
    let nginx = story.running(&story.init(), 100, &["/usr/sbin/nginx"]);
    story.file(web, &nginx, FileActivity::Write, "/var/lib/nginx/cache");
    let (sh, _) = story.start_detected(web, &nginx, 101, &["/bin/sh", "-c", "id"], "Shell of a web server");
    let curl = story.start(web, &sh, 102, &["/usr/bin/curl", "-o", "/tmp/x"]);
    story.connect(web, &curl, "10.0.0.1:40000", "203.0.113.9:80");
    story.file(web, &curl, FileActivity::Create, "/tmp/x");
    story.file(web, &curl, FileActivity::Create, "/tmp/passing");
    story.file(web, &curl, FileActivity::Delete, "/tmp/passing");
    story.exit(web, &curl);
    story.file(web, &sh, FileActivity::Create, "/etc/cron.d/x");
    let echo = story.start(web, &sh, 103, &["/bin/sh", "-c", "echo 'ssh-rsa AAA x' >> ~/.ssh/authorized_keys"]);
    story.file(web, &echo, FileActivity::Write, "/root/.ssh/authorized_keys");
    story.exit(web, &echo);
    let add = story.start(web, &sh, 104, &["/usr/sbin/useradd", "eve"]);
    story.file(web, &add, FileActivity::Rename, "/etc/passwd");
    story.exit(web, &add);
    let enable = story.start(web, &sh, 105, &["/usr/bin/systemctl", "enable", "rpcbind"]);
    story.exit(web, &enable);
    by_nobody(story, web, job("/etc/cron.d/x"));
    by_nobody(story, web, account("eve"));
    by_nobody(story, web, service("rpcbind.service"));
    by_nobody(story, web, service("backup.service"));
    let cron = story.running(&story.init(), 50, &["/usr/sbin/cron"]);
    let x = story.start(web, &cron, 200, &["/tmp/x"]);
    story.file(web, &x, FileActivity::Create, "/var/tmp/later");
    let other = story.start(web, &cron, 201, &["/usr/bin/backup"]);
    story.file(web, &other, FileActivity::Write, "/srv/backup");
}

const LEFT: [&str; 10] = [
    "Changed /etc/passwd",
    "Changed /root/.ssh/authorized_keys ssh-rsa AAA x",
    "Created /etc/cron.d/x",
    "Created /tmp/x",
    "Created /var/tmp/later",
    "account eve",
    "connection 203.0.113.9 80",
    "job /etc/cron.d/x",
    "process 101 below false",
    "process 200 below false",
];

#[test]
fn what_the_incident_s_processes_left_is_found_and_nothing_else() {
    let mut story = Story::new();
    intrusion(&mut story);
    let found = found(&story.records, false);
    let mut wanted = LEFT.to_vec();
    wanted.push("service rpcbind.service enabled");
    assert_eq!(left(&found), wanted);
    let unclaimed: Vec<String> = found.unclaimed.iter().map(|trace| said(&trace.left)).collect();
    assert_eq!(unclaimed, ["service backup.service enabled"]);
    assert!(found.limits.is_empty(), "{:?}", found.limits);
}

#[test]
fn lanes_may_come_in_any_order() {
    let mut story = Story::new();
    intrusion(&mut story);
    let is_file =
        |record: &Record| matches!(record, Record::Event { event } if matches!(event.activity, Activity::File { .. }));
    let (files, others): (Vec<_>, Vec<_>) = story.records.iter().cloned().partition(|(_, record)| is_file(record));
    let straight = left(&found(&story.records, false));
    for records in [[files.clone(), others.clone()].concat(), [others, files].concat()] {
        assert_eq!(left(&found(&records, false)), straight);
    }
}

#[test]
fn a_login_session_is_taken_in_only_where_it_is_asked_for() {
    let mut story = Story::new();
    let web = host(WEB);
    let sshd = story.running(&story.init(), 60, &["/usr/sbin/sshd"]);
    let bash = logged_in(&story.running(&sshd, 61, &["/bin/bash"]), 1000);
    story.file(web, &bash, FileActivity::Create, "/home/a/.profile.x");
    story.start_detected(web, &bash, 62, &["/tmp/miner"], "Miner");
    assert_eq!(left(&found(&story.records, false)), ["process 62 below false"]);
    let whole = left(&found(&story.records, true));
    assert_eq!(whole, ["Created /home/a/.profile.x", "process 61 below false", "process 62 below true"]);
}

/// A detection is told by a faster lane than the events before its own.
#[test]
fn a_file_that_was_made_is_known_as_made_though_its_detection_came_first() {
    let mut story = Story::new();
    let web = host(WEB);
    let sh = story.start(web, &story.init(), 70, &["/bin/sh"]);
    story.file(web, &sh, FileActivity::Create, "/etc/cron.d/x");
    let written = story.file(web, &sh, FileActivity::Write, "/etc/cron.d/x");
    story.detect(web, &written, &sh, "Cron entry", Severity::Medium);
    story.exit(web, &sh);
    let detection = story.records.len() - 2;
    story.records[..=detection].rotate_right(1);
    assert_eq!(left(&found(&story.records, false)), ["Created /etc/cron.d/x"]);
}

/// As of when a file was good is before the first thing that was done to it; what exchanges it by a new one is no new file.
#[test]
fn a_changed_file_is_told_from_its_first_change_to_its_last() {
    let mut story = Story::new();
    let web = host(WEB);
    let (sh, _) = story.start_detected(web, &story.init(), 80, &["/bin/sh"], "Shell");
    story.file(web, &sh, FileActivity::Write, "/root/.bashrc");
    let sed = story.start(web, &sh, 82, &["/bin/sed", "-i", "s/022/0/", "/root/.bashrc"]);
    story.file(web, &sed, FileActivity::Rename, "/root/.bashrc");
    story.file(web, &sed, FileActivity::Rename, "/home/ann/.ssh/authorized_keys");
    let found = found(&story.records, false);
    let told = left(&found);
    for wanted in ["Changed /root/.bashrc", "Changed /home/ann/.ssh/authorized_keys"] {
        assert!(told.contains(&wanted.to_owned()), "{told:?}");
    }
    let span = found.traces.iter().find_map(|trace| match &trace.left {
        Left::File { since, path, .. } if path == "/root/.bashrc" => Some((*since, trace.time)),
        _ => None,
    });
    let (since, last) = span.unwrap();
    assert!(since < last, "{since} {last}");
}

/// Else all that a service manager or a container run-time starts would be the incident's.
#[test]
fn a_detection_on_a_server_of_many_takes_in_nothing_below_it() {
    let mut story = Story::new();
    let web = host(WEB);
    let systemd = story.init();
    let event = story.event(web, &systemd, Activity::ProcessLaunch);
    story.detect(web, &event, &systemd, "Odd", Severity::High);
    let child = story.start(web, &systemd, 300, &["/usr/bin/backup"]);
    story.file(web, &child, FileActivity::Write, "/srv/backup");
    let found = found(&story.records, false);
    assert!(found.traces.is_empty(), "{:?}", found.traces);
    assert!(found.limits[0].contains("no detection of it names a process"), "{:?}", found.limits);
}
