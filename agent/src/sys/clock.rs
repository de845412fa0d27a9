//! Owns: kernel clocks and their relation to wall time.
//! Never: policy about time.

use nix::time::{ClockId, clock_gettime};
use picket_model::Timestamp;
use serde::{Deserialize, Serialize};

/// Readings of the clocks that are this close are close enough; most take less than a microsecond.
const APART_NS: u64 = 20_000;
const READINGS_MAX: usize = 4;

/// Turns nanoseconds since boot (suspend included) into wall time, by the offset at the time of reading it.
///
/// One that is kept gives a date that goes on evenly, however the wall clock is set meanwhile: both clocks are slewed
/// alike, and only setting parts them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallOffset {
    ns: u64,
}

impl WallOffset {
    /// Read anew for every batch: the wall clock may be set while the agent runs.
    ///
    /// Between two clocks the thread may lose its processor: of a few readings the closest counts.
    #[must_use]
    pub fn read() -> Self {
        let mut best = Self::bracketed();
        for _ in 1..READINGS_MAX {
            if best.0 <= APART_NS {
                break;
            }
            best = best.min(Self::bracketed());
        }
        Self { ns: best.1 }
    }

    /// How far apart the two readings of the time since boot are, and the offset in their middle.
    fn bracketed() -> (u64, u64) {
        let before = boot_ns();
        let wall = nanoseconds(ClockId::CLOCK_REALTIME);
        let apart = boot_ns().saturating_sub(before);
        (apart, wall.saturating_sub(before.saturating_add(apart / 2)))
    }

    /// The same for nanoseconds of `CLOCK_MONOTONIC`, which stands still during suspend.
    #[must_use]
    pub fn read_monotonic() -> Self {
        Self { ns: nanoseconds(ClockId::CLOCK_REALTIME).saturating_sub(nanoseconds(ClockId::CLOCK_MONOTONIC)) }
    }

    /// The date now, by this offset.
    #[must_use]
    pub fn now(self) -> Timestamp {
        self.wall(boot_ns())
    }

    /// Nanoseconds by which the wall clock is ahead of what it was by `earlier`; negative where it was set back.
    #[must_use]
    pub fn ahead_of(self, earlier: Self) -> i64 {
        i64::try_from(i128::from(self.ns) - i128::from(earlier.ns)).unwrap_or(i64::MAX)
    }

    /// The same clock, set forward by so many nanoseconds, or back.
    #[must_use]
    pub const fn set(self, by_ns: i64) -> Self {
        Self { ns: self.ns.saturating_add_signed(by_ns) }
    }

    #[must_use]
    pub const fn wall(self, boot_ns: u64) -> Timestamp {
        Timestamp(self.ns.saturating_add(boot_ns))
    }
}

/// The wall clock now.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp(nanoseconds(ClockId::CLOCK_REALTIME))
}

/// Nanoseconds since boot, as `bpf_ktime_get_boot_ns` counts them.
#[must_use]
pub fn boot_ns() -> u64 {
    nanoseconds(ClockId::CLOCK_BOOTTIME)
}

/// How long the host has been suspended since boot: what `CLOCK_MONOTONIC` lacks.
#[must_use]
pub fn suspended_ns() -> u64 {
    boot_ns().saturating_sub(nanoseconds(ClockId::CLOCK_MONOTONIC))
}

/// What the calling thread has used of the processor.
#[must_use]
pub fn used() -> std::time::Duration {
    std::time::Duration::from_nanos(nanoseconds(ClockId::CLOCK_THREAD_CPUTIME_ID))
}

/// The clocks exist on every kernel the agent runs on; zero would show as 1970 rather than stop the agent.
fn nanoseconds(clock: ClockId) -> u64 {
    clock_gettime(clock).map_or(0, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec()).unwrap_or(0))
    })
}
