//! Owns: what of the life of processes is lost when every core forks and executes as fast as it can.
//! Never: the agent's word alone: its spool is counted against what was done.

use super::host::{Host, accounted, lost};
use super::together;

const SECONDS: &str = "30";

pub fn run() {
    let mut host = Host::new();
    host.watch();
    let before = host.status();
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let done = together((0..cores).map(|_| host.work_on(&["storm", SECONDS], &host.nothing())));
    let after = host.status();
    println!(
        "storm of forks and executions on {cores} cores for {SECONDS} s: {done} done, {} launches told, lost: {}",
        host.launches(&host.nothing()),
        lost(&before, &after)
    );
    if after.accounts.is_empty() {
        println!("this agent keeps no accounts by type");
    }
    println!(
        "accounts over the storm: produced {}, delivered {}, dropped {}, filtered {}",
        accounted(&before, &after, |kind| kind.produced),
        accounted(&before, &after, |kind| kind.delivered),
        accounted(&before, &after, |kind| kind.dropped),
        accounted(&before, &after, |kind| kind.filtered)
    );
    host.unwatch();
}
