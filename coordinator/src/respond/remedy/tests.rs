use picket_model::*;

use super::{STEPS_MAX, plan};

const INCIDENT: IncidentId = IncidentId::from_bytes([9; 16]);
const HOST: HostId = HostId::from_bytes([1; 16]);

fn trace(left: Left) -> Trace {
    Trace { host: HOST, time: Timestamp::from_millis(1000), left, by: "sh -c x".to_owned() }
}

fn file(change: FileChange, path: &str, lines: &[&str]) -> Trace {
    let lines = lines.iter().map(|line| (*line).to_owned()).collect();
    let since = Timestamp::from_millis(400);
    trace(Left::File { change, path: path.to_owned(), since, sha256: None, lines })
}

fn process(pid: u32, parent_lives: bool) -> Trace {
    let key = ProcessKey { boot: 1, pid, start_ticks: 7 };
    trace(Left::Process { key, parent_lives, command: "x".to_owned() })
}

fn job(kind: JobKind, path: &str, name: &str) -> Trace {
    job_that_was(AccountActivity::Created, kind, path, name)
}

fn job_that_was(activity: AccountActivity, kind: JobKind, path: &str, name: &str) -> Trace {
    let job = ScheduledJob {
        activity,
        kind,
        name: name.to_owned(),
        schedule: "*/5 * * * *".to_owned(),
        command: "/tmp/x".to_owned(),
        user: "root".to_owned(),
        path: path.to_owned(),
    };
    trace(Left::Job { job })
}

fn service(activity: ServiceActivity, name: &str) -> Trace {
    let path = format!("/etc/systemd/system/{name}");
    trace(Left::Service { change: ServiceChange { activity, name: name.to_owned(), path, command: "/x".to_owned() } })
}

fn account(activity: AccountActivity, changed: &[&str]) -> Trace {
    let changed = changed.iter().map(|what| (*what).to_owned()).collect();
    let (home, shell) = ("/home/eve".to_owned(), "/bin/sh".to_owned());
    trace(Left::Account {
        change: AccountChange { activity, name: "eve".to_owned(), uid: 1001, gid: 1001, home, shell, changed },
    })
}

fn steps(traces: &[Trace]) -> Vec<String> {
    plan(INCIDENT, traces, &[], Vec::new()).steps.iter().map(|step| step.kind.to_string()).collect()
}

/// One of each kind of trace.
fn everything() -> Vec<Trace> {
    vec![
        file(FileChange::Created, "/etc/cron.d/x", &[]),
        job(JobKind::Cron, "/etc/cron.d/x", "root /tmp/x"),
        job(JobKind::Cron, "/etc/crontab", "root /tmp/x"),
        job(JobKind::Timer, "/etc/systemd/system/x.timer", "x.timer"),
        job(JobKind::At, "/var/spool/cron/atjobs/a0000101c", "1"),
        file(FileChange::Changed, "/root/.ssh/authorized_keys", &["ssh-rsa AAA x"]),
        file(FileChange::Changed, "/etc/ld.so.preload", &[]),
        file(FileChange::Changed, "/etc/passwd", &[]),
        file(FileChange::Changed, "/etc/passwd-", &[]),
        file(FileChange::Changed, "/etc/.pwd.lock", &[]),
        file(FileChange::Deleted, "/etc/motd", &[]),
        file(FileChange::Changed, "/srv/app/settings", &[]),
        file(FileChange::Deleted, "/usr/share/x", &[]),
        file(FileChange::Created, "/etc/systemd/system/multi-user.target.wants/x.service", &[]),
        account(AccountActivity::Created, &[]),
        account(AccountActivity::Modified, &["password"]),
        service(ServiceActivity::Created, "x.service"),
        service(ServiceActivity::Stopped, "auditd.service"),
        process(42, false),
        process(43, true),
        trace(Left::Group {
            change: GroupChange {
                activity: AccountActivity::Modified,
                name: "sudo".into(),
                gid: 27,
                added: vec!["eve".into()],
                removed: vec![],
            },
        }),
        trace(Left::Module { name: "evil".into(), path: "/tmp/evil.ko".into() }),
        trace(Left::Module { name: String::new(), path: String::new() }),
        trace(Left::Bpf { name: "hook".into(), id: 7 }),
        trace(Left::Mount { target: "/mnt".into() }),
        trace(Left::Setting { name: "kernel.modules_disabled".into(), value: "0".into() }),
        trace(Left::Connection { ip: "203.0.113.9".parse().unwrap(), port: 443 }),
    ]
}

#[test]
fn what_runs_stops_first_then_what_starts_it_then_the_doors_then_lines_and_files() {
    assert_eq!(
        steps(&everything()),
        [
            "kill_tree 42@7",
            "disable_module evil",
            "disable_unit x.service",
            "disable_unit x.timer",
            "lock_account eve",
            "end_sessions eve",
            "remove_line /etc/crontab: */5 * * * * root /tmp/x",
            "restore_file /etc/ld.so.preload as before 1970-01-01T00:00:00.400Z",
            "restore_file /etc/motd as before 1970-01-01T00:00:00.400Z",
            "restore_file /root/.ssh/authorized_keys as before 1970-01-01T00:00:00.400Z",
            "quarantine_file /etc/cron.d/x",
            "quarantine_file /var/spool/cron/atjobs/a0000101c",
        ]
    );
}

