//! Owns: the wiring of the agent's stages: sensor, normalize, detect, decide, contain, report.
//! Never: a stage's work.

mod bundles;
mod clock;
mod contained;
mod engine;
mod hunt;
mod ids;
mod lists;
mod lock;
mod maintenance;
mod offers;
mod pace;
mod pulse;
mod release;
mod sensing;
mod status;
mod system_files;
mod tokens;
mod trials;
mod witnesses;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use picket_model::raw::RawRecord;
use picket_model::{BundleVersion, HostId, HostStatus, Timestamp};

use crate::config::Config;
use crate::confine;
use crate::facts;
use crate::report::{Downlink, Identity, Spool, SpoolError, SpoolLimits, Uplink};
use crate::sensor::{self, SensorOptions};
use crate::sys::clock::now;
use crate::worker::{self, Deliver, Done, Pool, YaraSet};
use bundles::Offered;
use engine::{Engine, Links};
use offers::Offers;
use pace::Pace;
use sensing::Sight;
use status::Shared;

pub use maintenance::maintenance;
pub use release::release;
pub use status::status;

/// Batches between sensor and detection: when they are not taken the kernel's rings fill, and their drops are counted.
const BATCHES_MAX: usize = 64;
/// The sensor looks four times a second whether it is to end, and then reads what is left; a loaded host takes its time.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Leases, losses and the status are looked after this often.
const TICK: Duration = Duration::from_millis(250);

/// What the packages install for the agent, beside its binary.
const OWN_PATHS: [&str; 2] = ["/etc/picket/agent.toml", "/usr/lib/systemd/system/picket-agent.service"];

/// What wakes the engine.
// A few dozen wait at most; a box for each message of the uplink would gain nothing.
#[allow(clippy::large_enum_variant)]
enum Input {
    Records(Vec<RawRecord>),
    Downlink(Downlink),
    /// What the sensor can see is no longer what it was.
    Sight(Sight),
    Measured(Done),
    /// A bundle was looked at: what came of it, and its bytes.
    Offered(Box<Offered>, Vec<u8>),
    /// The kept bundle's YARA rules were compiled.
    Yara(BundleVersion, Result<Option<Arc<YaraSet>>, String>),
    SensorEnded(String),
    /// The sensor was asked to end; all that happened before is told.
    HeardUntil(Timestamp),
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
    // Before any thread is started: each would keep what it was born with.
    confine::confine()?;
    let stop = stop_flag()?;
    pulse::start();
    let identity = Identity::load(&config.state_dir)?;
    let keeper = bundles::Keeper::open(&config.state_dir, identity.policy_key())?;
    let told_until = Spool::last_urgent(&config.state_dir.join("spool"));
    let spool = open_spool(config)?;

    let (inputs, engine_inputs) = sync_channel(BATCHES_MAX);
    let deliver = deliver(inputs.clone());
    let pool = start_worker(&deliver)?;
    let options = options(config, &keeper);
    let mut source = sensor::open(&options)?;
    let shared = Shared::new(identity.host(), source.tier());
    tracing::info!(tier = source.tier().word(), host = %identity.host(), "watching");
    let links = Links { spool: spool.clone(), shared: Arc::clone(&shared), peace: options.peace, pool, deliver };
    let mut engine = Engine::open(config, &identity, keeper, &mut *source, links)?;
    engine.tell_again(told_until);

    let sensor_thread = sensing::start(source, inputs.clone(), Arc::clone(&stop), Arc::clone(&shared))?;
    let (down, downlinks) = sync_channel(BATCHES_MAX);
    let mut offers = Offers::new(engine.keeper().checker(), inputs.clone());
    offers.recall(&mut engine);
    start_forwarding(downlinks, inputs)?;
    let reading = Arc::clone(&shared);
    let status: Arc<dyn Fn() -> HostStatus + Send + Sync> = Arc::new(move || reading.current());
    let uplink = Uplink::start(identity, spool, status, down)?;

    let result = serve(&mut engine, &engine_inputs, &mut offers, &uplink, &stop);
    stop.store(true, Ordering::SeqCst);
    engine.pace().has_time();
    if result.is_ok() {
        engine.keeper().pause();
    }
    match &result {
        Ok(heard) => match heard.or_else(|| hear_out(&mut engine, &engine_inputs)) {
            Some(until) => engine.stopped("asked to by a signal", until),
            None => engine.stopped("asked to by a signal; what came last was not read any more", now()),
        },
        Err(error) => engine.stopped(&format!("{error:#}"), now()),
    }
    uplink.stop();
    // Whatever the sensor still holds back cannot be taken any more; the channel's end lets it go.
    drop(engine_inputs);
    let _ = sensor_thread.join();
    result.map(drop)
}

