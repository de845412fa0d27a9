//! Owns: lists of patterns in a bundle's settings: what is a pattern, and whether a list names a host.
//! Never: what follows from it.

use picket_model::HostId;

use crate::error::BundleError;
use crate::limits::at_most;

/// Patterns of one setting together, each compared with a host's name when the host is judged first.
const PATTERNS_MAX: usize = 1_000;
/// A host name has 253 bytes at most.
const PATTERN_BYTES_MAX: usize = 253;

/// Whether these are patterns, and not too many.
pub fn check<'a>(field: &str, patterns: impl Iterator<Item = &'a String> + Clone) -> Result<(), BundleError> {
    at_most(&format!("patterns of {field}"), patterns.clone().count(), PATTERNS_MAX)?;
    for pattern in patterns {
        at_most(&format!("a pattern of {field} in bytes"), pattern.len(), PATTERN_BYTES_MAX)?;
        if pattern.is_empty() {
            let reason = "an empty pattern names no host".to_owned();
            return Err(BundleError::Field { field: field.to_owned(), reason });
        }
    }
    Ok(())
}

/// By its name, whatever its case, or by its id, which the host itself cannot choose.
pub fn is_named(patterns: &[String], name: &str, id: HostId) -> bool {
    if patterns.is_empty() {
        return false;
    }
    let (name, id) = (name.to_ascii_lowercase(), id.to_string());
    patterns.iter().any(|pattern| {
        let pattern = pattern.to_ascii_lowercase();
        fits(pattern.as_bytes(), name.as_bytes()) || pattern == id
    })
}

/// `*` stands for any bytes, `?` for one. Goes back to the last `*` only, so it takes the product of both lengths at most.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = name.get(from) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(wanted) if wanted == byte || *wanted == b'?' => {
                at += 1;
                from += 1;
            }
            _ => match star {
                Some((place, begun)) => {
                    at = place + 1;
                    from = begun + 1;
                    star = Some((place, begun + 1));
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_by_patterns_and_by_its_id() {
        let id = HostId::from_bytes([7; 16]);
        let named = |pattern: &str, name: &str| is_named(&[pattern.to_owned()], name, id);
        for (pattern, name) in [
            ("db-*", "db-1"),
            ("db-*", "DB-"),
            ("*", ""),
            ("*.core", "x.y.core"),
            ("web-??", "web-12"),
            ("a*b*c", "a1b2b3c"),
            ("db-1", "db-1"),
        ] {
            assert!(named(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("db-*", "web-1"),
            ("db-?", "db-12"),
            ("db-?", "db-"),
            ("*.core", "core"),
            ("a*b*c", "acb"),
            ("db", "db-1"),
        ] {
            assert!(!named(pattern, name), "{pattern} {name}");
        }
        assert!(named(&id.to_string().to_uppercase(), "whatever"));
        assert!(!is_named(&[], "db-1", id));
    }

    #[test]
    fn many_stars_end() {
        assert!(!fits("*a".repeat(120).as_bytes(), "a".repeat(119).as_bytes()));
        assert!(fits("*a".repeat(120).as_bytes(), "a".repeat(250).as_bytes()));
    }
}
