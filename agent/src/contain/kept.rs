//! Owns: what a file was apart from its bytes, and giving that back to it.
//! Never: where the file lies.

use std::ffi::CString;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use nix::sys::stat::{Mode, fchmod, futimens};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown};
use picket_model::process::Sha256;
use serde::{Deserialize, Serialize};

use crate::sys::inode;

/// Bytes of all attributes of one file: they go into one journal entry, as hexadecimal digits.
const XATTRS_MAX: usize = 64 * 1024;
/// Permission, set-id and sticky bits.
const MODE_BITS: u32 = 0o7777;

/// A file's identity and everything that it gets back when the act on it ends.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    pub path: PathBuf,
    pub dev: u64,
    pub ino: u64,
    pub size: u64,
    pub links: u64,
    pub sha256: Sha256,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Access and modification: seconds and nanoseconds.
    pub accessed: (i64, i64),
    pub modified: (i64, i64),
    /// Immutable and append-only bits.
    pub pinned: u32,
    pub xattrs: Vec<Xattr>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Xattr {
    /// Hexadecimal: neither names nor values need be text.
    pub name: String,
    pub value: String,
}

impl Kept {
    pub fn read(file: &File, path: PathBuf, sha256: Sha256) -> io::Result<Self> {
        let seen = file.metadata()?;
        let (mut xattrs, mut bytes) = (Vec::new(), 0);
        for name in inode::xattr_names(file)? {
            let Some(value) = inode::xattr(file, &name)? else { continue };
            bytes += name.as_bytes().len() + value.len();
            if bytes > XATTRS_MAX {
                return Err(io::Error::other(format!("its extended attributes have more than {XATTRS_MAX} bytes")));
            }
            xattrs.push(Xattr { name: hex::encode(name.as_bytes()), value: hex::encode(value) });
        }
        Ok(Self {
            path,
            dev: seen.dev(),
            ino: seen.ino(),
            size: seen.size(),
            links: seen.nlink(),
            sha256,
            mode: seen.mode() & MODE_BITS,
            uid: seen.uid(),
            gid: seen.gid(),
            accessed: (seen.atime(), seen.atime_nsec()),
            modified: (seen.mtime(), seen.mtime_nsec()),
            pinned: inode::pinned(file)?,
            xattrs,
        })
    }

    /// Whether this is the very file, by its inode.
    pub fn is(&self, seen: &Metadata) -> bool {
        (seen.dev(), seen.ino()) == (self.dev, self.ino)
    }

    /// Whether its content is as old and as long as it was.
    pub fn unwritten(&self, seen: &Metadata) -> bool {
        seen.size() == self.size && (seen.mtime(), seen.mtime_nsec()) == self.modified
    }

    /// All that it was; gives the names of the attributes that this filesystem would not take.
    pub fn give_back(&self, file: &File) -> io::Result<Vec<String>> {
        let refused = self.give_ownership(file)?;
        let time = |(seconds, nanoseconds)| TimeSpec::new(seconds, nanoseconds);
        futimens(file, &time(self.accessed), &time(self.modified))?;
        Ok(refused)
    }

    /// Owner, attributes and mode, in the order in which none undoes another: a new owner clears set-id bits and
    /// capabilities. Gives the names of the attributes that this filesystem would not take.
    pub fn give_ownership(&self, file: &File) -> io::Result<Vec<String>> {
        fchown(file, Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid)))?;
        // What the folder gives to every new file in it, such as rights of others.
        for name in inode::xattr_names(file)? {
            if !self.xattrs.iter().any(|own| own.name == hex::encode(name.as_bytes())) {
                let _ = inode::remove_xattr(file, &name);
            }
        }
        let mut refused = Vec::new();
        for Xattr { name, value } in &self.xattrs {
            let name = CString::new(hex::decode(name).map_err(io::Error::other)?)?;
            let value = hex::decode(value).map_err(io::Error::other)?;
            let there = inode::xattr(file, &name)?.is_some_and(|now| now == value);
            if !there && inode::set_xattr(file, &name, &value).is_err() {
                refused.push(name.to_string_lossy().into_owned());
            }
        }
        fchmod(file, Mode::from_bits_truncate(self.mode))?;
        Ok(refused)
    }
}

/// Nobody reads, writes or runs it, and its former owner cannot change that through a descriptor it still holds.
pub fn neutralise(file: &File) -> io::Result<()> {
    fchown(file, Some(Uid::from_raw(0)), Some(Gid::from_raw(0)))?;
    fchmod(file, Mode::empty())?;
    Ok(())
}
