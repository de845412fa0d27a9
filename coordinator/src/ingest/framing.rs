//! Owns: frames on a QUIC stream, read without trusting their length.
//! Never: what a message means.

use picket_wire::{FrameError, HEADER_BYTES, Header, Message, MessageError};
use quinn::{ReadError, RecvStream, SendStream, WriteError};
use thiserror::Error;
use tokio::time::timeout;

use super::limits::FRAME_DEADLINE;

/// Memory grows with what has arrived, never with what a header announces.
const STEP_BYTES: usize = 16 * 1024;

#[derive(Debug, Error)]
pub(super) enum FramingError {
    /// The stream or its connection is gone: nothing can be answered.
    #[error("the stream ended: {0}")]
    Gone(#[from] ReadError),
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error("a frame was not whole after {} s", FRAME_DEADLINE.as_secs())]
    Slow,
}

impl From<FrameError> for FramingError {
    fn from(error: FrameError) -> Self {
        Self::Message(error.into())
    }
}

/// Reads frames; every method may be dropped and called again without losing a byte.
pub(super) struct FrameReader {
    stream: RecvStream,
    buffer: Vec<u8>,
    limit: usize,
}

impl FrameReader {
    pub const fn new(stream: RecvStream, limit: usize) -> Self {
        Self { stream, buffer: Vec::new(), limit }
    }

    /// The next frame's header, or `None` where the stream ends between frames.
    pub async fn header(&mut self) -> Result<Option<Header>, FramingError> {
        if !self.fill(HEADER_BYTES).await? {
            if self.buffer.is_empty() {
                return Ok(None);
            }
            return Err(FrameError::Truncated { have: self.buffer.len(), want: HEADER_BYTES }.into());
        }
        let head = self.buffer.first_chunk().ok_or(FrameError::Truncated { have: 0, want: HEADER_BYTES })?;
        Ok(Some(Header::parse(head, self.limit)?))
    }

    /// The message below `header`; `None` for a type that this build does not know.
    pub async fn payload(&mut self, header: Header) -> Result<Option<Message>, FramingError> {
        let want = HEADER_BYTES + header.length;
        if !timeout(FRAME_DEADLINE, self.fill(want)).await.map_err(|_| FramingError::Slow)?? {
            return Err(FrameError::Truncated { have: self.buffer.len(), want }.into());
        }
        // An idle stream keeps no buffer.
        let frame = std::mem::take(&mut self.buffer);
        let payload = frame.get(HEADER_BYTES..).unwrap_or_default();
        header.verify(payload)?;
        Ok(Message::from_payload(header.kind, payload)?)
    }

    /// The next message of a known type; `None` where the stream ends.
    pub async fn next(&mut self) -> Result<Option<Message>, FramingError> {
        while let Some(header) = self.header().await? {
            if let Some(message) = self.payload(header).await? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// Reads on until `want` bytes are there; `false` where the stream ends before.
    async fn fill(&mut self, want: usize) -> Result<bool, ReadError> {
        while self.buffer.len() < want {
            let step = (want - self.buffer.len()).min(STEP_BYTES);
            match self.stream.read_chunk(step, true).await? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk.bytes),
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

pub(super) async fn write(stream: &mut SendStream, message: &Message) -> Result<(), WriteError> {
    stream.write_all(&message.to_frame()).await
}
