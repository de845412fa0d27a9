//! Owns: maintenance that an administrator's token allows, and containments put back that somebody took away.
//! Never: a token's word without its signature.

use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use picket_model::{ActionKind, ActionReport, Activity, TamperKind};
use picket_policy::Maintenance;
use picket_policy::signed::STATEMENT_BYTES_MAX;

use super::{Engine, now};
use crate::facts;
use crate::run::maintenance;
use crate::run::tokens::Tokens;
use crate::sys::clock::boot_ns;
use crate::whole;

/// Without word from the firewall itself, as of a namespace, containments are looked at every so many ticks: 10 s.
const FIREWALL_TICKS: u32 = 40;

/// The sensor looks four times a second.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(2);

impl Engine {
    pub(super) fn keep_peace(&mut self) {
        self.latest = self.latest.max(now());
        self.maintenance_requested();
        let changed = self.peace.firewall_changed.swap(false, Ordering::Relaxed);
        if !changed && !self.ticks.is_multiple_of(FIREWALL_TICKS) {
            return;
        }
        for report in self.containment.hold_again(self.clock.steady_now()) {
            self.taken_away(report);
        }
    }

    fn taken_away(&mut self, report: ActionReport) {
        if matches!(report.action.kind, ActionKind::IsolateHost { .. } | ActionKind::BlockAddress { .. }) {
            let detail = format!("{}: {}", report.action.kind, report.detail);
            self.own(Activity::Tamper { kind: TamperKind::Flush, refused: false, detail });
        }
        self.report(report);
    }

    /// Maintenance that the agent before this one was shown, and in which it was exchanged.
    pub(super) fn resume_maintenance(&mut self) {
        let until = Tokens::new(&self.state_dir).lasting(facts::boot_prefix(), boot_ns());
        let Some(until) = until else { return };
        self.peace.maintenance_ns.store(until, Ordering::Relaxed);
        self.speak("maintenance", "goes on, as the agent was started anew within it");
    }

    /// A token that counts, and until when on this boot's clock; it will not count again. A clock that was set back since
    /// the agent started brings no token back that had ended.
    fn taken(&self, token: &[u8]) -> Result<(Maintenance, u64), String> {
        let now = self.latest.max(now());
        let token = Maintenance::verify(token, &self.policy_key, self.host, now).map_err(|error| error.to_string())?;
        let left_ns = token.until.millis_since(now).saturating_mul(1_000_000);
        let until = boot_ns().saturating_add(left_ns);
        let tokens = Tokens::new(&self.state_dir);
        tokens.take(&token, facts::boot_prefix(), until).map_err(|error| error.to_string())?;
        Ok((token, until))
    }

    fn maintenance_requested(&mut self) {
        let request = maintenance::request_path(&self.state_dir);
        // Whatever else than a file somebody laid there must not hold the agent up.
        let flags = (OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW).bits();
        let Ok(file) = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(&request) else { return };
        if !file.metadata().is_ok_and(|found| found.is_file() && found.uid() == 0) {
            return;
        }
        let mut token = Vec::new();
        // One byte more than a token can have is already none.
        let read = file.take(STATEMENT_BYTES_MAX as u64 + 1).read_to_end(&mut token);
        let _ = std::fs::remove_file(&request);
        let checked = read.map_err(|error| error.to_string()).and_then(|_| self.taken(&token));
        let answer = match checked {
            Ok((token, until)) => {
                self.peace.maintenance_ns.store(until, Ordering::Relaxed);
                // The sensor takes it over at its next look; the answer means that it counts.
                let end = Instant::now() + IN_FORCE_WITHIN;
                while self.peace.in_force_ns.load(Ordering::Relaxed) != until && Instant::now() < end {
                    std::thread::sleep(Duration::from_millis(10));
                }
                let in_force = self.peace.in_force_ns.load(Ordering::Relaxed) == until;
                let late = if in_force { "" } else { "; the sensor has not taken it over yet" };
                let said = format!("nobody who touches the agent is refused until {}{late}", token.until);
                self.speak("maintenance", &format!("{said}: {}", token.note));
                said
            }
            Err(why) => {
                self.speak("maintenance refused", &why);
                format!("refused: {why}")
            }
        };
        if let Err(error) = whole::write(&maintenance::answer_path(&self.state_dir), answer.as_bytes()) {
            tracing::error!(%error, "the maintenance request could not be answered");
        }
    }
}
