//! Owns: what audit says of each `execve`, until the proc connector's word of the same arrives, and the two made one.
//! Never: telling an exec by itself: who says that it happened is the proc connector alone.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use picket_model::Timestamp;
use picket_model::process::Context;
use picket_model::raw::RawProcess;

use super::assembly::Whole;
use super::record::decode;
use crate::procfs;

const SYSCALL: u16 = 1300;
const CWD: u16 = 1307;
const EXECVE: u16 = 1309;
/// As /proc is read: arguments beyond this are cut.
const ARGV_BYTES_MAX: usize = 4096;
/// Some ten thousand execs a second come and go within 100 ms each.
const WAITING_MAX: usize = 4096;
/// An exec from a slow disk takes so long between the stamp, taken as it begins, and the connector's, as it is done.
const AGE_MAX_NS: u64 = 5_000_000_000;
/// The kernel stamps audit records with its coarse clock, which may be a tick behind or, in milliseconds, cut.
const SKEW_NS: u64 = 20_000_000;

/// What audit knows of one exec.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Told {
    pub time: Timestamp,
    pub process: RawProcess,
}

/// The exec that an event is about.
pub fn told(whole: &Whole) -> Option<Told> {
    let call = whole.first(SYSCALL)?;
    let (mut argv, mut bytes, mut cut) = (Vec::new(), 0, whole.cut);
    for fields in whole.each(EXECVE) {
        for (key, value) in fields.iter() {
            let Some(number) = key.strip_prefix(b"a").and_then(|key| std::str::from_utf8(key).ok()) else { continue };
            // `a3`, or the first piece of a long one: `a3[0]`.
            let (number, piece) = number.split_once('[').map_or((number, ""), |(number, piece)| (number, piece));
            let Ok(number) = number.parse::<usize>() else { continue };
            let value = decode(value);
            bytes += value.len() + 1;
            if bytes > ARGV_BYTES_MAX {
                cut = true;
            } else if number == argv.len() {
                argv.push(value);
            } else if let Some(begun) = argv.get_mut(number).filter(|_| !piece.is_empty()) {
                begun.extend(value);
            }
        }
    }
    let known = |name: &str| call.small(name).filter(|id| *id != u32::MAX);
    let exe = call.text("exe").filter(|exe| exe != "(null)").unwrap_or_default();
    let (exe, exe_memfd) = match exe.strip_suffix(" (deleted)") {
        Some(gone) => (gone.to_owned(), true),
        None => (exe, false),
    };
    let argv_bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    Some(Told {
        time: whole.stamp.time,
        process: RawProcess {
            pid: call.small("pid")?,
            ppid: call.small("ppid").unwrap_or_default(),
            exe,
            exe_memfd,
            name: call.text("comm").unwrap_or_default(),
            argv: argv.iter().map(|argument| procfs::text(argument)).collect(),
            cwd: whole.first(CWD).and_then(|fields| fields.text("cwd")).unwrap_or_default(),
            uid: known("uid"),
            euid: known("euid"),
            gid: known("gid"),
            login_uid: known("auid"),
            context: cut.then(|| Box::new(Context { argv_cut: true, argv_bytes, ..Context::default() })),
            ..RawProcess::default()
        },
    })
}

/// Filled by the thread that hears audit, emptied by the one that asks the tier.
#[derive(Default)]
pub struct Execs {
    waiting: Mutex<Waiting>,
    news: Condvar,
}

#[derive(Default)]
struct Waiting {
    of: BTreeMap<u32, VecDeque<Told>>,
    count: usize,
    lost: u64,
}

impl Execs {
    pub fn tell(&self, told: Told) {
        let mut waiting = self.lock();
        if waiting.count >= WAITING_MAX {
            // Nobody asks for them: execs of which the connector's word was lost.
            waiting.lost += u64::try_from(waiting.count).unwrap_or_default();
            waiting.of.clear();
            waiting.count = 0;
        }
        waiting.of.entry(told.process.pid).or_default().push_back(told);
        waiting.count += 1;
        drop(waiting);
        self.news.notify_all();
    }

    /// What audit says of the exec of `pid` that the connector saw end at `time`: a process's execs come in their order.
    pub fn take(&self, pid: u32, time: Timestamp) -> Option<Told> {
        let mut waiting = self.lock();
        let queue = waiting.of.get_mut(&pid)?;
        let before = queue.len();
        while queue.front().is_some_and(|told| told.time.0.saturating_add(AGE_MAX_NS) < time.0) {
            queue.pop_front();
        }
        let told = match queue.front() {
            Some(told) if told.time.0 <= time.0.saturating_add(SKEW_NS) => queue.pop_front(),
            _ => None,
        };
        let (gone, empty) = (before - queue.len(), queue.is_empty());
        if empty {
            waiting.of.remove(&pid);
        }
        waiting.count = waiting.count.saturating_sub(gone);
        told
    }

    /// Whether `pid` began a new image before `time` of which the connector has not spoken yet.
    pub fn awaits(&self, pid: u32, time: Timestamp) -> bool {
        let recent = |told: &Told| told.time <= time && told.time.0.saturating_add(AGE_MAX_NS) > time.0;
        self.lock().of.get(&pid).is_some_and(|queue| queue.iter().any(recent))
    }

    /// Until something new is told, or for so long.
    pub fn wait(&self, timeout: Duration) {
        drop(self.news.wait_timeout(self.lock(), timeout));
    }

    /// Counts since the last call.
    pub fn take_lost(&self) -> u64 {
        std::mem::take(&mut self.lock().lost)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Audit looked while the exec was done, /proc is read after it: where they differ, /proc was too late.
pub fn complete(process: &mut RawProcess, told: Told) {
    let told = told.process;
    let late = process.exe.is_empty() || process.exe != told.exe || process.argv.is_empty();
    if late && !told.exe.is_empty() {
        // The file that /proc names is the one of a later image.
        if process.exe != told.exe {
            process.exe_file = None;
            process.exe_memfd = told.exe_memfd;
        }
        (process.exe, process.name) = (told.exe, told.name);
    }
    if (late || process.argv != told.argv) && !told.argv.is_empty() {
        process.argv = told.argv;
        process.context = process.context.take().or(told.context);
    }
    if process.cwd.is_empty() {
        process.cwd = told.cwd;
    }
    if process.ppid == 0 {
        process.ppid = told.ppid;
    }
    process.uid = process.uid.or(told.uid);
    process.euid = process.euid.or(told.euid);
    process.gid = process.gid.or(told.gid);
    process.login_uid = process.login_uid.or(told.login_uid);
}
