//! Owns: a quiet day, compressed: what a server's people and jobs do, acted out in the guest, and what the pack says of it.
//! Never: an attack.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::guest::Guest;

/// What an Ansible run looks like from the host that it works on: a session for each step.
const MODULES: [(&str, &str); 6] = [
    ("dev", "/bin/sh -c 'echo ~dev && sleep 0'"),
    ("dev", "/bin/sh -c '( umask 77 && mkdir -p ~/.ansible/tmp && mkdir ~/.ansible/tmp/ansible-tmp-1-2 ) && sleep 0'"),
    (
        "dev",
        "/bin/sh -c 'cp /payload/guest/ansible-step.py ~/.ansible/tmp/ansible-tmp-1-2/AnsiballZ_setup.py && chmod u+x ~/.ansible/tmp/ansible-tmp-1-2/ ~/.ansible/tmp/ansible-tmp-1-2/AnsiballZ_setup.py && sleep 0'",
    ),
    ("dev", "/bin/sh -c '/usr/bin/python3 ~/.ansible/tmp/ansible-tmp-1-2/AnsiballZ_setup.py && sleep 0'"),
    (
        "dev",
        "/bin/sh -c 'sudo -H -S -n -u root /bin/sh -c '\"'\"'echo BECOME-SUCCESS-lab ; /usr/bin/python3 /home/dev/.ansible/tmp/ansible-tmp-1-2/AnsiballZ_setup.py'\"'\"' && sleep 0'",
    ),
    ("dev", "/bin/sh -c 'rm -f -r ~/.ansible/tmp/ansible-tmp-1-2/ > /dev/null 2>&1 && sleep 0'"),
];

/// Small packages, one with maintainer scripts and a service; fetched where there is a network, else left out and said so.
const PACKAGES: [&str; 5] = ["tree", "bc", "cron", "cron-daemon-common", "logrotate"];

/// Debian packages as a repository of their own, for a guest without a network.
pub fn repository(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let fetched = Command::new("apt-get").arg("download").args(PACKAGES).current_dir(folder).output()?;
    if !fetched.status.success() {
        println!("no packages for the guest: {}", String::from_utf8_lossy(&fetched.stderr).trim());
        return Ok(());
    }
    let index = Command::new("dpkg-scanpackages").args(["--multiversion", "."]).current_dir(folder).output()?;
    if !index.status.success() {
        bail!("dpkg-scanpackages: {}", String::from_utf8_lossy(&index.stderr));
    }
    Ok(fs::write(folder.join("Packages"), index.stdout)?)
}

/// # Errors
/// When the guest does not answer.
pub fn run(guest: &Guest, keep: &Path) -> Result<()> {
    let mut steps = vec![("root", "sh /payload/guest/day-root.sh"), ("dev", "bash /payload/guest/day-dev.sh")];
    steps.extend(MODULES);
    let record = guest.act("day", &steps, keep)?;
    for done in record.said.lines().filter(|line| line.starts_with("day: ")) {
        println!("{done}");
    }
    let events: Vec<Value> = serde_json::from_str(record.parts.get("events").map_or("[]", String::as_str))?;
    let detections: Vec<Value> = serde_json::from_str(record.parts.get("detections").map_or("[]", String::as_str))?;
    println!("{}", told(&events, &detections));
    Ok(())
}

/// Each detection with who did what, and the sums that count.
fn told(events: &[Value], detections: &[Value]) -> String {
    let text =
        |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut levels: BTreeMap<String, u32> = BTreeMap::new();
    let mut lines = Vec::new();
    let mut alone = 0;
    for detection in detections {
        let level = text(detection, "/severity");
        let acts = detection["response"].as_array().is_some_and(|acts| !acts.is_empty());
        let would_act = acts && matches!(level.as_str(), "high" | "critical");
        alone += u32::from(would_act);
        let argv: Vec<&str> = detection
            .pointer("/event/process/argv")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        lines.push(format!(
            "{level} {}{}: {} {:.160}",
            text(detection, "/rule"),
            if would_act { ", would act alone" } else { "" },
            detection
                .pointer("/event/activity")
                .map_or_else(String::new, Value::to_string)
                .chars()
                .take(160)
                .collect::<String>(),
            argv.join(" "),
        ));
        *levels.entry(level).or_default() += 1;
    }
    let alerts: u32 = ["medium", "high", "critical"].iter().filter_map(|level| levels.get(*level)).sum();
    format!(
        "a quiet day: {} events, {alerts} alerts of medium or above, {alone} that would act alone, by level {levels:?}\n{}",
        events.len(),
        lines.join("\n")
    )
}
