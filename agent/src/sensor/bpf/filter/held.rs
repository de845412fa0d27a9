//! Owns: telling what the kernel held back, by the session that did it; the sum is what the kernel counted, always.
//! Never: holding back.

use std::collections::HashMap as Told;
use std::time::{Duration, Instant};

use aya::Ebpf;
use aya::maps::{HashMap, MapData, PerCpuArray};
use picket_model::raw::{RawActor, RawKind, RawRecord};
use picket_model::{Activity, LossCount};

use super::keys::ACTIVITIES;
use super::map;
use crate::sys::clock::{WallOffset, boot_ns};

/// A searcher should not wait longer to hear that something is missing.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// A session that has had no record beyond its share for so long gives its place to another.
const REST_NS: u64 = 30_000_000_000;
/// `SESSION_OTHERS` of `bpf/filter.h`: who found no place. It stays.
const OTHERS: u32 = u32::MAX;
const NS_PER_TICK: u64 = 10_000_000;
/// `FILE_ACTIVITIES` of `bpf/filter.h`.
const KINDS: usize = 16;
/// `struct session`: when its share is used up, start and pid of the last process that was held back, counts.
type Session = [u64; 3 + KINDS];
type Counts = [u64; KINDS];

pub struct Held {
    sessions: HashMap<MapData, u32, Session>,
    totals: PerCpuArray<MapData, u64>,
    no_room: PerCpuArray<MapData, u64>,
    told: Told<u32, Counts>,
    told_in_all: Counts,
    no_room_told: u64,
    due: Instant,
    rest_due: Instant,
}

impl Held {
    pub fn open(ebpf: &mut Ebpf) -> Result<Self, String> {
        let mut sessions: HashMap<_, u32, Session> = map(ebpf, "SESSIONS")?;
        sessions.insert(OTHERS, [0; 3 + KINDS], 0).map_err(|e| format!("SESSIONS: {e}"))?;
        let now = Instant::now();
        Ok(Self {
            sessions,
            totals: map(ebpf, "HELD")?,
            no_room: map(ebpf, "UNWATCHED")?,
            told: Told::new(),
            told_in_all: [0; KINDS],
            no_room_told: 0,
            due: now,
            rest_due: now,
        })
    }

    /// What was held back since the last time, at most once a second.
    pub fn check(&mut self) -> Vec<RawRecord> {
        let now = Instant::now();
        if now < self.due {
            return Vec::new();
        }
        self.due = now + TELL_EVERY;
        let mut records = Vec::new();
        // Before the sessions: what is counted meanwhile is told next time, and never twice.
        let totals = self.totals();
        if totals != self.told_in_all || now >= self.rest_due {
            if now >= self.rest_due {
                self.rest_due = now + Duration::from_nanos(REST_NS);
            }
            records = self.sweep();
            records.extend(self.rest(&totals));
        }
        records.extend(self.no_room());
        records
    }

    fn totals(&self) -> Counts {
        let mut totals = [0; KINDS];
        for (index, total) in (0u32..).zip(&mut totals) {
            *total = sum(&self.totals, index);
        }
        totals
    }

    fn sweep(&mut self) -> Vec<RawRecord> {
        let now = boot_ns();
        let mut records = Vec::new();
        let keys: Vec<u32> = self.sessions.keys().filter_map(Result::ok).collect();
        for key in keys {
            let Ok(session) = self.sessions.get(&key, 0) else { continue };
            let [due, start_ns, pid, held @ ..] = session;
            let told = self.told.entry(key).or_insert([0; KINDS]);
            let news = difference(&held, told);
            if news == [0; KINDS] {
                if key != OTHERS && due.saturating_add(REST_NS) < now && self.sessions.remove(&key).is_ok() {
                    self.told.remove(&key);
                }
                continue;
            }
            *told = held;
            for (sum, count) in self.told_in_all.iter_mut().zip(news) {
                *sum += count;
            }
            let actor = u32::try_from(pid).ok().filter(|pid| *pid != 0 && key != OTHERS);
            let actor = actor.map(|pid| RawActor { pid, start_ticks: Some(start_ns / NS_PER_TICK) });
            records.push(suppressed(actor, &news));
        }
        records
    }

    /// What was counted in all and stands in no session's entry: one that was taken out while it was counted in.
    fn rest(&mut self, totals: &Counts) -> Option<RawRecord> {
        let news = difference(totals, &self.told_in_all);
        if news == [0; KINDS] {
            return None;
        }
        for (sum, count) in self.told_in_all.iter_mut().zip(news) {
            *sum += count;
        }
        Some(suppressed(None, &news))
    }

    /// Children of watched processes for whom there was no room: of these not everything is told.
    fn no_room(&mut self) -> Option<RawRecord> {
        let count = sum(&self.no_room, 0);
        let news = count.saturating_sub(self.no_room_told);
        self.no_room_told = count;
        let detail = format!("{news} processes below one that a detection named are filtered like others");
        (news > 0).then(|| speak(None, RawKind::Notice { what: "too many processes to watch".into(), detail }))
    }
}

fn sum(map: &PerCpuArray<MapData, u64>, index: u32) -> u64 {
    map.get(&index, 0).map_or(0, |counts| counts.iter().sum())
}

fn difference(counts: &Counts, before: &Counts) -> Counts {
    std::array::from_fn(|index| counts[index].saturating_sub(before[index]))
}

fn suppressed(actor: Option<RawActor>, news: &Counts) -> RawRecord {
    let count = |(number, activity): (u32, picket_model::FileActivity)| {
        let count = news.get(number as usize).copied().unwrap_or(0);
        (count > 0).then(|| LossCount { place: format!("file.{}", activity.word()), count })
    };
    let counts = ACTIVITIES.into_iter().filter_map(count).collect();
    speak(actor, RawKind::Plain(Box::new(Activity::Suppressed { counts })))
}

fn speak(actor: Option<RawActor>, kind: RawKind) -> RawRecord {
    RawRecord { time: WallOffset::read().wall(boot_ns()), actor, kind }
}