#[test]
fn what_no_act_mends_is_said_with_what_to_type() {
    let remedy = plan(INCIDENT, &everything(), &[service(ServiceActivity::Created, "other.service")], Vec::new());
    let said: Vec<(&str, &str)> = remedy.by_hand.iter().map(|it| (it.what.as_str(), it.command.as_str())).collect();
    for (what, command) in [
        ("/srv/app/settings was changed", "remove-line /srv/app/settings"),
        ("/usr/share/x was deleted", "dpkg -S /usr/share/x"),
        ("starts a unit", "rm /etc/systemd/system/multi-user.target.wants/x.service"),
        ("account eve is locked, not removed", "userdel --remove eve"),
        ("the password of eve", "passwd eve"),
        ("auditd.service was stopped", "systemctl enable --now auditd.service"),
        ("eve joined group sudo", "gpasswd -d eve sudo"),
        ("what kernel module evil did while it was loaded stays done", "install the host anew"),
        ("a kernel module was loaded", "lsmod"),
        ("BPF program hook", "bpftool prog show id 7"),
        ("mounted at /mnt", "umount /mnt"),
        ("kernel.modules_disabled was changed to 0", "sysctl kernel.modules_disabled"),
        ("connected to 203.0.113.9 port 443", "block-address 203.0.113.9"),
        ("in the same hours, other.service was created", "look whether"),
    ] {
        let found = said.iter().any(|(said, typed)| said.contains(what) && typed.contains(command));
        assert!(found, "{what} / {command} is not in {said:#?}");
    }
    // The account's own files are told by the account.
    assert!(!said.iter().any(|(what, _)| what.contains("/etc/passwd")), "{said:#?}");
}

/// No trace is lost: each is an act, a word for a person, or what another's act takes along.
#[test]
fn every_trace_alone_comes_to_something_unless_another_takes_it_along() {
    for trace in everything() {
        let remedy = plan(INCIDENT, std::slice::from_ref(&trace), &[], Vec::new());
        let along = matches!(trace.left, Left::Process { parent_lives: true, .. });
        assert_eq!(remedy.steps.is_empty() && remedy.by_hand.is_empty(), along, "{trace:?}");
    }
}

/// What a command or a job tells of a file is not all that was done to it.
#[test]
fn settings_of_which_copies_are_kept_are_given_back_as_a_whole() {
    let table = file(FileChange::Changed, "/etc/crontab", &["*/5 * * * * root /tmp/x"]);
    for activity in [AccountActivity::Created, AccountActivity::Modified, AccountActivity::Deleted] {
        let job = job_that_was(activity, JobKind::Cron, "/etc/crontab", "root /usr/bin/backup");
        let traces = [job.clone(), table.clone()];
        let remedy = plan(INCIDENT, &traces, &[], Vec::new());
        assert_eq!(steps(&traces), ["restore_file /etc/crontab as before 1970-01-01T00:00:00.400Z"]);
        assert!(remedy.by_hand.is_empty(), "{:?}", remedy.by_hand);
        // Where nobody saw who wrote to the table, nothing says as of when it was good.
        let alone = plan(INCIDENT, &[job], &[], Vec::new());
        assert_eq!(
            (alone.steps.len(), alone.by_hand.len()),
            if activity == AccountActivity::Created { (1, 0) } else { (0, 1) }
        );
    }
    let lines = ["x"];
    assert_eq!(steps(&[file(FileChange::Changed, "/srv/app/settings", &lines)]), ["remove_line /srv/app/settings: x"]);
}

#[test]
fn the_order_in_which_traces_come_changes_nothing() {
    let mut traces = everything();
    let first = plan(INCIDENT, &traces, &[], Vec::new());
    for turn in 1..traces.len() {
        traces.rotate_left(turn);
        let again = plan(INCIDENT, &traces, &[], Vec::new());
        assert_eq!(again.steps, first.steps);
        assert_eq!(again.by_hand.len(), first.by_hand.len());
    }
}

#[test]
fn what_was_ordered_stays_in_the_plan_when_it_is_gone() {
    let ordered = plan(INCIDENT, &everything(), &[], Vec::new()).steps;
    let mut later = plan(INCIDENT, &[file(FileChange::Created, "/tmp/later", &[])], &[], Vec::new());
    super::keep_ordered(&mut later, ordered.clone());
    super::keep_ordered(&mut later, ordered);
    let kinds: Vec<String> = later.steps.iter().map(|step| step.kind.to_string()).collect();
    assert_eq!(
        (kinds.len(), kinds[0].as_str(), kinds[12].as_str()),
        (13, "kill_tree 42@7", "quarantine_file /var/spool/cron/atjobs/a0000101c")
    );
    assert!(kinds.contains(&"quarantine_file /tmp/later".to_owned()), "{kinds:?}");
}

#[test]
fn a_plan_is_no_longer_than_a_person_reads_and_says_what_it_leaves_out() {
    let traces: Vec<Trace> =
        (0..STEPS_MAX + 5).map(|n| file(FileChange::Created, &format!("/tmp/x{n}"), &[])).collect();
    let remedy = plan(INCIDENT, &traces, &[], Vec::new());
    assert_eq!(remedy.steps.len(), STEPS_MAX);
    assert!(remedy.limits[0].starts_with("5 further steps"), "{:?}", remedy.limits);
    let changed: Vec<Trace> = (0..30).map(|n| file(FileChange::Changed, &format!("/srv/w{n}"), &[])).collect();
    let remedy = plan(INCIDENT, &changed, &[], Vec::new());
    assert_eq!(remedy.by_hand.len(), 9);
    assert!(remedy.by_hand[8].what.starts_with("22 further files of /srv"), "{:?}", remedy.by_hand[8]);
}

#[test]
fn what_an_intruder_named_a_file_does_not_run_when_it_is_pasted() {
    let remedy = plan(INCIDENT, &[file(FileChange::Deleted, "/x/a'; rm -rf ~ #", &[])], &[], Vec::new());
    assert!(remedy.by_hand[0].command.contains("'/x/a'\\''; rm -rf ~ #'"), "{}", remedy.by_hand[0].command);
}
