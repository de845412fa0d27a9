//! Owns: decimal numbers as whole numbers of billionths, so that no sum and no comparison is rounded.
//! Never: a float.

/// What one is written as: nine decimals are kept.
pub const ONE: i128 = 1_000_000_000;
const DECIMALS: usize = 9;
/// Digits before the point: a sum of a billion of them still fits.
const DIGITS_MAX: usize = 18;

/// `-12.5`; further decimals than nine are cut off. None where it is no number, or one too large.
#[must_use]
pub fn parse(text: &str) -> Option<i128> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(part) || (whole.is_empty() && part.is_empty()) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    if whole.len() > DIGITS_MAX {
        return None;
    }
    let mut value = 0;
    for byte in whole.bytes().chain(part.bytes().chain(std::iter::repeat(b'0')).take(DECIMALS)) {
        value = value * 10 + i128::from(byte - b'0');
    }
    Some(if negative { -value } else { value })
}

/// For people: `numerator / denominator` billionths, cut off after nine decimals.
#[must_use]
pub fn print(numerator: i128, denominator: i128) -> String {
    let value = numerator / denominator.max(1);
    let sign = if value < 0 { "-" } else { "" };
    let (whole, part) = (value.unsigned_abs() / ONE.unsigned_abs(), value.unsigned_abs() % ONE.unsigned_abs());
    match part {
        0 => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{part:09}").trim_end_matches('0').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{ONE, parse, print};

    #[test]
    fn decimals_are_exact() {
        for (text, value) in [
            ("0", Some(0)),
            ("1000000", Some(1_000_000 * ONE)),
            (" -0.1", Some(-ONE / 10)),
            ("+.5", Some(ONE / 2)),
            ("7.", Some(7 * ONE)),
            ("0.1234567899", Some(123_456_789)),
            ("000000000000000000000001", Some(ONE)),
            ("1000000000000000000", None),
            ("999999999999999999.999999999", Some(ONE * 1_000_000_000_000_000_000 - 1)),
            ("", None),
            (".", None),
            ("-", None),
            ("1e3", None),
            ("0x10", None),
            ("1.2.3", None),
            ("١", None),
        ] {
            assert_eq!(parse(text), value, "{text}");
        }
        for text in ["0", "12", "-12.5", "0.000000001"] {
            assert_eq!(print(parse(text).unwrap(), 1), text);
        }
        assert_eq!(print(10 * ONE, 3), "3.333333333");
    }
}
