//! Owns: records of files.
//! Never: other records.

use picket_model::raw::RawKind;
use picket_model::{FileActivity, FileId};

use super::{parts, parts_of, resolve, user_dev};
use crate::sys::ring::Bytes;

pub fn change(bytes: &mut Bytes<'_>) -> Option<RawKind> {
    let [ino, size] = [bytes.u64()?, bytes.u64()?];
    let dev = bytes.u32()?;
    let mode = bytes.u16()?;
    let activity = match bytes.u8()? {
        1 => FileActivity::Create,
        2 => FileActivity::Write,
        3 => FileActivity::Rename,
        4 => FileActivity::Delete,
        5 => FileActivity::SetMode,
        6 => FileActivity::Read,
        7 => FileActivity::SetOwner,
        8 => FileActivity::SetAttributes,
        9 => FileActivity::RawAccess,
        _ => return None,
    };
    let form = bytes.u8()?;
    let lengths = [bytes.u16()?, bytes.u16()?, bytes.u16()?, bytes.u16()?];
    let whole = bytes.u32()?;
    bytes.u32()?;
    let mut part = [&[][..]; 4];
    for (slot, len) in part.iter_mut().zip(lengths) {
        *slot = bytes.take(len.into())?;
    }
    let by_object = form == 0;
    let (path, path_bytes) = match by_object {
        true => parts_of(part[0], whole),
        false => (resolve(part[0], part[1]), None),
    };
    Some(RawKind::File {
        activity,
        path,
        old_path: match by_object {
            true => (!part[1].is_empty()).then(|| parts(part[1])),
            false => (!part[3].is_empty()).then(|| resolve(part[2], part[3])),
        },
        id: FileId { dev: user_dev(dev), ino },
        mode: mode.into(),
        size: (by_object && activity != FileActivity::Rename && activity != FileActivity::Delete).then_some(size),
        path_bytes,
    })
}
