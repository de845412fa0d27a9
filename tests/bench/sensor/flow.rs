//! Owns: events a second: those that the kernel part stops by itself, and those that reach detection without a drop.
//! Never: rates above what the machine can make while it also watches.

use super::host::{Host, accounted, lost};
use super::together;

const SECONDS: u64 = 5;
/// Changes a second, both cores together.
const RATES: [u64; 5] = [20_000, 50_000, 100_000, 150_000, 200_000];

pub fn run() {
    let mut host = Host::new();
    host.watch();
    let before = host.status();
    let seconds = SECONDS.to_string();
    let opens = together((0..2).map(|_| host.work_on(&["open", &seconds], &host.nothing())));
    let after = host.status();
    println!("opened and closed: {} times/s, none of which a rule looks at", opens / SECONDS);
    if after.accounts.is_empty() {
        println!("this agent keeps no accounts by type: what the kernel part stopped is not told");
    } else {
        println!("filtered in the kernel: {} events/s", accounted(&before, &after, |kind| kind.filtered) / SECONDS);
    }
    host.unwatch();
    for rate in RATES {
        // Anew each time: a full spool sheds what is not urgent.
        let agent = host.watch();
        let before = (host.status(), crate::numbers::cpu_ns(agent));
        let temporary = tempfile::tempdir_in(host.folder()).unwrap();
        // Below such a folder the kernel part holds nothing back.
        let folder = temporary.path().join("crontabs");
        std::fs::create_dir(&folder).unwrap();
        let half = (rate / 2).to_string();
        let made = together((0..2).map(|_| host.work_on(&["change", &seconds, &half], &folder)));
        let after = (host.status(), crate::numbers::cpu_ns(agent));
        let seen = after.0.events_seen - before.0.events_seen;
        println!(
            "{rate} file changes/s for {SECONDS} s: {made} made, {seen} events at detection ({} /s), {:.1} us of the agent each, \
             lost: {}",
            seen / SECONDS,
            (after.1 - before.1) as f64 / 1000.0 / seen.max(1) as f64,
            lost(&before.0, &after.0)
        );
        host.unwatch();
    }
}
