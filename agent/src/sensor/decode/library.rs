//! Owns: records of files that were mapped to be executed.
//! Never: other records.

use picket_model::raw::RawKind;
use picket_model::{Activity, FileId, FileObject};

use super::{parts, user_dev};
use crate::sys::ring::Bytes;

pub fn load(bytes: &mut Bytes<'_>) -> Option<RawKind> {
    let [ino, size] = [bytes.u64()?, bytes.u64()?];
    let dev = bytes.u32()?;
    let mode = bytes.u16()?;
    let len = bytes.u16()?;
    let file = FileObject {
        path: parts(bytes.take(len.into())?),
        id: FileId { dev: user_dev(dev), ino },
        mode: mode.into(),
        size: Some(size),
        ..FileObject::default()
    };
    Some(RawKind::Plain(Box::new(Activity::LibraryLoad { file })))
}
