//! Owns: the bytes of one row of the event log.
//! Never: what is inside a record.

use picket_model::{HostId, Lane, Position, Timestamp};

use super::Stored;

/// Version, checksum, host, received, epoch, lane, sequence number.
const HEADER_BYTES: usize = 1 + 4 + 16 + 8 + 8 + 1 + 8;
const VERSION: u8 = 1;
/// What the checksum does not cover: the version and itself.
const UNCHECKED_BYTES: usize = 5;

pub(super) fn encode(host: HostId, received: Timestamp, position: Position, record: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(HEADER_BYTES + record.len());
    row.push(VERSION);
    row.extend_from_slice(&[0; 4]);
    row.extend_from_slice(host.as_bytes());
    row.extend_from_slice(&received.0.to_le_bytes());
    row.extend_from_slice(&position.epoch.to_le_bytes());
    row.push(lane_number(position.lane));
    row.extend_from_slice(&position.seq.to_le_bytes());
    row.extend_from_slice(record);
    let sum = crc32c::crc32c(&row[UNCHECKED_BYTES..]);
    row[1..UNCHECKED_BYTES].copy_from_slice(&sum.to_le_bytes());
    row
}

/// `None` where the row is not as it was written.
pub(super) fn decode(offset: u64, row: &[u8]) -> Option<Stored> {
    let (&version, rest) = row.split_first()?;
    let (sum, checked) = rest.split_first_chunk()?;
    if version != VERSION || u32::from_le_bytes(*sum) != crc32c::crc32c(checked) {
        return None;
    }
    let (host, rest) = checked.split_first_chunk()?;
    let (received, rest) = rest.split_first_chunk()?;
    let (epoch, rest) = rest.split_first_chunk()?;
    let (&lane, rest) = rest.split_first()?;
    let (seq, record) = rest.split_first_chunk()?;
    let lane = *Lane::ALL.iter().find(|known| lane_number(**known) == lane)?;
    Some(Stored {
        offset,
        host: HostId::from_bytes(*host),
        received: Timestamp(u64::from_le_bytes(*received)),
        position: Position { epoch: u64::from_le_bytes(*epoch), lane, seq: u64::from_le_bytes(*seq) },
        bytes: record.to_vec(),
    })
}

/// Written to disk: a number keeps its meaning.
pub(super) const fn lane_number(lane: Lane) -> u8 {
    match lane {
        Lane::Urgent => 0,
        Lane::Lifecycle => 1,
        Lane::Bulk => 2,
    }
}
