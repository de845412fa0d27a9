//! Owns: instants as events of others write them.
//! Never: a guess where a text is none.

use picket_model::Timestamp;

use crate::sigma::date;

const SECOND: u64 = 1_000_000_000;

/// ISO 8601 in its common forms, in UTC where it names no zone; or a count since 1970 in seconds to nanoseconds.
#[must_use]
pub fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    // .NET writes `/Date(1583020800000)/`.
    let text = text.strip_prefix("/Date(").and_then(|text| text.strip_suffix(")/")).unwrap_or(text);
    let bytes = text.as_bytes();
    match bytes.get(4) {
        Some(b'-' | b'/') => of_calendar(bytes),
        _ => of_epoch(bytes),
    }
}

/// Seconds of the years 2001 to 2286 have ten digits; three more are milliseconds, and so on.
fn of_epoch(bytes: &[u8]) -> Option<Timestamp> {
    let (whole, fraction) = split(bytes, b'.');
    let unit = match whole.len() {
        10 => SECOND,
        13 => 1_000_000,
        16 => 1000,
        19 => 1,
        _ => return None,
    };
    let whole = number(whole)?.checked_mul(unit)?;
    Some(Timestamp(whole.checked_add(nanoseconds(fraction)? / (SECOND / unit))?))
}

fn of_calendar(bytes: &[u8]) -> Option<Timestamp> {
    let day = std::str::from_utf8(bytes.get(..10)?).ok()?;
    let day = date::midnight(day)?;
    let rest = bytes.get(10..).unwrap_or_default();
    if rest.is_empty() {
        return Some(day);
    }
    let [b'T' | b't' | b' ', clock @ ..] = rest else { return None };
    let (clock, zone) = clock.split_at(clock.iter().position(|byte| is_zone(*byte)).unwrap_or(clock.len()));
    let (clock, fraction) = split(clock, b'.');
    let part = |from: usize| number(clock.get(from..from + 2)?);
    let (hour, minute) = (part(0)?, part(3)?);
    let second = match clock.len() {
        5 => 0,
        8 if clock.get(5) == Some(&b':') => part(6)?,
        _ => return None,
    };
    if clock.get(2) != Some(&b':') || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let local =
        day.0.checked_add((hour * 3600 + minute * 60 + second) * SECOND)?.checked_add(nanoseconds(fraction)?)?;
    let (ahead, east) = offset(zone)?;
    let utc = if east { local.checked_sub(ahead) } else { local.checked_add(ahead) };
    utc.map(Timestamp)
}

const fn is_zone(byte: u8) -> bool {
    matches!(byte, b'Z' | b'z' | b'+' | b'-' | b' ')
}

/// `Z`, ` UTC`, `+02:00`, `-0700`: how far from UTC, and whether east of it.
fn offset(zone: &[u8]) -> Option<(u64, bool)> {
    let zone = zone.trim_ascii();
    if matches!(zone, b"" | b"Z" | b"z" | b"UTC") {
        return Some((0, true));
    }
    let (sign, rest) = zone.split_first()?;
    let hour = number(rest.get(..2)?)?;
    let minute = match rest.get(2..)? {
        [] => 0,
        [b':', minute @ ..] | minute if minute.len() == 2 => number(minute)?,
        _ => return None,
    };
    let east = match sign {
        b'+' => true,
        b'-' => false,
        _ => return None,
    };
    (hour < 24 && minute < 60).then_some(((hour * 3600 + minute * 60) * SECOND, east))
}

fn split(bytes: &[u8], at: u8) -> (&[u8], &[u8]) {
    let comma = |byte: &u8| *byte == at || *byte == b',';
    match bytes.iter().position(comma) {
        Some(index) => (bytes.get(..index).unwrap_or_default(), bytes.get(index + 1..).unwrap_or_default()),
        None => (bytes, &[]),
    }
}

/// Of a fraction of a second; what is finer is dropped.
fn nanoseconds(fraction: &[u8]) -> Option<u64> {
    let digits = fraction.get(..fraction.len().min(9))?;
    if digits.is_empty() {
        return Some(0);
    }
    let scale = 10_u64.pow(9 - u32::try_from(digits.len()).ok()?);
    fraction.iter().all(u8::is_ascii_digit).then(|| number(digits))?.map(|digits| digits * scale)
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |sum: u64, digit| sum * 10 + u64::from(digit - b'0')))
}
