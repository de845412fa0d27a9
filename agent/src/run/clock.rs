//! Owns: a date that nobody sets, kept over the agent's restarts until the host starts anew; and how far the host's clock was set.
//! Never: what goes by either.

use std::path::{Path, PathBuf};

use picket_model::Timestamp;
use picket_policy::Moment;
use serde::{Deserialize, Serialize};

use crate::facts;
use crate::sys::clock::{WallOffset, boot_ns};
use crate::whole;

const FILE: &str = "clock";
/// Less is a leap second, or a reading that took its time.
const SET_NS: u64 = 2_000_000_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    boot: u32,
    /// As the clock stood when the agent first started since the host did.
    steady: WallOffset,
    /// As it was seen last.
    seen: WallOffset,
}

pub struct HostClock {
    path: PathBuf,
    kept: Kept,
    /// What is kept by the steady date of an earlier start of the host is later by so much now.
    moved_ns: i64,
}

impl HostClock {
    pub fn open(state_dir: &Path) -> Self {
        Self::open_at(state_dir, facts::boot_prefix(), WallOffset::read())
    }

    pub(super) fn open_at(state_dir: &Path, boot: u32, seen: WallOffset) -> Self {
        let path = state_dir.join(FILE);
        let before: Option<Kept> = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let (kept, moved_ns) = match before {
            Some(kept) if kept.boot == boot => (kept, 0),
            Some(Kept { steady, seen: last, .. }) => (Kept { boot, steady: seen, seen }, last.ahead_of(steady)),
            None => (Kept { boot, steady: seen, seen }, 0),
        };
        let clock = Self { path, kept, moved_ns };
        if before != Some(kept) {
            clock.write();
        }
        clock
    }

    pub const fn steady(&self) -> WallOffset {
        self.kept.steady
    }

    pub const fn moved_ns(&self) -> i64 {
        self.moved_ns
    }

    /// Now, by both clocks.
    pub fn now(&self) -> Moment {
        let since_boot = boot_ns();
        Moment { wall: WallOffset::read().wall(since_boot), steady: self.kept.steady.wall(since_boot) }
    }

    pub fn steady_now(&self) -> Timestamp {
        self.kept.steady.now()
    }

    /// The steady date of something that was written down by the host's clock before; one ahead of the clock is now.
    pub fn of_wall(&self, then: Timestamp) -> Timestamp {
        let Moment { wall, steady } = self.now();
        Timestamp(steady.0.saturating_sub(wall.0.saturating_sub(then.0)))
    }

    /// By how many nanoseconds somebody set the host's clock since the last look, if so.
    pub fn look(&mut self, seen: WallOffset) -> Option<i64> {
        let by = seen.ahead_of(self.kept.seen);
        if by.unsigned_abs() < SET_NS {
            return None;
        }
        self.kept.seen = seen;
        self.write();
        Some(by)
    }

    /// Where it cannot be written, a restart of the agent begins a new steady date.
    fn write(&self) {
        let written = serde_json::to_vec(&self.kept).map_err(std::io::Error::other);
        if let Err(error) = written.and_then(|bytes| whole::write(&self.path, &bytes)) {
            tracing::warn!(%error, path = %self.path.display(), "the agent's own date could not be kept");
        }
    }
}

#[cfg(test)]
mod tests;
