//! Owns: bytes of the proc connector to what happened to a process, and the count of those that never came.
//! Never: /proc.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::sys::ring::Bytes;

/// `CN_IDX_PROC` and `CN_VAL_PROC`.
const ADDRESS: (u32, u32) = (1, 1);
/// More processors than any kernel counts: a larger number is no processor.
const CPUS_MAX: u32 = 8192;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// The kernel's answer to the subscription: an errno, or zero.
    Answer(u32),
    Fork {
        parent: u32,
        child: u32,
    },
    Exec {
        pid: u32,
    },
    /// One thread of the process `pid` ended; its leader where `leader` says so.
    Exit {
        pid: u32,
        leader: bool,
        code: u32,
    },
    /// The real and the effective user (or group) of the process are others now.
    User {
        pid: u32,
        ids: (u32, u32),
    },
    Group {
        pid: u32,
        ids: (u32, u32),
    },
    /// `by` has attached itself to the process.
    Traced {
        pid: u32,
        by: u32,
    },
    Other,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProcEvent {
    pub cpu: u32,
    pub sequence: u32,
    /// `CLOCK_MONOTONIC`.
    pub time_ns: u64,
    pub what: What,
}

/// A `struct cn_msg` with a `struct proc_event` in it; `None` where it is anything else.
pub fn parse(body: &[u8]) -> Option<ProcEvent> {
    let mut bytes = Bytes::new(body);
    let address = (bytes.u32()?, bytes.u32()?);
    let sequence = bytes.u32()?;
    bytes.u32()?;
    let len = bytes.u16()?;
    bytes.u16()?;
    let mut bytes = Bytes::new(bytes.take(len.into())?);
    let kind = bytes.u32()?;
    let cpu = bytes.u32()?;
    let time_ns = bytes.u64()?;
    let what = match kind {
        0 => What::Answer(bytes.u32()?),
        1 => {
            let [_, parent, child_thread, child] = [bytes.u32()?, bytes.u32()?, bytes.u32()?, bytes.u32()?];
            // A new thread is no new process.
            if child == child_thread { What::Fork { parent, child } } else { What::Other }
        }
        2 => {
            bytes.u32()?;
            What::Exec { pid: bytes.u32()? }
        }
        4 | 0x40 => {
            let [thread, pid, real, effective] = [bytes.u32()?, bytes.u32()?, bytes.u32()?, bytes.u32()?];
            // Each thread changes for itself; the first one speaks for the process.
            match (thread == pid, kind) {
                (false, _) => What::Other,
                (true, 4) => What::User { pid, ids: (real, effective) },
                (true, _) => What::Group { pid, ids: (real, effective) },
            }
        }
        0x100 => {
            let [_, pid, _, by] = [bytes.u32()?, bytes.u32()?, bytes.u32()?, bytes.u32()?];
            // Nobody: it was let go.
            if by == 0 { What::Other } else { What::Traced { pid, by } }
        }
        0x8000_0000 => {
            let [thread, pid, code] = [bytes.u32()?, bytes.u32()?, bytes.u32()?];
            What::Exit { pid, leader: thread == pid, code }
        }
        _ => What::Other,
    };
    (address == ADDRESS).then_some(ProcEvent { cpu, sequence, time_ns, what })
}

/// The kernel numbers the events of each processor: a hole in the numbers is a loss.
#[derive(Default)]
pub struct Sequences {
    next: BTreeMap<u32, u32>,
}

impl Sequences {
    /// How many events of this one's processor are missing before it.
    pub fn missing(&mut self, event: &ProcEvent) -> u64 {
        if matches!(event.what, What::Answer(_)) || event.cpu >= CPUS_MAX {
            return 0;
        }
        let expected = self.next.insert(event.cpu, event.sequence.wrapping_add(1)).unwrap_or(event.sequence);
        let hole = event.sequence.wrapping_sub(expected);
        // A step back is a kernel that began to count anew when the first listener came.
        if hole > u32::MAX / 2 { 0 } else { hole.into() }
    }
}
