//! Owns: what several kernel records say together: a DNS question with its answer, a script from the pieces that its
//! interpreter read. All other records pass through.
//! Never: waiting without end; what stays incomplete is told as it is.

use std::time::Instant;

use picket_model::raw::RawRecord;

use super::{Head, dns, record, script};
use crate::sys::clock::WallOffset;
use crate::sys::ring::Bytes;

const RECORD_SCRIPT: u16 = 9;
const RECORD_DNS: u16 = 10;

#[derive(Default)]
pub struct Assembly {
    lookups: dns::Lookups,
    scripts: script::Scripts,
}

impl Assembly {
    /// What the record tells by itself: nothing where it says something only together with others. `None` for a record
    /// that does not parse.
    pub fn offer(&mut self, bytes: &[u8], clock: WallOffset) -> Option<Option<RawRecord>> {
        let mut rest = Bytes::new(bytes);
        let head = Head::read(&mut rest)?;
        match head.kind {
            RECORD_SCRIPT => self.scripts.piece(&head, &mut rest, clock).map(|()| None),
            RECORD_DNS => self.lookups.message(&head, &mut rest, clock),
            _ => {
                let record = record(bytes, clock)?;
                self.scripts.saw(&record);
                Some(Some(record))
            }
        }
    }

    /// What nothing more is to be waited for.
    pub fn due(&mut self, now: Instant) -> Vec<RawRecord> {
        let mut due = self.scripts.due(now);
        due.extend(self.lookups.due(now));
        due
    }
}
