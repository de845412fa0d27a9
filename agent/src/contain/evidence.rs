//! Owns: what is kept of processes that are killed: executable, memory map, arguments, open files and sockets.
//! Never: memory itself, or holding the kill up: what goes with a process is read before, and written down after.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use picket_model::id::ActionId;
use sha2::{Digest, Sha256};

/// How long the kill may wait for what is read of processes, which are halted meanwhile.
const PATIENCE: Duration = Duration::from_millis(50);
/// Of one tree: its root, and what was found below it first.
const PROCESSES_MAX: usize = 16;
/// One file of /proc.
const TEXT_BYTES_MAX: u64 = 512 * 1024;
/// All of them, held in memory while the processes are killed.
const TEXTS_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// One executable: most are smaller, and a larger one is cut and said to be.
const IMAGE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Of one act.
const ACT_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Of all acts together; the oldest make way.
const BYTES_MAX: u64 = 256 * 1024 * 1024;
const ACTS_MAX: usize = 256;
/// Open files named of one process.
const DESCRIPTORS_MAX: usize = 1_024;
const CHUNK: usize = 64 * 1024;
/// What /proc says of a process, each a file of its own.
const TEXTS: [&str; 8] = ["cmdline", "environ", "maps", "status", "stat", "cgroup", "mountinfo", "limits"];
/// Where the kernel lists the sockets of a process's network.
const NETWORKS: [&str; 5] = ["tcp", "tcp6", "udp", "udp6", "unix"];
const LIST: &str = "SHA256SUMS";

/// What was read of processes, not yet written down.
#[derive(Debug)]
pub struct Gathered {
    processes: usize,
    /// By `PID/NAME`.
    texts: Vec<(String, Vec<u8>)>,
    /// Held open, so that they outlive their processes and their names.
    images: Vec<(String, File)>,
    cut: Option<&'static str>,
}

/// Reads what goes with the processes, as far as time and room reach. They do not run meanwhile.
#[must_use]
pub fn gather(pids: &[u32]) -> Gathered {
    let mut gathered = Gathered { processes: 0, texts: Vec::new(), images: Vec::new(), cut: None };
    let (until, mut room, mut known) = (Instant::now() + PATIENCE, TEXTS_BYTES_MAX, HashSet::new());
    for pid in pids {
        if gathered.processes >= PROCESSES_MAX || room == 0 || Instant::now() > until {
            gathered.cut = Some("not of all processes");
            break;
        }
        gathered.processes += 1;
        for name in TEXTS {
            // What cannot be read is left out: the process may have ended, and the rest counts as well.
            if let Ok(file) = File::open(format!("/proc/{pid}/{name}")) {
                gathered.text(*pid, name, file, &mut room);
            }
        }
        let (names, sockets) = descriptors(*pid);
        gathered.text(*pid, "files", names.as_bytes(), &mut room);
        gathered.text(*pid, "sockets", listed(*pid, &sockets).as_bytes(), &mut room);
        if let Ok(image) = File::open(format!("/proc/{pid}/exe"))
            && image.metadata().is_ok_and(|seen| known.insert((seen.dev(), seen.ino())))
        {
            gathered.images.push((format!("{pid}/exe"), image));
        }
    }
    gathered
}

impl Gathered {
    fn text(&mut self, pid: u32, name: &str, from: impl Read, room: &mut u64) {
        let limit = (*room).min(TEXT_BYTES_MAX);
        let mut text = Vec::new();
        // A file of /proc may fail in the middle, as its process ends; what came before stands.
        let _ = from.take(limit + 1).read_to_end(&mut text);
        if text.len() as u64 > limit {
            text.truncate(usize::try_from(limit).unwrap_or(0));
            self.cut = Some("a list was longer than is kept");
        }
        *room = room.saturating_sub(text.len() as u64);
        self.texts.push((format!("{pid}/{name}"), text));
    }
}

/// Where evidence lies: a folder for each act, for root alone.
#[derive(Debug)]
pub struct Evidence {
    path: PathBuf,
    /// Each act's folder with what is in it, the oldest first.
    acts: VecDeque<(PathBuf, u64)>,
    bytes: u64,
}

