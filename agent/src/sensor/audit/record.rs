//! Owns: the text of one audit record: its stamp, its fields and how they are encoded.
//! Never: what a record means; believing any byte of it.

#[cfg(test)]
mod tests;

use picket_model::Timestamp;

use crate::procfs;

/// Which event a record belongs to: several records share one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Stamp {
    pub serial: u64,
    /// When the system call began, or the message was sent, in milliseconds.
    pub time: Timestamp,
}

/// `audit(1700000000.123:45): key=value …`; `None` where it is anything else.
pub fn open(body: &[u8]) -> Option<(Stamp, Fields<'_>)> {
    let body = body.split(|byte| *byte == 0).next()?;
    let rest = body.strip_prefix(b"audit(")?;
    let end = rest.iter().position(|byte| *byte == b')')?;
    let (stamp, rest) = rest.split_at_checked(end)?;
    let (time, serial) = std::str::from_utf8(stamp).ok()?.split_once(':')?;
    let (seconds, millis) = time.split_once('.')?;
    let (seconds, millis): (u64, u64) = (seconds.parse().ok()?, millis.parse().ok()?);
    let ns = seconds.checked_mul(1000)?.checked_add(millis)?.checked_mul(1_000_000)?;
    let rest = rest.strip_prefix(b"):").unwrap_or_default();
    Some((Stamp { serial: serial.parse().ok()?, time: Timestamp(ns) }, Fields(rest)))
}

/// The fields of a record. The first of a name counts: what the kernel writes comes before what a program says.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    pub fn get(self, name: &str) -> Option<&'a [u8]> {
        self.iter().find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value)
    }

    /// Names and values in their order; quotes still around the values.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            loop {
                rest = rest.trim_ascii_start();
                if rest.is_empty() {
                    return None;
                }
                let word = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
                match rest.get(..word)?.iter().position(|byte| *byte == b'=') {
                    Some(at) => {
                        let (key, value) = (rest.get(..at)?, rest.get(at + 1..)?);
                        let (value, after) = value.split_at_checked(value_bytes(value))?;
                        rest = after;
                        return Some((key, value));
                    }
                    // A word without a value says nothing here.
                    None => rest = rest.get(word..)?,
                }
            }
        })
    }

    pub fn number(self, name: &str) -> Option<u64> {
        std::str::from_utf8(self.get(name)?).ok()?.parse().ok()
    }

    pub fn small(self, name: &str) -> Option<u32> {
        self.number(name).and_then(|number| u32::try_from(number).ok())
    }

    pub fn hex(self, name: &str) -> Option<u64> {
        u64::from_str_radix(std::str::from_utf8(self.get(name)?).ok()?, 16).ok()
    }

    /// A text as programs and the kernel encode it: in quotes, or in hexadecimal digits where it holds odd bytes.
    pub fn bytes(self, name: &str) -> Option<Vec<u8>> {
        self.get(name).map(decode)
    }

    pub fn text(self, name: &str) -> Option<String> {
        self.bytes(name).map(|bytes| procfs::text(&bytes))
    }

    /// What a program says, within the quotes of `msg='…'`.
    pub fn message(self) -> Self {
        Self(
            self.get("msg")
                .and_then(|value| value.strip_prefix(b"'"))
                .map_or(&[][..], |inner| inner.strip_suffix(b"'").unwrap_or(inner)),
        )
    }
}

fn value_bytes(value: &[u8]) -> usize {
    let space = || value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    match value.first() {
        // A message may hold the quote itself: it ends at the last one.
        Some(b'\'') => {
            value.iter().rposition(|byte| *byte == b'\'').filter(|end| *end > 0).map_or_else(space, |end| end + 1)
        }
        Some(b'"') => value.iter().skip(1).position(|byte| *byte == b'"').map_or_else(space, |end| end + 2),
        _ => space(),
    }
}

pub fn decode(value: &[u8]) -> Vec<u8> {
    if let Some(inner) = value.strip_prefix(b"\"") {
        return inner.strip_suffix(b"\"").unwrap_or(inner).to_vec();
    }
    let upper = value.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'));
    match hex::decode(value) {
        Ok(bytes) if upper && !value.is_empty() => bytes,
        _ => value.to_vec(),
    }
}
