//! Owns: what the programs lost, and whether each of them still runs.
//! Never: repairing; it tells.

use std::collections::VecDeque;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use aya::Ebpf;
use aya::maps::{MapData, PerCpuArray};
use picket_model::raw::{RawKind, RawRecord};
use picket_model::{LossCount, NetActivity};

use crate::sys::clock::{WallOffset, boot_ns};

/// Loss is told within a second: detections are judged with it in mind.
const LOSS_EVERY: Duration = Duration::from_secs(1);
/// A probe that was taken out is noticed within a minute, at the price of one thread and one socket.
const CANARY_EVERY: Duration = Duration::from_secs(60);
/// The canary's own listeners whose records may still be in the ring.
const CANARIES_MAX: usize = 8;
/// By `enum record_type` of `bpf/event.h`.
const PLACES: [&str; 8] =
    ["scratch", "ring.exec", "ring.fork", "ring.exit", "ring.network", "ring.file", "ring.module", "ring.garbled"];
/// By `enum run` of `bpf/record.h`; exec has no canary, for the agent starts no program of its own accord.
const PROBES: [(u32, &str); 5] = [
    (1, "sched_process_fork"),
    (2, "sched_process_exit"),
    (3, "inet_sock_set_state"),
    (4, "sys_enter"),
    (5, "sys_exit"),
];

pub struct Health {
    lost: PerCpuArray<MapData, u64>,
    runs: PerCpuArray<MapData, u64>,
    told: [u64; 8],
    garbled: u64,
    loss_due: Instant,
    canary_due: Instant,
    ports: VecDeque<u16>,
    quiet: [bool; 5],
}

impl Health {
    pub fn open(ebpf: &mut Ebpf) -> Result<Self, String> {
        let mut array = |name: &str| {
            let map = ebpf.take_map(name).ok_or_else(|| format!("the map {name} is missing"))?;
            PerCpuArray::try_from(map).map_err(|e| e.to_string())
        };
        let now = Instant::now();
        Ok(Self {
            lost: array("LOST")?,
            runs: array("RUNS")?,
            told: [0; 8],
            garbled: 0,
            loss_due: now,
            canary_due: now + CANARY_EVERY,
            ports: VecDeque::new(),
            quiet: [false; 5],
        })
    }

    /// Records about the sensor itself, where there is something to tell. `garbled` is added to the losses.
    pub fn check(&mut self, garbled: u64) -> Vec<RawRecord> {
        self.garbled += garbled;
        let now = Instant::now();
        let mut records = Vec::new();
        if now >= self.loss_due {
            self.loss_due = now + LOSS_EVERY;
            records.extend(self.losses());
        }
        if now >= self.canary_due {
            self.canary_due = now + CANARY_EVERY;
            records.extend(self.canary());
        }
        records
    }

    /// At start every program must show that it runs.
    pub fn first_check(&mut self) -> Vec<RawRecord> {
        self.canary()
    }

    pub fn is_canary(&self, record: &RawRecord) -> bool {
        match (&record.kind, &record.actor) {
            (RawKind::Network { activity: NetActivity::Listen, local_port, .. }, Some(actor)) => {
                actor.pid == std::process::id() && self.ports.contains(local_port)
            }
            _ => false,
        }
    }

    fn losses(&mut self) -> Option<RawRecord> {
        let mut counts = Vec::new();
        for (index, place) in (0u32..).zip(PLACES) {
            let total = if place == "ring.garbled" { self.garbled } else { sum(&self.lost, index) };
            let Some(told) = self.told.get_mut(index as usize) else { continue };
            if total > *told {
                counts.push(LossCount { place: place.to_owned(), count: total - *told });
                *told = total;
            }
        }
        (!counts.is_empty()).then(|| speak(RawKind::Loss { counts }))
    }

    /// Does what each program watches for, and looks whether its count rose. Says each change once.
    fn canary(&mut self) -> Vec<RawRecord> {
        let before = PROBES.map(|(index, _)| sum(&self.runs, index));
        // A thread forks and exits, a listener changes a socket's state, a file is opened and closed.
        let _ = std::thread::spawn(|| ()).join();
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)) {
            self.ports.extend(listener.local_addr().map(|address| address.port()).ok());
            while self.ports.len() > CANARIES_MAX {
                self.ports.pop_front();
            }
        }
        let _ = File::open("/proc/self/stat");
        let deadline = Instant::now() + Duration::from_millis(100);
        let mut quiet = [true; 5];
        // `join` may return a moment before the thread's exit is traced.
        while quiet.contains(&true) && Instant::now() < deadline {
            for ((slot, (index, _)), old) in quiet.iter_mut().zip(PROBES).zip(before) {
                *slot = sum(&self.runs, index) <= old;
            }
            std::thread::yield_now();
        }
        let mut records = Vec::new();
        for ((now, was), (_, probe)) in quiet.into_iter().zip(self.quiet).zip(PROBES) {
            if now != was {
                let what = if now { "probe quiet" } else { "probe back" };
                records.push(speak(RawKind::Notice { what: what.into(), detail: probe.into() }));
            }
        }
        self.quiet = quiet;
        records
    }
}

fn speak(kind: RawKind) -> RawRecord {
    RawRecord { time: WallOffset::read().wall(boot_ns()), actor: None, kind }
}

fn sum(map: &PerCpuArray<MapData, u64>, index: u32) -> u64 {
    map.get(&index, 0).map_or(0, |counts| counts.iter().sum())
}
