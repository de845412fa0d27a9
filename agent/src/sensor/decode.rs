//! Owns: bytes of a kernel record (`bpf/event.h`) to a raw record.
//! Never: trusting a length or a value; what does not parse is `None` and counted by the caller.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Component, Path, PathBuf};

use picket_model::raw::{RawActor, RawKind, RawProcess, RawRecord};
use picket_model::{FileActivity, FileId, NetActivity, NetProtocol};

pub(super) use crate::procfs::arguments;
use crate::sys::clock::WallOffset;
use crate::sys::ring::Bytes;

const EXEC_NO_NAME: u16 = 1;
/// `USER_HZ` is 100 on every architecture Linux has left.
const NS_PER_TICK: u64 = 10_000_000;

struct Head {
    kind: u16,
    flags: u16,
    pid: u32,
    time_ns: u64,
    start_ns: u64,
}

pub fn record(bytes: &[u8], clock: WallOffset) -> Option<RawRecord> {
    let mut bytes = Bytes::new(bytes);
    let head = Head {
        kind: bytes.u16()?,
        flags: bytes.u16()?,
        pid: bytes.u32()?,
        time_ns: bytes.u64()?,
        start_ns: bytes.u64()?,
    };
    let kind = match head.kind {
        1 => exec(&mut bytes, &head)?,
        2 => {
            let start = bytes.u64()?;
            RawKind::Fork { child_pid: bytes.u32()?, child_start_ticks: Some(start / NS_PER_TICK) }
        }
        3 => exit(bytes.u32()?),
        4 => network(&mut bytes)?,
        5 => file(&mut bytes)?,
        6 => module(&mut bytes)?,
        _ => return None,
    };
    let actor = RawActor { pid: head.pid, start_ticks: Some(head.start_ns / NS_PER_TICK) };
    Some(RawRecord { time: clock.wall(head.time_ns), actor: Some(actor), kind })
}

fn exec(bytes: &mut Bytes<'_>, head: &Head) -> Option<RawKind> {
    let parent_start_ns = bytes.u64()?;
    let ino = bytes.u64()?;
    let dev = bytes.u32()?;
    let ppid = bytes.u32()?;
    let [uid, euid, gid, login_uid] = [bytes.u32()?, bytes.u32()?, bytes.u32()?, bytes.u32()?];
    let session = bytes.u32()?;
    bytes.u32()?;
    let [argv, exe, cwd, cgroup] = [bytes.u16()?, bytes.u16()?, bytes.u16()?, bytes.u16()?];
    let comm = bytes.array::<16>()?;
    let argv = bytes.take(argv.into())?;
    let exe = bytes.take(exe.into())?;
    let cwd = bytes.take(cwd.into())?;
    let cgroup = bytes.take(cgroup.into())?;
    Some(RawKind::Exec(RawProcess {
        pid: head.pid,
        start_ticks: Some(head.start_ns / NS_PER_TICK),
        ppid,
        parent_start_ticks: (ppid != 0).then_some(parent_start_ns / NS_PER_TICK),
        exe: parts(exe),
        name: text(&comm),
        argv: arguments(argv),
        cwd: parts(cwd),
        uid: Some(uid),
        euid: Some(euid),
        gid: Some(gid),
        login_uid: (login_uid != u32::MAX).then_some(login_uid),
        session: Some(session),
        cgroup: parts(cgroup),
        exe_file: Some(FileId { dev: user_dev(dev), ino }),
        exe_memfd: head.flags & EXEC_NO_NAME != 0,
    }))
}

/// The low seven bits are the signal, the next byte the code, as `wait` has it.
pub fn exit(code: u32) -> RawKind {
    RawKind::Exit {
        exit_code: i32::from((code >> 8).to_le_bytes()[0]),
        signal: i32::from(code.to_le_bytes()[0] & 0x7f),
    }
}

