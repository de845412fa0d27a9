//! Owns: reading one process, or the list of them, from /proc as raw descriptions; for every stage that needs it.
//! Never: keeping anything; a description is of the moment it was read.

mod surroundings;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use picket_model::FileId;
use picket_model::raw::RawProcess;

/// Arguments of one process beyond this are cut, as the kernel programs cut them.
const ARGV_BYTES_MAX: u64 = 4096;
/// An environment beyond this is looked at in part: the kernel allows argument lists of megabytes.
const ENVIRON_BYTES_MAX: u64 = 1024 * 1024;
pub const PRELOAD: [&str; 3] = ["LD_PRELOAD=", "LD_AUDIT=", "LD_LIBRARY_PATH="];
/// `stat`, `status` and `cgroup` stay below this on every kernel; a longer one is cut rather than trusted.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Most are shorter, and are then read at once.
const BYTES_USUAL: usize = 2048;

/// Every process there is now, in no order.
///
/// # Errors
/// When /proc is not mounted or not readable.
pub fn pids() -> io::Result<impl Iterator<Item = u32>> {
    Ok(fs::read_dir("/proc")?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()))
}

/// When the process began, in clock ticks since boot; `None` where it has gone.
#[must_use]
pub fn start_ticks(pid: u32) -> Option<u64> {
    Stat::parse(&read_text(pid, "stat")?)?.start_ticks
}

/// How many threads it has; `None` where it has gone.
#[must_use]
pub fn threads(pid: u32) -> Option<u32> {
    Stat::parse(&read_text(pid, "stat")?)?.threads
}

/// `None` where the process has gone. What cannot be read of one that is there stays empty.
#[must_use]
pub fn describe(pid: u32) -> Option<RawProcess> {
    // These two go with the process's memory, before all else: whoever asks in a hurry may still find them.
    let cmdline = read(pid, "cmdline", ARGV_BYTES_MAX).unwrap_or_default();
    let exe = link(pid, "exe");
    let stat = Stat::parse(&read_text(pid, "stat")?)?;
    let status = read_text(pid, "status").unwrap_or_default();
    let (uids, gids) = (ids(&status, "Uid:"), ids(&status, "Gid:"));
    let (exe, exe_memfd) = match exe.strip_suffix(" (deleted)") {
        Some(gone) => (gone.to_owned(), true),
        None => (exe, false),
    };
    let login_uid = read_text(pid, "loginuid").and_then(|uid| uid.trim().parse().ok());
    let cgroup = read_text(pid, "cgroup").unwrap_or_default();
    Some(RawProcess {
        pid,
        start_ticks: stat.start_ticks,
        ppid: stat.ppid,
        parent_start_ticks: None,
        exe,
        name: stat.name,
        argv: arguments(&cmdline),
        cwd: link(pid, "cwd"),
        uid: uids.first().copied(),
        euid: uids.get(1).copied(),
        gid: gids.first().copied(),
        login_uid: login_uid.filter(|uid| *uid != u32::MAX),
        session: stat.session,
        cgroup: cgroup.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default().to_owned(),
        exe_file: fs::metadata(format!("/proc/{pid}/exe")).ok().map(|file| FileId { dev: file.dev(), ino: file.ino() }),
        exe_memfd,
        context: Some(Box::new(surroundings::of(pid, &status, cmdline.len()))),
    })
}

/// Each argument ends with a NUL; an argument may be empty.
#[must_use]
pub fn arguments(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes.split(|byte| *byte == 0).map(text).collect()
}

/// The variables by which the dynamic linker is told to load what the program did not ask for, as `NAME=value`.
#[must_use]
pub fn preload(pid: u32) -> Option<Vec<String>> {
    let environment = read(pid, "environ", ENVIRON_BYTES_MAX)?;
    let named = |variable: &&[u8]| PRELOAD.iter().any(|name| variable.starts_with(name.as_bytes()));
    Some(environment.split(|byte| *byte == 0).filter(named).map(text).collect())
}

