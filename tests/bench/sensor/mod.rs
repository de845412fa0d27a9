//! Owns: what watching costs the host, and what is lost on the way: the parts, and the peers measured beside them.
//! Never: a coordinator at work: it is stopped, so that the host alone is measured.

mod auditd;
mod build;
mod dd;
mod flow;
mod host;
mod kernel;
mod memory;
mod pace;
mod storm;

use std::process::Command;

use crate::numbers::percentile;

pub const PARTS: [(&str, fn()); 7] = [
    ("sensor-storm", storm::run),
    ("sensor-pace", pace::run),
    ("sensor-build", build::run),
    ("sensor-dd", dd::run),
    ("sensor-kernel", kernel::run),
    ("sensor-memory", memory::run),
    ("sensor-flow", flow::run),
];

/// In what follows one another, each time: so a drift of the machine meets all of them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Watcher {
    Nobody,
    Picket,
    Auditd,
}

/// Runs `work` once under each watcher, `rounds` times, and gives what each run gave, by watcher.
fn alternating(host: &mut host::Host, rounds: usize, work: impl Fn(&host::Host) -> u64) -> [Vec<u64>; 3] {
    let peer = auditd::Peer::found();
    let mut samples = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        samples[Watcher::Nobody as usize].push(work(host));
        host.watch();
        samples[Watcher::Picket as usize].push(work(host));
        host.unwatch();
        if let Some(watching) = peer.as_ref().and_then(auditd::Peer::watch) {
            samples[Watcher::Auditd as usize].push(work(host));
            drop(watching);
        }
    }
    samples
}

/// The median of the ratios of runs that followed one another.
fn ratio(samples: &[Vec<u64>; 3], watcher: Watcher) -> Option<f64> {
    let without = &samples[Watcher::Nobody as usize];
    let mut ratios: Vec<u64> = samples[watcher as usize]
        .iter()
        .zip(without)
        .map(|(with, without)| with.saturating_mul(100_000) / (*without).max(1))
        .collect();
    (!ratios.is_empty()).then(|| percentile(&mut ratios, 50) as f64 / 100_000.0)
}

fn said(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "not measured".to_owned(), |ratio| format!("{ratio:.3}"))
}

/// What a command prints; it must succeed.
fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The numbers on the line that `work.c` prints.
fn figures(command: &mut Command) -> Vec<u64> {
    printed(command).split_whitespace().map(|number| number.parse().expect("a number")).collect()
}

/// Runs one of `commands` on each core at once and adds up what they print.
fn together(commands: impl IntoIterator<Item = Command>) -> u64 {
    let running: Vec<_> = commands
        .into_iter()
        .map(|mut command| std::thread::spawn(move || figures(&mut command).first().copied().unwrap_or(0)))
        .collect();
    running.into_iter().map(|thread| thread.join().expect("the work ends")).sum()
}
