//! Owns: the wiring of the agent's stages: sensor, normalize, detect, decide, contain, report.
//! Never: a stage's work.

mod bundles;
mod engine;
mod hunt;
mod ids;
mod lock;
mod release;
mod status;
mod system_files;
mod witnesses;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use picket_model::raw::RawRecord;
use picket_model::{HostId, HostStatus};

use crate::config::Config;
use crate::facts;
use crate::report::{Downlink, Identity, Spool, SpoolError, SpoolLimits, Uplink};
use crate::sensor::{self, SensorOptions, Source};
use engine::Engine;
use status::Shared;

pub use release::release;
pub use status::status;

/// Batches between sensor and detection: when they are not taken the kernel's rings fill, and their drops are counted.
const BATCHES_MAX: usize = 64;
/// How long one wait for the kernel's rings may last; stopping takes no longer.
const SENSOR_WAIT: Duration = Duration::from_millis(500);
/// Leases, losses and the status are looked after this often.
const TICK: Duration = Duration::from_millis(250);

/// What wakes the engine.
// A few dozen wait at most; a box for each message of the uplink would gain nothing.
#[allow(clippy::large_enum_variant)]
enum Input {
    Records(Vec<RawRecord>),
    Downlink(Downlink),
    SensorEnded(String),
}

/// Enrols this host; the join token says where and with whom.
pub fn enrol(config: &Config, token: &str) -> anyhow::Result<HostId> {
    std::fs::create_dir_all(&config.state_dir)
        .with_context(|| format!("cannot make the state directory {}", config.state_dir.display()))?;
    Ok(crate::report::enrol(token, &facts::host_facts(), &config.state_dir)?)
}

/// Watches, detects and contains until a signal asks it to stop.
pub fn run(config: &Config) -> anyhow::Result<()> {
    let _alone = lock::take(&config.state_dir)?;
    let stop = stop_flag()?;
    let identity = Identity::load(&config.state_dir)?;
    let keeper = bundles::Keeper::open(&config.state_dir, identity.policy_key())?;
    let told_until = Spool::last_urgent(&config.state_dir.join("spool"));
    let spool = open_spool(config)?;

    let mut source = sensor::open(&options(config, &keeper))?;
    let shared = Shared::new(identity.host(), source.tier(), source.blind_spots());
    tracing::info!(tier = source.tier().word(), host = %identity.host(), "watching");
    let mut engine = Engine::open(config, &identity, keeper, spool.clone(), &mut *source, Arc::clone(&shared))?;
    engine.tell_again(told_until);

    let (inputs, engine_inputs) = sync_channel(BATCHES_MAX);
    let sensor_thread = start_sensor(source, inputs.clone(), Arc::clone(&stop))?;
    let (down, downlinks) = sync_channel(BATCHES_MAX);
    start_forwarding(downlinks, inputs)?;
    let reading = Arc::clone(&shared);
    let status: Arc<dyn Fn() -> HostStatus + Send + Sync> = Arc::new(move || reading.current());
    let uplink = Uplink::start(identity, spool, status, down)?;

    let result = serve(&mut engine, &engine_inputs, &uplink, &stop);
    stop.store(true, Ordering::SeqCst);
    match &result {
        Ok(()) => engine.stopped("asked to by a signal"),
        Err(error) => engine.stopped(&format!("{error:#}")),
    }
    uplink.stop();
    // Whatever the sensor still holds back cannot be taken any more; the channel's end lets it go.
    drop(engine_inputs);
    let _ = sensor_thread.join();
    result
}

fn serve(engine: &mut Engine, inputs: &Receiver<Input>, uplink: &Uplink, stop: &AtomicBool) -> anyhow::Result<()> {
    let mut due = Instant::now();
    while !stop.load(Ordering::SeqCst) {
        match inputs.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(Input::Records(records)) => engine.records(records),
            Ok(Input::Downlink(message)) => answer(engine, message, uplink),
            Ok(Input::SensorEnded(why)) => anyhow::bail!("the sensor ended: {why}"),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!("the sensor and the uplink are gone"),
        }
        if Instant::now() >= due {
            due = Instant::now() + TICK;
            if engine.tick() {
                uplink.beat();
            }
        }
    }
    Ok(())
}

fn answer(engine: &mut Engine, message: Downlink, uplink: &Uplink) {
    match message {
        Downlink::Bundle(bytes) => {
            let (version, accepted, detail) = engine.bundle(&bytes);
            uplink.answer_bundle(version, accepted, detail);
            uplink.beat();
        }
        Downlink::Command { id, command } => {
            let (taken, detail) = engine.command(command);
            uplink.answer_command(id, taken, detail);
            uplink.beat();
        }
        Downlink::AuditHead(bytes) => engine.witness(&bytes),
        Downlink::Connected => tracing::info!("connected to the coordinator"),
        Downlink::Disconnected => tracing::warn!("no connection to the coordinator; defending alone, spooling"),
    }
}

fn open_spool(config: &Config) -> Result<Spool, SpoolError> {
    let limits = config.spool_bytes_max.map(|bytes_max| SpoolLimits { bytes_max, ..SpoolLimits::default() });
    Spool::open(&config.state_dir.join("spool"), limits.unwrap_or_default())
}

fn options(config: &Config, keeper: &bundles::Keeper) -> SensorOptions {
    let mut options = SensorOptions { force: config.tier, ..SensorOptions::default() };
    if let Some(watch_read) = keeper.watch_read() {
        options.watch_read = watch_read;
    }
    if let Some(auth_logs) = &config.auth_logs {
        options.auth_logs.clone_from(auth_logs);
    }
    options
}

fn start_sensor(
    mut source: Box<dyn Source>,
    inputs: SyncSender<Input>,
    stop: Arc<AtomicBool>,
) -> anyhow::Result<thread::JoinHandle<()>> {
    let work = move || {
        while !stop.load(Ordering::SeqCst) {
            let input = match source.next(SENSOR_WAIT) {
                Ok(records) if records.is_empty() => continue,
                Ok(records) => Input::Records(records),
                Err(error) => Input::SensorEnded(error.to_string()),
            };
            let ended = matches!(input, Input::SensorEnded(_));
            if inputs.send(input).is_err() || ended {
                return;
            }
        }
    };
    Ok(thread::Builder::new().name("sensor".into()).spawn(work)?)
}

/// One queue wakes the engine; what the uplink brings joins it here.
fn start_forwarding(downlinks: Receiver<Downlink>, inputs: SyncSender<Input>) -> anyhow::Result<()> {
    let work = move || {
        for message in downlinks {
            if inputs.send(Input::Downlink(message)).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("downlink".into()).spawn(work)?;
    Ok(())
}

fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&flag)).context("cannot handle signals")?;
    }
    Ok(flag)
}

/// Writes a file so that a crash leaves the old one or the new one, never half of either.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let new = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::File::open(folder)?.sync_all()
}

/// A lock whose holder panicked still guards whole values: each is replaced at once.
fn unpoisoned<T>(lock: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