impl Evidence {
    pub fn open(path: PathBuf) -> io::Result<Self> {
        folder(&path)?;
        let mut acts: Vec<(i64, PathBuf, u64)> = Vec::new();
        for entry in fs::read_dir(&path)?.flatten() {
            acts.push((entry.metadata()?.mtime(), entry.path(), size(&entry.path())));
        }
        acts.sort();
        let bytes = acts.iter().map(|(_, _, size)| size).sum();
        Ok(Self { path, acts: acts.into_iter().map(|(_, path, size)| (path, size)).collect(), bytes })
    }

    /// Where the evidence of an act lies.
    #[must_use]
    pub fn path_of(&self, id: ActionId) -> PathBuf {
        self.path.join(id.to_string())
    }

    /// Writes down what was gathered; gives what there is, in words. It is not waited for the disk.
    pub fn keep(&mut self, id: ActionId, gathered: Gathered) -> io::Result<String> {
        self.make_room()?;
        let path = self.path_of(id);
        if path.join(LIST).exists() {
            return Ok("evidence was kept before".to_owned());
        }
        folder(&path)?;
        let Gathered { processes, texts, images, mut cut } = gathered;
        let (mut sums, mut left) = (String::new(), ACT_BYTES_MAX);
        for (name, text) in &texts {
            sums += &written(&path, name, text.as_slice(), TEXT_BYTES_MAX, &mut left)?;
        }
        for (name, image) in &images {
            if image.metadata()?.len() > IMAGE_BYTES_MAX.min(left) {
                cut = Some("an executable was larger than is kept");
            }
            sums += &written(&path, name, image, IMAGE_BYTES_MAX, &mut left)?;
        }
        create(&path.join(LIST))?.write_all(sums.as_bytes())?;
        let written = ACT_BYTES_MAX - left;
        self.acts.push_back((path.clone(), written));
        self.bytes += written;
        let cut = cut.map_or_else(String::new, |why| format!(", {why}"));
        let kib = written.div_ceil(1024);
        let digest = hex::encode(Sha256::digest(sums.as_bytes()));
        Ok(format!("evidence of {processes} in {} ({kib} KiB{cut}, list {digest})", path.display()))
    }

    /// The oldest go until one more act fits.
    fn make_room(&mut self) -> io::Result<()> {
        while self.acts.len() >= ACTS_MAX || self.bytes.saturating_add(ACT_BYTES_MAX) > BYTES_MAX {
            let Some((path, size)) = self.acts.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(size);
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Writes one file; gives its line of the list. What a crash had begun is written anew.
fn written(act: &Path, name: &str, mut from: impl Read, limit: u64, left: &mut u64) -> io::Result<String> {
    let path = act.join(name);
    if let Some(process) = path.parent() {
        folder(process)?;
    }
    let mut to = create(&path)?;
    let (mut hash, mut buffer, mut room) = (Sha256::new(), vec![0; CHUNK], limit.min(*left));
    while room > 0 {
        let most = usize::try_from(room).unwrap_or(CHUNK).min(CHUNK);
        let count = from.read(buffer.get_mut(..most).unwrap_or_default())?;
        let chunk = buffer.get(..count).unwrap_or_default();
        if chunk.is_empty() {
            break;
        }
        to.write_all(chunk)?;
        hash.update(chunk);
        room -= count as u64;
        *left -= count as u64;
    }
    Ok(format!("{}  {name}\n", hex::encode(hash.finalize())))
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
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
fn listed(pid: u32, sockets: &BTreeSet<String>) -> String {
    let mut text = String::new();
    if sockets.is_empty() {
        return text;
    }
    for network in NETWORKS {
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

fn folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Of an act's files: two levels, as they are made here.
fn size(path: &Path) -> u64 {
    let within = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().collect::<Vec<_>>();
    let of = |entry: &fs::DirEntry| entry.metadata().map_or(0, |seen| seen.len());
    within(path).iter().map(|entry| of(entry) + within(&entry.path()).iter().map(of).sum::<u64>()).sum()
}
