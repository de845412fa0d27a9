//! Owns: the scan of processes that already run, parents first.
//! Never: records of later events.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;

use picket_model::raw::{RawActor, RawKind, RawProcess, RawRecord};
use picket_model::{FileId, Timestamp};

use super::decode::arguments;

/// Arguments of one process beyond this are cut, as the kernel programs cut them.
const ARGV_BYTES_MAX: usize = 4096;

/// Every process that runs now. One that ends meanwhile is left out: its exit comes by the ring and means nothing then.
pub fn scan(now: Timestamp) -> Vec<RawRecord> {
    let Ok(directory) = fs::read_dir("/proc") else { return Vec::new() };
    let mut processes: BTreeMap<u32, RawProcess> = directory
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, describe(pid)?)))
        .collect();
    let starts: BTreeMap<u32, Option<u64>> =
        processes.iter().map(|(pid, process)| (*pid, process.start_ticks)).collect();
    for process in processes.values_mut() {
        process.parent_start_ticks = starts.get(&process.ppid).copied().flatten();
    }
    parents_first(processes)
        .into_iter()
        .map(|process| RawRecord {
            time: now,
            actor: Some(RawActor { pid: process.pid, start_ticks: process.start_ticks }),
            kind: RawKind::Seed(process),
        })
        .collect()
}

fn parents_first(mut processes: BTreeMap<u32, RawProcess>) -> Vec<RawProcess> {
    let mut ordered = Vec::with_capacity(processes.len());
    let mut known = BTreeSet::from([0]);
    while !processes.is_empty() {
        let ready: Vec<u32> = processes
            .values()
            .filter(|process| known.contains(&process.ppid) || !processes.contains_key(&process.ppid))
            .map(|process| process.pid)
            .collect();
        // Pids reused during the scan can close a circle: then any order is as good.
        let ready = if ready.is_empty() { processes.keys().copied().collect() } else { ready };
        for pid in ready {
            known.insert(pid);
            ordered.extend(processes.remove(&pid));
        }
    }
    ordered
}

/// `None` where the process has gone.
pub fn describe(pid: u32) -> Option<RawProcess> {
    let read = |file: &str| fs::read(format!("/proc/{pid}/{file}"));
    let link = |file: &str| {
        fs::read_link(format!("/proc/{pid}/{file}")).map(|path| path.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let stat = String::from_utf8_lossy(&read("stat").ok()?).into_owned();
    // The name may hold spaces and parentheses: the fields begin after the last one.
    let (before, after) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = after.split(' ').collect();
    let status = String::from_utf8_lossy(&read("status").unwrap_or_default()).into_owned();
    let ids = |label: &str| -> Vec<u32> {
        let line = status.lines().find_map(|line| line.strip_prefix(label)).unwrap_or_default();
        line.split_whitespace().filter_map(|id| id.parse().ok()).collect()
    };
    let (uids, gids) = (ids("Uid:"), ids("Gid:"));
    let mut cmdline = read("cmdline").unwrap_or_default();
    cmdline.truncate(ARGV_BYTES_MAX);
    let exe = link("exe");
    let (exe, exe_memfd) = match exe.strip_suffix(" (deleted)") {
        Some(gone) => (gone.to_owned(), true),
        None => (exe, false),
    };
    let login_uid = String::from_utf8_lossy(&read("loginuid").unwrap_or_default())
        .trim()
        .parse()
        .ok()
        .filter(|uid| *uid != u32::MAX);
    let cgroup = String::from_utf8_lossy(&read("cgroup").unwrap_or_default()).into_owned();
    Some(RawProcess {
        pid,
        start_ticks: fields.get(19).and_then(|ticks| ticks.parse().ok()),
        ppid: fields.get(1).and_then(|ppid| ppid.parse().ok())?,
        parent_start_ticks: None,
        exe,
        name: before.split_once('(').map(|(_, name)| name.to_owned()).unwrap_or_default(),
        argv: arguments(&cmdline),
        cwd: link("cwd"),
        uid: uids.first().copied(),
        euid: uids.get(1).copied(),
        gid: gids.first().copied(),
        login_uid,
        session: fields.get(3).and_then(|session| session.parse().ok()),
        cgroup: cgroup.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default().to_owned(),
        exe_file: fs::metadata(format!("/proc/{pid}/exe")).ok().map(|file| FileId { dev: file.dev(), ino: file.ino() }),
        exe_memfd,
    })
}
