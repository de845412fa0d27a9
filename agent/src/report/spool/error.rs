//! Owns: why a record could not be spooled, in words.
//! Never: what is done about it.

use std::io;
use std::path::PathBuf;

use picket_model::Lane;
use thiserror::Error;

use crate::room;

#[derive(Debug, Error)]
pub enum SpoolError {
    #[error("spool {path}: {error}; check that the disk has room and the directory belongs to the agent")]
    Io { path: PathBuf, error: io::Error },
    #[error("spool is full: the record of lane {} was shed and counted", .0.word())]
    Shed(Lane),
}

impl SpoolError {
    /// The disk is full.
    pub(super) fn is_short(&self) -> bool {
        matches!(self, Self::Io { error, .. } if room::is_short(error))
    }
}
