//! Owns: how long to wait before the coordinator is dialled again.
//! Never: the clock or randomness; both are passed in.

use std::time::Duration;

/// A connection that broke by chance is back before anyone notices.
pub(super) const WAIT_MIN: Duration = Duration::from_millis(50);
/// A coordinator that was away finds every host within half a minute.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(30);
/// A session this long was a good one; a shorter one that ended counts as another failure.
pub(super) const GOOD_AFTER: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Doubles from failure to failure. Half is fixed, half is chance, so that a fleet does not come back in step.
    pub fn next(&mut self, chance: u32) -> Duration {
        let whole = WAIT_MIN.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX)).min(WAIT_MAX);
        self.failures = self.failures.saturating_add(1).min(31);
        whole / 2 + (whole / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
    }

    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// Trying often is pointless until a person acts.
    pub const fn longest(&mut self) {
        self.failures = 31;
    }
}

/// Chance for the jitter; without randomness from the kernel all hosts wait the longest.
pub(super) fn chance() -> u32 {
    let mut bytes = [0xff; 4];
    let _ = getrandom::fill(&mut bytes);
    u32::from_le_bytes(bytes)
}
