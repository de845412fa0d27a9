//! Owns: what watching costs a build: one with the shape of a kernel's, and the harshest there is.
//! Never: wall time alone: on a shared machine processor time says it better, the watcher's own included.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::auditd::{Peer, Watching};
use super::host::{Host, accounted, lost};
use crate::numbers::{children_cpu_ms, cpu_ns, percentile};

const ROUNDS: usize = 7;
/// A file of the kernel takes a second or two to compile, reads some hundred headers, and runs five or six programs. So
/// each unit here takes about a second, by way of a shell, the driver, the compiler proper and the assembler.
const UNITS: usize = 24;
const FUNCTIONS: usize = 200;
/// The harsh one: many compilations of next to nothing.
const TINY_UNITS: usize = 60;
const HEADERS: [&str; 16] = [
    "stdio",
    "stdlib",
    "string",
    "unistd",
    "errno",
    "time",
    "math",
    "signal",
    "fcntl",
    "pthread",
    "sys/stat",
    "sys/types",
    "sys/socket",
    "netinet/in",
    "arpa/inet",
    "netdb",
];

#[derive(Default)]
struct Samples {
    wall: Vec<u64>,
    /// Processor time of the build, and of build and watcher together.
    build: Vec<u64>,
    whole: Vec<u64>,
    watcher: Vec<u64>,
}

pub fn run() {
    let mut host = Host::new();
    let (large, tiny) = (host.folder().join("large"), host.folder().join("tiny"));
    generate(&large, UNITS, FUNCTIONS);
    generate(&tiny, TINY_UNITS, 1);
    measure(&mut host, &large, "kernel-like build");
    measure(&mut host, &tiny, "harsh build of tiny files");
}

fn measure(host: &mut Host, folder: &Path, what: &str) {
    let peer = Peer::found();
    let (mut picket, mut auditd) = (Samples::default(), Samples::default());
    build(folder);
    for round in 0..ROUNDS {
        let without = one(folder, || 0);
        let agent = host.watch();
        let before = (round + 1 == ROUNDS).then(|| host.status());
        picket.add(without, one(folder, || cpu_ns(agent)));
        if let Some(before) = before {
            account(&before, &host.status());
        }
        host.unwatch();
        if let Some(watching) = peer.as_ref().and_then(Peer::watch) {
            auditd.add(without, one(folder, || Watching::cpu_ns(&watching)));
        }
    }
    println!("{what}, make -j2, {ROUNDS} alternating rounds, coordinator stopped; medians of with to without:");
    picket.say("Picket");
    if !auditd.wall.is_empty() {
        auditd.say("auditd");
    }
}

fn account(before: &picket_model::HostStatus, after: &picket_model::HostStatus) {
    let filtered = accounted(before, after, |kind| kind.filtered);
    let produced = accounted(before, after, |kind| kind.produced);
    let events = after.events_seen - before.events_seen;
    println!("during the last build: {events} events at detection, lost: {}", lost(before, after));
    if filtered + produced > 0 {
        let share = filtered as f64 / (filtered + produced) as f64 * 100.0;
        println!("raw events stopped in the kernel: {filtered} of {}, {share:.1}%", filtered + produced);
    }
}

impl Samples {
    fn add(&mut self, without: [u64; 3], with: [u64; 3]) {
        let ratio = |with: u64, without: u64| with * 100_000 / without.max(1);
        self.wall.push(ratio(with[0], without[0]));
        self.build.push(ratio(with[1], without[1]));
        self.whole.push(ratio(with[1] + with[2], without[1]));
        self.watcher.push(with[2] * 100_000 / with[0].max(1));
    }

    fn say(self, name: &str) {
        let median = |mut all: Vec<u64>| percentile(&mut all, 50) as f64 / 100_000.0;
        println!(
            "  {name}: wall time {:.3}, processor time of the build {:.3}, with the watcher's own {:.3}; the watcher took \
             {:.1}% of one core",
            median(self.wall),
            median(self.build),
            median(self.whole),
            median(self.watcher) * 100.0
        );
    }
}

/// Wall time, processor time of the build, and of the watcher, in milliseconds.
fn one(folder: &Path, watcher: impl Fn() -> u64) -> [u64; 3] {
    let (watched, used, begun) = (watcher(), children_cpu_ms(), Instant::now());
    build(folder);
    let wall = u64::try_from(begun.elapsed().as_millis()).unwrap();
    [wall, children_cpu_ms() - used, (watcher() - watched) / 1_000_000]
}

fn build(folder: &Path) {
    let make = |target: &[&str]| {
        let mut command = Command::new("make");
        command.args(target).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null());
        assert!(command.status().is_ok_and(|status| status.success()), "make and cc are installed");
    };
    make(&["-s", "clean"]);
    make(&["-s", "-j2", "all"]);
}

fn generate(folder: &Path, units: usize, functions: usize) {
    std::fs::create_dir(folder).unwrap();
    for unit in 0..units {
        let mut text = String::new();
        for header in HEADERS {
            writeln!(text, "#include <{header}.h>").unwrap();
        }
        for function in 0..functions {
            writeln!(
                text,
                "int f{unit}_{function}(int n, char *p) {{ int s = n; for (int i = 0; i < n; i++) {{ s += p[i] * {function}; \
                 switch (s & 7) {{ case 0: s ^= i; break; case 1: s = printf(\"%d %s\\n\", s, p); break; case 2: \
                 s -= (int)strlen(p); break; default: s = (s << 3) | (s >> 5); }} }} return s + rand(); }}"
            )
            .unwrap();
        }
        std::fs::write(folder.join(format!("u{unit}.c")), text).unwrap();
    }
    // The semicolon makes make ask a shell, as the kernel's rules do.
    let rules = "objects := $(patsubst %.c,%.o,$(wildcard *.c))\nall: $(objects)\n%.o: %.c\n\tset -e; cc -O2 -MMD -c -o $@ $<\n\
                 clean:\n\trm -f *.o *.d\n";
    std::fs::write(folder.join("Makefile"), rules).unwrap();
}
