//! Owns: what is computed of a file's bytes, in one reading.
//! Never: opening it, or holding more of it than a buffer.

use std::os::fd::BorrowedFd;

use md5::Md5;
use nix::errno::Errno;
use nix::sys::uio::pread;
use picket_model::Sha256;
use sha2::Digest;
use tlsh2::TlshDefaultBuilder;

use super::protocol::{CONTENT_BYTES, HEADER_BYTES, Kind, Measured};

/// Read at once: large enough that calls cost nothing, small enough to stay in the cache while four sums are taken.
const CHUNK: usize = 64 * 1024;

/// `None` where the file cannot be read or has more than `bytes_max` bytes.
#[must_use]
pub fn measure(file: BorrowedFd<'_>, kind: Kind, bytes_max: u64) -> Option<Measured> {
    let mut sums = Sums::new(kind);
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = match pread(file, &mut buffer, i64::try_from(sums.size).ok()?) {
            Ok(0) => return Some(sums.finish()),
            Ok(read) => read,
            Err(Errno::EINTR) => continue,
            Err(_) => return None,
        };
        sums.take(buffer.get(..read)?);
        if sums.size > bytes_max {
            return None;
        }
    }
}

struct Sums {
    size: u64,
    sha256: sha2::Sha256,
    whole: Option<Whole>,
    content: Option<Vec<u8>>,
}

struct Whole {
    md5: Md5,
    tlsh: TlshDefaultBuilder,
    seen: [u64; 256],
    header: Vec<u8>,
}

impl Sums {
    fn new(kind: Kind) -> Self {
        let whole = || Whole { md5: Md5::new(), tlsh: TlshDefaultBuilder::new(), seen: [0; 256], header: Vec::new() };
        Self {
            size: 0,
            sha256: sha2::Sha256::new(),
            whole: (kind == Kind::Fingerprint).then(whole),
            content: (kind == Kind::Script).then(Vec::new),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.sha256.update(bytes);
        if let Some(whole) = &mut self.whole {
            whole.md5.update(bytes);
            whole.tlsh.update(bytes);
            for byte in bytes {
                whole.seen[usize::from(*byte)] += 1;
            }
            begin(&mut whole.header, bytes, HEADER_BYTES);
        }
        if let Some(content) = &mut self.content {
            begin(content, bytes, CONTENT_BYTES);
        }
    }

    fn finish(self) -> Measured {
        let mut measured = Measured {
            size: self.size,
            sha256: Sha256(self.sha256.finalize().into()),
            md5: [0; 16],
            tlsh: None,
            entropy_millibits: 0,
            header: Vec::new(),
            content: self.content.unwrap_or_default(),
        };
        if let Some(whole) = self.whole {
            measured.md5 = whole.md5.finalize().into();
            measured.tlsh = whole.tlsh.build().map(|tlsh| String::from_utf8_lossy(&tlsh.hash()).into_owned());
            measured.entropy_millibits = entropy(&whole.seen, self.size);
            measured.header = whole.header;
        }
        measured
    }
}

fn begin(kept: &mut Vec<u8>, bytes: &[u8], max: usize) {
    let room = max.saturating_sub(kept.len()).min(bytes.len());
    kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
}

/// Shannon's, in thousandths of a bit per byte.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn entropy(seen: &[u64; 256], size: u64) -> u32 {
    let share = |count: &u64| *count as f64 / size as f64;
    let bits: f64 = seen.iter().filter(|count| **count > 0).map(share).map(|share| -share * share.log2()).sum();
    (bits * 1000.0).round().clamp(0.0, 8000.0) as u32
}

#[cfg(test)]
mod tests;
