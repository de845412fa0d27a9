//! Owns: one coordinator per state directory, and naming the other where there are two.
//! Never: waiting for the other to end.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::StoreError;
use super::database::io_error;

/// The name in the file is for people; more than this is not one that we wrote.
const NAME_BYTES_MAX: u64 = 256;

/// Held as long as it lives. The kernel lets go when the process ends, however it ends.
pub(super) struct DirLock {
    _file: File,
}

impl DirLock {
    pub(super) fn take(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("lock");
        let failed = |error| io_error(&path, &error);
        // Not truncated: until the lock is ours, the content names its owner.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse { dir: dir.to_path_buf(), by: owner(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).map_err(failed)?;
        file.write_all(own_name().as_bytes()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn own_name() -> String {
    let command = fs::read_to_string("/proc/self/comm").unwrap_or_default();
    format!("process {} ({})", std::process::id(), command.trim())
}

fn owner(file: &mut File) -> String {
    let mut name = String::new();
    match file.take(NAME_BYTES_MAX).read_to_string(&mut name) {
        Ok(1..) => name,
        _ => "another process".to_owned(),
    }
}
