//! Owns: people who sign in to a guest by sshd, su, sudo and login, or fail to, on every tier.
//! Never: a sign-in outside of the guest.

use std::time::Instant;

use picket_tests::vm::{Lab, Vm};
use serde_json::Value;

use picket_tests::soc;

/// Accounts, one of them with a password that nobody here types, and how sshd is told to ask for it.
const PREPARE: &str = "useradd -m -s /bin/sh anna; useradd -m -s /bin/sh bert
    echo 'anna:right-and-long' | chpasswd
    printf '#!/bin/sh\\necho wrong\\n' > /opt/wrong; printf '#!/bin/sh\\necho right-and-long\\n' > /opt/right; chmod 755 /opt/wrong /opt/right
    sed -i '/PermitRootLogin/d' /etc/ssh/sshd_config.d/lab.conf; echo 'PasswordAuthentication yes' >> /etc/ssh/sshd_config.d/lab.conf
    systemctl reload ssh";
/// By password, from the guest to itself, so that the source is 127.0.0.1.
const BY_PASSWORD: &str = "SSH_ASKPASS_REQUIRE=force DISPLAY=:0 setsid -w ssh -o PreferredAuthentications=password -o NumberOfPasswordPrompts=1";

/// What is done, and what must be told of it: user, service, source, success, and whether the session ends too.
struct Act {
    command: String,
    user: &'static str,
    service: &'static str,
    source: Option<&'static str>,
    success: bool,
}

fn acts() -> Vec<Act> {
    let act =
        |command: &str, user, service, source, success| Act { command: command.into(), user, service, source, success };
    let home = Some("127.0.0.1");
    vec![
        act(&format!("SSH_ASKPASS=/opt/right {BY_PASSWORD} anna@127.0.0.1 true"), "anna", "sshd", home, true),
        act(&format!("SSH_ASKPASS=/opt/wrong {BY_PASSWORD} anna@127.0.0.1 true; true"), "anna", "sshd", home, false),
        act(
            &format!("SSH_ASKPASS=/opt/wrong {BY_PASSWORD} nobody-here@127.0.0.1 true; true"),
            "nobody-here",
            "sshd",
            home,
            false,
        ),
        act("su bert -c true", "bert", "su", None, true),
        act(
            "setpriv --reuid bert --clear-groups sh -c 'echo wrong | su anna -c true'; true",
            "anna",
            "su",
            None,
            false,
        ),
        act("sudo -u bert true", "bert", "sudo", None, true),
        act("echo exit | script -qec 'login -f bert' /dev/null", "bert", "login", None, true),
    ]
}

fn told(guest: &Vm, since: u64) -> Option<Vec<Value>> {
    let events = soc::json(guest, "events --class auth --limit 1000")?;
    let fresh = |event: &&Value| event["time"].as_u64().is_some_and(|time| time >= since);
    Some(events.as_array()?.iter().filter(fresh).cloned().collect())
}

fn fits(event: &Value, act: &Act, activity: &str) -> bool {
    let said = &event["activity"];
    said["activity"] == activity
        && said["user"] == act.user
        && said["service"] == act.service
        && said["source"].as_str() == act.source
        && said["success"] == act.success
}

fn is_told(events: &[Value], act: &Act) -> bool {
    let has = |activity: &str| events.iter().any(|event| fits(event, act, activity));
    has("logon") && (!act.success || has("logoff"))
}

/// For people: one line for each.
fn words(events: &[Value]) -> String {
    let word = |event: &Value| {
        let said = &event["activity"];
        let parts = ["activity", "user", "service", "source", "success"].map(|name| said[name].to_string());
        format!("{} {} {}\n", event["time"], event["process"]["exe"], parts.join(" "))
    };
    events.iter().map(word).collect()
}

#[test]
#[ignore = "boots guests for minutes; cargo nextest run --run-ignored all -E 'binary(lab)'"]
fn who_signs_in_and_who_fails_is_told_with_service_source_and_process_on_every_tier() {
    let lab = match Lab::new() {
        Ok(lab) => lab,
        Err(why) => return println!("skipped: {why}"),
    };
    let payload = soc::payload(&[]);
    let guests = soc::boot(&lab, &["door"], &payload);
    let guest = &guests[0];
    guest.run(PREPARE).unwrap();
    soc::wait(guest, "sshd takes connections again", || guest.run("true").ok());
    soc::start_coordinator(guest);
    soc::start_agent(guest, guest, "");
    let acts = acts();
    let script = acts.iter().map(|act| act.command.as_str()).collect::<Vec<_>>().join("\n");
    for tier in ["full", "tracing", "bare"] {
        if tier != "full" {
            soc::change_tier(guest, guest, tier);
        }
        let since = guest.run(&format!("date +%s%N; {{ {script}\n}} >/dev/null 2>&1")).unwrap();
        let since: u64 = since.trim().parse().unwrap();
        let mut last = Vec::new();
        let end = Instant::now() + soc::PATIENCE;
        loop {
            last = told(guest, since).unwrap_or(last);
            let missing: String =
                acts.iter().filter(|act| !is_told(&last, act)).map(|act| format!("{}\n", act.command)).collect();
            if missing.is_empty() {
                break;
            }
            assert!(Instant::now() < end, "{tier}: not told:\n{missing}told:\n{}", words(&last));
        }
        // A second source that tells the same again does so within this time.
        guest.run("sleep 1.5").unwrap();
        last = told(guest, since).unwrap();
        for act in &acts {
            let logons: Vec<_> = last.iter().filter(|event| fits(event, act, "logon")).collect();
            assert_eq!(logons.len(), 1, "{tier}: {}:\n{}", act.command, words(&last));
            let exe = logons[0]["process"]["exe"].as_str().unwrap_or_default();
            assert!(exe.ends_with(act.service), "{tier}: {}", logons[0]);
        }
        println!("{tier}\n{}", words(&last));
    }
}
