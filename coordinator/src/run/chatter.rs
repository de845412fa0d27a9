//! Owns: how many reports of one host get an audit line of their own.
//! Never: dropping a report; what gets no line of its own is counted in one.

use std::collections::HashMap;

use picket_model::{HostId, Timestamp};

/// Lines of one host in one minute. A host under attack reports some dozens of actions; one that reports hundreds is
/// broken or hostile, and must not fill the log that everybody's acts wait for.
pub const LINES_PER_MINUTE_MAX: u64 = 600;
const MINUTE_MS: u64 = 60_000;

#[derive(Default)]
pub struct Chatter {
    /// The minute, and the reports in it.
    hosts: HashMap<HostId, (u64, u64)>,
}

impl Chatter {
    /// Whether this report gets a line.
    pub fn allow(&mut self, host: HostId, at: Timestamp) -> bool {
        let (_, reports) = self.hosts.entry(host).or_insert((at.as_millis() / MINUTE_MS, 0));
        *reports += 1;
        *reports <= LINES_PER_MINUTE_MAX
    }

    /// Ends the minutes that are over; what got no line in them.
    pub fn over(&mut self, now: Timestamp) -> Vec<(HostId, u64)> {
        let minute = now.as_millis() / MINUTE_MS;
        let ended = self.hosts.extract_if(|_, (begun, _)| *begun != minute);
        let withheld = ended.map(|(host, (_, reports))| (host, reports.saturating_sub(LINES_PER_MINUTE_MAX)));
        withheld.filter(|(_, count)| *count > 0).collect()
    }
}
