//! Owns: processor time at 1,600 executions a second, for Picket and for auditd.
//! Never: what else goes on: the same span without the executions is taken off.

use std::time::{Duration, Instant};

use super::auditd::Peer;
use super::host::{Host, lost};
use super::together;
use crate::numbers::{cpu_ns, percentile};

const RATE: u64 = 1_600;
/// A single process would be late whenever another has its core.
const PACERS: u64 = 8;
const SECONDS: &str = "8";
const QUIET: Duration = Duration::from_secs(4);
const ROUNDS: usize = 3;

pub fn run() {
    let mut host = Host::new();
    let (mut picket, mut auditd, mut auditd_lost) = (Vec::new(), Vec::new(), 0);
    let peer = Peer::found();
    for round in 0..ROUNDS {
        let agent = host.watch();
        let before = host.status();
        picket.push(share(&host, || cpu_ns(agent)));
        if round + 1 == ROUNDS {
            println!("lost by Picket in the last round: {}", lost(&before, &host.status()));
        }
        host.unwatch();
        if let Some(watching) = peer.as_ref().and_then(Peer::watch) {
            auditd.push(share(&host, || watching.cpu_ns()));
            auditd_lost += watching.lost();
        }
    }
    let percent = |mut shares: Vec<u64>| percentile(&mut shares, 50) as f64 / 100.0;
    println!("Picket at {RATE} executions/s, detection and spool included: {:.2}% of one core", percent(picket));
    if !auditd.is_empty() {
        println!("auditd with the kernel's thread: {:.2}% of one core, lost: {auditd_lost}", percent(auditd));
    }
}

/// Hundredths of a percent of one core, as if the rate had been reached exactly.
fn share(host: &Host, cpu: impl Fn() -> u64) -> u64 {
    let (before, begun) = (cpu(), Instant::now());
    std::thread::sleep(QUIET);
    let quiet = (cpu() - before) as f64 / begun.elapsed().as_nanos() as f64;
    let (before, begun) = (cpu(), Instant::now());
    let rate = (RATE / PACERS).to_string();
    let done = together((0..PACERS).map(|_| host.work_on(&["pace", SECONDS, &rate], &host.nothing())));
    let took = begun.elapsed();
    let busy = (cpu() - before) as f64 / took.as_nanos() as f64;
    let reached = done as f64 / took.as_secs_f64();
    println!("{reached:.0} executions/s reached, {:.2}% of one core, {:.2}% without them", busy * 100.0, quiet * 100.0);
    ((busy - quiet).max(0.0) * RATE as f64 / reached * 10_000.0) as u64
}
