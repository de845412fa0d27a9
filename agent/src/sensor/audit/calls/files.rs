//! Owns: changes of a file's mode, owner and attributes, and opened block devices, from the call that did it.
//! Never: asking the file's own file system, which may be another host or somebody's program, and never answer.

use nix::libc;
use picket_model::raw::RawKind;
use picket_model::{FileActivity, FileId};

use super::{Call, PATH, looks, names};
use crate::sensor::audit::record::Fields;

/// `AT_FDCWD`, as a register of 32 bits holds it.
const WORKING_DIRECTORY: u64 = 0xffff_ff9c;
const TYPE: u32 = 0o170_000;
const PERMISSIONS: u64 = 0o7777;

impl Call<'_> {
    /// `path` is empty where neither the record nor the process can say it.
    pub(super) fn file(&self, name: &str) -> Option<RawKind> {
        let (what, how) = name.split_once('_').unwrap_or((name, ""));
        let activity = match what {
            "mode" => FileActivity::SetMode,
            "owner" => FileActivity::SetOwner,
            "raw" => FileActivity::RawAccess,
            _ => FileActivity::SetAttributes,
        };
        // Of a path there is the directory's record too; the thing itself is the last.
        let item = self.whole.each(PATH).filter(|fields| fields.get("nametype") != Some(b"PARENT")).last()?;
        let said = item.text("name").filter(|name| name != "(null)");
        let descriptor = self.argument(0)? & 0xffff_ffff;
        let path = match (how, said) {
            ("at", Some(name)) if descriptor != WORKING_DIRECTORY && !name.starts_with('/') => {
                looks::opened(self.pid, descriptor).map(|directory| names::absolute(&directory, &name))
            }
            ("fd", _) | (_, None) => looks::opened(self.pid, descriptor),
            (_, Some(name)) => Some(names::absolute(&self.cwd(), &name)),
        };
        let before = item.get("mode").and_then(octal).unwrap_or_default();
        let asked = match how {
            "at" => self.argument(2),
            _ => self.argument(1),
        };
        let mode = match asked {
            Some(asked) if what == "mode" => before & TYPE | u32::try_from(asked & PERMISSIONS).unwrap_or_default(),
            _ => before,
        };
        Some(RawKind::File {
            activity,
            path: path.unwrap_or_default(),
            old_path: None,
            id: id(item)?,
            mode,
            size: None,
            path_bytes: None,
        })
    }
}

fn octal(text: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(text).ok()?, 8).ok()
}

/// `inode=123 dev=fd:01`, the device in hexadecimal digits.
fn id(item: Fields<'_>) -> Option<FileId> {
    let (major, minor) = std::str::from_utf8(item.get("dev")?).ok()?.split_once(':')?;
    let number = |text| u32::from_str_radix(text, 16).ok();
    Some(FileId { dev: libc::makedev(number(major)?, number(minor)?), ino: item.number("inode")? })
}
