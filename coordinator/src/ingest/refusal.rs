//! Owns: how a peer is turned away: a message that says why, time to read it, the connection closed with the same code.
//! Never: deciding to.

use picket_wire::v1::message::Refused;
use picket_wire::{Message, RefusalCode};
use quinn::{Connection, SendStream, VarInt};
use tokio::time::timeout;

use super::framing::{self, FramingError};
use super::limits::LINGER;

/// Close codes: 0 is a normal end; `RefusalCode` follows from 1 on, in its order; these come behind.
pub(super) const CLOSE_DONE: u32 = 0;
pub(super) const CLOSE_REPLACED: u32 = 100;
/// A reason travels in one packet.
const REASON_BYTES_MAX: usize = 256;

/// Why a session ends before its time.
#[derive(Debug)]
pub(super) enum End {
    /// The connection is gone or done: nobody to tell.
    Gone,
    Refuse(RefusalCode, String),
}

impl End {
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::Refuse(RefusalCode::Malformed, detail.into())
    }

    pub fn internal(detail: impl ToString) -> Self {
        Self::Refuse(RefusalCode::Internal, detail.to_string())
    }
}

impl From<FramingError> for End {
    fn from(error: FramingError) -> Self {
        match error {
            FramingError::Gone(_) => Self::Gone,
            other => Self::malformed(other.to_string()),
        }
    }
}

impl From<quinn::WriteError> for End {
    fn from(_: quinn::WriteError) -> Self {
        Self::Gone
    }
}

impl From<quinn::ConnectionError> for End {
    fn from(_: quinn::ConnectionError) -> Self {
        Self::Gone
    }
}

pub(super) const fn code_of(code: RefusalCode) -> u32 {
    match code {
        RefusalCode::Token => 1,
        RefusalCode::Expired => 2,
        RefusalCode::Revoked => 3,
        RefusalCode::Gap => 4,
        RefusalCode::Malformed => 5,
        RefusalCode::Busy => 6,
        RefusalCode::Internal => 7,
    }
}

pub(super) fn refused(code: RefusalCode, detail: &str, expected: u64) -> Message {
    let mut end = detail.len().min(picket_wire::limits::TEXT_BYTES_MAX);
    while !detail.is_char_boundary(end) {
        end -= 1;
    }
    Message::Refused(Refused { code, detail: detail[..end].to_owned(), expected })
}

/// Says why on `stream` and gives the peer a moment to read it.
pub(super) async fn tell(stream: &mut SendStream, code: RefusalCode, detail: &str) {
    let said = async {
        framing::write(stream, &refused(code, detail, 0)).await.ok()?;
        stream.finish().ok()?;
        stream.stopped().await.ok()
    };
    let _ = timeout(LINGER, said).await;
}

pub(super) fn close(connection: &Connection, code: RefusalCode, detail: &str) {
    let reason = detail.as_bytes();
    connection.close(VarInt::from_u32(code_of(code)), &reason[..reason.len().min(REASON_BYTES_MAX)]);
}

pub(super) fn close_done(connection: &Connection, code: u32, reason: &str) {
    connection.close(VarInt::from_u32(code), reason.as_bytes());
}
