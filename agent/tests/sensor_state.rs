//! Owns: accounts, jobs and services as real processes change them below a root of the test's own, on each tier.
//! Never: this machine's accounts, jobs and services. Needs root; skipped with a word where there is none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it missed by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use picket_agent::sensor::{SensorOptions, Source, open};
use picket_model::raw::{RawKind, RawRecord};
use picket_model::{Activity, Tier};

const DEADLINE: Duration = Duration::from_secs(10);
/// From the change to the event that tells of it.
const PROMPT: Duration = Duration::from_secs(1);

struct Host {
    folder: tempfile::TempDir,
    source: Option<Box<dyn Source>>,
    tier: Tier,
}

impl Host {
    fn new(tier: Tier) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: the sensor needs root");
            return None;
        }
        // Not below /tmp, which may be of a kind that fanotify refuses.
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        for path in [
            "etc/cron.d",
            "etc/cron.daily",
            "etc/systemd/system/multi-user.target.wants",
            "etc/init.d",
            "usr/lib/systemd/system",
            "var/spool/cron/crontabs",
            "var/spool/cron/atjobs",
            "state",
        ] {
            fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        let host = Self { folder, source: None, tier };
        host.put("etc/passwd", "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/sh\n");
        host.put("etc/shadow", "root:*:19000:0:99999:7:::\nann:$y$a$b:19000:0:99999:7:::\n");
        host.put("etc/group", "root:x:0:\nsudo:x:27:\n");
        host.put("etc/gshadow", "root:*::\nsudo:*::\n");
        host.put("usr/lib/systemd/system/old.service", "[Service]\nExecStart=/bin/old\n");
        Some(host)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn put(&self, path: &str, text: &str) {
        fs::write(self.at(path), text).unwrap();
    }

    fn start(&mut self) {
        let options = SensorOptions {
            force: Some(self.tier),
            root: self.folder.path().to_path_buf(),
            state_dir: Some(self.at("state")),
            // The marks of the bare tier follow these.
            watch_paths: vec![self.at("etc")],
            ..SensorOptions::default()
        };
        self.source = Some(open(&options).unwrap());
        self.drain();
    }

    /// The scan of what runs already, and what the folder's making left in the rings.
    fn drain(&mut self) {
        let source = self.source.as_mut().unwrap();
        while !source.next(Duration::from_millis(300)).unwrap().is_empty() {}
    }

    /// What one shell command is told as, and that it is told as its doing and at once.
    fn told(&mut self, command: &str, count: usize) -> Vec<String> {
        let root = self.folder.path().to_path_buf();
        let mut child = Command::new("sh").args(["-ec", command]).current_dir(&root).spawn().unwrap();
        let pid = child.id();
        assert!(child.wait().unwrap().success(), "{command}");
        let begun = Instant::now();
        let (mut told, mut records) = (Vec::new(), 0);
        while told.len() < count {
            assert!(begun.elapsed() < DEADLINE, "{}: {command}: only {told:?} of {records} records", self.tier.word());
            for record in self.source.as_mut().unwrap().next(Duration::from_millis(100)).unwrap() {
                records += 1;
                let Some(text) = say(&record) else { continue };
                let actor = record.actor.as_ref().map(|actor| actor.pid);
                assert!(
                    actor.is_some_and(|actor| of_the_command(actor, pid)),
                    "{command}: {text} by {actor:?}, not {pid}"
                );
                told.push(text);
            }
        }
        assert!(begun.elapsed() < PROMPT, "{}: {command} took {:?}", self.tier.word(), begun.elapsed());
        // Nothing more comes of it.
        let end = Instant::now() + Duration::from_millis(600);
        while Instant::now() < end {
            told.extend(self.source.as_mut().unwrap().next(Duration::from_millis(100)).unwrap().iter().filter_map(say));
        }
        told
    }
}

/// The shell itself or one of the few commands that it ran.
fn of_the_command(actor: u32, shell: u32) -> bool {
    (shell..shell + 50).contains(&actor)
}

fn say(record: &RawRecord) -> Option<String> {
    let RawKind::Plain(activity) = &record.kind else { return None };
    Some(match &**activity {
        Activity::Account { change } => {
            format!("account {} {} {} {}", change.activity.word(), change.name, change.uid, change.changed.join(","))
        }
        Activity::Group { change } => {
            let (added, removed) = (change.added.join(","), change.removed.join(","));
            format!("group {} {} +{added} -{removed}", change.activity.word(), change.name)
        }
        Activity::ScheduledJob { job } => {
            let words = [job.activity.word(), job.kind.word(), &job.user, &job.schedule, &job.command];
            format!("job {}", words.join(" "))
        }
        Activity::Service { change } => {
            format!("service {} {} {}", change.activity.word(), change.name, change.command)
        }
        _ => return None,
    })
}

