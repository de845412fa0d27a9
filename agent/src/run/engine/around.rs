//! Owns: what one stage needs of another, handed through: the process table, the host's files and accounts, the sensor's map.
//! Never: an answer of its own.

use std::path::Path;
use std::sync::Arc;

use picket_model::process::Sha256;
use picket_model::{FileId, Process, ProcessKey};

use super::now;
use crate::accounts::Accounts;
use crate::contain::ExecDeny;
use crate::decide::Surroundings;
use crate::normalize::Normalizer;
use crate::procfs::{self, View};
use crate::run::system_files::{self, SystemFiles};
use crate::sensor::{ExecDenyMap, Source};

/// What decide may ask of the process table.
pub(super) struct Around<'a>(pub &'a Normalizer, pub &'a SystemFiles);

impl Surroundings for Around<'_> {
    fn process(&self, key: &ProcessKey) -> Option<Arc<Process>> {
        self.0.process(key)
    }

    fn running(&self, pid: u32) -> Option<Arc<Process>> {
        self.0.running(pid)
    }

    fn view(&self, key: &ProcessKey) -> View {
        procfs::view(key.pid, Some(key.start_ticks))
    }

    fn is_system_content(&self, sha256: &Sha256, acting: Option<&Process>) -> bool {
        let size = acting.filter(|process| process.exe_sha256 == Some(*sha256)).and_then(system_files::size_of);
        self.1.have(sha256, size)
    }

    fn account_guard(&self, user: &str) -> Option<&'static str> {
        let unknown = "the host's accounts cannot be read";
        Accounts::read(Path::new("/")).map_or(Some(unknown), |accounts| accounts.guard(user, now().as_millis() / 1000))
    }
}

/// The sensor's kernel map as containment knows it.
struct KernelDeny(Box<dyn ExecDenyMap>);

impl ExecDeny for KernelDeny {
    fn insert(&mut self, file: FileId) -> Result<(), String> {
        self.0.insert(file).map_err(|error| error.to_string())
    }

    fn remove(&mut self, file: FileId) -> Result<(), String> {
        self.0.remove(file).map_err(|error| error.to_string())
    }
}

pub(super) fn exec_deny(source: &mut dyn Source) -> Option<Box<dyn ExecDeny>> {
    source.exec_deny().map(|map| Box::new(KernelDeny(map)) as Box<dyn ExecDeny>)
}
