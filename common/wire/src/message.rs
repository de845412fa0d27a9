//! Owns: the messages of the protocol and their type numbers; encoding and decoding whole frames.
//! Never: IO.

use thiserror::Error;

use crate::frame::{FrameError, decode_frame, encode_frame};
use crate::limits::{
    BATCH_RECORDS_MAX, BLOB_BYTES_MAX, Invalid, LIST_MAX, LIST_PART_BYTES_MAX, RECORD_BYTES_MAX, TEXT_BYTES_MAX, check,
};
use crate::v1::message as m;
pub use crate::v1::message::RefusalCode;

#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum MessageError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("message of type {kind} does not decode: {error}")]
    Malformed { kind: u16, error: postcard::Error },
    #[error("message of type {kind} has {bytes} bytes too many")]
    Trailing { kind: u16, bytes: usize },
    #[error("message is out of bounds: {0}")]
    Invalid(#[from] Invalid),
}

/// Numbers are for ever; a new message takes the next one.
macro_rules! messages {
    ($($number:literal $name:ident $payload:ty),+ $(,)?) => {
        #[derive(Clone, PartialEq, Debug)]
        pub enum Message { $($name($payload)),+ }

        impl Message {
            /// The frame's type number.
            #[must_use]
            pub const fn kind(&self) -> u16 {
                match self { $(Self::$name(_) => $number),+ }
            }

            /// A word for logs.
            #[must_use]
            pub const fn word(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name)),+ }
            }

            /// The whole frame.
            #[must_use]
            pub fn to_frame(&self) -> Vec<u8> {
                let payload = match self { $(Self::$name(payload) => postcard::to_stdvec(payload)),+ };
                // Writing to memory fails only for types postcard cannot write; v1 has none.
                encode_frame(self.kind(), &payload.unwrap_or_default())
            }

            /// The message in a checked payload; `None` for a type that this build does not know.
            pub fn from_payload(kind: u16, payload: &[u8]) -> Result<Option<Self>, MessageError> {
                let message = match kind {
                    $($number => Self::$name(take::<$payload>(kind, payload)?),)+
                    _ => return Ok(None),
                };
                message.check()?;
                Ok(Some(message))
            }
        }
    };
}

messages! {
    1 Enrol m::Enrol,
    2 Enrolled m::Enrolled,
    3 Hello m::Hello,
    4 Welcome m::Welcome,
    5 Batch m::Batch,
    6 Ack m::Ack,
    7 Heartbeat m::Heartbeat,
    8 Bundle m::Bundle,
    9 BundleAnswer m::BundleAnswer,
    10 Command m::CommandOrder,
    11 CommandAnswer m::CommandAnswer,
    12 Renew m::Renew,
    13 Renewed m::Renewed,
    14 Refused m::Refused,
    15 AuditHead m::AuditHead,
    16 ListRequest m::ListRequest,
    17 ListPart m::ListPart,
    18 Halt m::Halt,
    19 HaltAnswer m::HaltAnswer,
}

fn take<'a, T: serde::Deserialize<'a>>(kind: u16, payload: &'a [u8]) -> Result<T, MessageError> {
    let (value, rest) = postcard::take_from_bytes(payload).map_err(|error| MessageError::Malformed { kind, error })?;
    if rest.is_empty() { Ok(value) } else { Err(MessageError::Trailing { kind, bytes: rest.len() }) }
}

impl Message {
    /// The first message of `bytes` and what follows it; `None` for a type to skip.
    pub fn from_frame(bytes: &[u8], limit: usize) -> Result<(Option<Self>, &[u8]), MessageError> {
        let (kind, payload, rest) = decode_frame(bytes, limit)?;
        Ok((Self::from_payload(kind, payload)?, rest))
    }

    /// Limits of what the model's own conversions do not look at.
    fn check(&self) -> Result<(), Invalid> {
        match self {
            Self::Enrol(m) => {
                check("enrol.secret", m.secret.len(), BLOB_BYTES_MAX)?;
                check("enrol.csr", m.csr_der.len(), BLOB_BYTES_MAX)
            }
            Self::Enrolled(m) => {
                check("enrolled.certificate", m.certificate_der.len(), BLOB_BYTES_MAX)?;
                check("enrolled.ca", m.ca_der.len(), BLOB_BYTES_MAX)
            }
            Self::Welcome(m) => check("welcome.cursors", m.cursors.len(), LIST_MAX),
            Self::Batch(m) => {
                check("batch.records", m.records.len(), BATCH_RECORDS_MAX)?;
                m.records.iter().try_for_each(|record| check("batch.record", record.len(), RECORD_BYTES_MAX))
            }
            Self::BundleAnswer(m) => check("bundle_answer.detail", m.detail.len(), TEXT_BYTES_MAX),
            Self::Halt(m) => check("halt", m.bytes.len(), BLOB_BYTES_MAX),
            Self::HaltAnswer(m) => check("halt_answer.detail", m.detail.len(), TEXT_BYTES_MAX),
            Self::CommandAnswer(m) => check("command_answer.detail", m.detail.len(), TEXT_BYTES_MAX),
            Self::Refused(m) => check("refused.detail", m.detail.len(), TEXT_BYTES_MAX),
            Self::Renew(m) => check("renew.csr", m.csr_der.len(), BLOB_BYTES_MAX),
            Self::Renewed(m) => check("renewed.certificate", m.certificate_der.len(), BLOB_BYTES_MAX),
            Self::AuditHead(m) => check("audit_head", m.bytes.len(), BLOB_BYTES_MAX),
            Self::ListPart(m) => check("list_part", m.bytes.len(), LIST_PART_BYTES_MAX),
            Self::Hello(_)
            | Self::Ack(_)
            | Self::Heartbeat(_)
            | Self::Bundle(_)
            | Self::Command(_)
            | Self::ListRequest(_) => Ok(()),
        }
    }
}
