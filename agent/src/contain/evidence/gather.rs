//! Owns: reading what goes with processes, while they are stopped.
//! Never: waiting for one: memory and files can lie where another program answers for them, or does not.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::libc;

use crate::contain::{filesystems, paths};
use crate::sys::priority;

/// How long the kill may wait for what is read of processes, which are stopped meanwhile.
const PATIENCE: Duration = Duration::from_millis(50);
/// Readers that hang; with more of them nothing more is read.
const READERS_MAX: usize = 4;
/// Of one tree: its root, and what was found below it first.
const PROCESSES_MAX: usize = 16;
/// One file of /proc.
pub const TEXT_BYTES_MAX: u64 = 512 * 1024;
const TEXT_BYTES_USUAL: usize = 16 * 1024;
/// All of them, held in memory while the processes are killed.
const TEXTS_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Open files named of one process.
const DESCRIPTORS_MAX: usize = 1_024;
/// What /proc says of a process, each a file of its own. Those that are read from its memory come last: that may hang.
const TEXTS: [&str; 8] = ["maps", "status", "stat", "cgroup", "mountinfo", "limits", "cmdline", "environ"];
/// Where the kernel lists the sockets of a process's network.
const NETWORKS: [&str; 5] = ["tcp", "tcp6", "udp", "udp6", "unix"];

static READERS: AtomicUsize = AtomicUsize::new(0);

/// What was read of processes, not yet written down.
#[derive(Debug, Default)]
pub struct Gathered {
    pub processes: usize,
    /// By `PID/NAME`.
    pub texts: Vec<(String, Vec<u8>)>,
    /// Held open, so that they outlive their processes and their names.
    pub images: Vec<(String, File)>,
    pub cut: Option<&'static str>,
}

/// What was read so far; nothing once the time is up, and then nobody listens.
#[derive(Clone)]
struct SoFar(Arc<Mutex<Option<Gathered>>>);

impl SoFar {
    fn lock(&self) -> MutexGuard<'_, Option<Gathered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing where nobody listens.
    fn add(&self, piece: impl FnOnce(&mut Gathered)) -> Option<()> {
        self.lock().as_mut().map(piece)
    }
}

/// Reads what goes with the processes, as far as time and room reach. They do not run meanwhile.
#[must_use]
pub fn gather(pids: &[u32]) -> Gathered {
    let cut = |why| Gathered { cut: Some(why), ..Gathered::default() };
    if READERS.fetch_add(1, Ordering::Relaxed) >= READERS_MAX {
        READERS.fetch_sub(1, Ordering::Relaxed);
        return cut("earlier ones could not be read to their end");
    }
    let so_far = SoFar(Arc::new(Mutex::new(Some(Gathered::default()))));
    let (pids, to) = (pids.to_vec(), so_far.clone());
    // Said once, at the end: on a busy machine each word between two threads costs the stopped processes a turn.
    let (end, ended) = sync_channel::<()>(1);
    let reader = std::thread::Builder::new().name("evidence".to_owned()).spawn(move || {
        priority::go_first();
        read(&pids, &to);
        drop(end);
        READERS.fetch_sub(1, Ordering::Relaxed);
    });
    if reader.is_err() {
        READERS.fetch_sub(1, Ordering::Relaxed);
        return cut("no thread could be started");
    }
    collect(&so_far, &ended)
}

fn collect(so_far: &SoFar, ended: &Receiver<()>) -> Gathered {
    let in_time = ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Disconnected);
    let mut gathered = so_far.lock().take().unwrap_or_default();
    if !in_time {
        gathered.cut = Some("not all could be read in time");
    }
    gathered
}

/// All of each process; nobody listens any more once the time is up.
fn read(pids: &[u32], to: &SoFar) {
    let mut reader = Reader { to, room: TEXTS_BYTES_MAX, known: HashSet::new() };
    for (number, pid) in pids.iter().enumerate() {
        if number >= PROCESSES_MAX || reader.room == 0 {
            reader.cut("not of all processes");
            return;
        }
        if reader.process(*pid).is_none() {
            return;
        }
    }
}

struct Reader<'a> {
    to: &'a SoFar,
    room: u64,
    /// Images held already, by device and inode.
    known: HashSet<(u64, u64)>,
}

