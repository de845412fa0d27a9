//! Owns: token buckets: how many of something per second, for a session's stream or an address.
//! Never: the clock; callers pass the instant.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use super::limits::ADDRESSES_MAX;

/// Fills at a steady rate up to its burst; each take costs one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    burst: f64,
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Bucket {
    pub fn new(burst: u32, per_second: u32, now: Instant) -> Self {
        Self {
            burst: f64::from(burst.max(1)),
            per_second: f64::from(per_second.max(1)),
            left: f64::from(burst.max(1)),
            at: now,
        }
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = passed.mul_add(self.per_second, self.left).min(self.burst);
        self.at = now;
    }

    /// Takes one now or not at all.
    pub fn try_take(&mut self, now: Instant) -> bool {
        self.fill(now);
        let taken = self.left >= 1.0;
        if taken {
            self.left -= 1.0;
        }
        taken
    }

    /// Takes one on credit and says how long to wait for it.
    pub fn take(&mut self, now: Instant) -> Duration {
        self.fill(now);
        self.left -= 1.0;
        Duration::from_secs_f64((-self.left / self.per_second).max(0.0))
    }

    fn full(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.left >= self.burst
    }
}

/// One bucket for each address, or each /64 of IPv6, which one peer owns whole.
pub(super) struct Addresses {
    burst: u32,
    per_second: u32,
    buckets: HashMap<IpAddr, Bucket>,
}

impl Addresses {
    pub fn new(burst: u32, per_second: u32) -> Self {
        Self { burst, per_second, buckets: HashMap::new() }
    }

    pub fn try_take(&mut self, address: IpAddr, now: Instant) -> bool {
        let key = network(address);
        if !self.buckets.contains_key(&key) && self.buckets.len() >= ADDRESSES_MAX {
            self.buckets.retain(|_, bucket| !bucket.full(now));
            if self.buckets.len() >= ADDRESSES_MAX {
                return false;
            }
        }
        let bucket = self.buckets.entry(key).or_insert_with(|| Bucket::new(self.burst, self.per_second, now));
        bucket.try_take(now)
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}
