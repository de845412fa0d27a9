//! Owns: the record that stands in the place of one that the disk no longer gives.
//! Never: how many there are; that is told as a loss.

use std::io;

use picket_model::{Activity, Event, EventId, Record};

/// What stands under the number of a record that the disk no longer gives; how many it were is told as a loss.
pub(super) fn filler() -> io::Result<Vec<u8>> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| io::Error::other(error.to_string()))?;
    let (what, detail) = ("record lost".to_owned(), "the disk damaged the record of this number".to_owned());
    let activity = Activity::Agent { what, detail };
    let event = Event { id: EventId::from_bytes(id), time: super::now(), process: None, activity };
    Ok(picket_wire::encode_record(&Record::Event { event }))
}
