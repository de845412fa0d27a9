//! Owns: which of a file's versions stay when there are too many.
//! Never: reading a clock.

use super::version::Version;

/// Of one file. Settings change a few times a year.
pub const VERSIONS_MAX: usize = 12;

/// Of versions in the order of time, those that stay: the newest, and of the others those that stood longest. Whoever
/// changes a file again and again drives out what he did himself, and not what was there before he came.
pub fn thin(mut versions: Vec<Version>) -> Vec<Version> {
    while versions.len() > VERSIONS_MAX {
        // How long the first one stood before it was seen nobody knows; the last one still stands.
        let middle = versions.iter().enumerate().take(versions.len() - 1).skip(1);
        let Some((place, _)) = middle.min_by_key(|(_, version)| version.stood()) else { return versions };
        versions.remove(place);
    }
    versions
}

#[cfg(test)]
mod tests {
    use picket_model::Timestamp;
    use proptest::prelude::*;

    use super::*;

    /// Thinned after each change, as it is done.
    fn changed_at(times: impl IntoIterator<Item = u64>) -> Vec<Version> {
        times.into_iter().map(Timestamp::from_millis).fold(Vec::new(), |mut versions: Vec<Version>, taken| {
            if let Some(last) = versions.last_mut() {
                last.until = Some(taken);
            }
            versions.push(Version { taken, until: None, changed: (0, 0), kept: None, whole: false });
            thin(versions)
        })
    }

    fn taken(versions: &[Version]) -> Vec<u64> {
        versions.iter().map(|version| version.taken.as_millis()).collect()
    }

    #[test]
    fn a_thousand_changes_do_not_drive_out_what_was_there_before() {
        let (hour, start) = (3_600_000, 1_000 * 86_400_000);
        let old = [1, start - 900 * hour, start - 20 * hour, start - hour];
        let left = taken(&changed_at(old.into_iter().chain((0..1_000).map(|n| start + n * 1_000))));
        assert!(old.iter().all(|time| left.contains(time)), "{left:?}");
        assert_eq!((left.len(), left.last()), (VERSIONS_MAX, Some(&(start + 999_000))));
    }

    proptest! {
        /// None that stays stood shorter than one that went, but for the first and the newest.
        #[test]
        fn what_stood_longest_stays(steps in prop::collection::vec(1u64..1_000_000, 1..60)) {
            let times: Vec<u64> = steps.iter().scan(0, |sum, step| { *sum += step; Some(*sum) }).collect();
            let left = taken(&changed_at(times.iter().copied()));
            prop_assert_eq!(left.len(), times.len().min(VERSIONS_MAX));
            prop_assert_eq!((left.first(), left.last()), (times.first(), times.last()));
            let stood = |time: &u64| {
                let place = times.iter().position(|it| it == time).unwrap();
                times[place + 1] - time
            };
            let inner = &left[1..left.len().max(2) - 1];
            let shortest = inner.iter().map(stood).min().unwrap_or(u64::MAX);
            let went = times.iter().filter(|time| !left.contains(time));
            prop_assert!(went.map(stood).max().unwrap_or(0) <= shortest, "{left:?} of {times:?}");
        }
    }
}
