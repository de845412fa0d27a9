//! Owns: what falls due with time: leases, losses, requests from this host, the status.
//! Never: a record of the sensor.

use std::io::Read;

use picket_detect::LostWindows;
use picket_model::{Activity, LossCount, Timestamp};

use super::{Engine, STATUS_TICKS, now};
use crate::facts;
use crate::normalize::SNAPSHOT_BYTES_MAX;
use crate::run::{release, status};
use crate::sys::clock::WallOffset;
use crate::whole;

/// The lineage is written once a minute and at the end: what a crash costs is the parents of its last minute.
const LINEAGE_TICKS: u32 = 240;
const LINEAGE: &str = "lineage";
/// Suspicious processes whose records are filtered like those of others.
const LOSS_UNWATCHED: &str = "filter.unwatched";

impl Engine {
    /// Leases, losses, requests from this host, the status. True when something changed that others should hear of.
    pub fn tick(&mut self) -> bool {
        self.peace.turn();
        self.look_at_clock();
        for report in self.containment.expire(self.clock.steady_now()) {
            self.report(report);
        }
        self.unanswered();
        self.questions.keep();
        for event in self.normalizer.settle(now()) {
            self.event(event);
        }
        self.scan_read();
        self.watch_below();
        self.correlations();
        self.losses();
        self.release_requested();
        self.keep_peace();
        self.keeper.settle();
        self.refresh();
        self.ticks += 1;
        if self.ticks.is_multiple_of(STATUS_TICKS) {
            self.write_status();
        }
        if self.ticks.is_multiple_of(LINEAGE_TICKS) {
            self.remember();
        }
        let status = self.shared.current();
        let said = (status.isolated, status.conservative);
        std::mem::replace(&mut self.said, said) != said
    }

    fn look_at_clock(&mut self) {
        let Some(by_ns) = self.clock.look(WallOffset::read()) else { return };
        let (way, seconds) = (if by_ns > 0 { "forward" } else { "back" }, by_ns.unsigned_abs() / 1_000_000_000);
        let detail = format!("{way} by {seconds} s; leases, budgets and questions go on as if it had not been");
        self.speak("the host's clock was set", &detail);
    }

    /// `until`: all that happened before is told, or said to be lost.
    pub fn stopped(&mut self, why: &str, until: Timestamp) {
        for event in self.normalizer.give_up() {
            self.event(event);
        }
        self.scan.give_up();
        for report in self.containment.close() {
            self.report(report);
        }
        self.losses();
        tracing::info!("stopped: {why}");
        self.own_at(until, Activity::Agent { what: "stopped".to_owned(), detail: why.to_owned() });
        if let Err(error) = self.spool.settle() {
            tracing::error!(%error, "the last records wait for the agent's next start");
        }
        self.remember();
        self.questions.keep();
        self.refresh();
        self.write_status();
    }

    /// Writes down who made whom, for parents end before their children do.
    fn remember(&self) {
        if let Err(error) = whole::write(&self.state_dir.join(LINEAGE), &self.normalizer.snapshot()) {
            tracing::warn!(%error, "the lineage of processes could not be kept for the agent's next start");
        }
    }

    pub(super) fn recall(&mut self) {
        let mut text = Vec::new();
        let file = std::fs::File::open(self.state_dir.join(LINEAGE));
        if file.and_then(|file| file.take(SNAPSHOT_BYTES_MAX).read_to_end(&mut text)).is_ok() {
            self.normalizer.recall(&text, now());
        }
    }

    /// What correlations find by the passing of time alone.
    pub(super) fn correlations(&mut self) {
        for detection in self.detect.advance(now()) {
            self.detection(detection);
        }
    }

    fn losses(&mut self) {
        let mut counts = self.spool.take_losses();
        counts.extend(self.normalizer.take_losses());
        counts.extend(self.scan.take_losses());
        counts.extend(self.containment.copies().take_losses());
        self.scan_notices();
        let (losses, windows) = self.detect.take_losses();
        counts.extend(losses);
        for LostWindows { rule, windows, from, to } in windows {
            let what = format!("{windows} windows of the rule {rule} were given up for want of memory");
            self.speak("coverage lost", &format!("{what}: what it counted from {from} to {to}"));
        }
        let unwatched = self.focus.take_unwatched();
        counts.extend((unwatched > 0).then(|| LossCount { place: LOSS_UNWATCHED.into(), count: unwatched }));
        if !counts.is_empty() {
            self.own(Activity::Loss { counts });
        }
    }

    fn release_requested(&mut self) {
        let request = release::request_path(&self.state_dir);
        if !request.exists() {
            return;
        }
        let (reports, outcome) = release::end_isolations(&mut self.containment);
        for report in reports {
            self.report(report);
        }
        if let Err(error) = release::answer(&self.state_dir, &outcome) {
            tracing::error!(%error, path = %request.display(), "the release request could not be answered");
        }
    }

    pub(super) fn refresh(&mut self) {
        let now = now();
        let usage = facts::OwnUse::read();
        let authority = self.decide.authority();
        let conservative = authority.is_some_and(|authority| authority.conservative(self.clock.now()));
        let bundle = authority.map(|authority| {
            let bundle = authority.bundle();
            (bundle.version, bundle.name.clone(), bundle.lease_expires())
        });
        let rules = self.detect.rules().saturating_add(u32::try_from(self.scan.rules()).unwrap_or(u32::MAX));
        let losses = self.lost.iter().map(|(place, count)| LossCount { place: place.clone(), count: *count }).collect();
        self.shared.change(|status| {
            status.time = now;
            if let Some((version, name, lease_expires)) = bundle {
                status.bundle = Some(version);
                status.bundle_name = name;
                status.lease_expires = lease_expires;
            }
            status.conservative = conservative;
            status.isolated = self.containment.isolated();
            status.rules = rules;
            status.exceptions_ended = self.detect.exceptions_ended(now);
            status.losses = losses;
            status.spooled = self.spool.backlog();
            status.resident_bytes = usage.resident_bytes;
            status.cpu_ms = usage.cpu_ms;
            status.events_seen = self.events_seen;
        });
    }

    pub(super) fn write_status(&self) {
        let path = status::path(&self.state_dir);
        let written = serde_json::to_vec_pretty(&self.shared.current())
            .map_err(std::io::Error::other)
            .and_then(|bytes| whole::write(&path, &bytes));
        if let Err(error) = written {
            tracing::error!(%error, path = %path.display(), "the status could not be written");
        }
    }
}
