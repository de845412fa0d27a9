//! Owns: one moment by two clocks: the host's own, which may be set, and a date that goes on evenly whatever is done to it.
//! Never: reading either.

use picket_model::Timestamp;

/// Where nothing tells them apart, both are the same: a [`Timestamp`] will do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// By the host's clock. Dates that people wrote go by it: change freezes, maintenance.
    pub wall: Timestamp,
    /// What lasts goes by it: the hour of a budget, the bundle's lease, how long a question waits.
    pub steady: Timestamp,
}

impl From<Timestamp> for Moment {
    fn from(time: Timestamp) -> Self {
        Self { wall: time, steady: time }
    }
}
