//! Owns: looks at the host for what a record names by number only; `None` where it has gone by then.
//! Never: waiting.

use std::fs;

use picket_model::BpfProgram;

use crate::procfs;

/// Of a process's mounts, which attackers could make endless.
const MOUNTS_BYTES_MAX: usize = 1 << 20;

/// Whom a pidfd of a process stands for.
pub fn pidfd(pid: u32, fd: u32) -> Option<u32> {
    let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).ok()?;
    info.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok())
}

/// The name that a memory-backed file was given.
pub fn memfd(pid: u32, fd: u64) -> Option<String> {
    let link = fs::read_link(format!("/proc/{pid}/fd/{fd}")).ok()?;
    let name = procfs::text(std::os::unix::ffi::OsStrExt::as_bytes(link.as_os_str()));
    Some(name.strip_prefix("/memfd:")?.trim_end_matches(" (deleted)").to_owned())
}

/// The path of what a process has open. Nobody's file system is asked for it.
pub fn opened(pid: u32, fd: u64) -> Option<String> {
    let link = fs::read_link(format!("/proc/{pid}/fd/{fd}")).ok()?;
    let path = procfs::text(std::os::unix::ffi::OsStrExt::as_bytes(link.as_os_str()));
    path.starts_with('/').then(|| path.trim_end_matches(" (deleted)").to_owned())
}

/// What was mounted last at `target` as the process sees it: the source and the kind of file system.
pub fn mounted(pid: u32, target: &str) -> Option<(String, String)> {
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo"))
        .or_else(|_| fs::read_to_string("/proc/self/mountinfo"))
        .ok()
        .filter(|text| text.len() <= MOUNTS_BYTES_MAX)?;
    mounts.lines().rev().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let (fs_type, source) = (kind.next()?, kind.next()?);
        (place.split(' ').nth(4)? == target).then(|| (source.to_owned(), fs_type.to_owned()))
    })
}

/// A program that is still loaded.
pub fn program(id: u32) -> Option<BpfProgram> {
    let info = aya::programs::loaded_programs().flatten().find(|info| info.id() == id)?;
    let kind = format!("{:?}", info.program_type());
    let kind = kind.strip_prefix("BPF_PROG_TYPE_").unwrap_or(&kind).to_ascii_lowercase();
    Some(BpfProgram {
        name: info.name_as_str().unwrap_or_default().to_owned(),
        kind,
        id,
        tag: format!("{:016x}", info.tag()),
    })
}