impl Reader<'_> {
    fn cut(&self, why: &'static str) -> Option<()> {
        self.to.add(|gathered| gathered.cut = Some(why))
    }

    fn process(&mut self, pid: u32) -> Option<()> {
        self.to.add(|gathered| gathered.processes += 1)?;
        match image(pid) {
            Some(Ok(image)) => {
                let is_new = image.metadata().is_ok_and(|seen| self.known.insert((seen.dev(), seen.ino())));
                if is_new {
                    self.to.add(|gathered| gathered.images.push((format!("{pid}/exe"), image)))?;
                }
            }
            Some(Err(why)) => self.cut(why)?,
            None => {}
        }
        let (names, sockets) = descriptors(pid);
        self.text(pid, "files", names.as_bytes())?;
        self.text(pid, "sockets", listed(pid, &sockets, || self.to.lock().is_some()).as_bytes())?;
        for name in TEXTS {
            // What cannot be read is left out: the process may have ended, and the rest counts as well.
            if let Ok(file) = File::open(format!("/proc/{pid}/{name}")) {
                self.text(pid, name, file)?;
            }
        }
        Some(())
    }

    fn text(&mut self, pid: u32, name: &str, from: impl Read) -> Option<()> {
        let limit = self.room.min(TEXT_BYTES_MAX);
        // Most fit, so that they are read at once.
        let mut text = Vec::with_capacity(TEXT_BYTES_USUAL);
        // A file of /proc may fail in the middle, as its process ends; what came before stands.
        let _ = from.take(limit + 1).read_to_end(&mut text);
        if text.len() as u64 > limit {
            text.truncate(usize::try_from(limit).unwrap_or(0));
            self.cut("a list was longer than is kept")?;
        }
        self.room = self.room.saturating_sub(text.len() as u64);
        self.to.add(|gathered| gathered.texts.push((format!("{pid}/{name}"), text)))
    }
}

/// The executable, open; or why it is left out. A file system that another program or machine answers for is not asked:
/// the one that answers may be among those that are stopped.
fn image(pid: u32) -> Option<Result<File, &'static str>> {
    let path = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(format!("/proc/{pid}/exe")).ok()?;
    let about = fs::read_to_string(format!("/proc/thread-self/fdinfo/{}", path.as_raw_fd())).ok()?;
    let mount = about.lines().find_map(|line| line.strip_prefix("mnt_id:"))?.trim();
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).ok()?;
    let own = mounts.lines().find(|line| line.split(' ').next() == Some(mount));
    let Some(kind) = own.and_then(filesystems::kind) else { return Some(Err("an executable lies on no known mount")) };
    if filesystems::is_elsewhere(kind) {
        return Some(Err("an executable lies on a file system that another program answers for"));
    }
    paths::unnoted(Path::new(&paths::own_descriptor(&path))).ok().map(Ok)
}

/// A line of each open file, and the inodes of the sockets among them.
fn descriptors(pid: u32) -> (String, BTreeSet<String>) {
    let (mut names, mut sockets) = (String::new(), BTreeSet::new());
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return (names, sockets) };
    for descriptor in open.flatten().take(DESCRIPTORS_MAX) {
        let Ok(target) = fs::read_link(descriptor.path()) else { continue };
        let target = target.to_string_lossy().into_owned();
        if let Some(inode) = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')) {
            sockets.insert(inode.to_owned());
        }
        names += &format!("{} -> {target}\n", descriptor.file_name().to_string_lossy());
    }
    (names, sockets)
}

/// The kernel's lines of these sockets, in the network that the process sees.
fn listed(pid: u32, sockets: &BTreeSet<String>, anybody_listens: impl Fn() -> bool) -> String {
    let mut text = String::new();
    if sockets.is_empty() {
        return text;
    }
    for network in NETWORKS {
        if !anybody_listens() {
            break;
        }
        let mut all = String::new();
        let Ok(file) = File::open(format!("/proc/{pid}/net/{network}")) else { continue };
        if file.take(TEXTS_BYTES_MAX).read_to_string(&mut all).is_err() {
            continue;
        }
        let own = all.lines().filter(|line| line.split_whitespace().any(|field| sockets.contains(field)));
        own.for_each(|line| text += &format!("{network} {}\n", line.trim()));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;
    use std::sync::{Arc, Mutex};

    use super::{Gathered, SoFar, collect, gather};

    #[test]
    fn a_reader_that_hangs_costs_what_it_did_not_read() {
        let so_far = SoFar(Arc::new(Mutex::new(Some(Gathered::default()))));
        so_far.add(|gathered| gathered.texts.push(("1/stat".to_owned(), b"1 (x)".to_vec()))).unwrap();
        let (_end, ended) = sync_channel::<()>(1);
        let gathered = collect(&so_far, &ended);
        assert_eq!((gathered.texts.len(), gathered.cut), (1, Some("not all could be read in time")));
        assert!(so_far.add(|_| {}).is_none(), "nobody listens any more");
    }

    #[test]
    fn one_s_own_process_is_read_whole() {
        let gathered = gather(&[std::process::id()]);
        assert_eq!((gathered.processes, gathered.images.len()), (1, 1), "{:?}", gathered.cut);
        let names: Vec<&str> = gathered.texts.iter().map(|(name, _)| name.rsplit('/').next().unwrap()).collect();
        assert!(["files", "maps", "cmdline", "environ"].iter().all(|name| names.contains(name)), "{names:?}");
    }
}
