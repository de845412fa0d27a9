//! Owns: the frame around every message: magic, version, type, length, checksum.
//! Never: what the payload means.

use thiserror::Error;

pub const MAGIC: [u8; 4] = *b"PKT1";
/// The major version that this build speaks.
pub const VERSION: u16 = 1;
/// magic 4, version u16, type u16, length u32, crc32c u32; little endian.
pub const HEADER_BYTES: usize = 16;

#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum FrameError {
    #[error("not a Picket frame: it begins with {0:02x?} instead of PKT1")]
    Magic([u8; 4]),
    #[error("protocol version {0} is not spoken here (this build speaks {VERSION}): upgrade the older side")]
    Version(u16),
    #[error("frame of type {kind} is {length} bytes long, at most {limit} are taken here")]
    Oversized { kind: u16, length: usize, limit: usize },
    #[error("frame cut off: {have} bytes of {want}")]
    Truncated { have: usize, want: usize },
    #[error("frame of type {kind}: checksum {found:08x} instead of {want:08x}, damaged on the way")]
    Checksum { kind: u16, found: u32, want: u32 },
}

/// A checked header: magic and version fit, and the length is within the reader's limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    pub kind: u16,
    pub length: usize,
    crc: u32,
    seed: u32,
}

impl Header {
    /// Parses a header and refuses a payload above `limit` before a byte of it is read.
    pub fn parse(bytes: &[u8; HEADER_BYTES], limit: usize) -> Result<Self, FrameError> {
        let [m0, m1, m2, m3, v0, v1, k0, k1, l0, l1, l2, l3, c0, c1, c2, c3] = *bytes;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(FrameError::Magic([m0, m1, m2, m3]));
        }
        let version = u16::from_le_bytes([v0, v1]);
        if version != VERSION {
            return Err(FrameError::Version(version));
        }
        let kind = u16::from_le_bytes([k0, k1]);
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if length > limit {
            return Err(FrameError::Oversized { kind, length, limit });
        }
        let seed = crc32c::crc32c(&bytes[..12]);
        Ok(Self { kind, length, crc: u32::from_le_bytes([c0, c1, c2, c3]), seed })
    }

    /// Checks the payload that followed.
    pub fn verify(&self, payload: &[u8]) -> Result<(), FrameError> {
        if payload.len() != self.length {
            return Err(FrameError::Truncated { have: payload.len(), want: self.length });
        }
        let found = crc32c::crc32c_append(self.seed, payload);
        if found != self.crc {
            return Err(FrameError::Checksum { kind: self.kind, found, want: self.crc });
        }
        Ok(())
    }
}

/// One frame: header and payload.
#[must_use]
pub fn encode_frame(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER_BYTES + payload.len());
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(&VERSION.to_le_bytes());
    frame.extend_from_slice(&kind.to_le_bytes());
    frame.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&frame), payload);
    frame.extend_from_slice(&crc.to_le_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// The first frame of `bytes`: its type, its payload and what follows it. Callers skip types that they do not know.
pub fn decode_frame(bytes: &[u8], limit: usize) -> Result<(u16, &[u8], &[u8]), FrameError> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(FrameError::Truncated { have: bytes.len(), want: HEADER_BYTES });
    };
    let header = Header::parse(head, limit)?;
    if rest.len() < header.length {
        return Err(FrameError::Truncated { have: bytes.len(), want: HEADER_BYTES + header.length });
    }
    let (payload, rest) = rest.split_at(header.length);
    header.verify(payload)?;
    Ok((header.kind, payload, rest))
}

/// CRC-32C of some bytes, as frames and spool entries use it.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}
