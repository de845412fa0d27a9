//! Owns: accounts, groups, jobs and services as a host's own tools change them, asked of the coordinator afterwards.
//! Never: a tool's output as proof; the event is.

use picket_tests::vm::{Lab, Vm};
use serde_json::Value;

use picket_tests::soc;

/// A change that a tool makes, and the event that must tell of it.
struct Step {
    command: &'static str,
    class: &'static str,
    /// Pointers into the event's activity and what they must hold.
    wanted: &'static [(&'static str, &'static str)],
    /// The end of the acting program's path; empty where the host cannot say who it was.
    actor: &'static str,
}

const STEPS: &[Step] = &[
    Step {
        command: "useradd -m -s /bin/bash eve",
        class: "account",
        wanted: &[("/change/activity", "created"), ("/change/name", "eve"), ("/change/shell", "/bin/bash")],
        actor: "/useradd",
    },
    Step {
        command: "echo eve:once-upon-a-time | chpasswd",
        class: "account",
        wanted: &[("/change/activity", "modified"), ("/change/name", "eve"), ("/change/changed/0", "password")],
        actor: "/chpasswd",
    },
    Step {
        command: "usermod -L eve",
        class: "account",
        wanted: &[("/change/activity", "modified"), ("/change/name", "eve"), ("/change/changed/0", "locked")],
        actor: "/usermod",
    },
    Step {
        command: "usermod -aG sudo eve",
        class: "group",
        wanted: &[("/change/activity", "modified"), ("/change/name", "sudo"), ("/change/added/0", "eve")],
        actor: "/usermod",
    },
    Step {
        command: "groupadd lab",
        class: "group",
        wanted: &[("/change/activity", "created"), ("/change/name", "lab")],
        actor: "/groupadd",
    },
    Step {
        command: "groupdel lab",
        class: "group",
        wanted: &[("/change/activity", "deleted"), ("/change/name", "lab")],
        actor: "/groupdel",
    },
    Step {
        command: "userdel eve",
        class: "account",
        wanted: &[("/change/activity", "deleted"), ("/change/name", "eve")],
        actor: "/userdel",
    },
    Step {
        command: "echo '*/5 * * * * /bin/true lab' | crontab -",
        class: "job",
        wanted: &[
            ("/job/activity", "created"),
            ("/job/kind", "cron"),
            ("/job/user", "root"),
            ("/job/schedule", "*/5 * * * *"),
            ("/job/command", "/bin/true lab"),
        ],
        actor: "/crontab",
    },
    Step {
        command: "crontab -r",
        class: "job",
        wanted: &[("/job/activity", "deleted"), ("/job/kind", "cron"), ("/job/command", "/bin/true lab")],
        actor: "/crontab",
    },
    Step {
        command: "echo 'id > /dev/null' | at now + 1 hour",
        class: "job",
        wanted: &[
            ("/job/activity", "created"),
            ("/job/kind", "at"),
            ("/job/user", "root"),
            ("/job/command", "id > /dev/null"),
        ],
        actor: "/at",
    },
    Step {
        command: "systemd-run --unit=lab-timer --on-calendar=daily /bin/true lab",
        class: "job",
        wanted: &[("/job/activity", "created"), ("/job/kind", "timer"), ("/job/name", "lab-timer.timer")],
        actor: "/systemd-run",
    },
    Step {
        command: "printf '[Service]\\nExecStart=/bin/sleep 6060\\n[Install]\\nWantedBy=multi-user.target\\n' | \
                  tee /etc/systemd/system/lab.service",
        class: "service",
        wanted: &[
            ("/change/activity", "created"),
            ("/change/name", "lab.service"),
            ("/change/command", "/bin/sleep 6060"),
            ("/change/path", "/etc/systemd/system/lab.service"),
        ],
        actor: "/tee",
    },
    Step {
        command: "systemctl daemon-reload; systemctl enable lab",
        class: "service",
        wanted: &[("/change/activity", "enabled"), ("/change/name", "lab.service")],
        actor: "/systemctl",
    },
    Step {
        command: "systemctl start lab",
        class: "service",
        wanted: &[
            ("/change/activity", "started"),
            ("/change/name", "lab.service"),
            ("/change/command", "/bin/sleep 6060"),
        ],
        actor: "/systemctl",
    },
    Step {
        command: "busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager \
                  StopUnit ss lab.service replace",
        class: "service",
        wanted: &[("/change/activity", "stopped"), ("/change/name", "lab.service")],
        actor: "/busctl",
    },
    Step {
        command: "systemctl disable lab",
        class: "service",
        wanted: &[("/change/activity", "disabled"), ("/change/name", "lab.service")],
        actor: "/systemctl",
    },
    Step {
        command: "rm /etc/systemd/system/lab.service",
        class: "service",
        wanted: &[("/change/activity", "deleted"), ("/change/name", "lab.service")],
        actor: "/rm",
    },
];

#[test]
#[ignore = "boots guests for minutes; cargo nextest run --run-ignored all -E 'binary(lab)'"]
fn what_a_hosts_own_tools_change_is_told_with_the_tool() {
    let lab = match Lab::new() {
        Ok(lab) => lab,
        Err(why) => return println!("skipped: {why}"),
    };
    let guests = soc::boot(&lab, &["state"], &soc::payload(&[]));
    let guest = &guests[0];
    soc::start_coordinator(guest);
    soc::start_agent(guest, guest, "");
    for step in STEPS {
        run(guest, step.command);
        let found = picket_tests::eventually(soc::PATIENCE, || event(guest, step));
        let Some(found) = found else {
            let told = soc::json(guest, &format!("events --class {} --limit 20", step.class)).unwrap_or_default();
            let log = guest.ssh("journalctl --no-pager -n 30 -u agent").unwrap();
            panic!("{}: not told; {told:#}\n{}", step.command, String::from_utf8_lossy(&log.stdout));
        };
        let exe = found.pointer("/process/exe").and_then(Value::as_str).unwrap_or_default();
        println!("{} | {} | {}", step.command, exe, found["activity"]);
        assert!(exe.ends_with(step.actor), "{}: done by {exe:?}: {found:#}", step.command);
    }
    let hosts = soc::json(guest, "hosts").unwrap();
    let blind = hosts[0]["status"]["blind_spots"].to_string();
    assert!(!blind.contains("services"), "the bus is heard here: {blind}");
    // A secret stays on the host: neither the password nor its hash is in any event.
    let all = soc::json(guest, "events --class account --limit 50").unwrap().to_string();
    assert!(!all.contains("once-upon-a-time") && !all.contains("$y$"), "{all}");
}

/// A guest under load may not answer the first time; then nothing was run.
fn run(guest: &Vm, command: &str) {
    let output = picket_tests::eventually(soc::PATIENCE, || {
        guest.ssh(command).ok().filter(|output| output.status.code() != Some(255))
    });
    let output = output.unwrap_or_else(|| panic!("{command}: the guest does not answer"));
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

fn event(guest: &Vm, step: &Step) -> Option<Value> {
    let events = soc::json(guest, &format!("events --class {} --limit 50", step.class))?;
    let is_it = |event: &&Value| {
        let holds = |(pointer, value): &(&str, &str)| {
            event.pointer(&format!("/activity{pointer}")).and_then(Value::as_str) == Some(*value)
        };
        step.wanted.iter().all(holds)
    };
    events.as_array()?.iter().find(is_it).cloned()
}
