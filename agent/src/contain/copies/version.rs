//! Owns: what a file was from a time on.
//! Never: its content.

use std::fs::Metadata;

use picket_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::kept::Kept;
use super::super::rewrite::CONTENT_BYTES_MAX;
use super::sight::{Sight, Stamp, stamp};

/// One state of a file, from when it was seen until the next one was.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    pub taken: Timestamp,
    /// When the next one was seen, whether or not that is kept.
    pub until: Option<Timestamp>,
    /// When the kernel last noted a change.
    pub changed: Stamp,
    /// None: there was no such file.
    pub kept: Option<Kept>,
    /// Whether its content is kept too.
    pub whole: bool,
}

impl Version {
    /// With its content, where that is to be kept.
    pub fn of(sight: Sight, taken: Timestamp) -> (Self, Option<Vec<u8>>) {
        let (kept, content, changed) = match sight {
            Sight::Nothing => (None, None, (0, 0)),
            Sight::Large(kept, changed) => (Some(kept), None, changed),
            Sight::File(kept, content, changed) => (Some(kept), Some(content), changed),
        };
        (Self { taken, until: None, changed, kept, whole: false }, content)
    }

    /// Whether it is more than is copied.
    pub fn is_large(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.size > CONTENT_BYTES_MAX)
    }

    /// Whether both are the same but for times and where they lie.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.kept, &other.kept) {
            (Some(one), Some(two)) => is_same(one, two),
            (None, None) => true,
            _ => false,
        }
    }

    /// How long it was the last one; of what still stands, for ever.
    pub fn stood(&self) -> u64 {
        self.until.map_or(u64::MAX, |until| until.0.saturating_sub(self.taken.0))
    }

    /// Whether nothing was done to the file since, and all of it is kept: then it need not be read.
    pub fn is_known(&self, seen: &Metadata) -> bool {
        let is_same_file = self.changed == stamp(seen) && self.kept.as_ref().is_some_and(|kept| kept.is(seen));
        is_same_file && (self.whole || self.is_large())
    }
}

/// Content, owner, mode and attributes.
pub fn is_same(one: &Kept, two: &Kept) -> bool {
    let all = |kept: &Kept| (kept.sha256, kept.mode, kept.uid, kept.gid, kept.pinned, kept.xattrs.clone());
    all(one) == all(two)
}
