//! Owns: the times at which Picket does nothing alone: change freezes, and windows in which people work on a host.
//! Never: reading a clock; and what a policy makes of the time that is left.

mod settings;

use picket_model::{HostId, Timestamp};
use serde::{Deserialize, Serialize};

pub(crate) use self::settings::WindowSettings;
use crate::error::BundleError;
use crate::hostnames::{self, is_named};
use crate::limits;

/// A calendar of an estate, not of each of its hosts.
const WINDOWS_MAX: usize = 64;
/// Longer than a year is no window; a bundle's lease is shorter.
const ONCE_MS_MAX: u64 = 366 * 24 * 3_600_000;
const MINUTE_MS: u64 = 60_000;
const WEEK_MINUTES: u32 = 7 * 24 * 60;
const WEEK_MS: u64 = WEEK_MINUTES as u64 * MINUTE_MS;
/// 1970 began on a Thursday.
const THURSDAY_MS: u64 = 3 * 24 * 3_600_000;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowKind {
    /// Nobody changes anything, and so Picket asks before it does.
    Freeze,
    /// People work on the host: much of what they do looks like an attack.
    Maintenance,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    Once {
        from: Timestamp,
        until: Timestamp,
    },
    /// Minutes of UTC since Monday 00:00, and how many of them it lasts.
    Weekly {
        from: u32,
        minutes: u32,
    },
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    pub name: String,
    pub kind: WindowKind,
    /// Names of hosts with `*` and `?`, or host ids; all hosts where it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    pub when: When,
}

impl Window {
    #[must_use]
    pub fn concerns(&self, name: &str, id: HostId) -> bool {
        self.hosts.is_empty() || is_named(&self.hosts, name, id)
    }

    /// How much of it is left at `now`; 0 where it is not on.
    #[must_use]
    pub fn left_ms(&self, now: Timestamp) -> u64 {
        match self.when {
            When::Once { from, .. } if now < from => 0,
            When::Once { until, .. } => until.millis_since(now),
            When::Weekly { from, minutes } => {
                let in_week = (now.as_millis() % WEEK_MS + THURSDAY_MS) % WEEK_MS;
                let since = (in_week + WEEK_MS - u64::from(from) * MINUTE_MS) % WEEK_MS;
                (u64::from(minutes) * MINUTE_MS).saturating_sub(since)
            }
        }
    }

    fn check(&self) -> Result<(), BundleError> {
        limits::name("the name of a window", &self.name)?;
        let reason = match self.when {
            When::Once { from, until } if until <= from => format!("{:?} ends before it begins", self.name),
            When::Once { from, until } if until.millis_since(from) > ONCE_MS_MAX => {
                format!("{:?} lasts more than a year", self.name)
            }
            When::Weekly { from, minutes } if from >= WEEK_MINUTES || !(1..=WEEK_MINUTES).contains(&minutes) => {
                format!("{:?} is no part of a week: give 1 to {WEEK_MINUTES} minutes", self.name)
            }
            When::Once { .. } | When::Weekly { .. } => return Ok(()),
        };
        Err(BundleError::Field { field: "windows".to_owned(), reason })
    }
}

pub(crate) fn check(windows: &[Window]) -> Result<(), BundleError> {
    limits::at_most("windows", windows.len(), WINDOWS_MAX)?;
    hostnames::check("windows.hosts", windows.iter().flat_map(|window| &window.hosts))?;
    windows.iter().try_for_each(Window::check)
}

#[cfg(test)]
mod tests;
