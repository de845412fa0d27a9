//! Owns: events of other products as they come: one JSON object a line, read into the fields that rules look at.
//! Never: files, or which rules an event meets.
//!
//! A [`Reader`] is made once for a [`Schema`](crate::Schema) and reads one event after the other:
//!
//! ```
//! # use picket_detect::{Detector, Placeholders, foreign};
//! # let mut detector = Detector::compile_lenient(&[], &Placeholders::default()).detector;
//! let mut reader = foreign::Reader::new(&detector.schema());
//! let event = reader.read(br#"{"EventID":1,"Channel":"Microsoft-Windows-Sysmon/Operational","Image":"C:\\a.exe"}"#)?;
//! let hits = detector.observe_foreign(&event);
//! # assert!(hits.is_empty());
//! # Ok::<(), foreign::Error>(())
//! ```
//!
//! Objects within objects become dotted names, lists become several values, and a name that comes twice has both
//! values. What Windows, winlogbeat and converters of its XML wrap around an event's own fields is taken off. A value
//! that was parsed elsewhere is written out as JSON first, so that there is one meaning of everything.

mod clock;
mod event;
mod fields;
mod names;
mod reader;
mod scan;
#[cfg(test)]
mod tests;

use thiserror::Error;

pub use event::Event;
pub use reader::Reader;

/// The largest events are scripts and answers of clouds, of a megabyte or so.
pub const LINE_BYTES_MAX: usize = 16 << 20;
/// No product nests deeper than some dozen levels; each takes stack.
const DEPTH_MAX: usize = 64;
/// A line of the greatest length may hold millions; an event of more values than this is no event.
const VALUES_MAX: usize = 1 << 16;

/// Why a line is no event. Columns count bytes from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Error {
    #[error("the line has {bytes} bytes; at most {LINE_BYTES_MAX} are read")]
    TooLong { bytes: usize },
    #[error("column {column}: not JSON: {wanted} is expected here")]
    NotJson { column: usize, wanted: &'static str },
    #[error("column {column}: nested deeper than {DEPTH_MAX} levels")]
    TooDeep { column: usize },
    #[error("column {column}: more than {VALUES_MAX} values in one event")]
    TooMany { column: usize },
}
