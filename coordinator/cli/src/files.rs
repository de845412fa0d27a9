//! Owns: reading files that the reader names, within a limit, and writing new ones that nobody else may read.
//! Never: overwriting anything.

use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::failure::Failure;

/// The whole file as text; longer than `limit` bytes is an error, whatever the file claims its length to be.
pub fn read_text(path: &Path, limit: u64) -> Result<String, Failure> {
    String::from_utf8(read(path, limit)?)
        .map_err(|_| Failure::usage(format!("{} is no text in UTF-8", path.display()), "is it the right file?"))
}

pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let failure = |cause| Failure::File { what: "read", path: path.display().to_string(), cause };
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(failure)?.take(limit + 1).read_to_end(&mut bytes).map_err(failure)?;
    if bytes.len() as u64 > limit {
        return Err(Failure::usage(
            format!("{} is longer than {limit} bytes", path.display()),
            "is it the right file?",
        ));
    }
    Ok(bytes)
}

/// A file that is not there yet, with this mode from its first moment, durable before this returns.
pub fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let failure = |cause: std::io::Error| match cause.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::failed(
            format!("{} is there already; it is not overwritten", path.display()),
            "choose another name, or remove it first",
        ),
        _ => Failure::File { what: "write", path: path.display().to_string(), cause },
    };
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failure)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failure)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::{read, write_new};

    #[test]
    fn nothing_is_overwritten_and_the_mode_holds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write_new(&path, b"one", 0o600).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let refused = write_new(&path, b"two", 0o600).unwrap_err();
        assert!(refused.to_string().contains("not overwritten"), "{refused}");
        assert_eq!(read(&path, 3).unwrap(), b"one");
        assert_eq!(read(&path, 2).unwrap_err().exit_code(), 2);
    }
}
