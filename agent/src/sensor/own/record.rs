//! Owns: bytes of a tamper record (`bpf/tamper.h`) to what was done to the agent, and by whom.
//! Never: trusting them; what does not parse is `None`.

#[cfg(test)]
mod tests;

use picket_model::raw::{RawActor, RawKind, RawRecord};
use picket_model::{Activity, TamperKind};

use crate::procfs;
use crate::sys::clock::WallOffset;
use crate::sys::ring::Bytes;

pub const RECORD_BYTES: usize = 48;
const NS_PER_TICK: u64 = 10_000_000;

/// Of an array map's value too, where a zero kind says that nothing was written.
pub fn record(bytes: &[u8], clock: WallOffset, when: &str) -> Option<RawRecord> {
    let mut bytes = Bytes::new(bytes);
    let kind = match bytes.u32()? {
        1 => TamperKind::Kill,
        2 => TamperKind::Stop,
        3 => TamperKind::Trace,
        4 => TamperKind::Detach,
        5 => TamperKind::Unmount,
        6 => TamperKind::Edit,
        _ => return None,
    };
    let (refused, pid, signal) = (bytes.u32()? != 0, bytes.u32()?, bytes.u32()?);
    let (start_ns, time_ns) = (bytes.u64()?, bytes.u64()?);
    let comm = bytes.array::<16>()?;
    let name = comm.split(|byte| *byte == 0).next().unwrap_or_default();
    let signal = match kind {
        TamperKind::Kill | TamperKind::Stop => format!("signal {signal} "),
        _ => String::new(),
    };
    let detail = format!("{signal}from {} ({pid}){when}", procfs::text(name));
    let actor = RawActor { pid, start_ticks: Some(start_ns / NS_PER_TICK) };
    let activity = Activity::Tamper { kind, refused, detail };
    Some(RawRecord { time: clock.wall(time_ns), actor: Some(actor), kind: RawKind::Plain(Box::new(activity)) })
}
