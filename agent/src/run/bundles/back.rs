//! Owns: going back to the bundle before, where the one in force is damaged, gone, or ends the agent.
//! Never: a bundle that does not verify, or that has not proved good.

use std::path::Path;

use anyhow::Context;
use picket_policy::{Bundle, Verified};

use super::Keeper;
use crate::run::status;
use crate::whole;

/// The last bundle that has proved good, beside the one in force.
const BEFORE: &str = "before";

/// What lies on disk as a bundle.
pub enum OnDisk {
    Nothing,
    Good(Box<Verified>),
    /// Why it does not verify.
    Damaged(String),
}

impl Keeper {
    /// A bundle on disk that does not verify is damage or tampering: it is said, kept aside, not used.
    pub(super) fn read(&self, path: &Path) -> OnDisk {
        let verified = match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return OnDisk::Nothing,
            Err(error) => Err(error.to_string()),
            Ok(bytes) => picket_policy::verify(&bytes, &self.checker.trusted).map_err(|error| error.to_string()),
        };
        verified.map_or_else(
            |why| {
                let aside = std::fs::rename(path, path.with_extension("refused")).map_err(|error| error.to_string());
                tracing::error!(why, path = %path.display(), ?aside, "the kept bundle does not verify and is set aside");
                OnDisk::Damaged(why)
            },
            |verified| OnDisk::Good(Box::new(verified)),
        )
    }

    /// The agent ended with it too often: the one before it is in force again, or none.
    pub(super) fn leave_behind(&mut self, bundle: &Bundle) -> anyhow::Result<()> {
        let path = &self.checker.path;
        std::fs::rename(path, path.with_extension("left"))
            .with_context(|| format!("cannot set {} aside", path.display()))?;
        let instead = self.go_back();
        let Bundle { name, version, .. } = bundle;
        self.left = Some(format!("{name} version {version}: {}; {instead}", status::LEFT));
        Ok(())
    }

    /// What was in force is no bundle any more.
    pub(super) fn do_without(&mut self, why: &str) {
        let instead = self.go_back();
        self.left = Some(format!("{} ({why}); {instead}", status::DAMAGED));
    }

    /// There is none: as on a host that never had one, unless there was one before.
    pub(super) fn miss(&mut self) {
        if self.checker.path.with_extension(BEFORE).exists() {
            self.do_without("it is gone");
        }
    }

    /// The one before is in force again, where there is one that is whole; says so.
    fn go_back(&mut self) -> String {
        let path = self.checker.path.clone();
        let OnDisk::Good(verified) = self.read(&path.with_extension(BEFORE)) else {
            return "no bundle is in force: this host tells, and contains nothing".to_owned();
        };
        // A full disk must not keep the agent from starting: the next start finds the one before as this one did.
        if let Err(error) = whole::write(&path, &verified.bytes) {
            tracing::error!(%error, path = %path.display(), "the bundle before is in force and could not be put in place");
        }
        let said = format!("{} version {} is in force again", verified.bundle.name, verified.bundle.version);
        self.take(*verified);
        said
    }

    /// The bundle in force stays on disk under another name, as the one to come back to.
    pub(super) fn keep_before(&self) -> std::io::Result<()> {
        let (path, before) = (&self.checker.path, self.checker.path.with_extension(BEFORE));
        let part = before.with_extension("part");
        let _ = std::fs::remove_file(&part);
        std::fs::hard_link(path, &part)?;
        std::fs::rename(&part, &before)
    }
}
