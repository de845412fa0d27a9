//! Owns: the confined side that looks for YARA rules in the files and the memory it is handed.
//! Never: choosing them, or more of them at once than a buffer.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::uio::pread;
use picket_yara::{Found, Rules};

use super::protocol::{Kind, REQUEST_BYTES_MAX, Region, Reply, Request};
use crate::sys::passing;

/// Read at once of a file.
const CHUNK: usize = 1 << 20;
/// Memory is looked at in pieces of this size, so that a process of any size fits beside the rules.
const PIECE: usize = 8 << 20;
/// What is looked at again with the next piece: strings that lie across the border.
const OVERLAP: usize = 4 << 10;

/// The rules first, then one job after another.
pub fn work(socket: BorrowedFd<'_>) {
    let mut buffer = vec![0; REQUEST_BYTES_MAX];
    let mut rules: Option<Rules> = None;
    while let Ok((length, file)) = passing::receive(socket, &mut buffer) {
        let request = buffer.get(..length).and_then(|bytes| Request::decode(bytes).ok());
        let Some(Request { id, kind, bytes_max, regions }) = request else { return };
        let file = file.as_ref().map(AsFd::as_fd);
        let reply = match (kind, file, &rules) {
            (Kind::Rules, Some(file), _) => loaded(file, bytes_max, &mut rules),
            (Kind::Scan, Some(file), Some(rules)) => whole(file, bytes_max)
                .and_then(|bytes| Some((rules.file(&bytes)?, bytes.len() as u64)))
                .map_or(Reply::Failed { id }, |(found, bytes)| Reply::Scanned { id, bytes, found }),
            (Kind::Memory, Some(file), Some(rules)) => memory(file, rules, &regions, bytes_max)
                .map_or(Reply::Failed { id }, |(found, bytes)| Reply::Scanned { id, bytes, found }),
            _ => Reply::Failed { id },
        };
        if passing::send(socket, &reply.encode(), None).is_err() {
            return;
        }
    }
}

fn loaded(file: BorrowedFd<'_>, bytes_max: u64, rules: &mut Option<Rules>) -> Reply {
    let Some(bytes) = whole(file, bytes_max) else { return Reply::Refused("its rules cannot be read".to_owned()) };
    match Rules::load(&bytes) {
        Ok(loaded) => {
            let count = u32::try_from(loaded.len()).unwrap_or(u32::MAX);
            *rules = Some(loaded);
            Reply::Loaded { rules: count }
        }
        Err(error) => Reply::Refused(error.to_string()),
    }
}

/// `None` where it cannot be read or has more than `bytes_max` bytes.
pub fn whole(file: BorrowedFd<'_>, bytes_max: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    // One more, so that a file of that size ends without growing the buffer.
    bytes.reserve_exact(usize::try_from(bytes_max).ok()?.checked_add(1)?);
    loop {
        let at = bytes.len();
        let room = bytes.capacity().saturating_sub(at).min(CHUNK);
        if room == 0 {
            return None;
        }
        bytes.resize(at + room, 0);
        let read = read_at(file, bytes.get_mut(at..)?, at as u64)?;
        bytes.truncate(at + read);
        if read == 0 {
            return Some(bytes);
        }
    }
}

fn read_at(file: BorrowedFd<'_>, buffer: &mut [u8], at: u64) -> Option<usize> {
    loop {
        match pread(file, buffer, i64::try_from(at).ok()?) {
            Err(Errno::EINTR) => {}
            read => return read.ok(),
        }
    }
}

/// What of its regions can still be read; they may have gone meanwhile.
fn memory(file: BorrowedFd<'_>, rules: &Rules, regions: &[Region], bytes_max: u64) -> Option<(Vec<Found>, u64)> {
    let mut memory = rules.memory();
    let mut buffer = vec![0; OVERLAP + PIECE];
    let mut seen = 0;
    for region in regions {
        // Of the piece before, in front of the next one.
        let mut kept = 0;
        let mut at = region.start;
        while at < region.end && seen < bytes_max {
            let left = usize::try_from((region.end - at).min(bytes_max - seen)).ok()?.min(PIECE);
            let Some(read) = read_at(file, buffer.get_mut(kept..kept + left)?, at).filter(|read| *read > 0) else {
                break;
            };
            let piece = buffer.get(..kept + read)?;
            if !memory.region(at - kept as u64, piece) {
                return None;
            }
            seen += read as u64;
            at += read as u64;
            let next = (kept + read).min(OVERLAP);
            buffer.copy_within(kept + read - next..kept + read, 0);
            kept = next;
        }
    }
    Some((memory.finish()?, seen))
}
