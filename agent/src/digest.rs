//! Owns: the SHA-256 of an open file, for every part that compares contents.
//! Never: opening it; whoever holds it knows which file it is.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use picket_model::Sha256;
use sha2::Digest;

/// Read at once while hashing: large enough that calls cost nothing, small enough for a thread's stack.
const CHUNK: usize = 64 * 1024;

/// The digest of the file's bytes. `None` where it has more than `limit` of them or `until` passes first.
pub fn digest(file: &File, limit: u64, until: Option<Instant>) -> io::Result<Option<Sha256>> {
    let (mut hash, mut offset) = (sha2::Sha256::new(), 0);
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = match file.read_at(&mut buffer, offset) {
            Ok(0) => return Ok(Some(Sha256(hash.finalize().into()))),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(buffer.get(..read).unwrap_or_default());
        offset += read as u64;
        if offset > limit || until.is_some_and(|end| Instant::now() > end) {
            return Ok(None);
        }
    }
}
