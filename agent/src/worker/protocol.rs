//! Owns: what the agent and its confined worker say to one another, byte for byte.
//! Never: trusting it: the worker may be in other hands, so every length is checked and every text is looked at.

mod found;
mod rest;

use picket_model::Sha256;
use picket_yara::Found;
use thiserror::Error;

use self::rest::{Rest, put};

/// The longest TLSH there is, with its `T1`.
const TLSH_BYTES: usize = 72;
/// How much of a file's beginning is kept as its header.
pub const HEADER_BYTES: usize = 32;
/// How much of a script is told: whole for nearly all of them, and small enough to travel in one record.
pub const CONTENT_BYTES: usize = 16 * 1024;
/// A reason in words.
const REASON_BYTES: usize = 512;
const REQUEST_BYTES: usize = 19;
/// Mappings of one process that are looked at; programs with more have them in the tens of thousands, all alike.
pub const REGIONS_MAX: usize = 2048;
/// Room for the longest request: one with all its regions.
pub const REQUEST_BYTES_MAX: usize = REQUEST_BYTES + REGIONS_MAX * 16;
/// What is sent at once of something longer: well below what a socket takes in one message.
pub const PART_BYTES: usize = 32 * 1024;
/// Errors in rules, in words, as far as they go.
pub const BROKEN_BYTES: usize = 16 * 1024;
/// Room for the longest reply: a part, a script's content or what was found, and some 300 bytes of fields.
pub const REPLY_BYTES_MAX: usize = PART_BYTES + 1024;

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
    /// Compiled rules, for what comes after.
    Rules,
    /// Which rules it meets.
    Scan,
    /// Which rules the memory of a process meets, in the regions that the request names.
    Memory,
    /// The texts of rules, to be compiled.
    Compile,
}

/// Part of a process's memory, from address to address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region {
    pub start: u64,
    pub end: u64,
}

/// An open file goes with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    pub id: u64,
    pub kind: Kind,
    /// More bytes than this are not read.
    pub bytes_max: u64,
    pub regions: Vec<Region>,
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
    /// It holds these rules now.
    Loaded {
        rules: u32,
    },
    /// What was found in so many bytes.
    Scanned {
        id: u64,
        bytes: u64,
        found: Vec<Found>,
    },
    /// The next bytes of what it has compiled.
    Part(Vec<u8>),
    /// All of it was told: first so many bytes of description, then the set.
    Compiled {
        described: u64,
        set: u64,
    },
    /// The rules have errors: these.
    Broken(String),
}

impl Request {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(REQUEST_BYTES);
        bytes.push(match self.kind {
            Kind::Fingerprint => 1,
            Kind::Digest => 2,
            Kind::Script => 3,
            Kind::Rules => 4,
            Kind::Scan => 5,
            Kind::Memory => 6,
            Kind::Compile => 7,
        });
        bytes.extend(self.id.to_le_bytes());
        bytes.extend(self.bytes_max.to_le_bytes());
        let regions = self.regions.get(..REGIONS_MAX).unwrap_or(&self.regions);
        bytes.extend(u16::try_from(regions.len()).unwrap_or(u16::MAX).to_le_bytes());
        for Region { start, end } in regions {
            bytes.extend(start.to_le_bytes());
            bytes.extend(end.to_le_bytes());
        }
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
            4 => Kind::Rules,
            5 => Kind::Scan,
            6 => Kind::Memory,
            7 => Kind::Compile,
            _ => return Err(Garbled),
        };
        let (id, bytes_max) = (rest.number()?, rest.number()?);
        let count = usize::from(rest.short()?);
        if count > REGIONS_MAX {
            return Err(Garbled);
        }
        let region = |_| Ok(Region { start: rest.number()?, end: rest.number()? });
        let regions = (0..count).map(region).collect::<Result<Vec<_>, _>>()?;
        rest.end()?;
        Ok(Self { id, kind, bytes_max, regions })
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
            Self::Loaded { rules } => {
                bytes.push(5);
                bytes.extend(rules.to_le_bytes());
            }
            Self::Scanned { id, bytes: read, found } => {
                bytes.push(6);
                bytes.extend(id.to_le_bytes());
                bytes.extend(read.to_le_bytes());
                found::put_all(&mut bytes, found);
            }
            Self::Part(part) => {
                bytes.push(7);
                put(&mut bytes, part, PART_BYTES);
            }
            Self::Compiled { described, set } => {
                bytes.push(8);
                bytes.extend(described.to_le_bytes());
                bytes.extend(set.to_le_bytes());
            }
            Self::Broken(errors) => {
                bytes.push(9);
                put(&mut bytes, errors.as_bytes(), BROKEN_BYTES);
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
            5 => Self::Loaded { rules: u32::from_le_bytes(rest.array()?) },
            6 => Self::Scanned { id: rest.number()?, bytes: rest.number()?, found: found::take_all(&mut rest)? },
            7 => Self::Part(rest.text(PART_BYTES)?.to_vec()),
            8 => Self::Compiled { described: rest.number()?, set: rest.number()? },
            9 => Self::Broken(String::from_utf8_lossy(rest.text(BROKEN_BYTES)?).into_owned()),
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

#[cfg(test)]
mod tests;
