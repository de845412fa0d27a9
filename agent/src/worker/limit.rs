//! Owns: how long a worker may take over one thing, and what of that is left.
//! Never: ending it.

use std::time::{Duration, Instant};

use nix::sys::time::TimeValLike;
use nix::time::{ClockId, clock_gettime};

/// One that does no work at all hangs: so many times as long as it may work, by the clock.
const ELAPSED_TIMES: u32 = 6;
/// Between two looks at how much it has worked, at least.
const LOOK: Duration = Duration::from_millis(20);

/// The longest that a worker may take over one thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    /// By the clock: for somebody who waits, or for a disk.
    Elapsed(Duration),
    /// Of its own work: that the host is busy is no reason to give up.
    Worked(Duration),
}

/// A limit that has begun to run.
pub struct Deadline {
    limit: Limit,
    begun: Instant,
    clock: Option<ClockId>,
    worked: Duration,
}

impl Limit {
    /// For the process that `clock` is of, from now on.
    pub fn begin(self, clock: Option<ClockId>) -> Deadline {
        Deadline { limit: self, begun: Instant::now(), clock, worked: worked(clock) }
    }
}

impl Deadline {
    /// How long to wait before asking again; zero when it is over.
    pub fn wait(&self) -> Duration {
        let elapsed = self.begun.elapsed();
        match self.limit {
            Limit::Elapsed(most) => most.saturating_sub(elapsed),
            Limit::Worked(most) => {
                let work = most.saturating_sub(worked(self.clock).saturating_sub(self.worked));
                let left = work.min((most * ELAPSED_TIMES).saturating_sub(elapsed));
                if left.is_zero() { left } else { left.max(LOOK) }
            }
        }
    }
}

/// Processor time of the process so far; none of one that is gone.
fn worked(clock: Option<ClockId>) -> Duration {
    let now = clock.and_then(|clock| clock_gettime(clock).ok());
    now.map_or(Duration::ZERO, |now| Duration::from_nanos(u64::try_from(now.num_nanoseconds()).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use nix::time::clock_getcpuclockid;
    use nix::unistd::Pid;

    use super::*;

    #[test]
    fn work_is_what_counts_where_it_is_limited() {
        let own = clock_getcpuclockid(Pid::this()).ok();
        let most = Duration::from_millis(200);
        let (slept, worked) = (Limit::Elapsed(most).begin(own), Limit::Worked(most).begin(own));
        while !slept.wait().is_zero() {
            std::thread::sleep(slept.wait());
        }
        assert!(!worked.wait().is_zero(), "it has slept, not worked");
        while !worked.wait().is_zero() {
            std::hint::spin_loop();
        }
        let nobody = Limit::Worked(Duration::from_millis(10)).begin(None);
        while !nobody.wait().is_zero() {
            std::thread::sleep(nobody.wait());
        }
        assert!(nobody.begun.elapsed() >= Duration::from_millis(60), "one that hangs is given up in the end");
    }
}
