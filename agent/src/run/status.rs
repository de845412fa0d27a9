//! Owns: what the agent says of itself: to the coordinator, and in `status.json` for those on the host.
//! Never: gathering what stages know; they are asked.

#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::Context;
use picket_model::{Coverage, HostId, HostStatus, Tier, TypeCount};

use super::unpoisoned;
use crate::config::Config;
use crate::facts;

/// Stands among what a host cannot see until another bundle is in force.
pub const BROKEN_RULES: &str = "what the bundle's own rules would see: this build does not compile them, the rules that came with it count instead";

/// The same of its lists of indicators, until they were fetched again.
pub const BROKEN_LISTS: &str = "what the bundle's lists of indicators would find: they are not on this host";

/// The same of its YARA rules, which nothing takes the place of.
pub const BROKEN_YARA: &str = "what the bundle's YARA rules would find: this build does not compile them";

/// Why a bundle was left behind; stands there until another is in force.
pub const LEFT: &str = "the agent ended, without being asked to, while it was new";

/// What stands there where the bundle in force does not verify any more, until another is in force.
pub const DAMAGED: &str = "the kept bundle is damaged";

/// Whether this stands among what a host cannot see because of the bundle's own rules.
pub fn is_broken(spot: &str) -> bool {
    [BROKEN_RULES, BROKEN_LISTS, BROKEN_YARA].contains(&spot) || spot.contains(LEFT) || spot.contains(DAMAGED)
}

/// The status that threads share; the engine writes, the uplink reads.
pub struct Shared(Mutex<HostStatus>);

impl Shared {
    pub fn new(host: HostId, tier: Tier) -> Arc<Self> {
        Arc::new(Self(Mutex::new(HostStatus::new(host, facts::host_facts(), tier))))
    }

    pub fn current(&self) -> HostStatus {
        unpoisoned(&self.0).clone()
    }

    /// What the sensor sees now. What stands there because of the rules stays. True when the coverage is another.
    pub fn see(&self, coverage: &[Coverage], mut blind_spots: Vec<String>) -> bool {
        let mut status = unpoisoned(&self.0);
        blind_spots.extend(status.blind_spots.iter().filter(|spot| is_broken(spot)).cloned());
        status.blind_spots = blind_spots;
        let changed = status.coverage != coverage;
        status.coverage = coverage.to_vec();
        changed
    }

    pub fn change(&self, change: impl FnOnce(&mut HostStatus)) {
        change(&mut unpoisoned(&self.0));
    }
}

pub fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("status.json")
}

/// `picket-agent status`: what the agent last wrote, and whether one runs.
pub fn status(config: &Config, json: bool) -> anyhow::Result<String> {
    let path = path(&config.state_dir);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}; has the agent run here, and are you root?", path.display()))?;
    if json {
        return Ok(text + "\n");
    }
    let status: HostStatus = serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
    let running = super::lock::try_take(&config.state_dir)?.is_none();
    Ok(said(&status, running))
}

fn said(status: &HostStatus, running: bool) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<14} {value}");
    };
    line("agent", if running { "running".into() } else { format!("not running, last word at {}", status.time) });
    line("host", format!("{} ({})", status.facts.hostname, status.host));
    line("tier", status.tier.word().into());
    for spot in &status.blind_spots {
        line("cannot see", spot.clone());
    }
    match status.bundle {
        Some(version) => {
            line("policy", format!("{} version {version}, lease ends {}", status.bundle_name, status.lease_expires))
        }
        None => line("policy", "none yet: watching only".into()),
    }
    line("rules", status.rules.to_string());
    for told in &status.exceptions_ended {
        line("exception", told.clone());
    }
    line("isolated", if status.isolated { "yes".into() } else { "no".into() });
    line("events seen", status.events_seen.to_string());
    line("spooled", status.spooled.to_string());
    let losses: Vec<String> = status.losses.iter().map(|loss| format!("{} {}", loss.place, loss.count)).collect();
    line("lost", if losses.is_empty() { "nothing".into() } else { losses.join(", ") });
    line("memory", format!("{} MiB", status.resident_bytes / (1 << 20)));
    line("cpu time", format!("{} ms", status.cpu_ms));
    accounts(&mut text, &status.accounts);
    coverage(&mut text, &status.coverage);
    text
}

/// What became of the sensor's records. What the kernel still holds is neither delivered nor dropped yet.
fn accounts(text: &mut String, accounts: &[TypeCount]) {
    if accounts.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "\n{:<14} {:>12} {:>12} {:>12} {:>12}",
        "records", "filtered", "produced", "delivered", "dropped"
    );
    for TypeCount { kind, filtered, produced, delivered, dropped } in accounts {
        let _ = writeln!(text, "{kind:<14} {filtered:>12} {produced:>12} {delivered:>12} {dropped:>12}");
    }
}

fn coverage(text: &mut String, rows: &[Coverage]) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{:<24} seen by", "row");
    for Coverage { row, hook, limit } in rows {
        let hook = if hook.is_empty() { "cannot see" } else { hook };
        let _ = writeln!(text, "{row:<24} {hook}{}{limit}", if limit.is_empty() { "" } else { ": " });
    }
}
