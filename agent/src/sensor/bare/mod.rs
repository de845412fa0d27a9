//! Owns: the bare tier: proc connector, fanotify, sock_diag and procfs, each in a thread of its own.
//! Never: BPF.

mod connector;
mod coverage;
mod files;
mod inotify;
mod marks;
mod notices;
mod polling;
mod privileges;
mod processes;
mod sockets;
mod watched;

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use picket_model::raw::RawRecord;
use picket_model::{Coverage, Tier};

use self::coverage::Parts;
use self::files::Files;
use self::inotify::Inotify;
use self::polling::Sockets;
use self::processes::Processes;
use super::feed::Inlet;
use super::{SensorError, SensorOptions, Source, seed};
use crate::sys::clock::{WallOffset, boot_ns};

#[cfg(fuzzing)]
pub fn fuzz(bytes: &[u8]) {
    let _ = connector::parse(bytes);
    let _ = notices::parse(bytes);
}

/// One `next` hands over at most so many records, so that a flood cannot grow the batch without end.
const BATCH_MAX: usize = 8192;
/// The threads hear of one command at different moments: so long its records are gathered to be put in order.
const GATHER: Duration = Duration::from_millis(2);

struct BareSource {
    inlet: Inlet,
    waiting: VecDeque<RawRecord>,
    blind: Vec<String>,
    parts: Parts,
}

/// Opens whatever this host allows of the tier, and says what it does not.
///
/// # Errors
/// When the kernel refuses both the proc connector and fanotify: what is left would see next to nothing.
pub fn open(options: &SensorOptions) -> Result<Box<dyn Source>, SensorError> {
    let mut inlet = Inlet::new("queue.bare");
    let mut blind = vec![
        "A program that ends within a moment may be told without its arguments.".to_owned(),
        "TCP flows that last less than a quarter of a second are not seen, nor those in a container's first 5 s."
            .to_owned(),
        "Changes on mounts that only containers have are not seen.".to_owned(),
        "A mode change of what is deleted at once is not seen.".to_owned(),
        "UDP flows are not seen, but for sockets with one peer and open ports that last a quarter of a second."
            .to_owned(),
        "DNS lookups, scripts from standard input and Unix sockets are not seen.".to_owned(),
        "A change of owner may be told as one of mode, and one of attributes not at all.".to_owned(),
        "Kernel modules, mounts and calls that leave no trace in a directory are not seen.".to_owned(),
        "What is done with a watched name in the moment it appears is not seen; from then on it is.".to_owned(),
    ];
    let processes = Processes::open(options.lifecycle_ring_bytes);
    let files = Files::open(&options.watch_read);
    let mut parts = Parts { processes: processes.is_ok(), fanotify: files.is_ok(), inotify: false, sockets: false };
    match (processes, files) {
        (Err(connector), Err(fanotify)) => return Err(refused(&connector, &fanotify)),
        (processes, files) => {
            match processes {
                Ok(processes) => inlet.run("processes", move |feed| processes.run(&feed))?,
                Err(error) => {
                    blind.push(format!("Process forks, execs and exits are not seen (proc connector: {error})."))
                }
            }
            match files {
                Ok(files) => {
                    blind.extend(files.blind_spots());
                    inlet.run("files", move |feed| files.run(&feed))?;
                }
                Err(reason) => {
                    let (sentence, works) = fall_to_inotify(&mut inlet, options, &reason)?;
                    blind.push(sentence);
                    parts.inotify = works;
                }
            }
        }
    }
    match Sockets::open() {
        Ok(sockets) => {
            inlet.run("sockets", move |feed| sockets.run(&feed))?;
            parts.sockets = true;
        }
        Err(error) => blind.push(format!("Network connects, accepts and listens are not seen (sock_diag: {error}).")),
    }
    // The threads listen: whatever starts during the scan is told twice rather than not at all.
    let waiting = seed::scan(WallOffset::read().wall(boot_ns())).into();
    Ok(Box::new(BareSource { inlet, waiting, blind, parts }))
}

fn refused(connector: &io::Error, fanotify: &str) -> SensorError {
    SensorError::TierRefused {
        tier: "bare",
        reason: format!("proc connector: {connector}; fanotify: {fanotify}"),
        hint: "it needs root with CAP_NET_ADMIN and CAP_SYS_ADMIN, outside of a container",
    }
}

/// The sentence that says what is lost by it, and whether anything is left.
fn fall_to_inotify(inlet: &mut Inlet, options: &SensorOptions, reason: &str) -> Result<(String, bool), SensorError> {
    match Inotify::open(&options.watch_paths, &options.watch_read, inlet.feed()) {
        Ok(inotify) => {
            let count = inotify.watches();
            inlet.run("files", move |feed| inotify.run(&feed))?;
            let sentence = format!(
                "File reads and writes are seen in {count} directories only, and not who does them (fanotify: {reason})."
            );
            Ok((sentence, true))
        }
        Err(error) => {
            Ok((format!("File reads and writes are not seen (fanotify: {reason}; inotify: {error})."), false))
        }
    }
}

impl Source for BareSource {
    fn next(&mut self, timeout: Duration) -> Result<Vec<RawRecord>, SensorError> {
        if !self.waiting.is_empty() {
            let count = self.waiting.len().min(BATCH_MAX);
            return Ok(self.waiting.drain(..count).collect());
        }
        let until = Instant::now() + timeout;
        loop {
            let mut batch = self.inlet.take(until.saturating_duration_since(Instant::now()), GATHER, BATCH_MAX);
            if !batch.is_empty() || Instant::now() >= until {
                batch.sort_by_key(|record| record.time);
                return Ok(batch);
            }
        }
    }

    fn tier(&self) -> Tier {
        Tier::Bare
    }

    fn blind_spots(&self) -> Vec<String> {
        self.blind.clone()
    }

    fn coverage(&self) -> Vec<Coverage> {
        coverage::rows(self.parts)
    }
}