fn accounts(host: &mut Host) {
    // As useradd does it: each file beside itself and then into place.
    let add = "cp etc/passwd etc/passwd+; echo 'eve:x:0:0::/root:/bin/sh' >> etc/passwd+; mv etc/passwd+ etc/passwd; \
               cp etc/shadow etc/shadow+; echo 'eve:!:1::::::' >> etc/shadow+; mv etc/shadow+ etc/shadow";
    assert_eq!(host.told(add, 1), ["account created eve 0 "]);
    let password = "sed -i 's/^eve:!/eve:$6$x$y/' etc/shadow";
    assert_eq!(host.told(password, 1), ["account modified eve 0 password,unlocked"]);
    assert_eq!(host.told("sed -i 's/^ann:x:1000/ann:x:0/' etc/passwd", 1), ["account modified ann 0 uid"]);
    assert_eq!(host.told("sed -i '/^eve/d' etc/passwd etc/shadow", 1), ["account deleted eve 0 "]);
    assert_eq!(host.told("sed -i 's/^sudo:x:27:/&ann/' etc/group", 1), ["group modified sudo +ann -"]);
    assert_eq!(host.told("echo 'g:x:99:ann' >> etc/group", 1), ["group created g +ann -"]);
    assert_eq!(host.told("sed -i '/^g:/d' etc/group", 1), ["group deleted g + -ann"]);
}

fn jobs(host: &mut Host) {
    let crontab = "echo '*/5 * * * * /tmp/x' > var/spool/cron/crontabs/tmp.abc; \
                   mv var/spool/cron/crontabs/tmp.abc var/spool/cron/crontabs/eve";
    assert_eq!(host.told(crontab, 1), ["job created cron eve */5 * * * * /tmp/x"]);
    let line = "echo '@reboot /tmp/y' >> var/spool/cron/crontabs/eve";
    assert_eq!(host.told(line, 1), ["job created cron eve @reboot /tmp/y"]);
    let gone = host.told("rm var/spool/cron/crontabs/eve", 2);
    assert_eq!(gone, ["job deleted cron eve */5 * * * * /tmp/x", "job deleted cron eve @reboot /tmp/y"]);
    assert_eq!(host.told("echo '1 2 3 4 5 ann z' > etc/cron.d/job", 1), ["job created cron ann 1 2 3 4 5 z"]);
    assert_eq!(
        host.told("echo '#!/bin/sh' > etc/cron.daily/evil", 1),
        ["job created cron root @daily /etc/cron.daily/evil"]
    );
    let at = "printf '#!/bin/sh\\n# atrun uid=1000 gid=1000\\ncd / || {\\n echo Execution directory inaccessible\\n}\\nid\\n' \
              > var/spool/cron/atjobs/a0000a01c63bc0; chmod 700 var/spool/cron/atjobs/a0000a01c63bc0";
    let told = host.told(at, 1);
    assert!(told[0].starts_with("job created at "), "{told:?}");
    assert!(told[0].ends_with(" 2026-08-07T16:00:00.000Z id"), "{told:?}");
    let timer = "echo '[Service]\nExecStart=/bin/t' > etc/systemd/system/t.service; \
                 echo '[Timer]\nOnCalendar=daily' > etc/systemd/system/t.timer";
    let mut told = host.told(timer, 2);
    told.sort();
    assert_eq!(told, ["job created timer root OnCalendar=daily /bin/t", "service created t.service /bin/t"]);
}

fn services(host: &mut Host) {
    let unit = "echo '[Service]\nExecStart=/tmp/x' > etc/systemd/system/x.service";
    assert_eq!(host.told(unit, 1), ["service created x.service /tmp/x"]);
    let link = "ln -s /etc/systemd/system/x.service etc/systemd/system/multi-user.target.wants/x.service";
    assert_eq!(host.told(link, 1), ["service enabled x.service /tmp/x"]);
    let drop_in = "mkdir etc/systemd/system/old.service.d; \
                   printf '[Service]\nExecStart=\nExecStart=/tmp/y\n' > etc/systemd/system/old.service.d/a.conf";
    assert_eq!(host.told(drop_in, 1), ["service modified old.service /tmp/y"]);
    let unlink = "rm etc/systemd/system/multi-user.target.wants/x.service";
    assert_eq!(host.told(unlink, 1), ["service disabled x.service /tmp/x"]);
    assert_eq!(host.told("rm etc/systemd/system/x.service", 1), ["service deleted x.service /tmp/x"]);
    let init = "echo '#!/bin/sh' > etc/init.d/x";
    assert_eq!(host.told(init, 1), ["service created x /etc/init.d/x"]);
}

fn everything(tier: Tier) {
    let Some(mut host) = Host::new(tier) else { return };
    host.start();
    accounts(&mut host);
    jobs(&mut host);
    services(&mut host);
    let source = host.source.as_ref().unwrap();
    for row in ["job.cron", "job.at", "job.timer", "account.change", "group.change", "service.change", "service.run"] {
        assert_eq!(source.coverage().iter().filter(|coverage| coverage.row == row).count(), 1, "{row}");
    }
    // There is no bus below this root, and the sensor says so.
    assert!(source.blind_spots().iter().any(|spot| spot.contains("no system bus")), "{:?}", source.blind_spots());
}

