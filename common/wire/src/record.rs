//! Owns: a record as bytes: a schema version, then the frozen type of that version.
//! Never: where it travels; spool, QUIC and store carry the same bytes.

use picket_model::Record;
use thiserror::Error;

use crate::borrowed::EventRecord;
use crate::limits::{Invalid, RECORD_BYTES_MAX};
use crate::v1;

/// The first byte of an encoded record.
const SCHEMA_V1: u8 = 1;
/// Most events with their process and its parent fit: the vector then does not grow.
const RECORD_BYTES_USUAL: usize = 768;

#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum RecordError {
    #[error("the record is empty")]
    Empty,
    #[error("the record has schema {0}, this build reads {SCHEMA_V1}: upgrade the reader first")]
    Schema(u8),
    #[error("the record is {0} bytes long, the limit is {RECORD_BYTES_MAX}")]
    Oversized(usize),
    #[error("the record does not decode: {0}")]
    Malformed(postcard::Error),
    #[error("the record has {0} bytes too many")]
    Trailing(usize),
    #[error("the record is out of bounds: {0}")]
    Invalid(#[from] Invalid),
}

/// The bytes of a record. Fields above their limit are cut, so what this makes always decodes.
#[must_use]
pub fn encode_record(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(RECORD_BYTES_USUAL);
    bytes.push(SCHEMA_V1);
    // Encoding to a growing vector fails only for types that postcard cannot write at all; v1 has none.
    match record {
        Record::Event { event } => postcard::to_extend(&EventRecord(event), bytes).unwrap_or_default(),
        other => postcard::to_extend(&v1::Record::from(other), bytes).unwrap_or_default(),
    }
}

pub fn decode_record(bytes: &[u8]) -> Result<Record, RecordError> {
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(RecordError::Oversized(bytes.len()));
    }
    let (schema, body) = bytes.split_first().ok_or(RecordError::Empty)?;
    if *schema != SCHEMA_V1 {
        return Err(RecordError::Schema(*schema));
    }
    let (frozen, rest) = postcard::take_from_bytes::<v1::Record>(body).map_err(RecordError::Malformed)?;
    if !rest.is_empty() {
        return Err(RecordError::Trailing(rest.len()));
    }
    Ok(Record::try_from(frozen)?)
}
