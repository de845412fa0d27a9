//! Owns: records of launches, births and ends.
//! Never: other records.

use picket_model::FileId;
use picket_model::process::{Context, StreamKind};
use picket_model::raw::{RawKind, RawProcess};

use super::{Head, NS_PER_TICK, arguments, parts, parts_of, resolve, until_nul, user_dev};
use crate::procfs::{PRELOAD, text};
use crate::sys::ring::Bytes;

const EXEC_NO_NAME: u16 = 1;
const EXEC_ENV_MORE: u16 = 2;

pub fn launch(bytes: &mut Bytes<'_>, head: &Head) -> Option<RawKind> {
    let [parent_start_ns, ino, capabilities] = [bytes.u64()?, bytes.u64()?, bytes.u64()?];
    let [dev, ppid] = [bytes.u32()?, bytes.u32()?];
    let [uid, euid, gid, login_uid] = [bytes.u32()?, bytes.u32()?, bytes.u32()?, bytes.u32()?];
    let session = bytes.u32()?;
    let [mount_ns, pid_ns, net_ns, user_ns] = [bytes.u32()?, bytes.u32()?, bytes.u32()?, bytes.u32()?];
    let [argv_bytes, exe_whole] = [bytes.u32()?, bytes.u32()?];
    let [argv, exe, cwd] = [bytes.u16()?, bytes.u16()?, bytes.u16()?];
    let [cgroup, script, preload] = [bytes.u16()?, bytes.u16()?, bytes.u16()?];
    let [stdin, stdout] = [stream(bytes.u8()?), stream(bytes.u8()?)];
    bytes.take(6)?;
    let comm = bytes.array::<16>()?;
    let argv = bytes.take(argv.into())?;
    let (exe, exe_bytes) = parts_of(bytes.take(exe.into())?, exe_whole);
    let cwd_parts = bytes.take(cwd.into())?;
    let cgroup = bytes.take(cgroup.into())?;
    let script = until_nul(bytes.take(script.into())?);
    let mut preload = arguments(bytes.take(preload.into())?);
    // The kernel's program compares eight letters.
    preload.retain(|variable| PRELOAD.iter().any(|name| variable.starts_with(name)));
    if head.flags & EXEC_ENV_MORE != 0 {
        // Too many variables for the kernel's look: the process itself still has them, if it lives.
        preload = crate::procfs::preload(head.pid).unwrap_or(preload);
    }
    let context = Context {
        mount_ns,
        pid_ns,
        net_ns,
        user_ns,
        capabilities,
        argv_bytes,
        argv_cut: argv_bytes as usize > argv.len(),
        exe_bytes,
        preload,
        stdin,
        stdout,
        script: if script.is_empty() { String::new() } else { resolve_at(cwd_parts, script) },
        ..Context::default()
    };
    Some(RawKind::Exec(RawProcess {
        pid: head.pid,
        start_ticks: Some(head.start_ns / NS_PER_TICK),
        ppid,
        parent_start_ticks: (ppid != 0).then_some(parent_start_ns / NS_PER_TICK),
        exe,
        name: text(until_nul(&comm)),
        argv: arguments(argv),
        cwd: parts(cwd_parts),
        uid: Some(uid),
        euid: Some(euid),
        gid: Some(gid),
        login_uid: (login_uid != u32::MAX).then_some(login_uid),
        session: Some(session),
        cgroup: parts(cgroup),
        exe_file: Some(FileId { dev: user_dev(dev), ino }),
        exe_memfd: head.flags & EXEC_NO_NAME != 0,
        context: Some(Box::new(context)),
    }))
}

/// The kernel says a script's name as it was called by: relative to the directory it was called in, if at all.
fn resolve_at(cwd: &[u8], written: &[u8]) -> String {
    resolve(if written.starts_with(b"/") { &[] } else { cwd }, written)
}

/// `enum stream` of `bpf/event.h`.
const fn stream(kind: u8) -> StreamKind {
    match kind {
        1 => StreamKind::Closed,
        2 => StreamKind::Terminal,
        3 => StreamKind::File,
        4 => StreamKind::Pipe,
        5 => StreamKind::Socket,
        6 => StreamKind::Null,
        _ => StreamKind::Unknown,
    }
}

pub fn fork(bytes: &mut Bytes<'_>) -> Option<RawKind> {
    let start = bytes.u64()?;
    Some(RawKind::Fork { child_pid: bytes.u32()?, child_start_ticks: Some(start / NS_PER_TICK) })
}

/// The low seven bits are the signal, the next byte the code, as `wait` has it.
pub fn exit(code: u32) -> RawKind {
    RawKind::Exit {
        exit_code: i32::from((code >> 8).to_le_bytes()[0]),
        signal: i32::from(code.to_le_bytes()[0] & 0x7f),
    }
}
