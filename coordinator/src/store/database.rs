//! Owns: opening one redb file, its durability, and redb's errors in our words.
//! Never: what the tables mean.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use redb::{Builder, Database, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::StoreError;

/// Named numbers of a file: its format, and the event log's counters.
pub(super) const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const FORMAT_KEY: &str = "format";
const FORMAT: u64 = 1;

/// How a file is opened, and what a person can do when it is damaged.
pub(super) struct Opening {
    pub(super) path: PathBuf,
    pub(super) cache_bytes: usize,
    /// A larger file is not read through at opening.
    pub(super) check_bytes_max: u64,
    pub(super) remedy: &'static str,
}

pub(super) struct Base {
    database: Database,
    path: PathBuf,
    remedy: &'static str,
}

impl Base {
    pub(super) fn open(opening: Opening) -> Result<Self, StoreError> {
        let Opening { path, cache_bytes, check_bytes_max, remedy } = opening;
        let bytes = make_private(&path).map_err(|error| io_error(&path, &error))?;
        let mut builder = Builder::new();
        // redb trusts a file that was closed in order; the check finds what changed it since.
        builder.set_cache_size(cache_bytes).set_check_integrity_on_open(bytes <= check_bytes_max);
        match builder.create(&path) {
            Ok(database) => {
                let base = Self { database, path, remedy };
                base.check_format()?;
                Ok(base)
            }
            Err(error) => Err(told(&path, remedy, error.into())),
        }
    }

    #[cfg(test)]
    pub(super) fn in_memory(backend: impl redb::StorageBackend) -> Self {
        let database = Builder::new().create_with_backend(backend).unwrap();
        Self { database, path: PathBuf::from("memory"), remedy: "" }
    }

    /// A write whose commit survives a power cut and an attacker's bytes: two phases, because rows hold what hosts
    /// sent, with the allocator's state beside them, so that opening after a crash takes no walk through the file.
    pub(super) fn write(&self) -> Result<WriteTransaction, StoreError> {
        let mut transaction = self.database.begin_write().map_err(|error| self.told(error))?;
        transaction.set_two_phase_commit(true);
        transaction.set_quick_repair(true);
        Ok(transaction)
    }

    pub(super) fn read(&self) -> Result<ReadTransaction, StoreError> {
        self.database.begin_read().map_err(|error| self.told(error))
    }

    pub(super) fn told(&self, error: impl Into<redb::Error>) -> StoreError {
        told(&self.path, self.remedy, error.into())
    }

    fn check_format(&self) -> Result<(), StoreError> {
        let transaction = self.write()?;
        let found = {
            let mut meta = transaction.open_table(META).map_err(|error| self.told(error))?;
            let found = meta.get(FORMAT_KEY).map_err(|error| self.told(error))?.map(|row| row.value());
            if found.is_none() {
                meta.insert(FORMAT_KEY, FORMAT).map_err(|error| self.told(error))?;
            }
            found
        };
        match found {
            None => transaction.commit().map_err(|error| self.told(error)),
            Some(FORMAT) => Ok(()),
            Some(found) => Err(StoreError::Format { path: self.path.clone(), found, known: FORMAT }),
        }
    }
}

/// Makes the file where there is none, for its owner only, and returns its length.
fn make_private(path: &Path) -> std::io::Result<u64> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if let Some(dir) = path.parent() {
        // The name must be as durable as what will be acknowledged out of the file.
        File::open(dir)?.sync_all()?;
    }
    Ok(file.metadata()?.len())
}

pub(super) fn make_dir(dir: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| io_error(dir, &error))
}

pub(super) fn io_error(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Backend(format!("{}: {error}", path.display()))
}

fn told(path: &Path, remedy: &'static str, error: redb::Error) -> StoreError {
    let damaged = |what: String| StoreError::Damaged { path: path.to_path_buf(), what, remedy };
    match error {
        redb::Error::Corrupted(what) => damaged(what),
        redb::Error::Io(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
            damaged(error.to_string())
        }
        redb::Error::DatabaseAlreadyOpen => StoreError::InUse {
            dir: path.to_path_buf(),
            by: "a program that reads the file itself, such as a backup".to_owned(),
        },
        redb::Error::PreviousIo => StoreError::Backend(format!(
            "{}: an earlier write failed, so nothing more is written until the coordinator restarts",
            path.display()
        )),
        error => StoreError::Backend(format!("{}: {error}", path.display())),
    }
}
