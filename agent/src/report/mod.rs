//! Owns: the spool on disk and the link to the coordinator: enrolment, batches, acknowledgements, downlink.
//! Never: silent loss; whatever cannot be kept is counted and reported.

mod backoff;
mod dial;
mod enrol;
mod epoch;
mod error;
mod filler;
mod framing;
mod identity;
mod lane;
mod lists;
mod segment;
mod session;
mod spool;
#[cfg(test)]
mod tests;
mod tls;
mod token;
mod uplink;

pub use enrol::enrol;
pub use error::ReportError;
pub use identity::Identity;
pub use lists::WantedList;
pub use spool::{Pending, Spool, SpoolError, SpoolLimits};
pub use uplink::{Downlink, Uplink};

use std::time::{SystemTime, UNIX_EPOCH};

use picket_model::Timestamp;

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
