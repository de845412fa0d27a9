//! Owns: the file of the key that signs heads.
//! Never: any other key.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use picket_policy::keys::{self, SigningKey};

use super::AuditLogError;

pub const KEY_FILE: &str = "audit.key";
/// What auditors get: `picket audit verify --key` reads it.
pub const PUBLIC_KEY_FILE: &str = "audit.pub";

/// Reads the key of `dir`, or makes one where there is none; for its owner only. The public half lies beside it.
pub fn open_key(dir: &Path) -> Result<SigningKey, AuditLogError> {
    let key = read_or_make(dir)?;
    let path = dir.join(PUBLIC_KEY_FILE);
    let text = keys::public_to_pem(&key.verifying_key());
    let text = text.map_err(|error| AuditLogError::KeyText { path: path.clone(), error })?;
    if fs::read(&path).is_ok_and(|present| present == text.as_bytes()) {
        return Ok(key);
    }
    match write_whole(&path, text.as_bytes(), 0o644) {
        Ok(()) => Ok(key),
        Err(error) => Err(AuditLogError::KeyFile { path, error }),
    }
}

fn read_or_make(dir: &Path) -> Result<SigningKey, AuditLogError> {
    let path = dir.join(KEY_FILE);
    let failed = |error| AuditLogError::KeyFile { path: path.clone(), error };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return make(path),
        Err(error) => return Err(failed(error)),
    };
    let mode = fs::metadata(&path).map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(AuditLogError::KeyMode { path, mode });
    }
    keys::private_from_pem(&text).map_err(|error| AuditLogError::KeyText { path, error })
}

fn make(path: PathBuf) -> Result<SigningKey, AuditLogError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| AuditLogError::Random(error.to_string()))?;
    let key = keys::generate(seed);
    let pem = keys::private_to_pem(&key).map_err(|error| AuditLogError::KeyText { path: path.clone(), error })?;
    write_whole(&path, pem.as_bytes(), 0o600).map_err(|error| AuditLogError::KeyFile { path, error })?;
    Ok(key)
}

/// The name appears only once the content is durable: a crash leaves a whole key or none.
fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let draft = path.with_added_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(mode).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}