/// What the sensor has heard by now counts: who asked the agent to stop, for one. Until when it listened; `None` where it
/// does not come to an end.
fn hear_out(engine: &mut Engine, inputs: &Receiver<Input>) -> Option<Timestamp> {
    let end = Instant::now() + LAST_WORDS;
    loop {
        match inputs.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(Input::Records(records)) => engine.records(records),
            Ok(Input::Measured(done)) => engine.measured(done),
            Ok(Input::HeardUntil(until)) => return Some(until),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}

/// Until it is asked to end; and until when the sensor listened, where that was heard already.
fn serve(
    engine: &mut Engine,
    inputs: &Receiver<Input>,
    offers: &mut Offers,
    uplink: &Uplink,
    stop: &AtomicBool,
) -> anyhow::Result<Option<Timestamp>> {
    let mut due = Instant::now();
    while !stop.load(Ordering::SeqCst) {
        match next(engine.pace(), inputs, due) {
            Ok(Input::Records(records)) => engine.records(records),
            Ok(Input::Measured(done)) => engine.measured(done),
            Ok(Input::Downlink(message)) => answer(engine, message, offers, uplink),
            Ok(Input::Offered(offered, bytes)) => offers.checked(engine, *offered, bytes, uplink),
            Ok(Input::Yara(version, compiled)) => engine.yara(version, compiled),
            Ok(Input::Sight(sight)) => {
                engine.sight(sight);
                uplink.beat();
            }
            Ok(Input::SensorEnded(why)) => anyhow::bail!("the sensor ended: {why}"),
            Ok(Input::HeardUntil(until)) => return Ok(Some(until)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!("the sensor and the uplink are gone"),
        }
        if Instant::now() >= due {
            engine.pace().has_time();
            due = Instant::now() + TICK;
            if engine.tick() {
                uplink.beat();
            }
        }
    }
    Ok(None)
}

/// Waits until something comes, at most until `due`.
fn next(pace: &mut Pace, inputs: &Receiver<Input>, due: Instant) -> Result<Input, RecvTimeoutError> {
    let input = inputs.try_recv().or_else(|_| {
        pace.waits();
        inputs.recv_timeout(due.saturating_duration_since(Instant::now()))
    });
    if !matches!(input, Ok(Input::Records(_))) {
        pace.has_time();
    }
    input
}

fn answer(engine: &mut Engine, message: Downlink, offers: &mut Offers, uplink: &Uplink) {
    match message {
        Downlink::Bundle(bytes) => offers.offer(engine, bytes),
        Downlink::List { sha256, outcome } => offers.fetched(engine, sha256, outcome),
        Downlink::Command { id, command } => {
            let (taken, detail) = engine.command(command);
            uplink.answer_command(id, taken, detail);
            uplink.beat();
        }
        Downlink::Halt(bytes) => {
            if let Some((issued, taken, detail)) = engine.halt(&bytes) {
                uplink.answer_halt(issued, taken, detail);
                uplink.beat();
            }
        }
        Downlink::AuditHead(bytes) => engine.witness(&bytes),
        Downlink::Connected => {
            tracing::info!("connected to the coordinator");
            offers.connected(engine, uplink);
        }
        Downlink::Disconnected => tracing::warn!("no connection to the coordinator; defending alone, spooling"),
    }
}

fn open_spool(config: &Config) -> Result<Spool, SpoolError> {
    let limits = config.spool_bytes_max.map(|bytes_max| SpoolLimits { bytes_max, ..SpoolLimits::default() });
    Spool::open(&config.state_dir.join("spool"), limits.unwrap_or_default())
}

fn options(config: &Config, keeper: &bundles::Keeper) -> SensorOptions {
    let mut options = SensorOptions {
        force: config.tier,
        state_dir: Some(config.state_dir.clone()),
        own_paths: OWN_PATHS.map(PathBuf::from).to_vec(),
        ..SensorOptions::default()
    };
    if let Some(watch_read) = keeper.watch_read() {
        options.watch_read = watch_read;
    }
    if let Some(auth_logs) = &config.auth_logs {
        options.auth_logs.clone_from(auth_logs);
    }
    options
}

/// What the workers found joins the one queue that wakes the engine.
fn deliver(inputs: SyncSender<Input>) -> Deliver {
    Arc::new(move |done| inputs.send(Input::Measured(done)).is_ok())
}

fn start_worker(deliver: &Deliver) -> anyhow::Result<Pool> {
    Pool::start(&worker::Options::default(), deliver).context("cannot start the worker that reads files")
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

/// A lock whose holder panicked still guards whole values: each is replaced at once.
fn unpoisoned<T>(lock: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
