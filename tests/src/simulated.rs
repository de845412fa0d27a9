//! Owns: an enrolled agent without a sensor, whose records the test makes: for measurements, and for a host that lies.
//! Never: a false link: identity, spool and session are the agent's own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use picket_agent::report::{Downlink, Identity, Spool, Uplink};
use picket_model::{HostFacts, HostId, HostStatus, Tier};

use crate::estate::Estate;
use crate::eventually;

pub struct Simulated {
    pub folder: tempfile::TempDir,
}

impl Simulated {
    pub fn enrol(estate: &Estate, name: &str) -> Result<Self> {
        let token = estate.picket(&["token", "--ttl", "10m"])?;
        Self::enrol_with(token.trim(), name)
    }

    pub fn enrol_with(token: &str, name: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let facts = HostFacts { hostname: name.into(), ..Default::default() };
        // The coordinator slows a crowd from one address down on purpose: those it turned away come again.
        let enrolled =
            eventually(Duration::from_secs(60), || picket_agent::report::enrol(token, &facts, folder.path()).ok());
        if enrolled.is_none() {
            bail!("{name} could not enrol");
        }
        Ok(Self { folder })
    }

    pub fn host(&self) -> Result<HostId> {
        Ok(Identity::load(self.folder.path()).context("it is enrolled")?.host())
    }

    pub fn start(&self, spool: Spool) -> Result<Uplink> {
        let (uplink, receiver) = self.start_listening(spool)?;
        std::thread::spawn(move || for _ in receiver {});
        Ok(uplink)
    }

    /// With what the coordinator says, which somebody must go on taking.
    pub fn start_listening(&self, spool: Spool) -> Result<(Uplink, Receiver<Downlink>)> {
        let identity = Identity::load(self.folder.path())?;
        let host = identity.host();
        let status = move || HostStatus::new(host, HostFacts::default(), Tier::Tracing);
        let (sender, receiver) = sync_channel(16);
        Ok((Uplink::start(identity, spool, Arc::new(status), sender)?, receiver))
    }
}
