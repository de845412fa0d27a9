//! Owns: bytes of a fanotify group to notices: what was done, by whom, in which directory and to which name.
//! Never: resolving a directory; it is a handle here.

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::sys::ring::Bytes;

/// `struct fanotify_event_metadata` of the only version there has been for fifteen years.
const METADATA_VERSION: u8 = 3;
const METADATA_BYTES: u16 = 24;
const OBJECT: u8 = 1;
const NAMED_DIRECTORY: u8 = 2;
const OLD_NAMED_DIRECTORY: u8 = 10;
const NEW_NAMED_DIRECTORY: u8 = 12;

/// A directory as the kernel names it for ever, whatever becomes of its path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Directory {
    pub filesystem: [u8; 8],
    pub kind: i32,
    pub handle: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    pub directory: Directory,
    pub name: OsString,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    pub mask: u64,
    pub pid: u32,
    /// The new one after a rename; `None` where the queue ran over.
    pub place: Option<Place>,
    /// The one before a rename.
    pub old: Option<Place>,
    /// The very thing at `place`, where the kernel says it.
    pub object: Option<Directory>,
}

/// The notices of one read, and whether all of it could be understood.
pub fn parse(mut bytes: &[u8]) -> (Vec<Notice>, bool) {
    let mut notices = Vec::new();
    while !bytes.is_empty() {
        let Some((notice, rest)) = notice(bytes) else { return (notices, false) };
        notices.push(notice);
        bytes = rest;
    }
    (notices, true)
}

fn notice(all: &[u8]) -> Option<(Notice, &[u8])> {
    let mut bytes = Bytes::new(all);
    let len = usize::try_from(bytes.u32()?).ok()?;
    let version = bytes.u8()?;
    bytes.u8()?;
    let metadata = bytes.u16()?;
    let mask = bytes.u64()?;
    bytes.u32()?;
    let pid = bytes.u32()?;
    if version != METADATA_VERSION || metadata < METADATA_BYTES {
        return None;
    }
    let (own, rest) = all.split_at_checked(len)?;
    let mut notice = Notice { mask, pid, place: None, old: None, object: None };
    let mut infos = own.get(usize::from(metadata)..)?;
    while !infos.is_empty() {
        let mut head = Bytes::new(infos);
        let kind = head.u8()?;
        head.u8()?;
        let len = usize::from(head.u16()?);
        let (info, next) = infos.split_at_checked(len.max(4))?;
        infos = next;
        match kind {
            NAMED_DIRECTORY | NEW_NAMED_DIRECTORY => notice.place = Some(place(&info[4..])?),
            OBJECT => notice.object = Some(handle(&mut Bytes::new(&info[4..]))?),
            OLD_NAMED_DIRECTORY => notice.old = Some(place(&info[4..])?),
            _ => {}
        }
    }
    Some((notice, rest))
}

fn place(bytes: &[u8]) -> Option<Place> {
    let mut bytes = Bytes::new(bytes);
    let directory = handle(&mut bytes)?;
    let mut name = Vec::new();
    while let Some(byte) = bytes.u8().filter(|byte| *byte != 0) {
        name.push(byte);
    }
    Some(Place { directory, name: OsString::from_vec(name) })
}

fn handle(bytes: &mut Bytes<'_>) -> Option<Directory> {
    let filesystem = bytes.array()?;
    let len = usize::try_from(bytes.u32()?).ok()?;
    let kind = bytes.u32()?.cast_signed();
    Some(Directory { filesystem, kind, handle: bytes.take(len)?.to_vec() })
}
