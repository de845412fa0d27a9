//! Owns: frames on a QUIC stream.
//! Never: what a message means.

use picket_wire::{FrameError, HEADER_BYTES, Header, Message, MessageError};
use quinn::{ReadError, RecvStream, SendStream, WriteError};
use thiserror::Error;

/// Memory grows with what has arrived.
const STEP_BYTES: usize = 64 * 1024;

#[derive(Debug, Error)]
pub(super) enum FramingError {
    #[error("the stream broke: {0}")]
    Read(#[from] ReadError),
    #[error("the stream broke: {0}")]
    Write(#[from] WriteError),
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error("the coordinator ended the stream")]
    Ended,
}

/// Reads frames; `next` may be dropped and called again without losing a byte.
pub(super) struct FrameReader {
    stream: RecvStream,
    buffer: Vec<u8>,
    limit: usize,
}

impl FrameReader {
    pub const fn new(stream: RecvStream, limit: usize) -> Self {
        Self { stream, buffer: Vec::new(), limit }
    }

    /// The next message of a type that this build knows.
    pub async fn next(&mut self) -> Result<Message, FramingError> {
        loop {
            self.fill(HEADER_BYTES).await?;
            let Some(head) = self.buffer.first_chunk() else { continue };
            let header = Header::parse(head, self.limit).map_err(MessageError::from)?;
            self.fill(HEADER_BYTES + header.length).await?;
            let frame = std::mem::take(&mut self.buffer);
            let payload = frame.get(HEADER_BYTES..).unwrap_or_default();
            header.verify(payload).map_err(MessageError::from)?;
            if let Some(message) = Message::from_payload(header.kind, payload)? {
                return Ok(message);
            }
        }
    }

    async fn fill(&mut self, want: usize) -> Result<(), FramingError> {
        while self.buffer.len() < want {
            let step = (want - self.buffer.len()).min(STEP_BYTES);
            match self.stream.read_chunk(step, true).await? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk.bytes),
                None if self.buffer.is_empty() => return Err(FramingError::Ended),
                None => {
                    let cut = FrameError::Truncated { have: self.buffer.len(), want };
                    return Err(MessageError::from(cut).into());
                }
            }
        }
        Ok(())
    }
}

pub(super) async fn write(stream: &mut SendStream, message: &Message) -> Result<(), FramingError> {
    Ok(stream.write_all(&message.to_frame()).await?)
}