fn network(bytes: &mut Bytes<'_>) -> Option<RawKind> {
    let activity = match bytes.u16()? {
        1 => NetActivity::Connect,
        2 => NetActivity::Accept,
        3 => NetActivity::Listen,
        _ => return None,
    };
    let family = bytes.u16()?;
    let [local_port, remote_port] = [bytes.u16()?, bytes.u16()?];
    let [local, remote] = [bytes.array::<16>()?, bytes.array::<16>()?];
    Some(RawKind::Network {
        activity,
        protocol: NetProtocol::Tcp,
        local_ip: address(family, local)?,
        local_port,
        remote_ip: address(family, remote)?,
        remote_port,
    })
}

/// IPv4 inside IPv6 is IPv4: a dual-stack listener and its IPv4 peer must name the same flow.
fn address(family: u16, bytes: [u8; 16]) -> Option<IpAddr> {
    match family {
        2 => Some(IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]))),
        10 => Some(Ipv6Addr::from(bytes).to_canonical()),
        _ => None,
    }
}

fn file(bytes: &mut Bytes<'_>) -> Option<RawKind> {
    let [ino, size] = [bytes.u64()?, bytes.u64()?];
    let dev = bytes.u32()?;
    let mode = bytes.u16()?;
    let activity = match bytes.u8()? {
        1 => FileActivity::Create,
        2 => FileActivity::Write,
        3 => FileActivity::Rename,
        4 => FileActivity::Delete,
        5 => FileActivity::SetMode,
        6 => FileActivity::Read,
        _ => return None,
    };
    let form = bytes.u8()?;
    let lengths = [bytes.u16()?, bytes.u16()?, bytes.u16()?, bytes.u16()?];
    let mut part = [&[][..]; 4];
    for (slot, len) in part.iter_mut().zip(lengths) {
        *slot = bytes.take(len.into())?;
    }
    let by_object = form == 0;
    Some(RawKind::File {
        activity,
        path: if by_object { parts(part[0]) } else { resolve(part[0], part[1]) },
        old_path: match by_object {
            true => (!part[1].is_empty()).then(|| parts(part[1])),
            false => (!part[3].is_empty()).then(|| resolve(part[2], part[3])),
        },
        id: FileId { dev: user_dev(dev), ino },
        mode: mode.into(),
        size: (by_object && activity != FileActivity::Rename && activity != FileActivity::Delete).then_some(size),
    })
}

fn module(bytes: &mut Bytes<'_>) -> Option<RawKind> {
    let result = bytes.u32()?.cast_signed();
    let len = bytes.u16()?;
    bytes.u16()?;
    let path = parts(bytes.take(len.into())?);
    let file = path.rsplit('/').next().unwrap_or_default();
    let name = file.split_once(".ko").map_or(file, |(name, _)| name).to_owned();
    // A descriptor that is not a file of its own (init_module has none) leaves the root's empty name.
    let path = if name.is_empty() { String::new() } else { path };
    Some(RawKind::ModuleLoad { name, path, loaded: result == 0 })
}

/// Names from the last to the first, each closed by a NUL, to a path.
fn parts(bytes: &[u8]) -> String {
    let mut names: Vec<&[u8]> = bytes.split(|byte| *byte == 0).filter(|name| !name.is_empty()).collect();
    names.reverse();
    if names.is_empty() {
        return "/".into();
    }
    names.iter().fold(String::with_capacity(bytes.len() + 1), |mut path, name| {
        path.push('/');
        path.push_str(&String::from_utf8_lossy(name));
        path
    })
}

/// A caller's text below its base directory, with `.` and `..` taken out as written.
fn resolve(base: &[u8], written: &[u8]) -> String {
    let mut path = PathBuf::from(parts(base));
    for component in Path::new(&text(written)).components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => {
                path.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    path.to_string_lossy().into_owned()
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The kernel's `major << 20 | minor` in the encoding that `stat` shows.
pub const fn user_dev(dev: u32) -> u64 {
    let (major, minor) = ((dev >> 20) as u64, (dev & 0xf_ffff) as u64);
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

/// The inverse of [`user_dev`].
pub const fn kernel_dev(dev: u64) -> u64 {
    let (major, minor) = ((dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xf_ff00));
    major << 20 | minor
}
