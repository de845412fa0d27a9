//! Owns: what one event costs in user space: raw record to event, whole rule pack, encoding, spool.
//! Never: the kernel or the disk's syncs; the records are made beforehand and time is this thread's own processor time.

use std::time::Duration;

use picket_agent::detect::Detect;
use picket_agent::normalize::Normalizer;
use picket_agent::report::{Spool, SpoolLimits};
use picket_detect::{Detector, IndicatorSource, pack};
use picket_model::raw::{RawActor, RawKind, RawProcess, RawRecord};
use picket_model::{Event, FileActivity, FileId, HostId, Record, Timestamp};

use crate::numbers::{percentile, thread_cpu};

/// Each makes a fork, a launch, [`FILES`] writes and an exit.
const PROCESSES: u32 = 20_000;
const FILES: u32 = 2;
const ROUNDS: usize = 5;
/// No pid of the kernel is as large, so /proc is asked in vain only.
const INIT: u32 = 5_000_000;
/// Generations above the processes that come and go.
const DEPTH: u32 = 6;

pub fn run() {
    let mut rounds = [const { Vec::new() }; 3];
    let mut events = 0;
    for _ in 0..ROUNDS {
        let (took, count) = round();
        events = count;
        for (all, took) in rounds.iter_mut().zip(took) {
            all.push(u64::try_from(took.as_nanos()).unwrap() / count);
        }
    }
    let [normalize, detect, keep] = rounds.map(|mut all| percentile(&mut all, 50));
    println!(
        "user space, {events} events, median of {ROUNDS}: normalize {normalize} ns, detect with the whole pack {detect} ns, \
         encode and spool {keep} ns per event"
    );
    println!(
        "delivered to detection: {:.0} events/s on one core; to the spool as well: {:.0} events/s",
        1e9 / (normalize + detect) as f64,
        1e9 / (normalize + detect + keep) as f64
    );
}

fn round() -> ([Duration; 3], u64) {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(&folder.path().join("spool"), SpoolLimits::default()).unwrap();
    let mut normalizer = Normalizer::new(1, ids());
    let detector = Detector::compile(&pack(), &IndicatorSource::default()).unwrap();
    let mut detect = Detect::new((HostId::from_bytes([7; 16]), "bench".into()), detector, ids());
    for seed in seeds() {
        normalizer.normalize(seed);
    }
    let mut took = [Duration::ZERO; 3];
    let mut count = 0;
    // As many at once as the agent gathers under load, so that the caches see what they see there.
    for first in (0..PROCESSES).step_by(200) {
        let records: Vec<RawRecord> = (first..first + 200).flat_map(process).collect();
        let begun = thread_cpu();
        let events: Vec<Event> = records.into_iter().flat_map(|record| normalizer.normalize(record)).collect();
        let normalized = thread_cpu();
        for event in &events {
            std::hint::black_box(detect.observe(event));
        }
        let detected = thread_cpu();
        for event in events {
            spool.append(&Record::Event { event }).unwrap();
            count += 1;
        }
        let kept = thread_cpu();
        for (sum, step) in took.iter_mut().zip([normalized - begun, detected - normalized, kept - detected]) {
            *sum += step;
        }
    }
    (took, count)
}

fn ids() -> Box<dyn FnMut() -> [u8; 16] + Send> {
    let mut next = 0u128;
    Box::new(move || {
        next += 1;
        next.to_be_bytes()
    })
}

fn seeds() -> impl Iterator<Item = RawRecord> {
    (0..DEPTH).map(|depth| {
        let mut raw = image(INIT + depth, u64::from(depth) + 1, "/usr/bin/bash", &["bash", "-c", "make -j2 all"]);
        raw.ppid = if depth == 0 { 0 } else { INIT + depth - 1 };
        raw.parent_start_ticks = Some(u64::from(depth));
        record(0, INIT + depth, u64::from(depth) + 1, RawKind::Seed(raw))
    })
}

fn process(number: u32) -> Vec<RawRecord> {
    let (parent, parent_start) = (INIT + DEPTH - 1, u64::from(DEPTH));
    let (pid, start) = (INIT + 1000 + number % 30_000, 1000 + u64::from(number));
    // A thousand processes a second.
    let at = u64::from(number) * 1_000_000;
    let arguments =
        ["gcc", "-O2", "-Wall", "-I../include", "-DNDEBUG", "-c", "source/part/unit.c", "-o", "build/part/unit.o"];
    let mut raw = image(pid, start, "/usr/bin/x86_64-linux-gnu-gcc-12", &arguments);
    (raw.ppid, raw.parent_start_ticks) = (parent, Some(parent_start));
    let born = RawKind::Fork { child_pid: pid, child_start_ticks: Some(start) };
    let mut records = vec![record(at, parent, parent_start, born), record(at + 1000, pid, start, RawKind::Exec(raw))];
    records.extend((0..FILES).map(|file| {
        let write = RawKind::File {
            activity: FileActivity::Write,
            path: format!("/home/builder/project/build/part/unit{number}-{file}.o"),
            old_path: None,
            id: FileId { dev: 1, ino: u64::from(number) },
            mode: 0o100_644,
            size: Some(4096),
            path_bytes: None,
        };
        record(at + 2000, pid, start, write)
    }));
    records.push(record(at + 3000, pid, start, RawKind::Exit { exit_code: 0, signal: 0 }));
    records
}

fn record(at: u64, pid: u32, start: u64, kind: RawKind) -> RawRecord {
    let time = Timestamp(1_700_000_000_000_000_000 + at);
    RawRecord { time, actor: Some(RawActor { pid, start_ticks: Some(start) }), kind }
}

fn image(pid: u32, start: u64, exe: &str, arguments: &[&str]) -> RawProcess {
    RawProcess {
        pid,
        start_ticks: Some(start),
        exe: exe.to_owned(),
        name: exe.rsplit('/').next().unwrap_or_default().to_owned(),
        argv: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        cwd: "/home/builder/project".to_owned(),
        uid: Some(1000),
        euid: Some(1000),
        gid: Some(1000),
        session: Some(7),
        cgroup: "/user.slice/user-1000.slice/session-3.scope".to_owned(),
        ..RawProcess::default()
    }
}
