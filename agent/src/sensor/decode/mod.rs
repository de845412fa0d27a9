//! Owns: bytes of a kernel record (`bpf/event.h`) to a raw record: the head, which part reads what follows, and the
//! forms that names have.
//! Never: trusting a length or a value; what does not parse is `None` and counted by the caller.

pub mod assembly;
mod call;
mod dns;
mod exec;
mod file;
mod library;
mod module;
mod network;
mod privilege;
mod script;
mod setting;
mod special;
#[cfg(test)]
mod tests;
pub mod words;

use picket_model::raw::{RawActor, RawRecord};

pub use self::exec::exit;
pub use self::network::watched_socket;
pub(super) use crate::procfs::arguments;
use crate::procfs::text;
use crate::sys::clock::WallOffset;
use crate::sys::ring::Bytes;

/// What a path may be on its way to the coordinator: `PATH_MAX`.
const PATH_BYTES_MAX: usize = 4096;
/// `USER_HZ` is 100 on every architecture Linux has left.
const NS_PER_TICK: u64 = 10_000_000;

/// What every record begins with.
struct Head {
    kind: u16,
    flags: u16,
    pid: u32,
    time_ns: u64,
    start_ns: u64,
}

impl Head {
    fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        Some(Self {
            kind: bytes.u16()?,
            flags: bytes.u16()?,
            pid: bytes.u32()?,
            time_ns: bytes.u64()?,
            start_ns: bytes.u64()?,
        })
    }

    /// A datagram may reach a socket whose owner nobody knows.
    fn actor(&self) -> Option<RawActor> {
        (self.pid != 0).then_some(RawActor { pid: self.pid, start_ticks: Some(self.start_ns / NS_PER_TICK) })
    }
}

/// The type of a record that may be garbled otherwise; 0 where not even that can be read.
pub fn kind(bytes: &[u8]) -> u16 {
    Bytes::new(bytes).u16().unwrap_or(0)
}

pub fn record(bytes: &[u8], clock: WallOffset) -> Option<RawRecord> {
    let mut bytes = Bytes::new(bytes);
    let head = Head::read(&mut bytes)?;
    // By `enum record_type`: one line and one file for each.
    let kind = match head.kind {
        1 => exec::launch(&mut bytes, &head)?,
        2 => exec::fork(&mut bytes)?,
        3 => exit(bytes.u32()?),
        4 => network::flow(&mut bytes, &head)?,
        5 => file::change(&mut bytes)?,
        6 => module::load(&mut bytes)?,
        13 => network::unix(&mut bytes)?,
        7 => call::call(&mut bytes)?,
        8 => library::load(&mut bytes)?,
        _ => return None,
    };
    Some(RawRecord { time: clock.wall(head.time_ns), actor: head.actor(), kind })
}

/// As [`parts`], of which `whole` bytes there were. A path that lost its beginning starts with no `/`, so that it is
/// never taken for one below the root; then its whole length stands beside it.
fn parts_of(bytes: &[u8], whole: u32) -> (String, Option<u32>) {
    let path = parts(bytes);
    if bytes.len() >= whole as usize && path.len() <= PATH_BYTES_MAX {
        return (path, None);
    }
    // The last names say what it is; what travels has an end, and a cut in the middle of a name helps nobody.
    let mut from = path.len().saturating_sub(PATH_BYTES_MAX);
    while !path.is_char_boundary(from) {
        from += 1;
    }
    let kept = path[from..].split_once('/').map_or(&path[from..], |(_, rest)| rest);
    (kept.to_owned(), Some(whole))
}

/// Names from the last to the first, each closed by a NUL, to a path.
fn parts(bytes: &[u8]) -> String {
    let names: Vec<&[u8]> = bytes.split(|byte| *byte == 0).filter(|name| !name.is_empty()).collect();
    joined(names.into_iter().rev(), bytes.len())
}

fn joined<'a>(names: impl Iterator<Item = &'a [u8]>, len: usize) -> String {
    let mut path = Vec::with_capacity(len + 1);
    for name in names {
        path.push(b'/');
        path.extend_from_slice(name);
    }
    if path.is_empty() { "/".into() } else { text(&path) }
}

/// A caller's text below its base directory, with `.` and `..` taken out as written.
fn resolve(base: &[u8], written: &[u8]) -> String {
    let mut names: Vec<&[u8]> = base.split(|byte| *byte == 0).filter(|name| !name.is_empty()).collect();
    names.reverse();
    for name in until_nul(written).split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    joined(names.into_iter(), base.len() + written.len())
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    &bytes[..end]
}

/// The kernel's `major << 20 | minor` in the encoding that `stat` shows.
pub const fn user_dev(dev: u32) -> u64 {
    let (major, minor) = ((dev >> 20) as u64, (dev & 0xf_ffff) as u64);
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

/// The inverse of [`user_dev`].
pub const fn kernel_dev(dev: u64) -> u64 {
    let (major, minor) = ((dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xf_ff00));
    major << 20 | minor
}
