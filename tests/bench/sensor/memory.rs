//! Owns: the agent's resident memory at rest and through a million processes.
//! Never: the spool on disk.

use super::host::{Host, lost};
use super::together;
use crate::numbers::{peak_kib, resident_kib};

const FORKS: u64 = 1_000_000;
const EXECUTIONS_SECONDS: &str = "25";

pub fn run() {
    let mut host = Host::new();
    let agent = host.watch();
    let mib = |kib: u64| kib as f64 / 1024.0;
    let before = host.status();
    println!("at rest: {:.1} MiB resident, {:.1} MiB at its highest", mib(resident_kib(agent)), mib(peak_kib(agent)));
    let half = (FORKS / 2).to_string();
    let running: Vec<_> = (0..2)
        .map(|_| {
            let mut command = host.work(&["fork", &half]);
            std::thread::spawn(move || super::printed(&mut command))
        })
        .collect();
    for thread in running {
        thread.join().expect("the forks end");
    }
    let executed = together((0..2).map(|_| host.work_on(&["storm", EXECUTIONS_SECONDS], &host.nothing())));
    println!(
        "after {FORKS} forks and {executed} executions: {:.1} MiB resident, {:.1} MiB at its highest, lost: {}",
        mib(resident_kib(agent)),
        mib(peak_kib(agent)),
        lost(&before, &host.status())
    );
    host.unwatch();
}
