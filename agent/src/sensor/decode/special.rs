//! Owns: records of files that are none: settings of the kernel and the memory of processes.
//! Never: other records.

use picket_model::raw::{RawActor, RawKind};
use picket_model::{Activity, KernelOperation, ProcessAccess};

use super::{NS_PER_TICK, parts};
use crate::sys::ring::Bytes;

/// `enum call_what` of `bpf/event.h`.
const PROC_MEM: u16 = 5;
const PARAMETER: u16 = 23;

pub fn call(bytes: &mut Bytes<'_>) -> Option<RawKind> {
    let what = bytes.u16()?;
    let text_len = bytes.u16()?;
    bytes.take(4)?;
    let start_ns = bytes.u64()?;
    let writable = bytes.u64()? != 0;
    bytes.take(5 * 8 + 8)?;
    let pid = bytes.u32()?;
    bytes.u32()?;
    let path = bytes.take(text_len.into())?;
    match what {
        PROC_MEM => Some(RawKind::ProcessAccess {
            access: if writable { ProcessAccess::WriteMemory } else { ProcessAccess::ReadMemory },
            target: RawActor { pid, start_ticks: Some(start_ns / NS_PER_TICK) },
        }),
        PARAMETER => Some(RawKind::Plain(Box::new(Activity::Kernel {
            operation: KernelOperation::SetParameter,
            subject: parts(path),
            detail: String::new(),
        }))),
        _ => None,
    }
}
