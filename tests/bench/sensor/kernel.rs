//! Owns: the time that watching adds inside the kernel to one execution and to one open of a file nobody asks about.
//! Never: the agent's own time.

use std::collections::BTreeMap;
use std::path::Path;

use super::host::Host;
use super::{figures, together};
use crate::numbers::percentile;

const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";
const EXECUTIONS: &str = "3000";
const OPENS: &str = "300000";
const ROUNDS: usize = 7;
const STATS_SECONDS: &str = "5";
/// Programs of each account, the dearest first.
const SHOWN: usize = 6;

pub fn run() {
    let mut host = Host::new();
    programs(&mut host);
    latencies(&mut host, "execution", "latency", EXECUTIONS, true);
    latencies(&mut host, "open", "opens", OPENS, false);
}

/// The kernel keeps the time of each program while it is asked to; the other work of the machine is taken off.
fn programs(host: &mut Host) {
    let agent = host.watch();
    let names = names();
    let stats = Stats::on();
    let nothing = host.nothing();
    let quiet = over(agent, || std::thread::sleep(std::time::Duration::from_secs(5)));
    for (what, mode) in
        [("execution with its fork and exit", "storm"), ("open and close that nobody asks about", "open")]
    {
        let mut done = 0;
        let spent = over(agent, || {
            let work = (0..2).map(|_| host.work_on(&[mode, STATS_SECONDS], &nothing));
            done = together(work);
        });
        let each = |total: u64| total as f64 / done.max(1) as f64;
        let mut by_program: Vec<_> = spent.iter().map(|(id, spent)| (*id, spent.less(quiet.get(id)))).collect();
        by_program.sort_by_key(|(_, spent)| std::cmp::Reverse(spent.ns));
        let total = |figure: fn(&Spent) -> u64| each(by_program.iter().map(|(_, spent)| figure(spent)).sum());
        println!(
            "time in Picket's programs for each {what}, by the kernel's own account (bpf_stats): mean {:.0} ns in {:.1} runs",
            total(|spent| spent.ns),
            total(|spent| spent.runs)
        );
        for (id, spent) in by_program.iter().take(SHOWN) {
            let name = names.get(id).map_or("?", String::as_str);
            println!("  {name}: {:.0} ns in {:.1} runs", each(spent.ns), each(spent.runs));
        }
    }
    drop(stats);
    host.unwatch();
}

/// What programs took, by their number.
type Account = BTreeMap<u32, Spent>;

#[derive(Clone, Copy, Default)]
struct Spent {
    ns: u64,
    runs: u64,
}

impl Spent {
    fn less(self, other: Option<&Self>) -> Self {
        let other = other.copied().unwrap_or_default();
        Self { ns: self.ns.saturating_sub(other.ns), runs: self.runs.saturating_sub(other.runs) }
    }
}

fn over(agent: u32, work: impl FnOnce()) -> Account {
    let before = account(agent);
    work();
    account(agent).into_iter().map(|(id, after)| (id, after.less(before.get(&id)))).collect()
}

/// Programs by their number, as the kernel names them.
fn names() -> BTreeMap<u32, String> {
    let programs = aya::programs::loaded_programs().flatten();
    programs.map(|program| (program.id(), program.name_as_str().unwrap_or("?").to_owned())).collect()
}

/// The kernel's account gives no distribution, so each operation is timed by itself, with and without.
fn latencies(host: &mut Host, what: &str, mode: &str, count: &str, micros: bool) {
    let mut added = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        let once = |host: &Host| figures(&mut host.work_on(&[mode, count], &host.nothing()));
        let without = once(host);
        host.watch();
        let with = once(host);
        host.unwatch();
        for ((all, with), without) in added.iter_mut().zip(with).zip(without) {
            // Shifted, for a difference may be negative.
            all.push(with + SHIFT - without);
        }
    }
    let [mean, median, last] = added.map(|mut all| percentile(&mut all, 50) as f64 - SHIFT as f64);
    let (unit, scale) = if micros { ("us", 1000.0) } else { ("ns", 1.0) };
    println!(
        "one {what}, with less without, medians of {ROUNDS} alternating pairs of {count}: mean {:+.1} {unit}, median {:+.1} \
         {unit}, 99th percentile {:+.1} {unit}",
        mean / scale,
        median / scale,
        last / scale
    );
}

const SHIFT: u64 = 1 << 40;

/// Of the BPF programs that the agent holds.
fn account(agent: u32) -> Account {
    let entries = std::fs::read_dir(format!("/proc/{agent}/fdinfo")).unwrap();
    entries.flatten().filter_map(|entry| program(&entry.path())).collect()
}

fn program(info: &Path) -> Option<(u32, Spent)> {
    let text = std::fs::read_to_string(info).ok()?;
    let figure = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    let id = u32::try_from(figure("prog_id:")?).ok()?;
    Some((id, Spent { ns: figure("run_time_ns:")?, runs: figure("run_cnt:")? }))
}

/// The kernel's statistics, switched back to what they were.
struct Stats(String);

impl Stats {
    fn on() -> Self {
        let was = std::fs::read_to_string(SWITCH).unwrap_or_default();
        std::fs::write(SWITCH, "1").expect("the kernel keeps statistics of BPF programs");
        Self(was)
    }
}

impl Drop for Stats {
    fn drop(&mut self) {
        let _ = std::fs::write(SWITCH, self.0.trim());
    }
}
