//! Owns: the sensor's thread: its records to the engine, its account to the status, and what it can see when that changes.
//! Never: what a record means.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

use picket_model::Coverage;

use super::Input;
use super::status::Shared;
use crate::sensor::Source;
use crate::sys::clock::now;

/// How long one wait for the kernel's rings may last; stopping takes no longer.
const WAIT: Duration = Duration::from_millis(500);
/// Batches read once the order to end has come: what the rings hold by then, but no flood that goes on.
const LAST_BATCHES_MAX: usize = 32;
/// The account is read from the kernel's counters this often.
const ACCOUNT_EVERY: Duration = Duration::from_secs(1);

/// What the sensor can see now, and what it cannot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sight {
    pub coverage: Vec<Coverage>,
    pub blind_spots: Vec<String>,
}

impl Sight {
    pub fn of(source: &dyn Source) -> Self {
        Self { coverage: source.coverage(), blind_spots: source.blind_spots() }
    }
}

pub fn start(
    mut source: Box<dyn Source>,
    inputs: SyncSender<Input>,
    stop: Arc<AtomicBool>,
    shared: Arc<Shared>,
) -> anyhow::Result<thread::JoinHandle<()>> {
    // What has changed since the engine was told is told with the first look.
    let mut known = None;
    let mut due = Instant::now();
    let work = move || {
        while !stop.load(Ordering::SeqCst) {
            let input = match source.next(WAIT) {
                Ok(records) => Input::Records(records),
                Err(error) => Input::SensorEnded(error.to_string()),
            };
            let ended = matches!(input, Input::SensorEnded(_));
            let empty = matches!(&input, Input::Records(records) if records.is_empty());
            if !empty && (inputs.send(input).is_err() || ended) {
                return;
            }
            if Instant::now() >= due {
                due = Instant::now() + ACCOUNT_EVERY;
                shared.change(|status| status.accounts = source.accounts());
                let sight = Sight::of(&*source);
                if known.as_ref() != Some(&sight) {
                    known = Some(sight.clone());
                    if inputs.send(Input::Sight(sight)).is_err() {
                        return;
                    }
                }
            }
        }
        hear_out(&mut *source, &inputs);
    };
    Ok(thread::Builder::new().name("sensor".into()).spawn(work)?)
}

/// What happened until the order to end is with the kernel by now. Then the engine need not wait while the programs are
/// let go, which takes some kernels seconds.
fn hear_out(source: &mut dyn Source, inputs: &SyncSender<Input>) {
    let until = now();
    for _ in 0..LAST_BATCHES_MAX {
        match source.next(Duration::ZERO) {
            Ok(records) if !records.is_empty() => {
                if inputs.send(Input::Records(records)).is_err() {
                    return;
                }
            }
            Ok(_) | Err(_) => break,
        }
    }
    let _ = inputs.send(Input::HeardUntil(until));
}
