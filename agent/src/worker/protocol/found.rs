//! Owns: the YARA rules that a scan met, in bytes.
//! Never: which rules there are: a number that names none is for the agent to refuse.

use picket_yara::limits::{TOLD_OFFSETS_MAX, TOLD_RULES_MAX, TOLD_STRINGS_MAX};
use picket_yara::{Found, MatchedString};

use super::Garbled;
use super::rest::{Rest, put};

/// What a string of a rule is called, cut to this.
const STRING_NAME_BYTES: usize = 64;

pub fn put_all(bytes: &mut Vec<u8>, found: &[Found]) {
    let found = found.get(..TOLD_RULES_MAX).unwrap_or(found);
    bytes.push(count(found.len()));
    for Found { rule, strings } in found {
        bytes.extend(rule.to_le_bytes());
        let strings = strings.get(..TOLD_STRINGS_MAX).unwrap_or(strings);
        bytes.push(count(strings.len()));
        for MatchedString { name, at, length } in strings {
            put(bytes, name.as_bytes(), STRING_NAME_BYTES);
            bytes.extend(length.to_le_bytes());
            let at = at.get(..TOLD_OFFSETS_MAX).unwrap_or(at);
            bytes.push(count(at.len()));
            at.iter().for_each(|at| bytes.extend(at.to_le_bytes()));
        }
    }
}

/// No limit here is above one byte's worth.
fn count(count: usize) -> u8 {
    u8::try_from(count).unwrap_or(u8::MAX)
}

pub fn take_all(rest: &mut Rest<'_>) -> Result<Vec<Found>, Garbled> {
    list(rest, TOLD_RULES_MAX, |rest| {
        let rule = u32::from_le_bytes(rest.array()?);
        Ok(Found { rule, strings: list(rest, TOLD_STRINGS_MAX, string)? })
    })
}

fn string(rest: &mut Rest<'_>) -> Result<MatchedString, Garbled> {
    let name = match rest.text(STRING_NAME_BYTES)? {
        name if name.iter().all(u8::is_ascii_graphic) => String::from_utf8_lossy(name).into_owned(),
        _ => return Err(Garbled),
    };
    let length = u32::from_le_bytes(rest.array()?);
    Ok(MatchedString { name, at: list(rest, TOLD_OFFSETS_MAX, Rest::number)?, length })
}

fn list<'a, T>(
    rest: &mut Rest<'a>,
    max: usize,
    take: impl Fn(&mut Rest<'a>) -> Result<T, Garbled>,
) -> Result<Vec<T>, Garbled> {
    let count = usize::from(rest.byte()?);
    if count > max {
        return Err(Garbled);
    }
    (0..count).map(|_| take(rest)).collect()
}