#[test]
fn changes_are_told_with_who_made_them_on_the_tracing_tier() {
    everything(Tier::Tracing);
}

#[test]
fn changes_are_told_with_who_made_them_on_the_bare_tier() {
    everything(Tier::Bare);
}

#[test]
fn what_changes_while_nobody_looks_is_told_at_the_next_start_without_an_actor() {
    let Some(mut host) = Host::new(Tier::Bare) else { return };
    host.start();
    host.source = None;
    assert!(Path::new(&host.at("state/host-state.json")).exists());
    host.put("etc/cron.d/meanwhile", "@daily root /tmp/z\n");
    let options = SensorOptions {
        force: Some(host.tier),
        root: host.folder.path().to_path_buf(),
        state_dir: Some(host.at("state")),
        ..SensorOptions::default()
    };
    let mut source = open(&options).unwrap();
    let end = Instant::now() + DEADLINE;
    let record = loop {
        assert!(Instant::now() < end, "nothing told");
        let batch = source.next(Duration::from_millis(100)).unwrap();
        if let Some(record) = batch.into_iter().find(|record| say(record).is_some()) {
            break record;
        }
    };
    assert_eq!(say(&record).unwrap(), "job created cron root @daily /tmp/z");
    assert_eq!(record.actor, None);
}

/// What a host's own tools do, and what must be told of it and of whom. Only in a guest that is thrown away.
const TOOLS: [(&str, &str, &str); 13] = [
    ("useradd -m -s /bin/bash eve", "account created eve ", "/useradd"),
    ("echo eve:once-upon-a-time | chpasswd", "account modified eve ", "/chpasswd"),
    ("usermod -aG sudo eve", "group modified sudo +eve -", "/usermod"),
    ("userdel eve", "account deleted eve ", "/userdel"),
    ("echo '*/5 * * * * /bin/true lab' | crontab -", "job created cron root */5 * * * * /bin/true lab", "/crontab"),
    ("crontab -r", "job deleted cron root */5 * * * * /bin/true lab", "/crontab"),
    ("echo 'id > /dev/null' | at now + 1 hour", "job created at root ", "/at"),
    ("systemd-run --unit=lab-timer --on-calendar=daily /bin/true lab", "job created timer root ", "/systemd-run"),
    (
        "printf '[Service]\nExecStart=/bin/sleep 6060\n[Install]\nWantedBy=multi-user.target\n' | \
         tee /etc/systemd/system/lab.service; systemctl daemon-reload",
        "service created lab.service /bin/sleep 6060",
        "/tee",
    ),
    ("systemctl enable lab", "service enabled lab.service /bin/sleep 6060", "/systemctl"),
    ("systemctl start lab", "service started lab.service /bin/sleep 6060", "/systemctl"),
    (
        "busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager StopUnit ss \
         lab.service replace",
        "service stopped lab.service /bin/sleep 6060",
        "/busctl",
    ),
    ("systemctl disable lab", "service disabled lab.service /bin/sleep 6060", "/systemctl"),
];

#[test]
fn a_hosts_own_tools_are_told_of_by_name() {
    if std::env::var_os("PICKET_TEST_HOST").is_none() {
        return println!("skipped: it changes the host; PICKET_TEST_HOST says that it may");
    }
    let mut source = open(&SensorOptions::default()).unwrap();
    while !source.next(Duration::from_millis(300)).unwrap().is_empty() {}
    println!("{} {:?} {:?}", source.tier().word(), source.blind_spots(), source.coverage());
    let mut programs = std::collections::BTreeMap::new();
    let mut missed = Vec::new();
    for (command, wanted, actor) in TOOLS {
        let mut child = Command::new("sh").args(["-ec", command]).spawn().unwrap();
        let (begun, mut found) = (Instant::now(), None);
        while found.is_none() && begun.elapsed() < DEADLINE * 2 {
            for record in source.next(Duration::from_millis(100)).unwrap() {
                if let RawKind::Exec(process) = &record.kind {
                    programs.insert(process.pid, process.exe.clone());
                }
                let Some(text) = say(&record) else { continue };
                let who = record.actor.as_ref().and_then(|actor| programs.get(&actor.pid)).cloned().unwrap_or_default();
                println!("{command} | {text} | {who} {:?}", record.actor);
                // The test itself came by it, and the manager's reload does not end it.
                assert!(!text.starts_with("service stopped ssh.service"), "{command}: {text}");
                if text.starts_with(wanted) {
                    found = Some(who);
                }
            }
        }
        child.wait().unwrap();
        if !found.as_ref().is_some_and(|who| who.ends_with(actor)) {
            missed.push(format!("{command}: {wanted} by {actor}, not {found:?}"));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}
