//! Owns: the one encoding for QUIC, spool and stored records: frames, the frozen v1 types, their limits.
//! Never: tokio, quinn, files; and never a change to a released type: append a variant or make a v2.

mod borrowed;
pub mod frame;
pub mod limits;
pub mod message;
pub mod record;
#[cfg(test)]
mod tests;
pub mod v1;

pub use frame::{FrameError, HEADER_BYTES, Header, decode_frame, encode_frame};
pub use limits::Invalid;
pub use message::{Message, MessageError, RefusalCode};
pub use record::{RecordError, decode_record, encode_record};
pub use v1::action::travels;
