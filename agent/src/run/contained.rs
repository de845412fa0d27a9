//! Owns: what containment is told of this host when it opens: where it keeps things, whom it never cuts off, its dates.
//! Never: opening it.

use std::path::Path;

use super::clock::HostClock;
use crate::contain::ContainOptions;
use crate::facts;
use crate::report::Identity;

/// Only an enrolled host has coordinators.
pub fn options(state_dir: &Path, identity: Option<&Identity>, clock: &HostClock) -> ContainOptions {
    let coordinators = identity.map(Identity::coordinators).unwrap_or_default();
    let mut options = ContainOptions::new(state_dir.to_owned(), coordinators, facts::boot_prefix());
    options.coordinator_names = identity.and_then(Identity::coordinator_name).into_iter().collect();
    (options.steady, options.moved_ns) = (clock.steady(), clock.moved_ns());
    options
}
