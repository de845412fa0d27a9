//! Owns: guests with Picket on them: one that runs the coordinator, and hosts enrolled with it.
//! Never: what is acted out on them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "a test says what it missed by panicking"
)]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::vm::{Lab, Vm};
use crate::{binary, eventually};
use serde_json::Value;

/// Emulated machines take their time.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// What a person would look at when something did not come about.
const LOOK: &str = "journalctl --no-pager -n 40 -u coordinator -u agent; P=/opt/picket/picket; $P actions; $P incidents --all; \
    for i in $($P incidents --all | awk 'NR>1{print $1}'); do $P incident $i; done; $P audit list --limit 200";
const SOC: &str = "10.9.0.1";

/// The binaries as a folder that becomes a disk of each guest; `more` goes beside them.
pub fn payload(more: &[PathBuf]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let names = ["picket", "picket-agent", "picket-coordinator"].map(binary);
    for file in names.iter().chain(more) {
        fs::copy(file, folder.path().join(file.file_name().unwrap()))
            .unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    }
    folder
}

/// Boots guests called `names` with addresses from 10.9.0.1 on, all at once.
pub fn boot(lab: &Lab, names: &[&str], payload: &tempfile::TempDir) -> Vec<Vm> {
    let mut guests: Vec<Vm> = names
        .iter()
        .enumerate()
        .map(|(index, name)| Vm::start(lab, name, &format!("10.9.0.{}", index + 1), payload.path()).unwrap())
        .collect();
    for guest in &mut guests {
        guest.wait_booted().unwrap();
        guest
            .run(
                "mkdir -p /opt/picket && find /payload -type f -exec cp -t /opt/picket {} + && chmod 755 /opt/picket/*",
            )
            .unwrap();
    }
    guests
}

pub fn start_coordinator(soc: &Vm) {
    soc.run(&format!(
        "printf 'state_dir = \"/var/lib/picket/coordinator\"\\nlisten = \"{SOC}:8844\"\\napi = \"127.0.0.1:8843\"\\n' > /opt/picket/coordinator.toml
         systemd-run --quiet --unit=coordinator /opt/picket/picket-coordinator run --config /opt/picket/coordinator.toml"
    ))
    .unwrap();
    wait(soc, "the coordinator answers", || soc.run("/opt/picket/picket policy show").ok());
}

/// Enrols a guest and starts its agent with `lines` in its configuration.
pub fn start_agent(soc: &Vm, host: &Vm, lines: &str) {
    let token = soc.run("/opt/picket/picket token --ttl 10m").unwrap();
    host.run(&format!(
        "printf 'state_dir = \"/var/lib/picket/agent\"\\n{lines}\\n' > /opt/picket/agent.toml
         echo '{}' | /opt/picket/picket-agent enrol --token-file - --config /opt/picket/agent.toml
         systemd-run --quiet --unit=agent /opt/picket/picket-agent run --config /opt/picket/agent.toml",
        token.trim()
    ))
    .unwrap();
    wait_connected(soc, host);
}

/// Starts the agent anew on another tier.
pub fn change_tier(soc: &Vm, host: &Vm, tier: &str) {
    host.run(&format!(
        "systemctl stop agent; systemctl reset-failed agent 2>/dev/null
         sed -i '/^tier/d' /opt/picket/agent.toml; echo 'tier = \"{tier}\"' >> /opt/picket/agent.toml
         systemd-run --quiet --unit=agent /opt/picket/picket-agent run --config /opt/picket/agent.toml"
    ))
    .unwrap();
    wait(soc, "the agent speaks from the other tier", || {
        let hosts = json(soc, "hosts")?;
        hosts
            .as_array()?
            .iter()
            .any(|h| h["connected"] == true && h["status"]["tier"] == tier && !h["status"]["bundle"].is_null())
            .then_some(())
    });
}

fn wait_connected(soc: &Vm, host: &Vm) {
    // What happens before its first bundle is compiled a host tells, and nothing more.
    wait(soc, "the agent is connected and acts under a bundle", || {
        let hosts = json(soc, "hosts")?;
        hosts
            .as_array()?
            .iter()
            .find(|h| h["hostname"] == host.name() && h["connected"] == true && !h["status"]["bundle"].is_null())
            .map(|_| ())
    });
}

pub fn json(soc: &Vm, command: &str) -> Option<Value> {
    let output = soc.ssh(&format!("/opt/picket/picket {command} --json")).ok()?;
    serde_json::from_slice(&output.stdout).ok()
}

pub fn wait<T>(guest: &Vm, what: &str, probe: impl FnMut() -> Option<T>) -> T {
    eventually(PATIENCE, probe).unwrap_or_else(|| {
        let log = guest.ssh(LOOK).map(|output| output.stdout);
        panic!("{}: waited in vain until {what}\n{}", guest.name(), String::from_utf8_lossy(&log.unwrap_or_default()))
    })
}
