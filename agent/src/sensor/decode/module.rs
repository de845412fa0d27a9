//! Owns: records of kernel modules.
//! Never: other records.

use picket_model::raw::RawKind;

use super::parts;
use crate::sys::ring::Bytes;

pub fn load(bytes: &mut Bytes<'_>) -> Option<RawKind> {
    let result = bytes.u32()?.cast_signed();
    let len = bytes.u16()?;
    bytes.u16()?;
    let path = parts(bytes.take(len.into())?);
    let file = path.rsplit('/').next().unwrap_or_default();
    let name = file.split_once(".ko").map_or(file, |(name, _)| name).to_owned();
    // A descriptor that is not a file of its own (init_module has none) leaves the root's empty name.
    let path = if name.is_empty() { String::new() } else { path };
    Some(RawKind::ModuleLoad { name, path, loaded: result == 0 })
}