/// Text from outside as it stands; each byte that is not UTF-8 becomes `\xNN`, so that it can still be read off.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Whose file system a process sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum View {
    /// The host's own, so that paths mean what they say.
    Own,
    /// One of its own, where any path may be anybody's file.
    Foreign,
    /// It has ended, and nobody can say any more.
    Gone,
}

/// `start_ticks`, where given, keeps another process of the same number from answering.
#[must_use]
pub fn view(pid: u32, start_ticks: Option<u64>) -> View {
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    let Some(found) = namespace(&pid.to_string()) else { return View::Gone };
    // Asked after the namespace: whoever answers now answered then.
    if start_ticks.is_some_and(|wanted| self::start_ticks(pid) != Some(wanted)) {
        return View::Gone;
    }
    if namespace("self") == Some(found) { View::Own } else { View::Foreign }
}

/// Whether the root directory of a process is the agent's own, whatever else it has mounted. `None` where it has gone.
#[must_use]
pub fn shares_root(pid: u32, start_ticks: Option<u64>) -> Option<bool> {
    let root = |pid: &str| fs::metadata(format!("/proc/{pid}/root")).ok().map(|root| (root.dev(), root.ino()));
    let found = root(&pid.to_string())?;
    // Asked after the root: whoever answers now answered then.
    if start_ticks.is_some_and(|wanted| self::start_ticks(pid) != Some(wanted)) {
        return None;
    }
    Some(root("self")? == found)
}

/// The real user of a process; `None` where it has gone.
#[must_use]
pub fn user(pid: u32) -> Option<u32> {
    ids(&read_text(pid, "status")?, "Uid:").first().copied()
}

/// Who logged in, whatever `su` came after; `None` where nobody did, or it has gone.
#[must_use]
pub fn login_user(pid: u32) -> Option<u32> {
    read_text(pid, "loginuid")?.trim().parse().ok().filter(|uid| *uid != u32::MAX)
}

/// Whether a terminal controls it.
#[must_use]
pub fn has_terminal(pid: u32) -> bool {
    read_text(pid, "stat").and_then(|text| Stat::parse(&text)).is_some_and(|stat| stat.terminal.is_some())
}

struct Stat {
    name: String,
    ppid: u32,
    session: Option<u32>,
    /// The device of the terminal that controls it.
    terminal: Option<i32>,
    threads: Option<u32>,
    start_ticks: Option<u64>,
}

impl Stat {
    /// The name may hold spaces and parentheses: the fields begin after the last one.
    fn parse(text: &str) -> Option<Self> {
        let (before, after) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = after.split(' ').collect();
        Some(Self {
            name: before.split_once('(').map(|(_, name)| name.to_owned()).unwrap_or_default(),
            ppid: fields.get(1)?.parse().ok()?,
            session: fields.get(3).and_then(|session| session.parse().ok()),
            terminal: fields.get(4).and_then(|terminal| terminal.parse().ok()).filter(|terminal| *terminal != 0),
            threads: fields.get(17).and_then(|threads| threads.parse().ok()),
            start_ticks: fields.get(19).and_then(|ticks| ticks.parse().ok()),
        })
    }
}

fn ids(status: &str, label: &str) -> Vec<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix(label)).unwrap_or_default();
    line.split_whitespace().filter_map(|id| id.parse().ok()).collect()
}

fn read(pid: u32, file: &str, bytes_max: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(BYTES_USUAL);
    File::open(format!("/proc/{pid}/{file}")).ok()?.take(bytes_max).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn read_text(pid: u32, file: &str) -> Option<String> {
    read(pid, file, FILE_BYTES_MAX).map(|bytes| text(&bytes))
}

fn link(pid: u32, file: &str) -> String {
    fs::read_link(format!("/proc/{pid}/{file}")).map(|path| text(path.as_os_str().as_bytes())).unwrap_or_default()
}
