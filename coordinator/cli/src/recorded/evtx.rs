//! Owns: event logs of Windows (`.evtx`), each record as the JSON of its XML.
//! Never: a file at once; chunks of 64 KiB are read one after the other.

use std::path::Path;

use evtx::{EvtxParser, ParserSettings};

use super::Sink;
use crate::failure::Failure;

pub const MAGIC: &[u8] = b"ElfFile\0";

/// The line of an event is the number of its record, as the Event Viewer shows it.
pub fn read(path: &Path, sink: &mut impl Sink) -> Result<(), Failure> {
    let settings = ParserSettings::new().num_threads(1).indent(false);
    let parser = EvtxParser::from_path(path).map_err(|error| {
        Failure::failed(
            format!("{} begins like an event log of Windows and is none: {error}", path.display()),
            "copy it again from the host; a log in use is exported with `wevtutil epl`",
        )
    })?;
    let mut last = 0;
    for record in parser.with_configuration(settings).records_json() {
        match record {
            Ok(record) => {
                last = record.event_record_id;
                sink.event(last, record.data.as_bytes())?;
            }
            // A damaged record costs itself only; it is told by the one before it.
            Err(error) => sink.unreadable(last.saturating_add(1), error.to_string())?,
        }
    }
    Ok(())
}
