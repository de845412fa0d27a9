//! Owns: the account of records by type: filtered, produced, delivered, dropped; and telling what was lost.
//! Never: repairing; it tells.

use std::time::{Duration, Instant};

use aya::Ebpf;
use aya::maps::{MapData, PerCpuArray};
use picket_model::raw::{RawKind, RawRecord};
use picket_model::{LossCount, TypeCount};

use crate::sensor::feed::speak;

/// Loss is told within a second: detections are judged with it in mind.
const LOSS_EVERY: Duration = Duration::from_secs(1);
/// `RECORD_TYPES` of `bpf/event.h`.
const TYPES: usize = 32;
/// By `enum record_type`; a number without a name here is told by the number.
const NAMES: [&str; 14] = [
    "scratch",
    "exec",
    "fork",
    "exit",
    "network",
    "file",
    "module",
    "call",
    "library",
    "script",
    "dns",
    "suppressed",
    "tamper",
    "unix",
];

pub struct Health {
    produced: PerCpuArray<MapData, u64>,
    filtered: PerCpuArray<MapData, u64>,
    lost: PerCpuArray<MapData, u64>,
    /// What came out of the rings, whether or not it could be read.
    delivered: [u64; TYPES],
    garbled: u64,
    told: [u64; TYPES],
    garbled_told: u64,
    loss_due: Instant,
}

impl Health {
    pub fn open(ebpf: &mut Ebpf) -> Result<Self, String> {
        Ok(Self {
            produced: array(ebpf, "PRODUCED")?,
            filtered: array(ebpf, "FILTERED")?,
            lost: array(ebpf, "LOST")?,
            delivered: [0; TYPES],
            garbled: 0,
            told: [0; TYPES],
            garbled_told: 0,
            loss_due: Instant::now(),
        })
    }

    /// One record has left a ring. A type that no program has is counted as of type 0.
    pub fn delivered(&mut self, kind: u16, readable: bool) {
        let index = usize::from(kind);
        if let Some(count) = self.delivered.get_mut(if index < TYPES { index } else { 0 }) {
            *count += 1;
        }
        self.garbled += u64::from(!readable);
    }

    /// What was lost since it was last told, at most once a second.
    pub fn losses(&mut self) -> Option<RawRecord> {
        let now = Instant::now();
        if now < self.loss_due {
            return None;
        }
        self.loss_due = now + LOSS_EVERY;
        let mut counts = Vec::new();
        for (index, told) in (0u32..).zip(&mut self.told) {
            let place = if index == 0 { name(index) } else { format!("ring.{}", name(index)) };
            counts.extend(risen(place, sum(&self.lost, index), told));
        }
        counts.extend(risen("ring.garbled".into(), self.garbled, &mut self.garbled_told));
        (!counts.is_empty()).then(|| speak(RawKind::Loss { counts }))
    }

    /// By type, those of which there is anything to say.
    pub fn accounts(&self) -> Vec<TypeCount> {
        let of = |(index, delivered): (u32, &u64)| TypeCount {
            kind: name(index),
            filtered: sum(&self.filtered, index),
            produced: sum(&self.produced, index),
            delivered: *delivered,
            dropped: sum(&self.lost, index),
        };
        let counts = (0u32..).zip(&self.delivered).map(of);
        counts.filter(|count| count.filtered + count.produced + count.delivered + count.dropped > 0).collect()
    }
}

fn risen(place: String, total: u64, told: &mut u64) -> Option<LossCount> {
    let count = total.checked_sub(*told).filter(|count| *count > 0)?;
    *told = total;
    Some(LossCount { place, count })
}

fn name(index: u32) -> String {
    NAMES.get(index as usize).map_or_else(|| format!("type{index}"), |name| (*name).to_owned())
}

pub(super) fn array(ebpf: &mut Ebpf, name: &str) -> Result<PerCpuArray<MapData, u64>, String> {
    let map = ebpf.take_map(name).ok_or_else(|| format!("the map {name} is missing"))?;
    PerCpuArray::try_from(map).map_err(|e| e.to_string())
}

pub(super) fn sum(map: &PerCpuArray<MapData, u64>, index: u32) -> u64 {
    map.get(&index, 0).map_or(0, |counts| counts.iter().sum())
}
