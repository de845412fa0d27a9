//! Owns: dates in the values of fields, as far as Sigma's time modifiers take them apart.
//! Never: time zones; the specification leaves a date as it is written.

use picket_model::Timestamp;

/// A date as it is written; without a time of day it has neither hour nor minute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    year: i64,
    month: u8,
    day: u8,
    clock: Option<(u8, u8)>,
}

/// What a time modifier takes of a date.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

/// Seconds since 1970 have so many digits from 2001 until 2286, milliseconds three more.
const EPOCH_DIGITS: usize = 10;

impl Moment {
    /// `2026-03-01`, with `T` or a blank and `04:05` behind it, seconds and whatever follows ignored; or a count since
    /// 1970 in seconds or milliseconds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.bytes().all(|byte| byte.is_ascii_digit()) && matches!(text.len(), EPOCH_DIGITS | 13) {
            let seconds: u64 = text.get(..EPOCH_DIGITS)?.parse().ok()?;
            return Self::parse(&Timestamp::from_millis(seconds * 1000).to_string());
        }
        let (year, month, day) = (number(text, 0, 4)?, number(text, 5, 7)?, number(text, 8, 10)?);
        let separators = text.as_bytes();
        let is_date =
            matches!((separators.get(4), separators.get(7)), (Some(b'-'), Some(b'-')) | (Some(b'/'), Some(b'/')));
        if !is_date || !(1..=12).contains(&month) || !(1..=days_of(year.into(), month)).contains(&day) {
            return None;
        }
        let clock = match separators.get(10) {
            None => None,
            Some(b'T' | b't' | b' ') if separators.get(13) == Some(&b':') => {
                let (hour, minute) = (number(text, 11, 13)?, number(text, 14, 16)?);
                (hour < 24 && minute < 60).then_some(Some((byte(hour), byte(minute))))?
            }
            Some(_) => return None,
        };
        Some(Self { year: year.into(), month: byte(month), day: byte(day), clock })
    }

    #[must_use]
    pub fn part(self, part: Part) -> Option<i64> {
        Some(match part {
            Part::Minute => self.clock?.1.into(),
            Part::Hour => self.clock?.0.into(),
            Part::Day => self.day.into(),
            Part::Week => self.week(),
            Part::Month => self.month.into(),
            Part::Year => self.year,
        })
    }

    /// ISO 8601: a week belongs to the year that has its Thursday.
    fn week(self) -> i64 {
        let days = days_from_civil(self.year, self.month.into(), self.day.into());
        // 1970-01-01 was a Thursday.
        let weekday = (days + 3).rem_euclid(7);
        let thursday = days - weekday + 3;
        let mut year = self.year;
        if thursday < days_from_civil(year, 1, 1) {
            year -= 1;
        } else if thursday >= days_from_civil(year + 1, 1, 1) {
            year += 1;
        }
        (thursday - days_from_civil(year, 1, 1)) / 7 + 1
    }
}

/// The beginning of a day, `2027-01-31`.
#[must_use]
pub fn midnight(text: &str) -> Option<Timestamp> {
    let moment = Moment::parse(text).filter(|moment| text.len() == 10 && moment.clock.is_none())?;
    let days = days_from_civil(moment.year, moment.month.into(), moment.day.into());
    Some(Timestamp::from_millis(u64::try_from(days).ok()?.checked_mul(86_400_000)?))
}

fn number(text: &str, from: usize, to: usize) -> Option<u16> {
    let digits = text.get(from..to)?;
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

fn byte(number: u16) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

const fn days_of(year: i64, month: u16) -> u16 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a proleptic Gregorian date, after Howard Hinnant's `days_from_civil`.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::{Moment, Part, midnight};

    #[test]
    fn a_date_is_taken_apart_as_it_is_written() {
        let parts = |text: &str| {
            let moment = Moment::parse(text)?;
            Some(
                [Part::Year, Part::Month, Part::Week, Part::Day, Part::Hour, Part::Minute]
                    .map(|part| moment.part(part)),
            )
        };
        for (text, wanted) in [
            ("2020-10-19 03:30:41.104", [Some(2020), Some(10), Some(43), Some(19), Some(3), Some(30)]),
            ("2021-01-03T23:59:00+05:00", [Some(2021), Some(1), Some(53), Some(3), Some(23), Some(59)]),
            ("2024-12-30", [Some(2024), Some(12), Some(1), Some(30), None, None]),
            ("1603078241", [Some(2020), Some(10), Some(43), Some(19), Some(3), Some(30)]),
        ] {
            assert_eq!(parts(text), Some(wanted), "{text}");
        }
        for broken in
            ["", "2020", "2020-13-01", "2021-02-29", "2020-10-19 25:00", "20201019", "é020-10-19", "2020-10-1é"]
        {
            assert_eq!(parts(broken), None, "{broken}");
        }
        assert_eq!(midnight("1970-01-02").map(picket_model::Timestamp::as_millis), Some(86_400_000));
        assert_eq!(midnight("1970-01-02 00:00"), None);
    }
}
