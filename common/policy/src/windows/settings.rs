//! Owns: a window as people write it: `from` and `until` with an offset, or `weekly` with a day, a time and minutes.
//! Never: whether it makes sense; `check` says that of every bundle.

use picket_model::Timestamp;
use serde::Deserialize;
use toml::value::{Date, Datetime, Offset, Time};

use super::{When, Window, WindowKind};
use crate::error::BundleError;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY_MINUTES: u32 = 24 * 60;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowSettings {
    name: String,
    kind: WindowKind,
    #[serde(default)]
    hosts: Vec<String>,
    from: Option<Datetime>,
    until: Option<Datetime>,
    weekly: Option<Weekly>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Weekly {
    day: String,
    /// `HH:MM`, UTC.
    at: String,
    minutes: u32,
}

impl WindowSettings {
    pub fn window(self) -> Result<Window, BundleError> {
        let when = match (self.from, self.until, self.weekly) {
            (Some(from), Some(until), None) => {
                Some(from).and_then(instant).zip(instant(until)).map(|(from, until)| When::Once { from, until })
            }
            (None, None, Some(weekly)) => weekly.when(),
            _ => None,
        };
        let when = when.ok_or_else(|| BundleError::Field {
            field: "windows".to_owned(),
            reason: format!(
                "{:?} needs either from and until, such as 2026-12-20T00:00:00Z, or weekly = {{ day = \"sun\", at = \"02:00\", minutes = 180 }} (UTC)",
                self.name
            ),
        })?;
        Ok(Window { name: self.name, kind: self.kind, hosts: self.hosts, when })
    }
}

impl Weekly {
    fn when(&self) -> Option<When> {
        let day = u32::try_from(DAYS.iter().position(|day| *day == self.day)?).ok()?;
        let (hour, minute) = self.at.split_once(':')?;
        let (hour, minute) = (hour.parse::<u32>().ok()?, minute.parse::<u32>().ok()?);
        let from = (hour < 24 && minute < 60).then(|| day * DAY_MINUTES + hour * 60 + minute)?;
        Some(When::Weekly { from, minutes: self.minutes })
    }
}

/// None without a date, a time and an offset, and before 1970.
fn instant(written: Datetime) -> Option<Timestamp> {
    let (Date { year, month, day }, Time { hour, minute, second, .. }) = (written.date?, written.time?);
    let offset_minutes = match written.offset? {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let days = days_since_1970(i64::from(year), i64::from(month), i64::from(day));
    let minutes = (days * 24 + i64::from(hour)) * 60 + i64::from(minute) - offset_minutes;
    let seconds = minutes * 60 + i64::from(second);
    u64::try_from(seconds).ok().map(|seconds| Timestamp::from_millis(seconds * 1000))
}

/// Of the Gregorian calendar, whose years are counted from March here, so that a leap day comes last.
const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + (153 * month + 2) / 5 + day - 1 - 719_468
}
