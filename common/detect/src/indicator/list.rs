//! Owns: a list of indicators of one kind as compact bytes, for lists too long to travel inside a bundle.
//! Never: where the bytes come from, or whether they are the ones that were signed; their digest says that.

use std::io::{self, Read};

use thiserror::Error;

use super::{ENTRIES_MAX, md5, name, sha256};
use crate::network::Network;

const MAGIC: &[u8; 5] = b"PKIL\x01";
/// Magic, kind and count.
const HEADER_BYTES: usize = 14;
/// A URL; all else is shorter.
const TEXT_BYTES_MAX: usize = 2048;

/// What the entries of a list are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ListKind {
    Sha256,
    Md5,
    Addresses,
    Domains,
    Urls,
    FileNames,
}

impl ListKind {
    pub const ALL: [Self; 6] = [Self::Sha256, Self::Md5, Self::Addresses, Self::Domains, Self::Urls, Self::FileNames];

    /// As bundles and command lines name it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Md5 => "md5",
            Self::Addresses => "addresses",
            Self::Domains => "domains",
            Self::Urls => "urls",
            Self::FileNames => "file_names",
        }
    }

    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    const fn number(self) -> u8 {
        match self {
            Self::Sha256 => 1,
            Self::Md5 => 2,
            Self::Addresses => 3,
            Self::Domains => 4,
            Self::Urls => 5,
            Self::FileNames => 6,
        }
    }
}

#[derive(Debug, Error)]
pub enum ListError {
    #[error("the list cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("these bytes are no list of indicators")]
    NoList,
    #[error("the list holds {found} entries; at most {ENTRIES_MAX} are taken")]
    TooLong { found: u64 },
    #[error("entry {index} of the list is malformed: {reason}")]
    Entry { index: u64, reason: String },
}

/// One entry, as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    Digest(u128),
    Network(Network),
    Text(String),
}

/// Gathers the entries of one list.
#[derive(Debug)]
pub struct ListWriter {
    kind: ListKind,
    entries: Vec<Vec<u8>>,
}

impl ListWriter {
    #[must_use]
    pub const fn new(kind: ListKind) -> Self {
        Self { kind, entries: Vec::new() }
    }

    /// One entry as a person writes it, or what is wrong with it.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        if self.entries.len() >= ENTRIES_MAX {
            return Err(format!("the list is longer than {ENTRIES_MAX} entries"));
        }
        let entry = match self.kind {
            ListKind::Sha256 => sha256(text)?.to_be_bytes().to_vec(),
            ListKind::Md5 => md5(text)?.to_be_bytes().to_vec(),
            ListKind::Addresses => {
                Network::parse(text)?;
                text.as_bytes().to_vec()
            }
            ListKind::Domains => name::domain(text)?.into_bytes(),
            ListKind::Urls => name::url(text)?.into_bytes(),
            ListKind::FileNames => name::file_name(text)?.into_bytes(),
        };
        if entry.len() > TEXT_BYTES_MAX {
            return Err(format!("it has {} bytes; at most {TEXT_BYTES_MAX} are taken", entry.len()));
        }
        self.entries.push(entry);
        Ok(())
    }

    /// The bytes, and how many entries they hold: each once, in order, so that the same entries give the same bytes.
    #[must_use]
    pub fn finish(mut self) -> (Vec<u8>, u64) {
        self.entries.sort_unstable();
        self.entries.dedup();
        let count = self.entries.len() as u64;
        let mut bytes =
            Vec::with_capacity(HEADER_BYTES + self.entries.iter().map(|entry| entry.len() + 2).sum::<usize>());
        bytes.extend(MAGIC);
        bytes.push(self.kind.number());
        bytes.extend(count.to_le_bytes());
        for entry in self.entries {
            if !matches!(self.kind, ListKind::Sha256 | ListKind::Md5) {
                // No entry is longer than `TEXT_BYTES_MAX`.
                bytes.extend(u16::try_from(entry.len()).unwrap_or(u16::MAX).to_le_bytes());
            }
            bytes.extend(entry);
        }
        (bytes, count)
    }
}

/// Reads a list entry by entry, without ever holding it whole.
pub struct ListReader<R> {
    from: R,
    kind: ListKind,
    count: u64,
    index: u64,
}

impl<R: Read> ListReader<R> {
    pub fn new(mut from: R) -> Result<Self, ListError> {
        let mut header = [0; HEADER_BYTES];
        from.read_exact(&mut header).map_err(|_| ListError::NoList)?;
        let (magic, rest) = header.split_at(MAGIC.len());
        let [number, count @ ..] = rest else { return Err(ListError::NoList) };
        let kind = ListKind::ALL.into_iter().find(|kind| kind.number() == *number);
        let (Some(kind), Ok(count)) = (kind.filter(|_| magic == MAGIC), count.try_into().map(u64::from_le_bytes))
        else {
            return Err(ListError::NoList);
        };
        if count > ENTRIES_MAX as u64 {
            return Err(ListError::TooLong { found: count });
        }
        Ok(Self { from, kind, count, index: 0 })
    }

    #[must_use]
    pub const fn kind(&self) -> ListKind {
        self.kind
    }

    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The next entry; `None` after the last, where the bytes end too.
    pub fn entry(&mut self) -> Result<Option<Entry>, ListError> {
        if self.index == self.count {
            // A byte more would mean that whoever made the list counted otherwise.
            let ended = self.from.read(&mut [0])? == 0;
            return if ended { Ok(None) } else { Err(ListError::NoList) };
        }
        self.index += 1;
        let entry = match self.kind {
            ListKind::Sha256 | ListKind::Md5 => {
                let mut digest = [0; 16];
                self.from.read_exact(&mut digest)?;
                Entry::Digest(u128::from_be_bytes(digest))
            }
            _ => self.text()?,
        };
        Ok(Some(entry))
    }

    fn text(&mut self) -> Result<Entry, ListError> {
        let index = self.index;
        let wrong = |reason: String| ListError::Entry { index, reason };
        let mut length = [0; 2];
        self.from.read_exact(&mut length)?;
        let length = usize::from(u16::from_le_bytes(length));
        if length > TEXT_BYTES_MAX {
            return Err(wrong(format!("it has {length} bytes")));
        }
        let mut bytes = vec![0; length];
        self.from.read_exact(&mut bytes)?;
        let text = String::from_utf8(bytes).map_err(|_| wrong("it is no text".to_owned()))?;
        if self.kind == ListKind::Addresses {
            return Network::parse(&text).map(Entry::Network).map_err(wrong);
        }
        let normal = match self.kind {
            ListKind::Domains => name::domain(&text),
            ListKind::Urls => name::url(&text),
            _ => name::file_name(&text),
        };
        // What is written in another way than it is looked for would never be found.
        match normal {
            Ok(normal) if normal == text => Ok(Entry::Text(text)),
            Ok(normal) => Err(wrong(format!("`{text}` is written as `{normal}`"))),
            Err(reason) => Err(wrong(reason)),
        }
    }
}

#[cfg(test)]
mod tests;
