//! Owns: the wiring of the coordinator's stages.
//! Never: a stage's work.

mod answers;
mod brain;
mod case;
mod chatter;
mod desk;
mod earlier;
mod fields;
mod halt;
mod inbox;
mod lists;
mod look;
mod on_watch;
mod orders;
mod pending;
mod questions;
mod quorum;
mod recovery;
mod remedy;
mod rollout;
mod rows;
mod secrets;
mod service;
mod simulated;
mod spent;
#[cfg(test)]
mod tests;
mod todo;
mod whole_estate;
mod work;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use crate::api::Refused;
use crate::audit::AuditLog;
use crate::config::Config;
use crate::identity::Ca;
use crate::store::{EVENT_BYTES_MAX, EventLog, RedbStore, StateStore};
use crate::{api, ingest};
use desk::{Desk, Parts, now};
use inbox::Desks;

/// At ten thousand events a second the log grows by some 2 GiB meanwhile, which is the room it has above its size.
const PRUNE_EVERY: Duration = Duration::from_secs(600);

/// Serves agents and people until a signal asks it to stop.
pub fn run(config: &Config) -> anyhow::Result<()> {
    make_state_dir(&config.state_dir)?;
    let store = Arc::new(RedbStore::open(&config.state_dir)?);
    let (log, state): (Arc<dyn EventLog>, Arc<dyn StateStore>) = (Arc::clone(&store) as _, Arc::clone(&store) as _);
    let ca = Arc::new(Ca::open(&config.state_dir.join("ca"), now())?);
    let audit = Arc::new(AuditLog::open(Arc::clone(&state), crate::audit::open_key(&config.state_dir)?)?);
    let policy_key = secrets::policy_key(config)?;
    secrets::api_token(config, &*state)?;

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // Both addresses are taken before anything is told to anybody.
        let endpoint = ingest::listen(config.listen, &ca, now())?;
        let listener = api::listen(config.api).await?;
        let bound = endpoint.local_addr().context("the QUIC endpoint has no address")?;
        let wake = brain::Wake::default();
        let desk = Desk::open(Parts {
            advertised: config.advertised(bound),
            ca: Arc::clone(&ca),
            log: Arc::clone(&log),
            state: Arc::clone(&state),
            audit,
            policy_key: policy_key.public,
            lists: lists::Lists::open(&config.state_dir).context("cannot make the folder of indicator lists")?,
            limits: config.rollout,
            wake: wake.clone(),
        })?;
        first_bundle(&desk, &policy_key)?;
        let brain = brain::start(Arc::clone(&desk), wake)?;

        let services = ingest::Services {
            ca,
            log,
            state,
            inbox: Arc::new(Desks(Arc::clone(&desk))),
            limits: ingest::Limits::default(),
        };
        tracing::info!(agents = %bound, api = %config.api, "serving");
        let stop = stopped()?;
        tokio::select! {
            // It ends when it is asked to stop, once every session was told.
            () = ingest::serve(endpoint, services, desk.sessions.clone(), stop) => {}
            () = prune(store, Arc::clone(&desk)) => {}
            done = api::serve(listener, Arc::clone(&desk) as _) => done.context("the API ended")?,
        }
        brain.stop();
        Ok(())
    })
}

/// Prints the audit log of a coordinator that does not run.
pub fn audit_export(config: &Config) -> anyhow::Result<()> {
    let store = RedbStore::open(&config.state_dir)?;
    crate::audit::export(&store, &mut std::io::stdout().lock())?;
    Ok(())
}

/// Keeps the event log within its size; that records go is on the record before they do, and none goes that was not
/// worked through.
async fn prune(store: Arc<RedbStore>, desk: Arc<Desk>) {
    let mut due = tokio::time::interval(PRUNE_EVERY);
    loop {
        due.tick().await;
        let (store, desk) = (Arc::clone(&store), Arc::clone(&desk));
        let work = move || -> Result<(), Refused> {
            let (held, place) = (store.retained()?, desk.place()?);
            if held.bytes <= EVENT_BYTES_MAX || held.first >= place {
                return Ok(());
            }
            let excess = held.bytes - EVENT_BYTES_MAX;
            let detail =
                format!("the oldest {excess} bytes, from record {} on: the log has reached its size", held.first);
            desk.record("coordinator", "events pruned", &held.first.to_string(), &detail)?;
            let pruned = store.prune_to(EVENT_BYTES_MAX, place)?;
            tracing::info!(records = pruned.records, bytes = pruned.bytes, "events pruned");
            Ok(())
        };
        if let Ok(Err(error)) = tokio::task::spawn_blocking(work).await {
            tracing::error!(%error, "the event log could not be pruned");
        }
    }
}

/// A new estate begins under a careful bundle.
fn first_bundle(desk: &Desk, key: &secrets::PolicyKey) -> anyhow::Result<()> {
    if desk.policy().is_some() {
        return Ok(());
    }
    let Some(bytes) = secrets::first_bundle(key, now())? else { return Ok(()) };
    desk.order_policy("coordinator", &bytes).map_err(|refused| anyhow::anyhow!("the first bundle: {refused}"))?;
    Ok(())
}

fn make_state_dir(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make the state directory {}", path.display()))
}

/// Ends when a signal asks to stop; the handlers stand before it is waited for.
fn stopped() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    })
}
