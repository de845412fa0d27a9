//! Owns: a domain as DNS carries it and people write it: `evil.example`, and everything below it.
//! Never: who may be asked for it, or whether it exists.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// As DNS limits it (RFC 1035), without the dot at the end.
const BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// In lower case and without the dot at its end. Never empty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Domain(String);

impl Domain {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }

    /// Whether `other` is this domain or lies below it.
    #[must_use]
    pub fn holds(&self, other: &Self) -> bool {
        other.0.strip_suffix(&self.0).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Domain {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fault = |why: &str| Err(format!("{text:?} is no domain like evil.example: {why}"));
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.is_empty() {
            return fault("it has no name");
        }
        if !name.is_ascii() {
            return fault("letters beyond ASCII stand in DNS as xn--…; write it so");
        }
        if name.parse::<IpAddr>().is_ok() {
            return fault("it is an address, which block_address is for");
        }
        if name.len() > BYTES_MAX {
            return fault(&format!("it is longer than {BYTES_MAX} bytes"));
        }
        let is_part_of_one = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        for label in name.split('.') {
            if !(1..=LABEL_BYTES_MAX).contains(&label.len()) {
                return fault(&format!("between two dots stand 1 to {LABEL_BYTES_MAX} bytes"));
            }
            if !label.bytes().all(is_part_of_one) {
                return fault("it has other signs than letters, digits, '-' and '_'");
            }
        }
        Ok(Self(name.to_ascii_lowercase()))
    }
}

impl Serialize for Domain {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
