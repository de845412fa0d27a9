//! Owns: what the agent and its confined worker say to one another, byte for byte.
//! Never: trusting it: the worker may be in other hands, so every length is checked and every text is looked at.

use picket_model::Sha256;
use thiserror::Error;

/// The longest TLSH there is, with its `T1`.
const TLSH_BYTES: usize = 72;
/// How much of a file's beginning is kept as its header.
pub const HEADER_BYTES: usize = 32;
/// How much of a script is told: whole for nearly all of them, and small enough to travel in one record.
pub const CONTENT_BYTES: usize = 16 * 1024;
/// A reason in words.
const REASON_BYTES: usize = 512;
const REQUEST_BYTES: usize = 17;
/// Room for the longest reply: a script's content and some 300 bytes of fields.
pub const REPLY_BYTES_MAX: usize = CONTENT_BYTES + 1024;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the message is not one that the agent and its worker exchange")]
pub struct Garbled;

/// What is wanted of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Everything but its content.
    Fingerprint,
    /// Its SHA-256 alone, for somebody who waits.
    Digest,
    /// Its SHA-256 and how it begins.
    Script,
}

/// An open file goes with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    pub id: u64,
    pub kind: Kind,
    /// More bytes than this are not read.
    pub bytes_max: u64,
}

/// What a file holds. Beyond size and SHA-256 only what was asked for is filled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Measured {
    pub size: u64,
    pub sha256: Sha256,
    pub md5: [u8; 16],
    pub tlsh: Option<String>,
    pub entropy_millibits: u32,
    pub header: Vec<u8>,
    pub content: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// The worker is confined; `landlock` says whether by that too.
    Ready {
        landlock: bool,
    },
    /// It could not confine itself, and so does nothing.
    Refused(String),
    Done {
        id: u64,
        measured: Measured,
    },
    /// The file could not be read, or was longer than asked for.
    Failed {
        id: u64,
    },
}

impl Request {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(REQUEST_BYTES);
        bytes.push(match self.kind {
            Kind::Fingerprint => 1,
            Kind::Digest => 2,
            Kind::Script => 3,
        });
        bytes.extend(self.id.to_le_bytes());
        bytes.extend(self.bytes_max.to_le_bytes());
        bytes
    }

    /// # Errors
    /// When the bytes are not exactly one request.
    pub fn decode(bytes: &[u8]) -> Result<Self, Garbled> {
        let mut rest = Rest(bytes);
        let kind = match rest.byte()? {
            1 => Kind::Fingerprint,
            2 => Kind::Digest,
            3 => Kind::Script,
            _ => return Err(Garbled),
        };
        let request = Self { id: rest.number()?, kind, bytes_max: rest.number()? };
        rest.end()?;
        Ok(request)
    }
}

impl Reply {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Self::Ready { landlock } => bytes.extend([1, u8::from(*landlock)]),
            Self::Refused(reason) => {
                bytes.push(2);
                put(&mut bytes, reason.as_bytes(), REASON_BYTES);
            }
            Self::Done { id, measured } => {
                bytes.push(3);
                bytes.extend(id.to_le_bytes());
                bytes.extend(measured.size.to_le_bytes());
                bytes.extend(measured.sha256.0);
                bytes.extend(measured.md5);
                bytes.extend(measured.entropy_millibits.to_le_bytes());
                put(&mut bytes, measured.tlsh.as_deref().unwrap_or_default().as_bytes(), TLSH_BYTES);
                put(&mut bytes, &measured.header, HEADER_BYTES);
                put(&mut bytes, &measured.content, CONTENT_BYTES);
            }
            Self::Failed { id } => {
                bytes.push(4);
                bytes.extend(id.to_le_bytes());
            }
        }
        bytes
    }

    /// # Errors
    /// When the bytes are not exactly one reply, or a field holds what no file could give.
    pub fn decode(bytes: &[u8]) -> Result<Self, Garbled> {
        let mut rest = Rest(bytes);
        let reply = match rest.byte()? {
            1 => Self::Ready { landlock: rest.byte()? == 1 },
            2 => Self::Refused(String::from_utf8_lossy(rest.text(REASON_BYTES)?).into_owned()),
            3 => Self::Done { id: rest.number()?, measured: measured(&mut rest)? },
            4 => Self::Failed { id: rest.number()? },
            _ => return Err(Garbled),
        };
        rest.end()?;
        Ok(reply)
    }
}

fn measured(rest: &mut Rest<'_>) -> Result<Measured, Garbled> {
    let size = rest.number()?;
    let sha256 = Sha256(rest.array()?);
    let md5 = rest.array()?;
    let entropy_millibits = u32::from_le_bytes(rest.array()?);
    if entropy_millibits > 8_000 {
        return Err(Garbled);
    }
    let tlsh = match rest.text(TLSH_BYTES)? {
        [] => None,
        text if text.iter().all(u8::is_ascii_alphanumeric) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => return Err(Garbled),
    };
    let header = rest.text(HEADER_BYTES)?.to_vec();
    let content = rest.text(CONTENT_BYTES)?.to_vec();
    Ok(Measured { size, sha256, md5, tlsh, entropy_millibits, header, content })
}

/// A length in two bytes, then as many bytes of `part`, at most `max`.
fn put(bytes: &mut Vec<u8>, part: &[u8], max: usize) {
    let part = part.get(..max).unwrap_or(part);
    // No limit here is above two bytes' worth.
    bytes.extend(u16::try_from(part.len()).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend(part);
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Garbled> {
        let (part, rest) = self.0.split_at_checked(count).ok_or(Garbled)?;
        self.0 = rest;
        Ok(part)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Garbled> {
        self.take(N)?.try_into().map_err(|_| Garbled)
    }

    fn byte(&mut self) -> Result<u8, Garbled> {
        Ok(self.array::<1>()?[0])
    }

    fn number(&mut self) -> Result<u64, Garbled> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn text(&mut self, max: usize) -> Result<&'a [u8], Garbled> {
        let length = usize::from(u16::from_le_bytes(self.array()?));
        if length > max {
            return Err(Garbled);
        }
        self.take(length)
    }

    fn end(&self) -> Result<(), Garbled> {
        if self.0.is_empty() { Ok(()) } else { Err(Garbled) }
    }
}

#[cfg(test)]
mod tests;
