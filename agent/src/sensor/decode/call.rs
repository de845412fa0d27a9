//! Owns: records of rare calls (`struct call_record`): their frame, and those that reach into memory, mounts or BPF.
//! Never: trusting a number to have a name.

#[cfg(test)]
#[allow(clippy::panic, reason = "a test says what it missed by panicking")]
mod tests;

use nix::errno::Errno;
use picket_model::raw::{RawActor, RawKind};
use picket_model::{Activity, BpfProgram, MemoryActivity, MountActivity, MountChange, ProcessAccess};

use super::{NS_PER_TICK, parts, privilege, resolve, setting, special, words};
use crate::procfs::text;
use crate::sys::ring::Bytes;

/// What follows the head, with the names of `bpf/event.h`.
pub struct Call<'a> {
    pub what: u16,
    pub args: [i64; 6],
    pub ret: i64,
    target: RawActor,
    /// Texts closed by a NUL each, or what the call's program says.
    pub texts: &'a [u8],
    /// The parts of a path.
    pub path: &'a [u8],
}

impl<'a> Call<'a> {
    fn read(bytes: &mut Bytes<'a>) -> Option<Self> {
        let what = bytes.u16()?;
        let lengths = [bytes.u16()?, bytes.u16()?];
        bytes.u16()?;
        let start_ns = bytes.u64()?;
        let mut args = [0; 6];
        for arg in &mut args {
            *arg = bytes.u64()?.cast_signed();
        }
        let ret = bytes.u64()?.cast_signed();
        let pid = bytes.u32()?;
        bytes.u32()?;
        let target = RawActor { pid, start_ticks: (start_ns > 0).then_some(start_ns / NS_PER_TICK) };
        let [texts, path] = [bytes.take(lengths[0].into())?, bytes.take(lengths[1].into())?];
        Some(Self { what, args, ret, target, texts, path })
    }

    /// The text at `index`; empty where there is none.
    pub fn text(&self, index: usize) -> String {
        self.texts.split(|byte| *byte == 0).nth(index).map(text).unwrap_or_default()
    }

    /// An argument of the call as the kernel takes it: the lower half of the register.
    pub const fn int(&self, index: usize) -> u32 {
        self.args[index].cast_unsigned() as u32
    }

    pub fn file(&self) -> String {
        if self.path.is_empty() { String::new() } else { parts(self.path) }
    }

    /// What is added to a detail where the call failed.
    pub fn failure(&self) -> Option<String> {
        let errno = i32::try_from(self.ret.checked_neg()?).ok().filter(|errno| *errno > 0)?;
        Some(format!("failed: {:?}", Errno::from_raw(errno)))
    }

    fn access(&self, access: ProcessAccess) -> RawKind {
        RawKind::ProcessAccess { access, target: self.target.clone() }
    }
}

pub fn call(bytes: &mut Bytes<'_>) -> Option<RawKind> {
    let mut whole = *bytes;
    let call = Call::read(bytes)?;
    // By `enum call_what`.
    let activity = match call.what {
        1 => return Some(call.access(traced(call.args[0]))),
        2 => return Some(call.access(ProcessAccess::ReadMemory)),
        3 => return Some(call.access(ProcessAccess::WriteMemory)),
        4 => return Some(call.access(ProcessAccess::TakeDescriptor)),
        5 | 23 => return special::call(&mut whole),
        6 => memory(&call, MemoryActivity::MakeExecutable),
        7 => memory(&call, MemoryActivity::MapExecutable),
        8 => memfd(&call),
        9..=11 => privilege::change(&call)?,
        12 => mount(&call, MountActivity::Mount),
        13 => mount(&call, MountActivity::Unmount),
        14 => mount(&call, MountActivity::ChangeRoot),
        15 => mount(&call, MountActivity::PivotRoot),
        16..=18 | 20 | 21 => setting::change(&call)?,
        19 => program(&call),
        _ => return None,
    };
    Some(RawKind::Plain(Box::new(activity)))
}

const fn traced(request: i64) -> ProcessAccess {
    // PTRACE_ATTACH and PTRACE_SEIZE; all others that are told change something.
    if matches!(request, 16 | 0x4206) { ProcessAccess::Trace } else { ProcessAccess::Poke }
}

fn memory(call: &Call<'_>, activity: MemoryActivity) -> Activity {
    let [address, len, protection, backing, ..] = call.args;
    let word = |bit: i64, word: &str| if protection & bit != 0 { word.to_owned() } else { "-".to_owned() };
    let backing = match backing {
        1 => "no file".to_owned(),
        2 => format!("a changed copy of {}", call.file()),
        _ => "unknown backing".to_owned(),
    };
    let rights = word(1, "r") + &word(2, "w") + &word(4, "x");
    Activity::Memory { activity, detail: format!("{address:#x} {len} bytes {rights}, {backing}") }
}

fn memfd(call: &Call<'_>) -> Activity {
    // The kernel names the file of memfd_secret by itself and that of memfd_create by its caller's word after "memfd:".
    let name = call.text(0);
    let name = name.strip_prefix("memfd:").map(str::to_owned).unwrap_or(name);
    Activity::MemoryFile { name, flags: call.int(0) }
}

/// A program without an id was refused: its name and kind are then what the caller asked for.
fn program(call: &Call<'_>) -> Activity {
    let refused = call.ret < 0;
    let program = BpfProgram {
        name: call.text(0),
        kind: words::bpf_kind(call.int(0)),
        id: if refused { 0 } else { call.int(1) },
        tag: if refused { String::new() } else { hex::encode(call.args[2].to_ne_bytes()) },
    };
    Activity::BpfLoad { program }
}

fn mount(call: &Call<'_>, activity: MountActivity) -> Activity {
    let target = match activity {
        MountActivity::ChangeRoot => call.file(),
        _ => resolve(call.path, call.texts),
    };
    let change = MountChange {
        activity,
        source: call.text(1),
        target,
        fs_type: call.text(2),
        flags: call.args[0].cast_unsigned(),
    };
    Activity::Mount { change }
}
